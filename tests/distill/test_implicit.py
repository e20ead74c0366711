"""Score distillation with predictors whose answer is known: checks 28 to 32."""

import numpy as np
import pytest
import torch
from torch import nn

from dd3g.distill.implicit import FIRST_TIME, LAST_TIME, Weighting, draw_time, implicit, weight_of
from dd3g.encoders.codec import Codec, CodecConfig
from dd3g.teacher import scaled_linear
from dd3g.teacher.ddim import clean_estimate

SCHEDULE = scaled_linear()
SHAPE = (2, 4, 4, 4, 4)
TIMES = pytest.mark.parametrize("t", [20, 100, 300])


def drawn(seed):
    return torch.randn(SHAPE, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


def gradient(epsilon, t, z, noise, weighting: Weighting = "noise"):
    """Of each value, as E13 has it: without the mean's number of values."""
    z = z.clone().requires_grad_()
    implicit(z, epsilon, SCHEDULE, t, noise, weighting).backward()
    assert z.grad is not None
    return z.grad * z.numel()


def point_oracle(target):
    """The exact predictor of data that are one point."""
    return lambda z_t, t: (z_t - SCHEDULE.signal(t) * target) / SCHEDULE.noise(t)


@TIMES
def test_a_teacher_that_names_the_noise_asks_for_nothing(t):  # check 28
    z, noise = drawn(0), drawn(1)
    assert not gradient(lambda z_t, t: noise, t, z, noise).any()


@TIMES
@pytest.mark.parametrize("weighting", ["noise", "clean"])
def test_a_teacher_that_knows_one_point_points_away_from_it(t, weighting):  # check 28: descent leads to the point
    z, noise, target = drawn(0), drawn(1), drawn(2)
    wanted = weight_of(SCHEDULE, t, weighting) / SCHEDULE.kappa(t) * (z - target)
    torch.testing.assert_close(gradient(point_oracle(target), t, z, noise, weighting), wanted, rtol=0, atol=1e-12)


def test_descent_along_it_reaches_the_point():
    z, target = drawn(0), drawn(2)
    random = np.random.default_rng(0)
    for step in range(150):
        t = draw_time(random)
        z = z - 0.2 / weight_of(SCHEDULE, t) * SCHEDULE.kappa(t) * gradient(point_oracle(target), t, z, drawn(10 + step))
    torch.testing.assert_close(z, target, rtol=0, atol=1e-10)


def test_weights_are_the_stated_ones():  # check 29
    times = range(FIRST_TIME, LAST_TIME + 1)
    stated: dict[Weighting, tuple[float, float, float]] = {"noise": (0.01869, 0.40950, 0.1959), "clean": (0.13799, 0.83275, 0.4832)}
    for weighting, (first, last, mean) in stated.items():
        each = [weight_of(SCHEDULE, t, weighting) for t in times]
        assert each[0] == pytest.approx(first, abs=5e-6)
        assert each[-1] == pytest.approx(last, abs=5e-6)
        assert np.mean(each) == pytest.approx(mean, abs=5e-5)
        assert each == sorted(each)


@TIMES
def test_the_clean_form_is_the_noise_form_under_kappa(t):  # check 30
    z, noise, answer = drawn(0), drawn(1), drawn(3)
    found = gradient(lambda z_t, t: answer, t, z, noise, "clean")
    torch.testing.assert_close(found, SCHEDULE.kappa(t) * (answer - noise), rtol=0, atol=1e-12)
    free = z.clone().requires_grad_()
    guess = clean_estimate(SCHEDULE.diffused(z, noise, t), answer, SCHEDULE, t)
    (0.5 * (free - guess).square().sum()).backward()
    assert free.grad is not None
    torch.testing.assert_close(found, free.grad, rtol=0, atol=1e-6)


def test_the_teacher_is_frozen_and_the_codec_alone_is_gone_through():  # check 31
    torch.manual_seed(0)
    codec = Codec(CodecConfig(channels=8, encoder_blocks=(1, 1, 1, 1), decoder_blocks=(1, 1, 1, 1))).requires_grad_(False)
    teacher, recorded = nn.Conv2d(4, 4, 3, padding=1), []

    def epsilon(z_t, t):
        answer = teacher(z_t.flatten(0, 1)).reshape(z_t.shape)
        recorded.append(z_t.requires_grad or answer.requires_grad or torch.is_grad_enabled())
        return answer

    renders = torch.rand(8, 4, 32, 32, requires_grad=True)
    z = codec.encode(renders).unflatten(0, (2, 4))
    implicit(z, epsilon, SCHEDULE, 200, torch.randn(SHAPE)).backward()
    assert recorded == [False]  # asked once, and no graph was kept of it
    assert all(p.grad is None for p in (*teacher.parameters(), *codec.parameters()))
    assert renders.grad is not None
    assert renders.grad.any()


def test_the_gradient_is_the_answer_taken_as_a_constant():
    """A teacher that depends on z adds nothing: E13 drops its Jacobian."""
    z, noise = drawn(0), drawn(1)
    bent = gradient(lambda z_t, t: z_t.square(), 100, z, noise)
    z_t = SCHEDULE.diffused(z, noise, 100)
    torch.testing.assert_close(bent, weight_of(SCHEDULE, 100) * (z_t.square() - noise), rtol=0, atol=1e-12)


def test_times_are_of_the_range_and_both_ends_occur():  # check 32
    random = np.random.default_rng(0)
    found = {draw_time(random) for _ in range(6000)}
    assert found == set(range(20, 301))
