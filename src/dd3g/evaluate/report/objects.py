"""Objects, one card each: truth and ours in one place, figures, and the training object that is most like it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from dd3g.core.views import over_white
from dd3g.evaluate.nearest import Neighbour
from dd3g.evaluate.report.blocks import Block, Card, Cards, Cell, Gallery, Prose, Section, Slider, Table
from dd3g.evaluate.report.columns import SIGNATURE_MEANINGS, better_of, heading, metrics_of, name_of
from dd3g.evaluate.report.kept import kept_views, pictures
from dd3g.evaluate.report.pictures import view_grid

WORST = 10
_MOST_CARDS = 60  # a page of more is slow on a phone; results.json has every object
_SHOWN, _COLUMNS, _SIDE = 8, 4, 112
_SMALL = 140
HOW_TO_GET_NEIGHBOURS = (
    "Which training object is most like each of these is not known here: name the folder (or archive) of views that the model was trained "
    "on with --training-views VIEWS."
)


def objects_section(folder: Path, table: Mapping[str, Any], neighbours: Mapping[str, Neighbour] | None, metric: str) -> Section:
    """All objects by name; of very many, evenly from the best to the worst."""
    rows, note = list(table["objects"]), []
    if len(rows) > _MOST_CARDS:
        ranked = by_quality(rows, metric)
        rows = [ranked[round(k * (len(ranked) - 1) / (_MOST_CARDS - 1))] for k in range(_MOST_CARDS)]
        note = [Prose(f"{_MOST_CARDS} of {len(ranked)}, evenly from the worst to the best by {metric}.", "note")]
    if neighbours is None:
        note.append(Prose(HOW_TO_GET_NEIGHBOURS, "note"))
    cards = [object_card(folder, row, metrics_of(table), neighbours) for row in sorted(rows, key=lambda row: row["name"])]
    return Section("Objects", [*note, Cards(cards)])


def failures_section(folder: Path, table: Mapping[str, Any], neighbours: Mapping[str, Neighbour] | None, metric: str) -> Section:
    """The worst objects by a metric, worst first, with what the detectors say of them."""
    worst = by_quality(table["objects"], metric)[:WORST]
    cards = [object_card(folder, row, metrics_of(table), neighbours, told=True) for row in worst]
    words = f"The worst {len(worst)} of {len(table['objects'])} by {name_of(metric)}, worst first."
    return Section("Failures", [Prose(words), Cards(cards)])


def by_quality(rows: Sequence[Mapping[str, Any]], metric: str) -> list[Mapping[str, Any]]:
    """Worst first; equal ones by name."""
    sign = 1 if better_of(metric) == "higher" else -1
    return sorted((row for row in rows if row.get(metric) is not None), key=lambda row: (sign * row[metric], row["name"]))


def object_card(
    folder: Path, row: Mapping[str, Any], metrics: Sequence[str], neighbours: Mapping[str, Neighbour] | None, *, told: bool = False
) -> Card:
    """One object."""
    kept = kept_views(folder, row)
    around = kept.around(_SHOWN)
    truth, ours = (over_white(pictures(place, around)) for place in (kept.truth, kept.ours))
    degrees = ", ".join(f"{kept.azimuths_deg[view]:.0f}°" for view in around)
    blocks: list[Block] = [
        Slider(view_grid(truth, _COLUMNS, _SIDE), view_grid(ours, _COLUMNS, _SIDE), f"truth ({degrees})", "ours"),
        figures_table(row, metrics),
    ]
    if told:
        blocks += signature_words(row)
    if neighbours is not None:
        neighbour = neighbours[row["name"]]
        pair = [
            ("front of this object", over_white(pictures(kept.truth, [kept.near(0)]))),
            (f"nearest in training: {neighbour.name} ({neighbour.distance:.3f})", over_white(neighbour.rgba[None])),
        ]
        blocks.append(Gallery([(words, view_grid(views, 1, _SMALL)) for words, views in pair], _SMALL))
    return Card(row["name"], blocks)


def figures_table(row: Mapping[str, Any], metrics: Sequence[str]) -> Table:
    """An object's figures, and the baselines' beside them."""
    kinds = {kind: found for kind, found in row["baselines"].items() if found is not None}
    rows: list[list[Cell]] = [
        [heading(metric).name, row.get(metric), *(found.get(metric) for found in kinds.values())] for metric in metrics
    ]
    return Table(["", "ours", *kinds], rows)


def signature_words(row: Mapping[str, Any]) -> list[Block]:
    """An object's failure signatures in one line."""
    found = row.get("signatures") or {}
    words = [f"{SIGNATURE_MEANINGS[name][0]} {value:.2f}" for name, value in found.items() if value is not None]
    return [Prose(", ".join(words), "note")] if words else []
