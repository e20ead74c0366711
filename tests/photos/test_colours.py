"""Colours at and beyond the edge: nothing of the background, everything of the object."""

from __future__ import annotations

import pytest
import torch

from dd3g.photos.colours import bled, foreground, sharpened

RED, GREEN = torch.tensor([0.9, 0.1, 0.1])[:, None, None], torch.tensor([0.1, 0.8, 0.2])[:, None, None]


def soft_disc(size: int = 96, radius: float = 30, softness: float = 3) -> torch.Tensor:
    line = torch.arange(size) + 0.5 - size / 2
    distance = radius - torch.hypot(line[None, :], line[:, None])
    return (distance / softness + 0.5).clamp(0, 1)[None]


def test_a_mixture_is_unmixed():
    """A red disc before green, with the alpha that mixed them: what comes back is red wherever there is alpha."""
    alpha = soft_disc()
    found = foreground(RED * alpha + GREEN * (1 - alpha), alpha)
    visible = alpha.expand(3, -1, -1) > 0.02
    torch.testing.assert_close(found[visible], RED.expand_as(found)[visible], rtol=0, atol=0.03)


def test_solid_pixels_are_kept_to_the_bit():
    alpha = soft_disc()
    rgb = torch.rand(3, 96, 96, generator=torch.Generator().manual_seed(0))
    solid = (alpha >= 1).expand_as(rgb)
    assert torch.equal(foreground(rgb, alpha)[solid], rgb[solid])


@pytest.mark.parametrize("value", [0.0, 1.0])
def test_without_an_edge_nothing_breaks(value):
    rgb = torch.rand(3, 40, 40, generator=torch.Generator().manual_seed(0))
    found = foreground(rgb, torch.full((1, 40, 40), value))
    assert torch.isfinite(found).all()
    assert value == 0 or torch.equal(found, rgb)


@pytest.mark.parametrize("shape", [(64, 64), (37, 50), (5, 9), (1, 7), (64, 3)])
def test_bleeding_keeps_known_colours_and_stays_in_their_range(shape):
    generator = torch.Generator().manual_seed(1)
    rgb = torch.rand(3, *shape, generator=generator) * 0.4 + 0.3
    known = (torch.rand(1, *shape, generator=generator) < 0.1).float()
    known[:, 0, 0] = 1
    rgb = torch.where(known > 0, rgb, torch.tensor(1.0))  # what must not be seen
    found = bled(rgb, known)
    kept = (known > 0).expand_as(rgb)
    assert torch.equal(found[kept], rgb[kept])
    assert found.max() <= 0.7 + 1e-5
    assert found.min() >= 0.3 - 1e-5


def test_bleeding_takes_the_nearest_colour():
    rgb = torch.zeros(3, 64, 64)
    rgb[0, :, :8], rgb[2, :, -8:] = 1, 1
    known = torch.zeros(1, 64, 64)
    known[..., :8], known[..., -8:] = 1, 1
    found = bled(rgb, known)
    assert found[0, 32, 10] > 0.8
    assert found[2, 32, 53] > 0.8


def test_bleeding_twice_is_bleeding_once():
    rgb, known = torch.rand(3, 50, 61, generator=torch.Generator().manual_seed(2)), soft_disc(61)[:, :50]
    known = (known > 0.5).float()
    once = bled(rgb, known)
    assert torch.equal(bled(once, known), once)


def test_nothing_known_is_black():
    assert torch.equal(bled(torch.rand(3, 9, 9), torch.zeros(1, 9, 9)), torch.zeros(3, 9, 9))


def test_a_coarse_mask_moves_to_the_pictures_edge():
    alpha = soft_disc(softness=1)
    rgb = RED * alpha + GREEN * (1 - alpha)
    coarse = soft_disc(softness=9)
    found = sharpened(rgb, coarse)
    assert (found - alpha).abs().mean() < 0.5 * (coarse - alpha).abs().mean()


def test_an_exact_mask_stays_exact():
    alpha = soft_disc()
    torch.testing.assert_close(sharpened(RED * alpha + GREEN * (1 - alpha), alpha), alpha, rtol=0, atol=0.05)


def test_without_a_difference_in_colour_the_mask_stays():
    alpha = soft_disc()
    noise = torch.rand(3, 96, 96, generator=torch.Generator().manual_seed(0)) * 0.05
    torch.testing.assert_close(sharpened(RED * 0.5 + noise, alpha), alpha, rtol=0, atol=0.05)


@pytest.mark.parametrize("value", [0.0, 0.5, 1.0])
def test_masks_without_an_edge_stay_finite_and_in_range(value):
    found = sharpened(torch.rand(3, 40, 40, generator=torch.Generator().manual_seed(0)), torch.full((1, 40, 40), value))
    assert torch.isfinite(found).all()
    assert found.min() >= 0
    assert found.max() <= 1
