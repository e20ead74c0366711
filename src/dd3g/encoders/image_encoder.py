"""Picture -> spatial tokens and a finer feature map: a small convolutional pyramid with attention at its top.

Our own network and weights. The paper's student reads the teacher's CLIP tokens; a picture of one object and a few million parameters want
features that keep their place, since the Gaussians look back at them (student/look_back.py).
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn


@dataclass(frozen=True)
class ImageEncoderConfig:
    """Sizes of the image encoder."""

    size: int = 128  # side of the picture it reads; others are resampled
    channels: tuple[int, int, int] = (32, 64, 128)  # at strides 2, 4, 8
    width: int = 256  # of the tokens, at stride 16
    blocks: int = 2  # attention blocks over the tokens
    heads: int = 8
    fine_channels: int = 64  # of the feature map at stride 4
    place_numbers: int = 4  # what it is told of the picture beside its pixels: where the crop lay, how large it was
    camera_numbers: int = 2  # what it is told of the camera half way up, once that is known


@dataclass(frozen=True)
class ImageFeatures:
    """What the rest of the student sees of a picture."""

    tokens: Float[Tensor, "b t d"]  # row-major over a square grid
    fine: Float[Tensor, "b c h w"]


@dataclass(frozen=True)
class Glimpse:
    """A picture half way through the encoder, before anything is known of its camera."""

    quarter: Float[Tensor, "b c4 h4 w4"]
    eighth: Float[Tensor, "b c8 h8 w8"]
    tokens: Float[Tensor, "b t d"]  # after the first half of the blocks


class ImageEncoder(nn.Module):
    """Prepared RGBA picture -> :class:`ImageFeatures`, in two halves.

    glimpse = encoder.glimpse(image, place)
    encoder.tokens(glimpse)                   # for whoever finds out where the camera stood
    encoder.features(glimpse, camera)         # with it: shape from one picture depends on where it was taken from
    """

    def __init__(self, config: ImageEncoderConfig) -> None:
        super().__init__()
        self.config = config
        c2, c4, c8 = config.channels
        self.stem = nn.Sequential(nn.Conv2d(4, c2, 3, 2, 1), ConvBlock(c2))
        self.to_quarter = nn.Sequential(nn.Conv2d(c2, c4, 3, 2, 1), ConvBlock(c4), ConvBlock(c4))
        self.to_eighth = nn.Sequential(nn.Conv2d(c4, c8, 3, 2, 1), ConvBlock(c8), ConvBlock(c8))
        self.to_tokens = nn.Conv2d(c8, config.width, 3, 2, 1)
        side = config.size // 16
        self.place = nn.Linear(config.place_numbers, config.width) if config.place_numbers else None
        self.camera = nn.Linear(config.camera_numbers, config.width) if config.camera_numbers else None
        if self.camera is not None:
            nn.init.zeros_(self.camera.weight)
            nn.init.zeros_(self.camera.bias)
        self.position = nn.Parameter(torch.randn(1, side * side, config.width) * 0.02)
        self.blocks = nn.ModuleList(SelfAttentionBlock(config.width, config.heads) for _ in range(config.blocks))
        self.norm = nn.LayerNorm(config.width)
        self.down_eighth = nn.Conv2d(config.width, c8, 1)
        self.merge_eighth = ConvBlock(c8)
        self.down_quarter = nn.Conv2d(c8, config.fine_channels, 1)
        self.side_quarter = nn.Conv2d(c4, config.fine_channels, 1)
        self.merge_quarter = ConvBlock(config.fine_channels)

    @property
    def token_count(self) -> int:
        """Number of tokens a picture becomes."""
        return (self.config.size // 16) ** 2

    def glimpse(self, image: Float[Tensor, "b 4 h w"], place: Float[Tensor, "b n"]) -> Glimpse:
        """Reads straight RGBA in [0, 1], told ``place`` (of width 0: nothing); colour under alpha 0 has no influence."""
        size = self.config.size
        premultiplied = torch.cat([(image[:, :3] - 0.5) * image[:, 3:], image[:, 3:]], 1)
        if image.shape[-2:] != (size, size):
            premultiplied = F.interpolate(premultiplied, (size, size), mode="bilinear", antialias=True, align_corners=False)
        quarter = self.to_quarter(self.stem(premultiplied))
        eighth = self.to_eighth(quarter)
        tokens = self.to_tokens(eighth).flatten(2).transpose(1, 2) + self.position
        if self.place is not None:
            tokens = tokens + self.place(place)[:, None]
        for block in self.blocks[: len(self.blocks) // 2]:
            tokens = block(tokens)
        return Glimpse(quarter, eighth, tokens)

    def tokens(self, glimpse: Glimpse, camera: Float[Tensor, "b m"] | None = None) -> Float[Tensor, "b t d"]:
        """The second half of the blocks; ``camera`` None: not known."""
        tokens = glimpse.tokens
        if camera is not None and self.camera is not None:
            tokens = tokens + self.camera(camera)[:, None]
        for block in self.blocks[len(self.blocks) // 2 :]:
            tokens = block(tokens)
        return self.norm(tokens)

    def features(self, glimpse: Glimpse, camera: Float[Tensor, "b m"]) -> ImageFeatures:
        """Tokens and fine map of a picture whose camera is known."""
        tokens = self.tokens(glimpse, camera)
        side = self.config.size // 16
        top = tokens.transpose(1, 2).unflatten(2, (side, side))
        eighth = self.merge_eighth(F.interpolate(self.down_eighth(top), scale_factor=2.0, mode="nearest") + glimpse.eighth)
        fine = F.interpolate(self.down_quarter(eighth), scale_factor=2.0, mode="nearest") + self.side_quarter(glimpse.quarter)
        return ImageFeatures(tokens, self.merge_quarter(fine))


class ConvBlock(nn.Module):
    """Pre-norm residual block of two 3x3 convolutions; the second starts at zero."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        groups = max(channels // 16, 1)
        self.norm1, self.norm2 = nn.GroupNorm(groups, channels), nn.GroupNorm(groups, channels)
        self.conv1, self.conv2 = nn.Conv2d(channels, channels, 3, 1, 1), nn.Conv2d(channels, channels, 3, 1, 1)
        for parameter in self.conv2.parameters():
            nn.init.zeros_(parameter)

    def forward(self, x: Float[Tensor, "b c h w"]) -> Float[Tensor, "b c h w"]:
        """Residual update."""
        return x + self.conv2(F.silu(self.norm2(self.conv1(F.silu(self.norm1(x))))))


class SelfAttentionBlock(nn.Module):
    """Pre-norm multi-head self-attention and a GELU feed-forward layer of four times the width."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.norm1, self.norm2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.qkv, self.out = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.up, self.down = nn.Linear(width, 4 * width), nn.Linear(4 * width, width)

    def forward(self, x: Float[Tensor, "b t d"]) -> Float[Tensor, "b t d"]:
        """Residual update of a token list; without positions, permuting tokens permutes the result."""
        q, k, v = self.qkv(self.norm1(x)).unflatten(-1, (3, self.heads, -1)).permute(2, 0, 3, 1, 4)
        x = x + self.out(F.scaled_dot_product_attention(q, k, v).transpose(1, 2).flatten(2))
        return x + self.down(F.gelu(self.up(self.norm2(x))))
