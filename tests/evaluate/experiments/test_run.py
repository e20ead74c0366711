"""Experiments run, in small; what is finished stays, and what was killed goes on to the same figures."""

import json
from dataclasses import replace

import numpy as np
import pytest
import torch

from dd3g.core.errors import InputError
from dd3g.evaluate.experiments import cell, experiment, run, scale
from dd3g.evaluate.experiments.bench import Bench, cell_folder
from dd3g.evaluate.experiments.cell import noised
from dd3g.evaluate.experiments.draws import DrawPlan
from dd3g.evaluate.experiments.experiment import run_arm
from dd3g.evaluate.experiments.findings import write_findings
from dd3g.evaluate.experiments.gradients import GradientProbe, run_probe
from dd3g.evaluate.experiments.hidden import WAYS, body, completed
from dd3g.evaluate.experiments.run import ExperimentOptions, run_experiment
from dd3g.evaluate.experiments.source import exact_source, recognised
from dd3g.evaluate.experiments.world import WorldConfig, open_world, world_cameras
from dd3g.objects import SKY, render_views
from dd3g.recipes.quadruple_batches import QuadrupleBatches
from dd3g.recipes.student_batches import StudentDataConfig

LEAST = replace(scale.tiny(), world=WorldConfig(train=2, held_out=2), steps=2, draws=4, held_out_draws=3)
QUIET = ExperimentOptions(quiet=True)


@pytest.fixture(scope="module")
def out(tmp_path_factory):
    return tmp_path_factory.mktemp("experiments")


@pytest.fixture(scope="module")
def bench(out):
    world = open_world(LEAST.world, out / "data", quiet=True)
    return Bench(world, exact_source(world), out, quiet=True)


@pytest.fixture(autouse=True)
def least(monkeypatch):
    monkeypatch.setitem(scale.SCALES, "tiny", lambda: LEAST)


@pytest.mark.parametrize("seed", [0, 1, 5])
def test_fronts_do_not_tell_what_is_behind(seed):
    front = world_cameras(64).pick([0])
    seen = [render_views(completed(body(seed), hidden), front, SKY, supersampling=1) for hidden in WAYS]
    pictures = torch.stack([torch.cat([v.rgb * v.alpha, v.alpha], 1) for v in seen])
    assert (pictures - pictures[0]).abs().max() < 1e-4
    assert pictures[0, 0, 3].mean() > 0.05


def test_an_input_is_recognised_by_its_picture(bench):
    pictures = torch.stack([picture.image() for picture in bench.world.inputs])
    assert recognised(bench.world, pictures) == [0, 1, 2, 3]


def test_held_out_draws_are_one_of_each_completion(bench):
    drawn = bench.draws(DrawPlan(split="dev", images=2, draws=8))
    assert drawn.ways is not None
    assert [sorted(drawn.ways[k : k + 8]) for k in (0, 8)] == [list(range(8))] * 2
    assert {picture.split for picture in drawn.decoded.collection.inputs.values()} == {"dev"}
    assert drawn.off < 2 * bench.world.config.spread


def test_inverted_noise_leads_to_the_views_that_it_was_found_from(bench):
    from dd3g.teacher.ddim import ddim_sample

    drawn = bench.draws(DrawPlan("invert", images=2, draws=4))
    quadruple = drawn.decoded.collection.quadruples[1]
    assert quadruple.noise is not None
    made = ddim_sample(bench.source.epsilon([0], 1.0), quadruple.noise[None], bench.source.schedule, 50)
    assert (made[0] - bench.world.latents[0, 1]).square().mean().sqrt() < 2 * bench.world.config.spread
    assert torch.equal(quadruple.views, torch.from_numpy(np.array(bench.world.views[0, 1][[0, 2, 4, 6]])))


def test_noise_modes_change_the_noise_alone(bench):
    drawn = bench.draws(DrawPlan(images=2, draws=4))
    batches = QuadrupleBatches([drawn.decoded], StudentDataConfig(batch=4, image_size=64, render_size=64, degrade=0.0), 0)
    own = batches(3)
    of_inputs = torch.stack([q.noise_of(bench.source.shape) for q in drawn.decoded.collection.quadruples])
    for mode in ("shuffled", "fresh", "zero"):
        other = noised(batches, mode, 0)(3)
        assert torch.equal(other.target_rgb, own.target_rgb)
        assert torch.equal(other.image, own.image)
        assert torch.equal(other.noise, noised(batches, mode, 0)(3).noise)
        known = [(row == of_inputs).flatten(1).all(1).any().item() for row in other.noise]
        assert all(known) == (mode == "shuffled")
        assert bool((other.noise == 0).all()) == (mode == "zero")


