"""ImageDream's noise predictor: the multi-view network in its sizes, told of text and picture, behind the door of conventions.

    text --TextTower, once--> 77 tokens ---------------------------------+
    II over grey --VisionTower--> 257 features --resampler--> 16 tokens --+--> cross-attention of every frame
    II over grey --autoencoder--> latents: the clean frame beside the views

Without a condition (the other half of guidance) the text is the negative one, the features are zeros before the resampler, which makes
tokens of them that are not zero, and the latents are zero; the cameras and the time stay.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, cast

import torch
from jaxtyping import Float
from torch import Tensor, nn

from dd3g.core.errors import require
from dd3g.teacher.imagedream.clip import VisionTower
from dd3g.teacher.imagedream.door import cameras_inward, inward, outward
from dd3g.teacher.imagedream.prepare import clip_pixels
from dd3g.teacher.imagedream.sizes import Sizes, UNetSizes
from dd3g.teacher.multi_view import Condition, Steady, UNetShape, multi_view_unet, predict_views, steady

if TYPE_CHECKING:
    from diffusers import UNet2DConditionModel

_GROUPS = 32  # of GroupNorm


@dataclass(frozen=True)
class ImageDreamConfig:
    """The sizes of the networks, and what no file says: the published model's by default."""

    sizes: Sizes = field(default_factory=Sizes)
    views: int = 4
    latent_size: int = 32  # a side
    front: int = 1  # index, inside, of the view that the picture shows
    prediction: Literal["epsilon"] = "epsilon"

    @property
    def latent_channels(self) -> int:
        """Of the latents."""
        return self.sizes.unet.in_channels

    @property
    def unet(self) -> UNetShape:
        """Sizes of the multi-view network."""
        sizes = self.sizes.unet
        return UNetShape(
            self.views, sizes.in_channels, self.latent_size, sizes.widths, sizes.attention, sizes.layers, sizes.head_width, _GROUPS,
            sizes.context, sizes.tokens,
        )  # fmt: skip


class ImageDreamNetwork(nn.Module):
    """Predicts noise in the latents of an object's views, all in dd3g's conventions.

    network = ImageDreamNetwork(ImageDreamConfig())
    network.tell(text, negative)                         # the text tower's, once
    condition = network.condition(rgb, latents)          # once an image
    told = network.steady(cameras, condition)            # once a sampling
    noise = network.predict(z, t, told)                  # at every step
    """

    text: Tensor
    negative: Tensor

    def __init__(self, config: ImageDreamConfig) -> None:
        super().__init__()
        self.config = config
        self.unet = imagedream_unet(config)
        self.vision = VisionTower(config.sizes.vision)
        text = config.sizes.text
        for name in ("text", "negative"):
            self.register_buffer(name, torch.zeros(text.length, text.width), persistent=False)

    def tell(self, text: Float[Tensor, "n d"], negative: Float[Tensor, "n d"]) -> None:
        """Sets the two texts, as :class:`dd3g.teacher.imagedream.clip.TextTower` makes them, for all that comes."""
        self.text, self.negative = text, negative

    def condition(self, image: Float[Tensor, "b 3 h w"], image_latents: Float[Tensor, "b c l l"]) -> Condition:
        """II as the network wants it.

        Args:
            image: RGB in [0, 1], the object's whole frame over a grey.
            image_latents: The autoencoder's, of the same picture over the same grey.
        """
        pixels = clip_pixels(image, self.config.sizes.vision.side).to(self.vision.pre_layrnorm.weight.dtype)
        return Condition(image_latents, self._tokens(self.text, self.vision(pixels)))

    def unconditioned(self, count: int) -> Condition:
        """The absence of a picture, for guidance."""
        size, vision = self.config.latent_size, self.config.sizes.vision
        features = self.negative.new_zeros(1, (vision.side // vision.patch) ** 2 + 1, vision.width)
        latents = torch.zeros(count, self.config.latent_channels, size, size, device=features.device)
        return Condition(latents, self._tokens(self.negative, features).expand(count, -1, -1))

    def steady(self, cameras: Float[Tensor, "b v 16"], condition: Condition) -> Steady:
        """What :meth:`predict` is told at every step of a sampling.

        Args:
            cameras: :meth:`dd3g.core.Cameras.conditions` of the views, the front first.
            condition: From :meth:`condition` or :meth:`unconditioned`.
        """
        return steady(self.unet, cameras_inward(cameras, self.config.front), condition)

    def predict(self, z: Float[Tensor, "b v c l l"], t: Float[Tensor, " b"], told: Steady) -> Float[Tensor, "b v c l l"]:
        """The noise in every view, in ``z``'s dtype whatever the network computes in.

        Args:
            z: Noised latents of the views, in the order of the cameras.
            t: Time of each object: whole numbers, in float32.
            told: From :meth:`steady`.
        """
        return outward(predict_views(self.unet, inward(z, self.config.front), t, told), self.config.front)

    def forward(
        self, z: Float[Tensor, "b v c l l"], t: Float[Tensor, " b"], cameras: Float[Tensor, "b v 16"], condition: Condition
    ) -> Float[Tensor, "b v c l l"]:
        """:meth:`steady` and :meth:`predict` in one, for a single step."""
        return self.predict(z, t, self.steady(cameras, condition))

    def _tokens(self, text: Tensor, features: Float[Tensor, "b n d"]) -> Float[Tensor, "b m e"]:
        made = image_tokens(self.unet, features.to(self.unet.dtype))
        return torch.cat([text.to(made).expand(len(made), -1, -1), made], 1)


def imagedream_unet(config: ImageDreamConfig) -> UNet2DConditionModel:
    """The stock network with image branch and resampler; its names are those of layout (c). On the device of the context."""
    require("diffusers", "train")
    from diffusers.models.embeddings import IPAdapterPlusImageProjection, MultiIPAdapterImageProjection

    sizes: UNetSizes = config.sizes.unet
    unet = multi_view_unet(config.unet)
    resampler = IPAdapterPlusImageProjection(
        embed_dims=sizes.image_width,
        hidden_dims=sizes.context,
        output_dims=sizes.context,
        depth=sizes.resampler_layers,
        dim_head=sizes.resampler_head_width,
        heads=sizes.resampler_heads,
        num_queries=sizes.tokens,
        ffn_ratio=4,
    )
    unet.encoder_hid_proj = MultiIPAdapterImageProjection([resampler])  # pyright: ignore[reportAttributeAccessIssue] - as diffusers does
    return unet


def image_tokens(unet: nn.Module, features: Float[Tensor, "b n d"]) -> Float[Tensor, "b m e"]:
    """The image tower's features through the resampler."""
    return cast(Any, unet).encoder_hid_proj.image_projection_layers[0](features)
