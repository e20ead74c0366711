"""The door between dd3g's conventions and ImageDream's.

| | outside (docs/conventions.md) | inside |
|---|---|---|
| world | y up, front towards +z, +x to its right | z up, front towards +x, +y to its right |
| camera matrix | columns right, down, forward | columns right, up, backward |
| azimuth a of the front | 0 | 90, and so a + 90 of every other |
| views | the front first | the front at index 1, one quarter later each |

Position on the unit sphere, row-major, elevation upwards: the same on both sides. What comes in of a view (noise, latents, its camera) is
moved to its place inside together, and what comes out is moved back, so that view k stays view k; the network takes views as a set.
"""

from __future__ import annotations

import math

import torch
from jaxtyping import Float
from torch import Tensor

# inside = (z, x, y) of outside
_INSIDE_FROM_OUTSIDE = ((0.0, 0.0, 1.0), (1.0, 0.0, 0.0), (0.0, 1.0, 0.0))
_PUBLISHED_FRONT_DEG = 90.0  # where that puts the outside's azimuth 0


def inward(views: Float[Tensor, "b v *rest"], front: int) -> Float[Tensor, "b v *rest"]:
    """Whatever belongs to the views, front first, in ImageDream's order."""
    return views.roll(front, 1)


def outward(views: Float[Tensor, "b v *rest"], front: int) -> Float[Tensor, "b v *rest"]:
    """Inverse of :func:`inward`."""
    return views.roll(-front, 1)


def cameras_inward(conditions: Float[Tensor, "b v 16"], front: int) -> Float[Tensor, "b v 16"]:
    """Cameras as :meth:`dd3g.core.Cameras.conditions` has them, front first, as ImageDream is told them, in its order.

    Args:
        conditions: World from camera, of v views a v-th of a turn apart.
        front: Index of the front view inside, at as many v-ths of a turn; 1 of 4 as far as is known (docs/decisions).
    """
    world_from_camera = conditions.unflatten(-1, (4, 4))
    turn = front * 360 / conditions.shape[1] - _PUBLISHED_FRONT_DEG
    sin, cos = (0.0, 1.0) if turn == 0 else (math.sin(math.radians(turn)), math.cos(math.radians(turn)))
    about_z = torch.tensor([[cos, -sin, 0.0], [sin, cos, 0.0], [0.0, 0.0, 1.0]], dtype=torch.float64)
    inside_from_outside = torch.eye(4, dtype=torch.float64)
    inside_from_outside[:3, :3] = about_z @ torch.tensor(_INSIDE_FROM_OUTSIDE, dtype=torch.float64)
    flipped = torch.diag(torch.tensor([1.0, -1.0, -1.0, 1.0])).to(conditions)  # y down and z forward: up, backward
    return inward((inside_from_outside.to(conditions) @ world_from_camera @ flipped).flatten(-2), front)
