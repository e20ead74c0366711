"""Sizes of the codec and of the teacher; the student's stand in student/presets.py. Small is what either has by itself."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TypeVar

from dd3g.core.errors import InputError
from dd3g.encoders import ImageEncoderConfig
from dd3g.encoders.codec import CodecConfig
from dd3g.teacher.network import TeacherConfig

Config = TypeVar("Config")


def tiny_codec() -> CodecConfig:
    """For tests and first tries: no blocks at full resolution, 58 thousand parameters; learns in seconds."""
    return CodecConfig(channels=16, encoder_blocks=(0, 1, 1, 1), decoder_blocks=(1, 1, 1, 0))


def tiny_teacher() -> TeacherConfig:
    """The same for views of 64 px, whose latents fit the student's tiny preset; 0.9 million parameters.

    Attends at every level: of a hundred steps that makes shapes and colours like the picture's.
    """
    return TeacherConfig(
        latent_size=8,
        channels=(32, 48),
        attention=(True, True),
        head_width=32,
        encoder=ImageEncoderConfig(
            size=64, channels=(8, 16, 32), width=64, blocks=1, heads=4, fine_channels=16, place_numbers=0, camera_numbers=0
        ),
    )


CODECS = {"tiny": tiny_codec, "small": CodecConfig}
TEACHERS = {"tiny": tiny_teacher, "small": TeacherConfig}


def find_preset(presets: Mapping[str, Callable[[], Config]], name: str) -> Config:
    """The sizes of that name.

    Raises:
        InputError: There are none.
    """
    if name not in presets:
        raise InputError(f"--preset {name}: unknown; known are {', '.join(presets)}")
    return presets[name]()
