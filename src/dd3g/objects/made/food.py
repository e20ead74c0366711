"""Fruit, vegetables and things from the baker's."""

from __future__ import annotations

import math

import numpy as np

from dd3g.objects.draws import Draws
from dd3g.objects.made import shape as shapes
from dd3g.objects.made.canvas import Canvas
from dd3g.objects.made.outlines import ellipse, extruded
from dd3g.objects.made.paint import Paint, Piece, Recipe, Thing, any_paint, around, flat, moved, picture, put, tiled, turned
from dd3g.objects.made.palette import Colour, Palette, mixed, oklch, shaded
from dd3g.objects.made.patterns import any_colour_as_palette, grainy, speckle, tiling_noise, weave
from dd3g.objects.made.solids import Profile, ball, box, cylinder, lathe, torus
from dd3g.objects.made.tubes import smooth_curve, tube

STEM = (0.36, 0.24, 0.12)
LEAF = (0.25, 0.5, 0.16)
DOUGH = (0.85, 0.62, 0.34)


def skin(draws: Draws, low: Colour, high: Colour, spots: Colour | None = None) -> Paint:
    """A fruit's skin: one colour below, one above, mixed by noise, with small spots."""
    canvas = Canvas(low, 2.0, 128)
    _, y = canvas.coordinates()
    noise = tiling_noise(draws, 256, (3, 3), 4)[:128, : canvas.width]
    canvas.blend(high, ((0.5 - y) * 1.6 + (noise - 0.5) * draws.uniform(0.4, 1.2) + 0.5).clip(0, 1))
    if spots is not None:
        for _i in range(90):
            canvas.ellipse(draws.uniform(0, 2), draws.uniform(0.05, 0.95), 0.007, 0.007, spots)
    return picture(canvas)


def stem(length: float, lean: float = 0.05, width: float = 0.022) -> Piece:
    """A stalk from the origin upwards."""
    return Piece(
        tube(smooth_curve([(0, -0.05, 0), (lean * 0.3, length * 0.5, 0), (lean, length, 0)]), [width, width * 0.8, width * 1.3], 8),
        flat(STEM),
    )


def leaf(length: float, angle_deg: float) -> Thing:
    """A leaf that rises from the origin to one side."""
    blade = extruded(ellipse(length / 2, length / 5, 16), 0.012)
    tilted = shapes.turned(shapes.turned(shapes.moved(blade, length / 2), "x", 70), "z", 25)
    return turned([Piece(tilted, flat(LEAF))], "y", angle_deg)


def apple(draws: Draws, palette: Palette) -> Thing:
    """Apple, cherry or tomato: round with a hollow on top."""
    hollow, tall = draws.uniform(0.08, 0.2), draws.uniform(0.85, 1.1)
    rows = np.linspace(-math.pi / 2, math.pi / 2, 21)
    profile: Profile = [
        (
            0.5 * math.cos(a) ** 0.9 if 0 < i < 20 else 0.0,
            tall * (0.5 * math.sin(a)) - hollow * math.exp(-((math.cos(a) / 0.35) ** 2)) * math.sin(a),
        )
        for i, a in enumerate(rows.tolist())
    ]
    body = shapes.bumpy(lathe(profile), draws.uniform(0.02, 0.07), 5.0, draws.uniforms(6))
    low, high = draws.pick(
        (
            ((0.8, 0.1, 0.1), (0.75, 0.2, 0.1)),
            ((0.75, 0.85, 0.3), (0.8, 0.2, 0.15)),
            ((0.5, 0.7, 0.15), (0.6, 0.78, 0.2)),
            ((0.95, 0.75, 0.2), (0.9, 0.4, 0.15)),
            ((0.5, 0.05, 0.15), (0.4, 0.04, 0.1)),
        )
    )
    thing = [
        Piece(body, skin(draws, low, high, (0.95, 0.9, 0.6) if draws.chance(0.5) else None)),
        *moved([stem(draws.uniform(0.15, 0.3), draws.uniform(-0.1, 0.1))], y=0.5 * tall - hollow),
    ]
    return thing + (moved(leaf(0.3, draws.uniform(0, 360)), y=0.5 * tall - hollow + 0.08) if draws.chance(0.6) else [])


