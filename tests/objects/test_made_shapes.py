"""Shapes that objects are made of: closed, turned outwards, with charts that are upright."""

import math

import numpy as np
import pytest

from dd3g.objects import Part, assemble
from dd3g.objects.draws import Draws
from dd3g.objects.made import shape as shapes
from dd3g.objects.made.outlines import blob, crescent, ellipse, extruded, gear, heart, polygon, rounded_rectangle, star
from dd3g.objects.made.shape import Shape
from dd3g.objects.made.solids import ball, box, capsule, cylinder, lathe, panel, torus, upright
from dd3g.objects.made.tubes import smooth_curve, straight, tube

CURVE = smooth_curve([(0, 0, 0), (0.5, 0.4, 0.1), (0.2, 0.9, -0.2), (0, 1.5, 0)])
SOLIDS = {
    "box": (box(1, 2, 3), 6.0),
    "bevelled box": (box(1, 2, 3, 0.2), None),
    "rounded box": (box(1, 1, 1, 0.2, 4), None),
    "ball": (ball(0.5, segments=64), math.pi / 6),
    "egg": (ball(0.5, 1.0, 0.25, segments=64), math.pi / 6),
    "cylinder": (cylinder(0.5, 2.0, segments=96), math.pi / 2),
    "bevelled cylinder": (cylinder(0.5, 2.0, 0.1), None),
    "cone": (cylinder(0.5, 3.0, segments=96, top=0.0), math.pi / 4),
    "capsule": (capsule(0.3, 1.0), None),
    "torus": (torus(1.0, 0.25, 96, 48), 2 * math.pi**2 * 0.0625),
    "round tube": (tube(CURVE, [0.1, 0.2, 0.05]), None),
    "cut tube": (tube(straight((0, 0, 0), (0, 2, 0)), 0.5, 96, round_ends=False), math.pi / 2),
    "flat tube": (tube(CURVE, 0.1, flatness=0.3), None),
    "star": (extruded(star(5), 0.4), None),
    "gear": (extruded(gear(9), 0.4, 0.05), None),
    "heart": (extruded(heart(), 0.4, 0.02), None),
    "crescent": (extruded(crescent(), 0.2, 0.01), None),
    "blob": (extruded(blob(Draws("blob")), 0.2, 0.02), None),
    "square": (extruded(np.array([[0.0, 0], [2, 0], [2, 1], [0, 1]]), 3.0), 6.0),
    "slab": (extruded(rounded_rectangle(2, 1, 0.2), 0.3, 0.05), None),
    "bent": (shapes.bent(cylinder(0.1, 2.0), 60), None),
    "twisted": (shapes.twisted(box(0.4, 2, 0.4, 0.05, 2), 90), None),
    "tapered": (shapes.tapered(box(1, 1, 1), 0.5), None),
    "bumpy": (shapes.bumpy(ball(1), 0.1, 5.0, Draws("b").uniforms(6)), None),
    "mirrored": (shapes.mirrored(shapes.moved(box(1, 2, 3), 5)), 6.0),
    "turned": (shapes.turned(shapes.turned(torus(1, 0.3), "x", 37), "y", 11), None),
}


def _volume(shape: Shape) -> float:
    a, b, c = (shape.positions[shape.triangles[:, i]] for i in range(3))
    return float((a * np.cross(b, c)).sum() / 6)


@pytest.mark.parametrize("name", SOLIDS)
def test_solid_is_closed_and_looks_outwards(name):
    shape, volume = SOLIDS[name]
    found = _volume(shapes.moved(shape, *(-shape.positions.mean(0))))
    assert found > 0
    assert volume is None or found == pytest.approx(volume, rel=0.01)  # polygons inside their circles
    mesh = assemble([Part(shape.positions.astype(np.float32), shape.triangles.astype(np.int32))], name)
    edges = np.concatenate([mesh.faces[:, [0, 1]], mesh.faces[:, [1, 2]], mesh.faces[:, [2, 0]]]).astype(np.int64)
    directed, back = (np.sort(edges[:, i] * len(mesh.vertices) + edges[:, 1 - i]) for i in (0, 1))
    np.testing.assert_array_equal(directed, back)  # every edge is walked once in each direction: no holes, no flipped faces


@pytest.mark.parametrize("name", SOLIDS)
def test_chart_covers_each_side_once(name):
    shape, _ = SOLIDS[name]
    assert shape.chart.min() >= -1e-9
    assert shape.chart.max() <= 1 + 1e-9
    assert (shape.lengths >= -1e-9).all()


def _directions(shape: Shape, face: int) -> tuple[np.ndarray, np.ndarray]:
    """Where u and v grow on a face, in space."""
    corners, chart = shape.positions[shape.triangles[face]], shape.chart[shape.triangles[face]]
    solved = np.linalg.solve(chart[1:] - chart[0], corners[1:] - corners[0])
    return solved[0] / np.linalg.norm(solved[0]), solved[1] / np.linalg.norm(solved[1])


@pytest.mark.parametrize(
    "shape", [box(1, 1, 1), panel(1, 1), cylinder(1, 1), lathe([(1, 0), (1, 1)]), ball(1), extruded(ellipse(1, 1), 0.5)]
)
def test_what_is_written_on_a_front_reads_from_left_to_right(shape):
    triangles = shape.positions[shape.triangles]
    normals = np.cross(triangles[:, 1] - triangles[:, 0], triangles[:, 2] - triangles[:, 0])
    areas = np.linalg.norm(normals, axis=1)
    facing = [
        i
        for i in np.flatnonzero(normals[:, 2] > 0.97 * areas)
        if np.abs(np.linalg.det(np.diff(shape.chart[shape.triangles[i]], axis=0))) > 1e-9
    ]
    assert facing
    for face in facing:
        u, v = _directions(shape, int(face))
        assert u[0] > 0.9
        assert v[1] < -0.9


def test_lengths_are_lengths():
    shape = box(2.0, 1.0, 0.5)
    edges = shape.triangles[:, [0, 1]]
    in_space = np.linalg.norm(np.diff(shape.positions[edges], axis=1)[:, 0], axis=1)
    on_paper = np.linalg.norm(np.diff(shape.lengths[edges], axis=1)[:, 0], axis=1)
    np.testing.assert_allclose(in_space, on_paper, atol=1e-12)


def test_turning_is_right_handed():
    np.testing.assert_allclose(
        shapes.turned(Shape(np.array([[0.0, 0, 1]]), np.zeros((0, 3), np.int64), np.zeros((1, 2)), np.zeros((1, 2))), "y", 90).positions,
        [[1, 0, 0]],
        atol=1e-12,
    )
    tip = upright(cylinder(0.1, 1.0), "z").positions
    assert tip[:, 2].max() == pytest.approx(1.0)


@pytest.mark.parametrize(
    "outline", [polygon(5), star(7), gear(8), heart(), crescent(), ellipse(1, 2), rounded_rectangle(2, 1, 0.3), blob(Draws(1))]
)
def test_outlines_run_counter_clockwise(outline):
    x, y = outline.T
    assert (x * np.roll(y, -1) - np.roll(x, -1) * y).sum() > 0
