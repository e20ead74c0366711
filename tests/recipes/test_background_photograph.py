"""Laying objects into scenes: where they land, what a shadow may touch, and that nothing leaves the range."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from dd3g.recipes.background_photograph import blurred, mirrored_below, over, photographed, place, shadowed
from dd3g.recipes.background_scenes import SCENES, octaves


def generator(seed: int = 0) -> np.random.Generator:
    return np.random.Generator(np.random.Philox(key=[seed, 0]))


def card(height: int = 40, width: int = 60, margin: int = 10) -> np.ndarray:
    """A white card with an empty margin."""
    rgba = np.zeros((4, height + 2 * margin, width + 2 * margin), np.uint8)
    rgba[:, margin:-margin, margin:-margin] = 255
    return rgba


@pytest.mark.parametrize("longest", [0.15, 0.3, 0.55])
@pytest.mark.parametrize("centre", [(0.5, 0.5), (0.6, 0.45)])
def test_an_object_lands_where_and_as_large_as_it_should(longest, centre):
    """Mirrored, tilted and stretched by chance, none of which moves the centre or changes the area."""
    for seed in range(8):
        alpha = place(card(), 128, longest, centre, generator(seed))[3]
        rows, columns = torch.nonzero(alpha > 0.5, as_tuple=True)
        assert (columns.float().mean().item() + 0.5) / 128 == pytest.approx(centre[0], abs=0.01)
        assert (rows.float().mean().item() + 0.5) / 128 == pytest.approx(centre[1], abs=0.01)
        area = (longest * 128) ** 2 * 40 / 60
        assert alpha.sum().item() == pytest.approx(area, rel=0.1)  # turning and stretching (a by 1/a) keep the area


def test_the_frame_cuts_what_is_too_large():
    alpha = place(card(), 64, 1.5, (0.9, 0.5), generator())[3]
    assert alpha[:, -1].max() > 0.5


def test_premultiplied_colour_never_exceeds_alpha():
    layer = place(card(), 96, 0.7, (0.5, 0.5), generator(3))
    assert (layer[:3] <= layer[3:] + 1e-5).all()


def test_a_shadow_only_darkens_and_mostly_below():
    layer = place(card(), 96, 0.4, (0.5, 0.4), generator())
    scene = torch.full((3, 96, 96), 0.8)
    for seed in range(10):
        found = shadowed(scene, layer[3:], generator(seed))
        assert (found <= scene + 1e-6).all()
        assert found.min() < 0.78
    assert torch.equal(shadowed(scene, torch.zeros(1, 96, 96), generator()), scene)


def test_a_reflection_stays_below_the_object():
    layer = place(card(), 96, 0.4, (0.5, 0.4), generator())
    scene = torch.zeros(3, 96, 96)
    found = mirrored_below(scene, layer, generator())
    foot = int(torch.nonzero(layer[3].amax(1) > 0.5)[-1])
    assert found[:, : foot - 8].max() < 0.02
    assert found[:, foot + 2 :].max() > 0.05


def test_over_is_exact_where_the_layer_is_solid_or_absent():
    scene, layer = torch.rand(3, 8, 8), torch.zeros(4, 8, 8)
    layer[:, :4] = 1
    assert torch.equal(over(scene, layer)[:, 4:], scene[:, 4:])
    assert torch.equal(over(scene, layer)[:, :4], torch.ones(3, 4, 8))


@pytest.mark.parametrize("sigma_px", [0.4, 2.0, 11.0])
def test_a_blur_keeps_the_mean_and_shrinks_contrast(sigma_px):
    noise = torch.rand(2, 64, 64, generator=torch.Generator().manual_seed(0))
    found = blurred(noise, sigma_px)
    assert found.shape == noise.shape
    assert found.mean().item() == pytest.approx(noise.mean().item(), abs=0.01)
    assert found.std() < noise.std()
    torch.testing.assert_close(blurred(torch.full((1, 64, 64), 0.3), sigma_px), torch.full((1, 64, 64), 0.3))


def test_a_photograph_is_eight_bit_and_in_range():
    picture = torch.rand(3, 64, 64, generator=torch.Generator().manual_seed(0))
    for seed in range(12):
        found = photographed(picture, generator(seed))
        assert found.shape == picture.shape
        assert torch.equal((found * 255).round() / 255, found)
        assert found.min() >= 0
        assert found.max() <= 1


@pytest.mark.parametrize("name", SCENES)
@pytest.mark.parametrize("size", [64, 100])
def test_scenes_are_pictures_and_depend_on_chance_alone(name, size):
    pictures = [SCENES[name](generator(seed), size) for seed in (0, 0, 1, 2, 3)]
    for picture in pictures:
        assert picture.shape == (3, size, size)
        assert picture.min() >= 0
        assert picture.max() <= 1
        assert torch.isfinite(picture).all()
    assert torch.equal(pictures[0], pictures[1])
    assert any(not torch.equal(pictures[0], other) for other in pictures[2:])


def test_octaves_are_normalised():
    noise = octaves(generator(), 64, 2, 0.7)
    torch.testing.assert_close(noise.mean((1, 2)), torch.zeros(2), rtol=0, atol=1e-5)
    torch.testing.assert_close(noise.std((1, 2)), torch.ones(2), rtol=0, atol=1e-4)
