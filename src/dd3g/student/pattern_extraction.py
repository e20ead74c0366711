"""Pattern extraction (method, phase 1): noise N under cameras C, guided by the image II -> pattern tokens.

Conv -> {ResBlock -> SpatialTransformer3D} x m -> Conv, the block names of the multi-view teacher's U-Net. The image enters by
cross-attention alone; there is no timestep, so the camera's embedding takes its place in every ResBlock.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import cast

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from dd3g.student.config import ExtractionConfig


class PatternExtraction(nn.Module):
    """(N, C, image tokens) -> pattern tokens, grid by grid in the order of the views."""

    def __init__(self, config: ExtractionConfig, context_width: int, token_width: int) -> None:
        super().__init__()
        self.config = config
        first = config.channels[0]
        self.camera = nn.Sequential(nn.Linear(16, config.camera_width), nn.SiLU(), nn.Linear(config.camera_width, config.camera_width))
        self.guidance = None if config.guidance is None else zeroed(nn.Linear(2, config.camera_width))
        self.enter = nn.Conv2d(config.latent_channels, first, 3, 2 if config.halve_first else 1, 1)
        self.halve = nn.ModuleList()
        self.stages = nn.ModuleList()
        before = first
        for stage, (channels, pairs) in enumerate(zip(config.channels, config.blocks, strict=True)):
            self.halve.append(nn.Conv2d(before, channels, 3, 2, 1) if stage else nn.Identity())
            self.stages.append(
                nn.ModuleList(
                    nn.ModuleList(
                        [
                            ResBlock(channels, config.camera_width),
                            SpatialTransformer3D(channels, context_width, max(channels // config.head_width, 1)),
                        ]
                    )
                    for _ in range(pairs)
                )
            )
            before = channels
        self.norm = nn.GroupNorm(_groups(before), before)
        self.leave = nn.Conv2d(before, token_width, 3, 1, 1)

    def forward(
        self,
        noise: Float[Tensor, "b v c h w"],
        conditions: Float[Tensor, "b v 16"],
        image_tokens: Float[Tensor, "b t d"],
        guidance: Float[Tensor, " b"] | None = None,
    ) -> Float[Tensor, "b p width"]:
        """Extracts patterns.

        Args:
            noise: N, standard normal, in the teacher's latent shape.
            conditions: C, see :meth:`dd3g.core.Cameras.conditions`.
            image_tokens: Tokens of II.
            guidance: w, under which the teacher's ODE ties this noise to views; 0 where nothing ties it. None: what generation asks for.
                Without effect where the configuration does not tell it.

        Returns:
            Pattern tokens; p = views x grid x grid, view by view, row-major.
        """
        views = noise.shape[1]
        embedding = self.camera(conditions)
        if self.guidance is not None:
            embedding = embedding + self.guidance(guidance_numbers(noise, guidance, self.config.guidance))[:, None]
        embedding = F.silu(embedding).flatten(0, 1)
        x = self.enter(noise.flatten(0, 1))
        for halve, stage in zip(self.halve, self.stages, strict=True):
            x = halve(x)
            for residual, transformer in cast("Iterable[tuple[ResBlock, SpatialTransformer3D]]", stage):
                x = transformer(residual(x, embedding), image_tokens, views)
        x = self.leave(F.silu(self.norm(x)))
        return x.flatten(2).transpose(1, 2).unflatten(0, (-1, views)).flatten(1, 2)


class ResBlock(nn.Module):
    """GroupNorm, SiLU, conv, + camera embedding, GroupNorm, SiLU, zero-initialised conv, skip."""

    def __init__(self, channels: int, embedding_width: int) -> None:
        super().__init__()
        self.norm1, self.norm2 = nn.GroupNorm(_groups(channels), channels), nn.GroupNorm(_groups(channels), channels)
        self.conv1, self.conv2 = nn.Conv2d(channels, channels, 3, 1, 1), nn.Conv2d(channels, channels, 3, 1, 1)
        self.embed = nn.Linear(embedding_width, channels)
        for parameter in self.conv2.parameters():
            nn.init.zeros_(parameter)

    def forward(self, x: Float[Tensor, "bv c h w"], embedding: Float[Tensor, "bv e"]) -> Float[Tensor, "bv c h w"]:
        """Residual update under an embedding."""
        hidden = self.conv1(F.silu(self.norm1(x))) + self.embed(embedding)[:, :, None, None]
        return x + self.conv2(F.silu(self.norm2(hidden)))


class SpatialTransformer3D(nn.Module):
    """Self-attention over the positions of all views of an object, cross-attention to the image, GEGLU; zero-initialised on its way out."""

    def __init__(self, channels: int, context_width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.norm = nn.GroupNorm(_groups(channels), channels)
        self.enter, self.leave = nn.Linear(channels, channels), nn.Linear(channels, channels)
        self.norm1, self.norm2, self.norm3 = nn.LayerNorm(channels), nn.LayerNorm(channels), nn.LayerNorm(channels)
        self.self_qkv, self.self_out = nn.Linear(channels, 3 * channels, bias=False), nn.Linear(channels, channels)
        self.cross_q, self.cross_kv = nn.Linear(channels, channels, bias=False), nn.Linear(context_width, 2 * channels, bias=False)
        self.cross_out = nn.Linear(channels, channels)
        self.up, self.down = nn.Linear(channels, 8 * channels), nn.Linear(4 * channels, channels)
        nn.init.zeros_(self.leave.weight)
        nn.init.zeros_(self.leave.bias)

    def forward(self, x: Float[Tensor, "bv c h w"], context: Float[Tensor, "b t d"], views: int) -> Float[Tensor, "bv c h w"]:
        """Residual update; the ``views`` pictures of one object attend to each other."""
        height = x.shape[-2]
        tokens = self.enter(self.norm(x).flatten(2).transpose(1, 2)).unflatten(0, (-1, views)).flatten(1, 2)
        q, k, v = self.self_qkv(self.norm1(tokens)).unflatten(-1, (3, self.heads, -1)).permute(2, 0, 3, 1, 4)
        tokens = tokens + self.self_out(_joined(F.scaled_dot_product_attention(q, k, v)))
        q = self.cross_q(self.norm2(tokens)).unflatten(-1, (self.heads, -1)).transpose(1, 2)
        k, v = self.cross_kv(context).unflatten(-1, (2, self.heads, -1)).permute(2, 0, 3, 1, 4)
        tokens = tokens + self.cross_out(_joined(F.scaled_dot_product_attention(q, k, v)))
        value, gate = self.up(self.norm3(tokens)).chunk(2, -1)
        tokens = self.leave(tokens + self.down(value * F.gelu(gate)))
        return x + tokens.unflatten(1, (views, -1)).flatten(0, 1).transpose(1, 2).unflatten(2, (height, -1))


def guidance_numbers(noise: Float[Tensor, "b v c h w"], guidance: Float[Tensor, " b"] | None, asked: float | None) -> Float[Tensor, "b 2"]:
    """w as two numbers: whether anything ties noise to views, and the logarithm of how strongly; ``asked`` where none is given."""
    w = noise.new_full(noise.shape[:1], asked or 0.0) if guidance is None else guidance
    return torch.stack([(w > 0).to(w.dtype), w.clamp_min(1e-3).log().clamp_min(0)], -1)


def zeroed(layer: nn.Linear) -> nn.Linear:
    """A layer that says nothing yet: added to a network that is trained, it changes none of its answers."""
    nn.init.zeros_(layer.weight)
    nn.init.zeros_(layer.bias)
    return layer


def _joined(heads: Float[Tensor, "b heads t d"]) -> Float[Tensor, "b t width"]:
    return heads.transpose(1, 2).flatten(2)


def _groups(channels: int) -> int:
    """32 groups as in the teacher, fewer where the layer is narrow."""
    groups = min(32, channels // 4)
    while channels % groups:
        groups -= 1
    return groups
