"""Speed and memory of the CPU renderer.

    python benchmarks/rasterizer.py [--prototype ../shared/prototypes] [--points A B C] [--pairs 7] [--json FILE]

Operating points, each as a "shell" (mostly opaque splats about a pixel wide: a trained model) and as a "fog" (a translucent ball:
early training). Where the folder of the prototype is found, both are timed in interleaved pairs, and "ratio" is the median over the
pairs of ours / prototype, in processor time, which other work on the machine disturbs less than wall time.

Absolute figures depend on the machine. Two yardsticks of the same run don't: the rate of fused multiply-adds, and a plain scalar
compositor that goes splat by splat over its box.
"""

from __future__ import annotations

import argparse
import importlib
import json
import math
import os
import platform
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from types import ModuleType
from typing import Any, no_type_check

import numpy as np
import torch
from numba import njit
from torch import Tensor

from dd3g.core.cameras import orbit
from dd3g.core.gaussians import Gaussians
from dd3g.render import rasterize
from dd3g.render.constants import ALPHA_CUTOFF, ALPHA_MAX, TRANSMITTANCE_STOP
from dd3g.render.cpu.layout import EXPONENT_SCALE
from dd3g.render.cpu.simd import broadcast, fma, vstore

f32 = np.float32


@dataclass(frozen=True)
class Point:
    """How many scenes, Gaussians a scene, views a scene, and the side of a picture in pixels."""

    scenes: int
    gaussians: int
    views: int
    size: int


POINTS = {"A": Point(8, 8192, 4, 64), "B": Point(1, 65536, 8, 256), "C": Point(1, 131072, 1, 512)}


# ---------------------------------------------------------------- scenes
def shell(scenes: int, n: int, generator: torch.Generator) -> Gaussians:
    """A bumpy sphere of thin, mostly opaque splats about as wide as their spacing."""
    d = torch.nn.functional.normalize(torch.randn(scenes, n, 3, generator=generator), dim=-1)
    bumps = 1 + 0.2 * torch.sin(5 * d[..., :1]) * torch.cos(4 * d[..., 1:2])
    means = d * 0.5 * bumps + 0.004 * torch.randn(scenes, n, 3, generator=generator)
    widths = torch.exp(0.4 * torch.randn(scenes, n, 3, generator=generator)) * torch.tensor([1, 1, 0.3])
    opacities = torch.sigmoid(1.5 * torch.randn(scenes, n, generator=generator) + 0.5)
    return _coloured(means, math.sqrt(math.pi / n) * 0.6 * widths, opacities, generator)


def fog(scenes: int, n: int, generator: torch.Generator) -> Gaussians:
    """A ball of translucent splats."""
    d = torch.nn.functional.normalize(torch.randn(scenes, n, 3, generator=generator), dim=-1)
    means = d * 0.6 * torch.rand(scenes, n, 1, generator=generator) ** (1 / 3)
    widths = torch.exp(0.4 * torch.randn(scenes, n, 3, generator=generator))
    opacities = torch.sigmoid(torch.randn(scenes, n, generator=generator) - 2)
    return _coloured(means, (4 / 3 * math.pi * 0.6**3 / n) ** (1 / 3) * 0.5 * widths, opacities, generator)


SCENES = {"shell": shell, "fog": fog}


def _coloured(means: Tensor, scales: Tensor, opacities: Tensor, generator: torch.Generator) -> Gaussians:
    quats = torch.nn.functional.normalize(torch.randn(*opacities.shape, 4, generator=generator), dim=-1)
    return Gaussians(means, quats, scales, opacities, torch.rand(*opacities.shape, 3, generator=generator))


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


