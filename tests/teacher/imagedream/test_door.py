"""The door between conventions: cameras are the published rows, and what belongs to a view goes with it, in and out."""

from dataclasses import replace
from typing import Any, cast

import pytest
import torch

from dd3g.core import canonical_rig, orbit
from dd3g.teacher import scaled_linear
from dd3g.teacher.imagedream.door import cameras_inward, inward, outward
from dd3g.teacher.imagedream.network import ImageDreamConfig, ImageDreamNetwork
from dd3g.teacher.imagedream.sizes import Sizes, TextSizes, UNetSizes, VAESizes, VisionSizes
from dd3g.teacher.imagedream.vae import OpaqueCodec
from dd3g.teacher.teacher import Teacher, sample
from tests.extras import needs_train
from tests.teacher.imagedream.golden import cameras

FRONT = 1


@pytest.mark.parametrize("elevation", [0, 5, 15])
def test_cameras_of_the_rig_are_the_published_rows(elevation):
    found = cameras_inward(canonical_rig(elevation_deg=float(elevation)).conditions()[None], FRONT)[0]
    torch.testing.assert_close(found, cameras(elevation)[:4], rtol=0, atol=1e-6)


def test_the_front_stands_at_index_1_on_their_x():
    inside = cameras_inward(canonical_rig().conditions()[None], FRONT)[0].unflatten(1, (4, 4))
    assert inside[1, :3, 3].tolist() == pytest.approx([1, 0, 0], abs=1e-6)
    assert inside[2, :3, 3].tolist() == pytest.approx([0, 1, 0], abs=1e-6)  # ours at azimuth 90


@pytest.mark.parametrize(("front", "views"), [(0, 4), (2, 4), (1, 6)])
def test_another_front_is_another_turn_of_the_world(front, views):
    """Inside, view i always stands at i v-ths of a turn from -y."""
    step = 360 / views
    outside = orbit([step * k for k in range(views)], 5.0).conditions()[None]
    found = cameras_inward(outside, front)[0].unflatten(1, (4, 4))[:, :3, 3]
    angle = torch.deg2rad(torch.arange(views) * step)
    height = torch.sin(torch.deg2rad(torch.tensor(5.0)))
    wanted = torch.stack([angle.sin(), -angle.cos()], 1) * (1 - height**2).sqrt()
    torch.testing.assert_close(found[:, :2], wanted, rtol=0, atol=1e-6)
    torch.testing.assert_close(found[:, 2], height.expand(views), rtol=0, atol=1e-6)


def test_any_azimuth_and_elevation_goes_through():
    outside = orbit([33.0, 123.0, 213.0, 303.0], 21.0).conditions()[None]
    inside = cameras_inward(outside, FRONT)[0].unflatten(1, (4, 4))
    rotation = inside[:, :3, :3]
    torch.testing.assert_close(rotation @ rotation.transpose(1, 2), torch.eye(3).expand(4, 3, 3), rtol=0, atol=1e-6)
    torch.testing.assert_close(torch.linalg.det(rotation), torch.ones(4), rtol=0, atol=1e-6)
    torch.testing.assert_close(rotation[:, :, 2], inside[:, :3, 3], rtol=0, atol=1e-6)  # backward is outward: looks at the origin
    assert (rotation[:, 2, 1] > 0).all()  # up in the picture is up in the world


def test_out_is_the_way_in_backwards():
    x = torch.randn(2, 4, 3)
    assert torch.equal(outward(inward(x, FRONT), FRONT), x)
    assert torch.equal(inward(x, FRONT)[:, FRONT], x[:, 0])


class Copying(torch.nn.Module):
    """Stands in for the U-Net: every frame's "noise" is the frame itself, marked by the camera that it was told and by its index."""

    dtype = torch.float32

    def __init__(self):
        super().__init__()
        self.asked = []

    def forward(self, frames, t, *, class_labels, **_):
        from types import SimpleNamespace

        self.asked.append((frames.clone(), class_labels.clone()))
        x, y = class_labels[:, 3], class_labels[:, 7]
        index = torch.arange(len(frames)) % 5
        mark = torch.stack([x, y, index.float(), torch.ones_like(x)], 1)
        return SimpleNamespace(sample=frames + 100 * mark[:, :, None, None])


