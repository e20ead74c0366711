"""Score a model by a frozen protocol: one view of each object is shown, the others compared. Or on quadruples: does it follow the noise?

dd3g evaluate --objects MESHES --out report
dd3g evaluate --protocol gso-small-v1 --objects GSO --model run/model.safetensors --out report
dd3g evaluate --protocol gso-small-v1 --objects GSO --splats lgm-out --frame lgm --out report-lgm
dd3g evaluate --compare report report-lgm --out comparison
dd3g evaluate --quadruples quadruples --teacher bundled --model run/model.safetensors --out report
"""

from __future__ import annotations

import argparse
import sys
from typing import Any

_OF_QUADRUPLES = ("teacher", "split", "images", "device")
_OF_OBJECTS = (
    "protocol",
    "list",
    "mean_of",
    "workers",
    "splats",
    "frame",
    "renders",
    "settings",
    "align",
    "partial",
    "truth",
    "training_views",
    "worst_by",
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declares the command's options."""
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("--objects", metavar="DIR", help="folder of meshes (.glb, .gltf, .obj), or of Google Scanned Objects")
    what.add_argument("--quadruples", metavar="DIR", help="a collection that was drawn: each noise against the views of every draw")
    what.add_argument("--compare", nargs=2, metavar=("A", "B"), help="two reports of one protocol: B minus A, object by object")
    parser.add_argument(
        "--out", required=True, metavar="REPORT", help="folder for report.html, report.md, results.json, sheet.png, true views and ours"
    )
    parser.add_argument("--protocol", metavar="NAME|FILE", help="gso-small-v1, gso-v1, or a file (default: orbit16-1, for any meshes)")
    parser.add_argument(
        "--model", default="bundled", metavar="PATH", help="a .safetensors file that training wrote (default: the bundled model)"
    )
    parser.add_argument("--splats", metavar="DIR", help="in place of a model: NAME.ply of each object, SETTING/NAME.ply of other settings")
    parser.add_argument("--frame", metavar="WHOSE", help="whose splats: dd3g, lgm, trellis or sharp (default: dd3g)")
    parser.add_argument("--renders", metavar="DIR", help="in place of a model: pictures, NAME/SETTING/000.png and so on")
    parser.add_argument("--settings", metavar="A,B", help="only these of the protocol beside its first (default: all)")
    parser.add_argument("--align", action="store_true", default=None, help="a second table, registered with the input picture")
    parser.add_argument("--partial", action="store_true", default=None, help="go on where objects of the protocol are missing")
    parser.add_argument("--truth", metavar="DIR", help="where true views are kept and looked for (default: REPORT/truth)")
    parser.add_argument("--list", metavar="FILE", help="only these meshes: one path a line, relative to DIR")
    parser.add_argument(
        "--mean-of", metavar="VIEWS", help="views of training objects, whose mean is a baseline (default: the bundled mean)"
    )
    parser.add_argument(
        "--training-views",
        metavar="VIEWS",
        help="views that the model learnt from: the report shows the nearest of them beside each object",
    )
    parser.add_argument("--worst-by", metavar="METRIC", help="what the report's failures are chosen by (default: LPIPS, or psnr)")
    parser.add_argument("--workers", type=int, metavar="N", help="processes (default: one for each core that the process may use)")
    parser.add_argument(
        "--teacher", metavar="CKPT", help="with --quadruples: the teacher that they were collected from; 'bundled' for the package's own"
    )
    parser.add_argument("--split", choices=("dev", "train", "all"), help="with --quadruples: images of this side (default: dev)")
    parser.add_argument("--images", type=int, metavar="N", help="with --quadruples: at most so many images (default: all)")
    parser.add_argument("--device", help="with --quadruples: cpu or cuda (default: cpu)")
    parser.add_argument("--json", action="store_true", help="print results.json as well")
    parser.add_argument("--quiet", action="store_true", help="no progress")


def run(options: argparse.Namespace) -> int:
    """Evaluates, prints the table, and returns the exit status."""
    import json

    _refuse_what_does_not_belong(options)
    if options.compare is not None:
        results, table = _comparison(options)
    else:
        results, table = _on_objects(options) if options.quadruples is None else _on_quadruples(options)
    print(json.dumps(results, indent=2) if options.json else table)
    for failure in results.get("failures", ()):
        print(f"dd3g evaluate: left out: {failure['reason']}", file=sys.stderr)
    return 2 if results.get("failures") else 0


def _on_objects(options: argparse.Namespace) -> tuple[dict[str, Any], str]:
    from dd3g.core.errors import InputError
    from dd3g.core.threads import usable_cores
    from dd3g.evaluate import EvaluateOptions, evaluate, load_protocol
    from dd3g.evaluate.report.evaluation_run import write_evaluation_report
    from dd3g.evaluate.run import DEFAULT_PROTOCOL

    wanted = EvaluateOptions(
        options.objects,
        options.list,
        options.model,
        splats=options.splats,
        frame=options.frame or "dd3g",
        renders=options.renders,
        settings=None if options.settings is None else tuple(options.settings.split(",")),
        align=bool(options.align),
        partial=bool(options.partial),
        truth=options.truth,
        mean_of=options.mean_of,
        workers=usable_cores() if options.workers is None else options.workers,
        quiet=options.quiet,
    )
    protocol = load_protocol(options.protocol or DEFAULT_PROTOCOL)
    if options.worst_by is not None and options.worst_by not in protocol.metrics:  # said before hours of work, not after
        raise InputError(f"--worst-by: '{options.worst_by}' is no metric of protocol {protocol.name}: {', '.join(protocol.metrics)}")
    results = evaluate(wanted, options.out, protocol)
    model = options.model if results["model"]["kind"] == "model" else None
    page = write_evaluation_report(
        results, options.out, model=model, training_views=options.training_views, worst_by=options.worst_by, quiet=options.quiet
    )
    return results, f"{table_of(results)}\nreport: {page}"


def _comparison(options: argparse.Namespace) -> tuple[dict[str, Any], str]:
    from pathlib import Path

    from dd3g.evaluate.comparison import compare_reports, comparison_table

    first, second = options.compare
    found = compare_reports(first, second, options.out)
    return found, f"{comparison_table(found)}\nreport: {Path(options.out) / 'report.html'}"


def _on_quadruples(options: argparse.Namespace) -> tuple[dict[str, Any], str]:
    from dd3g.core.errors import InputError
    from dd3g.evaluate.alignment_run import AlignmentOptions, evaluate_alignment

    if options.teacher is None:
        raise InputError(f"{options.quadruples}: holds quadruples; give --teacher, that of `dd3g collect` ('bundled' where none was given)")
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

    if options.compare is not None:
        ours, names = "--compare", (*_OF_OBJECTS, *_OF_QUADRUPLES)
    else:
        ours, names = ("--objects", _OF_QUADRUPLES) if options.quadruples is None else ("--quadruples", _OF_OBJECTS)
    for name in names:
        if getattr(options, name) is not None:
            raise InputError(f"--{name.replace('_', '-')}: says nothing beside {ours}; leave it out")


def table_of(results: dict) -> str:
    """The means as text, a setting after the other."""
    from dd3g.evaluate.results import tables

    model = results["model"]
    head = f"{len(results['objects'])} objects, protocol {results['protocol']} ({results['protocol_digest'][:12]})"
    lines = [f"{head}, {model['kind']} {model['name']}; means over the views that are not the input, 95 % over objects"]
    for name, table in tables(results):
        columns = [column for column in results["protocol_fields"]["metrics"] if table[column] is not None]
        lines.append("".join([f"{name}".ljust(24), *(column.rjust(15) for column in columns)]))
        low_high = [table["figures"][column] for column in columns]
        spread = ["" if found["low"] is None else f"{found['low']:.3f}-{found['high']:.3f}" for found in low_high]
        lines.append("".join(["  model".ljust(24), *(f"{table[column]:.3f}".rjust(15) for column in columns)]))
        lines.append("".join(["".ljust(24), *(text.rjust(15) for text in spread)]))
        rows = {"best of four quarters": _means(table["quarter"]), **table["baselines"]}
        for kind, row in rows.items():
            if row is not None:
                cells = ["-" if row.get(column) is None else f"{row[column]:.3f}" for column in columns]
                lines.append("".join([f"  {kind}".ljust(24), *(cell.rjust(15) for cell in cells)]))
    if results["partial"]:
        left_out = [f"{len(names)} {kind}" for kind, names in results["partial"].items() if names]
        lines.append(f"partial: of the protocol's objects are left out {', '.join(left_out) or 'none'}")
    lines += [f"{name}: {reason}" for name, reason in results["why"].items()]
    return "\n".join(lines)


def _means(figures: dict | None) -> dict | None:
    return None if figures is None else {name: None if found is None else found["mean"] for name, found in figures.items()}


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
