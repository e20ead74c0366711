"""The GPU backend: projection in torch, compositing in Triton, which compiles itself at first use. No nvcc, no setup step.

Under ``TRITON_INTERPRET=1`` the same kernels run on CPU tensors, slowly: so the tests hold them to the oracle without a GPU.

    project.py    E7 and E8 for all views of all scenes, with gradients by torch
    binning.py    which tiles each splat touches, and every tile's splats by depth
    kernels.py    E9 and E10 over the lists of the tiles, forward and backward
    autograd.py   the kernels as one differentiable function
"""

from dd3g.render.gpu.rasterize import rasterize

__all__ = ["rasterize"]
