"""Things to play with: balls, dice, globes, blocks with letters, cut-out shapes, stacking rings, balloons, instruments."""

from __future__ import annotations

import math
from itertools import pairwise

import numpy as np

from dd3g.objects.draws import Draws
from dd3g.objects.made import shape as shapes
from dd3g.objects.made.canvas import Canvas
from dd3g.objects.made.letters import STROKES, draw_word, strokes, write
from dd3g.objects.made.outlines import blob, crescent, ellipse, extruded, gear, heart, polygon, rounded_rectangle, star
from dd3g.objects.made.paint import (
    Piece,
    Recipe,
    Thing,
    any_paint,
    around,
    flat,
    gores,
    paired,
    picture,
    printed,
    put,
    turned,
    wooden,
)
from dd3g.objects.made.palette import BLACK, Palette, draw_metal, draw_wood, oklch, shaded
from dd3g.objects.made.solids import ball, barrel, box, cylinder, lathe, panel, torus, upright
from dd3g.objects.made.tubes import arc, smooth_curve, straight, tube


def striped_ball(draws: Draws, palette: Palette) -> Thing:
    """A beach ball of coloured pieces."""
    count = draws.pick((6, 8, 12))
    angles = np.linspace(-math.pi / 2, math.pi / 2, 15).tolist()
    profile = [(0.5 * math.cos(a) if 0 < i < 14 else 0.0, 0.5 * math.sin(a)) for i, a in enumerate(angles)]
    colours = draws.shuffled(palette.all()[:4])[: 4 if count == 8 else draws.pick((2, 3))]
    return turned(gores(profile, count, colours), "z", draws.uniform(-40, 40))


def printed_ball(draws: Draws, palette: Palette) -> Thing:
    """A ball or an egg with a print."""
    body = ball(0.5) if draws.chance(0.5) else shapes.tapered(ball(0.4, 0.52), 0.75)
    return turned([Piece(body, printed(draws, palette, draws.uniform(0.3, 0.8)))], "z", draws.uniform(0, 60))


def football(draws: Draws, palette: Palette) -> Thing:
    """Twelve dark pentagons on a light ball."""
    thing = [Piece(ball(0.5), flat(palette.light))]
    golden = (1 + 5**0.5) / 2
    corners = [(0.0, s, t * golden) for s in (1.0, -1.0) for t in (1.0, -1.0)]
    patch = [put(extruded(polygon(5, 0.17), 0.02, 0.008), flat(palette.dark), z=0.493)]
    for x, y, z in [*corners, *((a, b, c) for c, a, b in corners), *((b, c, a) for a, b, c in corners)]:
        yaw, pitch = math.degrees(math.atan2(x, z)), math.degrees(math.atan2(y, math.hypot(x, z)))
        thing += turned(turned(patch, "x", -pitch), "y", yaw)
    return turned(thing, "x", draws.uniform(0, 90))


def globe(draws: Draws, palette: Palette) -> Thing:
    """Seas and lands on a tilted axis over a foot."""
    map_of = Canvas((0.25, 0.5, 0.8), 2.0)
    for _ in range(draws.integer(6, 10)):
        land = blob(draws, 1, 0.6, 24)
        x, y, size = draws.uniform(0.1, 1.9), draws.uniform(0.2, 0.8), draws.uniform(0.06, 0.2)
        map_of.shape(land, x, y, size, draws.pick(((0.35, 0.6, 0.25), (0.75, 0.65, 0.35))))
    foot = lathe([(0, -0.68), (0.28, -0.68), (0.25, -0.63), (0.04, -0.6), (0.03, -0.45), (0, -0.45)])
    axis = tube(arc(0.47, 90, -90), 0.025, 8)
    return [
        Piece(shapes.turned(ball(0.44), "z", 23), picture(map_of)),
        Piece(axis, flat(palette.accent)),
        Piece(foot, flat(draw_wood(draws))),
    ]


def die(draws: Draws, palette: Palette) -> Thing:
    """Opposite sides add up to seven."""
    two, four = [(-1, -1), (1, 1)], [(-1, -1), (1, 1), (-1, 1), (1, -1)]
    spots = {1: [(0, 0)], 2: two, 3: [*two, (0, 0)], 4: four, 5: [*four, (0, 0)], 6: [*four, (-1, 0), (1, 0)]}
    sides = {1: ("y", 0), 6: ("y", 180), 3: ("y", 90), 4: ("y", -90), 2: ("x", 90), 5: ("x", -90)}
    dot, light = ball(0.075, 0.075, 0.02, segments=14), flat(palette.light)
    thing = [Piece(box(0.9, 0.9, 0.9, draws.uniform(0.03, 0.15), 3), flat(draws.pick((palette.main, palette.dark))))]
    for number, (axis, angle) in sides.items():
        thing += turned([put(dot, light, 0.22 * x, 0.22 * y, 0.45) for x, y in spots[number]], axis, angle)
    return thing


