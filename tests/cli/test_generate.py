"""`dd3g generate` where all goes well, or some of it."""

import json
import os
import sys

import numpy as np
import pytest
import torch
from PIL import Image

from dd3g.version import VERSION

from .conftest import disc, names

FEW = ("--gaussians", "256")


def read_ply(path):
    """A splat PLY by the letter of its header, with nothing of ours."""
    data = path.read_bytes()
    head, _, body = data.partition(b"end_header\n")
    lines = head.decode("ascii").splitlines()
    assert lines[:2] == ["ply", "format binary_little_endian 1.0"]
    element, word, count = lines[2].split()
    assert (element, word) == ("element", "vertex")
    assert all(line.startswith("property float ") for line in lines[3:])
    columns = [line.split()[2] for line in lines[3:]]
    assert len(body) == int(count) * 4 * len(columns)
    table = np.frombuffer(body, "<f4").reshape(int(count), -1)
    return dict(zip(columns, table.T, strict=True))


@pytest.fixture(scope="module")
def everything(tmp_path_factory, model):
    """One picture with all that is made of it."""
    from dd3g.cli.main import main

    folder = tmp_path_factory.mktemp("everything")
    picture = disc(folder / "in" / "chair.png")
    assert main(["generate", str(picture), "--out", str(folder / "out"), "--model", str(model), "--seed", "3", "--quiet", *FEW]) == 0
    return folder / "out"


def test_a_picture_becomes_splats_turntable_sheet_prepared_picture_and_a_description(everything):
    assert names(everything) == ["chair.json", "chair.mp4", "chair.ply", "chair.png", "chair.prepared.png"]
    about = json.loads((everything / "chair.json").read_text())
    assert about["picture"] == "chair.png"
    assert about["seed"] == 3
    assert about["model"]["name"] == "untrained"
    assert len(about["model"]["digest"]) == 32
    assert about["dd3g"] == VERSION
    assert about["orientation"] == "supersplat"
    assert set(about["milliseconds"]) == {"prepare", "network", "ply", "mp4", "png"}
    assert all(value > 0 for value in about["milliseconds"].values())
    assert about["prepared"]["method"] == "alpha"
    assert sorted(about["files"].values()) == ["chair.mp4", "chair.ply", "chair.png", "chair.prepared.png"]


def test_an_independent_reader_finds_sound_splats(everything):
    about, ply = json.loads((everything / "chair.json").read_text()), read_ply(everything / "chair.ply")
    assert about["splats"] == len(ply["x"])
    assert 128 < len(ply["x"]) <= 256
    assert all(np.isfinite(column).all() for column in ply.values())
    quats = np.stack([ply[f"rot_{i}"] for i in range(4)], -1)
    assert np.allclose(np.linalg.norm(quats, axis=-1), 1, atol=1e-5)
    assert all((ply[name] == 0).all() for name in ("nx", "ny", "nz"))
    assert (np.exp([ply[f"scale_{i}"] for i in range(3)]) < 0.5).all()
    means = np.stack([ply[axis] for axis in "xyz"], -1) * [-1, -1, 1]  # SuperSplat's frame, see docs/conventions.md
    assert np.allclose(means.min(0), about["bounding_box"]["min"], atol=1e-4)
    assert np.allclose(means.max(0), about["bounding_box"]["max"], atol=1e-4)
    assert np.abs(means).max() < 1


def test_the_turntable_is_four_seconds_that_move(everything):
    av = pytest.importorskip("av")
    with av.open(str(everything / "chair.mp4")) as video:
        assert video.streams.video[0].average_rate == 30
        frames = [frame.to_ndarray(format="rgb24") for frame in video.decode(video=0)]
    assert len(frames) == 120
    assert frames[0].shape == (512, 512, 3)
    assert np.abs(frames[0].astype(int) - frames[30]).max() > 50
    assert (frames[0][:16, :16] > 245).all()  # white beside the object


def test_sheet_and_prepared_picture_show_the_input(everything):
    with Image.open(everything / "chair.prepared.png") as image:
        assert (image.mode, image.size) == ("RGBA", (256, 256))
        prepared = np.asarray(image).astype(float)
    assert prepared[128, 128, 3] == 255
    assert prepared[0, 0, 3] == 0
    with Image.open(everything / "chair.png") as image:
        sheet = np.asarray(image).astype(float)
    assert sheet.shape[1] > 9 * 256
    over_white = prepared[..., :3] * prepared[..., 3:] / 255 + 255 - prepared[..., 3:]
    corners = [(y, x) for y in range(32) for x in range(8)]  # somewhere at the left, below a title
    assert any(np.abs(sheet[y : y + 256, x : x + 256] - over_white).max() < 2 for y, x in corners)


def test_pictures_and_folders_are_done_in_one_go_and_names_stay_apart(dd3g, tmp_path, model):
    disc(tmp_path / "in" / "deep" / "a.png", 1)
    disc(tmp_path / "in" / "a.png", 2)
    disc(tmp_path / "in" / ".hidden.png")
    (tmp_path / "in" / "notes.txt").write_text("no picture, and not looked at")
    picture = disc(tmp_path / "b.png", 3)
    command = ["generate", picture, tmp_path / "in", "--out", tmp_path / "in" / "out", "--model", model, "--format", "ply", *FEW]
    done = dd3g(*command)
    assert (done.status, done.err) == (0, "")
    stems = {name.split(".")[0] for name in names(tmp_path / "in" / "out")}
    assert stems == {"a", "a-2", "b"}
    assert json.loads((tmp_path / "in" / "out" / "a-2.json").read_text())["picture"] == "a.png"
    assert dd3g(*command).status == 0  # results in the folder that is searched are no pictures
    assert {name.split(".")[0] for name in names(tmp_path / "in" / "out")} == stems


