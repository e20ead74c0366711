"""Laws of the curriculum: check 33."""

import math
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dd3g.core.errors import InputError
from dd3g.distill.curriculum import Curriculum, checked, ramp

RISING = ("linear", "quadratic", "cosine", "smoothstep")
SHAPES = ("off", "constant", "step", *RISING)
shares = st.floats(0, 1)
spans = st.tuples(shares, shares).map(sorted)


@given(st.sampled_from(SHAPES), spans, shares, shares)
def test_it_stays_in_its_bounds_and_never_falls(shape, span, one, other):  # check 33
    curriculum = Curriculum(shape, *span)
    first, second = (ramp(curriculum, progress) for progress in sorted((one, other)))
    assert 0 <= first <= second <= 1


@given(st.sampled_from(("step", *RISING)), spans, shares)
def test_nothing_before_the_start_and_everything_from_the_end_on(shape, span, progress):  # check 33
    start, end = span
    value = ramp(Curriculum(shape, start, end), progress)
    if progress < start:
        assert value == 0
    if progress >= end:
        assert value == 1


@given(st.sampled_from(RISING), spans.filter(lambda span: span[1] - span[0] > 1e-3))
def test_a_rising_one_has_no_jump(shape, span):
    start, end = span
    curriculum, points = Curriculum(shape, start, end), 200
    values = [ramp(curriculum, start + (end - start) * k / points) for k in range(points + 1)]
    steepest = {"linear": 1, "quadratic": 2, "cosine": math.pi / 2, "smoothstep": 1.5}[shape]
    assert max(b - a for a, b in pairwise(values)) <= steepest / points + 1e-9


@given(st.sampled_from(("cosine", "smoothstep")), spans.filter(lambda span: span[1] - span[0] > 1e-2))
def test_an_s_has_no_slope_at_its_ends_and_passes_the_middle_half_way(shape, span):  # check 33: the derivative is continuous
    start, end = span
    curriculum, h = Curriculum(shape, start, end), 1e-4 * (span[1] - span[0])
    # rises as 3 x^2 (or pi^2 / 4 x^2) about its ends, so the slope over 1e-4 of the way is at most 3e-4 of the mean one
    assert ramp(curriculum, start + h) <= 4e-4 * 1e-4
    assert 1 - ramp(curriculum, end - h) <= 4e-4 * 1e-4
    assert ramp(curriculum, (start + end) / 2) == pytest.approx(0.5, abs=1e-6)


def test_the_default_is_the_papers_drawing():
    curriculum = Curriculum()
    assert [ramp(curriculum, p) for p in (0, 0.19, 0.2)] == [0, 0, 0]
    assert ramp(curriculum, 0.4) == pytest.approx(0.5)
    assert [ramp(curriculum, p) for p in (0.6, 0.8, 1)] == [1, 1, 1]


@pytest.mark.parametrize(("start", "end"), [(-0.1, 0.5), (0.5, 0.4), (0.5, 1.1)])
def test_a_ramp_outside_the_run_is_refused(start, end):
    with pytest.raises(InputError, match="expected 0 <= start <= end <= 1"):
        checked(Curriculum(start=start, end=end))
