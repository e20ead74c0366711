"""What comes with the package: small enough, said what it is made of, and at work."""

import math
from pathlib import Path

import pytest
import torch

import dd3g
from dd3g.core import NoiseKey, canonical_rig
from dd3g.core.model_file import load_model_file
from dd3g.core.noise import digest
from dd3g.core.views import composite
from dd3g.core.weights import bundled
from dd3g.distill.explicit import psnr
from dd3g.encoders.codec import load_codec
from dd3g.evaluate.mean_object import bundled_mean_object
from dd3g.evaluate.protocol import load_protocol
from dd3g.photos.mask_network import load_bundled
from dd3g.render import rasterize
from dd3g.student.inference import infer
from dd3g.student.load import load_student
from tests.extras import needs_train
from tests.recipes.blobs import blob, views_of

ASSETS = Path(dd3g.__file__).parent / "assets"


@pytest.mark.parametrize(
    ("name", "most_bytes"), [("student", 25e6), ("teacher", 13e6), ("background", 2e6), ("mean_object", 1e6), ("codec", 1e6)]
)
def test_weights_are_small_and_have_a_card(name, most_bytes):
    file = ASSETS / f"{name}.safetensors"
    assert file.stat().st_size <= most_bytes
    card = (ASSETS / f"{'student' if name == 'mean_object' else name}.md").read_text()
    for word in ("Data", "licence", "Apache-2.0", "cannot"):
        assert word in card, word


def test_all_weights_together_stay_small():
    assert sum(file.stat().st_size for file in ASSETS.glob("*.safetensors")) <= 40e6


def test_the_student_names_the_data_it_was_trained_on():
    about = load_student().about
    assert sum(part["objects"] for part in about["data"]) > 1000
    assert any("CC BY" in credit or "Creative Commons" in credit for part in about["data"] for credit in part["credits"])


def test_the_student_shows_the_picture_from_its_own_side_and_a_solid_object_from_others():
    rig = canonical_rig(128)
    views = views_of(blob(3), rig)
    rgba = torch.cat([views.rgb[0], views.alpha[0]])
    made = infer(load_student().network, rgba, NoiseKey(digest(b"a blob"), 0), elevation_deg=0.0, distance=1.5)
    white = torch.ones(3)
    ours, truth = rasterize(made.gaussians, rig, white), composite(views.rgb, views.alpha, white)
    assert psnr(ours.rgb[0], truth[0]) > 20
    for side in (1, 2, 3):
        inside = views.alpha[side] > 0.5
        assert ours.alpha[side][inside].mean() > 0.6, side
        assert ours.alpha[side][~inside].mean() < 0.1, side


@needs_train
def test_the_codec_gives_back_colour_and_alpha_of_objects_that_it_never_saw():
    from dd3g.objects import SKY, make_object, render_views

    codec, found, overlaps = load_codec(), [], []
    for seed in range(10**9, 10**9 + 8):
        views = render_views(make_object(seed), canonical_rig(128, 15.0), SKY)
        rgba = torch.cat([views.rgb, views.alpha], 1)
        latents = codec.encode(rgba)
        assert latents.shape == (4, 4, 16, 16)
        assert latents.abs().max() < 6  # a diffusion model finds them easy
        made = codec.decode(latents)
        for background in (torch.ones(3), torch.tensor([0.1, 0.4, 0.2])):
            ours, truth = (composite(pictures[:, :3], pictures[:, 3:], background) for pictures in (made, rgba))
            found.append(psnr(ours, truth).mean().item())
        ours, truth = made[:, 3] > 0.5, views.alpha[:, 0] > 0.5
        overlaps.append(((ours & truth).sum() / (ours | truth).sum()).item())
    # each by itself may be harder: dense patterns are lost at 8 x 8 pixels a place
    assert sum(found) / len(found) > 28
    assert sum(overlaps) / len(overlaps) > 0.95


def test_the_codec_names_the_data_it_was_trained_on():
    about = load_model_file(bundled("codec"), "codec").about
    assert sum(part["objects"] for part in about["data"]) > 1000


