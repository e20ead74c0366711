"""Embedded ICC profiles: pictures in other colour spaces become sRGB."""

from __future__ import annotations

import io
from functools import lru_cache

import numpy as np
from PIL import Image, ImageCms

from dd3g.photos.findings import Finding, note

_SPACES = {"RGB": "RGB", "L": "GRAY", "CMYK": "CMYK"}  # our mode -> the profile's colour space
_SAME = 1  # of 255: a profile that moves no colour further than this is sRGB under another name


def to_srgb(image: Image.Image, profile: bytes | None) -> tuple[Image.Image, list[Finding]]:
    """Converts an "RGB", "L" or "CMYK" picture to sRGB ("RGB", or "L" left as it is where there is nothing to convert).

    Relative colorimetric with black point compensation, as photo editors do by default. A profile that can't be used is said and ignored.
    """
    if profile:
        try:
            return _converted(image, profile), []
        except (ImageCms.PyCMSError, OSError, ValueError) as error:
            finding = note("profile_ignored", f"the embedded colour profile can't be used ({error}); colours are read as sRGB")
            return _plain(image), [finding]
    return _plain(image), []


def _plain(image: Image.Image) -> Image.Image:
    return image.convert("RGB") if image.mode == "CMYK" else image


def _converted(image: Image.Image, profile: bytes) -> Image.Image:
    source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
    space = str(getattr(source.profile, "xcolor_space", "")).strip()
    if space != _SPACES[image.mode]:
        raise ValueError(f"it is for {space} and the picture is {image.mode}")
    transform = _transform(source, image.mode)
    if image.mode == "RGB":
        probe = Image.fromarray(_probe())
        moved = np.abs(np.asarray(ImageCms.applyTransform(probe, transform)).astype(int) - _probe())
        if moved.max() <= _SAME:
            return image
    converted = ImageCms.applyTransform(image, transform)
    assert converted is not None  # None is the answer of in-place conversions only
    return converted


def _transform(source: ImageCms.ImageCmsProfile, mode: str) -> ImageCms.ImageCmsTransform:
    return ImageCms.buildTransform(
        source,
        _srgb(),
        mode,
        "RGB",
        renderingIntent=ImageCms.Intent.RELATIVE_COLORIMETRIC,
        flags=ImageCms.Flags.BLACKPOINTCOMPENSATION,
    )


@lru_cache(maxsize=1)
def _srgb() -> ImageCms.ImageCmsProfile:
    return ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB"))


@lru_cache(maxsize=1)
def _probe() -> np.ndarray:
    """A cube of 9 x 9 x 9 colours as a picture."""
    level = np.linspace(0, 255, 9).round().astype(np.uint8)
    return np.stack(np.meshgrid(level, level, level, indexing="ij"), -1).reshape(27, 27, 3)
