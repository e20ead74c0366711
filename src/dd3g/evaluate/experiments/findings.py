"""The page of all findings: each claim with its verdict, its figures and a chart; what was not run says so.

Tables and charts are made from the results under a folder; what stands between the marks of an experiment's comment is people's, and is
kept from one making to the next.
"""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any

from dd3g.core.files import make_folder, read_json, write_atomically
from dd3g.evaluate.experiments.experiment import Experiment
from dd3g.evaluate.experiments.presets import EXPERIMENTS, experiment_of
from dd3g.evaluate.experiments.scale import SCALES
from dd3g.evaluate.experiments.writing import figures_of, opened, table_of
from dd3g.evaluate.report import Gallery, Report, Section, markdown

_HEAD = """# Findings

What the paper claims, put to students that a core trains in a minute or two each, on a world whose teacher is exact
([decision 13](decisions/0013-experiment-world.md)). This page is made by `dd3g experiment --out DIR --findings docs/findings.md`; comments
are people's. A verdict is computed: **confirmed** where the 95 % interval over held-out inputs lies on the claim's side whole, the mean is
at least the margin and every seed says so; **contradicted** where the interval lies on the other side whole and every seed says so;
**not seen** otherwise. All of it holds at this scale and no other: students of 1.1 million parameters, 64 px, 900 steps.
"""
_SHOWN, _WIDE = 2, 620  # arms whose pictures are shown; px
_COMMENT = re.compile(r"<!-- comment ([a-z-]+) -->\n(.*?)<!-- end -->", re.DOTALL)


def write_findings(out: str | os.PathLike[str], page: str | os.PathLike[str]) -> None:
    """Writes the page from what lies under ``out``, its pictures into ``findings/`` beside it.

    Args:
        out: Folder of experiments.
        page: The Markdown file; comments that are in it stay.
    """
    target = Path(page)
    before = dict(_COMMENT.findall(target.read_text(encoding="utf-8"))) if target.is_file() else {}
    found = {name: _results(Path(out) / name / "results.json") for name in EXPERIMENTS}
    parts = [_HEAD, _summary(found)]
    for name, results in found.items():
        parts.append(_section(name, results, before.get(name, ""), Path(out), target.parent))
    with write_atomically(target) as temporary:
        temporary.write_text("\n".join(parts), encoding="utf-8")


def _results(path: Path) -> dict[str, Any] | None:
    return read_json(path) if path.is_file() else None


def _summary(found: dict[str, dict[str, Any] | None]) -> str:
    lines = ["| experiment | claim | verdict | difference, 95 % | seeds |", "|---|---|---|---|---|"]
    for name, results in found.items():
        if results is None:
            lines.append(f"| [{name}](#{name}) | {experiment_of(name, SCALES['small']()).question} | not run yet | | |")
            continue
        for finding in results["findings"]:
            d = finding["difference"]
            ends = "" if d["low"] is None else f" ({d['low']:+.3f} to {d['high']:+.3f})"
            seeds = ", ".join(f"{value:+.3f}" for value in finding["of_each_seed"])
            verdict = f"{finding['verdict']}{' (tiny: says nothing)' if results['setup']['scale'] == 'tiny' else ''}"
            lines.append(f"| [{name}](#{name}) | {finding['text']} | {verdict} | {d['mean']:+.3f}{ends} | {seeds} |")
    return "\n".join(lines) + "\n"


def _section(name: str, results: dict[str, Any] | None, comment: str, out: Path, folder: Path) -> str:
    experiment = experiment_of(name, SCALES[results["setup"]["scale"] if results else "small"]())
    parts = [f"## {name}\n", f"**{experiment.title}{'' if experiment.title.endswith('?') else '.'}** {experiment.question}\n"]
    if results is None:
        parts.append(f"Not run yet: `dd3g experiment {name} --scale small`.\n")
    else:
        setup = results["setup"]
        parts.append(f"{setup['seeds']} seeds, {setup['teacher']}, scale {setup['scale']}. Arms differ in: {experiment.differs}.\n")
        parts.append(_charts(name, experiment, results, out, folder))
        parts += [f"- {finding['sentence']}" for finding in results["findings"]]
        if experiment.note:
            parts.append(f"\n{experiment.note}\n")
    parts.append(f"\n<!-- comment {name} -->\n{comment}<!-- end -->\n")
    return "\n".join(parts)


def _charts(name: str, experiment: Experiment, results: dict[str, Any], out: Path, folder: Path) -> str:
    """Charts, table and two arms' pictures as Markdown, their files written beside the page."""
    blocks = [*figures_of(experiment, results), table_of(experiment, results)]
    sheets = [(arm, out / about["picture"]) for arm, about in results["arms"].items()][: _SHOWN if experiment.over is None else 1]
    blocks.append(Gallery([(f"{arm}, seed 0", opened(path)) for arm, path in sheets if path.is_file()], _WIDE))
    text, files = markdown(Report("", [Section("", blocks)]), f"findings/{name}")
    place = make_folder(folder / "findings" / name)
    for file, content in files.items():
        with write_atomically(place / file) as temporary:
            temporary.write_bytes(content)
    return "\n".join(line for line in text.splitlines() if not re.fullmatch(r"#+ *", line)) + "\n"