def letter_cube(draws: Draws, palette: Palette) -> Thing:
    """A cube with a letter on each side."""
    thing = [Piece(box(0.9, 0.9, 0.9, 0.05, 2), wooden(draws, draw_wood(draws)) if draws.chance(0.6) else flat(palette.light))]
    word = draw_word(draws, 6)
    for i, (axis, angle) in enumerate((("y", 0), ("y", 90), ("y", 180), ("y", 270), ("x", -90), ("x", 90))):
        colour = palette.all()[i % 3]
        sign = Canvas(palette.light)
        sign.rectangle(0.03, 0.03, 0.94, 0.94, colour)
        sign.rectangle(0.1, 0.1, 0.8, 0.8, palette.light)
        write(sign, word[i], 0.27, 0.2, 0.6, colour, 0.2, width=0.6)
        thing += turned([put(panel(0.8, 0.8), picture(sign), z=0.454)], axis, angle)
    return thing


def letter(draws: Draws, palette: Palette) -> Thing:
    """A letter or digit that stands by itself."""
    sign = draws.pick(list(STROKES))
    bold, deep = draws.uniform(0.09, 0.15), draws.uniform(0.15, 0.4)
    paint = any_paint(draws, palette.main, palette, 0.4)
    thing: Thing = []
    for stroke in strokes(sign):
        points = [(x / 4 * 0.75, 1 - y / 6) for x, y in stroke]
        for (x0, y0), (x1, y1) in pairwise(points):
            length, angle = math.hypot(x1 - x0, y1 - y0), math.degrees(math.atan2(y1 - y0, x1 - x0))
            bar = shapes.turned(extruded(rounded_rectangle(length + 2 * bold, 2 * bold, bold * 0.999), deep), "z", angle)
            thing.append(put(bar, paint, (x0 + x1) / 2, (y0 + y1) / 2))
    return thing


def cut_out(draws: Draws, palette: Palette) -> Thing:
    """A flat thing with an outline: star, heart, moon, cogwheel, cloud, biscuit, sign on a post."""
    outline = draws.pick(
        (
            star(draws.integer(4, 8), 0.5, draws.uniform(0.4, 0.6)),
            heart(0.5),
            crescent(0.5),
            gear(draws.integer(8, 14), 0.5),
            blob(draws, 0.45, 0.35),
            polygon(draws.integer(3, 8), 0.5),
        )
    )
    deep = draws.uniform(0.06, 0.3)
    thing = [Piece(extruded(outline, deep, draws.pick((0.0, 0.02, 0.05))), any_paint(draws, palette.main, palette, 0.4))]
    if draws.chance(0.5):
        inner = draws.pick((ellipse(0.2, 0.2), star(5, 0.22, 0.45), heart(0.2)))
        thing.append(put(extruded(inner, 0.04, 0.01), flat(palette.accent), z=deep / 2))
    if draws.chance(0.4):
        thing.append(put(cylinder(0.035, 1.0), flat(draws.pick((draw_metal(draws), draw_wood(draws)))), y=-1.2))
        thing.append(put(cylinder(0.25, 0.05, 0.02), flat(palette.dark), y=-1.22))
    return thing


def stacking_rings(draws: Draws, palette: Palette) -> Thing:
    """Rings on a stick, the largest below."""
    count, top = draws.integer(4, 6), 0.1
    thing = [Piece(cylinder(0.45, 0.1, 0.03), flat(palette.dark))]
    for i in range(count):
        colour = shaded(palette.all()[i % 4], 1.0 if i < 4 else 0.8)
        thing.append(put(torus(0.3 - 0.045 * i, 0.1), flat(colour), y=top + 0.09))
        top += 0.185
    return [*thing, Piece(cylinder(0.05, top), flat(palette.light)), put(ball(0.12), flat(palette.accent), y=top + 0.05)]


def spinning_top(draws: Draws, palette: Palette) -> Thing:
    """A top with bands."""
    body = lathe([(0, 0), (0.04, 0.06), (0.4, 0.42), (0.44, 0.5), (0.4, 0.56), (0.08, 0.68), (0.06, 0.95), (0, 0.97)])
    bands = ((0.19, 0.21, 0.26, 0.27), (0.31, 0.32, 0.37, 0.38), (0.405, 0.563, 0.25, 0.628))
    rings = [Piece(lathe([(r, y), (r2, y2)]), flat(palette.all()[1 + i])) for i, (r, y, r2, y2) in enumerate(bands)]
    return [Piece(body, any_paint(draws, palette.main, palette, 0.3)), *rings]


def balloon(draws: Draws, palette: Palette) -> Thing:
    """A hot-air balloon with its basket."""
    profile = [(0.1, 0.0), (0.25, 0.15), (0.42, 0.38), (0.5, 0.6), (0.46, 0.82), (0.3, 1.0), (0.12, 1.06), (0, 1.07)]
    basket = put(box(0.2, 0.16, 0.2, 0.02), flat((0.6, 0.42, 0.22)), y=-0.3)
    rope = Piece(tube(straight((0.1, -0.25, 0.1), (0.09, 0.02, 0.06)), 0.008, 6), flat(palette.dark))
    return [*_striped(draws, palette, profile), basket, *around([rope], 4)]


