"""The engine: exact resume, safe kills, guards, what it leaves behind."""

import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace

import pytest
import torch

from dd3g.core.errors import CheckpointError, TrainingError
from dd3g.core.model_file import load_model_file
from dd3g.training import FitConfig, SessionConfig, fit
from dd3g.training.checkpoint import load_state
from dd3g.training.journal import read_journal
from tests.training.toy import batch, losses, toy_recipe

CONFIG = FitConfig(steps=40, lr=1e-2, warmup_steps=5, log_every=4, evaluate_every=10, save_every_s=0.0)
GOLDEN = [
    0.66919,
    0.55633,
    0.45383,
    0.45115,
    0.37235,
    0.39653,
    0.39047,
    0.37416,
    0.23658,
    0.21663,
    0.20629,
    0.17279,
    0.17733,
    0.28206,
    0.24251,
    0.26024,
    0.23993,
    0.23497,
    0.16202,
    0.21835,
]
QUIET = SessionConfig(threads=1, quiet=True)


def final_state(run):
    return load_state(run / "checkpoints" / "last.pt")


def assert_same_state(first, second):
    assert first.step == second.step
    for name in ("network", "average"):
        a, b = getattr(first, name), getattr(second, name)
        assert all(torch.equal(a[key], b[key]) for key in a), name
    flat = [value for state in (first, second) for entry in state.optimiser["state"].values() for value in entry.values()]
    half = len(flat) // 2
    assert all(torch.equal(torch.as_tensor(a), torch.as_tensor(b)) for a, b in zip(flat[:half], flat[half:], strict=True))


def stopping_after(steps):
    """A loss that presses Ctrl-C in the given step."""

    def wrapped(network, points, step):
        if step == steps - 1:
            os.kill(os.getpid(), signal.SIGINT)
        return losses(network, points, step)

    return toy_recipe(losses=wrapped)


def test_it_learns(tmp_path):
    result = fit(toy_recipe(), replace(CONFIG, steps=1500, save_every_s=60.0), tmp_path, QUIET)
    assert result["finished"]
    assert result["best"] < 0.02
    assert load_model_file(tmp_path / "model.safetensors", "toy").about["scores"]["error"] == pytest.approx(result["best"])
    assert load_model_file(tmp_path / "last.safetensors", "toy").about["steps"] == result["step"]


def test_half_precision_is_that_of_products_and_weights_stay_whole(tmp_path):
    """bfloat16 has 8 bits: the first losses agree to a few of them, and are not the same numbers."""
    whole, half = (
        fit(toy_recipe(), replace(CONFIG, precision=precision, log_every=1), tmp_path / precision, QUIET)
        for precision in ("float32", "bfloat16")
    )
    assert whole["finished"]
    assert half["finished"]
    first = [
        next(e["loss"] for e in read_journal(tmp_path / name / "metrics.jsonl") if e["kind"] == "train") for name in ("float32", "bfloat16")
    ]
    assert first[0] != first[1]
    assert first[1] == pytest.approx(first[0], rel=0.03)
    assert all(t.dtype == torch.float32 for t in final_state(tmp_path / "bfloat16").network.values())


def test_resumed_equals_uninterrupted_bit_for_bit(tmp_path):
    fit(toy_recipe(), CONFIG, tmp_path / "whole", QUIET)
    for steps in (7, 23):
        result = fit(stopping_after(steps), CONFIG, tmp_path / "parts", QUIET)
        assert result["step"] == steps
        assert not result["finished"]
    fit(toy_recipe(), CONFIG, tmp_path / "parts", QUIET)
    assert_same_state(final_state(tmp_path / "whole"), final_state(tmp_path / "parts"))
    scores = [[e["error"] for e in read_journal(tmp_path / run / "metrics.jsonl") if e["kind"] == "evaluate"] for run in ("whole", "parts")]
    assert scores[0] == scores[1]


def test_kill_9_at_random_moments_loses_nothing_but_time(tmp_path):
    """Every kill is followed by the same command; the end is the uninterrupted run's."""
    config = replace(CONFIG, steps=150)
    fit(toy_recipe(), config, tmp_path / "whole", QUIET)
    code = (
        "import sys, time\nfrom tests.training.test_engine import *\n"
        "def slow(step):\n    time.sleep(0.01)\n    return batch(step)\n"
        "fit(toy_recipe(batch=slow), replace(CONFIG, steps=150), sys.argv[1], QUIET)\n"
    )
    kills = 0
    for wait in (1.7, 2.2, 2.8):
        process = subprocess.Popen([sys.executable, "-c", code, tmp_path / "killed"])
        time.sleep(wait)
        if process.poll() is None:
            process.kill()
            kills += 1
        process.wait()
    assert kills > 0
    fit(toy_recipe(), config, tmp_path / "killed", QUIET)
    assert_same_state(final_state(tmp_path / "whole"), final_state(tmp_path / "killed"))
    assert not list(tmp_path.rglob(".partial-*"))


