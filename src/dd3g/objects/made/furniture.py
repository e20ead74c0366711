"""Furniture: chairs, tables, sofas, beds, shelves, cabinets, lamps, screens."""

from __future__ import annotations

import math

import numpy as np

from dd3g.objects.draws import Draws
from dd3g.objects.made import shape as shapes
from dd3g.objects.made.crockery import bowl, jug, mug, vase
from dd3g.objects.made.labels import screen
from dd3g.objects.made.outlines import extruded, rounded_rectangle
from dd3g.objects.made.paint import Paint, Piece, Recipe, Thing, any_paint, around, flat, moved, paired, picture, printed, put, wooden
from dd3g.objects.made.palette import Palette, draw_metal, draw_wood, shaded
from dd3g.objects.made.shape import Shape
from dd3g.objects.made.solids import ball, box, cylinder, lathe, panel
from dd3g.objects.made.tubes import smooth_curve, tube


def lying(width: float, height: float, depth: float, bevel: float = 0.01) -> Shape:
    """A board with its grain along x."""
    return shapes.turned(box(height, width, depth, bevel), "z", 90)


def frame_paint(draws: Draws, palette: Palette) -> Paint:
    """Wood, paint or metal."""
    kind = draws.pick(("wood", "wood", "paint", "metal"))
    if kind == "wood":
        return wooden(draws, draw_wood(draws), 0.8)
    return flat(draws.pick((palette.main, palette.dark, palette.light)) if kind == "paint" else draw_metal(draws))


def leg(draws: Draws, height: float, thickness: float) -> Shape:
    """One leg from the floor to y = ``height``: square, round, narrowed or turned."""
    kind = draws.pick(("square", "round", "narrow", "turned"))
    if kind == "square":
        return shapes.moved(box(thickness, height, thickness, 0.008), y=height / 2)
    if kind == "turned":
        rows = [(0.6, 0), (0.9, 0.1), (0.5, 0.16), (1.0, 0.4), (0.6, 0.62), (1.0, 0.7), (1.0, 1.0)]
        return lathe([(0, 0), *((thickness * 0.6 * r, height * t) for r, t in rows), (0, height)], 16)
    return cylinder(thickness * (0.5 if kind == "round" else 0.32), height, segments=16, top=1.0 if kind == "round" else 1.8)


def four_legs(draws: Draws, width: float, depth: float, height: float, thickness: float, paint: Paint) -> Thing:
    """Legs under the corners of a rectangle, upright or splayed."""
    shape = leg(draws, height, thickness)
    if draws.chance(0.35):
        lean = draws.uniform(4, 10)
        shape = shapes.moved(shapes.turned(shapes.turned(shapes.moved(shape, y=-height), "z", lean), "x", -lean), y=height)
    x, z = width / 2 - thickness * 0.7, depth / 2 - thickness * 0.7
    front = put(shape, paint, x, 0, z)
    back = put(shapes.turned(shape, "y", 90), paint, x, 0, -z)
    return paired([front, back])


def chair(draws: Draws, palette: Palette) -> Thing:
    """Seat, legs, a back of slats, a board, a frame or a shell; perhaps arms and a cushion. It looks towards +Z."""
    width, depth, seat, back = draws.uniform(0.5, 0.62), draws.uniform(0.48, 0.6), draws.uniform(0.42, 0.52), draws.uniform(0.4, 0.75)
    paint = frame_paint(draws.branch("frame"), palette)
    thick = draws.uniform(0.045, 0.07)
    thing = four_legs(draws, width, depth, seat, thick, paint)
    thing.append(
        put(
            box(width, 0.06, depth, 0.02, 2),
            draws.pick((paint, any_paint(draws.branch("seat"), palette.main, palette, 0.3))),
            y=seat + 0.02,
        )
    )
    parts: Thing = []
    kind = draws.pick(("slats", "rungs", "board", "shell"))
    post = put(box(thick, back, thick, 0.008), paint, width / 2 - thick * 0.7, back / 2)
    if kind in ("slats", "rungs"):
        parts += paired([post])
        parts.append(put(lying(width * 0.98, 0.09, thick * 0.8), paint, y=back - 0.03))
        count = draws.integer(2, 5)
        for i in range(count):
            if kind == "slats":
                parts.append(put(box(0.05, back, 0.025, 0.005), paint, (i - (count - 1) / 2) * width * 0.75 / count, back / 2))
            else:
                parts.append(put(lying(width * 0.9, 0.06, 0.025), paint, y=(i + 0.7) / (count + 0.5) * back))
    elif kind == "board":
        parts += paired([post])
        parts.append(
            put(box(width * 0.95, back * 0.6, 0.05, 0.02, 2), any_paint(draws.branch("seat"), palette.main, palette, 0.3), y=back * 0.65)
        )
    else:
        outline = rounded_rectangle(width * 0.98, back, min(width, back) * 0.35)
        parts.append(put(extruded(outline, 0.06, 0.02), any_paint(draws.branch("seat"), palette.main, palette, 0.3), y=back / 2))
    lean = shapes.turned
    thing += [
        put(lean(p.shape, "x", -draws.branch("lean").uniform(3, 12)), p.paint, y=seat + 0.03, z=-depth / 2 + thick * 0.7) for p in parts
    ]
    if draws.chance(0.3):
        arm = put(shapes.turned(lying(depth * 0.95, 0.05, 0.06), "y", 90), paint, width / 2, seat + 0.25)
        support = put(box(0.045, 0.25, 0.045), paint, width / 2, seat + 0.13, depth / 2 - 0.06)
        thing += paired([arm, support])
    if draws.chance(0.35):
        thing.append(put(box(width * 0.85, 0.09, depth * 0.85, 0.04, 3), printed(draws, palette, 0.25), y=seat + 0.08))
    return thing


