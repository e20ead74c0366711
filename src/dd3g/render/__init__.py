"""One differentiable function from Gaussians and cameras to pictures, with several backends."""

from dd3g.render.rasterizer import rasterize
from dd3g.render.record import Render

__all__ = ["Render", "rasterize"]
