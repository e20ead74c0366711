"""Vehicles for the toy box: cars, lorries, trains, boats, planes, rockets, balloons. Wheels turn about x; the front looks to +Z."""

from __future__ import annotations

import math

import numpy as np

from dd3g.objects.draws import Draws
from dd3g.objects.made import shape as shapes
from dd3g.objects.made.labels import label_front
from dd3g.objects.made.outlines import extruded
from dd3g.objects.made.paint import Paint, Piece, Recipe, Thing, any_paint, around, flat, moved, paired, picture, put, turned, wooden
from dd3g.objects.made.palette import Palette, draw_metal, draw_wood
from dd3g.objects.made.shape import Shape
from dd3g.objects.made.solids import ball, box, capsule, cylinder, lathe, panel, torus, upright
from dd3g.objects.made.tubes import smooth_curve, tube

GLASS = (0.62, 0.78, 0.88)
LAMP = (1.0, 0.93, 0.6)


def wheel(radius: float, width: float, hub: Paint) -> Thing:
    """A tyre and a hub about the origin, its axle along x."""
    tyre = shapes.moved(cylinder(radius, width, min(width, radius) * 0.25, 24), y=-width / 2)
    disc = shapes.moved(cylinder(radius * 0.55, width + 0.02, 0.008, 20), y=-width / 2 - 0.01)
    return [Piece(upright(tyre, "x"), flat((0.13, 0.13, 0.14))), Piece(upright(disc, "x"), hub)]


def axles(radius: float, width: float, track: float, places: list[float], hub: Paint) -> Thing:
    """Pairs of wheels at places along z, standing on y = 0."""
    return [p for z in places for p in paired(moved(wheel(radius, width, hub), track / 2, radius, z))]


def side_view(corners: list[tuple[float, float]], width: float, bevel: float = 0.03) -> Shape:
    """A body with this outline as seen from the right: (z, y) counter-clockwise as the viewer at +X sees it, front to his left."""
    outline = np.array([(-z, y) for z, y in corners])
    return shapes.turned(extruded(outline, width, bevel), "y", 90)


def car(draws: Draws, palette: Palette) -> Thing:
    """A car with a hood, a cabin of glass, lamps; a van or a sports car by its measures."""
    length, width, high, cabin = draws.uniform(1.2, 1.6), draws.uniform(0.6, 0.75), draws.uniform(0.24, 0.36), draws.uniform(0.22, 0.42)
    radius = draws.uniform(0.13, 0.19)
    front, back = length / 2, -length / 2
    low, shoulder, roof = radius * 0.7, radius * 0.7 + high, radius * 0.7 + high + cabin
    paint = flat(palette.main) if draws.chance(0.7) else any_paint(draws, palette.main, palette, 0.4)
    body = side_view(
        [(back, low), (back, shoulder), (front - 0.05, shoulder - draws.uniform(0, 0.08)), (front, low + high * 0.4), (front, low)][::-1],
        width,
    )
    hood, trunk, rake = draws.uniform(0.2, 0.42) * length, draws.uniform(0.0, 0.25) * length, draws.uniform(0.08, 0.25)
    glass = [
        (back + trunk, shoulder - 0.02),
        (back + trunk + rake * 0.5, roof),
        (front - hood - rake, roof),
        (front - hood, shoulder - 0.02),
    ]
    top = [(z, y + 0.012) for z, y in glass[1:3]]
    lid = side_view(
        [(top[0][0], roof - 0.03), (top[0][0] + 0.02, roof + 0.015), (top[1][0] - 0.02, roof + 0.015), (top[1][0], roof - 0.03)][::-1],
        width * 0.9,
        0.01,
    )
    thing = [Piece(body, paint), Piece(side_view(glass[::-1], width * 0.86), flat(GLASS)), Piece(lid, paint)]
    thing += axles(
        radius,
        0.13,
        width - 0.06,
        [front - length * 0.2, back + length * 0.2],
        flat(draws.pick((draw_metal(draws), palette.accent, palette.light))),
    )
    lamp = upright(cylinder(0.055, 0.03, 0.008, 16), "z")
    thing += paired([put(lamp, flat(LAMP), width * 0.33, low + high * 0.45, front - 0.015)])
    thing += paired([put(box(0.1, 0.06, 0.03), flat((0.8, 0.1, 0.08)), width * 0.36, low + high * 0.6, back)])
    thing += [put(box(width * 1.01, 0.06, 0.06, 0.02), flat(palette.dark), y=low + 0.05, z=z) for z in (front, back)]
    if draws.chance(0.3):
        thing.append(put(box(0.3, 0.08, 0.1, 0.03), flat(palette.accent), y=roof + 0.05, z=(top[0][0] + top[1][0]) / 2))
    return thing


