"""Our own layout: equal from either source, whole or not there, and the stock libraries can read it."""

import json
import shutil

import pytest
import torch
from safetensors import safe_open

from dd3g.core.errors import CheckpointError, OutputError
from dd3g.teacher.imagedream.layouts import PARTS
from dd3g.teacher.imagedream.read import read_checkpoint
from dd3g.teacher.imagedream.write import write_converted

from .synthetic import original, port


@pytest.mark.parametrize("dtype", [None, torch.float16, torch.bfloat16])
def test_both_sources_of_the_same_weights_make_the_same_files(tmp_path, dtype):
    write_converted(read_checkpoint(original(tmp_path / "a.pt"), dtype=dtype), tmp_path / "from-a")
    write_converted(read_checkpoint(port(tmp_path / "b"), dtype=dtype), tmp_path / "from-b")
    assert sorted(file.name for file in (tmp_path / "from-a").iterdir()) == sorted(
        [*(f"{part}.safetensors" for part in PARTS), "teacher.json"]
    )
    for part in PARTS:
        name = f"{part}.safetensors"
        assert (tmp_path / "from-a" / name).read_bytes() == (tmp_path / "from-b" / name).read_bytes()


def test_settings_say_where_the_weights_came_from(tmp_path):
    source = read_checkpoint(original(tmp_path / "a.pt", dtype=torch.float16), variant="local")
    write_converted(source, tmp_path / "c")
    settings = json.loads((tmp_path / "c" / "teacher.json").read_text())
    assert list(settings)[:2] == ["kind", "format"]
    assert settings["variant"] == "local"
    wanted = {
        "name": "a.pt",
        "layout": "original",
        "sha256": source.sha256,
        "storage": dict.fromkeys(PARTS, "float16"),
        "towers_sha256": None,
    }
    assert settings["source"] == wanted
    assert {part: file["tensors"] for part, file in settings["files"].items()} == {part: len(held) for part, held in source.parts.items()}


def test_a_second_conversion_keeps_the_first_source(tmp_path):
    write_converted(read_checkpoint(original(tmp_path / "a.pt")), tmp_path / "c")
    write_converted(read_checkpoint(tmp_path / "c", dtype=torch.float16), tmp_path / "d")
    again = read_checkpoint(tmp_path / "d")
    assert (again.source.name, again.source.storage["unet"], again.storage["unet"]) == ("a.pt", "float32", "float16")


def test_stored_numbers_are_the_numbers(tmp_path):
    source = read_checkpoint(original(tmp_path / "a.pt"))
    write_converted(source, tmp_path / "c")
    with safe_open(tmp_path / "c" / "text.safetensors", framework="pt") as file:
        assert set(file.keys()) == set(source.parts["text"])
        assert all(torch.equal(file.get_tensor(name), tensor) for name, tensor in source.parts["text"].items())


def test_a_folder_that_is_there_is_left_alone(tmp_path):
    source = read_checkpoint(original(tmp_path / "a.pt"))
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "letter.txt").write_text("dear")
    with pytest.raises(OutputError, match="stands there already"):
        write_converted(source, tmp_path / "mine")
    assert (tmp_path / "mine" / "letter.txt").read_text() == "dear"


def test_nothing_is_left_of_a_conversion_that_fails(tmp_path):
    def edit(tensors):
        tensors["clip_model.model.visual.ln_post.bias"][0] = float("nan")  # of the last part

    source = read_checkpoint(original(tmp_path / "a.pt", edit=edit))
    with pytest.raises(CheckpointError, match="not finite"):
        write_converted(source, tmp_path / "c")
    assert [file.name for file in tmp_path.iterdir()] == ["a.pt"]


def test_a_disk_that_is_too_small_is_said_before_anything_is_written(tmp_path, monkeypatch):
    source = read_checkpoint(original(tmp_path / "a.pt"))
    monkeypatch.setattr(shutil, "disk_usage", lambda place: shutil._ntuple_diskusage(10**7, 0, 10**6))
    with pytest.raises(OutputError, match=r"GB are needed and 0\.0 GB free"):
        write_converted(source, tmp_path / "deep" / "c")
    assert not (tmp_path / "deep").exists()


def test_every_tensor_is_told(tmp_path):
    source, told = read_checkpoint(original(tmp_path / "a.pt")), []
    write_converted(source, tmp_path / "c", advance=told.append)
    assert {part: told.count(part) for part in PARTS} == {part: len(held) for part, held in source.parts.items()}
