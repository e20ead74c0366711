"""From an ImageDream checkpoint to a student: collected, kept, given an alpha, learnt from. Weights are made up, pictures are drawn."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image

from dd3g.cli.main import main
from dd3g.core import orbit
from dd3g.quadruples import open_quadruples
from dd3g.teacher.imagedream.sizes import VAESizes
from dd3g.teacher.teacher import load_teacher, sample
from tests.extras import needs_train
from tests.teacher.imagedream.synthetic import SMALL, original

pytestmark = needs_train

SIZES = replace(SMALL, unet=replace(SMALL.unet, attention=(False, True)), vae=VAESizes(widths=(32, 32, 32), layers=1))
QUICK = ["--steps", "2", "--unit", "2", "--batch", "2", "--quiet", "--workers", "1", "--dev-share", "0"]
STUDENT = ["--preset", "tiny", "--perceptual", "none", "--steps", "2", "--batch", "2"]
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


def test_a_student_learns_from_it(drawn, checkpoint, tmp_path):
    command = ["train", str(drawn), "--teacher", str(checkpoint), "--out", str(tmp_path / "run"), *STUDENT]
    assert main(command) == 0
    from dd3g.student.load import load_student

    student = load_student(tmp_path / "run" / "last.safetensors").network
    assert student.config.noise_shape == (4, 4, 32, 32)
    views = np.load(drawn / ".decoded" / "views.npy")
    assert views.shape == (2, 4, 4, 128, 128)
