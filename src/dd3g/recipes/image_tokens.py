"""Tokens of pictures for students that read a frozen network's: who makes them, and what stands in where only time and memory count."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias, cast

import torch
from jaxtyping import Float
from torch import Tensor, nn

from dd3g.core.errors import InputError
from dd3g.encoders import GivenTokensConfig
from dd3g.teacher.imagedream.network import ImageDreamNetwork, image_tokens
from dd3g.teacher.imagedream.prepare import clip_pixels, over_grey
from dd3g.teacher.teacher import Teacher

# straight RGBA in [0, 1], the whole frame -> tokens as dd3g.encoders.GivenTokens takes them, without a graph
TokensOf: TypeAlias = Callable[[Float[Tensor, "b 4 h w"]], Float[Tensor, "b t given"]]

NO_TOKENS = (
    "this student reads the tokens of CLIP's image tower; give --teacher, an ImageDream checkpoint, whose tower makes them, or take "
    "--preset paper-own, which reads pictures by itself"
)
GREY = 0.5  # behind every picture that a student's tower sees


def teacher_tokens(teacher: Teacher | None, config: GivenTokensConfig, device: torch.device | str) -> TokensOf:
    """The tower of a teacher of ImageDream's kind, over a middle grey: its features, or where those are asked for its resampled tokens.

    Raises:
        InputError: There is no such teacher, or its tokens have other sizes than the student takes.
    """
    if teacher is None or not isinstance(teacher.network, ImageDreamNetwork):
        raise InputError(f"image tokens: {NO_TOKENS}")
    network, sizes = teacher.network, teacher.network.config.sizes
    features = ((sizes.vision.side // sizes.vision.patch) ** 2 + 1, sizes.vision.width)
    resampled = (sizes.unet.tokens, sizes.unet.context)
    wanted = (config.count, config.given_width)
    if wanted not in (features, resampled):
        raise InputError(
            f"image tokens: the student takes {wanted}, the teacher's are {features}, or {resampled} resampled; take another --teacher"
        )
    vision = network.vision.to(device)
    if wanted == resampled:
        cast(nn.Module, network.unet).to(device)

    @torch.no_grad()
    def tokens(image: Tensor) -> Tensor:
        shown = over_grey(image, image.new_full((image.shape[0],), GREY))
        found = vision(clip_pixels(shown, sizes.vision.side).to(next(vision.parameters()).dtype))
        return (image_tokens(network.unet, found.to(network.unet.dtype)) if wanted == resampled else found).to(image.dtype)

    return tokens


def zero_tokens(config: GivenTokensConfig) -> TokensOf:
    """Stands in for the tower in rehearsals: the student takes as long and as much memory whatever the tokens say."""

    def tokens(image: Tensor) -> Tensor:
        return torch.zeros(image.shape[0], config.count, config.given_width, device=image.device)

    return tokens
