"""`dd3g generate` and what it can't use: status 2, one sentence with the place and the mend, nothing half-written."""

import re
import shutil

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import save_file

from dd3g.core.model_file import save_model_file
from dd3g.photos import cutout
from dd3g.student import PEPD
from dd3g.student.config import config_to_json
from dd3g.student.presets import small, tiny
from tests.photos.picture_files import headless_png

from .conftest import disc, names


def assert_refused(done, place, words):
    """One sentence: place, what was found, and after a semicolon the mend."""
    assert done.status == 2
    assert done.out == ""
    assert re.fullmatch(r"dd3g generate: [^\n]+: [^\n]+; [^\n]+\n", done.err), done.err
    assert str(place) in done.err
    assert re.search(words, done.err), done.err


def speck(path):
    rgba = np.zeros((200, 200, 4), np.uint8)
    rgba[100:103, 100:103] = 255
    Image.fromarray(rgba).save(path)


def halved(path, suffix):
    whole = disc(path.with_name("whole.png"))
    with Image.open(whole) as image:
        image.convert("RGB").save(whole := whole.with_suffix(suffix))
    data = whole.read_bytes()
    path.write_bytes(data[: len(data) // 2])


PICTURES = {
    "text.jpg": (lambda path: path.write_text("Dear diary"), "not a picture.*save it as PNG or JPEG"),
    "animation.gif": (lambda path: path.write_bytes(b"GIF89a"), "is a GIF"),
    "empty.png": (lambda path: path.write_bytes(b""), r"is empty \(0 bytes\)"),
    "cut.png": (lambda path: halved(path, ".png"), "damaged or cut off"),
    "cut.jpg": (lambda path: halved(path, ".jpg"), "damaged or cut off"),
    "cut.webp": (lambda path: halved(path, ".webp"), "damaged or cut off"),
    "header.png": (lambda path: path.write_bytes(headless_png(64, 64)), "damaged or cut off"),
    "nowhere.png": (lambda path: None, "no such file; check the path"),
    "zero.png": (lambda path: path.write_bytes(headless_png(0, 10)), "not a picture"),
    "small.png": (lambda path: Image.new("RGB", (4, 4)).save(path), "expected at least 16"),
    "huge.png": (lambda path: path.write_bytes(headless_png(12_000, 12_000)), "144 megapixels.*make it smaller"),
    "clear.png": (lambda path: Image.new("RGBA", (64, 64), (9, 9, 9, 0)).save(path), "transparent everywhere"),
    "speck.png": (speck, "no object was found"),
    "x" * 300 + ".png": (lambda path: None, "File name too long"),
}


@pytest.mark.parametrize("name", PICTURES)
def test_a_picture_that_holds_nothing_to_make_splats_from(dd3g, tmp_path, model, name):
    make, words = PICTURES[name]
    make(tmp_path / name)
    done = dd3g("generate", tmp_path / name, "--out", tmp_path / "out", "--model", model)
    assert_refused(done, tmp_path / name, words)
    assert not (tmp_path / "out").exists()


def test_a_photograph_in_which_the_network_finds_nothing(dd3g, tmp_path, model, monkeypatch):
    monkeypatch.setitem(cutout._NETWORKS, "small", lambda rgb: torch.zeros(1, 64, 64))
    picture = tmp_path / "wall.jpg"
    Image.new("RGB", (64, 64), (90, 90, 90)).save(picture)
    assert_refused(dd3g("generate", picture, "--out", tmp_path / "out", "--model", model), picture, "no object was found.*try another")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(("background", "words"), [("alpha", "no alpha channel.*background=auto"), ("u2netp", "set DD3G_WEIGHTS")])
def test_a_way_to_cut_out_that_is_not_there(dd3g, tmp_path, model, monkeypatch, background, words):
    monkeypatch.setenv("DD3G_WEIGHTS", str(tmp_path))
    picture = tmp_path / "wall.jpg"
    Image.new("RGB", (64, 64)).save(picture)
    done = dd3g("generate", picture, "--out", tmp_path / "out", "--model", model, "--background", background)
    assert_refused(done, picture, words)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--format", "ply,gif"), "--format ply,gif"),
        (("--format", ","), "--format"),
        (("--samples", "0"), "--samples: found 0"),
        (("--seed", "-1"), "--seed: found -1"),
        (("--elevation", "nan"), "--elevation: found nan"),
        (("--elevation", "90"), "--elevation: found 90"),
        (("--gaussians", "0"), "gaussians: found 0, expected 64"),
        (("--gaussians", "1000000000"), "gaussians: found 1000000000"),
        (("--out", ""), "found an empty name"),
    ],
)
def test_options_that_make_no_sense(dd3g, tmp_path, model, options, words):
    picture = disc(tmp_path / "a.png")
    done = dd3g("generate", picture, "--out", tmp_path / "out", "--model", model, *options)
    assert done.status == 2
    assert words in done.err
    assert done.err.count("\n") == 1
    assert names(tmp_path) == ["a.png"]