def lorry(draws: Draws, palette: Palette) -> Thing:
    """A cabin in front and a load behind: a box, a tank, a dump, logs; or a bus."""
    length, width, radius = draws.uniform(1.5, 2.0), draws.uniform(0.6, 0.7), draws.uniform(0.14, 0.18)
    floor, cabin = radius * 1.2, draws.uniform(0.5, 0.7)
    hub = flat(palette.accent)
    kind = draws.pick(("box", "tank", "dump", "logs", "bus"))
    paint = flat(palette.main)
    thing: Thing = []
    if kind == "bus":
        thing.append(put(box(width, cabin + 0.2, length, 0.05, 2), paint, y=floor + cabin / 2 + 0.1))
        for i in range(5):
            window = shapes.moved(box(width + 0.012, cabin * 0.4, length * 0.13, 0.0), y=floor + cabin * 0.78, z=(i - 2) * length * 0.18)
            thing.append(Piece(window, flat(GLASS)))
        thing.append(put(box(width * 0.88, cabin * 0.5, 0.02), flat(GLASS), y=floor + cabin * 0.75, z=length / 2))
        thing.append(put(box(width + 0.008, 0.07, length * 0.99), flat(palette.second), y=floor + cabin * 0.4))
    else:
        front = length / 2 - 0.25
        thing.append(put(box(width, cabin, 0.5, 0.05, 2), paint, y=floor + cabin / 2, z=front))
        thing.append(put(box(width * 0.85, cabin * 0.38, 0.03), flat(GLASS), y=floor + cabin * 0.7, z=front + 0.25))
        thing.append(put(box(width + 0.012, cabin * 0.36, 0.26), flat(GLASS), y=floor + cabin * 0.7, z=front + 0.02))
        thing.append(put(box(width * 0.9, 0.1, length * 0.98), flat(palette.dark), y=floor))
        bed, at = length - 0.56, -0.27
        load = any_paint(draws.branch("load"), palette.second, palette, 0.5)
        if kind == "box":
            high = draws.uniform(0.6, 0.9)
            thing.append(put(box(width * 1.04, high, bed, 0.015), load, y=floor + 0.05 + high / 2, z=at))
            side = turned(
                [put(panel(bed * 0.9, high * 0.85), picture(label_front(draws, palette, bed / high)), z=width * 0.52 + 0.006)],
                "y",
                90,
            )
            thing += moved([*side, *turned(side, "y", 180)], y=floor + 0.05 + high / 2, z=at)
        elif kind == "tank":
            thing.append(put(upright(shapes.moved(capsule(0.34, bed), y=-bed / 2), "z"), load, y=floor + 0.36, z=at))
        elif kind == "dump":
            tray = side_view([(bed / 2, 0.0), (bed / 2 - 0.05, 0.45), (-bed / 2 - 0.05, 0.4), (-bed / 2, 0.0)], width * 1.05)
            thing.append(put(tray, load, y=floor + 0.05, z=at))
            thing.append(
                put(
                    shapes.bumpy(ball(width * 0.45, 0.2, bed * 0.4), 0.15, 7.0, draws.uniforms(6)),
                    flat((0.5, 0.38, 0.25)),
                    y=floor + 0.42,
                    z=at,
                )
            )
        else:
            log = upright(shapes.moved(cylinder(0.1, bed, segments=14), y=-bed / 2), "z")
            for x, y in ((-0.21, 0.1), (0, 0.1), (0.21, 0.1), (-0.105, 0.28), (0.105, 0.28), (0, 0.46)):
                thing.append(put(log, wooden(draws, draw_wood(draws)), x, floor + 0.05 + y, at))
    lamp = upright(cylinder(0.05, 0.03, 0.008, 16), "z")
    thing += paired([put(lamp, flat(LAMP), width * 0.33, floor + 0.12, length / 2)])
    return thing + axles(radius, 0.13, width - 0.04, [length * 0.34, -length * 0.2, -length * 0.36], hub)


