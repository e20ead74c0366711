"""The exponential moving average of a network's weights, which is what gets evaluated and shipped."""

from __future__ import annotations

import copy
from typing import Any

import torch
from torch import Tensor, nn
from torch.distributed.tensor import DTensor, distribute_tensor


class Average:
    """Keeps a copy of a network whose weights follow the original's.

    The decay grows from 0 to its final value over the first steps, (1 + t) / (10 + t), so that the start is soon forgotten.

    Of a sharded network every rank averages its own shards; rank 0 alone has a whole copy, which :meth:`gather` fills.
    """

    def __init__(self, network: nn.Module, decay: float) -> None:
        self.decay = decay
        self.network = copy.deepcopy(network).requires_grad_(False).eval()
        self._shards: list[Tensor] | None = None

    def follow_shards(self, network: nn.Module, *, keep_whole: bool) -> None:
        """From now on averages the local shards of ``network``, which must still have the weights that this began with."""
        self._shards = [_local(p.detach()).clone() for p in network.parameters()]
        if not keep_whole:
            self.network.to("meta")

    @torch.no_grad()
    def update(self, network: nn.Module, step: int) -> None:
        """Moves the copy towards ``network`` after optimiser step ``step`` (from 0)."""
        decay = min(self.decay, (1 + step) / (10 + step))
        ours = [p.detach() for p in self.network.parameters()] if self._shards is None else self._shards
        torch._foreach_lerp_(ours, [_local(p.detach()) for p in network.parameters()], 1 - decay)
        self.follow_buffers(network)

    @torch.no_grad()
    def follow_buffers(self, network: nn.Module) -> None:
        """What is no weight is not averaged but copied."""
        for own, other in zip(self.network.buffers(), network.buffers(), strict=True):
            if not own.is_meta:
                own.copy_(other)

    @torch.no_grad()
    def gather(self, network: nn.Module) -> None:
        """Makes ``self.network`` whole on rank 0; every rank must call it. Without shards it is whole at any time."""
        if self._shards is None:
            return
        for shard, own in zip(self._sharded(network).values(), self.network.parameters(), strict=True):
            whole = shard.full_tensor()
            if not own.is_meta:
                own.copy_(whole)

    def tensors(self, network: nn.Module) -> dict[str, Tensor]:
        """The average's own tensors by name, to write or to fill: whole ones, or this rank's shards as parts of sharded ones."""
        if self._shards is None:
            return self.network.state_dict()
        return {**network.state_dict(), **self._sharded(network)}  # buffers are the network's

    def _sharded(self, network: nn.Module) -> dict[str, DTensor]:
        assert self._shards is not None
        found = {}
        for shard, (name, like) in zip(self._shards, network.named_parameters(), strict=True):
            assert isinstance(like, DTensor)
            found[name] = DTensor.from_local(
                shard, like.device_mesh, like.placements, run_check=False, shape=like.shape, stride=like.stride()
            )
        return found

    @torch.no_grad()
    def load(self, values: dict[str, Any], network: nn.Module) -> None:
        """Takes over a whole average, as a state has it."""
        if self._shards is None:
            self.network.load_state_dict(values)
            return
        for shard, (name, like) in zip(self._shards, network.named_parameters(), strict=True):
            assert isinstance(like, DTensor)
            whole = values[name].to(like.device)
            shard.copy_(distribute_tensor(whole, like.device_mesh, like.placements, src_data_rank=None).to_local())
        if not next(self.network.parameters()).is_meta:
            self.network.load_state_dict(values)


def _local(tensor: Tensor) -> Tensor:
    return tensor.to_local() if isinstance(tensor, DTensor) else tensor
