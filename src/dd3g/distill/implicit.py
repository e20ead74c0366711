"""Implicit verification (E12 to E14): the frozen teacher judges latents of the student's renders by score distillation.

    z = encode(renders)                                     # gradient through the codec's encoder, and nowhere else
    t = draw_time(random)                                   # low noise: layout survives, texture may be corrected
    loss = implicit(z, epsilon, schedule, t, noise)

The gradient of the loss at z is w(t) (eps_hat - eps) over the number of values, eps_hat being the teacher's answer to z noised by eps. What
the teacher would say to a changed z is left out, as score distillation does. Not part of the training objective yet.
"""

from __future__ import annotations

from typing import Literal

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from dd3g.teacher.ddim import Epsilon
from dd3g.teacher.schedule import Schedule

FIRST_TIME, LAST_TIME = 20, 300  # the paper's range, both included
Weighting = Literal["noise", "clean"]


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


def draw_time(random: np.random.Generator) -> int:
    """t of E12: uniform from FIRST_TIME to LAST_TIME, both included."""
    return int(random.integers(FIRST_TIME, LAST_TIME, endpoint=True))
