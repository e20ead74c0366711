"""Turn pictures into 3D Gaussian splats, on the CPU, with the bundled model.

    dd3g generate chair.jpg --out out
    dd3g generate photos/ --out out --format ply,mp4 --samples 3

Writes, for a picture NAME.jpg: NAME.ply (splats), NAME.mp4 (turntable), NAME.png (sheet of views), NAME.prepared.png (the picture as the
network saw it) and NAME.json (seed, model, orientation, findings, milliseconds). A picture that can't be used is reported and the others go
on; the exit status is then 2.
"""

from __future__ import annotations

import argparse


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declares the command's options."""
    parser.add_argument("images", nargs="+", metavar="IMG", help="pictures, or folders of pictures")
    parser.add_argument("--out", required=True, metavar="DIR", help="folder for the results")
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="which of the objects that fit the picture (default 0)")
    parser.add_argument("--samples", type=int, default=1, metavar="K", help="objects a picture, from seeds N, N+1, ... (default 1)")
    parser.add_argument("--format", default="ply,mp4,png", metavar="LIST", help="any of ply, mp4, png (default all)")
    parser.add_argument(
        "--background",
        default="auto",
        choices=("auto", "alpha", "small", "u2netp", "none"),
        help="how the object is cut out: its real alpha, our small network, U2-Net-p (weights of your own), or not at all (default auto)",
    )
    parser.add_argument("--model", default="bundled", metavar="PATH", help="a .safetensors file that training wrote")
    parser.add_argument(
        "--teacher", metavar="CKPT", help="ImageDream's, for models that read its image tower's tokens (docs/imagedream.md)"
    )
    parser.add_argument("--elevation", type=float, metavar="DEG", help="how far above the horizon the camera stood (default: predicted)")
    parser.add_argument("--gaussians", type=int, metavar="N", help="splats an object (default 8192)")
    parser.add_argument(
        "--orient",
        default="supersplat",
        choices=("supersplat", "opencv", "yup"),
        help="frame of the PLY: SuperSplat and PlayCanvas (default), OpenCV renderers and Spark, or y up as it is",
    )
    parser.add_argument("--skip-existing", action="store_true", help="leave out pictures whose .json is there already")
    parser.add_argument("--json", action="store_true", help="print one JSON object a result on standard output")
    parser.add_argument("--quiet", action="store_true", help="print errors only")


def run(options: argparse.Namespace) -> int:
    """Generates, and returns the exit status."""
    from dd3g.cli.generating import GenerateOptions, generate_all

    return generate_all(
        GenerateOptions(
            images=tuple(options.images),
            out=options.out,
            seed=options.seed,
            samples=options.samples,
            formats=tuple(part.strip() for part in options.format.split(",") if part.strip()),
            background=options.background,
            model=options.model,
            teacher=options.teacher,
            elevation_deg=options.elevation,
            gaussians=options.gaussians,
            orientation=options.orient,
            skip_existing=options.skip_existing,
            as_json=options.json,
            quiet=options.quiet,
        )
    )
