"""The smallest teacher and codec that have every part, for tests on blobs of 48 px."""

from dd3g.encoders import ImageEncoderConfig
from dd3g.encoders.codec import CodecConfig
from dd3g.teacher.network import TeacherConfig

TEACHER = TeacherConfig(
    latent_size=6,
    channels=(32, 32),
    attention=(False, True),
    encoder=ImageEncoderConfig(
        size=48, channels=(8, 8, 16), width=32, blocks=1, heads=2, fine_channels=8, place_numbers=0, camera_numbers=0
    ),
)
CODEC = CodecConfig(channels=8, encoder_blocks=(1, 1, 1, 1), decoder_blocks=(1, 1, 1, 1))
