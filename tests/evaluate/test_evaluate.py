"""A protocol end to end: what is averaged, what is written, what is kept, what happens to bad meshes and bad models."""

import dataclasses
import json
import shutil

import numpy as np
import pytest
import torch
from PIL import Image

import dd3g.evaluate.run as run_module
from dd3g.cli.evaluate import table_of
from dd3g.cli.main import main
from dd3g.core import Gaussians
from dd3g.core.model_file import save_model_file
from dd3g.core.views_folder import load_object_views
from dd3g.distill.signatures import SIGNATURES
from dd3g.evaluate import EvaluateOptions, evaluate
from dd3g.evaluate.mean_object import mean_object_of
from dd3g.evaluate.results import compare, load_results
from dd3g.formats import save
from dd3g.student import PEPD
from dd3g.student.config import config_to_json
from dd3g.student.presets import tiny
from tests.evaluate.small import small_protocol

trimesh = pytest.importorskip("trimesh", reason="meshes are read with the extra 'train'")
SMALL = small_protocol()


@pytest.fixture(scope="module")
def meshes(tmp_path_factory):
    folder = tmp_path_factory.mktemp("meshes")
    for i, extents in enumerate([(1, 1, 1), (1, 2, 0.5)]):
        box = trimesh.creation.box(extents)
        box.visual.vertex_colors = [[40 + 100 * i, 200, 90, 255]] * len(box.vertices)
        box.export(folder / f"box{i}.glb")
    return folder


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    torch.manual_seed(0)
    path = tmp_path_factory.mktemp("model") / "random.safetensors"
    save_model_file(path, kind="student", config=config_to_json(tiny()), about={}, tensors=PEPD(tiny()).state_dict())
    return path


def options_of(meshes, model, **changes):
    return dataclasses.replace(EvaluateOptions(str(meshes), model=str(model), quiet=True), **changes)


@pytest.fixture(scope="module")
def results(meshes, model, tmp_path_factory):
    out = tmp_path_factory.mktemp("report")
    return evaluate(options_of(meshes, model), out, SMALL), out


def test_the_report_has_what_users_were_promised(results):
    table, out = results
    assert load_results(out) == json.loads(json.dumps(table))
    assert [row["name"] for row in table["objects"]] == ["box0", "box1"]
    assert set(table["baselines"]) == {"white", "copy", "mean"}
    assert table["protocol_digest"] == SMALL.digest()
    assert table["protocol_fields"] == SMALL.about()
    assert table["why"]["mean"].startswith("no mean object")  # the bundled one has sixteen sides
    for name in ("psnr", "ssim", "iou", "hull"):
        assert table["figures"][name]["low"] <= table[name] <= table["figures"][name]["high"]
    for row in table["objects"]:
        assert len(list((out / row["truth"]).glob("*.png"))) == len(list((out / row["ours"]).glob("*.png"))) == 4
        assert tuple(row["signatures"]) == SIGNATURES
        assert all(value is None or value >= 0 for value in row["signatures"].values())
    assert table["signatures"]["contradicted"] is not None  # a model's splats have depth
    assert (out / "sheet.png").is_file()
    assert "psnr" in table_of(table)


def test_means_run_over_the_other_views_then_over_objects(results):
    rows = results[0]["objects"]
    assert results[0]["psnr"] == pytest.approx(sum(row["psnr"] for row in rows) / 2)
    for row in rows:
        assert row["psnr"] == pytest.approx(np.mean(row["views"]["psnr"][1:]))
        assert row["psnr_input"] == row["views"]["psnr"][0]


def test_the_same_model_scores_the_same_and_what_is_kept_is_not_made_again(results, meshes, model, tmp_path, monkeypatch):
    table, out = results
    made = []
    evaluate_object = run_module.evaluate_object
    monkeypatch.setattr(run_module, "evaluate_object", lambda job: (made.append(job.file.name), evaluate_object(job)))
    (out / "objects" / "box1.json").unlink()  # as if the run had been killed
    stamp = (out / "truth" / "box1" / "object.json").stat().st_mtime_ns
    again = evaluate(options_of(meshes, model), out, SMALL)
    assert made == ["box1"]
    assert again["objects"] == table["objects"]
    assert (out / "truth" / "box1" / "object.json").stat().st_mtime_ns == stamp
    other = dataclasses.replace(SMALL, background=(0.0, 0.0, 0.0))  # another protocol: all figures anew, from the same true views
    assert evaluate(options_of(meshes, model, truth=str(out / "truth")), tmp_path, other)["psnr"] != table["psnr"]
    assert (out / "truth" / "box1" / "object.json").stat().st_mtime_ns == stamp
    assert made == ["box1", "box0", "box1"]


