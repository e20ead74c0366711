"""Progress of long work on standard error: done, rate, time left. One line that moves on a terminal, a line now and then in a log."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from typing import TextIO

_LOG_EVERY_S = 10.0
_DRAW_EVERY_S = 0.2


class Progress:
    """Counts ``total`` steps of something, from ``done`` on.

    progress = Progress(total=800, what="objects")
    progress.advance(note="chair.glb")
    progress.close()
    """

    def __init__(
        self,
        total: int,
        what: str,
        *,
        done: int = 0,
        stream: TextIO | None = None,
        clock: Callable[[], float] = time.monotonic,
        quiet: bool = False,
    ) -> None:
        self.total, self.what, self.done = total, what, done
        self._stream, self._clock, self._quiet = stream or sys.stderr, clock, quiet
        self._start, self._first, self._shown, self._width = clock(), done, -float("inf"), 0

    def advance(self, steps: int = 1, note: str = "") -> None:
        """Counts ``steps`` more and shows the line when it is due."""
        self.done += steps
        now, moving = self._clock(), self._stream.isatty()
        if self._quiet or (now - self._shown < (_DRAW_EVERY_S if moving else _LOG_EVERY_S) and self.done < self.total):
            return
        self._shown = now
        line = f"{self.what} {self.done}/{self.total}  {self.rate():.3g}/s  {duration(self.seconds_left())} left  {note}".rstrip()
        if moving:
            self._stream.write("\r" + line.ljust(self._width))
            self._width = len(line)
        else:
            self._stream.write(line + "\n")
        self._stream.flush()

    def rate(self) -> float:
        """Steps a second since the start."""
        return (self.done - self._first) / max(self._clock() - self._start, 1e-9)

    def seconds_left(self) -> float:
        """Estimated seconds to the end; infinite before the first step."""
        rate = self.rate()
        return (self.total - self.done) / rate if rate > 0 else float("inf")

    def close(self) -> None:
        """Ends the moving line."""
        if not self._quiet and self._stream.isatty() and self._width:
            self._stream.write("\n")
            self._stream.flush()


def duration(seconds: float) -> str:
    """Seconds as people say them: ``42 s``, ``3 min 05 s``, ``2 h 07 min``."""
    if seconds == float("inf"):
        return "?"
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02d} min"
