"""Sizes and choices of the student, as plain frozen records; presets are functions that return one (student/presets.py)."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any, Literal

from dd3g.core.errors import CheckpointError
from dd3g.encoders import ImageEncoderConfig


@dataclass(frozen=True)
class ExtractionConfig:
    """Pattern extraction (method: phase 1). One stage per entry of ``channels``; each halves the grid before its blocks."""

    views: int = 4
    latent_channels: int = 4
    latent_size: int = 16
    channels: tuple[int, ...] = (64, 128)  # of each stage
    blocks: tuple[int, ...] = (1, 1)  # pairs of ResBlock and 3D transformer a stage
    halve_first: bool = True  # whether stage 0 halves the latent grid as well
    head_width: int = 32
    camera_width: int = 128  # of the camera embedding
    guidance: float | None = None  # None: w is not told; else it is, and this one is asked for in generation

    @property
    def token_grid(self) -> int:
        """Side of each view's grid of pattern tokens."""
        return self.latent_size // 2 ** (len(self.channels) - (0 if self.halve_first else 1))

    @property
    def token_count(self) -> int:
        """Number of pattern tokens over all views."""
        return self.views * self.token_grid**2


@dataclass(frozen=True)
class PlainDecodingConfig:
    """The paper's decoder: attributes read from tokens by linear taps, nothing anchored."""

    gaussians_per_token: int = 512
    radius: float = 1.0  # |mu| < radius in every axis
    feedback: bool = False  # decoded attributes go back into the token; the paper's drawing has no such arrow


@dataclass(frozen=True)
class AnchoredDecodingConfig:
    """Our default: mu seeded in the picture's matte, and the Gaussians look back at the picture once mu is known."""

    gaussians_per_token: int = 64
    gaussian_width: int = 64  # of each Gaussian's own state
    edge_layers: int = 6  # weight of a pixel at the matte's rim, where the object's sides are seen edge on
    depth_range: float = 0.6  # |distance of mu from the plane through the origin|, object units
    sideways_range: float = 0.1  # how far mu may leave its ray, in half frames
    look_back: bool = True
    seeded: bool = True  # False: mu free as in the plain decoder (the trial's middle row)


@dataclass(frozen=True)
class PEPDConfig:
    """The whole student."""

    encoder: ImageEncoderConfig = field(default_factory=ImageEncoderConfig)
    extraction: ExtractionConfig = field(default_factory=ExtractionConfig)
    width: int = 256  # of the decoder's tokens
    heads: int = 8
    blocks: tuple[int, int, int] = (3, 1, 1)  # before the taps of mu, of (s, q), of (c, alpha)
    decoding: PlainDecodingConfig | AnchoredDecodingConfig = field(default_factory=AnchoredDecodingConfig)

    @property
    def gaussian_count(self) -> int:
        """Number of Gaussians of one object."""
        return self.extraction.token_count * self.decoding.gaussians_per_token

    @property
    def noise_shape(self) -> tuple[int, int, int, int]:
        """Shape of one object's noise N."""
        e = self.extraction
        return (e.views, e.latent_channels, e.latent_size, e.latent_size)


Decoder = Literal["plain", "anchored"]


def config_to_json(config: PEPDConfig) -> dict[str, Any]:
    """A dictionary that :func:`config_from_json` turns back into the same record."""
    decoder: Decoder = "plain" if isinstance(config.decoding, PlainDecodingConfig) else "anchored"
    return {**asdict(config), "decoder": decoder}


def config_from_json(data: dict[str, Any]) -> PEPDConfig:
    """Inverse of :func:`config_to_json`.

    Raises:
        CheckpointError: A field is unknown or missing: the file comes from another version.
    """
    try:
        values = dict(data)
        kinds = {"plain": PlainDecodingConfig, "anchored": AnchoredDecodingConfig}
        decoding = kinds[values.pop("decoder")](**values.pop("decoding"))
        encoder = ImageEncoderConfig(**_tuples(values.pop("encoder")))
        extraction = ExtractionConfig(**_tuples(values.pop("extraction")))
        return PEPDConfig(encoder=encoder, extraction=extraction, decoding=decoding, **_tuples(values))
    except (KeyError, TypeError) as error:
        raise CheckpointError(f"student configuration of another version ({error}); use the dd3g version that wrote it") from None


def _tuples(values: dict[str, Any]) -> dict[str, Any]:
    return {name: tuple(value) if isinstance(value, list) else value for name, value in values.items()}
