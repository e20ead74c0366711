"""Speed and memory of the GPU renderers: ours, and gsplat where it is installed, in interleaved pairs of one run.

    python benchmarks/rasterizer_gpu.py [--pairs 7] [--json FILE]
    TRITON_INTERPRET=1 python benchmarks/rasterizer_gpu.py --device cpu --point 1 20 1 8    # a rehearsal without a GPU

Times are of CUDA's own events, between which the host's waits count too. "ratio" is the median over the pairs of ours / gsplat, forward
and backward together; the bar is 1.5 at 131,072 Gaussians, 4 views of 256 px, 8 scenes.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch

from dd3g.render import rasterize
from rasterizer_scenes import GPU_POINT, POINTS, SCENES, Point, Work, make_work

_MOST_OF_GSPLATS_TIME = 1.5


def stamp(device: str) -> Callable[[], float]:
    """Marks a moment of the device; what it gives, called later, is that moment in ms."""
    if device == "cpu":
        moment = time.perf_counter() * 1e3
        return lambda: moment
    event, start = torch.cuda.Event(enable_timing=True), _START[0]
    event.record()

    def read() -> float:
        event.synchronize()
        return start.elapsed_time(event)

    return read


_START: list[Any] = []  # an event of CUDA, from which all others are measured


def time_step(work: Work, backend: str, device: str) -> dict[str, float]:
    """ms of a forward and a backward, and the peak of memory over what the scene itself takes, in MB (0 on a CPU)."""
    for leaf in work.leaves:
        leaf.grad = None
    held = 0
    if device != "cpu":
        torch.cuda.synchronize()
        torch.cuda.reset_peak_memory_stats()
        held = torch.cuda.memory_allocated()
    begin = stamp(device)
    render = rasterize(work.gaussians, work.cameras, work.background, backend=backend)
    middle = stamp(device)
    torch.autograd.backward((render.rgb, render.alpha, render.depth), work.incoming)
    end = stamp(device)
    times = {"forward": middle() - begin(), "backward": end() - middle()}
    peak = 0 if device == "cpu" else torch.cuda.max_memory_allocated() - held
    return {**times, "peak_mb": peak / 1e6}


def measure(point: Point, kind: str, device: str, backends: list[str], pairs: int) -> dict[str, Any]:
    """Medians of each backend, taken in turns, and the ratio of the first to the second if there are two."""
    work = make_work(point, kind, device)
    steps: dict[str, list[dict[str, float]]] = {name: [] for name in backends}
    for pair in range(pairs + 2):
        for name in backends if pair % 2 else backends[::-1]:
            step = time_step(work, name, device)
            if pair >= 2:  # the first ones compile and fill the allocator
                steps[name].append(step)
    row: dict[str, Any] = {
        name: {key: round(float(np.median([step[key] for step in taken])), 2) for key in taken[0]} for name, taken in steps.items()
    }
    if len(backends) == 2:
        ours, theirs = (np.array([step["forward"] + step["backward"] for step in steps[name]]) for name in backends)
        row["ratio"] = round(float(np.median(ours / theirs)), 3)
    return row


def report(device: str, points: dict[str, Point], pairs: int) -> dict[str, Any]:
    """Measures and prints everything."""
    backends = ["gpu"]
    if device == "cpu":
        print("rehearsal on the CPU: the kernels are interpreted, times mean nothing")
    else:
        _START[:] = [torch.cuda.Event(enable_timing=True)]
        _START[0].record()
        print(torch.cuda.get_device_name())
        if importlib.util.find_spec("gsplat") is not None:
            backends.append("gsplat")
        else:
            print("gsplat is not installed, so there is nothing to compare with: pip install 'dd3g[gpu]'")
    rows = []
    print(f"{'point':<10} {'backend':<8} {'forward ms':>11} {'backward ms':>12} {'peak MB':>9} {'ratio':>7}")
    for name, point in points.items():
        for kind in SCENES:
            row = measure(point, kind, device, backends, pairs)
            rows.append({"point": name, "scene": kind, **row})
            for backend in backends:
                r, ratio = row[backend], row.get("ratio", "-") if backend == backends[-1] else ""
                print(
                    f"{name + ' ' + kind:<10} {backend:<8} {r['forward']:>11} {r['backward']:>12} {r['peak_mb']:>9} {ratio:>7}", flush=True
                )
    bars = [row["ratio"] for row in rows if row["point"] == "G" and "ratio" in row]
    if bars:
        verdict = "PASS" if max(bars) <= _MOST_OF_GSPLATS_TIME else "FAIL"
        print(f"{verdict}: at G ours takes {max(bars)} of gsplat's time, at most {_MOST_OF_GSPLATS_TIME}")
    return {"device": device if device == "cpu" else torch.cuda.get_device_name(), "points": rows}


def main() -> None:
    """Measures, prints a table, writes JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", choices=["cuda", "cpu"], default="cuda")
    parser.add_argument("--point", nargs=4, type=int, metavar=("SCENES", "GAUSSIANS", "VIEWS", "SIZE"), help="one point instead of all")
    parser.add_argument("--pairs", type=int, default=7)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    if options.device == "cuda" and not torch.cuda.is_available():
        print("no GPU: nothing measured")
        return
    points = {"own": Point(*options.point)} if options.point else {**POINTS, "G": GPU_POINT}
    found = report(options.device, points, options.pairs)
    if options.json:
        options.json.write_text(json.dumps(found, indent=2) + "\n")


if __name__ == "__main__":
    main()