def test_the_teacher_names_the_data_it_was_trained_on():
    about = load_model_file(bundled("teacher"), "teacher").about
    assert sum(part["objects"] for part in about["data"]) > 1000
    assert any("CC BY" in credit for part in about["data"] for credit in part["credits"])


@needs_train
def test_the_teacher_works_in_the_latents_of_the_bundled_codec():
    from dd3g.teacher.teacher import load_teacher, own_networks

    _, codec = own_networks(load_teacher("bundled"))
    assert all(torch.equal(tensor, codec.state_dict()[name]) for name, tensor in load_codec().state_dict().items())


@needs_train
def test_the_teacher_draws_what_the_picture_shows_and_every_noise_draws_something_else():
    from dd3g.core import draw_noise
    from dd3g.objects import SKY, make_object, render_views
    from dd3g.teacher.teacher import decode, load_teacher, sample

    teacher, rig, white = load_teacher("bundled"), canonical_rig(128), torch.ones(3)
    seen = [render_views(make_object(seed), rig, SKY) for seed in range(10**9, 10**9 + 3)]
    images = torch.stack([torch.cat([views.rgb[0], views.alpha[0]]) for views in seen])
    noise = torch.stack([draw_noise(NoiseKey("drawn", draw), (4, 4, 16, 16)) for draw in range(2)])
    made = torch.stack(
        [decode(teacher, sample(teacher, images, rig, n.expand(3, -1, -1, -1, -1), guidance=2.0, steps=8, solver="unipc")) for n in noise]
    )
    ours = composite(made[:, :, :, :3], made[:, :, :, 3:], white)  # (draw, object, view, 3, h, w)
    truth = torch.stack([composite(views.rgb, views.alpha, white) for views in seen])
    likeness = torch.tensor([[psnr(ours[0, i], truth[j]).mean() for j in range(3)] for i in range(3)])
    assert (likeness.argmax(1) == torch.arange(3)).all(), likeness
    assert likeness.diag().mean() > 18
    assert (ours[0] - ours[1]).square().mean().sqrt() > 0.01


@needs_train
def test_views_are_followed_back_to_the_noise_that_the_teacher_ties_to_them():
    from dd3g.objects import SKY, make_object, render_views
    from dd3g.teacher.teacher import decode, encode, invert, load_teacher, sample

    teacher, rig = load_teacher("bundled"), canonical_rig(128)
    views = render_views(make_object(10**9), rig, SKY)
    rgba = torch.cat([views.rgb, views.alpha], 1)[None]
    latents = encode(teacher, rgba)
    found = invert(teacher, latents, rgba[:, 0], rig, steps=10)
    again = sample(teacher, rgba[:, 0], rig, found.noise, steps=10)
    there, back = (composite(v[:, :3], v[:, 3:], torch.ones(3)) for v in (decode(teacher, latents)[0], decode(teacher, again)[0]))
    assert psnr(back, there).min() > 35
    assert 0.5 < found.noise.var() < 1.5


def test_the_cutout_finds_a_ball_on_a_table():
    line = (torch.arange(256) + 0.5) / 128 - 1
    y, x = torch.meshgrid(line, line, indexing="ij")
    ball = (x**2 + (y - 0.1) ** 2 < 0.45**2).float()
    shade = (0.75 - 0.35 * y) * torch.tensor([0.85, 0.15, 0.1])[:, None, None]
    scene = torch.where(y > 0.3, 0.55, 0.8) * torch.tensor([0.95, 0.93, 0.9])[:, None, None]
    mask = load_bundled()((shade * ball + scene * (1 - ball))[None]).sigmoid()[0, 0] > 0.5
    overlap = (mask & (ball > 0)).sum() / (mask | (ball > 0)).sum()
    assert overlap > 0.8


def test_the_mean_object_is_a_smudge_in_the_middle():
    protocol = load_protocol("orbit16-1")
    mean = bundled_mean_object(protocol)
    assert mean is not None
    assert mean.shape == (16, 3, protocol.size, protocol.size)
    assert mean[:, :, :8].mean() > 0.95
    assert 0.3 < mean[:, :, protocol.size // 2, protocol.size // 2].mean() < 0.9
    assert math.isfinite(float(mean.sum()))
