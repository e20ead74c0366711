"""Batch normalisation folded into the convolution before it: the same function with fewer steps and fewer tensors."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

EPSILON = 1e-5  # torch's default, which nobody in sight changed


def fold_batch_norm(state: Mapping[str, Tensor], *, conv: str, norm: str) -> dict[str, Tensor]:
    """A state dictionary in which every ``P.norm`` is gone and its ``P.conv`` does both.

    y = g (W x + b - mean) / sqrt(var + eps) + beta, so W' = W g / sqrt(var + eps) and b' = (b - mean) g / sqrt(var + eps) + beta.
    Computed in float64: statistics span many orders of magnitude.

    Args:
        state: All tensors of the network.
        conv: Last part of a convolution's name, for example ``"conv_s1"``.
        norm: Last part of the name of the norm that follows it, below the same parent.
    """
    statistics = (f".{norm}.weight", f".{norm}.bias", f".{norm}.running_mean", f".{norm}.running_var", f".{norm}.num_batches_tracked")
    folded = {name: tensor for name, tensor in state.items() if not name.endswith(statistics)}
    for name in state:
        if not name.endswith(f".{norm}.running_var"):
            continue
        parent = name.removesuffix(f".{norm}.running_var")
        gain, shift, mean, variance = (state[parent + end].double() for end in statistics[:4])
        factor = gain / (variance + EPSILON).sqrt()
        weight = state[f"{parent}.{conv}.weight"].double()
        bias = state.get(f"{parent}.{conv}.bias", torch.zeros_like(mean)).double()
        folded[f"{parent}.{conv}.weight"] = (weight * factor[:, None, None, None]).float()
        folded[f"{parent}.{conv}.bias"] = ((bias - mean) * factor + shift).float()
    return folded
