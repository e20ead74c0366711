"""Implicit verification (E12 to E14): the frozen teacher judges latents of the student's renders by score distillation.

    z = encode(renders)                                     # gradient through the codec's encoder, and nowhere else
    t = draw_time(random)                                   # low noise: layout survives, texture may be corrected
    loss = implicit(z, epsilon, schedule, t, noise)

The gradient of the loss at z is w(t) (eps_hat - eps) over the number of values, eps_hat being the teacher's answer to z noised by eps. What
the teacher would say to a changed z is left out, as score distillation does. It joins the explicit objective under a curriculum
(:mod:`dd3g.distill.curriculum`) in :mod:`dd3g.recipes.verification`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from dd3g.core.errors import InputError
from dd3g.distill.curriculum import Curriculum, checked
from dd3g.teacher.ddim import Epsilon
from dd3g.teacher.schedule import Schedule

FIRST_TIME, LAST_TIME = 20, 300  # the paper's range, both included
Weighting = Literal["noise", "clean"]


@dataclass(frozen=True)
class ImplicitConfig:
    """How a student is verified while it learns; neither ``weight`` nor ``balance`` is no verification at all."""

    weight: float = 0.0  # beta_max
    balance: float = 0.0  # or rho: beta_max such that its gradient at the Gaussians is this share of the explicit one's, in every step
    curriculum: Curriculum = field(default_factory=Curriculum)
    weighting: Weighting = "noise"
    guidance: float = 2.0  # of the teacher; ours. Much more saturates colours (method.md 7.3), 1 asks it half as much
    rescale: float = 0.2  # share of the guided estimate that gets back the spread of the unguided one; ImageDream's
    first_time: int = FIRST_TIME
    last_time: int = LAST_TIME
    every: int = 2  # steps; it counts that many times where it is asked, so that its weight over a run does not depend on it
    one_in: int = 2  # samples of a batch, other ones every time; the loss is a mean over those
    supervised: float = 0.5  # share of verifications at the teacher's supervised cameras; the rest from anywhere round the object
    elevation_deg: tuple[float, float] = (0.0, 30.0)  # of those from anywhere
    noise: Literal["fresh", "own"] = "fresh"  # own: a quadruple's noise where its own views are verified; not the paper's
    statistics: float = 0.0  # weight of colours' mean and spread against the targets', under the same beta; not the paper's

    @property
    def wanted(self) -> bool:
        """Whether there is anything to verify with."""
        return self.weight > 0 or self.balance > 0


def checked_implicit(config: ImplicitConfig) -> ImplicitConfig:
    """The configuration itself.

    Raises:
        InputError: Two ways to find beta, times that no schedule has, or shares that are none.
    """
    checked(config.curriculum)
    low, high = config.elevation_deg
    wrong = [
        (min(config.weight, config.balance) < 0, f"weight {config.weight} and balance {config.balance}", "no negative ones"),
        (config.weight > 0 and config.balance > 0, f"weight {config.weight} and balance {config.balance}", "one of the two"),
        (
            not 0 <= config.first_time <= config.last_time <= 999,
            f"first_time {config.first_time} and last_time {config.last_time}",
            "0 <= first_time <= last_time <= 999",
        ),
        (config.every < 1, f"every {config.every}", "at least 1"),
        (config.one_in < 1, f"one_in {config.one_in}", "at least 1"),
        (not 0 <= config.supervised <= 1, f"supervised {config.supervised}", "0 to 1"),
        (not 0 <= config.rescale <= 1, f"rescale {config.rescale}", "0 to 1"),
        (not -90 < low <= high < 90, f"elevation_deg {list(config.elevation_deg)}", "[low, high] between -90 and 90"),
    ]
    for is_wrong, found, expected in wrong:
        if is_wrong:
            raise InputError(f"loss.implicit: found {found}, expected {expected}")
    return config


def implicit(
    z: Float[Tensor, "b v c l l"],
    epsilon: Epsilon,
    schedule: Schedule,
    t: int,
    noise: Float[Tensor, "b v c l l"],
    weighting: Weighting = "noise",
) -> Float[Tensor, ""]:
    """L_IV as a loss to differentiate (E14): 1/2 mean |z - sg(z - w(t) (eps_hat - eps))|^2.

    Its value says nothing of how good z is; its gradient points where the teacher would not go.

    Args:
        z: Latents of all views of b objects.
        epsilon: The frozen predictor, with picture, cameras and guidance in it; see :func:`dd3g.teacher.teacher.epsilon_of`.
        schedule: The teacher's.
        t: One time for all views, see :func:`draw_time`.
        noise: eps, standard normal, its own for every view.
        weighting: See :func:`weight_of`.
    """
    with torch.no_grad():
        here = z.detach()
        surprise = epsilon(schedule.diffused(here, noise, t), t) - noise
        target = here - weight_of(schedule, t, weighting) * surprise
    return 0.5 * (z - target).square().mean()


def weight_of(schedule: Schedule, t: int, weighting: Weighting = "noise") -> float:
    """w(t) of E13.

    "noise": 1 - abar_t, DreamFusion's. "clean": kappa_t, with which the target is the teacher's own guess of the clean latents, since
    z - z_0_hat = kappa_t (eps_hat - eps).

    # differs: the sources don't give the paper's w(t); "noise" is ours.
    """
    return schedule.noise(t) ** 2 if weighting == "noise" else schedule.kappa(t)


def draw_time(random: np.random.Generator, first: int = FIRST_TIME, last: int = LAST_TIME) -> int:
    """t of E12: uniform from ``first`` to ``last``, both included."""
    return int(random.integers(first, last, endpoint=True))
