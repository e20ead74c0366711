"""Whether a student follows its noise: laws on students whose answer is known, then the command on a drawn collection."""

import json
import shutil

import numpy as np
import pytest
import torch
from PIL import Image

from dd3g.cli.main import main
from dd3g.core import NoiseKey, draw_noise
from dd3g.core.model_file import save_model_file
from dd3g.distill.explicit import psnr
from dd3g.evaluate import AlignmentOptions
from dd3g.evaluate.alignment import ImageFigures, bootstrap, compare, found_first, mean_distance, summary, variance_of
from dd3g.evaluate.alignment_run import COLUMNS, batches_of, compare_image, draws_of
from dd3g.evaluate.results import compare as compare_results
from dd3g.recipes.quadruple_batches import open_decoded
from dd3g.student import PEPD
from dd3g.student.config import config_to_json
from dd3g.student.load import load_student
from dd3g.student.presets import tiny
from dd3g.teacher.teacher import TeacherNetworks, load_teacher, save_teacher
from tests.extras import needs_train
from tests.recipes.blobs import write_blobs
from tests.teacher.tiny import CODEC, TEACHER

NOISE = (4, 4, 3, 3)
DRAWS = 5


def noises(image, draws=DRAWS):
    return torch.stack([draw_noise(NoiseKey(image, k), NOISE) for k in range(draws)])


def teach(noise):
    """A teacher whose views are bright or dark by the noise, in [0.2, 0.8]."""
    return 0.2 + 0.6 * noise[:, :, :3].sigmoid().repeat_interleave(2, -1).repeat_interleave(2, -2)


def perfect(noise):
    return teach(noise)


def deaf(noise):
    """The same answer whatever the noise."""
    return teach(noises("some other picture", 1)).expand(len(noise), -1, -1, -1, -1)


def figures_of(render, image="a", draws=DRAWS, **more):
    noise = noises(image, draws)
    return compare(teach(noise), noise, noises(f"fresh {image}", draws), render, **more)[0]


def test_a_student_that_is_the_teacher_finds_every_draw():
    found = figures_of(perfect)
    assert found.views_found == found.noise_found == 1
    assert found.paired_db == pytest.approx(100)  # what counts as perfect
    assert found.paired_mse == 0
    assert found.paired_db > found.shuffled_db + 50
    assert found.paired_db > found.fresh_db + 50
    assert found.spread == pytest.approx(found.variance)
    assert found.distance_ours == pytest.approx(found.distance)


def test_its_shuffled_error_is_twice_the_variance():
    """Two draws of one distribution are twice as far apart as one from the mean."""
    found = figures_of(perfect)
    assert found.shuffled_mse == pytest.approx(2 * found.variance, rel=1e-5)  # exact for all pairs of one sample
    many = [figures_of(perfect, f"picture {k}") for k in range(40)]
    assert np.mean([f.fresh_mse for f in many]) == pytest.approx(2 * np.mean([f.variance for f in many]), rel=0.05)


def test_a_student_that_is_deaf_to_noise_is_at_chance_and_its_pairs_mean_nothing():
    found = figures_of(deaf)
    assert found.views_found == found.noise_found == 1 / DRAWS
    assert found.paired_db == pytest.approx(found.shuffled_db, abs=1e-10)
    assert found.paired_db == pytest.approx(found.fresh_db, abs=1e-10)
    assert found.paired_mse == pytest.approx(found.shuffled_mse, rel=1e-10)
    assert found.spread == 0
    assert found.distance_ours == 0 < found.distance


def test_the_mean_over_draws_floors_at_their_variance():
    truth = teach(noises("a", 200))
    found = figures_of(lambda noise: truth.mean(0).expand(len(noise), -1, -1, -1, -1), draws=200)
    assert found.paired_mse == pytest.approx(found.variance, rel=0.01)  # 199 / 200 of it: the mean has seen the draw
    assert found.shuffled_mse == pytest.approx(found.variance, rel=0.01)


