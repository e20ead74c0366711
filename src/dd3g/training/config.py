"""Settings of a run that every network shares."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from dd3g.core.errors import InputError


@dataclass(frozen=True)
class FitConfig:
    """How long, how fast, how often. What is learned stands in the recipe."""

    steps: int = 20_000
    lr: float = 4e-4  # peak
    lr_final: float = 4e-6  # at the last step, by cosine
    warmup_steps: int = 200
    betas: tuple[float, float] = (0.9, 0.95)
    weight_decay: float = 0.05  # matrices only: no biases, norms or embeddings
    clip_norm: float = 1.0  # global norm of the gradient
    ema_decay: float = 0.999
    seed: int = 0
    precision: Literal["float32", "bfloat16"] = "float32"  # bfloat16: of matrix products and convolutions; weights stay float32
    accumulate: int = 1  # passes of a step on each rank; the batch of all ranks is cut in ranks x accumulate parts
    on_nonfinite: Literal["stop", "skip"] = "stop"
    log_every: int = 20
    save_every_s: float = 120.0
    evaluate_every: int = 1000
    sheet_every: int = 1000


@dataclass(frozen=True)
class SessionConfig:
    """What may differ between the sittings of one run without changing its result (threads change last bits only)."""

    max_minutes: float | None = None
    threads: int | None = None  # None: all that the process may use
    device: str = "cpu"
    quiet: bool = False
    parallel: Literal["ddp", "fsdp"] = "ddp"  # several ranks: each with the whole network, or with a shard of it
    sharded_state: bool = False  # each rank writes its part; of large sharded networks always, see dd3g.training.keeper
    recompute: bool = False  # activations of blocks in the backward pass instead of keeping them
    tensorboard: bool = False  # events also to RUN/tensorboard
    wandb: bool = False  # and to Weights & Biases
    dry_run: bool = False  # say what the run will take, and write nothing
    compile: bool = False  # blocks, by torch.compile; last bits differ


def check_device(name: str) -> None:
    """Refuses a device that this machine, or this build of torch, does not have.

    Raises:
        InputError: It can't hold a tensor.
    """
    import torch

    try:
        torch.zeros(1, device=name)
    except (RuntimeError, AssertionError, NotImplementedError) as error:  # torch has a kind for each way to fail
        reason = str(error).strip().splitlines()[0].rstrip(".")
        raise InputError(
            f"--device {name}: can't be used here ({reason}); expected cpu, or cuda with a GPU and torch's GPU build"
        ) from None


def learning_rate(config: FitConfig, step: int) -> float:
    """Linear warm-up, then a cosine from ``lr`` to ``lr_final``; a pure function of the step."""
    import math

    if step < config.warmup_steps:
        return config.lr * (step + 1) / config.warmup_steps
    share = (step - config.warmup_steps) / max(config.steps - config.warmup_steps, 1)
    return config.lr_final + (config.lr - config.lr_final) * 0.5 * (1 + math.cos(math.pi * min(share, 1.0)))
