"""Splats cut into segments: eight pixels of a row each, the unit that compositing works on."""

from __future__ import annotations

from typing import no_type_check

import numpy as np
from numba import njit

from dd3g.render.cpu.kernel_cache import INNER
from dd3g.render.cpu.layout import (
    BATCH,
    DEAD_ROW,
    EDGE,
    FAR_AWAY,
    LOG2_INV_CUTOFF,
    ONE,
    PACK_A,
    PACK_B_OVER_A,
    PACK_C,
    PACK_FIRST_ROW,
    PACK_HALF_ROW,
    PACK_INV_A,
    PACK_LAST_ROW,
    PACK_LOG2_OPACITY,
    PACK_X,
    PACK_Y,
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
)

# columns of the segment lists, each BATCH long
SEG_OFFSET, SEG_RANK = 0, BATCH  # integers: where the segment begins in the planes; position of its splat in the tile's list
SEG_K, SEG_U, SEG_DY = 0, BATCH, 2 * BATCH  # floats: alpha = 2**(k - u**2); u at the first pixel; row minus centre

_NARROW = f32(0.5 * LANES - 0.01)


@njit(**INNER)
@no_type_check
def add_segments(packed, p, rank, tile_x, last_x, seg_int, seg_float, n):
    """Appends the segments of one splat in a tile that begins at pixel ``tile_x``, to the ``n`` that are there; returns their number.

    Eight rows at a time. A segment begins at the row's first pixel within the ellipse, not at a multiple of eight, since unaligned
    access is cheap and most rows then need one segment. What is written beyond the last row is overwritten by the next splat.
    """
    rows = lane_numbers()
    cx, cy, a, inv_a = at(packed, p + PACK_X) - tile_x, at(packed, p + PACK_Y), at(packed, p + PACK_A), at(packed, p + PACK_INV_A)
    b_over_a, half_row = at(packed, p + PACK_B_OVER_A), at(packed, p + PACK_HALF_ROW)
    y, last_y = np.int64(np.int32(at(packed, p + PACK_FIRST_ROW))), np.int64(np.int32(at(packed, p + PACK_LAST_ROW)))
    while y <= last_y:
        dy = rows + (f32(y) - cy)
        e = dy * at(packed, p + PACK_C)
        k, middle = fma(e * -ONE, e, at(packed, p + PACK_LOG2_OPACITY)), fma(dy, -b_over_a, cx)  # u = 0 at the row's middle
        offset, count = rows * f32(ROW) + f32(y * ROW), min(last_y - y + 1, LANES)
        y += LANES
        if half_row < _NARROW:  # one segment holds any row of this splat: no square root
            x, end = vfloor(vmax(vmin(middle - (half_row - EDGE), last_x), ZERO)), broadcast(FAR_AWAY)
        else:
            half = vsqrt(vmax(k + LOG2_INV_CUTOFF, ZERO)) * inv_a
            x, end = vfloor(vmax(vmin(middle - half + EDGE, last_x), ZERO)), vmin(middle + half, last_x)
        needed = x <= end
        while mask_bits(needed):
            vstore_int(seg_int, SEG_OFFSET + n, select(needed, x + offset, f32(DEAD_ROW)))
            vstore_int(seg_int, SEG_RANK + n, broadcast(f32(rank)))
            vstore(seg_float, SEG_K + n, k)
            vstore(seg_float, SEG_U + n, (x - middle) * a)
            vstore(seg_float, SEG_DY + n, dy)
            n += count
            if half_row < _NARROW:
                break
            x = x + f32(LANES)
            needed = x <= end
    return n
