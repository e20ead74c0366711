"""Things that lie about: tools, clocks, radios, cameras, books, balls, hats, shoes, instruments, blocks with letters."""

from __future__ import annotations

import math

import numpy as np

from dd3g.objects.draws import Draws
from dd3g.objects.made import shape as shapes
from dd3g.objects.made.canvas import Canvas
from dd3g.objects.made.labels import cover, dial, label_front, screen
from dd3g.objects.made.letters import STROKES, draw_word, strokes, write
from dd3g.objects.made.outlines import blob, crescent, ellipse, extruded, gear, heart, polygon, rounded_rectangle, star
from dd3g.objects.made.paint import (
    Paint,
    Piece,
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
    wooden,
)
from dd3g.objects.made.palette import BLACK, WHITE, Colour, Palette, draw_metal, draw_wood, shaded
from dd3g.objects.made.patterns import weave
from dd3g.objects.made.shape import Shape
from dd3g.objects.made.solids import ball, barrel, box, capsule, cylinder, lathe, panel, torus, upright
from dd3g.objects.made.tubes import smooth_curve, tube


def grip_paint(draws: Draws, palette: Palette) -> Paint:
    """What handles are made of."""
    return wooden(draws, draw_wood(draws), 0.4) if draws.chance(0.5) else flat(draws.pick((palette.main, palette.accent, palette.dark)))


def hammer(draws: Draws, palette: Palette) -> Thing:
    """A handle with a head on top: hammer, axe, mallet, sword, broom, spade."""
    length = draws.uniform(0.8, 1.1)
    stick = Piece(
        tube(np.array([[0, 0, 0], [0, length, 0]]), [0.055, 0.045, 0.035], 12, draws.uniform(0.6, 1.0)), grip_paint(draws, palette)
    )
    metal = flat(draw_metal(draws))
    kind = draws.pick(("hammer", "axe", "mallet", "sword", "spade"))
    if kind == "mallet":
        head = upright(shapes.moved(cylinder(0.17, 0.5, 0.03), y=-0.25), "x")
        return [stick, put(head, any_paint(draws, palette.main, palette, 0.4), y=length)]
    if kind == "axe":
        blade = extruded(
            np.array([[-0.06, -0.08], [0.1, -0.08], [0.36, -0.2], [0.42, 0.0], [0.36, 0.2], [0.1, 0.08], [-0.06, 0.08]]), 0.06, 0.025
        )
        return [stick, put(blade, metal, y=length - 0.1)]
    if kind == "sword":
        blade = extruded(np.array([[-0.07, 0.0], [0.07, 0.0], [0.06, 0.95], [0.0, 1.1], [-0.06, 0.95]]), 0.035, 0.016)
        hilt = put(cylinder(0.04, 0.3, 0.01), grip_paint(draws, palette), y=-0.32)
        return [
            Piece(blade, metal),
            hilt,
            Piece(box(0.42, 0.07, 0.09, 0.03, 2), flat(palette.accent)),
            put(ball(0.07), flat(palette.accent), y=-0.36),
        ]
    if kind == "spade":
        outline = np.array([[-0.14, 0.3], [-0.15, 0.0], [-0.1, -0.2], [0.0, -0.3], [0.1, -0.2], [0.15, 0.0], [0.14, 0.3]])
        top = put(upright(shapes.moved(cylinder(0.035, 0.26, segments=12), y=-0.13), "x"), stick.paint, y=length)
        return [stick, top, put(extruded(outline, 0.03, 0.01), metal, y=-0.2)]
    claw = tube(smooth_curve([(0, 0, 0), (-0.14, 0.03, 0), (-0.26, -0.08, 0)]), [0.06, 0.05, 0.015], 10, 1.0)
    face = upright(lathe([(0, 0), (0.05, 0), (0.05, 0.1), (0.085, 0.13), (0.085, 0.24), (0, 0.24)], 16), "x")
    return [
        stick,
        put(box(0.13, 0.13, 0.12, 0.02), metal, y=length),
        put(face, metal, 0.02, length),
        put(claw, metal, -0.05, length),
    ]


