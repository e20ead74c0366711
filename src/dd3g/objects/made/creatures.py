"""Creatures: animals on four legs, birds, fish, bears, robots, snowmen, dolls, caterpillars. They look to +Z."""

from __future__ import annotations

import math

import numpy as np

from dd3g.objects.draws import Draws
from dd3g.objects.made import shape as shapes
from dd3g.objects.made.labels import dial, face, label_front, screen
from dd3g.objects.made.outlines import extruded
from dd3g.objects.made.paint import Paint, Piece, Recipe, Thing, any_paint, flat, moved, paired, picture, put, tiled, turned
from dd3g.objects.made.palette import BLACK, WHITE, Colour, Palette, draw_metal, mixed, oklch, shaded
from dd3g.objects.made.patterns import any_colour_as_palette, blotches, dots, grainy, stripes
from dd3g.objects.made.solids import ball, box, capsule, cylinder, lathe, panel, torus, upright
from dd3g.objects.made.tubes import smooth_curve, tube
from dd3g.objects.made.vehicles import axles


def eyes(x: float, y: float, z: float, size: float, white: bool = True) -> Thing:
    """Two eyes that look to +Z."""
    if not white:
        return paired([put(ball(size, segments=14), flat(BLACK), x, y, z)])
    return paired(
        [
            put(ball(size, segments=16), flat(WHITE), x, y, z),
            put(ball(size * 0.55, segments=12), flat(BLACK), x, y, z + size * 0.6),
        ]
    )


def fur(draws: Draws, palette: Palette) -> tuple[Colour, Paint]:
    """A coat: a natural or a toy colour, plain, spotted, striped or blotched."""
    natural = oklch(draws.uniform(0.35, 0.85), draws.uniform(0.01, 0.1), draws.uniform(45, 85))
    colour = draws.pick((natural, natural, palette.main))
    own = any_colour_as_palette(colour, palette)
    pattern = draws.pick((grainy, grainy, blotches, dots, stripes))
    return colour, flat(colour) if draws.chance(0.35) else tiled(pattern(draws, own), draws.uniform(0.4, 0.8))


def quadruped(draws: Draws, palette: Palette) -> Thing:
    """Dog, cat, cow, horse, pig, elephant or giraffe, by its measures."""
    colour, coat = fur(draws, palette)
    length, thick, leg = draws.uniform(0.6, 0.95), draws.uniform(0.18, 0.28), draws.uniform(0.2, 0.6)
    neck, head = draws.uniform(0.05, 0.5), draws.uniform(0.16, 0.24)
    hip = leg + thick * 0.6
    boxy = draws.chance(0.3)
    body = box(thick * 2, thick * 1.8, length, thick * 0.5, 3) if boxy else ball(thick, thick * 0.95, length / 2 + 0.05, power=0.8)
    thing = [put(body, coat, y=hip)]
    limb = shapes.moved(capsule(thick * draws.uniform(0.24, 0.36), leg + thick * 0.6, 16), thick * 0.6, 0, 0)
    hoof = Piece(cylinder(thick * 0.38, 0.07, 0.015, 16), flat(draws.pick((colour, palette.dark, shaded(colour, 0.5)))))
    for z in (length * 0.36, -length * 0.36):
        thing += paired(moved([Piece(limb, coat), *moved([hoof], thick * 0.6)], z=z))
    top = (0.0, hip + thick * 0.5 + neck, length / 2 + neck * 0.4 + 0.05)
    throat = tube(
        smooth_curve([(0, hip + thick * 0.2, length * 0.36), (0, hip + thick * 0.4 + neck * 0.5, length * 0.45 + neck * 0.25), top]),
        [thick * 0.7, thick * 0.5, head * 0.7],
        14,
    )
    thing.append(Piece(throat, coat))
    skull: Thing = [Piece(box(head * 1.8, head * 1.7, head * 1.8, head * 0.4, 3) if boxy else ball(head, head * 0.95, head), coat)]
    snout = draws.uniform(0.3, 1.2) * head
    muzzle = shapes.moved(ball(head * 0.6, head * 0.5, snout), y=-head * 0.25, z=head * 0.8)
    skull += [
        Piece(muzzle, flat(mixed(colour, WHITE, 0.35))),
        put(ball(head * 0.2, head * 0.15, head * 0.15, 12), flat(BLACK), y=-head * 0.1, z=head * 0.8 + snout * 0.93),
    ]
    skull += eyes(head * 0.45, head * 0.3, head * 0.75, head * 0.16, draws.chance(0.6))
    skull += paired([_ear(draws, head, colour)])
    if draws.chance(0.25):
        horn = tube(
            smooth_curve([(head * 0.5, head * 0.7, 0), (head * 0.9, head * 1.2, 0), (head * 0.8, head * 1.7, 0.05)]),
            [0.045, 0.03, 0.01],
            10,
        )
        skull += paired([Piece(horn, flat((0.92, 0.88, 0.75)))])
    if draws.chance(0.12):
        trunk = tube(
            smooth_curve([(0, -head * 0.2, head * 0.9), (0, -head, head * 1.7), (0, -head * 2.2, head * 1.5)]),
            [head * 0.35, head * 0.25, head * 0.18],
            12,
        )
        skull.append(Piece(trunk, coat))
    thing += moved(skull, *top)
    tail = tube(
        smooth_curve(
            [
                (0, hip + thick * 0.4, -length * 0.45),
                (0.05, hip + draws.uniform(-0.1, 0.3), -length * 0.65),
                (0.02, hip + draws.uniform(-0.2, 0.5), -length * 0.75),
            ]
        ),
        [0.05, 0.035, 0.03],
        10,
    )
    return [*thing, Piece(tail, flat(colour))]


