"""Whether the kernels can run on this machine."""

from __future__ import annotations

import platform
from typing import Any


def obstacle() -> str | None:
    """Why the kernels can't run here, or None if they can.

    They need fused multiply-add in vectors. Without it every ``fma`` would become a call into the C library. All 64 bit ARM
    processors have it, Intel's since Haswell (2013), AMD's since Excavator (2015).
    """
    import llvmlite.binding
    import numba

    config: Any = numba.config
    if config.DISABLE_JIT:
        return "NUMBA_DISABLE_JIT is set"
    machine = platform.machine().lower()
    if machine in ("aarch64", "arm64"):
        return None
    if machine not in ("x86_64", "amd64"):
        return f"there is no vector code for {machine} processors"
    if config.CPU_FEATURES is not None:  # the user told Numba what to compile for
        chosen = config.CPU_FEATURES.split(",")
        present = "+avx2" in chosen and "+fma" in chosen
    else:
        host = llvmlite.binding.get_host_cpu_features()
        present = host.get("avx2", False) and host.get("fma", False)
    return None if present else "this processor has no AVX2 and FMA"
