"""Draws conventions.png with the project's own cameras and ray caster: what docs/conventions.md says in words.

python docs/images/conventions.py [FILE]     default: conventions.png beside this script; a few seconds
"""

from __future__ import annotations

import math
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path

import numpy as np
import torch
from numpy.typing import ArrayLike
from PIL import Image, ImageDraw, ImageFont

from dd3g.core.cameras import RIG_AZIMUTHS_DEG, RIG_FOV_Y_DEG, RIG_RADIUS, Cameras, canonical_rig, orbit
from dd3g.core.files import write_atomically
from dd3g.core.sheet import to_image
from dd3g.core.views import composite
from dd3g.objects import SKY, Mesh, make_object, render_views

DUCK = 72  # seed of a procedural object whose front nobody mistakes
FINE = 3  # everything is drawn this many times larger, then reduced
SIZE = (585, 1220)  # height, width of the picture
SCENE = (585, 750)  # of its left part
X, Y, Z = (205, 58, 72), (38, 150, 84), (40, 105, 214)
INK, SOFT, PALE = (43, 47, 54), (120, 127, 136), (196, 201, 207)
VIEWER = 7.0  # how far away the viewer of the scene stands
LENS = (236, 148, 38)
WHITE = (255, 255, 255)


def main() -> None:
    """Draws and writes the picture."""
    target = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).with_name("conventions.png")
    mesh = make_object(DUCK)
    paper = Image.new("RGB", (SIZE[1] * FINE, SIZE[0] * FINE), WHITE)
    paper.paste(scene(mesh), (0, 22 * FINE))
    pen = Pen(ImageDraw.Draw(paper, "RGBA"))
    pen.text(18, 26, "the canonical rig", INK, 19)
    pen.text(18, 50, f"radius {RIG_RADIUS:g}, vertical field of view {RIG_FOV_Y_DEG:g}\N{DEGREE SIGN}, elevation 0", SOFT, 14)
    four_views(paper, pen, mesh, left=780, top=46)
    pixel_grid(paper, pen, mesh, left=806, top=302)
    small = paper.resize((SIZE[1], SIZE[0]), Image.Resampling.LANCZOS)
    with write_atomically(target) as temporary:
        small.quantize(256, kmeans=2, dither=Image.Dither.NONE).save(temporary, optimize=True)
    print(f"{target}: {target.stat().st_size / 1000:.0f} kB")


# ---------------------------------------------------------------- drawing in units of the finished picture
@dataclass(frozen=True)
class Pen:
    """Lines and words, in pixels of the finished picture."""

    draw: ImageDraw.ImageDraw

    def line(self, points: Sequence[tuple[float, float]], colour: tuple[int, ...], width: float = 1.5) -> None:
        """A line through points."""
        self.draw.line([(x * FINE, y * FINE) for x, y in points], colour, round(width * FINE), joint="curve")

    def area(self, points: Sequence[tuple[float, float]], colour: tuple[int, ...]) -> None:
        """A filled polygon."""
        self.draw.polygon([(x * FINE, y * FINE) for x, y in points], colour)

    def dot(self, x: float, y: float, radius: float, colour: tuple[int, ...]) -> None:
        """A filled circle."""
        self.draw.ellipse([(x - radius) * FINE, (y - radius) * FINE, (x + radius) * FINE, (y + radius) * FINE], colour)

    def arrow_head(self, tip: tuple[float, float], back: tuple[float, float], colour: tuple[int, ...], size: float = 11) -> None:
        """A triangle at ``tip``, pointing away from ``back``."""
        dx, dy = tip[0] - back[0], tip[1] - back[1]
        length = math.hypot(dx, dy) or 1
        ux, uy = dx / length * size, dy / length * size
        base = (tip[0] - ux * 0.4, tip[1] - uy * 0.4)
        wings = [(base[0] - side * uy * 0.4, base[1] + side * ux * 0.4) for side in (1, -1)]
        self.area([(tip[0] + ux * 0.6, tip[1] + uy * 0.6), *wings], colour)

    def frame(self, x: float, y: float, side: float, colour: tuple[int, ...], width: float) -> None:
        """A square from its upper left corner."""
        self.line([(x, y), (x + side, y), (x + side, y + side), (x, y + side), (x, y)], colour, width)

    def text(
        self,
        x: float,
        y: float,
        words: str,
        colour: tuple[int, ...] = INK,
        size: float = 15,
        anchor: str = "lm",
        halo: bool = False,
    ) -> None:
        """Words; ``anchor`` as Pillow has it."""
        font = ImageFont.load_default(size * FINE)
        self.draw.text((x * FINE, y * FINE), words, colour, font, anchor, stroke_width=3 * FINE if halo else 0, stroke_fill=WHITE)


