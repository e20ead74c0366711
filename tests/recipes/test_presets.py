"""The presets of codec and teacher: sizes that fit each other, options that reach them, names that are known."""

import pytest
import torch

from dd3g.core.errors import InputError
from dd3g.encoders.codec import FACTOR, Codec, CodecConfig
from dd3g.recipes import codec_run, teacher_run
from dd3g.recipes.presets import tiny_codec, tiny_teacher
from dd3g.recipes.views_run import ViewsRunOptions
from dd3g.student.presets import tiny
from dd3g.teacher.network import MultiViewUNet, TeacherConfig
from tests.extras import needs_train


def parameters(network):
    return sum(p.numel() for p in network.parameters())


def test_the_tiny_codec_is_small_and_gives_back_what_it_is_given():
    torch.manual_seed(0)
    codec = Codec(tiny_codec())
    assert parameters(codec) < 100_000
    plain = torch.tensor([0.8, 0.4, 0.2, 1.0])[None, :, None, None].expand(1, 4, 64, 64)
    latents = codec.encode(plain)
    assert latents.shape == (1, 4, 64 // FACTOR, 64 // FACTOR)
    assert torch.allclose(codec.decode(latents)[..., 16:48, 16:48], plain[..., 16:48, 16:48], atol=0.1)  # without any training


@needs_train
def test_the_tiny_teacher_is_small():
    config = tiny_teacher()
    network = MultiViewUNet(config)
    assert parameters(network) < 1_000_000
    z, image = torch.zeros(1, 4, 4, 8, 8), torch.zeros(1, 4, 64, 64)
    condition = network.condition(image, torch.zeros(1, 4, 8, 8))
    assert network(z, torch.zeros(1), torch.zeros(1, 4, 16), condition).shape == z.shape


def test_a_tiny_teacher_draws_what_a_tiny_student_reads():
    teacher, student = tiny_teacher(), tiny().extraction
    assert (teacher.views, teacher.latent_channels, teacher.latent_size) == (student.views, student.latent_channels, student.latent_size)
    assert teacher.latent_channels == tiny_codec().latent_channels


def test_presets_are_what_options_and_settings_start_from():
    options = ViewsRunOptions((), steps=7, overrides=("model.latent_channels=5",))
    assert codec_run.resolve(options, "tiny").model.channels == tiny_codec().channels
    assert codec_run.resolve(options, "tiny").model.latent_channels == 5
    assert teacher_run.resolve(options, "tiny").model.latent_size == 8
    assert teacher_run.resolve(options, "tiny").fit.steps == 7
    plain = ViewsRunOptions(())
    assert codec_run.resolve(plain).model == CodecConfig()
    assert teacher_run.resolve(plain).model == TeacherConfig()
    begun = TeacherConfig(latent_size=4)
    assert teacher_run.resolve(plain, "tiny", begun).model == begun  # what is gone on from keeps its sizes


@pytest.mark.parametrize("resolve", [codec_run.resolve, teacher_run.resolve])
def test_an_unknown_preset_is_named(resolve):
    with pytest.raises(InputError, match="--preset huge: unknown; known are tiny, small"):
        resolve(ViewsRunOptions(()), "huge")
