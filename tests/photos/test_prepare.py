"""The whole way of a picture: whose alpha is used, what is refused, what is said, and that doing it twice changes nothing."""

from __future__ import annotations

import inspect

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from dd3g.core.errors import InputError, OutputError, PictureError
from dd3g.photos import Prepared, check, cutout, prepare
from dd3g.photos.framing import box_of

from .picture_files import png_bytes

RED, GREEN = (220, 30, 30), (20, 200, 40)


def disc_alpha(height: int, width: int, x: float, y: float, radius: float) -> np.ndarray:
    yy, xx = np.mgrid[0:height, 0:width] + 0.5
    return (radius - np.hypot(xx - x, yy - y) + 0.5).clip(0, 1)


def noisy_disc(height: int = 200, width: int = 260, x: float = 130, y: float = 90, radius: float = 60) -> np.ndarray:
    """RGBA uint8: a disc of noise, and other noise hidden under the transparent pixels."""
    rgba = np.random.default_rng(0).integers(0, 256, (height, width, 4)).astype(np.uint8)
    rgba[..., 3] = (disc_alpha(height, width, x, y, radius) * 255).round()
    return rgba


def red_disc_on_green(height: int = 240, width: int = 320, x: float = 150, y: float = 120, radius: float = 70) -> np.ndarray:
    alpha = disc_alpha(height, width, x, y, radius)[..., None]
    return (alpha * RED + (1 - alpha) * GREEN).round().astype(np.uint8)


@pytest.fixture
def sees_red(monkeypatch):
    """In place of a trained network: how much redder than green, as soft as the picture's own edge."""

    def redness(rgb: torch.Tensor) -> torch.Tensor:
        small = torch.nn.functional.interpolate(rgb[None], (256, 256), mode="bilinear", antialias=True)[0]
        return ((small[:1] - small[1:2]) * 255 / 1.0 + 170).clamp(0, 360) / 360

    monkeypatch.setitem(cutout._NETWORKS, "small", redness)


def same(one: Prepared, other: Prepared) -> bool:
    return torch.equal(one.rgb, other.rgb) and torch.equal(one.alpha, other.alpha) and one.digest == other.digest


# Whose alpha


def test_real_alpha_is_used():
    prepared = prepare(noisy_disc())
    assert prepared.method == "alpha"
    assert prepared.framing.centre_x.item() == pytest.approx(130, abs=0.3)
    assert prepared.framing.centre_y.item() == pytest.approx(90, abs=0.3)
    assert prepared.framing.side.item() == pytest.approx(120 / 0.75, abs=1)


@pytest.mark.parametrize("value", [255, 128])
def test_constant_alpha_is_no_alpha(sees_red, value):
    rgba = np.dstack([red_disc_on_green(), np.full((240, 320), value, np.uint8)])
    prepared = prepare(rgba)
    assert prepared.method == "small"
    assert "alpha_ignored" in [finding.code for finding in prepared.findings]
    with pytest.raises(PictureError, match="background=alpha needs one"):
        prepare(rgba, background="alpha")


def test_alpha_asked_for_and_not_there():
    with pytest.raises(PictureError, match=r"no alpha channel.*choose background=auto"):
        prepare(red_disc_on_green(), background="alpha")


def test_alpha_can_be_overruled(sees_red):
    rgba = np.dstack([red_disc_on_green(), noisy_disc(240, 320, 60, 60, 30)[..., 3]])
    assert prepare(rgba).framing.centre_x.item() == pytest.approx(60, abs=1)
    assert prepare(rgba, background="small").framing.centre_x.item() == pytest.approx(150, abs=2)


def test_none_takes_the_whole_picture():
    prepared = prepare(red_disc_on_green(), background="none", size=128)
    assert prepared.method == "none"
    left, top, right, bottom = box_of(prepared.alpha).tolist()
    assert (left, right) == pytest.approx((16, 112), abs=1)
    assert bottom - top == pytest.approx(96 * 240 / 320, abs=1)


def test_hidden_colours_change_nothing():
    rgba = noisy_disc()
    other = rgba.copy()
    other[rgba[..., 3] == 0] = [9, 250, 3, 0]
    assert same(prepare(rgba), prepare(other))


# Laws


