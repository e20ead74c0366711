"""Students that read the tokens of a frozen network: the paper's presets, and their shrunken siblings."""

import json
from dataclasses import replace

import pytest
import torch

from dd3g.core.errors import InputError
from dd3g.encoders import GivenTokensConfig
from dd3g.student import PEPD
from dd3g.student.config import PlainDecodingConfig, config_from_json, config_to_json
from dd3g.student.presets import paper, paper_32k, paper_65k, tiny
from tests.student.conftest import inputs, stir, student_of

TOKENS = GivenTokensConfig(count=5, given_width=24, width=32)
SIBLING = replace(tiny(), encoder=TOKENS, decoding=PlainDecodingConfig(gaussians_per_token=16))


def sibling():
    torch.manual_seed(0)
    return stir(PEPD(SIBLING))


def given(batch=2, seed=1):
    return torch.randn(batch, TOKENS.count, TOKENS.given_width, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize(("preset", "tokens", "gaussians"), [(paper, 256, 131_072), (paper_65k, 256, 65_536), (paper_32k, 64, 32_768)])
def test_the_papers_sizes(preset, tokens, gaussians):
    config = preset()
    assert config.noise_shape == (4, 4, 32, 32)
    assert (config.encoder.count, config.encoder.given_width) == (257, 1280)
    assert config.extraction.token_count == tokens
    assert config.gaussian_count == gaussians
    with torch.device("meta"):
        student = PEPD(config)
        noise, picture = torch.empty(1, *config.noise_shape), torch.empty(1, 4, 8, 8)
        patterns = student.extraction(noise, torch.empty(1, 4, 16), student.encoder(torch.empty(1, 257, 1280)))
    assert patterns.shape == (1, tokens, config.width)
    assert picture.is_meta


def test_the_resampled_tokens_instead():
    config = replace(paper(), encoder=GivenTokensConfig(count=16, given_width=1024))
    with torch.device("meta"):
        assert PEPD(config).encoder(torch.empty(1, 16, 1024)).shape == (1, 16, 1024)
    assert config_from_json(json.loads(json.dumps(config_to_json(config)))) == config


def test_the_picture_enters_by_its_tokens_and_by_its_place_in_the_frame():
    student = sibling()
    noise, cameras, image, elevation = inputs(SIBLING)
    one = student(noise, cameras, image, elevation, image_tokens=given())
    other = student(noise, cameras, image, elevation, image_tokens=given(seed=2))
    assert (one.rgb - other.rgb).abs().max() > 1e-4
    recoloured = torch.cat([1 - image[:, :3], image[:, 3:]], 1)  # of pixels, the matte alone is read
    assert torch.equal(one.means, student(noise, cameras, recoloured, elevation, image_tokens=given()).means)
    smaller = torch.cat([image[:, :3], torch.roll(image[:, 3:], 9, -1)], 1)
    assert not torch.equal(one.means, student(noise, cameras, smaller, elevation, image_tokens=given()).means)


def test_gradients_reach_noise_cameras_and_tokens():  # check 25
    student = sibling()
    noise, cameras, image, elevation = inputs(SIBLING)
    tensors = [noise, cameras.conditions().expand(2, -1, -1).clone(), given()]
    for tensor in tensors:
        tensor.requires_grad_()
    gaussians = student.decode(tensors[0], tensors[1], image, elevation, image_tokens=tensors[2]).gaussians
    assert all(g.any() for g in torch.autograd.grad((gaussians.means * torch.randn_like(gaussians.means)).sum(), tensors))


def test_tokens_that_are_missing_of_another_shape_or_not_wanted_are_refused():
    student = sibling()
    noise, cameras, image, elevation = inputs(SIBLING)
    with pytest.raises(InputError, match=r"found none, expected \(b, 5, 24\)"):
        student(noise, cameras, image, elevation)
    with pytest.raises(InputError, match=r"found \(4, 24\), expected \(5, 24\)"):
        student(noise, cameras, image, elevation, image_tokens=given()[:, 1:])
    with pytest.raises(InputError, match="reads the picture itself"):
        student_of()(*inputs(tiny()), image_tokens=given())


def test_looking_back_at_tokens_is_refused():
    with pytest.raises(ValueError, match="decode plainly"):
        PEPD(replace(tiny(), encoder=TOKENS))


def test_configurations_of_before_are_read_and_written_as_they_were():
    """Runs that go on compare this text, and files have it in their header: nothing is added for what could not be chosen before."""
    written = config_to_json(tiny())
    assert set(written) == {"encoder", "extraction", "width", "heads", "blocks", "decoding", "decoder"}
    assert set(written["extraction"]) == {
        "views", "latent_channels", "latent_size", "channels", "blocks", "halve_first", "head_width", "camera_width", "guidance",
    }  # fmt: skip


def test_taps_are_read_in_float32_under_autocast():
    """A position in bfloat16 is good to 1/256 of its size: a pixel and more."""
    student = student_of(decoding=PlainDecodingConfig(gaussians_per_token=4))
    with torch.autocast("cpu", torch.bfloat16):
        gaussians = student(*inputs(student.config))
    for values in (gaussians.means, gaussians.scales, gaussians.rgb, gaussians.opacities):
        assert values.dtype == torch.float32
    assert not torch.equal(gaussians.rgb, gaussians.rgb.bfloat16().float())
