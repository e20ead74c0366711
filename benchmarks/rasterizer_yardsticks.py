"""Yardsticks of the same run: what the machine can do, a plain scalar compositor, and how much there is to do.

They make figures comparable between machines, where milliseconds are not.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, no_type_check

import numpy as np
import torch
from numba import njit

from dd3g.render import rasterize
from dd3g.render.constants import ALPHA_CUTOFF, ALPHA_MAX, TRANSMITTANCE_STOP
from dd3g.render.cpu import autograd, layout
from dd3g.render.cpu.binning import list_tiles, pack, row_scratch
from dd3g.render.cpu.composite import clear_tile, composite_tile, write_tile
from dd3g.render.cpu.composite_backward import backward_tile, read_tile
from dd3g.render.cpu.layout import BATCH, SUMS, TILE_HEIGHT, TILE_WIDTH
from dd3g.render.cpu.order import sort_by_depth
from dd3g.render.cpu.project import camera_rows
from dd3g.render.cpu.simd import LANES, broadcast, fma, vstore
from rasterizer_scenes import Point, make_work

f32 = np.float32


def best_seconds(function: Callable[[], object], repeats: int = 3, clock: Callable[[], float] = time.thread_time) -> float:
    """Least seconds of some calls, by default of the calling thread's processor time."""
    best = math.inf
    for _ in range(repeats):
        start = clock()
        function()
        best = min(best, clock() - start)
    return best


# ---------------------------------------------------------------- the machine
@njit(nogil=True, error_model="numpy")
@no_type_check
def _fma_chains(n, out):
    a = b = c = d = e = f = g = h = i = j = k = m = broadcast(f32(0.5))
    p, q = broadcast(f32(0.999)), broadcast(f32(1e-3))
    for _ in range(n):
        a, b, c, d, e, f = fma(a, p, q), fma(b, p, q), fma(c, p, q), fma(d, p, q), fma(e, p, q), fma(f, p, q)
        g, h, i, j, k, m = fma(g, p, q), fma(h, p, q), fma(i, p, q), fma(j, p, q), fma(k, p, q), fma(m, p, q)
    vstore(out, 0, a + b + c + d + e + f + g + h + i + j + k + m)


_CHAIN_STEPS = 2_000_000


def fma_gflops() -> float:
    """Rate of twelve independent chains of eight-lane fused multiply-adds on one thread."""
    out = np.zeros(8, f32)
    _fma_chains(10, out)
    return _CHAIN_STEPS * 12 * 8 * 2 / best_seconds(lambda: _fma_chains(_CHAIN_STEPS, out)) / 1e9


def copy_gbytes() -> float:
    """Bytes read and written a second, in units of 1e9, by one thread that copies arrays too large for any cache."""
    source, target = np.ones(2**26, f32), np.zeros(2**26, f32)
    return 2 * source.nbytes / best_seconds(lambda: np.copyto(target, source)) / 1e9


