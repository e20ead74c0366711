"""Picture sheets: rows of pictures side by side, to be looked at."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from jaxtyping import Float
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor

_GAP = 4
_TITLE_HEIGHT = 18
_PAPER = (255, 255, 255)
_INK = (60, 60, 60)


def sheet(
    rows: Sequence[Sequence[Float[Tensor, "3 h w"]]],
    *,
    column_titles: Sequence[str] = (),
    row_titles: Sequence[str] = (),
) -> Image.Image:
    """Draws rows of equally large pictures (sRGB in [0, 1]); row titles stand above their rows."""
    height, width = rows[0][0].shape[-2:]
    columns = max(map(len, rows))
    top = _TITLE_HEIGHT if column_titles else 0
    row_height = height + _GAP + (_TITLE_HEIGHT if row_titles else 0)
    paper = Image.new("RGB", (columns * (width + _GAP) + _GAP, top + len(rows) * row_height + _GAP), _PAPER)
    draw = ImageDraw.Draw(paper)
    font = ImageFont.load_default(12)
    for c, title in enumerate(column_titles):
        draw.text((_GAP + c * (width + _GAP), 2), title, fill=_INK, font=font)
    for r, row in enumerate(rows):
        y = top + _GAP + r * row_height
        if row_titles:
            draw.text((_GAP, y), row_titles[r], fill=_INK, font=font)
            y += _TITLE_HEIGHT
        for c, picture in enumerate(row):
            paper.paste(to_image(picture), (_GAP + c * (width + _GAP), y))
    return paper


def to_image(rgb: Float[Tensor, "c h w"]) -> Image.Image:
    """sRGB or RGBA in [0, 1] as an 8-bit picture."""
    pixels = (rgb.detach().cpu().clamp(0, 1) * 255).round().to(torch.uint8).permute(1, 2, 0).numpy()
    return Image.fromarray(np.ascontiguousarray(pixels))
