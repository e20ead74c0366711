"""Collect quadruples {noise, cameras, image, views} along the teacher's deterministic ODE. Safe to kill; the same command goes on.

dd3g collect photos/ --draws 8 --out quadruples                                         noise is drawn and followed to views
dd3g collect views --invert --teacher teacher.safetensors --out quadruples-real         real views are followed back to their noise
dd3g collect photos/ --teacher sd-v2.1-base-4view-ipmv.pt --out quadruples              ImageDream draws: 4 views of 256 px over a grey
dd3g collect photos/ --teacher CKPT --solver unipc --steps 20 --dtype bf16 --out quick  fewer steps to the same end, in half precision
"""

from __future__ import annotations

import argparse


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declares the command's options."""
    parser.add_argument("sources", nargs="+", metavar="IMAGES_OR_VIEWS", help="pictures or folders of them; or folders of `dd3g objects`")
    parser.add_argument(
        "--teacher",
        default="bundled",
        metavar="CKPT",
        help="a teacher of ours (dd3g teach unet), or ImageDream's checkpoint (default: the bundled teacher)",
    )
    parser.add_argument("--out", required=True, metavar="DIR", help="folder of the collection; gone on with if it exists")
    parser.add_argument("--invert", action="store_true", help="views are the truth, and the noise that the ODE ties to them is found")
    parser.add_argument("--draws", type=int, default=None, help="of each input (default: 8); with --invert sets of views (default: 1)")
    parser.add_argument("--guidance", type=float, help="weight of the picture in what the teacher draws (default: 3; 5 of ImageDream)")
    parser.add_argument("--prompt", metavar="NAME", help="what ImageDream is told: asset, empty, poor or poor-sds (default: asset)")
    parser.add_argument("--negative", metavar="NAME", help="what it is told without the picture; likewise (default: poor)")
    parser.add_argument("--steps", type=int, default=50, help="of the ODE (default: 50)")
    parser.add_argument(
        "--solver",
        choices=("ddim", "dpm++", "unipc"),
        default="ddim",
        help="of the ODE (default: ddim); 20 steps of the other two end nearer to it than 50 of ddim",
    )
    parser.add_argument("--dtype", choices=("fp32", "bf16"), default="fp32", help="of the teacher's products (default: fp32)")
    parser.add_argument("--graphs", action="store_true", help="on a GPU: record the teacher's launches once, and repeat the recording")
    parser.add_argument("--varied", type=float, default=0.0, help="share of draws from other cameras than the canonical rig's (default: 0)")
    parser.add_argument("--per-object", type=int, default=3, help="of views: input pictures taken of each object (default: 3)")
    parser.add_argument("--size", type=int, metavar="PX", help="side of the inputs as they are kept (default: 192; 256 for ImageDream)")
    parser.add_argument("--dev-share", type=float, default=0.05, help="share of images, never of draws, kept apart (default: 0.05)")
    parser.add_argument("--background", choices=("auto", "alpha", "small", "u2netp", "none"), default="auto", help="as in generate")
    parser.add_argument("--unit", type=int, default=64, help="quadruples a file: what a kill may cost (default: 64)")
    parser.add_argument("--batch", type=int, default=16, help="quadruples that the teacher makes at once (default: 16)")
    parser.add_argument("--iterations", type=int, default=10, help="with --invert: at most so many a step (default: 10)")
    parser.add_argument("--tolerance", type=float, default=1e-3, help="with --invert: change of a latent that ends them (default: 0.001)")
    parser.add_argument("--workers", type=int, help="processes (default: one a core; 1 on a GPU)")
    parser.add_argument("--device", default="cpu", help="cpu or cuda")
    parser.add_argument("--verify", action="store_true", help="first read what is there, and make again what is damaged")
    parser.add_argument("--quiet", action="store_true")


def run(options: argparse.Namespace) -> int:
    """Collects, and returns the exit status."""
    from dd3g.core.threads import usable_cores
    from dd3g.recipes.collect_run import CollectOptions, run_collect

    return run_collect(
        CollectOptions(
            sources=tuple(options.sources),
            teacher=options.teacher,
            out=options.out,
            invert=options.invert,
            draws=options.draws or (1 if options.invert else 8),
            guidance=options.guidance,
            prompt=options.prompt,
            negative=options.negative,
            steps=options.steps,
            solver=options.solver,
            dtype=options.dtype,
            graphs=options.graphs,
            varied=options.varied,
            per_object=options.per_object,
            size=options.size,
            dev_share=options.dev_share,
            unit=options.unit,
            batch=options.batch,
            iterations=options.iterations,
            tolerance=options.tolerance,
            background=options.background,
            device=options.device,
            workers=options.workers or (usable_cores() if options.device == "cpu" else 1),
            verify=options.verify,
            quiet=options.quiet,
        )
    )
