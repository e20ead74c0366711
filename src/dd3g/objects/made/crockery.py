"""Crockery and kitchen ware: mugs, bowls, plates, vases, pots, jugs, goblets, candles."""

from __future__ import annotations

import math

import numpy as np

from dd3g.objects.draws import Draws
from dd3g.objects.made import shape as shapes
from dd3g.objects.made.labels import face, label_front
from dd3g.objects.made.paint import Paint, Piece, Recipe, Thing, any_paint, flat, moved, paired, picture, put, turned, wooden
from dd3g.objects.made.palette import Palette, draw_metal, draw_wood, shaded
from dd3g.objects.made.solids import Profile, ball, barrel, box, capsule, cylinder, lathe, torus
from dd3g.objects.made.tubes import smooth_curve, tube

WALL = 0.03


def vessel(outside: Profile, wall: float = WALL) -> list[tuple[float, float]]:
    """The closed profile of an open vessel: outside from the foot to the rim, then down inside."""
    inside = [(max(radius - wall, 0.0), max(height, outside[0][1] + wall)) for radius, height in outside if radius > wall]
    return [
        (0.0, outside[0][1]),
        *outside,
        *reversed(inside[1:]),
        (max(inside[0][0] * 0.9, 0.0), outside[0][1] + wall),
        (0.0, outside[0][1] + wall),
    ]


def handle(inner: float, height: float, reach: float, thickness: float, at_y: float) -> Piece:
    """A handle on the right side (+X) of something with radius ``inner``."""
    half = height / 2
    points = [
        (inner - 0.02, at_y + half, 0),
        (inner + reach * 0.7, at_y + half * 0.95, 0),
        (inner + reach, at_y, 0),
        (inner + reach * 0.6, at_y - half * 0.9, 0),
        (inner - 0.02, at_y - half, 0),
    ]
    return Piece(tube(smooth_curve(points), thickness, 10), Paint())


def mug(draws: Draws, palette: Palette) -> Thing:
    """A mug with a handle, plain or with a print, a face, a band, a picture in front."""
    radius, height, widening = draws.uniform(0.28, 0.42), draws.uniform(0.5, 0.85), draws.uniform(0.8, 1.15)
    outside = [
        (radius * 0.9, 0.0),
        (radius, 0.03),
        *((radius * (1 + (widening - 1) * t), 0.03 + (height - 0.03) * t) for t in np.linspace(0.2, 1, 5).tolist()),
    ]
    glaze = any_paint(draws.branch("glaze"), palette.main, palette, 0.5)
    thing = [Piece(lathe(vessel(outside), 40), glaze)]
    inner = radius * (1 + (widening - 1) * 0.5)
    grip = handle(inner, height * draws.uniform(0.45, 0.7), draws.uniform(0.14, 0.24), draws.uniform(0.03, 0.05), height * 0.52)
    thing += turned([Piece(grip.shape, flat(draws.pick((palette.main, palette.accent))))], "y", draws.pick((0, 0, 180, 90)))
    if draws.chance(0.6):
        low, high = height * 0.2, height * 0.85
        edge = [radius * (1 + (widening - 1) * (y / height)) + 0.006 for y in (low, high)]
        arc = draws.uniform(50, 75)
        sheet = lathe([(edge[0], low), (edge[1], high)], 48, (-arc, arc))
        aspect = 2 * math.pi * radius * arc / 180 / (high - low)
        thing.append(
            Piece(sheet, picture(face(draws, palette.light, palette, aspect) if draws.chance(0.4) else label_front(draws, palette, aspect)))
        )
    elif draws.chance(0.5):
        thing.append(put(barrel(inner + 0.012, 0.1), flat(palette.accent), y=height * 0.5))
    if draws.chance(0.4):
        thing.append(put(cylinder(radius * 0.86, 0.01), flat((0.28, 0.16, 0.08)), y=height * 0.85))
    return thing