def test_the_prepared_picture_is_in_frame_and_eight_bit():
    prepared = prepare(noisy_disc(), size=192)
    assert prepared.rgb.shape == (3, 192, 192)
    assert prepared.alpha.shape == (1, 192, 192)
    left, top, right, bottom = box_of(prepared.alpha).tolist()
    assert (left + right) / 2 == pytest.approx(96, abs=1)
    assert (top + bottom) / 2 == pytest.approx(96, abs=1)
    assert max(right - left, bottom - top) == pytest.approx(144, abs=1)
    for part in (prepared.rgb, prepared.alpha):
        assert torch.equal((part * 255).round() / 255, part)


@settings(max_examples=15, deadline=None)
@given(
    shape=st.tuples(st.integers(60, 500), st.integers(60, 500)),
    where=st.tuples(st.floats(0, 1), st.floats(0, 1), st.floats(0.05, 0.8)),
    size=st.sampled_from([64, 128, 256]),
)
def test_a_saved_picture_is_found_as_it_was(tmp_path_factory, shape, where, size):
    height, width = shape
    rgba = noisy_disc(height, width, where[0] * width, where[1] * height, 6 + where[2] * min(shape) / 2)
    first = prepare(rgba, background="alpha", size=size)
    path = tmp_path_factory.mktemp("prepared") / "a.png"
    first.save(path)
    for background in ("alpha", "auto"):
        again = prepare(path, background=background, size=size)
        assert same(first, again)
        assert (again.framing.centre_x.item(), again.framing.centre_y.item(), again.framing.side.item()) == (size / 2, size / 2, size)


def test_a_saved_cut_out_is_found_as_it_was(sees_red, tmp_path):
    first = prepare(red_disc_on_green())
    first.save(tmp_path / "a.png")
    assert same(first, prepare(tmp_path / "a.png"))


def test_thin_parts_that_vanish_in_shrinking_do_not_break_that(tmp_path):
    """An antenna of one pixel, twenty times as thin as a pixel of the result."""
    alpha = np.zeros((2000, 1500), np.uint8)
    alpha[1200:1900, 400:1100] = 255
    alpha[100:1200, 700] = 255
    rgba = np.dstack([np.full((2000, 1500, 3), 90, np.uint8), alpha])
    first = prepare(rgba, size=64)
    first.save(tmp_path / "a.png")
    assert same(first, prepare(tmp_path / "a.png", size=64))


def test_the_digest_names_the_pixels():
    rgba = noisy_disc()
    assert prepare(rgba).digest == prepare(rgba.copy()).digest
    other = rgba.copy()
    other[80:100, 120:140, :3] = 0
    assert prepare(other).digest != prepare(rgba).digest
    assert len(prepare(rgba).digest) == 32


@pytest.mark.parametrize("threads", [1, 2])
def test_threads_change_no_bit(sees_red, threads):
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        assert prepare(red_disc_on_green()).digest == prepare(png_bytes(red_disc_on_green())).digest
    finally:
        torch.set_num_threads(before)


# No halo


@pytest.mark.parametrize("network", ["small", "u2netp"])
def test_a_red_disc_before_green_is_red_to_its_edge_and_beyond(monkeypatch, network):
    def truth(rgb: torch.Tensor) -> torch.Tensor:
        mixed = (rgb[1:2] * 255 - GREEN[1]) / (RED[1] - GREEN[1])
        return torch.nn.functional.interpolate(mixed[None].clamp(0, 1), (256, 256), mode="bilinear", antialias=True)[0]

    monkeypatch.setitem(cutout._NETWORKS, network, truth)
    prepared = prepare(red_disc_on_green(), background=network)
    red = torch.tensor(RED)[:, None, None] / 255
    visible = (prepared.alpha > 0.05).expand(3, -1, -1)
    assert float(((prepared.alpha > 0.05) & (prepared.alpha < 0.95)).float().mean()) > 0.02, "no soft edge: nothing is tested"
    torch.testing.assert_close(prepared.rgb[visible], red.expand(3, 256, 256)[visible], rtol=0, atol=0.06)
    near = torch.nn.functional.max_pool2d(prepared.alpha, 5, 1, 2).expand(3, -1, -1) > 0  # what bilinear sampling may touch
    torch.testing.assert_close(prepared.rgb[near], red.expand(3, 256, 256)[near], rtol=0, atol=0.06)


