"""A picture's three preparations against PIL, whose filters the published code uses, and the autoencoder's range."""

from typing import Any, cast

import numpy as np
import pytest
import torch
from PIL import Image

from dd3g.core.errors import InputError
from dd3g.teacher.imagedream.prepare import clip_pixels, over_grey, vae_pixels
from dd3g.teacher.imagedream.sizes import VAESizes
from dd3g.teacher.imagedream.vae import SCALE, OpaqueCodec
from tests.extras import needs_train

MEAN = torch.tensor([0.48145466, 0.4578275, 0.40821073])[:, None, None]
DEVIATION = torch.tensor([0.26862954, 0.26130258, 0.27577711])[:, None, None]
LEVEL = 1 / 255


def picture(side):
    """Edges, stripes near the limit of sampling, and noise."""
    random = np.random.Generator(np.random.Philox(1))
    pixels = random.integers(0, 256, (side, side, 3), np.uint8)
    pixels[side // 4 : side // 2] = 255
    pixels[:, ::3] = 0
    return Image.fromarray(pixels)


def tensor(image):
    return torch.from_numpy(np.array(image)).permute(2, 0, 1)[None].float() / 255


@pytest.mark.parametrize("side", [100, 224, 256, 700])
def test_the_towers_picture_is_pils_bicubic_standardised(side):
    wanted = tensor(picture(side).resize((224, 224), Image.Resampling.BICUBIC))
    found = clip_pixels(tensor(picture(side))) * DEVIATION + MEAN
    assert (found - wanted).abs().max() < 1.5 * LEVEL  # PIL rounds twice, after rows and after columns
    assert (found - wanted).abs().mean() < 0.5 * LEVEL
    assert found.min() > -1e-6
    assert found.max() < 1 + 1e-6


@pytest.mark.parametrize("side", [100, 256, 700])
def test_the_autoencoders_picture_is_pils_bilinear_from_minus_one_to_one(side):
    wanted = 2 * tensor(picture(side).resize((256, 256), Image.Resampling.BILINEAR)) - 1
    found = vae_pixels(tensor(picture(side)))
    assert (found - wanted).abs().max() < 2 * 1.5 * LEVEL
    assert (found - wanted).abs().mean() < 2 * 0.5 * LEVEL
    assert vae_pixels(torch.zeros(1, 3, side, side)).unique().tolist() == [-1.0]
    torch.testing.assert_close(vae_pixels(torch.ones(1, 3, side, side)).max(), torch.tensor(1.0))


def test_a_large_picture_is_smoothed_before_it_is_sampled():
    """Stripes of one pixel become their mean and no pattern: resizing without antialiasing shows them."""
    stripes = torch.zeros(1, 3, 1024, 1024)
    stripes[..., ::2] = 1
    assert vae_pixels(stripes)[..., 1:-1].abs().max() < 1e-2


def test_one_grey_stands_behind_a_picture():
    rgba = torch.rand(2, 4, 8, 8)
    rgba[:, 3, 0] = 0
    rgba[:, 3, 1] = 1
    made = over_grey(rgba, torch.tensor([0.25, 0.75]))
    torch.testing.assert_close(made[:, :, 0], torch.tensor([0.25, 0.75])[:, None, None].expand(2, 3, 8))
    torch.testing.assert_close(made[:, :, 1], rgba[:, :3, 1])
    a = rgba[:, 3:, 2]
    torch.testing.assert_close(made[:, :, 2], rgba[:, :3, 2] * a + torch.tensor([0.25, 0.75])[:, None, None] * (1 - a))


def test_what_is_not_square_is_refused():
    for prepared in (clip_pixels, vae_pixels):
        with pytest.raises(InputError, match=r"found \(8, 9\) pixels, expected a square"):
            prepared(torch.zeros(1, 3, 8, 9))


@needs_train
def test_latents_are_the_posteriors_mode_times_the_factor():
    torch.manual_seed(0)
    codec = OpaqueCodec(VAESizes(widths=(32, 32), layers=1), 8).eval().requires_grad_(False)
    rgb, vae = torch.rand(2, 3, 16, 16), cast(Any, codec.vae)
    latents = codec.encode(rgb)
    moments = vae.quant_conv(vae.encoder(2 * rgb - 1))
    torch.testing.assert_close(latents, moments[:, :4] * SCALE)
    assert torch.equal(latents, codec.encode(rgb))
    made = codec.decode(latents)
    wanted = (vae.decoder(vae.post_quant_conv(latents / SCALE)) + 1) / 2
    torch.testing.assert_close(made, wanted.clamp(0, 1))


@needs_train
def test_renders_are_encoded_with_a_gradient():
    codec = OpaqueCodec(VAESizes(widths=(32, 32), layers=1), 8).eval().requires_grad_(False)
    rgb = torch.rand(1, 3, 16, 16, requires_grad=True)
    codec.encode(rgb).square().sum().backward()
    assert rgb.grad is not None
    assert rgb.grad.abs().min() > 0
