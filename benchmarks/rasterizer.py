"""Speed and memory of the renderers, and whether they hold their bars.

    python benchmarks/rasterizer.py [--prototype ../shared/prototypes] [--points A B C] [--pairs 7] [--json FILE]

Operating points, each as a "shell" (mostly opaque splats about a pixel wide: a trained model) and as a "fog" (a translucent ball:
early training). Where the folder of the prototype is found, both are timed in interleaved pairs, and "ratio" is the median over the
pairs of ours / prototype, in processor time, which other work on the machine disturbs less than wall time.

Absolute figures depend on the machine. The yardsticks of the same run don't: the rate of fused multiply-adds, the rate of memory,
plain scalar compositors, one splat by splat over its box and one pixel by pixel, and the oracle. The last lines say PASS, FAIL or OPEN
(no core was free to judge by), and the script ends with status 1 if one fails. With a GPU the part of rasterizer_gpu.py follows.
"""

from __future__ import annotations

import argparse
import importlib
import json
import os
import platform
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import torch
from torch import Tensor

import rasterizer_gpu
from dd3g.render import rasterize
from rasterizer_roofline import print_roofline, roofline
from rasterizer_scenes import GPU_POINT, POINTS, SCENES, Point, make_work
from rasterizer_yardsticks import compositing_ms, copy_gbytes, counted, fma_gflops, thread_gains

# bars
MOST_OF_PROTOTYPE, LEAST_OF_SCALAR, LEAST_OF_PROBE = 1.03, 7.0, 0.93
LEAST_OF_PIXELWISE = 80.0  # the shell
MOST_NS = {"forward": ("ours", 10.0), "backward": ("backward", 19.0)}  # a segment, on a machine of AT_GFLOPS
MOST_STEP_MS = {("A", "shell"): 120.0, ("B", "shell"): 260.0, ("C", "shell"): 105.0, ("B", "fog"): 500.0}  # so too; best, one thread
AT_GFLOPS = 85.0  # of multiply-adds by the probe
FREE_SECOND_CORE = 1.5  # what the probe gains by a second thread, at least, if there is a second core to judge by


# ---------------------------------------------------------------- timing
@dataclass(frozen=True)
class Times:
    """Seconds of one step."""

    forward: float
    backward: float
    processor: float


def time_step(draw: Callable[[], tuple[Tensor, ...]], incoming: list[Tensor], leaves: list[Tensor]) -> Times:
    """One forward and backward."""
    for leaf in leaves:
        leaf.grad = None
    c0, t0 = time.process_time(), time.perf_counter()
    out = draw()
    t1 = time.perf_counter()
    torch.autograd.backward(out, incoming)
    return Times(t1 - t0, time.perf_counter() - t1, time.process_time() - c0)


def summary(times: list[Times]) -> dict[str, float]:
    """Median and best, in milliseconds."""
    forward, backward = (np.array([getattr(t, name) for t in times]) * 1e3 for name in ("forward", "backward"))
    figures = {
        "forward": np.median(forward),
        "forward_best": forward.min(),
        "backward": np.median(backward),
        "backward_best": backward.min(),
    }
    return {name: round(float(value), 2) for name, value in figures.items()}


def step_of(point: Point, kind: str, backend: str = "cpu") -> tuple[Callable[[], tuple[Tensor, ...]], list[Tensor], list[Tensor]]:
    """What draws, the gradients that come back to it, and where they go."""
    work = make_work(point, kind)

    def draw() -> tuple[Tensor, ...]:
        render = rasterize(work.gaussians, work.cameras, work.background, backend=backend)
        return render.rgb, render.alpha, render.depth

    return draw, work.incoming, work.leaves


