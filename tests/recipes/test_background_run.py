"""From folders to a run and on from it; and the teacher's labels."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from PIL import Image

from dd3g.core.errors import CheckpointError, InputError
from dd3g.photos.batch_norm import fold_batch_norm, unfold_batch_norm
from dd3g.photos.mask_network import MaskNetwork, MaskNetworkConfig, load_mask_network
from dd3g.recipes import background_labels
from dd3g.recipes.background_labels import LONGEST_SIDE, label_photographs, windowed
from dd3g.recipes.background_material import Material, MaterialFolders
from dd3g.recipes.background_run import BackgroundRunOptions, resolve, run_background
from dd3g.training import SessionConfig

SESSION = SessionConfig(threads=1, quiet=True)
SMALL = (
    "network.channels=[4,4,8,8,8]",
    "network.blocks=[1,1,1,1]",
    "network.decoder=[4,4,8,8]",
    "network.input_size=32",
    "data.scenes=8",
    "fit.warmup_steps=1",
)


@pytest.fixture
def folders(tmp_path) -> MaterialFolders:
    (tmp_path / "cut").mkdir()
    for k in range(3):
        rgba = np.random.default_rng(k).integers(0, 256, (40, 40, 4)).astype(np.uint8)
        rgba[..., 3] = 0
        rgba[8:32, 10:30, 3] = 255
        Image.fromarray(rgba).save(tmp_path / "cut" / f"{k}.png")
    return MaterialFolders(cutouts=(str(tmp_path / "cut"),))


def test_options_and_overrides_reach_the_settings():
    config = resolve(
        BackgroundRunOptions(MaterialFolders(), steps=7, batch=3, size=64, seed=5, overrides=("fit.lr=1e-4", "data.empty=0.5"))
    )
    assert (config.fit.steps, config.data.batch, config.data.size, config.fit.seed) == (7, 3, 64, 5)
    assert (config.fit.lr, config.data.empty) == (1e-4, 0.5)
    with pytest.raises(InputError):
        resolve(BackgroundRunOptions(MaterialFolders(), overrides=("data.nonsense=1",)))


def test_a_run_can_start_from_another(tmp_path, folders):
    options = BackgroundRunOptions(folders, folders, steps=2, batch=2, size=32, overrides=SMALL)
    run_background(options, tmp_path / "one", SESSION)
    first = torch.load(tmp_path / "one" / "checkpoints" / "last.pt", weights_only=True)["average"]
    onward = BackgroundRunOptions(folders, None, init=str(tmp_path / "one"), steps=1, batch=2, size=64, overrides=(*SMALL, "fit.lr=0"))
    run_background(onward, tmp_path / "two", SESSION)
    second = torch.load(tmp_path / "two" / "checkpoints" / "last.pt", weights_only=True)["network"]
    weights = [name for name in first if name.endswith("weight")]
    assert all(torch.equal(first[name], second[name]) for name in weights)  # a learning rate of 0 moves nothing
    with pytest.raises(CheckpointError, match="no such checkpoint"):
        run_background(BackgroundRunOptions(folders, init=str(tmp_path / "three")), tmp_path / "four", SESSION)


def test_a_run_can_start_from_a_model_file(tmp_path, folders):
    run_background(BackgroundRunOptions(folders, None, steps=2, batch=2, size=32, overrides=SMALL), tmp_path / "one", SESSION)
    file = tmp_path / "one" / "model.safetensors"
    onward = BackgroundRunOptions(folders, None, init=str(file), steps=1, batch=2, size=32, overrides=(*SMALL, "fit.lr=0"))
    run_background(onward, tmp_path / "two", SESSION)
    first, second = (load_mask_network(tmp_path / name / "model.safetensors") for name in ("one", "two"))
    picture = torch.rand(1, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    assert torch.allclose(first(picture), second(picture), atol=0.3)  # norms are measured on other pictures, and steps change them


def test_a_network_unfolded_is_the_folded_one_on_the_pictures_it_was_measured_on():
    torch.manual_seed(0)
    trained, pictures = MaskNetwork(MaskNetworkConfig(), normed=True), torch.rand(4, 3, 64, 64)
    for _ in range(3):
        trained.train()(pictures)  # running statistics of their own
    folded = fold_batch_norm(trained.state_dict(), conv="conv", norm="norm")
    again = MaskNetwork(MaskNetworkConfig(), normed=True)
    unfold_batch_norm(again, folded, pictures, conv="conv", norm="norm")
    wanted = trained.eval()(pictures)
    assert torch.allclose(again.train()(pictures), wanted, atol=1e-3 * float(wanted.detach().abs().max()))


class Bright(torch.nn.Module):
    """Teacher that finds the red."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return (x[:, :1] > 0).float()


