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
    DEAD_ROW,
    FAR_AWAY,
    LOG2_INV_CUTOFF,
    ONE,
    PLANE_WIDTH,
    REC_DEPTH,
    REC_RGB,
    RECORD,
    ROW,
    TILE_WIDTH,
    ZERO,
    f32,
)
from dd3g.render.cpu.order import sort_by_depth
from dd3g.render.cpu.segments import SEG_A, SEG_K, SEG_OFFSET, SEG_RANK, SEG_RECORD, SEG_U, add_segments
from dd3g.render.cpu.simd import LANES, at, fma, lane_numbers, mask_bits, select, vload, vmax, vmin, vstore, vstore_first

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
                p = np.int64(at(seg_int, SEG_RECORD + s))
                u = fma(lanes, at(seg_float, SEG_A + s), at(seg_float, SEG_U + s))
                power = fma(u * -ONE, u, at(seg_float, SEG_K + s))
                alpha = select(power >= -LOG2_INV_CUTOFF, vmin(exp2(power), _ALPHA_MAX), ZERO)  # E9
                weight = alpha * t
                behind = t - weight
                stopping = mask_bits(behind <= _STOP) & live
                if stopping:  # rare: these pixels end here and do not take this splat
                    rank = np.int64(at(seg_int, SEG_RANK + s))
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
                vstore(planes, j + _RED * _P, fma(weight, at(packed, p + REC_RGB), vload(planes, j + _RED * _P)))
                vstore(planes, j + _GREEN * _P, fma(weight, at(packed, p + REC_RGB + 1), vload(planes, j + _GREEN * _P)))
                vstore(planes, j + _BLUE * _P, fma(weight, at(packed, p + REC_RGB + 2), vload(planes, j + _BLUE * _P)))
                vstore(planes, j + _DEPTH * _P, fma(weight, at(packed, p + REC_DEPTH), vload(planes, j + _DEPTH * _P)))
    return i


@njit(**INLINE)
@no_type_check
def write_tile(planes, image, y0, x0, h, w, background, rgb, alpha, depth, t_end, stops):
    """The planes of a tile as pixels: the background shows through what is left of T."""
    flat, height, width = planes.reshape(-1), alpha.shape[1], alpha.shape[2]
    out_alpha, out_depth, out_t, out_stops = alpha.reshape(-1), depth.reshape(-1), t_end.reshape(-1), stops.reshape(-1)
    out_rgb, plane, (red, green, blue) = rgb.reshape(-1), height * width, background[image]
    for y in range(h):
        for x in range(0, w, LANES):
            p, n = y * ROW + x, min(w - x, LANES)
            i = image * plane + (y0 + y) * width + x0 + x
            c = i + 2 * image * plane  # three planes a picture
            stop = vload(flat, p + _RANK_STOPPED * _P)
            t = select(stop >= NEVER, vload(flat, p + _T * _P), vload(flat, p + _T_STOPPED * _P))
            a = ONE - t
            vstore_first(out_t, i, t, n)
            vstore_first(out_stops, i, stop, n)
            vstore_first(out_alpha, i, a, n)
            vstore_first(out_depth, i, vload(flat, p + _DEPTH * _P) / vmax(a, _ALPHA_FLOOR), n)
            vstore_first(out_rgb, c, vload(flat, p + _RED * _P) + t * red, n)
            vstore_first(out_rgb, c + plane, vload(flat, p + _GREEN * _P) + t * green, n)
            vstore_first(out_rgb, c + 2 * plane, vload(flat, p + _BLUE * _P) + t * blue, n)
