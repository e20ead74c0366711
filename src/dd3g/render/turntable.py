"""A turn round an object, frame by frame."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from jaxtyping import Float
from torch import Tensor

from dd3g.core import Gaussians, orbit
from dd3g.render.rasterizer import rasterize

_FRAMES_AT_ONCE = 8  # bounds memory; frames don't depend on it


def turntable(
    gaussians: Gaussians,
    *,
    frames: int = 120,
    size: int = 512,
    elevation_deg: float = 15.0,
    background: Float[Tensor, 3] | None = None,
) -> Iterator[Float[Tensor, "3 size size"]]:
    """One full turn at constant elevation, starting at the front; the frame after the last would be the first again.

    Args:
        gaussians: One scene.
        frames: Number of frames of the turn.
        size: Side of a frame in pixels.
        elevation_deg: Of the camera.
        background: sRGB; white if None.
    """
    over = torch.ones(3) if background is None else background
    for start in range(0, frames, _FRAMES_AT_ONCE):
        azimuths = [360.0 * k / frames for k in range(start, min(start + _FRAMES_AT_ONCE, frames))]
        cameras = orbit(azimuths, elevation_deg, size=size).to(gaussians.means.device)
        yield from rasterize(gaussians, cameras, over.to(gaussians.means.device), antialiased=False).rgb.clamp(0, 1).cpu()
