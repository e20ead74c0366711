"""Arithmetic, counted: a multiply-add is 2 FLOP, and matrix products, convolutions and attention are what is counted.

Norms, activations and sums are left out, as everywhere in the field: they are bound by memory. On the device "meta" nothing is computed or
held, so a network of any size can be counted anywhere.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch


@contextmanager
def counting() -> Iterator[Callable[[], int]]:
    """Within it, the function that is handed out tells how many FLOP there have been."""
    from torch.utils.flop_counter import FlopCounterMode, sdpa_flop_count  # brings Triton, where there is one

    def cpu_attention(query: Any, key: Any, value: Any, *_: Any, out_shape: Any = None, **__: Any) -> int:
        return sdpa_flop_count(query, key, value)

    # torch's own table knows the GPU's fused attentions and not the CPU's, which would then count as nothing
    more = {torch.ops.aten._scaled_dot_product_flash_attention_for_cpu: cpu_attention}
    with FlopCounterMode(display=False, custom_mapping=more) as counter:
        yield counter.get_total_flops


def flops_of(action: Callable[[], object]) -> int:
    """FLOP of one call, without a graph."""
    with torch.no_grad(), counting() as so_far:
        action()
        return so_far()
