"""From an ImageDream checkpoint to a student: collected, kept, given an alpha, learnt from. Weights are made up, pictures are drawn."""

import json
import shutil
from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image

from dd3g.cli.main import main
from dd3g.core import NoiseKey, orbit
from dd3g.core.views import unpremultiply
from dd3g.quadruples import open_quadruples
from dd3g.recipes import quadruple_batches
from dd3g.recipes.quadruple_batches import QuadrupleBatches, open_decoded
from dd3g.recipes.student_batches import StudentDataConfig
from dd3g.student.inference import infer
from dd3g.teacher.imagedream.sizes import VAESizes
from dd3g.teacher.teacher import load_teacher, sample
from tests.extras import needs_train
from tests.recipes.blobs import write_blobs
from tests.teacher.imagedream.synthetic import SMALL, original

pytestmark = needs_train

SIZES = replace(SMALL, unet=replace(SMALL.unet, attention=(False, True)), vae=VAESizes(widths=(32, 32, 32), layers=1))
QUICK = ["--steps", "2", "--unit", "2", "--batch", "2", "--quiet", "--workers", "1", "--dev-share", "0"]
STUDENT = ["--preset", "tiny", "--perceptual", "none", "--steps", "1", "--batch", "2", "--threads", "1", "--set", "data.render_size=32"]
STUDENT += [
    "--set",
    "model.extraction.latent_size=32",
    "--set",
    "model.extraction.channels=[8,16,32]",
    "--set",
    "model.extraction.blocks=[0,0,1]",
]


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory):
    return original(tmp_path_factory.mktemp("imagedream") / "sd-v2.1-base-4view-ipmv.pt", SIZES)


@pytest.fixture(scope="module")
def drawn(checkpoint, tmp_path_factory):
    folder = tmp_path_factory.mktemp("pictures")
    for i in range(2):
        rgba = np.zeros((40, 60, 4), np.uint8)
        rgba[8:30, 10 + 4 * i : 40] = (200, 40 * i, 90, 255)
        Image.fromarray(rgba).save(folder / f"shape-{i}.png")
    out = folder / "q"
    assert main(["collect", str(folder), "--teacher", str(checkpoint), "--draws", "1", "--out", str(out), *QUICK]) == 0
    return out


def test_a_quadruple_says_all_that_it_is_a_function_of(drawn, checkpoint):
    collection, teacher = open_quadruples(drawn), load_teacher(checkpoint)
    plan = collection.plan
    assert (plan.latent_shape, plan.guidance, plan.prompt, plan.negative) == ((4, 4, 32, 32), 5.0, "asset", "poor")
    assert plan.teacher == teacher.digest
    one = collection.quadruples[0]
    assert (one.azimuth_deg, one.elevation_deg) == (0.0, 5.0)
    assert torch.equal(one.cameras.camera_from_world, orbit([0.0, 90.0, 180.0, 270.0], 5.0).camera_from_world)
    assert one.grey is not None
    assert round(one.grey * 255) == pytest.approx(one.grey * 255, abs=1e-4)
    assert len({q.grey for q in collection.quadruples}) == 2  # each draw its own
    image = collection.inputs[one.image_id].image()[None]
    assert image.shape[-1] == 192
    noise = one.noise_of(plan.latent_shape)[None]
    again = sample(teacher, image, one.cameras, noise, grey=torch.tensor([one.grey]), guidance=5.0, steps=2)[0]
    assert one.latents is not None
    assert (again - one.latents).abs().max() < 2e-3 * again.abs().max()  # fp16 keeps 11 bits


class Stopped(Exception):
    """Of a generation, with the cameras that it was asked at."""


def stop(_noise, conditions, *_more, **_named):
    raise Stopped(conditions)


