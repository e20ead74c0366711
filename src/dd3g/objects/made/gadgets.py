"""Things with a front: clocks, radios, cameras, telephones, toasters, washing machines, screens."""

from __future__ import annotations

from dd3g.objects.draws import Draws
from dd3g.objects.made import shape as shapes
from dd3g.objects.made.labels import dial, screen
from dd3g.objects.made.outlines import ellipse, extruded, rounded_rectangle
from dd3g.objects.made.paint import (
    Paint,
    Piece,
    Recipe,
    Thing,
    any_paint,
    flat,
    moved,
    paired,
    picture,
    put,
    tiled,
    turned,
    wooden,
)
from dd3g.objects.made.palette import BLACK, WHITE, Palette, draw_metal, draw_wood
from dd3g.objects.made.patterns import weave
from dd3g.objects.made.solids import ball, box, cylinder, lathe, panel, torus, upright
from dd3g.objects.made.tubes import smooth_curve, straight, tube


def clock(draws: Draws, palette: Palette) -> Thing:
    """An alarm clock or a wall clock, round or square: a dial in front."""
    depth = draws.uniform(0.12, 0.35)
    thing = _dial_in_case(draws, palette, depth)
    if draws.chance(0.5):
        gong = shapes.turned(shapes.moved(lathe([(0.16, 0), (0.14, 0.08), (0.06, 0.14), (0, 0.15)]), y=0.54), "z", -32)
        foot = shapes.turned(shapes.moved(cylinder(0.04, 0.16, 0.02), y=-0.64), "z", 30)
        thing += paired([Piece(gong, flat(palette.accent)), Piece(foot, flat(palette.dark))])
        thing.append(Piece(tube(smooth_curve([(-0.16, 0.55, 0), (0, 0.78, 0), (0.16, 0.55, 0)]), 0.022, 8), flat(palette.dark)))
    return thing


def watch(draws: Draws, palette: Palette) -> Thing:
    """A wrist watch with its strap laid out."""
    depth = draws.uniform(0.1, 0.2)
    strap = extruded(rounded_rectangle(draws.uniform(0.32, 0.5), 0.95, 0.1), 0.05, 0.01)
    paint = any_paint(draws.branch("strap"), palette.second, palette, 0.3)
    thing = [put(strap, paint, y=sign * 0.85, z=-depth / 4) for sign in (1, -1)]
    return [*_dial_in_case(draws, palette, depth), *thing, put(upright(cylinder(0.05, 0.1), "x"), flat(draw_metal(draws)), 0.48)]


def _dial_in_case(draws: Draws, palette: Palette, depth: float) -> Thing:
    paint = any_paint(draws.branch("case"), palette.main, palette, 0.4)
    shown = picture(dial(draws, palette))
    if draws.chance(0.3):
        sheet = extruded(rounded_rectangle(0.82, 0.82, 0.02), 0.004)
        return [
            Piece(box(1.0, 1.0, depth, 0.06, 3), paint),
            put(box(0.86, 0.86, 0.008), flat(palette.light), z=depth / 2),
            put(sheet, shown, z=depth / 2 + 0.008),
        ]
    case = upright(shapes.moved(cylinder(0.5, depth, 0.04, 40), y=-depth / 2), "z")
    rim = upright(shapes.moved(cylinder(0.44, 0.008, 0, 40), y=-0.004), "z")
    return [
        Piece(case, paint),
        put(rim, flat(palette.light), z=depth / 2),
        put(extruded(ellipse(0.42, 0.42), 0.004), shown, z=depth / 2 + 0.008),
    ]


def radio(draws: Draws, palette: Palette) -> Thing:
    """A grille, a scale, knobs; an aerial or a handle on top."""
    width, height, depth = draws.uniform(0.8, 1.2), draws.uniform(0.5, 0.7), draws.uniform(0.25, 0.4)
    case = wooden(draws, draw_wood(draws)) if draws.chance(0.4) else any_paint(draws.branch("case"), palette.main, palette, 0.5)
    cloth = tiled(weave(draws, Palette(palette.dark, palette.dark, palette.accent, palette.light, BLACK)), 0.12)
    knob = upright(cylinder(0.06, 0.06, 0.01, 18), "z")
    thing = [
        Piece(box(width, height, depth, draws.uniform(0.02, 0.1), 3), case),
        put(upright(cylinder(height * 0.33, 0.03, 0.01, 28), "z"), cloth, -width * 0.24, 0, depth / 2),
        put(panel(width * 0.4, height * 0.22), picture(screen(draws, palette, 2.0)), width * 0.22, height * 0.22, depth / 2 + 0.005),
        *(put(knob, flat(palette.accent), width * (0.12 + 0.2 * i), -height * 0.2, depth / 2) for i in range(2)),
    ]
    if draws.chance(0.5):
        aerial = tube(straight((width * 0.4, height / 2, -depth * 0.3), (width * 0.65, height + 0.35, -depth * 0.3)), 0.012, 8)
        return [*thing, Piece(aerial, flat((0.65, 0.65, 0.66)))]
    side, top = width * 0.35, height * 0.72
    grip = smooth_curve([(-side, height / 2, 0), (-side * 0.85, top, 0), (side * 0.85, top, 0), (side, height / 2, 0)])
    return [*thing, Piece(tube(grip, 0.025, 8), flat(palette.dark))]


