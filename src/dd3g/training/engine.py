"""The training loop: set up, step, average, log, evaluate, save. One story, for every network.

RUN/
  config.json           what the run is: recipe and FitConfig, resolved; versions and machine
  metrics.jsonl         one event a line: train, evaluate
  sheets/000100.png     pictures to look at
  checkpoints/last.pt   all that is needed to go on; best.pt the state that scored best; in shards last.json and best.json name them
  model.safetensors     the averaged weights of the best state, ready for use; of the last one where none is scored
  last.safetensors      the averaged weights of the state in which the run ended or stopped: what a later part goes on from
  report.html           curves and sheets, opens from disk
"""

from __future__ import annotations

import contextlib
import os
import platform
import resource
import signal
import sys
import time
from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import torch
from torch import nn

from dd3g.core.errors import TrainingError
from dd3g.core.files import make_folder, sweep_partial, write_atomically, write_json
from dd3g.core.progress import duration
from dd3g.core.threads import usable_cores
from dd3g.training.config import FitConfig, SessionConfig, learning_rate
from dd3g.training.journal import Journal
from dd3g.training.keeper import Keeper
from dd3g.training.ranks import Ranks, joined_ranks, processes_here
from dd3g.training.recipe import Batch, Recipe
from dd3g.training.rehearsal import rehearse
from dd3g.training.report import write_report
from dd3g.training.trackers import tensorboard, wandb
from dd3g.training.trainee import Trainee, is_finite

_MOST_SKIPPED_IN_A_ROW = 10


