"""An experiment's report: the claim, the setup, the figure, and what we conclude."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from dd3g.evaluate.experiments.claims import Finding
from dd3g.evaluate.experiments.experiment import Experiment
from dd3g.evaluate.experiments.figures import MEASURES
from dd3g.evaluate.experiments.world import World, world_sheet
from dd3g.evaluate.report import Bars, Block, Column, Details, Gallery, Interval, Lines, Prose, Report, Section, Series, Table

_WIDE = 620


def report_of(
    experiment: Experiment, results: Mapping[str, Any], findings: Sequence[Finding], pictures: Mapping[str, Path], world: World
) -> Report:
    """The report of an experiment that was run.

    Args:
        experiment: What was asked.
        results: What results.json holds.
        findings: The answers.
        pictures: Of each arm, where the sheet of its first seed lies.
        world: Whose inputs they are.
    """
    setup = results["setup"]
    shown = [(arm, opened(path)) for arm, path in pictures.items() if path.is_file()]
    return Report(
        experiment.title,
        (
            Section("The claim", [Prose(experiment.question)]),
            Section("What we conclude", [Prose(finding.sentence(), "verdict") for finding in findings] + [Prose(_rule(), "note")]),
            Section("The figure", [*figures_of(experiment, results), table_of(experiment, results)]),
            Section(
                "The setup",
                [
                    *_setup(experiment, setup, results),
                    Details("The world", [Gallery([("inputs and their completions", world_sheet(world))], _WIDE)]),
                ],
            ),
            Section("Pictures", [Gallery(shown[:1] if experiment.over else shown, _WIDE)]),
        ),
        f"{setup['seeds']} seeds at scale {setup['scale']}, {setup['teacher']}",
    )


def figures_of(experiment: Experiment, results: Mapping[str, Any]) -> list[Block]:
    """The first measure as bars, or over the axis on which arms are places; and the training's curves."""
    blocks: list[Block] = []
    arms, first = results["arms"], next(m for m in experiment.measures if m in next(iter(results["arms"].values()))["figures"])
    if experiment.over is None:
        bars = [(arm, Interval(**about["figures"][first])) for arm, about in arms.items()]
        blocks.append(Bars(MEASURES[first].label, bars))
    else:
        log = max(experiment.over.values()) > 8 * max(min(experiment.over.values()), 1e-9)
        for measure in [m for m in experiment.measures if m in next(iter(arms.values()))["figures"]][:4]:
            points = sorted((place, arms[arm]["figures"][measure]) for arm, place in experiment.over.items())
            series = Series(
                MEASURES[measure].label,
                [x for x, _ in points],
                [f["mean"] for _, f in points],
                *([f[end] for _, f in points] for end in ("low", "high")),
            )
            ticks = sorted(experiment.over.values())
            blocks.append(Lines(MEASURES[measure].label, [series], experiment.over_label, x_ticks=ticks, log_x=log))
    curves = [(arm, about["curves"]) for arm, about in arms.items() if about["curves"] and about["curves"][0]]
    if curves:
        blocks.append(Lines("Training loss (weighted MSE), mean over seeds", [_curve(arm, each) for arm, each in curves], "steps"))
    return blocks


def table_of(experiment: Experiment, results: Mapping[str, Any]) -> Table:
    """Every measure of every arm with its interval."""
    known = [m for m in experiment.measures if m in next(iter(results["arms"].values()))["figures"]]
    rows = [
        [arm, *(Interval(**about["figures"][m]) for m in known), "" if about["parameters"] is None else f"{about['parameters']:,}"]
        for arm, about in results["arms"].items()
    ]
    return Table(
        ["arm", *(MEASURES[m].column() for m in known), Column("parameters")], rows, "Means over inputs and seeds; 95 % over inputs."
    )


def _curve(arm: str, seeds: Sequence[Sequence[Sequence[float]]]) -> Series:
    length = min(map(len, seeds))
    values = np.array([[y for _, y in curve[:length]] for curve in seeds])
    return Series(arm, [x for x, _ in seeds[0][:length]], values.mean(0).tolist())


def _setup(experiment: Experiment, setup: Mapping[str, Any], results: Mapping[str, Any]) -> list[Block]:
    inputs, draws, training = setup["inputs"], setup["draws"], setup["training"]
    seconds = [s for about in results["arms"].values() for s in about["train_seconds"]]
    took = f" A training took {np.mean(seconds):.0f} s of processor time." if seconds else ""
    blocks: list[Block] = [
        Prose(
            f"{setup['teacher']} on {inputs['train']} training inputs and {inputs['held_out']} that were held out, "
            f"{inputs['completions']} completions each, views of {inputs['size_px']} px; {draws['train']} draws of a training input, "
            f"{draws['held_out']} of a held-out one; {training['steps']} steps of {training['batch']} samples, "
            f"rendered at {training['render_px']} px.{took}"
        ),
        Prose(f"Arms differ in: {experiment.differs}."),
    ]
    return [*blocks, Prose(experiment.note, "note")] if experiment.note else blocks


def _rule() -> str:
    return (
        "Confirmed: the 95 % interval over held-out inputs lies on the claim's side whole, the mean is at least the margin, and every seed "
        "says so. Contradicted: the interval lies on the other side whole, and every seed says so. Not seen: everything else."
    )


def opened(path: Path) -> Image.Image:
    """A picture from its file."""
    with Image.open(path) as picture:
        return picture.convert("RGB")
