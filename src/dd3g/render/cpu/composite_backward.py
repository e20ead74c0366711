"""The adjoint of compositing: the same segments, last splat first; ten sums a splat and row of tiles."""

from __future__ import annotations

from typing import no_type_check

import numpy as np
from numba import njit

from dd3g.render.constants import ALPHA_MAX
from dd3g.render.cpu.binning import list_tiles, next_row, pack, row_scratch
from dd3g.render.cpu.exponential import exp2
from dd3g.render.cpu.kernel_cache import INLINE, INNER, kernel
from dd3g.render.cpu.layout import (
    BATCH,
    BATCH_ROOM,
    LOG2_INV_CUTOFF,
    ONE,
    PLANE_WIDTH,
    REC_A,
    REC_DEPTH,
    REC_RGB,
    RECORD,
    ROW,
    SUM_DEPTH,
    SUM_RGB,
    SUMS,
    TILE_WIDTH,
    ZERO,
    f32,
)
from dd3g.render.cpu.segments import SEG_DY, SEG_K, SEG_OFFSET, SEG_U, add_segments
from dd3g.render.cpu.simd import (
    LANES,
    at,
    broadcast,
    fma,
    lane_numbers,
    lane_sum,
    lane_sums,
    mask_bits,
    prefetch,
    select,
    vload,
    vload_first,
    vmin,
    vstore,
)

# planes of a tile
_T, _BEHIND, _V_RED, _V_GREEN, _V_BLUE, _V_DEPTH, _RANK_STOPPED = range(7)
_P = PLANE_WIDTH

_ALPHA_MAX = f32(ALPHA_MAX)
_AHEAD = 16  # slots, which lie in index order and are written in depth order


@kernel
@no_type_check
def composite_backward(
    counter, tasks, n, width, height, rows, tiles, records, tile_rows, starts, slots, ids, offsets, background,
    alpha, depth, t_end, stops, used, v_rgb, v_alpha, v_depth, sums,
):  # fmt: skip
    """Task: a row of tiles of a picture, whose list forward has sorted. Fills the row's slot of each of its Gaussians with ten sums."""
    own_sums, first_segment = np.empty(n * SUMS, f32), np.empty(BATCH + 1, np.int64)
    lists, tile_starts, spans, packed, planes, seg_int, seg_float = row_scratch(n, tiles)
    while True:
        task, image, row, y0, h = next_row(counter, rows, height)
        if task >= tasks:
            return
        own = ids[offsets[image] + starts[image, row] : offsets[image] + starts[image, row + 1]]
        pack(records[image].reshape(-1), own, y0, width, height, packed, spans)
        lists = list_tiles(spans, own.size, tiles, tile_starts, lists)
        for i in range(own.size * SUMS):
            own_sums[i] = ZERO
        for tile in range(tiles):
            x0, w = tile * TILE_WIDTH, min(TILE_WIDTH, width - tile * TILE_WIDTH)
            read_tile(planes, image, y0, x0, h, w, background, alpha, depth, t_end, stops, v_rgb, v_alpha, v_depth)
            looked_at = lists[tile_starts[tile] : tile_starts[tile] + used[image, row, tile]]
            backward_tile(packed, looked_at, x0, w, planes.reshape(-1), seg_int, seg_float, first_segment, own_sums)
        flat_sums = sums.reshape(-1)
        for i in range(own.size):
            ahead, g = own[min(i + _AHEAD, own.size - 1)], own[i]
            soon = (offsets[image] + slots[image, ahead] + row - tile_rows[image, ahead, 0]) * SUMS
            prefetch(flat_sums, soon)
            prefetch(flat_sums, soon + SUMS - 1)
            slot = (offsets[image] + slots[image, g] + row - tile_rows[image, g, 0]) * SUMS
            vstore(flat_sums, slot, vload(own_sums, i * SUMS))
            for k in range(LANES, SUMS):
                flat_sums[slot + k] = own_sums[i * SUMS + k]


