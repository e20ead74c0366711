"""Work that must not depend on the number of threads."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager


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
