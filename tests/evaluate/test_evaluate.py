"""The protocol end to end: what is averaged, what is written, what happens to bad meshes and bad models."""

import dataclasses
import json

import pytest
import torch

from dd3g.cli.evaluate import table_of
from dd3g.cli.main import main
from dd3g.core.model_file import save_model_file
from dd3g.distill.explicit import psnr
from dd3g.evaluate import ORBIT16, EvaluateOptions, Protocol, evaluate
from dd3g.evaluate.mean_object import mean_object_of
from dd3g.evaluate.scoring import Metrics, baselines, score_views
from dd3g.student import PEPD
from dd3g.student.config import config_to_json
from dd3g.student.presets import tiny

trimesh = pytest.importorskip("trimesh", reason="meshes are read with the extra 'train'")
SMALL = Protocol(name="test", size=32, supersampling=1)


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
    written = json.loads((out / "results.json").read_text())
    assert written == json.loads(json.dumps(table))
    assert {"protocol", "psnr", "ssim", "lpips_alex", "baselines", "objects", "why", "model", "protocol_fields"} <= set(written)
    assert set(written["baselines"]) == {"white", "copy", "mean"}
    assert [row["name"] for row in written["objects"]] == ["box0", "box1"]
    assert (out / "sheet.png").is_file()
    for name in ("lpips_alex", "mean"):
        absent = written["lpips_alex"] is None if name == "lpips_alex" else written["baselines"]["mean"] is None
        assert absent == (name in written["why"])
    assert "psnr" in table_of(written)


def test_means_run_over_the_other_views_then_over_objects(results):
    table, _ = results
    rows = table["objects"]
    assert table["psnr"] == pytest.approx(sum(row["psnr"] for row in rows) / 2)
    truth, ours = torch.rand(16, 3, 8, 8), torch.rand(16, 3, 8, 8)
    ours[0] = truth[0]  # a perfect input view must not help
    scores = score_views(ours, truth, Metrics({"psnr": psnr}, {}), SMALL)
    assert scores["psnr"] == pytest.approx(psnr(ours[1:], truth[1:]).mean().item(), rel=1e-5)
    assert scores["psnr_input"] > 90


def test_truth_scores_the_ceiling_and_other_objects_do_not():
    truth = torch.rand(16, 3, 12, 12)
    metrics = Metrics({"psnr": psnr}, {})
    assert score_views(truth, truth, metrics, SMALL)["psnr"] > 90
    assert score_views(truth.roll(4, 0), truth, metrics, SMALL)["psnr"] < 12  # turned by 90 degrees


def test_baselines_are_what_their_names_say():
    truth = torch.rand(16, 3, 4, 4)
    found = baselines(truth, truth.mean(0, keepdim=True).expand_as(truth), SMALL)
    assert torch.equal(found["white"], torch.ones_like(truth))
    assert all(torch.equal(view, truth[0]) for view in found["copy"])
    assert set(baselines(truth, None, SMALL)) == {"white", "copy"}


def test_the_mean_object_is_the_mean_of_folders(results):
    """Of the two boxes' own views, over white."""
    _, out = results
    from dd3g.core.views_folder import load_object_views

    mean = mean_object_of(out / "truth", SMALL)
    views = [load_object_views(out / "truth" / name).groups["targets"].over(torch.ones(3)) for name in ("box0", "box1")]
    small = torch.nn.functional.interpolate(mean, (32, 32), mode="bilinear", antialias=True)
    assert (small - (views[0] + views[1]) / 2).abs().mean() < 0.01  # through another resolution and back: edges soften


def test_the_same_model_scores_the_same_and_truth_is_not_rendered_again(results, meshes, model):
    table, out = results
    stamp = (out / "truth" / "box0" / "object.json").stat().st_mtime_ns
    again = evaluate(options_of(meshes, model), out, SMALL)
    assert [row["psnr"] for row in again["objects"]] == [row["psnr"] for row in table["objects"]]
    assert (out / "truth" / "box0" / "object.json").stat().st_mtime_ns == stamp


def test_a_broken_mesh_is_left_out_counted_and_tells_the_status(meshes, model, tmp_path, capsys, monkeypatch):
    import dd3g.evaluate.run as run

    monkeypatch.setattr(run, "ORBIT16", SMALL)
    folder = tmp_path / "m"
    folder.mkdir()
    (folder / "good.glb").write_bytes((meshes / "box0.glb").read_bytes())
    (folder / "bad.glb").write_bytes(b"glTF nonsense")
    monkeypatch.setattr("dd3g.evaluate.evaluate", lambda options, out: evaluate(options, out, SMALL))
    assert main(["evaluate", "--objects", str(folder), "--model", str(model), "--out", str(tmp_path / "r"), "--quiet"]) == 2
    captured = capsys.readouterr()
    assert "1 objects" in captured.out
    assert "bad.glb" in captured.err
    table = json.loads((tmp_path / "r" / "results.json").read_text())
    assert len(table["failures"]) == 1
    (folder / "good.glb").unlink()
    assert main(["evaluate", "--objects", str(folder), "--model", str(model), "--out", str(tmp_path / "s"), "--quiet"]) == 2
    assert "none of its 1 meshes" in capsys.readouterr().err


def test_a_missing_model_and_missing_meshes_are_explained(meshes, model, tmp_path, capsys):
    assert main(["evaluate", "--objects", str(meshes), "--model", str(tmp_path / "none.safetensors"), "--out", str(tmp_path / "r")]) == 2
    assert "no such checkpoint" in capsys.readouterr().err
    assert main(["evaluate", "--objects", str(tmp_path / "nowhere"), "--model", str(model), "--out", str(tmp_path / "r")]) == 2
    assert "no such folder" in capsys.readouterr().err


def test_the_digest_of_a_protocol_changes_with_any_field():
    changes = {"name": "x", "views": 8, "elevation_deg": 5.0, "input_view": 1, "size": 128, "supersampling": 2, "light": "ambient"}
    changes |= {"background": (0.0, 0.0, 0.0), "seed": 1, "psnr": "other", "ssim": "other", "lpips": "other"}
    assert set(changes) == {field.name for field in dataclasses.fields(Protocol)}
    digests = {dataclasses.replace(ORBIT16, **{name: value}).digest() for name, value in changes.items()}
    assert len(digests) == len(changes)
    assert ORBIT16.digest() not in digests
