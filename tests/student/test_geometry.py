"""The input camera's rays, the seeds on them, and sampling the picture."""

import math

import pytest
import torch

from dd3g.core import orbit
from dd3g.student.look_back import camera_quats, multiply_quats, points_on_rays, project, sample_rgba
from dd3g.student.object_box import ObjectBox, box_of, crop
from dd3g.student.seeding import HALF_FRAME, inflate, seed_matte


def rotation(quats):
    """Rotation matrices of unit quaternions, the textbook formula."""
    w, x, y, z = quats.unbind(-1)
    rows = [
        [1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y)],
        [2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x)],
        [2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)],
    ]
    return torch.stack([torch.stack(row, -1) for row in rows], -2)


def whole(batch=1):
    """The box that is the whole picture."""
    return ObjectBox(torch.zeros(batch, 2), torch.ones(batch))


def disc(radius=0.5, size=64):
    y, x = torch.meshgrid(torch.linspace(-1, 1, size), torch.linspace(-1, 1, size), indexing="ij")
    return (x**2 + y**2 < radius**2).float()[None, None]


def test_rays_agree_with_the_rigs_camera():
    """The student's own input camera is core's orbit camera; two definitions of one thing must not drift apart."""
    elevation, distance = torch.tensor([-20.0, 0.0, 35.0]), torch.tensor([1.5, 2.0, 5.0])
    generator = torch.Generator().manual_seed(0)
    xy, towards = torch.rand(3, 50, 2, generator=generator) * 2 - 1, torch.rand(3, 50, generator=generator) - 0.5
    points = points_on_rays(xy, towards, elevation, distance)
    fov = torch.rad2deg(torch.atan(HALF_FRAME / distance)) * 2
    cameras = orbit([0.0] * 3, elevation, size=2, radius=distance, fov_y_deg=fov)
    seen = torch.einsum("bij,bnj->bni", cameras.camera_from_world[:, :3, :3], points) + cameras.camera_from_world[:, None, :3, 3]
    pixel = torch.einsum("bij,bnj->bni", cameras.intrinsics, seen)
    assert torch.allclose(pixel[..., :2] / pixel[..., 2:] - 1, xy, atol=1e-4)
    assert torch.allclose(distance[:, None] - seen[..., 2], towards, atol=1e-5)


def test_projecting_inverts_placing():
    elevation, distance = torch.tensor([12.0]), torch.tensor([2.5])
    xy, towards = torch.tensor([[[0.3, -0.6], [0.0, 0.9]]]), torch.tensor([[0.4, -0.5]])
    found_xy, found_towards = project(points_on_rays(xy, towards, elevation, distance), elevation, distance)
    assert torch.allclose(found_xy, xy, atol=1e-5)
    assert torch.allclose(found_towards, towards, atol=1e-5)


def test_camera_quaternion_holds_the_cameras_axes():
    elevation = torch.tensor([-20.0, 0.0, 35.0])
    world_from_camera = orbit([0.0] * 3, elevation).camera_from_world[:, :3, :3].mT
    assert torch.allclose(rotation(camera_quats(elevation)), world_from_camera, atol=1e-6)


def test_quaternion_product_is_the_product_of_rotations():
    generator = torch.Generator().manual_seed(0)
    a, b = (torch.nn.functional.normalize(torch.randn(20, 4, generator=generator), dim=-1) for _ in range(2))
    assert torch.allclose(rotation(multiply_quats(a, b)), rotation(a) @ rotation(b), atol=1e-5)


def test_seeds_lie_in_the_matte_and_spread_evenly():
    matte = disc()
    seeds = seed_matte(matte, whole(), 4096, 6)
    assert seeds.xy.norm(dim=-1).max() < 0.5 + 2 * 2 / 64  # the disc, and the cell that its rim cuts
    inner = seeds.xy[seeds.rim == 0]
    quarter = (inner > 0).float().mean(0)
    assert torch.allclose(quarter, torch.full((2,), 0.5), atol=0.02)
    # As many fronts as backs inside, and every layer at the rim.
    assert set(seeds.layer[seeds.rim == 0].tolist()) == {0.0, 1.0}
    assert float(seeds.layer[seeds.rim == 0].mean()) == pytest.approx(0.5, abs=0.03)
    assert seeds.layer[seeds.rim == 1].std() > 0.2


