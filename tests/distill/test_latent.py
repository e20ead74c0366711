"""The warm phase: what is asked of the head, of whom, and for how long."""

import pytest
import torch

from dd3g.core.errors import InputError
from dd3g.distill.latent import LatentConfig, checked_latent, latent_loss, latent_weight


def test_the_target_is_the_latents_and_samples_without_any_are_not_asked():
    torch.manual_seed(0)
    latents = torch.randn(3, 4, 4, 2, 2)
    latents[1] = float("nan")
    predicted = torch.randn_like(latents, requires_grad=True)
    loss = latent_loss(predicted, latents)
    by_hand = torch.stack([(predicted[k] - latents[k]).square().mean() for k in (0, 2)]).mean()
    torch.testing.assert_close(loss, by_hand)
    (gradient,) = torch.autograd.grad(loss, predicted)
    torch.testing.assert_close(gradient[0], (predicted[0] - latents[0]) / latents[0].numel())  # 2 / numel, over two samples
    assert not gradient[1].any()
    assert latent_loss(latents.nan_to_num(), latents) == 0


def test_nobody_with_latents_asks_for_nothing():
    predicted = torch.randn(2, 4, 4, 2, 2, requires_grad=True)
    loss = latent_loss(predicted, torch.full_like(predicted, float("nan")))
    assert loss == 0
    loss.backward()
    assert predicted.grad is not None
    assert not predicted.grad.any()


def test_the_weight_falls_in_a_line_and_stays_0():
    config = LatentConfig(0.4, 0.5)
    assert [latent_weight(config, p) for p in (0, 0.25, 0.5, 0.9)] == [0.4, 0.2, 0, 0]
    assert not LatentConfig().wanted


@pytest.mark.parametrize("wrong", [{"weight": -1.0}, {"end": 0.0}, {"end": 1.5}])
def test_wrong_settings_are_explained(wrong):
    with pytest.raises(InputError, match=r"loss\.latent: found weight .* expected weight >= 0 and 0 < end <= 1"):
        checked_latent(LatentConfig(**wrong))
