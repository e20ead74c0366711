"""Encoders shared by teacher and student."""

from dd3g.encoders.image_encoder import ImageEncoder, ImageEncoderConfig, ImageFeatures

__all__ = ["ImageEncoder", "ImageEncoderConfig", "ImageFeatures"]