def _ear(draws: Draws, head: float, colour: Colour) -> Piece:
    kind = draws.pick(("pointed", "round", "hanging", "long"))
    paint = flat(shaded(colour, 0.75))
    if kind == "pointed":
        return put(lathe([(0, 0), (head * 0.35, 0), (0, head * 0.7)], 12), paint, head * 0.55, head * 0.65)
    if kind == "round":
        return put(ball(head * 0.4, head * 0.4, head * 0.15, 16), paint, head * 0.7, head * 0.75)
    if kind == "hanging":
        return put(ball(head * 0.15, head * 0.6, head * 0.35, 16), paint, head * 0.98, head * 0.05)
    return put(shapes.turned(ball(head * 0.2, head * 0.9, head * 0.12, 16), "z", -12), paint, head * 0.45, head * 1.5)


def bear(draws: Draws, palette: Palette) -> Thing:
    """A sitting or standing bear, rabbit or doll, with a face, arms and legs."""
    colour, coat = fur(draws, palette)
    belly, head = draws.uniform(0.28, 0.38), draws.uniform(0.26, 0.34)
    sitting = draws.chance(0.5)
    base = belly * 0.95 if sitting else belly * 0.9 + 0.3
    light = mixed(colour, WHITE, 0.5)
    thing = [
        put(ball(belly, belly * 1.1, belly * 0.9), coat, y=base),
        put(ball(belly * 0.65, belly * 0.75, belly * 0.3), flat(light), y=base - 0.02, z=belly * 0.66),
    ]
    y = base + belly * 0.95 + head * 0.75
    skull: Thing = [
        Piece(ball(head, head * 0.92, head * 0.9), coat),
        put(ball(head * 0.42, head * 0.34, head * 0.3), flat(light), y=-head * 0.2, z=head * 0.78),
    ]
    skull += [
        put(ball(head * 0.13, head * 0.1, head * 0.1, 12), flat(BLACK), y=-head * 0.08, z=head * 1.06),
        *eyes(head * 0.36, head * 0.2, head * 0.8, head * 0.1, draws.chance(0.3)),
    ]
    skull += paired([_ear(draws, head, colour)])
    thing += moved(skull, y=y)
    lift = draws.uniform(20, 140)
    arm = shapes.turned(shapes.moved(capsule(belly * 0.3, belly * 1.3, 16), y=-belly * 0.15), "z", -lift)
    thing += paired([put(arm, coat, belly * 0.7, base + belly * 0.6)])
    thigh = capsule(belly * 0.36, belly * 1.25 if sitting else 0.5, 16)
    thigh = shapes.moved(upright(thigh, "z"), belly * 0.55, belly * 0.36, belly * 0.1) if sitting else shapes.moved(thigh, belly * 0.45)
    thing += paired([Piece(thigh, coat)])
    if sitting:
        thing += paired([put(ball(belly * 0.25, belly * 0.25, 0.03, 16), flat(light), belly * 0.55, belly * 0.36, belly * 1.34)])
    if draws.chance(0.5):
        thing.append(put(torus(head * 0.55, 0.045), flat(palette.accent), y=base + belly * 0.98))
    return thing


