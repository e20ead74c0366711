"""Where the student's frame lies in the teacher's, for inputs of which nobody knows it.

The student builds an object in the frame of its framed picture; a teacher draws the same object in its own, where it has a size and a
middle that a photograph does not tell. Supervision must not punish that difference, so the two are brought together by their silhouettes:
the similarity (no turn; both stand at azimuth 0) under which middle and spread of the student's silhouettes are those of the teacher's.
"""

from __future__ import annotations

from dataclasses import replace

import torch
from jaxtyping import Float
from torch import Tensor

from dd3g.core import Cameras, Gaussians
from dd3g.recipes.student_batches import StudentBatch
from dd3g.render import rasterize

_LEAST_SCALE, _LARGEST_SCALE = 0.4, 2.5  # beyond them it is no registration but a miss
_ROUNDS = 2  # the first is linear in the picture; the second mends what perspective makes of a large step


def registered(gaussians: Gaussians, batch: StudentBatch) -> StudentBatch:
    """The batch with scale and offset found where they are not known (NaN); the others stay.

    Args:
        gaussians: The student's, in its own frame; no gradient goes through what is found.
        batch: Targets with cameras.
    """
    unknown = batch.scale.isnan()
    if not bool(unknown.any()):
        return batch
    with torch.no_grad():
        scale, offset = silhouette_similarity(gaussians.map(lambda t: t.detach()), batch.target_alpha, batch.cameras)
    return replace(batch, scale=torch.where(unknown, scale, batch.scale), offset=torch.where(unknown[:, None], offset, batch.offset))


def silhouette_similarity(
    gaussians: Gaussians, alpha: Float[Tensor, "b v 1 h w"], cameras: Cameras
) -> tuple[Float[Tensor, " b"], Float[Tensor, "b 3"]]:
    """(scale, offset) with student = scale * object + offset, such that silhouettes of the object's frame look like ``alpha``."""
    b = alpha.shape[0]
    scale, offset = alpha.new_ones(b), alpha.new_zeros(b, 3)
    middle, spread = silhouette_moments(alpha, cameras)
    for _ in range(_ROUNDS):
        placed = gaussians.transformed(1 / scale, -offset / scale[:, None])
        ours, our_spread = silhouette_moments(rasterize(placed, cameras, alpha.new_zeros(3)).alpha, cameras)
        # object = grown * placed + moved, about the origin
        grown = (spread / our_spread.clamp_min(1e-6)).clamp(_LEAST_SCALE, _LARGEST_SCALE)
        grown = torch.where((spread > 0) & (our_spread > 0), grown, torch.ones_like(grown))
        moved = torch.where((spread > 0)[:, None], middle - grown[:, None] * ours, torch.zeros_like(middle))
        # student = scale * placed + offset and placed = (object - moved) / grown
        scale = (scale / grown).clamp(1 / _LARGEST_SCALE, 1 / _LEAST_SCALE)
        offset = offset - scale[:, None] * moved
    return scale, offset


def silhouette_moments(alpha: Float[Tensor, "b v 1 h w"], cameras: Cameras) -> tuple[Float[Tensor, "b 3"], Float[Tensor, " b"]]:
    """Middle in space (object units) of what throws these silhouettes, and its spread; zeros where there is none.

    Each silhouette's centre of mass is a direction through the camera; the middle is nearest to all of them at the origin's distance.
    """
    height, width = alpha.shape[-2:]
    mass = alpha[:, :, 0].double()
    total = mass.sum((2, 3)).clamp_min(1e-9)
    x = torch.arange(width, device=alpha.device, dtype=torch.float64) + 0.5
    y = torch.arange(height, device=alpha.device, dtype=torch.float64) + 0.5
    centre_x, centre_y = (mass.sum(2) * x).sum(-1) / total, (mass.sum(3) * y).sum(-1) / total
    squares = (
        (mass.sum(2) * x.square()).sum(-1) / total - centre_x.square() + (mass.sum(3) * y.square()).sum(-1) / total - centre_y.square()
    )
    focal, point = cameras.intrinsics[..., 0, 0].double(), cameras.intrinsics[..., :2, 2].double()
    away = cameras.camera_from_world[..., :3, 3].double().norm(dim=-1)
    per_pixel = away / focal  # object units at the origin's distance
    sideways = torch.stack([(centre_x - point[..., 0]) * per_pixel, (centre_y - point[..., 1]) * per_pixel], -1)
    rows = cameras.camera_from_world[..., :2, :3].double().expand(*sideways.shape, 3)  # right and down of each camera
    seen = (mass.sum((2, 3)) > 0.5).double()
    weight = seen[..., None].expand_as(sideways)
    normal = torch.einsum("bvki,bvk,bvkj->bij", rows, weight, rows) + 1e-9 * torch.eye(3, dtype=torch.float64, device=alpha.device)
    middle = torch.linalg.solve(normal, torch.einsum("bvki,bvk,bvk->bi", rows, weight, sideways)[..., None])[..., 0]
    variance = (squares.clamp_min(0) * per_pixel.square() * seen).sum(1) / seen.sum(1).clamp_min(1)
    return middle.float(), variance.sqrt().float()
