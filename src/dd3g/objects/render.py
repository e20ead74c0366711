"""Ground-truth pictures of a mesh: one ray for every cell of a regular grid in every pixel, first hit, box filter."""

from __future__ import annotations

import typing
from collections.abc import Iterator, Sequence

import numpy as np
import torch
from jaxtyping import Float32
from numba import njit

from dd3g.core.cameras import Cameras
from dd3g.core.errors import InputError
from dd3g.core.views import Views, unpremultiply
from dd3g.objects.lights import Light
from dd3g.objects.mesh import Mesh
from dd3g.objects.rays import RayScene
from dd3g.objects.surface import Surface, shade, surface_of

_RAYS_AT_ONCE = 1 << 17  # about 15 MB of rays and answers: fits the cache of a few cores, and bounds memory at any picture size
_MOST_LAYERS = 32  # see-through surfaces behind one another; what lies behind them stays unseen
_STEP_PAST = 1e-4  # from a surface to its far side, in object units
_SHADOW_OFFSET = 5e-4
_SRGB_STEPS = 4096


def render_views(mesh: Mesh, cameras: Cameras, light: Light | Sequence[Light], *, supersampling: int = 3, depth: bool = False) -> Views:
    """Pictures of a mesh.

    Every pixel is the mean of ``supersampling`` squared rays through the centres of a regular grid of cells. The mean is taken over
    premultiplied sRGB, not over linear light: splats are composited in sRGB (docs/conventions.md), so an edge pixel that is half
    covered must be half object and half background in sRGB; nothing that can be rendered matches a mean in linear light.

    Args:
        mesh: A normalised mesh.
        cameras: One scene's cameras, without batch dimensions.
        light: One for all views, or one a view.
        supersampling: Rays along a pixel's side.
        depth: Also find first and last surface, as camera z, along the ray through every pixel's centre.

    Returns:
        Straight RGBA; alpha is the covered part of a pixel (times the opacity of "blend" materials).

    Raises:
        InputError: Cameras with a batch dimension, a wrong number of lights, or no rays.
    """
    if cameras.intrinsics.ndim != 3:
        raise InputError(f"cameras: have shape {tuple(cameras.intrinsics.shape)}, expected those of one scene, (v, 3, 3)")
    if supersampling < 1:
        raise InputError(f"supersampling: found {supersampling}, expected at least 1")
    lights = [light] * len(cameras) if isinstance(light, Light) else list(light)
    if len(lights) != len(cameras):
        raise InputError(f"light: found {len(lights)} lights for {len(cameras)} views, expected one a view or one for all")
    scene, surface = RayScene(mesh.vertices, mesh.faces), surface_of(mesh)
    pictures = np.zeros((len(cameras), cameras.height, cameras.width, 4), np.float32)
    depths = np.zeros((len(cameras), 2, cameras.height, cameras.width), np.float32)
    for i in range(len(cameras)):
        lens = _Lens(cameras, i, mesh.vertices)
        for rows, columns, origins, directions in lens.rays(supersampling):
            premultiplied = _trace(scene, surface, origins, directions, lens.spacing / supersampling, lights[i])
            grid = premultiplied.reshape(rows.stop - rows.start, supersampling, columns.stop - columns.start, supersampling, 4)
            pictures[i, rows, columns] = grid.mean((1, 3))
        if depth:
            for rows, columns, origins, directions in lens.rays(1):
                first_and_last = _first_and_last(scene, surface, origins, directions, lens)
                depths[i, :, rows, columns] = first_and_last.reshape(2, rows.stop - rows.start, columns.stop - columns.start)
    pixels = torch.from_numpy(pictures).permute(0, 3, 1, 2).contiguous()
    rgb, alpha = pixels[:, :3], pixels[:, 3:].contiguous()
    return Views(unpremultiply(rgb, alpha), alpha, cameras, torch.from_numpy(depths) if depth else None)