def test_the_floor_is_the_mean_of_the_other_draws():
    truth = teach(noises("a"))
    each = [psnr(truth[[k for k in range(DRAWS) if k != j]].mean(0), truth[j]).mean().item() for j in range(DRAWS)]
    found = figures_of(perfect)
    assert found.floor_db == pytest.approx(np.mean(each), abs=1e-4)
    assert found.floor_mse == pytest.approx(found.variance * DRAWS / (DRAWS - 1), rel=1e-6)
    assert variance_of(truth) == pytest.approx(truth.double().numpy().var(0, ddof=1).mean(), rel=1e-6)


def test_the_matrix_is_of_renders_and_truths_and_its_diagonal_the_pairs():
    """A student that hears the noise of the next draw: never right, and best where it is wrong."""
    noise = noises("a")
    names = {tuple(n.flatten().tolist()): k for k, n in enumerate(noise)}

    def shifted(asked):
        return teach(torch.stack([noise[(names[tuple(n.flatten().tolist())] + 1) % DRAWS] for n in asked]))

    found, ours = compare(teach(noise), noise, noise, shifted)
    assert found.views_found == found.noise_found == 0
    assert found.shuffled_db > found.paired_db
    assert torch.equal(ours, teach(noise).roll(-1, 0))


def test_figures_do_not_depend_on_how_many_are_rendered_at_once():
    sizes = []

    def counted(noise):
        sizes.append(len(noise))
        return teach(noise) * 0.9

    one, all_ = figures_of(counted, at_once=2), figures_of(counted, at_once=100)
    assert one == all_
    assert sizes == [2, 2, 1, 2, 2, 1, DRAWS, DRAWS]


def test_renders_outside_the_range_are_cut_to_it():
    assert figures_of(lambda noise: teach(noise) + 9) == figures_of(lambda noise: torch.ones_like(teach(noise)))


def test_ties_are_shared():
    assert found_first(torch.eye(3)) == 1
    assert found_first(torch.zeros(4, 4)) == 0.25
    assert found_first(torch.tensor([[1.0, 1.0], [0.0, 1.0]])) == 0.75


def test_the_interval_holds_the_mean_and_narrows_with_images():
    random = np.random.default_rng(3)
    values = random.normal(2.0, 1.0, 400)
    few, many = bootstrap(values[:25].tolist()), bootstrap(values.tolist())
    for interval, of in ((few, values[:25]), (many, values)):
        assert interval.low is not None
        assert interval.high is not None
        assert interval.low < interval.mean < interval.high
        assert interval.mean == pytest.approx(of.mean())
        assert interval.high - interval.low == pytest.approx(2 * 1.96 * of.std() / len(of) ** 0.5, rel=0.15)
    assert bootstrap(values.tolist()) == many  # seeded
    assert bootstrap(values.tolist(), seed=1) != many
    assert bootstrap([1.5]).low is None
    assert bootstrap([2.0, 4.0], [1.0, 1.0]).mean == 3.0


def test_intervals_cover_the_truth_about_as_often_as_they_say():
    random = np.random.default_rng(0)
    hits = 0
    for _ in range(200):
        found = bootstrap(random.normal(0.0, 1.0, 40).tolist(), resamples=300)
        hits += found.low is not None and found.high is not None and found.low <= 0 <= found.high
    assert 0.88 <= hits / 200 <= 0.99  # a percentile interval of 40 covers a little less than 95 %


def test_the_summary_tells_the_two_students_apart():
    pictures = [f"picture {k}" for k in range(12)]
    good = summary([figures_of(lambda noise: teach(noise) * 0.95, name) for name in pictures])
    bad = summary([figures_of(deaf, name) for name in pictures])
    assert good["paired_minus_shuffled_db"]["low"] > 1
    assert good["retrieval"]["views_of_noise"]["low"] > good["retrieval"]["chance"] == pytest.approx(1 / DRAWS)
    assert bad["retrieval"]["views_of_noise"] == pytest.approx({"mean": 0.2, "low": 0.2, "high": 0.2})
    assert bad["paired_minus_shuffled_db"]["mean"] == pytest.approx(0, abs=1e-9)
    assert good["images"] == 12
    assert good["draws"] == 60
    assert good["mse_over_variance"]["paired"]["mean"] < 0.1 < 1 < good["mse_over_variance"]["shuffled"]["mean"]
    assert bad["diversity"]["mean"] == 0
    assert good["diversity"]["mean"] == pytest.approx(0.95, rel=1e-5)  # a distance, and scaled as the pictures are
    json.dumps([good, bad], allow_nan=False)


