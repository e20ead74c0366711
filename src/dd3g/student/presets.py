"""Sizes of the student. One dial: tiny (seconds), small (a laptop, the bundled model), paper (a GPU).

The paper gives 512 Gaussians a token and 256 px renders; widths, depths and token counts are ours (method.md 6.2 to 6.4, docs/sizes.md).
"""

from __future__ import annotations

from dataclasses import replace

from dd3g.encoders import GivenTokensConfig, ImageEncoderConfig
from dd3g.student.config import (
    AnchoredDecodingConfig,
    ExtractionConfig,
    PEPDConfig,
    PlainDecodingConfig,
    TeacherExtractionConfig,
)


def small() -> PEPDConfig:
    """The bundled model: 64 pattern tokens, 64 image tokens, seeded in the matte and looking back at the picture; 11.9 M parameters."""
    return PEPDConfig(encoder=ImageEncoderConfig(blocks=4), blocks=(4, 2, 1))


def tiny() -> PEPDConfig:
    """For tests and first tries: the same parts, a few hundred thousand parameters."""
    return PEPDConfig(
        encoder=ImageEncoderConfig(size=128, channels=(8, 16, 32), width=64, blocks=1, heads=4, fine_channels=16),
        extraction=ExtractionConfig(latent_size=8, channels=(32,), blocks=(1,), head_width=16, camera_width=32),
        width=64,
        heads=4,
        blocks=(2, 1, 1),
        decoding=AnchoredDecodingConfig(gaussians_per_token=32, gaussian_width=32),
    )


def small_plain() -> PEPDConfig:
    """The paper's decoder at the small size."""
    return replace(small(), decoding=PlainDecodingConfig(gaussians_per_token=64))


def paper() -> PEPDConfig:
    """Our reading of the paper's scale: CLIP's 257 tokens, 256 pattern tokens, 512 Gaussians a token (131,072), plain taps."""
    return PEPDConfig(
        encoder=GivenTokensConfig(),
        extraction=ExtractionConfig(
            latent_size=32, channels=(256, 512, 768), blocks=(2, 2, 2), halve_first=False, head_width=64, camera_width=1024
        ),
        width=768,
        heads=12,
        blocks=(6, 3, 3),
        decoding=PlainDecodingConfig(gaussians_per_token=512),
    )


def paper_65k() -> PEPDConfig:
    """The same network with 256 Gaussians a token (65,536): four square grids have 64 or 256 tokens, and none has 128."""
    return replace(paper(), decoding=PlainDecodingConfig(gaussians_per_token=256))


def paper_32k() -> PEPDConfig:
    """Smaller throughout: 64 pattern tokens, 512 Gaussians a token (32,768); the last convolution of extraction halves the grid."""
    return PEPDConfig(
        encoder=GivenTokensConfig(),
        extraction=ExtractionConfig(
            latent_size=32, channels=(128, 256, 384, 384), blocks=(1, 1, 1, 0), halve_first=False, head_width=32, camera_width=512
        ),
        width=512,
        heads=8,
        blocks=(4, 2, 2),
        decoding=PlainDecodingConfig(gaussians_per_token=512),
    )


def paper_teacher() -> PEPDConfig:
    """As ``paper``, with extraction of ImageDream's topology: what `dd3g train --init-extraction` fills with its weights."""
    return replace(paper(), extraction=TeacherExtractionConfig())


def paper_own() -> PEPDConfig:
    """As ``paper``, with an image encoder of our own in CLIP's place: needs nobody else's weights."""
    return replace(
        paper(), encoder=ImageEncoderConfig(size=256, channels=(96, 192, 384), width=1024, blocks=6, heads=16, fine_channels=192)
    )


PRESETS = {
    "tiny": tiny,
    "small": small,
    "small-plain": small_plain,
    "paper": paper,
    "paper-65k": paper_65k,
    "paper-32k": paper_32k,
    "paper-teacher": paper_teacher,
    "paper-own": paper_own,
}
