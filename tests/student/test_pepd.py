"""The student as a whole: what depends on what (checks 22 to 26 of the method's list)."""

from dataclasses import replace

import pytest
import torch

from dd3g.core import slerp
from dd3g.core.errors import InputError
from dd3g.core.model_file import save_model_file
from dd3g.render import rasterize
from dd3g.student import PEPD
from dd3g.student.config import AnchoredDecodingConfig, PlainDecodingConfig, config_from_json, config_to_json
from dd3g.student.inference import gaussians_per_token
from dd3g.student.load import load_student
from dd3g.student.presets import PRESETS, paper, tiny
from tests.student.conftest import inputs, stir, student_of

DECODERS = {
    "plain": PlainDecodingConfig(gaussians_per_token=16),
    "plain, feedback": PlainDecodingConfig(gaussians_per_token=16, feedback=True),
    "anchored": AnchoredDecodingConfig(gaussians_per_token=16, gaussian_width=24),
    "looks back, free mu": AnchoredDecodingConfig(gaussians_per_token=16, gaussian_width=24, seeded=False),
    "seeded, blind": AnchoredDecodingConfig(gaussians_per_token=16, gaussian_width=24, look_back=False),
}
both = pytest.mark.parametrize("decoding", DECODERS.values(), ids=DECODERS.keys())


@both
def test_attributes_have_their_shapes_and_ranges(decoding):
    student = stir(student_of(decoding=decoding))
    gaussians = student(*inputs(student.config, batch=3))
    n = student.config.gaussian_count
    assert gaussians.means.shape == (3, n, 3)
    assert gaussians.means.abs().max() < 1.2
    assert torch.allclose(gaussians.quats_wxyz.norm(dim=-1), torch.ones(3, n), atol=1e-5)
    assert gaussians.scales.min() >= 5e-4
    assert gaussians.scales.max() <= 0.2
    for values in (gaussians.opacities, gaussians.rgb):
        assert values.min() >= 0
        assert values.max() <= 1


@both
def test_progressive_causality(decoding):  # check 26: gradients are exactly zero, not small
    student = stir(student_of(decoding=decoding))
    decoder = student.decoder
    later_than_mu = [
        "group_b",
        "group_c",
        "norm_b",
        "norm_c",
        "s_tap",
        "q_tap",
        "c_tap",
        "alpha_tap",
        "gate_tap",
        "update_b",
        "update_c",
        "tell",
        "look",
    ]
    later_than_sq = ["group_c", "norm_c", "c_tap", "alpha_tap", "gate_tap", "update_c"]
    gaussians = student(*inputs(student.config))
    for values, forbidden, needed in (
        (gaussians.means, later_than_mu, "group_a"),
        (torch.cat([gaussians.scales, gaussians.quats_wxyz], -1), later_than_sq, "group_b"),
        (torch.cat([gaussians.rgb, gaussians.opacities[..., None]], -1), [], "group_c"),
    ):
        student.zero_grad()
        (values * torch.randn_like(values)).sum().backward(retain_graph=True)
        for name, parameter in decoder.named_parameters():
            if name.split(".")[0] in forbidden:
                assert parameter.grad is None or not parameter.grad.any(), name
        assert any(p.grad is not None and p.grad.any() for n, p in decoder.named_parameters() if n.startswith(needed)), needed


@both
def test_gaussians_depend_on_noise_cameras_and_image(decoding):  # check 25
    student = stir(student_of(decoding=decoding))
    noise, cameras, image, elevation = inputs(student.config)
    conditions = cameras.conditions().expand(2, -1, -1).clone()
    tensors = [noise, conditions, image]
    for tensor in tensors:
        tensor.requires_grad_()
    gaussians = student.decode(noise, conditions, image, elevation).gaussians
    for values in (gaussians.means, gaussians.scales, gaussians.quats_wxyz, gaussians.rgb, gaussians.opacities):
        gradients = torch.autograd.grad((values * torch.randn_like(values)).sum(), tensors, retain_graph=True)
        assert all(gradient.any() for gradient in gradients)


def test_before_training_noise_and_cameras_already_reach_the_tokens():
    """Only zero-initialised branches may be shut; the way from N to the pattern tokens is not one of them."""
    student = student_of()
    noise, cameras, image, _ = inputs(student.config)
    tokens = student.look_at(image).features.tokens
    one = student.extraction(noise, cameras.conditions().expand(2, -1, -1), tokens)
    other = student.extraction(noise + 1, cameras.conditions().expand(2, -1, -1), tokens)
    assert (one - other).abs().max() > 0.1


