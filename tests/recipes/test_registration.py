"""Bringing the student's frame and the teacher's together by silhouettes."""

import pytest
import torch

from dd3g.core import Gaussians, canonical_rig
from dd3g.core.cameras import Cameras
from dd3g.recipes.registration import silhouette_moments, silhouette_similarity
from dd3g.render import rasterize


def body(count=400, batch=3, seed=0):
    """A lopsided, opaque body in each scene."""
    generator = torch.Generator().manual_seed(seed)
    means = torch.randn(batch, count, 3, generator=generator) * torch.tensor([0.12, 0.06, 0.09])
    means = means + torch.tensor([0.05, -0.03, 0.02])
    quats = torch.zeros(batch, count, 4)
    quats[..., 0] = 1
    flat = torch.full((batch, count), 0.9)
    return Gaussians(means, quats, torch.full((batch, count, 3), 0.02), flat, torch.rand(batch, count, 3, generator=generator))


def rig(batch=3, size=64):
    cameras = canonical_rig(size)
    return Cameras(cameras.camera_from_world.expand(batch, -1, -1, -1), cameras.intrinsics.expand(batch, -1, -1, -1), size, size)


def test_a_similarity_that_was_applied_is_found():
    student, cameras = body(), rig()
    scale = torch.tensor([0.8, 1.0, 1.4])
    offset = torch.tensor([[0.05, -0.04, 0.03], [0.0, 0.0, 0.0], [-0.06, 0.02, 0.05]])
    theirs = student.transformed(1 / scale, -offset / scale[:, None])
    alpha = rasterize(theirs, cameras, torch.zeros(3)).alpha
    found_scale, found_offset = silhouette_similarity(student, alpha, cameras)
    # perspective, and pixels of 0.02 object units, leave a few per cent
    assert (found_scale / scale - 1).abs().max() < 0.03
    assert (found_offset - offset).abs().max() < 0.01


def test_the_middle_of_a_small_ball_is_where_it_stands():
    centre = torch.tensor([[0.1, -0.05, 0.15]])
    ball = Gaussians(
        centre[:, None], torch.tensor([[[1.0, 0, 0, 0]]]), torch.full((1, 1, 3), 0.03), torch.full((1, 1), 0.9), torch.ones(1, 1, 3)
    )
    middle, spread = silhouette_moments(rasterize(ball, rig(1), torch.zeros(3)).alpha, rig(1))
    assert (middle - centre).abs().max() < 0.02  # nearer and farther cameras disagree by a tenth of the distance from the origin
    assert spread.item() == pytest.approx(0.03 * 2**0.5, rel=0.25)  # of two axes; the rasterizer blurs and clips it


def test_nothing_to_register_changes_nothing():
    student = body()
    scale, offset = silhouette_similarity(student, torch.zeros(3, 4, 1, 64, 64), rig())
    assert torch.equal(scale, torch.ones(3))
    assert torch.equal(offset, torch.zeros(3, 3))
