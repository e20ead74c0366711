"""What a machine is and gives: its name, its memory, and how fast it multiplies matrices, which other rates are held against."""

from __future__ import annotations

import os
import platform
import time
from pathlib import Path

import torch

_MATRIX_SIDE = {"cpu": 1024, "cuda": 8192}  # large enough that a product is bound by arithmetic, and short enough to be asked for often
_LEAST_SECONDS = 0.3  # of measuring; a GPU's clock settles in that time
_LEAST_PRODUCTS = 5


def matmul_rate(device: torch.device | str, dtype: torch.dtype) -> float:
    """FLOP/s of a square matrix product: what the machine gives at best to a large product, measured now.

    The best of several, not their median: a share of it is then never flattered by neighbours that press on the machine. Each is one
    product ``side`` x ``side`` of ``2 side^3`` FLOP. On a GPU it is timed by its own events, and in float32 with the precision that
    ``torch.backends.cuda.matmul`` is set to.

    Args:
        device: Where.
        dtype: Of the matrices; any that the device multiplies.
    """
    place = torch.device(device)
    side = _MATRIX_SIDE.get(place.type, 1024)
    left, right = (torch.randn(side, side, device=place).to(dtype) for _ in range(2))
    _product_seconds(left, right)  # the first one allocates, and chooses a kernel
    began, found = time.perf_counter(), list[float]()
    while len(found) < _LEAST_PRODUCTS or time.perf_counter() - began < _LEAST_SECONDS:
        found.append(_product_seconds(left, right))
    return 2 * side**3 / min(found)


def _product_seconds(left: torch.Tensor, right: torch.Tensor) -> float:
    if left.device.type != "cuda":
        began = time.perf_counter()
        torch.mm(left, right)
        return time.perf_counter() - began
    start, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
    start.record()
    torch.mm(left, right)
    end.record()
    end.synchronize()
    return start.elapsed_time(end) / 1e3


def free_memory(device: torch.device | str) -> int:
    """Bytes that may still be allocated: of the GPU, or of this machine's memory (a container's own limit is not asked for)."""
    place = torch.device(device)
    if place.type == "cuda":
        return torch.cuda.mem_get_info(place)[0]
    if Path("/proc/meminfo").exists():
        lines = dict(line.split(":", 1) for line in Path("/proc/meminfo").read_text().splitlines())
        return int(lines["MemAvailable"].split()[0]) * 1024
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")


def machine_name(device: torch.device | str) -> str:
    """The GPU's name, or the processor's."""
    place = torch.device(device)
    if place.type == "cuda":
        return torch.cuda.get_device_name(place)
    cpuinfo = Path("/proc/cpuinfo")
    named = (
        [line.split(":", 1)[1].strip() for line in cpuinfo.read_text().splitlines() if line.startswith("model name")]
        if cpuinfo.exists()
        else []
    )
    return named[0] if named else platform.processor() or platform.machine()
