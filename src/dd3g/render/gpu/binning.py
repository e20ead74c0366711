"""From splats to the lists of the tiles: one pair for every tile that a splat's box touches, sorted by tile, then depth, then index."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Int
from torch import Tensor

from dd3g.render.gpu.project import Projected

TILE = 8  # pixels a side: one warp composites a tile, two pixels a lane


@dataclass(frozen=True)
class Bins:
    """Pairs of splat and tile. m = s * v * n splats, t = s * v * rows * columns tiles, p pairs."""

    splats: Int[Tensor, " p"]  # index of the splat of each pair, in the order of the tiles' lists
    slots: Int[Tensor, " p"]  # place of each pair in the order of the splats, where a splat's pairs stand together
    tile_starts: Int[Tensor, " t1"]  # t + 1
    splat_starts: Int[Tensor, " m1"]  # m + 1


@torch.no_grad()
def bin_splats(projected: Projected, height: int, width: int) -> Bins:
    """Lists of all tiles. One value goes to the host, the number of pairs; everything else stays where it is."""
    rows, columns = -(-height // TILE), -(-width // TILE)
    images = projected.depths.shape[0] * projected.depths.shape[1]
    n = projected.depths.shape[2]
    device = projected.depths.device
    low, high = _tile_box(projected, rows, columns)
    size = (high - low).clamp_min(0).flatten(0, 2)
    counts = size.prod(-1)
    splat_starts = torch.cat([counts.new_zeros(1), counts.cumsum(0)])
    owner = torch.repeat_interleave(torch.arange(len(counts), device=device), counts)
    within = torch.arange(len(owner), device=device) - splat_starts[owner]
    width_of = size[owner, 0]
    column = low.flatten(0, 2)[owner, 0] + within % width_of
    row = low.flatten(0, 2)[owner, 1] + within // width_of
    tile = ((owner // n) * rows + row) * columns + column
    # depths are positive, and positive floats sort as their bits do
    key = (tile << 32) | projected.depths.flatten()[owner].view(torch.int32).long()
    key, slots = torch.sort(key, stable=True)
    bounds = torch.arange(images * rows * columns + 1, device=device)
    tile_starts = torch.searchsorted(key >> 32, bounds)
    return Bins(owner[slots], slots, tile_starts, splat_starts)


def _tile_box(projected: Projected, rows: int, columns: int) -> tuple[Tensor, Tensor]:
    """First tile and last tile + 1 of each splat, (x, y)."""
    limit = torch.tensor([columns, rows], device=projected.depths.device)
    low, high = projected.means2d - projected.extents, projected.means2d + projected.extents
    # the pixel with centre i + 0.5 is touched from low <= i + 0.5 <= high
    first = torch.floor(torch.ceil(low - 0.5) / TILE).clamp(-1e6, 1e6).long()
    last = torch.floor(torch.floor(high - 0.5) / TILE).clamp(-1e6, 1e6).long()
    nothing = (projected.extents[..., :1] < 0) | (torch.ceil(low - 0.5) > torch.floor(high - 0.5)).any(-1, keepdim=True)
    low_tile = torch.minimum(first.clamp_min(0), limit)
    high_tile = torch.where(nothing, low_tile, torch.minimum(last + 1, limit).clamp_min(0))
    return low_tile, high_tile
