"""Boxes, balls and turned things."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from dd3g.objects.made.shape import Shape, grid_shape, joined, moved, turned

Profile = Sequence[tuple[float, float]]  # (radius, height) from the lowest point along the outside upwards


def box(width: float, height: float, depth: float, bevel: float = 0.0, steps: int = 1) -> Shape:
    """A box about the origin; edges cut off (steps 1) or rounded (more) over the length ``bevel``."""
    half = np.array([width, height, depth]) / 2
    bevel = min(bevel, 0.999 * float(half.min()))
    faces = []
    # (axis that the face looks along, its sign, axis to the right and its sign as seen from outside)
    for axis, sign, right, right_sign in ((2, 1, 0, 1), (2, -1, 0, -1), (0, 1, 2, -1), (0, -1, 2, 1), (1, 1, 0, 1), (1, -1, 0, 1)):
        up = 3 - axis - right
        up_sign = 1 if axis != 1 else -sign  # the top is seen with +Z below, the bottom with +Z above
        across, upward = _ticks(float(half[right]), bevel, steps), _ticks(float(half[up]), bevel, steps)
        points = np.zeros((len(upward), len(across), 3))
        points[..., axis] = sign * half[axis]
        points[..., right] = right_sign * across[None]
        points[..., up] = up_sign * upward[:, None]
        faces.append(grid_shape(_rounded(points, half, bevel)))
    return joined(faces)


def _ticks(half: float, bevel: float, steps: int) -> np.ndarray:
    if bevel <= 0:
        return np.array([-half, half])
    corner = half - bevel + bevel * np.tan(np.linspace(0, math.pi / 4, steps + 1))
    corner[-1] = half
    return np.concatenate([-corner[::-1], corner])


def _rounded(points: np.ndarray, half: np.ndarray, bevel: float) -> np.ndarray:
    if bevel <= 0:
        return points
    inner = points.clip(-(half - bevel), half - bevel)
    out = points - inner
    return inner + out * (bevel / np.sqrt((out**2).sum(-1, keepdims=True)))


def lathe(profile: Profile, segments: int = 32, arc_deg: tuple[float, float] = (-180.0, 180.0)) -> Shape:
    """A profile turned about y. Angle 0 faces +Z, 90 faces +X; a full turn has its seam at the back."""
    low, high = arc_deg
    count = max(2, math.ceil(segments * (high - low) / 360)) + 1
    angles = np.radians(np.linspace(low, high, count))
    sin, cos = np.sin(angles), np.cos(angles)
    if high - low >= 360:
        sin[-1], cos[-1] = sin[0], cos[0]  # to the bit, so that the seam welds
    radii, heights = np.array(profile, np.float64).T
    points = np.stack(np.broadcast_arrays(radii[:, None] * sin, heights[:, None], radii[:, None] * cos), -1)
    points[radii == 0] = np.stack([np.zeros_like(heights), heights, np.zeros_like(heights)], -1)[radii == 0][:, None]
    return grid_shape(points)


def cylinder(radius: float, height: float, bevel: float = 0.0, segments: int = 32, top: float = 1.0) -> Shape:
    """Standing on y = 0; ``top`` is the upper radius over the lower one. The chart's v covers side and ends together."""
    upper = radius * top
    bevel = min(bevel, height / 2, radius / 2, upper / 2 if upper else height)
    side = (
        [(radius - bevel, 0.0), (radius, bevel), (upper, height - bevel), (upper - bevel, height)]
        if bevel > 0
        else [(radius, 0.0), (upper, height)]
    )
    return lathe([(0.0, 0.0), *side, *([(0.0, height)] if upper > 0 else [])], segments)


def barrel(radius: float, height: float, segments: int = 32, arc_deg: tuple[float, float] = (-180.0, 180.0), top: float = 1.0) -> Shape:
    """The side of a cylinder alone: for labels and bands."""
    return lathe([(radius, 0.0), (radius * top, height)], segments, arc_deg)


def ball(rx: float, ry: float | None = None, rz: float | None = None, segments: int = 32, power: float = 1.0) -> Shape:
    """An ellipsoid about the origin; a ``power`` below 1 makes it boxier, above 1 pointed, in height only."""
    ry, rz = rx if ry is None else ry, rx if rz is None else rz
    angles = np.linspace(-math.pi / 2, math.pi / 2, segments // 2 + 1)
    sin, cos = np.sin(angles), np.cos(angles).clip(0, 1)
    cos[0] = cos[-1] = 0.0
    profile = np.stack([cos**power, np.sign(sin) * np.abs(sin) ** power], 1)
    shape = lathe([(float(r), float(y)) for r, y in profile], segments)
    scaled = shape.positions * np.array([rx, ry, rz])
    mean = (rx + ry + rz) / 3
    return Shape(scaled, shape.triangles, shape.chart, shape.lengths * mean)


def capsule(radius: float, height: float, segments: int = 24) -> Shape:
    """A cylinder with half balls on both ends, standing on y = 0; ``height`` over all."""
    angles = np.radians(np.linspace(-90, 0, 7))
    lower = [(0.0 if i == 0 else radius * math.cos(a), radius + radius * math.sin(a)) for i, a in enumerate(angles)]
    upper = [(r, height - y) for r, y in reversed(lower)]
    return lathe([*lower, *upper], segments)


def torus(radius: float, thickness: float, segments: int = 36, sides: int = 14) -> Shape:
    """A ring round y about the origin; ``thickness`` is the radius of its tube."""
    angles = np.linspace(-math.pi, math.pi, sides + 1)
    profile = [(radius + thickness * math.cos(a), thickness * math.sin(a)) for a in angles]
    profile[-1] = profile[0]
    return lathe(profile, segments)


def upright(shape: Shape, axis: str) -> Shape:
    """A thing made about y, laid along x (its top to +X) or z (its top to +Z, towards the viewer)."""
    return turned(shape, "z", -90) if axis == "x" else turned(shape, "x", 90) if axis == "z" else shape


def panel(width: float, height: float) -> Shape:
    """A flat picture that faces +Z, about the origin."""
    x, y = width / 2, height / 2
    return grid_shape(np.array([[[-x, -y, 0], [x, -y, 0]], [[-x, y, 0], [x, y, 0]]], np.float64))


def on_floor(shape: Shape) -> Shape:
    """Moved so that its lowest point stands at y = 0."""
    return moved(shape, y=-float(shape.positions[:, 1].min()))
