"""Packages: cartons, tins, bottles, jars, bags, tubes, barrels, crates, gifts."""

from __future__ import annotations

import math

import numpy as np

from dd3g.objects.draws import Draws
from dd3g.objects.made import shape as shapes
from dd3g.objects.made.canvas import Canvas
from dd3g.objects.made.labels import label_back, label_front, wrapper
from dd3g.objects.made.outlines import extruded
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
    printed,
    put,
    tiled,
    turned,
)
from dd3g.objects.made.palette import Palette, draw_metal, draw_wood, shaded
from dd3g.objects.made.patterns import any_colour_as_palette, planks
from dd3g.objects.made.shape import Shape, grid_shape
from dd3g.objects.made.solids import Profile, ball, barrel, box, cylinder, lathe, panel, torus
from dd3g.objects.made.tubes import smooth_curve, tube

PROUD = 0.004  # a label lies this much above what it is stuck to


def carton(draws: Draws, palette: Palette) -> Thing:
    """A box from a shop: name in front, small print behind, sides in the ground colour."""
    width, height, depth = draws.uniform(0.5, 1.1), draws.uniform(0.5, 1.5), draws.uniform(0.15, 0.8)
    sides = any_paint(draws.branch("sides"), draws.pick((palette.main, palette.second)), palette)
    thing = [Piece(box(width, height, depth, 0.01), sides)]
    front, back = label_front(draws.branch("front"), palette, width / height), label_back(draws.branch("back"), palette, width / height)
    thing += _stuck(panel(width * 0.995, height * 0.995), depth / 2, front, back)
    if draws.chance(0.6):
        left, right = label_back(draws.branch("left"), palette, depth / height), label_front(draws.branch("right"), palette, depth / height)
        thing += turned(_stuck(panel(depth * 0.995, height * 0.995), width / 2, left, right), "y", 90)
    if draws.chance(0.5):
        lid = panel(width * 0.99, depth * 0.99)
        thing += turned([put(lid, picture(label_front(draws.branch("top"), palette, width / depth)), z=height / 2 + PROUD)], "x", -90)
    return thing


def _stuck(sheet: Shape, distance: float, front: Canvas, back: Canvas) -> Thing:
    """Two pictures on the front and the back of something."""
    at = shapes.moved(sheet, z=distance + PROUD)
    return [Piece(at, picture(front)), Piece(shapes.turned(at, "y", 180), picture(back))]


def milk_carton(draws: Draws, palette: Palette) -> Thing:
    """A tall carton with a gable, perhaps with a cap on its slope."""
    width, height = draws.uniform(0.5, 0.7), draws.uniform(0.8, 1.3)
    gable = width * draws.uniform(0.35, 0.5)
    thing = [put(box(width, height, width), flat(palette.light), y=height / 2)]
    pictures = label_front(draws.branch("front"), palette, width / height), label_back(draws.branch("back"), palette, width / height)
    for i, angle in enumerate((0, 90, 180, 270)):
        thing += moved(turned([put(panel(width, height), picture(pictures[i % 2]), z=width / 2 + PROUD)], "y", angle), y=height / 2)
    roof = extruded(np.array([[-width / 2, 0], [width / 2, 0], [0.0, gable]]), width)
    thing.append(put(shapes.turned(roof, "y", 90), flat(palette.main), y=height))
    thing.append(put(box(width, 0.14, 0.03), flat(palette.main), y=height + gable + 0.04))
    if draws.chance(0.6):
        cap = shapes.turned(cylinder(0.1, 0.09, 0.01), "x", math.degrees(math.atan2(gable, width / 2)))
        thing.append(put(cap, flat(palette.accent), y=height + gable / 2, z=width / 4))
    return thing


