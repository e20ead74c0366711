"""A teacher that knows its data: the best noise predictor there is for a finite world, in closed form.

Latents of one input's views are one of its K completions mu_k, equally likely, with a little Gaussian spread sigma about it. Then

    z_t | k ~ N(s mu_k, (s^2 sigma^2 + n^2) I),    s = sqrt(abar_t), n = sqrt(1 - abar_t)
    w_k(z) = softmax_k(-|z - s mu_k|^2 / 2 (s^2 sigma^2 + n^2))
    E[z_0 | z, k] = mu_k + s sigma^2 (z - s mu_k) / (s^2 sigma^2 + n^2)
    eps(z, t) = (z - s E[z_0 | z]) / n,            E[z_0 | z] = sum_k w_k E[z_0 | z, k]

so that DDIM, its inverse, guidance and verification run on it as on a trained network. Without an input it is the mixture over all inputs'.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor

from dd3g.teacher.ddim import Epsilon, Predictions
from dd3g.teacher.schedule import Schedule


def posterior_mean(
    z: Float[Tensor, "b v c h w"], completions: Float[Tensor, "b k v c h w"], spread: float, schedule: Schedule, t: int
) -> Float[Tensor, "b v c h w"]:
    """E[z_0 | z_t = z] of latents that are N(mu_k, spread^2 I), each k equally likely.

    Args:
        z: Noised latents.
        completions: mu_k, those of each row its own.
        spread: sigma.
        schedule: Of the forward process.
        t: Time.
    """
    signal, noise = schedule.signal(t), schedule.noise(t)
    variance = (signal * spread) ** 2 + noise**2
    off = z[:, None] - signal * completions
    weight = torch.softmax(-off.flatten(2).square().sum(2) / (2 * variance), 1)
    nearest = torch.einsum("bk,bk...->b...", weight, completions)
    return nearest + signal * spread**2 / variance * (z - signal * nearest)


def exact_epsilon(completions: Float[Tensor, "b k v c h w"], spread: float, schedule: Schedule) -> Epsilon:
    """The noise predictor of a batch whose rows have these completions."""

    def epsilon(z: Tensor, t: int) -> Tensor:
        return (z - schedule.signal(t) * posterior_mean(z, completions, spread, schedule, t)) / schedule.noise(t)

    return epsilon


def exact_predictions(
    completions: Float[Tensor, "b k v c h w"], everything: Float[Tensor, "m v c h w"], spread: float, schedule: Schedule
) -> Predictions:
    """Both halves of guidance (E2): knowing the input, and knowing only that it is one of the world's.

    Args:
        completions: Of each row's input.
        everything: Of all inputs; a few are as good as all where they are many.
        spread: sigma.
        schedule: Of the forward process.
    """
    conditional = exact_epsilon(completions, spread, schedule)

    def predictions(z: Tensor, t: int) -> tuple[Tensor, Tensor]:
        unconditional = exact_epsilon(everything.expand(len(z), *everything.shape), spread, schedule)
        return conditional(z, t), unconditional(z, t)

    return predictions


def nearest_completion(latents: Float[Tensor, "b v c h w"], completions: Float[Tensor, "b k v c h w"]) -> Sequence[int]:
    """Which completion each row lies at."""
    return (latents[:, None] - completions).flatten(2).square().sum(2).argmin(1).tolist()
