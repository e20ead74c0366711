"""An alpha for views that have none: the edge told from a known background, and what is kept where nothing can be told."""

import pytest
import torch
import torch.nn.functional as F

from dd3g.core.views import composite
from dd3g.photos import cutout
from dd3g.recipes.matte import background_of, edges, network_matte

SIDE = 128


def disc(side=SIDE, radius=40.3):
    """Alpha of a disc, its edge a pixel wide, and a shaded colour."""
    x = torch.arange(side) + 0.5 - side / 2
    distance = (x[:, None] ** 2 + x[None] ** 2).sqrt()
    alpha = (radius - distance + 0.5).clamp(0, 1)[None, None]
    shade = (0.6 + x / side)[None, None, None].expand(1, 1, side, side)
    return alpha, torch.cat([0.9 * shade, 0.3 * shade, 0.2 * shade], 1).clamp(0, 1)


def coarse_of(alpha):
    """As a network at a quarter of the size would have it, and a pixel too large."""
    small = F.interpolate(F.max_pool2d(alpha, 3, 1, 1), scale_factor=0.25, mode="bilinear", antialias=True)
    return F.interpolate(small, alpha.shape[-2:], mode="bilinear")


def iou(one, other):
    return torch.minimum(one, other).sum() / torch.maximum(one, other).sum()


@pytest.mark.parametrize("grey", [0.0, 0.35, 1.0])
def test_the_edge_of_an_object_is_found_by_how_far_it_is_from_the_background(grey):
    alpha, rgb = disc()
    seen = composite(rgb, alpha, torch.full((1, 3), grey))
    coarse = coarse_of(alpha)
    found = edges(seen, coarse, torch.full((1, 3), grey))
    assert 1 - iou(found, alpha) < 0.4 * (1 - iou(coarse, alpha))  # 0.91 and 0.97
    assert ((found > 0.5) == (alpha > 0.5)).all()  # the outline is exact, where the network's is a pixel too large
    assert ((coarse > 0.5) != (alpha > 0.5)).sum() > 250
    torch.testing.assert_close(found[..., 60:68, 60:68], coarse[..., 60:68, 60:68], rtol=0, atol=0)  # away from the edge it is not touched
    torch.testing.assert_close(found[..., :8, :8], coarse[..., :8, :8], rtol=0, atol=0)


def test_where_object_and_background_look_alike_the_network_is_believed():
    alpha, rgb = disc()
    grey = rgb.mean()
    same = torch.full_like(rgb, grey.item())
    coarse = coarse_of(alpha)
    assert torch.equal(edges(composite(same, alpha, torch.full((1, 3), grey.item())), coarse, torch.full((1, 3), grey.item())), coarse)


def test_the_background_is_what_is_seen_at_the_border_unless_that_is_object():
    alpha, rgb = disc()
    drifted = torch.tensor([[0.52, 0.5, 0.47]])  # asked for 0.5
    seen = composite(rgb, alpha, drifted) + 0.01 * torch.randn(rgb.shape, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(background_of(seen, alpha, torch.tensor([0.5])), drifted, rtol=0, atol=3e-3)
    full = torch.ones_like(alpha)
    assert torch.equal(background_of(seen, full, torch.tensor([0.5])), torch.full((1, 3), 0.5))


def test_over_its_background_a_view_is_itself_again(monkeypatch):
    """Whatever the network says: colours are told from the background by the alpha that is handed on with them."""
    alpha, rgb = disc()
    grey = torch.tensor([0.4, 0.8])
    shown = composite(rgb.expand(2, -1, -1, -1), alpha.expand(2, -1, -1, -1), grey[:, None].expand(2, 3))
    monkeypatch.setitem(cutout._NETWORKS, "small", lambda picture: coarse_of(alpha)[0])
    made = network_matte()(shown, grey)
    assert made.shape == (2, 4, SIDE, SIDE)
    again = composite(made[:, :3], made[:, 3:], grey[:, None].expand(2, 3))
    assert (again - shown).abs().max() < 0.2  # in a pixel of the edge whose alpha is a little short
    assert (again - shown).abs().mean() < 1 / 255
    inside = slice(SIDE // 2 - 25, SIDE // 2 + 25)
    torch.testing.assert_close(made[:, :3, inside, inside], rgb[..., inside, inside].expand(2, -1, -1, -1), rtol=0, atol=1e-3)


def test_the_bundled_network_finds_an_object_over_grey():
    alpha, rgb = disc(96, 30.0)
    shown = composite(rgb, alpha, torch.full((1, 3), 0.5))
    assert iou(network_matte()(shown, torch.tensor([0.5]))[:, 3:], alpha) > 0.95
