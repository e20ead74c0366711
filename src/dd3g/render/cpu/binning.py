"""A row of tiles: its records packed in depth order, and the list of each tile."""

from __future__ import annotations

from typing import no_type_check

import numpy as np
from numba import njit

from dd3g.render.cpu.kernel_cache import INLINE, INNER
from dd3g.render.cpu.layout import (
    HALF,
    PACK_FIRST_ROW,
    PACK_ROWS,
    PLANE_WIDTH,
    PLANES,
    REC_HALF_HEIGHT,
    REC_HALF_WIDTH,
    REC_X,
    REC_Y,
    RECORD,
    TILE_HEIGHT,
    TILE_WIDTH,
    f32,
)
from dd3g.render.cpu.project import clip
from dd3g.render.cpu.segments import SEG_FLOATS, SEG_INTS
from dd3g.render.cpu.simd import LANES, at, next_ticket, prefetch, vload, vstore

_AHEAD = 12  # records, which lie in index order and are read in depth order


@njit(**INNER)
@no_type_check
def row_scratch(n, tiles):
    """What a thread needs for a row of tiles: tile lists, their starts, tile spans, packed records, planes, segments (int, float)."""
    return (
        np.empty(2 * n, np.int32),
        np.empty(tiles + 1, np.int64),
        np.empty((n, 2), np.int32),
        np.empty(n * RECORD, f32),
        np.zeros((TILE_HEIGHT + 1, PLANES, PLANE_WIDTH), f32),
        np.empty(SEG_INTS, np.int32),
        np.empty(SEG_FLOATS, f32),
    )


@njit(**INLINE)
@no_type_check
def pack(records, ids, y0, width, height, packed, spans):
    """Packs the records of a row that begins at pixel row ``y0``, in the order of ``ids``; ``spans``: first and last tile of each."""
    count, rows = ids.size, min(height - y0, TILE_HEIGHT)
    for i in range(count):
        prefetch(records, np.int64(ids[min(i + _AHEAD, count - 1)]) * RECORD)
        r, p = np.int64(ids[i]) * RECORD, i * RECORD
        cx, cy = at(records, r + REC_X) - HALF, at(records, r + REC_Y) - HALF - f32(y0)
        half_height, half_width = at(records, r + REC_HALF_HEIGHT), at(records, r + REC_HALF_WIDTH)
        first_row, last_row = clip(cy - half_height, cy + half_height, rows)
        first, last = clip(cx - half_width, cx + half_width, width)
        spans[i, 0], spans[i, 1] = first // TILE_WIDTH, last // TILE_WIDTH
        vstore(packed, p, vload(records, r))
        vstore(packed, p + LANES, vload(records, r + LANES))
        packed[p + REC_X], packed[p + REC_Y] = cx, cy
        packed[p + PACK_FIRST_ROW], packed[p + PACK_ROWS] = f32(first_row), f32(last_row - first_row + 1)


@njit(**INLINE)
@no_type_check
def list_tiles(spans, count, tiles, starts, lists):
    """Lists, tile by tile, the packed records that touch it, in depth order: tile t owns lists[starts[t]:starts[t + 1]].

    Returns ``lists``, or a longer array where it was too short.
    """
    for t in range(tiles + 1):
        starts[t] = 0
    for i in range(count):
        for t in range(spans[i, 0], spans[i, 1] + 1):
            starts[t + 1] += 1
    for t in range(tiles):
        starts[t + 1] += starts[t]
    if starts[tiles] > lists.size:
        lists = np.empty(starts[tiles] * 5 // 4, np.int32)
    for i in range(count):
        for t in range(spans[i, 0], spans[i, 1] + 1):
            lists[starts[t]] = i
            starts[t] += 1
    for t in range(tiles, 0, -1):  # filling moved every start to its tile's end
        starts[t] = starts[t - 1]
    starts[0] = 0
    return lists


@njit(**INNER)
@no_type_check
def next_row(counter, rows, height):
    """Draws a task: its picture, its row of tiles, the row's first pixel row and the number of pixel rows."""
    task = next_ticket(counter)
    row = task % rows
    return task, task // rows, row, row * TILE_HEIGHT, min(TILE_HEIGHT, height - row * TILE_HEIGHT)