def measure(point: Point, kind: str, threads: int, pairs: int, prototype: ModuleType | None) -> dict[str, Any]:
    """Times one operating point, with the prototype in turns where there is one."""
    generator = torch.Generator().manual_seed(0)
    gaussians = SCENES[kind](point.scenes, point.gaussians, generator).map(lambda t: t.requires_grad_())
    leaves = [gaussians.means, gaussians.quats_wxyz, gaussians.scales, gaussians.opacities, gaussians.rgb]
    cameras = orbit(
        [i * 360 / point.views + 17 for i in range(point.views)],
        [20 * math.sin(1.7 * i) for i in range(point.views)],
        size=point.size,
        radius=1.8,
    )
    background = torch.rand(point.scenes, point.views, 3, generator=generator)
    shape = (point.scenes, point.views, 1, point.size, point.size)
    incoming = [torch.randn(shape, generator=generator).expand(-1, -1, channels, -1, -1).contiguous() for channels in (3, 1, 1)]

    def ours() -> tuple[Tensor, ...]:
        render = rasterize(gaussians, cameras, background, backend="cpu")
        return render.rgb, render.alpha, render.depth

    pose, lens = (t.expand(point.scenes, *t.shape) for t in (cameras.camera_from_world, cameras.intrinsics))

    def theirs() -> tuple[Tensor, ...]:
        assert prototype is not None
        return prototype.rasterize(*leaves, pose, lens, background, point.size, point.size)

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
    if prototype is not None:
        row["prototype"] = summary(times["prototype"])
        row["ratio"] = round(
            float(np.median([a.processor / b.processor for a, b in zip(times["ours"], times["prototype"], strict=True)])), 3
        )
    return row


def saved_bytes(draw: Callable[[], tuple[Tensor, ...]]) -> int:
    """What is held for backward, inputs and pictures included."""
    found: dict[int, int] = {}

    def note(tensor: Tensor) -> Tensor:
        found[tensor.data_ptr()] = tensor.untyped_storage().nbytes()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(note, lambda tensor: tensor):
        draw()
    return sum(found.values())


# ---------------------------------------------------------------- yardsticks
@njit(nogil=True, error_model="numpy")
@no_type_check
def _fma_chains(n, out):
    a = b = c = d = e = f = g = h = i = j = k = m = broadcast(f32(0.5))
    p, q = broadcast(f32(0.999)), broadcast(f32(1e-3))
    for _ in range(n):
        a, b, c, d, e, f = fma(a, p, q), fma(b, p, q), fma(c, p, q), fma(d, p, q), fma(e, p, q), fma(f, p, q)
        g, h, i, j, k, m = fma(g, p, q), fma(h, p, q), fma(i, p, q), fma(j, p, q), fma(k, p, q), fma(m, p, q)
    vstore(out, 0, a + b + c + d + e + f + g + h + i + j + k + m)


def fma_gflops() -> float:
    """Rate of twelve independent chains of eight-lane fused multiply-adds on one thread."""
    out, count = np.zeros(8, f32), 2_000_000
    _fma_chains(10, out)
    return count * 12 * 8 * 2 / best_seconds(lambda: _fma_chains(count, out)) / 1e9


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


def scalar_ms(point: Point, kind: str) -> dict[str, float]:
    """One view composited by the scalar loop (compositing alone, forward), and by the renderer (all of forward); one thread."""
    from dd3g.render.cpu import autograd, layout
    from dd3g.render.cpu.project import camera_rows

    torch.set_num_threads(1)
    gaussians = SCENES[kind](1, point.gaussians, torch.Generator().manual_seed(0))
    cameras = orbit([17], size=point.size, radius=1.8)
    inputs = [t.numpy() for t in (gaussians.means, gaussians.quats_wxyz, gaussians.scales, gaussians.opacities, gaussians.rgb)]
    rows = camera_rows(cameras.camera_from_world.numpy(), cameras.intrinsics.numpy(), point.size, point.size)
    grid = autograd._Grid(1, point.gaussians, 1, point.size, point.size)
    records, depths, tile_rows, *_ = autograd._project_and_bin(grid, False, inputs, rows)
    seen = tile_rows[0, :, 1] >= tile_rows[0, :, 0]
    r = records[0][seen][np.argsort(depths[0][seen], kind="stable")]
    a, b, c = r[:, layout.REC_A], r[:, layout.REC_B], r[:, layout.REC_C]
    conic = [a * a / EXPONENT_SCALE, a * b / EXPONENT_SCALE, (b * b + c * c) / EXPONENT_SCALE]
    colour = r[:, layout.REC_RGB : layout.REC_RGB + 3].T
    ends = [r[:, layout.REC_DEPTH], r[:, layout.REC_HALF_HEIGHT], r[:, layout.REC_HALF_WIDTH]]
    splats = np.ascontiguousarray(np.stack([r[:, 0], r[:, 1], *conic, r[:, layout.REC_OPACITY], *colour, *ends], 1), f32)
    pictures = []

    def scalar() -> None:
        shape = (point.size, point.size)
        picture = np.zeros((4, *shape), f32)
        _splat_by_splat(splats, point.size, np.ones(shape, f32), np.zeros(shape, np.uint8), picture)
        pictures.append(picture)

    def whole() -> Tensor:
        return rasterize(gaussians, replace(cameras), torch.zeros(3), backend="cpu").rgb

    scalar()
    difference = float(np.abs(pictures[0][:3] - whole()[0, 0].numpy()).max())
    return {"scalar": best_seconds(scalar) * 1e3, "whole_forward": best_seconds(whole) * 1e3, "largest_difference": difference}