def speaker(draws: Draws, palette: Palette) -> Thing:
    """A tall box with round cones in front."""
    width, height, depth = draws.uniform(0.45, 0.65), draws.uniform(0.8, 1.2), draws.uniform(0.35, 0.5)
    case = wooden(draws, draw_wood(draws)) if draws.chance(0.5) else flat(draws.pick((palette.dark, palette.main, palette.light)))
    thing = [Piece(box(width, height, depth, 0.02), case)]
    for y, size in ((-0.18, 0.38), (0.2, 0.25), (0.38, 0.12)):
        radius = size * width
        cone = lathe([(radius, 0.0), (radius, 0.03), (radius * 0.85, 0.03), (radius * 0.4, -0.02), (radius * 0.3, 0.02), (0, 0.04)])
        thing.append(put(upright(cone, "z"), flat(draws.pick((palette.dark, BLACK, palette.accent))), 0, y * height, depth / 2))
    return thing


def camera(draws: Draws, palette: Palette) -> Thing:
    """A lens in front, a screen behind, a button on top."""
    paint = any_paint(draws.branch("case"), palette.main, palette, 0.5)
    long = draws.uniform(0.6, 1.6)
    lens = [
        (0, 0),
        (0.25, 0),
        (0.25, 0.18 * long),
        (0.22, 0.2 * long),
        (0.22, 0.3 * long),
        (0.19, 0.3 * long),
        (0.17, 0.24 * long),
        (0, 0.22 * long),
    ]
    back = shapes.turned(shapes.moved(panel(0.6, 0.4), z=0.165), "y", 180)
    return [
        Piece(box(1.0, 0.62, 0.32, 0.05, 3), paint),
        put(box(1.01, 0.16, 0.33, 0.05, 3), flat(palette.light), y=0.24),
        put(upright(lathe(lens), "z"), flat(BLACK), 0.06, -0.04, 0.14),
        put(ball(0.17, 0.17, 0.05), flat((0.25, 0.32, 0.5)), 0.06, -0.04, 0.14 + 0.23 * long),
        put(cylinder(0.07, 0.06), flat(palette.accent), 0.35, 0.31),
        put(box(0.18, 0.1, 0.06, 0.01), flat((0.8, 0.85, 0.9)), -0.34, 0.22, 0.15),
        Piece(back, picture(screen(draws, palette, 1.5))),
    ]


def phone(draws: Draws, palette: Palette) -> Thing:
    """A pocket telephone or a games console."""
    if draws.chance(0.5):
        width, height = draws.uniform(0.45, 0.75), draws.uniform(0.9, 1.1)
        return [
            Piece(box(width, height, 0.07, 0.03, 3), flat(palette.main)),
            put(panel(width * 0.9, height * 0.86), picture(screen(draws, palette, width / height)), z=0.037),
            put(box(0.16, 0.16, 0.03, 0.014, 2), flat(palette.dark), -width * 0.24, height * 0.36, -0.04),
        ]
    button = upright(cylinder(0.06, 0.05, 0.01, 16), "z")
    cross = [put(box(a, b, 0.05, 0.008), flat(palette.dark), -0.46, 0, 0.07) for a, b in ((0.2, 0.07), (0.07, 0.2))]
    buttons = [
        put(button, flat(colour), 0.46 + dx, dy, 0.06) for colour, dx, dy in ((palette.accent, 0.09, 0.05), (palette.second, -0.07, -0.06))
    ]
    return [
        Piece(box(1.3, 0.55, 0.14, 0.069, 4), flat(palette.main)),
        put(panel(0.6, 0.4), picture(screen(draws, palette, 1.5)), z=0.074),
        *cross,
        *buttons,
    ]


def toaster(draws: Draws, palette: Palette) -> Thing:
    """Slots on top, bread in them, a lever at the side."""
    paint = any_paint(draws.branch("case"), palette.main, palette, 0.5)
    thing = [Piece(box(1.0, 0.6, 0.5, 0.12, 4), paint), *(put(box(0.74, 0.02, 0.09), flat(BLACK), y=0.298, z=z) for z in (-0.1, 0.1))]
    thing += [put(box(0.6, 0.5, 0.07, 0.03, 3), flat((0.85, 0.64, 0.38)), y=0.22, z=z) for z in (-0.1, 0.1) if draws.chance(0.6)]
    lever = put(box(0.06, 0.06, 0.18, 0.02), flat(palette.dark), 0.53, 0.05)
    return turned([*thing, lever, put(upright(cylinder(0.06, 0.04), "x"), flat(palette.accent), 0.5, -0.15)], "y", draws.pick((0, 0, -90)))


