"""U2-Net small against the published figures, and the official layout against its folded form."""

from __future__ import annotations

import json
import math
import os
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from dd3g.core.errors import CheckpointError, WeightsError
from dd3g.core.weights import find_weights
from dd3g.photos import u2netp
from dd3g.photos.batch_norm import fold_batch_norm
from dd3g.photos.u2netp import FOUND_AT, OFFICIAL_FILE, U2NetSmall, load_u2netp, normalise, stretched


@pytest.fixture(autouse=True)
def fresh():
    load_u2netp.cache_clear()
    yield
    load_u2netp.cache_clear()


def official_state(seed: int = 0) -> dict[str, Tensor]:
    """A random state dictionary in the official layout: 3x3 convolutions with biases, each followed by batch norm."""
    generator = torch.Generator().manual_seed(seed)
    state = {}
    for name, tensor in U2NetSmall().state_dict().items():
        fan_in = tensor[0].numel() if tensor.ndim > 1 else 1
        state[name] = torch.randn(tensor.shape, generator=generator) / math.sqrt(fan_in)
        if name.endswith("conv_s1.weight"):
            norm, channels = name.replace("conv_s1.weight", "bn_s1"), tensor.shape[0]
            state[f"{norm}.weight"] = torch.rand(channels, generator=generator) + 0.5
            state[f"{norm}.bias"] = torch.randn(channels, generator=generator) * 0.2
            state[f"{norm}.running_mean"] = torch.randn(channels, generator=generator) * 0.3
            state[f"{norm}.running_var"] = torch.rand(channels, generator=generator) + 0.1
            state[f"{norm}.num_batches_tracked"] = torch.tensor(7)
    return state


class Unfolded(nn.Module):
    """Stands in for a convolution of the network and does what the official one does: convolution, then batch norm."""

    def __init__(self, conv: nn.Conv2d, state: dict[str, Tensor], name: str) -> None:
        super().__init__()
        self.conv, self.state, self.name = conv, state, name

    def forward(self, x: Tensor) -> Tensor:
        conv = {end: self.state[f"{self.name}.conv_s1.{end}"] for end in ("weight", "bias")}
        norm = {end: self.state[f"{self.name}.bn_s1.{end}"] for end in ("running_mean", "running_var", "weight", "bias")}
        x = functional.conv2d(x, conv["weight"], conv["bias"], padding=self.conv.padding, dilation=self.conv.dilation)
        return functional.batch_norm(x, norm["running_mean"], norm["running_var"], norm["weight"], norm["bias"])


