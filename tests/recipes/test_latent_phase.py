"""The warm phase in a run: its head is trained and kept with the student, and nobody who did not ask for it sees a difference."""

import dataclasses

import numpy as np
import pytest
import torch

from dd3g.core import NoiseKey, draw_noise
from dd3g.core.cameras import RIG_RADIUS
from dd3g.core.errors import InputError
from dd3g.distill.latent import LatentConfig
from dd3g.quadruples import Collection, Quadruple
from dd3g.quadruples.inputs import InputPicture, Placement, digest_of
from dd3g.quadruples.plan import Plan
from dd3g.recipes import graphed
from dd3g.recipes.quadruple_batches import DecodedCollection
from dd3g.recipes.student import StudentLossConfig, student_losses, student_recipe
from dd3g.recipes.student_batches import StudentDataConfig
from dd3g.recipes.views_pack import open_pack
from dd3g.student import PEPD
from dd3g.student.latent_head import LatentHead, latent_head_of
from dd3g.student.load import load_student
from dd3g.student.presets import PRESETS, tiny
from dd3g.training import FitConfig, SessionConfig, fit
from dd3g.training.checkpoint import load_state

SHAPE = tiny().noise_shape
DATA = StudentDataConfig(batch=2, image_size=48, render_size=24)
PLAIN = StudentLossConfig(perceptual="none", surfaces=0, slopes=0, depth=0, camera=0)
WARM = dataclasses.replace(PLAIN, latent=LatentConfig(1.0, 0.5))
FIT = FitConfig(steps=4, lr=1e-3, warmup_steps=1, log_every=1, evaluate_every=4, sheet_every=4)
QUIET = SessionConfig(threads=1, quiet=True)


@pytest.fixture(scope="module")
def drawn():
    """Two pictures of a disc with three draws each; what was "drawn" is a function of the noise."""
    rows, columns = np.indices((48, 48)) - 23.5
    inputs = {}
    for k in range(2):
        rgba = torch.zeros(4, 48, 48, dtype=torch.uint8)
        rgba[k] = 200
        rgba[3] = torch.from_numpy((rows**2 + columns**2 < 250) * np.uint8(255))
        picture = InputPicture(f"disc {k}", f"disc {k}", "train", rgba, 0.0, 0.0, RIG_RADIUS, Placement(1.0, (0.0, 0.0, 0.0)))
        inputs[picture.image_id] = picture
    keys = [(name, draw) for name in inputs for draw in range(3)]
    quadruples = [Quadruple(n, d, 1.0, 0.0, 0.0, (draw_noise(NoiseKey(n, d), SHAPE) / 2).half().float(), None, None) for n, d in keys]
    plan = Plan("draw", "toy", SHAPE, "toy", 2, digest_of(list(inputs.values())), 3, 1.0, 10, 0.0, 0, 0.0, 6, 6)
    views = np.stack([inputs[name].rgba[None, :, ::2, ::2].expand(4, -1, -1, -1).numpy() for name, _ in keys])
    return DecodedCollection(Collection(plan, inputs, quadruples, 0), views, "toy")


def recipe_of(drawn, loss, train=()):
    return student_recipe(tiny(), DATA, loss, train, None, seed=0, provenance={}, collections=[drawn], steps=FIT.steps)


@pytest.fixture(scope="module")
def warm_run(drawn, tmp_path_factory):
    out = tmp_path_factory.mktemp("warm")
    fit(recipe_of(drawn, WARM), FIT, out, QUIET)
    return out


def test_batches_hold_the_drawn_latents_of_their_noise_and_none_for_views(drawn, blob_views):
    batch = recipe_of(drawn, WARM).batch(0)
    torch.testing.assert_close(batch.latents, batch.noise / 2, atol=1e-3, rtol=1e-3)  # kept as halves
    mixed = recipe_of(drawn, WARM, [open_pack(blob_views, quiet=True)]).batch(0)
    assert mixed.latents.flatten(1).isnan().all(1).tolist() == [True, False]


