"""One cell of an experiment: a student trained in one way from one seed, and what it shows on held-out inputs."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch

from dd3g.core.files import write_atomically
from dd3g.distill.codec_perceptual import CodecPerceptual
from dd3g.evaluate.experiments.bench import Bench
from dd3g.evaluate.experiments.draws import DrawPlan
from dd3g.evaluate.experiments.measures import held_out_figures, held_out_sheet
from dd3g.recipes.quadruple_batches import QuadrupleBatches
from dd3g.recipes.student import StudentLossConfig, student_recipe
from dd3g.recipes.student_batches import StudentBatch, StudentDataConfig
from dd3g.student import PEPDConfig
from dd3g.student.load import load_student
from dd3g.training import FitConfig, Recipe, SessionConfig, fit
from dd3g.training.journal import read_journal

NoiseMode = Literal["own", "shuffled", "fresh", "zero"]


@dataclass(frozen=True)
class Cell:
    """Everything that decides a student's figures, beside the teacher and the seed."""

    model: PEPDConfig
    data: StudentDataConfig
    loss: StudentLossConfig
    fit: FitConfig  # its seed is the cell's
    train: tuple[DrawPlan, ...]
    held_out: DrawPlan
    noise: NoiseMode = "own"  # given beside a draw's views: its noise, another draw's of the same input, noise of no draw, or none


def run_cell(bench: Bench, cell: Cell, folder: Path) -> dict[str, Any]:
    """Trains, or goes on with it, and measures.

    Args:
        bench: Where.
        cell: What.
        folder: Its place, for the training's own files and its pictures.
    """
    started, seed = time.process_time(), cell.fit.seed
    drawn, implicit = [bench.draws(plan) for plan in cell.train], cell.loss.implicit
    recipe = student_recipe(
        cell.model,
        cell.data,
        cell.loss,
        [],
        None,
        seed=seed,
        provenance={"teacher": bench.source.digest},
        collections=[one.decoded for one in drawn],
        codec=CodecPerceptual(bench.world.codec) if cell.loss.perceptual == "codec" else None,
        verifier=bench.source.verifier(implicit) if implicit.wanted else None,
        steps=cell.fit.steps,
    )
    assert isinstance(recipe.batch, QuadrupleBatches)
    recipe = replace(recipe, batch=noised(recipe.batch, cell.noise, seed), evaluate=None)
    train_whole(recipe, cell.fit, folder / "run")
    trained = time.process_time() - started

    torch.set_num_threads(1)
    student = load_student(folder / "run" / "last.safetensors").network
    held_out, zero = bench.draws(cell.held_out), cell.noise == "zero"
    images = held_out_figures(student, bench.world, held_out, CodecPerceptual(bench.world.codec), zero_noise=zero)
    if bench.source.exact:
        off = target_offs(bench, cell)
        images = [{**row, "target_off": off} for row in images]
    with write_atomically(folder / "renders.png") as temporary:
        held_out_sheet(student, held_out, zero_noise=zero).save(temporary)
    shutil.rmtree(folder / "run" / "checkpoints", ignore_errors=True)
    return {
        "images": images,
        # weighted MSE of the training batches, means between two entries
        "curve": [(event["step"], event["mse"]) for event in read_journal(folder / "run" / "metrics.jsonl") if "mse" in event],
        "parameters": sum(p.numel() for p in student.parameters()),
        "train_noise_rms": [one.noise_rms for one in drawn],
        "train_seconds": round(trained, 1),  # of processor time
    }


def train_whole(recipe: Recipe, config: FitConfig, run: Path) -> None:
    """Trains to the last step, or goes on with it.

    Raises:
        KeyboardInterrupt: A signal ended it before; half a training must not be measured.
    """
    if not fit(recipe, config, run, SessionConfig(threads=1, quiet=True))["finished"]:
        raise KeyboardInterrupt


def target_offs(bench: Bench, cell: Cell) -> float:
    """How far the training draws' latents lie from their completion, root mean square over that of the teacher's own spread."""
    offs = [bench.draws(plan).off for plan in cell.train]
    return float(np.mean(offs)) / bench.world.config.spread


def noised(batches: QuadrupleBatches, mode: NoiseMode, seed: int) -> Callable[[int], StudentBatch]:
    """The batches with another noise beside the same views; a pure function of (seed, step)."""
    if mode == "own":
        return batches
    shape = batches.collections[0].collection.plan.latent_shape
    noises: dict[int, list[torch.Tensor]] = {}
    if mode == "shuffled":
        for c, i in batches.places:
            quadruple = batches.collections[c].collection.quadruples[i]
            noises.setdefault(batches.pictures[c, quadruple.image_id], []).append(quadruple.noise_of(shape))

    def batch(step: int) -> StudentBatch:
        made = batches(step)
        if mode == "zero":
            return replace(made, noise=torch.zeros_like(made.noise))
        random = np.random.Generator(np.random.Philox(key=np.array([seed, 5 << 60 | step], np.uint64)))
        if mode == "fresh":
            return replace(made, noise=torch.from_numpy(random.standard_normal(made.noise.shape, np.float32)))
        others = [noises[picture] for picture in made.picture.tolist()]
        return replace(made, noise=torch.stack([draws[int(random.integers(len(draws)))] for draws in others]))

    return batch
