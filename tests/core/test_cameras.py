"""Cameras: OpenCV axes, orbits, the numbered checks 12 to 14 of the method's list."""

import math
from dataclasses import replace

import pytest
import torch

from dd3g.core import canonical_rig, orbit, turned
from dd3g.core.cameras import mirrored
from dd3g.core.errors import InputError


def project(cameras, point):
    """Pixel (x, y) and depth of a world point in every view."""
    p = cameras.camera_from_world @ torch.tensor([*point, 1.0])
    uvw = (cameras.intrinsics @ p[..., :3, None])[..., 0]
    return uvw[..., :2] / uvw[..., 2:], p[..., 2]


def test_rotations_are_orthonormal_with_determinant_one():  # check 12
    cameras = orbit(torch.linspace(-180, 540, 13), torch.linspace(-80, 80, 13))
    rotation = cameras.camera_from_world[:, :3, :3]
    assert torch.allclose(rotation @ rotation.mT, torch.eye(3).expand(13, 3, 3), atol=1e-6)  # float32 of exact products
    assert torch.allclose(torch.linalg.det(rotation), torch.ones(13), atol=1e-6)


def test_azimuth_zero_stands_on_plus_z_and_ninety_on_plus_x():  # check 12, in our frame
    positions = canonical_rig().positions()
    expected = torch.tensor([[0, 0, 1.5], [1.5, 0, 0], [0, 0, -1.5], [-1.5, 0, 0]])
    assert torch.allclose(positions, expected, atol=1e-6)


def test_elevation_lifts_the_camera():
    position = orbit([0.0], 30.0, radius=2.0).positions()[0]
    assert torch.allclose(position, torch.tensor([0, 1.0, math.sqrt(3)]), atol=1e-6)


def test_origin_projects_to_the_centre_at_the_radius():  # check 13
    pixel, depth = project(orbit([0.0, 77.0, 200.0], [0.0, -30.0, 60.0], size=(200, 300)), (0, 0, 0))
    assert torch.allclose(pixel, torch.tensor([150.0, 100.0]).expand(3, 2), atol=1e-4)
    assert torch.allclose(depth, torch.full((3,), 1.5), atol=1e-6)


def test_up_in_the_world_is_up_in_the_picture():  # check 13
    pixel, _ = project(orbit([0.0, 120.0], [0.0, 40.0]), (0, 0.2, 0))
    assert (pixel[:, 1] < 128).all()


def test_plus_x_is_on_the_right_when_seen_from_the_front():
    pixel, _ = project(orbit([0.0]), (0.2, 0, 0))
    assert pixel[0, 0] > 128


def test_a_tenth_at_the_origin_is_18_68_pixels():  # check 14
    pixel, _ = project(orbit([0.0]), (0.1, 0, 0))
    assert float(pixel[0, 0]) - 128 == pytest.approx(18.68, abs=5e-3)


def test_turning_the_world_brings_an_azimuth_to_the_front():
    cameras = orbit([40.0, 130.0], [10.0, 10.0])
    assert torch.allclose(turned(cameras, 40.0).positions(), orbit([0.0, 90.0], 10.0).positions(), atol=1e-6)


def test_turning_by_one_angle_a_scene_equals_turning_each():
    cameras = canonical_rig()
    batch = cameras.pick(slice(None))
    batch = type(batch)(batch.camera_from_world.expand(2, 4, 4, 4), batch.intrinsics.expand(2, 4, 3, 3), 256, 256)
    both = turned(batch, torch.tensor([10.0, 250.0]))
    for scene, angle in enumerate((10.0, 250.0)):
        assert torch.equal(both.camera_from_world[scene], turned(cameras, angle).camera_from_world)


def test_resizing_scales_pixels_and_keeps_directions():
    small, large = orbit([30.0], size=64), orbit([30.0], size=64).resized(128, 128)
    assert torch.allclose(project(small, (0.1, 0.2, 0.3))[0] * 2, project(large, (0.1, 0.2, 0.3))[0], atol=1e-4)


def test_conditions_hold_a_unit_position_and_ignore_the_radius():
    near, far = orbit([70.0], 20.0, radius=1.0).conditions(), orbit([70.0], 20.0, radius=3.0).conditions()
    assert near.shape == (1, 16)
    assert torch.allclose(near, far, atol=1e-6)
    matrix = near.reshape(4, 4)
    assert torch.allclose(matrix[:3, 3], orbit([70.0], 20.0, radius=1.0).positions()[0], atol=1e-6)


@pytest.mark.parametrize("bad", [{"elevations_deg": 90.0}, {"radius": 0.0}, {"fov_y_deg": 180.0}, {"size": 0}])
def test_impossible_orbits_are_refused(bad):
    with pytest.raises(InputError, match="orbit"):
        orbit([0.0], **bad)


def test_a_mirrored_camera_sees_the_mirrored_world_in_the_mirrored_picture():
    cameras = orbit([10.0, 120.0, 250.0], [5.0, -20.0, 40.0], size=64)
    both = replace(
        cameras, camera_from_world=cameras.camera_from_world.expand(2, -1, -1, -1), intrinsics=cameras.intrinsics.expand(2, -1, -1, -1)
    )
    kept, turned_over = (mirrored(both, torch.tensor([False, True])).pick(k) for k in (0, 1))
    assert torch.equal(kept.camera_from_world, cameras.camera_from_world)
    before, depth = project(cameras, (0.2, -0.1, 0.3))
    after, other_depth = project(turned_over, (-0.2, -0.1, 0.3))
    torch.testing.assert_close(after[..., 0], 64 - before[..., 0])
    torch.testing.assert_close(after[..., 1], before[..., 1])
    torch.testing.assert_close(depth, other_depth)
