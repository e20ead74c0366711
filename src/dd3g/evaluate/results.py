"""What ``results.json`` holds, and what two of them say about each other.

    format            "dd3g-evaluation-2"
    protocol          name; with protocol_digest (SHA-256 of all its fields) and protocol_fields (all of them)
    model             {kind: "model" | "splats" | "renders", name, digest, ...}: what was evaluated
    partial           None, or {missing: [names], different: [names]}: objects of the protocol that were left out (--partial)
    why               {column: reason} of every column that is not there
    failures          [{source, reason}]: meshes that could not be rendered, outputs that could not be read
    dd3g, seconds, processor_seconds

A *table* is of one setting. The main setting's stands at the top level, the others' under ``settings[NAME]``, and the main one after a
similarity alignment (``--align``) under ``aligned``; :func:`tables` gives them all by name.

    setting           its name
    psnr, ssim, ...   means over objects of means over the views that are not the input; ``NAME_input`` is the input view's own.
                      None where a column is not there.
    figures           {column: {mean, low, high}}: the same with 95 % bootstrap intervals over objects
    quarter           {column: {mean, low, high}}: at the best of four quarter turns of each object; None where the views have none
    signatures        {name: {mean, low, high}}: the paper's failures as numbers, 0 (saturation: 1) for the truth; None where unknown
    baselines         {white | copy | mean: {column: mean}}: models that need no model
    objects           one row an object

A *row*:

    name, sha256      of the object and of its file
    psnr, ssim, ...   and ``NAME_input``; None where a column is not there for this object
    views             {column: [one figure a view]}
    quarter           {turn_deg, psnr, ssim, ...} or None
    baselines         {white | copy | mean: {column: figure}}
    signatures        {name: figure} of dd3g.distill.signatures; None where it can't be told
    gaussians         how many, None for renders
    truth, ours       folders of pictures below the report: truth/NAME/GROUP and renders/NAME/SETTING, NNN.png each, RGBA
    similarity        only in ``aligned``: {scale, offset, yaw_deg} that was applied
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from dd3g.core.errors import InputError
from dd3g.core.files import read_json
from dd3g.distill.signatures import SIGNATURES
from dd3g.evaluate.intervals import bootstrap
from dd3g.evaluate.metrics import LOWER_IS_BETTER
from dd3g.evaluate.protocol import Bootstrap

FORMAT = "dd3g-evaluation-2"
DRAWS_FORMAT = "dd3g-draws-1"  # of --quadruples: images in place of objects, one setting, no pictures


def table(setting: str, rows: Sequence[Mapping[str, Any]], columns: Sequence[str], how: Bootstrap) -> dict[str, Any]:
    """One setting's rows with their means and intervals.

    Args:
        setting: Its name.
        rows: One an object, at least one.
        columns: Names of figures, ``NAME_input`` among them; what no row has becomes None.
        how: The protocol's bootstrap.
    """
    figures = {column: _interval([row.get(column) for row in rows], how) for column in columns}
    turned = [row["quarter"] for row in rows]
    quarter = None
    if None not in turned:
        quarter = {column: _interval([row.get(column) for row in turned], how) for column in columns if not column.endswith("_input")}
    kinds = rows[0]["baselines"]
    return {
        "setting": setting,
        **{column: None if found is None else found["mean"] for column, found in figures.items()},
        "figures": figures,
        "quarter": quarter,
        "signatures": {name: _interval([row["signatures"][name] for row in rows], how) for name in SIGNATURES},
        "baselines": {kind: _baseline([row["baselines"][kind] for row in rows], columns) for kind in kinds},
        "objects": list(rows),
    }


def tables(results: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """All tables of a result with their names, the main one first."""
    yield results["setting"], results
    yield from results["settings"].items()
    if results["aligned"] is not None:
        yield f"{results['setting']}, aligned", results["aligned"]


def load_results(report: str | os.PathLike[str]) -> dict[str, Any]:
    """A ``results.json``, named itself or by its folder.

    Raises:
        InputError: Not there, or of another format.
    """
    place = Path(report)
    place = place / "results.json" if place.is_dir() else place
    found = read_json(place)
    if not isinstance(found, dict) or found.get("format") not in (FORMAT, DRAWS_FORMAT):
        raise InputError(f"{place}: no result of `dd3g evaluate` of this version (format {FORMAT}); evaluate again")
    return found


def compare(first: Mapping[str, Any], second: Mapping[str, Any]) -> dict[str, Any]:
    """Second minus first, object by object: two models that were given the same objects by the same protocol.

    Objects differ far more than models do; pairing takes that out of the interval.

    Returns:
        ``{first, second, protocol, settings: {SETTING: {columns: {COLUMN: {first, second, difference: {mean, low, high}, better}},
        objects: [{name, COLUMN: difference, ...}]}}}``. ``better`` is "first", "second", or None where the interval holds 0.

    Raises:
        InputError: Of different protocols, of object files that differ under one name, or without an object in common.
    """
    for name in ("protocol", "protocol_digest"):
        if first[name] != second[name]:
            raise InputError(f"the results are of different protocols ({name} {first[name]} and {second[name]}); evaluate both by one")
    how = Bootstrap(**first["protocol_fields"]["bootstrap"])
    others = dict(tables(second))
    settings = {name: _paired(one, others[name], how) for name, one in tables(first) if name in others}
    return {"first": first["model"], "second": second["model"], "protocol": first["protocol"], "settings": settings}


def _paired(first: Mapping[str, Any], second: Mapping[str, Any], how: Bootstrap) -> dict[str, Any]:
    there = {row["name"]: row for row in second["objects"]}
    pairs = [(row, there[row["name"]]) for row in first["objects"] if row["name"] in there]
    if not pairs:
        raise InputError(f"setting {first['setting']}: the results have no object in common")
    different = [a["name"] for a, b in pairs if a["sha256"] != b["sha256"]]
    if different:
        raise InputError(f"the results are of different object files named {', '.join(different)}; evaluate both on the same")
    columns = {}
    objects: list[dict[str, Any]] = [{"name": a["name"]} for a, _ in pairs]
    for column in first["figures"]:
        both = [(a.get(column), b.get(column)) for a, b in pairs]
        if any(x is None or y is None for x, y in both):
            continue
        differences = [y - x for x, y in both]
        found = bootstrap(differences, seed=how.seed, resamples=how.resamples, level=how.level)
        for row, difference in zip(objects, differences, strict=True):
            row[column] = difference
        columns[column] = {
            "first": sum(x for x, _ in both) / len(both),
            "second": sum(y for _, y in both) / len(both),
            "difference": asdict(found),
            "better": _better(column, found.low, found.high),
        }
    return {"columns": columns, "objects": objects}


def _better(column: str, low: float | None, high: float | None) -> str | None:
    if low is None or high is None or low <= 0 <= high:
        return None
    rises = low > 0
    return "second" if rises != (column.removesuffix("_input") in LOWER_IS_BETTER) else "first"


def _interval(values: Sequence[float | None], how: Bootstrap) -> dict[str, float | None] | None:
    there = [value for value in values if value is not None]
    if len(there) < len(values) or not there:
        return None
    return asdict(bootstrap(there, seed=how.seed, resamples=how.resamples, level=how.level))


def _baseline(rows: Sequence[Mapping[str, float] | None], columns: Sequence[str]) -> dict[str, float | None] | None:
    there = [row for row in rows if row is not None]
    if len(there) < len(rows):
        return None
    means = {}
    for column in columns:
        values = [row.get(column) for row in there]
        if not column.endswith("_input"):
            known = [value for value in values if value is not None]
            means[column] = sum(known) / len(known) if len(known) == len(values) else None
    return means
