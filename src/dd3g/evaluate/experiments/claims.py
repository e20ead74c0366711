"""What an experiment asks, and how its answer follows from the figures: by a rule that is the same for all.

A claim compares two arms (or one with a level) by one measure. Differences are taken input by input, means over seeds; their mean has a
bootstrap interval over inputs. The claim is

- confirmed       where the interval lies on its side of 0 whole, the mean is at least the margin, and every seed says so
- contradicted    where the interval lies on the other side whole, and every seed says so
- not seen        else: too small to be told from chance at this scale, smaller than what counts, or from fewer than three seeds

An interval over inputs says how sure a figure is for these students on other inputs of the world; seeds say whether other students agree.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from dd3g.evaluate.experiments.figures import MEASURES
from dd3g.evaluate.intervals import Interval, bootstrap

Verdict = Literal["confirmed", "not seen", "contradicted"]
LEAST_SEEDS = 3
Rows = Sequence[Mapping[str, Any]]  # figures of one seed, an input each


@dataclass(frozen=True)
class Claim:
    """``arm`` has a larger ``measure`` than ``than``, an arm or a level; with ``lower``, a smaller one."""

    text: str
    arm: str
    than: str | float
    measure: str
    lower: bool = False
    margin: float = 0.0  # least difference that counts


@dataclass(frozen=True)
class Finding:
    """A claim and its answer."""

    claim: Claim
    verdict: Verdict
    difference: Interval  # arm minus than, in the claim's direction
    of_each_seed: tuple[float, ...]

    def sentence(self) -> str:
        """The answer in words, with its figures."""
        label = MEASURES[self.claim.measure].label
        against = self.claim.than if isinstance(self.claim.than, str) else f"{self.claim.than:g}"
        ends = "" if self.difference.low is None else f" (95 %: {self.difference.low:+.3f} to {self.difference.high:+.3f})"
        seeds = ", ".join(f"{value:+.3f}" for value in self.of_each_seed)
        way = "less" if self.claim.lower else "more"
        return (
            f"{self.verdict}: {self.claim.text}. {label}: {self.claim.arm} has {self.difference.mean:+.3f}{ends} {way} than {against}; "
            f"seeds {seeds}"
        )


def judge(claim: Claim, arms: Mapping[str, Sequence[Rows]]) -> Finding:
    """The answer to a claim from each arm's figures, seed by seed; both arms have the same seeds and inputs."""
    ours = _table(claim.measure, arms[claim.arm])
    theirs = _table(claim.measure, arms[claim.than]) if isinstance(claim.than, str) else np.full_like(ours, claim.than)
    difference = (theirs - ours) if claim.lower else (ours - theirs)
    interval, seeds = bootstrap(difference.mean(0).tolist()), difference.mean(1)
    return Finding(claim, verdict_of(interval, seeds.tolist(), claim.margin), interval, tuple(seeds.tolist()))


def verdict_of(interval: Interval, seeds: Sequence[float], margin: float = 0.0) -> Verdict:
    """The rule at the top of this file; without an interval (one input alone) or from a few seeds nothing is seen."""
    if interval.low is None or interval.high is None or len(seeds) < LEAST_SEEDS:
        return "not seen"
    if interval.low > 0 and interval.mean >= margin and min(seeds) > 0:
        return "confirmed"
    return "contradicted" if interval.high < 0 and max(seeds) < 0 else "not seen"


def estimate(measure: str, seeds: Sequence[Rows]) -> Interval:
    """An arm's mean, with its interval over inputs."""
    return bootstrap(_table(measure, seeds).mean(0).tolist())


def _table(measure: str, seeds: Sequence[Rows]) -> np.ndarray:
    return np.array([[MEASURES[measure].of(row) for row in rows] for rows in seeds], np.float64)