def driver(draws: Draws, palette: Palette) -> Thing:
    """A long thing in the hand: screwdriver, brush, spoon, torch, pencil, bat."""
    kind = draws.pick(("driver", "brush", "spoon", "torch", "pencil", "bat"))
    paint, metal = grip_paint(draws, palette), flat(draw_metal(draws))
    if kind == "pencil":
        sides = 6
        body = cylinder(0.09, 0.9, segments=sides)
        cone = lathe([(0.09, 0), (0.03, 0.14)], sides)
        return [
            Piece(body, flat(palette.main)),
            *moved(
                [
                    Piece(cone, flat((0.88, 0.72, 0.5))),
                    put(cylinder(0.03, 0.05, segments=8, top=0.1), flat(palette.accent), y=0.14),
                ],
                y=0.9,
            ),
            *moved(
                [Piece(cylinder(0.092, 0.08), metal), put(ball(0.085, segments=14), flat((0.9, 0.5, 0.55)), y=-0.02)],
                y=-0.08,
            ),
        ]
    if kind == "bat":
        return [
            Piece(
                lathe([(0, 0), (0.06, 0), (0.06, 0.03), (0.035, 0.07), (0.04, 0.35), (0.09, 0.75), (0.095, 1.05), (0.05, 1.12), (0, 1.13)]),
                paint,
            ),
            put(barrel(0.043, 0.25), flat(palette.dark), y=0.08),
        ]
    if kind == "spoon":
        bowl = shapes.moved(shapes.stretched(ball(0.2, 0.28, 0.06), 1, 1, 1), y=1.0)
        return [
            Piece(tube(smooth_curve([(0, 0, 0), (0, 0.4, 0.03), (0, 0.85, 0)]), [0.05, 0.03, 0.04], 10, 0.6), paint),
            Piece(bowl, draws.pick((paint, metal))),
        ]
    if kind == "torch":
        body = lathe([(0, 0), (0.09, 0), (0.1, 0.03), (0.1, 0.55), (0.17, 0.72), (0.18, 0.82), (0.15, 0.82), (0.13, 0.8), (0, 0.8)])
        rings = [put(torus(0.1, 0.012), flat(palette.dark), y=0.1 * i + 0.06) for i in range(4)]
        light = put(cylinder(0.14, 0.02), flat((1.0, 0.95, 0.7)), y=0.79)
        return turned(
            [
                Piece(body, flat(palette.main)),
                *rings,
                light,
                put(box(0.06, 0.12, 0.04, 0.015), flat(palette.accent), y=0.45, z=0.1),
            ],
            "z",
            draws.pick((0, -90)),
        )
    hilt = lathe([(0, 0), (0.1, 0.01), (0.12, 0.08), (0.09, 0.25), (0.11, 0.42), (0.07, 0.5), (0, 0.5)], draws.pick((8, 24)))
    if kind == "driver":
        return [
            Piece(hilt, paint),
            Piece(cylinder(0.03, 1.0, segments=12), metal),
            put(box(0.09, 0.12, 0.02, 0.005), metal, y=1.02),
        ]
    bristles = shapes.tapered(shapes.moved(box(0.32, 0.3, 0.1, 0.02), y=0.87), draws.uniform(0.7, 1.0))
    return [
        Piece(hilt, paint),
        put(box(0.34, 0.22, 0.12, 0.02), metal, y=0.6),
        Piece(bristles, tiled(weave(draws, palette), 0.2)),
    ]


def clock(draws: Draws, palette: Palette) -> Thing:
    """An alarm clock, a wall clock, a compass or a watch: a dial in front."""
    radius, depth = 0.5, draws.uniform(0.12, 0.35)
    square = draws.chance(0.3)
    case = box(1.0, 1.0, depth, 0.06, 3) if square else upright(shapes.moved(cylinder(radius, depth, 0.04, 40), y=-depth / 2), "z")
    paint = any_paint(draws.branch("case"), palette.main, palette, 0.4)
    disc = box(0.84, 0.84, 0.004) if square else upright(cylinder(0.44, 0.004, 0, 40), "z")
    thing = [Piece(case, paint), put(disc, flat(palette.light), z=depth / 2)]
    sheet = extruded(ellipse(0.42, 0.42) if not square else rounded_rectangle(0.82, 0.82, 0.02), 0.004)
    thing.append(put(sheet, picture(dial(draws, palette)), z=depth / 2 + 0.006))
    kind = draws.pick(("alarm", "wall", "watch"))
    if kind == "alarm":
        bell = [
            Piece(
                shapes.turned(shapes.moved(lathe([(0.16, 0), (0.14, 0.08), (0.06, 0.14), (0, 0.15)]), y=radius + 0.04), "z", -32),
                flat(palette.accent),
            )
        ]
        foot = [Piece(shapes.turned(shapes.moved(cylinder(0.04, 0.16, 0.02), y=-radius - 0.14), "z", 30), flat(palette.dark))]
        thing += paired(bell + foot)
        thing.append(Piece(tube(smooth_curve([(-0.16, 0.55, 0), (0, 0.78, 0), (0.16, 0.55, 0)]), 0.022, 8), flat(palette.dark)))
    elif kind == "watch":
        for sign in (1, -1):
            strap = extruded(rounded_rectangle(0.42, 0.95, 0.1), 0.05, 0.01)
            thing.append(put(strap, any_paint(draws.branch("strap"), palette.second, palette, 0.3), y=sign * 0.85, z=-depth / 4))
        thing.append(put(upright(cylinder(0.05, 0.1), "x"), flat(draw_metal(draws)), radius - 0.02))
    return thing


