"""Shapes with their colours, and things made of several of them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from dd3g.objects.draws import Draws
from dd3g.objects.made import shape as shapes
from dd3g.objects.made.canvas import Canvas
from dd3g.objects.made.palette import Colour, Palette
from dd3g.objects.made.patterns import PRINTS, STUFFS, any_colour_as_palette, grainy, wood
from dd3g.objects.made.shape import Shape
from dd3g.objects.made.solids import Profile, lathe
from dd3g.objects.mesh import Material, Part, Texture
from dd3g.objects.surface import linear_from_srgb


@dataclass(frozen=True)
class Paint:
    """What a shape is covered with: a colour, a texture, and a second colour that the first fades into with height."""

    colour: Colour = (1.0, 1.0, 1.0)
    texture: Texture | None = None
    tile: float | None = None  # length of one repeat of the texture; None: the texture lies once over the shape's chart
    top: Colour | None = None  # the colour at the shape's highest point


@dataclass(frozen=True)
class Piece:
    """A painted shape."""

    shape: Shape
    paint: Paint


Thing = list[Piece]
Recipe = Callable[[Draws, Palette], Thing]


def put(shape: Shape, paint: Paint, x: float = 0.0, y: float = 0.0, z: float = 0.0) -> Piece:
    """A painted shape, shifted."""
    return Piece(shapes.moved(shape, x, y, z), paint)


def flat(colour: Colour) -> Paint:
    """One colour."""
    return Paint(colour)


def picture(canvas: Canvas) -> Paint:
    """A picture once over the shape."""
    return Paint(texture=canvas.texture("repeat", "clamp"))


def tiled(canvas: Canvas, tile: float) -> Paint:
    """A pattern that repeats every ``tile`` units of length."""
    return Paint(texture=canvas.texture(), tile=tile)


def wooden(draws: Draws, colour: Colour, tile: float = 1.0) -> Paint:
    """Wood with its grain along the shape's upright direction."""
    palette = Palette(colour, colour, colour, colour, colour)
    return tiled(wood(draws, palette), tile)


def printed(draws: Draws, palette: Palette, tile: float) -> Paint:
    """Any repeating print in the palette's colours."""
    return tiled(draws.pick(PRINTS)(draws, palette), tile)


def any_paint(draws: Draws, colour: Colour, palette: Palette, tile: float = 0.7) -> Paint:
    """Mostly one colour, plain or not quite even; sometimes a fade, a print or a stuff."""
    kind = draws.pick(("flat", "grainy", "fade", "print", "stuff"), (4, 2, 1.2, 2, 1.5))
    own = any_colour_as_palette(colour, palette)
    if kind == "flat":
        return flat(colour)
    if kind == "grainy":
        return tiled(grainy(draws, own), tile)
    if kind == "fade":
        return Paint(colour, top=draws.pick((palette.light, palette.second, palette.accent)))
    return tiled(draws.pick(PRINTS if kind == "print" else STUFFS)(draws, own), tile)


def moved(thing: Thing, x: float = 0.0, y: float = 0.0, z: float = 0.0) -> Thing:
    """Shifted."""
    return [replace(piece, shape=shapes.moved(piece.shape, x, y, z)) for piece in thing]


def turned(thing: Thing, axis: str, angle_deg: float) -> Thing:
    """Turned round an axis of the origin."""
    return [replace(piece, shape=shapes.turned(piece.shape, axis, angle_deg)) for piece in thing]


def stretched(thing: Thing, x: float = 1.0, y: float = 1.0, z: float = 1.0) -> Thing:
    """Scaled along the axes."""
    return [replace(piece, shape=shapes.stretched(piece.shape, x, y, z)) for piece in thing]


def paired(thing: Thing) -> Thing:
    """The thing and its mirror image on the other side of x = 0."""
    return [*thing, *(replace(piece, shape=shapes.mirrored(piece.shape)) for piece in thing)]


def around(thing: Thing, count: int, start_deg: float = 0.0) -> Thing:
    """Copies evenly round y."""
    return [piece for i in range(count) for piece in turned(thing, "y", start_deg + i * 360 / count)]


def gores(profile: Profile, count: int, colours: Sequence[Colour]) -> Thing:
    """A turned thing cut into equal pieces like an orange, in colours that take turns."""
    step = 360 / count
    return [Piece(lathe(profile, 48, (i * step - 180, (i + 1) * step - 180)), flat(colours[i % len(colours)])) for i in range(count)]


def parts_of(thing: Sequence[Piece]) -> list[Part]:
    """As a mesh is assembled from."""
    return [_part(piece) for piece in thing]


def _part(piece: Piece) -> Part:
    shape, paint = piece.shape, piece.paint
    factor = (1.0, 1.0, 1.0, 1.0)
    rgba = uvs = None
    if paint.texture is not None:
        uvs = (shape.chart if paint.tile is None else shape.lengths / paint.tile).astype(np.float32)
    elif paint.top is None:
        red, green, blue = linear_from_srgb(np.array(paint.colour)).tolist()
        factor = (red, green, blue, 1.0)
    if paint.top is not None:
        y = shape.positions[:, 1]
        height = ((y - y.min()) / max(float(y.max() - y.min()), 1e-9))[:, None]
        colours = linear_from_srgb(np.array(paint.colour) * (1 - height) + np.array(paint.top) * height)
        rgba = np.concatenate([colours, np.ones_like(height)], 1).astype(np.float32)
    material = Material(factor, paint.texture)
    return Part(shape.positions.astype(np.float32), shape.triangles.astype(np.int32), material, None, uvs, rgba)
