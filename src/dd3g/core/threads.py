"""How many cores there are, and work that must not depend on the number of threads."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager


def usable_cores() -> int:
    """Cores that this process may use; containers and schedulers often grant fewer than the machine has."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


@contextmanager
def one_thread() -> Iterator[None]:
    """Runs torch on one thread.

    Matrix products split their sums by the number of threads; one thread makes the bytes the same everywhere. For one small picture it
    costs little, and on a busy machine it is far faster: threads that wait for each other at every small operation wait long.
    """
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)