def copying_teacher():
    sizes = Sizes(
        UNetSizes(
            widths=(32, 32), attention=(False, False), layers=1, head_width=32, context=32, tokens=4, image_width=40, resampler_layers=1
        ),
        VAESizes(widths=(32, 32), layers=1),
        TextSizes(vocabulary=8, width=32, hidden=32, layers=1, head_width=32),
        VisionSizes(side=28, width=40, hidden=40, layers=2, head_width=40),
    )
    config = ImageDreamConfig(sizes, latent_size=4)
    network = ImageDreamNetwork(config).eval().requires_grad_(False)
    copying = Copying()
    copying.encoder_hid_proj = cast(Any, network.unet).encoder_hid_proj
    cast(Any, network).unet = copying
    return Teacher(network, OpaqueCodec(sizes.vae, 4).eval(), scaled_linear(), {}, "copying"), copying


@needs_train
def test_noise_of_a_view_stays_with_its_camera_and_comes_out_as_that_view():
    """View k's noise meets view k's camera at index k + 1 inside, and what is made of it is view k outside."""
    teacher, copying = copying_teacher()
    z = torch.randn(2, 4, 4, 4, 4, generator=torch.Generator().manual_seed(1))
    rig = canonical_rig(elevation_deg=5.0)
    image = torch.rand(2, 3, 32, 32)
    told = teacher.network.condition(image, torch.zeros(2, 4, 4, 4))
    made = teacher.network(z, torch.full((2,), 500.0), rig.conditions().expand(2, -1, -1), told)
    frames, rows = (t.unflatten(0, (2, 5)) for t in copying.asked[0])
    for k in range(4):
        assert torch.equal(frames[:, (k + 1) % 4], z[:, k])
        torch.testing.assert_close(rows[0, (k + 1) % 4], cameras(5)[(k + 1) % 4], rtol=0, atol=1e-6)
        mark = (made - z)[:, k].mean((2, 3)) / 100
        position = cameras(5)[(k + 1) % 4].unflatten(0, (4, 4))[:2, 3]
        wanted = torch.cat([position, torch.tensor([(k + 1.0) % 4, 1.0])])
        torch.testing.assert_close(mark, wanted.expand(2, -1), rtol=0, atol=1e-4)
    assert not rows[:, 4].any()


@needs_train
def test_the_whole_map_pairs_noise_and_views():
    """Through the ODE and guidance: changing one view's noise changes that view alone, with a network that looks at nothing else."""
    teacher, _ = copying_teacher()
    noise = torch.randn(1, 4, 4, 4, 4, generator=torch.Generator().manual_seed(1))
    image, rig, grey = torch.rand(1, 4, 32, 32), canonical_rig(elevation_deg=5.0), torch.tensor([0.5])
    plain = sample(teacher, image, rig, noise, grey=grey, guidance=5.0, steps=3)
    for k in range(4):
        other = noise.clone()
        other[:, k] += 1
        changed = (sample(teacher, image, rig, other, grey=grey, guidance=5.0, steps=3) - plain).abs().amax((0, 2, 3, 4))
        assert [bool(c > 1e-3) for c in changed] == [view == k for view in range(4)]


@needs_train
def test_the_fronts_index_is_a_setting():
    teacher, copying = copying_teacher()
    network = teacher.network
    assert isinstance(network, ImageDreamNetwork)
    network.config = replace(network.config, front=3)
    z = torch.randn(1, 4, 4, 4, 4)
    told = network.condition(torch.rand(1, 3, 32, 32), torch.zeros(1, 4, 4, 4))
    network(z, torch.full((1,), 500.0), canonical_rig().conditions()[None], told)
    assert torch.equal(copying.asked[0][0][3], z[0, 0])
