"""`dd3g convert-teacher`: what it prints and writes, and what it refuses."""

import re

import pytest
import torch

from dd3g.teacher.imagedream.read import read_checkpoint
from tests.teacher.imagedream.synthetic import original, port


@pytest.mark.parametrize(("word", "dtype"), [("fp32", torch.float32), ("fp16", torch.float16), ("bf16", torch.bfloat16)])
def test_a_checkpoint_is_rewritten_in_the_number_type_asked_for(dd3g, tmp_path, word, dtype):
    source = original(tmp_path / "a.pt")
    done = dd3g("convert-teacher", source, "--out", tmp_path / "c", "--dtype", word)
    assert done.status == 0
    made = read_checkpoint(tmp_path / "c")
    assert made.parts["unet"]["conv_in.bias"].dtype == dtype
    assert done.out == f"{tmp_path / 'c'}: unet, vae, text, vision, 0.01 GB; source SHA-256 {made.source.sha256}\n"
    assert re.search(r"tensors 506/506 .*vision", done.err)


def test_the_source_s_number_type_is_the_default_and_quiet_is_quiet(dd3g, tmp_path):
    done = dd3g("convert-teacher", port(tmp_path / "b", dtype=torch.bfloat16), "--out", tmp_path / "c", "--quiet")
    assert (done.status, done.err) == (0, "")
    assert read_checkpoint(tmp_path / "c").storage["vae"] == "bfloat16"


def test_the_variant_is_kept(dd3g, tmp_path):
    local = original(tmp_path / "ipmv-local.pt")
    assert dd3g("convert-teacher", local, "--out", tmp_path / "c").status == 2
    assert dd3g("convert-teacher", local, "--out", tmp_path / "c", "--variant", "local").status == 0
    assert read_checkpoint(tmp_path / "c", variant="local").variant == "local"


@pytest.mark.parametrize(
    ("source", "out", "words"),
    [("nowhere", "c", "no such file or folder"), ("a.pt", "a.pt", "stands there already"), ("a.pt", "a.pt/c", "a file stands where")],
)
def test_what_can_not_be_done_is_one_sentence_and_status_2(dd3g, tmp_path, source, out, words):
    original(tmp_path / "a.pt", towers=False)
    done = dd3g("convert-teacher", tmp_path / source, "--out", tmp_path / out, "--quiet")
    assert (done.status, done.out) == (2, "")
    assert re.fullmatch(rf"dd3g convert-teacher: [^\n]*{words}[^\n]*\n", done.err)
    assert [file.name for file in tmp_path.iterdir()] == ["a.pt"]
