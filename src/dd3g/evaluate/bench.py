"""What `dd3g bench` measures: a pass cut into stages, each with its time, its counted FLOP and its share of what the machine can give.

A pass is a function that says ``lap(stage)`` at the end of every stage; the laps of one pass are added up to its whole, so nothing falls
between them. It is run once to warm up and to be counted, then ``repeats`` times to be timed.

On a GPU laps are events in its own stream, read when the pass is over: nothing waits for them, and a gap in which the GPU had nothing to do
belongs to the stage that left it idle.
"""

from __future__ import annotations

import itertools
import resource
import statistics
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, TypeAlias

import torch

from dd3g.core.machine import machine_name, matmul_rate
from dd3g.evaluate.flops import counting

Lap: TypeAlias = Callable[[str], None]
Pass: TypeAlias = Callable[[Lap], None]
FORMAT = "dd3g-bench-1"
DTYPES = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}
_NAMES = {dtype: name for name, dtype in DTYPES.items()}


@dataclass(frozen=True)
class Stage:
    """One stage, or several together."""

    name: str
    ms: float  # median
    ms_low: float  # quartiles: a fourth of the passes was faster, a fourth slower
    ms_high: float
    processor_ms: float | None  # median of the processor's own time; None on a GPU
    gflop: float  # counted
    share: float | None  # of the machine's measured matmul rate; None where nothing was counted


@dataclass(frozen=True)
class Bench:
    """One network's figures."""

    what: str
    parameters: int
    device: str  # name of the machine
    device_type: str
    dtype: str
    threads: int
    repeats: int
    matmul_gflops: float  # FLOP/s of the machine by 1e9, measured beside
    peak_bytes: int  # of the process, or of the GPU's memory
    stages: tuple[Stage, ...]
    whole: Stage
    about: Mapping[str, Any]  # what else belongs to it: sizes, batch, guidance

    def together(self, name: str, names: Sequence[str], laps: Sequence[Mapping[str, float]]) -> Stage:
        """Some stages as one, their medians taken of the sums."""
        counted = {stage.name: stage.gflop * 1e9 for stage in self.stages}
        sums = [sum(each[n] for n in names) for each in laps]
        return _stage(name, sums, None, sum(counted[n] for n in names), self.matmul_gflops * 1e9)

    def to_json(self) -> dict[str, Any]:
        """For programs; see docs/sizes.md."""
        return {"format": FORMAT, **asdict(self)}


@dataclass(frozen=True)
class Laps:
    """Seconds by stage of every timed pass, and FLOP by stage of one."""

    seconds: tuple[dict[str, float], ...]
    processor_s: tuple[dict[str, float], ...]  # empty dictionaries on a GPU
    flop: dict[str, int]


def run_passes(run: Pass, device: torch.device, repeats: int) -> Laps:
    """Counts while it warms up, then times."""
    with torch.inference_mode():
        flop = _counted(run)
        timed = [_timed_on_gpu(run, device) if device.type == "cuda" else _timed(run) for _ in range(repeats)]
    return Laps(tuple(seconds for seconds, _ in timed), tuple(processor for _, processor in timed), flop)


def measured(
    what: str, run: Pass, *, parameters: int, device: torch.device, dtype: torch.dtype, repeats: int, about: Mapping[str, Any]
) -> tuple[Bench, Laps]:
    """A pass with all its figures.

    Args:
        what: Its name.
        run: The pass.
        parameters: Of the network.
        device: Where it runs.
        dtype: Of its products: whose matmul rate its shares are of.
        repeats: Timed passes.
        about: Goes into the record.
    """
    before = matmul_rate(device, dtype)
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)
    laps = run_passes(run, device, repeats)
    rate = max(before, matmul_rate(device, dtype))  # neighbours press on one of the two
    stages = tuple(
        _stage(name, [s[name] for s in laps.seconds], [p[name] for p in laps.processor_s if p] or None, laps.flop[name], rate)
        for name in laps.flop
    )
    processor = [sum(p.values()) for p in laps.processor_s if p]
    whole = _stage("whole", [sum(s.values()) for s in laps.seconds], processor or None, sum(laps.flop.values()), rate)
    bench = Bench(
        what,
        parameters,
        machine_name(device),
        device.type,
        _NAMES[dtype],
        torch.get_num_threads(),
        repeats,
        rate / 1e9,
        _peak(device),
        stages,
        whole,
        about,
    )
    return bench, laps


