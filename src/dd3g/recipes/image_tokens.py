"""Tokens of pictures for students that read a frozen network's: who makes them, and what stands in where only time and memory count."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

import torch
from jaxtyping import Float
from torch import Tensor

from dd3g.encoders import GivenTokensConfig

# straight RGBA in [0, 1], the whole frame -> tokens as dd3g.encoders.GivenTokens takes them, without a graph
TokensOf: TypeAlias = Callable[[Float[Tensor, "b 4 h w"]], Float[Tensor, "b t given"]]

NO_TOKENS = (
    "this student reads the tokens of CLIP's image tower; give --teacher, an ImageDream checkpoint, whose tower makes them, or take "
    "--preset paper-own, which reads pictures by itself"
)


def zero_tokens(config: GivenTokensConfig) -> TokensOf:
    """Stands in for the tower in rehearsals: the student takes as long and as much memory whatever the tokens say."""

    def tokens(image: Tensor) -> Tensor:
        return torch.zeros(image.shape[0], config.count, config.given_width, device=image.device)

    return tokens
