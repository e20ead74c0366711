"""Another shape from the same object: its three axes scaled each by a factor of its own, and its top a little narrower or wider.

Both together are one projective map, which keeps lines straight and planes flat. So what lies on a face stays on it, and parts that touch
go on touching, however coarse their triangles are; a bend or a twist of the vertices would open cracks between large faces and small ones.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float64

from dd3g.core.errors import InputError
from dd3g.core.views_folder import version_name
from dd3g.objects.draws import Draws
from dd3g.objects.mesh import FARTHEST_VERTEX, Mesh, reshaped

GENERATOR = "dd3g-stretch-1"  # part of every key; a change of what is drawn is a new name
MOST = 1.0  # factors from 0.37 to 2.7: beyond it few things are still what they are called
_TAPER_PART = 1 / 3  # of the amount: at 0.35 a tall object's upper end is at most a ninth narrower than its middle


@dataclass(frozen=True)
class Stretch:
    """What is done to one object, before it is normalised again."""

    scales: tuple[float, float, float] = (1.0, 1.0, 1.0)  # of x, y (up), z
    taper: float = 0.0  # sizes are divided by 1 + taper at 0.5 above the box centre, by 1 - taper at 0.5 below it


@dataclass(frozen=True)
class Stretching:
    """What is done to all objects of a folder: how much, and which of the many stretches of that amount."""

    amount: float  # factors are exp(u), u uniform in [-amount, amount]
    seed: int = 1  # at least 1; an object's name gets it as suffix (dd3g.core.views_folder)

    def __post_init__(self) -> None:
        if not 0 < self.amount <= MOST:
            raise InputError(
                f"--stretch: found {self.amount:g}, expected 0 (none) to {MOST:g}; 0.35 is up to 1.4 times as long or as short"
            )
        if self.seed < 1:
            raise InputError(f"--stretch-seed: found {self.seed}, expected 1 or more")

    def name_of(self, name: str) -> str:
        """The stretched object's name."""
        return version_name(name, self.seed)

    def of(self, name: str, seed: int) -> Stretch:
        """One object's stretch.

        Args:
            name: The object's own, without suffix.
            seed: Of the folder's random views.
        """
        draws = Draws(GENERATOR, name, seed, self.seed)
        x, y, z, taper = (draws.uniform(-self.amount, self.amount) for _ in range(4))
        x, y, z = (round(math.exp(u), 6) for u in (x, y, z))  # rounded: exp's last bit differs between machines
        return Stretch((x, y, z), round(taper * _TAPER_PART, 6))


def stretched(mesh: Mesh, stretch: Stretch) -> Mesh:
    """The stretched mesh, normalised. Its shading normals are those of the stretched surface, creases stay where they were."""
    if stretch == Stretch():
        return mesh
    vertices = mesh.vertices.astype(np.float64)
    corners, normals = vertices[mesh.faces], mesh.corner_normals.astype(np.float64)
    return reshaped(mesh, _points(vertices, stretch), _normals(corners, normals, stretch))


def _points(points: Float64[np.ndarray, "n 3"], stretch: Stretch) -> Float64[np.ndarray, "n 3"]:
    return points * np.array(stretch.scales) / (1 + stretch.taper / FARTHEST_VERTEX * points[:, 1:2])


def _normals(points: Float64[np.ndarray, "m 3 3"], normals: Float64[np.ndarray, "m 3 3"], stretch: Stretch) -> Float64[np.ndarray, "m 3 3"]:
    """Normals of what tangent planes become; not of unit length. A plane (n, -n . x) goes with the inverse transpose of the map."""
    heights = (points * normals).sum(-1)  # of the plane above the origin
    turned = normals.copy()
    turned[..., 1] += stretch.taper / FARTHEST_VERTEX * heights
    return turned / np.array(stretch.scales)
