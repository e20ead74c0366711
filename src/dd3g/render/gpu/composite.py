"""E9 and E10 over the lists of the tiles, in Triton. One program a tile; pixels are a vector, the splats of the list come one by one.

Backward walks the list in the same order as forward and decides the same: what lies behind a splat is the whole sum less what has been
passed. It writes ten sums for each pair into the pair's own slot, and a second kernel adds up each splat's slots in their order. So no
atomics, and the same bits every time.
"""

from __future__ import annotations

from typing import no_type_check

import triton
import triton.language as tl

_CHUNK = tl.constexpr(16)  # splats between two looks whether all pixels have stopped


@triton.jit
@no_type_check
def _pixels(tile, rows, columns, height, width, TILE: tl.constexpr):
    """Image of a tile, offsets of its pixels, their centres, and which of them are in the picture."""
    image = tile // (rows * columns)
    within = tile % (rows * columns)
    lane = tl.arange(0, TILE * TILE)
    i = (within // columns) * TILE + lane // TILE
    j = (within % columns) * TILE + lane % TILE
    return image, i * width + j, j + 0.5, i + 0.5, (i < height) & (j < width)


@triton.jit
@no_type_check
def composite_forward(
    records, tile_starts, out, rows, columns, height, width,
    ALPHA_MAX: tl.constexpr, CUTOFF: tl.constexpr, STOP: tl.constexpr, TILE: tl.constexpr, RECORD: tl.constexpr,
):  # fmt: skip
    """out (image, 5, h w): colour without background, sum of weighted depths, transmittance."""
    tile = tl.program_id(0)
    image, offset, px, py, inside = _pixels(tile, rows, columns, height, width, TILE)
    through = tl.full((TILE * TILE,), 1.0, tl.float32)
    red = tl.zeros((TILE * TILE,), tl.float32)
    green = tl.zeros((TILE * TILE,), tl.float32)
    blue = tl.zeros((TILE * TILE,), tl.float32)
    depth = tl.zeros((TILE * TILE,), tl.float32)
    alive = inside
    pair = tl.load(tile_starts + tile)
    end = tl.load(tile_starts + tile + 1)
    any_alive = 1
    while (pair < end) & (any_alive > 0):
        pause = tl.minimum(pair + _CHUNK, end)
        for k in range(pair, pause):
            at = records + k * RECORD
            dx = px - tl.load(at)
            dy = py - tl.load(at + 1)
            power = -0.5 * (tl.load(at + 2) * dx * dx + tl.load(at + 4) * dy * dy) - tl.load(at + 3) * dx * dy
            alpha = tl.minimum(tl.load(at + 5) * tl.exp(power), ALPHA_MAX)
            alpha = tl.where(alpha >= CUTOFF, alpha, 0.0)
            after = through * (1 - alpha)
            alive = alive & (after > STOP)
            weight = tl.where(alive, alpha * through, 0.0)
            red += weight * tl.load(at + 6)
            green += weight * tl.load(at + 7)
            blue += weight * tl.load(at + 8)
            depth += weight * tl.load(at + 9)
            through = tl.where(alive, after, through)
        pair = pause
        any_alive = tl.max(alive.to(tl.int32), 0)
    plane = height * width
    to = out + image.to(tl.int64) * 5 * plane + offset
    tl.store(to, red, mask=inside)
    tl.store(to + plane, green, mask=inside)
    tl.store(to + 2 * plane, blue, mask=inside)
    tl.store(to + 3 * plane, depth, mask=inside)
    tl.store(to + 4 * plane, through, mask=inside)


@triton.jit
@no_type_check
def composite_backward(
    records, tile_starts, slots, out, grad_out, pair_sums, rows, columns, height, width,
    ALPHA_MAX: tl.constexpr, CUTOFF: tl.constexpr, STOP: tl.constexpr, TILE: tl.constexpr, RECORD: tl.constexpr,
):  # fmt: skip
    """pair_sums (pair, 10) at the pair's slot: gradients of the record's fields, summed over the tile. Untouched pairs keep their zeros."""
    tile = tl.program_id(0)
    image, offset, px, py, inside = _pixels(tile, rows, columns, height, width, TILE)
    plane = height * width
    base = image.to(tl.int64) * 5 * plane + offset
    v_red = tl.load(grad_out + base, mask=inside, other=0.0)
    v_green = tl.load(grad_out + base + plane, mask=inside, other=0.0)
    v_blue = tl.load(grad_out + base + 2 * plane, mask=inside, other=0.0)
    v_depth = tl.load(grad_out + base + 3 * plane, mask=inside, other=0.0)
    # what lies behind: all of the weighted values, and what the last transmittance is worth, less what has been passed
    behind = tl.load(out + base, mask=inside, other=0.0) * v_red
    behind += tl.load(out + base + plane, mask=inside, other=0.0) * v_green
    behind += tl.load(out + base + 2 * plane, mask=inside, other=0.0) * v_blue
    behind += tl.load(out + base + 3 * plane, mask=inside, other=0.0) * v_depth
    behind += tl.load(out + base + 4 * plane, mask=inside, other=0.0) * tl.load(grad_out + base + 4 * plane, mask=inside, other=0.0)
    through = tl.full((TILE * TILE,), 1.0, tl.float32)
    alive = inside
    pair = tl.load(tile_starts + tile)
    end = tl.load(tile_starts + tile + 1)
    any_alive = 1
    while (pair < end) & (any_alive > 0):
        pause = tl.minimum(pair + _CHUNK, end)
        for k in range(pair, pause):
            at = records + k * RECORD
            xx = tl.load(at + 2)
            xy = tl.load(at + 3)
            yy = tl.load(at + 4)
            opacity = tl.load(at + 5)
            dx = px - tl.load(at)
            dy = py - tl.load(at + 1)
            fall = tl.exp(-0.5 * (xx * dx * dx + yy * dy * dy) - xy * dx * dy)
            unclamped = opacity * fall
            alpha = tl.minimum(unclamped, ALPHA_MAX)
            alpha = tl.where(alpha >= CUTOFF, alpha, 0.0)
            after = through * (1 - alpha)
            alive = alive & (after > STOP)
            weight = tl.where(alive, alpha * through, 0.0)
            value = tl.load(at + 6) * v_red + tl.load(at + 7) * v_green + tl.load(at + 8) * v_blue + tl.load(at + 9) * v_depth
            behind -= weight * value
            d_alpha = through * value - behind / (1 - alpha)
            # no gradient through the clamp, the cutoff or a pixel that has stopped
            free = alive & (alpha > 0) & (unclamped <= ALPHA_MAX)
            d_fall = tl.where(free, d_alpha * fall, 0.0)
            g = d_fall * opacity
            through = tl.where(alive, after, through)
            to = pair_sums + tl.load(slots + k) * RECORD
            gx = tl.sum(g * dx, 0)
            gy = tl.sum(g * dy, 0)
            tl.store(to, xx * gx + xy * gy)
            tl.store(to + 1, xy * gx + yy * gy)
            tl.store(to + 2, -0.5 * tl.sum(g * dx * dx, 0))
            tl.store(to + 3, -tl.sum(g * dx * dy, 0))
            tl.store(to + 4, -0.5 * tl.sum(g * dy * dy, 0))
            tl.store(to + 5, tl.sum(d_fall, 0))
            tl.store(to + 6, tl.sum(weight * v_red, 0))
            tl.store(to + 7, tl.sum(weight * v_green, 0))
            tl.store(to + 8, tl.sum(weight * v_blue, 0))
            tl.store(to + 9, tl.sum(weight * v_depth, 0))
        pair = pause
        any_alive = tl.max(alive.to(tl.int32), 0)


@triton.jit
@no_type_check
def add_up(pair_sums, splat_starts, sums, count, RECORD: tl.constexpr, WIDTH: tl.constexpr, BLOCK: tl.constexpr):
    """sums (splat, 10): each splat's slots, added in their order."""
    splat = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    field = tl.arange(0, WIDTH)
    start = tl.load(splat_starts + splat, mask=splat < count, other=0)
    length = tl.load(splat_starts + splat + 1, mask=splat < count, other=0) - start
    total = tl.zeros((BLOCK, WIDTH), tl.float32)
    for k in range(0, tl.max(length, 0)):
        where = (start + k)[:, None] * RECORD + field[None, :]
        total += tl.load(pair_sums + where, mask=(k < length)[:, None] & (field < RECORD)[None, :], other=0.0)
    where = splat.to(tl.int64)[:, None] * RECORD + field[None, :]
    tl.store(sums + where, total, mask=(splat < count)[:, None] & (field < RECORD)[None, :])
