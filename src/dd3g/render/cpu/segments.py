"""Splats cut into segments: eight pixels of a row each, the unit that compositing works on."""

from __future__ import annotations

from typing import no_type_check

import numpy as np
from numba import njit

from dd3g.render.cpu.kernel_cache import INLINE, INNER
from dd3g.render.cpu.layout import (
    BATCH,
    DEAD_ROW,
    EDGE,
    LOG2_INV_CUTOFF,
    ONE,
    PACK_FIRST_ROW,
    PACK_ROWS,
    REC_A,
    REC_B_OVER_A,
    REC_C,
    REC_HALF_ROW,
    REC_INV_A,
    REC_LOG2_OPACITY,
    REC_X,
    REC_Y,
    ROW,
    ZERO,
    f32,
)
from dd3g.render.cpu.simd import (
    LANES,
    at,
    broadcast,
    fma,
    lane_numbers,
    mask_bits,
    select,
    vfloor,
    vmax,
    vmin,
    vsqrt,
    vstore,
    vstore_int,
    vstore_same_int,
)

# columns of the segment lists, each BATCH long
# Integers: where the segment begins in the planes; its splat's position in the tile's list, and where its packed record begins.
SEG_OFFSET, SEG_RANK, SEG_RECORD = 0, BATCH, 2 * BATCH
# Floats: alpha = 2**(k - u**2); u at the first pixel, and from one pixel to the next; row minus centre.
SEG_K, SEG_U, SEG_A, SEG_DY = 0, BATCH, 2 * BATCH, 3 * BATCH
SEG_INTS, SEG_FLOATS = 3 * BATCH, 4 * BATCH

_NARROW = f32(0.5 * LANES - 0.01)


@njit(**INNER)
@no_type_check
def add_segments(packed, p, rank, tile_x, last_x, seg_int, seg_float, n):
    """Appends the segments of one splat in a tile that begins at pixel ``tile_x``, to the ``n`` that are there; returns their number.

    Eight rows at a time. A segment begins at the row's first pixel within the ellipse, not at a multiple of eight, since unaligned
    access is cheap and most rows then need one segment. What is written beyond the last row is overwritten by the next splat.
    """
    rows = lane_numbers()
    cx, cy, a, inv_a = at(packed, p + REC_X) - tile_x, at(packed, p + REC_Y), at(packed, p + REC_A), at(packed, p + REC_INV_A)
    b_over_a, c, log2_opacity = at(packed, p + REC_B_OVER_A), at(packed, p + REC_C), at(packed, p + REC_LOG2_OPACITY)
    half_row, y, left = at(packed, p + REC_HALF_ROW), at(packed, p + PACK_FIRST_ROW), np.int64(np.int32(at(packed, p + PACK_ROWS)))
    while left > 0:
        dy = rows + (y - cy)
        e = dy * c
        k, middle = fma(e * -ONE, e, log2_opacity), fma(dy, -b_over_a, cx)  # u = 0 at the row's middle
        offset, count = rows * f32(ROW) + y * f32(ROW), min(left, LANES)
        y += f32(LANES)
        left -= LANES
        if half_row < _NARROW:  # one segment holds any row of this splat: no square root
            x = vfloor(vmax(vmin(middle - (half_row - EDGE), last_x), ZERO))
            write(seg_int, seg_float, n, x + offset, rank, p, k, (x - middle) * a, a, dy)
            n += count
        else:
            half = vsqrt(vmax(k + LOG2_INV_CUTOFF, ZERO)) * inv_a
            x, end = vfloor(vmax(vmin(middle - half + EDGE, last_x), ZERO)), vmin(middle + half, last_x)
            needed = x <= end
            while mask_bits(needed):
                write(seg_int, seg_float, n, select(needed, x + offset, f32(DEAD_ROW)), rank, p, k, (x - middle) * a, a, dy)
                n += count
                x = x + f32(LANES)
                needed = x <= end
    return n


@njit(**INLINE)
@no_type_check
def write(seg_int, seg_float, n, offset, rank, p, k, u, a, dy):
    """Eight segments from the ``n``-th on. Compositing finds all it needs early here, without a look-up through the splat."""
    vstore_int(seg_int, SEG_OFFSET + n, offset)
    vstore_same_int(seg_int, SEG_RANK + n, rank)
    vstore_same_int(seg_int, SEG_RECORD + n, p)
    vstore(seg_float, SEG_K + n, k)
    vstore(seg_float, SEG_U + n, u)
    vstore(seg_float, SEG_A + n, broadcast(a))
    vstore(seg_float, SEG_DY + n, dy)
