"""Pattern extraction with a teacher's own way down: its U-Net from the first convolution to a level of the grid (method: 6.3, "warm").

At a late time the teacher's features already turn noise into a layout, so a student may begin where the teacher is. Parameters have
diffusers' names for its UNet2DConditionModel, and the folding of views is the teacher's (b v, l, d) -> (b, v l, d).

# differs: the paper does not say how extraction begins. The teacher's time is one number here, its text is left out, and so is the frame of
the input picture, which the student reads as tokens alone.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import cast

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from dd3g.core.errors import CheckpointError
from dd3g.student.config import TeacherExtractionConfig
from dd3g.student.pattern_extraction import guidance_numbers, zeroed

_LONGEST_PERIOD = 10_000.0
# What is copied; everything else of the extraction is new, and begins as said in TeacherExtraction.
COPIED = ("conv_in", "time_embedding", "class_embedding", "down_blocks")


class TeacherExtraction(nn.Module):
    """(N, C, image tokens) -> pattern tokens, grid by grid in the order of the views."""

    def __init__(self, config: TeacherExtractionConfig, context_width: int, token_width: int) -> None:
        super().__init__()
        self.config = config
        first, last = config.channels[0], config.channels[-1]
        self.conv_in = nn.Conv2d(config.latent_channels, first, 3, 1, 1)
        self.time_embedding, self.class_embedding = _Embedding(first, 4 * first), _Embedding(16, 4 * first)
        self.guidance = None if config.guidance is None else zeroed(nn.Linear(2, 4 * first))
        self.context = _begun_as_nothing(nn.Linear(context_width, config.context_width))
        self.down_blocks = nn.ModuleList(_Level(config, level) for level in range(len(config.channels)))
        self.norm = nn.GroupNorm(config.groups, last)
        self.leave = nn.Conv2d(last, token_width, 3, 1, 1)

    def forward(
        self,
        noise: Float[Tensor, "b v c h w"],
        conditions: Float[Tensor, "b v 16"],
        image_tokens: Float[Tensor, "b t d"],
        guidance: Float[Tensor, " b"] | None = None,
    ) -> Float[Tensor, "b p width"]:
        """Extracts patterns; arguments and result as :meth:`dd3g.student.pattern_extraction.PatternExtraction.forward`."""
        views = noise.shape[1]
        x = self.features(noise, conditions, self.context(image_tokens), guidance)
        x = self.leave(F.silu(self.norm(x)))
        return x.flatten(2).transpose(1, 2).unflatten(0, (-1, views)).flatten(1, 2)

    def features(
        self,
        noise: Float[Tensor, "b v c h w"],
        conditions: Float[Tensor, "b v 16"],
        context: Float[Tensor, "b t d"],
        guidance: Float[Tensor, " b"] | None = None,
    ) -> Float[Tensor, "bv channels g g"]:
        """What the teacher's last copied level holds: with its weights, and its own tokens for ``context``, its numbers."""
        views = noise.shape[1]
        told = self.time_embedding(_sinusoid(self.config.time, self.config.channels[0], noise)) + self.class_embedding(conditions)
        if self.guidance is not None:
            told = told + self.guidance(guidance_numbers(noise, guidance, self.config.guidance))[:, None]
        embedding = F.silu(told).flatten(0, 1)
        x = self.conv_in(noise.flatten(0, 1))
        for level in cast("Iterable[_Level]", self.down_blocks):
            x = level(x, embedding, context, views)
        return x


def copy_teacher(extraction: TeacherExtraction, unet: Mapping[str, Tensor]) -> list[str]:
    """Begins an extraction with a teacher's weights, and returns the names that were filled.

    Where the teacher's cross-attention has keys and values for an image beside those for a text (ImageDream), the image's are taken.

    Args:
        extraction: Filled in place.
        unet: The teacher's U-Net by diffusers' names.

    Raises:
        CheckpointError: A weight is missing or of another shape; all of them are counted, and the first ones named.
    """
    given = {name: _of_image(name, unet) for name in extraction.state_dict() if name.split(".")[0] in COPIED}
    wanted = extraction.state_dict()
    faults = [f"missing {name}" for name, weight in given.items() if weight is None]
    faults += [
        f"{name} is {tuple(weight.shape)}, expected {tuple(wanted[name].shape)}"
        for name, weight in given.items()
        if weight is not None and weight.shape != wanted[name].shape
    ]
    if faults:
        raise CheckpointError(
            f"--init-extraction: {len(faults)} weights of the teacher don't fit the extraction ({'; '.join(faults[:5])}); use a teacher of "
            "its topology"
        )
    extraction.load_state_dict({name: weight for name, weight in given.items() if weight is not None}, strict=False)
    return list(given)


def _of_image(name: str, unet: Mapping[str, Tensor]) -> Tensor | None:
    for projection in ("to_k", "to_v"):
        name_of_image = name.replace(f"attn2.{projection}.weight", f"attn2.processor.{projection}_ip.0.weight")
        if name_of_image != name and name_of_image in unet:
            return unet[name_of_image]
    return unet.get(name)