def bowl(draws: Draws, palette: Palette) -> Thing:
    """A bowl on a foot, empty or filled."""
    radius, height, curve = draws.uniform(0.45, 0.6), draws.uniform(0.25, 0.5), draws.uniform(0.4, 0.9)
    outside = [
        (radius * 0.4, 0.0),
        (radius * 0.4, 0.04),
        *((radius * (0.42 + 0.58 * t**curve), 0.04 + height * t) for t in np.linspace(0.05, 1, 8).tolist()),
    ]
    thing = [Piece(lathe(vessel(outside), 40), any_paint(draws.branch("glaze"), palette.main, palette, 0.6))]
    kind = draws.pick(("empty", "band", "balls", "soup"))
    if kind == "soup":
        thing.append(put(cylinder(radius * 0.9, 0.01), any_paint(draws, palette.accent, palette, 0.4), y=height * 0.85))
    elif kind == "balls":
        for i in range(draws.integer(4, 9)):
            angle, size = i * 2.4, draws.uniform(0.1, 0.17)
            thing.append(
                put(
                    ball(size, segments=20),
                    flat(draws.pick((palette.accent, palette.second, palette.light))),
                    0.27 * radius * math.sqrt(i) * math.cos(angle),
                    height + 0.02,
                    0.27 * radius * math.sqrt(i) * math.sin(angle),
                )
            )
    elif kind == "band":
        thing.append(put(torus(radius, 0.02), flat(palette.accent), y=height + 0.03))
    return thing


def plate(draws: Draws, palette: Palette) -> Thing:
    """A plate with a rim in another colour, with or without a cake or a cup on it."""
    radius = draws.uniform(0.5, 0.65)
    outside = [(radius * 0.55, 0.0), (radius * 0.6, 0.02), (radius * 0.75, 0.05), (radius, 0.1)]
    thing = [Piece(lathe(vessel(outside, 0.02), 40), flat(palette.light))]
    thing.append(Piece(lathe([(radius * 0.72, 0.076), (radius * 0.97, 0.122)], 40), any_paint(draws, palette.main, palette, 0.3)))
    kind = draws.pick(("cup", "cake", "balls"))
    if kind == "cup":
        thing += moved(mug(draws.branch("cup"), palette), y=0.03)
    elif kind == "cake":
        thing.append(put(cylinder(radius * 0.55, 0.22, 0.04), any_paint(draws, palette.second, palette, 0.4), y=0.03))
        thing.append(put(torus(radius * 0.5, 0.035), flat(palette.light), y=0.25))
        thing.append(put(ball(0.07, segments=16), flat(palette.accent), y=0.3))
    else:
        for i in range(3):
            thing += turned(
                [put(ball(0.15, 0.13, segments=20), flat(shaded(palette.accent, draws.uniform(0.8, 1.1))), 0.2, 0.15, 0)],
                "y",
                120 * i + 20,
            )
    return thing


def vase(draws: Draws, palette: Palette) -> Thing:
    """A vase of any profile, now and then with flowers."""
    height = draws.uniform(0.8, 1.4)
    knots = [draws.uniform(0.14, 0.42) for _ in range(5)]
    knots[0] = max(knots[0], 0.18)
    curve = smooth_curve([(r, i / 4 * height, 0) for i, r in enumerate(knots)], 7)
    outside = [(max(float(r), 0.07), float(y)) for r, y, _ in curve]
    body = lathe(vessel([(outside[0][0] * 0.9, 0.0), *((r, y + 0.02) for r, y in outside)]), draws.pick((40, 40, 40, 8, 6)))
    if draws.chance(0.2):
        body = shapes.twisted(body, draws.uniform(-90, 90))
    thing = [Piece(body, any_paint(draws.branch("glaze"), palette.main, palette, 0.6))]
    if draws.chance(0.35):
        for i in range(draws.integer(1, 5)):
            out, up, angle = draws.uniform(0.05, 0.35), height + draws.uniform(0.25, 0.55), draws.uniform(0, 360)
            stem = tube(smooth_curve([(0, height * 0.5, 0), (out * 0.3, height, 0), (out, up, 0)]), 0.018, 7)
            blossom = shapes.moved(ball(0.12, 0.07, segments=16), out, up, 0)
            heart_of = shapes.moved(ball(0.05, segments=12), out, up + 0.05, 0)
            colour = draws.pick((palette.accent, palette.second, palette.light))
            thing += turned(
                [Piece(stem, flat((0.2, 0.45, 0.15))), Piece(blossom, flat(colour)), Piece(heart_of, flat((0.95, 0.8, 0.2)))],
                "y",
                angle + 73 * i,
            )
    return thing