def radio(draws: Draws, palette: Palette) -> Thing:
    """A radio, loudspeaker, camera, telephone or games console: knobs, grilles and screens in front of a box."""
    kind = draws.pick(("radio", "camera", "phone", "toaster", "washer"))
    paint = any_paint(draws.branch("case"), palette.main, palette, 0.5)
    if kind == "phone":
        width, height = 0.5, draws.uniform(0.9, 1.1)
        return [
            Piece(box(width, height, 0.07, 0.03, 3), flat(palette.main)),
            put(panel(width * 0.9, height * 0.86), picture(screen(draws, palette, 0.6)), z=0.037),
            put(box(0.16, 0.16, 0.03, 0.014, 2), flat(palette.dark), -0.12, height * 0.36, -0.04),
        ]
    if kind == "camera":
        thing = [
            Piece(box(1.0, 0.62, 0.32, 0.05, 3), paint),
            put(box(1.01, 0.16, 0.33, 0.05, 3), flat(palette.light), y=0.24),
        ]
        lens = [(0, 0), (0.25, 0), (0.25, 0.18), (0.22, 0.2), (0.22, 0.3), (0.19, 0.3), (0.17, 0.24), (0, 0.22)]
        thing += [
            put(upright(lathe(lens), "z"), flat(BLACK), 0.06, -0.04, 0.14),
            put(ball(0.17, 0.17, 0.05), flat((0.25, 0.32, 0.5)), 0.06, -0.04, 0.37),
        ]
        thing += [
            put(cylinder(0.07, 0.06), flat(palette.accent), 0.35, 0.31),
            put(box(0.18, 0.1, 0.06, 0.01), flat((0.8, 0.85, 0.9)), -0.34, 0.22, 0.15),
        ]
        return [*thing, Piece(shapes.turned(shapes.moved(panel(0.6, 0.4), z=0.165), "y", 180), picture(screen(draws, palette, 1.5)))]
    if kind == "toaster":
        thing = [Piece(box(1.0, 0.6, 0.5, 0.12, 4), paint)]
        thing += [put(box(0.74, 0.02, 0.09), flat(BLACK), y=0.298, z=z) for z in (-0.1, 0.1)]
        thing += [put(box(0.6, 0.5, 0.07, 0.03, 3), flat((0.85, 0.64, 0.38)), y=0.22, z=z) for z in (-0.1, 0.1) if draws.chance(0.6)]
        return [
            *thing,
            put(box(0.06, 0.06, 0.18, 0.02), flat(palette.dark), 0.53, 0.05),
            put(upright(cylinder(0.06, 0.04), "x"), flat(palette.accent), 0.5, -0.15),
        ]
    if kind == "washer":
        height = draws.uniform(0.9, 1.2)
        thing = [
            Piece(box(0.9, height, 0.8, 0.02), flat(draws.pick((WHITE, palette.light, palette.main)))),
            put(upright(torus(0.27, 0.045), "z"), flat(draw_metal(draws)), y=-0.08, z=0.41),
        ]
        thing += [
            put(ball(0.25, 0.25, 0.06), flat((0.25, 0.32, 0.4)), y=-0.08, z=0.4),
            put(box(0.86, 0.16, 0.03, 0.01), flat(palette.dark), y=height / 2 - 0.12, z=0.4),
        ]
        return thing + [
            put(upright(cylinder(0.045, 0.06, 0.01, 14), "z"), flat(palette.accent), 0.3 - 0.15 * i, height / 2 - 0.12, 0.4)
            for i in range(3)
        ]
    width, height, depth = draws.uniform(0.8, 1.2), draws.uniform(0.5, 0.7), draws.uniform(0.25, 0.4)
    case = wooden(draws, draw_wood(draws)) if draws.chance(0.4) else paint
    thing = [Piece(box(width, height, depth, draws.uniform(0.02, 0.1), 3), case)]
    grille = shapes.moved(upright(cylinder(height * 0.33, 0.03, 0.01, 28), "z"), -width * 0.24, 0, depth / 2)
    thing += [Piece(grille, tiled(weave(draws, Palette(palette.dark, palette.dark, palette.accent, palette.light, BLACK)), 0.12))]
    thing += [put(panel(width * 0.4, height * 0.22), picture(screen(draws, palette, 2.0)), width * 0.22, height * 0.22, depth / 2 + 0.005)]
    thing += [
        put(upright(cylinder(0.06, 0.06, 0.01, 18), "z"), flat(palette.accent), width * (0.12 + 0.2 * i), -height * 0.2, depth / 2)
        for i in range(2)
    ]
    antenna = tube(np.array([[width * 0.4, height / 2, -depth * 0.3], [width * 0.65, height + 0.35, -depth * 0.3]]), 0.012, 8)
    carrier = tube(
        smooth_curve(
            [
                (-width * 0.35, height / 2, 0),
                (-width * 0.3, height * 0.72, 0),
                (width * 0.3, height * 0.72, 0),
                (width * 0.35, height / 2, 0),
            ]
        ),
        0.025,
        8,
    )
    return [*thing, Piece(antenna, flat((0.65, 0.65, 0.66)))] if draws.chance(0.5) else [*thing, Piece(carrier, flat(palette.dark))]


def books(draws: Draws, palette: Palette) -> Thing:
    """One book upright, or a heap of them."""
    if draws.chance(0.5):
        width, height, thick = draws.uniform(0.55, 0.8), draws.uniform(0.8, 1.0), draws.uniform(0.08, 0.25)
        return _book(draws, palette, width, height, thick)
    thing, y = [], 0.0
    for i in range(draws.integer(2, 5)):
        width, height, thick = draws.uniform(0.5, 0.7), draws.uniform(0.7, 0.95), draws.uniform(0.07, 0.17)
        colours = draws.shuffled(palette.all()[:3])
        own = Palette(colours[0], colours[1], palette.accent, palette.light, palette.dark)
        book = turned(turned(_book(draws.branch(i), own, width, height, thick), "x", -90), "y", 90 + draws.uniform(-25, 25))
        thing += moved(book, y=y + thick / 2)
        y += thick
    return thing


