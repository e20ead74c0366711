"""What leaves a head becomes a Gaussian: activations, ranges and starting values (method.md 6.6)."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

SCALE_FLOOR = 5e-4  # a splat thinner than the 0.3 px^2 low-pass can't be told from this one
SCALE_CAP = 0.2
START_OPACITY = 0.1


def quats_from_raw(raw: Float[Tensor, "*n 4"]) -> Float[Tensor, "*n 4"]:
    """q = normalise(raw + (1, 0, 0, 0)): identity at raw = 0, and never a zero length there."""
    return F.normalize(torch.cat([raw[..., :1] + 1, raw[..., 1:]], -1), dim=-1)


def scales_from_raw(raw: Float[Tensor, "*n 3"]) -> Float[Tensor, "*n 3"]:
    """s = 0.1 softplus(raw), kept within [SCALE_FLOOR, SCALE_CAP]."""
    return (0.1 * F.softplus(raw)).clamp(SCALE_FLOOR, SCALE_CAP)


def raw_from_scale(scale: float) -> float:
    """Inverse of :func:`scales_from_raw` inside its range."""
    return math.log(math.expm1(scale / 0.1))


def start_scale(count: int) -> float:
    """Starting s for ``count`` Gaussians in a ball of radius 0.5: optical depth 3 through its centre, but at least a pixel at 256 px."""
    volume, length, depth = 4 / 3 * math.pi * 0.5**3, 1.0, 3.0
    return min(max(math.sqrt(depth * volume / (count * 2 * math.pi * START_OPACITY * length)), 0.0053), SCALE_CAP)


def ball_points(count: int, radius: float = 0.5) -> Float[Tensor, "n 3"]:
    """A quasi-random set (Halton, bases 2, 3, 5) filling a ball: the start of mu, spread so that every view is covered."""
    index = torch.arange(1, count + 1)
    u, v, w = (_radical_inverse(index, base) for base in (2, 3, 5))
    r, cos, phi = radius * u ** (1 / 3), 2 * v - 1, 2 * math.pi * w
    sin = (1 - cos**2).clamp_min(0).sqrt()
    return torch.stack([r * sin * phi.cos(), r * cos, r * sin * phi.sin()], -1).float()


def _radical_inverse(index: Tensor, base: int) -> Tensor:
    result, digit, rest = torch.zeros(index.shape, dtype=torch.float64), 1.0 / base, index.clone()
    for _ in range(math.ceil(math.log(index.numel() + 1, base)) + 1):
        result += digit * (rest % base)
        rest, digit = rest // base, digit / base
    return result
