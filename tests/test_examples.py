"""The examples run, at a small size, and do what they say."""

from __future__ import annotations

import json
from pathlib import Path
from types import ModuleType

import pytest

from dd3g.formats import ply
from tests.extras import needs_train
from tests.load_script import script_fixture

WEIGHTS = Path(__file__).parent.parent / "examples" / "weights"

fit_views = script_fixture("examples/fit_views.py")


@needs_train
def test_gaussians_at_random_places_become_the_object_that_pictures_show(
    fit_views: ModuleType, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    fit_views.main(["--gaussians", "1500", "--steps", "120", "--size", "48", "--out", str(tmp_path)])
    said = json.loads(capsys.readouterr().out)
    log = json.loads((tmp_path / "fit.json").read_text())["log"]
    assert said["kept_back_db"] == log[-1]["kept_back_db"]
    # views that were not learnt show the object too: copying the pictures would not
    assert log[-1]["kept_back_db"] > log[0]["kept_back_db"] + 3
    assert log[-1]["kept_back_db"] > 25
    assert len(ply.load(tmp_path / "fit.ply")) == 1500
    assert (tmp_path / "fit.png").stat().st_size > 1000


@needs_train
def test_the_same_seed_fits_the_same_gaussians(fit_views, tmp_path, capsys):
    for out in ("a", "b"):
        fit_views.main(["--gaussians", "200", "--steps", "5", "--size", "32", "--out", str(tmp_path / out)])
    assert (tmp_path / "a/fit.ply").read_bytes() == (tmp_path / "b/fit.ply").read_bytes()


noise_to_views = script_fixture("examples/noise_to_views.py")


@needs_train
def test_the_tiny_teacher_ties_noise_to_views_both_ways(noise_to_views, tmp_path, capsys):
    weights = [f"--{who}={WEIGHTS / f'tiny-{who}.safetensors'}" for who in ("teacher", "student")]
    noise_to_views.main([*weights, "--steps", "20", "--out", str(tmp_path)])
    said = json.loads(capsys.readouterr().out)
    assert said["same_noise_apart"] == 0
    assert said["draws_apart"] > 0.01
    assert said["round_trip_db"] > 35
    assert 0.5 < said["found_noise_variance"] < 1.5
    assert (tmp_path / "noise-to-views.png").stat().st_size > 1000


def test_the_weights_of_the_examples_are_small_and_have_a_card():
    assert sum(file.stat().st_size for file in WEIGHTS.glob("*.safetensors")) < 3e6
    card = (WEIGHTS / "README.md").read_text()
    for word in ("Data", "Apache-2.0", "cannot"):
        assert word in card, word