def train(draws: Draws, palette: Palette) -> Thing:
    """A steam engine, alone or with a wagon."""
    thing = [put(box(0.5, 0.1, 1.3, 0.02), flat(palette.dark), y=0.22)]
    boiler = upright(shapes.moved(cylinder(0.24, 0.8, 0.02), y=-0.4), "z")
    thing.append(put(boiler, any_paint(draws.branch("boiler"), palette.main, palette, 0.4), y=0.48, z=0.25))
    hoop = upright(shapes.moved(cylinder(0.25, 0.04), y=-0.02), "z")
    thing += [put(hoop, flat(palette.accent), y=0.48, z=z) for z in (0.0, 0.3, 0.55)]
    thing.append(put(box(0.52, 0.62, 0.42, 0.02), flat(palette.second), y=0.56, z=-0.42))
    thing.append(put(box(0.526, 0.22, 0.2), flat(GLASS), y=0.68, z=-0.42))
    thing.append(put(box(0.62, 0.06, 0.54, 0.02), flat(palette.main), y=0.89, z=-0.42))
    stack = lathe([(0, 0), (0.07, 0), (0.07, 0.14), (0.12, 0.26), (0.09, 0.26), (0, 0.2)])
    thing += [
        put(stack, flat(palette.dark), y=0.7, z=0.5),
        put(ball(0.09), flat(palette.accent), y=0.73, z=0.15),
    ]
    thing.append(put(upright(cylinder(0.07, 0.06, 0.01), "z"), flat(LAMP), y=0.6, z=0.65))
    thing.append(
        Piece(
            shapes.turned(shapes.moved(extruded(np.array([[-0.25, 0], [0.25, 0], [0.12, 0.2], [-0.12, 0.2]]), 0.1), y=0.04), "x", -25),
            flat(palette.accent),
        )
    )
    thing[-1] = put(thing[-1].shape, thing[-1].paint, z=0.7)
    thing += axles(0.15, 0.07, 0.46, [0.45, 0.12], flat(palette.accent)) + axles(0.2, 0.07, 0.46, [-0.35], flat(palette.accent))
    if draws.chance(0.5):
        wagon = [
            put(box(0.5, 0.4, 0.75, 0.02), any_paint(draws.branch("wagon"), palette.second, palette, 0.4), y=0.42),
            *axles(0.13, 0.07, 0.46, [0.22, -0.22], flat(palette.accent)),
        ]
        wagon.append(put(shapes.bumpy(ball(0.22, 0.12, 0.33), 0.1, 9.0, draws.uniforms(6)), flat((0.15, 0.14, 0.14)), y=0.62))
        thing += moved(wagon, z=-1.15)
    return thing