@pytest.mark.slow  # each process imports torch and the kernels anew
def test_processes_give_the_same_figures(results, meshes, model, tmp_path):
    table, out = results
    two = evaluate(options_of(meshes, model, workers=2, truth=str(out / "truth")), tmp_path, SMALL)
    figures = [[{k: v for k, v in row.items() if k not in ("truth", "ours")} for row in t["objects"]] for t in (table, two)]
    assert figures[0] == figures[1]


def test_the_mean_object_is_the_mean_of_folders(results):
    """Of the two boxes' own views, over white."""
    _, out = results
    mean = mean_object_of(out / "truth", SMALL)
    views = [load_object_views(out / "truth" / name).groups["targets"].over(torch.ones(3)) for name in ("box0", "box1")]
    small = torch.nn.functional.interpolate(mean, (32, 32), mode="bilinear", antialias=True)
    assert (small - (views[0] + views[1]) / 2).abs().mean() < 0.01  # through another resolution and back: edges soften


def test_truth_as_renders_gives_the_ceiling_and_shuffled_or_turned_objects_do_not(results, meshes, tmp_path):
    """A cube looks the same after a quarter turn; the plate does not, and the best of four turns finds it again."""
    _, out = results
    shared = {"truth": str(out / "truth"), "renders": str(out / "truth")}
    ceiling = evaluate(options_of(meshes, "", **shared), tmp_path / "same", SMALL)
    assert (ceiling["psnr"], ceiling["ssim"], ceiling["iou"]) == (pytest.approx(100), pytest.approx(1), 1)
    assert ceiling["hull"] > 0.97
    for row in ceiling["objects"]:
        assert row["quarter"]["turn_deg"] == 0
    pairs = {"shuffled": ("box1", "box0"), "turned": ("box0", "box1")}
    for kind, names in pairs.items():
        for name, taken in zip(("box0", "box1"), names, strict=True):
            for i in range(4):
                source = out / "truth" / taken / "targets" / f"{(i + (kind == 'turned')) % 4:03d}.png"
                (tmp_path / kind / name).mkdir(parents=True, exist_ok=True)
                shutil.copy(source, tmp_path / kind / name / f"{i:03d}.png")
        found = evaluate(options_of(meshes, "", truth=shared["truth"], renders=str(tmp_path / kind)), tmp_path / f"r-{kind}", SMALL)
        plate = found["objects"][1]
        assert (
            plate["psnr"] < 25 < plate["quarter"]["psnr"] if kind == "turned" else plate["psnr"] < plate["baselines"]["copy"]["psnr"] + 20
        )
        assert plate["iou"] < 0.9
        if kind == "turned":
            assert plate["quarter"]["turn_deg"] in (90, 270)  # half a turn shows the same plate
            assert plate["quarter"]["iou"] == 1
        worse = compare(ceiling, found)["settings"]["elevation0"]["columns"]["psnr"]
        assert worse["difference"]["mean"] == pytest.approx(found["psnr"] - ceiling["psnr"])