def measure(point: Point, kind: str, threads: int, pairs: int, prototype: ModuleType | None) -> dict[str, Any]:
    """Times one operating point, with the prototype in turns where there is one."""
    ours, incoming, leaves = step_of(point, kind)
    work = make_work(point, kind)
    pose, lens = (t.expand(point.scenes, *t.shape) for t in (work.cameras.camera_from_world, work.cameras.intrinsics))

    def theirs() -> tuple[Tensor, ...]:
        assert prototype is not None
        return prototype.rasterize(*leaves, pose, lens, work.background, point.size, point.size)

    torch.set_num_threads(threads)
    if prototype is not None:
        prototype.THREADS[0] = threads
    times: dict[str, list[Times]] = {"ours": [], "prototype": []}
    for pair in range(pairs + 1):
        turns = [("ours", ours, incoming)]
        if prototype is not None:
            turns.append(("prototype", theirs, [v if v.shape[2] == 3 else v[:, :, 0] for v in incoming]))
        for name, draw, v in turns if pair % 2 else turns[::-1]:
            step = time_step(draw, v, leaves)
            if pair > 0:  # the first one compiles and fills the caches
                times[name].append(step)
    row: dict[str, Any] = {"ours": summary(times["ours"]), "saved_mb": round(saved_bytes(ours) / 1e6, 1)}
    processor = float(np.median([t.processor for t in times["ours"]]))
    row["million_pairs_per_s"] = round(counted(point, kind)["pairs"] / processor / 1e6)
    if prototype is not None:
        row["prototype"] = summary(times["prototype"])
        row["ratio"] = round(
            float(np.median([a.processor / b.processor for a, b in zip(times["ours"], times["prototype"], strict=True)])), 3
        )
    return row


def oracle_factor() -> dict[str, float]:
    """How many times longer the oracle takes for a step, where it can still be waited for: 2,048 Gaussians, one view of 64 px."""
    torch.set_num_threads(1)
    best = {}
    for backend in ("cpu", "reference"):
        step = step_of(Point(1, 2048, 1, 64), "shell", backend)
        best[backend] = min(time_step(*step).processor * 1e3 for _ in range(3 if backend == "cpu" else 2))
    return {"ours": round(best["cpu"], 2), "oracle": round(best["reference"], 1), "factor": round(best["reference"] / best["cpu"])}


def saved_bytes(draw: Callable[[], tuple[Tensor, ...]]) -> int:
    """What is held for backward, inputs and pictures included."""
    found: dict[int, int] = {}

    def note(tensor: Tensor) -> Tensor:
        found[tensor.data_ptr()] = tensor.untyped_storage().nbytes()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(note, lambda tensor: tensor):
        draw()
    return sum(found.values())


# ---------------------------------------------------------------- bits
_DIGEST = """
import hashlib, sys, torch
sys.path.insert(0, sys.argv[1])
from rasterizer_scenes import SCENES, Point, make_work
from dd3g.render import rasterize
torch.set_num_threads(int(sys.argv[2]))
digest = hashlib.sha256()
for kind in SCENES:
    work = make_work(Point(2, 4096, 2, 96), kind)
    render = rasterize(work.gaussians, work.cameras, work.background, antialiased=kind == "fog", backend="cpu")
    torch.autograd.backward((render.rgb, render.alpha, render.depth), work.incoming)
    for tensor in (render.rgb, render.alpha, render.depth, *(leaf.grad for leaf in work.leaves)):
        digest.update(tensor.detach().numpy().tobytes())
print(digest.hexdigest())
"""
_AVX2 = {"NUMBA_CPU_NAME": "haswell", "NUMBA_CPU_FEATURES": "+avx,+avx2,+fma,+bmi,+bmi2"}


def digests() -> dict[str, str]:
    """Of pictures and gradients: at one, two and three threads, and (x86) of code for AVX2 whatever this processor has."""
    runs: dict[str, tuple[int, dict[str, str]]] = {f"{n} threads": (n, {}) for n in (1, 2, 3)}
    if platform.machine() in ("x86_64", "AMD64"):
        runs["AVX2"] = (1, _AVX2)
    found = {}
    for name, (threads, chosen) in runs.items():
        command = [sys.executable, "-c", _DIGEST, str(Path(__file__).parent), str(threads)]
        done = subprocess.run(command, env={**os.environ, **chosen}, capture_output=True, text=True, check=True)
        found[name] = done.stdout.strip()[:16]
    return found


# ---------------------------------------------------------------- start-up
_FIRST_STEP = """
import time, torch
from dd3g.core import Gaussians, canonical_rig
start = time.process_time()
from dd3g.render import rasterize
n = 64
fields = torch.rand(n, 3) - 0.5, torch.randn(n, 4), torch.full((n, 3), 0.05), torch.rand(n), torch.rand(n, 3)
gaussians = Gaussians(*(t.requires_grad_() for t in fields))
rasterize(gaussians, canonical_rig(32), torch.ones(3), backend="cpu").rgb.sum().backward()
print(time.process_time() - start)
"""


