"""Work for processes that a test starts: done, refused, broken or deadly, as the job says."""

import os
import signal
import time
from pathlib import Path

from dd3g.core.errors import MeshError


def work(job: str) -> None:
    kind, _, rest = job.partition(" ")
    if kind == "refuse":
        raise MeshError(f"{rest}: no faces")
    if kind == "break":
        raise ZeroDivisionError("by zero")
    if kind == "kill":
        os.kill(os.getpid(), signal.SIGKILL)
    if kind == "memory":
        raise MemoryError
    if kind == "touch":
        Path(rest).write_text(str(os.getpid()))
    if kind == "sleep":
        Path(rest).write_text(str(os.getpid()))
        time.sleep(60)
