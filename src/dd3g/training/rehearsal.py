"""`--dry-run`: what a run will take, from a few of its own steps. Nothing is written."""

from __future__ import annotations

import resource
import statistics
import time
from dataclasses import dataclass

import torch

from dd3g.core.progress import duration
from dd3g.training.config import FitConfig, SessionConfig
from dd3g.training.ranks import Ranks
from dd3g.training.recipe import Recipe
from dd3g.training.trainee import Trainee

_STEPS = 3  # the first one warms up


@dataclass(frozen=True)
class Rehearsal:
    """What was counted and measured."""

    parameters: int
    trained: int  # of them
    bytes_held: dict[str, int]  # by what: weights, gradients, optimiser, average
    peak_bytes: int  # of the process (CPU) or of the device's memory (CUDA), activations included
    first_step_s: float
    step_s: float  # median of the others
    steps: int

    @property
    def seconds(self) -> float:
        """Of the whole run, without scoring and writing."""
        return self.first_step_s + (self.steps - 1) * self.step_s

    def __str__(self) -> str:
        held = ", ".join(f"{name} {_mb(size)}" for name, size in self.bytes_held.items())
        return (
            f"parameters: {self.parameters:,}, {self.trained:,} of them trained\n"
            f"memory: {_mb(sum(self.bytes_held.values()))} held ({held}); peak of {_STEPS} steps {_mb(self.peak_bytes)}, measured\n"
            f"time: {self.step_s:.3g} s a step, measured ({self.first_step_s:.3g} s the first); "
            f"{self.steps:,} steps: {duration(self.seconds)}, without scoring"
        )


def rehearse(recipe: Recipe, config: FitConfig, session: SessionConfig) -> Rehearsal:
    """Takes three steps on one rank, and forgets them.

    Args:
        recipe: What would be trained.
        config: How.
        session: Where.
    """
    device = torch.device(session.device)
    trainee, seconds = Trainee(recipe, config, session, Ranks()), []
    for step in range(_STEPS):
        began = time.perf_counter()
        trainee.gradient(recipe.batch(step), step)
        trainee.update(step)
        if device.type == "cuda":
            torch.cuda.synchronize(device)
        seconds.append(time.perf_counter() - began)
    weights = list(trainee.network.parameters())
    moments = [v for entry in trainee.optimiser.state.values() for v in entry.values()]
    held = {
        "weights": _bytes(weights),
        "gradients": _bytes([p.grad for p in weights if p.grad is not None]),
        "optimiser": _bytes(moments),
        "average": _bytes(list(trainee.average.network.parameters())),
    }
    cuda = device.type == "cuda"
    peak = torch.cuda.max_memory_allocated(device) if cuda else resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    return Rehearsal(
        sum(p.numel() for p in weights),
        sum(p.numel() for p in weights if p.requires_grad),
        held,
        peak,
        seconds[0],
        statistics.median(seconds[1:]),
        config.steps,
    )


def _bytes(tensors: list[torch.Tensor] | list[torch.nn.Parameter]) -> int:
    return sum(t.numel() * t.element_size() for t in tensors)


def _mb(size: int) -> str:
    return f"{size / 1e9:.2f} GB" if size >= 1e9 else f"{size / 1e6:.1f} MB"
