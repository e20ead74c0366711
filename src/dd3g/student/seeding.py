"""Where the anchored decoder's Gaussians start: on rays through the picture's matte, in layers from the front surface to the back.

Seeds are placed by inverse-CDF over the matte in Morton order, so that neighbours in the list are neighbours in the picture, equal
shares of the list are patches of it, and any number of seeds may be asked for. A pixel inside the matte weighs two (front and back
surface); a pixel at its rim weighs more, since there the object's sides are seen edge on and one ray stands for all of their depth.
"""

from __future__ import annotations

import functools
import math
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from dd3g.core.cameras import RIG_FOV_Y_DEG, RIG_RADIUS
from dd3g.student.object_box import ObjectBox

GRID = 64  # side of the grid on which the matte of the object's box is read
HALF_FRAME = RIG_RADIUS * math.tan(math.radians(RIG_FOV_Y_DEG) / 2)  # 0.685: half the frame's side at the origin, object units
_RIM_RADIUS = 1  # cells of the grid that count as rim
_INSIDE_WEIGHT = 2.0


@dataclass(frozen=True)
class Seeds:
    """Starting places of n Gaussians on the rays of the input camera."""

    xy: Float[Tensor, "b n 2"]  # in the picture, x right, y down, -1..1 at the frame's edges
    layer: Float[Tensor, "b n"]  # 0 the front surface ... 1 the back one
    spacing: Float[Tensor, "b n"]  # mean distance of neighbouring seeds of one layer, object units
    rim: Float[Tensor, "b n"]  # 1 at the matte's rim, 0 inside


@torch.no_grad()
def seed_matte(alpha: Float[Tensor, "b 1 h w"], box: ObjectBox, count: int, edge_layers: int) -> Seeds:
    """Places ``count`` seeds a picture. A pure function of the matte; an empty matte seeds its centre.

    Args:
        alpha: The matte of the cropped object, that is of ``box``.
        box: Where the crop lies in the picture.
        count: Number of seeds.
        edge_layers: Weight of a cell at the rim.
    """
    matte = F.interpolate(alpha, (GRID, GRID), mode="bilinear", antialias=True, align_corners=False)[:, 0]
    matte = torch.where(matte > 0.25, matte, 0.0)
    centre = torch.zeros_like(matte)
    centre[:, GRID // 2, GRID // 2] = 1.0
    matte = torch.where(matte.flatten(1).any(1)[:, None, None], matte, centre)
    inside = (matte > 0.5).float()
    rim = ((_eroded(inside) == 0) & (matte > 0)).float()
    weight = matte * (_INSIDE_WEIGHT + (edge_layers - _INSIDE_WEIGHT) * rim)

    order = _morton_order(GRID, alpha.device)
    ordered = weight.flatten(1)[:, order].double()
    cumulative = ordered.cumsum(1)
    total = cumulative[:, -1:]
    place = (torch.arange(count, device=alpha.device, dtype=torch.float64) + 0.5) / count * total
    cell = torch.searchsorted(cumulative, place).clamp_max(GRID * GRID - 1)
    share = ((place - (cumulative.gather(1, cell) - ordered.gather(1, cell))) / ordered.gather(1, cell).clamp_min(1e-9)).clamp(0, 1)
    pixel = order[cell]

    at_rim = rim.flatten(1).gather(1, pixel)
    # Inside, the first half of a pixel's weight is the front surface and the second half the back one; at the rim layers are even.
    layer = torch.where(at_rim > 0, share, (share >= 0.5).double()).float()
    jitter = _low_discrepancy(count, alpha.device)
    x = (pixel % GRID + jitter[:, 0]) / GRID * 2 - 1
    y = (pixel // GRID + jitter[:, 1]) / GRID * 2 - 1
    half_side = box.half[:, None] * HALF_FRAME  # of the box, object units
    # total / count is the weight one seed stands for; inside, one layer of a pixel weighs 1.
    spacing = half_side * (2 / GRID * (total / count).sqrt()).float().expand(-1, count)
    xy = box.outside(torch.stack([x, y], -1).float())
    return Seeds(xy, layer, spacing, at_rim)


def inflate(matte: Float[Tensor, "b h w"]) -> Float[Tensor, "b h w"]:
    """Half thickness of a body with this silhouette, in half sides of the picture: sqrt of the solution of Poisson's equation.

    For a disc of radius r the solution of lap(f) = -4 that vanishes outside is r^2 - d^2, so the body is a ball. Solved coarse to
    fine with a few Jacobi steps a level: a prior, not a solution to the last digit.
    """
    levels = [matte[:, None]]
    while levels[-1].shape[-1] > 8:
        levels.append(F.avg_pool2d(levels[-1], 2))
    field = torch.zeros_like(levels[-1])
    around = _cross(matte.device, matte.dtype)
    for level in reversed(levels):
        if field.shape[-1] != level.shape[-1]:
            field = F.interpolate(field, scale_factor=2.0, mode="bilinear", align_corners=False)
        mask = level * (level > 0.5)
        source = mask * (2 / level.shape[-1]) ** 2  # the squared width of a cell, in half sides
        for _ in range(20):
            field = torch.addcmul(source, mask, F.conv2d(field, around, padding=1))
    field = field[:, 0]
    return field.clamp_min(0).sqrt()


def _eroded(inside: Float[Tensor, "b h w"]) -> Float[Tensor, "b h w"]:
    radius = _RIM_RADIUS
    return -F.max_pool2d(-F.pad(inside, (radius,) * 4)[:, None], 2 * radius + 1, stride=1)[:, 0]


@functools.cache
def _cross(device: torch.device, dtype: torch.dtype) -> Tensor:
    """Mean of the four neighbours, as a kernel."""
    kernel = torch.zeros(1, 1, 3, 3)
    kernel[0, 0, [0, 1, 1, 2], [1, 0, 2, 1]] = 0.25
    return kernel.to(device, dtype)


@functools.cache
def _morton_order(size: int, device: torch.device) -> Tensor:
    """Row-major indices of a size x size grid in Morton (Z) order."""
    index = torch.arange(size * size)
    x, y = index % size, index // size
    code = torch.zeros_like(index)
    for bit in range(size.bit_length()):
        code |= ((x >> bit) & 1) << (2 * bit) | ((y >> bit) & 1) << (2 * bit + 1)
    return code.argsort(stable=True).to(device)


@functools.cache
def _low_discrepancy(count: int, device: torch.device) -> Tensor:
    """Places inside a pixel for consecutive seeds: the additive R2 sequence, even in two dimensions at any length."""
    plastic = 1.324717957244746
    step = torch.tensor([1 / plastic, 1 / plastic**2], dtype=torch.float64, device=device)
    return ((torch.arange(1, count + 1, dtype=torch.float64, device=device)[:, None] * step) % 1).float()
