"""Collections of quadruples: what a unit is a function of, that no kill costs or changes one, and what is refused."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from dd3g.cli.main import main
from dd3g.core import NoiseKey, draw_noise
from dd3g.core.errors import InputError, OutputError
from dd3g.quadruples import open_quadruples, read_shard
from dd3g.quadruples.collect import collect
from dd3g.quadruples.inputs import split_of
from dd3g.quadruples.lease import lease
from dd3g.quadruples.plan import read_plan, unit_path
from dd3g.quadruples.produce import drawn_cameras, noise_statistics
from dd3g.teacher.teacher import TeacherNetworks, save_teacher
from tests.extras import needs_train
from tests.teacher.tiny import CODEC, TEACHER

pytestmark = needs_train

QUICK = ["--steps", "3", "--unit", "4", "--batch", "2", "--size", "48", "--quiet", "--workers", "1"]


@pytest.fixture(scope="module")
def teacher(tmp_path_factory):
    torch.manual_seed(0)
    path = tmp_path_factory.mktemp("teacher") / "teacher.safetensors"
    save_teacher(path, TeacherNetworks(TEACHER, CODEC).eval(), {})
    return str(path)


@pytest.fixture(scope="module")
def pictures(tmp_path_factory):
    folder = tmp_path_factory.mktemp("pictures")
    for i in range(3):
        rgba = np.zeros((40, 60, 4), np.uint8)
        rgba[8:30, 10 + 4 * i : 40] = (200, 40 * i, 90, 255)
        Image.fromarray(rgba).save(folder / f"shape-{i}.png")
    return str(folder)


def files(folder):
    """Every file of a finished collection with its bytes."""
    return {p.relative_to(folder).as_posix(): p.read_bytes() for p in sorted(Path(folder).rglob("*")) if p.is_file()}


def draw(pictures, teacher, out, *more):
    return main(["collect", pictures, "--teacher", teacher, "--draws", "5", "--out", str(out), *QUICK, *more])


@pytest.fixture(scope="module")
def drawn(pictures, teacher, tmp_path_factory):
    out = tmp_path_factory.mktemp("drawn") / "q"
    assert draw(pictures, teacher, out) == 0
    return out


def test_a_collection_holds_every_draw_of_every_picture_once(drawn):
    collection = open_quadruples(drawn)
    assert collection.missing_units == 0
    assert len(collection.inputs) == 3
    assert [(q.image_id, q.draw) for q in collection.quadruples] == [(i, k) for i in collection.inputs for k in range(5)]
    assert {q.guidance for q in collection.quadruples} == {3.0}


def test_the_noise_of_a_draw_makes_its_views_again(drawn, teacher):
    """A quadruple is what it says: its noise, through the teacher, is its latents."""
    from dd3g.teacher.teacher import load_teacher, sample

    collection = open_quadruples(drawn)
    for quadruple in (collection.quadruples[0], collection.quadruples[7]):
        noise = quadruple.noise_of(collection.plan.latent_shape)[None]
        image = collection.inputs[quadruple.image_id].image()[None]
        again = sample(load_teacher(teacher), image, quadruple.cameras, noise, guidance=3.0, steps=3)[0]
        assert quadruple.latents is not None
        assert (again - quadruple.latents).abs().max() < 2e-3 * again.abs().max()  # fp16 keeps 11 bits


def test_solver_and_precision_are_part_of_the_plan(drawn, pictures, teacher, tmp_path, capsys):
    """They decide the views, so a collection has one of each; who makes a draw again finds in the plan how."""
    from dd3g.teacher.fast import in_precision
    from dd3g.teacher.teacher import load_teacher, sample

    out = tmp_path / "q"
    assert draw(pictures, teacher, out, "--solver", "unipc", "--dtype", "bf16") == 0
    collection = open_quadruples(out)
    plan, quadruple = collection.plan, collection.quadruples[3]
    assert (plan.solver, plan.dtype) == ("unipc", "bf16")
    image, noise = collection.inputs[quadruple.image_id].image()[None], quadruple.noise_of(plan.latent_shape)[None]
    asked = {"guidance": plan.guidance, "steps": plan.steps, "solver": plan.solver}
    again = sample(in_precision(load_teacher(teacher), plan.dtype), image, quadruple.cameras, noise, **asked)[0]
    assert quadruple.latents is not None
    assert (again - quadruple.latents).abs().max() < 0.05 * again.abs().max()  # in another batch: a few roundings of bfloat16
    of_ddim = open_quadruples(drawn).quadruples[3].latents
    assert of_ddim is not None
    assert (of_ddim - quadruple.latents).abs().max() > 0.05  # DDIM of 3 steps is another map
    assert draw(pictures, teacher, out, "--solver", "dpm++", "--dtype", "fp32") == 2
    said = capsys.readouterr().err
    assert "solver was 'unipc', now 'dpm++'" in said
    assert "dtype was 'bf16', now 'fp32'" in said


def test_one_worker_or_two_make_the_same_bytes(drawn, pictures, teacher, tmp_path):
    assert draw(pictures, teacher, tmp_path / "two", "--workers", "2") == 0
    assert files(tmp_path / "two") == files(drawn)


def test_three_kills_cost_no_byte(drawn, pictures, teacher, tmp_path):
    """kill -9 of the whole group at three moments; the same command goes on and ends with the same files."""
    out = tmp_path / "killed"
    command = [sys.executable, "-m", "dd3g.cli.main", "collect", pictures, "--teacher", teacher, "--draws", "5", "--out", str(out), *QUICK]
    kept = 0
    for finished in (0, 1, 2):
        process = subprocess.Popen(command, stderr=subprocess.DEVNULL, start_new_session=True)
        until = time.monotonic() + 120
        while time.monotonic() < until and process.poll() is None:
            there = list((out / "records").glob("u=*.parquet"))
            if len(there) > finished or (finished == 0 and list((out / "leases").glob("*.lease"))):
                break
            time.sleep(0.005)
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        now = len(list((out / "records").glob("u=*.parquet")))
        assert now >= kept  # what was finished stays
        kept = now
    assert subprocess.run(command, stderr=subprocess.DEVNULL, check=False).returncode == 0
    assert files(out) == files(drawn)


def test_a_holder_that_died_is_found_out_and_one_that_lives_is_not_disturbed(tmp_path):
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    import socket

    (tmp_path / "u.lease").write_text(json.dumps({"host": socket.gethostname(), "process": gone.pid}))
    with lease(tmp_path, "u") as ours:
        assert ours
        with lease(tmp_path, "u") as again:
            assert not again
    assert not list(tmp_path.iterdir())


def test_a_lease_of_another_machine_is_taken_over_when_it_is_not_renewed(tmp_path):
    path = tmp_path / "u.lease"
    path.write_text(json.dumps({"host": "elsewhere", "process": 1}))
    with lease(tmp_path, "u") as ours:
        assert not ours
    os.utime(path, (time.time() - 1000, time.time() - 1000))
    with lease(tmp_path, "u") as ours:
        assert ours


def test_a_lease_whose_holder_was_killed_before_it_had_written_its_name_does_not_wait_long(tmp_path):
    path = tmp_path / "u.lease"
    path.touch()
    with lease(tmp_path, "u") as ours:
        assert not ours  # it may be written any moment
    os.utime(path, (time.time() - 10, time.time() - 10))
    with lease(tmp_path, "u") as ours:
        assert ours


def test_damage_is_found_and_made_again(drawn, pictures, teacher, tmp_path, capsys):
    out = tmp_path / "q"
    shutil.copytree(drawn, out)
    bad = unit_path(out, 1)
    data = bytearray(bad.read_bytes())
    data[len(data) // 3] ^= 0x20
    bad.write_bytes(bytes(data))
    with pytest.raises(InputError, match=r"u=000001\.parquet"):
        open_quadruples(out)
    assert draw(pictures, teacher, out, "--verify") == 0
    assert "u=000001.parquet" in capsys.readouterr().err
    assert files(out) == files(drawn)


def test_another_plan_in_the_same_folder_is_refused_by_what_differs(drawn, pictures, teacher, tmp_path, capsys):
    out = tmp_path / "q"
    shutil.copytree(drawn, out)
    assert draw(pictures, teacher, out, "--guidance", "2") == 2
    assert "guidance was 3.0, now 2.0" in capsys.readouterr().err
    assert draw(pictures, teacher, out, "--dev-share", "0.5") == 2
    assert "other sources, or options" in capsys.readouterr().err
    other = tmp_path / "other.safetensors"
    torch.manual_seed(1)
    save_teacher(other, TeacherNetworks(TEACHER, CODEC).eval(), {})
    assert draw(pictures, str(other), out) == 2
    assert "teacher was" in capsys.readouterr().err
    assert files(out) == files(drawn)


def test_a_full_disk_stops_it_and_keeps_what_is_finished(drawn, tmp_path):
    """The second unit can't be written; the first stays, nothing half-written stays."""
    plan = read_plan(drawn)
    whole = [read_shard(unit_path(drawn, unit)) for unit in range(plan.units)]

    def opener():
        def make(jobs):
            unit = jobs[0][0] * plan.per_input // plan.unit if jobs else 0
            if jobs == plan.jobs(1):
                raise OutputError("records/u=000001.parquet: can't be written (No space left on device); is the disk full?")
            return whole[[plan.jobs(u) for u in range(plan.units)].index(list(jobs))] if unit >= 0 else []

        return make

    with pytest.raises(OutputError, match="is the disk full"):
        collect(tmp_path, plan, opener, quiet=True)
    assert [p.name for p in sorted((tmp_path / "records").iterdir())] == ["u=000000.parquet"]
    assert not list((tmp_path / "leases").iterdir())