def fit(recipe: Recipe, config: FitConfig, out: str | os.PathLike[str], session: SessionConfig | None = None) -> dict[str, Any]:
    """Trains until ``config.steps`` are done or the session's time is up; the same call goes on where it stopped.

    Args:
        recipe: What to train.
        config: How; together with ``recipe.identity`` it is the run's identity, which a resumed run must share.
        out: The run's folder.
        session: Limits of this sitting.

    Returns:
        ``{"step", "finished", "best", "seconds"}``.

    Raises:
        TrainingError: The folder holds another run, or a loss or gradient is not finite (the batch is kept in the folder).
    """
    session = session or SessionConfig()
    device = torch.device(session.device)
    torch.set_num_threads(session.threads or max(usable_cores() // processes_here(), 1))
    if device.type == "cuda":
        torch.set_float32_matmul_precision("high")  # TF32: 10 bits of mantissa are enough for gradients, and several times as fast
    if session.dry_run:
        print(rehearse(recipe, config, session))
        return {"step": 0, "finished": False, "best": None, "seconds": 0.0}
    with joined_ranks(device) as ranks:
        return _fit(recipe, config, make_folder(out), session if ranks.first else replace(session, quiet=True), ranks)


def _fit(recipe: Recipe, config: FitConfig, run: Path, session: SessionConfig, ranks: Ranks) -> dict[str, Any]:
    """The run on one rank. All take the same steps; rank 0 alone logs, scores and writes."""
    device = torch.device(session.device)
    identity = {"kind": recipe.kind, "recipe": dict(recipe.identity), "fit": asdict(config)}
    trainee = Trainee(recipe, config, session, ranks)
    keeper = Keeper(make_folder(run / "checkpoints"), trainee, identity, session, ranks)
    step, best, spent = keeper.resume()
    if ranks.first:
        sweep_partial(run)
        keeper.sweep()
        write_json(run / "config.json", {**identity, "about": _machine(device, ranks, session)})

    trackers = [tensorboard(run)] if session.tensorboard and ranks.first else []
    trackers += [wandb(run, identity)] if session.wandb and ranks.first else []

    def wishes() -> tuple[bool, bool]:
        """(stop, save): signals reach any rank, the clock is rank 0's."""
        now = time.monotonic()
        time_is_up = session.max_minutes is not None and now - started > session.max_minutes * 60
        return stopping() or (ranks.first and time_is_up), ranks.first and now - saved > config.save_every_s

    average = trainee.average.network  # whole on rank 0 after trainee.average.gather
    started = saved = logged = time.monotonic()
    logged_step, skipped = step, 0
    sums: dict[str, float] = {}
    with (
        Journal(run / "metrics.jsonl" if ranks.first else None, step, trackers) as journal,
        _stop_flag() as stopping,
        _Ahead(recipe, step, device) as ahead,
    ):
        while step < config.steps:
            values, (stop, save) = trainee.gradient(ahead.take(step), step, wishes)
            if not is_finite(values):
                skipped += 1
                _keep_nonfinite(run, step, recipe.batch(step), values, config, skipped, ranks)
                step += 1
                continue
            skipped = 0
            trainee.update(step)
            step += 1

            sums = {k: sums.get(k, 0.0) + v for k, v in values.items()}
            now = time.monotonic()
            if step % config.log_every == 0:
                taken = step - logged_step
                means = {k: v / taken for k, v in sums.items()}
                rate, sums, logged, logged_step = taken / (now - logged), {}, now, step
                journal.write("train", step, {**means, "lr": learning_rate(config, step - 1), "steps_per_s": rate})
                if not session.quiet:
                    _say(recipe, config, step, means, rate)
            due = step == config.steps
            if recipe.evaluate is not None and (due or step % config.evaluate_every == 0):
                trainee.average.gather(trainee.network)
                better, scores = False, {}
                if ranks.first:
                    scores = dict(recipe.evaluate(average))
                    journal.write("evaluate", step, {**scores, "seconds": spent + now - started})
                    if not session.quiet:
                        shown = "  ".join(f"{k} {v:.4g}" for k, v in scores.items())
                        print(f"{recipe.kind} {step}: {shown}", file=sys.stderr, flush=True)
                    if recipe.score is not None and _better(recipe, scores[recipe.score.name], best):
                        better, best = True, scores[recipe.score.name]
                if ranks.told(better, device):
                    keeper.keep("best", step, best, spent + time.monotonic() - started)
                    if ranks.first:
                        _export(recipe, run / "model.safetensors", average, step, scores, spent + now - started)
            if recipe.sheet is not None and (due or step % config.sheet_every == 0):
                trainee.average.gather(trainee.network)
                if ranks.first:
                    with write_atomically(run / "sheets" / f"{step:07d}.png") as temporary:
                        recipe.sheet(average).save(temporary)
                    write_report(run)
            if save:
                keeper.keep("last", step, best, spent + now - started)
                saved = time.monotonic()
            if stop:
                break
    seconds = spent + time.monotonic() - started
    keeper.keep("last", step, best, seconds)
    if ranks.first:
        _export(recipe, run / "last.safetensors", average, step, {}, seconds)
        if recipe.score is None or not (run / "model.safetensors").exists():
            _export(recipe, run / "model.safetensors", average, step, {}, seconds)
        write_report(run)
    finished = step >= config.steps
    if not session.quiet:
        how = "finished" if finished else "stopped; the same command goes on"
        print(f"{recipe.kind} {step}/{config.steps} in {duration(seconds)}: {how}", file=sys.stderr, flush=True)
    return {"step": step, "finished": finished, "best": best, "seconds": seconds}


class _Ahead:
    """Batches by step; for a GPU the next ones are made while this one is used."""

    def __init__(self, recipe: Recipe, step: int, device: torch.device) -> None:
        self._recipe, self._device = recipe, device
        self._pool = ThreadPoolExecutor(recipe.batch_threads) if device.type != "cpu" else None
        self._made: deque[Future[Batch]] = deque()
        self._asked = step

    def __enter__(self) -> _Ahead:
        return self

    def __exit__(self, *error: object) -> None:
        if self._pool:
            self._pool.shutdown(wait=True, cancel_futures=True)

    def take(self, step: int) -> Batch:
        if self._pool is None:
            return self._recipe.batch(step)
        while self._asked <= step + self._recipe.batch_threads:
            self._made.append(self._pool.submit(self._recipe.batch, self._asked))
            self._asked += 1
        return self._made.popleft().result().to(self._device)


@contextlib.contextmanager
def _stop_flag() -> Iterator[Any]:
    """SIGINT and SIGTERM end the run after the step in hand, with everything saved. A second SIGINT interrupts at once."""
    caught: list[int] = []

    def note(number: int, frame: object) -> None:
        if caught:
            raise KeyboardInterrupt
        caught.append(number)

    try:
        before = {number: signal.signal(number, note) for number in (signal.SIGINT, signal.SIGTERM)}
    except ValueError:  # not in the main thread: nobody sends us signals
        before = {}
    try:
        yield lambda: bool(caught)
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _better(recipe: Recipe, value: float, best: float | None) -> bool:
    assert recipe.score is not None
    return best is None or (value > best if recipe.score.larger_is_better else value < best)


def _export(recipe: Recipe, path: Path, network: nn.Module, step: int, scores: dict[str, float], seconds: float) -> None:
    recipe.export(path, network, {"steps": step, "scores": scores, "training_seconds": round(seconds)})


def _keep_nonfinite(run: Path, step: int, batch: Batch, values: dict[str, float], config: FitConfig, skipped: int, ranks: Ranks) -> None:
    """Keeps the first offending batch, of all ranks, for a post-mortem; then stops, or lets a few such steps pass."""
    place = run / f"nonfinite-{step:07d}.pt"
    if skipped == 1 and ranks.first:
        with write_atomically(place) as temporary:
            torch.save({"step": step, "batch": getattr(batch, "__dict__", batch), "terms": values}, temporary)
    found = ", ".join(f"{k} {v:.3g}" for k, v in values.items())
    if config.on_nonfinite == "stop" or skipped >= _MOST_SKIPPED_IN_A_ROW:
        raise TrainingError(
            f"{run}: step {step} is not finite ({found}); its batch is in {place.name}; go on from the last state with a smaller lr, "
            "or with on_nonfinite=skip"
        )
    if ranks.first:
        print(f"step {step}: not finite ({found}); skipped", file=sys.stderr, flush=True)


def _say(recipe: Recipe, config: FitConfig, step: int, means: dict[str, float], rate: float) -> None:
    left = duration((config.steps - step) / rate)
    peak_gb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    shown = "  ".join(f"{k} {v:.4f}" for k, v in means.items())
    print(
        f"{recipe.kind} {step}/{config.steps}  {shown}  {rate:.2f} steps/s  {left} left  peak {peak_gb:.1f} GB", file=sys.stderr, flush=True
    )


def _machine(device: torch.device, ranks: Ranks, session: SessionConfig) -> dict[str, Any]:
    from dd3g.version import VERSION

    return {
        "dd3g": VERSION,
        "torch": torch.__version__,
        "python": platform.python_version(),
        "machine": platform.machine(),
        "threads": torch.get_num_threads(),
        "ranks": ranks.world,
        "parallel": session.parallel if ranks.world > 1 else None,
        "device": torch.cuda.get_device_name(device) if device.type == "cuda" else "cpu",
    }
