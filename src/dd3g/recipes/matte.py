"""The alpha of views that have none: what a teacher drew over about a grey, told from it (method.md 7.4, "matte mode").

    the background network: where the object is ----------------------------------+
    the border of the view: what stands behind it (about the grey that was asked) --+--> its edge, from how far a pixel is between the two

The network alone is coarse at edges, and the known background alone finds no grey object on grey; see docs/lab-log.md for both.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from dd3g.core.views import unpremultiply
from dd3g.photos.cutout import NetworkName, cut_out
from dd3g.teacher.teacher import Matte

_UNSURE_IN, _UNSURE_OUT, _REACH = 1 / 128, 2 / 128, 3 / 128  # of the side: the edge's band, and how far colours of the inside reach
_RING = 1 / 64  # of the side: the border in which the background is looked at
_SAME = 0.03  # a colour no farther than this from the background's (Euclidean, sRGB) is the background's: noise, a gradient
_TOLD_APART = (0.08, 0.2)  # a difference of object and background below which the network's edge stays, and above which it goes


def network_matte(network: NetworkName = "small") -> Matte:
    """Tells objects from about a grey, where the views are; picture by picture.

    What is seen is taken to be alpha times the colour and the rest background, so that the straight colour over it is the view again.
    """

    def matte(rgb: Float[Tensor, "n 3 h w"], grey: Float[Tensor, " n"]) -> Float[Tensor, "n 4 h w"]:
        coarse = torch.stack([cut_out(one, network)[0] for one in rgb.float()])
        behind = background_of(rgb.float(), coarse, grey)
        alpha = edges(rgb.float(), coarse, behind).to(rgb)
        return torch.cat([unpremultiply(rgb - behind.to(rgb)[..., None, None] * (1 - alpha), alpha), alpha], 1)

    return matte


def background_of(rgb: Float[Tensor, "n 3 h w"], coarse: Float[Tensor, "n 1 h w"], grey: Float[Tensor, " n"]) -> Float[Tensor, "n 3"]:
    """The colour that really stands behind each object: the median of its border, or the grey that was asked for where that is object."""
    px = max(1, round(_RING * rgb.shape[-1]))
    ring = torch.ones_like(coarse, dtype=torch.bool)
    ring[..., px:-px, px:-px] = False
    found = []
    for picture, alpha, asked, border in zip(rgb, coarse, grey, ring, strict=True):
        free = border[0] & (alpha[0] < 0.05)
        seen = picture[:, free].median(1).values if 2 * free.sum() > border.sum() else asked.expand(3).to(picture)
        found.append(seen)
    return torch.stack(found)


def edges(rgb: Float[Tensor, "n 3 h w"], coarse: Float[Tensor, "n 1 h w"], background: Float[Tensor, "n 3"]) -> Float[Tensor, "n 1 h w"]:
    """The network's alpha with its edge drawn again: a pixel of the edge's band is as much object as its colour is far from the background.

    Far is measured against the object's own colour next to it. Where the two differ too little to tell, the network's alpha stays.

    Args:
        rgb: Views in [0, 1].
        coarse: The network's alpha of them.
        background: Behind each.
    """
    side = rgb.shape[-1]
    inner, outer, reach = (max(1, round(share * side)) for share in (_UNSURE_IN, _UNSURE_OUT, _REACH))
    solid = (coarse > 0.5).to(rgb)
    sure = 1 - _grown(1 - solid, inner)
    weight = _mean(sure, reach)
    inside = _mean(rgb * sure, reach) / weight.clamp_min(1e-6)
    behind = background[..., None, None]
    seen, whole = ((colour - behind).norm(dim=1, keepdim=True) for colour in (rgb, inside))
    share = ((seen - _SAME) / (whole - _SAME).clamp_min(1e-3)).clamp(0, 1)
    low, high = _TOLD_APART
    trust = ((whole - low) / (high - low)).clamp(0, 1) * _grown(solid, outer) * (1 - sure) * (weight > 0)
    return trust * share + (1 - trust) * coarse


def _grown(mask: Float[Tensor, "n 1 h w"], px: int) -> Float[Tensor, "n 1 h w"]:
    return F.max_pool2d(mask, 2 * px + 1, 1, px)


def _mean(x: Float[Tensor, "n c h w"], px: int) -> Float[Tensor, "n c h w"]:
    return F.avg_pool2d(x, 2 * px + 1, 1, px, count_include_pad=False)