def test_a_bad_picture_is_told_of_and_the_rest_goes_on(pictures, teacher, tmp_path, capsys):
    folder = tmp_path / "pictures"
    shutil.copytree(pictures, folder)
    (folder / "broken.png").write_bytes(b"not a picture")
    assert draw(str(folder), teacher, tmp_path / "q") == 2
    assert "broken.png" in capsys.readouterr().err
    assert len(open_quadruples(tmp_path / "q").inputs) == 3


def test_inverted_views_are_the_data_and_their_noise_leads_back_to_them(blob_views, teacher, tmp_path):
    out = tmp_path / "inverted"
    command = ["collect", str(blob_views), "--invert", "--teacher", teacher, "--out", str(out), "--per-object", "2", "--draws", "3", *QUICK]
    assert main(command) == 0
    collection = open_quadruples(out)
    assert len(collection.quadruples) == 5 * 2 * 3
    assert {q.guidance for q in collection.quadruples} == {1.0}
    first = [q for k, q in enumerate(collection.quadruples) if k % 3 == 0]
    assert all(min(q.azimuth_deg, 360 - q.azimuth_deg) <= 360 / 32 + 1e-3 for q in first)  # as near the front as the data have them
    report = json.loads((out / "report.json").read_text())
    assert report["round_trip_db"] > 35
    for picture in collection.inputs.values():
        assert picture.placement is not None
        assert picture.elevation_deg is not None


