"""The sizes and columns of the arrays that the kernels share.

Everything is phrased as alpha = 2**(k - u**2). With h = log2(e) / 2 and the projected covariance S, the Cholesky factors

    a = sqrt(h Syy / det S)      b = -h Sxy / (det S a)      c = sqrt(h / Syy)

give (d^T S^-1 d) h = (a dx + b dy)^2 + (c dy)^2: u = a dx + b dy is linear along a row of pixels, k = log2(opacity) - (c dy)^2 is
constant on it, and the exponent of E9 costs two fused multiply-adds a pixel and can't get the wrong sign.
"""

from __future__ import annotations

import math

import numpy as np

from dd3g.render.constants import ALPHA_CUTOFF
from dd3g.render.cpu.simd import LANES

f32 = np.float32

# ---------------------------------------------------------------- sizes
CHUNK = 256
"""Gaussians whose columns are worked on at once: they stay in the first-level cache while all views pass."""

TILE_WIDTH, TILE_HEIGHT = 32, 32
"""Pixels. Their planes stay in the first-level cache too. 24 x 24 to 48 x 32 are as fast, 16 x 16 is slower by a quarter."""

BATCH = 1024
"""Segments listed before they are composited."""

BATCH_ROOM = 200
"""Segments that one splat may need within a tile, rounded up: 32 rows of 4, written eight rows at a time."""

PLANE_WIDTH = TILE_WIDTH + LANES
"""A row of a plane, with room for a segment that starts at its last pixel."""

PLANES = 7
ROW = PLANES * PLANE_WIDTH
"""The planes of a tile are interleaved by row of pixels."""

DEAD_ROW = TILE_HEIGHT * ROW
"""One more row, in which no pixel is ever alive: where the segments that a row does not need are sent."""

# ---------------------------------------------------------------- a record: one Gaussian in one picture, 64 bytes
RECORD = 16
REC_X, REC_Y = 0, 1  # centre, pixels
REC_A, REC_INV_A, REC_B_OVER_A, REC_C = 2, 3, 4, 5  # Cholesky factors, see above
REC_LOG2_OPACITY = 6
REC_DEPTH = 7  # camera z
REC_RGB = 8  # 8, 9, 10
REC_HALF_HEIGHT, REC_HALF_WIDTH = 11, 12  # of the box outside which alpha is below the cutoff, pixels
REC_HALF_ROW = 13  # half the widest row, pixels
REC_OPACITY = 14  # after antialiasing
REC_B = 15

# ---------------------------------------------------------------- a packed record: what a row of tiles needs of it, in depth order
# The same, but for the centre, which counts from the centre of the picture's first column and the tiles' first row, and
PACK_FIRST_ROW, PACK_ROWS = REC_HALF_HEIGHT, REC_HALF_WIDTH  # of pixels: the first within the row of tiles, and how many

# ---------------------------------------------------------------- sums of one splat over the pixels of a row of tiles, for backward
SUM_G, SUM_U, SUM_UU, SUM_UY, SUM_Y, SUM_YY = 0, 1, 2, 3, 4, 5  # g, g u, g u^2, g u dy, g dy, g dy^2 with g = alpha dL/dalpha
SUM_RGB = 6  # 6, 7, 8
SUM_DEPTH = 9
SUMS = 10

# ---------------------------------------------------------------- numbers in float32
ZERO, HALF, ONE, TWO = f32(0), f32(0.5), f32(1), f32(2)
FAR_AWAY = f32(1e30)
CUTOFF = f32(ALPHA_CUTOFF)
LOG2_INV_CUTOFF = f32(-math.log2(ALPHA_CUTOFF))
EXPONENT_SCALE = f32(0.5 * math.log2(math.e))  # h: exp(-q / 2) = 2**(-h q)
EDGE = f32(0.998)  # instead of 1 where a border is rounded: errs outwards by more than float32's rounding