def bird(draws: Draws, palette: Palette) -> Thing:
    """Duck, penguin, owl, parrot or chick: a body, wings at the sides, a beak in front."""
    colour = draws.pick((palette.main, (0.96, 0.84, 0.25), (0.15, 0.16, 0.2), (0.93, 0.93, 0.9), (0.5, 0.36, 0.22)))
    standing = draws.chance(0.6)
    body = ball(0.32, 0.42 if standing else 0.28, 0.32 if standing else 0.45)
    base = 0.5 if standing else 0.3
    beak = flat(draws.pick(((0.96, 0.6, 0.1), (0.9, 0.35, 0.1), (0.3, 0.28, 0.25))))
    coat = any_paint(draws, colour, palette, 0.4)
    thing = [put(body, coat, y=base)]
    if standing and draws.chance(0.6):
        thing.append(put(ball(0.24, 0.34, 0.2), flat(mixed(colour, WHITE, 0.75)), y=base - 0.04, z=0.15))
    head, up = draws.uniform(0.18, 0.25), base + (0.52 if standing else 0.36)
    skull: Thing = [Piece(ball(head), coat), *eyes(head * 0.45, head * 0.25, head * 0.78, head * draws.uniform(0.14, 0.34), True)]
    long = draws.uniform(0.12, 0.35)
    skull.append(
        put(upright(lathe([(0, 0), (head * 0.35, 0), (head * 0.1, long * 0.8), (0, long)], 16), "z"), beak, y=-head * 0.15, z=head * 0.85)
    )
    if draws.chance(0.3):
        skull += [put(ball(0.03, 0.09, 0.06, 10), flat(palette.accent), y=head + 0.03, z=0.06 * i - 0.06) for i in range(3)]
    thing += moved(skull, y=up, z=0.05 if standing else 0.3)
    wing = shapes.turned(ball(0.07, 0.28 if standing else 0.14, 0.17 if standing else 0.3), "z", draws.uniform(5, 35))
    thing += paired([put(wing, flat(draws.pick((shaded(colour, 0.7), palette.second))), 0.32, base + 0.02, -0.02)])
    tail = shapes.turned(box(0.22, 0.05, 0.3, 0.02), "x", 25)
    thing.append(put(tail, flat(shaded(colour, 0.7)), y=base + (-0.2 if standing else 0.1), z=-0.42))
    if standing:
        thing += paired(
            [
                put(cylinder(0.03, 0.18, segments=10), beak, 0.12),
                put(ball(0.09, 0.03, 0.14, 12), beak, 0.12, 0.03, 0.06),
            ]
        )
    return thing


def fish(draws: Draws, palette: Palette) -> Thing:
    """A fish, whale or shark, side to the viewer or head on."""
    length, tall, thick = draws.uniform(0.8, 1.3), draws.uniform(0.22, 0.45), draws.uniform(0.14, 0.24)
    body = shapes.turned(shapes.tapered(shapes.turned(ball(thick, tall, length / 2), "x", -90), 1.0), "x", 90)
    z = body.positions[:, 2] / length + 0.5
    narrow = 0.35 + 0.65 * np.clip(z * 1.8, 0, 1)
    body = shapes.Shape(body.positions * np.stack([narrow, narrow, np.ones_like(narrow)], 1), body.triangles, body.chart, body.lengths)
    thing = [Piece(body, any_paint(draws.branch("skin"), palette.main, palette, draws.uniform(0.25, 0.5)))]
    fin = flat(draws.pick((palette.accent, palette.second)))
    tail = extruded(np.array([[0.0, -0.03], [0.3, -tall], [0.2, 0.0], [0.3, tall], [0.0, 0.03]]), 0.03, 0.01)
    thing.append(put(shapes.turned(tail, "y", 90), fin, z=-length * 0.45))
    dorsal = extruded(np.array([[-0.2, 0.0], [0.25, 0.0], [0.2, tall * 0.8], [0.05, tall * 0.7]]), 0.03, 0.01)
    thing.append(put(shapes.turned(dorsal, "y", 90), fin, y=tall * 0.75, z=0.02))
    side = shapes.turned(extruded(np.array([[0.0, 0.0], [0.25, -0.2], [0.28, -0.02], [0.0, 0.1]]), 0.025, 0.008), "y", 60)
    thing += paired([put(side, fin, thick * 0.85, -tall * 0.2, length * 0.12)])
    eye = tall * 0.2
    sight = [
        put(ball(eye, segments=14), flat(WHITE), thick * 0.62, tall * 0.25, length * 0.32),
        put(ball(eye * 0.6, segments=12), flat(BLACK), thick * 0.62 + eye * 0.55, tall * 0.25, length * 0.33),
    ]
    thing += paired(sight)
    return turned(thing, "y", draws.pick((90, 90, -90, 0, 45)))


