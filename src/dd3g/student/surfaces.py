"""First and last surface of the object behind every place of its box: geometry as a dense guess, from which the seeds start.

# differs: the paper has no such head. The meshes of the training set know the answer for every pixel, which teaches depth with far fewer
samples than renders of other sides do; at generation it only decides where mu starts.
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from dd3g.student.object_box import ObjectBox
from dd3g.student.seeding import GRID, inflate


class SurfaceHead(nn.Module):
    """Fine features of the crop and its matte -> how far the surfaces stand towards the camera, in half sides of the box.

    Added to the body that the silhouette inflates to, so that an untrained head already gives a shape.
    """

    def __init__(self, fine_channels: int, fine_size: int) -> None:
        super().__init__()
        self.factor = GRID // fine_size
        self.mix = nn.Conv2d(fine_channels, fine_channels, 3, 1, 1)
        self.leave = nn.Conv2d(fine_channels, 2 * self.factor**2, 1)
        for parameter in self.leave.parameters():
            nn.init.zeros_(parameter)

    def forward(self, fine: Float[Tensor, "b c h w"], alpha: Float[Tensor, "b 1 s s"]) -> Float[Tensor, "b 2 g g"]:
        """First and last surface on a grid over the box; meaningless outside the matte."""
        with torch.no_grad():
            matte = F.interpolate(alpha, (GRID, GRID), mode="bilinear", antialias=True, align_corners=False)[:, 0]
            height = inflate(matte)[:, None]
        change = F.pixel_shuffle(self.leave(F.silu(self.mix(fine))), self.factor)
        return torch.cat([height, -height], 1) + change


def set_upright(
    surfaces: Float[Tensor, "b 2 g g"], box: ObjectBox, read_deg: Float[Tensor, " b"], used_deg: Float[Tensor, " b"]
) -> Float[Tensor, "b 2 g g"]:
    """Surfaces read off a picture as if its camera stood at ``read_deg``, for the camera at ``used_deg`` that took it.

    What stands upright in the world leans by tan(elevation) in the camera's frame: a step up the picture is that much of a step towards
    the camera. A network that takes a picture from the front for one from above would lay the object back; this stands it up again.
    """
    lean = torch.tan(used_deg * (math.pi / 180)) - torch.tan(read_deg * (math.pi / 180))
    line = (torch.arange(surfaces.shape[-1], device=surfaces.device) + 0.5) / surfaces.shape[-1] * 2 - 1
    up = -(box.centre[:, 1:] / box.half[:, None] + line)  # half sides of the box above the plane of the origin
    return surfaces + (lean[:, None] * up)[:, None, :, None]
