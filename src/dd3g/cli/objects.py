"""Renders meshes, or procedural objects of our own, to ground-truth views.

  dd3g objects MESHES --out VIEWS                    every .glb, .gltf and .obj below the folder
  dd3g objects MESHES --list train.txt --out VIEWS   only those that the list names, one path a line
  dd3g objects --procedural 200 --seed 1 --out VIEWS
  dd3g objects MESHES --stretch 0.35 --out VIEWS     the same objects as NAME~1, each stretched at random: more shapes to learn from

Stopped or killed, the same command goes on where it was. Meshes that can't be rendered are reported, counted and listed in
VIEWS/failures.json; the exit status is then 2.
"""

from __future__ import annotations

import argparse
import sys
from dataclasses import replace
from pathlib import Path


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of `dd3g objects`."""
    parser.add_argument("meshes", nargs="?", type=Path, metavar="MESHES", help="folder of meshes: glTF's axes, +Y up, front +Z")
    parser.add_argument("--out", required=True, type=Path, metavar="VIEWS", help="folder for the views, one folder an object")
    parser.add_argument("--list", type=Path, metavar="FILE", help="render only these paths, relative to MESHES, one a line")
    parser.add_argument("--procedural", type=int, metavar="N", help="make N objects from --seed instead of reading meshes")
    parser.add_argument("--seed", type=int, default=0, help="of random views and of procedural objects (default 0)")
    parser.add_argument(
        "--stretch",
        type=float,
        default=0.0,
        metavar="S",
        help="stretch every object at random: width, height and depth each by exp(u), u from -S to S, and a taper along the height of up "
        "to S/3; lighting follows. 0.35 looks natural; 0 to 1 (default 0: none)",
    )
    parser.add_argument(
        "--stretch-seed", type=int, metavar="K", help="which stretch, 1 or more; object NAME is written as NAME~K (default 1)"
    )
    parser.add_argument(
        "--rig", default="standard", help="which pictures: standard, canonical (16 views for evaluation), small (default standard)"
    )
    parser.add_argument("--size", type=int, metavar="PX", help="side of the target pictures (default 128)")
    parser.add_argument("--input-size", type=int, metavar="PX", help="side of the input pictures (default 192)")
    parser.add_argument("--supersampling", type=int, metavar="S", help="S x S rays a pixel (default 3)")
    parser.add_argument("--light", help="light of the target pictures: sky (default) or ambient")
    parser.add_argument("--workers", type=int, metavar="N", help="processes (default: one for each core that the process may use)")
    parser.add_argument("--sheet", type=Path, metavar="FILE.png", help="also draw a contact sheet of what is in VIEWS")
    parser.add_argument("--quiet", action="store_true", help="no progress")


def run(options: argparse.Namespace) -> int:
    """Runs `dd3g objects`."""
    from dd3g.core.errors import InputError
    from dd3g.core.threads import usable_cores
    from dd3g.objects.collection import find_meshes, jobs_for_files, jobs_for_seeds, render_collection
    from dd3g.objects.rig import RIGS
    from dd3g.objects.stretch import Stretching

    if (options.meshes is None) == (options.procedural is None):
        raise InputError("name either a folder of meshes or --procedural N, and not both")
    if options.list is not None and options.meshes is None:
        raise InputError("--list: names paths in a folder of meshes; name that folder too")
    if options.stretch_seed is not None and options.stretch == 0:
        raise InputError("--stretch-seed: chooses among stretches; give --stretch too, for example --stretch 0.35")
    stretching = Stretching(options.stretch, 1 if options.stretch_seed is None else options.stretch_seed) if options.stretch != 0 else None
    workers = usable_cores() if options.workers is None else options.workers
    if workers < 1:
        raise InputError(f"--workers: found {workers}, expected at least 1")
    if options.rig not in RIGS:
        raise InputError(f"--rig: found {options.rig!r}, expected one of {', '.join(RIGS)}")
    given = {
        "target_size": options.size,
        "input_size": options.input_size,
        "supersampling": options.supersampling,
        "light": options.light,
    }
    rig = replace(RIGS[options.rig], **{name: value for name, value in given.items() if value is not None})
    if options.procedural is not None:
        jobs = jobs_for_seeds(options.procedural, rig, options.seed, options.out)
    else:
        jobs = jobs_for_files(options.meshes, find_meshes(options.meshes, options.list), rig, options.seed, options.out)
    if stretching is not None:
        jobs = [job.stretched(stretching) for job in jobs]
    summary = render_collection(
        jobs,
        workers=min(workers, len(jobs)),
        quiet=options.quiet,
        report=lambda line: print(f"dd3g objects: {line}", file=sys.stderr),
    )
    if options.sheet is not None:
        from dd3g.objects.contact_sheet import draw_contact_sheet

        draw_contact_sheet(options.out, [job.name for job in jobs], options.sheet)
    failed = len(summary.failures)
    listed = f", {failed} failed (listed in {options.out / 'failures.json'})" if failed else ""
    print(f"{options.out}: {summary.rendered} objects rendered, {summary.skipped} were there{listed}")
    return 2 if failed else 0