def robot(draws: Draws, palette: Palette) -> Thing:
    """A head with eyes or a screen on a body with a panel, arms, and legs or wheels."""
    metal = draws.pick((draw_metal(draws), palette.main, palette.light))
    paint = flat(metal)
    width, height, depth = draws.uniform(0.45, 0.65), draws.uniform(0.45, 0.65), draws.uniform(0.3, 0.42)
    leg = draws.uniform(0.15, 0.45)
    base = leg + height / 2
    round_body = draws.chance(0.35)
    body = cylinder(width / 2, height, 0.05) if round_body else box(width, height, depth, draws.uniform(0.01, 0.08), 2)
    thing = [put(body, paint, y=leg if round_body else base)]
    front = width / 2 if round_body else depth / 2
    board = picture(dial(draws, palette)) if draws.chance(0.3) else picture(screen(draws, palette, 1.3))
    thing.append(put(box(width * 0.56, height * 0.46, 0.04, 0.01), flat(palette.dark), y=base, z=front))
    thing.append(put(panel(width * 0.5, height * 0.4), board, y=base, z=front + 0.024))
    size = draws.uniform(0.24, 0.4)
    head: Thing = [
        Piece(box(size * 1.2, size, size, 0.03, 2) if draws.chance(0.6) else ball(size * 0.6), draws.pick((paint, flat(palette.second))))
    ]
    if draws.chance(0.5):
        head += eyes(size * 0.28, size * 0.08, size * 0.5, size * 0.15)
        head.append(put(box(size * 0.6, 0.04, 0.04), flat(palette.dark), y=-size * 0.25, z=size * 0.5))
    else:
        head.append(put(panel(size * 0.95, size * 0.75), picture(face(draws, palette.light, palette, 1.25)), z=size * 0.6 + 0.01))
    antenna = [
        Piece(cylinder(0.015, 0.16, segments=8), flat(palette.dark)),
        put(ball(0.04, segments=12), flat(palette.accent), y=0.18),
    ]
    head += moved(antenna, y=size * 0.45) if draws.chance(0.5) else paired(moved(antenna, size * 0.4, size * 0.4))
    neck = leg + height + 0.05
    thing += [put(cylinder(0.07, 0.12), flat(palette.dark), y=neck - 0.07), *moved(head, y=neck + size / 2)]
    arm = tube(
        smooth_curve(
            [
                (width / 2, base + height * 0.3, 0),
                (width / 2 + 0.15, base + 0.05, 0),
                (width / 2 + 0.12, base - 0.2, draws.uniform(0, 0.25)),
            ]
        ),
        0.05,
        12,
    )
    thing += paired(
        [
            Piece(arm, flat(palette.second)),
            put(ball(0.085, segments=16), flat(palette.accent), width / 2, base + height * 0.32),
        ]
    )
    if draws.chance(0.6):
        foot = [
            put(box(0.13, leg, 0.13, 0.02), flat(palette.second), width * 0.27, leg / 2),
            put(box(0.2, 0.1, 0.3, 0.03, 2), flat(palette.accent), width * 0.27, 0.05, 0.05),
        ]
        return thing + paired(foot)
    return thing + axles(max(leg * 0.6, 0.12), 0.1, width, [0.14, -0.14], flat(palette.accent))


def snowman(draws: Draws, palette: Palette) -> Thing:
    """Two or three balls, a hat, a scarf, a nose, buttons; or a nest of wooden dolls' figure."""
    if draws.chance(0.4):
        curve = smooth_curve(
            [(0.28, 0, 0), (0.4, 0.3, 0), (0.34, 0.62, 0), (0.24, 0.74, 0), (0.29, 0.95, 0), (0.2, 1.15, 0), (0.001, 1.2, 0)], 6
        )
        body = lathe([(0, 0), *((max(float(r), 0.01), float(y)) for r, y, _ in curve[:-1]), (0, 1.2)])
        head, apron = (
            lathe([(float(r) + 0.006, float(y)) for r, y, _ in curve if low <= y <= high], 32, (-arc, arc))
            for low, high, arc in ((0.8, 1.08, 55), (0.1, 0.6, 48))
        )
        return [
            Piece(body, any_paint(draws, palette.main, palette, 0.4)),
            Piece(head, picture(face(draws, (0.96, 0.84, 0.72), palette, 1.7))),
            Piece(apron, picture(label_front(draws, palette, 1.3))),
        ]
    thing, y = [], 0.0
    for size in (0.4, 0.3, 0.22)[draws.integer(0, 1) :]:
        thing.append(put(ball(size), flat((0.95, 0.96, 0.98)), y=y + size * 0.9))
        y += size * 1.55
    head = y - 0.22 * 0.65
    thing += moved(eyes(0.08, 0.06, 0.19, 0.03, False), y=head)
    thing.append(put(upright(lathe([(0, 0), (0.045, 0), (0, 0.25)], 12), "z"), flat((0.95, 0.5, 0.1)), y=head, z=0.19))
    thing.append(put(torus(0.17, 0.05), flat(palette.accent), y=head - 0.17))
    hat = [
        Piece(cylinder(0.26, 0.03, 0.01), flat(palette.dark)),
        Piece(cylinder(0.16, 0.24, 0.02), flat(palette.dark)),
        put(cylinder(0.165, 0.06), flat(palette.accent), y=0.03),
    ]
    thing += moved(hat, y=head + 0.16)
    for i in range(3):
        thing.append(put(ball(0.03, segments=10), flat(BLACK), y=head - 0.32 - 0.13 * i, z=0.27 + 0.035 * i))
    arm = tube(smooth_curve([(0.22, head - 0.35, 0), (0.45, head - 0.2, 0.05), (0.6, head - 0.1, 0.02)]), [0.025, 0.02, 0.015], 8)
    return thing + paired([Piece(arm, flat((0.35, 0.24, 0.14)))])