def test_colours_go_on_under_transparent_pixels():
    rgba = np.dstack([np.full((100, 100, 3), (10, 200, 30), np.uint8), (disc_alpha(100, 100, 50, 50, 30) * 255).astype(np.uint8)])
    prepared = prepare(rgba)
    green = torch.tensor([10, 200, 30])[:, None, None] / 255
    torch.testing.assert_close(prepared.rgb, green.expand(3, 256, 256), rtol=0, atol=2 / 255)


# What is refused


def test_nothing_visible():
    with pytest.raises(PictureError, match=r"transparent everywhere.*background=small"):
        prepare(np.zeros((40, 40, 4), np.uint8))


def test_no_object(sees_red):
    with pytest.raises(PictureError, match=r"no object was found.*alpha"):
        prepare(np.full((60, 60, 3), GREEN, np.uint8))


def test_a_speck_is_no_object():
    rgba = np.zeros((200, 200, 4), np.uint8)
    rgba[100:103, 100:103] = 255
    with pytest.raises(PictureError, match="no object"):
        prepare(rgba)


def test_errors_name_the_path(tmp_path, sees_red):
    path = tmp_path / "green.png"
    Image.fromarray(np.full((60, 60, 3), GREEN, np.uint8)).save(path)
    with pytest.raises(PictureError, match=r"green\.png: no object"):
        prepare(path)


@pytest.mark.parametrize("options", [{"background": "magic"}, {"size": 8}])
def test_unknown_options(options):
    unchecked = inspect.unwrap(prepare)  # without the tests' own type checks, as users have it
    with pytest.raises(InputError, match=next(iter(options))):
        unchecked(noisy_disc(), **options)


def test_only_png_is_saved_and_nothing_is_left_half_written(tmp_path):
    prepared = prepare(noisy_disc())
    with pytest.raises(OutputError, match=r"\.png"):
        prepared.save(tmp_path / "a.jpg")
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError):
        prepared.save(tmp_path / "file" / "a.png")
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


# What is said


def codes(picture, **options) -> list[str]:
    return [finding.code for finding in prepare(picture, **options).findings]


def test_a_good_picture_gets_no_finding():
    assert codes(noisy_disc(600, 600, 300, 300, 200)) == []


def test_cut_off_names_the_sides(sees_red):
    findings = prepare(red_disc_on_green(x=300)).findings
    assert ("cut_off", "warning") in [(finding.code, finding.severity) for finding in findings]
    assert any("right" in finding.message for finding in findings)


def test_a_trimmed_cut_out_is_not_called_cut_off():
    findings = prepare(noisy_disc(400, 400, 200, 200, 200)[10:-10, 10:-10]).findings
    assert [(finding.code, finding.severity) for finding in findings] == [("at_the_border", "note")]


def test_almost_all(sees_red):
    picture = np.full((200, 200, 3), RED, np.uint8)
    picture[:3, :3] = GREEN
    assert "almost_all" in codes(picture)


def test_several_objects(sees_red):
    picture = np.full((300, 400, 3), GREEN, np.uint8)
    picture[100:200, 40:160] = picture[100:200, 240:360] = RED
    assert "several_objects" in codes(picture)


def test_small_and_enlarged():
    assert codes(noisy_disc(100, 100, 50, 50, 20)) == ["small_object"]
    assert codes(noisy_disc(300, 300, 150, 150, 60)) == ["enlarged"]


def test_blurred():
    rgba = noisy_disc(600, 600, 300, 300, 200)
    blurred = np.asarray(Image.fromarray(rgba[..., :3]).resize((20, 20)).resize((600, 600), Image.Resampling.BICUBIC))
    assert codes(np.dstack([blurred, rgba[..., 3]])) == ["blurred"]


def test_check_says_what_prepare_says(sees_red):
    picture = np.full((200, 200, 3), RED, np.uint8)
    picture[:3, :3] = GREEN
    assert check(picture) == list(prepare(picture).findings)


def test_a_large_picture_is_framed_in_its_own_pixels():
    rgba = np.zeros((1500, 5000, 4), np.uint8)
    rgba[..., :3] = np.random.default_rng(0).integers(0, 256, (1500, 5000, 3))
    rgba[300:900, 3000:3900, 3] = 255
    framing = prepare(rgba).framing
    assert framing.centre_x.item() == pytest.approx(3450, abs=3)
    assert framing.centre_y.item() == pytest.approx(600, abs=3)
    assert framing.side.item() == pytest.approx(1200, abs=4)