def startup_seconds() -> dict[str, float]:
    """Processor seconds from the import to the end of the first forward and backward of a process, torch already loaded."""
    with tempfile.TemporaryDirectory() as folder:
        figures = {}
        for name in ("compiling", "cached"):
            environment = {**os.environ, "NUMBA_CACHE_DIR": folder}
            done = subprocess.run([sys.executable, "-c", _FIRST_STEP], env=environment, capture_output=True, text=True, check=True)
            figures[name] = round(float(done.stdout), 2)
    return figures


# ---------------------------------------------------------------- report
def machine() -> str:
    """The processor's name."""
    info = Path("/proc/cpuinfo")
    names = (
        [line.split(":", 1)[1].strip() for line in info.read_text().splitlines() if line.startswith("model name")] if info.exists() else []
    )
    return f"{names[0] if names else platform.processor()}, {os.cpu_count()} cores"


def load_prototype(folder: str | None) -> ModuleType | None:
    """The prototype's module, if its folder is given or lies beside the checkout."""
    place = Path(folder) if folder else Path(__file__).resolve().parents[2] / "shared" / "prototypes"
    if not (place / "rasterizer_numba.py").is_file():
        if folder:
            sys.exit(f"{place}: holds no rasterizer_numba.py; give the folder of the prototype")
        return None
    sys.path.insert(0, str(place))
    return importlib.import_module("rasterizer_numba")


def measure_points(options: argparse.Namespace, prototype: ModuleType | None) -> list[dict[str, Any]]:
    """Measures and prints the table of operating points."""
    print("times in ms, median (best); ratio: ours / prototype, forward + backward, median of pairs in processor time")
    print("Mpairs/s: million (pixel, splat) pairs a second of processor time, forward + backward")
    print(f"{'point':<10} {'threads':>7} {'forward':>17} {'backward':>17} {'saved MB':>9} {'Mpairs/s':>9} {'ratio':>7}")
    rows = []
    for name in options.points:
        for kind in SCENES:
            for threads in options.threads:
                row = measure(POINTS[name], kind, threads, options.pairs, prototype)
                rows.append({"point": name, "scene": kind, "threads": threads, **row})
                o = row["ours"]
                forward, backward = (f"{o[k]:.1f} ({o[k + '_best']:.1f})" for k in ("forward", "backward"))
                print(
                    f"{name + ' ' + kind:<10} {threads:>7} {forward:>17} {backward:>17} {row['saved_mb']:>9} "
                    f"{row['million_pairs_per_s']:>9} {row.get('ratio', '-'):>7}",
                    flush=True,
                )
    return rows


def measure_yardsticks(report: dict[str, Any], options: argparse.Namespace) -> None:
    """Measures and prints compositing against the scalar loop, the roofline, the oracle, and what a second thread gains."""
    point = POINTS["B"]
    report["compositing"], report["roofline"] = [], []
    for kind in SCENES:
        row = {name: float(f"{value:.4g}") for name, value in compositing_ms(point, kind).items()}
        report["compositing"].append({"scene": kind, **row})
        print(
            f"B {kind}, one view, compositing alone, forward: scalar {row['scalar']:.1f} ms, ours {row['ours']:.2f} ms, "
            f"factor {row['scalar'] / row['ours']:.1f}, pixel by pixel {row['pixelwise']:.0f} ms, backward {row['backward']:.2f} ms, "
            f"{row['segments']:.0f} segments, largest difference {row['largest_difference']:.1e}"
        )
    for kind in SCENES:
        table = roofline(point, kind, counted(point, kind), report["fma_gflops"], report["copy_gbytes"], options.pairs)
        report["roofline"].append({"scene": kind, "stages": table})
        print_roofline(f"B {kind}", table)
    report["oracle"] = oracle_factor()
    print(f"2,048 Gaussians, 64 px, a step: oracle {report['oracle']['oracle']} ms, ours {report['oracle']['ours']} ms")
    draw, incoming, leaves = step_of(point, "shell")
    probe, ours = thread_gains(lambda: time_step(draw, incoming, leaves), options.pairs)
    report["thread_gains"] = {"probe": round(probe, 3), "ours": round(ours, 3)}
    print(f"two threads against one, wall time, B shell: {ours:.2f} times, the probe of multiply-adds {probe:.2f} times")


