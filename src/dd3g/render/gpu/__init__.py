"""The GPU backend in Triton, which compiles itself at first use. No nvcc, no setup step.

Under ``TRITON_INTERPRET=1`` the same kernels run on CPU tensors, slowly: so the tests hold them to the oracle without a GPU.

    project.py    E7 and E8 for all views of all scenes, forward and backward
    binning.py    every tile's splats by depth
    composite.py  E9 and E10 over the lists of the tiles, forward and backward
    autograd.py   the kernels as differentiable functions
"""

from dd3g.render.gpu.rasterize import rasterize

__all__ = ["rasterize"]
