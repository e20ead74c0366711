"""Explicit supervision: checks 34 and 35 of the method's list."""

import math

import pytest
import torch

from dd3g.distill.explicit import ExplicitWeights, explicit, psnr
from dd3g.render import Render


def render_of(value, views=2, size=8):
    rgb = torch.full((1, views, 3, size, size), value)
    return Render(rgb, torch.full((1, views, 1, size, size), value), torch.ones(1, views, 1, size, size))


def test_equal_pictures_cost_nothing():  # check 34
    render = render_of(0.3)
    terms = explicit(render, render.rgb, render.alpha, ExplicitWeights(), lambda a, b: (a - b).abs().mean((1, 2, 3)))
    assert all(float(term) == 0 for term in terms.values())


def test_constants_a_fifth_apart_have_mse_0_04():  # check 34
    terms = explicit(render_of(0.5), render_of(0.3).rgb, render_of(0.5).alpha, ExplicitWeights(mse=1.0), None)
    assert float(terms["mse"]) == pytest.approx(0.04, rel=1e-5)
    assert float(terms["alpha"]) == 0
    assert "perceptual" not in terms


def test_terms_are_weighted_and_their_sum_is_the_loss():
    weights = ExplicitWeights(mse=2.0, perceptual=3.0, alpha=5.0)
    terms = explicit(render_of(0.5), render_of(0.3).rgb, render_of(0.3).alpha, weights, lambda a, b: (a - b).abs().mean((1, 2, 3)))
    assert float(terms["mse"]) == pytest.approx(2 * 0.04, rel=1e-5)
    assert float(terms["perceptual"]) == pytest.approx(3 * 0.2, rel=1e-5)
    assert float(terms["alpha"]) == pytest.approx(5 * 0.04, rel=1e-5)


def test_the_log_of_the_error_is_psnr_turned_over():
    """A tenth of the error is worth as much on an easy view as on a hard one, and every view's gradient is as long."""
    weights = ExplicitWeights(mse=0.0, alpha=0.0, log_mse=10 / math.log(10))
    truth = torch.full((1, 2, 3, 8, 8), 0.3)
    ours = truth + torch.tensor([0.2, 0.4]).reshape(1, 2, 1, 1, 1)
    ours.requires_grad_()
    alpha = torch.ones(1, 2, 1, 8, 8)
    term = explicit(Render(ours, alpha, alpha), truth, alpha, weights, None)["log_mse"]
    assert term.item() == pytest.approx(-psnr(ours, truth).mean().item(), abs=0.01)  # but for what counts as perfect
    gradient = torch.autograd.grad(term, ours)[0].flatten(2).norm(dim=2)[0] * torch.tensor([0.2, 0.4])
    assert gradient[0].item() == pytest.approx(gradient[1].item(), rel=0.01)
    perfect = explicit(Render(truth, alpha, alpha), truth, alpha, weights, None)["log_mse"]
    assert float(perfect) == pytest.approx(-40, abs=1e-3)


def test_an_mse_of_a_hundredth_is_20_db():  # check 35
    assert float(psnr(torch.full((3, 4, 4), 0.6), torch.full((3, 4, 4), 0.5))) == pytest.approx(20, abs=1e-4)
