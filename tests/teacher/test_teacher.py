"""The multi-view network and the maps made of it: what depends on what (checks 7, 8, 11 and 27), its file, its cost."""

from dataclasses import replace

import pytest
import torch

from dd3g.core import canonical_rig
from dd3g.core.errors import CheckpointError, InputError
from dd3g.encoders import ImageEncoderConfig
from dd3g.encoders.codec import CodecConfig
from dd3g.teacher import scaled_linear
from dd3g.teacher.network import MultiViewUNet, TeacherConfig
from dd3g.teacher.teacher import (
    TeacherNetworks,
    as_epsilon,
    condition_of,
    decode,
    encode,
    epsilon_of,
    invert,
    load_teacher,
    sample,
    save_teacher,
)
from tests.extras import needs_train

pytestmark = needs_train

TINY = TeacherConfig(
    latent_size=4,
    channels=(32, 32),
    attention=(False, True),
    head_width=16,
    encoder=ImageEncoderConfig(
        size=32, channels=(8, 8, 16), width=32, blocks=1, heads=2, fine_channels=8, place_numbers=0, camera_numbers=0
    ),
)
SMALL_CODEC = CodecConfig(channels=8, encoder_blocks=(1, 1, 1, 1), decoder_blocks=(1, 1, 1, 1))
CAMERAS = canonical_rig()


def stirred(module, seed=0):
    """Zero-initialised layers opened, so that everything may bear on everything."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.add_(torch.randn(parameter.shape, generator=generator) * 0.05)
    return module.eval().requires_grad_(False)


@pytest.fixture(scope="module")
def networks():
    torch.manual_seed(0)
    return stirred(TeacherNetworks(TINY, SMALL_CODEC))


@pytest.fixture(scope="module")
def teacher(networks, tmp_path_factory):
    path = tmp_path_factory.mktemp("teacher") / "teacher.safetensors"
    save_teacher(path, networks, {"steps": 3})
    return load_teacher(path)


def drawn(*shape, seed=1):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def picture(count=2, seed=2):
    return torch.rand(count, 4, 32, 32, generator=torch.Generator().manual_seed(seed))


def ask(teacher, z, image, order=(0, 1, 2, 3)):
    order = list(order)
    conditions = CAMERAS.conditions().expand(len(z), -1, -1)[:, order]
    return teacher.network(z[:, order], torch.full((len(z),), 500.0), conditions, condition_of(teacher, image))


def test_views_are_a_set_that_knows_its_cameras(teacher):  # check 27
    z, image = drawn(2, 4, 4, 4, 4), picture()
    plain = ask(teacher, z, image)
    assert plain.shape == z.shape
    order = [2, 0, 3, 1]
    torch.testing.assert_close(ask(teacher, z, image, order), plain[:, order], rtol=0, atol=1e-5)
    other = teacher.network(z, torch.full((2,), 500.0), CAMERAS.conditions().expand(2, -1, -1).flip(1), condition_of(teacher, image))
    assert (other - plain).abs().max() > 1e-3


def test_views_attend_to_each_other_and_to_the_picture(teacher):
    z, image = drawn(2, 4, 4, 4, 4), picture()
    plain = ask(teacher, z, image)
    changed = z.clone()
    changed[:, 3] += 1
    assert (ask(teacher, changed, image)[:, 0] - plain[:, 0]).abs().max() > 1e-4
    assert (ask(teacher, z, picture(seed=5)) - plain).abs().max() > 1e-4
    one = torch.cat([z[:1], z[:1]])
    same = ask(teacher, one, torch.cat([image[:1], image[:1]]))
    torch.testing.assert_close(same[0], same[1], rtol=0, atol=1e-5)  # objects don't


def test_the_frame_of_the_picture_holds_no_noise(teacher):  # check 11
    """N has four views: what stands in the fifth frame is the picture's latents, which no step of the sampler touches."""
    image, noise = picture(), drawn(2, 4, 4, 4, 4)
    condition = condition_of(teacher, image)
    before = condition.latents.clone()
    made = sample(teacher, image, CAMERAS, noise, steps=3)
    assert made.shape == noise.shape
    assert torch.equal(condition.latents, before)
    with pytest.raises(InputError, match="image latents"):
        teacher.network.condition(image, before[..., :3, :3])


