"""First and last surface of the object behind every place of its box: geometry as a dense guess, from which the seeds start.

# differs: the paper has no such head. The meshes of the training set know the answer for every pixel, which teaches depth with far fewer
samples than renders of other sides do; at generation it only decides where mu starts.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

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
