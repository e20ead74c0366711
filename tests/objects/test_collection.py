"""Folders of views: what is rendered, skipped, refused and resumed."""

import hashlib
import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest

from dd3g.core.errors import InputError, MissingExtraError, ViewsError
from dd3g.core.views_folder import list_object_folders, load_object_views
from dd3g.objects import RIGS, Rig
from dd3g.objects.collection import find_meshes, jobs_for_files, jobs_for_seeds, render_collection
from dd3g.objects.job import render_object

from .meshes import cube_glb

SMALL = Rig(canonical_views=2, extra_orbits=0, free_views=1, input_views=2, target_size=12, input_size=16, supersampling=1)


def _meshes(tmp_path) -> Path:
    root = tmp_path / "meshes"
    cube_glb(root / "a.glb", baseColorFactor=[1, 0, 0, 1])
    cube_glb(root / "sub" / "b.glb")
    return root


def _jobs(root: Path, out: Path, rig: Rig = SMALL, seed: int = 0):
    return jobs_for_files(root, find_meshes(root), rig, seed, out)


def _digests(out: Path) -> dict[str, str]:
    return {
        path.relative_to(out).as_posix(): hashlib.md5(path.read_bytes()).hexdigest() for path in sorted(out.rglob("*")) if path.is_file()
    }


# ---------------------------------------------------------------- what is found
def test_meshes_are_found_below_the_folder_and_named_by_their_paths(tmp_path):
    root = _meshes(tmp_path)
    (root / "note.txt").write_text("x")
    assert find_meshes(root) == ["a.glb", "sub/b.glb"]
    assert [job.name for job in _jobs(root, tmp_path / "v")] == ["a", "sub-b"]


def test_list_chooses_and_orders(tmp_path):
    (tmp_path / "list.txt").write_text("# these\nsub/b.glb\n\na.glb\n")
    assert find_meshes(_meshes(tmp_path), tmp_path / "list.txt") == ["sub/b.glb", "a.glb"]


@pytest.mark.parametrize(("text", "words"), [("\n", "names no meshes"), ("../a.glb\n", "below it"), ("/a.glb\n", "below it")])
def test_bad_lists_are_refused(tmp_path, text, words):
    (tmp_path / "list.txt").write_text(text)
    with pytest.raises(InputError, match=words):
        find_meshes(_meshes(tmp_path), tmp_path / "list.txt")


def test_missing_and_empty_folders_are_refused(tmp_path):
    with pytest.raises(InputError, match="no such folder"):
        find_meshes(tmp_path / "nowhere")
    with pytest.raises(InputError, match="holds no meshes"):
        find_meshes(tmp_path)
    with pytest.raises(InputError, match="not a readable text file"):
        find_meshes(tmp_path, tmp_path / "no.txt")


@pytest.mark.parametrize(
    ("files", "words"),
    [(["a/b.glb", "a-b.glb"], "both be written"), ([".a.glb"], "begins with a dot"), (["a~1.glb"], "changed version of a;")],
)
def test_names_that_would_collide_or_hide_are_refused(tmp_path, files, words):
    with pytest.raises(InputError, match=words):
        jobs_for_files(tmp_path, files, SMALL, 0, tmp_path / "v")


def test_procedural_objects_are_named_by_their_seeds(tmp_path):
    jobs = jobs_for_seeds(2, SMALL, 3, tmp_path)
    assert [(job.name, job.object_seed) for job in jobs] == [("made-003000000", 3_000_000), ("made-003000001", 3_000_001)]
    with pytest.raises(InputError, match="found 0"):
        jobs_for_seeds(0, SMALL, 3, tmp_path)


# ---------------------------------------------------------------- what is written
@pytest.mark.usefixtures("in_this_process")
def test_folder_holds_the_rigs_pictures_and_how_each_was_taken(tmp_path):
    out = tmp_path / "v"
    summary = render_collection(_jobs(_meshes(tmp_path), out), workers=1, quiet=True)
    assert (summary.rendered, summary.skipped, summary.failures) == (2, 0, ())
    views = load_object_views(out / "sub-b")
    assert views.groups["targets"].rgb.shape == (3, 3, 12, 12)
    assert views.groups["inputs"].rgb.shape == (2, 3, 16, 16)
    assert views.groups["targets"].depth is None
    depth = views.groups["inputs"].depth
    assert depth is not None
    assert depth.shape == (2, 2, 16, 16)
    assert views.about["source"] == "sub/b.glb"
    assert [shot["azimuth_deg"] for shot in views.about["views"]["targets"][:2]] == [0, 180]
    assert set(views.about["views"]["inputs"][1]) == {"azimuth_deg", "elevation_deg", "fov_y_deg", "radius", "light"}
    assert json.loads((out / "about.json").read_text())["plan"]["rig"]["target_size"] == 12
    assert not (out / "failures.json").exists()


def test_second_run_renders_nothing_and_a_changed_file_only_itself(tmp_path, in_this_process):
    root, out = _meshes(tmp_path), tmp_path / "v"
    render_collection(_jobs(root, out), workers=1, quiet=True)
    before = _digests(out)
    assert render_collection(_jobs(root, out), workers=1, quiet=True).skipped == 2
    assert _digests(out) == before
    cube_glb(root / "a.glb", baseColorFactor=[0, 1, 0, 1])
    assert render_collection(_jobs(root, out), workers=1, quiet=True).rendered == 1
    assert in_this_process == ["a", "sub-b", "a"]
    changed = {path for path, digest in _digests(out).items() if before[path] != digest}
    assert {path.split("/")[0] for path in changed} == {"a"}