def caterpillar(draws: Draws, palette: Palette) -> Thing:
    """Balls in a row with a face on the first; or a snail, or a turtle."""
    kind = draws.pick(("caterpillar", "snail", "turtle"))
    skin = any_paint(draws.branch("skin"), palette.main, palette, 0.3)
    if kind == "turtle":
        shell = lathe(
            [
                (0, 0),
                (0.5, 0),
                (0.52, 0.06),
                *((0.5 * math.cos(a), 0.06 + 0.36 * math.sin(a)) for a in np.linspace(0.15, 1.4, 7).tolist()),
                (0, 0.42),
            ]
        )
        thing = [put(shell, tiled(dots(draws, palette), 0.35), y=0.14)]
        thing += paired([put(capsule(0.1, 0.28, 14), flat(palette.second), 0.3, 0, z) for z in (0.3, -0.3)])
        head = [Piece(ball(0.17, 0.15, 0.19), flat(palette.second)), *eyes(0.08, 0.06, 0.14, 0.035)]
        return [*thing, *moved(head, y=0.3, z=0.62), put(ball(0.05, 0.04, 0.14), flat(palette.second), y=0.17, z=-0.56)]
    if kind == "snail":
        turns = np.linspace(0, 5.5 * math.pi, 70)
        spiral = np.stack(
            [np.zeros_like(turns), 0.42 + 0.3 * np.exp(-0.11 * turns) * np.sin(turns), 0.3 * np.exp(-0.11 * turns) * np.cos(turns)], 1
        )
        house = tube(spiral, [0.17, 0.06], 14)
        foot = tube(smooth_curve([(0, 0.08, -0.6), (0, 0.1, 0), (0, 0.14, 0.5), (0, 0.34, 0.66)]), [0.04, 0.14, 0.12, 0.11], 12, 1.0)
        stalk = tube(np.array([[0.05, 0.4, 0.68], [0.09, 0.6, 0.74]]), 0.018, 8)
        thing = [
            Piece(house, skin),
            Piece(foot, flat(palette.second)),
            *paired([Piece(stalk, flat(palette.second)), put(ball(0.035, segments=10), flat(BLACK), 0.09, 0.61, 0.74)]),
        ]
        return turned(thing, "y", draws.pick((0, 90, 45)))
    thing = []
    count = draws.integer(4, 7)
    for i in range(count):
        y = 0.2 + 0.12 * abs(math.sin(i * 1.1))
        colour = palette.all()[i % 3]
        thing.append(put(ball(0.2 - 0.012 * i), flat(colour), 0.1 * math.sin(i * 0.9), y, -0.28 * i))
        thing += paired([put(ball(0.05, segments=10), flat(palette.dark), 0.13, 0.05, -0.28 * i)])
    head = [Piece(ball(0.26), skin), *eyes(0.1, 0.08, 0.2, 0.06)]
    feeler = [
        Piece(tube(np.array([[0.08, 0.2, 0], [0.16, 0.42, 0]]), 0.014, 8), flat(palette.dark)),
        put(ball(0.04, segments=10), flat(palette.accent), 0.16, 0.43),
    ]
    return turned([*thing, *moved([*head, *paired(feeler)], y=0.36, z=0.26)], "y", draws.pick((0, 90, 60)))


RECIPES: dict[Recipe, float] = {quadruped: 3, bear: 2, bird: 2, fish: 1, robot: 2, snowman: 1, caterpillar: 1}
