"""The alpha of views that have none: the background network's, on what an opaque teacher drew over about a known grey."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

from dd3g.core.views import unpremultiply
from dd3g.photos.cutout import NetworkName, cut_out
from dd3g.teacher.teacher import Matte


def network_matte(network: NetworkName = "small") -> Matte:
    """Tells an object from about a grey; picture by picture, on the CPU.

    What is seen is taken to be alpha times the colour and the rest grey, so that the straight colour over the same grey is the view again.
    """

    def matte(rgb: Float[Tensor, "n 3 h w"], grey: Float[Tensor, " n"]) -> Float[Tensor, "n 4 h w"]:
        alpha = torch.stack([cut_out(one.float().cpu(), network)[0] for one in rgb]).to(rgb)
        return torch.cat([unpremultiply(rgb - grey[:, None, None, None] * (1 - alpha), alpha), alpha], 1)

    return matte
