"""Any picture that a user may hand over -> upright sRGB floats, of a size that memory can bear.

Formats are allow-listed (PNG, JPEG, WebP, BMP): every further decoder is one more that hostile files can aim at.
"""

from __future__ import annotations

import io
import os
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import torch
from jaxtyping import Float
from PIL import Image
from torch import Tensor

from dd3g.core.errors import PictureError
from dd3g.photos.arrays import pixels_of_array, pixels_of_tensor
from dd3g.photos.colour_profile import to_srgb
from dd3g.photos.findings import Finding, note
from dd3g.photos.orientation import orientation_of, upright
from dd3g.photos.sixteen_bit import is_sixteen_bit_png, read_sixteen_bit_png

FORMATS = ("PNG", "JPEG", "WEBP", "BMP")
LARGEST_MEGAPIXELS = 100
SMALLEST_SIDE = 16
LARGEST_ASPECT = 64
WORKING_SIDE = 2048  # larger pictures are reduced by a whole factor while they are read

PictureSource: TypeAlias = str | os.PathLike[str] | bytes | Image.Image | np.ndarray | Tensor

_ALLOWED = "PNG, JPEG, WebP or BMP"
_STRANGERS = (  # formats that people do hand over: (offset, bytes, name)
    (4, b"ftypheic", "a HEIC picture"),
    (4, b"ftypheix", "a HEIC picture"),
    (4, b"ftypmif1", "a HEIF picture"),
    (4, b"ftypavif", "an AVIF picture"),
    (0, b"GIF8", "a GIF"),
    (0, b"II*\0", "a TIFF or a raw photo"),
    (0, b"MM\0*", "a TIFF or a raw photo"),
    (0, b"%PDF", "a PDF"),
    (0, b"<svg", "an SVG drawing"),
    (0, b"<?xml", "an XML text"),
    (0, b"8BPS", "a Photoshop file"),
    (0, b"PK\x03\x04", "a ZIP archive"),
)


@dataclass(frozen=True)
class Decoded:
    """A picture as it shall be seen: turned upright, sRGB in [0, 1], perhaps reduced."""

    rgb: Float[Tensor, "3 h w"]
    alpha: Float[Tensor, "1 h w"] | None  # as the file has it; None where it has none
    height: int  # of the upright picture before it was reduced
    width: int
    name: str  # path, or what was handed over instead of one
    findings: tuple[Finding, ...]


def decode(picture: PictureSource) -> Decoded:
    """Reads a picture.

    Args:
        picture: A path; the bytes of a file; a Pillow image; an array (h, w), (h, w, 1 to 4); or a tensor (h, w), (1 to 4, h, w). Arrays
            and tensors are uint8, uint16, bool, or float in [0, 1], with 2 or 4 channels the last one being alpha.

    Raises:
        PictureError: Missing, not a picture, damaged, too large or too small, or values out of range.
    """
    if isinstance(picture, np.ndarray):
        return _from_floats(pixels_of_array(picture), "array")
    if isinstance(picture, Tensor):
        return _from_floats(pixels_of_tensor(picture), "tensor")
    if isinstance(picture, Image.Image):
        return _from_image(picture, "image", None)
    data, name = (picture, "bytes") if isinstance(picture, bytes) else (_read(Path(picture)), os.fspath(picture))
    if not data:
        raise PictureError(f"{name}: is empty (0 bytes); give a {_ALLOWED} picture")
    with warnings.catch_warnings():  # Pillow warns of large pictures and odd metadata; both are answered here in our own words
        warnings.simplefilter("ignore")
        try:
            with Image.open(io.BytesIO(data), formats=FORMATS) as image:
                return _from_image(image, name, data)
        except Image.DecompressionBombError:
            raise PictureError(f"{name}: has more than {LARGEST_MEGAPIXELS} megapixels; make it smaller first") from None
        except Image.UnidentifiedImageError:
            raise PictureError(f"{name}: is {_guess(data)}, expected {_ALLOWED}; save it as PNG or JPEG") from None
        except (OSError, ValueError, EOFError) as error:
            raise PictureError(f"{name}: damaged or cut off ({error}); fetch or export it again") from None


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except FileNotFoundError:
        raise PictureError(f"{path}: no such file; check the path") from None
    except IsADirectoryError:
        raise PictureError(f"{path}: is a folder; give a picture inside it") from None
    except OSError as error:
        raise PictureError(f"{path}: can't be read ({error.strerror}); check its name and permissions") from None
    except ValueError as error:  # a null character
        raise PictureError(f"{os.fspath(path)!r}: is no path ({error}); check its name") from None


def _guess(data: bytes) -> str:
    start = data[:64].lstrip() if data[:1].isspace() else data[:64]
    return next((what for offset, mark, what in _STRANGERS if start[offset : offset + len(mark)] == mark), "not a picture that can be read")


