"""Pictures together with the cameras that took them."""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from dd3g.core.cameras import Cameras


@dataclass(frozen=True)
class Views:
    """RGBA pictures of one object (or a batch of objects): straight sRGB, not premultiplied, in [0, 1]."""

    rgb: Float[Tensor, "*batch v 3 h w"]
    alpha: Float[Tensor, "*batch v 1 h w"]
    cameras: Cameras
    depth: Float[Tensor, "*batch v 2 h w"] | None = None  # first and last surface, camera z, 0 where none; ground truth only

    def __len__(self) -> int:
        """Number of views of one object."""
        return self.rgb.shape[-4]

    def pick(self, index) -> Views:
        """Indexes the leading dimension."""
        depth = None if self.depth is None else self.depth[index]
        return replace(self, rgb=self.rgb[index], alpha=self.alpha[index], cameras=self.cameras.pick(index), depth=depth)

    def over(self, background: Float[Tensor, "*shape"]) -> Float[Tensor, "*batch v 3 h w"]:
        """The pictures composited in sRGB over a background of shape (..., 3), broadcast over the leading dimensions."""
        return composite(self.rgb, self.alpha, background)


def composite(
    rgb: Float[Tensor, "*batch 3 h w"], alpha: Float[Tensor, "*batch 1 h w"], background: Float[Tensor, "*shape"]
) -> Float[Tensor, "*batch 3 h w"]:
    """Straight sRGB over a background (..., 3): rgb * alpha + background * (1 - alpha)."""
    return rgb * alpha + background[..., None, None].to(rgb) * (1 - alpha)


def over_white(rgba: Float[Tensor, "*batch 4 h w"]) -> Float[Tensor, "*batch 3 h w"]:
    """Straight RGBA over white, as results are looked at and measured."""
    return composite(rgba[..., :3, :, :], rgba[..., 3:, :, :], rgba.new_ones(3))


def resized(rgba: Float[Tensor, "*batch 4 h w"], side: int) -> Float[Tensor, "*batch 4 {side} {side}"]:
    """Straight RGBA at another size; colours are averaged premultiplied, as light adds up."""
    if not rgba.numel():
        return rgba.new_zeros(*rgba.shape[:-2], side, side)
    light = premultiplied(rgba)
    if rgba.shape[-2:] != (side, side):
        flat = light.reshape(-1, *rgba.shape[-3:])
        small = F.interpolate(flat, (side, side), mode="bilinear", antialias=True, align_corners=False)
        light = small.reshape(*rgba.shape[:-2], side, side)
    rgb, alpha = light[..., :3, :, :], light[..., 3:, :, :]
    return torch.cat([(rgb / alpha.clamp_min(1e-4)).clamp(0, 1), alpha.clamp(0, 1)], -3)


def premultiplied(rgba: Float[Tensor, "*batch 4 h w"]) -> Float[Tensor, "*batch 4 h w"]:
    """Straight RGBA with its colour multiplied by its alpha, as light adds up."""
    return torch.cat([rgba[..., :3, :, :] * rgba[..., 3:, :, :], rgba[..., 3:, :, :]], -3)


def unpremultiply(rgb_premultiplied: Float[Tensor, "*batch 3 h w"], alpha: Float[Tensor, "*batch 1 h w"]) -> Float[Tensor, "*batch 3 h w"]:
    """Straight colour from premultiplied colour; black where nothing is."""
    return torch.where(alpha > 0, rgb_premultiplied / alpha.clamp_min(1e-6), torch.zeros_like(rgb_premultiplied)).clamp(0, 1)
