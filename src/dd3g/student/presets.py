"""Sizes of the student. One dial: tiny (seconds), small (a laptop, the bundled model), paper (a GPU)."""

from __future__ import annotations

from dataclasses import replace

from dd3g.encoders import ImageEncoderConfig
from dd3g.student.config import AnchoredDecodingConfig, ExtractionConfig, PEPDConfig, PlainDecodingConfig


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
    """Our reading of the paper's scale (method.md 6.2, base): 256 pattern tokens, 512 Gaussians a token, plain taps.

    The paper gives 512 Gaussians a token and 256 px renders; widths, depths and token counts are ours.
    """
    return PEPDConfig(
        encoder=ImageEncoderConfig(size=256, channels=(96, 192, 384), width=1024, blocks=6, heads=16, fine_channels=192),
        extraction=ExtractionConfig(
            latent_size=32, channels=(256, 512, 768), blocks=(2, 2, 2), halve_first=False, head_width=64, camera_width=1024
        ),
        width=768,
        heads=12,
        blocks=(6, 3, 3),
        decoding=PlainDecodingConfig(gaussians_per_token=512),
    )


PRESETS = {"tiny": tiny, "small": small, "small-plain": small_plain, "paper": paper}
