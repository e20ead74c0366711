"""The record of a textured object, and how it is put together from parts of one material each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from jaxtyping import Float32, Float64, Int32, UInt8

from dd3g.core.errors import MeshError
from dd3g.objects.normals import CREASE_DEG, corner_normals

FARTHEST_VERTEX = 0.5  # docs/conventions.md: nothing is cut off from any side of the canonical rig
MOST_FACES = 10_000_000

Wrap = Literal["repeat", "clamp", "mirror"]
AlphaMode = Literal["opaque", "mask", "blend"]


@dataclass(frozen=True)
class Texture:
    """A picture on a surface: sRGB texels with straight alpha; uv (0, 0) is the picture's upper left corner, v runs down (glTF)."""

    texels: UInt8[np.ndarray, "height width 4"]
    wrap_u: Wrap = "repeat"
    wrap_v: Wrap = "repeat"


@dataclass(frozen=True)
class Material:
    """Base colour and nothing else: no gloss, no metal, no emission. Both sides are visible, whatever a file says."""

    factor_rgba: tuple[float, float, float, float] = (1.0, 1.0, 1.0, 1.0)  # linear, times texture, times vertex colour
    texture: Texture | None = None
    alpha_mode: AlphaMode = "opaque"
    alpha_cutoff: float = 0.5  # of "mask"


@dataclass(frozen=True)
class Part:
    """Triangles of one material, in any units, before they are joined. What is None is made up: normals by crease angle, white colours."""

    positions: Float32[np.ndarray, "n 3"]
    triangles: Int32[np.ndarray, "m 3"]
    material: Material = Material()
    normals: Float32[np.ndarray, "n 3"] | None = None
    uvs: Float32[np.ndarray, "n 2"] | None = None
    rgba: Float32[np.ndarray, "n 4"] | None = None  # vertex colours, linear


@dataclass(frozen=True)
class Mesh:
    """A normalised object: box centre at the origin, farthest vertex at 0.5, +Y up, front +Z.

    Attributes stand at the corners of faces, so that seams and creases need no copied vertices.
    """

    vertices: Float32[np.ndarray, "n 3"]
    faces: Int32[np.ndarray, "m 3"]
    corner_normals: Float32[np.ndarray, "m 3 3"]  # unit
    corner_uvs: Float32[np.ndarray, "m 3 2"]
    corner_rgba: Float32[np.ndarray, "m 3 4"]  # linear
    face_materials: Int32[np.ndarray, " m"]
    materials: tuple[Material, ...]


def assemble(parts: Sequence[Part], where: str, crease_deg: float = CREASE_DEG) -> Mesh:
    """Joins parts to one normalised mesh.

    Args:
        parts: At least one with faces; faces without area and vertices that no face uses are dropped.
        where: File or seed that errors name.
        crease_deg: Where a part has no normals, edges sharper than this stay sharp.

    Raises:
        MeshError: No faces, too many of them, an index out of range, vertices that aren't finite, or no extent.
    """
    parts = [part for part in parts if len(part.triangles)]
    if not parts:
        raise MeshError(f"{where}: holds no faces, expected at least one triangle; export the object as a triangle mesh")
    parts = [part for part in parts if not _unseen(part.material)]
    if not parts:
        raise MeshError(f"{where}: all faces are fully transparent; give the materials an opacity above 0 and export it again")
    count = sum(len(part.triangles) for part in parts)
    if count > MOST_FACES:
        raise MeshError(f"{where}: has {count} faces, expected at most {MOST_FACES}; simplify the mesh")
    for part in parts:
        _check(part, where)
    vertices, faces = _join(parts)
    vertices = _normalised(vertices, where)
    kept = _has_area(vertices[faces])
    if not kept.any():
        raise MeshError(f"{where}: none of its {count} faces has an area; export the object as a triangle mesh")
    corner = {name: np.concatenate([_corners(part, name) for part in parts])[kept] for name in ("normals", "uvs", "rgba")}
    materials = tuple(part.material for part in parts)
    face_materials = np.repeat(np.arange(len(parts), dtype=np.int32), [len(part.triangles) for part in parts])[kept]
    faces = faces[kept]
    normals = corner_normals(vertices, faces, corner["normals"], crease_deg)
    return Mesh(vertices, faces, normals, corner["uvs"], corner["rgba"], face_materials, materials)


