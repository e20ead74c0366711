"""The prepared picture: what every later stage, and the user, gets to see."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float, UInt8
from PIL import Image
from torch import Tensor

from dd3g.core.errors import OutputError
from dd3g.core.files import write_atomically
from dd3g.core.noise import digest
from dd3g.photos.colours import bled
from dd3g.photos.findings import Finding
from dd3g.photos.framing import Framing

_KNOWN = 8  # of 255: fainter pixels hold too little colour to trust, theirs is carried over from their neighbours


@dataclass(frozen=True)
class Prepared:
    """An object cut out and in frame, RGBA at 8 bits a channel: every value is k / 255.

    So the file that :meth:`save` writes holds exactly this picture, and preparing that file gives it back to the bit.
    """

    rgb: Float[Tensor, "3 h w"]  # straight sRGB; beyond the object its colours go on smoothly
    alpha: Float[Tensor, "1 h w"]
    framing: Framing  # the crop, in pixels of the upright source picture
    method: str  # where alpha comes from: "alpha", "small", "u2netp" or "none"
    findings: tuple[Finding, ...]
    digest: str  # of the 8-bit pixels: the noise key of this picture

    def save(self, path: str | os.PathLike[str]) -> None:
        """Writes an RGBA PNG, whole or not at all.

        Raises:
            OutputError: The name doesn't end in .png, or the place can't be written.
        """
        if Path(path).suffix.lower() != ".png":
            raise OutputError(f"{path}: the prepared picture needs alpha and no losses; give a name that ends in .png")
        image = Image.fromarray(_bytes_of(self.rgb, self.alpha))
        with write_atomically(path) as temporary:
            image.save(temporary, "PNG")


def prepared_from(
    rgb: Float[Tensor, "3 h w"], alpha: Float[Tensor, "1 h w"], framing: Framing, method: str, findings: tuple[Finding, ...]
) -> Prepared:
    """Rounds to 8 bits, then carries the object's colours into the transparent surroundings.

    In this order, so that the carried colours depend on the rounded visible ones alone, and a saved picture is found as it was.
    """
    alpha = _rounded(alpha)
    known = (alpha * 255 >= _KNOWN - 0.5).float()
    rgb = _rounded(bled(_rounded(rgb), known))
    return Prepared(rgb, alpha, framing, method, findings, digest(_bytes_of(rgb, alpha).tobytes()))


def _rounded(x: Tensor) -> Tensor:
    return (x * 255).round().clamp(0, 255) / 255


def _bytes_of(rgb: Tensor, alpha: Tensor) -> UInt8[np.ndarray, "h w 4"]:
    return (torch.cat([rgb, alpha]) * 255).round().to(torch.uint8).permute(1, 2, 0).contiguous().numpy()
