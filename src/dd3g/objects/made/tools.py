"""Things for the hand: hammers, swords, spades, screwdrivers, brushes, spoons, torches, pencils, bats."""

from __future__ import annotations

import numpy as np

from dd3g.objects.draws import Draws
from dd3g.objects.made import shape as shapes
from dd3g.objects.made.outlines import extruded
from dd3g.objects.made.paint import (
    Paint,
    Piece,
    Recipe,
    Thing,
    any_paint,
    flat,
    moved,
    paired,
    put,
    tiled,
    turned,
    wooden,
)
from dd3g.objects.made.palette import Palette, draw_metal, draw_wood
from dd3g.objects.made.patterns import weave
from dd3g.objects.made.solids import ball, barrel, box, cylinder, lathe, torus, upright
from dd3g.objects.made.tubes import smooth_curve, straight, tube


def grip_paint(draws: Draws, palette: Palette) -> Paint:
    """What handles are made of."""
    return wooden(draws, draw_wood(draws), 0.4) if draws.chance(0.5) else flat(draws.pick((palette.main, palette.accent, palette.dark)))


def shaft(draws: Draws, palette: Palette, length: float) -> Piece:
    """A long handle that stands on y = 0, a little thicker below."""
    flatness = draws.uniform(0.6, 1.0)
    return Piece(tube(straight((0, 0, 0), (0, length, 0)), [0.055, 0.045, 0.035], 12, flatness), grip_paint(draws, palette))


def hilt(draws: Draws, palette: Palette) -> Piece:
    """A short handle from y = 0 to 0.5, round or with eight edges."""
    profile = [(0, 0), (0.1, 0.01), (0.12, 0.08), (0.09, 0.25), (0.11, 0.42), (0.07, 0.5), (0, 0.5)]
    return Piece(lathe(profile, draws.pick((8, 24))), grip_paint(draws, palette))


def hammer(draws: Draws, palette: Palette) -> Thing:
    """A face on one side, a claw on the other."""
    length, metal = draws.uniform(0.8, 1.1), flat(draw_metal(draws))
    claw = tube(smooth_curve([(0, 0, 0), (-0.14, 0.03, 0), (-0.26, -0.08, 0)]), [0.06, 0.05, 0.015], 10)
    face = upright(lathe([(0, 0), (0.05, 0), (0.05, 0.1), (0.085, 0.13), (0.085, 0.24), (0, 0.24)], 16), "x")
    head = [Piece(box(0.13, 0.13, 0.12, 0.02), metal), put(face, metal, 0.02), put(claw, metal, -0.05)]
    return [shaft(draws, palette, length), *moved(head, y=length)]


def mallet(draws: Draws, palette: Palette) -> Thing:
    """A round or square head across its handle; a croquet or a meat hammer."""
    length, wide = draws.uniform(0.7, 1.1), draws.uniform(0.4, 0.6)
    round_head = upright(shapes.moved(cylinder(0.17, wide, 0.03), y=-wide / 2), "x")
    head = round_head if draws.chance(0.6) else box(wide, 0.3, 0.28, 0.03, 2)
    return [shaft(draws, palette, length), put(head, any_paint(draws, palette.main, palette, 0.4), y=length)]


def axe(draws: Draws, palette: Palette) -> Thing:
    """A blade on one side, or on both."""
    length, metal = draws.uniform(0.8, 1.2), flat(draw_metal(draws))
    outline = np.array([[-0.06, -0.08], [0.1, -0.08], [0.36, -0.2], [0.42, 0.0], [0.36, 0.2], [0.1, 0.08], [-0.06, 0.08]])
    blade = [put(extruded(outline, 0.06, 0.025), metal, y=length - 0.1)]
    return [shaft(draws, palette, length), *(paired(blade) if draws.chance(0.3) else blade)]


def sword(draws: Draws, palette: Palette) -> Thing:
    """A blade, a guard, a grip and a knob."""
    wide, long = draws.uniform(0.05, 0.1), draws.uniform(0.7, 1.1)
    outline = np.array([[-wide, 0.0], [wide, 0.0], [wide * 0.85, long * 0.86], [0.0, long], [-wide * 0.85, long * 0.86]])
    trim = flat(palette.accent)
    return [
        Piece(extruded(outline, 0.035, 0.016), flat(draw_metal(draws))),
        put(cylinder(0.04, 0.3, 0.01), grip_paint(draws, palette), y=-0.32),
        Piece(box(draws.uniform(0.25, 0.45), 0.07, 0.09, 0.03, 2), trim),
        put(ball(0.07), trim, y=-0.36),
    ]


def spade(draws: Draws, palette: Palette) -> Thing:
    """A spade or a rake, its iron below."""
    length, metal = draws.uniform(0.8, 1.1), flat(draw_metal(draws))
    stick = shaft(draws, palette, length)
    top = put(upright(shapes.moved(cylinder(0.035, 0.26, segments=12), y=-0.13), "x"), stick.paint, y=length)
    if draws.chance(0.35):
        teeth = [put(box(0.025, 0.16, 0.03, 0.005), metal, -0.22 + 0.11 * i, -0.1) for i in range(5)]
        return [stick, put(shapes.turned(box(0.06, 0.5, 0.05, 0.01), "z", 90), metal), *teeth]
    outline = np.array([[-0.14, 0.3], [-0.15, 0.0], [-0.1, -0.2], [0.0, -0.3], [0.1, -0.2], [0.15, 0.0], [0.14, 0.3]])
    return [stick, top, put(extruded(outline, 0.03, 0.01), metal, y=-0.2)]