# ---------------------------------------------------------------- the rig round the object
@dataclass
class Scene:
    """The rig as somebody sees who stands outside of it; lines know what hides them."""

    cameras: Cameras
    depth: np.ndarray  # (h, w) of the first surface in fine pixels, 0 where none
    pen: Pen
    matrix: np.ndarray = field(init=False)

    def __post_init__(self) -> None:
        self.matrix = self.cameras.camera_from_world[0].double().numpy()

    def place(self, point: ArrayLike) -> tuple[float, float, float]:
        """x, y in finished pixels, and camera z."""
        p = self.matrix[:3, :3] @ np.asarray(point, float) + self.matrix[:3, 3]
        lens = self.cameras.intrinsics[0].double().numpy()
        u, v, _ = lens @ (p / p[2])
        return u / FINE, v / FINE, p[2]

    def flat(self, point: ArrayLike) -> tuple[float, float]:
        """x, y in finished pixels."""
        return self.place(point)[:2]

    def hidden(self, point: ArrayLike) -> bool:
        """Whether the object stands before it."""
        x, y, z = self.place(point)
        row, column = int(y * FINE), int(x * FINE)
        inside = 0 <= row < self.depth.shape[0] and 0 <= column < self.depth.shape[1]
        return bool(inside and 0 < self.depth[row, column] < z)

    def line(self, points: np.ndarray, colour: tuple[int, int, int], width: float = 1.5) -> None:
        """A line through points of the world; its hidden parts are pale."""
        for a, b in pairwise(points):
            self.pen.line([self.flat(a), self.flat(b)], (*colour, 60 if self.hidden((a + b) / 2) else 255), width)


def scene(mesh: Mesh) -> Image.Image:
    """The object, its axes, the four cameras and how angles grow."""
    size = (SCENE[0] * FINE, SCENE[1] * FINE)
    viewer = orbit([33], [27], size=size, radius=VIEWER, fov_y_deg=24.4)
    views = render_views(mesh, viewer, [SKY], supersampling=1, depth=True)
    paper = Image.new("RGB", (size[1], size[0]), WHITE)
    assert views.depth is not None
    seen = Scene(viewer, views.depth[0, 0].numpy(), Pen(ImageDraw.Draw(paper, "RGBA")))
    rig = canonical_rig(512)
    pictures = render_views(mesh, rig, [SKY] * 4, supersampling=2)
    centres = rig.positions().double().numpy()
    order = sorted(range(4), key=lambda i: -seen.place(centres[i])[2])

    ring = on_circle(np.linspace(0, 360, 361))
    seen.line(ring, PALE, 1.6)
    behind = [i for i in order if seen.place(centres[i])[2] > VIEWER]
    for i in behind:
        camera(paper, seen, rig, i, pictures.rgb[i], pictures.alpha[i])
    duck = to_image(torch.cat([views.rgb[0], views.alpha[0]]))
    paper.paste(duck.convert("RGB"), (0, 0), duck.getchannel("A"))

    for direction, colour in (((1, 0, 0), X), ((0, 1, 0), Y), ((0, 0, 1), Z)):
        tip = np.array(direction) * 0.8
        seen.line(np.linspace(np.zeros(3), tip, 120), colour, 3)
        seen.pen.arrow_head(seen.flat(tip), seen.flat(tip * 0.95), colour, 13)
    for i in order:
        if i not in behind:
            camera(paper, seen, rig, i, pictures.rgb[i], pictures.alpha[i])
    for point, (dx, dy), words, colour in (
        ((0.72, 0, 0), (12, -18), "+X right", X),
        ((0, 0.9, 0), (0, 0), "+Y up", Y),
        ((0, 0, 0.66), (-40, -14), "+Z front", Z),
    ):
        x, y = seen.flat(point)
        seen.pen.text(x + dx, y + dy, words, colour, 16, "mm", halo=True)
    angles(seen)
    camera_axes(seen, rig, 1)
    return paper


