"""Noise as a pure function of a key, the same bits on every machine.

Nobody promises that a library's normal generator stays the same over versions, devices and vector units. Raw Philox bits are promised by
NumPy; everything after them is made here from additions, multiplications, divisions and square roots, which IEEE 754 defines to the bit.
"""

from __future__ import annotations

import hashlib
import math
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from dd3g.core.errors import InputError

GENERATOR = "philox4x64-boxmuller-1"  # written into every data set; a change of this file's results is a new name


@dataclass(frozen=True)
class NoiseKey:
    """What a drawn noise N depends on, and nothing else.

    ``image_digest`` names the input image (hex, see :func:`digest`), or any other text that should make noise its own;
    ``draw`` counts the draws of one image, and is the user's ``--seed`` in generation.
    """

    image_digest: str
    draw: int


def digest(data: bytes) -> str:
    """16-byte BLAKE2b as 32 hex digits."""
    return hashlib.blake2b(data, digest_size=16).hexdigest()


def draw_noise(key: NoiseKey, shape: tuple[int, ...]) -> Float[Tensor, "*shape"]:
    """Standard normal float32 noise of the given shape (N of the paper)."""
    text = f"{GENERATOR}|{key.image_digest}|{key.draw}".encode()
    words = np.frombuffer(hashlib.blake2b(text, digest_size=16).digest(), "<u8")
    count = math.prod(shape)
    pairs = (count + 1) // 2
    raw = np.random.Philox(key=words).random_raw(2 * pairs)
    uniform = (raw >> np.uint64(11)).astype(np.float64) * 2.0**-53  # [0, 1)
    # Box-Muller; 1 - u lies in (0, 1], so the logarithm is finite.
    radius = np.sqrt(-2.0 * _log(1.0 - uniform[:pairs]))
    sin, cos = _sin_cos_turns(uniform[pairs:])
    normal = np.concatenate([radius * cos, radius * sin])[:count]
    return torch.from_numpy(normal.astype(np.float32)).reshape(shape)


def slerp(a: Float[Tensor, "*shape"], b: Float[Tensor, "*shape"], t: float) -> Float[Tensor, "*shape"]:
    """From noise ``a`` to noise ``b`` on the arc between them, both taken whole as one vector: ``a`` itself at 0, ``b`` itself at 1.

    The norm goes in a straight line from one's to the other's, so that noise stays as long as noise is; on the straight way between two
    draws it would shrink to 0.7 of that half way, and neither teacher nor student knows such noise.

    Args:
        a: Where it begins.
        b: Where it ends.
        t: From 0 to 1: the share of the angle that lies behind.

    Raises:
        InputError: ``t`` is outside [0, 1], or there is no one arc: noise that is zero, or exactly opposite.
    """
    if not 0 <= t <= 1:
        raise InputError(f"slerp: t is {t}, expected 0 to 1")
    if t in (0, 1):
        return (b if t else a).clone()
    x, y = a.double(), b.double()
    first, last = x.norm().item(), y.norm().item()
    if min(first, last) == 0:
        raise InputError("slerp: one noise is zero, and has no direction")
    x, y = x / first, y / last
    # by both, since either alone is coarse where the angle is small or near half a turn
    angle = 2 * math.atan2((x - y).norm().item(), (x + y).norm().item())
    if math.pi - angle < 1e-6:
        raise InputError("slerp: the two noises are opposite, and no arc is the shortest")
    sine = math.sin(angle)
    ahead, behind = (1 - t, t) if sine < 1e-9 else (math.sin((1 - t) * angle) / sine, math.sin(t * angle) / sine)
    return (((1 - t) * first + t * last) * (ahead * x + behind * y)).to(a)


def _log(x: np.ndarray) -> np.ndarray:
    """Natural logarithm of (0, 1] by mantissa, exponent and the series of atanh; relative error about 1e-16."""
    mantissa, exponent = np.frexp(x)  # [0.5, 1): exact
    low = mantissa < math.sqrt(0.5)
    mantissa = np.where(low, mantissa * 2.0, mantissa)
    exponent = exponent - low
    s = (mantissa - 1.0) / (mantissa + 1.0)
    square, series = s * s, np.zeros_like(s)
    for k in range(23, 0, -2):
        series = series * square + 1.0 / k
    return exponent * 0.6931471805599453 + 2.0 * s * series


def _sin_cos_turns(turns: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Sine and cosine of 2 pi ``turns`` for turns in [0, 1), by quarter turns and Taylor series on [-pi/4, pi/4]."""
    quarter = np.floor(turns * 4.0 + 0.5)
    r = (turns - quarter * 0.25) * 6.283185307179586
    square, sin, cos = r * r, np.zeros_like(r), np.zeros_like(r)
    for k in range(17, 0, -2):
        sin = sin * square + (-1.0) ** ((k - 1) // 2) / math.factorial(k)
    for k in range(18, -1, -2):
        cos = cos * square + (-1.0) ** (k // 2) / math.factorial(k)
    sin = sin * r
    q = quarter.astype(np.int64) % 4
    return (
        np.choose(q, [sin, cos, -sin, -cos]),
        np.choose(q, [cos, -sin, -cos, sin]),
    )