def pear(draws: Draws, palette: Palette) -> Thing:
    """Pear, gourd or aubergine."""
    slim = draws.uniform(0.4, 0.7)
    curve = smooth_curve(
        [
            (0.001, -0.46, 0),
            (0.16, -0.49, 0),
            (0.34, -0.4, 0),
            (0.42, -0.15, 0),
            (0.42 * slim, 0.25, 0),
            (0.3 * slim, 0.5, 0),
            (0.001, 0.6, 0),
        ],
        6,
    )
    profile = [(0.0 if i in (0, len(curve) - 1) else max(float(r), 0.01), float(y)) for i, (r, y, _) in enumerate(curve)]
    body = shapes.bent(shapes.bumpy(lathe(profile), 0.04, 4.0, draws.uniforms(6)), draws.uniform(-25, 25))
    low, high = draws.pick(
        (
            ((0.75, 0.78, 0.25), (0.6, 0.65, 0.2)),
            ((0.85, 0.7, 0.2), (0.75, 0.35, 0.15)),
            ((0.25, 0.08, 0.3), (0.2, 0.05, 0.25)),
            ((0.9, 0.55, 0.15), (0.85, 0.7, 0.3)),
        )
    )
    top = float(body.positions[:, 1].max())
    x = float(body.positions[body.positions[:, 1].argmax(), 0])
    return [Piece(body, skin(draws, low, high, (0.4, 0.3, 0.1) if draws.chance(0.5) else None)), *moved([stem(0.2, 0.06)], x, top - 0.02)]


def citrus(draws: Draws, palette: Palette) -> Thing:
    """Orange, lemon, lime or kiwi; whole or halved with its cut towards the viewer."""
    colour = draws.pick(((0.95, 0.55, 0.08), (0.95, 0.82, 0.15), (0.5, 0.72, 0.15), (0.95, 0.4, 0.25), (0.45, 0.32, 0.15)))
    long = draws.uniform(1.0, 1.35)
    rind = tiled(speckle(draws, Palette(colour, shaded(colour, 0.93), shaded(colour, 1.06), shaded(colour, 1.1), shaded(colour, 0.9))), 0.3)
    if draws.chance(0.5):
        body = shapes.bumpy(ball(0.45, 0.45 * long, power=1.0 if long < 1.15 else 1.15), 0.02, 6.0, draws.uniforms(6))
        return [Piece(body, rind), *moved([Piece(ball(0.05, 0.03, segments=12), flat(LEAF))], y=0.44 * long)]
    cut = Canvas(mixed(colour, (1, 1, 0.9), 0.75))
    for i in range(9):
        angle = 2 * math.pi * i / 9
        cut.line([(0.5 + r * math.cos(angle), 0.5 + r * math.sin(angle)) for r in (0.14, 0.37)], 0.13, mixed(colour, (1, 1, 1), 0.12))
    half = lathe([(0, 0), *((0.45 * math.sin(a), 0.45 * (1 - math.cos(a))) for a in np.linspace(0.2, math.pi / 2, 10).tolist())])
    disc = extruded(ellipse(0.45, 0.45), 0.004)
    return [Piece(shapes.turned(shapes.moved(half, y=-0.45), "x", 90), rind), Piece(disc, picture(cut))]


