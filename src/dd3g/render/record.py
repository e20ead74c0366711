"""What a backend gives back, and what it has to be."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from jaxtyping import Float
from torch import Tensor

from dd3g.core.cameras import Cameras
from dd3g.core.gaussians import Gaussians


@dataclass(frozen=True)
class Render:
    """Pictures of Gaussians. Colour is sRGB over the background; `rgb` over black is the premultiplied picture."""

    rgb: Float[Tensor, "*batch v 3 h w"]
    alpha: Float[Tensor, "*batch v 1 h w"]  # 1 - T: how much of the background is hidden, [0, 1]
    depth: Float[Tensor, "*batch v 1 h w"]  # expected camera z of what is hit, world units; 0 where nothing is


@runtime_checkable
class RasterizeBatch(Protocol):
    """The contract of a backend: a module with a function ``rasterize`` of this signature.

    It may rely on checked arguments: gaussians (s n), cameras (s v) and background (s v 3) of one dtype on one device, both of
    which its row in :data:`dd3g.render.backends.BACKENDS` allows, all finite, scales >= 0, opacities in [0, 1], no sh_rest. Any of
    s, n and v may be 0. (With ``culls_bad_values`` in its row it may be called before the values were looked at; then it must end
    without harm, and what it drew is thrown away.)
    It gives pictures (s v c h w) with gradients to the five fields of the Gaussians and to the background, none to the cameras,
    by the meaning of :mod:`dd3g.render.constants` and equations E7 to E10. ``tests/render/test_agreement.py`` holds it to that.
    """

    def __call__(self, gaussians: Gaussians, cameras: Cameras, background: Float[Tensor, "s v 3"], *, antialiased: bool) -> Render:
        """Draws all views of all scenes."""
        ...
