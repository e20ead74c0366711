"""Closed outlines in the plane, and things cut out of a slab along them."""

from __future__ import annotations

import math

import numpy as np
from jaxtyping import Float64

from dd3g.objects.draws import Draws
from dd3g.objects.made.shape import Shape, joined

Outline = Float64[np.ndarray, "n 2"]  # counter-clockwise with x right and y up


def polygon(sides: int, radius: float = 1.0, turn_deg: float = 0.0) -> Outline:
    """A regular polygon with a corner on top."""
    angles = np.radians(90 + turn_deg + np.arange(sides) * 360 / sides)
    return radius * np.stack([np.cos(angles), np.sin(angles)], 1)


def star(points: int, radius: float = 1.0, inner: float = 0.5) -> Outline:
    """A star with a point on top."""
    radii = np.where(np.arange(2 * points) % 2 == 0, radius, radius * inner)
    angles = np.radians(90 + np.arange(2 * points) * 180 / points)
    return radii[:, None] * np.stack([np.cos(angles), np.sin(angles)], 1)


def gear(teeth: int, radius: float = 1.0, depth: float = 0.2) -> Outline:
    """A cogwheel."""
    steps = np.arange(4 * teeth)
    radii = np.where(steps % 4 < 2, radius, radius * (1 - depth))
    angles = (steps + np.array([0.2, -0.2, 0.2, -0.2])[steps % 4]) * 2 * math.pi / (4 * teeth)
    return radii[:, None] * np.stack([np.cos(angles), np.sin(angles)], 1)


def blob(draws: Draws, radius: float = 1.0, wobble: float = 0.25, corners: int = 40) -> Outline:
    """A smooth round shape with a few slow waves."""
    angles = np.arange(corners) * 2 * math.pi / corners
    radii = np.ones(corners)
    for wave in (2, 3, 4, 5):
        radii += wobble / wave * draws.uniform(0.3, 1.2) * np.cos(wave * angles + draws.uniform(0, 2 * math.pi))
    return radius * radii[:, None] * np.stack([np.cos(angles), np.sin(angles)], 1)


def heart(radius: float = 1.0, corners: int = 40) -> Outline:
    """A heart, point down."""
    t = np.arange(corners) * 2 * math.pi / corners
    x = 16 * np.sin(t) ** 3
    y = 13 * np.cos(t) - 5 * np.cos(2 * t) - 2 * np.cos(3 * t) - np.cos(4 * t)
    return radius / 17 * np.stack([-x, y], 1)