def on_circle(azimuths_deg: np.ndarray, elevation_deg: float | np.ndarray = 0.0, radius: float = RIG_RADIUS) -> np.ndarray:
    """Points where cameras of these angles stand."""
    elevations = np.broadcast_to(elevation_deg, azimuths_deg.shape)
    places = orbit(azimuths_deg.tolist(), elevations.tolist(), radius=radius).positions()
    return places.double().numpy()


def camera(paper: Image.Image, seen: Scene, rig: Cameras, i: int, rgb: torch.Tensor, alpha: torch.Tensor) -> None:
    """A camera as the pyramid of its view, with its picture in it."""
    world_from_camera = np.linalg.inv(rig.camera_from_world[i].double().numpy())
    far, half = 0.4, 0.4 * math.tan(math.radians(RIG_FOV_Y_DEG / 2))

    def world(x: float, y: float, z: float) -> np.ndarray:
        return (world_from_camera @ np.array([x, y, z, 1.0]))[:3]

    eye = world(0, 0, 0)
    corners = [world(x * half, y * half, far) for x, y in ((-1, -1), (1, -1), (1, 1), (-1, 1))]
    flat = [seen.flat(corner) for corner in corners]
    picture = over_white(rgb, alpha)
    side = picture.width
    sources = [(0, 0), (side, 0), (side, side), (0, side)]
    warped = picture.transform(
        paper.size, Image.Transform.PERSPECTIVE, perspective([(x * FINE, y * FINE) for x, y in flat], sources), Image.Resampling.BICUBIC
    )
    mask = Image.new("L", paper.size, 0)
    ImageDraw.Draw(mask).polygon([(x * FINE, y * FINE) for x, y in flat], 215)
    paper.paste(warped, (0, 0), mask)
    for place in flat:
        seen.pen.line([seen.flat(eye), place], (*LENS, 255), 1.5)
    seen.pen.line([*flat, flat[0]], (*LENS, 255), 2)
    seen.pen.dot(*seen.flat(eye), 4.5, LENS)
    x, y = seen.flat(eye * 1.13)
    seen.pen.text(x, y + (12 if seen.place(eye)[2] < VIEWER else -14), f"{RIG_AZIMUTHS_DEG[i]:g}\N{DEGREE SIGN}", INK, 20, "mm", halo=True)


def perspective(targets: Sequence[tuple[float, float]], sources: Sequence[tuple[float, float]]) -> list[float]:
    """Pillow's eight numbers that take a place on the paper to its place in the picture."""
    rows, values = [], []
    for (x, y), (u, v) in zip(targets, sources, strict=True):
        rows += [[x, y, 1, 0, 0, 0, -u * x, -u * y], [0, 0, 0, x, y, 1, -v * x, -v * y]]
        values += [u, v]
    return np.linalg.solve(np.array(rows, float), np.array(values, float)).tolist()


def angles(seen: Scene) -> None:
    """Azimuth along the rig from the front, elevation upwards from it."""
    arc = on_circle(np.linspace(14, 46, 60))
    seen.line(arc, INK, 2.5)
    seen.pen.arrow_head(seen.flat(arc[-1]), seen.flat(arc[-3]), INK, 11)
    x, y = seen.flat(on_circle(np.array([31.0]))[0])
    seen.pen.text(x, y + 20, "azimuth", INK, 15, "mm", halo=True)
    rise = on_circle(np.full(60, 315.0), np.linspace(0, 38, 60))
    seen.line(rise, INK, 2.5)
    seen.pen.arrow_head(seen.flat(rise[-1]), seen.flat(rise[-3]), INK, 11)
    x, y = seen.flat(rise[34])
    seen.pen.text(x - 10, y, "elevation", INK, 15, "rm", halo=True)