def test_distances_are_of_every_pair_once():
    levels = torch.tensor([0.0, 0.1, 0.4])
    views = levels[:, None, None, None, None].expand(3, 2, 3, 4, 4)
    assert mean_distance(views) == pytest.approx((0.1 + 0.4 + 0.3) / 3)
    assert mean_distance(views, lambda a, b: (a - b).square().mean((1, 2, 3))) == pytest.approx((0.01 + 0.16 + 0.09) / 3)


def test_one_image_has_means_and_no_intervals():
    table = summary([figures_of(perfect)])
    assert table["paired_minus_shuffled_db"]["low"] is None
    assert isinstance(figures_of(perfect), ImageFigures)


# The command

QUICK = ["--steps", "2", "--unit", "8", "--size", "48", "--workers", "1", "--per-object", "1", "--quiet"]


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """(folder with views, teacher, student, collection of three draws each)."""
    root = tmp_path_factory.mktemp("alignment")
    torch.manual_seed(0)
    save_teacher(root / "teacher.safetensors", TeacherNetworks(TEACHER, CODEC).eval(), {})
    save_student(root / "student.safetensors", latent_size=6, guidance=1.0)
    write_blobs(root / "views", 4)
    assert collect(root, "views", "quadruples", "--draws", "3", "--dev-share", "0.5") == 0
    return root


def save_student(path, latent_size, guidance=None):
    from dataclasses import replace

    extraction = replace(tiny().extraction, latent_size=latent_size, halve_first=False, guidance=guidance)
    config = replace(tiny(), extraction=extraction)
    torch.manual_seed(1)
    save_model_file(path, kind="student", config=config_to_json(config), about={}, tensors=PEPD(config).state_dict())


def collect(root, source, out, *more):
    return main(["collect", str(root / source), "--teacher", str(root / "teacher.safetensors"), "--out", str(root / out), *QUICK, *more])


def evaluated(root, out, *more, collection="quadruples", model="student.safetensors"):
    wanted = ["evaluate", "--quadruples", str(root / collection), "--teacher", str(root / "teacher.safetensors"), "--out", str(out)]
    return main([*wanted, "--model", str(root / model), "--quiet", *more])


@needs_train
def test_the_command_writes_figures_and_a_sheet(made, tmp_path, capsys):
    assert evaluated(made, tmp_path, "--split", "all") == 0
    shown = capsys.readouterr().out
    assert "4 images (all) with 3 draws each; the student is told w 3" in shown
    assert "by chance 0.333" in shown
    table = json.loads((tmp_path / "results.json").read_text())
    assert table["images"] == 4
    assert table["draws"] == 12
    assert table["left_out"] == 0
    assert [row["draws"] for row in table["objects"]] == [3] * 4
    assert set(table["psnr"]) == {"paired", "shuffled", "fresh", "floor"}
    assert all(0 < row["variance"] < 0.5 for row in table["objects"])
    with Image.open(tmp_path / "sheet.png") as picture:
        assert picture.width == 13 * (128 + 4) + 4  # the input, and two sides of three draws, true and ours
    sides = []
    for side in ("dev", "train"):
        assert evaluated(made, tmp_path / side, "--split", side) == 0
        sides.append(json.loads((tmp_path / side / "results.json").read_text())["images"])
    assert sum(sides) == 4


@needs_train
def test_the_same_command_gives_the_same_figures_and_images_can_be_few(made, tmp_path):
    for name in ("one", "two"):
        assert evaluated(made, tmp_path / name, "--split", "all", "--images", "2") == 0
    tables = [json.loads((tmp_path / name / "results.json").read_text()) for name in ("one", "two")]
    assert {**tables[0], "seconds": 0} == {**tables[1], "seconds": 0}
    paired = compare_results(*tables)["settings"]["all"]["columns"]  # two students on one collection, image by image
    assert set(paired) == set(COLUMNS)
    assert all(found["difference"]["mean"] == 0 and found["better"] is None for found in paired.values())
    assert paired["distillation_psnr"]["first"] == pytest.approx(tables[0]["psnr"]["paired"])
    assert len(tables[0]["objects"]) == 2


