"""Diffusers' UNet2DConditionModel over the frames of an object: what our own teacher and ImageDream have in common.

    z (b, v, c, l, l) at time t, cameras (b, v, 16) ----------------+
    the picture's latents (b, c, l, l): one frame more, no camera --+--> UNet, self-attention over v + 1 frames --> v predictions
    tokens (b, n, d) of picture, or text and picture --attention----+

One network, two sets of sizes. The last frame never holds noise, is told the same time as the others, and what is predicted for it is
dropped. diffusers is imported here alone, and late: that takes seconds.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

import torch
from jaxtyping import Float, Float32
from torch import Tensor, nn

from dd3g.core.errors import require
from dd3g.teacher.attention import FoldedAttention, Projected, TwoContextAttention

if TYPE_CHECKING:
    from diffusers import UNet2DConditionModel

CAMERA_NUMBERS = 16


@dataclass(frozen=True)
class UNetShape:
    """Sizes of the network."""

    views: int
    latent_channels: int
    latent_size: int  # a side
    channels: tuple[int, ...]  # at strides 1, 2, 4 ... of the latents
    attention: tuple[bool, ...]  # at which of them views and tokens are attended to
    layers: int  # residual blocks a level
    head_width: int
    groups: int  # of GroupNorm
    context_width: int  # of the tokens
    picture_tokens: int = 0  # at the end of the tokens, attended to by keys and values of their own; 0: one list

    @property
    def frames(self) -> int:
        """Of an object: its views and the picture."""
        return self.views + 1


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


def multi_view_unet(shape: UNetShape) -> UNet2DConditionModel:
    """Builds the network; on the device of the context, so "meta" costs nothing."""
    require("diffusers", "train")
    from diffusers import UNet2DConditionModel

    down = tuple("CrossAttnDownBlock2D" if there else "DownBlock2D" for there in shape.attention)
    up = tuple("CrossAttnUpBlock2D" if there else "UpBlock2D" for there in reversed(shape.attention))
    heads = tuple(width // shape.head_width for width in shape.channels)
    unet = UNet2DConditionModel(
        sample_size=shape.latent_size,
        in_channels=shape.latent_channels,
        out_channels=shape.latent_channels,
        down_block_types=down,
        up_block_types=up,
        block_out_channels=shape.channels,
        layers_per_block=shape.layers,
        cross_attention_dim=shape.context_width,
        attention_head_dim=heads,  # pyright: ignore[reportArgumentType] - their type says one; their name says width and means number
        norm_num_groups=shape.groups,
        use_linear_projection=True,
        class_embed_type="projection",
        projection_class_embeddings_input_dim=CAMERA_NUMBERS,
    )
    unet.set_attn_processor(_processors(unet, shape))  # pyright: ignore[reportArgumentType] - any callable of this shape will do
    return unet


def _processors(unet: UNet2DConditionModel, shape: UNetShape) -> dict[str, Any]:
    made: dict[str, Any] = {}
    for place, (name, attn) in enumerate(_cross_attentions(unet)):
        width = cast(nn.Linear, attn.to_q).out_features
        made[f"{name}.processor"] = (
            TwoContextAttention(place, width, shape.context_width, shape.picture_tokens)
            if shape.picture_tokens
            else FoldedAttention(shape.frames, place)
        )
    return {name: made.get(name, FoldedAttention(shape.frames)) for name in unet.attn_processors}


def _cross_attentions(unet: nn.Module) -> list[tuple[str, Any]]:
    return [(name, module) for name, module in unet.named_modules() if name.endswith(".attn2")]


def kept_context(unet: nn.Module, tokens: Float[Tensor, "b n d"]) -> tuple[Projected, ...]:
    """Keys and values of every cross-attention, for all steps of a sampling: they depend on the tokens alone."""
    return tuple(attn.processor.projected(attn, tokens) for _, attn in _cross_attentions(unet))


@dataclass(frozen=True)
class Steady:
    """What stays the same at every step of a sampling, made once and in the network's own dtype: all but z and t."""

    cameras: Float[Tensor, "b v 16"]
    latents: Float[Tensor, "b c l l"]  # of the picture
    tokens: Float[Tensor, "b n d"]
    kept: tuple[Projected, ...]

    def tensors(self) -> tuple[Tensor, ...]:
        """All of them, in a fixed order."""
        return (self.cameras, self.latents, self.tokens, *(t for context in self.kept for pair in context for t in pair))

    def copied(self) -> Steady:
        """The same in memory of its own."""
        kept = tuple(tuple((k.clone(), v.clone()) for k, v in context) for context in self.kept)
        return Steady(self.cameras.clone(), self.latents.clone(), self.tokens.clone(), kept)


def steady(unet: UNet2DConditionModel, cameras: Float[Tensor, "b v 16"], condition: Condition) -> Steady:
    """Prepares a sampling; :func:`predict_views` is asked at each of its steps.

    Args:
        unet: From :func:`multi_view_unet`.
        cameras: What the network is told of each view.
        condition: The picture.
    """
    kind = unet.dtype
    tokens = condition.tokens.to(kind)
    return Steady(cameras.to(kind), condition.latents.to(kind), tokens, kept_context(unet, tokens))


def predict_views(
    unet: UNet2DConditionModel, z: Float[Tensor, "b v c l l"], t: Float32[Tensor, " b"], told: Steady
) -> Float[Tensor, "b v c l l"]:
    """The prediction for every view, noise or v, in ``z``'s dtype whatever the network computes in.

    Args:
        unet: From :func:`multi_view_unet`.
        z: Noised latents of the views.
        t: Time of each object, 0 to 999: whole numbers. Never in half precision: bfloat16 takes 37 of the sampler's 50 for others.
        told: From :func:`steady`.
    """
    b, views = z.shape[:2]
    frames = torch.cat([z.to(told.latents), told.latents[:, None]], 1)
    cameras = torch.cat([told.cameras, torch.zeros_like(told.cameras[:, :1])], 1)
    made = unet(
        frames.flatten(0, 1),
        t.repeat_interleave(views + 1),
        encoder_hidden_states=told.tokens,
        class_labels=cameras.flatten(0, 1),
        cross_attention_kwargs={"kept": told.kept},
    ).sample
    return made.unflatten(0, (b, views + 1))[:, :views].to(z.dtype)