def banana(draws: Draws, palette: Palette) -> Thing:
    """One banana, a bunch, a cucumber, a chilli or a carrot: long and bent."""
    kind = draws.pick(("banana", "bunch", "cucumber", "chilli", "carrot"))
    if kind in ("carrot", "chilli"):
        colour = (0.93, 0.48, 0.1) if kind == "carrot" else draws.pick(((0.8, 0.08, 0.06), (0.2, 0.5, 0.1)))
        body = tube(
            smooth_curve([(0, 0, 0), (draws.uniform(-0.05, 0.2), 0.5, 0), (draws.uniform(-0.1, 0.1), 1.0, 0)]), [0.02, 0.1, 0.15, 0.13], 16
        )
        rings = tiled(grainy(draws, any_colour_as_palette(colour, palette)), 0.4)
        tuft = around([Piece(tube(smooth_curve([(0, 0, 0), (0.06, 0.2, 0), (0.2, 0.38, 0)]), [0.03, 0.02, 0.01], 6), flat(LEAF))], 5)
        return [Piece(body, rings), *moved(tuft, y=1.02)]
    width = 0.12 if kind != "cucumber" else 0.14
    arch = smooth_curve([(-0.5, 0.28, 0), (-0.3, 0.06, 0), (0, -0.02, 0), (0.3, 0.06, 0), (0.52, 0.3, 0)])
    body = tube(arch, [0.045, width * 0.9, width, width * 0.9, 0.03], 10 if kind != "cucumber" else 16)
    colour = (0.95, 0.8, 0.2) if kind != "cucumber" else (0.2, 0.42, 0.13)
    paint = tiled(grainy(draws, any_colour_as_palette(colour, palette)), 0.6)
    tip = put(ball(0.045, segments=10), flat((0.3, 0.22, 0.1)), 0.53, 0.32)
    one = [Piece(body, paint), tip]
    if kind == "bunch":
        return [p for i in range(draws.integer(3, 5)) for p in moved(turned(turned(one, "z", 60 + 3 * i), "y", -25 + 18 * i), z=0.1 * i)]
    return turned(one, "y", draws.uniform(-30, 30))


def strawberry(draws: Draws, palette: Palette) -> Thing:
    """Strawberry, raspberry or pineapple: a cone with many small things on it and leaves on top."""
    pineapple = draws.chance(0.4)
    tall = 1.0 if pineapple else 0.75
    curve = smooth_curve(
        [
            (0.001, -0.5 * tall, 0),
            (0.2 if not pineapple else 0.3, -0.4 * tall, 0),
            (0.36, 0, 0),
            (0.36, 0.3 * tall, 0),
            (0.001, 0.5 * tall, 0),
        ],
        6,
    )
    profile = [(0.0 if i in (0, len(curve) - 1) else max(float(r), 0.01), float(y)) for i, (r, y, _) in enumerate(curve)]
    if pineapple:
        canvas = weave(draws, Palette((0.85, 0.6, 0.18), (0.75, 0.5, 0.12), (0, 0, 0), (1, 1, 1), (0.4, 0.25, 0.1)))
        blade = tube(smooth_curve([(0.03, 0, 0), (0.12, 0.2, 0), (0.24, 0.36, 0)]), [0.05, 0.05, 0.01], 8, 0.4)
        crown = [
            *around([Piece(blade, flat(LEAF))], 7),
            *moved(around([Piece(shapes.stretched(blade, 0.6, 1.2, 0.6), flat(shaded(LEAF, 1.1)))], 5, 20), y=0.05),
        ]
        return [Piece(lathe(profile), tiled(canvas, 0.5)), *moved(crown, y=0.45 * tall)]
    red = draws.pick(((0.85, 0.1, 0.12), (0.75, 0.1, 0.3)))
    canvas = Canvas(red, 1.5, 160)
    for row in range(9):
        for column in range(12):
            canvas.ellipse((column + 0.5 * (row % 2) + 0.25) / 8, (row + 0.5) / 9, 0.012, 0.018, (0.95, 0.8, 0.4))
    sepal = extruded(ellipse(0.16, 0.06, 12), 0.015)
    crown = around([Piece(shapes.turned(shapes.turned(shapes.moved(sepal, 0.15), "x", 80), "z", -12), flat(LEAF))], 6)
    return [Piece(lathe(profile), picture(canvas)), *moved(crown, y=0.46 * tall), *moved([stem(0.18)], y=0.48 * tall)]


