"""The CUDA backend: gsplat 1.5.3, with the settings under which it means the same as the other backends.

Optional (``pip install 'dd3g[gpu]'``). Its kernels are compiled at first use, or come with a wheel from the project's own index. Its
gradients are summed by atomics: equal to the other backends' within rounding, but not the same bits from run to run.
"""

from __future__ import annotations

from importlib import metadata

from jaxtyping import Float
from torch import Tensor

from dd3g.core.cameras import Cameras
from dd3g.core.errors import MissingExtraError, require
from dd3g.core.gaussians import Gaussians
from dd3g.render.constants import BLUR_PX2, FAR, NEAR
from dd3g.render.record import Render
from dd3g.render.reference import rasterize as rasterize_nothing

# Later versions clamp alpha at 0.99 and floor the compensation at 0.005; versions before 1.5 cut every splat at 3 sigma.
VERSION = "1.5.3"


def rasterize(gaussians: Gaussians, cameras: Cameras, background: Float[Tensor, "s v 3"], *, antialiased: bool) -> Render:
    """See :class:`dd3g.render.record.RasterizeBatch`.

    Raises:
        MissingExtraError: gsplat is not installed, or is another version.
    """
    gsplat = require("gsplat", "gpu")
    found = metadata.version("gsplat")
    if found.split("+")[0] != VERSION:
        raise MissingExtraError(
            f"backend 'gsplat' needs gsplat {VERSION}, found {found}, which draws another picture: pip install 'dd3g[gpu]'"
        )
    if 0 in (*gaussians.opacities.shape, *background.shape):
        return rasterize_nothing(gaussians, cameras, background, antialiased=antialiased)
    rgb_and_depth, alpha, _ = gsplat.rasterization(  # type: ignore[attr-defined]
        means=gaussians.means,
        quats=gaussians.quats_wxyz,
        scales=gaussians.scales,
        opacities=gaussians.opacities,
        colors=gaussians.rgb,
        viewmats=cameras.camera_from_world,
        Ks=cameras.intrinsics,
        width=cameras.width,
        height=cameras.height,
        near_plane=NEAR,
        far_plane=FAR,
        radius_clip=0.0,  # larger values drop small splats
        eps2d=BLUR_PX2,
        sh_degree=None,
        packed=False,
        tile_size=16,
        backgrounds=background,
        render_mode="RGB+ED",
        rasterize_mode="antialiased" if antialiased else "classic",
        absgrad=False,
        camera_model="pinhole",
        with_ut=False,
        with_eval3d=False,
    )
    pictures = rgb_and_depth.movedim(-1, -3)
    return Render(rgb=pictures[..., :3, :, :], alpha=alpha.movedim(-1, -3), depth=pictures[..., 3:, :, :])
