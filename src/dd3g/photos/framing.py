"""Where the object lies in its picture, and the square crop in which it is centred at its standard size.

Everything is batched and works on tensors alone, since training frames its pictures with the same functions. Coordinates are pixels of the
source picture, with x to the right, y down and the centre of the first pixel at (0.5, 0.5); a crop may leave the picture, where nothing is.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional

from dd3g.core.errors import InputError
from dd3g.core.views import unpremultiply

LONGEST_SIDE = 0.75  # of the frame (docs/conventions.md)
SNAP_PX = 1.0  # a square picture whose object is centred and scaled this well is in frame already (method.md, check 36)


@dataclass(frozen=True)
class Framing:
    """A square crop of a picture, in the picture's pixels."""

    centre_x: Float[Tensor, "*batch"]
    centre_y: Float[Tensor, "*batch"]
    side: Float[Tensor, "*batch"]


def box_of(alpha: Float[Tensor, "*batch 1 h w"]) -> Float[Tensor, "*batch 4"]:
    """The object's box (left, top, right, bottom): where alpha crosses half of its largest value, between pixel centres.

    Half is the edge of an antialiased silhouette, so the box of a picture and of its resized copy agree to a fraction of a pixel; soft
    shadows and ghosts below it don't count. Half "of the largest" finds glass as well.

    Raises:
        InputError: A picture is transparent everywhere.
    """
    peak = alpha.amax((-3, -2, -1))
    if not bool((peak > 0).all()):
        raise InputError("alpha: transparent everywhere, and a framing needs an object; leave such pictures out")
    left, right = _extent(alpha.amax((-3, -2)), peak / 2)
    top, bottom = _extent(alpha.amax((-3, -1)), peak / 2)
    return torch.stack([left, top, right, bottom], -1)


def _extent(profile: Float[Tensor, "*batch n"], level: Float[Tensor, "*batch"]) -> tuple[Float[Tensor, "*batch"], Float[Tensor, "*batch"]]:
    """First and last crossing of ``level``; nothing stands outside the picture."""

    def first(p: Tensor) -> Tensor:
        index = (p >= level[..., None]).to(torch.uint8).argmax(-1, keepdim=True)  # the first of the largest
        inside = p.gather(-1, index)[..., 0]
        outside = functional.pad(p, (1, 0)).gather(-1, index)[..., 0]
        return index[..., 0] - 0.5 + (level - outside) / (inside - outside)

    p = profile.double()
    return first(p), p.shape[-1] - first(p.flip(-1))


def framing_of(alpha: Float[Tensor, "*batch 1 h w"]) -> Framing:
    """The crop that centres the object's box and makes its longest side 0.75 of the frame.

    A square picture that is in frame already, to :data:`SNAP_PX`, is kept as it is: framing twice changes nothing. (But tips thinner than a
    pixel of the result lose coverage in :func:`apply_framing`, and the box of what is left may be a little smaller.)

    Args:
        alpha: Coverage in [0, 1]; every picture of the batch has its own framing.

    Raises:
        InputError: A picture is transparent everywhere.
    """
    left, top, right, bottom = box_of(alpha).unbind(-1)
    centre_x, centre_y = (left + right) / 2, (top + bottom) / 2
    longest = torch.maximum(right - left, bottom - top)
    height, width = alpha.shape[-2:]
    if height == width:
        middle = width / 2
        off = torch.stack([centre_x - middle, centre_y - middle, longest - LONGEST_SIDE * width]).abs().amax(0)
        framed = off <= SNAP_PX
        centre_x, centre_y = (torch.where(framed, middle, c) for c in (centre_x, centre_y))
        longest = torch.where(framed, LONGEST_SIDE * width, longest)
    return Framing(centre_x, centre_y, longest / LONGEST_SIDE)


def whole_picture(height: int, width: int) -> Framing:
    """The smallest centred square that holds the whole picture."""
    x, y, side = torch.tensor([width / 2, height / 2, max(height, width)], dtype=torch.float64)
    return Framing(x, y, side)


def apply_framing(
    rgb: Float[Tensor, "*batch 3 h w"], alpha: Float[Tensor, "*batch 1 h w"], framing: Framing, size: int
) -> tuple[Float[Tensor, "*batch 3 {size} {size}"], Float[Tensor, "*batch 1 {size} {size}"]]:
    """Cuts the crop out of every picture and resamples it to ``size``.

    The filter is a triangle, as wide as one pixel of the coarser of the two grids on either side: bilinear when enlarging, antialiased
    when shrinking, and never outside the range of what it averages. It runs on premultiplied colour, so hidden colour can't leak in.
    Results don't depend on what else is in the batch. No gradient is promised.

    Args:
        rgb: Straight sRGB in [0, 1].
        alpha: Coverage in [0, 1].
        framing: One crop a picture, from :func:`framing_of` or another.
        size: Side of the result in pixels.

    Returns:
        Straight rgb (black where nothing is) and alpha.
    """
    batch, (height, width) = rgb.shape[:-3], rgb.shape[-2:]
    premultiplied = torch.cat([rgb * alpha, alpha], -3).reshape(-1, 4, height, width)
    side = framing.side.reshape(-1)
    # Rows first, then columns; both are weighted sums of rows of a table, once of (y, [channel x]) and once of (x, [channel y]).
    rows = premultiplied.permute(0, 2, 1, 3).flatten(2)
    rows = _resample(rows, framing.centre_y.reshape(-1), side, size).unflatten(2, (4, width))
    columns = rows.permute(0, 3, 2, 1).flatten(2)
    columns = _resample(columns, framing.centre_x.reshape(-1), side, size).unflatten(2, (4, size))
    framed = columns.permute(0, 2, 3, 1).reshape(*batch, 4, size, size).clamp(0, 1)
    alpha_framed = framed[..., 3:, :, :].contiguous()
    return unpremultiply(framed[..., :3, :, :], alpha_framed), alpha_framed


def _resample(
    table: Float[Tensor, "batch n channels"], centre: Float[Tensor, " batch"], side: Float[Tensor, " batch"], size: int
) -> Float[Tensor, "batch {size} channels"]:
    """``size`` evenly spaced samples of the interval of length ``side`` round ``centre`` along the first axis of each table."""
    batch, n, channels = table.shape
    step = side.double() / size
    reach = step.clamp_min(1.0)  # half the triangle's base, in source pixels
    positions = centre.double()[:, None] + (torch.arange(size, dtype=torch.float64, device=side.device) + 0.5 - size / 2) * step[:, None]
    taps = torch.arange(int((2 * reach.max()).ceil()) + 1, device=side.device)
    first = (positions - reach[:, None] - 0.5).ceil()
    index = first[..., None] + taps  # (batch, size, taps)
    weight = (1 - (index + 0.5 - positions[..., None]).abs() / reach[:, None, None]).clamp_min(0)
    # Normalised over all taps, also those outside, where the picture is transparent. Added one by one: the number of taps is the batch's
    # largest, and a vectorised sum would round differently with other neighbours.
    weight = weight / weight.cumsum(-1)[..., -1:]
    outside = (index < 0) | (index >= n)
    weight = torch.where(outside, 0.0, weight).to(table)
    index = index.clamp(0, n - 1).long() + torch.arange(batch, device=side.device)[:, None, None] * n
    sums = functional.embedding_bag(
        index.flatten(0, 1), table.reshape(batch * n, channels), per_sample_weights=weight.flatten(0, 1).contiguous(), mode="sum"
    )
    return sums.reshape(batch, size, channels)
