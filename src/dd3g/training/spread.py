"""A network spread over ranks: whole copies with mean gradients (DDP), or shards (FSDP2). docs/decisions/0007-ranks.md says why so.

Losses enter a network by more doors than ``forward``. So what is spread is a module whose ``forward`` is the whole loss: gradients are
averaged, and shards gathered, whatever door the loss takes.
"""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager
from typing import Any, Literal

import torch
from torch import Tensor, nn
from torch.nn.utils.parametrize import is_parametrized
from torch.utils.checkpoint import checkpoint

from dd3g.core.errors import InputError
from dd3g.training.ranks import Ranks

Parallel = Literal["ddp", "fsdp"]
Losses = Callable[[nn.Module, Any, int], Mapping[str, Tensor]]


class LossOf(nn.Module):
    """(batch, step) -> the weighted terms of a network's loss."""

    def __init__(self, network: nn.Module, losses: Losses) -> None:
        super().__init__()
        self.network = network
        self._losses = losses

    def forward(self, batch: Any, step: int) -> dict[str, Tensor]:
        """The terms, each a mean over the batch's rows."""
        return {name: term.float() for name, term in self._losses(self.network, batch, step).items()}


def spread(loss: LossOf, parallel: Parallel, ranks: Ranks) -> nn.Module:
    """The loss whose gradients are the means over all ranks.

    With ``fsdp`` the parameters of ``loss.network`` become shards, in place: whoever holds them must ask for them anew.

    Raises:
        InputError: Low-rank updates are to be sharded.
    """
    if ranks.world == 1:
        return loss
    if parallel == "ddp":
        from torch.nn.parallel import DistributedDataParallel

        # Terms that are asked for every k-th step alone leave parameters without gradients.
        return DistributedDataParallel(loss, find_unused_parameters=True, gradient_as_bucket_view=True)
    from torch.distributed.device_mesh import init_device_mesh
    from torch.distributed.fsdp import fully_shard

    if any(is_parametrized(module) for module in loss.modules()):
        raise InputError("--parallel fsdp: not with --lora, whose trained weights are few; leave it out")
    device = next(loss.parameters()).device.type
    mesh = init_device_mesh(device, (ranks.world,))
    for block in blocks_of(loss.network):
        fully_shard(block, mesh=mesh)
    fully_shard(loss, mesh=mesh)
    return loss


@contextlib.contextmanager
def gathering(loss: nn.Module, *, last: bool) -> Iterator[None]:
    """Within it gradients are summed up on this rank, and exchanged only in the ``last`` of a step's passes."""
    quiet: AbstractContextManager[Any] = contextlib.nullcontext()
    if isinstance(loss, nn.parallel.DistributedDataParallel) and not last:
        quiet = loss.no_sync()
    elif hasattr(loss, "set_requires_gradient_sync"):
        loss.set_requires_gradient_sync(last)  # pyright: ignore[reportCallIssue]
    with quiet:
        yield


def blocks_of(network: nn.Module) -> list[nn.Module]:
    """The outermost members of a network's lists of modules, which have weights and are run one after another by their ``forward``."""
    found: list[nn.Module] = []

    def look(module: nn.Module, in_list: bool) -> None:
        if in_list and not isinstance(module, nn.ModuleList):
            if next(module.parameters(), None) is not None:
                found.append(module)
            return
        for child in module.children():
            look(child, isinstance(module, nn.ModuleList))

    look(network, False)
    return found


def recompute_blocks(network: nn.Module) -> int:
    """Activation checkpointing: blocks keep their inputs alone for the backward pass and run again in it. Returns how many do."""
    blocks = blocks_of(network)
    for block in blocks:
        block.forward = functools.partial(checkpoint, block.forward, use_reentrant=False)
    return len(blocks)


def compile_blocks(network: nn.Module) -> int:
    """Compiles every block by itself: equal blocks share their code, and what stands between them stays Python. Returns how many."""
    blocks = blocks_of(network)
    for block in blocks:
        block.compile()
    return len(blocks)


def clip(parameters: list[nn.Parameter], limit: float) -> Tensor:
    """Scales the gradient to a global norm of at most ``limit``; returns the norm before, over all shards."""
    from torch.distributed.tensor import DTensor

    norm = torch.nn.utils.clip_grad_norm_(parameters, limit)
    return norm.full_tensor() if isinstance(norm, DTensor) else norm