@both
def test_along_an_arc_of_noise_the_object_changes_without_a_jump(decoding):  # check 42: half the step is about half the way
    """Of pictures, not of single Gaussians: one that leaves the matte changes its colour at once, and hardly anything is seen of it."""
    student = stir(student_of(decoding=decoding)).eval()
    noise, cameras, image, elevation = inputs(student.config)
    longest = []
    for steps in (16, 32):
        asked = torch.stack([slerp(noise[0], noise[1], k / steps) for k in range(steps + 1)])
        count = len(asked)
        with torch.no_grad():
            made = student(asked, cameras, image[:1].expand(count, -1, -1, -1), elevation[:1].expand(count))
            views = rasterize(made, cameras.resized(32, 32), torch.ones(3)).rgb
        longest.append(views.diff(dim=0).abs().mean((1, 2, 3, 4)).max().item())
    assert longest[0] > 1e-5
    assert longest[1] < 0.75 * longest[0]


@both
def test_results_do_not_depend_on_the_rest_of_the_batch(decoding):  # check 23
    student = stir(student_of(decoding=decoding)).eval()
    noise, cameras, image, elevation = inputs(student.config, batch=3)
    together = student(noise, cameras, image, elevation)
    for i in range(3):
        alone = student(noise[i : i + 1], cameras, image[i : i + 1], elevation[i : i + 1])
        assert torch.allclose(alone.means[0], together.means[i], atol=1e-4)  # float32 matrix products of other shapes
        assert torch.allclose(alone.rgb[0], together.rgb[i], atol=1e-4)


def test_tap_widths_of_the_paper_preset():  # check 22
    with torch.device("meta"):
        student = PEPD(paper())
    taps = [student.decoder.mu_tap, student.decoder.s_tap, student.decoder.q_tap, student.decoder.c_tap, student.decoder.alpha_tap]
    assert [tap.out_features for tap in taps] == [1536, 1536, 2048, 1536, 512]
    assert student.config.gaussian_count == 131_072
    assert student.config.extraction.token_count == 256


def test_plain_start_fills_a_translucent_ball():  # check 24
    student = student_of(decoding=PlainDecodingConfig(gaussians_per_token=128))
    noise, cameras, image, elevation = inputs(student.config)
    gaussians = student(noise, cameras, image, elevation).detach()
    assert gaussians.means.norm(dim=-1).max() < 0.52  # the ball's 0.5 and the taps' first noise
    assert torch.allclose(gaussians.opacities, torch.tensor(0.1), atol=0.01)
    assert torch.allclose(gaussians.rgb, torch.tensor(0.5), atol=0.02)
    assert torch.allclose(gaussians.quats_wxyz, torch.tensor([1.0, 0, 0, 0]).expand_as(gaussians.quats_wxyz), atol=0.05)
    alpha = rasterize(gaussians, cameras.resized(64, 64), torch.ones(3)).alpha
    centre, corners = alpha[..., 28:36, 28:36].mean((-3, -2, -1)), alpha[..., ::63, ::63]
    assert centre.min() > 0.85
    assert centre.max() < 0.99
    assert corners.max() == 0


def test_anchored_start_shows_the_input_picture():
    """Before any training the input's own view is there: seeds on its rays, its colours, its matte."""
    student = student_of()
    noise, cameras, image, _ = inputs(student.config)
    y, x = torch.meshgrid(torch.linspace(-1, 1, 64), torch.linspace(-1, 1, 64), indexing="ij")
    image = torch.cat([torch.stack([x, y, 0 * x]).expand(2, 3, 64, 64) * 0.5 + 0.5, image[:, 3:]], 1)
    gaussians = student(noise, cameras, image, torch.zeros(2)).detach()
    render = rasterize(gaussians, cameras.pick(slice(0, 1)).resized(64, 64), torch.zeros(3))
    inside = image[0, 3] > 0
    assert render.alpha[0, 0, 0][inside].mean() > 0.9
    assert render.alpha[0, 0, 0][~inside].mean() < 0.1  # 512 splats are wide
    assert (render.rgb[0, 0] - image[0, :3] * image[0, 3:]).abs()[:, inside].mean() < 0.12


