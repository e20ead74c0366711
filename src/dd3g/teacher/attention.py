"""Attention among the frames of an object, as processors of diffusers' ``Attention``.

    self:   (b f, l, c) --> (b, f l, c)     every place attends to every place of every frame
    cross:  (b f, l, c) --> (b, f l, c)     every place attends to the tokens of its object, which are given once an object: (b, n, d)

Without a mask, cross-attention of folded frames is the cross-attention of each, and keys and values are made once for all of them. They do
not depend on the time either: ``kept`` hands in what ``projected`` made before the first step.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

Projected = tuple[tuple[Tensor, Tensor], ...]  # keys and values (b, heads, n, d / heads) of one cross-attention, a pair a list of tokens


class FoldedAttention:
    """Self-attention over all frames of an object; cross-attention to one list of tokens.

    Args:
        frames: f, of an object: its views and the picture.
        place: Of a cross-attention among the network's: where ``kept`` holds what is its own.
    """

    def __init__(self, frames: int, place: int = 0) -> None:
        self.frames, self.place = frames, place

    def projected(self, attn: Any, context: Float[Tensor, "b n d"]) -> Projected:
        """Keys and values of a cross-attention."""
        return (_keys_and_values(attn.heads, attn.to_k, attn.to_v, context),)

    def __call__(
        self,
        attn: Any,
        hidden_states: Float[Tensor, "bf l c"],
        encoder_hidden_states: Float[Tensor, "b n d"] | None = None,
        attention_mask: Tensor | None = None,
        kept: Sequence[Projected] | None = None,
        **_: Any,
    ) -> Float[Tensor, "bf l c"]:
        """One attention."""
        if encoder_hidden_states is not None:
            return _attended(attn, hidden_states, self.projected(attn, encoder_hidden_states) if kept is None else kept[self.place])
        folded = hidden_states.unflatten(0, (-1, self.frames)).flatten(1, 2)
        return _attended(attn, hidden_states, (_keys_and_values(attn.heads, attn.to_k, attn.to_v, folded),))


class TwoContextAttention(nn.Module):
    """Cross-attention to text and to a picture: two softmaxes with keys and values of their own, added before the shared projection.

    What diffusers calls ``IPAdapterAttnProcessor2_0`` at scale 1, under its parameters' names; here one list of tokens holds both, text
    first.

    Args:
        place: Of this cross-attention among the network's: where ``kept`` holds what is its own.
        width: Of the queries.
        context_width: Of the tokens.
        picture_tokens: How many at the end of the list are the picture's.
    """

    def __init__(self, place: int, width: int, context_width: int, picture_tokens: int) -> None:
        super().__init__()
        self.place, self.picture_tokens = place, picture_tokens
        self.to_k_ip = nn.ModuleList([nn.Linear(context_width, width, bias=False)])
        self.to_v_ip = nn.ModuleList([nn.Linear(context_width, width, bias=False)])

    def projected(self, attn: Any, context: Float[Tensor, "b n d"]) -> Projected:
        """Keys and values, of the text and of the picture."""
        text, picture = context.split([context.shape[1] - self.picture_tokens, self.picture_tokens], 1)
        return (
            _keys_and_values(attn.heads, attn.to_k, attn.to_v, text),
            _keys_and_values(attn.heads, self.to_k_ip[0], self.to_v_ip[0], picture),
        )

    def __call__(  # not forward: diffusers hands over what this signature names, and nothing else
        self,
        attn: Any,
        hidden_states: Float[Tensor, "bf l c"],
        encoder_hidden_states: Float[Tensor, "b n d"],
        attention_mask: Tensor | None = None,
        kept: Sequence[Projected] | None = None,
        **_: Any,
    ) -> Float[Tensor, "bf l c"]:
        """One attention."""
        return _attended(attn, hidden_states, self.projected(attn, encoder_hidden_states) if kept is None else kept[self.place])


def _keys_and_values(heads: int, to_k: nn.Module, to_v: nn.Module, context: Tensor) -> tuple[Tensor, Tensor]:
    return _split(to_k(context), heads), _split(to_v(context), heads)


def _split(x: Tensor, heads: int) -> Float[Tensor, "b heads n d"]:
    return x.unflatten(-1, (heads, -1)).transpose(1, 2)


def _attended(attn: Any, hidden: Float[Tensor, "bf l c"], pairs: Projected) -> Float[Tensor, "bf l c"]:
    """Frames that share a row of keys are asked together; a row may serve any number of frames, one too."""
    rows = len(pairs[0][0])
    queries = _split(attn.to_q(hidden.unflatten(0, (rows, -1)).flatten(1, 2)), attn.heads)
    found = [F.scaled_dot_product_attention(queries, k, v) for k, v in pairs]
    joined = found[0] if len(found) == 1 else found[0] + found[1]
    return attn.to_out[1](attn.to_out[0](joined.transpose(1, 2).flatten(2))).reshape(hidden.shape)