def pumpkin(draws: Draws, palette: Palette) -> Thing:
    """Ribbed: pumpkin, melon or pepper."""
    ribs, deep = draws.integer(5, 10), draws.uniform(0.1, 0.25)
    body = ball(0.5, draws.uniform(0.34, 0.55), segments=ribs * 8)
    x, y, z = body.positions.T
    ridge = np.abs(np.sin(np.arctan2(x, z) * ribs / 2))
    factor = 1 - deep * (1 - ridge) ** 2
    hollow = 0.25 * np.exp(-((x**2 + z**2) / 0.04)) * np.sign(y)
    body = shapes.Shape(np.stack([x * factor, y * (1 - np.abs(hollow)), z * factor], 1), body.triangles, body.chart, body.lengths)
    colour = draws.pick(((0.92, 0.48, 0.1), (0.3, 0.5, 0.15), (0.85, 0.15, 0.1), (0.95, 0.75, 0.15), (0.85, 0.8, 0.65)))
    top = float(body.positions[:, 1].max())
    return [Piece(body, skin(draws, shaded(colour, 0.85), colour)), *moved([stem(0.2, 0.08, 0.05)], y=top - 0.02)]


def mushroom(draws: Draws, palette: Palette) -> Thing:
    """A cap with or without dots on a stalk."""
    wide, tall = draws.uniform(0.35, 0.55), draws.uniform(0.3, 0.6)
    cap = lathe(
        [
            (0.12, tall - 0.02),
            (wide * 0.95, tall),
            (wide, tall + 0.06),
            *((wide * math.cos(a), tall + 0.06 + wide * 0.7 * math.sin(a)) for a in np.linspace(0.2, 1.4, 7).tolist()),
            (0, tall + 0.06 + wide * 0.7),
        ]
    )
    stalk = lathe([(0, 0), (0.17, 0.02), (0.15, 0.1), (0.1, tall), (0, tall)])
    thing = [
        Piece(cap, any_paint(draws, draws.pick(((0.85, 0.12, 0.1), (0.6, 0.42, 0.26), palette.main)), palette, 0.4)),
        Piece(stalk, flat((0.93, 0.89, 0.8))),
    ]
    if draws.chance(0.5):
        for i in range(11):
            angle, out = i * 137.5, 0.15 + 0.75 * (i / 11)
            spot = shapes.moved(ball(0.06, 0.03, segments=12), 0, tall + 0.06 + wide * 0.7 * math.sqrt(1 - out * out), wide * out)
            thing += turned([Piece(spot, flat((0.96, 0.94, 0.9)))], "y", angle)
    return thing


def burger(draws: Draws, palette: Palette) -> Thing:
    """Layers between two halves of a bun."""
    thing, y = [Piece(cylinder(0.5, 0.14, 0.06), flat(DOUGH))], 0.14
    layers: tuple[tuple[Colour, float], ...] = (
        ((0.35, 0.2, 0.1), 0.12),
        ((0.4, 0.65, 0.2), 0.04),
        ((0.85, 0.2, 0.12), 0.06),
        ((0.98, 0.75, 0.2), 0.03),
    )
    for colour, high in draws.shuffled(layers)[: draws.integer(2, 4)]:
        if high == 0.03:
            layer = shapes.moved(shapes.turned(box(0.8, high, 0.8, 0.01), "y", draws.uniform(0, 90)), y=y + high / 2)
        else:
            layer = shapes.moved(shapes.bumpy(cylinder(0.5, high, high / 3), 0.06, 9.0, draws.uniforms(6)), y=y)
        thing.append(Piece(layer, flat(colour)))
        y += high
    top = lathe(
        [
            (0, 0),
            (0.48, 0),
            (0.52, 0.06),
            *((0.52 * math.cos(a), 0.06 + 0.26 * math.sin(a)) for a in np.linspace(0.2, 1.4, 7).tolist()),
            (0, 0.32),
        ]
    )
    thing.append(put(top, Paint(DOUGH, top=shaded(DOUGH, 0.8)), y=y))
    for i in range(14):
        out = 0.1 + 0.3 * (i / 14)
        seed = shapes.moved(ball(0.022, 0.012, 0.035, segments=8), 0, y + 0.06 + 0.26 * math.sqrt(1 - (out / 0.52) ** 2), out)
        thing += turned([Piece(seed, flat((0.97, 0.92, 0.78)))], "y", i * 137.5)
    return thing


