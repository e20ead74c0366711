"""Things about the house: books, hats, baskets, shoes, plants, small houses, pictures in frames."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np

from dd3g.objects.draws import Draws
from dd3g.objects.made import shape as shapes
from dd3g.objects.made.canvas import Canvas
from dd3g.objects.made.labels import cover, label_front
from dd3g.objects.made.outlines import extruded, star
from dd3g.objects.made.paint import (
    Paint,
    Piece,
    Recipe,
    Thing,
    any_paint,
    around,
    flat,
    moved,
    paired,
    picture,
    put,
    tiled,
    turned,
    wooden,
)
from dd3g.objects.made.palette import WHITE, Colour, Palette, draw_metal, draw_wood, shaded
from dd3g.objects.made.patterns import bricks, weave
from dd3g.objects.made.shape import Shape
from dd3g.objects.made.solids import ball, barrel, box, capsule, cylinder, lathe, panel, torus
from dd3g.objects.made.tubes import arc, smooth_curve, tube


def books(draws: Draws, palette: Palette) -> Thing:
    """One book upright, or a heap of them."""
    if draws.chance(0.5):
        width, height, thick = draws.uniform(0.55, 0.8), draws.uniform(0.8, 1.0), draws.uniform(0.08, 0.25)
        return _book(draws, palette, width, height, thick)
    thing: Thing = []
    top = 0.0
    for i in range(draws.integer(2, 5)):
        width, height, thick = draws.uniform(0.5, 0.7), draws.uniform(0.7, 0.95), draws.uniform(0.07, 0.17)
        main, second, _ = draws.shuffled(palette.all()[:3])
        book = _book(draws.branch(i), replace(palette, main=main, second=second), width, height, thick)
        thing += moved(turned(turned(book, "x", -90), "y", 90 + draws.uniform(-25, 25)), y=top + thick / 2)
        top += thick
    return thing


def _book(draws: Draws, palette: Palette, width: float, height: float, thick: float) -> Thing:
    """Upright, its spine on the left."""
    binding = flat(palette.main)
    spine = Canvas(palette.second, thick / height)
    spine.rectangle(0, 0.12, thick / height, 0.08, palette.light)
    label = shapes.turned(shapes.moved(panel(thick * 0.98, height * 0.98), z=width / 2 + 0.003), "y", -90)
    return [
        *(put(box(width, height, 0.02), binding, z=z) for z in (thick / 2 - 0.01, -thick / 2 + 0.01)),
        put(box(0.02, height, thick), binding, -width / 2 + 0.01),
        Piece(box(width * 0.94, height * 0.95, thick - 0.03), flat((0.94, 0.92, 0.85))),
        Piece(label, picture(spine)),
        put(panel(width * 0.99, height * 0.99), picture(cover(draws, palette, width / height)), z=thick / 2 + 0.003),
    ]


def hat(draws: Draws, palette: Palette) -> Thing:
    """A hat with a brim and a ribbon."""
    wide, tall, top = draws.uniform(0.5, 0.75), draws.uniform(0.25, 0.6), draws.uniform(0.24, 0.34)
    body = lathe(
        [(0.32, 0.0), (wide, 0.02), (wide, 0.05), (0.33, 0.04), (top, tall), (0.2, tall + 0.04), (0, tall + draws.uniform(0, 0.05))]
    )
    return [
        Piece(body, any_paint(draws.branch("cloth"), palette.main, palette, 0.4)),
        put(barrel(0.335, 0.09), flat(palette.accent), y=0.05),
    ]


def cap(draws: Draws, palette: Palette) -> Thing:
    """A cap with a visor and a badge in front."""
    dome = lathe([(0.5, 0), *((0.5 * math.cos(a), 0.42 * math.sin(a)) for a in np.linspace(0.1, 1.45, 8).tolist()), (0, 0.42)])
    angle = np.radians(np.linspace(-65, 65, 15))
    inner = np.stack([0.48 * np.sin(angle), -0.48 * np.cos(angle)], 1)
    outer = inner - np.stack([np.zeros(15), 0.34 * np.cos(angle * 1.38)], 1)
    visor = shapes.turned(extruded(np.concatenate([inner, outer[::-1]])[::-1], 0.03), "x", -82)
    badge = shapes.turned(shapes.moved(extruded(star(draws.integer(4, 7), 0.13, 0.5), 0.03), z=0.49), "x", -22)
    trim = flat(palette.accent)
    cloth = any_paint(draws.branch("cloth"), palette.main, palette, 0.4)
    return [Piece(dome, cloth), Piece(visor, trim), put(ball(0.05), trim, y=0.42), Piece(badge, flat(palette.light))]


def bucket(draws: Draws, palette: Palette) -> Thing:
    """A bucket with a wire handle."""
    return _pail(draws, any_paint(draws.branch("side"), palette.main, palette, 0.4), flat(draw_metal(draws)), 0.015, palette)


def basket(draws: Draws, palette: Palette) -> Thing:
    """A woven basket, empty or full of fruit."""
    straw = tiled(weave(draws, replace(palette, main=draw_wood(draws))), 0.35)
    thing = _pail(draws, straw, straw, 0.03, palette)
    high = float(thing[0].shape.positions[:, 1].max())
    for i in range(9 if draws.chance(0.7) else 0):
        size, out = draws.uniform(0.1, 0.15), 0.1 * math.sqrt(i)
        colour = draws.pick(((0.8, 0.15, 0.1), (0.95, 0.6, 0.1), (0.5, 0.65, 0.15), palette.accent))
        thing.append(put(ball(size, segments=16), flat(colour), out * math.cos(i * 2.4), high, out * math.sin(i * 2.4)))
    return thing


def _pail(draws: Draws, side: Paint, grip: Paint, thickness: float, palette: Palette) -> Thing:
    high, low, rim = draws.uniform(0.4, 0.7), 0.34, 0.34 * draws.uniform(1.1, 1.5)
    body = lathe([(0, 0), (low, 0), (rim, high), (rim - 0.03, high), (low - 0.03, 0.03), (0, 0.03)], 36)
    handle = put(tube(arc(rim, 0, 180, draws.uniform(0.4, 0.65)), thickness, 8), grip, y=high)
    return [Piece(body, side), put(torus(rim - 0.015, 0.025), flat(palette.dark), y=high), handle]


def shoe(draws: Draws, palette: Palette) -> Thing:
    """A shoe or boot: sole, upper, laces, stripes; mostly seen from its side."""
    height, half, wide = 0.3 + draws.uniform(0.0, 0.45), 0.6, 0.21
    angles = np.linspace(-math.pi, math.pi, 25)
    sin, cos = np.sin(angles), np.cos(angles)
    sin[-1], cos[-1] = sin[0], cos[0]
    toe = 1 + 0.18 * np.clip(cos, 0, 1)  # wider in front
    t = np.linspace(0, 1, 15)[:, None]  # from the sole's outline to the opening above the heel
    x = sin * wide * (1 - 0.35 * t) * (1 + (toe - 1) * (1 - t))
    y = 0.08 + t * height * (1 - 0.12 * (cos > 0) * t)
    z = cos * (half * (1 - t**1.2 * 0.62)) - 0.32 * t**1.1
    outline = np.stack([sin * wide * toe * 1.08, -cos * half * 1.04], 1)[:-1]
    sole = shapes.moved(shapes.turned(extruded(outline, 0.11, 0.02), "x", -90), y=0.06)
    thing = [
        Piece(shapes.grid_shape(np.stack([x, y, z], -1)), any_paint(draws.branch("upper"), palette.main, palette, 0.4)),
        Piece(sole, flat(draws.pick((WHITE, palette.dark, palette.accent)))),
        put(ball(wide * 0.6, 0.02, half * 0.36), flat(palette.dark), y=0.07 + height * 0.95, z=-0.32),
    ]
    for s in (0.3, 0.46, 0.62, 0.78):
        at_y, at_z = 0.08 + s * height * 0.88, half * (1 - s**1.2 * 0.62) - 0.32 * s**1.1
        lace = smooth_curve([(-0.1, at_y - 0.02, at_z - 0.05), (0, at_y + 0.03, at_z - 0.02), (0.1, at_y - 0.02, at_z - 0.05)])
        thing.append(Piece(tube(lace, 0.02, 8), flat(palette.light)))
    stripe = shapes.turned(shapes.turned(box(0.09, 0.2, 0.02, 0.008), "z", 20), "y", 84)
    thing += paired([put(stripe, flat(palette.accent), wide * 0.97, 0.2, -0.06 + 0.14 * i) for i in range(draws.integer(0, 3))])
    return turned(thing, "y", draws.pick((90, 90, -90, 0, 40)))


def plant(draws: Draws, palette: Palette) -> Thing:
    """A pot with a cactus, leaves, a palm, a fir or a round tree."""
    radius, high = draws.uniform(0.22, 0.34), draws.uniform(0.3, 0.5)
    rim, inner = radius * 1.08, radius * 0.95
    pot = lathe(
        [
            (0, 0),
            (radius * 0.7, 0),
            (inner, high * 0.8),
            (rim, high * 0.8),
            (rim, high),
            (inner, high),
            (inner, high * 0.9),
            (0, high * 0.9),
        ]
    )
    clay = any_paint(draws, draws.pick(((0.72, 0.38, 0.24), palette.main, palette.light)), palette, 0.4)
    grown = draws.pick((_cactus, _leaves, _palm, _fir, _tree))(
        draws, palette, (draws.uniform(0.15, 0.4), draws.uniform(0.42, 0.62), draws.uniform(0.12, 0.3))
    )
    return [Piece(pot, clay), put(cylinder(radius * 0.93, 0.02), flat((0.25, 0.17, 0.11)), y=high * 0.88), *moved(grown, y=high * 0.85)]


def _cactus(draws: Draws, palette: Palette, green: Colour) -> Thing:
    skin = tiled(weave(draws, Palette(green, green, green, green, green)), 0.2)
    arm = tube(smooth_curve([(0.1, 0.3, 0), (0.27, 0.32, 0), (0.3, 0.55, 0)]), 0.075, 12)
    arms = [
        piece for i in range(draws.integer(0, 2)) for piece in turned([put(arm, flat(green), y=0.1 * i)], "y", draws.pick((0, 180, 90)))
    ]
    return [Piece(capsule(0.15, 0.75), skin), *arms, put(ball(0.07, 0.05), flat(palette.accent), y=0.77)]


def _leaves(draws: Draws, palette: Palette, green: Colour) -> Thing:
    blade = tube(smooth_curve([(0.02, 0, 0), (0.1, 0.45, 0), (0.2, 0.75, 0)]), [0.05, 0.11, 0.05, 0.01], 10, 0.25)
    paint = Paint(green, top=shaded(green, 1.25))
    sizes = [(draws.uniform(0.8, 1.8), draws.uniform(0.6, 1.2)) for _ in range(draws.integer(5, 10))]
    return [
        piece for i, (out, up) in enumerate(sizes) for piece in turned([Piece(shapes.stretched(blade, out, up), paint)], "y", i * 137.5)
    ]


def _palm(draws: Draws, palette: Palette, green: Colour) -> Thing:
    frond = tube(smooth_curve([(0, 0, 0), (0.25, 0.15, 0), (0.5, -0.08, 0)]), [0.03, 0.1, 0.01], 10, 0.2)
    tall = draws.uniform(0.4, 0.8)
    return [
        Piece(cylinder(0.05, tall, segments=12, top=0.7), flat((0.5, 0.37, 0.22))),
        *around([put(frond, flat(green), y=tall)], draws.integer(6, 9)),
    ]


def _fir(draws: Draws, palette: Palette, green: Colour) -> Thing:
    thing = [
        put(cylinder(0.42 - 0.1 * i, 0.42, segments=18, top=0.0), flat(shaded(green, 0.75 + 0.1 * i)), y=0.1 + 0.24 * i) for i in range(3)
    ]
    thing.append(put(extruded(star(5, 0.1), 0.04, 0.01), flat((0.97, 0.8, 0.2)), y=1.06))
    for i in range(12):
        bauble = put(
            ball(0.035, segments=10),
            flat(draws.pick((palette.accent, palette.main, palette.second))),
            y=0.17 + 0.05 * i,
            z=0.46 - 0.033 * i,
        )
        thing += turned([bauble], "y", i * 137.5)
    return thing


def _tree(draws: Draws, palette: Palette, green: Colour) -> Thing:
    thing = [Piece(cylinder(0.05, 0.65, segments=12), flat((0.4, 0.28, 0.17)))]
    for i in range(draws.integer(1, 5)):
        crown = shapes.bumpy(ball(draws.uniform(0.22, 0.38)), 0.12, 8.0, draws.uniforms(6))
        x, y, z = draws.uniform(-0.2, 0.2), draws.uniform(-0.1, 0.2), draws.uniform(-0.2, 0.2)
        thing.append(put(crown, flat(shaded(green, draws.uniform(0.85, 1.15))), x * min(i, 1), 0.7 + y, z * min(i, 1)))
    return thing


def house(draws: Draws, palette: Palette) -> Thing:
    """Walls, a gabled roof, a chimney, a door in front, windows."""
    width, high, deep, gable = draws.uniform(0.6, 1.0), draws.uniform(0.45, 0.8), draws.uniform(0.5, 0.9), draws.uniform(0.3, 0.55)
    roof = extruded(np.array([[-width / 2 - 0.08, 0.0], [width / 2 + 0.08, 0.0], [0.0, gable]]), deep + 0.12)
    if draws.chance(0.5):
        roof = shapes.stretched(shapes.turned(roof, "y", 90), width / deep, 1, deep / width)
    pane = [Piece(box(0.2, 0.2, 0.03), flat(palette.dark)), put(panel(0.15, 0.15), flat((0.7, 0.85, 0.93)), z=0.018)]
    front = moved(pane, width * 0.32, high * 0.68, deep / 2)
    return [
        put(box(width, high, deep), _wall(draws, palette), y=high / 2),
        put(roof, any_paint(draws, palette.main, palette, 0.3), y=high),
        put(box(0.12, 0.35, 0.12), tiled(bricks(draws, palette), 0.3), width * 0.25, high + gable * 0.8, -deep * 0.2),
        put(_door(0.2, 0.36), flat(palette.accent), width * draws.uniform(-0.15, 0.15), 0, deep / 2),
        *(front if draws.chance(0.5) else paired(front)),
        *turned(moved(pane, 0, high * 0.55, width / 2), "y", draws.pick((90, -90))),
    ]


def tower(draws: Draws, palette: Palette) -> Thing:
    """A round tower with a pointed roof or battlements."""
    radius, tall = draws.uniform(0.25, 0.4), draws.uniform(0.8, 1.3)
    thing = [Piece(cylinder(radius, tall), _wall(draws, palette)), put(_door(0.24, 0.42), flat(palette.accent), z=radius * 0.95)]
    for angle, at in ((0, 0.72), (120, 0.5), (230, 0.65)):
        thing += turned([put(box(0.16, 0.2, 0.06, 0.01), flat(palette.dark), y=tall * at, z=radius * 0.97)], "y", angle)
    if draws.chance(0.6):
        return [*thing, put(cylinder(radius * 1.2, 0.55, segments=24, top=0.0), flat(palette.main), y=tall)]
    merlon = put(box(0.16, 0.16, 0.1), flat(palette.main), y=tall + 0.14, z=radius)
    return [*thing, put(cylinder(radius * 1.15, 0.1), flat(palette.main), y=tall), *around([merlon], 8)]


def _wall(draws: Draws, palette: Palette) -> Paint:
    return tiled(bricks(draws, palette), 0.5) if draws.chance(0.4) else any_paint(draws, palette.light, palette, 0.5)


def _door(width: float, height: float) -> Shape:
    steps = np.linspace(0, math.pi, 9)
    arch = np.stack([width / 2 * np.cos(steps), height - width / 2 + width / 2 * np.sin(steps)], 1)
    return extruded(np.concatenate([[[-width / 2, 0.0], [width / 2, 0.0]], arch]), 0.05)


def framed(draws: Draws, palette: Palette) -> Thing:
    """A poster in a frame, by itself or on an easel."""
    width, high, bar = draws.uniform(0.6, 1.1), draws.uniform(0.6, 1.0), draws.uniform(0.04, 0.09)
    frame = wooden(draws, draw_wood(draws)) if draws.chance(0.6) else flat(palette.main)
    inner = draws.pick((label_front, cover))(draws, palette, width / high)
    rail = shapes.turned(box(bar, width + bar, 0.07, 0.012), "z", 90)
    thing = [
        Piece(box(width, high, 0.03), flat(palette.second)),
        put(panel(width * 0.98, high * 0.98), picture(inner), z=0.018),
        *(put(rail, frame, y=y) for y in (high / 2, -high / 2)),
        *paired([put(box(bar, high + bar, 0.07, 0.012), frame, width / 2)]),
    ]
    if draws.chance(0.5):
        thing += paired([Piece(shapes.turned(shapes.moved(box(0.05, 1.4, 0.05), width * 0.25, -0.1, -0.08), "x", 6), frame)])
        thing.append(put(shapes.turned(box(0.05, 1.4, 0.05), "x", -16), frame, y=-0.1, z=-0.3))
    return thing


RECIPES: dict[Recipe, float] = {books: 1.5, hat: 0.7, cap: 0.7, bucket: 0.5, basket: 1, shoe: 2, plant: 2, house: 1, tower: 0.7, framed: 1}
