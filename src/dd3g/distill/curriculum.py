"""When implicit verification comes in: L = L_ES + beta_i L_IV, with beta flat at 0, then rising, then flat at its largest.

    ramp(Curriculum(), step / steps)        # 0 before 0.2 of the run, 1 after 0.6, a smoothstep between

The paper draws the curve and gives no number; a student verified before it shows anything is pulled to nowhere in particular.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

from dd3g.core.errors import InputError

Shape = Literal["off", "constant", "step", "linear", "quadratic", "cosine", "smoothstep"]


@dataclass(frozen=True)
class Curriculum:
    """Shape of beta over a run, as shares of its steps.

    "off" is 0 and "constant" 1 throughout; "step" is 0 before ``start`` and 1 from it on, whatever ``end``. The others rise from ``start``
    to ``end``: "linear", "quadratic" (slow first), "cosine" and "smoothstep" (slow at both ends).
    """

    shape: Shape = "smoothstep"
    start: float = 0.2  # ours; the paper's picture is flat, S-shaped, flat
    end: float = 0.6


def checked(curriculum: Curriculum) -> Curriculum:
    """The curriculum itself.

    Raises:
        InputError: Its ramp lies outside the run, or runs backwards.
    """
    start, end = curriculum.start, curriculum.end
    if not 0 <= start <= end <= 1:
        raise InputError(f"curriculum: found start {start} and end {end}, expected 0 <= start <= end <= 1")
    return curriculum


def ramp(curriculum: Curriculum, progress: float) -> float:
    """beta over its largest value, in [0, 1], never falling.

    Args:
        curriculum: Its shape.
        progress: Share of the run that is done; 0 at the first step.
    """
    shape, start, end = curriculum.shape, curriculum.start, curriculum.end
    if shape == "off":
        return 0.0
    if shape == "constant":
        return 1.0
    if shape == "step" or start == end:
        return float(progress >= start)
    x = min(max((progress - start) / (end - start), 0.0), 1.0)
    if shape == "linear":
        return x
    if shape == "quadratic":
        return x * x
    if shape == "cosine":
        return 0.5 - 0.5 * math.cos(math.pi * x)
    return x * x * (3 - 2 * x)