def tin(draws: Draws, palette: Palette) -> Thing:
    """A tin with a paper label and metal ends."""
    radius, height = draws.uniform(0.3, 0.5), draws.uniform(0.35, 1.2)
    rim = 0.03
    metal = flat(draw_metal(draws))
    body: Profile = [
        (0, rim), (radius - 2 * rim, rim), (radius - rim, 0), (radius, 0), (radius, rim), (radius - 0.012, 2 * rim),
        (radius - 0.012, height - 2 * rim), (radius, height - rim), (radius, height), (radius - rim, height),
        (radius - 2 * rim, height - rim), (0, height - rim),
    ]  # fmt: skip
    side = height - 4 * rim
    label = wrapper(draws.branch("label"), palette, 2 * math.pi * radius / side)
    thing = [Piece(lathe(body), metal), put(barrel(radius - 0.004, side), picture(label), y=2 * rim)]
    if draws.chance(0.4):
        ring = shapes.moved(torus(0.07, 0.014), y=height, z=radius * 0.45)
        thing += [Piece(ring, metal), put(box(0.05, 0.02, 0.16, 0.008), metal, y=height, z=radius * 0.25)]
    return thing


def spray_can(draws: Draws, palette: Palette) -> Thing:
    """A tall can with a nozzle or a cap."""
    radius, height = draws.uniform(0.22, 0.32), draws.uniform(0.9, 1.3)
    body: Profile = [
        (0, 0),
        (radius, 0),
        (radius, height),
        (radius * 0.85, height + 0.07),
        (radius * 0.5, height + 0.12),
        (radius * 0.45, height + 0.16),
        (0, height + 0.16),
    ]
    label = wrapper(draws.branch("label"), palette, 2 * math.pi * radius / height * 1.1)
    thing = [
        Piece(lathe(body), flat(draw_metal(draws))),
        put(barrel(radius + PROUD, height * 0.92), picture(label), y=height * 0.04),
    ]
    if draws.chance(0.5):
        thing.append(put(cylinder(radius * 0.92, radius * 1.5, 0.03), flat(palette.accent), y=height + 0.02))
    else:
        thing.append(put(cylinder(0.07, 0.14, 0.02), flat(palette.light), y=height + 0.15))
        thing.append(put(box(0.04, 0.04, 0.1), flat(palette.dark), y=height + 0.23, z=0.06))
    return thing


def bottle(draws: Draws, palette: Palette) -> Thing:
    """A bottle with a shoulder, a neck, a cap and a label round its belly."""
    radius, belly, shoulder = draws.uniform(0.22, 0.36), draws.uniform(0.5, 0.9), draws.uniform(0.1, 0.4)
    neck, neck_height = radius * draws.uniform(0.25, 0.55), draws.uniform(0.08, 0.4)
    turn = [(neck + (radius - neck) * (0.5 + 0.5 * math.cos(math.pi * t)), belly + shoulder * t) for t in np.linspace(0, 1, 9).tolist()]
    top = belly + shoulder + neck_height
    waist = draws.uniform(0.85, 1.0)
    body: Profile = [
        (0, 0.02),
        (radius * 0.85, 0),
        (radius * 0.97, 0.03),
        (radius, 0.09),
        (radius * waist, belly / 2),
        *turn,
        (neck, top),
        (0, top),
    ]
    glass = flat(draws.pick((palette.main, palette.light, palette.second, (0.16, 0.3, 0.18), (0.36, 0.2, 0.08))))
    cap = draws.pick((palette.accent, palette.dark, palette.light))
    thing = [
        Piece(lathe(body), glass),
        put(cylinder(neck * 1.12, draws.uniform(0.08, 0.16), 0.012), flat(cap), y=top - 0.04),
    ]
    if draws.chance(0.8) and waist > 0.93:
        low, high = 0.16 * belly, 0.9 * belly
        arc = (-180.0, 180.0) if draws.chance(0.5) else (-70.0, 70.0)
        label = shapes.moved(barrel(radius + PROUD, high - low, arc_deg=arc), y=low)
        aspect = 2 * math.pi * radius * (arc[1] - arc[0]) / 360 / (high - low)
        thing.append(Piece(label, picture(wrapper(draws, palette, aspect) if arc[0] == -180 else label_front(draws, palette, aspect))))
    return thing