@pytest.mark.parametrize("preset", ["tiny", "small", "paper-32k", "paper"])
def test_a_token_tells_the_square_of_its_view_that_it_stands_for(preset):
    """One token changed, and only its own view's square of latents does."""
    config = dataclasses.replace(PRESETS[preset](), width=8)
    head, extraction = LatentHead(config), config.extraction
    tokens = torch.randn(1, extraction.token_count, 8)
    before = head(tokens)
    assert before.shape == (1, *config.noise_shape)
    view, row, column, grid = 2, 1, 3, extraction.token_grid
    tokens[0, (view * grid + row) * grid + column] += torch.randn(8)
    changed = (head(tokens) != before).any(2)[0]
    square = extraction.latent_size // grid
    expected = torch.zeros_like(changed)
    expected[view, row * square : (row + 1) * square, column * square : (column + 1) * square] = True
    assert torch.equal(changed, expected)


def test_the_term_reaches_extraction_and_ends_with_its_phase(drawn):
    recipe = recipe_of(drawn, WARM)
    terms = [recipe.losses(recipe.network, recipe.batch(step), step) for step in (0, 1, 2)]
    assert ["latent" in one for one in terms] == [True, True, False]
    weights = dict(recipe.network.named_parameters())
    found = torch.autograd.grad(terms[0]["latent"], list(weights.values()), allow_unused=True)
    reached = {name.split(".")[0] for name, g in zip(weights, found, strict=True) if g is not None and g.any()}
    assert {"latent_head", "extraction"} <= reached
    assert "decoder" not in reached


def test_a_graphs_door_lets_the_patterns_through(drawn):
    recipe = recipe_of(drawn, WARM)
    student, batch = recipe.network, recipe.batch(0)
    assert isinstance(student, PEPD)

    def decode(network, b):
        return graphed._assembled(graphed._Tensors(network)(*graphed._arguments(b)), b)

    plain, passed = (student_losses(student, batch, WARM, None, way, latent=0.5)["latent"] for way in (graphed.decode_batch, decode))
    assert torch.equal(plain, passed)
    first = student.extraction.leave.weight
    assert torch.autograd.grad(passed, first)[0].any()


def state_of(run):
    return load_state(run / "checkpoints" / "last.pt")


def test_without_weight_a_run_is_what_it_was_and_with_it_begins_as_it_did(drawn, warm_run, tmp_path):
    """The same bytes for whoever does not ask; for who does, the same start, and a file of the same tensors."""
    begun = {}
    for name, loss in {"plain": PLAIN, "none": dataclasses.replace(PLAIN, latent=LatentConfig(0.0, 0.7)), "warm": WARM}.items():
        recipe = recipe_of(drawn, loss)
        assert isinstance(recipe.network, PEPD)
        assert ("latent" in recipe.identity["loss"]) == (name == "warm")
        assert (latent_head_of(recipe.network) is not None) == (name == "warm")
        begun[name] = {k: v.clone() for k, v in recipe.network.state_dict().items()}
        if name != "warm":
            fit(recipe, FIT, tmp_path / name, QUIET)
    plain, none, warm = (state_of(run).network for run in (tmp_path / "plain", tmp_path / "none", warm_run))
    assert all(torch.equal(begun["warm"][k], v) for k, v in begun["plain"].items())
    assert none.keys() == plain.keys()
    assert all(torch.equal(none[k], v) for k, v in plain.items())
    assert any(not torch.equal(warm[k], v) for k, v in plain.items())
    assert load_student(warm_run / "last.safetensors").network.state_dict().keys() == plain.keys()


def test_a_run_stopped_in_its_warm_phase_goes_on(drawn, warm_run, tmp_path):
    assert fit(recipe_of(drawn, WARM), FIT, tmp_path, dataclasses.replace(QUIET, max_minutes=0.0))["step"] == 1
    assert fit(recipe_of(drawn, WARM), FIT, tmp_path, QUIET)["finished"]
    first, second = state_of(warm_run), state_of(tmp_path)
    for name in ("network", "average"):
        a, b = getattr(first, name), getattr(second, name)
        assert a.keys() == b.keys()
        assert "latent_head.tell.weight" in a
        assert all(torch.equal(a[key], b[key]) for key in a)


def test_without_drawn_quadruples_there_is_nothing_to_tell(blob_views):
    with pytest.raises(InputError, match=r"loss\.latent: tells the latents of drawn quadruples"):
        student_recipe(tiny(), DATA, WARM, [open_pack(blob_views, quiet=True)], None, seed=0, provenance={})
