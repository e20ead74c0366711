"""Between the student's frame and the input picture: the input camera, its rays, and what the picture shows at a place.

The input camera stands at azimuth 0 and the picture's own elevation and looks at the origin, where its frame is as wide as the rig's;
photographs are framed so that this fits them (docs/conventions.md). What is left of its lens is the distance: 1.5 is the rig's, a longer
lens stands farther off and its rays are more nearly parallel.
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from dd3g.student.seeding import HALF_FRAME


def points_on_rays(
    xy: Float[Tensor, "b n 2"], towards: Float[Tensor, "b n"], elevation_deg: Float[Tensor, " b"], distance: Float[Tensor, " b"]
) -> Float[Tensor, "b n 3"]:
    """Object-frame points that the input camera sees at ``xy`` (-1..1), ``towards`` it from the plane through the origin."""
    right, down, forward = _axes(elevation_deg)
    half_width = HALF_FRAME * (1 - towards / distance[:, None])[..., None]
    sideways = xy[..., :1] * right[:, None] + xy[..., 1:] * down[:, None]
    return half_width * sideways - towards[..., None] * forward[:, None]


def project(
    points: Float[Tensor, "b n 3"], elevation_deg: Float[Tensor, " b"], distance: Float[Tensor, " b"]
) -> tuple[Float[Tensor, "b n 2"], Float[Tensor, "b n"]]:
    """Inverse of :func:`points_on_rays`: where the input camera sees points, and how far towards it they stand."""
    right, down, forward = _axes(elevation_deg)
    towards = -(points * forward[:, None]).sum(-1)
    sideways = torch.stack([(points * right[:, None]).sum(-1), (points * down[:, None]).sum(-1)], -1)
    half_width = HALF_FRAME * (1 - towards / distance[:, None]).clamp_min(0.05)
    return sideways / half_width[..., None], towards


def sample(pictures: Float[Tensor, "b c h w"], xy: Float[Tensor, "b n 2"]) -> Float[Tensor, "b n c"]:
    """Bilinear samples at places -1..1; outside the frame its border goes on."""
    found = F.grid_sample(pictures, xy[:, :, None], mode="bilinear", padding_mode="border", align_corners=False)
    return found[..., 0].transpose(1, 2)


def sample_rgba(image: Float[Tensor, "b 4 h w"], xy: Float[Tensor, "b n 2"]) -> Float[Tensor, "b n 4"]:
    """Straight colour and alpha of a picture; premultiplied in between, so that nothing outside the matte bleeds in."""
    premultiplied = torch.cat([image[:, :3] * image[:, 3:], image[:, 3:]], 1)
    found = sample(premultiplied, xy)
    rgb, alpha = found[..., :3], found[..., 3:]
    return torch.cat([(rgb / alpha.clamp_min(1e-3)).clamp(0, 1), alpha.clamp(0, 1)], -1)


def camera_quats(elevation_deg: Float[Tensor, " b"]) -> Float[Tensor, "b 4"]:
    """Orientation (wxyz) of the input camera's axes: x right, y down, z along its view."""
    half = elevation_deg * (math.pi / 360)
    zero = torch.zeros_like(half)
    return torch.stack([half.sin(), half.cos(), zero, zero], -1)


def multiply_quats(a: Float[Tensor, "*n 4"], b: Float[Tensor, "*n 4"]) -> Float[Tensor, "*n 4"]:
    """Hamilton product: the rotation b, then a."""
    aw, ax, ay, az = a.unbind(-1)
    bw, bx, by, bz = b.unbind(-1)
    return torch.stack(
        [
            aw * bw - ax * bx - ay * by - az * bz,
            aw * bx + ax * bw + ay * bz - az * by,
            aw * by - ax * bz + ay * bw + az * bx,
            aw * bz + ax * by - ay * bx + az * bw,
        ],
        -1,
    )


def _axes(elevation_deg: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    angle = elevation_deg * (math.pi / 180)
    sin, cos, zero, one = angle.sin(), angle.cos(), torch.zeros_like(angle), torch.ones_like(angle)
    return torch.stack([one, zero, zero], -1), torch.stack([zero, -cos, sin], -1), torch.stack([zero, -sin, -cos], -1)
