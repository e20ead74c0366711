"""From the options of `dd3g bench` to figures of students and teachers."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch

from dd3g.core.errors import InputError
from dd3g.evaluate.bench import DTYPES, FORMAT, as_text
from dd3g.evaluate.bench_plan import CollectionPlan, plan_collection
from dd3g.evaluate.bench_student import Tower, bar_of, bench_student
from dd3g.evaluate.bench_teacher import bench_teacher, clip_tower, quadruple_of, teacher_named
from dd3g.recipes.presets import find_preset
from dd3g.student import PEPD
from dd3g.student.load import load_student
from dd3g.student.presets import PRESETS
from dd3g.teacher.imagedream.prepare import clip_pixels, over_grey
from dd3g.training import check_device


@dataclass(frozen=True)
class BenchOptions:
    """What a user asks of `dd3g bench`."""

    presets: tuple[str, ...] = ()
    models: tuple[str, ...] = ()
    teachers: tuple[str, ...] = ()
    device: str = "cpu"
    dtype: str = "fp32"
    repeats: int = 5
    batch: int = 1  # of teachers
    gaussians: int | None = None
    tower: bool = False
    bar_ms: float | None = None
    graphs: bool = False  # of teachers


@dataclass(frozen=True)
class BenchResults:
    """Figures as JSON and as text."""

    record: Mapping[str, Any]
    text: str
    skipped: tuple[str, ...]  # what could not be measured, and why
    failed: bool  # a bar that was not kept


def run_bench(options: BenchOptions) -> BenchResults:
    """Measures all that is asked for, one after the other; what does not fit the memory is skipped with the reason.

    Raises:
        InputError: An unknown device, number format or preset, or a bar without a student.
        CheckpointError: A file that is none.
    """
    device, dtype = _checked(options)
    configs = [find_preset(PRESETS, name) for name in options.presets]  # all names are known before anything takes long
    students = [*zip(options.presets, configs, strict=True), *((path, None) for path in options.models)]
    if options.bar_ms is not None and not students:
        raise InputError("--bar: is of a student's time, and none is asked for; give --preset or --model")
    benches, texts, skipped, failed = list[dict[str, Any]](), list[str](), list[str](), False
    tower = _tower(device, dtype) if options.tower else None
    for name, config in students:
        student = load_student(name).network if config is None else PEPD(config).requires_grad_(False)
        found = bench_student(
            student,
            f"student {name}",
            device=device,
            dtype=dtype,
            repeats=options.repeats,
            tower=tower if student.reads_tokens else None,
            gaussians=options.gaussians,
        )
        record, lines = {**found.bench.to_json(), "to_gaussians": asdict(found.to_gaussians)}, [as_text(found.bench)]
        lines.append(f"tokens to Gaussians, all stages between: {found.to_gaussians.ms:.2f} ms, {found.to_gaussians.gflop:.3f} GFLOP")
        if options.bar_ms is not None:
            passed, line = bar_of(found, options.bar_ms)
            record["bar"], failed = {"ms": options.bar_ms, "passed": passed}, failed or not passed
            lines.append(line)
        benches.append(record)
        texts.append("\n".join(lines))
    for name in options.teachers:
        try:
            teacher = teacher_named(name, device, options.batch)
        except InputError as error:
            skipped.append(str(error))
            continue
        bench = bench_teacher(
            teacher,
            f"teacher {name}",
            device=device,
            dtype=dtype,
            repeats=options.repeats,
            batch=options.batch,
            graphs=options.graphs,
        )
        one = quadruple_of(bench)
        benches.append({**bench.to_json(), "quadruple": asdict(one)})
        share = "" if one.share is None else f", {one.share:.1%} of the matmul rate"
        texts.append(f"{as_text(bench)}\na quadruple, {one.steps} steps: {one.seconds:.3g} s, {one.tflop:.4g} TFLOP{share}")
    return BenchResults({"format": FORMAT, "benches": benches, "skipped": skipped}, "\n\n".join(texts), tuple(skipped), failed)


def run_plan(rates: str, quadruples: int, *, gpus: int, steps: int) -> CollectionPlan:
    """A plan from the first teacher in a file that `dd3g bench --json` wrote.

    Raises:
        InputError: No such file, or no teacher in it.
    """
    try:
        record = json.loads(Path(rates).read_text())
        teachers = [bench for bench in record["benches"] if bench["about"]["kind"] == "teacher"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InputError(f"{rates}: no figures of `dd3g bench --json` ({error}); make them with --teacher imagedream") from None
    if not teachers:
        raise InputError(f"{rates}: holds students alone; measure a teacher with `dd3g bench --teacher imagedream --json`")
    return plan_collection(teachers[0], quadruples, gpus=gpus, steps=steps)


def _checked(options: BenchOptions) -> tuple[torch.device, torch.dtype]:
    check_device(options.device)
    if options.dtype not in DTYPES:
        raise InputError(f"--dtype {options.dtype}: unknown; known are {', '.join(DTYPES)}")
    if min(options.repeats, options.batch) < 1:
        raise InputError(f"--repeats {options.repeats}, --batch {options.batch}: expected 1 or more of each")
    return torch.device(options.device), DTYPES[options.dtype]


def _tower(device: torch.device, dtype: torch.dtype) -> Tower:
    vision = clip_tower(device, dtype)

    def tokens(image: torch.Tensor) -> torch.Tensor:
        return vision(clip_pixels(over_grey(image, image.new_full((image.shape[0],), 0.5))).to(dtype))

    return tokens
