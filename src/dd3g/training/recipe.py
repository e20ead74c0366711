"""What the engine is told: a network, its batches, its loss. The engine knows no room and no network."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from PIL.Image import Image
from torch import Tensor, nn

Batch = Any  # whatever the recipe's own loss takes


@dataclass(frozen=True)
class Score:
    """One figure that chooses the best checkpoint."""

    name: str  # key in what ``evaluate`` returns
    larger_is_better: bool = True


@dataclass(frozen=True)
class Recipe:
    """Everything that is particular to one network.

    ``batch`` and ``losses`` are pure functions of the step (and of the network), so that a run can be resumed exactly.
    """

    kind: str  # of the model file: "student", "background", ...
    identity: Mapping[str, Any]  # JSON that, with the FitConfig, defines the result; a resumed run must have the same
    network: nn.Module
    batch: Callable[[int], Batch]  # step -> batch
    losses: Callable[[nn.Module, Batch, int], Mapping[str, Tensor]]  # weighted terms; their sum is minimised
    export: Callable[[Path, nn.Module, Mapping[str, Any]], None]  # path, averaged network, about
    evaluate: Callable[[nn.Module], Mapping[str, float]] | None = None
    score: Score | None = None
    sheet: Callable[[nn.Module], Image] | None = None  # a picture to look at
    batch_threads: int = 1  # where the network is on a GPU, this many batches are made at once while it works
