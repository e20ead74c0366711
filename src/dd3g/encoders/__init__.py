"""Encoders shared by teacher and student."""

from dd3g.encoders.given_tokens import GivenTokens, GivenTokensConfig
from dd3g.encoders.image_encoder import ImageEncoder, ImageEncoderConfig, ImageFeatures

__all__ = ["GivenTokens", "GivenTokensConfig", "ImageEncoder", "ImageEncoderConfig", "ImageFeatures"]