def verdicts(report: dict[str, Any]) -> list[tuple[bool | None, str]]:
    """The bars, and whether this run holds them; None where the machine left no way to tell."""
    ratios = {f"{row['point']} {row['scene']} {row['threads']}": row["ratio"] for row in report["points"] if "ratio" in row}
    lines: list[tuple[bool | None, str]] = []
    if ratios:
        worst = max(ratios, key=lambda name: ratios[name])
        lines.append((ratios[worst] <= MOST_OF_PROTOTYPE, f"ratio to the prototype {ratios[worst]} ({worst}), at most {MOST_OF_PROTOTYPE}"))
    for row in report["compositing"]:
        factor = row["scalar"] / row["ours"]
        lines.append(
            (factor >= LEAST_OF_SCALAR, f"compositing {factor:.1f} times the scalar loop ({row['scene']}), at least {LEAST_OF_SCALAR}")
        )
        if row["scene"] == "shell":
            factor = row["pixelwise"] / row["ours"]
            lines.append(
                (factor >= LEAST_OF_PIXELWISE, f"{factor:.0f} times the loop by pixels (shell), at least {LEAST_OF_PIXELWISE:.0f}")
            )
        for name, (column, most) in MOST_NS.items():
            scaled = row[column] * 1e6 / row["segments"] * report["fma_gflops"] / AT_GFLOPS
            lines.append((scaled <= most, f"{name} {scaled:.1f} ns a segment scaled by the probe ({row['scene']}), at most {most:.0f}"))
    for row in report["points"]:
        most = MOST_STEP_MS.get((row["point"], row["scene"]))
        if most and row["threads"] == 1:
            scaled = (row["ours"]["forward_best"] + row["ours"]["backward_best"]) * report["fma_gflops"] / AT_GFLOPS
            lines.append((scaled <= most, f"{row['point']} {row['scene']}: a step {scaled:.0f} ms scaled by the probe, at most {most:.0f}"))
    probe, ours = report["thread_gains"]["probe"], report["thread_gains"]["ours"]
    if probe >= FREE_SECOND_CORE:
        bar = f"two threads gain {ours / probe:.2f} of what the probe gains, at least {LEAST_OF_PROBE}"
        lines.append((ours >= LEAST_OF_PROBE * probe, bar))
    else:
        lines.append((None, f"two threads: the probe gains {probe:.2f} times, so no second core was free to judge by"))
    lines.append((len(set(report["digests"].values())) == 1, f"the same bits for {', '.join(report['digests'])}"))
    return lines


def main() -> None:
    """Measures, prints tables, judges, writes JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--prototype", help="folder of the prototype; found by itself beside the checkout")
    parser.add_argument("--points", nargs="+", choices=list(POINTS), default=list(POINTS))
    parser.add_argument("--threads", nargs="+", type=int, default=[1, 2])
    parser.add_argument("--pairs", type=int, default=7)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    prototype = load_prototype(options.prototype)
    report: dict[str, Any] = {"machine": machine(), "fma_gflops": round(fma_gflops(), 1), "copy_gbytes": round(copy_gbytes(), 1)}
    print(f"{report['machine']}; a thread: fused multiply-add {report['fma_gflops']} GFlop/s, copying {report['copy_gbytes']} GByte/s")
    report["points"] = measure_points(options, prototype)
    measure_yardsticks(report, options)
    report["startup_s"] = startup_seconds()
    print(f"first step of a process: {report['startup_s']['compiling']} s compiling, {report['startup_s']['cached']} s with the cache")
    report["peak_mb"] = round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (1e3 if sys.platform != "darwin" else 1e6))
    print(f"peak memory of this process {report['peak_mb']} MB")
    report["digests"] = digests()
    if torch.cuda.is_available():
        report["gpu"] = rasterizer_gpu.report("cuda", {**POINTS, "G": GPU_POINT}, options.pairs)
    else:
        print("no GPU: rasterizer_gpu.py has nothing to measure")
    judged = verdicts(report)
    report["verdicts"] = [{"pass": held, "bar": bar} for held, bar in judged]
    for held, bar in judged:
        print(f"{'OPEN' if held is None else 'PASS' if held else 'FAIL'}: {bar}")
    if options.json:
        options.json.write_text(json.dumps(report, indent=2) + "\n")
    sys.exit(1 if any(held is False for held, _ in judged) else 0)


if __name__ == "__main__":
    main()
