"""MobileNetV2 against the reference numbers of its weights; needs the third-party file (DD3G_WEIGHTS)."""

import json
import os
from pathlib import Path

import pytest
import torch

from dd3g.core.errors import WeightsError
from dd3g.encoders.mobilenet import TEACHING_CHANNELS, MobileNetV2, load_mobilenet

SHARED = Path(__file__).parents[3] / "shared" / "weights"
WEIGHTS = Path(os.environ.get("DD3G_WEIGHTS", SHARED))


@pytest.mark.skipif(not (WEIGHTS / "mobilenet_v2").is_dir(), reason="MobileNetV2's weights are not here (DD3G_WEIGHTS)")
def test_reference_numbers(monkeypatch):
    monkeypatch.setenv("DD3G_WEIGHTS", str(WEIGHTS))
    expected = json.loads((WEIGHTS / "checks.json").read_text())["mobilenet_v2"]["synthetic_224x224"]
    i = (torch.arange(224) + 0.5) / 224
    waves = [0.25 * torch.sin(2 * torch.pi * (c + 1) * i)[:, None] + 0.25 * torch.cos(2 * torch.pi * (c + 2) * i)[None] for c in range(3)]
    picture = 0.5 + torch.stack(waves)[None]
    network = load_mobilenet()
    embedding, logits = network.embed(picture), network.classify(picture)
    assert embedding.mean().item() == pytest.approx(expected["embedding_mean"], rel=1e-3)
    assert embedding.std().item() == pytest.approx(expected["embedding_std"], rel=1e-3)
    assert embedding[0, :5].tolist() == pytest.approx(expected["embedding[:5]"], rel=1e-3, abs=1e-3)
    assert logits.argmax().item() == expected["logits_argmax"]
    assert logits.max().item() == pytest.approx(expected["logits_max"], rel=1e-3)
    spreads = [network(picture, block).std().item() for block in (0, 2, 5, 9, 12, 15, 16)]
    assert spreads == pytest.approx(expected["stage_output_std"], rel=1e-3)


def test_the_teaching_map_has_the_students_grid():
    assert MobileNetV2()(torch.rand(1, 3, 128, 128)).shape == (1, TEACHING_CHANNELS, 8, 8)


def test_shifting_by_a_stride_shifts_the_map():
    """TensorFlow's padding: away from the border a picture moved by 16 pixels moves the map by one cell."""
    torch.manual_seed(0)
    network = MobileNetV2()
    picture = torch.rand(1, 3, 256, 256)
    inner = (slice(None), slice(None), slice(5, 11), slice(5, 10))
    moved = network(picture.roll(16, -1))
    assert torch.allclose(moved[..., 5:11, 6:11], network(picture)[inner], atol=1e-4)


def test_absent_weights_are_named(monkeypatch, tmp_path):
    monkeypatch.setenv("DD3G_WEIGHTS", str(tmp_path))
    with pytest.raises(WeightsError, match="mobilenet-v2"):
        load_mobilenet()