def best_seconds(function: Callable[[], object], repeats: int = 3) -> float:
    """Processor seconds of the calling thread."""
    best = math.inf
    for _ in range(repeats):
        start = time.thread_time()
        function()
        best = min(best, time.thread_time() - start)
    return best


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
    return f"{names[0] if names else platform.processor()}, {torch.get_num_threads()} cores"


def load_prototype(folder: str | None) -> ModuleType | None:
    """The prototype's module, if its folder is given or lies beside the checkout."""
    place = Path(folder) if folder else Path(__file__).resolve().parents[2] / "shared" / "prototypes"
    if not (place / "rasterizer_numba.py").is_file():
        if folder:
            sys.exit(f"{place}: holds no rasterizer_numba.py; give the folder of the prototype")
        return None
    sys.path.insert(0, str(place))
    return importlib.import_module("rasterizer_numba")


def main() -> None:
    """Measures, prints a table, writes JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--prototype", help="folder of the prototype; found by itself beside the checkout")
    parser.add_argument("--points", nargs="+", choices=list(POINTS), default=list(POINTS))
    parser.add_argument("--threads", nargs="+", type=int, default=[1, 2])
    parser.add_argument("--pairs", type=int, default=7)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    prototype = load_prototype(options.prototype)
    report: dict[str, Any] = {"machine": machine(), "fma_gflops": round(fma_gflops(), 1), "points": [], "scalar": []}
    print(f"{report['machine']}; fused multiply-add {report['fma_gflops']} GFlop/s a thread")
    print("times in ms, median (best); ratio: ours / prototype, forward + backward, median of pairs in processor time")
    print(f"{'point':<10} {'threads':>7} {'forward':>17} {'backward':>17} {'saved MB':>9} {'ratio':>7}")
    for name in options.points:
        for kind in SCENES:
            for threads in options.threads:
                row = measure(POINTS[name], kind, threads, options.pairs, prototype)
                report["points"].append({"point": name, "scene": kind, "threads": threads, **row})
                o = row["ours"]
                forward, backward = (f"{o[k]:.1f} ({o[k + '_best']:.1f})" for k in ("forward", "backward"))
                print(
                    f"{name + ' ' + kind:<10} {threads:>7} {forward:>17} {backward:>17} {row['saved_mb']:>9} {row.get('ratio', '-'):>7}",
                    flush=True,
                )
    for kind in SCENES if "B" in options.points else ():
        row = {name: float(f"{value:.4g}") for name, value in scalar_ms(POINTS["B"], kind).items()}
        report["scalar"].append({"scene": kind, **row})
        print(
            f"B {kind}, one view, 1 thread: scalar compositing {row['scalar']:.1f} ms, all of our forward {row['whole_forward']:.1f} ms, "
            f"largest difference {row['largest_difference']:.1e}"
        )
    report["startup_s"] = startup_seconds()
    print(f"first step of a process: {report['startup_s']['compiling']} s compiling, {report['startup_s']['cached']} s with the cache")
    report["peak_mb"] = round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (1e3 if sys.platform != "darwin" else 1e6))
    print(f"peak memory of this process {report['peak_mb']} MB")
    if options.json:
        options.json.write_text(json.dumps(report, indent=2) + "\n")


if __name__ == "__main__":
    main()
