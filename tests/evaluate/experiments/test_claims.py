"""The rule by which a claim is answered."""

import pytest

from dd3g.evaluate.experiments.claims import Claim, judge, verdict_of
from dd3g.evaluate.intervals import Interval

THREE = [0.4, 0.5, 0.6]


@pytest.mark.parametrize(
    ("low", "high", "seeds", "margin", "verdict"),
    [
        (0.3, 0.7, THREE, 0.0, "confirmed"),
        (0.3, 0.7, THREE, 0.6, "not seen"),  # smaller than what counts
        (-0.1, 0.7, THREE, 0.0, "not seen"),
        (0.3, 0.7, [0.4, -0.1, 1.2], 0.0, "not seen"),  # a seed says otherwise
        (0.3, 0.7, [0.5, 0.5], 0.0, "not seen"),  # two students may both be accidents
        (-0.7, -0.3, [-0.4, -0.5, -0.6], 0.0, "contradicted"),
        (-0.7, -0.3, [-0.4, 0.1, -1.2], 0.0, "not seen"),
        (None, None, THREE, 0.0, "not seen"),
    ],
)
def test_the_verdict_follows_from_interval_margin_and_seeds(low, high, seeds, margin, verdict):
    assert verdict_of(Interval(sum(seeds) / len(seeds), low, high), seeds, margin) == verdict


def rows(*values):
    return [{"paired_db": value, "views_found": value} for value in values]


def test_differences_are_taken_input_by_input():
    """Inputs differ by far more than arms do; paired, the small difference is certain."""
    inputs = [10.0, 20.0, 30.0, 40.0, 50.0]
    arms = {"a": [rows(*(x + 0.2 for x in inputs))] * 3, "b": [rows(*inputs)] * 3}
    found = judge(Claim("a beats b", "a", "b", "own_db"), arms)
    assert found.verdict == "confirmed"
    assert found.difference.low == pytest.approx(0.2)
    assert judge(Claim("b beats a", "b", "a", "own_db"), arms).verdict == "contradicted"
    assert judge(Claim("b is lower", "b", "a", "own_db", lower=True), arms).verdict == "confirmed"


def test_a_claim_may_be_about_a_level():
    arms = {"a": [rows(0.5, 0.6, 0.7)] * 3}
    assert judge(Claim("found more often than by chance", "a", 0.125, "found"), arms).verdict == "confirmed"
    assert judge(Claim("found always", "a", 1.0, "found"), arms).verdict == "contradicted"


def test_the_sentence_holds_the_figures():
    arms = {"a": [rows(1.0, 1.5)] * 3, "b": [rows(0.5, 1.0)] * 3}
    sentence = judge(Claim("a beats b", "a", "b", "own_db"), arms).sentence()
    assert sentence.startswith("confirmed: a beats b. ")
    assert "+0.500 (95 %: +0.500 to +0.500) more than b; seeds +0.500, +0.500, +0.500" in sentence
