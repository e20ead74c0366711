"""Compiled kernels, kept on disk between processes.

Numba's own cache has two traps. It knows a kernel by the text of the kernel's file alone, so that after a change in a file which
that file imports the old code would run on. And it stands beside the source, which in an installed package may be read-only. Here
the folder is named by a digest of everything that is compiled in, and it lies in the user's cache.
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
import os
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import llvmlite
import numba
from numba import njit
from numba.core.caching import FunctionCache
from numba.core.dispatcher import Dispatcher

INNER: dict[str, Any] = {"nogil": True, "error_model": "numpy"}
"""Options of the functions that kernels call. No fastmath: bits would depend on the processor. ``numpy``: x / 0 is inf, not a branch."""

INLINE: dict[str, Any] = {**INNER, "inline": "always"}
"""The same for a piece of one kernel: many vectors come and go, which a call would pass through memory."""

_UNUSED_DAYS = 60


def kernel(function: Callable) -> Dispatcher:
    """Decorates a function that Python calls: compiled at the first call, or read from disk. It takes C-contiguous arrays."""
    folder = cache_folder()
    if folder is None:
        return njit(**INNER)(function)
    with _numba_cache_at(folder):
        compiled: Any = njit(**INNER)(function)
        compiled._cache = _ForgivingCache(compiled.py_func)
    return compiled


@functools.cache
def cache_folder() -> Path | None:
    """The folder of this version's kernels, made if need be; None if nowhere is writable. ``NUMBA_CACHE_DIR`` is honoured."""
    try:
        own = os.environ.get("NUMBA_CACHE_DIR")
        base = Path(own) if own else Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
        folder = base / "dd3g" / "kernels" / source_digest(Path(__file__).resolve().parent)
        folder.mkdir(parents=True, exist_ok=True)
        tempfile.TemporaryFile(dir=folder).close()
        os.utime(folder)
        _sweep(folder)
    except (OSError, RuntimeError):  # RuntimeError: there is no home folder
        return None
    return folder


def source_digest(folder: Path) -> str:
    """What the code of the kernels in ``folder`` depends on: all files there, the constants, the compiler, whether bounds are checked."""
    config: Any = numba.config
    digest = hashlib.sha256(f"numba {numba.__version__} llvmlite {llvmlite.__version__} bounds {bool(config.BOUNDSCHECK)}".encode())
    for path in sorted([*folder.glob("*.py"), folder.parent / "constants.py"]):
        digest.update(path.read_bytes())
    return digest.hexdigest()[:20]


class _ForgivingCache(FunctionCache):
    """A damaged or unreadable file costs a compilation, a full disk costs the next process one; neither costs the picture."""

    def load_overload(self, sig, target_context):
        """The compiled function, or None."""
        try:
            return super().load_overload(sig, target_context)
        except Exception:
            return None

    def save_overload(self, sig, data):
        """Keeps the compiled function if it can."""
        with contextlib.suppress(OSError):
            super().save_overload(sig, data)


@contextlib.contextmanager
def _numba_cache_at(folder: Path) -> Iterator[None]:
    """Numba reads the setting when a function is decorated; other packages' functions never see it."""
    config: Any = numba.config
    before = config.CACHE_DIR
    config.CACHE_DIR = str(folder)
    try:
        yield
    finally:
        config.CACHE_DIR = before


def _sweep(current: Path) -> None:
    """Removes the kernels of versions that nobody has used for long."""
    oldest = time.time() - _UNUSED_DAYS * 86400
    for folder in current.parent.iterdir():
        if folder.stat().st_mtime < oldest:
            shutil.rmtree(folder, ignore_errors=True)
