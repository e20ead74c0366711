"""Connected parts against scipy's, and holes against what a hole is."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import ndimage

from dd3g.photos.components import components, holes


@pytest.mark.parametrize("density", [0.0, 0.1, 0.4, 0.55, 0.6, 0.8, 1.0])
def test_components_are_scipys_by_falling_area(density):
    mask = np.random.default_rng(3).random((61, 47)) < density
    labels, areas = components(mask)
    wanted = np.zeros(mask.shape, np.int32)
    count = ndimage.label(mask, output=wanted)
    assert len(areas) == count
    assert list(areas) == sorted(areas, reverse=True)
    for label, area in enumerate(areas, 1):
        where = labels == label
        assert where.sum() == area
        assert len(np.unique(wanted[where])) == 1, "two parts under one label"
        assert (wanted == wanted[where][0]).sum() == area, "a part under two labels"
    assert ((labels > 0) == mask).all()


def test_corners_do_not_touch():
    assert len(components(np.eye(5, dtype=bool))[1]) == 5


def test_a_spiral_is_one_part():
    """Runs that meet only rows later must be joined across the whole chain."""
    spiral = np.zeros((9, 9), bool)
    spiral[0, :] = spiral[:, 8] = spiral[8, :] = spiral[2:, 0] = spiral[2, :7] = spiral[2:7, 6] = spiral[6, 2:7] = spiral[4:7, 2] = True
    assert len(components(spiral)[1]) == 1


def test_holes_are_what_the_border_does_not_reach():
    mask = np.zeros((20, 20), bool)
    mask[2:12, 2:12] = True
    mask[4:6, 4:7] = False  # a hole
    mask[8, 8] = False  # another
    mask[14:20, 3:9] = True
    mask[16:20, 5:7] = False  # a bay: open at the border
    labels, areas = holes(mask)
    assert list(areas) == [6, 1]
    assert (labels[4:6, 4:7] == 1).all()
    assert labels[8, 8] == 2
    assert labels[17, 5] == 0


def test_everything_or_nothing():
    assert len(components(np.zeros((4, 5), bool))[1]) == 0
    assert list(components(np.ones((4, 5), bool))[1]) == [20]
    assert len(holes(np.ones((4, 5), bool))[1]) == 0
    assert len(holes(np.zeros((4, 5), bool))[1]) == 0
