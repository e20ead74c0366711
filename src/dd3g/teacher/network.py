"""Our own teacher's noise predictor: the multi-view network, told of the picture by an image encoder that learns with it.

    II --codec--> latents: a clean frame beside the views
    II --ImageEncoder--> tokens --cross-attention--> every frame

As in ImageDream's "pixel" model (:mod:`dd3g.teacher.imagedream`), whose network this is in small. Without a condition (for guidance) the
latents are zero and the tokens a learned list; the cameras stay.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor, nn

from dd3g.core.errors import InputError
from dd3g.encoders import ImageEncoder, ImageEncoderConfig
from dd3g.teacher.multi_view import Condition, Steady, UNetShape, multi_view_unet, predict_views, steady

_GROUPS = 16  # of GroupNorm: two channels each where the network is narrowest


def _small_encoder() -> ImageEncoderConfig:
    return ImageEncoderConfig(channels=(24, 48, 96), width=160, heads=5, fine_channels=32, place_numbers=0, camera_numbers=0)


@dataclass(frozen=True)
class TeacherConfig:
    """Sizes of the teacher. The defaults cost 1.4 GFLOP for a call with five frames, and are 5.7 million parameters."""

    views: int = 4
    latent_channels: int = 4
    latent_size: int = 16  # of the codec's latents, a side
    channels: tuple[int, ...] = (32, 64, 128)  # at strides 1, 2, 4 of the latents
    attention: tuple[bool, ...] = (False, True, True)  # at which of them views and picture are attended to
    layers: int = 1  # residual blocks a level
    head_width: int = 16
    encoder: ImageEncoderConfig = field(default_factory=_small_encoder)
    prediction: Literal["epsilon", "v"] = "v"  # v learns shapes and colours sooner: its error at high noise counts

    @property
    def unet(self) -> UNetShape:
        """Sizes of the multi-view network."""
        return UNetShape(
            self.views, self.latent_channels, self.latent_size, self.channels, self.attention, self.layers, self.head_width, _GROUPS,
            self.encoder.width,
        )  # fmt: skip


class MultiViewUNet(nn.Module):
    """Predicts noise (or v) in the latents of an object's views.

    network = MultiViewUNet(TeacherConfig())
    condition = network.condition(image, image_latents)     # once an image
    told = network.steady(cameras, condition)               # once a sampling
    prediction = network.predict(z, t, told)                # at every step
    """

    def __init__(self, config: TeacherConfig) -> None:
        super().__init__()
        self.config = config
        self.encoder = ImageEncoder(config.encoder)
        self.nothing = nn.Parameter(torch.randn(1, self.encoder.token_count, config.encoder.width) * 0.02)
        self.unet = multi_view_unet(config.unet)

    def condition(self, image: Float[Tensor, "b 4 h w"], image_latents: Float[Tensor, "b c l l"]) -> Condition:
        """II as the network wants it.

        Args:
            image: Straight RGBA in [0, 1], the object's whole frame.
            image_latents: The codec's latents of it, ``latent_size`` a side.
        """
        size = self.config.latent_size
        if image_latents.shape[-2:] != (size, size):
            raise InputError(f"image latents: found {tuple(image_latents.shape[-2:])}, expected {(size, size)} places")
        place = image.new_zeros(image.shape[0], 0)
        tokens = self.encoder.tokens(self.encoder.glimpse(image, place))
        return Condition(image_latents, tokens)

    def unconditioned(self, count: int) -> Condition:
        """The absence of a picture, for guidance and for the share of training that goes without."""
        size, device = self.config.latent_size, self.nothing.device
        return Condition(torch.zeros(count, self.config.latent_channels, size, size, device=device), self.nothing.expand(count, -1, -1))

    def steady(self, cameras: Float[Tensor, "b v 16"], condition: Condition) -> Steady:
        """What :meth:`predict` is told at every step of a sampling.

        Args:
            cameras: :meth:`dd3g.core.Cameras.conditions` of the views, in the frame in which the input stands at azimuth 0.
            condition: From :meth:`condition` or :meth:`unconditioned`.
        """
        return steady(self.unet, cameras, condition)

    def predict(self, z: Float[Tensor, "b v c l l"], t: Float[Tensor, " b"], told: Steady) -> Float[Tensor, "b v c l l"]:
        """The prediction for every view, noise or v, in ``z``'s dtype.

        Args:
            z: Noised latents of the views.
            t: Time of each object, 0 to 999, in float32.
            told: From :meth:`steady`.
        """
        return predict_views(self.unet, z, t, told)

    def forward(
        self, z: Float[Tensor, "b v c l l"], t: Float[Tensor, " b"], cameras: Float[Tensor, "b v 16"], condition: Condition
    ) -> Float[Tensor, "b v c l l"]:
        """:meth:`steady` and :meth:`predict` in one, for a single step: as training takes them."""
        return self.predict(z, t, self.steady(cameras, condition))
