"""Train the student on views of objects (`dd3g objects` makes them). Safe to kill; the same command goes on.

dd3g objects --procedural 200 --seed 1 --out views
dd3g train views --preset tiny --out run --perceptual none --max-minutes 5
"""

from __future__ import annotations

import argparse


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declares the command's options."""
    parser.add_argument("views", nargs="+", metavar="VIEWS", help="folders of views to learn from")
    parser.add_argument("--out", required=True, metavar="RUN", help="folder of the run; resumed if it exists")
    parser.add_argument("--dev", metavar="VIEWS", help="views to choose the best checkpoint by (never learnt from)")
    parser.add_argument("--preset", default="small", help="tiny, small, small-plain or paper (default: small)")
    parser.add_argument("--init", metavar="CKPT", help="start from this checkpoint's weights; 'bundled' for the package's own")
    parser.add_argument("--perceptual", choices=("lpips-squeeze", "lpips-alex", "none"), default="lpips-squeeze")
    parser.add_argument("--steps", type=int, help="optimiser steps of the whole run (default: 20000)")
    parser.add_argument("--batch", type=int, help="objects a step (default: 8)")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--max-minutes", type=float, help="stop after this long, with everything saved")
    parser.add_argument("--threads", type=int, help="CPU threads (default: all cores of the process)")
    parser.add_argument("--device", default="cpu", help="cpu or cuda")
    parser.add_argument("--graphs", action="store_true", help="with --device cuda: record the network as CUDA graphs, which is faster")
    parser.add_argument(
        "--set", action="append", default=[], metavar="NAME=VALUE", help="any other setting, for example fit.lr=3e-4 or data.render_size=96"
    )
    parser.add_argument("--export", metavar="FOLDER", help="afterwards copy the best and the last model there in parts of at most 15 MB")


def run(options: argparse.Namespace) -> int:
    """Trains, and returns the exit status."""
    from dd3g.recipes.student_run import StudentRunOptions, run_student
    from dd3g.training import SessionConfig
    from dd3g.training.parts import export_parts

    session = SessionConfig(max_minutes=options.max_minutes, threads=options.threads, device=options.device)
    wanted = StudentRunOptions(
        views=tuple(options.views),
        dev=options.dev,
        preset=options.preset,
        init=options.init,
        perceptual=options.perceptual,
        steps=options.steps,
        batch=options.batch,
        seed=options.seed,
        graphs=options.graphs,
        overrides=tuple(options.set),
    )
    run_student(wanted, options.out, session)
    if options.export:
        for name in ("model", "last"):  # the best by --dev, and the one to go on from
            for part in export_parts(f"{options.out}/{name}.safetensors", options.export):
                print(part)
    return 0
