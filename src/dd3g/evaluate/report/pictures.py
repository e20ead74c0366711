"""Pictures for reports: views on a grid, and pictures as text that stands in a page."""

from __future__ import annotations

import base64
import io
import math

import torch
import torch.nn.functional as F
from jaxtyping import Float
from PIL.Image import Image
from torch import Tensor

from dd3g.core.sheet import to_image

_QUALITY = 82  # WebP; at it a view of 128 px takes some 2 kB, and its artefacts are below those that a report is about


def webp(picture: Image) -> bytes:
    """The picture as WebP; the same picture gives the same bytes."""
    buffer = io.BytesIO()
    picture.save(buffer, "WEBP", quality=_QUALITY, method=4)
    return buffer.getvalue()


def data_uri(picture: Image) -> str:
    """The picture as an address that holds it."""
    return "data:image/webp;base64," + base64.b64encode(webp(picture)).decode()


def view_grid(views: Float[Tensor, "v 3 h w"], columns: int, side: int) -> Image:
    """Views row by row, ``columns`` beside each other, ``side`` px each, without gaps; white where the last row has none."""
    if views.shape[-2:] != (side, side):
        views = F.interpolate(views, (side, side), mode="bilinear", antialias=True, align_corners=False)
    rows = math.ceil(len(views) / columns)
    missing = views.new_ones(rows * columns - len(views), *views.shape[1:])
    full = torch.cat([views, missing]).unflatten(0, (rows, columns))
    return to_image(full.permute(2, 0, 3, 1, 4).reshape(3, rows * side, columns * side))
