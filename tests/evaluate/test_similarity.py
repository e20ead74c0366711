"""Registration with the input picture: what was moved is moved back, and nothing but the input view is looked at."""

from dataclasses import replace

import pytest
import torch

from dd3g.core import Gaussians
from dd3g.core.cameras import orbit, turned
from dd3g.distill.explicit import psnr
from dd3g.evaluate.similarity import register, turned_about_y
from dd3g.render import rasterize

WHITE = torch.ones(3)
CAMERA = orbit([0.0], 0.0, size=64)


@pytest.fixture(scope="module")
def plate():
    generator = torch.Generator().manual_seed(0)
    means = (torch.rand(1500, 3, generator=generator) - 0.5) * torch.tensor([0.44, 0.87, 0.22])
    rgb = (means / 0.9 + 0.5).clamp(0, 1)  # colour tells the sides apart
    return Gaussians(means, torch.tensor([1.0, 0, 0, 0]).expand(1500, 4), torch.full((1500, 3), 0.025), torch.full((1500,), 0.9), rgb)


def picture(splats):
    render = rasterize(splats, CAMERA, torch.zeros(3))
    return torch.cat([(render.rgb[0] / render.alpha[0].clamp_min(1e-4)).clamp(0, 1), render.alpha[0]])


@pytest.mark.parametrize(("yaw", "scale", "offset"), [(40.0, 0.6, (0.1, 0.05, 0.0)), (185.0, 1.3, (-0.05, 0.0, 0.0))])
def test_what_was_moved_is_moved_back(plate, yaw, scale, offset):
    moved = turned_about_y(plate.transformed(torch.tensor(scale), torch.tensor(offset)), yaw)
    found = register(moved, CAMERA, picture(plate), WHITE)
    assert abs((found.yaw_deg + yaw + 180) % 360 - 180) < 8  # degrees: boxes are found to a pixel of 64
    assert found.scale == pytest.approx(1 / scale, rel=0.06)
    sides = orbit([60.0, 150.0, 240.0], 0.0, size=64)
    truth = rasterize(plate, sides, WHITE).rgb
    before, after = (psnr(rasterize(splats, sides, WHITE).rgb, truth).mean() for splats in (moved, found.apply(moved)))
    assert after > before + 5


def test_what_stands_right_stays(plate):
    found = register(plate, CAMERA, picture(plate), WHITE)
    assert found.yaw_deg in (0.0, 358.125, 1.875)
    assert found.scale == pytest.approx(1, abs=0.03)
    assert max(map(abs, found.offset)) < 0.02


def test_turning_splats_is_turning_cameras_the_other_way(plate):
    cameras = orbit([0.0, 70.0], 20.0, size=48)
    ours = rasterize(turned_about_y(plate, 30.0), cameras, WHITE).rgb
    assert torch.allclose(ours, rasterize(plate, turned(cameras, 30.0), WHITE).rgb, atol=5e-3)  # an alpha may cross 1 / 255


def test_nothing_at_all_is_left_where_it_is(plate):
    empty = replace(plate, opacities=torch.zeros_like(plate.opacities))
    found = register(empty, CAMERA, picture(plate), WHITE)
    assert (found.scale, found.offset) == (1.0, (0.0, 0.0, 0.0))
