"""How colourful renders are, against what they should show: the measure of oversaturation, and a loss that holds it.

Score distillation saturates (the paper's stated weakness). Which pixel has which colour is for the other terms to say; here only mean and
spread of an object's colours count, over all its views, so that views from elsewhere than the targets can be compared.
"""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

_LITTLE = 1e-3  # alpha over all pixels below which nothing is seen
_FLAT = 1e-6  # variance that is none; keeps the root's gradient finite


def statistics(premultiplied: Float[Tensor, "b v 4 h w"]) -> tuple[Float[Tensor, "b 3"], Float[Tensor, "b 3"]]:
    """Mean and standard deviation of each channel of straight colour, weighted by alpha, over all views of an object."""
    light, alpha = premultiplied[:, :, :3], premultiplied[:, :, 3:]
    seen = alpha.sum((1, 3, 4)).clamp_min(_LITTLE)
    mean = light.sum((1, 3, 4)) / seen
    # Where alpha is thin, straight colour is c = light / alpha; alpha (c - m)^2 = (light - alpha m)^2 / alpha.
    off = (light - alpha * mean[:, None, :, None, None]).square() / alpha.clamp_min(_LITTLE)
    return mean, (off.sum((1, 3, 4)) / seen + _FLAT).sqrt()


def statistics_loss(ours: Float[Tensor, "b v 4 h w"], truth: Float[Tensor, "b w 4 h2 w2"]) -> Float[Tensor, ""]:
    """Mean squared difference of means and of spreads; views and sizes may differ.

    Args:
        ours: Renders over black with their alpha, premultiplied.
        truth: The targets, premultiplied; nothing is learnt about them.
    """
    wanted = statistics(truth.detach())
    return torch.stack([(a - b).square().mean() for a, b in zip(statistics(ours), wanted, strict=True)]).mean()


def saturation(rgb: Float[Tensor, "*batch 3 h w"]) -> Float[Tensor, "*batch"]:
    """Mean of the largest minus the smallest channel, in [0, 1]: 0 for greys."""
    return (rgb.amax(-3) - rgb.amin(-3)).mean((-2, -1))
