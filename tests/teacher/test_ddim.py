"""The deterministic ODE and its inverse on data whose answer is known: checks 3 to 10."""

import math

import pytest
import torch

from dd3g.core.errors import InputError
from dd3g.teacher import ddim_sample, ddim_times, guided, invert, ode_step, scaled_linear
from dd3g.teacher.ddim import clean_estimate

SCHEDULE = scaled_linear()


def normal_data(deviation):
    """The exact predictor for data N(0, deviation^2): a fraction of z."""

    def epsilon(z, t):
        a = SCHEDULE.alphas_bar[t].item()
        return math.sqrt(1 - a) / (a * deviation**2 + 1 - a) * z

    return epsilon


def point_data(z, t):
    """The exact predictor for data that are one point, the origin."""
    return z / SCHEDULE.noise(t)


def drawn(*shape):
    return torch.randn(*shape, dtype=torch.float64, generator=torch.Generator().manual_seed(1))


def test_a_step_is_eulers_in_kappa():  # check 3
    z, epsilon = drawn(2, 64)
    t, to = 641, 621
    a, b = SCHEDULE.alphas_bar[t].item(), SCHEDULE.alphas_bar[to].item()
    published = math.sqrt(b) * (z - math.sqrt(1 - a) * epsilon) / math.sqrt(a) + math.sqrt(1 - b) * epsilon  # E3 in E4
    torch.testing.assert_close(ode_step(z, epsilon, SCHEDULE, t, to), published, rtol=0, atol=1e-12)


@pytest.mark.parametrize("steps", [1, 7, 50])
def test_one_point_is_reached_exactly_with_any_number_of_steps(steps):  # check 4
    noise = drawn(1, 16)
    factor = SCHEDULE.noise(0) / SCHEDULE.noise(ddim_times(SCHEDULE, steps)[0])
    torch.testing.assert_close(ddim_sample(point_data, noise, SCHEDULE, steps), factor * noise, rtol=1e-12, atol=0)
    if steps == 50:
        assert factor == pytest.approx(0.029239, abs=1e-6)


@pytest.mark.parametrize(
    ("deviation", "steps", "factor"),
    [
        (1, 10, 0.880356),
        (1, 20, 0.936859),
        (1, 50, 0.973614),
        (1, 100, 0.986541),
        (1, 250, 0.994515),
        (0.5, 50, 0.478573),
        (2, 50, 1.941267),
    ],
)
def test_normal_data_are_scaled_by_the_stated_factor(deviation, steps, factor):  # checks 5 and 6
    noise = drawn(1, 16)
    made = ddim_sample(normal_data(deviation), noise, SCHEDULE, steps)
    torch.testing.assert_close(made, factor * noise, rtol=2e-6, atol=0)


def test_the_map_is_deterministic_and_knows_nothing_of_the_batch():  # check 7
    noise = drawn(5, 4, 8)
    together = ddim_sample(normal_data(0.7), noise, SCHEDULE, 20)
    assert torch.equal(together, ddim_sample(normal_data(0.7), noise, SCHEDULE, 20))
    torch.testing.assert_close(ddim_sample(normal_data(0.7), noise[2:3], SCHEDULE, 20), together[2:3], rtol=0, atol=1e-12)


def test_guidance_is_linear_in_its_weight():  # check 8
    without, given = drawn(2, 64)
    torch.testing.assert_close(guided(without, given, 1.0), given)
    assert torch.equal(guided(without, given, 0.0), without)
    torch.testing.assert_close(guided(without, given, 5.0) - guided(without, given, 3.0), 2 * (given - without))


def test_the_true_noise_gives_back_the_clean_latents():  # check 9
    clean, noise = drawn(2, 1, 64)
    for t in (1, 300, 981):
        z = SCHEDULE.diffused(clean, noise, t)
        torch.testing.assert_close(clean_estimate(z, noise, SCHEDULE, t), clean, rtol=0, atol=1e-10)


def test_inversion_gives_the_noise_back():  # check 10
    clean = drawn(1, 16)
    found = invert(normal_data(1), clean, SCHEDULE, 50, iterations=100, tolerance=1e-14)
    torch.testing.assert_close(found.noise, clean * 1.027101, rtol=1e-6, atol=0)
    torch.testing.assert_close(ddim_sample(normal_data(1), found.noise, SCHEDULE, 50), clean, rtol=0, atol=1e-12)
    assert found.residual <= 1e-14


@pytest.mark.parametrize(("steps", "returned"), [(50, 0.94792), (250, 0.98906)])
def test_the_usual_inversion_is_none(steps, returned):  # check 10: why invert iterates
    """One explicit step each way, the predictor asked where one stands: data come back smaller."""
    epsilon, z = normal_data(1), torch.ones(1, 1, dtype=torch.float64)
    times = ddim_times(SCHEDULE, steps)
    for t, to in zip((0, *reversed(times[1:])), reversed(times), strict=True):
        z = ode_step(z, epsilon(z, t), SCHEDULE, t, to)
    assert ddim_sample(epsilon, z, SCHEDULE, steps).item() == pytest.approx(returned, abs=1e-5)


def test_an_iteration_that_has_not_arrived_says_so():
    found = invert(normal_data(1), drawn(1, 16), SCHEDULE, 50, iterations=1)
    assert found.residual > 1e-3
    assert found.calls == 50
    with pytest.raises(InputError, match="iterations: found 0"):
        invert(normal_data(1), drawn(1, 16), SCHEDULE, 50, iterations=0)