def test_folding_batch_norm_changes_nothing():
    state = official_state()
    folded, unfolded = U2NetSmall().eval(), U2NetSmall().eval()
    folded.load_state_dict(fold_batch_norm(state, conv="conv_s1", norm="bn_s1"))
    unfolded.load_state_dict({name: tensor for name, tensor in state.items() if "bn_s1" not in name})
    for name, _module in list(unfolded.named_modules()):
        if name.endswith("conv_s1"):
            parent = unfolded.get_submodule(name.removesuffix(".conv_s1"))
            parent.conv_s1 = Unfolded(unfolded.get_submodule(name), state, name.removesuffix(".conv_s1"))  # pyright: ignore
    x = torch.randn(1, 3, 64, 96, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        one, other = folded(x), unfolded(x)
    assert other.std() > 1e-3, "a constant answer would agree with anything"
    torch.testing.assert_close(one, other, rtol=1e-3, atol=1e-4)  # a hundred layers of float32


def test_a_convolution_without_bias_gets_one():
    state = {"a.conv.weight": torch.ones(1, 1, 1, 1), **{f"a.norm.{k}": torch.full((1,), v) for k, v in NORM.items()}}
    folded = fold_batch_norm(state, conv="conv", norm="norm")
    assert set(folded) == {"a.conv.weight", "a.conv.bias"}
    gain = 2 / math.sqrt(4 + 1e-5)
    assert folded["a.conv.weight"].item() == pytest.approx(gain)
    assert folded["a.conv.bias"].item() == pytest.approx(3 - 5 * gain)


NORM = {"weight": 2.0, "bias": 3.0, "running_mean": 5.0, "running_var": 4.0}


def test_the_official_file_is_read(tmp_path, monkeypatch):
    monkeypatch.setenv("DD3G_WEIGHTS", str(tmp_path))
    path = tmp_path / OFFICIAL_FILE
    path.parent.mkdir()
    state = official_state()
    torch.save(state, path)
    wanted = fold_batch_norm(state, conv="conv_s1", norm="bn_s1")
    assert all(torch.equal(tensor, wanted[name]) for name, tensor in load_u2netp().state_dict().items())


@pytest.mark.parametrize("damage", ["garbage", "list", "missing", "surplus"])
def test_a_wrong_official_file_is_refused(tmp_path, monkeypatch, damage):
    monkeypatch.setenv("DD3G_WEIGHTS", str(tmp_path))
    path = tmp_path / OFFICIAL_FILE
    path.parent.mkdir()
    state = official_state()
    if damage == "garbage":
        path.write_bytes(b"not a checkpoint")
    elif damage == "list":
        torch.save([1, 2], path)
    elif damage == "missing":
        torch.save({name: tensor for name, tensor in state.items() if not name.startswith("outconv")}, path)
    else:
        torch.save({**state, "extra": torch.zeros(1)}, path)
    with pytest.raises(CheckpointError, match=r"u2netp\.pth"):
        load_u2netp()


def test_without_weights_the_mend_is_said(tmp_path, monkeypatch):
    monkeypatch.setenv("DD3G_WEIGHTS", str(tmp_path))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    with pytest.raises(WeightsError, match="DD3G_WEIGHTS"):
        load_u2netp()


def test_the_stretch_fills_the_range_but_not_out_of_nothing():
    mask = torch.tensor([0.1, 0.3, 0.6]).reshape(1, 1, 1, 3)
    torch.testing.assert_close(stretched(mask).flatten(), torch.tensor([0.0, 0.4, 1.0]))
    assert stretched(mask * (FOUND_AT - 0.01) / 0.6).abs().max() == 0
    assert torch.isfinite(stretched(torch.full((1, 1, 4, 4), 0.5))).all()


def test_normalising_divides_by_the_pictures_own_maximum():
    rgb = torch.rand(2, 3, 8, 8, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(normalise(rgb * 0.5), normalise(rgb))


def have_weights() -> bool:
    os.environ.setdefault("DD3G_WEIGHTS", str(Path(__file__).resolve().parents[3] / "shared" / "weights"))
    try:
        find_weights("u2netp")
    except WeightsError:
        return False
    return True


@pytest.mark.skipif(not have_weights(), reason="the third-party weights 'u2netp' are not here")
def test_published_figures():
    """checks.json beside the weights: statistics of the mask of a picture given by formula."""
    place = find_weights("u2netp").parents[1] / "checks.json"
    wanted = json.loads(place.read_text())["u2netp"]["synthetic_320x320_mask_before_minmax"]
    n = u2netp.INPUT_SIZE
    line = (torch.arange(n, dtype=torch.float32) + 0.5) / n
    waves = [
        0.5 + 0.25 * torch.sin(2 * math.pi * (c + 1) * line)[:, None] + 0.25 * torch.cos(2 * math.pi * (c + 2) * line)[None]
        for c in range(3)
    ]
    with torch.no_grad():
        mask = load_u2netp()(normalise(torch.stack(waves)[None]))
    assert mask.mean().item() == pytest.approx(wanted["mean"], abs=6e-5)  # rounded in the file
    assert mask.min().item() == pytest.approx(wanted["min"], rel=1e-2)
    assert mask.max().item() == pytest.approx(wanted["max"], rel=1e-3)
    assert mask[0, 0, 160, ::64].tolist() == pytest.approx(wanted["at[0,0,160,::64]"], abs=1.5e-5)
