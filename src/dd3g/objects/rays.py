"""Rays against one mesh, through embree: one thread, float32, the same answers in any process."""

from __future__ import annotations

import typing
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float32, Int32

from dd3g.core.errors import require


@dataclass(frozen=True)
class Hits:
    """The nearest hit of every ray; ``face`` is -1 where a ray hits nothing."""

    face: Int32[np.ndarray, " n"]
    bary_u: Float32[np.ndarray, " n"]  # weight of the face's second vertex
    bary_v: Float32[np.ndarray, " n"]  # of its third
    distance: Float32[np.ndarray, " n"]  # in lengths of the direction


class RayScene:
    """A mesh that rays can be shot at (embree's tree over its faces)."""

    def __init__(self, vertices: Float32[np.ndarray, "n 3"], faces: Int32[np.ndarray, "m 3"]) -> None:
        scenes = typing.cast(typing.Any, require("embreex.rtcore_scene", "train"))
        meshes = typing.cast(typing.Any, require("embreex.mesh_construction", "train"))
        self._scene = scenes.EmbreeScene(robust=True)  # no ray slips through between two faces that share an edge
        meshes.TriangleMesh(self._scene, np.ascontiguousarray(vertices), np.ascontiguousarray(faces))

    def nearest(self, origins: Float32[np.ndarray, "n 3"], directions: Float32[np.ndarray, "n 3"]) -> Hits:
        """First hits. Directions need not be unit vectors."""
        found = self._scene.run(origins, directions, output=True)
        return Hits(np.where(found["geomID"] < 0, np.int32(-1), found["primID"]), found["u"], found["v"], found["tfar"])

    def hidden(self, origins: Float32[np.ndarray, "n 3"], directions: Float32[np.ndarray, "n 3"]) -> Bool[np.ndarray, " n"]:
        """Whether anything stands in a ray's way."""
        return self._scene.run(origins, directions, query="OCCLUDED") >= 0