def test_labels_are_windows_with_the_teachers_mask(tmp_path, monkeypatch):
    monkeypatch.setattr(background_labels, "load_u2netp", Bright)
    (tmp_path / "photos").mkdir()
    picture = np.zeros((200, 400, 3), np.uint8)
    picture[50:150, 100:300, 0] = 255
    Image.fromarray(picture).save(tmp_path / "photos" / "a.png")
    assert label_photographs(tmp_path / "photos", tmp_path / "out", windows=3, quiet=True) == 3

    def written(k: int) -> np.ndarray:
        with Image.open(tmp_path / "out" / f"a_{k}.png") as image:
            return np.asarray(image)

    whole = written(0)
    assert whole.shape == (LONGEST_SIDE // 2, LONGEST_SIDE, 4)
    agree = ((whole[..., 3] > 127) == (whole[..., 0] > 127)).mean()
    assert agree > 0.98  # the teacher sees a square, so its edge is a fraction of a pixel off
    assert len({written(k).shape for k in range(3)}) == 3
    before = (tmp_path / "out" / "a_1.png").read_bytes()
    (tmp_path / "out" / "a_1.png").unlink()
    assert label_photographs(tmp_path / "photos", tmp_path / "out", windows=3, quiet=True) == 1
    assert (tmp_path / "out" / "a_1.png").read_bytes() == before


def test_the_teacher_answers_for_a_batch(monkeypatch):
    monkeypatch.setattr(background_labels, "load_u2netp", Bright)
    background_labels._teacher_on.cache_clear()
    pictures = torch.zeros(2, 3, 64, 64)
    pictures[1, 0, :, :32] = 1
    masks = background_labels.teacher_masks(pictures)
    background_labels._teacher_on.cache_clear()
    assert masks.shape == (2, 1, 64, 64)
    assert masks[1, 0, :, :30].min() > 0.9
    assert masks[1, 0, :, 34:].max() < 0.1


def test_windows_are_labelled_before_the_first_step(monkeypatch):
    monkeypatch.setattr(background_labels, "load_u2netp", Bright)
    background_labels._teacher_on.cache_clear()
    picture = np.zeros((4, 60, 120), np.uint8)
    picture[0, 10:40, 30:90] = 255
    material = Material(((1.0, [picture]),), [picture], [picture, picture[:, ::-1].copy()], "digest")
    labelled = windowed(material, 3, seed=0, device="cpu")
    again = windowed(material, 3, seed=0, device="cpu")
    background_labels._teacher_on.cache_clear()
    assert len(labelled.labelled) == 6
    assert labelled.objects is material.objects
    assert len(labelled.photographs) == 1
    assert labelled.digest == again.digest != material.digest
    for one, other in zip(labelled.labelled, again.labelled, strict=True):
        assert ((one[3] > 127) == (one[0] > 127)).mean() > 0.97
        assert np.array_equal(one, other)
    assert not np.array_equal(labelled.labelled[0], labelled.labelled[1])


def test_a_folder_without_photographs_is_refused(tmp_path):
    with pytest.raises(InputError, match="no photographs"):
        label_photographs(tmp_path, tmp_path / "out", windows=1)
