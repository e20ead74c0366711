"""From splats to the lists of the tiles: one pair for every tile that a splat's box touches, sorted by tile, then depth, then index."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, no_type_check

import torch
import triton
import triton.language as tl
from jaxtyping import Float, Int
from torch import Tensor

from dd3g.render.gpu.project import BOX, RECORD

TILE = 8  # pixels a side: one warp composites a tile, two pixels a lane
_BLOCK = 32  # splats a program
_LAUNCH: dict[str, Any] = {"num_warps": 1}  # a warp works as long as its largest splat


@dataclass(frozen=True)
class Bins:
    """Pairs of splat and tile. m = s * v * n splats, t = s * v * rows * columns tiles, p pairs."""

    splats: Int[Tensor, " p"]  # index of the splat of each pair, in the order of the tiles' lists
    slots: Int[Tensor, " p"]  # place of each pair in the order of the splats, where a splat's pairs stand together
    tile_starts: Int[Tensor, " t1"]  # t + 1
    splat_starts: Int[Tensor, " m1"]  # m + 1


@torch.no_grad()
def bin_splats(
    records: Float[Tensor, "m 10"], boxes: Int[Tensor, "m 3"], counts: Int[Tensor, " m"], images: int, height: int, width: int
) -> Bins:
    """Lists of all tiles. The one value that the host waits for is the number of pairs; everything else stays where it is.

    Args:
        records: As project.py writes them.
        boxes: The tiles that each splat touches.
        counts: How many those are.
        images: How many pictures the splats are of, equally many of each.
        height: Of a picture, pixels.
        width: Of a picture, pixels.
    """
    rows, columns = -(-height // TILE), -(-width // TILE)
    splat_starts = counts.new_zeros(len(counts) + 1, dtype=torch.int64)
    torch.cumsum(counts, 0, out=splat_starts[1:])
    pairs = int(splat_starts[-1])
    keys, owners = counts.new_empty(pairs, dtype=torch.int64), counts.new_empty(pairs)
    list_pairs[(-(-len(counts) // _BLOCK),)](
        records, boxes, splat_starts, keys, owners, len(counts), len(counts) // images, rows, columns,
        RECORD=RECORD, BOX=BOX, BLOCK=_BLOCK, **_LAUNCH,
    )  # fmt: skip
    keys, slots = torch.sort(keys, stable=True)
    bounds = torch.arange(images * rows * columns + 1, device=counts.device) << 32
    return Bins(owners[slots], slots, torch.searchsorted(keys, bounds), splat_starts)


@triton.jit
@no_type_check
def list_pairs(
    records, boxes, splat_starts, keys, owners, count, n, rows, columns, RECORD: tl.constexpr, BOX: tl.constexpr, BLOCK: tl.constexpr
):
    """keys (pair): tile, then depth in the low half; owners (pair): its splat."""
    splat = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    inside = splat < count
    start = tl.load(splat_starts + splat, mask=inside, other=0)
    length = tl.load(splat_starts + splat + 1, mask=inside, other=0) - start
    at = splat.to(tl.int64)
    column = tl.load(boxes + at * BOX, mask=inside, other=0)
    row = tl.load(boxes + at * BOX + 1, mask=inside, other=0)
    across = tl.maximum(tl.load(boxes + at * BOX + 2, mask=inside, other=1), 1)
    # depths are positive, and positive floats sort as their bits do
    depth = tl.load(records + at * RECORD + 9, mask=inside, other=0.0).to(tl.int32, bitcast=True).to(tl.int64)
    first = ((splat // n) * rows + row) * columns + column
    for k in range(0, tl.max(length, 0).to(tl.int32)):
        tile = (first + (k // across) * columns + k % across).to(tl.int64)
        tl.store(keys + start + k, (tile << 32) | depth, mask=k < length)
        tl.store(owners + start + k, splat, mask=k < length)