def jar(draws: Draws, palette: Palette) -> Thing:
    """A wide glass with a lid, full of something."""
    radius, height = draws.uniform(0.32, 0.45), draws.uniform(0.45, 0.9)
    neck = radius * draws.uniform(0.75, 0.92)
    body: Profile = [
        (0, 0),
        (radius * 0.9, 0),
        (radius, 0.07),
        (radius, height * 0.82),
        (radius * 0.97, height * 0.88),
        (neck, height * 0.94),
        (neck, height),
    ]
    label = shapes.moved(barrel(radius + PROUD, height * 0.55, arc_deg=(-75, 75)), y=height * 0.16)
    aspect = 2 * math.pi * radius * 150 / 360 / (height * 0.55)
    lid = put(cylinder(neck * 1.06, 0.12, 0.015), any_paint(draws.branch("lid"), palette.accent, palette, 0.3), y=height - 0.02)
    thing = [
        Piece(lathe(body), any_paint(draws.branch("content"), palette.main, palette)),
        Piece(label, picture(label_front(draws, palette, aspect))),
        lid,
    ]
    if draws.chance(0.25):
        cloth = lathe([(neck * 1.35, height - 0.08), (neck * 1.1, height + 0.1), (neck * 0.8, height + 0.13), (0, height + 0.13)], 24)
        thing[-1] = Piece(cloth, printed(draws, palette, 0.3))
    return thing


def bag(draws: Draws, palette: Palette) -> Thing:
    """A pillow of foil with welded ends, printed on both sides."""
    width, height, thick = draws.uniform(0.6, 0.9), draws.uniform(0.8, 1.2), draws.uniform(0.14, 0.3)
    x, y = np.linspace(-1, 1, 17), np.linspace(-1, 1, 21)
    bulge = thick * (1 - np.abs(x[None]) ** 2.5) ** 0.6 * (1 - np.abs(y[:, None]) ** 4) ** 0.8
    crease = 1 - 0.06 * np.cos(y[:, None] * 5) * np.abs(x[None])
    points = np.stack(
        np.broadcast_arrays(x[None] * width / 2 * (1 - 0.05 * (1 - y[:, None] ** 2)), y[:, None] * height / 2, bulge * crease), -1
    )
    side = grid_shape(points)
    aspect = width / height
    seam = Piece(box(width, 0.06, 0.012), flat(shaded(palette.main, 0.85)))
    return [
        Piece(side, picture(label_front(draws.branch("front"), palette, aspect))),
        Piece(shapes.turned(side, "y", 180), picture(label_back(draws.branch("back"), palette, aspect))),
        *moved([seam], y=height / 2 + 0.02),
        *moved([seam], y=-height / 2 - 0.02),
    ]


def squeeze_tube(draws: Draws, palette: Palette) -> Thing:
    """Toothpaste or paint: round at the cap, flat at the other end; it stands on its cap."""
    radius, height = draws.uniform(0.16, 0.24), draws.uniform(0.8, 1.1)
    angles = np.radians(np.linspace(-180, 180, 33))
    sin, cos = np.sin(angles), np.cos(angles)
    sin[-1], cos[-1] = sin[0], cos[0]
    rows = []
    for t in np.linspace(0, 1, 12).tolist():
        wide, thick = radius * (1 + 0.45 * t), radius * (1 - t) + 0.006
        rows.append(np.stack([wide * sin, np.full(33, 0.18 + height * t), thick * cos], -1))
    label = wrapper(draws.branch("label"), palette, 2 * math.pi * radius / height)
    cap = cylinder(radius * draws.uniform(0.6, 1.0), 0.2, 0.015, segments=20, top=draws.uniform(0.8, 1.0))
    thing = [Piece(grid_shape(np.stack(rows)), picture(label)), Piece(cap, flat(palette.accent))]
    return thing if draws.chance(0.5) else turned(thing, "z", 90)


def wooden_barrel(draws: Draws, palette: Palette) -> Thing:
    """Staves and hoops."""
    radius, height, belly = draws.uniform(0.32, 0.42), draws.uniform(0.8, 1.1), draws.uniform(0.05, 0.12)
    rows = np.linspace(0, 1, 11).tolist()
    side = [(radius + belly * math.sin(math.pi * t), height * t) for t in rows]
    wood = any_colour_as_palette(draw_wood(draws), palette)
    body = lathe(
        [
            (0, 0.04),
            (radius - 0.04, 0.04),
            (radius - 0.03, 0),
            *side,
            (radius - 0.03, height),
            (radius - 0.04, height - 0.04),
            (0, height - 0.04),
        ]
    )
    thing = [Piece(body, tiled(planks(draws, wood), 0.8))]
    hoop = flat(draw_metal(draws))
    for t in (0.1, 0.3, 0.7, 0.9)[:: draws.pick((1, 3))]:
        edge = [radius + belly * math.sin(math.pi * s) + 0.012 for s in (t - 0.03, t + 0.03)]
        thing.append(Piece(lathe([(edge[0], height * (t - 0.03)), (edge[1], height * (t + 0.03))]), hoop))
    return thing if draws.chance(0.75) else turned(thing, "x", 90)


