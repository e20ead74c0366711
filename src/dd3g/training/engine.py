"""The training loop: set up, step, average, log, evaluate, save. One story, for every network.

RUN/
  config.json           what the run is: recipe and FitConfig, resolved; versions and machine
  metrics.jsonl         one event a line: train, evaluate
  sheets/000100.png     pictures to look at
  checkpoints/last.pt   all that is needed to go on; best.pt the state that scored best
  model.safetensors     the averaged weights of the best state, ready for use; of the last one where none is scored
  last.safetensors      the averaged weights of the state in which the run ended or stopped: what a later part goes on from
  report.html           curves and sheets, opens from disk
"""

from __future__ import annotations

import contextlib
import math
import os
import platform
import resource
import signal
import sys
import time
from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from dd3g.core.errors import TrainingError
from dd3g.core.files import make_folder, sweep_partial, write_atomically, write_json
from dd3g.core.progress import duration
from dd3g.core.threads import usable_cores
from dd3g.training.average import Average
from dd3g.training.checkpoint import State, load_state, save_state
from dd3g.training.config import FitConfig, SessionConfig, learning_rate
from dd3g.training.journal import Journal
from dd3g.training.recipe import Batch, Recipe
from dd3g.training.report import write_report

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
    run = make_folder(out)
    sweep_partial(run)
    threads = session.threads or usable_cores()
    torch.set_num_threads(threads)
    device = torch.device(session.device)
    if device.type == "cuda":
        torch.set_float32_matmul_precision("high")  # TF32: 10 bits of mantissa are enough for gradients, and several times as fast
    identity = {"kind": recipe.kind, "recipe": dict(recipe.identity), "fit": asdict(config)}

    network = recipe.network.to(device).train()
    optimiser = torch.optim.AdamW(_decay_groups(network, config.weight_decay), lr=config.lr, betas=config.betas, foreach=True)
    average = Average(network, config.ema_decay)
    last = run / "checkpoints" / "last.pt"
    step, best, spent = 0, None, 0.0
    if last.exists():
        state = load_state(last)
        _refuse_other_run(run, state.identity, identity)
        network.load_state_dict(state.network)
        average.network.load_state_dict(state.average)
        optimiser.load_state_dict(state.optimiser)
        step, best, spent = state.step, state.best, state.seconds
    write_json(run / "config.json", {**identity, "about": _machine(threads, device)})

    def snapshot() -> State:
        now = spent + time.monotonic() - started
        return State(step, network.state_dict(), average.network.state_dict(), optimiser.state_dict(), identity, best, now)

    started = saved = logged = time.monotonic()
    logged_step, skipped, finished = step, 0, False
    sums: dict[str, float] = {}
    with Journal(run / "metrics.jsonl", step) as journal, _stop_flag() as stopping, _Ahead(recipe, step, device) as ahead:
        while step < config.steps and not stopping():
            torch.manual_seed(_mix(config.seed, step))  # whatever a loss draws depends on the step alone
            batch = ahead.take(step)
            with torch.autocast(device.type, torch.bfloat16, enabled=config.precision == "bfloat16"):
                terms = {name: term.float() for name, term in recipe.losses(network, batch, step).items()}
            loss = torch.stack(list(terms.values())).sum()
            optimiser.zero_grad(set_to_none=True)
            loss.backward()
            norm = nn.utils.clip_grad_norm_(network.parameters(), config.clip_norm)
            # one look at the device a step: every value that is read makes it wait
            values = dict(zip(("loss", "grad_norm", *terms), torch.stack([loss, norm, *terms.values()]).tolist(), strict=True))
            if not (math.isfinite(values["loss"]) and math.isfinite(values["grad_norm"])):
                skipped += 1
                _keep_nonfinite(run, step, batch, terms, norm, config, skipped)
                step += 1
                continue
            skipped = 0
            for group in optimiser.param_groups:
                group["lr"] = learning_rate(config, step)
            optimiser.step()
            average.update(network, step)
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
            if recipe.evaluate is not None and (step % config.evaluate_every == 0 or step == config.steps):
                scores = dict(recipe.evaluate(average.network))
                journal.write("evaluate", step, {**scores, "seconds": spent + now - started})
                if not session.quiet:
                    print(f"{recipe.kind} {step}: " + "  ".join(f"{k} {v:.4g}" for k, v in scores.items()), file=sys.stderr, flush=True)
                if recipe.score is not None and _better(recipe, scores[recipe.score.name], best):
                    best = scores[recipe.score.name]
                    save_state(run / "checkpoints" / "best.pt", snapshot())
                    _export(recipe, run / "model.safetensors", average.network, step, scores, spent + now - started)
            if recipe.sheet is not None and (step % config.sheet_every == 0 or step == config.steps):
                with write_atomically(run / "sheets" / f"{step:07d}.png") as temporary:
                    recipe.sheet(average.network).save(temporary)
                write_report(run)
            if now - saved > config.save_every_s:
                save_state(last, snapshot())
                saved = time.monotonic()
            if session.max_minutes is not None and now - started > session.max_minutes * 60:
                break
    finished = step >= config.steps
    state = snapshot()
    save_state(last, state)
    _export(recipe, run / "last.safetensors", average.network, step, {}, state.seconds)
    if recipe.score is None or not (run / "model.safetensors").exists():
        _export(recipe, run / "model.safetensors", average.network, step, {}, state.seconds)
    write_report(run)
    if not session.quiet:
        how = "finished" if finished else "stopped; the same command goes on"
        print(f"{recipe.kind} {step}/{config.steps} in {duration(state.seconds)}: {how}", file=sys.stderr, flush=True)
    return {"step": step, "finished": finished, "best": best, "seconds": state.seconds}


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


