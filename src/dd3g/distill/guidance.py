"""Guidance without its side effect: a guided estimate spreads wider than any picture does, and colours saturate.

The mend is ImageDream's, "std rescale" of the clean estimate (E3): a share of it gets back the spread that the unguided one has, over all
views of an object together. What comes out is a noise predictor again, so both forms of the loss take it.
"""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

from dd3g.teacher.ddim import Epsilon, Predictions, clean_estimate, guided
from dd3g.teacher.schedule import Schedule

_STILL = 1e-6  # a spread below it is none, and scales nothing


def rescaled(predictions: Predictions, schedule: Schedule, guidance: float, share: float) -> Epsilon:
    """The guided noise predictor whose clean estimate is z_0 (share std_c / std_g + 1 - share), std_c being the conditional one's.

    Args:
        predictions: The teacher with the picture, and without it.
        schedule: The teacher's.
        guidance: w of E2; at 1 nothing changes.
        share: phi, 0 (plain guidance) to 1 (the conditional spread).
    """

    def epsilon(z: Tensor, t: int) -> Tensor:
        conditional, unconditional = predictions(z, t)
        wide = guided(unconditional, conditional, guidance)
        if share == 0:
            return wide
        clean = clean_estimate(z, wide, schedule, t)
        factor = share * _spread(clean_estimate(z, conditional, schedule, t)) / _spread(clean).clamp_min(_STILL) + 1 - share
        return (z - schedule.signal(t) * factor * clean) / schedule.noise(t)

    return epsilon


def _spread(latents: Float[Tensor, "b v c l l"]) -> Float[Tensor, "b 1 1 1 1"]:
    return torch.std(latents, dim=(1, 2, 3, 4), keepdim=True)
