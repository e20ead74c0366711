"""Sharded tensors made whole, and whole ones sharded: what is on disk does not know on how many ranks it was made."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.distributed.tensor import DTensor, distribute_tensor


def whole(value: Any) -> Any:
    """The same nest of dicts and lists with every sharded tensor gathered; every rank must call it. Nothing else is touched."""
    if isinstance(value, DTensor):
        return value.full_tensor()
    if isinstance(value, dict):
        return {key: whole(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [whole(inner) for inner in value]
    return value


def load_network(network: nn.Module, values: dict[str, Tensor]) -> None:
    """Whole weights into a network that may be sharded."""
    state = network.state_dict()
    network.load_state_dict({name: _like(value, state[name]) if name in state else value for name, value in values.items()})


def load_optimiser(optimiser: torch.optim.Optimizer, values: dict[str, Any]) -> None:
    """A whole optimiser's state into one whose parameters may be sharded."""
    parameters = [p for group in optimiser.param_groups for p in group["params"]]
    state = {
        index: {name: _like(v, parameters[index]) if isinstance(v, Tensor) and v.ndim else v for name, v in entry.items()}
        for index, entry in values["state"].items()
    }
    optimiser.load_state_dict({"state": state, "param_groups": values["param_groups"]})


def _like(value: Tensor, like: Tensor) -> Tensor:
    """``value`` sharded as ``like`` is; each rank cuts its own piece, since each has read the whole."""
    if not isinstance(like, DTensor):
        return value
    return distribute_tensor(value.to(like.device), like.device_mesh, like.placements, src_data_rank=None)