def _sinusoid(time: int, width: int, like: Tensor) -> Float[Tensor, "1 1 width"]:
    """Cosines, then sines, of periods from 2 pi to 10,000 times that; in float32 whatever the network computes in."""
    periods = torch.exp(torch.arange(width // 2, device=like.device) * (-math.log(_LONGEST_PERIOD) / (width // 2)))
    angle = time * periods
    return torch.cat([angle.cos(), angle.sin()])[None, None].to(like.dtype)


def _begun_as_nothing(layer: nn.Linear) -> nn.Linear:
    """Tokens that are as wide as the teacher's begin as they are."""
    if layer.in_features == layer.out_features:
        nn.init.eye_(layer.weight)
        nn.init.zeros_(layer.bias)
    return layer


class _Embedding(nn.Module):
    """Two layers with SiLU between."""

    def __init__(self, entering: int, width: int) -> None:
        super().__init__()
        self.linear_1, self.linear_2 = nn.Linear(entering, width), nn.Linear(width, width)

    def forward(self, x: Tensor) -> Tensor:
        return self.linear_2(F.silu(self.linear_1(x)))


class _Level(nn.Module):
    """Residual blocks, each followed by attention where the level has it; the grid is halved on the way to the next level."""

    def __init__(self, config: TeacherExtractionConfig, level: int) -> None:
        super().__init__()
        width = config.channels[level]
        before = [config.channels[max(level - 1, 0)], *[width] * (config.layers - 1)]
        self.resnets = nn.ModuleList(_ResBlock(entering, width, 4 * config.channels[0], config.groups) for entering in before)
        if config.attention[level]:
            sizes = (width, config.context_width, config.heads[level], config.groups)
            self.attentions = nn.ModuleList(_Transformer(*sizes) for _ in before)
        else:
            self.attentions = None
        last = level == len(config.channels) - 1
        self.downsamplers = None if last else nn.ModuleList([_Downsampler(width)])

    def forward(self, x: Tensor, embedding: Tensor, context: Tensor, views: int) -> Tensor:
        for place, residual in enumerate(self.resnets):
            x = residual(x, embedding)
            if self.attentions is not None:
                x = self.attentions[place](x, context, views)
        return x if self.downsamplers is None else self.downsamplers[0](x)


class _Downsampler(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(width, width, 3, 2, 1)

    def forward(self, x: Tensor) -> Tensor:
        return self.conv(x)


class _ResBlock(nn.Module):
    def __init__(self, entering: int, width: int, embedding: int, groups: int) -> None:
        super().__init__()
        self.norm1, self.conv1 = nn.GroupNorm(groups, entering), nn.Conv2d(entering, width, 3, 1, 1)
        self.time_emb_proj = nn.Linear(embedding, width)
        self.norm2, self.conv2 = nn.GroupNorm(groups, width), nn.Conv2d(width, width, 3, 1, 1)
        self.conv_shortcut = None if entering == width else nn.Conv2d(entering, width, 1)

    def forward(self, x: Tensor, embedding: Tensor) -> Tensor:
        hidden = self.conv1(F.silu(self.norm1(x))) + self.time_emb_proj(embedding)[:, :, None, None]
        hidden = self.conv2(F.silu(self.norm2(hidden)))
        return hidden + (x if self.conv_shortcut is None else self.conv_shortcut(x))


class _Transformer(nn.Module):
    """One block of self-attention over all views, cross-attention and GEGLU, between two linear layers."""

    def __init__(self, width: int, context: int, heads: int, groups: int) -> None:
        super().__init__()
        self.norm = nn.GroupNorm(groups, width, eps=1e-6)
        self.proj_in, self.proj_out = nn.Linear(width, width), nn.Linear(width, width)
        self.transformer_blocks = nn.ModuleList([_TransformerBlock(width, context, heads)])

    def forward(self, x: Tensor, context: Tensor, views: int) -> Tensor:
        height = x.shape[-2]
        tokens = self.proj_in(self.norm(x).flatten(2).transpose(1, 2)).unflatten(0, (-1, views)).flatten(1, 2)
        tokens = self.proj_out(self.transformer_blocks[0](tokens, context))
        return x + tokens.unflatten(1, (views, -1)).flatten(0, 1).transpose(1, 2).unflatten(2, (height, -1))


class _TransformerBlock(nn.Module):
    def __init__(self, width: int, context: int, heads: int) -> None:
        super().__init__()
        self.norm1, self.norm2, self.norm3 = nn.LayerNorm(width), nn.LayerNorm(width), nn.LayerNorm(width)
        self.attn1, self.attn2 = _Attention(width, width, heads), _Attention(width, context, heads)
        self.ff = _FeedForward(width)

    def forward(self, tokens: Tensor, context: Tensor) -> Tensor:
        inner = self.norm1(tokens)
        tokens = tokens + self.attn1(inner, inner)
        tokens = tokens + self.attn2(self.norm2(tokens), context)
        return tokens + self.ff(self.norm3(tokens))


class _Attention(nn.Module):
    def __init__(self, width: int, context: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.to_q, self.to_k, self.to_v = (nn.Linear(n, width, bias=False) for n in (width, context, context))
        self.to_out = nn.ModuleList([nn.Linear(width, width)])

    def forward(self, tokens: Tensor, context: Tensor) -> Tensor:
        q, k, v = (
            project(x).unflatten(-1, (self.heads, -1)).transpose(1, 2)
            for project, x in ((self.to_q, tokens), (self.to_k, context), (self.to_v, context))
        )
        return self.to_out[0](F.scaled_dot_product_attention(q, k, v).transpose(1, 2).flatten(2))


class _FeedForward(nn.Module):
    """GEGLU; the middle member of diffusers' list is a dropout, and holds nothing."""

    def __init__(self, width: int) -> None:
        super().__init__()
        gate = nn.Module()
        gate.proj = nn.Linear(width, 8 * width)
        self.net = nn.ModuleList([gate, nn.Identity(), nn.Linear(4 * width, width)])

    def forward(self, tokens: Tensor) -> Tensor:
        value, gate = cast(nn.Linear, self.net[0].proj)(tokens).chunk(2, -1)
        return self.net[2](value * F.gelu(gate))
