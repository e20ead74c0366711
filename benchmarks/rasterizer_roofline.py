"""How near each stage of the CPU renderer comes to what the machine can do: counted work against measured limits.

FLOPs are those of the algorithm (a fused multiply-add is two), as counted in the kernels' source; bytes are each array read or written
once. Compositing works on lanes of whole segments, so lanes outside the ellipse count as work done.
"""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable
from typing import Any

import torch

from dd3g.render import rasterize
from dd3g.render.cpu import autograd
from rasterizer_scenes import Point, make_work

_PROJECT_FLOPS, _GATHER_FLOPS = 170, 420  # a Gaussian and picture
_FORWARD_FLOPS, _BACKWARD_FLOPS = 27, 50  # a lane of a segment
_RECORD, _PARAMETERS, _SUMS = 64, 56, 40  # bytes of a record, of a Gaussian, of a splat's sums in a row of tiles
_PIXEL_FORWARD, _PIXEL_BACKWARD = 28, 48  # bytes: written forward; read backward, with the incoming gradients


def stage_ms(point: Point, kind: str, repeats: int) -> dict[str, float]:
    """Least milliseconds of each kernel in a step, one thread, processor time."""
    torch.set_num_threads(1)
    work = make_work(point, kind)
    best: dict[str, float] = {}
    spent: dict[str, float] = defaultdict(float)
    run_tasks = autograd.run_tasks

    def timed(kernel: Any, tasks: int, *arguments: object) -> None:
        start = time.thread_time()
        run_tasks(kernel, tasks, *arguments)
        spent[kernel.py_func.__name__] += time.thread_time() - start

    autograd.run_tasks = timed
    try:
        for _ in range(repeats + 1):
            spent.clear()
            render = rasterize(work.gaussians, work.cameras, work.background, backend="cpu")
            torch.autograd.backward((render.rgb, render.alpha, render.depth), work.incoming)
            best = {name: min(best.get(name, seconds * 1e3), seconds * 1e3) for name, seconds in spent.items()}
    finally:
        autograd.run_tasks = run_tasks
    return best


def roofline(point: Point, kind: str, counts: dict[str, int], gflops: float, gbytes: float, repeats: int) -> list[dict[str, Any]]:
    """A row a stage: ms, counted work, and the share of the limit that binds it (the larger of the two).

    Args:
        point: Where.
        kind: Of scene.
        counts: How much there is to do there, of rasterizer_yardsticks.counted.
        gflops: Of the machine, one thread.
        gbytes: A second, of the machine, one thread.
        repeats: Steps to take the best of.
    """
    seen, pixels = point.scenes * point.views * point.gaussians, point.scenes * point.views * point.size**2
    lanes, rows, parameters = 8 * counts["segments"], counts["rows"], point.scenes * point.gaussians * _PARAMETERS
    work = {
        "project": (_PROJECT_FLOPS * seen, parameters + (_RECORD + 8) * seen),
        "count_rows": (0, 8 * seen),
        "list_rows": (0, 4 * seen + 4 * rows),
        "composite": (_FORWARD_FLOPS * lanes, (_RECORD + 4) * rows + _PIXEL_FORWARD * pixels),
        "composite_backward": (_BACKWARD_FLOPS * lanes, (_RECORD + 4 + _SUMS) * rows + _PIXEL_BACKWARD * pixels),
        "gather": (_GATHER_FLOPS * seen, 2 * parameters + _RECORD * seen + _SUMS * rows),
    }
    table = []
    for stage, ms in stage_ms(point, kind, repeats).items():
        flops, moved = work[stage]
        shares = {"fma": flops / ms / 1e6 / gflops, "memory": moved / ms / 1e6 / gbytes}
        bound = max(shares, key=lambda name: shares[name])
        table.append({"stage": stage, "ms": ms, "gflop": flops / 1e9, "gbyte": moved / 1e9, "bound": bound, "share": shares[bound]})
    return table


def print_roofline(name: str, table: list[dict[str, Any]], out: Callable[[str], None] = print) -> None:
    """The table as text."""
    out(f"{name}, one thread, best: {'stage':<20} {'ms':>8} {'GFlop':>8} {'GByte':>8}  nearest limit")
    for row in table:
        share = f"{row['share']:.0%} of {row['bound']}"
        out(f"{'':<{len(name) + 19}} {row['stage']:<20} {row['ms']:>8.1f} {row['gflop']:>8.3f} {row['gbyte']:>8.3f}  {share}")
