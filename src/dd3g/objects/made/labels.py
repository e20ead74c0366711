"""Printed matter: fronts and backs of packages, faces, screens, dials, book covers."""

from __future__ import annotations

import math

import numpy as np

from dd3g.objects.draws import Draws
from dd3g.objects.made.canvas import Canvas
from dd3g.objects.made.letters import draw_word, write
from dd3g.objects.made.outlines import gear, heart, polygon, star
from dd3g.objects.made.palette import BLACK, WHITE, Colour, Palette, mixed, shaded
from dd3g.objects.made.patterns import PRINTS


def label_front(draws: Draws, palette: Palette, aspect: float = 1.0) -> Canvas:
    """The side of a package that is turned to the buyer: a ground, a name, a picture, small print."""
    canvas = _ground(draws, palette, aspect)
    title_y = draws.uniform(0.06, 0.2)
    title_height = min(draws.uniform(0.12, 0.2), aspect * 0.3)
    word = draw_word(draws, draws.integer(3, 6))
    colour = draws.pick((palette.light, WHITE, palette.dark, palette.accent))
    if draws.chance(0.5):
        canvas.rectangle(
            0.04 * aspect, title_y - 0.03, 0.92 * aspect, title_height + 0.06, _contrast(colour, palette), draws.pick((0.0, 0.04))
        )
    write(canvas, word, 0.1 * aspect, title_y, title_height, colour, draws.uniform(0.14, 0.26), width=0.82 * aspect)
    below = title_y + title_height + 0.06
    if draws.chance(0.6):
        write(canvas, draw_word(draws, draws.integer(4, 8)), 0.15 * aspect, below, 0.06, colour, 0.2, width=0.7 * aspect)
        below += 0.1
    _emblem(draws, canvas, palette, aspect / 2, (below + 0.82) / 2, min((0.82 - below) / 2, 0.4 * aspect))
    if draws.chance(0.5):
        x, y = draws.uniform(0.2, 0.8) * aspect, draws.uniform(0.7, 0.86)
        canvas.shape(star(draws.integer(9, 14), 1, 0.8), x, y, 0.11, palette.accent)
        write(canvas, str(draws.integer(2, 9)), x - 0.03, y - 0.045, 0.09, WHITE, 0.2)
    _small_print(draws, canvas, 0.08 * aspect, draws.uniform(0.86, 0.9), 0.5 * aspect, 2, shaded(palette.dark, 1.0))
    return canvas


def label_back(draws: Draws, palette: Palette, aspect: float = 1.0) -> Canvas:
    """The side of a package that nobody reads: small print, a table, a bar code."""
    canvas = Canvas(draws.pick((palette.light, palette.main, palette.second)), aspect)
    ink = palette.dark if draws.chance(0.7) else BLACK
    write(canvas, draw_word(draws, draws.integer(4, 7)), 0.08 * aspect, 0.06, min(0.09, 0.2 * aspect), ink, 0.2, width=0.7 * aspect)
    _small_print(draws, canvas, 0.08 * aspect, 0.2, 0.84 * aspect, draws.integer(4, 8), ink)
    if draws.chance(0.7):
        top = 0.54
        canvas.rectangle(0.08 * aspect, top, 0.5 * aspect, 0.36, WHITE)
        for row in range(6):
            canvas.rectangle(0.1 * aspect, top + 0.03 + row * 0.055, draws.uniform(0.2, 0.34) * aspect, 0.022, BLACK)
            canvas.rectangle(0.48 * aspect, top + 0.03 + row * 0.055, 0.06 * aspect, 0.022, BLACK)
    canvas.rectangle(0.64 * aspect, 0.72, 0.28 * aspect, 0.2, WHITE)
    at = 0.66
    while at < 0.89:
        width = draws.uniform(0.004, 0.014)
        canvas.rectangle(at * aspect, 0.74, width * aspect, 0.15, BLACK)
        at += width + draws.uniform(0.005, 0.014)
    return canvas


