"""Reports of results: every figure and field is there, the worst come first, a neighbour is the nearest, pairs are compared in pairs."""

import json
import re
from dataclasses import replace

import numpy as np
import pytest
import torch

from dd3g.cli.main import main
from dd3g.core import orbit
from dd3g.core.errors import InputError, ViewsError
from dd3g.core.files import write_json
from dd3g.evaluate.comparison import compare_reports, comparison_table, sign_counts, sign_test
from dd3g.evaluate.failures import failure_signatures
from dd3g.evaluate.nearest import nearest_training_objects
from dd3g.evaluate.report import Cards, markdown, page, write_report
from dd3g.evaluate.report.evaluation import evaluation_report
from dd3g.evaluate.report.kept import KeptViews, kept_views, pictures
from dd3g.evaluate.results import DRAWS_FORMAT
from dd3g.evaluate.sources import Shown
from dd3g.recipes.views_pack import PackedGroup, ViewsPack
from tests.evaluate.kept_results import VIEWS, views_of, write_results

EVIL = "<img src=x onerror=alert(1)>"
NAMES = ["chair", "robot & dog", EVIL]


@pytest.fixture(scope="module")
def good(tmp_path_factory):
    folder = tmp_path_factory.mktemp("good")
    return write_results(folder, NAMES, 0.1, model="better"), folder


@pytest.fixture(scope="module")
def bad(tmp_path_factory):
    folder = tmp_path_factory.mktemp("bad")
    return write_results(folder, NAMES, 0.3, model="worse"), folder


def section(report, title):
    return next(found for found in report.sections if found.title == title)


def names_of_cards(found):
    return [card.title for block in found.blocks if isinstance(block, Cards) for card in block.cards]


def test_a_report_tells_the_means_and_the_whole_protocol(good):
    results, folder = good
    text, _ = markdown(evaluation_report(results, folder))
    figure = results["figures"]["psnr"]
    assert f"{figure['mean']:.2f} ({figure['low']:.2f} to {figure['high']:.2f})" in text
    assert results["protocol_digest"] in text
    for field in results["protocol_fields"]:
        assert field in text
    for told in ("better", "its weights are not there", "bad.glb: no faces", "--training-views"):
        assert told in text


def test_names_of_files_stay_text_on_the_whole_page(good, tmp_path):
    results, folder = good
    text = page(evaluation_report(results, folder))
    assert EVIL not in text
    assert "&lt;img src=x onerror=alert(1)&gt;" in text
    assert set(re.findall(r"<img (?:class=\"\w+\" )?src=\"([^,]*),", text)) == {"data:image/webp;base64"}
    assert write_report(evaluation_report(results, folder), tmp_path).stat().st_size < 400_000


def test_the_worst_come_first_by_the_metric_that_was_chosen(good):
    results, folder = good
    for metric in ("psnr", "ssim"):
        found = names_of_cards(section(evaluation_report(results, folder, worst_by=metric), "Failures"))
        assert found == [row["name"] for row in sorted(results["objects"], key=lambda row: row[metric])]
    with pytest.raises(InputError, match="lpips_alex: not measured here; choose one of psnr, ssim"):
        evaluation_report(results, folder, worst_by="lpips_alex")
    assert names_of_cards(section(evaluation_report(results, folder), "Objects")) == sorted(NAMES)


def test_a_training_runs_scores_become_curves(good):
    results, folder = good
    journal = [{"kind": "evaluate", "step": step, "dev_psnr": 20.0 + step} for step in range(3)]
    text, _ = markdown(evaluation_report(results, folder, journal=journal))
    assert "dev\\_psnr in training" in text
    assert "No training curve" not in text
    assert "No training curve" in markdown(evaluation_report(results, folder))[0]


def test_pictures_are_those_of_the_row_and_missing_ones_are_an_error(good, tmp_path):
    results, folder = good
    row = results["objects"][0]
    kept = kept_views(folder, row)
    assert kept.azimuths_deg == tuple(k * 360 / VIEWS for k in range(VIEWS))
    truth = views_of(row["name"])
    shown = pictures(kept.truth, [3])[0]
    assert (shown - torch.cat([truth.rgb[3], truth.alpha[3]])).abs().max() < 1 / 255
    with pytest.raises(InputError, match="the pictures of this result are not there"):
        kept_views(tmp_path, row)