def _book(draws: Draws, palette: Palette, width: float, height: float, thick: float) -> Thing:
    binding = flat(palette.main)
    thing = [put(box(width, height, 0.02), binding, z=z) for z in (thick / 2 - 0.01, -thick / 2 + 0.01)]
    thing += [
        put(box(0.02, height, thick), binding, -width / 2 + 0.01),
        Piece(box(width * 0.94, height * 0.95, thick - 0.03), flat((0.94, 0.92, 0.85))),
    ]
    spine = Canvas(palette.second, thick / height)
    spine.rectangle(0, 0.12, thick / height, 0.08, palette.light)
    thing.append(Piece(shapes.turned(shapes.moved(panel(thick * 0.98, height * 0.98), z=width / 2 + 0.003), "y", -90), picture(spine)))
    return [
        *thing,
        put(panel(width * 0.99, height * 0.99), picture(cover(draws, palette, width / height)), z=thick / 2 + 0.003),
    ]


def toy_ball(draws: Draws, palette: Palette) -> Thing:
    """A ball with gores, dots, a band or a face; a globe; a die."""
    kind = draws.pick(("gores", "print", "patches", "globe", "die"))
    if kind == "die":
        thing = [Piece(box(0.9, 0.9, 0.9, 0.09, 3), flat(palette.main))]
        spots = {
            1: [(0, 0)],
            2: [(-1, -1), (1, 1)],
            3: [(-1, -1), (0, 0), (1, 1)],
            4: [(-1, -1), (1, 1), (-1, 1), (1, -1)],
            5: [(-1, -1), (1, 1), (-1, 1), (1, -1), (0, 0)],
            6: [(-1, -1), (1, 1), (-1, 1), (1, -1), (-1, 0), (1, 0)],
        }
        dot = ball(0.075, 0.075, 0.02, segments=14)
        for number, (axis, angle) in {1: ("y", 0), 6: ("y", 180), 3: ("y", 90), 4: ("y", -90), 2: ("x", 90), 5: ("x", -90)}.items():
            thing += turned([put(dot, flat(palette.light), 0.22 * x, 0.22 * y, 0.45) for x, y in spots[number]], axis, angle)
        return thing
    if kind == "globe":
        sphere = Canvas((0.25, 0.5, 0.8), 2.0)
        for _i in range(draws.integer(6, 10)):
            sphere.shape(
                blob(draws, 1, 0.6, 24),
                draws.uniform(0.1, 1.9),
                draws.uniform(0.2, 0.8),
                draws.uniform(0.06, 0.2),
                draws.pick(((0.35, 0.6, 0.25), (0.75, 0.65, 0.35))),
            )
        arch = tube(
            np.stack(
                [0.47 * np.sin(np.radians(np.linspace(0, 180, 20))), 0.47 * np.cos(np.radians(np.linspace(0, 180, 20))), np.zeros(20)], 1
            ),
            0.025,
            8,
        )
        foot = lathe([(0, -0.68), (0.28, -0.68), (0.25, -0.63), (0.04, -0.6), (0.03, -0.45), (0, -0.45)])
        return [
            Piece(shapes.turned(ball(0.44), "z", 23), picture(sphere)),
            Piece(arch, flat(palette.accent)),
            Piece(foot, flat(draw_wood(draws))),
        ]
    if kind == "gores":
        count = draws.pick((6, 8, 12))
        angles = np.linspace(-math.pi / 2, math.pi / 2, 15)
        profile = [(0.5 * math.cos(a) if 0 < i < 14 else 0.0, 0.5 * math.sin(a)) for i, a in enumerate(angles.tolist())]
        colours = draws.shuffled(palette.all()[:4])[: draws.pick((2, 3))] if count != 8 else draws.shuffled(palette.all()[:4])
        step = 360 / count
        return turned(
            [Piece(lathe(profile, 48, (i * step - 180, (i + 1) * step - 180)), flat(colours[i % len(colours)])) for i in range(count)],
            "z",
            draws.uniform(-40, 40),
        )
    if kind == "patches":
        thing = [Piece(ball(0.5), flat(palette.light))]
        golden = (1 + 5**0.5) / 2
        corners = [(0, s, t * golden) for s in (1, -1) for t in (1, -1)]
        for x, y, z in [*corners, *((a, b, c) for c, a, b in corners), *((b, c, a) for a, b, c in corners)]:
            patch = shapes.moved(extruded(polygon(draws.pick((5,)), 0.17), 0.02, 0.008), z=0.493)
            yaw, pitch = math.degrees(math.atan2(x, z)), math.degrees(math.atan2(y, math.hypot(x, z)))
            thing += turned(turned([Piece(patch, flat(palette.dark))], "x", -pitch), "y", yaw)
        return thing
    return turned([Piece(ball(0.5), printed(draws, palette, draws.uniform(0.3, 0.8)))], "z", draws.uniform(0, 60))


