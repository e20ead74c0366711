"""What is asked of two draws of one picture."""

import pytest
import torch

from dd3g.distill.diversity import diversity_loss, pairs_of

SHAPE = (5, 4, 4, 6, 6)
PICTURE = torch.tensor([7, -1, 7, 2, -1])


def views(seed):
    return torch.rand(SHAPE, generator=torch.Generator().manual_seed(seed))


def test_pairs_are_of_one_picture_and_never_of_none():
    assert [p.tolist() for p in pairs_of(PICTURE)] == [[0], [2]]
    assert [p.tolist() for p in pairs_of(torch.tensor([1, 1, 1]))] == [[0, 0, 1], [1, 2, 2]]


def test_the_teachers_own_views_ask_for_nothing_wherever_they_lie():
    truth = views(0)
    assert diversity_loss(truth, truth, PICTURE) == 0
    assert diversity_loss(truth + 0.3, truth, PICTURE).item() == pytest.approx(0, abs=1e-10)  # distances alone count


def test_the_mean_over_draws_is_pulled_apart():
    truth = views(0)
    mean = truth.clone()
    mean[[0, 2]] = (truth[0] + truth[2]) / 2 + 0.01 * torch.randn(2, *SHAPE[1:], generator=torch.Generator().manual_seed(1))
    mean.requires_grad_()
    loss = diversity_loss(mean, truth, PICTURE)
    loss.backward()
    assert mean.grad is not None
    after = mean - 10 * mean.grad
    assert (after[0] - after[2]).norm() > (mean[0] - mean[2]).norm()
    assert not mean.grad[[1, 3, 4]].any()


def test_without_pairs_it_is_zero_and_has_a_gradient():
    ours = views(0).requires_grad_()
    diversity_loss(ours, views(1), torch.full((5,), -1)).backward()
    assert ours.grad is not None
    assert not ours.grad.any()
