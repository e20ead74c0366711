"""Which way up a file's frame is. Inside, +Y is up and the front faces +Z; only writers and readers turn anything.

All of these are half turns about an axis, so each is its own inverse, and none mirrors.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Literal

from dd3g.core import Gaussians

Orientation = Literal["supersplat", "opencv", "yup"]

# Signs of (x, y, z). SuperSplat and PlayCanvas turn PLY files by 180 deg about z on loading; Spark, gsplat.js and OpenCV renderers expect y
# down and look along +z, so the front must face -z; three.js and most engines take y up as it is.
ORIENTATIONS: dict[Orientation, tuple[int, int, int]] = {"supersplat": (-1, -1, 1), "opencv": (1, -1, -1), "yup": (1, 1, 1)}


def turned_to(gaussians: Gaussians, orientation: Orientation) -> Gaussians:
    """The same splats in a file's frame; applied twice it changes nothing.

    For a diagonal turn T = diag(a, b, c) with determinant 1 the quaternion of T R T is (w, bc x, ac y, ab z): the same covariance as T R,
    since the squared scales take no notice of the signs.
    """
    a, b, c = ORIENTATIONS[orientation]
    means = gaussians.means * gaussians.means.new_tensor([a, b, c])
    quats = gaussians.quats_wxyz * gaussians.quats_wxyz.new_tensor([1, b * c, a * c, a * b])
    return replace(gaussians, means=means, quats_wxyz=quats)
