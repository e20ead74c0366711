"""The report of a comparison: differences with their intervals, and the objects on which two models differ most."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from dd3g.core.views import over_white
from dd3g.evaluate.intervals import Interval
from dd3g.evaluate.report.blocks import (
    Bars,
    Block,
    Card,
    Cards,
    Cell,
    Column,
    Gallery,
    Histogram,
    Prose,
    Report,
    Section,
    Slider,
    Table,
)
from dd3g.evaluate.report.columns import better_of, estimate, heading, name_of
from dd3g.evaluate.report.kept import kept_views, pictures
from dd3g.evaluate.report.pictures import view_grid
from dd3g.evaluate.results import tables

_MOST_BARS = 40
_SHOWN_EACH = 6  # objects on each side of a comparison
_SHOWN_VIEWS, _COLUMNS, _SIDE = 8, 4, 112
_FIRST_OF = ("lpips_vgg", "lpips_alex", "lpips_squeeze", "psnr")  # the metric by which objects are ordered: the first that both have


def comparison_report(found: Mapping[str, Any], results: Sequence[Mapping[str, Any]], folders: Sequence[Path]) -> Report:
    """What :func:`dd3g.evaluate.comparison.compare_reports` found, with both results' pictures.

    Args:
        found: Its dictionary.
        results: Both results, first and second.
        folders: Where they stand.
    """
    names = _names(found, folders)
    main = results[0]["setting"]
    table = found["settings"][main]
    metric = next((name for name in _FIRST_OF if name in table["columns"]), next(iter(table["columns"]), None))
    sections = [Section("Differences", [_words(names), *(_differences(name, part, names) for name, part in found["settings"].items())])]
    if metric is not None:
        sections.append(Section("Object by object", [_by_object(table, metric)]))
        if "ours" in results[0]["objects"][0]:  # results of draws keep no pictures
            sections.append(_objects(table, metric, results, folders, main, names))
    title = f"{names[1]} against {names[0]}"
    return Report(title, sections, f"{len(table['objects'])} objects in both, protocol {found['protocol']}")


def _names(found: Mapping[str, Any], folders: Sequence[Path]) -> tuple[str, str]:
    """What tells them apart: the models' names, or the folders' where those are the same."""
    first, second = found["first"]["name"], found["second"]["name"]
    return (first, second) if first != second else (str(folders[0]), str(folders[1]))


def _words(names: tuple[str, str]) -> Prose:
    return Prose(
        f"First: {names[0]}. Second: {names[1]}. Every difference is second minus first on the same object; intervals are 95 % bootstrap "
        "over objects, and one that does not hold 0 names the better. Objects: on how many the first is better, and the second; p is the "
        "sign test's: how often a fair coin would be so one-sided."
    )


def _differences(setting: str, table: Mapping[str, Any], names: tuple[str, str]) -> Table:
    rows: list[list[Cell]] = []
    for column, figures in table["columns"].items():
        counts, words = figures["counts"], {"first": names[0], "second": names[1], None: "not decided"}
        end = " (input view)" if column.endswith("_input") else ""
        rows.append(
            [
                heading(column).name + end,
                figures["first"],
                figures["second"],
                estimate(figures["difference"]),
                f"{counts['first']} : {counts['second']}" + (f", {counts['ties']} equal" if counts["ties"] else ""),
                f"{counts['p']:.2g}",
                words[figures["better"]],
            ]
        )
    columns = [Column(""), Column("first"), Column("second"), Column("second - first"), "objects", "p", "better"]
    return Table(columns, rows, f"{setting}: means over {len(table['objects'])} objects")


def _by_object(table: Mapping[str, Any], metric: str) -> Block:
    """One bar an object while they can be read; then how often which difference."""
    name = name_of(metric)
    each = sorted(((row["name"], row[metric]) for row in table["objects"]), key=lambda pair: (-pair[1], pair[0]))
    title = f"{name}, second minus first ({'above' if better_of(metric) == 'higher' else 'below'} 0 the second is better)"
    if len(each) > _MOST_BARS:
        return Histogram(title, [("objects", [difference for _, difference in each])], name)
    return Bars(title, [(object_name, Interval(difference)) for object_name, difference in each], name)


def _objects(
    table: Mapping[str, Any],
    metric: str,
    results: Sequence[Mapping[str, Any]],
    folders: Sequence[Path],
    setting: str,
    names: tuple[str, str],
) -> Section:
    sign = 1 if better_of(metric) == "higher" else -1
    ranked = sorted(table["objects"], key=lambda row: (-sign * row[metric], row["name"]))
    gained = [row for row in ranked if sign * row[metric] > 0][:_SHOWN_EACH]
    lost = [row for row in reversed(ranked) if sign * row[metric] < 0][:_SHOWN_EACH]
    rows = [{row["name"]: row for row in dict(tables(result))[setting]["objects"]} for result in results]
    blocks: list[Block] = []
    for words, chosen in ((f"Most in favour of {names[1]}", gained), (f"Most in favour of {names[0]}", lost)):
        if chosen:
            cards = [_card(row, metric, [found[row["name"]] for found in rows], folders, names) for row in chosen]
            blocks += [Prose(f"{words}, by {name_of(metric)}:"), Cards(cards)]
    return Section("Side by side", blocks)


def _card(
    difference: Mapping[str, Any], metric: str, rows: Sequence[Mapping[str, Any]], folders: Sequence[Path], names: tuple[str, str]
) -> Card:
    kept = [kept_views(folder, row) for folder, row in zip(folders, rows, strict=True)]
    around = kept[0].around(_SHOWN_VIEWS)
    grids = [view_grid(over_white(pictures(place, around)), _COLUMNS, _SIDE) for place in (kept[0].truth, kept[0].ours, kept[1].ours)]
    figures = f"{name_of(metric)} {rows[0][metric]:.3f} and {rows[1][metric]:.3f}: {difference[metric]:+.3f}"
    return Card(
        difference["name"], [Slider(grids[1], grids[2], *names), Gallery([("truth", grids[0])], _COLUMNS * _SIDE), Prose(figures, "note")]
    )