def _stage(name: str, seconds: Sequence[float], processor_s: Sequence[float] | None, flop: float, rate: float) -> Stage:
    median = statistics.median(seconds)
    low, _, high = statistics.quantiles(seconds, n=4, method="inclusive") if len(seconds) > 1 else [median] * 3
    processor = None if processor_s is None else statistics.median(processor_s) * 1e3
    return Stage(name, median * 1e3, low * 1e3, high * 1e3, processor, flop / 1e9, flop / median / rate if flop and median > 0 else None)


def _counted(run: Pass) -> dict[str, int]:
    found, before = dict[str, int](), 0
    with counting() as so_far:

        def lap(name: str) -> None:
            nonlocal before
            now = so_far()
            found[name], before = found.get(name, 0) + now - before, now

        run(lap)
    return found


def _timed(run: Pass) -> tuple[dict[str, float], dict[str, float]]:
    seconds, processor = dict[str, float](), dict[str, float]()
    wall_before, processor_before = time.perf_counter(), time.process_time()

    def lap(name: str) -> None:
        nonlocal wall_before, processor_before
        wall, spent = time.perf_counter(), time.process_time()
        seconds[name] = seconds.get(name, 0.0) + wall - wall_before
        processor[name] = processor.get(name, 0.0) + spent - processor_before
        wall_before, processor_before = wall, spent

    run(lap)
    return seconds, processor


def _timed_on_gpu(run: Pass, device: torch.device) -> tuple[dict[str, float], dict[str, float]]:
    def event() -> torch.cuda.Event:
        made = torch.cuda.Event(enable_timing=True)
        made.record()
        return made

    torch.cuda.synchronize(device)
    marks = [("", event())]
    run(lambda name: marks.append((name, event())))
    torch.cuda.synchronize(device)
    seconds = dict[str, float]()
    for (_, before), (name, after) in itertools.pairwise(marks):
        seconds[name] = seconds.get(name, 0.0) + before.elapsed_time(after) / 1e3
    return seconds, {}


def _peak(device: torch.device) -> int:
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device)
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


def as_text(bench: Bench) -> str:
    """The figures as a table."""
    head = (
        f"{bench.what}: {bench.parameters:,} parameters, {bench.dtype} on {bench.device}"
        f"{f', {bench.threads} threads' if bench.device_type == 'cpu' else ''}; median of {bench.repeats}, "
        f"peak memory {bench.peak_bytes / 1e9:.2f} GB; matrix products here: {bench.matmul_gflops:,.0f} GFLOP/s"
    )
    width = max(len(stage.name) for stage in (*bench.stages, bench.whole))
    lines = [head, f"{'':{width}} {'ms':>10} {'quartiles':>19} {'processor':>10} {'GFLOP':>10} {'share':>7}"]
    for stage in (*bench.stages, bench.whole):
        processor = "" if stage.processor_ms is None else f"{stage.processor_ms:.2f}"
        share, gflop = ("" if v is None else form.format(v) for v, form in ((stage.share, "{:.1%}"), (stage.gflop or None, "{:.3f}")))
        quartiles = f"{stage.ms_low:.2f} .. {stage.ms_high:.2f}"
        lines.append(f"{stage.name:{width}} {stage.ms:10.2f} {quartiles:>19} {processor:>10} {gflop:>10} {share:>7}".rstrip())
    return "\n".join(lines)
