"""The exponential moving average of a network's weights, which is what gets evaluated and shipped."""

from __future__ import annotations

import copy

import torch
from torch import nn


class Average:
    """Keeps a copy of a network whose weights follow the original's.

    The decay grows from 0 to its final value over the first steps, (1 + t) / (10 + t), so that the start is soon forgotten.
    """

    def __init__(self, network: nn.Module, decay: float) -> None:
        self.decay = decay
        self.network = copy.deepcopy(network).requires_grad_(False).eval()

    @torch.no_grad()
    def update(self, network: nn.Module, step: int) -> None:
        """Moves the copy towards ``network`` after optimiser step ``step`` (from 0)."""
        decay = min(self.decay, (1 + step) / (10 + step))
        ours, theirs = ([p.detach() for p in n.parameters()] for n in (self.network, network))
        torch._foreach_lerp_(ours, theirs, 1 - decay)
        for own, other in zip(self.network.buffers(), network.buffers(), strict=True):
            own.copy_(other)
