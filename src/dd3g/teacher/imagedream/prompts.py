"""The texts that ImageDream is told, as token ids: a tokenizer's vocabulary is not worth four sentences.

Ids are OpenCLIP's for the lower-cased text between start and end, and zeros up to 77: all 77 positions are attended to, so a tokenizer that
fills up with the end token (openai/clip-vit-large-patch14's) would say another thing.
"""

from __future__ import annotations

from typing import Literal, cast, get_args

import torch
from jaxtyping import Int
from torch import Tensor

from dd3g.core.errors import InputError

PromptName = Literal["asset", "empty", "poor", "poor-sds"]
PROMPTS: tuple[PromptName, ...] = get_args(PromptName)
# What the authors' demo does; "asset" is its prompt without a description, since nobody describes these pictures.
PROMPT: PromptName = "asset"
NEGATIVE: PromptName = "poor"
_START, _END = 49406, 49407

TEXTS: dict[PromptName, str] = {
    "asset": ", 3d asset",  # what the authors end every prompt with, and here the whole of it
    "empty": "",
    "poor": (  # the authors' demo, its spaces and words as they are
        "uniform low no texture ugly, boring, bad anatomy, blurry, pixelated,  obscure, unnatural colors, poor lighting, dull, and unclear."
    ),
    "poor-sds": (  # their configuration for optimisation
        "ugly, bad anatomy, blurry, pixelated obscure, unnatural colors, poor lighting, dull, and unclear, cropped, lowres, low quality, "
        "artifacts, duplicate, morbid, mutilated, poorly drawn face, deformed, dehydrated, bad proportions"
    ),
}
_IDS: dict[PromptName, tuple[int, ...]] = {
    "asset": (267, 274, 323, 13039),
    "empty": (),
    "poor": (
        11075, 1042, 871, 16505, 8159, 267, 12519, 267, 2103, 15376, 267, 21977, 267, 14384, 943, 267, 33337, 267, 569, 3288, 5389, 267,
        3665, 5799, 267, 19433, 267, 537, 32955, 269,
    ),
    "poor-sds": (
        8159, 267, 2103, 15376, 267, 21977, 267, 14384, 943, 33337, 267, 569, 3288, 5389, 267, 3665, 5799, 267, 19433, 267, 537, 32955, 267,
        31139, 267, 1049, 934, 267, 1042, 3027, 267, 30249, 267, 28992, 671, 267, 657, 5553, 267, 39950, 943, 267, 21101, 8893, 1710, 267,
        561, 6528, 267, 561, 23300, 267, 2103, 39391,
    ),
}  # fmt: skip


def prompts_named(prompt: str, negative: str) -> tuple[PromptName, PromptName]:
    """Two names as they were given.

    Raises:
        InputError: One is no stored text's.
    """
    for option, name in (("prompt", prompt), ("negative", negative)):
        if name not in PROMPTS:
            raise InputError(f"{option}: found {name!r}, expected one of {', '.join(PROMPTS)}; other texts are not stored")
    return cast(PromptName, prompt), cast(PromptName, negative)


def prompt_ids(name: PromptName, length: int = 77) -> Int[Tensor, " n"]:
    """A text as the text tower reads it."""
    ids = (_START, *_IDS[name], _END)
    return torch.tensor([*ids, *[0] * (length - len(ids))])
