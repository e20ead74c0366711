"""Where a step of the student's training goes: data, network, render, loss, optimiser.

    python benchmarks/training.py [VIEWS ...] [--preset small] [--batch 8] [--steps 10] [--device cpu] [--threads N [--processor-time]]
        [--json FILE]

Without VIEWS it renders eight procedural objects first. Forward and backward of each phase are added up: backward through the loss ends
where the render's gradient is there, through the renderer where that of the means is. Every phase ends with the device idle, and batches
are made in turn, where training on a GPU makes the next one meanwhile: so the data's share is the most it can be.

A student that reads CLIP's tokens is handed zeros: the tower's time is not in it.

Limits: data under 5 % on the CPU; renderer and data each under 25 % on a GPU. `plan_training.py` takes the JSON.
"""

from __future__ import annotations

import argparse
import json
import resource
import statistics
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any, cast
from unittest import mock

import torch

from dd3g.core.machine import machine_name, matmul_rate
from dd3g.core.views_folder import ObjectViews, save_object_views
from dd3g.encoders import GivenTokensConfig
from dd3g.recipes import student as recipe_module
from dd3g.recipes.graphed import decode_batch
from dd3g.recipes.image_tokens import zero_tokens
from dd3g.recipes.student import StudentLossConfig, student_losses
from dd3g.recipes.student_batches import StudentBatch, StudentBatches, StudentDataConfig
from dd3g.recipes.views_pack import open_pack
from dd3g.student import PEPD
from dd3g.student.anchored_decoding import Decoded
from dd3g.student.presets import PRESETS
from dd3g.training import FitConfig, SessionConfig
from dd3g.training.average import Average
from dd3g.training.spread import clip, recompute_blocks
from plan_training import sizes_of

PHASES = ("data", "network", "render", "loss", "optimiser")
LIMITS = {"cpu": {"data": 0.05}, "cuda": {"data": 0.25, "render": 0.25}}
_WARM_UP = 2
_OBJECTS = 8


class Laps:
    """Seconds by phase; a lap ends what began with the lap before."""

    def __init__(self, device: torch.device, clock: Callable[[], float]) -> None:
        self._device, self._clock, self.seconds = device, clock, defaultdict[str, float](float)
        self._since = clock()

    def lap(self, phase: str) -> None:
        """Books the time since the last lap on a phase."""
        if self._device.type == "cuda":
            torch.cuda.synchronize(self._device)
        now = self._clock()
        self.seconds[phase] += now - self._since
        self._since = now


def step_laps(
    student: PEPD,
    batches: StudentBatches,
    optimiser: torch.optim.Optimizer,
    average: Average,
    step: int,
    clock: Callable[[], float] = time.perf_counter,
) -> dict[str, float]:
    """Takes one step as the engine does, and returns the seconds of each phase."""
    laps = Laps(batches.device, clock)
    batch = batches(step)
    laps.lap("data")

    def decode(network: PEPD, batch: StudentBatch) -> Decoded:
        encoder = network.config.encoder
        decoded = decode_batch(network, batch, zero_tokens(encoder) if isinstance(encoder, GivenTokensConfig) else None)
        decoded.gaussians.means.register_hook(lambda _: laps.lap("render"))
        laps.lap("network")
        return decoded

    def rasterize(*arguments: Any) -> Any:
        render = plain(*arguments)
        render.rgb.register_hook(lambda _: laps.lap("loss"))
        laps.lap("render")
        return render

    plain = recipe_module.rasterize
    with mock.patch.object(recipe_module, "rasterize", rasterize):
        terms = student_losses(student, batch, StudentLossConfig(perceptual="none"), None, decode)
    loss = torch.stack(list(terms.values())).sum()
    laps.lap("loss")
    optimiser.zero_grad(set_to_none=True)
    loss.backward()
    laps.lap("network")
    clip(list(student.parameters()), FitConfig().clip_norm)
    optimiser.step()
    average.update(student, step)
    laps.lap("optimiser")
    return dict(laps.seconds)