def test_the_map_is_a_function_of_noise_cameras_picture_and_guidance(teacher):  # check 7
    image, noise = picture(), drawn(2, 4, 4, 4, 4)
    first = sample(teacher, image, CAMERAS, noise, guidance=3.0, steps=5)
    assert torch.equal(first, sample(teacher, image, CAMERAS, noise, guidance=3.0, steps=5))
    alone = sample(teacher, image[1:], CAMERAS, noise[1:], guidance=3.0, steps=5)
    torch.testing.assert_close(alone, first[1:], rtol=0, atol=1e-3)  # float32 products of other shapes, five steps
    for other in (
        sample(teacher, picture(seed=7), CAMERAS, noise, guidance=3.0, steps=5),
        sample(teacher, image, CAMERAS, noise + 0.1, guidance=3.0, steps=5),
        sample(teacher, image, CAMERAS, noise, guidance=1.0, steps=5),
    ):
        assert (other - first).abs().max() > 1e-4


def test_guidance_1_is_the_conditional_prediction_and_others_are_linear(teacher):  # check 8
    image, z = picture(), drawn(2, 4, 4, 4, 4)
    cameras, condition = CAMERAS.conditions().expand(2, -1, -1), condition_of(teacher, image)
    one, two, three = (epsilon_of(teacher, condition, cameras, w)(z, 400) for w in (1.0, 2.0, 3.0))
    asked = as_epsilon(ask_at(teacher, z, condition, 400), z, teacher.schedule, 400, teacher.network.config)
    torch.testing.assert_close(one, asked, rtol=0, atol=1e-6)
    torch.testing.assert_close(three - two, two - one, rtol=0, atol=1e-4)


def ask_at(teacher, z, condition, t):
    return teacher.network(z, torch.full((2,), float(t)), CAMERAS.conditions().expand(2, -1, -1), condition)


def test_v_says_the_same_as_epsilon():
    schedule = scaled_linear()
    clean, noise = drawn(2, 4, 4, 4, 4), drawn(2, 4, 4, 4, 4, seed=3)
    for t in (1, 400, 981):
        z = schedule.diffused(clean, noise, t)
        v = schedule.signal(t) * noise - schedule.noise(t) * clean
        torch.testing.assert_close(as_epsilon(v, z, schedule, t, replace(TINY, prediction="v")), noise, rtol=0, atol=1e-5)
        assert as_epsilon(v, z, schedule, t, replace(TINY, prediction="epsilon")) is v


def test_inversion_is_sampled_back(teacher):
    """A network far from trained, asked for gentle steps: the round trip closes where the iteration has converged."""
    image, latents = picture(), drawn(2, 4, 4, 4, 4)
    found = invert(teacher, latents, image, CAMERAS, steps=100, iterations=60, tolerance=1e-6)
    assert found.residual <= 1e-5
    back = sample(teacher, image, CAMERAS, found.noise, steps=100)
    torch.testing.assert_close(back, latents, rtol=0, atol=2e-2)


def test_views_go_through_the_codec_as_a_set(teacher):
    views = torch.rand(2, 4, 4, 32, 32)
    latents = encode(teacher, views)
    assert latents.shape == (2, 4, 4, 4, 4)
    assert decode(teacher, latents).shape == views.shape


def test_another_architecture_is_refused(networks, tmp_path):
    from dd3g.core.model_file import load_model_file, save_model_file

    path = tmp_path / "teacher.safetensors"
    save_teacher(path, networks, {})
    file = load_model_file(path, "teacher")
    save_model_file(path, kind="teacher", config={**file.config, "network": {}}, about={}, tensors=file.tensors)
    with pytest.raises(CheckpointError, match="configuration"):
        load_teacher(path)


def test_a_call_with_five_frames_costs_about_a_gigaflop():
    from torch.utils.flop_counter import FlopCounterMode

    config = TeacherConfig()
    network = MultiViewUNet(config).eval()
    condition = network.unconditioned(1)
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        network(torch.zeros(1, 4, 4, 16, 16), torch.zeros(1), CAMERAS.conditions()[None], condition)
    assert 0.5e9 < counter.get_total_flops() < 2.5e9
    print(f"{counter.get_total_flops() / 1e9:.2f} GFLOP, {sum(p.numel() for p in network.parameters()) / 1e6:.1f} M parameters")
