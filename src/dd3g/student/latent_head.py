"""A head beside the student, for its warm phase: pattern tokens -> latents of the teacher's views. No file of a student holds it.

Every token stands for a square of its view's latents, and tells those of it: (b, p, width) -> (b, v, c, l, l).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import cast

import torch
from jaxtyping import Float
from torch import Tensor, nn

from dd3g.student.config import PEPDConfig
from dd3g.student.pepd import PEPD

_NAME = "latent_head"


class LatentHead(nn.Module):
    """A norm and one linear layer: what it cannot read off the tokens is not in them."""

    def __init__(self, config: PEPDConfig) -> None:
        super().__init__()
        self.views, channels, size, _ = config.noise_shape
        self.grid = config.extraction.token_grid
        square = size // self.grid
        self.norm = nn.LayerNorm(config.width)
        self.tell = nn.Linear(config.width, channels * square**2)
        self.place = nn.PixelShuffle(square)

    def forward(self, patterns: Float[Tensor, "b p width"]) -> Float[Tensor, "b v c l l"]:
        """Latents of all views; the tokens come view by view, row-major."""
        told = self.tell(self.norm(patterns)).unflatten(1, (self.views, self.grid, self.grid))
        return self.place(told.movedim(-1, 2))


def add_latent_head(student: PEPD, seed: int) -> None:
    """Gives a student the head, so that it is trained, averaged and kept with it. No other weight, and no random number after, changes."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        student.add_module(_NAME, LatentHead(student.config))


def latent_head_of(student: PEPD) -> LatentHead | None:
    """The head, where it was given one."""
    return cast("LatentHead | None", getattr(student, _NAME, None))


def without_latent_head(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """A student's own tensors by name."""
    return {name: tensor for name, tensor in tensors.items() if not name.startswith(_NAME + ".")}
