"""EXIF orientation: how a camera was held, undone."""

from __future__ import annotations

import numpy as np
from PIL import Image

_TAG = 0x0112


def orientation_of(image: Image.Image) -> int:
    """The EXIF orientation, 1 to 8; 1 (upright) where none is said or the EXIF block is damaged."""
    try:
        value = image.getexif().get(_TAG, 1)
    except Exception:  # a damaged block raises whatever its bytes lead the parser to; the picture itself may be fine
        return 1
    return value if isinstance(value, int) and 1 <= value <= 8 else 1


def upright(pixels: np.ndarray, orientation: int) -> np.ndarray:
    """Pixels (h, w, ...) as they shall be seen.

    The value says where the first row and column of the stored picture lie in the upright one: 1 top left, 2 top right, 3 bottom right,
    4 bottom left, and 5 to 8 the same with rows and columns swapped (left top, right top, right bottom, left bottom).
    """
    if orientation >= 5:
        pixels = pixels.swapaxes(0, 1)
    if orientation in (2, 3, 6, 7):
        pixels = pixels[:, ::-1]
    if orientation in (3, 4, 7, 8):
        pixels = pixels[::-1]
    return pixels
