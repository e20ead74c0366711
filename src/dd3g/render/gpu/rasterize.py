"""Projection, lists, compositing: the backend's one door."""

from __future__ import annotations

from jaxtyping import Float
from torch import Tensor

from dd3g.core.cameras import Cameras
from dd3g.core.gaussians import Gaussians
from dd3g.render.constants import DEPTH_ALPHA_FLOOR
from dd3g.render.gpu.autograd import composite, project
from dd3g.render.gpu.binning import bin_splats
from dd3g.render.record import Render


def rasterize(gaussians: Gaussians, cameras: Cameras, background: Float[Tensor, "s v 3"], *, antialiased: bool) -> Render:
    """See :class:`dd3g.render.record.RasterizeBatch`."""
    scenes, views, n = *background.shape[:2], gaussians.opacities.shape[1]
    height, width = cameras.height, cameras.width
    if 0 in (scenes, views, n):
        layers = background.new_zeros(scenes, views, 5, height, width)
        layers[:, :, 4] = 1.0
    else:
        records, boxes, counts = project(gaussians, cameras, antialiased=antialiased)
        bins = bin_splats(records.detach(), boxes, counts, scenes * views, height, width)
        layers = composite(records, bins, scenes * views, height, width).unflatten(0, (scenes, views))
    colour, depth_sum, transmittance = layers.split([3, 1, 1], 2)
    alpha = 1 - transmittance
    return Render(colour + transmittance * background[..., None, None], alpha, depth_sum / alpha.clamp_min(DEPTH_ALPHA_FLOOR))
