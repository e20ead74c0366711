"""The teacher's benchmark runs, in miniature: what it times draws the same things, and its verdicts are what its figures say."""

import json

import pytest
import torch

from dd3g.teacher.fast import in_precision
from tests.extras import needs_train
from tests.load_script import script_fixture

pytestmark = needs_train


benchmark = script_fixture("benchmarks/teacher_sampling.py")


def test_a_miniature_is_measured_and_not_judged(benchmark, tmp_path, capsys):
    out = tmp_path / "rates.json"
    assert benchmark.main(["--small", "--steps", "2", "--batches", "1", "--repeats", "1", "--json", str(out)]) == 0
    said = capsys.readouterr().out
    found = json.loads(out.read_text())
    (row,) = found["rows"]
    assert row["ours_s"] > 0
    assert row["share"] == pytest.approx(row["tflops"] * 1e12 / found["matmul_flops"])
    assert said.count("OPEN") == 3  # two bars of a GPU, and float32 held against itself
    assert found["parity"]["fp32"] == 0
    assert 0 < found["parity"]["bf16"] < benchmark.LARGEST_ERROR["bf16"]


def test_the_full_size_is_counted_as_published(benchmark):
    """2.182 TFLOP a guided step, less what is made once a sampling: the resampler's 0.055, and 0.048 of keys and values of the tokens."""
    assert benchmark.step_flop(benchmark.ImageDreamConfig()) == pytest.approx(2.182e12 - 0.055e12 - 0.048e12, rel=1e-3)


def test_both_loops_draw_the_same_views(benchmark):
    with torch.inference_mode():
        teacher = in_precision(benchmark.made(benchmark.SMALL, torch.device("cpu")), "bf16")
        given = benchmark.asked(benchmark.SMALL, 1, torch.device("cpu"))
        ours, theirs = benchmark.drawn(teacher, given, 4), benchmark.eager(teacher.network.unet, teacher, given, 4).float()
    error = ((ours - theirs).square().mean() / ours.square().mean()).sqrt()
    assert error < 0.05  # theirs keeps latents in bfloat16


def test_verdicts_are_what_the_figures_say(benchmark):
    slow = {"batch": 1, "share": 0.1, "ratio": 1.1}
    fast = {"batch": 8, "share": 0.46, "ratio": 2.3}
    apart = {"fp32": 1e-6, "bf16": 1e-2}
    said = benchmark.verdicts([slow, fast], apart, judged=True, on_gpu=True)
    assert [line[:4] for line in said] == ["PASS"] * 4
    assert "0.460 at batch 8" in said[0]
    assert [line[:4] for line in benchmark.verdicts([slow], apart | {"fp32": 1e-3}, judged=True, on_gpu=True)] == ["FAIL"] * 3 + ["PASS"]