def test_a_bad_picture_does_not_stop_the_rest(dd3g, tmp_path, model):
    for name in ("a", "c"):
        disc(tmp_path / "in" / f"{name}.png")
    (tmp_path / "in" / "b.png").write_bytes(b"no picture")
    done = dd3g("generate", tmp_path / "in", "--out", tmp_path / "out", "--model", model, "--format", "ply", *FEW)
    assert done.status == 2
    assert names(tmp_path / "out") == ["a.json", "a.ply", "a.prepared.png", "c.json", "c.ply", "c.prepared.png"]
    first, last = done.err.splitlines()
    assert first.startswith(f"dd3g generate: {tmp_path / 'in' / 'b.png'}: ")
    assert last == "dd3g generate: 1 of 3 pictures failed"


def test_alone_in_a_batch_and_at_any_number_of_threads_the_bytes_are_the_same(dd3g, tmp_path, model):
    pictures = [disc(tmp_path / f"{i}.png", i) for i in range(3)]
    common = ("--model", model, "--format", "ply,png", *FEW)
    for threads, folder in ((1, "one"), (2, "two")):
        torch.set_num_threads(threads)
        assert dd3g("generate", *pictures, "--out", tmp_path / folder, *common).status == 0
    assert dd3g("generate", pictures[1], "--out", tmp_path / "alone", *common).status == 0
    for kind in ("1.ply", "1.png", "1.prepared.png"):
        made = [(tmp_path / folder / kind).read_bytes() for folder in ("alone", "one", "two")]
        assert made[0] == made[1] == made[2], kind
    assert (tmp_path / "one" / "0.ply").read_bytes() != (tmp_path / "one" / "1.ply").read_bytes()


def test_samples_are_what_their_seeds_give(dd3g, tmp_path, model):
    picture = disc(tmp_path / "a.png")
    common = ("generate", picture, "--model", model, "--format", "ply", *FEW)
    assert dd3g(*common, "--out", tmp_path / "many", "--seed", 4, "--samples", 2).status == 0
    assert names(tmp_path / "many") == ["a-seed4.json", "a-seed4.ply", "a-seed5.json", "a-seed5.ply", "a.prepared.png"]
    assert dd3g(*common, "--out", tmp_path / "one", "--seed", 5).status == 0
    assert (tmp_path / "one" / "a.ply").read_bytes() == (tmp_path / "many" / "a-seed5.ply").read_bytes()
    assert (tmp_path / "many" / "a-seed4.ply").read_bytes() != (tmp_path / "many" / "a-seed5.ply").read_bytes()


def test_what_is_there_is_skipped_when_asked(dd3g, tmp_path, model):
    pictures = [disc(tmp_path / f"{i}.png", i) for i in range(2)]
    command = ("generate", *pictures, "--out", tmp_path / "out", "--model", model, "--format", "ply", "--skip-existing", *FEW)
    assert dd3g(*command).status == 0
    (tmp_path / "out" / "0.ply").write_bytes(b"kept")
    (tmp_path / "out" / "1.ply").write_bytes(b"made again")
    (tmp_path / "out" / "1.json").unlink()
    assert "there already" in dd3g(*command).out
    assert (tmp_path / "out" / "0.ply").read_bytes() == b"kept"
    assert read_ply(tmp_path / "out" / "1.ply")


def test_one_json_a_result_on_standard_output_and_nothing_else(dd3g, tmp_path, model):
    pictures = [disc(tmp_path / f"{i}.png", i) for i in range(2)]
    done = dd3g("generate", *pictures, "--out", tmp_path / "out", "--model", model, "--format", "ply", "--json", *FEW)
    printed = [json.loads(line) for line in done.out.splitlines()]
    assert printed == [json.loads((tmp_path / "out" / f"{i}.json").read_text()) for i in range(2)]
    assert done.err == ""


def test_orientation_elevation_and_background_are_what_was_asked_for(dd3g, tmp_path, model):
    picture = tmp_path / "plain.jpg"
    Image.new("RGB", (120, 90), (200, 90, 30)).save(picture)
    common = ("generate", picture, "--model", model, "--format", "ply", "--background", "none", "--elevation", 20, *FEW)
    read = {}
    for orientation in ("supersplat", "yup"):
        assert dd3g(*common, "--out", tmp_path / orientation, "--orient", orientation).status == 0
        read[orientation] = read_ply(tmp_path / orientation / "plain.ply")
    about = json.loads((tmp_path / "yup" / "plain.json").read_text())
    assert (about["orientation"], about["elevation_deg"], about["elevation_given"]) == ("yup", 20, True)
    assert about["prepared"]["method"] == "none"
    assert (read["yup"]["y"] == -read["supersplat"]["y"]).all()
    assert (read["yup"]["z"] == read["supersplat"]["z"]).all()


def test_a_prepared_picture_is_prepared_already(dd3g, tmp_path, model, everything):
    done = dd3g("generate", everything / "chair.prepared.png", "--out", tmp_path, "--model", model, "--seed", 3, "--format", "ply", *FEW)
    assert done.status == 0
    for name in ("chair.ply", "chair.prepared.png"):
        assert (tmp_path / name).read_bytes() == (everything / name).read_bytes()


@pytest.mark.skipif(sys.platform != "linux", reason="only here may file names be any bytes")
def test_a_name_that_is_no_text_is_no_hindrance(dd3g, tmp_path, model):
    picture = disc(tmp_path / "a.png").rename(tmp_path / os.fsdecode(b"\xff.png"))
    done = dd3g("generate", picture, "--out", tmp_path / "o", "--model", model, "--format", "ply", *FEW)
    assert done.status == 0, done.err
    assert names(tmp_path / "o") == ["_.json", "_.ply", "_.prepared.png"]
