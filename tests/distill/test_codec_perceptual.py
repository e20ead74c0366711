"""The perceptual distance over the codec's features: a distance, of levels, with a gradient, from a codec's file or a teacher's."""

from importlib.util import find_spec

import pytest
import torch
from torch import nn

from dd3g.core.errors import CheckpointError
from dd3g.core.model_file import save_model_file
from dd3g.distill.codec_perceptual import STRIDES, CodecPerceptual, load_codec_perceptual
from dd3g.encoders.codec import Codec, CodecConfig

SIZES = {
    "small": CodecConfig(),
    "narrow": CodecConfig(channels=8, encoder_blocks=(1, 1, 1, 1), decoder_blocks=(1, 1, 1, 1)),
    "no block at stride 1": CodecConfig(channels=16, encoder_blocks=(0, 1, 2, 1), decoder_blocks=(1, 1, 1, 0)),
}
sizes = pytest.mark.parametrize("config", SIZES.values(), ids=SIZES.keys())


def perceptual_of(config=SIZES["narrow"], seed=0):
    torch.manual_seed(seed)
    codec = Codec(config)
    with torch.no_grad():
        for parameter in codec.parameters():  # begun, it carries averages and nothing else
            parameter += 0.05 * torch.randn(parameter.shape)
    return CodecPerceptual(codec)


def pictures(seed=0, count=2, side=48):
    return torch.rand(count, 3, side, side, generator=torch.Generator().manual_seed(seed))


@sizes
def test_equal_pictures_are_at_distance_zero_and_it_is_symmetric(config):
    distance, a, b = perceptual_of(config), pictures(0), pictures(1)
    assert torch.equal(distance(a, a), torch.zeros(2))
    torch.testing.assert_close(distance(a, b), distance(b, a))
    assert (distance(a, b) > 0.02).all()
    assert (distance(a, b) <= 4).all()


@sizes
def test_features_are_those_of_the_encoder_at_its_strides(config):
    distance, a = perceptual_of(config), pictures()
    taps = distance._tapped(a)
    assert [tuple(t.shape) for t in taps] == [(2, config.channels, 48 // s, 48 // s) for s in STRIDES]
    torch.manual_seed(0)
    codec = Codec(config)
    codec.encoder.load_state_dict(_encoder_of(distance, codec))
    x = torch.cat([a, torch.ones(2, 1, 48, 48)], 1)
    last = codec.encoder.layers[-1]
    torch.testing.assert_close(last(taps[-1]), codec.encode(x))  # opaque: premultiplied colour is colour


def _encoder_of(distance, codec):
    """The levels' weights under the encoder's own names, with its last layer."""
    layers = nn.Sequential(*(layer for level in distance.levels for layer in level))
    return {**codec.encoder.state_dict(), **{f"layers.{name}": t for name, t in layers.state_dict().items()}}


def test_a_larger_change_is_farther():
    distance, a = perceptual_of(), pictures()
    change = torch.randn(a.shape, generator=torch.Generator().manual_seed(5))
    each = [distance((a + s * change).clamp(0, 1), a).mean().item() for s in (0.0, 0.02, 0.1, 0.4)]
    assert each == sorted(each)
    assert each[0] == 0
    assert each[3] > 3 * each[1] > 0


def test_levels_count_alike_and_channels_by_what_changes_in_them():
    distance, a, b = perceptual_of(), pictures(0), pictures(1)
    total = torch.zeros(2)
    for mean, spread, x, y in zip(distance.means, distance.spreads, distance._tapped(a), distance._tapped(b), strict=True):
        x, y = ((t.movedim(1, -1) - mean) / spread for t in (x, y))
        total += (x / x.norm(dim=-1, keepdim=True) - y / y.norm(dim=-1, keepdim=True)).square().sum(-1).mean((1, 2))
    torch.testing.assert_close(distance(a, b), total / 3, rtol=1e-3, atol=1e-5)


def test_what_is_the_same_in_every_picture_hides_nothing():
    """A codec that has just begun carries colours, and in one channel alpha, which is 1 everywhere: lengths must not be of that."""
    distance = CodecPerceptual(Codec(SIZES["narrow"]))
    white, red = torch.ones(1, 3, 32, 32), torch.tensor([0.8, 0.1, 0.1])[:, None, None].expand(1, 3, 32, 32)
    assert distance(white, red).item() > 0.5


def test_gradients_reach_the_picture_and_not_the_network():
    distance = perceptual_of()
    picture = pictures().requires_grad_()
    distance(picture, pictures(1)).sum().backward()
    assert picture.grad is not None
    assert picture.grad.any()
    assert all(p.grad is None for p in distance.parameters())


def test_gradients_are_finite_where_no_feature_is():
    """A layer that answers zero everywhere has no direction."""
    distance = perceptual_of()
    for parameter in (*distance.levels.parameters(), *distance.means):
        parameter.zero_()
    picture = pictures().requires_grad_()
    distance(picture, pictures(1)).sum().backward()
    assert picture.grad is not None
    assert torch.isfinite(picture.grad).all()


def test_descent_along_it_brings_pictures_together():
    distance, truth = perceptual_of(), pictures(3, count=1, side=16)
    ours = pictures(4, count=1, side=16).requires_grad_()
    optimiser = torch.optim.Adam([ours], lr=0.02)
    before = distance(ours, truth).item()
    for _ in range(60):
        optimiser.zero_grad()
        distance(ours, truth).sum().backward()
        optimiser.step()
    assert distance(ours, truth).item() < 0.3 * before


def test_the_codec_itself_stays_as_it_was():
    codec = Codec(SIZES["narrow"])
    CodecPerceptual(codec)
    assert all(p.requires_grad for p in codec.parameters())
    assert perceptual_of().digest == perceptual_of().digest
    assert perceptual_of().digest != perceptual_of(seed=1).digest


def test_a_codecs_file_and_its_teachers_give_the_same(tmp_path):
    from dataclasses import asdict

    if find_spec("diffusers") is None:
        pytest.skip("diffusers is not installed")
    from dd3g.encoders import ImageEncoderConfig
    from dd3g.teacher.network import TeacherConfig
    from dd3g.teacher.teacher import TeacherNetworks, save_teacher

    eyes = ImageEncoderConfig(size=32, channels=(8, 8, 16), width=32, blocks=1, heads=2, fine_channels=8, place_numbers=0, camera_numbers=0)
    config = TeacherConfig(latent_size=4, channels=(32, 32), attention=(False, True), head_width=16, encoder=eyes)
    networks = TeacherNetworks(config, SIZES["narrow"])
    save_teacher(tmp_path / "teacher.safetensors", networks, {})
    tensors = networks.codec.state_dict()
    save_model_file(
        tmp_path / "codec.safetensors", kind="codec", config=asdict(SIZES["narrow"]), about={}, tensors=tensors, dtype=torch.float16
    )
    one, other = (
        load_codec_perceptual(codec=tmp_path / "codec.safetensors"),
        load_codec_perceptual(teacher=tmp_path / "teacher.safetensors"),
    )
    assert one.digest == other.digest
    assert torch.equal(one(pictures(0), pictures(1)), other(pictures(0), pictures(1)))
    with pytest.raises(CheckpointError, match="holds a 'teacher' network"):
        load_codec_perceptual(codec=tmp_path / "teacher.safetensors")
