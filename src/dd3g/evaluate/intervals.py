"""How sure a mean over objects is: percentile bootstrap, seeded."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

RESAMPLES = 2000
_LEAST_BELOW = 1e-10  # of a ratio's lower mean


@dataclass(frozen=True)
class Interval:
    """A mean over images, and where it lies in 95 % of resamplings of the images; one image alone has no interval."""

    mean: float
    low: float | None = None
    high: float | None = None


def bootstrap(
    values: Sequence[float], over: Sequence[float] | None = None, *, seed: int = 0, resamples: int = RESAMPLES, level: float = 0.95
) -> Interval:
    """The percentile interval of a mean, or of a ratio of means, over images.

    Args:
        values: One figure an image.
        over: Where given, the mean of ``values`` is divided by the mean of these, both over the same images.
        seed: Of the resampling: the same figures have the same interval.
        resamples: How many.
        level: Share of them that the interval holds.
    """
    top = np.asarray(values, np.float64)
    below = None if over is None else np.asarray(over, np.float64)
    whole = float(_figure(top[None], None if below is None else below[None])[0])
    if len(top) < 2:
        return Interval(whole, None, None)
    chosen = np.random.default_rng(seed).integers(len(top), size=(resamples, len(top)))
    drawn = _figure(top[chosen], None if below is None else below[chosen])
    low, high = np.quantile(drawn, [(1 - level) / 2, (1 + level) / 2])
    return Interval(whole, float(low), float(high))


def _figure(top: np.ndarray, below: np.ndarray | None) -> np.ndarray:
    return top.mean(1) if below is None else top.mean(1) / np.maximum(below.mean(1), _LEAST_BELOW)
