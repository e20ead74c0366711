"""`dd3g inspect`: what it says of everything that it knows, its JSON, and exit status 2 for what can't be used."""

import json
import os
import re

import pytest
import torch
from safetensors.torch import load_file, save_file

from dd3g.cli import inspecting_models
from dd3g.core.errors import MissingExtraError
from dd3g.core.model_file import read_model_header, save_model_file
from dd3g.core.weights import bundled
from dd3g.teacher.imagedream.layouts import PARTS
from dd3g.teacher.imagedream.read import read_checkpoint
from dd3g.teacher.imagedream.sizes import PUBLISHED
from dd3g.teacher.imagedream.write import write_converted
from tests.extras import needs_train
from tests.teacher.imagedream.synthetic import hollow, hollow_port, original, port


def told(dd3g, path, status=0):
    """The JSON that is printed; with status 2 one sentence beside it."""
    done = dd3g("inspect", path, "--json")
    assert done.status == status
    assert bool(re.fullmatch(r"dd3g inspect: [^\n]+\n", done.err)) == (status == 2), done.err
    said = json.loads(done.out)
    assert said["usable"] == (status == 0)
    return said


def test_the_package_s_own_weights_are_usable(dd3g):
    said = told(dd3g, "bundled")
    assert [one["what"] for one in said["holds"]] == ["student", "teacher", "codec", "background", "mean-object"]
    for one in said["holds"]:
        assert one["faults"] == []
        assert one["facts"]["parameters"] == sum(t.numel() for t in load_file(one["path"]).values())
    assert "student" in dd3g("inspect", "bundled").out


def test_a_model_of_ours_is_told_by_its_kind(dd3g, model):
    said = told(dd3g, model)
    assert (said["what"], said["facts"]["dtype"]) == ("student", "F16")
    assert dd3g("inspect", model).out.startswith(f"{model}: student\n  parameters    ")


@needs_train
def test_a_teacher_of_ours_is_told(dd3g, tmp_path):
    from dd3g.teacher.teacher import TeacherNetworks, save_teacher
    from tests.teacher.tiny import CODEC, TEACHER

    save_teacher(tmp_path / "t.safetensors", TeacherNetworks(TEACHER, CODEC), {})
    assert told(dd3g, tmp_path / "t.safetensors")["what"] == "teacher"


def test_a_model_without_a_tensor_or_with_one_too_much_is_not_usable(dd3g, tmp_path):
    header = read_model_header(bundled("codec"))
    assert header is not None
    tensors = load_file(bundled("codec"))
    name = next(iter(tensors))
    tensors["stranger"] = tensors.pop(name)
    save_model_file(tmp_path / "c.safetensors", kind="codec", config=header.config, about={}, tensors=tensors)
    said = told(dd3g, tmp_path / "c.safetensors", status=2)
    assert said["faults"] == [f"missing {name}", "unexpected stranger"]


@pytest.mark.parametrize(
    ("kind", "config", "words"),
    [("codec", {"novelty": 1}, "no codec has its configuration"), ("novelty", {}, "'novelty' network, which this dd3g doesn't know")],
)
def test_models_of_other_versions_are_not_usable(dd3g, tmp_path, kind, config, words):
    save_model_file(tmp_path / "m.safetensors", kind=kind, config=config, about={}, tensors={"a": torch.zeros(1)})
    assert words in told(dd3g, tmp_path / "m.safetensors", status=2)["reason"]


def test_a_teacher_where_its_library_is_missing_can_not_be_compared(monkeypatch):
    def missing(config):
        raise MissingExtraError("pip install 'dd3g[train]'")

    monkeypatch.setitem(inspecting_models._NETWORKS, "teacher", missing)
    assert inspecting_models.fits("teacher", {}, {}) == ([], "can't be compared: pip install 'dd3g[train]'")


def test_imagedream_s_layouts_are_told_with_their_parts(dd3g, tmp_path):
    file, folder = original(tmp_path / "a.pt"), port(tmp_path / "b", dtype=torch.float16)
    write_converted(read_checkpoint(file), tmp_path / "c")
    for place, layout, dtype in ((file, "original", "float32"), (folder, "port", "float16"), (tmp_path / "c", "converted", "float32")):
        facts = told(dd3g, place)["facts"]
        assert (facts["layout"], facts["sizes"], facts["absent"], facts["schedule"]) == (layout, "not the published ones", [], "equal")
        assert {part["dtype"] for part in facts["parts"].values()} == {dtype}
    assert told(dd3g, tmp_path / "c")["facts"]["source"]["name"] == "a.pt"


