"""How much of the clean latents is left at a time t: the forward process, z_t = sqrt(abar_t) z_0 + sqrt(1 - abar_t) eps (E1).

Coefficients are float64 on the CPU and become Python numbers where they meet tensors: in half precision 1 - abar_0 would be wrong by 4 %.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from jaxtyping import Float, Float64, Int
from torch import Tensor

from dd3g.core.errors import InputError


@dataclass(frozen=True)
class Schedule:
    """abar_t for t = 0 ... T - 1, falling from almost 1 to almost 0."""

    alphas_bar: Float64[Tensor, " t"]

    def __len__(self) -> int:
        """T, the number of times that training knows."""
        return self.alphas_bar.shape[0]

    def signal(self, t: int) -> float:
        """sqrt(abar_t): what is left of the clean latents."""
        return math.sqrt(self.alphas_bar[t].item())

    def noise(self, t: int) -> float:
        """sqrt(1 - abar_t): how much noise has come."""
        return math.sqrt(1 - self.alphas_bar[t].item())

    def kappa(self, t: int) -> float:
        """sqrt((1 - abar_t) / abar_t), the time in which the ODE is straight (E5)."""
        return self.noise(t) / self.signal(t)

    def diffused(
        self, clean: Float[Tensor, "*shape"], noise: Float[Tensor, "*shape"], t: int | Int[Tensor, " b"]
    ) -> Float[Tensor, "*shape"]:
        """E1. ``t``: one time, or one for each of the first axis."""
        if isinstance(t, int):
            return self.signal(t) * clean + self.noise(t) * noise
        kept = self.alphas_bar.to(t.device)[t].reshape(-1, *[1] * (clean.ndim - 1))
        return kept.sqrt().to(clean) * clean + (1 - kept).sqrt().to(clean) * noise


def scaled_linear(times: int = 1000, first_beta: float = 0.00085, last_beta: float = 0.012) -> Schedule:
    """Linear in sqrt(beta), Stable Diffusion's and ImageDream's (LDM calls it "linear")."""
    root = torch.linspace(math.sqrt(first_beta), math.sqrt(last_beta), times, dtype=torch.float64)
    return Schedule((1 - root.square()).cumprod(0))


def ddim_times(schedule: Schedule, steps: int) -> tuple[int, ...]:
    """Times at which the sampler asks the network, from noise to views: 981, 961 ... 21, 1 for 50 steps of 1000.

    The last step goes from the last of them to time 0, whose abar is 0.99915 and not 1, as the teacher's own sampler has it.

    Raises:
        InputError: Fewer than one step, or more than the schedule has times.
    """
    if not 1 <= steps < len(schedule):
        raise InputError(f"steps: found {steps}, expected 1 to {len(schedule) - 1}")
    stride = len(schedule) // steps
    return tuple(1 + stride * k for k in reversed(range(steps)) if 1 + stride * k < len(schedule))
