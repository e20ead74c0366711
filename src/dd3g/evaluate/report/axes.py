"""Numbers along an axis: where they lie on paper, which are marked, and how they are written."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

_SAME = 1e-6  # relative width of a stretch that is none
_LARGE = ((1e6, 1e6, "M"), (1e4, 1e3, "k"))  # from, unit, letter
_STEPS = (1.0, 2.0, 2.5, 5.0, 10.0)


@dataclass(frozen=True)
class Axis:
    """A stretch of numbers on a stretch of paper; paper may run backwards, as heights do in pictures."""

    low: float
    high: float
    start: float
    end: float
    log: bool = False

    def place(self, value: float) -> float:
        """Where a value lies on paper."""
        low, high, at = (math.log10(v) if self.log else v for v in (self.low, self.high, value))
        return self.start + (at - low) / (high - low) * (self.end - self.start)


def ticks(low: float, high: float, about: int = 5) -> list[float]:
    """Round numbers from the last at or below ``low`` to the first at or above ``high``, some ``about`` of them.

    Equal ends are drawn apart, so that there is always a stretch.
    """
    if high - low <= _SAME * max(abs(low), abs(high), 1e-6):
        apart = abs(low) * 0.05 or 0.5
        low, high = low - apart, high + apart
    wanted = (high - low) / about
    size = 10.0 ** math.floor(math.log10(wanted))
    step = next(size * s for s in _STEPS if size * s >= wanted * (1 - 1e-9))
    first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
    return [float(f"{k * step:.12g}") for k in range(first, last + 1)]


def decades(low: float, high: float) -> list[float]:
    """Powers of ten from the last at or below ``low`` to the first at or above ``high``."""
    first, last = math.floor(math.log10(low) + 1e-9), math.ceil(math.log10(high) - 1e-9)
    return [10.0**k for k in range(first, max(last, first + 1) + 1)]


def tick_text(value: float, among: Sequence[float]) -> str:
    """A mark's number with as many decimals as tell it from its neighbours; thousands as k, millions as M."""
    largest = max(abs(v) for v in among)
    if largest < 1e-3:
        return f"{value:g}"
    factor, letter = next(((f, c) for limit, f, c in _LARGE if largest >= limit), (1.0, ""))
    step = min((abs(b - a) for a, b in pairwise(among) if b != a), default=largest)
    decimals = next((d for d in range(9) if all(abs(round(v / factor, d) - v / factor) <= step / factor / 100 for v in among)), 9)
    return f"{value / factor + 0.0:.{decimals}f}{letter}"