def test_the_split_is_by_image_and_never_by_draw(pictures, teacher, tmp_path):
    assert draw(pictures, teacher, tmp_path / "q", "--dev-share", "0.5") == 0
    collection = open_quadruples(tmp_path / "q")
    sides = [{q.image_id for q in collection.of_split(side)} for side in ("train", "dev")]
    assert not sides[0] & sides[1]
    assert len(sides[0] | sides[1]) == 3
    many = [split_of(f"object {k}", 0.2) for k in range(2000)]
    assert many.count("dev") / 2000 == pytest.approx(0.2, abs=0.036)  # four standard errors


def test_cameras_vary_in_the_share_that_is_asked_for():
    keys = [NoiseKey(f"{k:032x}", k % 7) for k in range(2000)]
    places = [drawn_cameras(key, 0.25) for key in keys]
    assert sum(place != (0.0, 0.0) for place in places) / 2000 == pytest.approx(0.25, abs=0.04)  # four standard errors
    assert all(-10 <= elevation <= 40 for _, elevation in places)
    assert places == [drawn_cameras(key, 0.25) for key in keys]
    assert all(drawn_cameras(key, 0.0) == (0.0, 0.0) for key in keys[:50])


def test_white_noise_is_called_white():
    noise = torch.stack([draw_noise(NoiseKey("white", k), (4, 4, 16, 16)) for k in range(64)])
    found = noise_statistics(noise)
    assert abs(found.mean) < 4 / noise.numel() ** 0.5
    assert found.variance == pytest.approx(1, abs=4 * (2 / noise.numel()) ** 0.5)
    assert all(power == pytest.approx(1, abs=0.05) for power in found.spectrum)
    smooth = torch.nn.functional.avg_pool2d(noise.flatten(0, 1), 3, 1, 1).unflatten(0, (64, 4))
    assert noise_statistics(smooth).spectrum[0] > 3 * noise_statistics(smooth).spectrum[-1]


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (["--draws", "-1"], "--draws: found -1"),
        (["--varied", "2"], "expected a share"),
        (["--invert"], "--invert: wants views"),
        (["--device", "cuda", "--workers", "2"], "expected 1"),
        (["--graphs"], "--graphs: found --device cpu, expected cuda"),
        (["--invert", "--solver", "unipc"], "--solver: found unipc with --invert, expected ddim"),
        (["--invert", "--dtype", "bf16"], "--dtype: found bf16 with --invert, expected fp32"),
        (["--solver", "dpm++", "--steps", "982"], "steps: found 982, expected 1 to 981"),
    ],
)
def test_options_that_make_no_sense_are_refused(pictures, teacher, tmp_path, capsys, more, message):
    assert draw(pictures, teacher, tmp_path / "q", *more) == 2
    assert message in capsys.readouterr().err


