"""A picture that shapes are painted on, with smooth edges; made into a texture at the end."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from itertools import pairwise

import numpy as np
from jaxtyping import Float64

from dd3g.objects.made.palette import Colour
from dd3g.objects.mesh import Texture, Wrap

Distance = Callable[[np.ndarray, np.ndarray], np.ndarray]  # (x, y) -> signed distance in pixels, negative inside


class Canvas:
    """A picture in sRGB. Coordinates are fractions of its height from its upper left corner: x to ``aspect``, y to 1."""

    def __init__(self, colour: Colour, aspect: float = 1.0, height: int = 192) -> None:
        self.height, self.width = height, max(8, min(4 * height, round(height * aspect)))
        self.aspect = aspect
        self.pixels: Float64[np.ndarray, "h w 3"] = np.broadcast_to(np.array(colour, np.float64), (self.height, self.width, 3)).copy()

    def coordinates(self) -> tuple[Float64[np.ndarray, "1 w"], Float64[np.ndarray, "h 1"]]:
        """x and y of all pixel centres."""
        return ((np.arange(self.width) + 0.5) / self.width * self.aspect)[None], ((np.arange(self.height) + 0.5) / self.height)[:, None]

    def blend(self, colour: Colour, coverage: np.ndarray) -> None:
        """Lays a colour over the whole picture where ``coverage`` is 1."""
        self.pixels += (np.array(colour) - self.pixels) * np.broadcast_to(coverage, self.pixels.shape[:2])[..., None]

    def rectangle(self, x: float, y: float, width: float, height: float, colour: Colour, corner: float = 0.0) -> None:
        """Upper left corner and size."""
        cx, cy, rx, ry = x + width / 2, y + height / 2, width / 2 - corner, height / 2 - corner

        def distance(px: np.ndarray, py: np.ndarray) -> np.ndarray:
            dx, dy = np.abs(px - cx) - rx, np.abs(py - cy) - ry
            return np.hypot(dx.clip(0), dy.clip(0)) + np.minimum(np.maximum(dx, dy), 0) - corner

        self._fill((x, y, x + width, y + height), distance, colour)

    def ellipse(self, x: float, y: float, rx: float, ry: float, colour: Colour) -> None:
        """Centre and radii."""

        def distance(px: np.ndarray, py: np.ndarray) -> np.ndarray:
            return (np.hypot((px - x) / rx, (py - y) / ry) - 1) * min(rx, ry)

        self._fill((x - rx, y - ry, x + rx, y + ry), distance, colour)

    def line(self, points: Sequence[tuple[float, float]], width: float, colour: Colour) -> None:
        """A stroke with round ends and joints."""
        for (x0, y0), (x1, y1) in pairwise(points):
            dx, dy = x1 - x0, y1 - y0
            length = dx * dx + dy * dy

            def distance(px: np.ndarray, py: np.ndarray, x0=x0, y0=y0, dx=dx, dy=dy, length=length) -> np.ndarray:
                t = (((px - x0) * dx + (py - y0) * dy) / length).clip(0, 1) if length > 0 else np.zeros(np.broadcast(px, py).shape)
                return np.hypot(px - x0 - t * dx, py - y0 - t * dy) - width / 2

            self._fill((min(x0, x1) - width, min(y0, y1) - width, max(x0, x1) + width, max(y0, y1) + width), distance, colour)

    def shape(self, outline: np.ndarray, x: float, y: float, size: float, colour: Colour) -> None:
        """A closed outline (y up, about the origin) at a centre; filled by the even-odd rule with the distance to its edges."""
        corners = np.stack([x + outline[:, 0] * size, y - outline[:, 1] * size], 1)
        low, high = corners.min(0), corners.max(0)

        def distance(px: np.ndarray, py: np.ndarray) -> np.ndarray:
            nearest = np.full(np.broadcast(px, py).shape, np.inf)
            inside = np.zeros(nearest.shape, bool)
            for (x0, y0), (x1, y1) in zip(corners, np.roll(corners, -1, axis=0), strict=True):
                dx, dy = x1 - x0, y1 - y0
                t = (((px - x0) * dx + (py - y0) * dy) / max(dx * dx + dy * dy, 1e-12)).clip(0, 1)
                nearest = np.minimum(nearest, np.hypot(px - x0 - t * dx, py - y0 - t * dy))
                if y0 != y1:
                    inside ^= ((y0 > py) != (y1 > py)) & (px < x0 + (py - y0) * dx / dy)
            return np.where(inside, -nearest, nearest)

        self._fill((low[0], low[1], high[0], high[1]), distance, colour)

    def _fill(self, bounds: tuple[float, float, float, float], distance: Distance, colour: Colour) -> None:
        """Paints inside a signed distance, within bounds (left, top, right, bottom), one pixel of soft edge."""
        scale = self.width / self.aspect
        left, right = max(0, math.floor(bounds[0] * scale) - 1), min(self.width, math.ceil(bounds[2] * scale) + 1)
        top, bottom = max(0, math.floor(bounds[1] * self.height) - 1), min(self.height, math.ceil(bounds[3] * self.height) + 1)
        if left >= right or top >= bottom:
            return
        px = ((np.arange(left, right) + 0.5) / scale)[None]
        py = ((np.arange(top, bottom) + 0.5) / self.height)[:, None]
        coverage = (0.5 - distance(px, py) * self.height).clip(0, 1)
        part = self.pixels[top:bottom, left:right]
        part += (np.array(colour) - part) * coverage[..., None]

    def texture(self, wrap_u: Wrap = "repeat", wrap_v: Wrap = "repeat") -> Texture:
        """The picture as a texture."""
        rgb = (self.pixels.clip(0, 1) * 255).round().astype(np.uint8)
        return Texture(np.concatenate([rgb, np.full_like(rgb[..., :1], 255)], -1), wrap_u, wrap_v)
