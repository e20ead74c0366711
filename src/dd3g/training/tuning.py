"""Fine-tuning: parts of a network that stay as they are, and low-rank updates (LoRA) of those that move.

LoRA (Hu et al. 2021): W' = W + B A, with A (r, in) small and random and B (out, r) zero; alpha is r. Written as a parametrisation of
the weight itself, so that a network may be entered by any door, and merging is a sum.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize

from dd3g.core.errors import InputError
from dd3g.training.recipe import Recipe

Export = Callable[[Path, nn.Module, Mapping[str, Any]], None]


class LowRank(nn.Module):
    """W -> W + B A, for matrices and for kernels taken as matrices (out, in * kh * kw)."""

    def __init__(self, weight: Tensor, rank: int) -> None:
        super().__init__()
        rows, columns = weight.shape[0], weight[0].numel()
        self.down = nn.Parameter(torch.randn(rank, columns, device=weight.device) * columns**-0.5)
        self.up = nn.Parameter(torch.zeros(rows, rank, device=weight.device))

    def forward(self, weight: Tensor) -> Tensor:
        """The weight with its update."""
        return weight + (self.up @ self.down).reshape(weight.shape)


def freeze(network: nn.Module, prefixes: Sequence[str]) -> int:
    """Parameters below any of these names stay as they are. Returns how many numbers that are.

    Raises:
        InputError: A name that is no part of the network, or nothing is left to train.
    """
    frozen = 0
    for prefix in prefixes:
        for parameter in _below(network, prefix, "--freeze"):
            frozen += parameter.numel() if parameter.requires_grad else 0
            parameter.requires_grad_(False)
    if not any(p.requires_grad for p in network.parameters()):
        raise InputError(f"--freeze {','.join(prefixes)}: leaves nothing to train; freeze fewer of {', '.join(_parts(network))}")
    return frozen


def add_low_rank(network: nn.Module, prefixes: Sequence[str], rank: int) -> int:
    """Freezes the whole network, and gives every matrix and kernel below these names an update of a rank. Returns how many there are.

    Raises:
        InputError: A rank below 1, or a name that is no part of the network.
    """
    if rank < 1:
        raise InputError(f"--lora {rank}: expected a rank of 1 or more")
    network.requires_grad_(False)
    changed = 0
    for prefix in prefixes:
        _below(network, prefix, "--lora")
        for name, module in list(network.named_modules()):
            inside = name == prefix or name.startswith(prefix + ".")
            if inside and isinstance(module, nn.Linear | nn.Conv2d) and not parametrize.is_parametrized(module):
                parametrize.register_parametrization(module, "weight", LowRank(module.weight, rank))
                changed += 1
    return changed


def merged(network: nn.Module) -> nn.Module:
    """A copy with every update added to its weight: an ordinary network again, of the same answers and names."""
    whole = copy.deepcopy(network)
    for module in list(whole.modules()):
        if parametrize.is_parametrized(module, "weight"):
            # by hand: torch's own removal would take the property off the class, which the copy shares with its original
            weight = cast(Tensor, module.weight).detach()
            module.__class__ = parametrize.type_before_parametrizations(module)
            del module.parametrizations
            module.register_parameter("weight", nn.Parameter(weight, requires_grad=False))
    return whole


def tuned(recipe: Recipe, *, frozen: Sequence[str] = (), lora: int | None = None, adapted: Sequence[str] = ()) -> Recipe:
    """A recipe that trains part of its network.

    Args:
        recipe: With the weights to start from.
        frozen: Parts that stay, by the beginning of their names.
        lora: Rank of the updates; None trains the weights themselves.
        adapted: Parts that get updates; all others stay.

    Returns:
        The recipe; what it exports is merged. It is another run than the one without.

    Raises:
        InputError: See :func:`freeze` and :func:`add_low_rank`.
    """
    told: dict[str, Any] = {}
    export = recipe.export
    if lora is not None:
        add_low_rank(recipe.network, adapted, lora)
        told["lora"] = {"rank": lora, "parts": list(adapted)}
        export = _merging(recipe.export)
    if frozen:
        freeze(recipe.network, frozen)
        told["frozen"] = list(frozen)
    return replace(recipe, identity={**recipe.identity, **told}, export=export)


def _merging(export: Export) -> Export:
    def merging(path: Path, network: nn.Module, about: Mapping[str, Any]) -> None:
        export(path, merged(network), about)

    return merging


def _below(network: nn.Module, prefix: str, option: str) -> list[nn.Parameter]:
    found = [p for name, p in network.named_parameters() if name == prefix or name.startswith(prefix + ".")]
    if not found:
        raise InputError(f"{option} {prefix}: no such part; there are {', '.join(_parts(network))}, and parts of them by longer names")
    return found


def _parts(network: nn.Module) -> list[str]:
    return list(dict.fromkeys(name.split(".")[0] for name, _ in network.named_parameters()))
