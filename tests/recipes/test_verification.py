"""Implicit verification while a student learns: what is asked, of whom, and at what price in memory."""

import dataclasses

import pytest
import torch
from torch import nn

from dd3g.cli.main import main
from dd3g.core.errors import InputError
from dd3g.distill.curriculum import Curriculum
from dd3g.distill.implicit import ImplicitConfig, checked_implicit
from dd3g.encoders.codec import Codec
from dd3g.recipes.quadruple_batches import _together
from dd3g.recipes.student import NO_VERIFIER, StudentLossConfig, place_batch, student_recipe
from dd3g.recipes.student_batches import StudentDataConfig
from dd3g.recipes.verification import Verifier, cameras_of, implicit_term, norm_of, request_of, verifier_of, verify
from dd3g.recipes.views_pack import open_pack
from dd3g.student import PEPD
from dd3g.student.presets import tiny
from dd3g.teacher import scaled_linear
from dd3g.teacher.teacher import TeacherNetworks, load_teacher, save_teacher
from dd3g.training.shares import share
from tests.extras import needs_train
from tests.teacher.tiny import CODEC, TEACHER

SIDE = 32
DATA = StudentDataConfig(batch=4, target_views=2, image_size=64, render_size=32)
ALWAYS = ImplicitConfig(weight=0.1, curriculum=Curriculum("constant"), every=1, one_in=1)


class Known(nn.Module):
    """A teacher of any width that wants everything to be empty; notes how it is asked."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(nn.Conv2d(4, width, 3, padding=1), nn.SiLU(), nn.Conv2d(width, 4, 3, padding=1))
        self.graphs: list[bool] = []

    def verifier(self) -> Verifier:
        torch.manual_seed(0)
        codec = Codec(CODEC).requires_grad_(False)

        def encode(rgba):
            return codec.encode_premultiplied(rgba.flatten(0, 1)).unflatten(0, rgba.shape[:2])

        def epsilon(image, conditions):
            def predicted(z, t):
                answer = self.layers(z.flatten(0, 1)).reshape(z.shape)
                self.graphs.append(answer.requires_grad)
                return answer

            return predicted

        return Verifier(encode, epsilon, scaled_linear(), SIDE, "known")


@pytest.fixture(scope="module")
def case(blob_views):
    """A recipe, its first batch, and Gaussians for it in the object's frame."""
    loss = StudentLossConfig(perceptual="none")
    recipe = student_recipe(tiny(), DATA, loss, [open_pack(blob_views, quiet=True)], None, seed=0, provenance={})
    assert isinstance(recipe.network, PEPD)
    _, placed, batch = place_batch(recipe.network, recipe.batch(0))
    return recipe, placed, batch


def saved_bytes(action):
    """What autograd keeps for a backward, each storage once."""
    found = {}

    def note(tensor):
        found[tensor.untyped_storage().data_ptr()] = tensor.untyped_storage().nbytes()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(note, lambda tensor: tensor):
        action()
    return sum(found.values())


