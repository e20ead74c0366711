"""Each failure signature fires on a fault that was made on purpose, grows with it, and is silent on the truth."""

import math
from dataclasses import replace

import pytest
import torch

from dd3g.core import Gaussians, orbit
from dd3g.core.views import unpremultiply
from dd3g.distill.signatures import SIGNATURES, behind_of, chroma_quantiles, janus, oversaturation, signatures
from dd3g.render import Render, rasterize

CAMERAS = orbit([i * 45 for i in range(8)], size=48)
BLACK = torch.zeros(3)


def ellipsoid(count, radii, centre, colour):
    """An opaque shell of even spacing."""
    k = torch.arange(count) + 0.5
    height, turn = 1 - 2 * k / count, k * math.pi * (3 - 5**0.5)
    ring = (1 - height * height).sqrt()
    points = torch.stack([ring * turn.cos(), height, ring * turn.sin()], -1) * torch.tensor(radii) + torch.tensor(centre)
    return splats(points, colour)


def splats(points, colour, opacity=0.98, scale=0.03):
    n = len(points)
    return Gaussians(
        means=points,
        quats_wxyz=torch.tensor([1.0, 0, 0, 0]).expand(n, 4),
        scales=torch.full((n, 3), scale),
        opacities=torch.full((n,), opacity),
        rgb=torch.tensor(colour).expand(n, 3),
    )


def together(*parts):
    fields = ("means", "quats_wxyz", "scales", "opacities", "rgb")
    return Gaussians(**{name: torch.cat([getattr(part, name) for part in parts]) for name in fields})


def render(gaussians):
    return rasterize(gaussians, CAMERAS, BLACK)


@pytest.fixture(scope="module")
def truth():
    """A body with a face in front and an arm to one side; what it looks like from everywhere."""
    body = ellipsoid(1200, (0.3, 0.4, 0.25), (0.0, 0.0, 0.0), (0.7, 0.45, 0.35))
    face = ellipsoid(300, (0.12, 0.12, 0.1), (0.0, 0.1, 0.24), (0.2, 0.3, 0.8))
    arm = ellipsoid(200, (0.05, 0.2, 0.05), (0.38, 0.0, 0.0), (0.3, 0.7, 0.3))
    gaussians = together(body, face, arm)
    drawn = render(gaussians)
    return gaussians, drawn, torch.cat([unpremultiply(drawn.rgb, drawn.alpha), drawn.alpha], 1)


def found(gaussians, rgba) -> dict[str, float]:
    told = signatures(render(gaussians), rgba, CAMERAS, gaussians=gaussians)
    return {name: value for name, value in told.items() if value is not None}


def rising(values: list[float], least):
    assert values == sorted(values)
    assert values[0] == pytest.approx(0, abs=1e-3)
    assert values[-1] > least


def test_the_truth_has_none(truth):
    gaussians, drawn, rgba = truth
    assert tuple(signatures(drawn, rgba, CAMERAS)) == SIGNATURES
    told = found(gaussians, rgba)
    assert set(told) == set(SIGNATURES)
    assert told.pop("saturation") == pytest.approx(1, abs=1e-3)
    assert all(value == pytest.approx(0, abs=1e-3) for value in told.values()), told


def test_white_gaussians_around_the_object(truth):
    """White paper shows none of them."""
    gaussians, drawn, rgba = truth
    around = torch.nn.functional.normalize(torch.randn(400, 3, generator=torch.Generator().manual_seed(0)), dim=-1) * 0.6
    amounts = [0, 25, 100, 400]
    faults = [together(gaussians, splats(around[:n], (1.0, 1.0, 1.0), 0.6)) for n in amounts]
    told = [found(fault, rgba) for fault in faults]
    rising([t["alpha_outside"] for t in told], 0.3)
    rising([t["white_gaussians"] for t in told], 0.1)
    white = rasterize(faults[-1], CAMERAS, torch.ones(3)).rgb - rasterize(gaussians, CAMERAS, torch.ones(3)).rgb
    assert (white.abs() * (drawn.alpha == 0)).max() < 1e-5


def test_coloured_and_hidden_gaussians_are_not_white_ones_around_it(truth):
    gaussians, _, rgba = truth
    ring = torch.tensor([[0.6 * math.cos(a), 0.0, 0.6 * math.sin(a)] for a in range(40)])
    coloured = found(together(gaussians, splats(ring, (0.9, 0.2, 0.2))), rgba)
    inside = found(together(gaussians, splats(ring / 10, (1.0, 1.0, 1.0))), rgba)
    assert coloured["white_gaussians"] == 0
    assert coloured["alpha_outside"] > 0.02
    assert inside["white_gaussians"] == 0
    assert inside["alpha_outside"] < 1e-6  # sums in another order


