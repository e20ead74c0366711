"""The teacher in closed form: its answer is the posterior's mean, and its ODE is a map from noise to the world's completions."""

import math

import pytest
import torch

from dd3g.evaluate.experiments.exact_teacher import exact_epsilon, exact_predictions, nearest_completion, posterior_mean
from dd3g.teacher.ddim import clean_estimate, ddim_sample, guided, invert
from dd3g.teacher.schedule import scaled_linear

SCHEDULE = scaled_linear()
SHAPE = (1, 3, 2, 2)
SPREAD = 0.05


def completions_of(count, seed=0):
    return 1.5 * torch.randn(count, *SHAPE, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def noise_of(count, seed=1):
    return torch.randn(count, *SHAPE, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


@pytest.mark.parametrize("t", [20, 300, 700])
def test_the_answer_is_the_mean_of_the_posterior(t):
    """Against a sum over many samples of z_0 weighted by how likely each makes z_t: no closed form on that side."""
    centres = 0.2 * completions_of(3)[:, :, :1, :1, :2]  # two numbers, near each other, so that sums can cover them
    spread, samples = 0.4, 400_000
    generator = torch.Generator().manual_seed(2)
    which = torch.randint(3, (samples,), generator=generator)
    clean = centres[which] + spread * torch.randn(samples, *centres.shape[1:], generator=generator, dtype=torch.float64)
    z = SCHEDULE.diffused(clean[:2], torch.randn(2, *centres.shape[1:], generator=generator, dtype=torch.float64), t)
    off = (z[:, None] - SCHEDULE.signal(t) * clean).flatten(2).square().sum(2)
    weight = torch.softmax(-off / (2 * SCHEDULE.noise(t) ** 2), 1)
    brute = torch.einsum("bn,n...->b...", weight, clean)
    found = posterior_mean(z, centres.expand(2, *centres.shape), spread, SCHEDULE, t)
    assert torch.allclose(found, brute, atol=0.02)  # chance of the sum: effective samples are some thousands at t 20


def test_epsilon_and_the_clean_estimate_are_the_same_knowledge():
    centres, z = completions_of(4), noise_of(5)
    epsilon = exact_epsilon(centres.expand(5, *centres.shape), SPREAD, SCHEDULE)
    mean = posterior_mean(z, centres.expand(5, *centres.shape), SPREAD, SCHEDULE, 400)
    assert torch.allclose(clean_estimate(z, epsilon(z, 400), SCHEDULE, 400), mean, atol=1e-12)


def test_one_completion_alone_is_a_gaussian_whose_ode_is_linear():
    """From the data N(mu, s^2), z_0 = mu a_0 + (s_0 / s_T) (z_T - mu a_T) along the exact ODE; many steps come near it."""
    centre, z = completions_of(1), noise_of(4)
    made = ddim_sample(exact_epsilon(centre.expand(4, *centre.shape), 0.5, SCHEDULE), z, SCHEDULE, 500)
    last = 1 + 2 * 499  # the sampler's first time with 500 steps
    spread = [math.sqrt((SCHEDULE.signal(t) * 0.5) ** 2 + SCHEDULE.noise(t) ** 2) for t in (0, last)]
    exact = SCHEDULE.signal(0) * centre[0] + spread[0] / spread[1] * (z - SCHEDULE.signal(last) * centre[0])
    assert torch.allclose(made, exact, atol=0.02)


def test_the_ode_ends_at_completions():
    centres = completions_of(6)
    made = ddim_sample(exact_epsilon(centres.expand(200, *centres.shape), SPREAD, SCHEDULE), noise_of(200), SCHEDULE, 50)
    off = (made[:, None] - centres).square().mean((2, 3, 4, 5)).sqrt().amin(1)
    assert off.quantile(0.98) < 2 * SPREAD  # but for few that begin where two ways part
    assert nearest_completion(centres, centres.expand(6, *centres.shape)) == list(range(6))


def test_from_the_noise_that_the_world_leads_to_every_completion_comes_equally_often():
    """z_T of the forward process, not N(0, 1): at the last time a little signal is left, on this schedule as on the paper's teacher's."""
    count, ways = 2000, 5
    centres = completions_of(ways)
    which = torch.randint(ways, (count,), generator=torch.Generator().manual_seed(3))
    clean = centres[which] + SPREAD * noise_of(count, 4)
    z = SCHEDULE.diffused(clean, noise_of(count, 5), 981)
    ends = nearest_completion(
        ddim_sample(exact_epsilon(centres.expand(count, *centres.shape), SPREAD, SCHEDULE), z, SCHEDULE, 50),
        centres.expand(count, *centres.shape),
    )
    found = torch.bincount(torch.tensor(ends), minlength=ways) / count
    deviation = math.sqrt(1 / ways * (1 - 1 / ways) / count)
    assert (found - 1 / ways).abs().max() < 4 * deviation


def test_inversion_finds_noise_that_leads_back():
    centres = completions_of(4)
    views = centres + SPREAD * noise_of(4, 6)
    epsilon = exact_epsilon(centres.expand(4, *centres.shape), SPREAD, SCHEDULE)
    found = invert(epsilon, views, SCHEDULE, 50, iterations=60, tolerance=1e-9)
    assert torch.allclose(ddim_sample(epsilon, found.noise, SCHEDULE, 50), views, atol=1e-5)
    assert 0.5 < found.noise.std() < 1.5  # noise of about unit size, since the views have the spread that the teacher knows of


def test_without_the_input_it_is_the_mixture_over_all():
    own, others = completions_of(2), completions_of(7, seed=9)
    everything = torch.cat([own, others])
    conditional, unconditional = exact_predictions(own.expand(3, *own.shape), everything, SPREAD, SCHEDULE)(noise_of(3), 500)
    whole = exact_epsilon(everything.expand(3, *everything.shape), SPREAD, SCHEDULE)(noise_of(3), 500)
    assert torch.equal(unconditional, whole)
    assert torch.equal(guided(unconditional, conditional, 1.0).isfinite(), torch.ones_like(whole, dtype=torch.bool))
    assert not torch.allclose(conditional, unconditional, atol=1e-3)
