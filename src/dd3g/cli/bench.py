"""Measure a student from picture to splats, or a teacher's step: milliseconds, peak memory, counted FLOP, share of the matmul rate.

dd3g bench                                                       the student "small" on this CPU, with random weights
dd3g bench --model run/model.safetensors --repeats 20
dd3g bench --preset paper paper-65k paper-32k --device cuda --dtype bf16 --tower --bar 20
dd3g bench --teacher imagedream --device cuda --dtype bf16 --graphs --batch 8 --json      its output kept as rates.json
dd3g bench --plan 100000 --rates rates.json --gpus 8             GPU hours and bytes of so many quadruples, from those rates
"""

from __future__ import annotations

import argparse
import sys


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declares the command's options."""
    parser.add_argument(
        "--preset", nargs="+", default=[], metavar="NAME", help="students of these sizes, with random weights (docs/sizes.md)"
    )
    parser.add_argument("--model", nargs="+", default=[], metavar="PATH", help="students of these files; 'bundled' for the package's own")
    parser.add_argument(
        "--teacher",
        nargs="+",
        default=[],
        metavar="WHAT",
        help="teachers: tiny, small or imagedream with random weights, 'bundled', or files",
    )
    parser.add_argument("--device", default="cpu", help="cpu or cuda (default: cpu)")
    parser.add_argument("--dtype", choices=("fp32", "bf16", "fp16"), default="fp32", help="of products (default: fp32)")
    parser.add_argument("--repeats", type=int, default=5, metavar="N", help="timed passes, of which the median is told (default: 5)")
    parser.add_argument("--threads", type=int, metavar="N", help="CPU threads (default: as torch chooses)")
    parser.add_argument("--batch", type=int, default=1, metavar="N", help="objects at once, of teachers (default: 1)")
    parser.add_argument("--graphs", action="store_true", help="with --device cuda: a teacher's noise predictor as a CUDA graph")
    parser.add_argument("--gaussians", type=int, metavar="N", help="splats, of students that leave the number open")
    parser.add_argument("--tower", action="store_true", help="CLIP's image tower as well, for students that read its tokens")
    parser.add_argument(
        "--bar", type=float, metavar="MS", help="PASS or FAIL: tokens to Gaussians within so many ms; exit status 1 on FAIL"
    )
    plan = parser.add_argument_group("a plan instead of a measurement")
    plan.add_argument("--plan", type=int, metavar="N", help="GPU hours and bytes of so many quadruples")
    plan.add_argument("--rates", metavar="FILE", help="what `dd3g bench --teacher ... --json` wrote")
    plan.add_argument("--gpus", type=int, default=1, metavar="N", help="of that kind (default: 1)")
    plan.add_argument("--steps", type=int, default=50, metavar="N", help="of the ODE (default: 50)")
    parser.add_argument("--json", action="store_true", help="for programs")


def run(options: argparse.Namespace) -> int:
    """Measures or plans, and returns the exit status."""
    import json
    from dataclasses import asdict

    from dd3g.core.errors import InputError

    if (options.plan is None) != (options.rates is None):
        raise InputError("--plan and --rates: give both, a number of quadruples and the file of measured rates")
    if options.plan is not None:
        from dd3g.evaluate.bench_plan import as_text
        from dd3g.evaluate.bench_run import run_plan

        plan = run_plan(options.rates, options.plan, gpus=options.gpus, steps=options.steps)
        print(json.dumps(asdict(plan), indent=2) if options.json else as_text(plan))
        return 0

    import torch

    from dd3g.evaluate.bench_run import BenchOptions, run_bench

    if options.threads is not None:
        if options.threads < 1:
            raise InputError(f"--threads {options.threads}: expected 1 or more")
        torch.set_num_threads(options.threads)
    presets = options.preset or ([] if options.model or options.teacher else ["small"])
    results = run_bench(
        BenchOptions(
            tuple(presets),
            tuple(options.model),
            tuple(options.teacher),
            options.device,
            options.dtype,
            options.repeats,
            options.batch,
            options.gaussians,
            options.tower,
            options.bar,
            options.graphs,
        )
    )
    print(json.dumps(results.record, indent=2) if options.json else results.text)
    for reason in results.skipped:
        print(f"dd3g bench: skipped: {reason}", file=sys.stderr)
    return 2 if results.skipped else int(results.failed)