def stool(draws: Draws, palette: Palette) -> Thing:
    """A round seat on three or four legs, or on one foot."""
    radius, height = draws.uniform(0.22, 0.32), draws.uniform(0.4, 0.85)
    paint = frame_paint(draws, palette)
    seat = shapes.moved(cylinder(radius, draws.uniform(0.05, 0.14), 0.025), y=height)
    thing = [Piece(seat, any_paint(draws.branch("seat"), palette.main, palette, 0.3))]
    if draws.chance(0.3):
        foot = lathe([(0, 0), (radius * 0.9, 0), (radius * 0.9, 0.03), (0.04, 0.07), (0.035, height), (0, height)])
        return [*thing, Piece(foot, paint)]
    shape = leg(draws, height / math.cos(math.radians(10)), 0.05)
    shape = shapes.moved(shapes.turned(shapes.moved(shape, y=-height), "x", -draws.uniform(4, 14)), y=height, z=radius * 0.7)
    count = draws.integer(3, 4)
    thing += around([Piece(shape, paint)], count, 30)
    if draws.chance(0.5):
        thing.append(
            Piece(
                lathe([(radius * 0.8, height * 0.35), (radius * 0.84, height * 0.35 + 0.03), (radius * 0.8, height * 0.35 + 0.03)], 24),
                paint,
            )
        )
    return thing


def table(draws: Draws, palette: Palette) -> Thing:
    """A table or desk, round or square, perhaps set or with drawers."""
    height, paint = draws.uniform(0.35, 0.8), frame_paint(draws, palette)
    top_paint = draws.pick((paint, any_paint(draws.branch("top"), palette.main, palette, 0.5)))
    if draws.chance(0.35):
        radius = draws.uniform(0.4, 0.65)
        foot = lathe([(0, 0), (radius * 0.6, 0), (radius * 0.55, 0.03), (0.06, 0.08), (0.045, height * 0.7), (0.1, height), (0, height)])
        thing = [put(cylinder(radius, 0.05, 0.012), top_paint, y=height)]
        thing += [Piece(foot, paint)] if draws.chance(0.5) else four_legs(draws, radius * 1.4, radius * 1.4, height, 0.06, paint)
        width = depth = radius
    else:
        width, depth = draws.uniform(0.7, 1.5), draws.uniform(0.5, 0.8)
        thing = [put(lying(width, 0.05, depth), top_paint, y=height + 0.025)]
        thing += four_legs(draws, width, depth, height, draws.uniform(0.05, 0.1), paint)
        if draws.chance(0.5):
            thing.append(put(lying(width - 0.15, 0.1, depth - 0.15), paint, y=height - 0.05))
        if draws.chance(0.3):
            drawers = moved([Piece(box(width * 0.3, height * 0.75, depth * 0.9, 0.01), paint)], width * 0.3, height * 0.62)
            for i in range(3):
                y = height * (0.38 + 0.24 * i)
                drawers += moved(front_panel(draws, palette, width * 0.26, height * 0.2, paint), width * 0.3, y, depth * 0.45)
            thing += drawers
    if draws.chance(0.4):
        item = draws.pick((bowl, mug, vase, jug))(draws.branch("item"), palette)
        thing += [
            put(shapes.stretched(p.shape, 0.35, 0.35, 0.35), p.paint, draws.branch("x").uniform(-0.25, 0.25) * width, height + 0.05)
            for p in item
        ]
    return thing