def test_what_a_kill_left_half_written_is_swept_by_the_next_start(tmp_path):
    left = [tmp_path / ".partial-a.json", tmp_path / "checkpoints" / ".partial-b.pt"]
    left[1].parent.mkdir()
    for path in left:
        path.write_bytes(b"half")
    fit(toy_recipe(), replace(CONFIG, steps=1), tmp_path, QUIET)
    assert not [path for path in left if path.exists()]


def test_time_is_up_and_the_same_call_goes_on(tmp_path):
    result = fit(toy_recipe(), CONFIG, tmp_path, replace(QUIET, max_minutes=0.0))
    assert result["step"] == 1
    assert fit(toy_recipe(), CONFIG, tmp_path, QUIET)["finished"]


def test_another_run_in_the_same_folder_is_refused_and_the_difference_named(tmp_path):
    fit(toy_recipe(), replace(CONFIG, steps=4), tmp_path, QUIET)
    with pytest.raises(TrainingError, match=r"fit\.lr was 0\.01, now 0\.02"):
        fit(toy_recipe(), replace(CONFIG, steps=4, lr=0.02), tmp_path, QUIET)
    with pytest.raises(TrainingError, match=r"recipe\.data was 'sine', now 'cosine'"):
        fit(replace(toy_recipe(), identity={"data": "cosine"}), replace(CONFIG, steps=4), tmp_path, QUIET)


@pytest.mark.parametrize("where", ["loss", "gradient"])
def test_what_is_not_finite_stops_the_run_and_keeps_the_batch(tmp_path, where):
    def broken(network, points, step):
        terms = losses(network, points, step)
        if step == 6:
            bad = torch.tensor(float("nan")) if where == "loss" else (network[0].weight * 0).abs().sqrt().sum()  # d sqrt(0) is infinite
            terms["mse"] = terms["mse"] + bad
        return terms

    with pytest.raises(TrainingError, match=r"step 6 is not finite.*nonfinite-0000006\.pt"):
        fit(toy_recipe(losses=broken), CONFIG, tmp_path, QUIET)
    kept = torch.load(tmp_path / "nonfinite-0000006.pt", weights_only=True)
    assert torch.equal(kept["batch"]["x"], batch(6).x)
    good = final_state(tmp_path)
    assert good.step <= 6
    assert all(torch.isfinite(value).all() for value in good.network.values())


def test_what_is_not_finite_may_be_skipped_but_not_for_ever(tmp_path):
    def now_and_then(network, points, step):
        return {"mse": losses(network, points, step)["mse"] * (float("inf") if step in (3, 9) else 1)}

    assert fit(toy_recipe(losses=now_and_then), replace(CONFIG, on_nonfinite="skip"), tmp_path / "a", QUIET)["finished"]

    def always(network, points, step):
        return {"mse": losses(network, points, step)["mse"] * float("inf")}

    with pytest.raises(TrainingError, match="not finite"):
        fit(toy_recipe(losses=always), replace(CONFIG, on_nonfinite="skip"), tmp_path / "b", QUIET)


def test_a_damaged_state_is_named(tmp_path):
    fit(toy_recipe(), replace(CONFIG, steps=4), tmp_path, QUIET)
    last = tmp_path / "checkpoints" / "last.pt"
    last.write_bytes(last.read_bytes()[:500])
    with pytest.raises(CheckpointError, match=r"last\.pt: damaged"):
        fit(toy_recipe(), CONFIG, tmp_path, QUIET)


def test_the_folder_tells_what_the_run_was(tmp_path):
    fit(toy_recipe(), CONFIG, tmp_path, QUIET)
    config = json.loads((tmp_path / "config.json").read_text())
    assert config["fit"]["lr"] == 0.01
    assert config["recipe"] == {"data": "sine"}
    assert config["about"]["torch"] == torch.__version__
    report = (tmp_path / "report.html").read_text()
    assert "<svg" in report
    assert "http" not in report.replace("http://www.w3.org", "")
    events = read_journal(tmp_path / "metrics.jsonl")
    assert {"loss", "mse", "size", "lr", "grad_norm", "steps_per_s"} <= set(next(e for e in events if e["kind"] == "train"))


def test_a_torn_journal_loses_its_last_line_only(tmp_path):
    fit(toy_recipe(), CONFIG, tmp_path, QUIET)
    path = tmp_path / "metrics.jsonl"
    whole = read_journal(path)
    path.write_text(path.read_text()[:-9])
    assert read_journal(path) == whole[:-1]


def test_twenty_losses_of_the_toy_are_what_they_were(tmp_path):
    """Golden losses: a change of the engine that should not move numbers must not."""
    seen = []

    def noting(network, points, step):
        terms = losses(network, points, step)
        seen.append(round(float(terms["mse"].detach()), 5))
        return terms

    fit(toy_recipe(losses=noting), replace(CONFIG, steps=20), tmp_path, QUIET)
    assert seen == pytest.approx(GOLDEN, abs=2e-4)  # float32 over other vector units
