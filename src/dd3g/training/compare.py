"""Runs side by side: how far each is, what it scored, and the settings in which they differ."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dd3g.core.errors import InputError
from dd3g.core.files import read_json
from dd3g.core.progress import duration
from dd3g.training.journal import read_journal


@dataclass(frozen=True)
class RunSummary:
    """One run, as its folder tells it."""

    folder: str
    kind: str
    step: int
    steps: int
    best: dict[str, float]  # largest and smallest are both told: which is better is the recipe's to know
    seconds: float | None  # until the last score
    settings: dict[str, Any]  # flat: "fit.lr" -> value


def find_runs(folders: Sequence[str | os.PathLike[str]]) -> list[Path]:
    """The runs among ``folders`` and directly inside them.

    Raises:
        InputError: A folder is none and holds none.
    """
    found: list[Path] = []
    for folder in map(Path, folders):
        here = [folder] if _is_run(folder) else sorted(inner for inner in folder.glob("*") if _is_run(inner))
        if not here:
            raise InputError(f"{folder}: neither a run nor a folder of runs (no config.json with metrics.jsonl); give what --out was")
        found += here
    return found


def summarise(run: Path) -> RunSummary:
    """Reads a run's config and journal."""
    config, events = read_json(run / "config.json"), read_journal(run / "metrics.jsonl")
    scored = [event for event in events if event["kind"] == "evaluate"]
    names = [name for name in (scored[-1] if scored else {}) if name not in ("kind", "step", "seconds")]
    best = {
        f"{name} {word}": choose(e[name] for e in scored if name in e) for name in names for word, choose in (("max", max), ("min", min))
    }
    return RunSummary(
        folder=str(run),
        kind=config["kind"],
        step=max((event["step"] for event in events), default=0),
        steps=config["fit"]["steps"],
        best=best,
        seconds=scored[-1].get("seconds") if scored else None,
        settings=dict(_flat({"recipe": config["recipe"], "fit": config["fit"]})),
    )


def differing_settings(runs: Sequence[RunSummary]) -> dict[str, list[Any]]:
    """Settings that are not the same in all runs: name -> value in each; None where a run has none."""
    names = sorted({name for run in runs for name in run.settings})
    table = {name: [run.settings.get(name) for run in runs] for name in names}
    return {name: values for name, values in table.items() if any(value != values[0] for value in values)}


def as_text(runs: Sequence[RunSummary]) -> str:
    """A paragraph a run, then the settings that differ."""
    lines = []
    for run in runs:
        time = "" if run.seconds is None else f"  {duration(run.seconds)}"
        lines.append(f"{run.folder}: {run.kind} {run.step}/{run.steps}{time}")
        names = [name.removesuffix(" max") for name in run.best if name.endswith(" max")]
        lines += [f"  {name}  {run.best[name + ' min']:.4g} .. {run.best[name + ' max']:.4g}" for name in names]
    differing = differing_settings(runs)
    if differing:
        lines.append("settings that differ, in the order above:")
        lines += [f"  {name}: " + " | ".join(_short(value) for value in values) for name, values in differing.items()]
    return "\n".join(lines)


def _is_run(folder: Path) -> bool:
    return (folder / "config.json").is_file() and (folder / "metrics.jsonl").is_file()


def _flat(value: Any, place: str = "") -> Iterator[tuple[str, Any]]:
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from _flat(inner, f"{place}.{key}" if place else str(key))
    else:
        yield place, value


def _short(value: Any) -> str:
    text = str(value)
    return text if len(text) <= 40 else text[:37] + "..."