def thread_gains(work_of_one_step: Callable[[], object], rounds: int) -> tuple[float, float]:
    """How many times faster two threads are than one, by the clock on the wall: the probe, and the given step. Best of the rounds."""
    outs = [np.zeros(8, f32) for _ in range(2)]
    best = np.full(4, math.inf)
    with ThreadPoolExecutor(2) as pool:

        def probe(threads: int) -> None:
            list(pool.map(lambda out: _fma_chains(2 * _CHAIN_STEPS // threads, out), outs[:threads]))

        for _ in range(rounds):  # in turns, since other work on the machine comes and goes
            seconds = []
            for threads in (1, 2):
                torch.set_num_threads(threads)
                seconds.append(best_seconds(lambda threads=threads: probe(threads), 1, time.perf_counter))
                seconds.append(best_seconds(work_of_one_step, 1, time.perf_counter))
            best = np.minimum(best, seconds)
    return float(best[0] / best[2]), float(best[1] / best[3])


# ---------------------------------------------------------------- compositing alone
@njit(nogil=True, error_model="numpy")
@no_type_check
def _splat_by_splat(splats, size, transmittance, stopped, picture):
    # splats: mean 2, conic 3, opacity, colour and depth 4, half extents y x; nearest first
    for s in range(splats.shape[0]):
        cx, cy, xx, xy, yy, opacity = splats[s, 0], splats[s, 1], splats[s, 2], splats[s, 3], splats[s, 4], splats[s, 5]
        half_y, half_x = splats[s, 10], splats[s, 11]
        for y in range(max(math.ceil(cy - half_y - f32(0.5)), 0), min(math.floor(cy + half_y - f32(0.5)), size - 1) + 1):
            for x in range(max(math.ceil(cx - half_x - f32(0.5)), 0), min(math.floor(cx + half_x - f32(0.5)), size - 1) + 1):
                if stopped[y, x]:
                    continue
                dx, dy = cx - f32(x) - f32(0.5), cy - f32(y) - f32(0.5)
                alpha = min(f32(ALPHA_MAX), opacity * math.exp(f32(-0.5) * (xx * dx * dx + yy * dy * dy) - xy * dx * dy))
                if alpha < f32(ALPHA_CUTOFF):
                    continue
                behind = transmittance[y, x] * (f32(1) - alpha)
                if behind <= f32(TRANSMITTANCE_STOP):
                    stopped[y, x] = 1
                    continue
                weight, transmittance[y, x] = alpha * transmittance[y, x], behind
                for k in range(4):
                    picture[k, y, x] += weight * splats[s, 6 + k]


_SMALL_TILE = 16  # pixels; of the scalar loop that goes pixel by pixel


@njit(nogil=True, error_model="numpy")
@no_type_check
def _small_tiles(splats, size):
    # starts of the tiles' lists, and the lists one after the other; depth order is kept
    n = -(-size // _SMALL_TILE)
    spans = np.empty((splats.shape[0], 4), np.int64)
    counts = np.zeros(n * n + 1, np.int64)
    for s in range(splats.shape[0]):
        for k in range(2):
            centre, half = splats[s, k], splats[s, 11 - k]
            spans[s, 2 * k] = max(math.floor((centre - half) / _SMALL_TILE), 0)
            spans[s, 2 * k + 1] = min(math.floor((centre + half) / _SMALL_TILE), n - 1) + 1
        for y in range(spans[s, 2], spans[s, 3]):
            for x in range(spans[s, 0], spans[s, 1]):
                counts[y * n + x + 1] += 1
    starts = np.cumsum(counts)
    lists, cursor = np.empty(starts[-1], np.int64), starts.copy()
    for s in range(splats.shape[0]):
        for y in range(spans[s, 2], spans[s, 3]):
            for x in range(spans[s, 0], spans[s, 1]):
                lists[cursor[y * n + x]] = s
                cursor[y * n + x] += 1
    return starts, lists


@njit(nogil=True, error_model="numpy")
@no_type_check
def _pixel_by_pixel(splats, starts, lists, size, picture):
    n = -(-size // _SMALL_TILE)
    for y in range(size):
        for x in range(size):
            tile, t = y // _SMALL_TILE * n + x // _SMALL_TILE, f32(1)
            red = green = blue = depth = f32(0)
            for i in range(starts[tile], starts[tile + 1]):
                s = lists[i]
                dx, dy = splats[s, 0] - f32(x) - f32(0.5), splats[s, 1] - f32(y) - f32(0.5)
                power = f32(-0.5) * (splats[s, 2] * dx * dx + splats[s, 4] * dy * dy) - splats[s, 3] * dx * dy
                alpha = min(f32(ALPHA_MAX), splats[s, 5] * math.exp(power))
                if alpha < f32(ALPHA_CUTOFF):
                    continue
                behind = t * (f32(1) - alpha)
                if behind <= f32(TRANSMITTANCE_STOP):
                    break
                weight, t = alpha * t, behind
                red, green = red + weight * splats[s, 6], green + weight * splats[s, 7]
                blue, depth = blue + weight * splats[s, 8], depth + weight * splats[s, 9]
            picture[0, y, x], picture[1, y, x], picture[2, y, x], picture[3, y, x] = red, green, blue, depth


@njit(nogil=True, error_model="numpy")
@no_type_check
def _composite_times(forward, backward, n, size, records, depths, starts, ids, pictures):
    """Composites every tile of a picture so many times each way, after sorting and listing once: so that the rest can be subtracted.

    Backward wants what one way forward has left in ``pictures``.
    """
    black, rgb, one, t_end, stops, used, v_rgb, v_alpha, v_depth = pictures
    tiles = -(-size // TILE_WIDTH)
    keys, spare_keys, order, spare_order = np.empty(n, np.uint32), np.empty(n, np.uint32), np.empty(n, np.int32), np.empty(n, np.int32)
    lists, tile_starts, spans, packed, planes, seg_int, seg_float = row_scratch(n, tiles)
    own_sums, first_segment = np.zeros(n * SUMS, f32), np.empty(BATCH, np.int64)
    for row in range(starts.size - 1):
        own = ids[starts[row] : starts[row + 1]]
        y0 = row * TILE_HEIGHT
        h = min(TILE_HEIGHT, size - y0)
        sort_by_depth(own, depths.view(np.uint32), keys, order, spare_keys, spare_order)
        pack(records.reshape(-1), own, y0, size, size, packed, spans)
        lists = list_tiles(spans, own.size, tiles, tile_starts, lists)
        for tile in range(tiles):
            x0, w = tile * TILE_WIDTH, min(TILE_WIDTH, size - tile * TILE_WIDTH)
            own_list = lists[tile_starts[tile] : tile_starts[tile + 1]]
            for _ in range(forward):
                clear_tile(planes, h, w)
                used[0, row, tile] = composite_tile(packed, own_list, x0, w, w * h, planes.reshape(-1), seg_int, seg_float)
            if forward > 0:
                write_tile(planes, 0, y0, x0, h, w, black, rgb, one[0], one[1], t_end, stops)
            for _ in range(backward):
                read_tile(planes, 0, y0, x0, h, w, black, one[0], one[1], t_end, stops, v_rgb, v_alpha, v_depth)
                looked_at = own_list[: used[0, row, tile]]
                backward_tile(packed, looked_at, x0, w, planes.reshape(-1), seg_int, seg_float, first_segment, own_sums)


def compositing_ms(point: Point, kind: str) -> dict[str, float]:
    """Compositing of one view, one thread, nothing else in it: forward by two scalar loops and by the renderer; backward by the renderer.

    Backward includes reading each tile's pixels, a fiftieth of it.
    """
    torch.set_num_threads(1)
    one, size = Point(1, point.gaussians, 1, point.size), point.size
    work = make_work(one, kind)
    records, depths, tile_rows, _, starts, _, ids = _binned(one, kind)
    seen = tile_rows[0, :, 1] >= tile_rows[0, :, 0]
    r = records[0][seen][np.argsort(depths[0][seen], kind="stable")]
    a, b, c = r[:, layout.REC_A], r[:, layout.REC_B], r[:, layout.REC_C]
    conic = [a * a / layout.EXPONENT_SCALE, a * b / layout.EXPONENT_SCALE, (b * b + c * c) / layout.EXPONENT_SCALE]
    colour = r[:, layout.REC_RGB : layout.REC_RGB + 3].T
    ends = [r[:, layout.REC_DEPTH], r[:, layout.REC_HALF_HEIGHT], r[:, layout.REC_HALF_WIDTH]]
    centre = [r[:, layout.REC_X], r[:, layout.REC_Y]]
    splats = np.ascontiguousarray(np.stack([*centre, *conic, r[:, layout.REC_OPACITY], *colour, *ends], 1), f32)
    shape = (size, size)
    picture, pixelwise = np.zeros((4, *shape), f32), np.zeros((4, *shape), f32)
    small = _small_tiles(splats, size)

    def scalar() -> None:
        picture[:] = 0
        _splat_by_splat(splats, size, np.ones(shape, f32), np.zeros(shape, np.uint8), picture)

    planes = tuple(np.zeros((1, *shape), f32) for _ in range(5))
    random = np.random.default_rng(0)
    incoming = [random.standard_normal(of).astype(f32) for of in ((1, 3, *shape), (1, *shape), (1, *shape))]
    rgb, used = np.zeros((1, 3, *shape), f32), np.zeros((1, starts.shape[1] - 1, -(-size // TILE_WIDTH)), np.int32)
    pictures = (np.zeros((1, 3), f32), rgb, planes[:2], planes[2], planes[3], used, *incoming)

    def ours(forward: int, backward: int) -> Callable[[], object]:
        return lambda: _composite_times(forward, backward, one.gaussians, size, records[0], depths[0], starts[0], ids, pictures)

    scalar()
    _pixel_by_pixel(splats, *small, size, pixelwise)
    whole = rasterize(work.gaussians, work.cameras, torch.zeros(3), backend="cpu").rgb.detach()[0, 0].numpy()
    difference = max(float(np.abs(p[:3] - whole).max()) for p in (picture, pixelwise))
    ours(1, 1)()
    best = np.full(5, math.inf)
    for _ in range(5):  # in turns, since other work on the machine comes and goes
        calls = [ours(1, 1), ours(6, 1), ours(1, 6), scalar]
        best[:4] = np.minimum(best[:4], [best_seconds(call, 1) for call in calls])
    best[4] = best_seconds(lambda: _pixel_by_pixel(splats, *small, size, pixelwise), 2)
    once, forth, back, by_splat, by_pixel = (best * 1e3).tolist()
    return {
        "scalar": by_splat,
        "pixelwise": by_pixel,
        "ours": (forth - once) / 5,
        "backward": (back - once) / 5,
        "segments": counted(one, kind)["segments"],
        "largest_difference": difference,
    }


# ---------------------------------------------------------------- how much there is to do
@njit(nogil=True, error_model="numpy")
@no_type_check
def _count(records, tile_rows, size, counts):
    for g in range(records.shape[0]):
        if tile_rows[g, 1] < tile_rows[g, 0]:
            continue
        counts[0] += 1
        counts[1] += tile_rows[g, 1] - tile_rows[g, 0] + 1
        cx, cy = records[g, layout.REC_X], records[g, layout.REC_Y]
        a, b, c = records[g, layout.REC_A], records[g, layout.REC_B], records[g, layout.REC_C]
        k = records[g, layout.REC_LOG2_OPACITY]
        half_y, half_x = records[g, layout.REC_HALF_HEIGHT], records[g, layout.REC_HALF_WIDTH]
        for y in range(max(math.ceil(cy - half_y - f32(0.5)), 0), min(math.floor(cy + half_y - f32(0.5)), size - 1) + 1):
            first, last, dy = size, -1, f32(y) + f32(0.5) - cy
            for x in range(max(math.ceil(cx - half_x - f32(0.5)), 0), min(math.floor(cx + half_x - f32(0.5)), size - 1) + 1):
                u = a * (f32(x) + f32(0.5) - cx) + b * dy
                if k - u * u - (c * dy) ** 2 >= -math.log2(255.0):
                    first, last = min(first, x), x
            if last < 0:
                continue
            counts[2] += last - first + 1
            for tile in range(first // TILE_WIDTH, last // TILE_WIDTH + 1):
                within = min(last, tile * TILE_WIDTH + TILE_WIDTH - 1) - max(first, tile * TILE_WIDTH) + 1
                counts[3] += -(-within // LANES)


def counted(point: Point, kind: str) -> dict[str, int]:
    """Over all pictures of a step: splats drawn, (splat, row of tiles), (pixel, splat) pairs at or above the cutoff, segments of 8.

    Pairs behind a pixel's stop are counted too, so they bound what is composited from above.
    """
    records, _, tile_rows, *_ = _binned(point, kind)
    counts = np.zeros(4, np.int64)
    for image in range(len(records)):
        _count(records[image], tile_rows[image], point.size, counts)
    return dict(zip(("splats", "rows", "pairs", "segments"), counts.tolist(), strict=True))


def _binned(point: Point, kind: str) -> tuple[Any, ...]:
    """The renderer's own records and lists at an operating point."""
    work = make_work(point, kind)
    inputs = [t.detach().numpy() for t in work.leaves]
    pose, lens = (np.tile(t.numpy(), (point.scenes, 1, 1)) for t in (work.cameras.camera_from_world, work.cameras.intrinsics))
    grid = autograd._Grid(point.scenes, point.gaussians, point.views, point.size, point.size)
    return autograd._project_and_bin(grid, False, inputs, camera_rows(pose, lens, point.size, point.size))
