"""Shading normals at the corners of faces: the file's where it has good ones, else smooth up to a crease angle."""

from __future__ import annotations

import math
import typing

import numpy as np
from jaxtyping import Float32, Int
from numba import njit

CREASE_DEG = 40.0  # above the facets of a cylinder with ten sides (36 degrees), below a bevel (45)


def corner_normals(
    vertices: Float32[np.ndarray, "n 3"],
    faces: Int[np.ndarray, "m 3"],
    given: Float32[np.ndarray, "m 3 3"],
    crease_deg: float = CREASE_DEG,
) -> Float32[np.ndarray, "m 3 3"]:
    """Unit normals at every corner of every face.

    Args:
        vertices: Positions, welded: faces that meet share their vertices.
        faces: Triangles with an area.
        given: The file's normals; a corner with a NaN or zero normal gets a computed one.
        crease_deg: A corner averages the faces round its vertex that turn from its own face by less than this angle.
    """
    triangles = vertices[faces].astype(np.float64)
    edges = np.roll(triangles, -1, axis=1) - triangles
    face_normals = np.cross(edges[:, 0], -edges[:, 2])
    face_normals /= np.linalg.norm(face_normals, axis=1, keepdims=True)
    length = np.linalg.norm(given.astype(np.float64), axis=-1, keepdims=True)
    good = np.isfinite(length) & (length > 1e-6)
    if good.all():
        return (given / length).astype(np.float32)
    unit_edges = edges / np.linalg.norm(edges, axis=-1, keepdims=True)
    cosines = -(unit_edges * np.roll(unit_edges, 1, axis=1)).sum(-1)
    # the angle at the corner: so the sum does not depend on how a flat part is cut into triangles; a needle's tip has a little, too
    weights = np.arccos(cosines.clip(-1, 1)).clip(1e-9)
    order = np.argsort(faces.reshape(-1), kind="stable")
    first = np.searchsorted(faces.reshape(-1)[order], np.arange(len(vertices) + 1))
    smooth = np.empty((len(faces), 3, 3))
    _average(faces.astype(np.int64), face_normals, weights.reshape(-1), order, first, math.cos(math.radians(crease_deg)), smooth)
    smooth /= np.linalg.norm(smooth, axis=-1, keepdims=True)
    return np.where(good, given / np.where(good, length, 1), smooth).astype(np.float32)


@njit(cache=True, nogil=True)
@typing.no_type_check
def _average(faces, face_normals, weights, order, first, least_cosine, out):
    for f in range(faces.shape[0]):
        x, y, z = face_normals[f]
        for c in range(3):
            vertex = faces[f, c]
            sx = sy = sz = 0.0
            for k in range(first[vertex], first[vertex + 1]):
                corner = order[k]
                g = corner // 3
                if face_normals[g, 0] * x + face_normals[g, 1] * y + face_normals[g, 2] * z >= least_cosine or g == f:
                    sx += face_normals[g, 0] * weights[corner]
                    sy += face_normals[g, 1] * weights[corner]
                    sz += face_normals[g, 2] * weights[corner]
            out[f, c, 0], out[f, c, 1], out[f, c, 2] = sx, sy, sz
