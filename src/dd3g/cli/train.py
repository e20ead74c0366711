"""Train the student on views (`dd3g objects`), on quadruples (`dd3g collect`), or on both. Safe to kill; the same command goes on.

dd3g objects --procedural 200 --seed 1 --out views
dd3g train views --preset tiny --out run --perceptual none --max-minutes 5
dd3g train views --perceptual codec --codec codec.safetensors --dev views-dev --out run
dd3g train quadruples views --teacher bundled --dev views-dev --out run
dd3g train views --teacher bundled --set loss.implicit.balance=0.1 --out run                   verified by the teacher as well
torchrun --nproc-per-node 8 -m dd3g train views --device cuda --dev views-dev --out run
"""

from __future__ import annotations

import argparse

from dd3g.cli.training_options import add_run, add_views, session_of, views_run_of


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declares the command's options."""
    add_views(parser)
    add_run(parser, steps=" (default: 20000)", batch="objects a step (default: 8)")
    parser.add_argument(
        "--preset",
        default="small",
        help="tiny, small, small-plain, paper, paper-65k, paper-32k, paper-teacher or paper-own (default: small); docs/sizes.md",
    )
    parser.add_argument("--init", metavar="CKPT", help="start from this checkpoint's weights; 'bundled' for the package's own")
    parser.add_argument(
        "--init-extraction",
        metavar="TEACHER",
        help="pattern extraction takes the topology and weights of this teacher's way down; 'bundled' for the package's own",
    )
    parser.add_argument(
        "--perceptual",
        choices=("lpips-squeeze", "lpips-alex", "codec", "none"),
        default="lpips-squeeze",
        help="distance beside the pixels': LPIPS with weights of yours, or our codec's features (default: lpips-squeeze)",
    )
    parser.add_argument("--codec", metavar="CKPT", help="with --perceptual codec: that codec, or 'bundled' (default: the one of --teacher)")
    parser.add_argument(
        "--teacher",
        metavar="CKPT",
        help="the teacher that quadruples were collected from, or that verifies; 'bundled' for the package's own",
    )
    parser.add_argument("--graphs", action="store_true", help="with --device cuda: record the network as CUDA graphs, which is faster")
    parser.add_argument("--freeze", default="", metavar="PARTS", help="parts that stay, by names: --freeze encoder,extraction")
    parser.add_argument(
        "--lora", type=int, metavar="RANK", help="with --init: low-rank updates of extraction and decoder alone, for small sets"
    )
    parser.add_argument("--export", metavar="FOLDER", help="afterwards copy the best and the last model there in parts of at most 15 MB")


def run(options: argparse.Namespace) -> int:
    """Trains, and returns the exit status."""
    from dd3g.recipes.student_run import StudentRunOptions, run_student
    from dd3g.training.parts import export_parts
    from dd3g.training.ranks import is_first_process

    wanted = StudentRunOptions(
        views_run_of(options),
        options.preset,
        options.perceptual,
        options.teacher,
        options.graphs,
        freeze=tuple(filter(None, options.freeze.split(","))),
        lora=options.lora,
        codec=options.codec,
        init_extraction=options.init_extraction,
    )
    run_student(wanted, options.out, session_of(options))
    if options.export and not options.dry_run and is_first_process():
        for name in ("model", "last"):  # the best by --dev, and the one to go on from
            for part in export_parts(f"{options.out}/{name}.safetensors", options.export):
                print(part)
    return 0
