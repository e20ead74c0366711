"""One differentiable function from Gaussians and cameras to pictures, with several backends."""

from dd3g.render.rasterizer import Render, rasterize

__all__ = ["Render", "rasterize"]
