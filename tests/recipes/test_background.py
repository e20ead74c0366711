"""The background recipe: batches are pure and well-formed, the loss knows the truth, and a small network learns."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

from dd3g.core.errors import InputError
from dd3g.photos.mask_network import MaskNetwork, MaskNetworkConfig, load_mask_network
from dd3g.recipes.background import (
    BackgroundLossConfig,
    BackgroundRecipeConfig,
    background_recipe,
    fixed_scenes,
    make_batch,
    mask_losses,
    mask_sheet,
    predicted,
    scores,
    soft_overlap,
)
from dd3g.recipes.background_develop import BackgroundBatch, develop
from dd3g.recipes.background_draw import BackgroundDataConfig, draw_batch
from dd3g.recipes.background_material import Material, MaterialFolders, load_material
from dd3g.recipes.background_stock import Stock, stock_of
from dd3g.training import FitConfig, SessionConfig, fit

DATA = BackgroundDataConfig(batch=8, size=64, scenes=12)
TINY = MaskNetworkConfig(input_size=64, channels=(6, 8, 10, 12, 16), blocks=(1, 1, 1, 1), decoder=(6, 8, 8, 10))


def blob(seed: int, size: int = 80) -> np.ndarray:
    """A coloured ellipse with alpha, (4, h, w)."""
    random = np.random.default_rng(seed)
    y, x = np.mgrid[0:size, 0:size] / size - 0.5
    inside = (x / random.uniform(0.2, 0.45)) ** 2 + (y / random.uniform(0.2, 0.45)) ** 2 < 1
    colour = random.integers(0, 256, 3)[:, None, None] + random.normal(0, 20, (3, size, size))
    return np.concatenate([colour.clip(0, 255), inside[None] * 255]).astype(np.uint8)


@pytest.fixture(scope="module")
def material() -> Material:
    blobs = [blob(seed) for seed in range(6)]
    photographs = [np.random.default_rng(7).integers(0, 256, (4, 90, 120)).astype(np.uint8)]
    photographs[0][3] = 0
    return Material(((1.0, blobs),), photographs, [blob(9, 100)], "test")


@pytest.fixture(scope="module")
def stock(material) -> Stock:
    return stock_of(material, 64, scenes=12, seed=0)


class Oracle(nn.Module):
    """Answers with masks it was given, in their order, over and over."""

    def __init__(self, mask: torch.Tensor) -> None:
        super().__init__()
        self.logits, self.place = nn.Parameter(torch.logit(mask, 1e-4)), 0

    def forward(self, rgb: torch.Tensor) -> torch.Tensor:
        self.place = (self.place + len(rgb)) % len(self.logits)
        return self.logits.roll(len(rgb) - self.place, 0)[: len(rgb)]


def test_a_batch_is_a_function_of_seed_and_step(material, stock):
    one, again = make_batch(stock, DATA, 3, 5), make_batch(stock_of(material, 64, scenes=12, seed=0), DATA, 3, 5)
    assert torch.equal(one.rgb, again.rgb)
    assert torch.equal(one.mask, again.mask)
    for other in (make_batch(stock, DATA, 3, 6), make_batch(stock, DATA, 4, 5)):
        assert not torch.equal(one.rgb, other.rgb)


def test_pictures_and_masks_are_in_range_and_most_hold_an_object(stock):
    batch = make_batch(stock, BackgroundDataConfig(batch=40, size=64), 0, 0)
    assert batch.rgb.shape == (40, 3, 64, 64)
    assert batch.mask.shape == (40, 1, 64, 64)
    for part in (batch.rgb, batch.mask):
        assert part.min() >= 0
        assert part.max() <= 1
    assert (batch.rgb * 255 - (batch.rgb * 255).round()).abs().max() < 1e-4  # as files have them
    found = (batch.mask > 0.5).float().mean((1, 2, 3))
    assert (found > 0.02).float().mean() > 0.8
    assert (found < 0.9).float().mean() > 0.8


def test_shares_can_be_all_or_nothing(stock):
    empty = make_batch(stock, BackgroundDataConfig(batch=6, size=64, empty=1.0, labelled=0.0), 0, 0)
    assert empty.mask.max() == 0
    labelled = make_batch(stock, BackgroundDataConfig(batch=6, size=64, labelled=1.0), 0, 0)
    assert labelled.mask.amax((1, 2, 3)).min() > 0.5


def test_the_truth_has_the_smallest_loss(stock):
    batch = make_batch(stock, DATA, 0, 0)
    config = BackgroundLossConfig()
    right = sum(mask_losses(Oracle(batch.mask), batch, config).values())
    flat = sum(mask_losses(Oracle(torch.full_like(batch.mask, 0.5)), batch, config).values())
    wrong = sum(mask_losses(Oracle(1 - batch.mask), batch, config).values())
    assert right < 0.1 * flat < flat < wrong


def test_a_mixed_target_gives_the_mean_of_two_losses(stock):
    """Why truth and teacher can be mixed into one mask: cross entropy is linear in it (at equal edge weights)."""
    batch = make_batch(stock, DATA, 0, 0)
    network, config = Oracle(torch.rand_like(batch.mask)), BackgroundLossConfig(edge=0)
    teacher = torch.rand_like(batch.mask)

    def entropy(mask: torch.Tensor) -> torch.Tensor:
        return mask_losses(network, BackgroundBatch(batch.rgb, mask), config)["entropy"]

    torch.testing.assert_close(entropy(0.5 * batch.mask + 0.5 * teacher), 0.5 * entropy(batch.mask) + 0.5 * entropy(teacher))


def test_soft_overlap_of_hard_masks_is_intersection_over_union():
    one, other = torch.zeros(1, 1, 100, 100), torch.zeros(1, 1, 100, 100)
    one[..., :60], other[..., 40:] = 1, 1
    assert soft_overlap(one, other).item() == pytest.approx(0.2, abs=0.002)
    assert soft_overlap(one, one).item() == 1
    assert soft_overlap(torch.zeros_like(one), torch.zeros_like(one)).item() == 1


def test_a_teacher_labels_photographs_and_nothing_else(stock):
    draw = draw_batch(stock, BackgroundDataConfig(batch=12, size=64, labelled=0.5), 0, 0)
    plain, taught = develop(stock, draw, 64), develop(stock, draw, 64, teacher=lambda rgb: torch.full_like(rgb[:, :1], 0.25))
    labelled = torch.zeros(12, dtype=torch.bool).index_fill(0, draw.labelled.at, True)
    assert 0 < labelled.sum() < 12
    assert (taught.mask[labelled] == 0.25).all()
    assert torch.equal(taught.mask[~labelled], plain.mask[~labelled])
    assert torch.equal(taught.rgb, plain.rgb)


def test_without_photographs_every_scene_is_drawn(material):
    bare = Material(material.objects, [], [], "bare")
    batch = make_batch(stock_of(bare, 64, scenes=4, seed=0), replace(DATA, empty=0.0), 0, 0)
    assert batch.mask.amax((1, 2, 3)).min() > 0.5


def test_scores_of_the_truth_are_perfect(stock):
    scenes = fixed_scenes(stock, BackgroundDataConfig(batch=8, size=64, empty=0.2), count=24)
    assert {kind: len(batch.rgb) for kind, batch in scenes.items()} == {"composites": 24, "photographs": 24}
    truth = torch.cat([batch.mask for batch in scenes.values()])
    found = scores(Oracle(truth), scenes)
    assert found["dev_iou"] > 0.999
    assert found["dev_false_share"] == 0
    worse = scores(Oracle(1 - truth), scenes)
    assert worse["dev_iou"] < 0.1
    assert worse["dev_false_share"] == 1


def test_prediction_in_chunks_is_prediction_at_once(stock):
    torch.manual_seed(0)
    network = MaskNetwork(TINY, normed=True).eval()
    rgb = make_batch(stock, DATA, 0, 0).rgb
    torch.testing.assert_close(predicted(network, rgb, chunk=3), predicted(network, rgb, chunk=8), rtol=0, atol=1e-5)


def test_the_sheet_shows_what_there_is(stock):
    scenes = fixed_scenes(stock, DATA, count=8)
    truth = torch.cat([batch.mask[:4] for batch in scenes.values()])
    assert min(mask_sheet(Oracle(truth), scenes, count=8, columns=4).size) > 100


def test_a_run_on_the_engine_learns_and_exports(tmp_path, material):
    """A hundred steps of a tiny network: the loss falls, and the exported file is a background network."""
    plain = replace(DATA, photographs=0.0, distractors=0.0, textured=0.0, empty=0.0, longest=(0.4, 0.8))
    config = BackgroundRecipeConfig(network=TINY, data=plain)
    recipe = background_recipe(config, material, material, {"data": "blobs"})

    def loss() -> float:
        with torch.no_grad():
            return sum(float(v) for v in recipe.losses(recipe.network, recipe.batch(1000), 1000).values())

    before = loss()
    session = SessionConfig(threads=1, quiet=True)
    fit(
        recipe, FitConfig(steps=100, lr=5e-3, warmup_steps=5, ema_decay=0.9, evaluate_every=50, sheet_every=1000), tmp_path / "run", session
    )
    assert loss() < 0.9 * before
    recipe.export(tmp_path / "a.safetensors", recipe.network, {"steps": 100})
    assert load_mask_network(tmp_path / "a.safetensors").config == TINY


def test_material_is_read_from_folders(tmp_path):
    for name in ("cut", "photo", "labelled"):
        (tmp_path / name).mkdir()
    Image.fromarray(np.moveaxis(blob(0), 0, -1).copy()).save(tmp_path / "cut" / "a.png")
    Image.fromarray(np.moveaxis(blob(1), 0, -1).copy()).save(tmp_path / "labelled" / "b.png")
    Image.fromarray(np.zeros((40, 50, 3), np.uint8)).save(tmp_path / "photo" / "c.webp", lossless=True)
    folders = MaterialFolders(
        cutouts=(str(tmp_path / "cut"),), photographs=(str(tmp_path / "photo"),), labelled=(str(tmp_path / "labelled"),)
    )
    found = load_material(folders)
    assert [len(pool) for _, pool in found.objects] == [1, 1]  # the labelled ellipse is confident enough to be cut out
    assert np.array_equal(found.objects[0][1][0], blob(0))
    assert found.photographs[0].shape == (4, 40, 50)
    assert found.digest == load_material(folders).digest
    Image.fromarray(np.moveaxis(blob(2), 0, -1).copy()).save(tmp_path / "cut" / "d.png")
    assert found.digest != load_material(folders).digest


def test_material_without_objects_is_refused(tmp_path):
    with pytest.raises(InputError, match="no cut-out objects"):
        load_material(MaterialFolders(cutouts=(str(tmp_path),)))
