"""Explicit supervision (E11): renders of the student's Gaussians against the views they should show."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from dd3g.render import Render

_PERFECT = 1e-4  # MSE that is good enough (40 dB): its logarithm would fall for ever
Perceptual = Callable[[Tensor, Tensor], Tensor]  # two pictures (b, 3, h, w) in [0, 1] -> distance (b,)


@dataclass(frozen=True)
class ExplicitWeights:
    """Weights of the terms of L_ES; the paper states the terms (MSE and LPIPS), not the weights."""

    mse: float = 1.0  # lambda_m of E11
    log_mse: float = 0.0  # differs: of the logarithm of each view's MSE, which PSNR measures; MSE itself hears the worst objects alone
    perceptual_views: int = 3  # of an object's views, the term's network sees this many: it costs more than the renderer
    perceptual: float = 0.2  # lambda_p of E11; ours: LPIPS-squeeze at 64 px is coarser than the paper's LPIPS at 256 px
    alpha: float = 0.5  # differs: the paper names no matte loss; views with true alpha give one for nothing


def explicit(
    render: Render,
    truth: Float[Tensor, "*batch v 3 h w"],
    truth_alpha: Float[Tensor, "*batch v 1 h w"],
    weights: ExplicitWeights,
    perceptual: Perceptual | None,
) -> dict[str, Tensor]:
    """L_ES = lambda_m MSE + lambda_p LPIPS + lambda_a MSE(alpha) + lambda_l log MSE, each a mean over views and objects.

    Args:
        render: Ours, over some background.
        truth: The views over the same background.
        truth_alpha: Their alpha.
        weights: Weights of the terms.
        perceptual: A perceptual distance, or None to leave the term out.

    Returns:
        The weighted terms by name; their sum is the loss.
    """
    terms = {
        "mse": weights.mse * (render.rgb - truth).square().mean(),
        "alpha": weights.alpha * (render.alpha - truth_alpha).square().mean(),
    }
    if weights.log_mse > 0:
        each = (render.rgb - truth).square().mean((-3, -2, -1))
        terms["log_mse"] = weights.log_mse * (each + _PERFECT).log().mean()
    if perceptual is not None and weights.perceptual > 0:
        chosen = slice(None, None, max(truth.shape[-4] // weights.perceptual_views, 1))
        flat = (-1, *truth.shape[-3:])
        # Splats may overshoot [0, 1] by rounding only; the network behind the distance knows nothing of values outside.
        terms["perceptual"] = (
            weights.perceptual
            * perceptual(render.rgb[..., chosen, :, :, :].reshape(flat).clamp(0, 1), truth[..., chosen, :, :, :].reshape(flat)).mean()
        )
    return terms


def psnr(first: Float[Tensor, "*batch 3 h w"], second: Float[Tensor, "*batch 3 h w"]) -> Float[Tensor, "*batch"]:
    """Peak signal-to-noise ratio in dB of each picture, for values in [0, 1]."""
    return -10 * torch.log10((first - second).square().mean((-3, -2, -1)).clamp_min(1e-10))
