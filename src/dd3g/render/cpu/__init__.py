"""The CPU backend: explicit SIMD inside Numba, run by plain Python threads. No compiler needed.

Every phase is a list of tasks; no result depends on which thread runs a task:

    project             scene, chunk of Gaussians   one record per Gaussian and picture
    order               picture                     the Gaussians of every row of tiles; a slot per (Gaussian, row of tiles)
    composite           picture, row of tiles       depth sort, packing, then tile by tile: segments of 8 pixels, composited
    composite_backward  picture, row of tiles       the same segments back to front; ten sums per splat into its slot
    gather              scene, chunk of Gaussians   slots added in a fixed order, then the gradient of the projection
"""

from dd3g.render.cpu.autograd import rasterize

__all__ = ["rasterize"]
