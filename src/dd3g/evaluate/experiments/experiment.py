"""What an experiment is: arms that differ in one thing, and claims about their figures."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from dd3g.evaluate.experiments.bench import Bench, cell_folder, kept
from dd3g.evaluate.experiments.cell import Cell, run_cell
from dd3g.evaluate.experiments.claims import Claim
from dd3g.evaluate.experiments.gradients import GradientProbe, run_probe
from dd3g.evaluate.experiments.interpolation import Interpolation, run_interpolation
from dd3g.evaluate.experiments.shapes import ShapeFit, run_shapes

Arm = Cell | ShapeFit | GradientProbe | Interpolation


@dataclass(frozen=True)
class Experiment:
    """One of the paper's questions."""

    title: str
    question: str  # what the paper says, or what is asked of it
    differs: str  # the one thing in which arms differ
    arms: Mapping[str, Arm]
    claims: tuple[Claim, ...]
    measures: tuple[str, ...]  # of the table; the first one is drawn
    note: str = ""  # what to know before reading the figures
    over: Mapping[str, float] | None = None  # where arms are places on an axis: arm -> place
    over_label: str = ""


def seeded(arm: Arm, seed: int) -> Arm:
    """The arm from a seed: of weights, batches and all that is drawn."""
    return replace(arm, fit=replace(arm.fit, seed=seed)) if isinstance(arm, Cell | ShapeFit) else arm


def run_arm(bench: Bench, arm: Arm, seed: int) -> dict[str, Any]:
    """The figures of an arm from a seed, computed once."""
    what = seeded(arm, seed)

    def compute(folder: Path) -> dict[str, Any]:
        if isinstance(what, Cell):
            return run_cell(bench, what, folder)
        if isinstance(what, ShapeFit):
            return run_shapes(bench, what, folder)
        if isinstance(what, GradientProbe):
            return run_probe(bench, what, seed, folder)
        return run_interpolation(bench, what, seed, folder)

    return kept(bench, what, seed, compute)


def arm_folder(bench: Bench, arm: Arm, seed: int) -> Path:
    """Where an arm's pictures are."""
    return cell_folder(bench, seeded(arm, seed), seed)
