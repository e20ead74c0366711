"""Threads for the kernels: each draws task numbers from one counter until there are none left.

A task writes only what it owns and its result does not depend on who runs it, so any number of threads gives the same bits. Numba's
own thread pools are not used: one aborts when two Python threads call at once, another after a fork.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import torch

_MOST_THREADS = 256  # threads are made when they are first needed, and then kept

_pools: list[ThreadPoolExecutor] = []  # none or one: the pool of this process
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_pools.clear)  # a child has none of its parent's threads


def run_tasks(kernel: Callable[..., None], tasks: int, *arguments: object) -> None:
    """Runs a kernel's tasks on as many threads as torch uses, this one among them.

    Kernels release the interpreter's lock. Callers in several Python threads share the pool: who finds it busy does more of its tasks
    itself.
    """
    if tasks == 0:
        return
    counter = np.zeros(1, np.int64)
    helpers = min(torch.get_num_threads(), tasks, _MOST_THREADS) - 1
    futures = [_pool().submit(kernel, counter, tasks, *arguments) for _ in range(helpers)]
    try:
        kernel(counter, tasks, *arguments)
    finally:
        started = [future for future in futures if not future.cancel()]  # one that has not begun would find no task
        for future in started:
            future.result()


def _pool() -> ThreadPoolExecutor:
    if not _pools:
        _pools.append(ThreadPoolExecutor(_MOST_THREADS, thread_name_prefix="dd3g-render"))
    return _pools[0]
