"""Extraction that begins with a teacher's weights: the same names, the same numbers, and whatever does not fit is refused."""

from dataclasses import replace

import pytest
import torch

from dd3g.core.errors import CheckpointError, InputError
from dd3g.recipes.init_extraction import extracting_as
from dd3g.student import PEPD
from dd3g.student.config import TeacherExtractionConfig
from dd3g.student.presets import paper, paper_32k, paper_teacher, tiny
from dd3g.student.teacher_extraction import COPIED, TeacherExtraction, copy_teacher
from dd3g.teacher.multi_view import UNetShape, multi_view_unet
from tests.extras import needs_train
from tests.student.conftest import inputs, stir

SHAPE = UNetShape(4, 4, 8, (32, 64, 64), (False, True, True), 1, 16, 16, 24)
IMAGEDREAM = UNetShape(4, 4, 32, (320, 640, 1280, 1280), (True, True, True, False), 2, 64, 32, 1024, 16)
STUDENT = replace(tiny(), extraction=replace(tiny().extraction, latent_size=8))  # 4 x 4 tokens a view: the teacher's second level


@pytest.fixture(scope="module")
def unet():
    pytest.importorskip("diffusers")
    torch.manual_seed(0)
    return stir(multi_view_unet(SHAPE)).eval()


def extraction_of(shape, context_width=24, token_grid=4):
    config = extracting_as(STUDENT, shape).extraction
    assert isinstance(config, TeacherExtractionConfig)
    assert config.token_grid == token_grid
    torch.manual_seed(1)
    return TeacherExtraction(config, context_width, 20)


@needs_train
def test_what_is_copied_is_the_teachers_and_all_of_its_way_down_to_that_level(unet):
    extraction = extraction_of(SHAPE)
    before = {name: t.clone() for name, t in extraction.state_dict().items()}
    copied = copy_teacher(extraction, unet.state_dict())
    assert all(torch.equal(extraction.state_dict()[name], unet.state_dict()[name]) for name in copied)
    assert set(copied) == {name for name in before if name.split(".")[0] in COPIED}
    theirs = {name for name in unet.state_dict() if name.startswith(("conv_in", "time_emb", "class_emb", "down_blocks.0", "down_blocks.1"))}
    left = theirs - set(copied)
    assert {name.split(".")[2] for name in left} == {"downsamplers"}  # of the last level: it leads to the next one
    assert all(torch.equal(before[name], t) for name, t in extraction.state_dict().items() if name not in copied)


@needs_train
def test_with_the_teachers_weights_and_tokens_features_are_the_teachers(unet):
    """What the U-Net itself computes on its way down, with frames of four views; tokens as wide as its own pass through unchanged."""
    extraction = extraction_of(SHAPE)
    copy_teacher(extraction, unet.state_dict())
    generator = torch.Generator().manual_seed(2)
    noise, conditions, tokens = (torch.randn(2, *shape, generator=generator) for shape in ((4, 4, 8, 8), (4, 16), (5, 24)))
    seen = []
    hook = unet.down_blocks[1].resnets[-1].register_forward_hook(lambda _m, _a, out: seen.append(out))
    other = unet.down_blocks[1].attentions[-1].register_forward_hook(lambda _m, _a, out: seen.append(out[0]))
    for module in unet.modules():  # four frames an object: the picture's is none of the student's
        if hasattr(getattr(module, "processor", None), "frames"):
            module.processor.frames = 4
    try:
        unet(
            noise.flatten(0, 1),
            torch.full((8,), 981.0),
            encoder_hidden_states=tokens,
            class_labels=conditions.flatten(0, 1),
        )
    finally:
        hook.remove()
        other.remove()
    with torch.no_grad():
        ours = extraction.features(noise, conditions, extraction.context(tokens))
    # float32: the U-Net's convolutions and ours are the same calls
    assert torch.allclose(ours, seen[-1], atol=1e-5)
    assert (ours - ours.flip(0)).abs().max() > 1e-2


def test_imagedreams_way_down_fits_the_papers_tokens():
    config = extracting_as(paper(), IMAGEDREAM)
    assert config.extraction == TeacherExtractionConfig() == paper_teacher().extraction
    assert config.extraction.token_count == paper().extraction.token_count
    assert extracting_as(paper_teacher(), IMAGEDREAM) == paper_teacher()
    assert extracting_as(paper_32k(), IMAGEDREAM).extraction.channels == (320, 640, 1280, 1280)


def test_keys_and_values_of_the_picture_are_taken_where_a_text_has_its_own():
    extraction = extraction_of(replace(SHAPE, picture_tokens=3))
    weights = {name: torch.randn_like(t) for name, t in extraction.state_dict().items()}
    place = "down_blocks.1.attentions.0.transformer_blocks.0.attn2"
    picture = {f"{place}.processor.{p}_ip.0.weight": torch.randn(64, 24) for p in ("to_k", "to_v")}
    copy_teacher(extraction, {**weights, **picture})
    for projection in ("to_k", "to_v"):
        assert torch.equal(extraction.state_dict()[f"{place}.{projection}.weight"], picture[f"{place}.processor.{projection}_ip.0.weight"])
    assert torch.equal(extraction.state_dict()[f"{place}.to_q.weight"], weights[f"{place}.to_q.weight"])


def test_weights_that_are_missing_or_of_another_shape_are_named():
    extraction = extraction_of(SHAPE)
    weights = dict(extraction.state_dict())
    del weights["conv_in.bias"]
    weights["time_embedding.linear_1.weight"] = torch.zeros(3, 3)
    with pytest.raises(CheckpointError, match=r"2 weights .*missing conv_in\.bias; time_embedding\.linear_1\.weight is \(3, 3\), expected"):
        copy_teacher(extraction, weights)


def test_teachers_of_other_latents_grids_or_topologies_are_refused():
    with pytest.raises(InputError, match=r"teacher's noise is \(4, 4, 16, 16\), the student's \(4, 4, 8, 8\)"):
        extracting_as(STUDENT, replace(SHAPE, latent_size=16))
    with pytest.raises(InputError, match=r"4 x 4 pattern tokens a view, and the teacher's levels have grids of 8;"):
        extracting_as(STUDENT, replace(SHAPE, channels=(32,), attention=(True,)))
    with pytest.raises(InputError, match="the preset extracts as"):
        extracting_as(paper_teacher(), replace(IMAGEDREAM, layers=1))


def test_a_student_with_it_depends_on_noise_cameras_and_picture():
    config = extracting_as(STUDENT, SHAPE)
    torch.manual_seed(0)
    student = stir(PEPD(config))
    noise, cameras, image, elevation = inputs(config)
    conditions = cameras.conditions().expand(2, -1, -1).clone()
    tensors = [noise.requires_grad_(), conditions.requires_grad_(), image.requires_grad_()]
    rgb = student.decode(noise, conditions, image, elevation).gaussians.rgb
    assert all(g.any() for g in torch.autograd.grad((rgb * torch.randn_like(rgb)).sum(), tensors))
