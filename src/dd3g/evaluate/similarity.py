"""Registering an output with its own input picture: a turn about the vertical, a scale and a shift, and nothing that truth is needed for.

For outputs whose frame is not the picture's (TRELLIS turns objects as it likes). Only the view that the model was shown decides, so that no
score can be found by looking at the answers. What a picture can't tell, the shift along its axis, stays.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from dd3g.core import Cameras, Gaussians
from dd3g.core.views import composite
from dd3g.distill.explicit import psnr
from dd3g.render import rasterize

_SIDE = 64  # px in which it is searched
_STEP_DEG, _REFINED_DEG = 15.0, (7.5, 3.75, 1.875)
_SCALES = (0.25, 4.0)  # beyond these something else is wrong


@dataclass(frozen=True)
class Similarity:
    """x -> scale * turn(x) + offset; the turn is about +Y, anticlockwise seen from above."""

    yaw_deg: float
    scale: float
    offset: tuple[float, float, float]

    def apply(self, splats: Gaussians) -> Gaussians:
        """The splats in their new place."""
        offset = torch.tensor(self.offset, dtype=splats.means.dtype)
        return turned_about_y(splats, self.yaw_deg).transformed(splats.means.new_tensor(self.scale), offset)


def register(splats: Gaussians, camera: Cameras, rgba: Float[Tensor, "4 h w"], background: Float[Tensor, " 3"]) -> Similarity:
    """The similarity under which the input view of the splats is most like the input picture (PSNR at 64 px).

    Args:
        splats: In the frame in which the input camera stands.
        camera: That one camera.
        rgba: The input picture.
        background: Under both.
    """
    small = F.interpolate(rgba[None], (_SIDE, _SIDE), mode="area")[0]
    truth = composite(small[:3], small[3:], background)
    view = camera.resized(_SIDE, _SIDE)
    box = _box(small[3:])

    def tried(yaw: float) -> tuple[float, Similarity]:
        found = _placed(turned_about_y(splats, yaw), yaw, view, box, background)
        ours = rasterize(found.apply(splats), view, background).rgb[0].clamp(0, 1)
        return psnr(ours, truth).item(), found

    best = max((tried(step * _STEP_DEG) for step in range(round(360 / _STEP_DEG))), key=lambda pair: pair[0])
    for step in _REFINED_DEG:
        best = max([best, *(tried((best[1].yaw_deg + sign * step) % 360) for sign in (-1, 1))], key=lambda pair: pair[0])
    return best[1]


def turned_about_y(splats: Gaussians, yaw_deg: float) -> Gaussians:
    """Splats turned about the vertical through the origin: +Z goes towards +X."""
    angle = torch.tensor(yaw_deg, dtype=torch.float64).deg2rad()
    cos, sin = angle.cos(), angle.sin()
    matrix = torch.stack([torch.stack([cos, cos * 0, sin]), torch.tensor([0.0, 1, 0]).double(), torch.stack([-sin, cos * 0, cos])])
    c, s = (angle / 2).cos(), (angle / 2).sin()
    w, x, y, z = splats.quats_wxyz.double().unbind(-1)
    quats = torch.stack([c * w - s * y, c * x + s * z, c * y + s * w, c * z - s * x], -1)
    return replace(splats, means=(splats.means.double() @ matrix.T).float(), quats_wxyz=quats.float())


def _placed(turned: Gaussians, yaw: float, view: Cameras, box: Tensor | None, background: Tensor) -> Similarity:
    """Scale and shift that bring the silhouette's box to the picture's: found twice, since perspective bends the first answer."""
    scale, offset = 1.0, torch.zeros(3)
    for _ in range(2):
        alpha = rasterize(turned.transformed(torch.tensor(scale), offset), view, background).alpha[0]
        ours = _box(alpha)
        if ours is None or box is None:
            break
        factor = float((box[2:] - box[:2]).norm() / (ours[2:] - ours[:2]).norm())
        factor = min(max(scale * factor, _SCALES[0]), _SCALES[1]) / scale
        pose, lens = view.camera_from_world[0], view.intrinsics[0]
        away = (pose[:3, :3] @ offset + pose[:3, 3])[2]
        principal = lens[:2, 2]
        centres = [((b[:2] + b[2:]) / 2 - principal) for b in (box, ours)]
        shift = (centres[0] - centres[1] * factor) * away / lens[[0, 1], [0, 1]]
        scale, offset = scale * factor, offset * factor + pose[:3, :3].T @ torch.cat([shift, torch.zeros(1)])
    return Similarity(yaw, scale, (float(offset[0]), float(offset[1]), float(offset[2])))


def _box(alpha: Float[Tensor, "1 h w"]) -> Float[Tensor, " 4"] | None:
    """(left, top, right, bottom) of what is solid, in pixels; None where nothing is."""
    rows, columns = (alpha[0] >= 0.5).nonzero(as_tuple=True)
    if not len(rows):
        return None
    return torch.stack([columns.min(), rows.min(), columns.max() + 1, rows.max() + 1]).float()
