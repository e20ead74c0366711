"""Against conservatism: renders of two noises should be as far apart as the teacher's views of the same two noises are.

A student that is unsure shows the mean over draws, and pays nothing for it beyond the draws' variance. Here that costs extra: of draws of
one picture in a batch, (d_student(i, j) - d_teacher(i, j))^2.

# differs: the paper states that its student is conservative, and has no remedy.
"""

from __future__ import annotations

import torch
from jaxtyping import Float, Int
from torch import Tensor

_SAME = 1e-6  # mean squared difference that is none; keeps the root's gradient finite


def pairs_of(picture: Int[Tensor, " b"]) -> tuple[Int[Tensor, " p"], Int[Tensor, " p"]]:
    """Both ends of every pair of samples of one picture; negative numbers are of no picture that could have another draw."""
    same = (picture[:, None] == picture[None]) & (picture >= 0)[:, None]
    first, second = torch.nonzero(torch.triu(same, 1), as_tuple=True)
    return first, second


def diversity_loss(ours: Float[Tensor, "b v c h w"], truth: Float[Tensor, "b v c h w"], picture: Int[Tensor, " b"]) -> Float[Tensor, ""]:
    """Mean over pairs of (d_ours - d_truth)^2, d being the root of the mean squared difference; 0 without pairs.

    Args:
        ours: Renders, over one background in all samples, or premultiplied.
        truth: The teacher's views, likewise.
        picture: Number of each sample's picture.
    """
    first, second = pairs_of(picture)
    if not len(first):
        return ours.sum() * 0
    return (_distance(ours[first], ours[second]) - _distance(truth[first], truth[second])).square().mean()


def _distance(a: Float[Tensor, "p v c h w"], b: Float[Tensor, "p v c h w"]) -> Float[Tensor, " p"]:
    return ((a - b).square().mean((1, 2, 3, 4)) + _SAME).sqrt()
