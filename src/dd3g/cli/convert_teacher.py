"""Rewrite ImageDream's checkpoint in a folder of our own: safetensors under the names of the stock networks, and their source's SHA-256.

dd3g convert-teacher sd-v2.1-base-4view-ipmv.pt --out imagedream --dtype fp16       the original file
dd3g convert-teacher imagedream-ipmv-diffusers/ --out imagedream                    the folder of its port
dd3g convert-teacher sd-v2.1-base-4view-ipmv.pt --towers open_clip_model.safetensors --out imagedream

Whatever takes a teacher takes all three; the folder opens faster and says where it came from. The original may come without CLIP
towers, which --towers adds. A name such as OWNER/NAME where nothing stands is fetched from the Hugging Face hub.
"""

from __future__ import annotations

import argparse
from pathlib import Path

DTYPES = {"fp32": "float32", "fp16": "float16", "bf16": "bfloat16"}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declares the command's options."""
    parser.add_argument("source", metavar="SRC", help="ImageDream's .pt, the folder of its port, or OWNER/NAME on the hub")
    parser.add_argument("--out", required=True, type=Path, metavar="DIR", help="folder to write; must not exist")
    parser.add_argument("--dtype", choices=tuple(DTYPES), help="number type to store (default: the source's)")
    parser.add_argument(
        "--variant",
        choices=("pixel", "local"),
        default="pixel",
        help="which of ImageDream's two models it is: nothing in the file tells (default: pixel)",
    )
    parser.add_argument(
        "--towers", metavar="CLIP", help="for a SRC without CLIP towers: OpenCLIP's ViT-H-14 (laion2b_s32b_b79k), or the folder of the port"
    )
    parser.add_argument("--quiet", action="store_true", help="no progress")


def run(options: argparse.Namespace) -> int:
    """Converts, and returns the exit status."""
    import torch

    from dd3g.core.progress import Progress
    from dd3g.teacher.imagedream.read import read_checkpoint
    from dd3g.teacher.imagedream.write import write_converted

    dtype = getattr(torch, DTYPES[options.dtype]) if options.dtype else None
    checkpoint = read_checkpoint(options.source, dtype=dtype, variant=options.variant, towers=options.towers)
    progress = Progress(sum(map(len, checkpoint.parts.values())), "tensors", quiet=options.quiet)
    write_converted(checkpoint, options.out, advance=lambda part: progress.advance(note=part))
    progress.close()
    size = sum(file.stat().st_size for file in options.out.iterdir())
    print(f"{options.out}: {', '.join(checkpoint.parts)}, {size / 1e9:.2f} GB; source SHA-256 {checkpoint.source.sha256}")
    return 0
