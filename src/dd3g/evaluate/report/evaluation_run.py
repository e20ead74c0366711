"""From a result on disk to its report: what it needs beside the figures is gathered here."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from dd3g.core.weights import BUNDLED
from dd3g.evaluate.nearest import Neighbour, nearest_training_objects
from dd3g.evaluate.report.evaluation import evaluation_report
from dd3g.evaluate.report.kept import kept_views, pictures
from dd3g.evaluate.report.write import write_report
from dd3g.recipes.views_pack import open_pack
from dd3g.training.journal import read_journal

_QUARTERS_DEG = (0, 90, 180, 270)


def write_evaluation_report(
    results: Mapping[str, Any],
    folder: str | os.PathLike[str],
    *,
    model: str | os.PathLike[str] | None = None,
    training_views: str | os.PathLike[str] | None = None,
    worst_by: str | None = None,
    quiet: bool = False,
) -> Path:
    """Writes ``report.html`` and ``report.md`` beside ``results.json``.

    Args:
        results: What ``results.json`` holds.
        folder: Where it stands, with the pictures that it names.
        model: The file that was evaluated; where its run's journal stands beside it, the report has the training curves.
        training_views: Views (or an archive) that the model was trained on, for the nearest training object of each.
        worst_by: Metric that chooses the failures.
        quiet: No progress.

    Returns:
        The page.

    Raises:
        InputError: No such metric, pictures that are gone, or training views that are none.
    """
    place = Path(folder)
    neighbours = None if training_views is None else _neighbours(results, place, training_views, quiet)
    journal = [] if model is None or model == BUNDLED else read_journal(Path(model).parent / "metrics.jsonl")
    return write_report(evaluation_report(results, place, neighbours=neighbours, journal=journal, worst_by=worst_by), place)


def _neighbours(results: Mapping[str, Any], folder: Path, training_views: str | os.PathLike[str], quiet: bool) -> dict[str, Neighbour]:
    objects = {}
    for row in results["objects"]:
        kept = kept_views(folder, row)
        objects[row["name"]] = pictures(kept.truth, [kept.near(azimuth) for azimuth in _QUARTERS_DEG])
    return nearest_training_objects(objects, open_pack(training_views, quiet=quiet))
