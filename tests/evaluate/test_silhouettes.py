"""Silhouettes: equal ones, none, halves; and views that no solid could throw."""

import pytest
import torch

from dd3g.core import Gaussians
from dd3g.core.cameras import orbit
from dd3g.evaluate.silhouettes import hull_share, silhouette_iou
from dd3g.render import rasterize

RING = orbit([k * 45.0 for k in range(8)], [0.0, 20.0] * 4, size=96)


@pytest.fixture(scope="module")
def bar():
    """Alpha of a bar along x, off the middle, from eight sides."""
    means = torch.stack([torch.linspace(-0.3, 0.4, 60), torch.full((60,), 0.1), torch.full((60,), -0.05)], -1)
    splats = Gaussians(
        means, torch.tensor([1.0, 0, 0, 0]).expand(60, 4), torch.full((60, 3), 0.04), torch.full((60,), 0.99), torch.ones(60, 3)
    )
    return rasterize(splats, RING, torch.zeros(3)).alpha


def test_intersection_over_union_of_known_shapes():
    left, all_, none = torch.zeros(1, 1, 4, 4), torch.ones(1, 1, 4, 4), torch.zeros(1, 1, 4, 4)
    left[..., :2] = 0.7
    assert silhouette_iou(left, all_).item() == 0.5
    assert silhouette_iou(all_, left).item() == 0.5
    assert silhouette_iou(left, left).item() == silhouette_iou(none, none).item() == 1
    assert silhouette_iou(left, none).item() == 0
    assert silhouette_iou(left * 0.5, none).item() == 1  # alpha under a half is nothing


def test_views_of_one_solid_are_consistent(bar):
    assert hull_share(bar, RING) > 0.97


def test_views_that_contradict_each_other_are_not(bar):
    """One view moved aside, one turned over, all in a wrong order: each less than the truth, the more the worse."""
    moved = bar.clone()
    moved[3] = moved[3].roll(14, -2)
    turned = bar.clone()
    turned[::2] = turned[::2].flip(-2)
    assert hull_share(moved, RING) < hull_share(bar, RING) - 0.1
    assert hull_share(turned, RING) < 0.5
    assert hull_share(bar.roll(1, 0), RING) < 0.9


def test_nothing_at_all_has_no_share(bar):
    assert hull_share(torch.zeros_like(bar), RING) == 0
    empty = bar.clone()
    empty[2] = 0  # no solid is invisible from one side
    assert hull_share(empty, RING) == 0
