"""The square of the picture that the object fills: what the encoder reads and what the seeds are measured in.

A view of the rig may show an object small; a photograph is framed to 0.75. Inside the student both are the same, up to the box's place and
size, which are told to the tokens: how small an object looks in the rig's frame says how far it reaches in depth.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

_MARGIN = 1.1  # of the box round the matte
_SMALLEST = 0.1  # half side, in half frames: a speck is not blown up without end
_SOLID = 0.5  # alpha that counts


@dataclass(frozen=True)
class ObjectBox:
    """A square in the picture, in half frames (-1..1 over the picture)."""

    centre: Float[Tensor, "b 2"]  # x right, y down
    half: Float[Tensor, " b"]  # half its side

    def inside(self, xy: Float[Tensor, "b n 2"]) -> Float[Tensor, "b n 2"]:
        """Places in the picture as places in the box, -1..1 at its edges."""
        return (xy - self.centre[:, None]) / self.half[:, None, None]

    def outside(self, xy: Float[Tensor, "b n 2"]) -> Float[Tensor, "b n 2"]:
        """Places in the box as places in the picture."""
        return xy * self.half[:, None, None] + self.centre[:, None]

    def numbers(self) -> Float[Tensor, "b 4"]:
        """What tokens are told: centre, size and its logarithm."""
        return torch.cat([self.centre, self.half[:, None], self.half[:, None].log()], 1)


@torch.no_grad()
def box_of(alpha: Float[Tensor, "b 1 h w"]) -> ObjectBox:
    """The box round a matte, a little larger; the whole picture where the matte is empty."""
    solid = alpha[:, 0] >= _SOLID
    spans = []
    for axis, size in ((1, alpha.shape[-1]), (2, alpha.shape[-2])):
        line = solid.any(axis).to(torch.uint8)  # columns first, then rows
        first, last = line.argmax(1), size - line.flip(1).argmax(1)
        spans.append(torch.stack([first, last], 1) / size * 2 - 1)
    low, high = (torch.stack([spans[0][:, i], spans[1][:, i]], 1) for i in (0, 1))
    empty = ~solid.flatten(1).any(1)
    centre = torch.where(empty[:, None], 0.0, (low + high) / 2)
    half = torch.where(empty, 1.0, ((high - low).amax(1) / 2 * _MARGIN).clamp_min(_SMALLEST))
    return ObjectBox(centre, half)


def crop(image: Float[Tensor, "b 4 h w"], box: ObjectBox, size: int) -> Float[Tensor, "b 4 {size} {size}"]:
    """The box of a straight RGBA picture at ``size`` pixels; transparent beyond the picture."""
    premultiplied = torch.cat([image[:, :3] * image[:, 3:], image[:, 3:]], 1)
    line = (torch.arange(size, device=image.device) + 0.5) / size * 2 - 1
    y, x = torch.meshgrid(line, line, indexing="ij")
    places = box.outside(torch.stack([x, y], -1).reshape(1, -1, 2).expand(image.shape[0], -1, -1)).unflatten(1, (size, size))
    found = F.grid_sample(premultiplied, places, mode="bilinear", padding_mode="zeros", align_corners=False)
    alpha = found[:, 3:]
    return torch.cat([(found[:, :3] / alpha.clamp_min(1e-3)).clamp(0, 1), alpha], 1)