def front_panel(draws: Draws, palette: Palette, width: float, height: float, paint: Paint) -> Thing:
    """A drawer's or door's front with a knob or a bar, about the origin, looking to +Z."""
    thing = [Piece(box(width, height, 0.03, 0.008), paint)]
    grip = flat(draws.pick((palette.dark, palette.accent, (0.75, 0.72, 0.6))))
    if draws.branch("knob").chance(0.5):
        thing.append(put(ball(min(0.022, height * 0.2), segments=12), grip, z=0.03))
    else:
        thing.append(put(box(width * 0.35, 0.02, 0.03, 0.005), grip, z=0.03))
    return thing


def cabinet(draws: Draws, palette: Palette) -> Thing:
    """Chest of drawers, sideboard, wardrobe, oven or locker: fronts on one side, plain elsewhere."""
    width, height, depth = draws.uniform(0.5, 1.3), draws.uniform(0.5, 1.5), draws.uniform(0.35, 0.55)
    body = frame_paint(draws, palette)
    fronts = draws.pick((body, flat(palette.main), flat(palette.light), any_paint(draws.branch("front"), palette.main, palette, 0.5)))
    base = draws.pick((0.0, 0.06, 0.15))
    thing = [put(box(width, height, depth, 0.01), body, y=base + height / 2)]
    thing.append(put(lying(width + 0.05, 0.04, depth + 0.05), body, y=base + height))
    if base > 0.1:
        thing += four_legs(draws, width, depth, base, 0.06, body)
    columns, rows = draws.integer(1, 3), draws.integer(1, 4)
    for column in range(columns):
        split = draws.integer(1, rows)
        for row in range(split):
            w, h = width / columns, (height - 0.06) / split
            x, y = (column + 0.5) * w - width / 2, base + 0.03 + (row + 0.5) * h
            thing += moved(front_panel(draws, palette, w * 0.93, h * 0.93, fronts), x, y, depth / 2)
    if draws.chance(0.25):
        thing += moved(
            [Piece(panel(width * 0.8, height * 0.3), picture(screen(draws, palette, 2.0)))], y=base + height * 0.7, z=depth / 2 + 0.025
        )
    return thing


def shelf(draws: Draws, palette: Palette) -> Thing:
    """Boards between two sides, with books and boxes, open in front, with or without a back."""
    width, height, depth = draws.uniform(0.6, 1.1), draws.uniform(0.8, 1.6), draws.uniform(0.25, 0.4)
    paint = frame_paint(draws, palette)
    rows = draws.integer(2, 5)
    thing = paired([put(box(0.04, height, depth), paint, width / 2, height / 2)])
    if draws.chance(0.6):
        thing.append(put(box(width, height, 0.02), draws.pick((paint, flat(palette.second))), y=height / 2, z=-depth / 2))
    for row in range(rows + 1):
        thing.append(put(lying(width, 0.035, depth), paint, y=height * row / rows + (0.02 if row == 0 else 0)))
    space = height / rows
    for row in range(rows):
        at = -width / 2 + 0.04
        while at < width / 2 - 0.12 and draws.chance(0.93):
            thick, high = draws.uniform(0.03, 0.1), space * draws.uniform(0.45, 0.8)
            colour = draws.pick(palette.all()) if draws.chance(0.6) else shaded(palette.main, draws.uniform(0.6, 1.3))
            book = box(thick * 0.94, high, depth * draws.uniform(0.6, 0.8), 0.004)
            thing.append(put(book, flat(colour), at + thick / 2, height * row / rows + 0.03 + high / 2, 0.02))
            at += thick + (draws.uniform(0.05, 0.3) if draws.chance(0.12) else 0)
    return thing


