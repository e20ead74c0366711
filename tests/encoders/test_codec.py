"""The codec: what it may depend on, its sizes, its file."""

import pytest
import torch

from dd3g.core.errors import CheckpointError
from dd3g.core.model_file import save_model_file
from dd3g.encoders.codec import FACTOR, Codec, CodecConfig, load_codec

TINY = CodecConfig(channels=8, encoder_blocks=(1, 1, 1, 1), decoder_blocks=(1, 1, 1, 1))


@pytest.fixture(scope="module")
def codec():
    torch.manual_seed(0)
    return Codec(TINY).eval()


def picture(seed=0, size=32):
    return torch.rand(2, 4, size, size, generator=torch.Generator().manual_seed(seed))


def test_eight_pixels_become_one_place_and_come_back(codec):
    latents = codec.encode(picture())
    assert latents.shape == (2, 4, 32 // FACTOR, 32 // FACTOR)
    back = codec.decode(latents)
    assert back.shape == (2, 4, 32, 32)
    assert back.min() >= 0
    assert back.max() <= 1


def test_colour_under_alpha_0_has_no_influence(codec):
    seen = picture()
    seen[:, 3:] = (seen[:, 3:] > 0.5).float()
    other = torch.where(seen[:, 3:] > 0, seen, torch.cat([1 - seen[:, :3], seen[:, 3:]], 1))
    assert torch.equal(codec.encode(seen), codec.encode(other))


def test_latents_far_out_are_decoded_as_the_bound(codec):
    far = torch.full((1, 4, 2, 2), 1e4)
    torch.testing.assert_close(codec.decode_premultiplied(far), codec.decode_premultiplied(far * 10))


def test_both_ways_are_functions_of_one_picture(codec):
    """Nothing is drawn, and the rest of the batch does not matter: the teacher's map must be one."""
    pictures = torch.cat([picture(0), picture(1)])
    together = codec.encode(pictures)
    assert torch.equal(together, codec.encode(pictures))
    torch.testing.assert_close(codec.encode(pictures[2:3]), together[2:3], rtol=0, atol=1e-5)


def test_parameters_have_the_names_that_diffusers_gives_them():
    diffusers = pytest.importorskip("diffusers", reason="diffusers is not installed")
    ours = Codec(CodecConfig())
    config = ours.config
    theirs = diffusers.AutoencoderTiny(
        in_channels=4,
        out_channels=4,
        encoder_block_out_channels=(config.channels,) * 4,
        decoder_block_out_channels=(config.channels,) * 4,
        num_encoder_blocks=config.encoder_blocks,
        num_decoder_blocks=config.decoder_blocks,
    )
    theirs.load_state_dict(ours.state_dict())
    rgba = picture(size=64)
    premultiplied = torch.cat([rgba[:, :3] * rgba[:, 3:], rgba[:, 3:]], 1)
    with torch.no_grad():
        latents = theirs.encode(premultiplied * 2 - 1).latents
        torch.testing.assert_close(ours.encode(rgba), latents, rtol=0, atol=1e-5)
        torch.testing.assert_close(ours.decode_premultiplied(latents), theirs.decode(latents).sample / 2 + 0.5, rtol=0, atol=1e-5)


def test_it_is_loaded_again_and_another_architecture_is_refused(codec, tmp_path):
    from dataclasses import asdict

    path = tmp_path / "codec.safetensors"
    save_model_file(path, kind="codec", config=asdict(TINY), about={}, tensors=codec.state_dict())
    again = load_codec(path)
    assert again.config == TINY
    assert torch.equal(again.encode(picture()), codec.encode(picture()))
    save_model_file(path, kind="codec", config={**asdict(TINY), "channels": 16}, about={}, tensors=codec.state_dict())
    with pytest.raises(CheckpointError, match="of another architecture"):
        load_codec(path)
    save_model_file(path, kind="codec", config={"widths": 3}, about={}, tensors=codec.state_dict())
    with pytest.raises(CheckpointError, match="no codec has its configuration"):
        load_codec(path)


def test_a_codec_begins_with_the_averages_of_its_places():
    """Untaught, it shows each place's average premultiplied colour and alpha; inside a flat picture, where no edge is near, exactly."""
    torch.manual_seed(0)
    fresh = Codec(CodecConfig())
    rgba = torch.tensor([0.7, 0.2, 0.4, 0.8]).reshape(1, 4, 1, 1).expand(1, 4, 64, 64)
    with torch.no_grad():
        made = fresh.decode_premultiplied(fresh.encode(rgba))
    wanted = torch.tensor([0.56, 0.16, 0.32, 0.8]).reshape(4, 1, 1)
    # tanh bends latents within one spread of 0 by up to 4 % of the spread
    assert (made[0, :, 24:40, 24:40] - wanted).abs().max() < 0.06