def reshaped(mesh: Mesh, vertices: Float64[np.ndarray, "n 3"], corner_normals: Float64[np.ndarray, "m 3 3"]) -> Mesh:
    """A mesh with its vertices moved, normalised again; faces that lost their area are dropped.

    Args:
        mesh: Gives faces, colours and materials.
        vertices: Where its vertices go, in any units.
        corner_normals: Of any length but zero.

    Raises:
        MeshError: No extent or no area is left.
    """
    normalised = _normalised(vertices, "a reshaped mesh")
    kept = _has_area(normalised[mesh.faces])
    if not kept.any():
        raise MeshError(f"a reshaped mesh: none of its {len(kept)} faces has an area; reshape it less")
    return replace(
        mesh,
        vertices=normalised,
        faces=mesh.faces[kept],
        corner_normals=(corner_normals / np.linalg.norm(corner_normals, axis=-1, keepdims=True)).astype(np.float32)[kept],
        corner_uvs=mesh.corner_uvs[kept],
        corner_rgba=mesh.corner_rgba[kept],
        face_materials=mesh.face_materials[kept],
    )


def _unseen(material: Material) -> bool:
    return material.alpha_mode == "blend" and material.factor_rgba[3] <= 0


def _check(part: Part, where: str) -> None:
    low, high = int(part.triangles.min()), int(part.triangles.max())
    if low < 0 or high >= len(part.positions):
        raise MeshError(
            f"{where}: a face names vertex {high if low >= 0 else low} of {len(part.positions)}; the file is damaged, export it again"
        )
    used = part.positions[np.unique(part.triangles)]
    if not np.isfinite(used).all():
        bad = int((~np.isfinite(used)).any(1).sum())
        raise MeshError(
            f"{where}: {bad} of {len(used)} vertices are not finite numbers (NaN or infinite); repair the mesh and export it again"
        )


def _join(parts: Sequence[Part]) -> tuple[np.ndarray, np.ndarray]:
    """All vertices, welded where they are bit-equal, and all faces."""
    starts = np.cumsum([0] + [len(part.positions) for part in parts])[:-1]
    positions = np.concatenate([part.positions for part in parts]).astype(np.float64)
    faces = np.concatenate([part.triangles.astype(np.int64) + start for part, start in zip(parts, starts, strict=True)])
    used, faces = np.unique(faces, return_inverse=True)
    vertices, welded = np.unique(positions[used] + 0.0, axis=0, return_inverse=True)  # + 0.0: -0.0 is 0.0
    return vertices, welded.reshape(-1)[faces.reshape(-1, 3)].astype(np.int32)


def _normalised(vertices: np.ndarray, where: str) -> np.ndarray:
    centred = vertices - (vertices.min(0) + vertices.max(0)) / 2
    farthest = float(np.sqrt((centred**2).sum(1).max()))
    if not (np.isfinite(farthest) and farthest > 1e-30):
        raise MeshError(f"{where}: all {len(vertices)} vertices stand at one point (extent {farthest:g}); export the object with its size")
    return (centred * (FARTHEST_VERTEX / farthest)).astype(np.float32)


def _has_area(triangles: np.ndarray) -> np.ndarray:
    edges = triangles[:, 1:].astype(np.float64) - triangles[:, :1]
    return (np.cross(edges[:, 0], edges[:, 1]) ** 2).sum(1) > 1e-24  # 1e-12 of a unit square: below what a ray can find


def _corners(part: Part, name: str) -> np.ndarray:
    values = getattr(part, name)
    if values is not None:
        return values[part.triangles]
    fill, width = {"normals": (np.nan, 3), "uvs": (0.0, 2), "rgba": (1.0, 4)}[name]
    return np.full((len(part.triangles), 3, width), fill, np.float32)