class _Lens:
    """One camera, with the part of its picture that the object can cover."""

    def __init__(self, cameras: Cameras, index: int, vertices: np.ndarray) -> None:
        camera_from_world = cameras.camera_from_world[index].double().numpy()
        self.intrinsics = cameras.intrinsics[index].double().numpy()
        self.world_from_camera = camera_from_world[:3, :3].T
        self.centre = -self.world_from_camera @ camera_from_world[:3, 3]
        self.height, self.width = cameras.height, cameras.width
        self.spacing = 1.0 / self.intrinsics[1, 1]  # distance of neighbouring pixels at distance 1
        inside = vertices.astype(np.float64) @ camera_from_world[:3, :3].T + camera_from_world[:3, 3]
        self.farthest = float(inside[:, 2].max())
        self.rows, self.columns = self._window(inside)

    def _window(self, inside: np.ndarray) -> tuple[range, range]:
        """Rows and columns that the object can cover; all of them where it reaches behind the camera."""
        if inside[:, 2].min() <= 1e-3:
            return range(self.height), range(self.width)
        x, y = ((inside[:, :2] / inside[:, 2:]) * self.intrinsics[[0, 1], [0, 1]] + self.intrinsics[[0, 1], [2, 2]]).T
        top, bottom = (int(np.clip(v, 0, self.height)) for v in (np.floor(y.min()) - 1, np.ceil(y.max()) + 1))
        left, right = (int(np.clip(v, 0, self.width)) for v in (np.floor(x.min()) - 1, np.ceil(x.max()) + 1))
        return range(top, bottom), range(left, right)

    def rays(self, per_side: int) -> Iterator[tuple[slice, slice, np.ndarray, np.ndarray]]:
        """Bands of whole rows of pixels, with their rays row by row. Directions reach z = 1, so that a distance is a camera z."""
        columns = slice(self.columns.start, self.columns.stop)
        if not len(self.columns):
            return
        u = (np.arange(columns.start * per_side, columns.stop * per_side) + 0.5) / per_side
        x = (u - self.intrinsics[0, 2]) / self.intrinsics[0, 0]
        band = max(1, _RAYS_AT_ONCE // (len(u) * per_side))
        for top in range(self.rows.start, self.rows.stop, band):
            rows = slice(top, min(top + band, self.rows.stop))
            v = (np.arange(rows.start * per_side, rows.stop * per_side) + 0.5) / per_side
            y = (v - self.intrinsics[1, 2]) / self.intrinsics[1, 1]
            across, along = self.world_from_camera[:, 0], self.world_from_camera[:, 1]
            directions = x[None, :, None] * across + y[:, None, None] * along + self.world_from_camera[:, 2]
            flat = directions.reshape(-1, 3).astype(np.float32)
            yield rows, columns, np.tile(self.centre.astype(np.float32), (len(flat), 1)), flat


def _trace(
    scene: RayScene, surface: Surface, origins: np.ndarray, directions: np.ndarray, spacing: float, light: Light
) -> Float32[np.ndarray, "n 4"]:
    """Premultiplied sRGB with alpha of every ray, front to back through see-through surfaces."""
    out = np.zeros((len(origins), 4), np.float32)
    alive = np.arange(len(origins))
    for _ in range(_MOST_LAYERS):
        layer = _Layer(scene, surface, origins, directions, spacing)
        _composite(out, alive, layer.shading.albedo, layer.irradiance(light), SRGB_TABLE)
        if surface.opaque:
            break
        on = (layer.hits.face >= 0) & (out[alive, 3] < 1 - 1 / 512)
        if not on.any():
            break
        alive, origins, directions = alive[on], layer.past(on), directions[on]
    return out


class _Layer:
    """The nearest surface along rays."""

    def __init__(self, scene: RayScene, surface: Surface, origins: np.ndarray, directions: np.ndarray, spacing: float) -> None:
        self.scene, self.origins, self.directions = scene, origins, directions
        self.hits = scene.nearest(origins, directions)
        self.shading = shade(surface, self.hits, directions, spacing)

    def irradiance(self, light: Light) -> Float32[np.ndarray, "n 3"]:
        """Light that falls on every hit."""
        upward = light.ground + (light.sky - light.ground) * (0.5 + 0.5 * self.shading.normals[:, 1:2])
        total = np.repeat(upward.astype(np.float32), 3, axis=1)
        if light.key_strength == 0:
            return total
        direction = light.direction().astype(np.float32)
        cosine = _cosines(self.shading.normals, direction)
        lit = np.flatnonzero((self.hits.face >= 0) & (cosine > 0) & (_cosines(self.shading.outward, direction) > 0))
        points = (
            self.origins[lit]
            + self.directions[lit] * self.hits.distance[lit, None]
            + self.shading.outward[lit] * np.float32(_SHADOW_OFFSET)
        )
        hidden = self.scene.hidden(points, np.tile(direction, (len(lit), 1)))
        lit = lit[~hidden]
        total[lit] += cosine[lit, None] * light.key_rgb().astype(np.float32)
        return total

    def past(self, on: np.ndarray) -> Float32[np.ndarray, "k 3"]:
        """Points just behind the hits of chosen rays."""
        length = np.linalg.norm(self.directions[on], axis=1)
        return self.origins[on] + self.directions[on] * (self.hits.distance[on] + np.float32(_STEP_PAST) / length)[:, None]


def _cosines(normals: np.ndarray, direction: np.ndarray) -> np.ndarray:
    """Products with one vector, element by element: a matrix product's bits may depend on how many threads share it."""
    return normals[:, 0] * direction[0] + normals[:, 1] * direction[1] + normals[:, 2] * direction[2]


def _first_and_last(
    scene: RayScene, surface: Surface, origins: np.ndarray, directions: np.ndarray, lens: _Lens
) -> Float32[np.ndarray, "2 n"]:
    """Camera z of the nearest and the farthest surface; 0 where there is none. What covers less than half counts as nothing."""
    first = _solid_distance(scene, surface, origins, directions)
    back = np.float32(lens.farthest + 0.25)
    behind = _solid_distance(scene, surface, origins + directions * back, -directions)
    last = np.maximum(np.where(np.isfinite(behind), back - behind, first), first)  # on a silhouette one of the two may miss
    return np.where(np.isfinite(first), np.stack([first, last]), np.float32(0))


def _solid_distance(scene: RayScene, surface: Surface, origins: np.ndarray, directions: np.ndarray) -> Float32[np.ndarray, " n"]:
    """Distance of the nearest surface that covers at least half of what is behind it; infinite where there is none."""
    start, out, alive = origins, np.full(len(origins), np.inf, np.float32), np.arange(len(origins))
    for _ in range(_MOST_LAYERS):
        layer = _Layer(scene, surface, origins, directions, 0.0)
        hit = layer.hits.face >= 0
        solid = hit & (layer.shading.albedo[:, 3] >= 0.5)
        points = layer.origins[solid] + layer.directions[solid] * layer.hits.distance[solid, None] - start[alive[solid]]
        out[alive[solid]] = (points * directions[solid]).sum(1) / (directions[solid] ** 2).sum(1)
        on = hit & ~solid
        if not on.any():
            break
        alive, origins, directions = alive[on], layer.past(on), directions[on]
    return out


def _srgb_table() -> np.ndarray:
    x = np.arange(_SRGB_STEPS + 2) / _SRGB_STEPS  # one more than the last, to interpolate towards
    return np.minimum(np.where(x <= 0.0031308, 12.92 * x, 1.055 * x ** (1 / 2.4) - 0.055), 1).astype(np.float32)


SRGB_TABLE = _srgb_table()  # interpolated: at most 2e-5 from the curve, a tenth of a per cent of an 8-bit step


@njit(cache=True, nogil=True, error_model="numpy")
@typing.no_type_check
def _composite(out, rows, albedo, irradiance, srgb_table):
    """Puts a layer behind what ``out`` holds."""
    one, zero, steps = np.float32(1), np.float32(0), np.float32(_SRGB_STEPS)
    for i in range(rows.shape[0]):
        alpha = albedo[i, 3]
        if not alpha > 0:
            continue
        row = rows[i]
        weight = (one - out[row, 3]) * min(alpha, one)
        for k in range(3):
            x = min(max(albedo[i, k] * irradiance[i, k], zero), one) * steps
            low = int(x)
            value = srgb_table[low] + (srgb_table[low + 1] - srgb_table[low]) * (x - np.float32(low))
            out[row, k] += weight * value
        out[row, 3] += weight