def test_views_are_shown_from_all_sides_evenly(tmp_path):
    kept = KeptViews(tmp_path, tmp_path, (90.0, 0.0, 270.0, 180.0, 45.0, 135.0, 225.0, 315.0), (0.0,) * 8)
    assert [kept.azimuths_deg[k] for k in kept.around(4)] == [0, 90, 180, 270]
    assert len(kept.around(100)) == 8
    assert kept.azimuths_deg[kept.near(359)] == 0


def pack_of(names):
    views = [views_of(name) for name in names]
    rgba = torch.stack([torch.cat([v.rgb, v.alpha], 1) for v in views])
    cameras = views[0].cameras
    poses, lenses = (np.repeat(t.numpy()[None], len(names), 0) for t in (cameras.camera_from_world, cameras.intrinsics))
    group = PackedGroup((rgba * 255).round().to(torch.uint8).numpy(), None, np.ones(len(names), np.float32), poses, lenses)
    return ViewsPack(tuple(names), group, group, "digest")


def four_sides(name, start=0):
    views = views_of(name)
    rgba = torch.cat([views.rgb, views.alpha], 1)
    return rgba.roll(-start * VIEWS // 4, 0)[:: VIEWS // 4]


@pytest.mark.parametrize("turn", range(4))
def test_the_nearest_training_object_is_the_object_itself_however_it_is_turned(turn):
    pack = pack_of(["sofa", "lamp", "chair", "robot"])
    found = nearest_training_objects({"query": four_sides("chair", turn)}, pack)["query"]
    assert found.name == "chair"
    assert found.distance < 0.01  # 8 bit
    assert (found.rgba - four_sides("chair", turn)[0]).abs().max() < 1 / 255  # shown as the object is seen


def test_a_neighbour_stands_beside_its_object(good):
    results, folder = good
    pack = pack_of(["sofa", "chair"])
    neighbours = nearest_training_objects({name: four_sides(name) for name in NAMES}, pack)
    text, _ = markdown(evaluation_report(results, folder, neighbours=neighbours))
    assert "nearest in training: chair (0.00" in text
    assert "--training-views" not in text


def test_views_without_an_orbit_have_no_neighbours():
    pack = pack_of(["sofa"])
    cameras = orbit([10.0, 20.0, 30.0, 40.0], size=16)
    group = PackedGroup(
        pack.targets.rgba[:, :4], None, pack.targets.depth_step, cameras.camera_from_world.numpy()[None], cameras.intrinsics.numpy()[None]
    )
    with pytest.raises(ViewsError, match="no orbit"):
        nearest_training_objects({"a": four_sides("a")}, ViewsPack(pack.names, group, group, "d"))


def test_two_results_are_compared_object_by_object(good, bad, tmp_path):
    found = compare_reports(good[1], bad[1], tmp_path / "out")
    assert json.loads((tmp_path / "out" / "comparison.json").read_text()) == json.loads(json.dumps(found))
    figures = found["settings"]["main"]["columns"]["psnr"]
    rows = [(a["psnr"], b["psnr"]) for a, b in zip(good[0]["objects"], bad[0]["objects"], strict=True)]
    assert figures["difference"]["mean"] == pytest.approx(sum(b - a for a, b in rows) / len(rows))
    assert figures["better"] == "first"
    assert figures["counts"] == {"first": 3, "second": 0, "ties": 0, "p": 0.25}
    assert "the first is better; better on 3 : 0 objects" in comparison_table(found)
    text = (tmp_path / "out" / "report.html").read_text()
    assert EVIL not in text
    assert text.count('type="range"') == 3


def test_a_comparison_with_itself_decides_nothing_and_turned_round_it_changes_sign(good, bad, tmp_path):
    there, back = (compare_reports(a[1], b[1], tmp_path / str(k)) for k, (a, b) in enumerate(((good, bad), (bad, good))))
    for column, figures in there["settings"]["main"]["columns"].items():
        other = back["settings"]["main"]["columns"][column]
        assert figures["difference"]["mean"] == pytest.approx(-other["difference"]["mean"])
        assert (figures["counts"]["first"], figures["counts"]["p"]) == (other["counts"]["second"], other["counts"]["p"])
    itself = compare_reports(good[1], good[1], tmp_path / "same")["settings"]["main"]["columns"]
    assert all(figures["difference"]["mean"] == 0 and figures["better"] is None for figures in itself.values())
    assert all(figures["counts"] == {"first": 0, "second": 0, "ties": 3, "p": 1.0} for figures in itself.values())


def test_results_of_draws_are_compared_without_pictures(good, bad, tmp_path):
    for (results, _), name in ((good, "a"), (bad, "b")):
        rows = [{"name": row["name"], "sha256": row["sha256"], "psnr": row["psnr"]} for row in results["objects"]]
        figures = {"psnr": results["figures"]["psnr"]}
        write_json(tmp_path / name / "results.json", {**results, "format": DRAWS_FORMAT, "objects": rows, "figures": figures})
    found = compare_reports(tmp_path / "a", tmp_path / "b", tmp_path / "out")
    assert set(found["settings"]["main"]["columns"]) == {"psnr"}
    assert "Side by side" not in (tmp_path / "out" / "report.md").read_text()


def test_what_can_not_be_compared_is_refused(good, tmp_path):
    write_results(tmp_path / "other", NAMES[:1], 0.2, digest="c" * 64)
    with pytest.raises(InputError, match="different protocols"):
        compare_reports(good[1], tmp_path / "other", tmp_path / "out")
    with pytest.raises(InputError, match="is one of the results"):
        compare_reports(good[1], tmp_path / "other", good[1])
    with pytest.raises(InputError, match="no such file"):
        compare_reports(good[1], tmp_path / "nowhere", tmp_path / "out")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(("split", "p"), [((0, 0), 1.0), ((5, 0), 2 / 32), ((1, 4), 12 / 32), ((3, 3), 1.0)])
def test_the_sign_test_is_a_fair_coins_tail(split, p):
    assert sign_test(*split) == sign_test(*split[::-1]) == pytest.approx(p)


def test_lower_is_better_where_it_is():
    assert sign_counts([-1.0, -2.0, 0.0], "lpips_alex") == {"first": 0, "second": 2, "ties": 1, "p": 0.5}
    assert sign_counts([-1.0, -2.0, 0.0], "psnr_input") == {"first": 2, "second": 0, "ties": 1, "p": 0.5}


def test_the_command_compares_and_takes_nothing_else(good, bad, tmp_path, capsys):
    arguments = ["evaluate", "--compare", str(good[1]), str(bad[1]), "--out", str(tmp_path / "out")]
    assert main([*arguments, "--worst-by", "psnr"]) == 2
    assert "--worst-by: says nothing beside --compare" in capsys.readouterr().err
    assert main(arguments) == 0
    said = capsys.readouterr().out
    assert "the first is better" in said
    assert str(tmp_path / "out" / "report.html") in said


def test_a_metric_that_the_protocol_has_not_is_refused_before_anything_is_done(tmp_path, capsys):
    assert main(["evaluate", "--objects", str(tmp_path), "--worst-by", "beauty", "--out", str(tmp_path / "out")]) == 2
    assert "'beauty' is no metric of protocol orbit16-1: psnr" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_signatures_of_pictures_alone_are_those_that_pictures_tell():
    views = views_of("chair")
    white = torch.ones(3)
    shown = Shown(views.over(white), views.alpha, views.cameras)
    found = failure_signatures(shown, views, white, 0)
    assert found["contradicted"] is found["white_gaussians"] is None
    assert found["alpha_outside"] == 0
    assert found["saturation"] == pytest.approx(1, abs=1e-4)
    assert found["janus"] == pytest.approx(0, abs=1e-6)
    assert set(failure_signatures(replace(shown, alpha=None), views, white, 0).values()) == {None}
