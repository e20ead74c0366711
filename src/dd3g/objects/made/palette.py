"""Colours that go together: drawn in OKLCh, where equal steps look equal."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from dd3g.objects.draws import Draws

Colour = tuple[float, float, float]  # sRGB in [0, 1]

WHITE: Colour = (0.95, 0.95, 0.94)
BLACK: Colour = (0.09, 0.09, 0.1)


@dataclass(frozen=True)
class Palette:
    """The colours of one thing."""

    main: Colour
    second: Colour
    accent: Colour
    light: Colour
    dark: Colour

    def all(self) -> tuple[Colour, ...]:
        """All five."""
        return (self.main, self.second, self.accent, self.light, self.dark)


def oklch(lightness: float, chroma: float, hue_deg: float) -> Colour:
    """sRGB of an OKLCh colour; chroma is lowered until the colour can be shown."""
    rgb = _linear_from_oklch(lightness, chroma, hue_deg)
    for _ in range(23):
        if rgb.min() >= -1e-4 and rgb.max() <= 1 + 1e-4:
            break
        chroma *= 0.88
        rgb = _linear_from_oklch(lightness, chroma, hue_deg)
    rgb = rgb.clip(0, 1)
    red, green, blue = np.where(rgb <= 0.0031308, 12.92 * rgb, 1.055 * rgb ** (1 / 2.4) - 0.055).tolist()
    return red, green, blue


def _linear_from_oklch(lightness: float, chroma: float, hue_deg: float) -> np.ndarray:
    """OKLab's published matrices."""
    a, b = chroma * math.cos(math.radians(hue_deg)), chroma * math.sin(math.radians(hue_deg))
    long = (lightness + 0.3963377774 * a + 0.2158037573 * b) ** 3
    middle = (lightness - 0.1055613458 * a - 0.0638541728 * b) ** 3
    short = (lightness - 0.0894841775 * a - 1.2914855480 * b) ** 3
    return np.array(
        [
            4.0767416621 * long - 3.3077115913 * middle + 0.2309699292 * short,
            -1.2684380046 * long + 2.6097574011 * middle - 0.3413193965 * short,
            -0.0041960863 * long - 0.7034186147 * middle + 1.7076147010 * short,
        ]
    )


def mixed(a: Colour, b: Colour, part: float) -> Colour:
    """From a (0) to b (1), in sRGB."""
    red, green, blue = (x + (y - x) * part for x, y in zip(a, b, strict=True))
    return red, green, blue


def shaded(colour: Colour, factor: float) -> Colour:
    """Darker (below 1) or lighter (above 1)."""
    return mixed(colour, (0.0, 0.0, 0.0), 1 - factor) if factor <= 1 else mixed(colour, (1.0, 1.0, 1.0), min(factor - 1, 1.0))


def draw_palette(draws: Draws) -> Palette:
    """A random palette: bright toy colours, pastels, earth tones, one hue, or black and white with one accent."""
    hue = draws.uniform(0, 360)
    kind = draws.pick(("bright", "bright", "complement", "triad", "pastel", "earth", "one hue", "neutral", "deep"))
    tilt = draws.uniform(-25, 25)
    if kind == "bright":
        hues, lightness, chroma = (hue, hue + draws.pick((60, 90, 120, 150)), hue + draws.pick((180, 210, 270))), (0.55, 0.78), (0.15, 0.24)
    elif kind == "complement":
        hues, lightness, chroma = (hue, hue + tilt, hue + 180), (0.45, 0.75), (0.1, 0.2)
    elif kind == "triad":
        hues, lightness, chroma = (hue, hue + 120, hue + 240), (0.5, 0.8), (0.1, 0.2)
    elif kind == "pastel":
        hues, lightness, chroma = (hue, hue + 40 + tilt, hue + 160), (0.8, 0.92), (0.04, 0.1)
    elif kind == "earth":
        hues, lightness, chroma = (50 + tilt, 80 + tilt, 130 + 2 * tilt), (0.35, 0.7), (0.04, 0.1)
    elif kind == "one hue":
        hues, lightness, chroma = (hue, hue + tilt / 3, hue - tilt / 3), (0.35, 0.85), (0.06, 0.2)
    elif kind == "deep":
        hues, lightness, chroma = (hue, hue + 30 + tilt, hue + 150), (0.28, 0.5), (0.08, 0.18)
    else:
        hues, lightness, chroma = (hue, hue, hue + 180), (0.2, 0.9), (0.0, 0.02)
    main, second, accent = (oklch(draws.uniform(*lightness), draws.uniform(*chroma), h) for h in hues)
    if kind == "neutral":
        accent = oklch(draws.uniform(0.5, 0.8), draws.uniform(0.14, 0.24), hue)
    light = oklch(draws.uniform(0.9, 0.97), draws.uniform(0.0, 0.03), hue)
    dark = oklch(draws.uniform(0.16, 0.3), draws.uniform(0.0, 0.05), hue + 180)
    return Palette(main, second, accent, light, dark)


def draw_wood(draws: Draws) -> Colour:
    """A wood: from pale birch over oak and cherry to dark walnut."""
    return oklch(draws.uniform(0.4, 0.82), draws.uniform(0.05, 0.1), draws.uniform(50, 80))


def draw_metal(draws: Draws) -> Colour:
    """Without gloss a metal is a grey, now and then brass or copper."""
    if draws.chance(0.25):
        return oklch(draws.uniform(0.6, 0.75), draws.uniform(0.07, 0.11), draws.uniform(50, 90))
    return oklch(draws.uniform(0.35, 0.8), draws.uniform(0.0, 0.015), 250)


def draw_vivid(draws: Draws) -> Colour:
    """Any strong colour."""
    return oklch(draws.uniform(0.5, 0.8), draws.uniform(0.12, 0.24), draws.uniform(0, 360))