def test_an_experiment_runs_and_says_what_it_found(bench, out):
    results = run_experiment("noise", QUIET, out)
    assert list(results["arms"]) == ["own", "shuffled", "fresh", "zero"]
    assert {finding["verdict"] for finding in results["findings"]} == {"not seen"}  # of one seed
    written = json.loads((out / "noise" / "results.json").read_text())
    assert written["findings"] == json.loads(json.dumps(results["findings"]))
    page = (out / "noise" / "report.md").read_text()
    assert results["findings"][0]["sentence"][:40] in page
    assert (out / "noise" / "report.html").stat().st_size > 10_000


def test_what_is_finished_is_not_done_again_and_experiments_share_it(bench, out, monkeypatch):
    first = run_experiment("noise", QUIET, out)

    def fail(*_):
        raise AssertionError("was done already")

    monkeypatch.setattr(experiment, "run_cell", fail)
    again = run_experiment("noise", QUIET, out)
    assert again["arms"]["own"]["images"] == first["arms"]["own"]["images"]
    assert [run_arm(bench, LEAST.base(), 0)["images"]] == first["arms"]["own"]["images"]


def test_a_killed_cell_goes_on_to_the_same_figures(bench, out, tmp_path, monkeypatch):
    """Killed after a step, with a state half-written beside the last whole one."""
    from dd3g.training import engine

    whole = run_arm(bench, LEAST.base(), 0)
    other = Bench(bench.world, bench.source, tmp_path, quiet=True)
    base = replace(LEAST.base(), fit=replace(LEAST.base().fit, save_every_s=0.0))
    folder = cell_folder(other, base, 0)
    write = engine.write_report

    def kill(run_folder):
        raise KeyboardInterrupt

    monkeypatch.setattr(engine, "write_report", kill)
    with pytest.raises(KeyboardInterrupt):
        run_arm(other, base, 0)
    monkeypatch.setattr(engine, "write_report", write)
    assert not (folder / "result.json").exists()
    (folder / "run" / "checkpoints" / ".partial-torn.pt").write_bytes(b"torn")
    gone_on = run_arm(other, base, 0)
    assert gone_on["images"] == whole["images"]


def test_half_a_training_is_not_measured(bench, tmp_path, monkeypatch):
    """A signal ends a training after the step in hand, with everything saved and nothing raised."""
    other = Bench(bench.world, bench.source, tmp_path, quiet=True)
    monkeypatch.setattr(cell, "fit", lambda *_: {"finished": False})
    with pytest.raises(KeyboardInterrupt):
        run_arm(other, LEAST.base(), 0)
    assert not list(tmp_path.glob("cells/*/result.json"))


@pytest.mark.parametrize("name", ["shapes", "interpolation"])
def test_experiments_of_other_kinds_run(name, bench, out):
    results = run_experiment(name, QUIET, out)
    assert results["findings"]
    assert all(np.isfinite(finding["difference"]["mean"]) for finding in results["findings"])


def test_at_low_noise_the_exact_teacher_points_from_blurred_views_to_the_truth(bench, tmp_path):
    (row,) = run_probe(bench, GradientProbe(100, inputs=1, draws=4), 0, tmp_path)["images"]
    assert row["auc"] == 1.0
    assert row["cosine_truth_blurred"] > 0.99
    assert 0 <= row["noise_share_blurred"] < 0.05
    assert (tmp_path / "renders.png").is_file()


def test_findings_say_what_was_not_run_and_keep_comments(bench, out, tmp_path):
    results = run_experiment("noise", QUIET, out)
    page = tmp_path / "findings.md"
    write_findings(out, page)
    text = page.read_text()
    assert "Not run yet: `dd3g experiment order --scale small`" in text
    for finding in results["findings"]:
        assert f"{finding['text']} | not seen (tiny: says nothing)" in text
    page.write_text(text.replace("<!-- comment noise -->\n", "<!-- comment noise -->\nWe looked at it twice.\n"))
    write_findings(out, page)
    assert "We looked at it twice." in page.read_text()
    assert list((tmp_path / "findings" / "noise").iterdir())


@pytest.mark.parametrize(
    ("name", "options", "match"),
    [
        ("colour", ExperimentOptions(), "known are noise, noise-centres-last"),
        ("noise", ExperimentOptions(scale="large"), "known are tiny, small"),
        ("noise", ExperimentOptions(seeds=0), "at least 1"),
        ("noise", ExperimentOptions(steps=0), "at least 1"),
    ],
)
def test_wrong_wishes_are_refused_before_anything_is_made(name, options, match, tmp_path):
    with pytest.raises(InputError, match=match):
        run_experiment(name, options, tmp_path)
    assert not list(tmp_path.iterdir())
    assert run.SCALES is scale.SCALES
