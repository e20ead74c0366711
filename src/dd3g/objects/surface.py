"""What a ray finds where it hits: albedo and shading normal. The mesh is flattened to arrays that a compiled loop can walk."""

from __future__ import annotations

import typing
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float32
from numba import njit

from dd3g.objects.mesh import Mesh, Texture
from dd3g.objects.rays import Hits

_MODES = {"opaque": 0, "mask": 1, "blend": 2}
_WRAPS = {"repeat": 0, "clamp": 1, "mirror": 2}
_SMALLEST_LEVEL = 4  # texels; below that a texture is one colour anyway


def linear_from_srgb(x: np.ndarray) -> np.ndarray:
    """Linear light of sRGB values in [0, 1]."""
    return np.where(x <= 0.04045, x / 12.92, ((x + 0.055) / 1.055) ** 2.4)


LINEAR_FROM_BYTE = linear_from_srgb(np.arange(256) / 255).astype(np.float32)


@dataclass(frozen=True)
class Surface:
    """A mesh as the shading loop reads it. Textures of all materials lie one after another, each with its pyramid of halved levels."""

    corner_normals: Float32[np.ndarray, "m 3 3"]
    face_normals: Float32[np.ndarray, "m 3"]
    corner_uvs: Float32[np.ndarray, "m 3 2"]
    corner_rgba: Float32[np.ndarray, "m 3 4"]
    face_materials: np.ndarray  # (m,) int32
    face_densities: np.ndarray  # (m,) float32, texels per unit of length, to choose the pyramid's level
    factors: np.ndarray  # (k, 4) float32
    modes: np.ndarray  # (k, 4) int32: alpha mode, wrap u, wrap v, first level or -1
    cutoffs: np.ndarray  # (k,) float32
    levels: np.ndarray  # (l, 4) int64: start, height, width, levels that follow
    texels: np.ndarray  # (t, 4) float32, linear, straight alpha
    opaque: bool  # no ray goes on after its first hit


def surface_of(mesh: Mesh) -> Surface:
    """Flattens a mesh."""
    starts: dict[int, int] = {}
    levels: list[tuple[int, int, int, int]] = []
    texels: list[np.ndarray] = []
    modes, total = [], 0
    for material in mesh.materials:
        texture = material.texture
        if texture is not None and id(texture.texels) not in starts:
            pyramid = _pyramid(texture)
            starts[id(texture.texels)] = len(levels)
            for i, level in enumerate(pyramid):
                levels.append((total, level.shape[0], level.shape[1], len(pyramid) - 1 - i))
                texels.append(level.reshape(-1, 4))
                total += len(texels[-1])
        wraps = (0, 0, -1) if texture is None else (_WRAPS[texture.wrap_u], _WRAPS[texture.wrap_v], starts[id(texture.texels)])
        modes.append((_MODES[material.alpha_mode], *wraps))
    triangles = mesh.vertices[mesh.faces].astype(np.float64)
    normals = np.cross(triangles[:, 1] - triangles[:, 0], triangles[:, 2] - triangles[:, 0])
    doubled_areas = np.linalg.norm(normals, axis=1)
    return Surface(
        mesh.corner_normals,
        (normals / doubled_areas[:, None]).astype(np.float32),
        mesh.corner_uvs,
        mesh.corner_rgba,
        mesh.face_materials,
        _densities(mesh, doubled_areas),
        np.array([material.factor_rgba for material in mesh.materials], np.float32),
        np.array(modes, np.int32),
        np.array([material.alpha_cutoff for material in mesh.materials], np.float32),
        np.array(levels or [(0, 1, 1, 0)], np.int64),
        np.concatenate(texels) if texels else np.ones((1, 4), np.float32),
        all(material.alpha_mode == "opaque" for material in mesh.materials),
    )