def _from_image(image: Image.Image, name: str, data: bytes | None) -> Decoded:
    """Checks the size before a pixel is decoded, then decodes, reduces, converts and turns."""
    sixteen = data is not None and is_sixteen_bit_png(data)
    _check_size(image.height, image.width, name, LARGEST_MEGAPIXELS // 2 if sixteen else LARGEST_MEGAPIXELS)
    findings = []
    if getattr(image, "n_frames", 1) > 1 and image.format in ("PNG", "WEBP"):
        findings.append(note("first_frame", f"an animation of {getattr(image, 'n_frames', 1)} pictures; the first is used"))
    orientation, profile = orientation_of(image), image.info.get("icc_profile")
    height, width = (image.width, image.height) if orientation >= 5 else (image.height, image.width)
    try:
        if sixteen:
            assert data is not None
            image.load()  # Pillow refuses a file that is cut off; the decoder of all 16 bits forgives it
            pixels = read_sixteen_bit_png(data, _reduction(image.height, image.width))
            rgb, alpha = _split(pixels)
            if profile:
                converted, said = to_srgb(Image.fromarray((rgb * 255).round().astype(np.uint8)), profile)
                findings += said
                rgb = rgb if said else np.asarray(converted.convert("RGB"), np.float32) / 255
        else:
            rgb, alpha, said = _eight_bit(image, profile, name)
            findings += said
    except PictureError:
        raise
    except (OSError, SyntaxError, ValueError, EOFError, MemoryError) as error:
        raise PictureError(f"{name}: damaged or cut off ({error}); fetch or export it again") from None
    if height * width > rgb.shape[0] * rgb.shape[1]:
        findings.append(note("reduced", f"{width}x{height} pixels are more than needed; read at {max(rgb.shape)} on the longer side"))
    return _decoded(upright(rgb, orientation), None if alpha is None else upright(alpha, orientation), height, width, name, findings)


def _check_size(height: int, width: int, name: str, megapixels: int) -> None:
    if height * width > megapixels * 1_000_000:
        mend = f"at most {megapixels} megapixels are read; make it smaller first"
        raise PictureError(f"{name}: is {width}x{height} = {height * width / 1e6:.0f} megapixels, {mend}")
    if min(height, width) < SMALLEST_SIDE:
        raise PictureError(f"{name}: is {width}x{height} pixels, expected at least {SMALLEST_SIDE} on each side; give a larger picture")
    if max(height, width) > LARGEST_ASPECT * min(height, width):
        raise PictureError(f"{name}: is {width}x{height} pixels, longer than {LARGEST_ASPECT} times its width; crop it to the object")


def _reduction(height: int, width: int) -> int:
    return -(-max(height, width) // WORKING_SIDE)


def _eight_bit(image: Image.Image, profile: Any, name: str) -> tuple[np.ndarray, np.ndarray | None, list[Finding]]:
    if image.format == "JPEG" and _reduction(image.height, image.width) > 1:
        factor = _reduction(image.height, image.width)
        image.draft(None, (-(-image.width // factor), -(-image.height // factor)))  # halves, quarters or eighths inside the decoder
    image = _known_mode(image, name)
    if image.mode.startswith("I;16"):
        rgb, alpha = _split(_halved_grey(np.asarray(image)))
        return rgb, alpha, []
    factor = _reduction(image.height, image.width)
    if factor > 1:
        image = image.reduce(factor)  # premultiplied inside, where there is alpha
    alpha = None
    if image.mode in ("LA", "RGBA"):
        alpha = np.asarray(image.getchannel("A"), np.float32)[..., None] / 255
        image = image.convert(image.mode[:-1])
    converted, findings = to_srgb(image, profile if isinstance(profile, bytes) else None)
    return np.asarray(converted.convert("RGB"), np.float32) / 255, alpha, findings


def _known_mode(image: Image.Image, name: str) -> Image.Image:
    """One of L, LA, RGB, RGBA, CMYK or I;16 in any byte order; palettes and colour keys become alpha."""
    keyed = "transparency" in image.info
    if (image.mode in ("L", "LA", "RGB", "RGBA", "CMYK") and not keyed) or image.mode.startswith("I;16"):
        image.load()
        return image
    if image.mode in ("P", "PA"):
        return image.convert("RGBA" if keyed or image.mode == "PA" or (image.palette and image.palette.mode == "RGBA") else "RGB")
    if image.mode in ("L", "RGB"):
        return image.convert("RGBA")
    if image.mode in ("1", "YCbCr", "HSV", "La", "RGBa", "RGBX"):
        return image.convert({"1": "L", "La": "LA", "RGBa": "RGBA"}.get(image.mode, "RGB"))
    raise PictureError(f"{name}: is a Pillow image of mode {image.mode}, whose range is not known; convert it to RGB or RGBA first")


def _halved_grey(grey: np.ndarray) -> np.ndarray:
    """16-bit grey of a Pillow image as floats, reduced by whole factors like everything else."""
    factor = _reduction(*grey.shape)
    height, width = (n // factor * factor for n in grey.shape)
    blocks = grey[:height, :width].reshape(height // factor, factor, width // factor, factor)
    return (blocks.mean((1, 3), dtype=np.float32) / 65535)[..., None]


def _from_floats(pixels: Float[np.ndarray, "h w c"], name: str) -> Decoded:
    height, width = pixels.shape[:2]
    _check_size(height, width, name, LARGEST_MEGAPIXELS)
    rgb, alpha = _split(pixels)
    return _decoded(rgb, alpha, height, width, name, [])


def _split(pixels: np.ndarray) -> tuple[np.ndarray, np.ndarray | None]:
    """(h, w, c) -> RGB and alpha; c = 1 grey, 2 grey and alpha, 3 RGB, 4 RGBA."""
    alpha = pixels[..., -1:] if pixels.shape[-1] in (2, 4) else None
    colour = pixels[..., : 3 if pixels.shape[-1] > 2 else 1]
    return np.broadcast_to(colour, (*colour.shape[:2], 3)), alpha


def _decoded(rgb: np.ndarray, alpha: np.ndarray | None, height: int, width: int, name: str, findings: list[Finding]) -> Decoded:
    def tensor(x: np.ndarray) -> Tensor:
        return torch.from_numpy(np.array(x.transpose(2, 0, 1), np.float32, order="C"))  # a copy: what Pillow gives can't be written to

    return Decoded(tensor(rgb), None if alpha is None else tensor(alpha), height, width, name, tuple(findings))
