"""Score a model on meshes: input at azimuth 0, compared at the other azimuths round the object.

dd3g evaluate --objects MESHES --out report
"""

from __future__ import annotations

import argparse
import sys


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declares the command's options."""
    parser.add_argument("--objects", required=True, metavar="DIR", help="folder of meshes (.glb, .gltf, .obj)")
    parser.add_argument("--list", metavar="FILE", help="only these meshes: one path a line, relative to DIR")
    parser.add_argument(
        "--model", default="bundled", metavar="PATH", help="a .safetensors file that training wrote (default: the bundled model)"
    )
    parser.add_argument("--out", required=True, metavar="REPORT", help="folder for results.json, sheet.png and the true views")
    parser.add_argument(
        "--mean-of", metavar="VIEWS", help="views of training objects, whose mean is a baseline (default: the bundled mean)"
    )
    parser.add_argument(
        "--workers",
        type=int,
        metavar="N",
        help="processes that render truth (default: one for each core that the process may use)",
    )
    parser.add_argument("--json", action="store_true", help="print results.json as well")
    parser.add_argument("--quiet", action="store_true", help="no progress")


def run(options: argparse.Namespace) -> int:
    """Evaluates, prints the table, and returns the exit status."""
    import json

    from dd3g.core.threads import usable_cores
    from dd3g.evaluate import EvaluateOptions, evaluate

    workers = usable_cores() if options.workers is None else options.workers
    wanted = EvaluateOptions(options.objects, options.list, options.model, options.mean_of, workers, options.quiet)
    results = evaluate(wanted, options.out)
    if options.json:
        print(json.dumps(results, indent=2))
    else:
        print(table_of(results))
    for failure in results["failures"]:
        print(f"dd3g evaluate: left out: {failure['reason']}", file=sys.stderr)
    return 2 if results["failures"] else 0


def table_of(results: dict) -> str:
    """The means as text."""
    names = ["psnr", "ssim", "lpips_alex"]
    lines = [f"{len(results['objects'])} objects, protocol {results['protocol']}, means over the views that are not the input"]
    lines.append("".join(["".ljust(8), *(name.rjust(12) for name in names)]))
    for kind, row in {"model": results, **results["baselines"]}.items():
        if row is not None:
            cells = ["-" if row.get(name) is None else f"{row[name]:.3f}" for name in names]
            lines.append("".join([kind.ljust(8), *(cell.rjust(12) for cell in cells)]))
    lines += [f"{name}: {reason}" for name, reason in results["why"].items()]
    return "\n".join(lines)
