"""Leases: who is at work on which unit, so that work is not done twice.

Only work is saved by them. Two workers that hold one unit's lease after all write the same bytes to the same place, one after the other.
"""

from __future__ import annotations

import contextlib
import json
import os
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path

RENEWED_EVERY_S = 15.0
STALE_AFTER_S = 90.0
_WRITTEN_WITHIN_S = 5.0  # of its making a lease says whose it is, unless its holder was killed in between


@contextlib.contextmanager
def lease(folder: Path, name: str) -> Iterator[bool]:
    """Yields whether ``name`` is ours for now. A holder that died, here or elsewhere, is found out and its lease taken over."""
    path = folder / f"{name}.lease"
    if not _claim(path):
        if not is_stale(path):
            yield False
            return
        with contextlib.suppress(FileNotFoundError):  # another one was as quick
            path.rename(folder / f".{name}.{os.getpid()}.stale").unlink()
        if not _claim(path):
            yield False
            return
    done = threading.Event()
    renewing = threading.Thread(target=_renew, args=(path, done), daemon=True)
    renewing.start()
    try:
        yield True
    finally:
        done.set()
        renewing.join()
        path.unlink(missing_ok=True)


def any_alive(folder: Path) -> bool:
    """Whether somebody holds a lease there."""
    return any(not is_stale(path) for path in folder.glob("*.lease"))


def sweep_stale(folder: Path) -> None:
    """Removes the leases of those who are gone."""
    for path in folder.glob("*.lease"):
        if is_stale(path):
            path.unlink(missing_ok=True)


def is_stale(path: Path) -> bool:
    """Whether the holder is gone: a process of this machine that is no more, or one that has not renewed it for long."""
    try:
        age_s = time.time() - path.stat().st_mtime
        text = path.read_text()
    except FileNotFoundError:
        return True
    try:
        holder = json.loads(text)
        return age_s > STALE_AFTER_S or (holder["host"] == socket.gethostname() and not _lives(int(holder["process"])))
    except (ValueError, KeyError, TypeError):
        return age_s > _WRITTEN_WITHIN_S


def _claim(path: Path) -> bool:
    try:
        handle = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY)
    except FileExistsError:
        return False
    with os.fdopen(handle, "w") as file:
        json.dump({"host": socket.gethostname(), "process": os.getpid()}, file)
    return True


def _renew(path: Path, done: threading.Event) -> None:
    while not done.wait(RENEWED_EVERY_S):
        with contextlib.suppress(FileNotFoundError):
            os.utime(path)


def _lives(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
