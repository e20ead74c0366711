"""Laying objects into scenes: where they land, what a shadow may touch, and that nothing leaves the range."""

from __future__ import annotations

import io

import numpy as np
import pytest
import torch
from PIL import Image

from dd3g.recipes.background_photograph import (
    blurred,
    eight_bit,
    exposed,
    laid,
    low_resolution,
    mirrored_below,
    over,
    recoloured,
    sampled,
    shadowed,
    through_jpeg,
)
from dd3g.recipes.background_scenes import SCENES, SHARES, octaves


def generator(seed: int = 0) -> np.random.Generator:
    return np.random.Generator(np.random.Philox(key=[seed, 0]))


def noise(*shape: int) -> torch.Tensor:
    return torch.rand(shape, generator=torch.Generator().manual_seed(0))


def card(side: int = 48) -> torch.Tensor:
    """A white card, two thirds as high as wide, in its square."""
    rgba = torch.zeros(1, 4, side, side)
    rgba[:, :, side // 6 : side - side // 6] = 1
    return rgba


def placed(longest: float, centre: tuple[float, float] = (0.5, 0.5), size: int = 96) -> torch.Tensor:
    x, y = (2 * c - 1 for c in centre)
    affine = torch.tensor([[[1.0, 0.0, -x], [0.0, 1.0, -y]]]) / longest
    return laid(card(), affine, size)


@pytest.mark.parametrize("longest", [0.15, 0.3, 0.8])
@pytest.mark.parametrize("centre", [(0.5, 0.5), (0.55, 0.45)])
def test_an_object_lands_where_and_as_large_as_it_should(longest, centre):
    alpha = placed(longest, centre)[0, 3]
    rows, columns = torch.nonzero(alpha > 0.5, as_tuple=True)
    assert (columns.float().mean().item() + 0.5) / 96 == pytest.approx(centre[0], abs=0.01)
    assert (rows.float().mean().item() + 0.5) / 96 == pytest.approx(centre[1], abs=0.01)
    assert alpha.sum().item() == pytest.approx((longest * 96) ** 2 * 2 / 3, rel=0.1)


def test_the_frame_cuts_what_is_too_large():
    assert placed(1.5, (0.9, 0.5))[0, 3, :, -1].max() > 0.5


def test_premultiplied_colour_never_exceeds_alpha():
    layer = placed(0.7)
    assert (layer[:, :3] <= layer[:, 3:] + 1e-5).all()


def test_a_window_is_a_window():
    picture = noise(1, 3, 64, 64)
    affine = torch.tensor([[[0.5, 0.0, -0.5], [0.0, 0.5, 0.5]]])  # the lower left quarter
    torch.testing.assert_close(sampled(picture, affine, 32), picture[:, :, 32:, :32])


def test_a_shadow_only_darkens_and_lies_flat():
    alpha = placed(0.4, (0.5, 0.4))[:, 3:]
    scene = torch.full((1, 3, 96, 96), 0.8)
    for flat, shear in ((0.1, 0.5), (0.5, -0.8), (0.3, 0.0)):
        found = shadowed(scene, alpha, torch.tensor([[flat, shear, 0.0, 0.01]]), torch.tensor([0.5]))
        assert (found <= scene + 1e-6).all()
        assert found.min() < 0.65
        assert (found[:, :, :20] > 0.79).all()  # it lies behind the object's foot, not above its head
    shape, strength = torch.tensor([[0.3, 0.2, 0.0, 0.01]]), torch.tensor([0.5])
    assert torch.equal(shadowed(scene, torch.zeros_like(alpha), shape, strength), scene)
    assert torch.equal(shadowed(scene, alpha, shape, torch.tensor([0.0])), scene)


def test_a_reflection_stays_below_the_object():
    layer = placed(0.4, (0.5, 0.4))
    foot = int(torch.nonzero(layer[0, 3].amax(1) > 0.5)[-1])
    found = mirrored_below(torch.zeros(1, 3, 96, 96), layer, torch.tensor([0.5]))
    assert found[:, :, : foot - 4].max() < 0.02
    assert found[:, :, foot + 2 :].max() > 0.1


def test_over_is_exact_where_the_layer_is_solid_or_absent():
    scene, layer = noise(1, 3, 8, 8), torch.zeros(1, 4, 8, 8)
    layer[:, :, :4] = 1
    assert torch.equal(over(scene, layer)[:, :, 4:], scene[:, :, 4:])
    assert torch.equal(over(scene, layer)[:, :, :4], torch.ones(1, 3, 4, 8))


def test_a_neutral_look_changes_nothing():
    picture = noise(2, 3, 16, 16)
    look = torch.tensor([[1.0, 1.0, 0.0, 1.0, 1.0, 1.0, 0.0, 0.0]]).expand(2, -1)
    torch.testing.assert_close(recoloured(picture, look), picture)
    neutral = exposed(picture.clamp_min(1e-4), torch.ones(2, 3), torch.ones(2), torch.zeros(2))
    torch.testing.assert_close(neutral, picture.clamp_min(1e-4))


@pytest.mark.parametrize("sigma_px", [0.7, 2.0, 6.0])
def test_a_blur_spreads_a_point_as_wide_as_it_should(sigma_px):
    point = torch.zeros(1, 1, 128, 128)
    point[0, 0, 64, 64] = 1
    found = torch.stack([blurred(point.roll((dy, dx), (2, 3)), torch.tensor([sigma_px])) for dy in range(8) for dx in range(8)])
    y = torch.arange(128.0)
    profile = found.sum((1, 2, 4))
    mean = (profile * y).sum(1) / profile.sum(1)
    deviation = ((profile * (y - mean[:, None]) ** 2).sum(1) / profile.sum(1)).sqrt().mean().item()
    assert deviation == pytest.approx(sigma_px, rel=0.25)


def test_a_blur_of_each_picture_is_its_own():
    pictures, flat = noise(2, 3, 64, 64), torch.full((1, 1, 64, 64), 0.3)
    found = blurred(pictures, torch.tensor([0.0, 4.0]))
    assert torch.equal(found[0], pictures[0])
    assert found[1].std() < 0.3 * pictures[1].std()
    assert found[1].mean().item() == pytest.approx(pictures[1].mean().item(), abs=0.01)
    torch.testing.assert_close(blurred(flat, torch.tensor([11.0])), flat)


def test_half_the_pixels_keep_the_mean_and_eight_bits_are_eight_bits():
    picture = noise(1, 3, 64, 64)
    assert low_resolution(picture).mean().item() == pytest.approx(picture.mean().item(), abs=0.01)
    assert torch.equal((eight_bit(picture * 2) * 255).round() / 255, eight_bit(picture * 2))
    assert eight_bit(picture * 2).max() <= 1


@pytest.mark.parametrize("quality", [30, 75, 95])
def test_our_jpeg_loses_what_pillows_loses(quality):
    smooth = blurred(noise(1, 3, 64, 64), torch.tensor([2.0]))
    picture = eight_bit((smooth - smooth.mean()) * 4 + 0.5)
    stream = io.BytesIO()
    Image.fromarray((picture[0] * 255).to(torch.uint8).permute(1, 2, 0).numpy()).save(stream, "JPEG", quality=quality)
    theirs = torch.from_numpy(np.asarray(Image.open(stream)).copy()).permute(2, 0, 1)[None] / 255
    ours = eight_bit(through_jpeg(picture, torch.tensor([float(quality)])))
    lost = (theirs - picture).square().mean()
    assert (ours - picture).square().mean().item() == pytest.approx(lost.item(), rel=0.3)
    assert (ours - theirs).square().mean() < 0.5 * lost


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


def test_every_scene_has_a_share():
    assert len(SHARES) == len(SCENES)
    assert sum(SHARES) == pytest.approx(1)


def test_octaves_are_normalised():
    noise = octaves(generator(), 64, 2, 0.7)
    torch.testing.assert_close(noise.mean((1, 2)), torch.zeros(2), rtol=0, atol=1e-5)
    torch.testing.assert_close(noise.std((1, 2)), torch.ones(2), rtol=0, atol=1e-4)
