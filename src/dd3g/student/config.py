"""Sizes and choices of the student, as plain frozen records; presets are functions that return one (student/presets.py)."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any, Literal, get_args

from dd3g.core import Cameras, canonical_rig
from dd3g.core.errors import CheckpointError, InputError
from dd3g.encoders import GivenTokensConfig, ImageEncoderConfig


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
class TeacherExtractionConfig:
    """Pattern extraction with the topology of a teacher's U-Net from its first convolution down, so that it can begin with those weights.

    The defaults are ImageDream's, down to the level of 256 pattern tokens (method: 6.3).
    """

    views: int = 4
    latent_channels: int = 4
    latent_size: int = 32
    channels: tuple[int, ...] = (320, 640, 1280)  # of each level; every level but the first halves the grid
    attention: tuple[bool, ...] = (True, True, True)  # at which of them views and picture are attended to
    layers: int = 2  # residual blocks a level
    heads: tuple[int, ...] = (5, 10, 20)  # of each level
    context_width: int = 1024  # of the tokens that the teacher's cross-attention reads
    groups: int = 32  # of GroupNorm
    time: int = 981  # at which the teacher is asked: where it turns noise into a layout
    guidance: float | None = None  # as in ExtractionConfig

    @property
    def token_grid(self) -> int:
        """Side of each view's grid of pattern tokens."""
        return self.latent_size // 2 ** (len(self.channels) - 1)

    @property
    def token_count(self) -> int:
        """Number of pattern tokens over all views."""
        return self.views * self.token_grid**2


Attribute = Literal["mu", "sq", "ca"]  # centres; scales and orientations; colours and opacities
Layout = Literal["progressive", "joint", "dual"]
ATTRIBUTES: tuple[Attribute, Attribute, Attribute] = ("mu", "sq", "ca")  # the paper's order


@dataclass(frozen=True)
class PlainDecodingConfig:
    """The paper's decoder: attributes read from tokens by linear taps, nothing anchored.

    ``layout`` says where the taps sit; parameters are the same ones in all three. "progressive" (the paper's): one after each group of
    blocks, in ``order``. "joint": all after the last group. "dual": two branches that do not hear of each other, centres, scales and
    orientations after group A, colours and opacities after groups B and C.
    """

    gaussians_per_token: int = 512
    radius: float = 1.0  # |mu| < radius in every axis
    feedback: bool = False  # decoded attributes go back into the token; the paper's drawing has no such arrow
    order: tuple[Attribute, Attribute, Attribute] = ATTRIBUTES  # of the progressive layout
    layout: Layout = "progressive"

    def __post_init__(self) -> None:
        if sorted(self.order) != sorted(ATTRIBUTES):
            raise InputError(f"decoding.order: found {list(self.order)}, expected {', '.join(ATTRIBUTES)} in some order, each once")
        if self.layout not in get_args(Layout):
            raise InputError(f"decoding.layout: found {self.layout!r}, expected one of {', '.join(get_args(Layout))}")
        if self.layout != "progressive" and self.order != ATTRIBUTES:
            raise InputError(f"decoding.order: {self.layout} decodes in no order; leave it alone")
        if self.feedback and (self.layout != "progressive" or self.order != ATTRIBUTES):
            raise InputError("decoding.feedback: is there for the paper's order alone; leave layout and order as they are")


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


_TYPE_SPREAD = 0.02


@dataclass(frozen=True)
class PEPDConfig:
    """The whole student."""

    encoder: ImageEncoderConfig | GivenTokensConfig = field(default_factory=ImageEncoderConfig)
    extraction: ExtractionConfig | TeacherExtractionConfig = field(default_factory=ExtractionConfig)
    width: int = 256  # of the decoder's tokens
    heads: int = 8
    blocks: tuple[int, int, int] = (3, 1, 1)  # before the taps of mu, of (s, q), of (c, alpha)
    decoding: PlainDecodingConfig | AnchoredDecodingConfig = field(default_factory=AnchoredDecodingConfig)
    type_spread: float = _TYPE_SPREAD  # of the vectors that tell tokens apart, at the start; with 0.5 a student hears its noise far sooner

    rig_elevation_deg: float = 0.0  # of the cameras that it is told when it generates: where its teacher draws from

    @property
    def rig(self) -> Cameras:
        """C of generation: where noise and views were tied together."""
        return canonical_rig(elevation_deg=self.rig_elevation_deg)

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
    data = {**asdict(config), "decoder": decoder}
    # Named only where they are the rarer kind: files and runs from before there was another keep their identity.
    if isinstance(config.decoding, PlainDecodingConfig) and (config.decoding.order, config.decoding.layout) == (ATTRIBUTES, "progressive"):
        del data["decoding"]["order"], data["decoding"]["layout"]
    if config.type_spread == _TYPE_SPREAD:
        del data["type_spread"]
    if config.rig_elevation_deg == 0:
        del data["rig_elevation_deg"]
    if isinstance(config.encoder, GivenTokensConfig):
        data["reads"] = "tokens"
    if isinstance(config.extraction, TeacherExtractionConfig):
        data["extracts"] = "as-teacher"
    return data


def config_from_json(data: dict[str, Any]) -> PEPDConfig:
    """Inverse of :func:`config_to_json`.

    Raises:
        CheckpointError: A field is unknown or missing: the file comes from another version.
    """
    try:
        values = dict(data)
        decoding = {"plain": PlainDecodingConfig, "anchored": AnchoredDecodingConfig}[values.pop("decoder")]
        encoder = {"pixels": ImageEncoderConfig, "tokens": GivenTokensConfig}[values.pop("reads", "pixels")]
        extraction = {"own": ExtractionConfig, "as-teacher": TeacherExtractionConfig}[values.pop("extracts", "own")]
        return PEPDConfig(
            encoder=encoder(**_tuples(values.pop("encoder"))),
            extraction=extraction(**_tuples(values.pop("extraction"))),
            decoding=decoding(**_tuples(values.pop("decoding"))),
            **_tuples(values),
        )
    except (KeyError, TypeError) as error:
        raise CheckpointError(f"student configuration of another version ({error}); use the dd3g version that wrote it") from None


def _tuples(values: dict[str, Any]) -> dict[str, Any]:
    return {name: tuple(value) if isinstance(value, list) else value for name, value in values.items()}