def wrapper(draws: Draws, palette: Palette, aspect: float) -> Canvas:
    """A label that goes once round a can or bottle: its front in the middle, the back at both ends."""
    canvas = _ground(draws, palette, aspect)
    word = draw_word(draws, draws.integer(3, 6))
    height = draws.uniform(0.2, 0.34)
    width = min(0.3 * aspect, height * len(word) * 0.8)
    centre, top = aspect / 2, draws.uniform(0.08, 0.3)
    colour = draws.pick((palette.light, WHITE, palette.dark))
    if draws.chance(0.6):
        canvas.ellipse(centre, top + height / 2, width * 0.68, height * 0.95, _contrast(colour, palette))
    write(canvas, word, centre - width / 2 + 0.02, top, height, colour, draws.uniform(0.14, 0.24), width=width)
    _emblem(draws, canvas, palette, centre, min(top + height + 0.25, 0.8), 0.17)
    _small_print(draws, canvas, 0.78 * aspect, 0.12, 0.16 * aspect, draws.integer(4, 8), palette.dark)
    for i in range(14):
        canvas.rectangle((0.06 + i * 0.008) * aspect, 0.6, draws.uniform(0.002, 0.006) * aspect, 0.25, BLACK)
    return canvas


def cover(draws: Draws, palette: Palette, aspect: float) -> Canvas:
    """A book's front."""
    canvas = Canvas(palette.main, aspect)
    if draws.chance(0.4):
        canvas.rectangle(0.05 * aspect, 0.04, 0.9 * aspect, 0.92, palette.second)
    _emblem(draws, canvas, palette, aspect / 2, draws.uniform(0.5, 0.65), 0.26 * aspect)
    colour = draws.pick((palette.light, palette.dark))
    for i in range(draws.integer(1, 2)):
        write(canvas, draw_word(draws, draws.integer(3, 6)), 0.14 * aspect, 0.1 + 0.13 * i, 0.1, colour, 0.2, width=0.74 * aspect)
    write(canvas, draw_word(draws, 7), 0.25 * aspect, 0.86, 0.05, colour, 0.22, width=0.5 * aspect)
    return canvas


def face(draws: Draws, skin: Colour, palette: Palette, aspect: float = 1.0) -> Canvas:
    """Eyes, a mouth, perhaps cheeks, a nose and brows, on a ground of one colour."""
    canvas = Canvas(skin, aspect)
    ink = draws.pick((BLACK, palette.dark))
    eye_x, eye_y, eye = draws.uniform(0.12, 0.2), draws.uniform(0.36, 0.46), draws.uniform(0.035, 0.075)
    white = draws.chance(0.5)
    for sign in (-1, 1):
        x = aspect / 2 + sign * eye_x
        if white:
            canvas.ellipse(x, eye_y, eye * 1.5, eye * 1.8, WHITE)
        canvas.ellipse(x, eye_y, eye, eye * draws.pick((1.0, 1.3)), ink)
        canvas.ellipse(x + eye * 0.3, eye_y - eye * 0.3, eye * 0.3, eye * 0.3, WHITE)
        if draws.chance(0.4):
            canvas.ellipse(aspect / 2 + sign * (eye_x + 0.08), eye_y + 0.15, 0.055, 0.04, mixed(skin, (0.95, 0.35, 0.4), 0.5))
        if draws.chance(0.3):
            canvas.line([(x - 0.05, eye_y - eye * 2), (x + 0.05, eye_y - eye * 2 - 0.02 * sign)], 0.02, ink)
    smile = np.linspace(-1, 1, 9)
    width, depth, y = draws.uniform(0.08, 0.17), draws.uniform(-0.03, 0.1), draws.uniform(0.62, 0.68)
    canvas.line([(aspect / 2 + width * s, y + depth * (1 - s * s)) for s in smile.tolist()], draws.uniform(0.02, 0.035), ink)
    if draws.chance(0.5):
        canvas.ellipse(aspect / 2, 0.53, 0.03, 0.025, shaded(skin, 0.7))
    return canvas