def camera_axes(seen: Scene, rig: Cameras, i: int) -> None:
    """OpenCV's axes at one camera."""
    world_from_camera = np.linalg.inv(rig.camera_from_world[i].double().numpy())
    eye = world_from_camera[:3, 3]
    for axis, colour, word in ((0, X, "x"), (1, Y, "y"), (2, Z, "z")):
        tip = eye + world_from_camera[:3, axis] * 0.3
        seen.pen.line([seen.flat(eye), seen.flat(tip)], (*colour, 255), 2.2)
        seen.pen.arrow_head(seen.flat(tip), seen.flat(eye), colour, 9)
        x, y = seen.flat(eye + world_from_camera[:3, axis] * (0.2 if axis == 2 else 0.37))
        seen.pen.text(x, y + (13 if axis == 2 else 0), word, colour, 14, "mm", halo=True)


# ---------------------------------------------------------------- pictures
def over_white(rgb: torch.Tensor, alpha: torch.Tensor) -> Image.Image:
    """A picture over white."""
    return to_image(composite(rgb, alpha, torch.ones(3)))


def four_views(paper: Image.Image, pen: Pen, mesh: Mesh, left: int, top: int) -> None:
    """What the four cameras see."""
    side, gap = 96, 8
    pen.text(left, top - 20, "what the four cameras see", INK, 19)
    views = render_views(mesh, canonical_rig(side * FINE), [SKY] * 4, supersampling=2)
    for i, azimuth in enumerate(RIG_AZIMUTHS_DEG):
        x = left + i * (side + gap)
        shown = over_white(views.rgb[i], views.alpha[i])
        paper.paste(shown, (round(x * FINE), round(top * FINE)))
        pen.frame(x, top, side, LENS, 1.5)
        pen.text(x + side / 2, top + side + 13, f"{azimuth:g}\N{DEGREE SIGN}", INK, 15, "mm")
    pen.text(left, top + side + 44, "objects: bounding box centred at the origin, farthest vertex at 0.5,", SOFT, 14)
    pen.text(left, top + side + 63, "so nothing is cut off from any side", SOFT, 14)
    pen.text(left, top + side + 82, "cameras: x right, y down, z forward (OpenCV)", SOFT, 14)


def pixel_grid(paper: Image.Image, pen: Pen, mesh: Mesh, left: int, top: int) -> None:
    """Rows, columns and centres of a picture with few pixels."""
    count, side = 10, 22
    pen.text(left - 26, top - 44, "a picture: pixel (row i, column j) has its centre at (j + 0.5, i + 0.5)", INK, 15)
    views = render_views(mesh, canonical_rig(count).pick([0]), [SKY], supersampling=8)
    shown = over_white(views.rgb[0], views.alpha[0])
    length = count * side
    paper.paste(shown.resize((length * FINE, length * FINE), Image.Resampling.NEAREST), (left * FINE, top * FINE))
    for k in range(count + 1):
        pen.line([(left + k * side, top), (left + k * side, top + length)], PALE, 1)
        pen.line([(left, top + k * side), (left + length, top + k * side)], PALE, 1)
        pen.text(left + k * side, top - 11, str(k), SOFT, 12, "mm")
        pen.text(left - 11, top + k * side, str(k), SOFT, 12, "mm")
    for (x, y), colour, word in (((length + 26, 0), X, "x"), ((0, length + 26), Y, "y")):
        pen.line([(left, top), (left + x, top + y)], colour, 2.5)
        pen.arrow_head((left + x, top + y), (left, top), colour, 12)
        pen.text(left + x + (16 if x else 0), top + y + (17 if y else 0), word, colour, 17, "mm")
    notes = left + length + 34
    row, column = 1, 8
    x, y = left + (column + 0.5) * side, top + (row + 0.5) * side
    pen.frame(x - side / 2, y - side / 2, side, INK, 2)
    pen.line([(x, y), (notes - 6, y)], SOFT, 1)
    pen.dot(x, y, 4, INK)
    pen.text(notes, y, f"row {row}, column {column}:", INK, 15)
    pen.text(notes, y + 19, f"centre ({column + 0.5:g}, {row + 0.5:g})", INK, 15)
    x, y = left + length / 2, top + length / 2
    pen.line([(x, y), (notes - 6, y)], SOFT, 1)
    for dx, dy in ((8, 0), (0, 8)):
        pen.line([(x - dx, y - dy), (x + dx, y + dy)], INK, 2.5)
    pen.text(notes, y, "principal point:", INK, 15)
    pen.text(notes, y + 19, "(width / 2, height / 2)", INK, 15)


if __name__ == "__main__":
    main()