def boat(draws: Draws, palette: Palette) -> Thing:
    """A hull with a sail, a funnel or a cabin; the bow looks to the right or to the front."""
    length, width, deep = draws.uniform(1.2, 1.6), draws.uniform(0.4, 0.55), draws.uniform(0.22, 0.34)
    rows = []
    for t in np.linspace(0, 1, 9).tolist():
        grow = 0.45 + 0.55 * math.sqrt(t)
        angle = np.linspace(-math.pi, math.pi, 33)
        z = np.cos(angle) * length / 2 * (0.8 + 0.2 * t)
        x = np.sin(angle) * width / 2 * grow * np.clip(1 - np.clip(np.cos(angle), 0, 1) ** 3 * 0.9, 0.02, 1)
        x[-1], z[-1] = x[0], z[0]
        rows.append(np.stack([x, np.full(33, t * deep), z], -1))
    rows.append(rows[-1] * np.array([0.9, 1, 0.93]))
    floor = np.zeros((33, 3)) + np.array([0, deep * 0.8, 0])
    hull = shapes.grid_shape(np.stack([np.zeros((33, 3)), *rows, floor]))
    thing = [Piece(hull, draws.pick((flat(palette.main), Paint(palette.dark, top=palette.main), wooden(draws, draw_wood(draws)))))]
    if draws.chance(0.5):
        mast = draws.uniform(0.9, 1.3)
        thing.append(put(cylinder(0.025, mast, segments=10), flat(draw_wood(draws)), y=deep * 0.8))
        sail = extruded(np.array([[-length * 0.4, 0.0], [0.0, 0.0], [0.0, mast * 0.85]]), 0.012)
        jib = extruded(np.array([[0.0, 0.0], [length * 0.35, 0.0], [0.0, mast * 0.75]]), 0.012)
        for shape, paint in ((sail, any_paint(draws.branch("sail"), palette.light, palette, 0.4)), (jib, flat(palette.accent))):
            thing.append(put(shapes.turned(shape, "y", -90 + draws.uniform(-10, 10)), paint, y=deep * 0.8 + 0.12))
    else:
        thing.append(put(box(width * 0.6, 0.25, length * 0.35, 0.03, 2), flat(palette.light), y=deep + 0.1, z=-0.1))
        thing.append(put(box(width * 0.61, 0.09, length * 0.3), flat(GLASS), y=deep + 0.14, z=-0.1))
        for i in range(draws.integer(1, 3)):
            funnel = [
                Piece(cylinder(0.07, 0.3, segments=18), flat(palette.accent)),
                put(cylinder(0.072, 0.08, segments=18), flat(palette.dark), y=0.2),
            ]
            thing += moved(funnel, y=deep + 0.2, z=-0.05 - 0.18 * i)
    return turned(thing, "y", draws.pick((90, 90, 0, -90)))