def teapot(draws: Draws, palette: Palette) -> Thing:
    """Belly, lid with a knob, spout to one side and handle on the other."""
    radius, height = draws.uniform(0.36, 0.46), draws.uniform(0.5, 0.75)
    profile = [
        (0.0, 0.0),
        (radius * 0.6, 0.0),
        *((radius * math.sin(math.pi * (0.18 + 0.66 * t)) ** draws.pick((0.8,)), height * t) for t in np.linspace(0.08, 1, 10).tolist()),
        (0.0, height),
    ]
    glaze = any_paint(draws.branch("glaze"), palette.main, palette, 0.5)
    trim = flat(draws.pick((palette.accent, palette.main, palette.dark)))
    lid = lathe([(radius * 0.5, 0), (radius * 0.42, 0.06), (radius * 0.2, 0.1), (0, 0.11)])
    spout = tube(
        smooth_curve([(radius * 0.75, height * 0.3, 0), (radius + 0.16, height * 0.45, 0), (radius + 0.26, height * 0.95, 0)]),
        [0.09, 0.06, 0.045],
        12,
        round_ends=False,
    )
    grip = handle(radius * 0.85, height * 0.6, 0.24, 0.035, height * 0.55)
    thing = [
        Piece(lathe(profile), glaze),
        put(lid, trim, y=height - 0.02),
        put(ball(0.055, segments=16), trim, y=height + 0.12),
        Piece(spout, glaze),
    ]
    return turned([*thing, Piece(shapes.turned(grip.shape, "y", 180), trim)], "y", draws.pick((0, 0, 0, 90, 180)))


def pan(draws: Draws, palette: Palette) -> Thing:
    """A pan with a long handle, or a pot with two and a lid."""
    radius, deep = draws.uniform(0.4, 0.5), draws.chance(0.5)
    height = draws.uniform(0.3, 0.55) if deep else draws.uniform(0.1, 0.18)
    metal = draws.pick((draw_metal(draws), palette.main, palette.dark))
    thing = [Piece(lathe(vessel([(radius * 0.92, 0), (radius * 0.96, 0.02), (radius, height)]), 40), flat(metal))]
    grip = flat(draws.pick((palette.dark, draw_wood(draws), palette.accent)))
    if deep and draws.chance(0.7):
        side = handle(0, 0.24, 0.12, 0.025, 0)
        ear = shapes.moved(shapes.turned(side.shape, "x", 90), radius, height * 0.75, 0)
        thing += paired([Piece(ear, grip)])
        lid = lathe([(radius * 1.02, 0), (radius * 0.9, 0.05), (radius * 0.4, 0.1), (0, 0.11)], 40)
        thing += [
            put(lid, flat(shaded(metal, 1.08)), y=height),
            put(cylinder(0.07, 0.07, 0.02), grip, y=height + 0.1),
        ]
    else:
        stick = shapes.turned(capsule(0.045, draws.uniform(0.6, 0.9)), "z", -82)
        thing += turned([put(stick, grip, radius - 0.03, height * 0.75, 0)], "y", draws.pick((0, 0, -90, 180)))
        if draws.chance(0.5):
            thing.append(put(ball(0.24, 0.03, 0.22, segments=24), flat((0.96, 0.95, 0.92)), y=height * 0.35 + 0.03))
            thing.append(put(ball(0.1, 0.06, segments=16), flat((0.97, 0.72, 0.12)), y=height * 0.35 + 0.05))
    return thing


