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
    CUTOFF,
    ONE,
    PACK_A,
    PACK_DEPTH,
    PACK_RGB,
    PLANE_WIDTH,
    RECORD,
    SUM_DEPTH,
    SUM_RGB,
    SUMS,
    TILE_WIDTH,
    ZERO,
    f32,
)
from dd3g.render.cpu.segments import SEG_DY, SEG_K, SEG_OFFSET, SEG_U, add_segments
from dd3g.render.cpu.simd import at, broadcast, fma, lane_numbers, lane_sum, lane_sums, mask_bits, select, vload, vmin, vstore

# planes of a tile
_T, _BEHIND, _V_RED, _V_GREEN, _V_BLUE, _V_DEPTH, _RANK_STOPPED = range(7)
_P = PLANE_WIDTH

_ALPHA_MAX = f32(ALPHA_MAX)


@kernel
@no_type_check
def composite_backward(
    counter, tasks, n, width, height, rows, tiles, records, tile_rows, starts, slots, ids, offsets, background,
    alpha, depth, t_end, stops, used, v_rgb, v_alpha, v_depth, sums,
):  # fmt: skip
    """Task: a row of tiles of a picture, whose list forward has sorted. Fills the row's slot of each of its Gaussians with ten sums."""
    own_sums, first_segment = np.empty(n * SUMS, f32), np.empty(BATCH, np.int64)
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
        for i in range(own.size):
            slot = offsets[image] + slots[image, own[i]] + row - tile_rows[image, own[i], 0]
            for k in range(SUMS):
                sums[slot, k] = own_sums[i * SUMS + k]


@njit(**INLINE)
@no_type_check
def read_tile(planes, image, y0, x0, h, w, background, alpha, depth, t_end, stops, v_rgb, v_alpha, v_depth):
    """Fills the planes of a tile with where the pixels ended and with the gradients that come in.

    What lies behind the last splat is the background: it starts with -T (dL/dalpha_out - background . v). Expected depth E = D / A
    passes dL/dE / A on to the accumulated depth D and -E dL/dE / A to the alpha A.
    """
    flat = planes.reshape(-1)
    for i in range(flat.size):
        flat[i] = ZERO
    for y in range(h):
        for x in range(w):
            i, j = y0 + y, x0 + x
            t, a, v_a, v_d = t_end[image, i, j], alpha[image, i, j], v_alpha[image, i, j], ZERO
            if a > ZERO:
                v_d = v_depth[image, i, j] / a
                v_a -= v_d * depth[image, i, j]
            behind = -v_a
            for k in range(3):
                v = v_rgb[image, k, i, j]
                planes[y, _V_RED + k, x] = v
                behind += background[image, k] * v
            planes[y, _T, x], planes[y, _BEHIND, x] = t, t * behind
            planes[y, _V_DEPTH, x], planes[y, _RANK_STOPPED, x] = v_d, stops[image, i, j]


@njit(**INNER)
@no_type_check
def backward_tile(packed, splats, x0, w, planes, seg_int, seg_float, first_segment, sums):
    """Goes through a tile's list backwards and adds to the sums of its splats.

    With v the gradient of the colour, per pixel and splat: cv = c . v + z v_D; T before the splat = T after / (1 - alpha);
    dL/dalpha = T cv - B / (1 - alpha) with B the sum of weight cv over all splats behind; g = alpha dL/dalpha, and 0 where alpha was
    clamped. B is one scalar a pixel: colour, depth, alpha and background together.
    """
    lanes, tile_x, last_x, i = lane_numbers(), f32(x0), f32(w - 1), splats.size - 1
    while i >= 0:
        n, count = 0, 0
        while i - count >= 0 and n < BATCH - BATCH_ROOM:
            first_segment[count] = n
            n = add_segments(packed, np.int64(at(splats, i - count)) * RECORD, i - count, tile_x, last_x, seg_int, seg_float, n)
            count += 1
        first_segment[count] = n
        for back in range(count):
            splat, rank = np.int64(at(splats, i - back)), f32(i - back)
            p = splat * RECORD
            a, z = at(packed, p + PACK_A), at(packed, p + PACK_DEPTH)
            red, green, blue = at(packed, p + PACK_RGB), at(packed, p + PACK_RGB + 1), at(packed, p + PACK_RGB + 2)
            s_g = s_u = s_uu = s_uy = s_y = s_yy = s_red = s_green = s_blue = s_depth = broadcast(ZERO)
            for s in range(at(first_segment, back), at(first_segment, back + 1)):
                j, dy = np.int64(at(seg_int, SEG_OFFSET + s)), at(seg_float, SEG_DY + s)
                live = vload(planes, j + _RANK_STOPPED * _P) > rank  # pixels that stop at or before this splat did not take it
                if mask_bits(live):
                    u = fma(lanes, a, at(seg_float, SEG_U + s))
                    unclamped = exp2(fma(u * -ONE, u, at(seg_float, SEG_K + s)))
                    alpha = vmin(unclamped, _ALPHA_MAX)
                    alpha = select((alpha >= CUTOFF) & live, alpha, ZERO)
                    inverse = ONE / (ONE - alpha)
                    t, behind = vload(planes, j) * inverse, vload(planes, j + _BEHIND * _P)
                    v_red, v_green, v_blue = vload(planes, j + 2 * _P), vload(planes, j + 3 * _P), vload(planes, j + 4 * _P)
                    v_depth, weight = vload(planes, j + _V_DEPTH * _P), alpha * t
                    cv = fma(v_red, red, fma(v_green, green, fma(v_blue, blue, v_depth * z)))
                    g = select(unclamped <= _ALPHA_MAX, alpha * (t * cv - inverse * behind), ZERO)
                    vstore(planes, j, t)
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
