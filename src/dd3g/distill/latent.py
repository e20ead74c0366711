"""A warm phase in latents (method: 13, row 3): what extraction finds in the noise must tell the teacher's clean latents of that noise.

Before any Gaussian stands where it should, renders say little of which noise was given. Here the tie between N and OI is asked for at once:

    a head on the pattern tokens -> z_0 of every view,    L = weight * (1 - progress / end) * MSE to the z_0 that was drawn

The head (:mod:`dd3g.student.latent_head`) is dropped when the phase is over.

# differs: the paper supervises renders alone.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from dd3g.core.errors import InputError


@dataclass(frozen=True)
class LatentConfig:
    """The warm phase; no weight is none at all."""

    weight: float = 0.0  # at the first step; latents have about unit variance
    end: float = 0.2  # share of the run over which it falls to 0, in a line

    @property
    def wanted(self) -> bool:
        """Whether there is such a phase."""
        return self.weight > 0


def checked_latent(config: LatentConfig) -> LatentConfig:
    """The configuration itself.

    Raises:
        InputError: A negative weight, or an end outside the run.
    """
    if config.weight < 0 or not 0 < config.end <= 1:
        raise InputError(f"loss.latent: found weight {config.weight} and end {config.end}, expected weight >= 0 and 0 < end <= 1")
    return config


def latent_weight(config: LatentConfig, progress: float) -> float:
    """The weight at a share of the run that is done; 0 at the first step."""
    return config.weight * max(1 - progress / config.end, 0.0)


def latent_loss(predicted: Float[Tensor, "b v c l l"], latents: Float[Tensor, "b v c l l"]) -> Float[Tensor, ""]:
    """MSE over the samples that have latents; 0 without any.

    Args:
        predicted: The head's answer.
        latents: z_0 as the teacher drew it; NaN in samples that were not drawn.
    """
    known = ~latents.flatten(1).isnan().any(1)
    wanted = torch.where(known[:, None, None, None, None], latents, predicted.detach())
    return (predicted - wanted).square().flatten(1).mean(1).sum() / known.sum().clamp_min(1)
