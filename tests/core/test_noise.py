"""Keyed noise: the same bits everywhere, standard normal (check 37)."""

import numpy as np
import torch

from dd3g.core import NoiseKey, draw_noise
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