def block(draws: Draws, palette: Palette) -> Thing:
    """Letters: a cube with one on each side, or one that stands by itself."""
    if draws.chance(0.5):
        thing = [Piece(box(0.9, 0.9, 0.9, 0.05, 2), wooden(draws, draw_wood(draws)) if draws.chance(0.6) else flat(palette.light))]
        word = draw_word(draws, 4) + "AB"
        for i, (axis, angle) in enumerate((("y", 0), ("y", 90), ("y", 180), ("y", 270), ("x", -90), ("x", 90))):
            sign = Canvas(draws.pick((palette.light, (0.95, 0.92, 0.84))))
            colour = palette.all()[i % 3]
            sign.rectangle(0.03, 0.03, 0.94, 0.94, colour)
            sign.rectangle(0.1, 0.1, 0.8, 0.8, palette.light)
            write(sign, word[i], 0.27, 0.2, 0.6, colour, 0.2, width=0.6)
            thing += turned([put(panel(0.8, 0.8), picture(sign), z=0.454)], axis, angle)
        return thing
    sign = draws.pick(list(STROKES))
    bold, deep = draws.uniform(0.09, 0.15), draws.uniform(0.15, 0.4)
    paint = any_paint(draws, palette.main, palette, 0.4)
    thing: Thing = []
    for stroke in strokes(sign):
        points = [(x / 4 * 0.75, 1 - y / 6) for x, y in stroke]
        for (x0, y0), (x1, y1) in zip(points[:-1], points[1:], strict=True):
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


def hat(draws: Draws, palette: Palette) -> Thing:
    """A hat, a cap, a basket or a bucket."""
    kind = draws.pick(("hat", "cap", "basket", "bucket"))
    paint = any_paint(draws.branch("cloth"), palette.main, palette, 0.4)
    if kind == "cap":
        dome = lathe([(0.5, 0), *((0.5 * math.cos(a), 0.42 * math.sin(a)) for a in np.linspace(0.1, 1.45, 8).tolist()), (0, 0.42)])
        angle = np.radians(np.linspace(-65, 65, 15))
        brim = np.concatenate(
            [
                np.stack([0.48 * np.sin(angle), -0.48 * np.cos(angle)], 1),
                np.stack([0.48 * np.sin(angle), -0.48 * np.cos(angle) - 0.34 * np.cos(angle * 1.38)], 1)[::-1],
            ]
        )[::-1]
        visor = shapes.moved(shapes.turned(extruded(brim, 0.03), "x", -82), y=0.0)
        badge = Piece(shapes.turned(shapes.moved(extruded(star(5, 0.13, 0.5), 0.03), z=0.49), "x", -22), flat(palette.light))
        return [
            Piece(dome, paint),
            Piece(visor, flat(palette.accent)),
            put(ball(0.05), flat(palette.accent), y=0.42),
            badge,
        ]
    if kind == "hat":
        wide, tall = draws.uniform(0.5, 0.75), draws.uniform(0.25, 0.6)
        body = lathe(
            [
                (0.32, 0.0),
                (wide, 0.02),
                (wide, 0.05),
                (0.33, 0.04),
                (draws.uniform(0.24, 0.34), tall),
                (0.2, tall + 0.04),
                (0, tall + draws.uniform(0, 0.05)),
            ]
        )
        return [Piece(body, paint), put(barrel(0.335, 0.09), flat(palette.accent), y=0.05)]
    high, top = draws.uniform(0.4, 0.7), draws.uniform(1.1, 1.5)
    radius = 0.34
    body = lathe([(0, 0), (radius, 0), (radius * top, high), (radius * top - 0.03, high), (radius - 0.03, 0.03), (0, 0.03)], 36)
    stuff = (
        tiled(weave(draws, Palette(draw_wood(draws), palette.second, palette.accent, palette.light, palette.dark)), 0.35)
        if kind == "basket"
        else paint
    )
    rim = radius * top
    arch = tube(
        np.stack(
            [
                rim * np.cos(np.radians(np.linspace(0, 180, 20))),
                high + (0.6 if kind == "basket" else 0.45) * np.sin(np.radians(np.linspace(0, 180, 20))),
                np.zeros(20),
            ],
            1,
        ),
        0.03 if kind == "basket" else 0.015,
        8,
    )
    thing = [
        Piece(body, stuff),
        put(torus(rim - 0.015, 0.025), flat(palette.dark), y=high),
        Piece(arch, stuff if kind == "basket" else flat(draw_metal(draws))),
    ]
    if kind == "basket" and draws.chance(0.7):
        for i in range(9):
            spot = shapes.moved(
                ball(draws.uniform(0.1, 0.15), segments=16),
                0.1 * math.sqrt(i) * math.cos(i * 2.4),
                high,
                0.1 * math.sqrt(i) * math.sin(i * 2.4),
            )
            thing.append(Piece(spot, flat(draws.pick(((0.8, 0.15, 0.1), (0.95, 0.6, 0.1), (0.5, 0.65, 0.15), palette.accent)))))
    return thing


