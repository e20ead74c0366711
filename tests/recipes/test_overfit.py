"""A student can learn what it is shown: the way from picture to splats and back has no leak.

Scored on the pictures that it was shown, since nothing is asked here about others: one picture an object, so that what stands behind it is
learnt by heart.
"""

from dataclasses import replace
from typing import cast

import pytest
import torch

from dd3g.core.views import composite
from dd3g.core.views_folder import ObjectViews, save_object_views
from dd3g.distill.explicit import psnr
from dd3g.objects import RIGS, make_object
from dd3g.objects.job import render_groups
from dd3g.recipes.student import StudentLossConfig, student_recipe
from dd3g.recipes.student_batches import StudentBatches, StudentDataConfig
from dd3g.recipes.views_pack import open_pack
from dd3g.render import rasterize
from dd3g.student import PEPD
from dd3g.student.presets import tiny
from dd3g.training import FitConfig, SessionConfig, fit

LOSS = StudentLossConfig(perceptual="none")
SPARSE = {"evaluate_every": 10_000, "sheet_every": 10_000, "log_every": 100, "weight_decay": 0.0}


def views_of(root, seeds, size):
    """Procedural objects as `dd3g objects --procedural` renders them, smaller."""
    rig = replace(RIGS["small"], input_views=1, target_size=size, input_size=size, supersampling=2)
    for seed in seeds:
        groups, _ = render_groups(make_object(seed), rig, f"object {seed}", 0)
        save_object_views(root, ObjectViews(f"made-{seed:03d}", groups))
    return open_pack(root, quiet=True)


def data_of(batch, target_views, size):
    return StudentDataConfig(
        batch=batch, target_views=target_views, image_size=size, render_size=size, mirror=0.0, recolour=0.0, degrade=0.0
    )


def shown_psnr(model, pack, data, config, out, threads):
    """Trains, then renders all objects from all views they were shown by."""
    recipe = student_recipe(model, data, LOSS, [pack], None, seed=0, provenance={})
    student = cast(PEPD, recipe.network)
    fit(recipe, config, out, SessionConfig(threads=threads, quiet=True))
    everything = replace(data, batch=len(pack), target_views=pack.targets.rgba.shape[1])
    shown = StudentBatches([pack], everything, model.noise_shape, seed=1)(0)
    with torch.no_grad():
        made = student.eval().decode(shown.noise, shown.conditions, shown.image, shown.elevation_deg, shown.distance).gaussians
        placed = made.transformed(1 / shown.scale, -shown.offset / shown.scale[:, None])
        white = torch.ones(3)
        ours = rasterize(placed, shown.cameras, white).rgb
    return psnr(ours, composite(shown.target_rgb, shown.target_alpha, white)).mean().item()


def test_one_object_passes_25_db_within_100_steps(tmp_path):
    pack = views_of(tmp_path / "views", [2], 48)
    config = FitConfig(steps=100, lr=5e-3, warmup_steps=20, **SPARSE)
    assert shown_psnr(tiny(), pack, data_of(1, 4, 48), config, tmp_path / "run", threads=1) > 25


@pytest.mark.slow
def test_eight_objects_pass_28_db(tmp_path):
    pack = views_of(tmp_path / "views", range(8), 48)
    config = FitConfig(steps=2000, lr=4e-3, warmup_steps=50, **SPARSE)
    assert shown_psnr(tiny(), pack, data_of(4, 4, 48), config, tmp_path / "run", threads=1) > 28