def washer(draws: Draws, palette: Palette) -> Thing:
    """A washing machine or an oven: a door with a pane, knobs above."""
    height, front = draws.uniform(0.9, 1.2), 0.4
    body = Piece(box(0.9, height, 0.8, 0.02), flat(draws.pick((WHITE, palette.light, palette.main))))
    knob = upright(cylinder(0.045, 0.06, 0.01, 14), "z")
    board = [
        put(box(0.86, 0.16, 0.03, 0.01), flat(palette.dark), y=height / 2 - 0.12, z=front),
        *(put(knob, flat(palette.accent), 0.3 - 0.15 * i, height / 2 - 0.12, front) for i in range(3)),
    ]
    if draws.chance(0.5):
        ring = put(upright(torus(0.27, 0.045), "z"), flat(draw_metal(draws)), y=-0.08, z=front + 0.01)
        return [body, *board, ring, put(ball(0.25, 0.25, 0.06), flat((0.25, 0.32, 0.4)), y=-0.08, z=front)]
    pane = put(box(0.6, 0.36, 0.02, 0.005), flat((0.12, 0.13, 0.15)), y=-0.08, z=front + 0.02)
    bar = put(box(0.66, 0.035, 0.05, 0.012), flat(draw_metal(draws)), y=height / 2 - 0.27, z=front + 0.05)
    return [body, *board, put(box(0.8, height * 0.62, 0.03, 0.01), body.paint, y=-0.07, z=front), pane, bar]


def monitor(draws: Draws, palette: Palette) -> Thing:
    """A screen on a foot."""
    shell = _shell(draws, palette)
    width, height = draws.uniform(0.8, 1.3), draws.uniform(0.5, 0.75)
    shown = picture(screen(draws.branch("screen"), palette, width / height))
    front = [Piece(box(width, height, 0.06, 0.015, 2), shell), put(panel(width * 0.95, height * 0.9), shown, z=0.034)]
    foot = [put(box(0.1, 0.35, 0.04), shell, y=0.18, z=-0.04), put(box(width * 0.4, 0.03, 0.25, 0.01), shell, y=0.015)]
    return [*moved(front, y=height / 2 + 0.2), *foot]


def laptop(draws: Draws, palette: Palette) -> Thing:
    """An open lid with a screen over rows of keys."""
    shell = _shell(draws, palette)
    width, height = draws.uniform(0.8, 1.3), draws.uniform(0.5, 0.75)
    depth = width * 0.68
    shown = picture(screen(draws.branch("screen"), palette, width / height))
    lid = [
        put(box(width, height, 0.03, 0.012, 2), shell, y=height / 2),
        put(panel(width * 0.93, height * 0.88), shown, y=height / 2, z=0.018),
    ]
    thing = [put(box(width, 0.04, depth, 0.012, 2), shell, y=0.02), *moved(turned(lid, "x", -draws.uniform(8, 30)), y=0.04, z=-depth / 2)]
    key = box(width * 0.075, 0.015, 0.055)
    places = [((column - 4.5) * width * 0.088, -depth * 0.3 + row * 0.075) for row in range(4) for column in range(10)]
    return thing + [put(key, flat(palette.dark), x, 0.045, z) for x, z in places]


def television(draws: Draws, palette: Palette) -> Thing:
    """An old one: a deep box, a small screen, knobs, two aerials."""
    width, height, depth = draws.uniform(0.8, 1.2), draws.uniform(0.55, 0.75), draws.uniform(0.5, 0.7)
    case = wooden(draws, draw_wood(draws)) if draws.chance(0.5) else _shell(draws, palette)
    knob = shapes.turned(cylinder(0.05, 0.06, 0.01, 16), "x", 90)
    aerial = tube(straight((0, height / 2, 0), (0.3, height / 2 + 0.45, 0)), 0.012, 8)
    return [
        Piece(shapes.turned(box(width, depth, height, 0.05, 3), "x", 90), case),
        put(box(width * 0.66, height * 0.78, 0.03, 0.012, 2), flat(palette.dark), -width * 0.1, 0, depth / 2),
        put(panel(width * 0.6, height * 0.7), picture(screen(draws, palette, 1.1)), -width * 0.1, 0, depth / 2 + 0.02),
        *(put(knob, flat(palette.accent), width * 0.36, height * (0.28 - 0.2 * i), depth / 2) for i in range(3)),
        *paired([Piece(aerial, flat((0.6, 0.6, 0.6)))]),
    ]


def _shell(draws: Draws, palette: Palette) -> Paint:
    return flat(draws.pick((palette.dark, palette.light, palette.main, (0.12, 0.12, 0.13))))


RECIPES: dict[Recipe, float] = {
    clock: 1.5, watch: 0.7, radio: 1, speaker: 0.7, camera: 1, phone: 1,
    toaster: 0.7, washer: 0.7, monitor: 0.7, laptop: 0.7, television: 0.7,
}  # fmt: skip