def umbrella(draws: Draws, palette: Palette) -> Thing:
    """An open umbrella or a parasol."""
    profile = [(0.62, 0.0), (0.55, 0.14), (0.4, 0.26), (0.2, 0.33), (0, 0.36)]
    crook = smooth_curve([(0, 0.36, 0), (0, -0.3, 0), (0, -0.62, 0), (0.06, -0.7, 0), (0.13, -0.64, 0)])
    stick = Piece(tube(crook, 0.022, 10), flat(draw_wood(draws)))
    return [*_striped(draws, palette, profile), stick, put(cylinder(0.015, 0.08), flat(palette.dark), y=0.35)]


def _striped(draws: Draws, palette: Palette, profile: list[tuple[float, float]]) -> Thing:
    if draws.chance(0.5):
        return gores(profile, draws.pick((8, 10, 12)), (palette.main, palette.light))
    return gores(profile, draws.pick((8, 12)), (palette.main, palette.second, palette.accent, palette.light))


def drum(draws: Draws, palette: Palette) -> Thing:
    """Skin, hoops and cords."""
    high = draws.uniform(0.4, 0.8)
    cord = tube(straight((0.0, 0.06, 0.46), (0.14, high - 0.06, 0.44)), 0.012, 6)
    return [
        Piece(cylinder(0.45, high), any_paint(draws, palette.main, palette, 0.5)),
        put(cylinder(0.44, 0.02), flat((0.94, 0.92, 0.86)), y=high),
        *(put(torus(0.45, 0.03), flat(palette.accent), y=y) for y in (0.03, high - 0.01)),
        *around([Piece(cord, flat(palette.light))], 10),
    ]


def bell(draws: Draws, palette: Palette) -> Thing:
    """A bell with its clapper."""
    body = lathe([(0.5, 0), (0.46, 0.06), (0.34, 0.2), (0.28, 0.5), (0.2, 0.62), (0, 0.66)])
    return [
        Piece(body, flat(draw_metal(draws))),
        put(ball(0.1), flat(palette.dark), y=0.03),
        put(upright(torus(0.09, 0.03), "z"), flat(palette.dark), y=0.72),
        put(barrel(0.362, 0.05, top=0.93), flat(palette.accent), y=0.17),
    ]


def xylophone(draws: Draws, palette: Palette) -> Thing:
    """Seven bars in the colours of the rainbow on two rails."""
    rail = put(shapes.turned(box(0.08, 0.08, 1.3, 0.01), "y", 10), wooden(draws, draw_wood(draws)), 0.24, 0.04)
    bars = [put(box(0.95 - 0.06 * i, 0.05, 0.13, 0.015), flat(oklch(0.7, 0.17, 25 + 45 * i)), y=0.12, z=0.5 - 0.165 * i) for i in range(7)]
    return turned([*paired([rail]), *bars], "y", draws.pick((0, 90)))


def guitar(draws: Draws, palette: Palette) -> Thing:
    """A body with a waist, a hole, a neck, strings."""
    lower, upper = (ellipse(radius, radius * 0.85, 36) + np.array([0.0, y]) for y, radius in ((-0.32, 0.36), (0.14, 0.27)))
    both = np.concatenate([lower, upper])
    around_waist = both[np.argsort(np.arctan2(both[:, 1] + 0.1, both[:, 0]), kind="stable")]
    outline = around_waist[np.hypot(around_waist[:, 0], around_waist[:, 1] + 0.1) > 0.2]
    return [
        Piece(extruded(outline, 0.14, 0.02), any_paint(draws, draw_wood(draws), palette, 0.5)),
        put(extruded(ellipse(0.1, 0.1), 0.01), flat(BLACK), z=0.07),
        put(box(0.1, 0.85, 0.06, 0.01), flat(shaded(draw_wood(draws), 0.6)), y=0.78, z=0.06),
        put(box(0.17, 0.22, 0.05, 0.02), flat(palette.dark), y=1.28, z=0.05),
        put(box(0.22, 0.05, 0.04), flat(palette.dark), y=-0.36, z=0.09),
        *(put(box(0.006, 1.55, 0.006), flat((0.85, 0.83, 0.75)), -0.03 + 0.02 * i, 0.42, 0.105) for i in range(4)),
    ]


RECIPES: dict[Recipe, float] = {
    striped_ball: 1, printed_ball: 1, football: 0.5, globe: 0.7, die: 0.7, letter_cube: 1, letter: 1, cut_out: 1.5,
    stacking_rings: 1, spinning_top: 0.7, balloon: 0.7, umbrella: 0.7, drum: 0.7, bell: 0.4, xylophone: 0.5, guitar: 1,
}  # fmt: skip