def test_the_teacher_keeps_no_graph_however_wide_it_is(case):  # check 31
    """Bytes held for backward are the renderer's and the codec's: the same for a teacher a hundred times as wide."""
    _, placed, batch = case
    held = {}
    for width in (4, 400):
        known = Known(width)
        held[width] = saved_bytes(lambda: verify(known.verifier(), placed, batch, ALWAYS, 0, 0))  # noqa: B023 - called at once
        assert known.graphs == [False]
        assert all(p.grad is None for p in known.parameters())
    assert held[4] == pytest.approx(held[400], rel=1e-3)
    views, width = 4 * len(batch.image), 400
    graph = saved_bytes(lambda: Known(width).layers(torch.zeros(views, 4, SIDE // 8, SIDE // 8)))
    assert graph > views * width * (SIDE // 8) ** 2 * 4  # what the wide one would have cost: the measure sees it


def test_the_term_has_the_gradient_of_the_loss_and_leaves_no_other(case):
    """Handed on at the Gaussians, it is beta times verification's own gradient."""
    _, placed, batch = case
    leaf = placed.map(lambda t: t.detach().requires_grad_())
    verifier = Known(4).verifier()
    implicit_term(verifier, leaf, batch, {}, ALWAYS, seed=0, step=0, steps=10).backward()
    wanted = verify(verifier, placed, batch, ALWAYS, 0, 0)
    assert wanted is not None
    assert wanted.norm > 0
    for name in ("means", "scales", "opacities", "rgb", "quats_wxyz"):
        torch.testing.assert_close(getattr(leaf, name).grad, 0.1 * getattr(wanted.gradient, name))


@pytest.mark.parametrize("every", [1, 2])
def test_a_balanced_term_has_the_stated_share_of_the_explicit_gradient(case, every):
    _, placed, batch = case
    leaf = placed.map(lambda t: t.detach().requires_grad_())
    explicit = {"mse": leaf.rgb.square().sum(), "alpha": leaf.opacities.sum()}
    config = dataclasses.replace(ALWAYS, weight=0.0, balance=0.2, every=every)
    term = implicit_term(Known(4).verifier(), leaf, batch, explicit, config, seed=0, step=2, steps=10)
    tensors = [leaf.means, leaf.quats_wxyz, leaf.scales, leaf.opacities, leaf.rgb]
    ours = torch.autograd.grad(term, tensors)
    theirs = torch.autograd.grad(explicit["mse"] + explicit["alpha"], tensors, materialize_grads=True)
    lengths = [torch.stack([t.square().sum() for t in found]).sum().sqrt() for found in (ours, theirs)]
    assert (lengths[0] / lengths[1]).item() == pytest.approx(0.2 * every, rel=1e-4)


def test_nothing_is_asked_before_the_ramp_nor_between_turns(case):
    _, placed, batch = case
    known = Known(4)
    config = dataclasses.replace(ALWAYS, curriculum=Curriculum("smoothstep", 0.5, 0.8), every=2)
    asked = []
    for step in range(10):
        before = len(known.graphs)
        term = implicit_term(known.verifier(), placed, batch, {}, config, seed=0, step=step, steps=10)
        asked.append(len(known.graphs) > before)
        assert asked[-1] or term == 0
    assert asked == [False] * 6 + [True, False, True, False]


def test_ranks_ask_the_same_together_as_one_alone(case):
    """A sample's draws hang on its number, so the mean over two halves is the whole's."""
    _, placed, batch = case
    verifier, config = Known(4).verifier(), dataclasses.replace(ALWAYS, one_in=2, supervised=0.0)
    whole = verify(verifier, placed, batch, config, 3, 7)
    halves = [
        verify(verifier, placed.map(lambda t, rows=rows: t[rows]), share(batch, part, 2), config, 3, 7)
        for part, rows in enumerate((slice(0, 2), slice(2, 4)))
    ]
    assert whole is not None
    together = torch.cat([half.gradient.rgb / 2 for half in halves if half is not None])
    torch.testing.assert_close(together, whole.gradient.rgb, rtol=1e-4, atol=1e-8)
    assert norm_of(whole.gradient) == whole.norm


def test_requests_are_a_function_of_seed_step_and_number():
    number = torch.arange(8)
    config = ImplicitConfig(weight=1.0)
    assert request_of(config, number, 1, 4) == request_of(config, number, 1, 4)
    turns = [request_of(config, number, 1, step).chosen for step in (0, 2)]
    assert sorted(turns[0] + turns[1]) == list(range(8))  # the others next time
    assert {request_of(config, number, 1, step).own for step in range(20)} == {True, False}
    for step in range(0, 40, 2):
        request = request_of(config, number, 1, step)
        assert 20 <= request.t <= 300
        assert all(0 <= a <= 360 for a in request.azimuth_deg)
        assert all(0 <= e <= 30 for e in request.elevation_deg)
        assert len(set(request.noise)) == len(request.chosen)


@pytest.mark.parametrize("supervised", [0.0, 1.0])
def test_the_cameras_stand_in_quarters_at_one_height(case, supervised):
    _, _, batch = case
    request = request_of(dataclasses.replace(ALWAYS, supervised=supervised), batch.number, 0, 0)
    places = cameras_of(request, batch, SIDE).positions()
    torch.testing.assert_close(places[:, :1, 1].expand(-1, 4), places[..., 1], atol=1e-5, rtol=0)
    flat = torch.nn.functional.normalize(places[..., [0, 2]], dim=-1)
    torch.testing.assert_close((flat * flat.roll(1, 1)).sum(-1), torch.zeros(4, 4), atol=1e-5, rtol=0)
    if supervised:
        torch.testing.assert_close(places[:, 0], torch.tensor([[0.0, 0.0, 1.5]]).expand(4, 3), atol=1e-5, rtol=0)


def test_siblings_are_draws_of_one_picture_and_none_is_left_out():
    draws = [[0, 3, 5], [1], [2, 4]]
    assert _together(draws, 1) == [[k] for k in range(6)]  # the order of a collection, as it was
    pairs = _together(draws, 2)
    assert pairs == [[0, 3], [5, 0], [1, 1], [2, 4]]
    assert {place for pair in pairs for place in pair} == set(range(6))


@pytest.mark.parametrize(
    ("wrong", "message"),
    [({"weight": 1.0, "balance": 1.0}, "one of the two"), ({"every": 0}, "at least 1"), ({"first_time": 400}, "first_time <= last_time")],
)
def test_wrong_settings_are_explained(wrong, message):
    with pytest.raises(InputError, match=message):
        checked_implicit(ImplicitConfig(**wrong))


@needs_train
def test_the_command_verifies_students_of_views_alone(blob_views, tmp_path, capsys):
    torch.manual_seed(0)
    teacher = tmp_path / "teacher.safetensors"
    save_teacher(teacher, TeacherNetworks(TEACHER, CODEC), {})
    command = ["train", str(blob_views), "--preset", "tiny", "--perceptual", "none", "--steps", "2", "--batch", "2", "--threads", "1"]
    command += ["--set", "data.render_size=32", "--set", "loss.implicit.weight=0.1", "--set", "loss.implicit.every=1"]
    command += ["--set", "loss.implicit.curriculum.shape=constant", "--set", "fit.log_every=1", "--out", str(tmp_path / "run")]
    assert main(command) == 2
    assert NO_VERIFIER in capsys.readouterr().err
    assert main([*command, "--teacher", str(teacher)]) == 0
    told = capsys.readouterr().err
    assert "implicit" in told
    assert "gradient_explicit" in told
    assert "gradient_implicit" in told


def test_an_opaque_teacher_sees_renders_and_picture_over_one_fresh_grey(case):
    """It sees no alpha, so none may tell it anything; the grey is the render's and the picture's, another one a sample and a step."""
    _, placed, batch = case
    seen = []

    def encode(rgba):
        seen.append(rgba)
        return rgba[..., :4, ::8, ::8]

    def epsilon(image, _conditions):
        seen.append(image)
        return lambda z, t: z

    verifier = Verifier(encode, epsilon, scaled_linear(), SIDE, "known", opaque=True)
    for step in (0, 1):
        asked = dataclasses.replace(batch, number=batch.number + step * len(batch.number))
        verified = verify(verifier, placed, asked, dataclasses.replace(ALWAYS, every=1), 0, step)
        assert verified is not None
        assert torch.isfinite(verified.norm)
    assert verified.gradient.rgb.abs().max() > 0
    for renders, pictures in (seen[:2], seen[2:]):
        assert (renders[:, :, 3] == 1).all()
        assert (pictures[:, 3] == 1).all()
        grey = renders[:, 0, :3, 0, 0]  # a corner, where nothing stands
        torch.testing.assert_close(grey, grey[:, :1].expand(-1, 3), rtol=0, atol=1e-6)
        torch.testing.assert_close(pictures[:, :3, 0, 0], grey, rtol=0, atol=1e-6)
        assert len(grey[:, 0].unique()) == len(grey)
    assert (seen[0][:, 0, 0, 0, 0] - seen[2][:, 0, 0, 0, 0]).abs().min() > 0


@needs_train
def test_guidance_one_asks_the_teacher_half_as_much(case, tmp_path):
    torch.manual_seed(0)
    save_teacher(tmp_path / "t", TeacherNetworks(TEACHER, CODEC), {})
    teacher, asked = load_teacher(tmp_path / "t"), []
    teacher.network.unet.register_forward_pre_hook(lambda _, arguments: asked.append(len(arguments[0])))
    _, placed, batch = case
    for guidance in (1.0, 3.0):
        config = dataclasses.replace(ALWAYS, guidance=guidance)
        assert verify(verifier_of(teacher, config, "cpu"), placed, batch, config, 0, 0) is not None
    assert asked == [4 * 5, 2 * 4 * 5]
