"""The teacher's training: what a batch is, that it learns, what its command refuses."""

import numpy as np
import pytest
import torch

from dd3g.cli.main import main
from dd3g.core.noise import digest
from dd3g.encoders.codec import Codec
from dd3g.recipes.graphed_teacher import graphed_predict, predict_batch
from dd3g.recipes.teacher import TeacherBatches, TeacherDataConfig, asked_of, teacher_losses, teacher_recipe
from dd3g.recipes.views_pack import open_pack
from dd3g.teacher.teacher import TeacherNetworks, load_teacher
from tests.extras import needs_train
from tests.teacher.tiny import CODEC, TEACHER

pytestmark = needs_train

DATA = TeacherDataConfig(batch=24)


@pytest.fixture(scope="module")
def pack(blob_views):
    return open_pack(blob_views, quiet=True)


@pytest.fixture(scope="module")
def codec():
    torch.manual_seed(0)
    return Codec(CODEC).eval().requires_grad_(False)


@pytest.fixture(scope="module")
def batches(pack, codec):
    return TeacherBatches([pack], codec, DATA, TEACHER, 0, quiet=True)


def azimuths_deg(batch):
    """Where the four views stand, from the numbers that the network is told."""
    told = batch.cameras.unflatten(-1, (4, 4))[..., :3, 3]
    return torch.rad2deg(torch.atan2(told[..., 0], told[..., 2]))


def test_batches_are_functions_of_seed_and_step(batches):
    first, again, other = batches(3), batches(3), batches(4)
    for name in ("image", "clean", "noise", "t", "cameras", "conditioned"):
        assert torch.equal(getattr(first, name), getattr(again, name))
    assert not torch.equal(first.noise, other.noise)


def test_views_stand_a_quarter_turn_apart(batches):
    for step in range(4):
        steps = (azimuths_deg(batches(step)).diff(dim=1) + 360) % 360
        quarter = torch.minimum((steps - 90).abs(), (steps - 270).abs())  # mirrored objects are gone round the other way
        assert quarter.max() < 0.1


def test_half_of_the_samples_are_the_canonical_rigs_as_nearly_as_the_data_have_them(batches):
    first = torch.cat([azimuths_deg(batches(step))[:, 0] for step in range(20)])
    share = (first.abs() < 360 / 32 + 0.1).float().mean().item()
    assert share == pytest.approx(0.5 + 0.5 / 16, abs=0.1)  # 480 samples: four standard errors; the rest are there by chance


def test_latents_are_those_of_the_views_that_the_cameras_see(pack, codec, batches):
    """Every sample's latents are the codec's of one picture of the pack, or of its mirror image."""
    batch = batches(0)
    pictures = torch.from_numpy(np.array(pack.targets.rgba)).flatten(0, 1).float() / 255
    with torch.no_grad():
        known = torch.cat([codec.encode(p) for p in (pictures, pictures.flip(-1))])
    distance = (
        torch.cdist(batch.clean.flatten(0, 1).flatten(1), known.flatten(1), compute_mode="donot_use_mm_for_euclid_dist").min(1).values
    )
    assert distance.max() < 1e-3


def test_the_picture_is_withheld_now_and_then(batches):
    kept = torch.cat([batches(step).conditioned for step in range(20)])
    assert kept.mean().item() == pytest.approx(1 - DATA.unconditional, abs=0.06)  # 480 samples: four standard errors


def test_it_learns_and_leaves_the_codec_alone(pack, codec):
    recipe = teacher_recipe(TEACHER, codec, DATA, [pack], pack, seed=0, provenance={}, quiet=True)
    networks = recipe.network
    assert isinstance(networks, TeacherNetworks)
    before = {name: t.clone() for name, t in networks.codec.state_dict().items()}
    optimiser = torch.optim.Adam([p for p in recipe.network.parameters() if p.requires_grad], 2e-3)
    losses = []
    for step in range(40):
        loss = recipe.losses(recipe.network, recipe.batch(step), step)["denoise"]
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        losses.append(loss.item())
    assert np.mean(losses[-8:]) < 0.8 * np.mean(losses[:8])
    assert all(torch.equal(before[name], t) for name, t in networks.codec.state_dict().items())
    assert recipe.evaluate is not None
    scores = recipe.evaluate(recipe.network)
    assert scores["dev_loss"] == pytest.approx(np.mean([v for k, v in scores.items() if k != "dev_loss"]))
    assert recipe.sheet is not None
    assert recipe.sheet(recipe.network).size[0] > 0


