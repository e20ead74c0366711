"""Files that a mesh file names: confined to its folder, and pictures among them decoded to sRGB texels."""

from __future__ import annotations

import io
import warnings
from pathlib import Path

import numpy as np
from jaxtyping import UInt8
from PIL import Image

from dd3g.core.errors import MeshError

PICTURE_FORMATS = ("PNG", "JPEG", "WEBP", "BMP", "TGA", "GIF", "TIFF")
MOST_PIXELS = 1 << 26  # 8192 x 8192


def beside(mesh: Path, name: str) -> Path:
    """Path of a file that a mesh file names.

    Raises:
        MeshError: The name leads out of the mesh's own folder: a downloaded mesh must not read what it likes.
    """
    place = mesh.parent / name
    outside = "://" in name or ":\\" in name or "\0" in name or Path(name).is_absolute()
    if outside or not place.resolve().is_relative_to(mesh.parent.resolve()):
        raise MeshError(
            f"{mesh}: names the file {name!r}, expected one in its own folder; put it there and correct the name, or convert to GLB"
        )
    return place


def read_beside(mesh: Path, name: str, what: str) -> bytes:
    """The bytes of a file that a mesh file names.

    Raises:
        MeshError: It is outside the mesh's folder, or can't be read.
    """
    place = beside(mesh, name)
    try:
        return place.read_bytes()
    except OSError as error:
        raise MeshError(f"{mesh}: {what} is in {place}, which can't be read ({error.strerror}); put the file there") from None


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
            with Image.open(io.BytesIO(data), formats=PICTURE_FORMATS) as image:
                if image.width * image.height > MOST_PIXELS:
                    raise MeshError(
                        f"{where}: the texture is {image.width}x{image.height}, expected at most {MOST_PIXELS} pixels; make it smaller"
                    )
                return _rgba(image)
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise MeshError(f"{where}: the texture can't be read ({error}); save it again as PNG or JPEG") from None


def _rgba(image: Image.Image) -> np.ndarray:
    if image.mode.startswith("I"):  # 16-bit grey, which Pillow's own conversion would clip instead of scale
        grey = (np.asarray(image, np.float64) / 257).round().clip(0, 255).astype(np.uint8)
        return np.stack([grey, grey, grey, np.full_like(grey, 255)], -1)
    return np.array(image.convert("RGBA"))