def plane(draws: Draws, palette: Palette) -> Thing:
    """A plane with a propeller or jets; or a helicopter."""
    paint, trim = any_paint(draws.branch("body"), palette.main, palette, 0.5), flat(palette.accent)
    if draws.chance(0.3):
        thing = [
            put(ball(0.3, 0.28, 0.4), paint, y=0.35),
            put(ball(0.25, 0.22, 0.25), flat(GLASS), y=0.4, z=0.22),
        ]
        tail = tube(np.array([[0, 0.4, -0.25], [0, 0.45, -0.95]]), [0.1, 0.05], 12)
        rotor = put(box(0.09, 0.015, 1.5, 0.005), flat(palette.dark), y=0.74)
        thing += [
            Piece(tail, paint),
            put(box(0.03, 0.3, 0.16), trim, y=0.52, z=-0.95),
            put(cylinder(0.03, 0.15), flat(palette.dark), y=0.6),
            *around([rotor], 2, draws.uniform(0, 90)),
        ]
        skid = tube(smooth_curve([(0.22, 0.06, -0.4), (0.22, 0.02, 0), (0.22, 0.06, 0.4)]), 0.02, 8)
        strut = tube(np.array([[0.22, 0.02, 0.1], [0.12, 0.2, 0.1]]), 0.015, 8)
        return [*thing, *paired([Piece(skid, flat(palette.dark)), Piece(strut, flat(palette.dark))])]
    length, span = draws.uniform(1.3, 1.7), draws.uniform(1.4, 2.0)
    body = lathe([(0, -length / 2), (0.06, -length / 2 + 0.03), (0.16, 0), (0.17, length * 0.25), (0.12, length * 0.45), (0.0, length / 2)])
    thing = [Piece(upright(body, "z"), paint)]
    sweep = draws.uniform(0, 0.4)
    outline = np.array([[0, -0.16], [span / 2, -0.1 - sweep], [span / 2, 0.05 - sweep], [0, 0.2]])
    wing = shapes.turned(extruded(outline, 0.04, 0.012), "x", 90)  # the outline's second axis becomes z
    wing = shapes.moved(wing, y=draws.pick((-0.05, 0.12)))
    thing += paired([Piece(wing, flat(palette.second))])
    small = shapes.moved(shapes.stretched(wing, 0.38, 1, 0.6), z=-length / 2 + 0.12)
    thing += paired([Piece(small, trim)])
    fin = side_view([(-0.02, 0.0), (0.26, 0.0), (0.06, 0.34), (-0.1, 0.34)][::-1], 0.03, 0.01)
    thing.append(put(fin, trim, y=0.06, z=-length / 2))
    thing.append(put(ball(0.11, 0.11, 0.22), flat(GLASS), y=0.12, z=length * 0.16))
    if draws.chance(0.5):
        blade = put(box(0.07, 0.6, 0.02, 0.005), flat(palette.dark), z=length / 2 + 0.02)
        thing += [
            blade,
            Piece(shapes.turned(blade.shape, "z", 90), blade.paint),
            put(ball(0.06), trim, z=length / 2 + 0.02),
        ]
    else:
        jet = upright(shapes.moved(cylinder(0.07, 0.3, 0.02, 18), y=-0.15), "z")
        thing += paired([put(jet, flat(palette.light), span * 0.2, -0.1, 0.02)])
    return moved(thing, y=0.4)


def rocket(draws: Draws, palette: Palette) -> Thing:
    """A body with a nose, fins, a round window in front."""
    height, radius = draws.uniform(0.9, 1.3), draws.uniform(0.2, 0.32)
    body = [(radius * 0.8, 0), (radius, height * 0.3), (radius, height * 0.6), (radius * 0.8, height * 0.8)]
    thing = [Piece(lathe([(0, 0), *body, (0, height * 0.8)]), any_paint(draws, palette.main, palette, 0.4))]
    nose = lathe([(radius * 0.82, height * 0.78), (radius * 0.6, height * 0.92), (radius * 0.3, height * 1.05), (0, height * 1.12)])
    thing.append(Piece(nose, flat(palette.accent)))
    fin = extruded(np.array([[radius * 0.8, 0.05], [radius * 1.9, -0.2], [radius * 1.8, 0.1], [radius * 0.95, height * 0.45]]), 0.05, 0.015)
    thing += around([Piece(fin, flat(palette.second))], draws.integer(3, 4), 45)
    for y in (0.62, 0.4)[: draws.integer(1, 2)]:
        ring = shapes.moved(upright(torus(0.1, 0.025), "z"), y=height * y, z=radius)
        glass = shapes.moved(ball(0.1, 0.1, 0.03, segments=20), y=height * y, z=radius)
        thing += [Piece(ring, flat(palette.light)), Piece(glass, flat(GLASS))]
    if draws.chance(0.5):
        thing.append(
            Piece(
                shapes.turned(lathe([(0, 0), (radius * 0.6, 0.05), (radius * 0.3, 0.25), (0, 0.45)]), "x", 180),
                Paint((1.0, 0.75, 0.2), top=(0.95, 0.25, 0.05)),
            )
        )
    return thing


RECIPES: dict[Recipe, float] = {car: 3, lorry: 2, train: 1, boat: 1, plane: 1.5, rocket: 1}