def crate(draws: Draws, palette: Palette) -> Thing:
    """Boards on a frame, open or closed."""
    width, height, depth = draws.uniform(0.7, 1.1), draws.uniform(0.4, 0.9), draws.uniform(0.6, 0.9)
    wood = draw_wood(draws)
    board = tiled(planks(draws, any_colour_as_palette(wood, palette)), 0.9)
    rows = draws.integer(2, 4)
    thing: Thing = [Piece(box(width - 0.02, 0.04, depth - 0.02), board)]
    for row in range(rows):
        y = (row + 0.5) / rows * height
        long = shapes.moved(shapes.turned(box(height / rows * 0.85, width, 0.04), "z", 90), y=y, z=depth / 2)
        short = shapes.moved(shapes.turned(shapes.turned(box(height / rows * 0.85, depth, 0.04), "z", 90), "y", 90), x=width / 2, y=y)
        thing += [Piece(long, board), Piece(shapes.turned(long, "y", 180), board)]
        thing += paired([Piece(short, board)])
    post = put(box(0.07, height, 0.07), flat(shaded(wood, 0.8)), width / 2 - 0.05, height / 2, depth / 2 - 0.05)
    thing += paired([post, *turned([post], "y", 0)])
    thing += paired([put(post.shape, post.paint, z=-depth + 0.1)])
    if draws.chance(0.5):
        fruit = draws.pick((palette.accent, palette.main, palette.second))
        for i in range(12):
            x, z = ((i % 4) - 1.5) * width * 0.22, ((i // 4) - 1) * depth * 0.28
            size = draws.uniform(0.09, 0.13)
            thing.append(
                put(
                    ball(size, segments=16),
                    flat(shaded(fruit, draws.uniform(0.8, 1.1))),
                    x + draws.uniform(-0.03, 0.03),
                    height * draws.uniform(0.75, 0.98),
                    z,
                )
            )
    elif draws.chance(0.6):
        thing.append(put(box(width, 0.05, depth), board, y=height))
    return thing


def gift(draws: Draws, palette: Palette) -> Thing:
    """A wrapped box with a ribbon and a bow."""
    width, height, depth = draws.uniform(0.6, 1.1), draws.uniform(0.4, 0.9), draws.uniform(0.6, 1.0)
    ribbon = Paint(palette.accent)
    band = draws.uniform(0.08, 0.16)
    thing = [
        put(box(width, height, depth, 0.015), printed(draws, palette, draws.uniform(0.3, 0.6)), y=height / 2),
        put(box(band, height + 0.012, depth + 0.012), ribbon, y=height / 2),
        put(box(width + 0.012, height + 0.012, band), ribbon, y=height / 2),
        put(ball(band * 0.5, band * 0.4, segments=16), ribbon, y=height + band * 0.4),
    ]
    loop = smooth_curve([(0, 0, 0), (0.16, 0.16, 0.03), (0.3, 0.12, 0), (0.2, 0.01, -0.03), (0, 0, 0)])
    bow = put(tube(loop, [band * 0.2, band * 0.4, band * 0.2], 8, 0.4), ribbon, y=height + 0.02)
    return thing + (paired([bow]) if draws.chance(0.6) else around([bow], draws.integer(3, 5)))


RECIPES: dict[Recipe, float] = {
    carton: 3,
    milk_carton: 1,
    tin: 2,
    spray_can: 1,
    bottle: 2,
    jar: 1,
    bag: 1,
    squeeze_tube: 1,
    wooden_barrel: 1,
    crate: 1,
    gift: 1,
}
