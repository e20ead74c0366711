"""The soft edge: where exactly it lies, and the object's own colours at it and beyond it, so that no halo of the old background is left."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional

_REACHES_PX = (24, 4, 2)  # of the box that averages neighbours: far first, to have an answer everywhere, then near, to have a good one
_TINY = 1e-4
_EDGE_REACH_PX = 4  # neighbourhood whose solid parts say what object and background look like
_DISTINCT = 0.15  # difference of colour from which the picture is trusted more than the mask
_LARGEST_SHIFT = 0.3  # of alpha


def sharpened(rgb: Float[Tensor, "3 h w"], alpha: Float[Tensor, "1 h w"]) -> Float[Tensor, "1 h w"]:
    """A coarse mask whose soft edge is moved to where the picture has it.

    Nearby solid parts of object and background give two colours F and B; the pixel's place on the line between them is its alpha. That is
    believed the more, the more F and B differ; solid pixels stay as they are. On renders with masks of 84 instead of 192 pixels it halves
    the error of alpha and of the cut-out's colours, and it costs exact masks a tenth of that.
    """
    front = _mean_nearby(rgb, (alpha > 0.95) + _TINY * alpha, _EDGE_REACH_PX)
    back = _mean_nearby(rgb, (alpha < 0.05) + _TINY * (1 - alpha), _EDGE_REACH_PX)
    along = front - back
    square = along.square().sum(0, keepdim=True)
    by_colour = (((rgb - back) * along).sum(0, keepdim=True) / square.clamp_min(_TINY)).clamp(0, 1)
    trust = square / (square + _DISTINCT**2)
    shift = trust * (by_colour - alpha).clamp(-_LARGEST_SHIFT, _LARGEST_SHIFT)
    return torch.where((alpha > 0.02) & (alpha < 0.98), alpha + shift, alpha)


def foreground(rgb: Float[Tensor, "3 h w"], alpha: Float[Tensor, "1 h w"]) -> Float[Tensor, "3 h w"]:
    """The colour F of the object where a pixel shows a mixture ``rgb = alpha F + (1 - alpha) B`` of it and its background.

    Blur fusion (Forte 2021): averages of F and B over a neighbourhood, weighted by alpha and by its complement, explain the pixel up to
    a rest; F gets the share alpha of that rest. Where alpha is 1 the pixel is kept to the bit.
    """
    front, back = rgb, rgb
    for reach in _REACHES_PX:
        near_front = _mean_nearby(front, alpha, reach)
        near_back = _mean_nearby(back, 1 - alpha, reach)
        rest = rgb - alpha * near_front - (1 - alpha) * near_back
        front, back = (near_front + alpha * rest).clamp(0, 1), near_back
    return torch.where(alpha >= 1, rgb, front)


def bled(rgb: Float[Tensor, "3 h w"], known: Float[Tensor, "1 h w"]) -> Float[Tensor, "3 h w"]:
    """Colours where ``known`` is 1, carried on smoothly to where it is 0, so that sampling between pixels finds no foreign colour.

    Pull-push: known colours are averaged to ever coarser pictures until every place has one, and filled in on the way back. Known pixels
    keep their value; without any known pixel the picture is black.
    """
    height, width = rgb.shape[-2:]
    if min(height, width) == 1 or bool(known.all()):
        return torch.where(known > 0, rgb, _weighted_mean(rgb, known))
    size = (-(-height // 2), -(-width // 2))
    padded = functional.pad(torch.cat([rgb * known, known]), (0, width % 2, 0, height % 2))
    pooled = functional.avg_pool2d(padded[None], 2)[0]
    weight = pooled[3:]
    coarse = bled(pooled[:3] / weight.clamp_min(_TINY), (weight > 0).to(weight))
    assert coarse.shape[-2:] == size
    filled = functional.interpolate(coarse[None], (size[0] * 2, size[1] * 2), mode="bilinear", align_corners=False)[0]
    return torch.where(known > 0, rgb, filled[:, :height, :width])


def _weighted_mean(rgb: Tensor, weight: Tensor) -> Tensor:
    return (rgb * weight).sum((1, 2), keepdim=True) / weight.sum().clamp_min(_TINY)


def _mean_nearby(colour: Float[Tensor, "3 h w"], weight: Float[Tensor, "1 h w"], reach: int) -> Float[Tensor, "3 h w"]:
    """Mean over a box of 2 reach + 1 pixels, weighted; the plain weighted mean of the picture where nothing near has weight."""
    sums = _box_sum(torch.cat([colour * weight, weight]), reach)
    near = sums[:3] / sums[3:].clamp_min(_TINY**2)
    return torch.where(sums[3:] > _TINY**2, near, _weighted_mean(colour, weight))


def _box_sum(x: Float[Tensor, "c h w"], reach: int) -> Float[Tensor, "c h w"]:
    """Means times the box's area; pixels outside the picture count as 0. One axis at a time."""
    side = 2 * reach + 1
    for kernel, padding in (((side, 1), (reach, 0)), ((1, side), (0, reach))):
        x = functional.avg_pool2d(x[None], kernel, 1, padding)[0] * side
    return x