def goblet(draws: Draws, palette: Palette) -> Thing:
    """A cup on a stem; with ears it is a trophy."""
    cup, stem, height = draws.uniform(0.25, 0.4), draws.uniform(0.035, 0.06), draws.uniform(0.35, 0.6)
    foot = draws.uniform(0.22, 0.32)
    base = [(foot, 0.0), (foot, 0.03), (stem * 1.5, 0.08), (stem, 0.14), (stem, 0.38), (stem * 1.6, 0.42)]
    bell = [(cup * (0.3 + 0.7 * math.sin(math.pi / 2 * t) ** 0.8), 0.42 + height * t) for t in np.linspace(0.1, 1, 8).tolist()]
    paint = any_paint(draws, palette.main, palette, 0.4)
    thing = [Piece(lathe([(0, 0), *base, *bell, (cup - WALL, 0.42 + height), (cup * 0.4, 0.5), (0, 0.48)]), paint)]
    if draws.chance(0.4):
        ear = handle(cup * 0.95, height * 0.7, 0.16, 0.03, 0.42 + height * 0.6)
        thing += paired([Piece(ear.shape, flat(palette.main))])
        thing.append(put(box(0.6, 0.2, 0.6, 0.02), flat(palette.dark), y=-0.1))
    return thing


def jug(draws: Draws, palette: Palette) -> Thing:
    """A tall jug with a lip in front or at the side."""
    radius, height = draws.uniform(0.3, 0.38), draws.uniform(0.8, 1.1)
    shape_of = smooth_curve(
        [(radius * 0.8, 0, 0), (radius * 1.1, height * 0.35, 0), (radius * 0.65, height * 0.8, 0), (radius * 0.8, height, 0)], 7
    )
    body = lathe(vessel([(float(r), float(y)) for r, y, _ in shape_of]), 40)
    positions = body.positions.copy()
    pull = ((positions[:, 1] - height * 0.8) / (height * 0.2)).clip(0, 1) ** 2 * (positions[:, 0] / radius).clip(0, None) ** 2
    positions[:, 0] += 0.22 * pull
    body = shapes.Shape(positions, body.triangles, body.chart, body.lengths)
    grip = handle(radius * 0.85, height * 0.6, 0.26, 0.04, height * 0.52)
    thing = [
        Piece(body, any_paint(draws, palette.main, palette, 0.6)),
        Piece(shapes.turned(grip.shape, "y", 180), flat(draws.pick((palette.main, palette.second)))),
    ]
    return turned(thing, "y", draws.pick((0, 0, 90, 180)))


def candle(draws: Draws, palette: Palette) -> Thing:
    """A candle in a holder."""
    radius, height = draws.uniform(0.1, 0.2), draws.uniform(0.4, 0.9)
    holder = lathe([(0, 0), (0.36, 0), (0.38, 0.05), (radius * 1.3, 0.09), (radius * 1.3, 0.2), (0, 0.2)])
    flame = lathe([(0, 0), (0.05, 0.06), (0.035, 0.13), (0, 0.24)], 16)
    wax = any_paint(draws, draws.pick((palette.light, palette.accent)), palette, 0.3)
    return [
        Piece(holder, flat(draws.pick((draw_metal(draws), palette.main)))),
        put(cylinder(radius, height, 0.03), wax, y=0.15),
        put(flame, Paint((0.98, 0.5, 0.08), top=(1.0, 0.9, 0.4)), y=height + 0.18),
        *([handle(0.33, 0.1, 0.18, 0.02, 0.06)] if draws.chance(0.4) else []),
    ]


def mill(draws: Draws, palette: Palette) -> Thing:
    """A pepper mill or a chess piece: many turned beads on one axis."""
    profile, y = [(0.0, 0.0)], 0.0
    radius = draws.uniform(0.22, 0.32)
    for i in range(draws.integer(4, 7)):
        step = draws.uniform(0.1, 0.28)
        bulge = radius * draws.uniform(0.55, 1.0) * (1 - 0.08 * i)
        neck = bulge * draws.uniform(0.5, 0.9)
        profile += [(neck, y + 0.01), (bulge, y + step * 0.3), (bulge, y + step * 0.7), (neck, y + step)]
        y += step
    body = lathe([*profile, (0, y)])
    wood = wooden(draws, draw_wood(draws)) if draws.chance(0.6) else any_paint(draws, palette.main, palette)
    knob = draws.uniform(0.09, 0.16)
    return [
        Piece(body, wood),
        put(ball(knob, segments=20), flat(draws.pick((palette.accent, draw_metal(draws)))), y=y + knob * 0.7),
    ]


RECIPES: dict[Recipe, float] = {mug: 3, bowl: 1, plate: 1, vase: 2, teapot: 1, pan: 1, goblet: 1, jug: 1, candle: 1, mill: 1}