def shoe(draws: Draws, palette: Palette) -> Thing:
    """A shoe or boot: sole, upper, tongue, laces; side view or toe first."""
    boot = draws.uniform(0.0, 0.45)
    rows, columns = 15, 25
    t = np.linspace(0, 1, rows)[:, None]
    angles = np.linspace(-math.pi, math.pi, columns)
    sin, cos = np.sin(angles), np.cos(angles)
    sin[-1], cos[-1] = sin[0], cos[0]
    half, wide = 0.6, 0.21
    # from the sole's outline to the opening above the heel
    z = cos[None] * (half * (1 - t**1.2 * 0.62)) - 0.32 * t**1.1
    x = sin[None] * wide * (1 - 0.35 * t) * (1 + 0.18 * np.clip(cos, 0, 1)[None] * (1 - t))
    height = 0.3 + boot
    y = 0.08 + np.broadcast_to(t * height, z.shape) * (1 - 0.12 * (cos[None] > 0) * t)
    upper = shapes.grid_shape(np.stack(np.broadcast_arrays(x, y, z), -1))
    outline = np.stack([sin * wide * (1 + 0.18 * np.clip(cos, 0, 1)) * 1.08, -cos * half * 1.04], 1)[:-1][::-1]
    sole = shapes.moved(shapes.turned(extruded(outline if _area(outline) > 0 else outline[::-1], 0.11, 0.02), "x", -90), y=0.06)
    inside = shapes.moved(ball(wide * 0.6, 0.02, half * 0.36), y=0.07 + height * 0.95, z=-0.32)
    thing = [
        Piece(upper, any_paint(draws.branch("upper"), palette.main, palette, 0.4)),
        Piece(sole, flat(draws.pick((WHITE, palette.dark, palette.accent)))),
        Piece(inside, flat(palette.dark)),
    ]
    for i in range(4):
        s = 0.3 + 0.16 * i
        at_z = half * (1 - s**1.2 * 0.62) - 0.32 * s**1.1
        lace = tube(
            smooth_curve(
                [
                    (-0.1, 0.08 + s * height * 0.88 - 0.02, at_z - 0.05),
                    (0, 0.11 + s * height * 0.88, at_z - 0.02),
                    (0.1, 0.08 + s * height * 0.88 - 0.02, at_z - 0.05),
                ]
            ),
            0.02,
            8,
        )
        thing.append(Piece(lace, flat(palette.light)))
    stripe = shapes.moved(shapes.turned(box(0.09, 0.2, 0.02, 0.008), "z", 20), 0, 0, 0)
    thing += paired(
        [put(shapes.turned(stripe, "y", 84), flat(palette.accent), wide * 0.97, 0.2, -0.06 + 0.14 * i) for i in range(draws.integer(0, 3))]
    )
    return turned(thing, "y", draws.pick((90, 90, -90, 0, 40)))


def _area(outline: np.ndarray) -> float:
    x, y = outline.T
    return float((x * np.roll(y, -1) - np.roll(x, -1) * y).sum() / 2)


def instrument(draws: Draws, palette: Palette) -> Thing:
    """A drum, a guitar or a bell."""
    kind = draws.pick(("drum", "guitar", "bell", "xylophone"))
    if kind == "drum":
        high = draws.uniform(0.4, 0.8)
        thing = [
            Piece(cylinder(0.45, high), any_paint(draws, palette.main, palette, 0.5)),
            put(cylinder(0.44, 0.02), flat((0.94, 0.92, 0.86)), y=high),
        ]
        thing += [put(torus(0.45, 0.03), flat(palette.accent), y=y) for y in (0.03, high - 0.01)]
        cord = tube(np.array([[0.0, 0.06, 0.46], [0.14, high - 0.06, 0.44]]), 0.012, 6)
        return thing + around([Piece(cord, flat(palette.light))], 10)
    if kind == "bell":
        body = lathe([(0.5, 0), (0.46, 0.06), (0.34, 0.2), (0.28, 0.5), (0.2, 0.62), (0, 0.66)])
        return [
            Piece(body, flat(draw_metal(draws))),
            put(ball(0.1), flat(palette.dark), y=0.03),
            put(upright(torus(0.09, 0.03), "z"), flat(palette.dark), y=0.72),
            put(barrel(0.362, 0.05, top=0.93), flat(palette.accent), y=0.17),
        ]
    if kind == "xylophone":
        thing = paired([put(shapes.turned(box(0.08, 0.08, 1.3, 0.01), "y", 10), wooden(draws, draw_wood(draws)), 0.24, 0.04)])
        hues: list[Colour] = [
            (0.85, 0.2, 0.2),
            (0.95, 0.55, 0.15),
            (0.95, 0.85, 0.2),
            (0.35, 0.7, 0.3),
            (0.25, 0.65, 0.75),
            (0.25, 0.35, 0.75),
            (0.55, 0.3, 0.65),
        ]
        return turned(
            thing + [put(box(0.95 - 0.06 * i, 0.05, 0.13, 0.015), flat(hues[i]), y=0.12, z=0.5 - 0.165 * i) for i in range(7)],
            "y",
            draws.pick((0, 90)),
        )
    outline = np.concatenate([_lobe(0.0, -0.32, 0.36), _lobe(0.0, 0.14, 0.27)])
    hull = outline[np.argsort(np.arctan2(outline[:, 1] + 0.1, outline[:, 0]), kind="stable")]
    hull = hull[np.hypot(hull[:, 0], hull[:, 1] + 0.1) > 0.2]
    thing = [
        Piece(extruded(hull, 0.14, 0.02), any_paint(draws, draw_wood(draws), palette, 0.5)),
        put(extruded(ellipse(0.1, 0.1), 0.01), flat(BLACK), z=0.07),
    ]
    neck = shapes.moved(box(0.1, 0.85, 0.06, 0.01), y=0.78, z=0.06)
    thing += [
        Piece(neck, flat(shaded(draw_wood(draws), 0.6))),
        put(box(0.17, 0.22, 0.05, 0.02), flat(palette.dark), y=1.28, z=0.05),
        put(box(0.22, 0.05, 0.04), flat(palette.dark), y=-0.36, z=0.09),
    ]
    strings = [put(box(0.006, 1.55, 0.006), flat((0.85, 0.83, 0.75)), -0.03 + 0.02 * i, 0.42, 0.105) for i in range(4)]
    return thing + strings


