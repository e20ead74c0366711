"""A row of tiles: its records packed in depth order, and the list of each tile."""

from __future__ import annotations

import math
from typing import no_type_check

import numpy as np
from numba import njit

from dd3g.render.cpu.kernel_cache import INLINE, INNER
from dd3g.render.cpu.layout import (
    BATCH,
    HALF,
    LOG2_INV_CUTOFF,
    ONE,
    PACK_A,
    PACK_B_OVER_A,
    PACK_C,
    PACK_DEPTH,
    PACK_FIRST_ROW,
    PACK_HALF_ROW,
    PACK_INV_A,
    PACK_LAST_ROW,
    PACK_LOG2_OPACITY,
    PACK_RGB,
    PACK_X,
    PACK_Y,
    PLANE_WIDTH,
    PLANES,
    REC_A,
    REC_B,
    REC_C,
    REC_DEPTH,
    REC_HALF_HEIGHT,
    REC_HALF_WIDTH,
    REC_LOG2_OPACITY,
    REC_RGB,
    REC_X,
    REC_Y,
    RECORD,
    TILE_HEIGHT,
    TILE_WIDTH,
    ZERO,
    f32,
)
from dd3g.render.cpu.project import clip
from dd3g.render.cpu.simd import at, next_ticket, prefetch

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
        np.empty(2 * BATCH, np.int32),
        np.empty(3 * BATCH, f32),
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
        inv_a, log2_opacity = ONE / at(records, r + REC_A), at(records, r + REC_LOG2_OPACITY)
        packed[p + PACK_X], packed[p + PACK_Y] = cx, cy
        packed[p + PACK_A], packed[p + PACK_INV_A] = at(records, r + REC_A), inv_a
        packed[p + PACK_B_OVER_A], packed[p + PACK_C] = at(records, r + REC_B) * inv_a, at(records, r + REC_C)
        packed[p + PACK_LOG2_OPACITY], packed[p + PACK_DEPTH] = log2_opacity, at(records, r + REC_DEPTH)
        packed[p + PACK_RGB], packed[p + PACK_RGB + 1] = at(records, r + REC_RGB), at(records, r + REC_RGB + 1)
        packed[p + PACK_RGB + 2] = at(records, r + REC_RGB + 2)
        packed[p + PACK_FIRST_ROW], packed[p + PACK_LAST_ROW] = f32(first_row), f32(last_row)
        packed[p + PACK_HALF_ROW] = math.sqrt(max(log2_opacity + LOG2_INV_CUTOFF, ZERO)) * inv_a


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