def test_a_student_learns_from_it(drawn, checkpoint, tmp_path, monkeypatch):
    command = ["train", str(drawn), "--teacher", str(checkpoint), "--out", str(tmp_path / "run"), *STUDENT]
    assert main(command) == 0
    from dd3g.student.load import load_student

    student = load_student(tmp_path / "run" / "last.safetensors").network
    assert student.config.noise_shape == (4, 4, 32, 32)
    assert student.config.extraction.guidance == 5.0  # what was drawn with, and no other was learnt
    monkeypatch.setattr(student, "decode", stop)
    with pytest.raises(Stopped) as stopped:
        infer(student, torch.rand(4, 64, 64), NoiseKey("any", 0), elevation_deg=0.0, distance=1.5)
    (asked,) = stopped.value.args
    assert torch.equal(asked[0], orbit([0.0, 90.0, 180.0, 270.0], 5.0).conditions())  # where its teacher's noise is tied
    views = np.load(drawn / ".decoded" / "views.npy")
    assert views.shape == (2, 4, 4, 128, 128)


def test_views_may_be_compared_over_the_grey_that_they_were_drawn_over(drawn, checkpoint, tmp_path, monkeypatch):
    """There a view with its alpha is the view that was decoded, however soft the matte took it to be."""

    def soft(rgb, grey):
        alpha = torch.full_like(rgb[:, :1], 0.9)
        return torch.cat([unpremultiply(rgb - 0.1 * grey[:, None, None, None], alpha), alpha], 1)

    monkeypatch.setattr(quadruple_batches, "network_matte", lambda: soft)
    shutil.copytree(drawn, tmp_path / "q", ignore=shutil.ignore_patterns(".decoded"))
    teacher = load_teacher(checkpoint)
    decoded = open_decoded(tmp_path / "q", teacher, quiet=True)
    shape = StudentDataConfig(batch=2, image_size=64, render_size=128, degrade=0.0, own_grey=1.0)
    batch = QuadrupleBatches([decoded], shape, 0)(0)
    each = {round(q.grey * 255): q for q in decoded.collection.quadruples if q.grey is not None}
    for background, rgb, alpha in zip(batch.background, batch.target_rgb, batch.target_alpha, strict=True):
        assert len(background.unique()) == 1
        latents = each[round(background[0, 0].item() * 255)].latents
        assert latents is not None
        lit = rgb * alpha + background[:, :, None, None] * (1 - alpha)
        # 8 bits for colour and for alpha; the rarest colours would have to lie outside [0, 1]
        assert ((lit - teacher.codec.decode(latents)).abs() < 2 / 255).float().mean() > 0.9
    matted = QuadrupleBatches([decoded], replace(shape, own_grey=0.0), 0)(0)
    assert len(matted.background.unique()) > 2


def test_real_views_are_laid_over_a_grey_and_followed_back(checkpoint, tmp_path):
    views = write_blobs(tmp_path / "views", 1, target_size=128)
    command = ["collect", str(views), "--invert", "--teacher", str(checkpoint), "--out", str(tmp_path / "q"), "--per-object", "1"]
    assert main([*command, "--iterations", "2", *QUICK, "--steps", "1"]) == 0
    (one,) = open_quadruples(tmp_path / "q").quadruples
    assert one.grey is not None
    assert one.views is not None
    assert one.noise is not None
    assert one.views.shape == (4, 4, 128, 128)  # as they were, alpha and all
    assert one.noise.shape == (4, 4, 32, 32)
    assert one.guidance == 1.0
    assert json.loads((tmp_path / "q" / "report.json").read_text())["round_trips"] == 1


@pytest.mark.parametrize(
    ("more", "message"), [(["--prompt", "a red chair"], "prompt: found 'a red chair'"), (["--negative", "x"], "negative")]
)
def test_a_text_that_is_not_stored_is_refused(checkpoint, tmp_path, capsys, more, message):
    assert main(["collect", "pictures", "--teacher", str(checkpoint), "--out", str(tmp_path / "q"), *QUICK, *more]) == 2
    assert message in capsys.readouterr().err
