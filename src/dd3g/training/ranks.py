"""Who trains together: the processes of one run, each on a device of its own. One process alone is a group of one."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta

import torch
import torch.distributed as dist
from torch import Tensor

_PATIENCE = timedelta(hours=1)  # rank 0 scores and writes while the others wait


@dataclass(frozen=True)
class Ranks:
    """This process among those of the run."""

    rank: int = 0
    world: int = 1

    @property
    def first(self) -> bool:
        """Whether this is the one that logs, scores and writes."""
        return self.rank == 0

    def mean(self, values: Tensor) -> Tensor:
        """The mean over all ranks, of tensors of one shape; every rank must ask, and all get the same bytes."""
        if self.world == 1:
            return values
        summed = values.clone()
        dist.all_reduce(summed)
        return summed / self.world

    def told(self, value: bool, device: torch.device) -> bool:
        """What rank 0 says; every rank must ask."""
        if self.world == 1:
            return value
        said = torch.tensor([float(value)], device=device)
        dist.broadcast(said, 0)
        return bool(said.item())


@contextmanager
def joined_ranks(device: torch.device) -> Iterator[Ranks]:
    """The group that torchrun (by its environment) or Ray Train (which has joined it already) started this process in.

    Args:
        device: What this process trains on: NCCL speaks between GPUs, gloo between processors.
    """
    if dist.is_initialized():
        yield Ranks(dist.get_rank(), dist.get_world_size())
        return
    if int(os.environ.get("WORLD_SIZE", "1")) == 1:
        yield Ranks()
        return
    if device.type == "cuda":
        torch.cuda.set_device(device)
    dist.init_process_group("nccl" if device.type == "cuda" else "gloo", timeout=_PATIENCE)
    try:
        yield Ranks(dist.get_rank(), dist.get_world_size())
    finally:
        dist.destroy_process_group()


def is_first_process() -> bool:
    """Whether this process is rank 0, or alone; known before anything is joined."""
    return os.environ.get("RANK", "0") == "0"


def processes_here() -> int:
    """Processes of this run on this machine, which share its cores."""
    return int(os.environ.get("LOCAL_WORLD_SIZE", "1"))


def device_here(name: str) -> str:
    """``cuda`` as the GPU that is this process's own among those of the machine; any other name as it is."""
    return f"cuda:{os.environ.get('LOCAL_RANK', '0')}" if name == "cuda" and "LOCAL_RANK" in os.environ else name