def test_splats_are_scored_and_registration_is_told_apart(results, meshes, tmp_path):
    """A blob that stands beside its place, and is too small, is brought back by its input picture alone."""
    _, out = results
    torch.manual_seed(0)
    n = 1500
    means = (torch.rand(n, 3) - 0.5) * torch.tensor([0.436, 0.873, 0.218]) * 0.6  # the plate's proportions
    offset = torch.tensor([0.1, 0.05, 0.0])
    blob = Gaussians(
        means + offset, torch.tensor([1.0, 0, 0, 0]).expand(n, 4), torch.full((n, 3), 0.015), torch.full((n,), 0.9), torch.full((n, 3), 0.5)
    )
    for name in ("box0", "box1"):
        (tmp_path / "splats").mkdir(exist_ok=True)
        save(blob, tmp_path / "splats" / f"{name}.ply")
    wanted = options_of(meshes, "", truth=str(out / "truth"), splats=str(tmp_path / "splats"), align=True)
    found = evaluate(wanted, tmp_path / "r", SMALL)
    assert found["model"]["kind"] == "splats"
    plate, aligned = found["objects"][1], found["aligned"]["objects"][1]
    assert plate["gaussians"] == n
    assert aligned["iou_input"] > max(plate["iou_input"] + 0.1, 0.8)  # of one colour, its other sides can't be told (test_similarity.py)
    assert 1.3 < aligned["similarity"]["scale"] < 1.9
    (tmp_path / "splats" / "box0.ply").unlink()
    fewer = evaluate(wanted, tmp_path / "r", SMALL)
    assert [row["name"] for row in fewer["objects"]] == ["box1"]
    assert "holds no box0.ply" in fewer["failures"][0]["reason"]


def test_renders_without_alpha_have_no_silhouettes_and_say_so(results, meshes, tmp_path):
    _, out = results
    for name in ("box0", "box1"):
        (tmp_path / "flat" / name).mkdir(parents=True)
        for i in range(4):
            with Image.open(out / "truth" / name / "targets" / f"{i:03d}.png") as image:
                paper = Image.new("RGB", image.size, (255, 255, 255))
                paper.paste(image, mask=image.getchannel("A"))
                paper.resize((64, 64), Image.Resampling.NEAREST).save(tmp_path / "flat" / name / f"{i:03d}.png")
    found = evaluate(options_of(meshes, "", truth=str(out / "truth"), renders=str(tmp_path / "flat")), tmp_path / "r", SMALL)
    assert found["psnr"] > 30
    assert found["iou"] is None
    assert found["why"]["iou"] == "the renders have no alpha channel"
    (tmp_path / "flat" / "box0" / "003.png").unlink()
    fewer = evaluate(options_of(meshes, "", truth=str(out / "truth"), renders=str(tmp_path / "flat")), tmp_path / "r", SMALL)
    assert "holds 3 pictures, and setting elevation0 has 4 views" in fewer["failures"][0]["reason"]


def command(monkeypatch, *arguments):
    monkeypatch.setattr("dd3g.evaluate.load_protocol", lambda name: SMALL)
    return main(["evaluate", *map(str, arguments), "--workers", "1", "--quiet"])


def test_a_broken_mesh_is_left_out_counted_and_tells_the_status(meshes, model, tmp_path, capsys, monkeypatch):
    folder = tmp_path / "m"
    folder.mkdir()
    (folder / "good.glb").write_bytes((meshes / "box0.glb").read_bytes())
    (folder / "bad.glb").write_bytes(b"glTF nonsense")
    assert command(monkeypatch, "--objects", folder, "--model", model, "--out", tmp_path / "r") == 2
    captured = capsys.readouterr()
    assert "1 objects" in captured.out
    assert (tmp_path / "r" / "report.html").is_file()
    assert "bad.glb" in captured.err
    assert len(load_results(tmp_path / "r")["failures"]) == 1
    (folder / "good.glb").unlink()
    assert command(monkeypatch, "--objects", folder, "--model", model, "--out", tmp_path / "s") == 2
    assert "none of its 1 meshes" in capsys.readouterr().err


def test_what_cannot_be_evaluated_is_refused_in_a_sentence(meshes, model, tmp_path, capsys, monkeypatch):
    def refused(words, *more):
        assert command(monkeypatch, "--out", tmp_path / "r", "--objects", meshes, *more) == 2
        error = capsys.readouterr().err
        assert words in error
        assert error.count("\n") == 1
        assert not (tmp_path / "r").exists()

    refused("no such checkpoint", "--model", tmp_path / "none.safetensors")
    refused("no such folder", "--objects", tmp_path / "nowhere", "--model", model)
    refused("--splats and --renders", "--splats", meshes, "--renders", meshes)
    refused("known are dd3g, lgm, trellis, sharp", "--splats", meshes, "--frame", "grm")
    refused("leave it out", "--model", model, "--frame", "lgm")
    refused("pictures can't be moved", "--renders", meshes, "--align")
    refused("is none of protocol test's: elevation0", "--model", model, "--settings", "elevation45")
    refused("no such folder", "--splats", tmp_path / "nothing")
