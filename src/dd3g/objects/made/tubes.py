"""Tubes along curves: handles, legs, tails, pipes."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from jaxtyping import Float64

from dd3g.objects.made.shape import Shape, grid_shape, joined

Curve = Float64[np.ndarray, "n 3"]


def smooth_curve(points: Sequence[Sequence[float]], steps: int = 8) -> Curve:
    """A Catmull-Rom curve through the points."""
    given = np.array(points, np.float64)
    padded = np.concatenate([2 * given[:1] - given[1:2], given, 2 * given[-1:] - given[-2:-1]])
    t = np.linspace(0, 1, steps, endpoint=False)[:, None]
    pieces = []
    for i in range(len(given) - 1):
        a, b, c, d = padded[i : i + 4]
        pieces.append(0.5 * (2 * b + (c - a) * t + (2 * a - 5 * b + 4 * c - d) * t**2 + (3 * b - a - 3 * c + d) * t**3))
    return np.concatenate([*pieces, given[-1:]])


def arc(radius: float, start_deg: float, end_deg: float, height: float | None = None, points: int = 20) -> Curve:
    """Part of a circle in the x-y plane, 0 at +X and 90 at +Y; an ellipse where ``height`` is given."""
    angles = np.radians(np.linspace(start_deg, end_deg, points))
    return np.stack([radius * np.cos(angles), (radius if height is None else height) * np.sin(angles), np.zeros(points)], 1)


def straight(start: Sequence[float], end: Sequence[float]) -> Curve:
    """A line of two points."""
    return np.array([start, end], np.float64)


def tube(curve: Curve, radii: float | Sequence[float], sides: int = 12, flatness: float = 1.0, round_ends: bool = True) -> Shape:
    """A round tube along a curve.

    Args:
        curve: At least two points.
        radii: One for all points, or values spread evenly over the curve's points.
        sides: Corners of the cross-section.
        flatness: Thickness over width of the cross-section; the flat sides look along the second axis of the curve's frame.
        round_ends: Half balls on the ends; else flat ones.
    """
    given = np.atleast_1d(np.array(radii, np.float64))
    values = (
        np.interp(np.linspace(0, 1, len(curve)), np.linspace(0, 1, len(given)), given) if len(given) > 1 else np.full(len(curve), given[0])
    )
    centres, widths, tangents = _with_ends(curve, values, round_ends)
    first, second = _frames(tangents)
    angles = np.linspace(0, 2 * math.pi, sides + 1)
    sin, cos = np.sin(angles), np.cos(angles)
    sin[-1], cos[-1] = sin[0], cos[0]
    offsets = first[:, None] * cos[:, None] + second[:, None] * (sin * flatness)[:, None]
    points = centres[:, None] + offsets * widths[:, None, None]
    body = grid_shape(points)
    if round_ends:
        return body
    return joined([body, *(_lid(points[i], reverse) for i, reverse in ((0, True), (-1, False)))])


def _with_ends(curve: np.ndarray, radii: np.ndarray, round_ends: bool) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    steps = np.diff(curve, axis=0)
    directions = steps / np.sqrt((steps**2).sum(1, keepdims=True)).clip(1e-12)
    tangents = np.concatenate([directions[:1], directions[:-1] + directions[1:], directions[-1:]])
    tangents /= np.sqrt((tangents**2).sum(1, keepdims=True)).clip(1e-12)
    if not round_ends:
        return curve, radii, tangents
    angles = np.radians([90, 65, 40, 18])
    start = curve[0] - tangents[0] * (radii[0] * np.sin(angles))[:, None]
    end = (curve[-1] + tangents[-1] * (radii[-1] * np.sin(angles))[:, None])[::-1]
    cosines = np.cos(angles)
    cosines[0] = 0.0
    return (
        np.concatenate([start, curve, end]),
        np.concatenate([radii[0] * cosines, radii, (radii[-1] * cosines)[::-1]]),
        np.concatenate([np.repeat(tangents[:1], 4, 0), tangents, np.repeat(tangents[-1:], 4, 0)]),
    )


def _frames(tangents: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Two axes across the curve at every point, carried along without twist."""
    helper = np.array([0.0, 0.0, 1.0]) if abs(tangents[0, 2]) < 0.9 else np.array([1.0, 0.0, 0.0])
    first = np.empty_like(tangents)
    current = np.cross(helper, tangents[0])
    for i, tangent in enumerate(tangents):
        current = current - tangent * (current * tangent).sum()
        current = current / math.sqrt((current**2).sum())
        first[i] = current
    return first, np.cross(tangents, first)


def _lid(ring: np.ndarray, reverse: bool) -> Shape:
    centre = ring[:-1].mean(0)
    points = np.stack([ring, np.broadcast_to(centre, ring.shape)] if not reverse else [np.broadcast_to(centre, ring.shape), ring])
    return grid_shape(points)