def test_sources_of_two_kinds_and_no_collection_are_refused(pictures, blob_views, teacher, tmp_path, capsys):
    assert main(["collect", pictures, str(blob_views), "--teacher", teacher, "--out", str(tmp_path / "q"), *QUICK]) == 2
    assert "collect them apart" in capsys.readouterr().err
    with pytest.raises(InputError, match="no collection of quadruples"):
        open_quadruples(tmp_path)


def test_the_student_learns_from_quadruples_and_views_together(drawn, blob_views, dev_views, teacher, tmp_path, capsys):
    inverted = tmp_path / "inverted"
    command = ["collect", str(blob_views), "--teacher", teacher, "--out", str(inverted), "--dev-share", "0.3", "--invert", *QUICK]
    assert main(command) == 0
    run = [
        "--dev",
        str(dev_views),
        "--preset",
        "tiny",
        "--perceptual",
        "none",
        "--steps",
        "2",
        "--batch",
        "4",
        "--out",
        str(tmp_path / "run"),
    ]
    run += ["--set", "model.extraction.latent_size=6", "--set", "model.extraction.halve_first=false"]
    assert main(["train", str(inverted), str(blob_views), "--teacher", teacher, *run]) == 0
    from dd3g.student.load import load_student

    student = load_student(tmp_path / "run" / "last.safetensors").network
    assert student.config.extraction.guidance == 1.0
    capsys.readouterr()
    assert main(["train", str(inverted), *run]) == 2
    assert "give --teacher" in capsys.readouterr().err
    photographs = ["--out", str(tmp_path / "photographs")]  # nobody knows their cameras, nor how large the teacher draws them
    assert main(["train", str(drawn), "--teacher", teacher, *run, *photographs]) == 0
