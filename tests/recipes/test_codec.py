"""The codec's training: it learns blobs, its batches are functions of the step, its errors are named."""

import numpy as np
import pytest
import torch

from dd3g.cli.main import main
from dd3g.core.errors import WeightsError
from dd3g.core.model_file import load_model_file
from dd3g.encoders.codec import Codec, CodecConfig, load_codec
from dd3g.recipes.codec import CodecBatches, CodecDataConfig, CodecLossConfig, codec_losses, codec_recipe, palette_loss, windows
from dd3g.recipes.views_pack import open_pack

TINY = CodecConfig(channels=16, encoder_blocks=(1, 1, 1, 1), decoder_blocks=(1, 1, 1, 1))
DATA = CodecDataConfig(batch=8)
LOSS = CodecLossConfig(perceptual=0.0)


@pytest.fixture(scope="module")
def pack(blob_views):
    return open_pack(blob_views, quiet=True)


def test_batches_are_functions_of_seed_and_step(pack):
    first, again, other = (CodecBatches([pack], DATA, 4, 0, "cpu")(step) for step in (3, 3, 4))
    for name in ("rgba", "background", "noise"):
        assert torch.equal(getattr(first, name), getattr(again, name))
        assert not torch.equal(getattr(first, name), getattr(other, name))


def test_windows_are_pieces_of_their_pictures_about_what_is_in_them():
    random = np.random.default_rng(0)
    pictures = torch.zeros(40, 4, 48, 48)
    rows, columns = torch.meshgrid(torch.arange(48.0), torch.arange(48.0), indexing="ij")
    pictures[:, 0], pictures[:, 1] = rows / 48, columns / 48
    pictures[:, 3, 30:34, 5:9] = 1  # a speck
    found = windows(pictures, 16, random)
    assert found.shape == (40, 4, 16, 16)
    assert (found[:, 3].amax((1, 2)) == 1).float().mean() > 0.7  # shifted by up to half a window, it may just leave it
    step = 1 / 48
    assert torch.allclose(found[:, 0, 1:] - found[:, 0, :-1], torch.tensor(step), atol=1e-6)
    assert torch.allclose(found[:, 1, :, 1:] - found[:, 1, :, :-1], torch.tensor(step), atol=1e-6)
    assert len({tuple(f[:2, 0, 0].tolist()) for f in found}) > 20


def test_latents_that_tell_the_average_colours_cost_nothing_and_others_do():
    rgba = torch.rand(6, 4, 32, 32, generator=torch.Generator().manual_seed(0)).unflatten(-1, (4, 8)).flatten(-2)
    averages = torch.nn.functional.avg_pool2d(torch.cat([rgba[:, :3] * rgba[:, 3:], rgba[:, 3:]], 1), 8)
    mixed = torch.einsum("dc,bchw->bdhw", torch.tensor([[2.0, 1, 0, 0], [0, 1, 3, 0], [1, 0, 1, 1], [0, 0, 0, 2]]), averages) + 3
    assert palette_loss((mixed - mixed.mean()) / mixed.std() * 10, rgba).item() < 0.01
    unrelated = torch.randn(6, 4, 4, 4, generator=torch.Generator().manual_seed(1))
    assert palette_loss(unrelated, rgba).item() > 0.8
    grey = mixed.clone()
    grey[:, 1:] = mixed[:, :1]
    assert 0.3 < palette_loss(grey, rgba).item() < 0.9


class Perfect(Codec):
    """Forgets nothing."""

    def encode(self, rgba):
        self.kept = torch.cat([rgba[:, :3] * rgba[:, 3:], rgba[:, 3:]], 1)
        return torch.randn(8, 4, 6, 6, generator=torch.Generator().manual_seed(0))

    def decode_premultiplied(self, latents):
        return self.kept


def test_what_comes_back_unchanged_costs_nothing(pack):
    terms = codec_losses(Perfect(TINY), CodecBatches([pack], DATA, 4, 0, "cpu")(0), LOSS, None)
    assert terms["colour"].item() == pytest.approx(0, abs=1e-6)
    assert terms["alpha"].item() == 0
    assert terms["moments"].item() < 0.05 * LOSS.moments  # of 288 standard normal numbers a channel; 0.01 is expected


def test_it_learns_the_blobs(pack):
    recipe = codec_recipe(TINY, DATA, LOSS, [pack], pack, seed=0, provenance={})
    optimiser = torch.optim.Adam(recipe.network.parameters(), 3e-3)
    for step in range(150):
        loss = torch.stack(list(recipe.losses(recipe.network, recipe.batch(step), step).values())).sum()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    assert recipe.evaluate is not None
    scores = recipe.evaluate(recipe.network)
    assert scores["dev_psnr"] > 15
    assert scores["dev_alpha_iou"] > 0.85
    assert 0.4 < scores["dev_latent_std"] < 1.6
    assert recipe.sheet is not None
    assert recipe.sheet(recipe.network).size[0] > 0


def test_perception_needs_its_weights_by_name(pack, monkeypatch, tmp_path):
    monkeypatch.setenv("DD3G_WEIGHTS", str(tmp_path))
    with pytest.raises(WeightsError, match="lpips-squeeze"):
        codec_recipe(TINY, DATA, CodecLossConfig(), [pack], None, seed=0, provenance={})


def test_the_command_teaches_goes_on_and_starts_from_a_file(blob_views, dev_views, tmp_path):
    small = ["--set", "model.channels=8", "--set", "loss.perceptual=0", "--set", "fit.evaluate_every=2", "--set", "fit.sheet_every=2"]
    arguments = [
        "teach",
        "codec",
        str(blob_views),
        "--dev",
        str(dev_views),
        "--out",
        str(tmp_path / "run"),
        "--batch",
        "2",
        "--threads",
        "1",
    ]
    assert main([*arguments, *small, "--steps", "2"]) == 0
    made = load_model_file(tmp_path / "run" / "model.safetensors", "codec")
    assert made.about["steps"] == 2
    assert load_codec(tmp_path / "run" / "model.safetensors").config.channels == 8
    further = ["teach", "codec", str(blob_views), "--out", str(tmp_path / "more"), "--init", str(tmp_path / "run" / "model.safetensors")]
    assert main([*further, "--batch", "2", "--threads", "1", "--steps", "1", "--set", "loss.perceptual=0"]) == 0
    assert main([*further, "--batch", "2", "--threads", "1", "--steps", "1", "--set", "loss.perception=0"]) == 2
