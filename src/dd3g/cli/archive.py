"""Packs a folder of views into one small file, to train on another machine. Pictures become lossy (WebP), depth 8 bit.

dd3g archive views --out views.dd3g         about 50 KB an object
dd3g train views.dd3g --out run --device cuda
"""

from __future__ import annotations

import argparse
from pathlib import Path


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declares the command's options."""
    parser.add_argument("views", metavar="VIEWS", help="folder that `dd3g objects` made")
    parser.add_argument("--out", required=True, type=Path, metavar="FILE", help="the archive")
    parser.add_argument("--quality", type=int, default=75, help="of WebP, 0 to 100 (default 75)")
    parser.add_argument("--quiet", action="store_true", help="no progress")


def run(options: argparse.Namespace) -> int:
    """Writes the archive, and returns the exit status."""
    from dd3g.core.errors import InputError
    from dd3g.recipes.views_archive import write_archive
    from dd3g.recipes.views_pack import open_pack
    from dd3g.recipes.views_run import credits_of

    if not 0 <= options.quality <= 100:
        raise InputError(f"--quality: found {options.quality}, expected 0 to 100")
    pack = open_pack(options.views, quiet=options.quiet)
    path = write_archive(pack, credits_of(options.views), options.out, quality=options.quality, quiet=options.quiet)
    print(f"{path}: {len(pack)} objects, {path.stat().st_size / 1e6:.1f} MB")
    return 0
