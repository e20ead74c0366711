"""Compositing, front to back (E9, E10): a row of tiles at a time, tile by tile in the first-level cache."""

from __future__ import annotations

from typing import no_type_check

import numpy as np
from numba import njit

from dd3g.render.constants import ALPHA_MAX, DEPTH_ALPHA_FLOOR, TRANSMITTANCE_STOP
from dd3g.render.cpu.binning import list_tiles, next_row, pack, row_scratch
from dd3g.render.cpu.exponential import exp2
from dd3g.render.cpu.kernel_cache import INLINE, INNER, kernel
from dd3g.render.cpu.layout import (
    BATCH,
    BATCH_ROOM,
    CUTOFF,
    DEAD_ROW,
    FAR_AWAY,
    ONE,
    PACK_A,
    PACK_DEPTH,
    PACK_RGB,
    PLANE_WIDTH,
    RECORD,
    TILE_WIDTH,
    ZERO,
    f32,
)
from dd3g.render.cpu.order import sort_by_depth
from dd3g.render.cpu.segments import SEG_K, SEG_OFFSET, SEG_RANK, SEG_U, add_segments
from dd3g.render.cpu.simd import LANES, at, fma, lane_numbers, mask_bits, select, vload, vmin, vstore

# planes of a tile
_T, _RED, _GREEN, _BLUE, _DEPTH, _T_STOPPED, _RANK_STOPPED = range(7)
_P = PLANE_WIDTH

_ALPHA_MAX, _STOP, _ALPHA_FLOOR = f32(ALPHA_MAX), f32(TRANSMITTANCE_STOP), f32(DEPTH_ALPHA_FLOOR)

NEVER = FAR_AWAY
"""Stop position of a pixel that took all its splats."""


@kernel
@no_type_check
def composite(
    counter, tasks, n, width, height, rows, tiles, records, depths, starts, ids, offsets, background, rgb, alpha, depth, t_end, stops, used
):
    """Task: a row of tiles of a picture. Sorts its list in place and writes its pixels.

    For backward it keeps the last transmittance and the stop position of every pixel (i h w), and how many splats of each tile's list
    were looked at (i rows tiles).
    """
    keys, spare_keys, order, spare_order = np.empty(n, np.uint32), np.empty(n, np.uint32), np.empty(n, np.int32), np.empty(n, np.int32)
    lists, tile_starts, spans, packed, planes, seg_int, seg_float = row_scratch(n, tiles)
    while True:
        task, image, row, y0, h = next_row(counter, rows, height)
        if task >= tasks:
            return
        own = ids[offsets[image] + starts[image, row] : offsets[image] + starts[image, row + 1]]
        sort_by_depth(own, depths[image].view(np.uint32), keys, order, spare_keys, spare_order)
        pack(records[image].reshape(-1), own, y0, width, height, packed, spans)
        lists = list_tiles(spans, own.size, tiles, tile_starts, lists)
        for tile in range(tiles):
            x0, w = tile * TILE_WIDTH, min(TILE_WIDTH, width - tile * TILE_WIDTH)
            clear_tile(planes, h, w)
            own_list = lists[tile_starts[tile] : tile_starts[tile + 1]]
            used[image, row, tile] = composite_tile(packed, own_list, x0, w, w * h, planes.reshape(-1), seg_int, seg_float)
            write_tile(planes, image, y0, x0, h, w, background, rgb, alpha, depth, t_end, stops)


@njit(**INLINE)
@no_type_check
def clear_tile(planes, h, w):
    """Nothing drawn yet; beyond the picture's edge nothing is alive."""
    flat = planes.reshape(-1)
    for i in range(DEAD_ROW):
        flat[i] = ZERO
    for y in range(h):
        for x in range(w):
            planes[y, _T, x], planes[y, _RANK_STOPPED, x] = ONE, NEVER


@njit(**INNER)
@no_type_check
def composite_tile(packed, splats, x0, w, alive, planes, seg_int, seg_float):
    """Composites a tile's list into its planes until it ends or no pixel is alive; returns how many splats were looked at.

    One loop over segments, short and independent, without inner loops. A pixel that stopped has T = 0, so that nothing more reaches
    it; its last transmittance and position were saved in the rare branch, and the loop carries no flags.
    """
    lanes, tile_x, last_x, i = lane_numbers(), f32(x0), f32(w - 1), 0
    while i < splats.size and alive > 0:
        n = 0
        while i < splats.size and n < BATCH - BATCH_ROOM:
            n = add_segments(packed, np.int64(at(splats, i)) * RECORD, i, tile_x, last_x, seg_int, seg_float, n)
            i += 1
        for s in range(n):
            j = np.int64(at(seg_int, SEG_OFFSET + s))
            t = vload(planes, j)
            live = mask_bits(t > ZERO)
            if live:
                rank = np.int64(at(seg_int, SEG_RANK + s))
                p = np.int64(at(splats, rank)) * RECORD
                u = fma(lanes, at(packed, p + PACK_A), at(seg_float, SEG_U + s))
                alpha = vmin(exp2(fma(u * -ONE, u, at(seg_float, SEG_K + s))), _ALPHA_MAX)  # E9
                alpha = select(alpha >= CUTOFF, alpha, ZERO)
                weight = alpha * t
                behind = t - weight
                stopping = mask_bits(behind <= _STOP) & live
                if stopping:  # rare: these pixels end here and do not take this splat
                    for lane in range(LANES):
                        if (stopping >> np.uint64(lane)) & np.uint64(1):
                            planes[j + _T_STOPPED * _P + lane] = planes[j + lane]
                            planes[j + _RANK_STOPPED * _P + lane] = f32(rank)
                            planes[j + lane] = ZERO
                            alive -= 1
                    t = vload(planes, j)
                    weight = alpha * t
                    behind = t - weight
                vstore(planes, j, behind)
                vstore(planes, j + _RED * _P, fma(weight, at(packed, p + PACK_RGB), vload(planes, j + _RED * _P)))
                vstore(planes, j + _GREEN * _P, fma(weight, at(packed, p + PACK_RGB + 1), vload(planes, j + _GREEN * _P)))
                vstore(planes, j + _BLUE * _P, fma(weight, at(packed, p + PACK_RGB + 2), vload(planes, j + _BLUE * _P)))
                vstore(planes, j + _DEPTH * _P, fma(weight, at(packed, p + PACK_DEPTH), vload(planes, j + _DEPTH * _P)))
    return i


@njit(**INLINE)
@no_type_check
def write_tile(planes, image, y0, x0, h, w, background, rgb, alpha, depth, t_end, stops):
    """The planes of a tile as pixels: the background shows through what is left of T."""
    for y in range(h):
        for x in range(w):
            i, j = y0 + y, x0 + x
            t = planes[y, _T_STOPPED, x] if planes[y, _RANK_STOPPED, x] < NEVER else planes[y, _T, x]
            t_end[image, i, j], stops[image, i, j] = t, planes[y, _RANK_STOPPED, x]
            alpha[image, i, j] = ONE - t
            depth[image, i, j] = planes[y, _DEPTH, x] / max(ONE - t, _ALPHA_FLOOR)
            for k in range(3):
                rgb[image, k, i, j] = planes[y, _RED + k, x] + t * background[image, k]