def screen(draws: Draws, palette: Palette, aspect: float) -> Canvas:
    """A display that is on: a picture, a list, or a diagram."""
    dark = draws.chance(0.6)
    canvas = Canvas(shaded(palette.dark, 0.6) if dark else palette.light, aspect)
    ink = palette.light if dark else palette.dark
    kind = draws.pick(("picture", "list", "bars", "icons"))
    if kind == "picture":
        canvas.rectangle(0, 0, aspect, 0.6, mixed(palette.second, WHITE, 0.5))
        canvas.rectangle(0, 0.6, aspect, 0.4, palette.main)
        canvas.ellipse(draws.uniform(0.2, 0.8) * aspect, draws.uniform(0.2, 0.4), 0.12, 0.12, palette.accent)
        canvas.shape(polygon(3), draws.uniform(0.2, 0.8) * aspect, 0.56, 0.3, shaded(palette.main, 0.6))
    elif kind == "list":
        canvas.rectangle(0, 0, aspect, 0.14, palette.main)
        for row in range(6):
            canvas.ellipse(0.1 * aspect, 0.24 + row * 0.12, 0.035, 0.035, draws.pick(palette.all()))
            canvas.rectangle(0.2 * aspect, 0.22 + row * 0.12, draws.uniform(0.3, 0.7) * aspect, 0.035, ink)
    elif kind == "bars":
        for i in range(6):
            height = draws.uniform(0.15, 0.7)
            canvas.rectangle(
                (0.1 + 0.14 * i) * aspect, 0.85 - height, 0.09 * aspect, height, draws.pick((palette.main, palette.accent, palette.second))
            )
    else:
        columns = max(2, round(3 * aspect))
        for row in range(4):
            for column in range(columns):
                canvas.rectangle(
                    (column + 0.2) / columns * aspect, 0.06 + row * 0.24, 0.6 / columns * aspect, 0.15, draws.pick(palette.all()[:4]), 0.03
                )
    return canvas


def dial(draws: Draws, palette: Palette) -> Canvas:
    """A clock's face or a gauge."""
    ground = draws.pick((WHITE, palette.light, palette.dark))
    ink = BLACK if ground != palette.dark else WHITE
    canvas = Canvas(ground)
    for hour in range(12):
        angle = hour * math.pi / 6
        inner = 0.34 if hour % 3 else 0.3
        canvas.line([(0.5 + r * math.sin(angle), 0.5 - r * math.cos(angle)) for r in (inner, 0.42)], 0.025 if hour % 3 else 0.04, ink)
    for length, width in ((0.2, 0.045), (0.3, 0.03)):
        angle = draws.uniform(0, 2 * math.pi)
        canvas.line([(0.5, 0.5), (0.5 + length * math.sin(angle), 0.5 - length * math.cos(angle))], width, ink)
    canvas.ellipse(0.5, 0.5, 0.035, 0.035, palette.accent)
    return canvas


def _ground(draws: Draws, palette: Palette, aspect: float) -> Canvas:
    kind = draws.pick(("plain", "band", "halves", "fade", "print"), (3, 2, 2, 2, 1))
    canvas = Canvas(palette.main, aspect)
    _, y = canvas.coordinates()
    if kind == "band":
        top = draws.uniform(0.0, 0.6)
        canvas.rectangle(0, top, aspect, draws.uniform(0.15, 0.35), palette.second)
    elif kind == "halves":
        canvas.rectangle(0, draws.uniform(0.35, 0.65), aspect, 1, palette.second)
    elif kind == "fade":
        canvas.blend(draws.pick((palette.second, palette.light)), y)
    elif kind == "print":
        tile = draws.pick(PRINTS)(draws, palette).pixels
        canvas.pixels = 0.5 * canvas.pixels + 0.5 * np.take(tile, np.arange(canvas.width) % tile.shape[1], axis=1)
    return canvas


