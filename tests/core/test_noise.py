"""Keyed noise: the same bits everywhere, standard normal (check 37); and the arc between two (check 42)."""

import math
from itertools import pairwise

import numpy as np
import pytest
import torch

from dd3g.core import NoiseKey, draw_noise, slerp
from dd3g.core.errors import InputError
from dd3g.core.noise import _log, _sin_cos_turns

SHAPE = (4, 4, 32, 32)


def test_golden_values():
    """A change here changes every data set and every user's seed; it needs a new generator name."""
    noise = draw_noise(NoiseKey("00" * 16, 7), (5,))
    golden = torch.tensor(GOLDEN)
    assert torch.equal(noise, golden), noise.tolist()


GOLDEN = [-1.5485843420028687, -1.1241878271102905, 1.015168309211731, 1.2992000579833984, 0.6689918637275696]


def test_equal_keys_give_equal_bits_and_other_keys_other_noise():
    noise = draw_noise(NoiseKey("a", 0), SHAPE)
    assert torch.equal(noise, draw_noise(NoiseKey("a", 0), SHAPE))
    for other in (NoiseKey("a", 1), NoiseKey("b", 0)):
        correlation = torch.corrcoef(torch.stack([noise.flatten(), draw_noise(other, SHAPE).flatten()]))[0, 1]
        assert abs(float(correlation)) < 0.032  # 4 sigma for 16,384 numbers


def test_mean_and_variance_are_standard():  # check 37: 4 sigma bounds over 16,384 numbers
    for draw in range(8):
        noise = draw_noise(NoiseKey("moments", draw), SHAPE)
        assert abs(float(noise.mean())) < 0.032
        assert abs(float(noise.var()) - 1) < 0.045


def test_the_distribution_is_normal():
    values = np.sort(draw_noise(NoiseKey("shape", 0), (100_000,)).numpy())
    from scipy.stats import kstest

    assert kstest(values, "norm").pvalue > 1e-3  # fixed key: this can't flicker


def test_own_logarithm_and_sine_are_right():
    x = np.concatenate([np.random.default_rng(0).random(10_000), [2.0**-53, 0.5, 1.0, np.nextafter(1, 0)]])
    x = x[x > 0]
    assert np.allclose(_log(x), np.log(x), rtol=1e-14, atol=1e-15)
    sin, cos = _sin_cos_turns(x % 1)
    assert np.allclose(sin, np.sin(2 * np.pi * (x % 1)), atol=2e-15)
    assert np.allclose(cos, np.cos(2 * np.pi * (x % 1)), atol=2e-15)


def test_an_odd_count_is_a_prefix_free_draw():
    assert draw_noise(NoiseKey("odd", 0), (3, 5)).shape == (3, 5)
    assert draw_noise(NoiseKey("odd", 0), (0,)).shape == (0,)


def two(kind=torch.float32):
    return draw_noise(NoiseKey("arc", 0), SHAPE).to(kind), draw_noise(NoiseKey("arc", 1), SHAPE).to(kind)


def test_an_arc_begins_and_ends_at_its_ends_to_the_bit():  # check 42
    a, b = two()
    assert torch.equal(slerp(a, b, 0), a)
    assert torch.equal(slerp(a, b, 1.0), b)
    assert torch.allclose(slerp(a, b, 1e-9), a, atol=1e-6)
    assert torch.allclose(slerp(a, b, 1 - 1e-9), b, atol=1e-6)


def test_an_arc_keeps_the_norm():  # check 42
    a, b = two(torch.float64)
    b = b * (a.norm() / b.norm())
    for t in np.linspace(0, 1, 21):
        assert slerp(a, b, t).norm().item() == pytest.approx(a.norm().item(), rel=1e-12)
    assert slerp(a, 3 * b, 0.5).norm().item() == pytest.approx(2 * a.norm().item(), rel=1e-12)
    assert ((a + b) / 2).norm().item() < 0.75 * a.norm().item()  # the straight way does not
    plain = slerp(*two(), 0.5)
    assert plain.dtype == torch.float32
    assert abs(float(plain.var()) - 1) < 0.045


def test_an_arc_is_walked_at_one_speed():  # check 42: continuous, with the angle as its Lipschitz constant
    a, b = two(torch.float64)
    b = b * (a.norm() / b.norm())
    angle = math.acos(float((a * b).sum() / a.norm() ** 2))
    points = [slerp(a, b, t) for t in np.linspace(0, 1, 65)]
    steps = [(y - x).norm().item() for x, y in pairwise(points)]
    assert steps == pytest.approx([2 * math.sin(angle / 128) * a.norm().item()] * 64, rel=1e-9)
    assert torch.allclose(slerp(a, b, 0.3), slerp(b, a, 0.7), atol=1e-12)


def test_arcs_of_equal_and_nearly_equal_noise_are_short():
    a, _ = two(torch.float64)
    assert torch.allclose(slerp(a, a, 0.5), a, atol=1e-12)
    near = a.clone()
    near.flatten()[0] += 1e-6
    assert (slerp(a, near, 0.5) - (a + near) / 2).abs().max() < 1e-11


def test_where_there_is_no_arc_it_says_so():
    a, b = two()
    for one, other, t, words in ((a, -a, 0.5, "opposite"), (a, 0 * b, 0.5, "is zero"), (a, b, 1.5, "expected 0 to 1")):
        with pytest.raises(InputError, match=words):
            slerp(one, other, t)
