"""Progressive decoding as the paper draws it: one branch of blocks over the tokens, mu read early, then (s, q), then (c, alpha).

Other orders, all taps at the end, and two branches are there to be compared with it (dd3g.evaluate.experiments).
"""

from __future__ import annotations

import math
from contextlib import nullcontext

import torch
from jaxtyping import Float
from torch import Tensor, nn

from dd3g.core import Gaussians
from dd3g.encoders.image_encoder import SelfAttentionBlock
from dd3g.student.attributes import START_OPACITY, ball_points, quats_from_raw, raw_from_scale, scales_from_raw, start_scale
from dd3g.student.config import ATTRIBUTES, Attribute, PlainDecodingConfig


class PlainDecoder(nn.Module):
    """Pattern tokens (+) image tokens -> Gaussians; every token yields ``gaussians_per_token`` of them, unconstrained."""

    def __init__(self, config: PlainDecodingConfig, width: int, heads: int, blocks: tuple[int, int, int], tokens: int) -> None:
        super().__init__()
        self.config, count = config, config.gaussians_per_token
        self.group_a, self.group_b, self.group_c = (nn.ModuleList(SelfAttentionBlock(width, heads) for _ in range(n)) for n in blocks)
        self.norm_a, self.norm_b, self.norm_c = nn.LayerNorm(width), nn.LayerNorm(width), nn.LayerNorm(width)
        self.mu_tap = nn.Linear(width, 3 * count)
        self.s_tap, self.q_tap = nn.Linear(width, 3 * count), nn.Linear(width, 4 * count)
        self.c_tap, self.alpha_tap = nn.Linear(width, 3 * count), nn.Linear(width, count)
        for tap in (self.mu_tap, self.s_tap, self.q_tap, self.c_tap, self.alpha_tap):
            nn.init.normal_(tap.weight, std=1e-3)
            nn.init.zeros_(tap.bias)
        nn.init.constant_(self.s_tap.bias, raw_from_scale(start_scale(tokens * count)))
        nn.init.constant_(self.alpha_tap.bias, math.log(START_OPACITY / (1 - START_OPACITY)))
        # One starting point per (token, slot): the taps share their weights over tokens, so the points are a parameter of their own.
        self.mu_start = nn.Parameter(torch.atanh(ball_points(tokens * count) / config.radius).reshape(tokens, count, 3))
        self.mu_back = nn.Linear(3 * count, width) if config.feedback else None
        self.sq_back = nn.Linear(7 * count, width) if config.feedback else None
        for back in (self.mu_back, self.sq_back):
            if back is not None:
                nn.init.zeros_(back.weight)
                nn.init.zeros_(back.bias)

    def forward(self, tokens: Float[Tensor, "b t d"], patterns: int) -> Gaussians:
        """Decodes the first ``patterns`` tokens; the others are the image's and emit nothing.

        Taps are read in float32 under autocast too: half precision would lose positions below a pixel.
        """
        groups = (self.group_a, self.group_b, self.group_c)
        start, found = tokens, {}
        for step, group in enumerate(groups):
            if self.config.layout == "dual" and step == 1:
                tokens = start  # the second branch knows nothing of the first
            for block in group:
                tokens = block(tokens)
            for attribute in self._taps_after(step):
                found |= self._tapped(attribute, tokens[:, :patterns])
            if step == 0 and self.mu_back is not None:
                tokens = _added(tokens, self.mu_back(found["means"].flatten(2)))
            if step == 1 and self.sq_back is not None:
                tokens = _added(tokens, self.sq_back(torch.cat([found["scales"], found["quats_wxyz"]], -1).flatten(2)))
        return Gaussians(**{name: value.flatten(1, 2) for name, value in found.items()})

    def _taps_after(self, step: int) -> tuple[Attribute, ...]:
        """What is read after the group of that number."""
        if self.config.layout == "joint":
            return ATTRIBUTES if step == 2 else ()
        if self.config.layout == "dual":
            return {0: ("mu", "sq"), 1: (), 2: ("ca",)}[step]
        return (self.config.order[step],)

    def _tapped(self, attribute: Attribute, tokens: Float[Tensor, "b p d"]) -> dict[str, Tensor]:
        """An attribute's values (b, p, slots, ...); every tap has a norm of its own, wherever it sits."""
        if attribute == "mu":
            return {"means": self.config.radius * torch.tanh(self._tap(self.mu_tap, self.norm_a(tokens), 3) + self.mu_start)}
        if attribute == "sq":
            tapped = self.norm_b(tokens)
            scales, quats = scales_from_raw(self._tap(self.s_tap, tapped, 3)), quats_from_raw(self._tap(self.q_tap, tapped, 4))
            return {"scales": scales, "quats_wxyz": quats}
        tapped = self.norm_c(tokens)
        return {"rgb": torch.sigmoid(self._tap(self.c_tap, tapped, 3)), "opacities": torch.sigmoid(self._tap(self.alpha_tap, tapped))}

    def _tap(self, layer: nn.Linear, tapped: Tensor, *shape: int) -> Tensor:
        kind = tapped.device.type
        with torch.autocast(kind, enabled=False) if torch.amp.is_autocast_available(kind) else nullcontext():  # "meta" has none
            return layer(tapped.to(layer.weight.dtype)).unflatten(-1, (self.config.gaussians_per_token, *shape))


def _added(tokens: Tensor, update: Tensor) -> Tensor:
    return torch.cat([tokens[:, : update.shape[1]] + update, tokens[:, update.shape[1] :]], 1)
