"""Things whose back can't be told from their front: bodies made so that a camera in front of them sees one picture whatever is behind.

    bodies = body(seed)                     # what the front shows
    mesh = completed(bodies, Hidden(...))   # one of the ways in which it may go on

Every solid is convex and symmetric about the axis of the front camera, which then sees nothing of it behind the plane z = 0: depth and
colour there are free, and so is a part behind the back that is narrower than the body. The ways are the same for all things, so that
whoever has learnt them knows those of a new thing, and not which.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import product

import numpy as np

from dd3g.objects import Mesh, assemble
from dd3g.objects.draws import Draws
from dd3g.objects.made.paint import Piece, flat, parts_of, put
from dd3g.objects.made.palette import Colour, oklch
from dd3g.objects.made.shape import Shape
from dd3g.objects.made.shape import moved as moved_shape
from dd3g.objects.made.solids import ball, box, capsule, cylinder
from dd3g.objects.mesh import FARTHEST_VERTEX

GENERATOR = "dd3g-hidden-1"  # part of every key; a change of what is made is a new name
_SHALLOW, _DEEP = 0.4, 1.5  # depth of the half behind, over that of the half in front
_PACK = (0.62, 0.5)  # width and height of the part behind, over the body's
# Few colours: a student of a minute's training shall not spend it on learning what blue looks like.
_COLOURS = tuple(oklch(0.65, 0.16, hue) for hue in (25, 85, 145, 200, 265, 325))
_PALE: Colour = (0.93, 0.93, 0.9)
_DARK: Colour = (0.14, 0.14, 0.17)
_PACK_COLOUR: Colour = (0.88, 0.42, 0.1)


@dataclass(frozen=True)
class Hidden:
    """What the front does not show."""

    pale: bool  # the back is nearly white, else nearly black
    deep: bool
    pack: bool  # a part behind the back


WAYS = tuple(Hidden(*ways) for ways in product((False, True), repeat=3))  # eight, equally likely


@dataclass(frozen=True)
class Body:
    """What the front shows."""

    solids: tuple[Shape, ...]  # convex, centred
    main: Colour
    badge: Colour
    badge_at: tuple[float, float]  # x, y
    badge_round: bool

    @property
    def half(self) -> np.ndarray:
        """Largest coordinates of all solids: half the box."""
        return np.stack([np.abs(solid.positions).max(0) for solid in self.solids]).max(0)


def body(seed: int) -> Body:
    """A body of one to three solids through one another, with a badge in front; the same for the same seed on every machine."""
    draws = Draws(GENERATOR, seed)
    solids = []
    for _ in range(draws.integer(1, 3)):
        width, height, depth = draws.uniform(0.45, 0.85), draws.uniform(0.45, 0.9), draws.uniform(0.32, 0.44)
        kind = draws.pick(("box", "rounded", "ball", "cylinder", "capsule"))
        if kind in ("box", "rounded"):
            solid = box(width, height, depth, 0.02 if kind == "box" else 0.1, 1 if kind == "box" else 4)
        elif kind == "ball":
            solid = ball(width / 2, height / 2, depth / 2, segments=24)
        else:
            upright = cylinder(0.5, 1.0, 0.06, 24) if kind == "cylinder" else capsule(0.3, 1.0, 20)
            upright = moved_shape(upright, y=-0.5)
            size = np.array([width, height, depth]) / (2 * np.abs(upright.positions).max(0))
            solid = replace(upright, positions=upright.positions * size)
        solids.append(_cut(solid))
    main, badge, *_ = draws.shuffled(_COLOURS)
    at = draws.uniform(-0.07, 0.07), draws.uniform(-0.1, 0.1)
    return Body(tuple(solids), main, badge, at, draws.chance(0.5))


def completed(front: Body, hidden: Hidden) -> Mesh:
    """The body with one of its backs. All have one frame: what is in front stands at the same place in each."""
    depth = _DEEP if hidden.deep else _SHALLOW
    pieces: list[Piece] = []
    for solid in front.solids:
        middle = solid.positions[solid.triangles].mean(1)[:, 2]
        positions = solid.positions.copy()
        behind = positions[:, 2] < 0
        positions[behind, 2] *= depth
        back = _PALE if hidden.pale else _DARK
        for side, colour in ((middle >= -1e-9, front.main), (middle < -1e-9, back)):
            if side.any():
                pieces.append(Piece(replace(solid, positions=positions, triangles=solid.triangles[side]), flat(colour)))
    half = front.half
    shape = ball(0.075, 0.075, 0.03, segments=16) if front.badge_round else box(0.13, 0.13, 0.05)
    pieces.append(put(shape, flat(front.badge), *front.badge_at, half[2]))
    if hidden.pack:
        size = 2 * half[:2] * np.array(_PACK)
        pieces.append(put(box(size[0], size[1], 0.16, 0.02), flat(_PACK_COLOUR), z=-(half[2] * depth + 0.05)))
    return _in_one_frame(pieces, front)


def _cut(solid: Shape) -> Shape:
    """The same surface with no triangle on both sides of the plane z = 0."""
    positions, whole, pieces = [solid.positions], [], []
    count = len(solid.positions)
    for triangle in solid.triangles:
        z = solid.positions[triangle, 2]
        if z.min() >= -1e-9 or z.max() <= 1e-9:
            whole.append(triangle)
            continue
        signs = np.where(np.abs(z) <= 1e-9, 0, np.sign(z))
        # turned so that the corner which is alone on its side comes first
        alone = int(np.flatnonzero(signs == (-1 if (signs > 0).sum() > (signs < 0).sum() else 1))[0])
        if (signs == 0).any():
            alone = int(np.flatnonzero(signs == 0)[0])
        a, b, c = np.roll(triangle, -alone)
        p, q, r = solid.positions[[a, b, c]]
        if signs[alone] == 0:
            positions.append((q + (r - q) * q[2] / (q[2] - r[2]))[None])
            pieces += [(a, b, count), (a, count, c)]
            count += 1
        else:
            positions.append(np.stack([p + (q - p) * p[2] / (p[2] - q[2]), p + (r - p) * p[2] / (p[2] - r[2])]))
            pieces += [(a, count, count + 1), (count, b, c), (count, c, count + 1)]
            count += 2
    triangles = np.array([*whole, *pieces], np.int64)
    return Shape(np.concatenate(positions), triangles, np.zeros((count, 2)), np.zeros((count, 2)))


def _in_one_frame(pieces: list[Piece], front: Body) -> Mesh:
    """The mesh as it was built, not normalised by what is hidden: scaled by the largest that any of the body's backs may be."""
    parts = parts_of(pieces)
    mesh = assemble(parts, "a body with its back")
    # assemble() has centred and scaled it; undo both
    used = np.concatenate([part.positions[np.unique(part.triangles)] for part in parts]).astype(np.float64)
    centre = (used.min(0) + used.max(0)) / 2
    farthest = float(np.sqrt(((used - centre) ** 2).sum(1).max()))
    built = mesh.vertices.astype(np.float64) * (farthest / FARTHEST_VERTEX) + centre
    half = front.half
    front_z, back_z = half[2] + 0.03, half[2] * _DEEP + 0.13
    reach = np.array([half[0], half[1], (front_z + back_z) / 2])
    built[:, 2] += (back_z - front_z) / 2
    return replace(mesh, vertices=(built * (FARTHEST_VERTEX / float(np.sqrt((reach**2).sum())))).astype(np.float32))
