"""Pictures on meshes: decoded to sRGB texels, or refused with the name of the file that asks for them."""

from __future__ import annotations

import io
import warnings
from pathlib import Path

import numpy as np
from jaxtyping import UInt8
from PIL import Image

from dd3g.core.errors import MeshError

FORMATS = ("PNG", "JPEG", "WEBP", "BMP", "TGA", "GIF", "TIFF")
MOST_PIXELS = 64_000_000


def decode_texture(data: bytes, where: str) -> UInt8[np.ndarray, "height width 4"]:
    """RGBA texels of an encoded picture.

    Args:
        data: The bytes of a picture file.
        where: What errors name, for example ``chair.glb, image 2``.

    Raises:
        MeshError: Not a whole picture of a known format, or a too large one.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)  # the limit below says it better
            with Image.open(io.BytesIO(data), formats=FORMATS) as image:
                if image.width * image.height > MOST_PIXELS:
                    raise MeshError(f"{where}: the texture is {image.width}x{image.height}, expected at most {MOST_PIXELS} pixels; make it smaller")
                return _rgba(image)
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise MeshError(f"{where}: the texture can't be read ({error}); save it again as PNG or JPEG") from None


def read_texture(path: Path, where: str) -> UInt8[np.ndarray, "height width 4"]:
    """RGBA texels of a picture file that ``where`` asks for."""
    try:
        data = path.read_bytes()
    except OSError as error:
        raise MeshError(f"{where}: its texture {path} can't be read ({error.strerror}); put the picture there") from None
    return decode_texture(data, f"{where}, {path.name}")


def _rgba(image: Image.Image) -> np.ndarray:
    if image.mode.startswith("I") or image.mode == "F":  # 16-bit grey: Pillow's own conversion clips instead of scaling
        values = np.asarray(image.convert("I"), np.float64) / 65535
        grey = (values.clip(0, 1) * 255).round().astype(np.uint8)
        return np.ascontiguousarray(np.stack([grey, grey, grey, np.full_like(grey, 255)], -1))
    return np.array(image.convert("RGBA"))