def sofa(draws: Draws, palette: Palette) -> Thing:
    """An armchair or sofa: soft boxes, cushions, short feet."""
    seats = draws.integer(1, 3)
    width, depth, seat, back = 0.55 * seats + 0.1, draws.uniform(0.65, 0.85), draws.uniform(0.32, 0.42), draws.uniform(0.35, 0.6)
    arm, arm_height = draws.uniform(0.12, 0.22), draws.uniform(0.12, 0.3)
    soft = draws.uniform(0.03, 0.09)
    cloth = any_paint(draws.branch("cloth"), palette.main, palette, draws.uniform(0.3, 0.6))
    cushion = draws.pick((cloth, any_paint(draws.branch("cushion"), palette.second, palette, 0.3)))
    thing = [
        put(box(width, seat * 0.7, depth, 0.03, 2), cloth, y=0.08 + seat * 0.35),
        put(
            shapes.turned(box(width, back + seat * 0.5, 0.18, soft, 3), "x", -draws.uniform(4, 12)),
            cloth,
            y=seat + back / 2,
            z=-depth / 2 + 0.06,
        ),
    ]
    side = put(box(arm, seat + arm_height, depth, soft, 3), cloth, width / 2 + arm / 2 - 0.02, 0.06 + (seat + arm_height) / 2)
    thing += paired([side])
    for i in range(seats):
        x = (i - (seats - 1) / 2) * width / seats
        thing.append(put(box(width / seats * 0.97, 0.15, depth * 0.8, 0.05, 3), cushion, x, seat, 0.06))
        if draws.chance(0.4):
            pillow = shapes.turned(box(0.34, 0.34, 0.14, 0.068, 4), "x", -20)
            thing.append(put(pillow, printed(draws, palette, 0.2), x + draws.uniform(-0.05, 0.05), seat + 0.2, -depth / 2 + 0.25))
    return thing + four_legs(draws, width + arm, depth, 0.09, 0.05, flat(palette.dark))


def bed(draws: Draws, palette: Palette) -> Thing:
    """Frame, mattress, blanket, pillows, a head board at the back; the foot looks to +Z."""
    width, length = draws.pick((0.9, 1.4)), draws.uniform(1.7, 2.0)
    paint = frame_paint(draws, palette)
    thing = [
        put(box(width, 0.2, length, 0.02), paint, y=0.25),
        put(box(width * 0.96, 0.2, length * 0.97, 0.06, 3), flat(palette.light), y=0.42),
        put(
            box(width * 1.02, 0.2, length * draws.uniform(0.5, 0.75), 0.05, 3),
            printed(draws, palette, draws.uniform(0.3, 0.7)),
            y=0.45,
            z=length * 0.14,
        ),
        put(box(width, draws.uniform(0.6, 1.0), 0.07, 0.02), paint, y=0.5, z=-length / 2),
    ]
    if draws.chance(0.5):
        thing.append(put(box(width, 0.4, 0.06, 0.02), paint, y=0.35, z=length / 2))
    pillow = shapes.turned(box(0.5, 0.14, 0.32, 0.068, 4), "x", 12)
    cover = flat(draws.pick((palette.light, palette.accent)))
    thing += [put(pillow, cover, x, 0.57, -length / 2 + 0.26) for x in ((-width / 4, width / 4) if width > 1 else (0.0,))]
    return thing + four_legs(draws, width, length, 0.18, 0.08, paint)


def lamp(draws: Draws, palette: Palette) -> Thing:
    """A foot, a stem and a shade; for a table or the floor, or with a bent arm."""
    height, metal = draws.uniform(0.5, 1.5), flat(draws.pick((draw_metal(draws), palette.dark, draw_wood(draws))))
    foot = lathe([(0, 0), (0.2, 0), (0.2, 0.03), (0.05, 0.06), (0, 0.06)])
    wide, narrow, tall = draws.uniform(0.22, 0.36), draws.uniform(0.08, 0.25), draws.uniform(0.22, 0.4)
    shade = lathe([(wide, 0), (wide - 0.01, 0), (narrow - 0.01, tall), (narrow, tall), (wide, 0.001)], 36)
    cover = any_paint(draws.branch("shade"), draws.pick((palette.main, palette.light, palette.accent)), palette, 0.3)
    bulb = put(ball(0.06, segments=16), flat((1.0, 0.93, 0.7)), y=0.08)
    if draws.chance(0.3):
        bend = smooth_curve([(0, 0, 0), (-0.15, height * 0.5, 0), (0.0, height, 0), (0.3, height * 1.02, 0)])
        head = [
            Piece(p.shape, p.paint)
            for p in (Piece(shapes.turned(shape, "z", 25), paint) for shape, paint in ((shade, cover), (bulb.shape, bulb.paint)))
        ]
        return [Piece(foot, metal), Piece(tube(bend, 0.025, 10), metal), *moved(head, 0.36, height - tall * 0.8)]
    stem = (
        cylinder(0.02, height, segments=12)
        if draws.chance(0.5)
        else lathe(
            [(0, 0), *((draws.uniform(0.03, 0.14), height * t) for t in np.linspace(0.1, 0.8, 6).tolist()), (0.02, height), (0, height)]
        )
    )
    return [
        Piece(foot, metal),
        Piece(stem, metal if draws.chance(0.5) else flat(palette.second)),
        *moved([Piece(shade, cover), bulb], y=height - 0.08),
    ]


RECIPES: dict[Recipe, float] = {chair: 3, stool: 1, table: 2, cabinet: 2, shelf: 1, sofa: 2, bed: 1, lamp: 1}
