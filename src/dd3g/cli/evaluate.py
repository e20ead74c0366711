"""Score a model on meshes: input at azimuth 0, compared at the other azimuths round the object. Or on quadruples: does it follow the noise?

dd3g evaluate --objects MESHES --out report
dd3g evaluate --quadruples quadruples --teacher teacher.safetensors --model run/model.safetensors --out report
"""

from __future__ import annotations

import argparse
import sys
from typing import Any

_OF_OBJECTS, _OF_QUADRUPLES = ("list", "mean_of", "workers"), ("teacher", "split", "images", "device")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declares the command's options."""
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("--objects", metavar="DIR", help="folder of meshes (.glb, .gltf, .obj)")
    what.add_argument("--quadruples", metavar="DIR", help="a collection that was drawn: each noise against the views of every draw")
    parser.add_argument(
        "--model", default="bundled", metavar="PATH", help="a .safetensors file that training wrote (default: the bundled model)"
    )
    parser.add_argument("--out", required=True, metavar="REPORT", help="folder for results.json, sheet.png and the true views")
    parser.add_argument("--list", metavar="FILE", help="only these meshes: one path a line, relative to DIR")
    parser.add_argument(
        "--mean-of", metavar="VIEWS", help="views of training objects, whose mean is a baseline (default: the bundled mean)"
    )
    parser.add_argument(
        "--workers",
        type=int,
        metavar="N",
        help="processes that render truth (default: one for each core that the process may use)",
    )
    parser.add_argument("--teacher", metavar="CKPT", help="with --quadruples: the teacher that they were collected from")
    parser.add_argument("--split", choices=("dev", "train", "all"), help="with --quadruples: images of this side (default: dev)")
    parser.add_argument("--images", type=int, metavar="N", help="with --quadruples: at most so many images (default: all)")
    parser.add_argument("--device", help="with --quadruples: cpu or cuda (default: cpu)")
    parser.add_argument("--json", action="store_true", help="print results.json as well")
    parser.add_argument("--quiet", action="store_true", help="no progress")


def run(options: argparse.Namespace) -> int:
    """Evaluates, prints the table, and returns the exit status."""
    import json

    _refuse_what_does_not_belong(options)
    results, table = _on_objects(options) if options.quadruples is None else _on_quadruples(options)
    print(json.dumps(results, indent=2) if options.json else table)
    for failure in results.get("failures", ()):
        print(f"dd3g evaluate: left out: {failure['reason']}", file=sys.stderr)
    return 2 if results.get("failures") else 0


def _on_objects(options: argparse.Namespace) -> tuple[dict[str, Any], str]:
    from dd3g.core.threads import usable_cores
    from dd3g.evaluate import EvaluateOptions, evaluate

    workers = usable_cores() if options.workers is None else options.workers
    wanted = EvaluateOptions(options.objects, options.list, options.model, options.mean_of, workers, options.quiet)
    results = evaluate(wanted, options.out)
    return results, table_of(results)


def _on_quadruples(options: argparse.Namespace) -> tuple[dict[str, Any], str]:
    from dd3g.core.errors import InputError
    from dd3g.evaluate.alignment_run import AlignmentOptions, evaluate_alignment

    if options.teacher is None:
        raise InputError(f"{options.quadruples}: holds quadruples; give --teacher, the file that they were collected from")
    wanted = AlignmentOptions(
        options.quadruples,
        options.teacher,
        options.model,
        options.split or "dev",
        options.images,
        options.device or "cpu",
        options.quiet,
    )
    results = evaluate_alignment(wanted, options.out)
    return results, table_of_alignment(results)


def _refuse_what_does_not_belong(options: argparse.Namespace) -> None:
    from dd3g.core.errors import InputError

    ours, names = ("--objects", _OF_QUADRUPLES) if options.quadruples is None else ("--quadruples", _OF_OBJECTS)
    for name in names:
        if getattr(options, name) is not None:
            raise InputError(f"--{name.replace('_', '-')}: says nothing beside {ours}; leave it out")


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


def table_of_alignment(results: dict) -> str:
    """How well noise and views belong together, as text."""
    fewest, most = results["draws_an_image"]
    w = results["collection"]["guidance"]
    told = f"told w {w:g}" if results["told_guidance"] else "not told w"
    draws = str(most) if fewest == most else f"{fewest} to {most}"
    lines = [
        f"{results['images']} images ({results['collection']['split']}) with {draws} draws each; the student is {told}",
        "against a draw's views".ljust(34) + "psnr".rjust(10) + "mse / variance of the draws".rjust(30),
    ]
    kinds = {"paired": "its own noise", "shuffled": "other draws' noise", "fresh": "noise of no draw", "floor": "mean of the other draws"}
    for kind, said in kinds.items():
        ratio = results["mse_over_variance"].get(kind)
        lines.append(said.ljust(34) + f"{results['psnr'][kind]:10.3f}" + (_interval(ratio) if ratio else "").rjust(30))
    retrieval = results["retrieval"]
    lines += [
        f"own minus others' noise, dB       {_interval(results['paired_minus_shuffled_db'])}",
        f"own minus noise of no draw, dB    {_interval(results['paired_minus_fresh_db'])}",
        f"views of a noise found            {_interval(retrieval['views_of_noise'])}, by chance {retrieval['chance']:.3f}",
        f"noise of views found              {_interval(retrieval['noise_of_views'])}, by chance {retrieval['chance']:.3f}",
        f"spread of ours / of the draws     {_interval(results['spread_over_variance'])}",
        f"diversity, ours / of the draws    {_interval(results['diversity'])}",
    ]
    return "\n".join(lines)


def _interval(found: dict) -> str:
    spread = "" if found["low"] is None else f" ({found['low']:.3f} to {found['high']:.3f})"
    return f"{found['mean']:.3f}{spread}"