@needs_train
def test_what_cannot_be_compared_is_refused_in_a_sentence(made, tmp_path, capsys):
    def refused(words, status):
        assert status == 2
        error = capsys.readouterr().err
        assert words in error
        assert error.count("\n") == 1
        assert not (tmp_path / "r").exists()

    assert collect(made, "views", "one", "--draws", "1") == 0
    refused("has two draws at the same cameras", evaluated(made, tmp_path / "r", "--split", "all", collection="one"))
    assert collect(made, "views", "real", "--invert") == 0
    refused("give a collection that was drawn", evaluated(made, tmp_path / "r", "--split", "all", collection="real"))
    save_student(made / "wide.safetensors", latent_size=8)
    refused("takes noise of (4, 4, 8, 8)", evaluated(made, tmp_path / "r", model="wide.safetensors"))
    refused("--images: found 0", evaluated(made, tmp_path / "r", "--images", "0"))
    refused("--workers: says nothing beside --quadruples", evaluated(made, tmp_path / "r", "--workers", "2"))
    command = ["evaluate", "--out", str(tmp_path / "r")]
    refused("give --teacher", main([*command, "--quadruples", str(made / "quadruples")]))
    refused("--split: says nothing beside --objects", main([*command, "--objects", "meshes", "--split", "dev"]))
    refused("no collection of quadruples", main([*command, "--quadruples", "no", "--teacher", str(made / "teacher.safetensors")]))
    with pytest.raises(SystemExit, match="2"):
        main([*command, "--objects", "meshes", "--quadruples", "q"])
    assert "not allowed with" in capsys.readouterr().err


@needs_train
def test_draws_of_other_cameras_are_not_compared(made, tmp_path):
    """Half of the draws stand elsewhere: of each image, those from the rig are taken."""
    assert collect(made, "views", "varied", "--draws", "6", "--varied", "0.5", "--dev-share", "0") == 0
    assert evaluated(made, tmp_path, "--split", "train", collection="varied") == 0
    table = json.loads((tmp_path / "results.json").read_text())
    assert 2 <= table["draws_an_image"][0] <= table["draws_an_image"][1] < 6
    shutil.rmtree(made / "varied")


@needs_train
def test_a_photographs_place_does_not_tell_which_draw_it_is(made, monkeypatch):
    """Its scale is found from silhouettes; a student that hears nothing must stay at chance all the same."""
    folder = made / "photographs"
    folder.mkdir()
    for i in range(2):
        rgba = np.zeros((40, 60, 4), np.uint8)
        rgba[8:30, 10 + 8 * i : 40] = (200, 40 * i, 90, 255)
        Image.fromarray(rgba).save(folder / f"shape-{i}.png")
    assert collect(made, "photographs", "drawn-photographs", "--draws", "4", "--dev-share", "0") == 0
    student = load_student(made / "student.safetensors").network
    hears = student.extraction.forward
    monkeypatch.setattr(student.extraction, "forward", lambda noise, *more: hears(torch.zeros_like(noise), *more))
    decoded = open_decoded(made / "drawn-photographs", load_teacher(made / "teacher.safetensors"), quiet=True)
    assert next(iter(decoded.collection.inputs.values())).placement is None
    batches = batches_of(decoded, "train", "cpu")
    images, _ = draws_of(batches, AlignmentOptions("drawn-photographs", "teacher", split="train"))
    for image in images:
        found, truth, ours, _ = compare_image(student, batches, image, decoded.collection.plan.latent_shape)
        assert (truth[0] - truth[1]).abs().max() > 0.01
        assert torch.equal(ours[0], ours[3])
        assert found.paired_db == pytest.approx(found.shuffled_db, abs=1e-10)
        assert found.views_found == found.noise_found == 0.25
