"""Figures of likeness between pictures, per picture."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping

import torch
from jaxtyping import Float
from torch import Tensor

from dd3g.distill.explicit import psnr

Metric = Callable[[Tensor, Tensor], Tensor]  # (v, 3, h, w) twice, in [0, 1] -> (v,)

_WINDOW, _SIGMA = 11, 1.5
_C1, _C2 = 0.01**2, 0.03**2
_WHITE = 1.0  # what pictures are taken from: squares near one round by 1e-7, which C2 divides; white paper is exact as zeros


def ssim(first: Float[Tensor, "v 3 h w"], second: Float[Tensor, "v 3 h w"]) -> Float[Tensor, " v"]:
    """Structural similarity (Wang et al. 2004): 11x11 Gaussian window of sigma 1.5, data range 1, only windows inside the picture."""
    return ssim_of_many(second, {"first": first})["first"]


def ssim_of_many(truth: Float[Tensor, "v 3 h w"], guesses: Mapping[str, Float[Tensor, "n 3 h w"]]) -> dict[str, Float[Tensor, " v"]]:
    """:func:`ssim` of every guess with the truth, each picture's windows computed once; a guess of one picture stands for all views."""
    truth, guesses = truth - _WHITE, {name: pictures - _WHITE for name, pictures in guesses.items()}
    once = {name: _windows(pictures[0]) for name, pictures in guesses.items() if len(pictures) == 1}
    found: dict[str, list[Tensor]] = {name: [] for name in guesses}
    for i, true in enumerate(truth):  # one picture at a time stays in the cache
        windows = _windows(true)
        for name, pictures in guesses.items():
            ours = pictures[0] if name in once else pictures[i]
            found[name].append(_likeness(ours, once.get(name) or _windows(ours), true, windows))
    return {name: torch.stack(values) for name, values in found.items()}


def _windows(picture: Float[Tensor, "3 h w"]) -> tuple[Tensor, Tensor]:
    """Mean and variance of every window of a picture less white."""
    mean = _blurred(picture)
    return mean, _blurred(picture * picture) - mean**2


def _likeness(a: Tensor, of_a: tuple[Tensor, Tensor], b: Tensor, of_b: tuple[Tensor, Tensor]) -> Float[Tensor, ""]:
    (mean_a, var_a), (mean_b, var_b) = of_a, of_b
    covariance = _blurred(a * b) - mean_a * mean_b
    mean_a, mean_b = mean_a + _WHITE, mean_b + _WHITE
    top, bottom = (2 * mean_a * mean_b + _C1) * (2 * covariance + _C2), (mean_a**2 + mean_b**2 + _C1) * (var_a + var_b + _C2)
    return (top / bottom).mean()


def _blurred(x: Tensor) -> Tensor:
    for axis in (-1, -2):
        inside = x.shape[axis] - _WINDOW + 1
        total = torch.zeros_like(x.narrow(axis, 0, inside))
        for k, weight in enumerate(_WEIGHTS):  # shifted sums: a convolution of one channel is an order of magnitude slower
            total.add_(x.narrow(axis, k, inside), alpha=weight)
        x = total
    return x


def _gaussian() -> list[float]:
    line = torch.exp(-0.5 * ((torch.arange(_WINDOW, dtype=torch.float64) - _WINDOW // 2) / _SIGMA) ** 2)
    return (line / line.sum()).tolist()


_WEIGHTS = _gaussian()


def mean_of(values: list[float]) -> float:
    """Plain mean; nan for none."""
    return sum(values) / len(values) if values else math.nan


METRICS: dict[str, Metric] = {"psnr": psnr, "ssim": ssim}  # networks join where their weights are (evaluate/perceptual.py)

_LPIPS = "LPIPS v0.1 over {}, whole picture at full size, inputs scaled to [-1, 1]"
# What stands in every protocol and result; a change of what is computed is a change of its words.
DEFINITIONS: dict[str, str] = {
    "psnr": "10 log10(1 / MSE) over all pixels and channels, values clamped to [0, 1], at most 100 dB",
    "ssim": "11x11 Gaussian window, sigma 1.5, K1 0.01, K2 0.03, data range 1, windows inside the picture, mean over channels",
    "lpips_alex": _LPIPS.format("AlexNet"),
    "lpips_squeeze": _LPIPS.format("SqueezeNet 1.1"),
    "lpips_vgg": _LPIPS.format("VGG16"),
    "clip": "cosine of OpenAI CLIP ViT-B/32 image embeddings, picture resized to 224 px bicubic with antialiasing",
    "iou": "intersection over union of silhouettes, alpha at least 0.5",
    "hull": "share of silhouettes (64 px) that the hull carved by all of them, a pixel wider each, covers; 64 voxels a side of [-0.5, 0.5]",
}
LOWER_IS_BETTER = frozenset({"lpips_alex", "lpips_squeeze", "lpips_vgg"})