def _decay_groups(network: nn.Module, weight_decay: float) -> list[dict[str, Any]]:
    """Weight decay for matrices and kernels; none for biases, norms, and parameters that stand alone (embeddings, starts)."""
    decayed, free = [], []
    for module in network.modules():
        for name, parameter in module.named_parameters(recurse=False):
            is_matrix = isinstance(module, nn.Linear | nn.Conv2d) and name == "weight"
            (decayed if is_matrix else free).append(parameter)
    return [{"params": decayed, "weight_decay": weight_decay}, {"params": free, "weight_decay": 0.0}]


def _refuse_other_run(run: Path, found: dict[str, Any], wanted: dict[str, Any]) -> None:
    differing = sorted(_differences(found, wanted))
    if differing:
        shown = "; ".join(differing[:4]) + (f"; and {len(differing) - 4} more" if len(differing) > 4 else "")
        raise TrainingError(f"{run}: holds another run ({shown}); choose another --out, or give the options that this run began with")


def _differences(found: Any, wanted: Any, place: str = "") -> Iterator[str]:
    if isinstance(found, dict) and isinstance(wanted, dict):
        for key in found.keys() | wanted.keys():
            yield from _differences(found.get(key), wanted.get(key), f"{place}.{key}" if place else str(key))
    elif (list(found) if isinstance(found, tuple) else found) != (list(wanted) if isinstance(wanted, tuple) else wanted):
        yield f"{place} was {found!r}, now {wanted!r}"


def _better(recipe: Recipe, value: float, best: float | None) -> bool:
    assert recipe.score is not None
    return best is None or (value > best if recipe.score.larger_is_better else value < best)


def _export(recipe: Recipe, path: Path, network: nn.Module, step: int, scores: dict[str, float], seconds: float) -> None:
    recipe.export(path, network, {"steps": step, "scores": scores, "training_seconds": round(seconds)})


def _keep_nonfinite(run: Path, step: int, batch: Batch, terms: Any, norm: Tensor, config: FitConfig, skipped: int) -> None:
    """Keeps the first offending batch for a post-mortem; then stops, or lets a few such steps pass."""
    place = run / f"nonfinite-{step:07d}.pt"
    if skipped == 1:
        with write_atomically(place) as temporary:
            torch.save(
                {"step": step, "batch": getattr(batch, "__dict__", batch), "terms": {k: v.item() for k, v in terms.items()}}, temporary
            )
    found = ", ".join(f"{k} {v.item():.3g}" for k, v in terms.items()) + f", gradient norm {norm.item():.3g}"
    if config.on_nonfinite == "stop" or skipped >= _MOST_SKIPPED_IN_A_ROW:
        raise TrainingError(
            f"{run}: step {step} is not finite ({found}); its batch is in {place.name}; go on from checkpoints/last.pt with a smaller lr, "
            "or with on_nonfinite=skip"
        )
    print(f"step {step}: not finite ({found}); skipped", file=sys.stderr, flush=True)


def _say(recipe: Recipe, config: FitConfig, step: int, means: dict[str, float], rate: float) -> None:
    left = duration((config.steps - step) / rate)
    peak_gb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    shown = "  ".join(f"{k} {v:.4f}" for k, v in means.items())
    print(
        f"{recipe.kind} {step}/{config.steps}  {shown}  {rate:.2f} steps/s  {left} left  peak {peak_gb:.1f} GB", file=sys.stderr, flush=True
    )


def _mix(seed: int, step: int) -> int:
    """A 63-bit seed from (seed, step) whose neighbours are unrelated (SplitMix64's finaliser)."""
    x = (seed * 0x9E3779B97F4A7C15 + step + 1) & 0xFFFFFFFFFFFFFFFF
    x = ((x ^ (x >> 30)) * 0xBF58476D1CE4E5B9) & 0xFFFFFFFFFFFFFFFF
    x = ((x ^ (x >> 27)) * 0x94D049BB133111EB) & 0xFFFFFFFFFFFFFFFF
    return (x ^ (x >> 31)) & 0x7FFFFFFFFFFFFFFF


def _machine(threads: int, device: torch.device) -> dict[str, Any]:
    from dd3g.version import VERSION

    return {
        "dd3g": VERSION,
        "torch": torch.__version__,
        "python": platform.python_version(),
        "machine": platform.machine(),
        "threads": threads,
        "device": torch.cuda.get_device_name(device) if device.type == "cuda" else "cpu",
    }