def _emblem(draws: Draws, canvas: Canvas, palette: Palette, x: float, y: float, radius: float) -> None:
    """A picture in the middle: a sun, a fruit, a star, a wheel, a heart, a flower, a landscape."""
    first, second = draws.pick((palette.accent, palette.second)), draws.pick((palette.light, palette.dark))
    kind = draws.pick(("sun", "fruit", "star", "gear", "heart", "flower", "landscape", "rings"))
    if kind == "sun":
        canvas.shape(star(draws.integer(8, 14), 1, 0.7), x, y, radius, first)
        canvas.ellipse(x, y, 0.5 * radius, 0.5 * radius, second)
    elif kind == "fruit":
        for dx, dy, size in ((-0.4, 0.2, 0.55), (0.4, 0.25, 0.55), (0.0, -0.2, 0.6)):
            canvas.ellipse(x + dx * radius, y + dy * radius, size * radius, size * radius, mixed(first, second, draws.uniform(0, 0.4)))
            canvas.ellipse(x + (dx - 0.15) * radius, y + (dy - 0.2) * radius, 0.12 * radius, 0.12 * radius, WHITE)
        canvas.line([(x, y - 0.7 * radius), (x + 0.2 * radius, y - radius)], 0.1 * radius, palette.dark)
    elif kind in ("star", "gear", "heart"):
        outline = {"star": star(draws.integer(4, 7), 1, 0.5), "gear": gear(draws.integer(8, 12)), "heart": heart()}[kind]
        canvas.shape(outline, x, y, radius, second)
        canvas.shape(outline, x, y, 0.8 * radius, first)
        if kind == "gear":
            canvas.ellipse(x, y, 0.35 * radius, 0.35 * radius, second)
    elif kind == "flower":
        petals = draws.integer(5, 8)
        for i in range(petals):
            angle = 2 * math.pi * i / petals
            canvas.ellipse(x + 0.6 * radius * math.cos(angle), y + 0.6 * radius * math.sin(angle), 0.36 * radius, 0.36 * radius, first)
        canvas.ellipse(x, y, 0.35 * radius, 0.35 * radius, second)
    elif kind == "landscape":
        canvas.ellipse(x, y, radius, radius, mixed(palette.second, WHITE, 0.6))
        canvas.shape(polygon(3), x - 0.2 * radius, y + 0.2 * radius, 0.6 * radius, first)
        canvas.shape(polygon(3), x + 0.3 * radius, y + 0.3 * radius, 0.4 * radius, shaded(first, 0.7))
        canvas.ellipse(x + 0.4 * radius, y - 0.4 * radius, 0.17 * radius, 0.17 * radius, palette.accent)
    else:
        for i, colour in enumerate((first, second, first, second)[: draws.integer(2, 4)]):
            canvas.ellipse(x, y, (1 - 0.25 * i) * radius, (1 - 0.25 * i) * radius, colour)


def _small_print(draws: Draws, canvas: Canvas, x: float, y: float, width: float, lines: int, colour: Colour) -> None:
    """Lines of words too small to read."""
    for row in range(lines):
        at, end = x, x + width * (1.0 if row < lines - 1 else draws.uniform(0.3, 0.9))
        while at < end - 0.01:
            word = min(draws.uniform(0.03, 0.12) * width / 0.5, end - at)
            canvas.rectangle(at, y + row * 0.042, word, 0.02, colour)
            at += word + 0.018 * max(width, 0.4)


def _contrast(colour: Colour, palette: Palette) -> Colour:
    """The palette's colour that differs most in brightness."""
    return max(palette.all(), key=lambda other: abs(sum(other) - sum(colour)))