def test_the_published_size_is_known_and_counted(dd3g, tmp_path):
    flat = original(tmp_path / "sd-v2.1-base-4view-ipmv.pt", PUBLISHED, draw=hollow, dtype=torch.float16)
    for place, variant in ((flat, "pixel"), (hollow_port(tmp_path / "port", PUBLISHED), "not told by its name")):
        facts = told(dd3g, place)["facts"]
        assert (facts["sizes"], facts["variant"]) == ("as published", variant)
        assert facts["parts"]["unet"] == {"parameters": 941_672_900, "tensors": 773, "dtype": "float16", "fits": True}
    assert "unet          941,672,900 parameters in 773 tensors, float16\n" in dd3g("inspect", flat).out


def test_inspecting_reads_no_weights(dd3g, tmp_path):
    """The published port is 4 GB; where it has holes, a process that read it would have gone through all of them."""
    resource = pytest.importorskip("resource", reason="page faults are counted as Unix does")
    folder = hollow_port(tmp_path / "port", PUBLISHED)
    before = resource.getrusage(resource.RUSAGE_SELF)
    told(dd3g, folder)
    after = resource.getrusage(resource.RUSAGE_SELF)
    faults = after.ru_minflt + after.ru_majflt - before.ru_minflt - before.ru_majflt
    assert faults * os.sysconf("SC_PAGESIZE") < 4e8


def test_what_is_missing_or_too_much_is_listed(dd3g, tmp_path):
    def edit(tensors):
        tensors["vae_model.stranger"] = tensors.pop("vae_model.quant_conv.bias")

    said = told(dd3g, original(tmp_path / "a.pt", edit=edit), status=2)
    assert said["faults"] == ["missing vae_model.quant_conv.bias", "unexpected vae_model.stranger"]
    assert [part for part, facts in said["facts"]["parts"].items() if not facts["fits"]] == ["vae"]
    assert "does not fit" in dd3g("inspect", tmp_path / "a.pt").out


def test_siblings_damage_and_parts_are_not_usable(dd3g, tmp_path):
    def edit(tensors):
        for name in [name for name in tensors if "camera_embed" in name]:
            del tensors[name]

    assert "Stable Diffusion" in told(dd3g, original(tmp_path / "sd.pt", edit=edit), status=2)["reason"]
    (tmp_path / "cut.pt").write_bytes(original(tmp_path / "whole.pt", towers=False).read_bytes()[:-100])
    assert "cut off" in told(dd3g, tmp_path / "cut.pt", status=2)["reason"]
    write_converted(read_checkpoint(tmp_path / "whole.pt"), tmp_path / "c")
    assert "give the folder" in told(dd3g, tmp_path / "c" / "vae.safetensors", status=2)["reason"]


def test_towers_that_are_absent_are_named(dd3g, tmp_path):
    assert told(dd3g, original(tmp_path / "bare.pt", towers=False))["facts"]["absent"] == list(PARTS[2:])


def test_runs_views_and_quadruples_are_told(dd3g, tmp_path, model):
    run = tmp_path / "run"
    run.mkdir()
    (run / "config.json").write_text(json.dumps({"kind": "student", "recipe": {}, "fit": {"steps": 9}}))
    (run / "metrics.jsonl").write_text(json.dumps({"kind": "train", "step": 4}) + "\n")
    (run / "model.safetensors").write_bytes(model.read_bytes())
    said = told(dd3g, run)
    assert (said["what"], said["facts"]["step"], said["facts"]["steps"]) == ("training run", 4, 9)
    assert [one["what"] for one in said["holds"]] == ["student"]
    (run / "last.safetensors").write_bytes(b"\x00" * 99)
    said = told(dd3g, run, status=2)  # what it holds counts
    assert [one["what"] for one in said["holds"]] == ["student", "unknown"]
    (tmp_path / "views" / "cup").mkdir(parents=True)
    (tmp_path / "views" / "cup" / "object.json").write_text("{}")
    assert told(dd3g, tmp_path / "views")["facts"] == {"objects": 1}
    torch.save({"format": 1, "step": 3, "network": {}, "optimiser": {}}, tmp_path / "state.pt")
    assert told(dd3g, tmp_path / "state.pt")["what"] == "training state"


@pytest.mark.parametrize("name", ["nowhere", "somebody/nothing", "folder"])
def test_what_is_nothing_is_said_in_one_sentence_alone(dd3g, tmp_path, name):
    (tmp_path / "folder").mkdir()
    done = dd3g("inspect", tmp_path / name)
    assert (done.status, done.out) == (2, "")
    assert re.fullmatch(rf"dd3g inspect: {re.escape(str(tmp_path / name))}: [^\n]+; [^\n]+\n", done.err)


def test_a_safetensors_file_of_somebody_else_s_is_not_ours(dd3g, tmp_path):
    save_file({"a": torch.zeros(1)}, tmp_path / "x.safetensors")
    assert "none of them of a U-Net" in told(dd3g, tmp_path / "x.safetensors", status=2)["reason"]