def test_dull_and_burnt_colours(truth):
    gaussians, _, rgba = truth
    grey = gaussians.rgb.mean(-1, keepdim=True)
    told = [found(replace(gaussians, rgb=(grey + k * (gaussians.rgb - grey)).clamp(0, 1)), rgba) for k in (0.2, 0.5, 1, 1.3, 1.8)]
    ratios = [t["saturation"] for t in told]
    assert ratios == sorted(ratios)
    assert ratios[0] == pytest.approx(0.2, abs=0.01)  # linear as long as no channel is cut
    assert ratios[2] == pytest.approx(1, abs=1e-3)
    rising([t["oversaturation"] for t in told[2:]], 0.1)
    assert all(t["oversaturation"] < 1e-4 for t in told[:2])


def test_a_grey_half_does_not_hide_a_burnt_one(truth):
    """Means would be equal; the distributions are not."""
    gaussians, _, rgba = truth
    grey, right = gaussians.rgb.mean(-1, keepdim=True), gaussians.means[:, :1] > 0
    factor = torch.where(right, torch.tensor(1.6), torch.tensor(0.4))
    told = found(replace(gaussians, rgb=(grey + factor * (gaussians.rgb - grey)).clamp(0, 1)), rgba)
    assert told["saturation"] < 1.15
    assert told["oversaturation"] > 0.05


def test_colours_elsewhere_are_no_saturation(truth):
    _, drawn, _ = truth
    here = chroma_quantiles(drawn.rgb, drawn.alpha)
    moved = chroma_quantiles(drawn.rgb.flip(-1), drawn.alpha.flip(-1))
    assert oversaturation(moved, here) == 0
    assert torch.equal(moved, here)


def cardboards(distance, opacity):
    """A translucent card before each of the four supervised cameras, as a student has who gives every view a layer of its own."""
    line = torch.linspace(-0.25, 0.25, 14)
    y, x = (part.flatten() for part in torch.meshgrid(line, line, indexing="ij"))
    cards = []
    for quarter in range(4):
        sin, cos = math.sin(quarter * math.pi / 2), math.cos(quarter * math.pi / 2)
        points = torch.stack([x * cos + distance * sin, y, distance * cos - x * sin], -1)
        cards.append(splats(points, (0.6, 0.5, 0.4), opacity, 0.02))
    return cards


def test_cardboards_of_single_views_contradict_each_other(truth):
    gaussians, _, rgba = truth
    rising([found(together(gaussians, *cardboards(d, 0.3)), rgba)["contradicted"] for d in (0.0, 0.38, 0.44, 0.5)], 0.25)
    rising([found(together(gaussians, *cardboards(0.44, o)), rgba)["contradicted"] for o in (0.0, 0.05, 0.1, 0.2)], 0.1)


def test_an_object_that_is_fog_contradicts_itself(truth):
    gaussians, _, rgba = truth
    told = [found(replace(gaussians, opacities=gaussians.opacities * k), rgba)["contradicted"] for k in (1, 0.3, 0.15)]
    rising(told, 0.1)


def test_contradictions_need_no_truth(truth):
    gaussians, _, rgba = truth
    fault = together(gaussians, *cardboards(0.44, 0.2))
    assert found(fault, rgba)["contradicted"] == found(fault, torch.zeros_like(rgba))["contradicted"]


def test_a_second_face_at_the_back(truth):
    """From no face of its own behind, over a faint one, to a copy of the front."""
    gaussians, drawn, rgba = truth
    behind = behind_of(CAMERAS, 0)
    assert behind.tolist() == [False, False, True, True, True, True, True, False]
    front = drawn.rgb[0]
    blends = [drawn.rgb[behind] * (1 - k) + front * k for k in (0.0, 0.4, 0.6, 0.8, 1.0)]
    values = [janus(blend, drawn.rgb[behind], front) for blend in blends]
    rising(values, 0.99)
    second = ellipsoid(300, (0.12, 0.12, 0.1), (0.0, 0.1, -0.24), (0.2, 0.3, 0.8))
    assert found(together(gaussians, second), rgba)["janus"] > 0.1


def test_an_object_that_is_the_same_from_both_sides_is_no_janus():
    ball = ellipsoid(600, (0.3, 0.3, 0.3), (0.0, 0.0, 0.0), (0.8, 0.3, 0.2))
    drawn = render(ball)
    rgba = torch.cat([unpremultiply(drawn.rgb, drawn.alpha), drawn.alpha], 1)
    grey = replace(ball, rgb=ball.rgb.mean(-1, keepdim=True).expand(-1, 3))
    assert found(grey, rgba)["janus"] < 0.01


def test_what_can_not_be_told_is_none_and_nothing_at_all_is_no_number_to_fear(truth):
    _, drawn, rgba = truth
    told = signatures(drawn, rgba, CAMERAS, front=None)
    assert told["janus"] is told["white_gaussians"] is None
    nothing = Render(*(torch.zeros_like(part) for part in (drawn.rgb, drawn.alpha, drawn.depth)))
    empty = signatures(nothing, rgba, CAMERAS)
    assert empty["alpha_outside"] == empty["contradicted"] == empty["oversaturation"] == empty["saturation"] == 0
    assert signatures(drawn, torch.zeros_like(rgba), CAMERAS)["saturation"] is None
