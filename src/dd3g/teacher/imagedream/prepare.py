"""One picture, three preparations: over a grey, for the image tower, and for the autoencoder.

The grey is one number, behind the picture in both; what ImageDream draws comes back over about the same. Both resizings are PIL's filters
(antialiased), whose sampling without would alias.

# differs: nothing is rounded to 8 bits in between; PIL's answer is half a level away on average.
"""

from __future__ import annotations

import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from dd3g.core.errors import InputError
from dd3g.core.views import composite

_MEAN, _DEVIATION = (0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711)  # CLIP's, of red, green, blue


def over_grey(rgba: Float[Tensor, "b 4 h w"], grey: Float[Tensor, " b"]) -> Float[Tensor, "b 3 h w"]:
    """Straight RGBA over a grey each, all in [0, 1]."""
    return composite(rgba[:, :3], rgba[:, 3:], grey[:, None].expand(-1, 3))


def clip_pixels(rgb: Float[Tensor, "b 3 h w"], side: int = 224) -> Float[Tensor, "b 3 {side} {side}"]:
    """For the image tower: bicubic, and standardised.

    Raises:
        InputError: The picture is not square: published code squeezes or crops, and neither is what the object's frame means.
    """
    small = _square(rgb, side, "bicubic")
    mean, deviation = (rgb.new_tensor(numbers)[:, None, None] for numbers in (_MEAN, _DEVIATION))
    return (small - mean) / deviation


def vae_pixels(rgb: Float[Tensor, "b 3 h w"], side: int = 256) -> Float[Tensor, "b 3 {side} {side}"]:
    """For the autoencoder: bilinear, in [-1, 1].

    Raises:
        InputError: The picture is not square.
    """
    return 2 * _square(rgb, side, "bilinear") - 1


def _square(rgb: Tensor, side: int, mode: str) -> Tensor:
    if rgb.shape[-1] != rgb.shape[-2]:
        raise InputError(f"picture: found {tuple(rgb.shape[-2:])} pixels, expected a square; frame it with dd3g.photos.prepare")
    if rgb.shape[-1] == side:
        return rgb
    for size in ((rgb.shape[-2], side), (side, side)):  # rows, then columns: a cubic overshoots at edges, and PIL cuts that off each time
        rgb = F.interpolate(rgb, size, mode=mode, antialias=True, align_corners=False).clamp(0, 1)
    return rgb