@njit(**INLINE)
@no_type_check
def read_tile(planes, image, y0, x0, h, w, background, alpha, depth, t_end, stops, v_rgb, v_alpha, v_depth):
    """Fills the planes of a tile with where the pixels ended and with the gradients that come in.

    What lies behind the last splat is the background: it starts with -T (dL/dalpha_out - background . v). Expected depth E = D / A
    passes dL/dE / A on to the accumulated depth D and -E dL/dE / A to the alpha A.
    """
    flat, height, width = planes.reshape(-1), alpha.shape[1], alpha.shape[2]
    in_alpha, in_depth, in_t, in_stops = alpha.reshape(-1), depth.reshape(-1), t_end.reshape(-1), stops.reshape(-1)
    in_v_rgb, in_v_alpha, in_v_depth = v_rgb.reshape(-1), v_alpha.reshape(-1), v_depth.reshape(-1)
    plane, (red, green, blue) = height * width, background[image]
    for i in range(flat.size):
        flat[i] = ZERO
    for y in range(h):
        for x in range(0, w, LANES):
            p, n = y * ROW + x, min(w - x, LANES)
            i = image * plane + (y0 + y) * width + x0 + x
            c = i + 2 * image * plane  # three planes a picture
            t, a = vload_first(in_t, i, n), vload_first(in_alpha, i, n)
            drawn = a > ZERO
            v_d = select(drawn, vload_first(in_v_depth, i, n) / select(drawn, a, ONE), ZERO)
            v_a = vload_first(in_v_alpha, i, n) - v_d * vload_first(in_depth, i, n)
            v_red, v_green, v_blue = (
                vload_first(in_v_rgb, c, n),
                vload_first(in_v_rgb, c + plane, n),
                vload_first(in_v_rgb, c + 2 * plane, n),
            )
            behind = fma(v_red, red, fma(v_green, green, fma(v_blue, blue, v_a * -ONE)))
            vstore(flat, p + _T * _P, t)
            vstore(flat, p + _BEHIND * _P, t * behind)
            vstore(flat, p + _V_RED * _P, v_red)
            vstore(flat, p + _V_GREEN * _P, v_green)
            vstore(flat, p + _V_BLUE * _P, v_blue)
            vstore(flat, p + _V_DEPTH * _P, v_d)
            vstore(flat, p + _RANK_STOPPED * _P, vload_first(in_stops, i, n))


@njit(**INNER)
@no_type_check
def backward_tile(packed, splats, x0, w, planes, seg_int, seg_float, first_segment, sums):
    """Goes through a tile's list backwards and adds to the sums of its splats.

    With v the gradient of the colour, per pixel and splat: cv = c . v + z v_D; dL/dalpha = T cv - B / (1 - alpha) with B the sum of
    weight cv over all splats behind; g = alpha dL/dalpha, and 0 where alpha was clamped. By T after the splat and the odds
    alpha / (1 - alpha): weight = odds T after, T = T after + weight, g = odds (T after cv - B). B is one scalar a pixel: colour, depth,
    alpha and background together.
    """
    lanes, tile_x, last_x, i = lane_numbers(), f32(x0), f32(w - 1), splats.size - 1
    while i >= 0:
        n, count = 0, 0
        # a splat whose box alone reaches into the tile has no segments: a batch is full of splats, too
        while i - count >= 0 and n < BATCH - BATCH_ROOM and count < BATCH:
            first_segment[count] = n
            n = add_segments(packed, np.int64(at(splats, i - count)) * RECORD, i - count, tile_x, last_x, seg_int, seg_float, n)
            count += 1
        first_segment[count] = n
        for back in range(count):
            splat, rank = np.int64(at(splats, i - back)), f32(i - back)
            p = splat * RECORD
            a, z = at(packed, p + REC_A), at(packed, p + REC_DEPTH)
            red, green, blue = at(packed, p + REC_RGB), at(packed, p + REC_RGB + 1), at(packed, p + REC_RGB + 2)
            s_g = s_u = s_uu = s_uy = s_y = s_yy = s_red = s_green = s_blue = s_depth = broadcast(ZERO)
            for s in range(at(first_segment, back), at(first_segment, back + 1)):
                j, dy = np.int64(at(seg_int, SEG_OFFSET + s)), at(seg_float, SEG_DY + s)
                live = vload(planes, j + _RANK_STOPPED * _P) > rank  # pixels that stop at or before this splat did not take it
                if mask_bits(live):
                    u = fma(lanes, a, at(seg_float, SEG_U + s))
                    power = fma(u * -ONE, u, at(seg_float, SEG_K + s))
                    unclamped = exp2(power)
                    alpha = select((power >= -LOG2_INV_CUTOFF) & live, vmin(unclamped, _ALPHA_MAX), ZERO)
                    odds = alpha / (ONE - alpha)
                    t, behind = vload(planes, j), vload(planes, j + _BEHIND * _P)
                    v_red, v_green, v_blue = vload(planes, j + 2 * _P), vload(planes, j + 3 * _P), vload(planes, j + 4 * _P)
                    v_depth, weight = vload(planes, j + _V_DEPTH * _P), odds * t
                    cv = fma(v_red, red, fma(v_green, green, fma(v_blue, blue, v_depth * z)))
                    g = select(unclamped <= _ALPHA_MAX, odds * (t * cv - behind), ZERO)
                    vstore(planes, j, t + weight)
                    vstore(planes, j + _BEHIND * _P, fma(weight, cv, behind))
                    gu, gy = g * u, g * dy
                    s_red, s_green = fma(weight, v_red, s_red), fma(weight, v_green, s_green)
                    s_blue, s_depth = fma(weight, v_blue, s_blue), fma(weight, v_depth, s_depth)
                    s_g, s_u, s_uu = s_g + g, s_u + gu, fma(gu, u, s_uu)
                    s_uy, s_y, s_yy = fma(gu, dy, s_uy), s_y + gy, fma(gy, dy, s_yy)
            q = splat * SUMS
            vstore(sums, q, vload(sums, q) + lane_sums(s_g, s_u, s_uu, s_uy, s_y, s_yy, s_red, s_green))
            sums[q + SUM_RGB + 2] += lane_sum(s_blue)
            sums[q + SUM_DEPTH] += lane_sum(s_depth)
        i -= count
