"""2**x and log2 of vectors, without a call into a library: the same bits everywhere."""

from __future__ import annotations

import math
from typing import no_type_check

import numpy as np
from numba import njit

from dd3g.render.cpu.kernel_cache import INNER
from dd3g.render.cpu.simd import fma, mantissa_exponent, scale_by_power, select

f32 = np.float32
_ONE, _HALF, _SQRT2 = f32(1), f32(0.5), f32(math.sqrt(2))

_ROUND = f32(1.5 * 2**23)  # adding it to a small float rounds to an integer, which then stands in the low bits
# Minimax polynomial of 2**x on [-1/2, 1/2], relative error 7.5e-8
_E0, _E1, _E2, _E3, _E4, _E5 = (f32(c) for c in (1.000000072, 0.693146967, 0.2402211972, 0.05550713325, 0.00967554146, 0.001327646246))
# ln((1 + s) / (1 - s)) = 2 (s + s^3/3 + s^5/5 + ...), here in units of ln 2
_L3, _L5, _L7, _L9, _LOG_SCALE = f32(1 / 3), f32(1 / 5), f32(1 / 7), f32(1 / 9), f32(2 / math.log(2))


@njit(**INNER)
@no_type_check
def exp2(x):
    """2**x for -126 <= x <= 127, anything beyond. Relative error 2.1e-7.

    The polynomial's terms go in pairs (Estrin): an instruction more than one after the other (Horner), but three deep and not five.
    Compositing waits for that depth: a processor looks ahead by some five segments and no more.
    """
    biased = x + _ROUND
    f = x - (biased - _ROUND)
    q = f * f
    return scale_by_power(fma(fma(fma(f, _E5, _E4), q, fma(f, _E3, _E2)), q, fma(f, _E1, _E0)), biased)


@njit(**INNER)
@no_type_check
def log2(x):
    """log2 of positive, normal x."""
    m, e = mantissa_exponent(x)
    upper = m > _SQRT2
    m, e = select(upper, m * _HALF, m), select(upper, e + _ONE, e)
    s = (m - _ONE) / (m + _ONE)
    q = s * s
    return fma(s * _LOG_SCALE, fma(fma(fma(fma(q, _L9, _L7), q, _L5), q, _L3), q, _ONE), e)
