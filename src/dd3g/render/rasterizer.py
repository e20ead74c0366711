"""The door: Gaussians and cameras in, pictures out, whichever backend draws them."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

from dd3g.core.cameras import Cameras
from dd3g.core.gaussians import Gaussians
from dd3g.render.backends import BACKENDS, choose_backend, load_backend
from dd3g.render.record import Render
from dd3g.render.validation import lay_out_scenes


def rasterize(
    gaussians: Gaussians,
    cameras: Cameras,
    background: Float[Tensor, "*shape"],
    *,
    antialiased: bool = False,
    backend: str | None = None,
) -> Render:
    """Pictures of 3D Gaussians by splatting (equations E7 to E10), differentiable in the Gaussians and the background.

    Gaussians (n) seen by cameras (v) give pictures (v c h w). With a leading scene axis on the Gaussians, cameras (s v), or (v) for
    all scenes alike, give pictures (s v c h w), each scene the same bits as alone.

    Args:
        gaussians: Activated attributes in float32 (half precision is raised to it). Quaternions may have any length but 0. Colours
            are not clamped. ``sh_rest`` must be None.
        cameras: Poses, lenses and picture size. They get no gradient.
        background: sRGB, of a shape that broadcasts to (v 3), or with scenes to (s v 3): a colour for all, or one a view.
        antialiased: Dims splats that are thinner than a pixel so that their light is kept (the compensation of Mip-Splatting).
        backend: ``"cpu"``, ``"gpu"``, ``"gsplat"`` or ``"reference"``; by default what ``DD3G_RENDERER`` says, else the device's best.

    Returns:
        Colour over the background, alpha and expected depth.

    Raises:
        InputError: A shape, dtype, device or value that can't be rendered, or a backend that is unknown or does not fit.
        MissingExtraError: The backend needs a package that is not installed.
    """
    scenes, posed, colour, refuse_bad_values = lay_out_scenes(gaussians, cameras, background)
    name = choose_backend(backend, scenes.means.device, scenes.means.dtype)
    draw = load_backend(name)
    if not BACKENDS[name].culls_bad_values:
        refuse_bad_values()
    with torch.autocast(scenes.means.device.type, enabled=False):
        render = draw(scenes, posed, colour, antialiased=antialiased)
    refuse_bad_values()  # by now the answer is there, and asking costs nothing
    if gaussians.means.ndim == 3:
        return render
    return Render(render.rgb[0], render.alpha[0], render.depth[0])