@pytest.mark.usefixtures("in_this_process")
@pytest.mark.parametrize(
    ("rig", "seed", "words"),
    [
        (replace(SMALL, target_size=16), 0, "target_size 12 there, 16 here"),
        (SMALL, 1, "seed 0 there, 1 here"),
        (replace(SMALL, light="ambient"), 0, "light sky"),
    ],
)
def test_another_plan_in_the_same_folder_is_refused_and_touches_nothing(tmp_path, rig, seed, words):
    root, out = _meshes(tmp_path), tmp_path / "v"
    render_collection(_jobs(root, out), workers=1, quiet=True)
    before = _digests(out)
    with pytest.raises(ViewsError, match=words):
        render_collection(_jobs(root, out, rig, seed), workers=1, quiet=True)
    assert _digests(out) == before


@pytest.mark.usefixtures("in_this_process")
def test_views_that_nobody_planned_are_not_written_over(tmp_path):
    root, out = _meshes(tmp_path), tmp_path / "v"
    render_collection(_jobs(root, out), workers=1, quiet=True)
    (out / "about.json").unlink()
    with pytest.raises(ViewsError, match=r"no about\.json"):
        render_collection(_jobs(root, out), workers=1, quiet=True)


@pytest.mark.usefixtures("in_this_process")
def test_broken_meshes_are_skipped_counted_listed_and_tried_again(tmp_path):
    root, out, told = _meshes(tmp_path), tmp_path / "v", []
    (root / "broken.glb").write_bytes(b"glTF nonsense")
    summary = render_collection(_jobs(root, out), workers=1, quiet=True, report=told.append)
    assert (summary.rendered, [source for source, _ in summary.failures]) == (2, ["broken.glb"])
    assert len(told) == 1
    assert json.loads((out / "failures.json").read_text())[0]["source"] == "broken.glb"
    assert [folder.name for folder in list_object_folders(out)] == ["a", "sub-b"]
    cube_glb(root / "broken.glb")
    assert render_collection(_jobs(root, out), workers=1, quiet=True).rendered == 1
    assert not (out / "failures.json").exists()


def test_leftovers_of_a_killed_run_are_swept(tmp_path, in_this_process):
    root, out = _meshes(tmp_path), tmp_path / "v"
    (out / ".partial-x").mkdir(parents=True)
    render_collection(_jobs(root, out), workers=1, quiet=True)
    assert not list(out.glob(".partial-*"))


@pytest.mark.usefixtures("in_this_process")
def test_damaged_object_is_made_again(tmp_path):
    root, out = _meshes(tmp_path), tmp_path / "v"
    render_collection(_jobs(root, out), workers=1, quiet=True)
    before = _digests(out)
    (out / "a" / "object.json").write_text("{")
    assert render_collection(_jobs(root, out), workers=1, quiet=True).rendered == 1
    assert _digests(out) == before


@pytest.mark.usefixtures("in_this_process")
def test_missing_ray_tracer_is_said_once_with_the_install_line(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "embreex", None)
    with pytest.raises(MissingExtraError, match=r"dd3g\[train\]"):
        render_collection(_jobs(_meshes(tmp_path), tmp_path / "v"), workers=1, quiet=True)
    assert not (tmp_path / "v").exists()


# ---------------------------------------------------------------- processes
@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="finds the processes of the killed run in Linux' /proc")
def test_a_kill_in_the_middle_and_any_number_of_processes_give_the_same_bytes(tmp_path):
    for i in range(4):
        cube_glb(tmp_path / "m" / f"{i}.glb", baseColorFactor=[i / 4, 0.5, 1, 1])
    rig = replace(RIGS["small"], target_size=96, input_size=96)
    for job in _jobs(tmp_path / "m", tmp_path / "here", rig):
        render_object(job)
    expected = _digests(tmp_path / "here")

    out = tmp_path / "killed"
    options = ["--out", str(out), "--rig", "small", "--size", "96", "--input-size", "96", "--quiet"]
    command = [sys.executable, "-m", "dd3g.cli.main", "objects", str(tmp_path / "m"), *options]
    process = subprocess.Popen([*command, "--workers", "2"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    end = time.monotonic() + 120
    while not list(out.glob("*/object.json")) and time.monotonic() < end:
        time.sleep(0.005)
    workers = [int(child) for child in Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()]
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    assert list(out.glob("*/object.json"))
    while any(map(_runs, workers)) and time.monotonic() < end:
        time.sleep(0.005)
    assert workers
    assert not any(map(_runs, workers))  # or they would write beside the next run

    (out / ".partial-left").mkdir(exist_ok=True)
    printed = subprocess.run([*command, "--workers", "1"], check=True, capture_output=True, text=True, timeout=300).stdout
    assert " 0 were there" not in printed
    found = _digests(out)
    assert found.pop("about.json")
    assert found == expected


def _runs(process_id: int) -> bool:
    try:
        state = Path(f"/proc/{process_id}/stat").read_text().rsplit(")", 1)[1].split()[0]
    except FileNotFoundError:
        return False
    return state != "Z"  # a zombie that nobody has waited for
