"""The door of the room (first version)."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from dd3g.core.cameras import Cameras
from dd3g.core.gaussians import Gaussians


@dataclass(frozen=True)
class Render:
    """Pictures of Gaussians: colour over the background (sRGB), alpha, expected depth."""

    rgb: Float[Tensor, "*batch v 3 h w"]
    alpha: Float[Tensor, "*batch v 1 h w"]
    depth: Float[Tensor, "*batch v 1 h w"]


def rasterize(
    gaussians: Gaussians,
    cameras: Cameras,
    background: Float[Tensor, "..."],
    *,
    antialiased: bool = False,
    backend: str | None = None,
) -> Render:
    """Gaussians (n or s n) seen by cameras (v or s v) over a background that broadcasts to (v 3) or (s v 3)."""
    from dd3g.render.cpu import kernels

    batched = gaussians.means.ndim == 3
    fields = [gaussians.means, gaussians.quats_wxyz, gaussians.scales, gaussians.opacities, gaussians.rgb]
    fields = [t.float() if batched else t.float()[None] for t in fields]
    scenes, views = fields[0].shape[0], cameras.intrinsics.shape[-3]
    pose = cameras.camera_from_world.expand(scenes, views, 4, 4)
    lens = cameras.intrinsics.expand(scenes, views, 3, 3)
    shape = (scenes, views, 3)
    rgb, alpha, depth = kernels.rasterize(
        *fields, pose, lens, background.detach().expand(shape), cameras.width, cameras.height, antialiased
    )
    out = rgb, alpha[:, :, None], depth[:, :, None]
    return Render(*(out if batched else (t[0] for t in out)))