def test_equal_shares_of_the_seeds_are_patches_of_the_picture():
    seeds = seed_matte(disc(), whole(), 4096, 6)
    patches = seeds.xy[0].unflatten(0, (64, 64))
    within = patches.std(1).norm(dim=-1).mean()
    assert within < 0.35 * seeds.xy[0].std(0).norm()


def test_spacing_is_the_mean_distance_of_a_layers_seeds():
    for count in (1024, 8192):
        seeds = seed_matte(disc(), whole(), count, 6)
        inside = seeds.rim[0] == 0
        front = seeds.xy[0][inside & (seeds.layer[0] == 0)] * HALF_FRAME
        area = math.pi * (0.5 * HALF_FRAME) ** 2
        assert float(seeds.spacing[0, 0]) == pytest.approx(math.sqrt(area / len(front)), rel=0.12)  # the rim takes some area


def test_a_disc_inflates_to_a_ball():
    height = inflate(disc()[:, 0])
    y, x = torch.meshgrid(torch.linspace(-1, 1, 64), torch.linspace(-1, 1, 64), indexing="ij")
    ball = (0.25 - x**2 - y**2).clamp_min(0).sqrt()[None]
    assert (height - ball).abs().max() < 0.12  # steepest at the rim, where a cell is 0.02 wide; few iterations
    assert height[disc()[:, 0] == 0].max() == 0


def test_seeding_ignores_the_rest_of_the_batch_and_survives_an_empty_matte():
    pictures = torch.cat([disc(0.3), torch.zeros(1, 1, 64, 64), disc(0.7)])
    together = seed_matte(pictures, whole(3), 512, 6)
    for i in range(3):
        alone = seed_matte(pictures[i : i + 1], whole(), 512, 6)
        assert torch.equal(alone.xy[0], together.xy[i])
        assert torch.equal(alone.layer[0], together.layer[i])
    assert torch.isfinite(together.xy).all()
    assert together.xy[1].abs().max() < 0.05


def test_sampling_does_not_bleed_from_outside_the_matte():
    """A red disc on a green nothing: half covered pixels at its edge stay red."""
    alpha = disc(0.5, 32)
    rgb = torch.where(alpha > 0, torch.tensor([1.0, 0, 0])[None, :, None, None], torch.tensor([0.0, 1, 0])[None, :, None, None])
    angle = torch.linspace(0, 2 * math.pi, 100)
    places = torch.stack([angle.cos(), angle.sin()], -1)[None] * 0.5
    found = sample_rgba(torch.cat([rgb, alpha], 1), places)
    seen = found[..., 3] > 0.05
    assert seen.any()
    assert found[..., 1][seen].max() == 0
    assert found[..., 0][seen].min() > 0.99


def test_the_box_follows_the_matte():
    alpha = torch.zeros(2, 1, 100, 100)
    alpha[0, 0, 20:40, 50:90] = 1
    box = box_of(alpha)
    assert torch.allclose(box.centre[0], torch.tensor([0.4, -0.4]), atol=1e-6)
    assert box.half[0].item() == pytest.approx(0.4 * 1.1)
    assert torch.equal(box.centre[1], torch.zeros(2))  # empty: the whole picture
    assert box.half[1].item() == 1


def test_cropping_a_moved_and_scaled_picture_gives_the_same_crop():
    generator = torch.Generator().manual_seed(0)
    small = torch.nn.functional.interpolate(torch.rand(1, 4, 5, 5, generator=generator), (40, 40), mode="bilinear")
    small[:, 3] = 1
    pictures = torch.zeros(2, 4, 120, 120)
    pictures[0, :, 10:50, 70:110] = small[0]
    pictures[1, :, 20:100, 30:110] = torch.nn.functional.interpolate(small, (80, 80), mode="bilinear")[0]
    crops = crop(pictures, box_of(pictures[:, 3:]), 64)
    inner = crops[..., 8:-8, 8:-8]
    assert (inner[0] - inner[1]).abs().max() < 0.03  # bilinear twice


def test_seeds_scale_with_the_box():
    box = ObjectBox(torch.tensor([[0.2, -0.1]]), torch.tensor([0.5]))
    large, small = seed_matte(disc(), whole(), 1024, 6), seed_matte(disc(), box, 1024, 6)
    assert torch.allclose(small.xy, large.xy * 0.5 + torch.tensor([0.2, -0.1]), atol=1e-6)
    assert torch.allclose(small.spacing, large.spacing * 0.5, atol=1e-6)
    assert torch.equal(small.layer, large.layer)
