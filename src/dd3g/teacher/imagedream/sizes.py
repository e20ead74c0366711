"""How large ImageDream's four networks are. The defaults are the published checkpoint's; every name and shape follows from them.

| part | network | tensors | parameters |
|---|---|---|---|
| `unet` | Stable Diffusion 2.1's U-Net, cameras, image tokens, their keys and values | 773 | 941,672,900 |
| `vae` | the KL autoencoder | 248 | 83,653,863 |
| `text` | OpenCLIP ViT-H/14's text tower without its last layer | 372 | 340,387,840 |
| `vision` | its image tower | 519 | 630,766,080 |

Heads can't be seen in shapes: a file that doesn't name them is taken to have heads as wide as the published ones.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any


@dataclass(frozen=True)
class UNetSizes:
    """The noise predictor with its resampler."""

    in_channels: int = 4
    out_channels: int = 4
    widths: tuple[int, ...] = (320, 640, 1280, 1280)  # a level
    attention: tuple[bool, ...] = (True, True, True, False)  # a level; the middle block always has it
    layers: int = 2  # residual blocks a level on the way down, one more on the way up
    head_width: int = 64
    context: int = 1024  # of text and image tokens
    camera: int = 16  # numbers of a camera
    tokens: int = 16  # that the resampler makes of an image
    image_width: int = 1280  # of the image tower's features
    resampler_layers: int = 4
    resampler_heads: int = 12
    resampler_head_width: int = 64


@dataclass(frozen=True)
class VAESizes:
    """The autoencoder."""

    picture_channels: int = 3
    latent_channels: int = 4
    widths: tuple[int, ...] = (128, 256, 512, 512)
    layers: int = 2


@dataclass(frozen=True)
class TextSizes:
    """The text tower as it is used; the original file has one more layer."""

    vocabulary: int = 49408
    length: int = 77
    width: int = 1024
    hidden: int = 4096
    layers: int = 23
    head_width: int = 64


@dataclass(frozen=True)
class VisionSizes:
    """The image tower; its last layer is loaded and not used."""

    side: int = 224
    patch: int = 14
    width: int = 1280
    hidden: int = 5120
    layers: int = 32
    head_width: int = 80


@dataclass(frozen=True)
class Sizes:
    """Of all parts. A checkpoint without CLIP towers keeps the defaults for them."""

    unet: UNetSizes = field(default_factory=UNetSizes)
    vae: VAESizes = field(default_factory=VAESizes)
    text: TextSizes = field(default_factory=TextSizes)
    vision: VisionSizes = field(default_factory=VisionSizes)


PUBLISHED = Sizes()


def sizes_to_json(sizes: Sizes) -> dict[str, Any]:
    """As JSON keeps them."""
    return asdict(sizes)


def sizes_from_json(values: Mapping[str, Any]) -> Sizes:
    """What :func:`sizes_to_json` gave.

    Raises:
        TypeError: A size is unknown.
        KeyError: A part is missing.
    """
    parts = {"unet": UNetSizes, "vae": VAESizes, "text": TextSizes, "vision": VisionSizes}
    return Sizes(**{part: kind(**_tuples(values[part])) for part, kind in parts.items()})


def _tuples(values: Mapping[str, Any]) -> dict[str, Any]:
    return {name: tuple(value) if isinstance(value, list) else value for name, value in values.items()}