def crescent(radius: float = 1.0, corners: int = 36) -> Outline:
    """A moon, open to the right."""
    outer = np.radians(np.linspace(60, 300, corners // 2))
    inner = np.radians(np.linspace(268, 92, corners // 2))
    arc = np.stack([np.cos(outer), np.sin(outer)], 1)
    hollow = np.array([0.52, 0.0]) + 0.868 * np.stack([np.cos(inner), np.sin(inner)], 1)
    return radius * np.concatenate([arc, hollow[(hollow[:, 0] ** 2 + hollow[:, 1] ** 2) < 0.999]])


def rounded_rectangle(width: float, height: float, corner: float, steps: int = 5) -> Outline:
    """A rectangle with round corners."""
    corner = min(corner, 0.499 * min(width, height))
    out = []
    for cx, cy, start in ((1, 1, 0), (-1, 1, 90), (-1, -1, 180), (1, -1, 270)):
        angles = np.radians(start + np.linspace(0, 90, steps + 1))
        centre = np.array([cx * (width / 2 - corner), cy * (height / 2 - corner)])
        out.append(centre + corner * np.stack([np.cos(angles), np.sin(angles)], 1))
    return np.concatenate(out)


def ellipse(rx: float, ry: float, corners: int = 32) -> Outline:
    """An ellipse."""
    angles = np.arange(corners) * 2 * math.pi / corners
    return np.stack([rx * np.cos(angles), ry * np.sin(angles)], 1)


def extruded(outline: Outline, depth: float, bevel: float = 0.0) -> Shape:
    """A slab along z about the origin, with the outline as its front; ``bevel`` cuts off the edges of front and back."""
    bevel = min(bevel, depth * 0.45)
    inset = _inset(outline, bevel) if bevel > 0 else outline
    half = depth / 2
    rings = (
        [(inset, -half), (outline, -half + bevel), (outline, half - bevel), (inset, half)]
        if bevel > 0
        else [(outline, -half), (outline, half)]
    )
    low, high = outline.min(0), outline.max(0)
    triangles = _ears(inset)
    front = _cap(inset, half, triangles, low, high, mirrored_chart=False)
    back = _cap(inset, -half, triangles[:, ::-1], low, high, mirrored_chart=True)
    return joined([_side(rings), front, back])


def _side(rings: list[tuple[np.ndarray, float]]) -> Shape:
    """The rim, ring by ring from back to front."""
    closed = [np.concatenate([ring, ring[:1]]) for ring, _ in rings]
    count = len(closed[0])
    around = np.concatenate([[0.0], np.cumsum(np.sqrt((np.diff(closed[-2], axis=0) ** 2).sum(1)))])
    positions, lengths = [], []
    for ring, (_, z) in zip(closed, rings, strict=True):
        positions.append(np.concatenate([ring, np.full((count, 1), z)], 1))
        lengths.append(np.stack([around, np.full(count, rings[-1][1] - z)], 1))
    a = np.arange(len(rings) * count).reshape(len(rings), count)
    quads = np.stack([a[:-1, :-1], a[:-1, 1:], a[1:, 1:], a[1:, :-1]], -1).reshape(-1, 4)
    flat = np.concatenate(lengths)
    return Shape(np.concatenate(positions), np.concatenate([quads[:, [0, 1, 2]], quads[:, [0, 2, 3]]]), flat / flat.max(0), flat)


def _cap(outline: np.ndarray, z: float, triangles: np.ndarray, low: np.ndarray, high: np.ndarray, mirrored_chart: bool) -> Shape:
    lengths = np.stack([outline[:, 0] - low[0], high[1] - outline[:, 1]], 1)
    if mirrored_chart:
        lengths[:, 0] = high[0] - outline[:, 0]
    return Shape(np.concatenate([outline, np.full((len(outline), 1), z)], 1), triangles, lengths / (high - low), lengths)


def _inset(outline: np.ndarray, amount: float) -> np.ndarray:
    """Moved inwards along the corners' bisectors; a sharp corner moves by at most twice the amount."""
    before, after = outline - np.roll(outline, 1, axis=0), np.roll(outline, -1, axis=0) - outline
    normals = [np.stack([-edge[:, 1], edge[:, 0]], 1) / np.sqrt((edge**2).sum(1, keepdims=True)) for edge in (before, after)]
    bisector = normals[0] + normals[1]
    length = np.sqrt((bisector**2).sum(1, keepdims=True)).clip(1e-6)
    cosine = (bisector / length * normals[0]).sum(1, keepdims=True).clip(0.5, 1)
    return outline + bisector / length * (amount / cosine)


def _ears(outline: np.ndarray) -> np.ndarray:
    """Triangles of a simple counter-clockwise outline: cuts off one ear after another, the sharpest first."""
    left = np.arange(len(outline))
    triangles = []
    while len(left) > 3:
        before, after = np.roll(left, 1), np.roll(left, -1)
        a, b, c = outline[before], outline[left], outline[after]
        turn = (b[:, 0] - a[:, 0]) * (c[:, 1] - a[:, 1]) - (b[:, 1] - a[:, 1]) * (c[:, 0] - a[:, 0])
        points = outline[left]
        # [corner, point]: on the left of all three sides of the corner's triangle
        inside = np.ones((len(left), len(left)), bool)
        for p, q in ((a, b), (b, c), (c, a)):
            inside &= (q[:, :1] - p[:, :1]) * (points[:, 1] - p[:, 1:]) - (q[:, 1:] - p[:, 1:]) * (points[:, 0] - p[:, :1]) >= 0
        index = np.arange(len(left))
        for own in (index - 1, index, (index + 1) % len(left)):
            inside[index, own] = False
        sharpness = np.where((turn > 0) & ~inside.any(1), turn / ((c - a) ** 2).sum(1).clip(1e-12), -np.inf)
        i = int(sharpness.argmax())  # the first one where nothing but numerical flats are left
        triangles.append((before[i], left[i], after[i]))
        left = np.delete(left, i)
    triangles.append(tuple(left))
    return np.array(triangles, np.int64)