def cake(draws: Draws, palette: Palette) -> Thing:
    """A whole cake with layers, or one slice of it with the cut in front."""
    radius, layers = 0.55, draws.integer(2, 3)
    icing, dough = draws.pick((palette.main, palette.light, palette.second)), draws.pick((DOUGH, (0.4, 0.24, 0.14), palette.light))
    arc = (-180.0, 180.0) if draws.chance(0.5) else (-draws.uniform(20, 40), draws.uniform(20, 40))
    thing: Thing = []
    whole = arc[0] == -180
    y = 0.0
    for i in range(layers):
        for high, colour, r in (
            (0.15, icing if whole else dough, radius),
            (0.05, palette.accent if i < layers - 1 else icing, radius * 1.01),
        ):
            thing.append(put(_slice(r, high, arc), flat(colour), y=y))
            y += high
    if whole:
        beads = put(ball(0.06, segments=12), flat(palette.accent), 0, y, radius * 0.85)
        thing += around([beads], draws.integer(6, 12))
        if draws.chance(0.4):
            stick = [
                Piece(cylinder(0.02, 0.25, segments=8), flat(palette.second)),
                put(ball(0.025, 0.05, segments=8), flat((1.0, 0.7, 0.2)), y=0.28),
            ]
            thing += around(moved(stick, 0, y, radius * 0.5), draws.integer(3, 6), 17)
    else:
        thing.append(put(ball(0.08, segments=16), flat(palette.accent), 0, y + 0.05, radius * 0.75))
        thing = turned(thing, "y", draws.pick((90.0, -60.0, 180.0)))
    return thing


def _slice(radius: float, height: float, arc: tuple[float, float]) -> shapes.Shape:
    if arc[0] == -180:
        return cylinder(radius, height, 0.01, 40)
    angles = np.radians(np.linspace(arc[0], arc[1], 10))
    outline = np.concatenate([[[0.0, 0.0]], np.stack([np.sin(angles), -np.cos(angles)], 1) * radius])
    return shapes.moved(shapes.turned(extruded(outline, height), "x", -90), y=height / 2)


def doughnut(draws: Draws, palette: Palette) -> Thing:
    """A ring with icing and sprinkles, lying or leaning towards the viewer."""
    ring, icing = torus(0.36, 0.17), draws.pick((palette.main, palette.accent, (0.35, 0.2, 0.12), palette.light))
    upper = lathe([(0.36 + 0.178 * math.cos(a), 0.178 * math.sin(a)) for a in np.linspace(0.05, math.pi - 0.05, 14).tolist()], 36)
    thing = [Piece(ring, flat(DOUGH)), Piece(upper, flat(icing))]
    for i in range(26):
        angle = draws.uniform(0.3, math.pi - 0.3)
        grain = shapes.turned(box(0.05, 0.016, 0.016, 0.005), "y", draws.uniform(0, 180))
        sprinkle = shapes.moved(grain, 0, 0.185 * math.sin(angle), 0.36 + 0.185 * math.cos(angle))
        thing += turned([Piece(sprinkle, flat(draws.pick(palette.all())))], "y", i * 137.5)
    return turned(thing, "x", draws.pick((0, 0, 60, 80)))


