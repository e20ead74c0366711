"""Figures of silhouettes: whether they are the true ones, and whether any one solid could throw them all."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float
from torch import Tensor

from dd3g.core.cameras import Cameras
from dd3g.objects.mesh import FARTHEST_VERTEX

_SOLID = 0.5  # alpha from which a pixel belongs to the silhouette
_SIDE = 64  # px of silhouettes and voxels a side of the box, for the hull


def silhouette_iou(ours: Float[Tensor, "v 1 h w"], truth: Float[Tensor, "v 1 h w"]) -> Float[Tensor, " v"]:
    """Intersection over union of what is solid in each view; 1 where both are empty."""
    a, b = ours >= _SOLID, truth >= _SOLID
    both, either = (a & b).sum((1, 2, 3)), (a | b).sum((1, 2, 3))
    return torch.where(either > 0, both / either.clamp_min(1), torch.ones(len(a), device=both.device))


def hull_share(alpha: Float[Tensor, "v 1 h w"], cameras: Cameras) -> float:
    """How much of the silhouettes their own visual hull covers: 1 where one solid can throw them all, less where they contradict.

    Views of one solid are consistent however wrong they are; views that a 2D network drew need not be. Silhouettes carve a pixel wider than
    they are, so that thin parts survive the grid.

    Args:
        alpha: Of all views.
        cameras: Theirs, of one scene.

    Returns:
        The mean over views that show anything, in [0, 1]; 0 where none does.
    """
    solid = F.interpolate(alpha.float(), (_SIDE, _SIDE), mode="area") >= _SOLID
    carving = F.max_pool2d(solid.float(), 3, 1, 1) > 0
    small = cameras.resized(_SIDE, _SIDE)
    occupied = _carved(carving[:, 0], small)
    shares = []
    for i in range(len(solid)):
        mask = solid[i, 0]
        if bool(mask.any()):
            shares.append(_covered(occupied, mask, small.pick(slice(i, i + 1))))
    return sum(shares) / len(shares) if shares else 0.0


def _carved(masks: Bool[Tensor, "v s s"], cameras: Cameras) -> Bool[Tensor, "g g g"]:
    """Voxels whose centres lie in every mask; index (x, y, z) from -0.5 up."""
    line = (torch.arange(_SIDE) + 0.5) / _SIDE * (2 * FARTHEST_VERTEX) - FARTHEST_VERTEX
    points = torch.stack(torch.meshgrid(line, line, line, indexing="ij"), -1).reshape(-1, 3)
    left = torch.arange(len(points))
    for i in range(len(masks)):  # each view asks only what those before have left
        pose, lens = cameras.camera_from_world[i], cameras.intrinsics[i]
        seen = points[left] @ pose[:3, :3].T + pose[:3, 3]
        pixel = (seen[:, :2] / seen[:, 2:].clamp_min(1e-6)) * lens[[0, 1], [0, 1]] + lens[:2, 2]
        column, row = pixel.floor().long().unbind(-1)
        inside = (seen[:, 2] > 0) & (column >= 0) & (column < _SIDE) & (row >= 0) & (row < _SIDE)
        inside[inside.clone()] = masks[i, row[inside], column[inside]]
        left = left[inside]
    occupied = torch.zeros(len(points), dtype=torch.bool)
    occupied[left] = True
    return occupied.reshape(_SIDE, _SIDE, _SIDE)


def _covered(occupied: Bool[Tensor, "g g g"], mask: Bool[Tensor, "s s"], camera: Cameras) -> float:
    """Share of a mask's pixels whose ray meets a voxel."""
    row, column = mask.nonzero(as_tuple=True)
    pose, lens = camera.camera_from_world[0], camera.intrinsics[0]
    x = (column + 0.5 - lens[0, 2]) / lens[0, 0]
    y = (row + 0.5 - lens[1, 2]) / lens[1, 1]
    directions = torch.stack([x, y, torch.ones_like(x)], -1) @ pose[:3, :3]  # reach z = 1
    origin = -pose[:3, 3] @ pose[:3, :3]
    away = float(origin.norm())
    reach = FARTHEST_VERTEX * 3**0.5
    depth = torch.linspace(away - reach, away + reach, 2 * _SIDE)
    points = origin + directions[:, None] * depth[:, None]
    index = ((points / (2 * FARTHEST_VERTEX) + 0.5) * _SIDE).floor().long()
    inside = ((index >= 0) & (index < _SIDE)).all(-1)
    i, j, k = index.clamp(0, _SIDE - 1).unbind(-1)
    return (occupied[i, j, k] & inside).any(1).float().mean().item()