def measure(options: argparse.Namespace, views: list[str]) -> dict[str, Any]:
    """Trains a few steps and takes the median of each phase."""
    device = torch.device(options.device)
    torch.manual_seed(0)
    base = _rss()
    config = PRESETS[options.preset]()
    student = PEPD(config).to(device).train()
    average = Average(student, FitConfig().ema_decay)
    if options.recompute:
        recompute_blocks(student)
    optimiser = torch.optim.AdamW(student.parameters(), lr=1e-4, foreach=True)
    data = replace(StudentDataConfig(), batch=options.batch)
    batches = StudentBatches([open_pack(place, quiet=True) for place in views], data, config.noise_shape, 0, device)
    clock = time.process_time if options.processor_time else time.perf_counter
    each = [step_laps(student, batches, optimiser, average, step, clock) for step in range(_WARM_UP + options.steps)][_WARM_UP:]
    seconds = {phase: statistics.median(laps[phase] for laps in each) for phase in PHASES}
    total = sum(seconds.values())
    cuda = device.type == "cuda"
    return {
        "preset": options.preset,
        "kind": device.type,
        "device": machine_name(device),
        "matmul_flops": _processor_matmul_rate() if options.processor_time else matmul_rate(device, torch.float32),
        "threads": torch.get_num_threads(),
        "clock": "processor" if options.processor_time else "wall",
        "batch": options.batch,
        "image_size": data.image_size,
        "bytes_per_parameter": 20,  # weights, gradient, two moments, average, in float32
        # a process is more than its tensors: what it held before there was a network is not the network's
        "base_bytes": 0 if cuda else base,
        "peak_bytes": torch.cuda.max_memory_allocated(device) if cuda else _peak_rss(),
        "sizes": asdict(sizes_of(options.preset, data.target_views, data.render_size, data.image_size)),
        "seconds": seconds,
        "step_s": total,
        "steps_per_s": 1 / total,
        "shares": {phase: seconds[phase] / total for phase in PHASES},
    }


def _processor_matmul_rate(side: int = 1024) -> float:
    """As :func:`matmul_rate`, of the time in which the processor was ours."""
    left, right = torch.randn(2, side, side)
    torch.mm(left, right)
    began = time.process_time()
    for _ in range(10):
        torch.mm(left, right)
    return 10 * 2 * side**3 / (time.process_time() - began)


def _peak_rss() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def _rss() -> int:
    statm = Path("/proc/self/statm")
    return int(statm.read_text().split()[1]) * resource.getpagesize() if statm.exists() else _peak_rss()


def made_views(root: Path) -> list[str]:
    """Views of procedural objects, as `dd3g objects --procedural` renders them."""
    from dd3g.objects import RIGS, make_object
    from dd3g.objects.job import render_groups

    for seed in range(_OBJECTS):
        groups, _ = render_groups(make_object(seed), RIGS["small"], f"object {seed}", 0)
        save_object_views(root, ObjectViews(f"made-{seed:03d}", groups))
    return [str(root)]


def main() -> int:
    """Prints the table and returns 1 if a share is over its limit."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("views", nargs="*")
    parser.add_argument("--preset", default="small", choices=list(PRESETS))
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--steps", type=int, default=10)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--threads", type=int)
    parser.add_argument("--processor-time", action="store_true", help="on a CPU at work with other things, with --threads 1")
    parser.add_argument("--recompute", action="store_true")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    if options.processor_time and (options.threads != 1 or options.device != "cpu"):
        parser.error("--processor-time: threads that wait by spinning count as work; give --threads 1, on a CPU")
    session = SessionConfig(threads=options.threads, device=options.device)
    if session.threads:
        torch.set_num_threads(session.threads)
    with tempfile.TemporaryDirectory() as folder:
        found = measure(options, options.views or made_views(Path(folder)))
    limits = cast("dict[str, float]", LIMITS[torch.device(options.device).type])
    print(f"{found['preset']}, batch {found['batch']}, {found['device']}, {found['threads']} threads: {found['steps_per_s']:.3g} steps/s")
    for phase in PHASES:
        share = found["shares"][phase]
        verdict = "" if phase not in limits else f"  {'PASS' if share < limits[phase] else 'FAIL'} (limit {limits[phase]:.0%})"
        print(f"  {phase:10}{found['seconds'][phase]:9.4f} s  {share:6.1%}{verdict}")
    if options.json:
        options.json.write_text(json.dumps(found, indent=2) + "\n")
    return int(any(found["shares"][phase] >= limit for phase, limit in limits.items()))


if __name__ == "__main__":
    sys.exit(main())