def screwdriver(draws: Draws, palette: Palette) -> Thing:
    """A short handle and a thin iron."""
    metal = flat(draw_metal(draws))
    return [hilt(draws, palette), Piece(cylinder(0.03, 1.0, segments=12), metal), put(box(0.09, 0.12, 0.02, 0.005), metal, y=1.02)]


def brush(draws: Draws, palette: Palette) -> Thing:
    """A paint brush or a broom."""
    hair = tiled(weave(draws, palette), 0.2)
    if draws.chance(0.4):
        length = draws.uniform(0.9, 1.2)
        wisps = shapes.tapered(shapes.moved(box(0.6, 0.28, 0.16, 0.02), y=-0.14), 0.7)
        return [shaft(draws, palette, length), put(box(0.46, 0.08, 0.14, 0.02), flat(palette.accent), y=0.03), put(wisps, hair, y=0.02)]
    wisps = shapes.tapered(shapes.moved(box(0.32, 0.3, 0.1, 0.02), y=0.87), draws.uniform(0.7, 1.0))
    return [hilt(draws, palette), put(box(0.34, 0.22, 0.12, 0.02), flat(draw_metal(draws)), y=0.6), Piece(wisps, hair)]


def spoon(draws: Draws, palette: Palette) -> Thing:
    """A spoon or a fork."""
    metal = flat(draw_metal(draws))
    paint = draws.pick((metal, grip_paint(draws, palette)))
    stick = Piece(tube(smooth_curve([(0, 0, 0), (0, 0.4, 0.03), (0, 0.85, 0)]), [0.05, 0.03, 0.04], 10, 0.6), paint)
    if draws.chance(0.6):
        return [stick, put(ball(0.2, 0.28, 0.06), draws.pick((paint, metal)), y=1.05)]
    prongs = [put(box(0.035, 0.4, 0.03, 0.01), metal, -0.12 + 0.08 * i, 1.22) for i in range(4)]
    return [stick, put(box(0.29, 0.22, 0.04, 0.018, 2), metal, y=0.95), *prongs]


def torch(draws: Draws, palette: Palette) -> Thing:
    """A pocket lamp, upright or lying."""
    body = lathe([(0, 0), (0.09, 0), (0.1, 0.03), (0.1, 0.55), (0.17, 0.72), (0.18, 0.82), (0.15, 0.82), (0.13, 0.8), (0, 0.8)])
    thing = [
        Piece(body, flat(palette.main)),
        *(put(torus(0.1, 0.012), flat(palette.dark), y=0.1 * i + 0.06) for i in range(4)),
        put(cylinder(0.14, 0.02), flat((1.0, 0.95, 0.7)), y=0.79),
        put(box(0.06, 0.12, 0.04, 0.015), flat(palette.accent), y=0.45, z=0.1),
    ]
    return turned(thing, "z", draws.pick((0, -90)))


def pencil(draws: Draws, palette: Palette) -> Thing:
    """Six sides, a point above, a rubber below."""
    length = draws.uniform(0.6, 1.1)
    tip = [
        Piece(lathe([(0.09, 0), (0.03, 0.14)], 6), flat((0.88, 0.72, 0.5))),
        put(cylinder(0.03, 0.05, segments=6, top=0.1), flat(palette.accent), y=0.14),
    ]
    end = [Piece(cylinder(0.092, 0.08), flat(draw_metal(draws))), put(ball(0.085, segments=14), flat((0.9, 0.5, 0.55)), y=-0.02)]
    return [Piece(cylinder(0.09, length, segments=6), flat(palette.main)), *moved(tip, y=length), *moved(end, y=-0.08)]


def bat(draws: Draws, palette: Palette) -> Thing:
    """A baseball bat or a skittle."""
    if draws.chance(0.5):
        curve = smooth_curve([(0.13, 0, 0), (0.2, 0.3, 0), (0.08, 0.68, 0), (0.13, 0.86, 0), (0.06, 0.98, 0)], 6)
        pin = lathe([(0, 0), *((float(r), float(y)) for r, y, _ in curve), (0, 1.0)])
        return [
            Piece(pin, flat(palette.light)),
            put(barrel(0.092, 0.05), flat(palette.accent), y=0.62),
            put(barrel(0.087, 0.03), flat(palette.accent), y=0.7),
        ]
    profile = [(0, 0), (0.06, 0), (0.06, 0.03), (0.035, 0.07), (0.04, 0.35), (0.09, 0.75), (0.095, 1.05), (0.05, 1.12), (0, 1.13)]
    return [Piece(lathe(profile), grip_paint(draws, palette)), put(barrel(0.043, 0.25), flat(palette.dark), y=0.08)]


RECIPES: dict[Recipe, float] = {
    hammer: 1,
    mallet: 1,
    axe: 1,
    sword: 1,
    spade: 1,
    screwdriver: 0.7,
    brush: 1,
    spoon: 0.7,
    torch: 1,
    pencil: 0.7,
    bat: 0.7,
}
