"""Batch normalisation folded into the convolution before it: the same function with fewer steps and fewer tensors."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

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


@torch.no_grad()
def unfold_batch_norm(network: nn.Module, state: Mapping[str, Tensor], pictures: Tensor, *, conv: str, norm: str) -> None:
    """Fills a network that has batch norm from a folded state, so that on ``pictures`` both are the same function.

    A folded convolution no longer tells what its norm divided by, so that is measured: layer by layer in the order of the forward pass,
    the norm is given the mean and deviation that its input has on these pictures, and gain and shift that undo them.

    Args:
        network: With norms; left in training mode.
        state: What :func:`fold_batch_norm` made.
        pictures: A batch of the network's input, typical of what it will learn from.
        conv: Last part of a convolution's name.
        norm: Last part of its norm's name, below the same parent.
    """
    owned = network.state_dict()
    norms = {name.removesuffix(f".{norm}") for name, module in network.named_modules() if isinstance(module, nn.BatchNorm2d)}
    for name, tensor in state.items():
        parent = name.removesuffix(f".{conv}.bias")
        if name not in owned and parent in norms:
            owned[f"{parent}.{norm}.bias"].copy_(tensor)  # moved on by the mean when the layer is reached
        else:
            owned[name].copy_(tensor)

    def measure(module: nn.Module, inputs: tuple[Tensor, ...]) -> None:
        assert isinstance(module, nn.BatchNorm2d)
        assert module.running_mean is not None
        assert module.running_var is not None
        mean, variance = inputs[0].mean((0, 2, 3)), inputs[0].var((0, 2, 3), unbiased=False)
        module.running_mean.copy_(mean)
        module.running_var.copy_(variance)
        module.weight.copy_((variance + EPSILON).sqrt())
        module.bias.add_(mean)

    hooks = [module.register_forward_pre_hook(measure) for module in network.modules() if isinstance(module, nn.BatchNorm2d)]
    network.train()
    network(pictures)
    for hook in hooks:
        hook.remove()
