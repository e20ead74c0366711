"""Things without a name: two to seven parts arranged as things are: stacked, mirrored, round an axis, on legs, with a head."""

from __future__ import annotations

import math

import numpy as np

from dd3g.objects.draws import Draws
from dd3g.objects.made import shape as shapes
from dd3g.objects.made.crockery import handle
from dd3g.objects.made.furniture import four_legs, frame_paint
from dd3g.objects.made.labels import face, label_front, screen
from dd3g.objects.made.outlines import blob, extruded, gear, polygon, star
from dd3g.objects.made.paint import Piece, Recipe, Thing, any_paint, around, flat, moved, paired, picture, put
from dd3g.objects.made.palette import Palette
from dd3g.objects.made.shape import Shape
from dd3g.objects.made.solids import ball, box, capsule, cylinder, lathe, on_floor, panel, torus
from dd3g.objects.made.tubes import smooth_curve, tube


def any_solid(draws: Draws, width: float, height: float) -> Shape:
    """Any shape, about so wide and so high, its foot at y = 0."""
    kind = draws.pick(("box", "rounded", "ball", "cylinder", "cone", "capsule", "torus", "lathe", "slab", "pipe", "wedge", "prism"))
    half = width / 2
    if kind == "box":
        shape = box(width, height, width * draws.uniform(0.5, 1.2), draws.pick((0.0, 0.02, 0.06)) * width)
    elif kind == "rounded":
        shape = box(width, height, width * draws.uniform(0.5, 1.0), 0.2 * min(width, height), 4)
    elif kind == "ball":
        shape = ball(half, height / 2, half * draws.uniform(0.7, 1.1), power=draws.uniform(0.7, 1.2))
    elif kind == "cylinder":
        shape = cylinder(half, height, draws.pick((0.0, 0.05)) * width, top=draws.uniform(0.6, 1.0))
    elif kind == "cone":
        shape = cylinder(half, height, segments=draws.pick((32, 32, 4, 6)), top=draws.pick((0.0, 0.0, 0.4)))
    elif kind == "capsule":
        shape = capsule(min(half, height / 2.01), height)
    elif kind == "torus":
        shape = shapes.stretched(torus(half * 0.72, half * 0.28), y=height / (half * 0.56))
    elif kind == "lathe":
        rows = [(half * draws.uniform(0.35, 1.0), height * t) for t in np.linspace(0, 1, 6).tolist()]
        curve = smooth_curve([(r, y, 0) for r, y in rows], 5)
        shape = lathe([(0, 0), *((float(r), float(y)) for r, y, _ in curve), (0, height)])
    elif kind == "slab":
        outline = draws.pick((star(5, half, 0.5), gear(10, half), blob(draws, half * 0.9), polygon(6, half)))
        shape = shapes.stretched(extruded(outline, width * draws.uniform(0.2, 0.5), 0.02), y=height / (float(np.ptp(outline[:, 1]))))
    elif kind == "pipe":
        curve = smooth_curve(
            [
                (0, 0, 0),
                (draws.uniform(-0.3, 0.3) * width, height * 0.35, 0),
                (draws.uniform(-0.3, 0.3) * width, height * 0.7, 0),
                (0, height, 0),
            ]
        )
        shape = tube(curve, half * draws.uniform(0.3, 0.5), 14)
    elif kind == "wedge":
        shape = extruded(np.array([[-half, 0.0], [half, 0.0], [draws.uniform(-half, half), height]]), width * draws.uniform(0.5, 1.0), 0.01)
    else:
        shape = cylinder(half, height, 0.03 * width, segments=draws.integer(3, 8))
    change = draws.pick(("none", "none", "none", "taper", "twist", "bend"))
    if change == "taper":
        shape = shapes.tapered(shape, draws.uniform(0.5, 1.3))
    elif change == "twist" and kind in ("box", "prism", "slab"):
        shape = shapes.twisted(shape, draws.uniform(-60, 60))
    elif change == "bend" and kind in ("capsule", "pipe", "lathe"):
        shape = shapes.bent(shape, draws.uniform(-50, 50))
    return on_floor(shape)


def _painted(draws: Draws, palette: Palette, shape: Shape) -> Piece:
    colour = draws.pick(palette.all(), (3, 2, 1.5, 1, 1))
    return Piece(shape, any_paint(draws, colour, palette, draws.uniform(0.3, 0.8)))


def stack(draws: Draws, palette: Palette) -> Thing:
    """One part on another."""
    thing, y, width = [], 0.0, draws.uniform(0.6, 1.0)
    for _i in range(draws.integer(2, 5)):
        shape = any_solid(draws, width, draws.uniform(0.2, 0.7))
        thing.append(_painted(draws, palette, shapes.moved(shape, y=y)))
        y += float(np.ptp(shape.positions[:, 1])) * 0.95
        width *= draws.uniform(0.6, 1.1)
    return thing


