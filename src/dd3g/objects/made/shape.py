"""A surface with two sets of texture coordinates, and what can be done to it. Lengths are free until the whole thing is normalised.

Everything is computed element by element, without matrix products: equal inputs give bit-equal outputs wherever they stand in an array,
so that seams still weld after a shape was moved.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float64, Int64


@dataclass(frozen=True)
class Shape:
    """Triangles with texture coordinates.

    ``chart`` covers [0, 1] once over each side of the shape (v down, upright as seen from outside); ``lengths`` are the same directions
    in units of length, for patterns that repeat.
    """

    positions: Float64[np.ndarray, "n 3"]
    triangles: Int64[np.ndarray, "m 3"]
    chart: Float64[np.ndarray, "n 2"]
    lengths: Float64[np.ndarray, "n 2"]


def joined(shapes: Sequence[Shape]) -> Shape:
    """Several shapes as one."""
    starts = np.cumsum([0] + [len(shape.positions) for shape in shapes])
    return Shape(
        np.concatenate([shape.positions for shape in shapes]),
        np.concatenate([shape.triangles + start for shape, start in zip(shapes, starts[:-1], strict=True)]),
        np.concatenate([shape.chart for shape in shapes]),
        np.concatenate([shape.lengths for shape in shapes]),
    )


def moved(shape: Shape, x: float = 0.0, y: float = 0.0, z: float = 0.0) -> Shape:
    """Shifted."""
    return replace(shape, positions=shape.positions + np.array([x, y, z]))


def turned(shape: Shape, axis: str, angle_deg: float) -> Shape:
    """Turned round an axis of the origin, right-handed: about y by 90, what faces +Z faces +X."""
    first, second = {"x": (1, 2), "y": (2, 0), "z": (0, 1)}[axis]
    sin, cos = math.sin(math.radians(angle_deg)), math.cos(math.radians(angle_deg))
    positions = shape.positions.copy()
    positions[:, first] = cos * shape.positions[:, first] - sin * shape.positions[:, second]
    positions[:, second] = sin * shape.positions[:, first] + cos * shape.positions[:, second]
    return replace(shape, positions=positions)


def mirrored(shape: Shape) -> Shape:
    """The other one of a left-right pair: x negated. What is written on it would read backwards; patterns don't mind."""
    return replace(shape, positions=shape.positions * np.array([-1.0, 1.0, 1.0]), triangles=shape.triangles[:, ::-1])


def stretched(shape: Shape, x: float = 1.0, y: float = 1.0, z: float = 1.0) -> Shape:
    """Scaled along the axes; lengths follow by the mean factor."""
    factor = (x * y * z) ** (1 / 3)
    return replace(shape, positions=shape.positions * np.array([x, y, z]), lengths=shape.lengths * factor)


def tapered(shape: Shape, top: float, low: float | None = None, high: float | None = None) -> Shape:
    """Narrower (or wider) towards the top: x and z scaled from 1 at the lowest point to ``top`` at the highest."""
    y = shape.positions[:, 1]
    low, high = float(y.min()) if low is None else low, float(y.max()) if high is None else high
    factor = 1 + (top - 1) * ((y - low) / (high - low)).clip(0, 1)
    return replace(shape, positions=np.stack([shape.positions[:, 0] * factor, y, shape.positions[:, 2] * factor], 1))


def bent(shape: Shape, angle_deg: float) -> Shape:
    """Bent in the x-y plane: the y axis becomes an arc over this angle, leaning towards +X with height."""
    y = shape.positions[:, 1]
    height = float(y.max() - y.min())
    if abs(angle_deg) < 1e-3 or height == 0:
        return shape
    radius = height / math.radians(angle_deg)
    angle = (y - y.min()) / radius
    inner = radius - shape.positions[:, 0]
    return replace(shape, positions=np.stack([radius - inner * np.cos(angle), y.min() + inner * np.sin(angle), shape.positions[:, 2]], 1))


def twisted(shape: Shape, angle_deg: float) -> Shape:
    """Twisted about y, from 0 at the lowest point to the angle at the highest."""
    x, y, z = shape.positions.T
    angle = np.radians(angle_deg) * (y - y.min()) / max(float(y.max() - y.min()), 1e-9)
    return replace(shape, positions=np.stack([np.cos(angle) * x + np.sin(angle) * z, y, np.cos(angle) * z - np.sin(angle) * x], 1))


def bumpy(shape: Shape, height: float, waves: float, phases: Float64[np.ndarray, " 6"]) -> Shape:
    """Dented by a few slow waves along the line to the origin, as fruit and stones are."""
    x, y, z = shape.positions.T
    a, b, c, d, e, f = phases * 2 * math.pi
    wave = (
        np.sin(waves * x + a) * np.sin(waves * 0.9 * y + b)
        + np.sin(waves * 1.1 * y + c) * np.sin(waves * z + d)
        + np.sin(waves * 1.3 * z + e) * np.sin(waves * x + f)
    )
    return replace(shape, positions=shape.positions * (1 + height * wave / 3)[:, None])


def grid_shape(points: Float64[np.ndarray, "rows columns 3"], v_down: bool = True) -> Shape:
    """A rectangular net of points as a surface. Rows run upwards, columns to the right as seen from outside.

    Rows or columns that lie on one point (poles) give no faces there.
    """
    rows, columns = points.shape[:2]
    across = _lengths_along(points, axis=1)
    upward = _lengths_along(points, axis=0)
    width, height = max(float(across[:, -1].max()), 1e-9), max(float(upward[-1].max()), 1e-9)
    # one length a column and a row, so that repeating patterns stay straight and don't shear where the net narrows
    s, t = np.linspace(0, 1, columns) * width, upward.max(1)
    lengths = np.stack(np.broadcast_arrays(s[None], (height - t if v_down else t)[:, None]), -1).reshape(-1, 2)
    chart = lengths / np.array([width, height])
    a = np.arange(rows * columns).reshape(rows, columns)
    quads = np.stack([a[:-1, :-1], a[:-1, 1:], a[1:, 1:], a[1:, :-1]], -1).reshape(-1, 4)
    triangles = np.concatenate([quads[:, [0, 1, 2]], quads[:, [0, 2, 3]]])
    flat = points.reshape(-1, 3)
    return Shape(flat, _without_slivers(flat, triangles), chart, lengths.copy())


def _lengths_along(points: np.ndarray, axis: int) -> np.ndarray:
    steps = np.sqrt((np.diff(points, axis=axis) ** 2).sum(-1))
    return np.concatenate([np.zeros_like(steps[:, :1] if axis else steps[:1]), np.cumsum(steps, axis=axis)], axis=axis)


def _without_slivers(positions: np.ndarray, triangles: np.ndarray) -> np.ndarray:
    corners = positions[triangles]
    same = (corners == np.roll(corners, 1, axis=1)).all(-1).any(1)
    return triangles[~same]
