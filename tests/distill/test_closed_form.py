"""Verification by a teacher that knows its data in closed form: a mixture of two Gaussians in latents. Checks 28 to 31 once more, whole."""

import math

import numpy as np
import pytest
import torch

from dd3g.core import Gaussians, canonical_rig
from dd3g.distill.colours import statistics
from dd3g.distill.guidance import rescaled
from dd3g.distill.implicit import draw_time, implicit, weight_of
from dd3g.render import rasterize
from dd3g.teacher import guided, scaled_linear
from dd3g.teacher.ddim import clean_estimate

SCHEDULE = scaled_linear()
SPREAD = 0.3  # of each mode


def drawn(shape, seed):
    return torch.randn(shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


def log_density(z_t, modes, t):
    """log p_t of each object: an equal mixture of N(signal m, signal^2 s^2 + noise^2)."""
    variance = (SCHEDULE.signal(t) * SPREAD) ** 2 + SCHEDULE.noise(t) ** 2
    exponents = torch.stack([-(z_t - SCHEDULE.signal(t) * mode).square().flatten(1).sum(1) / (2 * variance) for mode in modes])
    return exponents.logsumexp(0) - z_t[0].numel() / 2 * math.log(2 * math.pi * variance)


def knows(modes):
    """eps_hat = -noise grad log p_t, worked out by hand: responsibilities times the way to each mode."""

    def epsilon(z_t, t):
        signal, noise = SCHEDULE.signal(t), SCHEDULE.noise(t)
        variance = (signal * SPREAD) ** 2 + noise**2
        away = torch.stack([z_t - signal * mode for mode in modes])
        share = (-away.square().flatten(2).sum(2) / (2 * variance)).softmax(0)
        return noise / variance * (share[(...,) + (None,) * (z_t.ndim - 1)] * away).sum(0)

    return epsilon


def gradient(epsilon, t, z, noise):
    z = z.clone().requires_grad_()
    implicit(z, epsilon, SCHEDULE, t, noise).backward()
    assert z.grad is not None
    return z.grad * z.numel()


@pytest.mark.parametrize("t", [20, 100, 300])
def test_the_gradient_is_the_difference_of_scores(t):  # check 28
    """w noise (score of the noised render - score of the data), both by automatic differentiation of their log densities."""
    shape = (3, 4, 2, 2, 2)
    z, noise = 0.5 * drawn(shape, 0), drawn(shape, 1)
    modes = [0.5 * drawn(shape[1:], 2), 0.5 * drawn(shape[1:], 3)]
    z_t = SCHEDULE.diffused(z, noise, t).requires_grad_()
    (data,) = torch.autograd.grad(log_density(z_t, modes, t).sum(), z_t)
    render = -(z_t.detach() - SCHEDULE.signal(t) * z) / SCHEDULE.noise(t) ** 2
    wanted = weight_of(SCHEDULE, t) * SCHEDULE.noise(t) * (render - data)
    torch.testing.assert_close(gradient(knows(modes), t, z, noise), wanted, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("t", [20, 300])
def test_a_perfect_render_is_asked_for_nothing_on_average(t):  # check 28
    """At a mode, the mean over noise is 0 within its standard error; half a spread beside it, far from that."""
    shape, draws = (1, 4, 1, 2, 2), 4000
    mode = drawn(shape[1:], 0)
    for offset, perfect in ((0.0, True), (0.5 * SPREAD, False)):
        z = (mode + offset).expand(draws, *shape[1:])
        found = gradient(knows([mode]), t, z, drawn(z.shape, 1)).flatten(1).mean(1)
        error = found.std() / math.sqrt(draws)
        assert (found.mean().abs() < 4 * error) == perfect


def splats(rgb):
    """A solid ball of one colour."""
    generator = torch.Generator().manual_seed(0)
    means = torch.nn.functional.normalize(torch.randn(30, 3, generator=generator), dim=-1) * 0.3
    quats = torch.tensor([1.0, 0, 0, 0]).repeat(30, 1)
    return Gaussians(means, quats, torch.full((30, 3), 0.15), torch.full((30,), 0.9), rgb.expand(30, 3))


def seen(rgb):
    return rasterize(splats(rgb), canonical_rig(8), torch.zeros(3)).rgb[None].double()


def test_descending_it_moves_renders_to_the_nearer_mode():  # check 28
    """Through the renderer: a ball between red and blue, nearer to red, becomes red. Latents here are the pictures themselves."""
    red, blue = torch.tensor([0.8, 0.1, 0.1]), torch.tensor([0.1, 0.1, 0.8])
    epsilon = knows([seen(red)[0], seen(blue)[0]])
    raw = (0.7 * red + 0.3 * blue).requires_grad_()
    optimiser, random = torch.optim.Adam([raw], lr=0.04), np.random.default_rng(0)
    for step in range(60):
        z = seen(raw)
        optimiser.zero_grad()
        implicit(z, epsilon, SCHEDULE, draw_time(random), drawn(z.shape, step)).backward()
        optimiser.step()
    assert (seen(raw.detach()) - seen(red)).square().mean() < 0.02 * (seen(blue) - seen(red)).square().mean()


@pytest.mark.parametrize("t", [20, 300])
def test_rescaling_gives_the_guided_estimate_the_conditional_spread(t):  # check 30's predictor under guidance
    shape = (2, 4, 4, 3, 3)
    z_t, conditional, unconditional = drawn(shape, 0), drawn(shape, 1), drawn(shape, 2)

    def estimate(epsilon):
        return clean_estimate(z_t, epsilon, SCHEDULE, t)

    def at(guidance, share):
        return rescaled(lambda z, t: (conditional, unconditional), SCHEDULE, guidance, share)(z_t, t)

    torch.testing.assert_close(at(5.0, 0.0), guided(unconditional, conditional, 5.0))
    torch.testing.assert_close(at(1.0, 1.0), conditional)
    whole = estimate(at(5.0, 1.0)).std(dim=(1, 2, 3, 4))
    torch.testing.assert_close(whole, estimate(conditional).std(dim=(1, 2, 3, 4)))
    plain = estimate(at(5.0, 0.0))
    torch.testing.assert_close(estimate(at(5.0, 0.2)), 0.2 * estimate(at(5.0, 1.0)) + 0.8 * plain)


def test_statistics_are_those_of_the_opaque_part_and_thin_alpha_counts_little():
    rgb = torch.rand(1, 2, 3, 6, 6, generator=torch.Generator().manual_seed(0))
    alpha = torch.zeros(1, 2, 1, 6, 6)
    alpha[..., 1:4, 2:5] = 1
    mean, spread = statistics(torch.cat([rgb * alpha, alpha], 2))
    inside = rgb[..., 1:4, 2:5].transpose(1, 2).flatten(2)
    torch.testing.assert_close(mean, inside.mean(2))
    torch.testing.assert_close(spread, inside.std(2, correction=0), rtol=1e-3, atol=1e-4)