def mirrored_sides(draws: Draws, palette: Palette) -> Thing:
    """A middle, pairs at its sides, something in front."""
    width, height = draws.uniform(0.5, 0.9), draws.uniform(0.5, 1.0)
    thing = [_painted(draws, palette, any_solid(draws, width, height))]
    for _i in range(draws.integer(1, 2)):
        size = draws.uniform(0.15, 0.4)
        side = shapes.turned(any_solid(draws, size, draws.uniform(0.3, 0.8)), "z", draws.pick((0, 0, -30, -90)))
        thing += paired(
            [_painted(draws, palette, shapes.moved(side, width / 2 + size * 0.2, draws.uniform(0, height * 0.6), draws.uniform(-0.1, 0.1)))]
        )
    front = draws.pick((label_front, lambda d, p, a: face(d, p.light, p, a), screen))(draws, palette, 1.2)
    board = [
        Piece(box(0.42 * width, 0.36 * width, 0.06, 0.01), flat(palette.dark)),
        put(panel(0.4 * width, 0.33 * width), picture(front), z=0.034),
    ]
    depth = float(thing[0].shape.positions[:, 2].max())
    return thing + (moved(board, y=height * draws.uniform(0.4, 0.7), z=depth - 0.02) if draws.chance(0.7) else [])


def radial(draws: Draws, palette: Palette) -> Thing:
    """A hub and equal arms round it; upright like a flower or lying like a wheel."""
    hub = any_solid(draws, draws.uniform(0.3, 0.6), draws.uniform(0.3, 0.8))
    thing = [_painted(draws, palette, hub)]
    arm = shapes.turned(any_solid(draws, draws.uniform(0.12, 0.25), draws.uniform(0.3, 0.6)), "z", -draws.uniform(40, 100))
    out = shapes.moved(arm, draws.uniform(0.1, 0.3), draws.uniform(0.1, 0.4))
    thing += around([_painted(draws, palette, out)], draws.integer(3, 8), draws.uniform(0, 90))
    if draws.chance(0.5):
        thing.append(_painted(draws, palette, shapes.moved(any_solid(draws, 0.25, 0.25), y=float(hub.positions[:, 1].max()) - 0.02)))
    if draws.chance(0.3):
        return [Piece(shapes.turned(p.shape, "x", 90), p.paint) for p in thing]
    return thing


def legs_and_top(draws: Draws, palette: Palette) -> Thing:
    """A body on four legs with something on it."""
    height, width = draws.uniform(0.2, 0.6), draws.uniform(0.5, 0.9)
    body = any_solid(draws, width, draws.uniform(0.2, 0.6))
    thing = four_legs(draws, width, width * 0.7, height + 0.05, 0.09, frame_paint(draws, palette))
    thing.append(_painted(draws, palette, shapes.moved(body, y=height)))
    top = height + float(np.ptp(body.positions[:, 1]))
    return [*thing, _painted(draws, palette, shapes.moved(any_solid(draws, width * 0.5, draws.uniform(0.15, 0.4)), y=top - 0.03))]


def with_handles(draws: Draws, palette: Palette) -> Thing:
    """A turned body with one or two handles, a spout, a lid."""
    height = draws.uniform(0.6, 1.0)
    curve = smooth_curve([(draws.uniform(0.2, 0.45), i / 4 * height, 0) for i in range(5)], 6)
    body = lathe([(0, 0), *((float(r), float(y)) for r, y, _ in curve), (0, height)])
    thing = [_painted(draws, palette, body)]
    radius = float(np.interp(height / 2, curve[:, 1], curve[:, 0]))
    grip = handle(radius * 0.95, height * 0.5, draws.uniform(0.15, 0.3), draws.uniform(0.025, 0.05), height / 2)
    grip = Piece(grip.shape, flat(draws.pick((palette.accent, palette.main))))
    thing += paired([grip]) if draws.chance(0.5) else [grip]
    lid = shapes.moved(any_solid(draws, float(curve[-1, 0]) * 1.7, draws.uniform(0.08, 0.3)), y=height - 0.02)
    return [*thing, _painted(draws, palette, lid)]


def head_and_body(draws: Draws, palette: Palette) -> Thing:
    """A figure from any shapes, with a face."""
    height, width = draws.uniform(0.4, 0.8), draws.uniform(0.4, 0.6)
    thing = [_painted(draws, palette, any_solid(draws, width, height))]
    size = draws.uniform(0.3, 0.45)
    skin = draws.pick((palette.light, palette.second, (0.95, 0.8, 0.65)))
    if draws.chance(0.5):
        head = box(size, size, size, 0.04, 3)
        thing += moved(
            [
                Piece(head, flat(skin)),
                put(panel(size * 0.8, size * 0.8), picture(face(draws, skin, palette)), z=size / 2 + 0.004),
            ],
            y=height + size * 0.48,
        )
    else:
        mask = lathe([(size / 2 * math.cos(a) + 0.004, size / 2 * math.sin(a)) for a in np.linspace(-0.8, 0.8, 9).tolist()], 32, (-50, 50))
        thing += moved([Piece(ball(size / 2), flat(skin)), Piece(mask, picture(face(draws, skin, palette, 1.1)))], y=height + size * 0.42)
    thing.append(_painted(draws, palette, shapes.moved(any_solid(draws, size * 0.8, draws.uniform(0.1, 0.3)), y=height + size * 0.85)))
    arm = shapes.turned(capsule(0.06, draws.uniform(0.3, 0.5), 14), "z", -draws.uniform(30, 150))
    thing += paired([put(arm, flat(palette.accent), width * 0.42, height * 0.75)])
    return thing


RECIPES: dict[Recipe, float] = {stack: 2, mirrored_sides: 2, radial: 1, legs_and_top: 1, with_handles: 1, head_and_body: 1}