def _pyramid(texture: Texture) -> list[np.ndarray]:
    level = np.concatenate([LINEAR_FROM_BYTE[texture.texels[..., :3]], texture.texels[..., 3:].astype(np.float32) / 255], -1)
    levels = [level]
    while min(level.shape[:2]) >= 2 * _SMALLEST_LEVEL:
        height, width = level.shape[0] // 2 * 2, level.shape[1] // 2 * 2  # an odd last row or column is left out
        level = level[:height, :width].reshape(height // 2, 2, width // 2, 2, 4).mean((1, 3))
        levels.append(level)
    return levels


def _densities(mesh: Mesh, doubled_areas: np.ndarray) -> np.ndarray:
    """Texels per unit of length on every face: square root of the ratio of the areas."""
    sizes = np.array([(0, 0) if m.texture is None else m.texture.texels.shape[1::-1] for m in mesh.materials], np.float64)
    uvs = mesh.corner_uvs.astype(np.float64) * sizes[mesh.face_materials][:, None]
    u, v = uvs[:, 1] - uvs[:, 0], uvs[:, 2] - uvs[:, 0]
    return np.sqrt(np.abs(u[:, 0] * v[:, 1] - u[:, 1] * v[:, 0]) / doubled_areas).astype(np.float32)


@dataclass(frozen=True)
class Shading:
    """What rays find where they hit; a missed ray has alpha 0 and zero normals."""

    albedo: Float32[np.ndarray, "n 4"]  # linear, straight alpha
    normals: Float32[np.ndarray, "n 3"]  # smooth, towards the viewer
    outward: Float32[np.ndarray, "n 3"]  # of the face, towards the viewer


def shade(surface: Surface, hits: Hits, directions: Float32[np.ndarray, "n 3"], spacing: float) -> Shading:
    """Albedo and normals where rays hit.

    Args:
        surface: The flattened mesh.
        hits: Of :class:`dd3g.objects.rays.RayScene`.
        directions: Of the rays.
        spacing: Distance of neighbouring rays at distance 1, which chooses the level of the textures.
    """
    count = len(hits.face)
    found = Shading(np.zeros((count, 4), np.float32), np.zeros((count, 3), np.float32), np.zeros((count, 3), np.float32))
    s = surface
    _shade(
        hits.face, hits.bary_u, hits.bary_v, hits.distance, directions, np.float32(spacing),
        s.corner_normals, s.face_normals, s.corner_uvs, s.corner_rgba, s.face_materials, s.face_densities,
        s.factors, s.modes, s.cutoffs, s.levels, s.texels, found.albedo, found.normals, found.outward,
    )  # fmt: skip
    return found


@njit(cache=True, nogil=True, error_model="numpy")
@typing.no_type_check
def _wrapped(i, size, wrap):
    if wrap == 0:
        return i % size
    if wrap == 1:
        return min(max(i, 0), size - 1)
    i = i % (2 * size)
    return i if i < size else 2 * size - 1 - i


@njit(cache=True, nogil=True, error_model="numpy")
@typing.no_type_check
def _sample(texels, start, height, width, wrap_u, wrap_v, u, v, out):
    """Bilinear, with linear colours, as glTF asks for."""
    x, y = u * width - 0.5, v * height - 0.5
    left, top = np.floor(x), np.floor(y)
    right_part, lower_part = np.float32(x - left), np.float32(y - top)
    x0, x1 = _wrapped(np.int64(left), width, wrap_u), _wrapped(np.int64(left) + 1, width, wrap_u)
    y0, y1 = _wrapped(np.int64(top), height, wrap_v), _wrapped(np.int64(top) + 1, height, wrap_v)
    a, b, c, d = start + y0 * width + x0, start + y0 * width + x1, start + y1 * width + x0, start + y1 * width + x1
    one = np.float32(1)
    for k in range(4):
        upper = texels[a, k] * (one - right_part) + texels[b, k] * right_part
        lower = texels[c, k] * (one - right_part) + texels[d, k] * right_part
        out[k] = upper * (one - lower_part) + lower * lower_part


@njit(cache=True, nogil=True, error_model="numpy")
@typing.no_type_check
def _shade(
    faces, bary_u, bary_v, distances, directions, spacing,
    corner_normals, face_normals, corner_uvs, corner_rgba, face_materials, face_densities, factors, modes, cutoffs, levels, texels,
    albedo, normals, outward,
):  # fmt: skip
    texel = np.empty(4, np.float32)
    for i in range(faces.shape[0]):
        f = faces[i]
        if f < 0:
            continue
        b1, b2 = bary_u[i], bary_v[i]
        b0 = np.float32(1) - b1 - b2
        m = face_materials[f]
        for k in range(4):
            vertex_colour = corner_rgba[f, 0, k] * b0 + corner_rgba[f, 1, k] * b1 + corner_rgba[f, 2, k] * b2
            albedo[i, k] = vertex_colour * factors[m, k]
        level = modes[m, 3]
        if level >= 0:
            footprint = distances[i] * spacing * face_densities[f]  # texels between neighbouring rays
            deeper = levels[level, 3]
            while footprint >= 2 and deeper > 0:
                footprint *= 0.5
                deeper -= 1
                level += 1
            u = np.float64(corner_uvs[f, 0, 0]) * b0 + np.float64(corner_uvs[f, 1, 0]) * b1 + np.float64(corner_uvs[f, 2, 0]) * b2
            v = np.float64(corner_uvs[f, 0, 1]) * b0 + np.float64(corner_uvs[f, 1, 1]) * b1 + np.float64(corner_uvs[f, 2, 1]) * b2
            _sample(texels, levels[level, 0], levels[level, 1], levels[level, 2], modes[m, 1], modes[m, 2], u, v, texel)
            for k in range(4):
                albedo[i, k] *= texel[k]
        if modes[m, 0] == 0:
            albedo[i, 3] = 1
        elif modes[m, 0] == 1:
            albedo[i, 3] = 1 if albedo[i, 3] >= cutoffs[m] else 0
        nx = corner_normals[f, 0, 0] * b0 + corner_normals[f, 1, 0] * b1 + corner_normals[f, 2, 0] * b2
        ny = corner_normals[f, 0, 1] * b0 + corner_normals[f, 1, 1] * b1 + corner_normals[f, 2, 1] * b2
        nz = corner_normals[f, 0, 2] * b0 + corner_normals[f, 1, 2] * b1 + corner_normals[f, 2, 2] * b2
        gx, gy, gz = face_normals[f]
        if gx * directions[i, 0] + gy * directions[i, 1] + gz * directions[i, 2] > 0:
            gx, gy, gz = -gx, -gy, -gz
        outward[i, 0], outward[i, 1], outward[i, 2] = gx, gy, gz
        length = np.sqrt(nx * nx + ny * ny + nz * nz)
        if length < 1e-6:
            nx, ny, nz, length = gx, gy, gz, np.float32(1)
        # Towards the viewer by the face, not by the smooth normal, which may look away near a silhouette. So files whose normals or
        # windings are turned inside out are lit like all others.
        if nx * gx + ny * gy + nz * gz < 0:
            length = -length
        normals[i, 0], normals[i, 1], normals[i, 2] = nx / length, ny / length, nz / length
