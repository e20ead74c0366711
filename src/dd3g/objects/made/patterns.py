"""Patterns that repeat: square pictures that tile, drawn with the colours of a palette."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
from jaxtyping import Float64

from dd3g.objects.draws import Draws
from dd3g.objects.made.canvas import Canvas
from dd3g.objects.made.outlines import blob, star
from dd3g.objects.made.palette import Colour, Palette, mixed, shaded


def tiling_noise(draws: Draws, size: int, cells: tuple[int, int], octaves: int = 4, gain: float = 0.5) -> Float64[np.ndarray, "size size"]:
    """Smooth noise in [0, 1] that tiles, with ``cells`` (rows, columns) of its slowest wave."""
    total, weight, norm = np.zeros((size, size)), 1.0, 0.0
    rows, columns = cells
    for _ in range(octaves):
        if max(rows, columns) > size // 2:
            break
        values = draws.uniforms(rows * columns).reshape(rows, columns)
        total += weight * _enlarged(values, size)
        norm += weight
        rows, columns, weight = rows * 2, columns * 2, weight * gain
    total /= norm
    return (total - total.min()) / max(float(total.max() - total.min()), 1e-9)


def _enlarged(values: np.ndarray, size: int) -> np.ndarray:
    """A periodic net of values, interpolated smoothly to size x size."""
    for axis in (0, 1):
        count = values.shape[axis]
        x = (np.arange(size) + 0.5) / size * count
        left = np.floor(x).astype(np.int64)
        t = x - left
        t = t * t * (3 - 2 * t)
        a, b = np.take(values, left % count, axis), np.take(values, (left + 1) % count, axis)
        t = t[:, None] if axis == 0 else t[None]
        values = a + (b - a) * t
    return values


def stripes(draws: Draws, palette: Palette) -> Canvas:
    """Straight stripes of two to four colours, upright or lying or slanted."""
    canvas = Canvas(palette.main)
    x, y = canvas.coordinates()
    slope = draws.pick(((1, 0), (0, 1), (1, 1)), (3, 3, 1))
    at = (slope[0] * x + slope[1] * y) * draws.integer(2, 4)
    edges = [draws.uniform(0.05, 0.4) for _ in range(draws.integer(1, 3))]
    start = 0.0
    for width, colour in zip(edges, (palette.second, palette.light, palette.accent), strict=False):
        canvas.blend(colour, _band(at, start, width))
        start += width + draws.uniform(0.05, 0.25)
    return canvas


def _band(at: np.ndarray, start: float, width: float) -> np.ndarray:
    """1 where the fraction of ``at`` lies in [start, start + width), soft at its edges."""
    distance = np.abs((at - start - width / 2 + 0.5) % 1.0 - 0.5) - width / 2
    return (0.5 - distance * 60).clip(0, 1)


def checks(draws: Draws, palette: Palette) -> Canvas:
    """A chessboard, or a gingham of half-covered bands."""
    canvas = Canvas(palette.light if draws.chance(0.5) else palette.second)
    x, y = canvas.coordinates()
    count = draws.integer(1, 3)
    across, down = _band(x * count, 0, 0.5), _band(y * count, 0, 0.5)
    if draws.chance(0.5):
        canvas.blend(palette.main, np.abs(across - down))
    else:
        canvas.blend(palette.main, (across + down) / 2)
    return canvas


def tartan(draws: Draws, palette: Palette) -> Canvas:
    """Woven bands of several colours and widths."""
    canvas = Canvas(palette.main)
    x, y = canvas.coordinates()
    for colour in (palette.dark, palette.second, palette.light, palette.accent):
        start, width = draws.uniform(0, 1), draws.uniform(0.03, 0.25)
        canvas.blend(colour, 0.6 * _band(x, start, width))
        canvas.blend(colour, 0.6 * _band(y, start, width))
    return canvas


def dots(draws: Draws, palette: Palette) -> Canvas:
    """Round spots on a net, every second row shifted or not."""
    canvas = Canvas(palette.main)
    count, radius = draws.integer(2, 4), draws.uniform(0.18, 0.4)
    shift = 0.5 if draws.chance(0.6) else 0.0
    colours = [palette.light] if draws.chance(0.6) else [palette.light, palette.accent, palette.second]
    rows = count * 2 if shift else count
    step_y = 1 / rows
    for row in range(-1, rows + 1):
        for column in range(-1, count + 1):
            x, y = (column + 0.5 + shift * (row % 2)) / count, (row + 0.5) * step_y
            canvas.ellipse(
                x,
                y,
                radius / count * (0.7 if shift else 1),
                radius / count * (0.7 if shift else 1),
                colours[(column % count + row % rows) % len(colours)],
            )
    return canvas


def zigzag(draws: Draws, palette: Palette) -> Canvas:
    """Chevrons."""
    canvas = Canvas(palette.main)
    x, y = canvas.coordinates()
    teeth, rows = draws.integer(2, 4), draws.integer(2, 4)
    wave = np.abs((x * teeth) % 1.0 - 0.5) * draws.uniform(0.5, 1.2)
    canvas.blend(palette.second, _band(y * rows + wave, 0, draws.uniform(0.3, 0.55)))
    if draws.chance(0.5):
        canvas.blend(palette.light, _band(y * rows + wave, 0.7, 0.12))
    return canvas


def waves(draws: Draws, palette: Palette) -> Canvas:
    """Wavy bands."""
    canvas = Canvas(palette.main)
    x, y = canvas.coordinates()
    rows = draws.integer(2, 5)
    wave = draws.uniform(0.1, 0.4) * np.sin(2 * math.pi * draws.integer(1, 2) * x + draws.uniform(0, 6))
    canvas.blend(palette.second, _band(y * rows + wave, 0, draws.uniform(0.25, 0.6)))
    return canvas


def motifs(draws: Draws, palette: Palette) -> Canvas:
    """Stars, hearts or blots, strewn."""
    canvas = Canvas(palette.light if draws.chance(0.5) else palette.main)
    outline = star(draws.integer(4, 6), 1, draws.uniform(0.4, 0.6)) if draws.chance(0.6) else blob(draws, 1, 0.5, 24)
    count, size = 3, draws.uniform(0.09, 0.14)
    for row in range(count):
        for column in range(count):
            x, y = (column + draws.uniform(0.3, 0.7)) / count, (row + draws.uniform(0.3, 0.7)) / count
            colour = draws.pick((palette.accent, palette.second, palette.dark))
            for dx in (-1, 0, 1):
                for dy in (-1, 0, 1):
                    canvas.shape(outline, x + dx, y + dy, size, colour)
    return canvas


def bricks(draws: Draws, palette: Palette) -> Canvas:
    """Courses of bricks or tiles with joints, each a little different."""
    canvas = Canvas(shaded(palette.light, 0.9))
    rows, columns = draws.pick(((4, 2), (6, 3), (4, 4), (8, 3)))
    gap = draws.uniform(0.006, 0.015)
    shift = 0.0 if draws.chance(0.25) else 0.5
    for row in range(rows):
        for column in range(columns):
            colour = shaded(mixed(palette.main, palette.second, draws.uniform(0, 0.3)), draws.uniform(0.8, 1.1))
            x = (column + shift * (row % 2)) / columns
            for wrapped in (x, x - 1):
                canvas.rectangle(wrapped + gap, row / rows + gap, 1 / columns - 2 * gap, 1 / rows - 2 * gap, colour, 0.01)
    return canvas


def planks(draws: Draws, palette: Palette) -> Canvas:
    """Boards beside one another, with grain along them."""
    canvas = wood(draws, palette)
    count = draws.integer(3, 6)
    for i in range(count):
        canvas.rectangle(i / count, 0, 1 / count, 1, shaded(palette.main, draws.uniform(0.75, 1.1)))
    grain = wood(draws, palette).pixels
    canvas.pixels = canvas.pixels * 0.45 + grain * 0.55
    for i in range(count):
        canvas.rectangle(i / count - 0.006, 0, 0.012, 1, shaded(palette.main, 0.35))
    return canvas


def wood(draws: Draws, palette: Palette) -> Canvas:
    """Grain along v: stretched noise through rings."""
    canvas = Canvas(palette.main)
    size = canvas.height
    slow = tiling_noise(draws, size, (1, draws.integer(3, 6)), 3)
    fine = tiling_noise(draws, size, (2, 48), 2)
    rings = 0.5 + 0.5 * np.sin(2 * math.pi * slow * draws.uniform(2, 6))
    canvas.blend(shaded(palette.main, 0.62), (0.65 * rings + 0.35 * fine) * draws.uniform(0.4, 0.85))
    return canvas


def marble(draws: Draws, palette: Palette) -> Canvas:
    """Veins."""
    canvas = Canvas(palette.light)
    size = canvas.height
    field = tiling_noise(draws, size, (2, 2), 5, 0.55)
    cloud = tiling_noise(draws, size, (3, 3), 3)
    veins = (1 - np.abs(np.sin(2 * math.pi * field * draws.uniform(1, 2.5)))) ** draws.uniform(3, 8)
    canvas.blend(palette.main, 0.35 * cloud)
    canvas.blend(palette.dark, 0.8 * veins)
    return canvas


def speckle(draws: Draws, palette: Palette) -> Canvas:
    """Chips in a ground, as terrazzo, granite or sprinkles."""
    canvas = Canvas(palette.main)
    outline = blob(draws, 1, 0.6, 10)
    for _ in range(draws.integer(25, 60)):
        x, y, size = draws.uniform(), draws.uniform(), draws.uniform(0.01, 0.04)
        colour = draws.pick(palette.all()[1:])
        for dx in (-1, 0, 1):
            for dy in (-1, 0, 1):
                canvas.shape(outline, x + dx, y + dy, size, colour)
    return canvas


def blotches(draws: Draws, palette: Palette) -> Canvas:
    """Clouds of two or three colours with soft or hard borders: camouflage, rust, cow hide."""
    canvas = Canvas(palette.main)
    cells = draws.integer(2, 4)
    hardness = draws.pick((3.0, 30.0))
    for colour in (palette.second, palette.dark)[: draws.integer(1, 2)]:
        field = tiling_noise(draws, canvas.height, (cells, cells), 4)
        canvas.blend(colour, (0.5 + (field - draws.uniform(0.5, 0.62)) * hardness).clip(0, 1))
    return canvas


def weave(draws: Draws, palette: Palette) -> Canvas:
    """Basket work or coarse cloth: strands over and under one another."""
    canvas = Canvas(shaded(palette.main, 0.5))
    count = draws.integer(4, 8)
    second = palette.second if draws.chance(0.3) else shaded(palette.main, 0.85)
    for row in range(count):
        for column in range(count):
            over = (row + column) % 2
            long, short = 0.98 / count, 0.7 / count
            width, height = (long, short) if over else (short, long)
            colour = shaded(palette.main if over else second, draws.uniform(0.9, 1.08))
            canvas.rectangle((column + 0.5) / count - width / 2, (row + 0.5) / count - height / 2, width, height, colour, 0.15 / count)
    return canvas


def grainy(draws: Draws, palette: Palette) -> Canvas:
    """One colour that is not quite even, as most things in photographs."""
    canvas = Canvas(palette.main)
    field = tiling_noise(draws, canvas.height, (4, 4), 5, 0.7)
    canvas.blend(shaded(palette.main, draws.uniform(0.6, 0.85)), field)
    return canvas


Pattern = Callable[[Draws, Palette], Canvas]
PRINTS: tuple[Pattern, ...] = (stripes, checks, tartan, dots, zigzag, waves, motifs)
STUFFS: tuple[Pattern, ...] = (grainy, blotches, speckle, marble, weave, grainy)


def any_colour_as_palette(colour: Colour, palette: Palette) -> Palette:
    """A palette with another main colour."""
    return Palette(colour, palette.second, palette.accent, palette.light, palette.dark)
