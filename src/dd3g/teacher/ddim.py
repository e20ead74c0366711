"""The deterministic ODE between noise and latents (DDIM with eta 0), over any noise predictor, and its inverse.

views = ddim_sample(epsilon, noise, schedule, 50)          # Phi of E6, without the decoder
back = invert(epsilon, views, schedule, 50).noise           # the noise that the same ODE ties to views

``epsilon(z, t)`` predicts the noise in latents ``z`` at the integer time ``t``; conditions, cameras and guidance are its own affair. What
comes out is a function of the noise: nothing is drawn here. Latents keep their dtype; coefficients are float64.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from dd3g.core.errors import InputError
from dd3g.teacher.schedule import Schedule, ddim_times

Epsilon = Callable[[Tensor, int], Tensor]
Predictions = Callable[[Tensor, int], tuple[Tensor, Tensor]]  # with the picture, and without it


def guided(unconditional: Float[Tensor, "*shape"], conditional: Float[Tensor, "*shape"], weight: float) -> Float[Tensor, "*shape"]:
    """Classifier-free guidance (E2): eps_u + w (eps_c - eps_u). Weight 1 is the conditional prediction alone."""
    return unconditional + weight * (conditional - unconditional)


def clean_estimate(z: Float[Tensor, "*shape"], epsilon: Float[Tensor, "*shape"], schedule: Schedule, t: int) -> Float[Tensor, "*shape"]:
    """z_0 as the prediction has it (E3)."""
    return (z - schedule.noise(t) * epsilon) / schedule.signal(t)


def ode_step(z: Float[Tensor, "*shape"], epsilon: Float[Tensor, "*shape"], schedule: Schedule, t: int, to: int) -> Float[Tensor, "*shape"]:
    """From time ``t`` to time ``to`` along one prediction (E4), either way: a straight line in (kappa, z / sqrt(abar)) (E5)."""
    along = schedule.kappa(to) - schedule.kappa(t)
    return schedule.signal(to) * (z / schedule.signal(t) + along * epsilon)


@torch.no_grad()
def ddim_sample(epsilon: Epsilon, noise: Float[Tensor, "*shape"], schedule: Schedule, steps: int = 50) -> Float[Tensor, "*shape"]:
    """Follows the ODE from noise to latents of views.

    Args:
        epsilon: The noise predictor, guided or not.
        noise: N, standard normal.
        schedule: Of the forward process.
        steps: Calls of ``epsilon``.

    Raises:
        InputError: A number of steps that the schedule does not have.
    """
    times = ddim_times(schedule, steps)
    z = noise
    for t, to in zip(times, (*times[1:], 0), strict=True):
        z = ode_step(z, epsilon(z, t), schedule, t, to)
    return z


@dataclass(frozen=True)
class Inverted:
    """Noise whose way through the ODE ends at given latents."""

    noise: Float[Tensor, "*shape"]
    residual: float  # largest |change| of a latent that a last fixed-point iteration still made, over all steps
    calls: int  # of the noise predictor


@torch.no_grad()
def invert(
    epsilon: Epsilon,
    latents: Float[Tensor, "*shape"],
    schedule: Schedule,
    steps: int = 50,
    *,
    iterations: int = 10,
    tolerance: float = 1e-5,
) -> Inverted:
    """Finds the noise from which :func:`ddim_sample` with as many steps arrives at ``latents``.

    A sampler's step z -> z' is explicit in z; going back, z stands on both sides: z = ode_step(z', epsilon(z, t), to -> t), solved by
    fixed-point iteration that begins at z' itself. Its first iteration is the usual "DDIM inversion", up to the time it asks at, and is
    not an inverse: on standard normal data it loses 5 % in 50 steps. Guidance far from 1 makes the iteration diverge; the residual tells.

    Args:
        epsilon: The noise predictor that will be sampled with.
        latents: z_0, what the ODE shall end at.
        schedule: Of the forward process.
        steps: Of the sampler.
        iterations: At most so many a step.
        tolerance: Stop a step where no latent changes by more.

    Raises:
        InputError: A number of steps that the schedule does not have, or no iterations.
    """
    if iterations < 1:
        raise InputError(f"iterations: found {iterations}, expected at least 1")
    times = ddim_times(schedule, steps)
    z, residual, calls = latents, 0.0, 0
    for t, to in zip(reversed(times), (0, *reversed(times[1:])), strict=True):
        start, change = z, float("inf")
        for _ in range(iterations):
            better = ode_step(start, epsilon(z, t), schedule, to, t)
            change, z, calls = (better - z).abs().max().item(), better, calls + 1
            if change <= tolerance:
                break
        residual = max(residual, change)
    return Inverted(z, residual, calls)
