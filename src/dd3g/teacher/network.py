"""The multi-view noise predictor: diffusers' UNet2DConditionModel, folded so that all views of an object attend to each other.

    z (b, 4, c, l, l) at time t, cameras (b, 4, 16) ----------------------+
    II's latents (b, c, l, l): a fifth frame, clean, its camera all zeros --+--> UNet, self-attention over 5 frames --> 4 predictions
    II --ImageEncoder--> tokens (b, n, d) --cross-attention-----------------+

As in ImageDream's "pixel" model: the fifth frame never holds noise, and what is predicted for it is dropped. Without a condition (for
guidance) its latents are zero and its tokens a learned list; the cameras stay. diffusers is imported here alone, and late: that takes
seconds.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from dd3g.core.errors import InputError, require
from dd3g.encoders import ImageEncoder, ImageEncoderConfig

if TYPE_CHECKING:
    from diffusers import UNet2DConditionModel

CAMERA_NUMBERS = 16
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
    prediction: Literal["epsilon", "v"] = "epsilon"


class MultiViewUNet(nn.Module):
    """Predicts noise (or v) in the latents of an object's views.

    network = MultiViewUNet(TeacherConfig())
    condition = network.condition(image, image_latents)     # once an image
    prediction = network(z, t, cameras, condition)          # at every step
    """

    def __init__(self, config: TeacherConfig) -> None:
        super().__init__()
        self.config = config
        self.encoder = ImageEncoder(config.encoder)
        self.nothing = nn.Parameter(torch.randn(1, self.encoder.token_count, config.encoder.width) * 0.02)
        self.unet = _unet(config)

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

    def forward(
        self, z: Float[Tensor, "b v c l l"], t: Float[Tensor, " b"], cameras: Float[Tensor, "b v 16"], condition: Condition
    ) -> Float[Tensor, "b v c l l"]:
        """The prediction for every view: noise, or v.

        Args:
            z: Noised latents of the views.
            t: Time of each object, 0 to 999.
            cameras: :meth:`dd3g.core.Cameras.conditions` of the views, in the frame in which the input stands at azimuth 0.
            condition: From :meth:`condition` or :meth:`unconditioned`.
        """
        b, views = z.shape[:2]
        frames = torch.cat([z, condition.latents[:, None]], 1)
        told = torch.cat([cameras, torch.zeros_like(cameras[:, :1])], 1)
        made = self.unet(
            frames.flatten(0, 1),
            t.repeat_interleave(views + 1),
            encoder_hidden_states=condition.tokens.repeat_interleave(views + 1, 0),
            class_labels=told.flatten(0, 1),
        ).sample
        return made.unflatten(0, (b, views + 1))[:, :views]


@dataclass(frozen=True)
class Condition:
    """What the network knows of the input picture."""

    latents: Float[Tensor, "b c l l"]
    tokens: Float[Tensor, "b n d"]

    def joined(self, other: Condition) -> Condition:
        """Two conditions as one batch: both halves of guidance in one call."""
        return Condition(torch.cat([self.latents, other.latents]), torch.cat([self.tokens, other.tokens]))

    def where(self, keep: Float[Tensor, " b"], other: Condition) -> Condition:
        """This condition where ``keep`` is 1, the other where it is 0."""
        return Condition(
            torch.where(keep[:, None, None, None] > 0, self.latents, other.latents),
            torch.where(keep[:, None, None] > 0, self.tokens, other.tokens),
        )


class FoldedAttention:
    """diffusers' attention processor with the frames of an object in one sequence: (b f, l, d) becomes (b, f l, d) for self-attention."""

    def __init__(self, frames: int) -> None:
        self.frames = frames

    def __call__(
        self, attn: Any, hidden_states: Tensor, encoder_hidden_states: Tensor | None = None, attention_mask: Tensor | None = None, **_: Any
    ) -> Tensor:
        """One attention; cross-attention stays frame by frame, all frames of an object being given the same tokens."""
        alone = encoder_hidden_states is None
        batch, places, _width = hidden_states.shape
        if alone:
            hidden_states = hidden_states.unflatten(0, (-1, self.frames)).flatten(1, 2)
        context = hidden_states if alone else encoder_hidden_states
        q, k, v = (
            project(x).unflatten(-1, (attn.heads, -1)).transpose(1, 2)
            for project, x in ((attn.to_q, hidden_states), (attn.to_k, context), (attn.to_v, context))
        )
        joined = F.scaled_dot_product_attention(q, k, v).transpose(1, 2).flatten(2)
        made = attn.to_out[1](attn.to_out[0](joined))
        return made.unflatten(1, (self.frames, places)).flatten(0, 1) if alone else made.reshape(batch, places, -1)


def _unet(config: TeacherConfig) -> UNet2DConditionModel:
    require("diffusers", "train")
    from diffusers import UNet2DConditionModel

    down = tuple("CrossAttnDownBlock2D" if there else "DownBlock2D" for there in config.attention)
    up = tuple("CrossAttnUpBlock2D" if there else "UpBlock2D" for there in reversed(config.attention))
    heads = tuple(width // config.head_width for width in config.channels)
    unet = UNet2DConditionModel(
        sample_size=config.latent_size,
        in_channels=config.latent_channels,
        out_channels=config.latent_channels,
        down_block_types=down,
        up_block_types=up,
        block_out_channels=config.channels,
        layers_per_block=config.layers,
        cross_attention_dim=config.encoder.width,
        attention_head_dim=heads,  # pyright: ignore[reportArgumentType] - their type says one; their name says width and means number
        norm_num_groups=_GROUPS,
        use_linear_projection=True,
        class_embed_type="projection",
        projection_class_embeddings_input_dim=CAMERA_NUMBERS,
    )
    unet.set_attn_processor(FoldedAttention(config.views + 1))  # pyright: ignore[reportArgumentType] - any callable of this shape will do
    return unet
