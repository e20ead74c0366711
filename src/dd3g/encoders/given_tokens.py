"""The picture as tokens of a frozen network that is no part of the student: the paper's teacher reads it by CLIP (method: 6.3).

The tower itself, hundreds of millions of parameters, belongs to the teacher. It runs once a picture, and its tokens are handed in.
"""

from __future__ import annotations

from dataclasses import dataclass

from jaxtyping import Float
from torch import Tensor, nn

from dd3g.core.errors import InputError


@dataclass(frozen=True)
class GivenTokensConfig:
    """What is handed in, and how wide the student takes it. The defaults are the last but one hidden state of CLIP ViT-H/14.

    The teacher's 16 resampled tokens instead: ``GivenTokensConfig(count=16, given_width=1024)``.
    """

    count: int = 257
    given_width: int = 1280
    width: int = 1024  # of the context that extraction attends to, and that joins the pattern tokens


class GivenTokens(nn.Module):
    """Tokens as they come -> the student's context, by a linear layer and LayerNorm."""

    def __init__(self, config: GivenTokensConfig) -> None:
        super().__init__()
        self.config = config
        self.enter, self.norm = nn.Linear(config.given_width, config.width), nn.LayerNorm(config.width)

    def forward(self, tokens: Float[Tensor, "b t given"]) -> Float[Tensor, "b t width"]:
        """The context.

        Raises:
            InputError: Another number or width of tokens than the configuration's.
        """
        if tokens.shape[1:] != (self.config.count, self.config.given_width):
            raise InputError(
                f"image_tokens: found {tuple(tokens.shape[1:])}, expected {(self.config.count, self.config.given_width)}; hand in the "
                "tokens that this student was trained on"
            )
        return self.norm(self.enter(tokens))
