"""Cleaning of masks: what is kept, filled, dropped and left soft."""

from __future__ import annotations

import pytest
import torch

from dd3g.photos.matte import cleaned


def scene(*boxes: tuple[int, int, int, int, float], size: int = 128) -> torch.Tensor:
    """Boxes (top, left, height, width, probability), later ones over earlier ones."""
    mask = torch.zeros(1, size, size)
    for top, left, height, width, value in boxes:
        mask[:, top : top + height, left : left + width] = value
    return mask


def test_specks_go_and_parts_of_the_same_order_stay():
    found = cleaned(scene((20, 20, 50, 50, 1.0), (100, 100, 5, 5, 1.0), (90, 20, 25, 25, 1.0))).alpha
    assert found[0, 40, 40] == 1
    assert found[0, 100, 30] == 1
    assert found[0, 102, 102] == 0


def test_a_speck_beside_the_object_goes_too():
    """Within reach of the kept part's soft edge, but a part of its own."""
    found = cleaned(scene((20, 20, 50, 50, 1.0), (40, 73, 3, 3, 1.0))).alpha
    assert found[0, 41, 74] == 0


def test_pinholes_are_filled_and_handles_stay_open():
    found = cleaned(scene((20, 20, 80, 80, 1.0), (30, 30, 3, 3, 0.0), (50, 50, 20, 20, 0.0))).alpha
    assert found[0, 31, 31] == 1
    assert found[0, 60, 60] == 0


def test_the_soft_edge_stays_soft():
    ramp = torch.linspace(1, 0, 9)
    mask = scene((0, 0, 128, 60, 1.0))
    mask[0, :, 60:69] = ramp
    found = cleaned(mask).alpha[0, 64]
    assert ((found[60:69] > 0) & (found[60:69] < 1)).sum() >= 6
    assert (found[60:69].diff() <= 0).all()


def test_doubt_far_from_the_object_is_dropped():
    found = cleaned(scene((20, 20, 40, 40, 1.0), (90, 90, 30, 30, 0.4))).alpha
    assert found[0, 100, 100] == 0


@pytest.mark.parametrize("value", [0.0, 0.49])
def test_nothing(value):
    matte = cleaned(torch.full((1, 64, 64), value))
    assert matte.share == 0
    assert matte.large_parts == 0
    assert matte.alpha.max() == 0


def test_what_is_seen_on_the_way():
    one = cleaned(scene((20, 20, 64, 64, 1.0)))
    assert one.share == pytest.approx(0.25)
    assert one.large_parts == 1
    assert one.unsure == 0
    assert cleaned(scene((20, 20, 40, 40, 1.0), (80, 80, 30, 30, 1.0))).large_parts == 2
    assert cleaned(scene((20, 20, 64, 64, 0.6))).unsure == pytest.approx(1)