@pytest.fixture
def networks(codec):
    torch.manual_seed(1)
    found = TeacherNetworks(TEACHER, CODEC)
    found.codec.load_state_dict(codec.state_dict())
    return found.train()


def test_what_a_graph_records_reads_nothing_back_and_brings_nothing_from_the_host(networks, batches):
    """Recording forbids both. On the meta device either is an error too: there are no values to read, and tensors of the host don't mix."""
    arguments, _ = asked_of(networks, batches(0))
    predicted = predict_batch(networks.to("meta"), *(a.to("meta") for a in arguments))
    assert predicted.shape == arguments[0].shape


def test_a_recorded_network_is_asked_what_a_plain_one_is(networks, batches):
    recorded = []

    def record(module, example, allow_unused_input):
        recorded.append(torch.is_autocast_enabled("cpu"))
        return module

    batch = batches(0)
    arguments, _ = asked_of(networks, batch)
    for bfloat16 in (False, True):
        predict = graphed_predict(networks, arguments, bfloat16=bfloat16, record=record)
        assert torch.equal(teacher_losses(networks, batch, predict)["denoise"], teacher_losses(networks, batch)["denoise"])
    assert recorded == [False, True]


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_graphs_give_the_loss_and_the_gradients_of_plain_training(pack, codec):
    found = []
    for graphs in (False, True):
        recipe = teacher_recipe(TEACHER, codec, DATA, [pack], None, seed=0, provenance={}, device="cuda", graphs=graphs, quiet=True)
        network = recipe.network.to("cuda").train()
        for step in (0, 1):  # the second replay must not remember the first
            network.zero_grad()
            loss = recipe.losses(network, recipe.batch(step), step)["denoise"]
            loss.backward()
        found.append([loss.detach(), *(p.grad.clone() for p in network.parameters() if p.grad is not None)])
    assert len(found[0]) == len(found[1])
    for plain, graphed in zip(*found, strict=True):
        assert torch.allclose(plain, graphed, rtol=1e-3, atol=1e-5)  # sums in another order


def test_graphs_without_a_gpu_are_refused(blob_views, tmp_path, capsys):
    assert main(["teach", "unet", str(blob_views), "--codec", "c", "--graphs", "--out", str(tmp_path / "t")]) == 2
    assert "--graphs: records CUDA graphs, found --device cpu" in capsys.readouterr().err


def test_the_commands_teach_codec_and_teacher_one_after_the_other(blob_views, dev_views, tmp_path, capsys):
    often = ["--batch", "2", "--threads", "1", "--set", "fit.evaluate_every=2", "--set", "fit.sheet_every=2", "--steps", "2"]
    codec = ["teach", "codec", str(blob_views), "--out", str(tmp_path / "codec"), "--set", "model.channels=8", "--set", "loss.perceptual=0"]
    assert main([*codec, *often]) == 0
    small = [
        "--set", "model.latent_size=6", "--set", "model.channels=[32,32]", "--set", "model.attention=[false,true]",
        "--set", "model.encoder.size=48", "--set", "model.encoder.blocks=1",
    ]  # fmt: skip
    teach = ["teach", "unet", str(blob_views), "--out", str(tmp_path / "teacher")]
    file = str(tmp_path / "codec" / "last.safetensors")
    assert main([*teach, "--codec", file, "--dev", str(dev_views), *small, *often]) == 0
    teacher = load_teacher(tmp_path / "teacher" / "model.safetensors")
    assert teacher.about["steps"] == 2
    assert teacher.digest == digest((tmp_path / "teacher" / "model.safetensors").read_bytes())
    assert main([*teach[:-1], str(tmp_path / "more"), "--init", str(tmp_path / "teacher" / "model.safetensors"), *often]) == 0
    capsys.readouterr()
    assert main([*teach, *often]) == 2
    assert "either --codec" in capsys.readouterr().err
    assert main([*teach[:-1], str(tmp_path / "third"), "--codec", file, *often]) == 2
    assert "48 px wide, expected 128" in capsys.readouterr().err
