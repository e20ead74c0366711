"""Figures of likeness between pictures, per picture."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from dd3g.distill.explicit import psnr

Metric = Callable[[Tensor, Tensor], Tensor]  # (v, 3, h, w) twice, in [0, 1] -> (v,)

_WINDOW, _SIGMA = 11, 1.5
_C1, _C2 = 0.01**2, 0.03**2


def ssim(first: Float[Tensor, "v 3 h w"], second: Float[Tensor, "v 3 h w"]) -> Float[Tensor, " v"]:
    """Structural similarity (Wang et al. 2004): 11x11 Gaussian window of sigma 1.5, data range 1, only windows inside the picture."""
    half = _WINDOW // 2
    line = torch.exp(-0.5 * ((torch.arange(_WINDOW, dtype=torch.float64) - half) / _SIGMA) ** 2)
    line = (line / line.sum()).to(first)

    def blurred(x: Tensor) -> Tensor:
        x = F.conv2d(x.flatten(0, 1)[:, None], line[None, None, None])
        return F.conv2d(x, line[None, None, :, None]).unflatten(0, first.shape[:2])[:, :, 0]

    mean_a, mean_b = blurred(first), blurred(second)
    var_a, var_b = blurred(first * first) - mean_a**2, blurred(second * second) - mean_b**2
    covariance = blurred(first * second) - mean_a * mean_b
    likeness = (2 * mean_a * mean_b + _C1) * (2 * covariance + _C2) / ((mean_a**2 + mean_b**2 + _C1) * (var_a + var_b + _C2))
    return likeness.mean((1, 2, 3))


def mean_of(values: list[float]) -> float:
    """Plain mean; nan for none."""
    return sum(values) / len(values) if values else math.nan


METRICS: dict[str, Metric] = {"psnr": psnr, "ssim": ssim}  # LPIPS joins where its weights are (evaluate/scoring.py)