def _lobe(x: float, y: float, radius: float) -> np.ndarray:
    return ellipse(radius, radius * 0.85, 36) + np.array([x, y])


def plant(draws: Draws, palette: Palette) -> Thing:
    """A pot with a cactus, leaves, a tree of balls or a palm."""
    radius, high = draws.uniform(0.22, 0.34), draws.uniform(0.3, 0.5)
    pot = lathe(
        [
            (0, 0),
            (radius * 0.7, 0),
            (radius * 0.95, high * 0.8),
            (radius * 1.08, high * 0.8),
            (radius * 1.08, high),
            (radius * 0.95, high),
            (radius * 0.9, high * 0.9),
            (0, high * 0.9),
        ]
    )
    thing = [
        Piece(pot, any_paint(draws, draws.pick(((0.72, 0.38, 0.24), palette.main, palette.light)), palette, 0.4)),
        put(cylinder(radius * 0.93, 0.02), flat((0.25, 0.17, 0.11)), y=high * 0.88),
    ]
    green: Colour = (draws.uniform(0.15, 0.4), draws.uniform(0.42, 0.62), draws.uniform(0.12, 0.3))
    kind = draws.pick(("cactus", "leaves", "tree", "palm", "fir"))
    if kind == "cactus":
        thing.append(put(capsule(0.15, 0.75), tiled(weave(draws, Palette(green, green, green, green, green)), 0.2), y=high * 0.8))
        arm = tube(smooth_curve([(0.1, 0.25, 0), (0.27, 0.27, 0), (0.3, 0.5, 0)]), 0.075, 12)
        thing += moved(turned([Piece(arm, flat(green))], "y", draws.pick((0, 180, 90))), y=high)
        thing.append(put(ball(0.07, 0.05), flat(palette.accent), y=high * 0.8 + 0.77))
    elif kind == "leaves":
        blade = tube(smooth_curve([(0.02, 0, 0), (0.1, 0.45, 0), (0.2, 0.75, 0)]), [0.05, 0.11, 0.05, 0.01], 10, 0.25)
        for i in range(draws.integer(5, 10)):
            grown = shapes.stretched(blade, draws.uniform(0.8, 1.8), draws.uniform(0.6, 1.2), 1.0)
            thing += moved(turned([Piece(grown, Paint(green, top=shaded(green, 1.25)))], "y", i * 137.5), y=high * 0.85)
    elif kind == "palm":
        thing.append(put(cylinder(0.05, 0.7, segments=12, top=0.7), flat((0.5, 0.37, 0.22)), y=high * 0.85))
        frond = tube(smooth_curve([(0, 0, 0), (0.25, 0.15, 0), (0.5, -0.08, 0)]), [0.03, 0.1, 0.01], 10, 0.2)
        thing += moved(around([Piece(frond, flat(green))], draws.integer(6, 9)), y=high * 0.85 + 0.7)
    elif kind == "fir":
        for i in range(3):
            thing.append(
                put(cylinder(0.42 - 0.1 * i, 0.42, segments=18, top=0.0), flat(shaded(green, 0.75 + 0.1 * i)), y=high + 0.05 + 0.24 * i)
            )
        thing.append(put(extruded(star(5, 0.1), 0.04, 0.01), flat((0.97, 0.8, 0.2)), y=high + 1.02))
        for i in range(12):
            t = i / 12
            thing += turned(
                [
                    put(
                        ball(0.035, segments=10),
                        flat(draws.pick((palette.accent, palette.main, palette.second))),
                        y=high + 0.12 + 0.6 * t,
                        z=0.4 * (1 - t) + 0.06,
                    )
                ],
                "y",
                i * 137.5,
            )
    else:
        thing.append(put(cylinder(0.05, 0.6, segments=12), flat((0.4, 0.28, 0.17)), y=high * 0.8))
        for i in range(draws.integer(1, 5)):
            size = draws.uniform(0.22, 0.38)
            crown = shapes.bumpy(ball(size), 0.12, 8.0, draws.uniforms(6))
            thing.append(
                put(
                    crown,
                    flat(shaded(green, draws.uniform(0.85, 1.15))),
                    draws.uniform(-0.2, 0.2) * min(i, 1),
                    high + 0.65 + draws.uniform(-0.1, 0.2),
                    draws.uniform(-0.2, 0.2) * min(i, 1),
                )
            )
    return thing