def test_a_folder_without_pictures(dd3g, tmp_path, model):
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "a.txt").write_text("")
    assert_refused(dd3g("generate", tmp_path / "in", "--out", tmp_path / "out", "--model", model), tmp_path / "in", r"no pictures.*\.png")


@pytest.mark.parametrize("below", ["file", "file/deeper"])
def test_a_folder_that_can_not_be_made(dd3g, tmp_path, model, below):
    picture = disc(tmp_path / "a.png")
    (tmp_path / "file").write_text("mine")
    done = dd3g("generate", picture, picture, "--out", tmp_path / below, "--model", model)
    assert_refused(done, tmp_path / "file", "a file stands where a folder is needed; choose another place")
    assert (tmp_path / "file").read_text() == "mine"


def test_a_result_that_can_not_be_written_stops_the_run_and_leaves_no_part_of_it(dd3g, tmp_path, model):
    pictures = [disc(tmp_path / f"{i}.png") for i in range(2)]
    (tmp_path / "out" / "0.ply").mkdir(parents=True)
    done = dd3g("generate", *pictures, "--out", tmp_path / "out", "--model", model, "--format", "ply", "--gaussians", 64, "--quiet")
    assert_refused(done, tmp_path / "out" / "0.ply", "can't be written")
    assert names(tmp_path / "out") == ["0.ply", "0.prepared.png"]


@pytest.mark.parametrize("name", ["a.png", "a.prepared.png"])
def test_pictures_are_never_replaced_by_results(dd3g, tmp_path, model, name):
    picture = disc(tmp_path / name)
    before = picture.read_bytes()
    assert_refused(dd3g("generate", picture, "--out", tmp_path, "--model", model), picture, "would be replaced.*choose another --out")
    assert names(tmp_path) == [name]
    assert picture.read_bytes() == before


def test_results_are_not_put_among_the_pictures_of_a_folder(dd3g, tmp_path, model):
    disc(tmp_path / "a.png")
    assert_refused(dd3g("generate", tmp_path, "--out", tmp_path, "--model", model), tmp_path, "--out as well")
    assert names(tmp_path) == ["a.png"]


def shortened(path, model):
    data = model.read_bytes()
    path.write_bytes(data[: len(data) // 2])


def of_config(path, changes):
    save_model_file(path, kind="student", config={**config_to_json(tiny()), **changes}, about={}, tensors={"a": torch.zeros(1)})


def with_nan(path):
    tensors = PEPD(tiny()).state_dict()
    tensors["place_in.bias"][0] = float("nan")
    save_model_file(path, kind="student", config=config_to_json(tiny()), about={}, tensors=tensors)


MODELS = {
    "missing": (lambda path, model: None, "no such checkpoint"),
    "a folder": (lambda path, model: path.mkdir(), "no such checkpoint"),
    "text": (lambda path, model: path.write_text("weights"), "damaged or not a safetensors file"),
    "empty": (lambda path, model: path.write_bytes(b""), "damaged or not a safetensors file"),
    "cut off": (shortened, "damaged or not a safetensors file"),
    "of others": (lambda path, model: save_file({"a": torch.zeros(1)}, path), "not a dd3g checkpoint"),
    "of others with our key": (lambda path, model: save_file({"a": torch.zeros(1)}, path, {"dd3g": "[1]"}), "damaged"),
    "of another kind": (
        lambda path, model: save_model_file(path, kind="background", config={}, about={}, tensors={"a": torch.zeros(1)}),
        "holds a 'background' network",
    ),
    "of another architecture": (
        lambda path, model: save_model_file(
            path, kind="student", config=config_to_json(small()), about={}, tensors=PEPD(tiny()).state_dict()
        ),
        "of another architecture",
    ),
    "of another version": (lambda path, model: of_config(path, {"depth": 3}), "another version"),
    "of no possible size": (lambda path, model: of_config(path, {"width": -4}), "no student has its configuration"),
    "diverged": (lambda path, model: with_nan(path), "place_in.bias holds values that are not finite"),
}


@pytest.mark.parametrize("name", MODELS)
def test_a_model_that_can_not_be_used(dd3g, tmp_path, model, name):
    make, words = MODELS[name]
    path = tmp_path / "model.safetensors"
    make(path, model)
    done = dd3g("generate", disc(tmp_path / "a.png"), "--out", tmp_path / "out", "--model", path)
    assert_refused(done, path, words)
    assert not (tmp_path / "out").exists()


def test_what_a_killed_run_left_is_swept_away(dd3g, tmp_path, model):
    (tmp_path / "out").mkdir()
    shutil.copy(model, tmp_path / "out" / ".partial-abc.mp4")
    command = ("generate", disc(tmp_path / "a.png"), "--out", tmp_path / "out", "--model", model, "--format", "ply", "--gaussians", 64)
    assert dd3g(*command).status == 0
    assert names(tmp_path / "out") == ["a.json", "a.ply", "a.prepared.png"]