def test_the_budget_of_a_seeded_decoder_may_be_changed():
    student = stir(student_of())
    noise, cameras, image, elevation = inputs(student.config)
    conditions = cameras.conditions().expand(2, -1, -1)
    for per_token in (8, 64):
        decoded = student.decode(noise, conditions, image, elevation, gaussians_per_token=per_token)
        assert len(decoded.gaussians) == per_token * student.config.extraction.token_count


def test_read_both_ways_a_mirrored_picture_has_mirrored_surfaces_and_the_same_camera():
    student = stir(student_of())
    image = inputs(student.config)[2]
    one, other = (student.look_at(picture, both_ways=True) for picture in (image, image.flip(-1)))
    torch.testing.assert_close(one.predicted.elevation_deg, other.predicted.elevation_deg)
    assert one.surfaces is not None
    assert other.surfaces is not None
    torch.testing.assert_close(one.surfaces, other.surfaces.flip(-1), rtol=0, atol=1e-5)
    alone = student.look_at(image).surfaces
    assert alone is not None
    assert (one.surfaces - alone).abs().max() > 1e-4


def test_free_taps_have_one_budget_and_another_is_refused():
    student = student_of(decoding=PlainDecodingConfig(gaussians_per_token=16))
    own = student.config.gaussian_count
    assert gaussians_per_token(student, None) is None
    assert gaussians_per_token(student, own) is None
    with pytest.raises(InputError, match=f"found 8192, expected {own}"):
        gaussians_per_token(student, 8192)


def test_the_input_camera_is_predicted_where_it_is_not_given(tiny_student):
    noise, cameras, image, elevation = inputs(tiny_student.config)
    decoded = tiny_student.decode(noise, cameras.conditions().expand(2, -1, -1), image)
    assert torch.equal(decoded.view.camera.elevation_deg, decoded.view.predicted.elevation_deg)
    assert (decoded.view.predicted.distance > 0).all()
    given = tiny_student.decode(noise, cameras.conditions().expand(2, -1, -1), image, elevation)
    assert torch.equal(given.view.camera.elevation_deg, elevation)
    assert torch.equal(given.view.camera.distance, given.view.predicted.distance)


def test_the_camera_that_is_told_bears_on_the_surfaces_but_not_on_the_one_that_is_found():
    student = stir(student_of())
    image = inputs(student.config)[2]
    level, above = (student.look_at(image, torch.full((2,), degrees), torch.full((2,), 1.5)) for degrees in (0.0, 30.0))
    assert torch.equal(level.predicted.elevation_deg, above.predicted.elevation_deg)
    assert level.surfaces is not None
    assert above.surfaces is not None
    assert (level.surfaces - above.surfaces).abs().max() > 1e-4
    found = student.look_at(image)
    told = student.look_at(image, found.predicted.elevation_deg, found.predicted.distance)
    assert found.surfaces is not None
    assert told.surfaces is not None
    assert torch.equal(found.surfaces, told.surfaces)


@pytest.mark.parametrize("name", PRESETS)
def test_configurations_survive_json(name):
    import json

    config = PRESETS[name]()
    assert config_from_json(json.loads(json.dumps(config_to_json(config)))) == config


def test_a_saved_student_is_loaded_again(tmp_path, tiny_student):
    path = tmp_path / "s.safetensors"
    save_model_file(path, kind="student", config=config_to_json(tiny()), about={"steps": 3}, tensors=tiny_student.state_dict())
    loaded = load_student(path)
    noise, cameras, image, elevation = inputs(tiny_student.config)
    assert torch.equal(loaded.network(noise, cameras, image, elevation).means, tiny_student(noise, cameras, image, elevation).means)
    assert loaded.about == {"steps": 3}
    assert loaded.name == "s"


def test_a_configuration_of_another_version_is_refused():
    from dd3g.core.errors import CheckpointError

    with pytest.raises(CheckpointError, match="another version"):
        config_from_json({**config_to_json(tiny()), "colour": "blue"})


def test_switched_off_parts_are_configurations_not_flags_in_the_result():
    """Every arm of the comparison builds and has about the same number of parameters."""
    counts = {}
    for name, decoding in DECODERS.items():
        with torch.device("meta"):
            counts[name] = sum(p.numel() for p in PEPD(replace(tiny(), decoding=decoding)).parameters())
    assert max(counts.values()) < 1.5 * min(counts.values()), counts
