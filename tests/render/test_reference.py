"""The oracle itself: its gradients against finite differences (check 20), its blocks, its mask."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from dd3g.core import Gaussians, orbit
from dd3g.render import rasterize, reference
from dd3g.render.constants import ALPHA_CUTOFF, ALPHA_MAX
from dd3g.render.reference import stable_pixels
from tests.render.scenes import FIELDS, gradients, joined, leaves, one_gaussian, shell, two_views

CAMERAS = orbit([20.0, 130.0], [10.0, -30.0], size=(3, 4))


def smooth_scene() -> Gaussians:
    """Wide splats of middling opacity: nothing near the cutoff or the clamp, which finite differences could not cross."""
    parts = [
        one_gaussian(mean=(0.1, 0.05, 0.2), quat=(0.9, 0.1, -0.3, 0.2), scale=(0.5, 0.7, 0.6), opacity=0.5, rgb=(0.9, 0.1, 0.4)),
        one_gaussian(mean=(-0.2, 0.1, 0.0), quat=(0.5, -0.6, 0.3, 0.4), scale=(0.8, 0.6, 0.4), opacity=0.4, rgb=(0.2, 0.8, 0.3)),
        one_gaussian(mean=(0.0, -0.1, -0.2), quat=(0.2, 0.3, 0.8, -0.5), scale=(0.6, 0.5, 0.9), opacity=0.3, rgb=(0.1, 0.3, 0.7)),
    ]
    return leaves(joined(*parts), torch.float64)


@pytest.mark.parametrize("antialiased", [False, True])
def test_gradients_are_those_of_finite_differences(antialiased: bool) -> None:
    """Check 20, in float64, for all five attributes and the background."""

    def pictures(*fields: Tensor) -> tuple[Tensor, ...]:
        render = rasterize(Gaussians(*fields[:5]), CAMERAS, fields[5], antialiased=antialiased, backend="reference")
        return render.rgb, render.alpha, render.depth

    scene = smooth_scene()
    alpha = rasterize(scene, CAMERAS, torch.zeros(3).double(), backend="reference").alpha
    assert ALPHA_CUTOFF < alpha.min() <= alpha.max() < ALPHA_MAX
    background = torch.tensor([0.3, 0.6, 0.1], dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(pictures, [*(getattr(scene, name) for name in FIELDS), background], eps=1e-6, rtol=1e-4)


def test_blocks_of_pixels_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    def everything() -> list[Tensor]:
        own = leaves(shell(60), torch.float64)
        render = rasterize(own, two_views(), torch.ones(3).double(), backend="reference")
        (render.rgb.square().sum() + render.depth.sum()).backward()
        return [render.rgb.detach(), render.depth.detach(), *gradients(own).values()]

    whole = everything()
    monkeypatch.setattr(reference, "_BLOCK", 60 * 100)
    for one, other in zip(whole, everything(), strict=True):
        assert torch.allclose(one, other, rtol=1e-12, atol=1e-12)  # sums over blocks in another order


def test_pixels_at_the_cutoff_are_not_stable() -> None:
    at_cutoff = one_gaussian(opacity=ALPHA_CUTOFF * (1 + 1e-5), scale=2.0)
    stable = stable_pixels(at_cutoff.map(lambda t: t.double()), orbit([0.0], size=65))
    assert stable.shape == (1, 1, 65, 65)
    assert not stable[0, 0, 32, 32]
    assert stable[0, 0, 0, 0]


def test_pixels_at_the_clamp_are_not_stable() -> None:
    at_clamp = one_gaussian(opacity=ALPHA_MAX, scale=0.1)
    stable = stable_pixels(at_clamp.map(lambda t: t.double()), orbit([0.0], size=65))
    assert not stable[0, 0, 32, 32]


def test_pixels_where_two_may_change_places_are_not_stable() -> None:
    close = joined(one_gaussian(), one_gaussian(mean=(0, 0, 1e-7)))
    stable = stable_pixels(close.map(lambda t: t.double()), orbit([0.0], size=65))
    assert not stable[0, 0, 32, 32]
    apart = joined(one_gaussian(), one_gaussian(mean=(0, 0, 1e-3)))
    assert stable_pixels(apart.map(lambda t: t.double()), orbit([0.0], size=65))[0, 0, 32, 32]


def test_pixels_about_to_stop_are_not_stable() -> None:
    layers = joined(*(one_gaussian(mean=(0, 0, -0.1 * k), opacity=0.9) for k in range(4)))  # T = 1e-4 after four
    assert not stable_pixels(layers.map(lambda t: t.double()), orbit([0.0], size=65))[0, 0, 32, 32]
