"""Framing: laws of the box, of the resampling, and of doing it twice."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from dd3g.core.errors import InputError
from dd3g.photos.framing import LONGEST_SIDE, Framing, apply_framing, box_of, framing_of, whole_picture


def disc(height: int, width: int, x: float, y: float, rx: float, ry: float) -> torch.Tensor:
    """Antialiased ellipse: coverage by the signed distance to its edge, clipped to one pixel."""
    yy, xx = torch.meshgrid(torch.arange(height) + 0.5, torch.arange(width) + 0.5, indexing="ij")
    radius = torch.hypot((xx - x) / rx, (yy - y) / ry)
    return ((1 - radius) * min(rx, ry) + 0.5).clamp(0, 1)[None]


def bar(height: int, width: int, box: tuple[int, int, int, int]) -> torch.Tensor:
    left, top, right, bottom = box
    alpha = torch.zeros(1, height, width)
    alpha[:, top:bottom, left:right] = 1
    return alpha


def noise(*shape: int) -> torch.Tensor:
    return torch.rand(*shape, generator=torch.Generator().manual_seed(5))


def test_box_of_a_hard_edge_is_exact():
    assert box_of(bar(40, 60, (7, 3, 31, 40))).tolist() == [7, 3, 31, 40]


def test_box_of_a_soft_edge_lies_at_half_coverage():
    left, top, right, bottom = box_of(disc(100, 140, 61.3, 47.8, 30.4, 20.2)).tolist()
    assert left == pytest.approx(61.3 - 30.4, abs=0.3)  # the outermost column of a round thing is never quite covered
    assert right == pytest.approx(61.3 + 30.4, abs=0.3)
    assert top == pytest.approx(47.8 - 20.2, abs=0.3)
    assert bottom == pytest.approx(47.8 + 20.2, abs=0.3)


def test_a_faint_shadow_does_not_move_the_box_and_glass_has_one():
    solid = bar(50, 50, (10, 10, 30, 30))
    shadowed = torch.maximum(solid, 0.3 * bar(50, 50, (0, 25, 50, 40)))
    torch.testing.assert_close(box_of(shadowed), box_of(solid), rtol=0, atol=0.5)  # the crossing lies between two pixel centres
    torch.testing.assert_close(box_of(0.2 * solid), box_of(solid))


def test_framing_centres_the_box_at_three_quarters():
    framing = framing_of(bar(200, 300, (40, 20, 100, 140)))
    assert (framing.centre_x.item(), framing.centre_y.item(), framing.side.item()) == (70, 80, 160)


def test_nothing_to_frame_is_an_error():
    with pytest.raises(InputError, match="transparent everywhere"):
        framing_of(torch.stack([bar(9, 9, (2, 2, 4, 4)), torch.zeros(1, 9, 9)]))


@settings(max_examples=60, deadline=None)
@given(
    height=st.integers(40, 400),
    width=st.integers(40, 400),
    size=st.sampled_from([64, 128, 256]),
    fractions=st.tuples(*[st.floats(0.02, 0.98)] * 4),
    round_one=st.booleans(),
)
def test_framed_once_is_in_frame(height, width, size, fractions, round_one):
    """method.md, check 36: box centred to a pixel, longest side 0.75 to a pixel; a second framing is the whole picture."""
    x, y = fractions[0] * width, fractions[1] * height
    rx, ry = 5 + fractions[2] * width / 2, 5 + fractions[3] * height / 2
    if round_one:  # tips thinner than a pixel of the result fade below half coverage; `prepare` frames such again (its tests)
        rx, ry = max(rx, 0.4 * ry), max(ry, 0.4 * rx)
    if round_one:
        alpha = disc(height, width, x, y, rx, ry)
    else:
        corners = (max(int(x - rx), 0), max(int(y - ry), 0), min(int(x + rx) + 1, width), min(int(y + ry) + 1, height))
        alpha = bar(height, width, corners)
    _, framed = apply_framing(noise(3, height, width), alpha, framing_of(alpha), size)
    left, top, right, bottom = box_of(framed).tolist()
    assert (left + right) / 2 == pytest.approx(size / 2, abs=1)
    assert (top + bottom) / 2 == pytest.approx(size / 2, abs=1)
    assert max(right - left, bottom - top) == pytest.approx(LONGEST_SIDE * size, abs=1)
    again = framing_of(framed)
    assert (again.centre_x.item(), again.centre_y.item(), again.side.item()) == (size / 2, size / 2, size)


def test_the_whole_picture_at_its_own_size_is_the_picture():
    rgb, alpha = noise(2, 3, 33, 33), noise(2, 1, 33, 33) * 0.9 + 0.1
    square = whole_picture(33, 33)
    same = Framing(*(x.expand(2) for x in (square.centre_x, square.centre_y, square.side)))
    framed, coverage = apply_framing(rgb, alpha, same, 33)
    assert torch.equal(coverage, alpha)
    torch.testing.assert_close(framed, rgb, rtol=0, atol=1e-6)  # multiplied by alpha and divided again


def test_whole_pixel_shifts_copy_pixels():
    rgb, alpha = noise(3, 20, 30), torch.ones(1, 20, 30)
    framed, coverage = apply_framing(rgb, alpha, Framing(*(torch.tensor(v) for v in (14.0, 11.0, 8.0))), 8)
    assert torch.equal(framed, rgb[:, 7:15, 10:18])
    assert torch.equal(coverage, torch.ones(1, 8, 8))


def test_outside_the_picture_is_transparent():
    _, coverage = apply_framing(noise(3, 16, 16), torch.ones(1, 16, 16), Framing(*(torch.tensor(v) for v in (8.0, 8.0, 32.0))), 32)
    assert torch.equal(coverage, bar(32, 32, (8, 8, 24, 24)))


@pytest.mark.parametrize("size", [16, 48, 96, 250])
def test_constant_colour_stays_constant_and_nothing_rings(size):
    """A triangle's weights are positive and sum to 1: no colour of the hidden pixels, no overshoot at the edge."""
    alpha = bar(96, 96, (20, 30, 70, 66))
    rgb = torch.where(alpha > 0, torch.tensor([0.2, 0.6, 0.9])[:, None, None], torch.tensor([1.0, 0.0, 0.0])[:, None, None])
    framed, coverage = apply_framing(rgb, alpha, framing_of(alpha), size)
    assert coverage.min() == 0
    assert coverage.max() == pytest.approx(1, abs=1e-6)
    seen = (coverage > 1e-4).expand_as(framed)
    wanted = torch.tensor([0.2, 0.6, 0.9])[:, None, None].expand_as(framed)
    torch.testing.assert_close(framed[seen], wanted[seen], rtol=0, atol=2e-4)


