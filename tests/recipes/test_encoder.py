"""Teaching the encoder: its losses vanish on the truth, it learns, and a student goes on from it."""

import dataclasses

import pytest
import torch

from dd3g.cli.main import main
from dd3g.core.errors import WeightsError
from dd3g.encoders import ImageEncoder
from dd3g.recipes.encoder import EncoderLossConfig, EncoderTask, encoder_losses, encoder_recipe, slope_loss
from dd3g.recipes.student import surface_grid, surface_loss
from dd3g.recipes.student_batches import StudentBatches, StudentDataConfig
from dd3g.recipes.views_pack import open_pack
from dd3g.student import PEPD
from dd3g.student.load import load_student
from dd3g.student.presets import tiny
from dd3g.student.seeding import HALF_FRAME

DATA = StudentDataConfig(batch=4, target_views=0, image_size=64)
BLIND = EncoderLossConfig(semantics=0.0)


@pytest.fixture(scope="module")
def pack(blob_views):
    return open_pack(blob_views, quiet=True)


def test_the_true_surfaces_cost_nothing(pack):
    torch.manual_seed(0)
    batch = StudentBatches([pack], DATA, (4, 4, 8, 8), 0)(0)
    view = PEPD(tiny()).look_at(batch.image)
    truth, valid = surface_grid(view, batch.towards)
    assert valid.float().mean() > 0.2
    exact = torch.where(valid, truth, 0.0) / (view.box.half * HALF_FRAME)[:, None, None, None]
    perfect = dataclasses.replace(view, surfaces=exact)
    assert surface_loss(perfect, batch.towards).item() == pytest.approx(0, abs=1e-6)
    assert slope_loss(perfect, batch.towards).item() == pytest.approx(0, abs=1e-6)
    assert surface_loss(view, batch.towards) > 0.005
    shifted = dataclasses.replace(perfect, surfaces=exact + 0.3)
    assert slope_loss(shifted, batch.towards).item() == pytest.approx(0, abs=1e-5)  # slopes know nothing of an offset
    assert surface_loss(shifted, batch.towards) > 0.05


def test_it_learns_the_blobs(pack):
    recipe = encoder_recipe(tiny(), DATA, BLIND, [pack], pack, seed=0, provenance={})
    optimiser = torch.optim.Adam(recipe.network.parameters(), 3e-3)
    losses = []
    for step in range(60):
        loss = torch.stack(list(recipe.losses(recipe.network, recipe.batch(step), step).values())).sum()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        losses.append(loss.item())
    assert losses[-1] < 0.6 * losses[0]
    assert recipe.evaluate is not None
    assert recipe.evaluate(recipe.network)["dev_surface_error"] < 0.1


def test_semantics_need_their_weights_by_name(pack, monkeypatch, tmp_path):
    monkeypatch.setenv("DD3G_WEIGHTS", str(tmp_path))
    with pytest.raises(WeightsError, match="mobilenet-v2"):
        encoder_recipe(tiny(), DATA, EncoderLossConfig(), [pack], None, seed=0, provenance={})


def test_semantics_are_a_term_of_their_own(pack):
    from dd3g.encoders.mobilenet import MobileNetV2

    torch.manual_seed(0)
    task = EncoderTask(PEPD(tiny()))
    batch = StudentBatches([pack], DATA, (4, 4, 8, 8), 0)(0)
    terms = encoder_losses(task, batch, EncoderLossConfig(), MobileNetV2())
    assert set(terms) == {"surfaces", "slopes", "camera", "semantics"}
    terms["semantics"].backward()
    assert task.tie.weight.grad is not None
    assert isinstance(task.student.encoder, ImageEncoder)
    reached = task.student.encoder.to_tokens.weight.grad
    assert reached is not None
    assert reached.any()


def test_the_command_teaches_and_a_student_goes_on_from_it(blob_views, dev_views, tmp_path):
    common = [
        "--preset",
        "tiny",
        "--dev",
        str(dev_views),
        "--threads",
        "1",
        "--batch",
        "2",
        "--steps",
        "3",
        "--set",
        "fit.evaluate_every=3",
    ]
    out = tmp_path / "eyes"
    assert main(["teach", "encoder", str(blob_views), *common, "--out", str(out), "--set", "loss.semantics=0"]) == 0
    loaded = load_student(out / "model.safetensors")
    assert loaded.about["scores"]["dev_surface_error"] > 0
    more = ["train", str(blob_views), "--init", str(out / "model.safetensors"), "--perceptual", "none", "--out", str(tmp_path / "student")]
    assert main([*more, *common[2:], "--set", "data.render_size=32"]) == 0