def house(draws: Draws, palette: Palette) -> Thing:
    """A small house, a tower, a tent or a lantern: door in front, windows, a roof."""
    width, high, deep = draws.uniform(0.6, 1.0), draws.uniform(0.45, 0.8), draws.uniform(0.5, 0.9)
    from dd3g.objects.made.patterns import bricks

    wall = tiled(bricks(draws, palette), 0.5) if draws.chance(0.4) else any_paint(draws, palette.light, palette, 0.5)
    if draws.chance(0.35):
        radius, tall = width * 0.4, high * 1.6
        thing = [
            Piece(cylinder(radius, tall, top=draws.uniform(0.7, 1.0)), wall),
            put(cylinder(radius * 1.2, 0.55, segments=24, top=0.0), flat(palette.main), y=tall),
        ]
        thing.append(put(_door(0.24, 0.42), flat(palette.accent), y=0.0, z=radius * 0.98))
        return (
            thing
            + turned([put(box(0.16, 0.2, 0.06, 0.01), flat(palette.dark), y=tall * 0.7, z=radius * 0.86)], "y", 0)
            + turned([put(box(0.16, 0.2, 0.06, 0.01), flat(palette.dark), y=tall * 0.5, z=radius * 0.9)], "y", 120)
        )
    gable = draws.uniform(0.3, 0.55)
    thing = [put(box(width, high, deep), wall, y=high / 2)]
    roof_outline = np.array([[-width / 2 - 0.08, 0.0], [width / 2 + 0.08, 0.0], [0.0, gable]])
    along = draws.chance(0.5)
    roof = extruded(roof_outline, deep + 0.12)
    roof = roof if along else shapes.stretched(shapes.turned(roof, "y", 90), width / deep, 1, deep / width)
    thing.append(put(roof, any_paint(draws, palette.main, palette, 0.3), y=high))
    thing.append(put(_door(0.2, 0.36), flat(palette.accent), width * draws.uniform(-0.25, 0.25), 0, deep / 2))
    pane = [Piece(box(0.2, 0.2, 0.03), flat(palette.dark)), put(panel(0.15, 0.15), flat((0.7, 0.85, 0.93)), z=0.018)]
    thing += (
        moved(pane, width * 0.32, high * 0.65, deep / 2) if draws.chance(0.5) else paired(moved(pane, width * 0.32, high * 0.68, deep / 2))
    )
    thing += turned(moved(pane, 0, high * 0.55, width / 2), "y", draws.pick((90, -90)))
    thing.append(put(box(0.12, 0.35, 0.12), tiled(bricks(draws, palette), 0.3), width * 0.25, high + gable * 0.8, -deep * 0.2))
    return thing


def _door(width: float, height: float) -> Shape:
    steps = np.linspace(0, math.pi, 9)
    arch = np.stack([width / 2 * np.cos(steps), height - width / 2 + width / 2 * np.sin(steps)], 1)
    return extruded(np.concatenate([[[-width / 2, 0.0], [width / 2, 0.0]], arch]), 0.05)


def framed(draws: Draws, palette: Palette) -> Thing:
    """A sign or a picture in a frame, on a stand or with feet; a mirror, an easel."""
    width, high = draws.uniform(0.6, 1.1), draws.uniform(0.6, 1.0)
    frame = wooden(draws, draw_wood(draws)) if draws.chance(0.6) else flat(palette.main)
    inner = label_front(draws, palette, width / high) if draws.chance(0.5) else cover(draws, palette, width / high)
    thing = [
        Piece(box(width, high, 0.03), flat(palette.second)),
        put(panel(width * 0.98, high * 0.98), picture(inner), z=0.018),
    ]
    bar = draws.uniform(0.04, 0.09)
    for y in (high / 2, -high / 2):
        thing.append(put(shapes.turned(box(bar, width + bar, 0.07, 0.012), "z", 90), frame, y=y))
    thing += paired([put(box(bar, high + bar, 0.07, 0.012), frame, width / 2)])
    if draws.chance(0.5):
        thing += paired([Piece(shapes.turned(shapes.moved(box(0.05, 1.4, 0.05), width * 0.25, -0.1, -0.08), "x", 6), frame)])
        thing.append(put(shapes.turned(box(0.05, 1.4, 0.05), "x", -16), frame, y=-0.1, z=-0.3))
    return thing


HOUSEHOLD = (
    hammer, hammer, driver, driver, clock, radio, radio, books, toy_ball, toy_ball, block, cut_out, hat, shoe, shoe, instrument, plant, plant, house, framed,
)  # fmt: skip