def test_shrinking_averages_instead_of_picking():
    """A checkerboard of one pixel becomes grey; without antialiasing it would alias to black or white."""
    yy, xx = torch.meshgrid(torch.arange(128), torch.arange(128), indexing="ij")
    board = ((yy + xx) % 2).float().expand(3, 128, 128)
    framed, _ = apply_framing(board, torch.ones(1, 128, 128), whole_picture(128, 128), 32)
    torch.testing.assert_close(framed[:, 1:-1, 1:-1], torch.full((3, 30, 30), 0.5), rtol=0, atol=1e-6)


def test_resampling_keeps_the_mass_of_alpha():
    """Integral of coverage in source pixels is the same before and after, to the quadrature error of a triangle on smooth edges."""
    alpha = disc(300, 300, 140, 160, 70, 50)
    framing = framing_of(alpha)
    _, coverage = apply_framing(torch.zeros(3, 300, 300), alpha, framing, 128)
    area = coverage.sum().item() * (framing.side.item() / 128) ** 2
    assert area == pytest.approx(math.pi * 70 * 50, rel=2e-3)


def test_shifting_the_object_shifts_the_framing_and_nothing_else():
    alpha = disc(120, 160, 60, 50, 30, 22)
    shifted = torch.roll(alpha, (11, 17), (-2, -1))
    one, other = framing_of(alpha), framing_of(shifted)
    assert other.centre_x - one.centre_x == pytest.approx(17)
    assert other.centre_y - one.centre_y == pytest.approx(11)
    rgb = noise(3, 120, 160)
    before = apply_framing(rgb, alpha, one, 64)
    after = apply_framing(torch.roll(rgb, (11, 17), (-2, -1)), shifted, other, 64)
    torch.testing.assert_close(after[1], before[1], rtol=0, atol=1e-5)


def test_flipping_commutes_with_framing():
    alpha, rgb = disc(90, 90, 37.2, 51.9, 25, 31), noise(3, 90, 90)
    plain = apply_framing(rgb, alpha, framing_of(alpha), 64)
    flipped = apply_framing(rgb.flip(-1), alpha.flip(-1), framing_of(alpha.flip(-1)), 64)
    torch.testing.assert_close(flipped[1].flip(-1), plain[1], rtol=0, atol=1e-5)


def test_a_batch_is_its_pictures_one_by_one_to_the_bit():
    """Scales differ widely, so the filter of one picture must not depend on the reach of another's."""
    alpha = torch.stack([disc(96, 96, 48, 48, 45, 30), disc(96, 96, 20, 30, 6, 7), disc(96, 96, 70, 60, 12, 20)])
    rgb = noise(3, 3, 96, 96)
    framing = framing_of(alpha)
    together = apply_framing(rgb, alpha, framing, 32)
    for i in range(3):
        alone = apply_framing(rgb[i], alpha[i], framing_of(alpha[i]), 32)
        assert torch.equal(together[0][i], alone[0])
        assert torch.equal(together[1][i], alone[1])


def test_any_number_of_leading_dimensions():
    alpha = disc(40, 40, 18, 22, 9, 12).expand(2, 3, 1, 40, 40)
    framing = framing_of(alpha)
    assert framing.side.shape == (2, 3)
    rgb, coverage = apply_framing(noise(2, 3, 3, 40, 40), alpha, framing, 24)
    assert rgb.shape == (2, 3, 3, 24, 24)
    assert coverage.shape == (2, 3, 1, 24, 24)
