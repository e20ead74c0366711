"""LPIPS against published values; needs the third-party weights (DD3G_WEIGHTS)."""

import json
import os
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from dd3g.core.errors import InputError, WeightsError
from dd3g.distill.lpips import LPIPS, load_lpips

SHARED = Path(__file__).parents[3] / "shared" / "weights"
needs_weights = pytest.mark.skipif(
    not (SHARED / "lpips").is_dir() and "DD3G_WEIGHTS" not in os.environ, reason="LPIPS weights are not here (DD3G_WEIGHTS)"
)


@pytest.fixture
def weights(monkeypatch):
    if "DD3G_WEIGHTS" not in os.environ:
        monkeypatch.setenv("DD3G_WEIGHTS", str(SHARED))
    return Path(os.environ["DD3G_WEIGHTS"])


def synthetic(size=128):
    """The formula picture of the weights' own checks."""
    i = (torch.arange(size) + 0.5) / size
    rows = [0.25 * torch.sin(2 * torch.pi * (c + 1) * i)[:, None] + 0.25 * torch.cos(2 * torch.pi * (c + 2) * i)[None] for c in range(3)]
    return 0.5 + torch.stack(rows)[None]


@needs_weights
@pytest.mark.parametrize(("backbone", "far", "near", "random"), [("alex", 0.7219, 0.1376, 0.1486), ("squeeze", 0.711, 0.1479, 0.1008)])
def test_published_values(weights, backbone, far, near, random):
    if not (weights / "lpips" / "ex_ref.png").is_file():
        pytest.skip("the example pictures of LPIPS are not beside the weights")

    def read(name):
        pixels = np.asarray(Image.open(weights / "lpips" / name).convert("RGB"))
        return torch.from_numpy(pixels.copy()).permute(2, 0, 1)[None] / 255

    lpips = load_lpips(backbone)
    assert lpips(read("ex_ref.png"), read("ex_p0.png")).item() == pytest.approx(far, abs=1e-3)
    assert lpips(read("ex_ref.png"), read("ex_p1.png")).item() == pytest.approx(near, abs=1e-3)
    torch.manual_seed(123)
    assert lpips(torch.rand(10, 3, 100, 100), torch.rand(10, 3, 100, 100)).mean().item() == pytest.approx(random, abs=2e-4)


@needs_weights
@pytest.mark.parametrize("backbone", ["alex", "squeeze"])
def test_taps_have_the_reference_statistics(weights, backbone):
    if not (weights / "checks.json").is_file():
        pytest.skip("checks.json is not beside the weights")
    expected = json.loads((weights / "checks.json").read_text())[f"lpips_{backbone}"]["synthetic_128x128_taps"]
    for tap, wanted in zip(load_lpips(backbone)._tapped(synthetic()), expected, strict=True):
        assert list(tap.shape[1:]) == wanted["shape"]
        assert tap.mean().item() == pytest.approx(wanted["mean"], rel=1e-3)
        assert tap.std().item() == pytest.approx(wanted["std"], rel=1e-3)


@pytest.mark.parametrize("backbone", ["alex", "squeeze"])
def test_equal_pictures_are_at_distance_zero_and_it_is_symmetric(backbone):
    torch.manual_seed(0)
    lpips = LPIPS(backbone)
    for head in lpips.heads:
        head.copy_(torch.rand(head.shape))
    a, b = torch.rand(2, 3, 48, 48), torch.rand(2, 3, 48, 48)
    assert torch.equal(lpips(a, a), torch.zeros(2))
    assert torch.allclose(lpips(a, b), lpips(b, a), rtol=1e-5)
    assert (lpips(a, b) > 0).all()


def test_gradients_reach_the_picture_and_not_the_network():
    lpips = LPIPS("squeeze")
    for head in lpips.heads:
        head.fill_(1.0)
    picture = torch.rand(1, 3, 40, 40, requires_grad=True)
    lpips(picture, torch.rand(1, 3, 40, 40)).sum().backward()
    assert picture.grad is not None
    assert picture.grad.any()
    assert all(p.grad is None for p in lpips.parameters())


def test_small_pictures_and_missing_weights_are_refused(monkeypatch, tmp_path):
    with pytest.raises(InputError, match="at least 31 px"):
        LPIPS("alex")(torch.rand(1, 3, 30, 64), torch.rand(1, 3, 30, 64))
    monkeypatch.setenv("DD3G_WEIGHTS", str(tmp_path))
    with pytest.raises(WeightsError, match="set DD3G_WEIGHTS"):
        load_lpips("alex")
