"""A checkpoint as a teacher: whatever its layout, and what its map is a function of. Weights are made up."""

import copy
from dataclasses import replace

import pytest
import torch

from dd3g.core import canonical_rig
from dd3g.core.errors import CheckpointError, InputError
from dd3g.teacher.imagedream.network import ImageDreamNetwork
from dd3g.teacher.imagedream.sizes import VAESizes
from dd3g.teacher.teacher import condition_of, decode, encode, epsilon_of, invert, load_teacher, own_networks, sample
from tests.extras import needs_train
from tests.teacher.imagedream.synthetic import SMALL, original, port

pytestmark = needs_train

# attention where places are few, and an autoencoder of a factor of 4: latents stay 32 x 32
SIZES = replace(SMALL, unet=replace(SMALL.unet, attention=(False, True)), vae=VAESizes(widths=(32, 32, 32), layers=1))
GREY = torch.tensor([0.25, 0.75])


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    return original(tmp_path_factory.mktemp("imagedream") / "any.pt", SIZES)


@pytest.fixture(scope="module")
def teacher(path):
    return load_teacher(path)


@pytest.fixture(scope="module")
def quick(teacher):
    """The same networks on latents of 8 x 8, and with a gentle answer, so that an inverse converges."""
    network, codec = copy.deepcopy(teacher.network), copy.deepcopy(teacher.codec)
    network.config = replace(network.config, latent_size=8)
    codec.side = 32
    network.unet.conv_out.weight.mul_(0.02)
    return replace(teacher, network=network, codec=codec)


def drawn(*shape, seed=1):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def picture(count=2):
    made = torch.rand(count, 4, 64, 64, generator=torch.Generator().manual_seed(2))
    made[:, 3] = (made[:, 3] > 0.5).float()
    return made


def test_it_is_imagedream_with_its_own_habits(teacher):
    assert teacher.opaque
    assert (teacher.guidance, teacher.elevation_deg, teacher.side) == (5.0, 5.0, 128)
    assert teacher.told == ("asset", "poor")
    assert not any(p.is_meta or p.requires_grad for p in (*teacher.network.parameters(), *teacher.codec.parameters()))
    with pytest.raises(InputError, match="found ImageDream"):
        own_networks(teacher)


def test_the_port_is_the_same_network(teacher, tmp_path):
    other = load_teacher(port(tmp_path / "folder", SIZES))
    for name, tensor in teacher.network.state_dict().items():
        assert torch.equal(tensor, other.network.state_dict()[name]), name
    assert isinstance(other.network, ImageDreamNetwork)
    assert torch.equal(teacher.network.text, other.network.text)


def test_towers_are_needed(tmp_path):
    with pytest.raises(CheckpointError, match="holds no text and no vision tower"):
        load_teacher(original(tmp_path / "bare.pt", SIZES, towers=False))


def test_other_texts_are_another_function_and_ours_reads_none(path, teacher, tmp_path):
    other = load_teacher(path, ("empty", "poor-sds"))
    assert other.told == ("empty", "poor-sds")
    assert other.digest == teacher.digest  # the texts stand in a plan, the file is one
    assert (other.network.text - teacher.network.text).abs().max() > 1e-3
    assert (other.network.negative - teacher.network.negative).abs().max() > 1e-3
    own = tmp_path / "own.safetensors"
    own.write_bytes(b"")
    with pytest.raises(InputError, match="reads no text"):
        load_teacher(own, ("empty", "empty"))


def test_picture_and_latents_lie_over_the_same_grey(teacher):
    image = picture()
    told = condition_of(teacher, image, GREY)
    flat = image[:, :3] * image[:, 3:] + GREY[:, None, None, None] * (1 - image[:, 3:])
    opaque = torch.cat([flat, torch.ones_like(flat[:, :1])], 1)
    again = condition_of(teacher, opaque, torch.tensor([0.0, 1.0]))  # nothing shows through
    torch.testing.assert_close(again.latents, told.latents)
    torch.testing.assert_close(again.tokens, told.tokens)
    other = condition_of(teacher, image, 1 - GREY)
    assert (other.latents - told.latents).abs().max() > 1e-3
    assert (other.tokens - told.tokens).abs().max() > 1e-4
    with pytest.raises(InputError, match="grey: found none"):
        condition_of(teacher, image)


def test_guidance_1_is_the_conditional_prediction_and_others_are_linear(quick):
    z, cameras, told = drawn(1, 4, 4, 8, 8), canonical_rig(elevation_deg=5.0).conditions()[None], condition_of(quick, picture(1), GREY[:1])
    one, three, five = (epsilon_of(quick, told, cameras, w)(z, 741) for w in (1.0, 3.0, 5.0))
    asked = quick.network(z, torch.tensor([741.0]), cameras, told)
    torch.testing.assert_close(one, asked, rtol=0, atol=1e-6)
    nothing = quick.network(z, torch.tensor([741.0]), cameras, quick.network.unconditioned(1))
    torch.testing.assert_close(five, nothing + 5 * (asked - nothing), rtol=0, atol=1e-5)
    torch.testing.assert_close(five - three, three - one, rtol=0, atol=1e-5)
    assert (nothing - asked).abs().max() > 1e-3


def test_views_over_their_grey_are_followed_back_to_noise_and_come_again(quick):
    rig, image = canonical_rig(elevation_deg=5.0), picture(1)
    views = torch.rand(1, 4, 4, 32, 32, generator=torch.Generator().manual_seed(3))
    latents = encode(quick, views, GREY[:1])
    found = invert(quick, latents, image, rig, grey=GREY[:1], steps=4, iterations=20, tolerance=1e-4)
    assert found.residual <= 1e-4
    back = sample(quick, image, rig, found.noise, grey=GREY[:1], steps=4)
    torch.testing.assert_close(back, latents, rtol=0, atol=1e-3)
    assert torch.equal(back, sample(quick, image, rig, found.noise, grey=GREY[:1], steps=4))
    assert (sample(quick, image, rig, found.noise, grey=GREY[1:], steps=4) - back).abs().max() > 1e-4


def test_views_get_their_alpha_from_a_matte(quick):
    latents = drawn(2, 4, 4, 8, 8)

    def matte(rgb, grey):
        return torch.cat([rgb, grey[:, None, None, None].expand_as(rgb[:, :1])], 1)

    views = decode(quick, latents, GREY, matte)
    assert views.shape == (2, 4, 4, 32, 32)
    assert views[0, :, 3].unique().tolist() == [0.25]  # each object's own grey, for all of its views
    assert views[1, :, 3].unique().tolist() == [0.75]
    with pytest.raises(InputError, match="grey, matte: found none"):
        decode(quick, latents)
