"""Which Gaussians stand in which row of tiles, and in which order of depth."""

from __future__ import annotations

from typing import no_type_check

import numpy as np
from numba import njit

from dd3g.render.cpu.kernel_cache import INNER, kernel
from dd3g.render.cpu.simd import next_ticket

_DIGIT_BITS = 11
"""Bits sorted in one pass: a histogram of 2048 counts stays in the first-level cache."""


@kernel
@no_type_check
def count_rows(counter, tasks, n, tile_rows, slots, starts):
    """Task: a picture. Numbers the (Gaussian, row of tiles) pairs and counts them by row.

    ``slots`` (i n): number of a Gaussian's first pair; backward sums into one slot a pair. ``starts`` (i rows + 1): prefix sums.
    """
    while True:
        image = next_ticket(counter)
        if image >= tasks:
            return
        own_starts, slot = starts[image], 0
        for row in range(own_starts.size):
            own_starts[row] = 0
        for g in range(n):
            slots[image, g] = slot
            for row in range(tile_rows[image, g, 0], tile_rows[image, g, 1] + 1):
                own_starts[row + 1] += 1
                slot += 1
        for row in range(1, own_starts.size):
            own_starts[row] += own_starts[row - 1]


@kernel
@no_type_check
def list_rows(counter, tasks, n, tile_rows, starts, offsets, ids):
    """Task: a picture. Lists the Gaussians of each row of tiles, by index; picture i owns ``ids`` from ``offsets[i]`` on."""
    cursor = np.empty(starts.shape[1], np.int64)
    while True:
        image = next_ticket(counter)
        if image >= tasks:
            return
        for row in range(cursor.size):
            cursor[row] = offsets[image] + starts[image, row]
        for g in range(n):
            for row in range(tile_rows[image, g, 0], tile_rows[image, g, 1] + 1):
                ids[cursor[row]] = g
                cursor[row] += 1


@njit(**INNER)
@no_type_check
def sort_by_depth(ids, depth_bits, keys, order, spare_keys, spare_order):
    """Sorts a row's list by ascending depth, ties by index: a stable radix sort of the bits in which the depths differ.

    Positive floats are ordered as their bits are.
    """
    count, low, high = ids.size, np.uint32(0xFFFFFFFF), np.uint32(0)
    for i in range(count):
        key = depth_bits[ids[i]]
        keys[i], order[i], low, high = key, ids[i], min(low, key), max(high, key)
    bits, span = 0, np.int64(high) - np.int64(low)
    while count > 1 and (span >> bits):
        bits += 1
    passes, histogram = (bits + _DIGIT_BITS - 1) // _DIGIT_BITS, np.empty(1 << _DIGIT_BITS, np.int64)
    for p in range(passes):
        digit_bits = (bits + passes - 1) // passes
        shift, mask, start = np.uint32(p * digit_bits), np.uint32((1 << digit_bits) - 1), 0
        for digit in range(1 << digit_bits):
            histogram[digit] = 0
        for i in range(count):
            histogram[((keys[i] - low) >> shift) & mask] += 1
        for digit in range(1 << digit_bits):
            histogram[digit], start = start, start + histogram[digit]
        for i in range(count):
            digit = ((keys[i] - low) >> shift) & mask
            target = histogram[digit]
            histogram[digit] = target + 1
            spare_keys[target], spare_order[target] = keys[i], order[i]
        keys, order, spare_keys, spare_order = spare_keys, spare_order, keys, order
    for i in range(count):
        ids[i] = order[i]
