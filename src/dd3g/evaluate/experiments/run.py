"""`dd3g experiment`: every arm from every seed, the claims' answers, a report. Safe to kill; the same call goes on.

OUT/EXPERIMENT/results.json                  arms, seeds, figures, findings
OUT/EXPERIMENT/report.html, report.md        the same to be read
"""

from __future__ import annotations

import os
import time
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from dd3g.core.errors import InputError
from dd3g.core.files import make_folder, sweep_partial, write_json
from dd3g.core.progress import Progress
from dd3g.evaluate.experiments.bench import Bench
from dd3g.evaluate.experiments.claims import Finding, estimate, judge
from dd3g.evaluate.experiments.experiment import Experiment, arm_folder, run_arm
from dd3g.evaluate.experiments.figures import MEASURES
from dd3g.evaluate.experiments.presets import experiment_of
from dd3g.evaluate.experiments.scale import SCALES, Scale
from dd3g.evaluate.experiments.source import exact_source, trained_source
from dd3g.evaluate.experiments.world import open_world
from dd3g.evaluate.experiments.writing import report_of
from dd3g.evaluate.report import write_report
from dd3g.teacher.teacher import load_teacher
from dd3g.version import VERSION


@dataclass(frozen=True)
class ExperimentOptions:
    """What a user asks of `dd3g experiment`."""

    scale: str = "tiny"
    seeds: int | None = None  # None: the scale's own number
    teacher: str | None = None  # None: the exact one
    guidance: float = 3.0  # of a trained teacher's draws
    steps: int | None = None  # of each training; None: the scale's own number
    quiet: bool = False


def run_experiment(name: str, options: ExperimentOptions, out: str | os.PathLike[str]) -> dict[str, Any]:
    """Runs an experiment, or goes on with it, and writes its report.

    Returns:
        What ``results.json`` holds.

    Raises:
        InputError: An unknown experiment or scale, or no seeds.
        CheckpointError: The teacher can't be used.
    """
    if options.scale not in SCALES:
        raise InputError(f"--scale {options.scale}: unknown; known are {', '.join(SCALES)}")
    if options.seeds is not None and options.seeds < 1:
        raise InputError(f"--seeds: found {options.seeds}, expected at least 1")
    if options.steps is not None and options.steps < 1:
        raise InputError(f"--steps: found {options.steps}, expected at least 1")
    scale = SCALES[options.scale]()
    scale = scale if options.steps is None else replace(scale, steps=options.steps)
    experiment_of(name, scale)  # refused before anything is made
    scale, bench = _bench(scale, options, Path(out))
    experiment = experiment_of(name, scale)
    seeds = scale.seeds if options.seeds is None else options.seeds
    started, spent = time.monotonic(), time.process_time()
    cells = [(arm, seed) for seed in range(seeds) for arm in experiment.arms]
    progress = Progress(len(cells), f"{name}: arms x seeds", quiet=options.quiet)
    found: dict[str, list[dict[str, Any]]] = {arm: [] for arm in experiment.arms}
    for arm, seed in cells:
        found[arm].append(run_arm(bench, experiment.arms[arm], seed))
        progress.advance(note=f"{arm}, seed {seed}")
    progress.close()
    images = {arm: [one["images"] for one in each] for arm, each in found.items()}
    findings = [judge(claim, images) for claim in experiment.claims if _known(claim.measure, images[claim.arm])]
    pictures = {arm: arm_folder(bench, experiment.arms[arm], 0) / "renders.png" for arm in experiment.arms}
    measures = [m for m in experiment.measures if _known(m, images[next(iter(images))])]
    results = {
        "experiment": name,
        "title": experiment.title,
        "question": experiment.question,
        "setup": _setup(experiment, scale, bench, seeds),
        "arms": {
            arm: {
                "figures": {m: asdict(estimate(m, images[arm])) for m in measures},
                "parameters": each[0].get("parameters"),
                "train_seconds": [one["train_seconds"] for one in each if "train_seconds" in one],
                "train_noise_rms": each[0].get("train_noise_rms"),
                "curves": [one["curve"] for one in each if "curve" in one],
                "picture": os.path.relpath(pictures[arm], out),
                "images": images[arm],
            }
            for arm, each in found.items()
        },
        "findings": [_finding(finding) for finding in findings],
        "dd3g": VERSION,
        "seconds": round(time.monotonic() - started, 1),
        "processor_seconds": round(time.process_time() - spent, 1),
    }
    folder = make_folder(Path(out) / name)
    sweep_partial(folder)
    write_json(folder / "results.json", results)
    write_report(report_of(experiment, results, findings, pictures, bench.world), folder)
    return results


def _bench(scale: Scale, options: ExperimentOptions, out: Path) -> tuple[Scale, Bench]:
    world = open_world(scale.world, out / "data", quiet=options.quiet)
    if options.teacher is None:
        return scale, Bench(world, exact_source(world), out, options.quiet)
    source = trained_source(world, load_teacher(options.teacher), options.guidance)
    # The student takes noise of the teacher's shape, in as many pattern tokens as with the exact one.
    extraction = replace(scale.model.extraction, latent_size=source.shape[-1], channels=scale.model.extraction.channels * 2, blocks=(1, 1))
    return replace(scale, model=replace(scale.model, extraction=extraction)), Bench(world, source, out, options.quiet)


def _known(measure: str, seeds: list[list[dict[str, Any]]]) -> bool:
    """Whether there is such a figure: views between and completions are known of the exact teacher's draws alone."""
    try:
        MEASURES[measure].of(seeds[0][0])
    except KeyError:
        return False
    return True


def _setup(experiment: Experiment, scale: Scale, bench: Bench, seeds: int) -> dict[str, Any]:
    world = scale.world
    return {
        "scale": scale.name,
        "seeds": seeds,
        "teacher": bench.source.name,
        "teacher_digest": bench.source.digest,
        "world_digest": bench.world.digest,
        "inputs": {"train": world.train, "held_out": world.held_out, "size_px": world.size, "completions": bench.world.ways},
        "draws": {"train": scale.draws, "held_out": scale.held_out_draws},
        "training": {"steps": scale.steps, "batch": scale.batch, "render_px": scale.render_size},
        "differs": experiment.differs,
        "note": experiment.note,
    }


def _finding(finding: Finding) -> dict[str, Any]:
    return {
        **asdict(finding.claim),
        "verdict": finding.verdict,
        "difference": asdict(finding.difference),
        "of_each_seed": list(finding.of_each_seed),
        "sentence": finding.sentence(),
    }