def ice_cream(draws: Draws, palette: Palette) -> Thing:
    """Scoops on a cone or in a cup, a cupcake, or ice on a stick."""
    kind = draws.pick(("cone", "cupcake", "stick"))
    if kind == "stick":
        slab = box(0.5, 0.9, 0.2, 0.098, 4)
        return [
            Piece(slab, Paint(palette.main, top=palette.second)),
            put(box(0.1, 0.4, 0.05, 0.02), flat((0.85, 0.7, 0.48)), y=-0.6),
        ]
    if kind == "cone":
        wafer = weave(draws, Palette(DOUGH, shaded(DOUGH, 0.8), DOUGH, DOUGH, DOUGH))
        thing = [Piece(lathe([(0, 0), (0.3, 0.8), (0.32, 0.82), (0.28, 0.82)]), tiled(wafer, 0.35))]
        y = 0.92
    else:
        folds = lathe([(0, 0), (0.28, 0), (0.4, 0.34), (0, 0.34)], 48)
        x, up, z = folds.positions.T
        factor = 1 + 0.04 * np.cos(np.arctan2(x, z) * 24)
        folded = shapes.Shape(np.stack([x * factor, up, z * factor], 1), folds.triangles, folds.chart, folds.lengths)
        thing = [Piece(folded, any_paint(draws, palette.second, palette, 0.3))]
        y = 0.42
    for i in range(draws.integer(1, 3)):
        size = 0.36 * 0.85**i
        scoop = shapes.bumpy(ball(size, size * 0.85), 0.08, 6.0, draws.uniforms(6))
        thing.append(put(scoop, any_paint(draws, draws.pick(palette.all()[:4]), palette, 0.4), y=y))
        y += size * 0.95
    return [*thing, put(ball(0.09, segments=16), flat((0.8, 0.08, 0.12)), y=y - 0.03)] if draws.chance(0.5) else thing


def bread(draws: Draws, palette: Palette) -> Thing:
    """A loaf, a roll or a wedge of cheese."""
    crust = oklch(draws.uniform(0.55, 0.75), 0.1, draws.uniform(55, 75))
    if draws.chance(0.35):
        wedge = extruded(np.array([[-0.5, 0.0], [0.5, 0.0], [0.5, 0.45]]), 0.5, 0.02)
        thing = [Piece(wedge, flat((0.98, 0.8, 0.3)))]
        for _i in range(9):
            hole = ball(draws.uniform(0.03, 0.07), segments=12)
            x = draws.uniform(-0.2, 0.42)
            thing.append(put(hole, flat((0.85, 0.62, 0.18)), x, draws.uniform(0.05, 0.45 * (x + 0.4)), 0.24))
        return turned(thing, "y", draws.uniform(-20, 20))
    long = draws.uniform(0.6, 1.4)
    loaf = shapes.bumpy(ball(long / 2, 0.24, 0.28, power=0.8), 0.05, 4.0, draws.uniforms(6))
    thing = [Piece(loaf, tiled(grainy(draws, any_colour_as_palette(crust, palette)), 0.5))]
    for i in range(draws.integer(2, 5)):
        x = (i - 2) * long * 0.17
        cut = tube(smooth_curve([(x - 0.05, 0.2, -0.12), (x, 0.24, 0), (x + 0.05, 0.2, 0.12)]), 0.022, 8)
        thing.append(Piece(cut, flat(mixed(crust, (1, 0.95, 0.8), 0.5))))
    return thing


RECIPES: dict[Recipe, float] = {
    apple: 2,
    pear: 1,
    citrus: 2,
    banana: 1,
    strawberry: 1,
    pumpkin: 1,
    mushroom: 1,
    burger: 1,
    cake: 1,
    doughnut: 1,
    ice_cream: 1,
    bread: 1,
}
