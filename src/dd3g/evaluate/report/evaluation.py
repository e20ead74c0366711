"""The report of one evaluation: what was asked, the figures with their intervals, curves, failures, every object."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from dd3g.core.errors import InputError
from dd3g.evaluate.intervals import bootstrap
from dd3g.evaluate.nearest import Neighbour
from dd3g.evaluate.report.blocks import (
    Block,
    Cell,
    Code,
    Column,
    Details,
    Histogram,
    Lines,
    Prose,
    Report,
    Section,
    Series,
    Table,
)
from dd3g.evaluate.report.columns import SIGNATURE_MEANINGS, estimate, heading, metrics_of, name_of
from dd3g.evaluate.report.kept import kept_views
from dd3g.evaluate.report.objects import failures_section, objects_section
from dd3g.evaluate.results import tables

_BASELINES = {"white": "nothing but background", "copy": "the input, shown to every camera", "mean": "mean of the training objects"}
_NO_FAULT = 5e-4  # shown with three decimals it is none
_WORST_BY = ("lpips_vgg", "lpips_alex", "lpips_squeeze", "psnr")  # the first that was measured


def evaluation_report(
    results: Mapping[str, Any],
    folder: Path,
    *,
    neighbours: Mapping[str, Neighbour] | None = None,
    journal: Sequence[Mapping[str, Any]] = (),
    worst_by: str | None = None,
) -> Report:
    """Everything there is to say about a result.

    Args:
        results: What ``results.json`` holds.
        folder: Where it stands, with the pictures that it names.
        neighbours: Object -> nearest training object; None: the report says how to get them.
        journal: Events of the training run that the model came from; none: no training curve.
        worst_by: Metric that chooses the failures; None: a perceptual one where there is one, else PSNR.

    Raises:
        InputError: No such metric in this result, or the pictures are gone.
    """
    metrics = metrics_of(results)
    chosen = worst_by or next((name for name in _WORST_BY if name in metrics), metrics[0])
    if chosen not in metrics:
        raise InputError(f"--worst-by {chosen}: not measured here; choose one of {', '.join(metrics)}")
    model = results["model"]
    return Report(
        f"Evaluation of {model['name']}",
        [
            _summary(results),
            _signatures(results),
            _curves(results, folder, journal, chosen),
            failures_section(folder, results, neighbours, chosen),
            objects_section(folder, results, neighbours, chosen),
            _protocol(results),
        ],
        f"{len(results['objects'])} objects, protocol {results['protocol']} ({results['protocol_digest'][:16]}), dd3g {results['dd3g']}",
    )


def _summary(results: Mapping[str, Any]) -> Section:
    blocks: list[Block] = []
    for name, table in tables(results):
        metrics = metrics_of(table)
        rows: list[list[Cell]] = [["ours", *(estimate(table["figures"][metric]) for metric in metrics)]]
        if table.get("quarter"):
            rows.append(["ours, best of four quarter turns", *(estimate(table["quarter"].get(metric)) for metric in metrics)])
        for kind, means in table["baselines"].items():
            if means is not None:
                rows.append([_BASELINES.get(kind, kind), *(_baseline(table, kind, metric) for metric in metrics)])
        count = len(table["objects"])
        caption = f"{name}: means over the views that are not the input, then over {count} objects; 95 % bootstrap intervals over objects"
        blocks.append(Table([Column(""), *(heading(metric) for metric in metrics)], rows, caption, strong=[0]))
    of_input = [name for name, found in results["figures"].items() if found is not None and name.endswith("_input")]
    if of_input:
        row: list[Cell] = ["ours", *(estimate(results["figures"][name]) for name in of_input)]
        table = Table([Column(""), *(heading(name) for name in of_input)], [row], "the input's own view")
        blocks.append(Details("The input's own view", [table]))
    if results["why"]:
        reasons = [Prose(f"{name_of(column)}: {reason}", "note") for column, reason in results["why"].items()]
        blocks.append(Details(f"Not measured here, and why: {', '.join(name_of(column) for column in results['why'])}", reasons))
    if results["partial"] is not None:
        left = ", ".join([*results["partial"]["missing"], *results["partial"]["different"]])
        blocks.append(
            Prose(f"Partial: objects of the protocol that were left out: {left}. Figures of the whole are not comparable.", "verdict")
        )
    blocks += [Prose(f"Left out: {failure['source']}: {failure['reason']}", "note") for failure in results["failures"]]
    return Section("Summary", blocks)


def _baseline(table: Mapping[str, Any], kind: str, metric: str) -> Cell:
    values = [row["baselines"][kind].get(metric) for row in table["objects"]]
    if any(value is None for value in values):
        return None
    return bootstrap(values)


def _signatures(results: Mapping[str, Any]) -> Section:
    rows: list[list[Cell]] = []
    for name, (words, better, meaning) in SIGNATURE_MEANINGS.items():
        values = [value for row in results["objects"] if (value := (row.get("signatures") or {}).get(name)) is not None]
        if not values:
            continue
        fault, worst = max((_fault((row.get("signatures") or {}).get(name), better), row["name"]) for row in results["objects"])
        truth = 1 if better == "one" else 0
        rows.append([words, bootstrap(values), truth, worst if fault > _NO_FAULT else None, meaning])
    if not rows:
        return Section(
            "Failure signatures", [Prose("Not measured for this result: pictures alone have no depth and no Gaussians.", "note")]
        )
    columns = [Column("signature"), Column("mean"), Column("truth has"), Column("most at"), Column("what it is")]
    return Section("Failure signatures", [Table(columns, rows, "means over objects with 95 % intervals")])


def _fault(value: float | None, better: str) -> float:
    if value is None:
        return -1.0
    return abs(value - 1) if better == "one" else value


def _curves(results: Mapping[str, Any], folder: Path, journal: Sequence[Mapping[str, Any]], chosen: str) -> Section:
    blocks: list[Block] = []
    azimuths = kept_views(folder, results["objects"][0]).azimuths_deg
    for metric in metrics_of(results):
        each = [row["views"].get(metric) for row in results["objects"]]
        if all(values is not None and len(values) == len(azimuths) for values in each) and len(set(azimuths)) == len(azimuths):
            blocks.append(_by_azimuth(metric, azimuths, each))
    blocks += [_spread(results, metric) for metric in dict.fromkeys(["psnr", chosen]) if metric in metrics_of(results)]
    blocks += _training_curves(journal)
    if not journal:
        blocks.append(Prose("No training curve: the model does not stand in the folder of its run (metrics.jsonl beside it).", "note"))
    return Section("Curves", blocks)


def _spread(results: Mapping[str, Any], metric: str) -> Histogram:
    """How a metric is spread over objects, a baseline beside it."""
    groups = [("ours", [row[metric] for row in results["objects"] if row.get(metric) is not None])]
    for kind in ("mean", "copy"):
        found = [(row["baselines"].get(kind) or {}).get(metric) for row in results["objects"]]
        if None not in found and len(groups) == 1:
            groups.append((_BASELINES[kind], found))
    name = name_of(metric)
    return Histogram(f"{name} of objects", groups, x=name)


def _by_azimuth(metric: str, azimuths: Sequence[float], each: Sequence[Sequence[float]]) -> Lines:
    order = sorted(range(len(azimuths)), key=azimuths.__getitem__)
    found = [bootstrap([values[view] for values in each]) for view in order]
    series = Series("ours", [azimuths[view] for view in order], [f.mean for f in found], [f.low for f in found], [f.high for f in found])
    name = name_of(metric)
    return Lines(f"{name} by azimuth, 0 is the input", [series], "azimuth (deg)", name, x_ticks=[0, 45, 90, 135, 180, 225, 270, 315])


def _training_curves(journal: Sequence[Mapping[str, Any]]) -> list[Block]:
    scored = [event for event in journal if event.get("kind") == "evaluate"]
    names = [name for name, value in (scored[-1] if scored else {}).items() if name.startswith("dev_") and isinstance(value, int | float)]
    return [
        Lines(
            f"{name} in training", [Series(name, [e["step"] for e in scored if name in e], [e[name] for e in scored if name in e])], "step"
        )
        for name in names
    ]


def _protocol(results: Mapping[str, Any]) -> Section:
    seconds = [
        f"{results[name]:.0f} {words}" for name, words in (("seconds", "s"), ("processor_seconds", "s of processors")) if results.get(name)
    ]
    rows: list[list[Cell]] = [
        ["protocol", results["protocol"]],
        ["SHA-256 of all its fields", results["protocol_digest"]],
        *([f"evaluated: {key}", _text(value)] for key, value in results["model"].items()),
        ["dd3g", results["dd3g"]],
        ["time", ", ".join(seconds)],
    ]
    fields: list[list[Cell]] = [[name, _text(value)] for name, value in results["protocol_fields"].items() if not _long(value)]
    long = [
        Details(f"{name} ({len(value)})", [Code(json.dumps(value, indent=1, ensure_ascii=False))])
        for name, value in results["protocol_fields"].items()
        if _long(value)
    ]
    return Section(
        "Protocol",
        [
            Table(["", "value"], rows),
            Table(["field", "value"], fields, "every field of the protocol; the digest is over all of them"),
            *long,
        ],
    )


def _long(value: Any) -> bool:
    return isinstance(value, dict | list) and len(json.dumps(value)) > 200


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
