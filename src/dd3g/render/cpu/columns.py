"""A chunk of Gaussians as columns, so that eight of them fill a vector; and the rotation of a quaternion (E7)."""

from __future__ import annotations

import math
from typing import no_type_check

from numba import njit

from dd3g.render.constants import QUAT_LENGTH_MIN
from dd3g.render.cpu.kernel_cache import INLINE
from dd3g.render.cpu.layout import CHUNK, ONE, TWO, f32
from dd3g.render.cpu.simd import LANES, fma, vload, vstore

COL_MEAN = 0  # 0 to 2
COL_AXES = 3  # 3 to 11: R diag(s), row-major
COL_OPACITY = 12
COL_RGB = 13  # 13 to 15
COLUMNS = 16

_LENGTH2_MIN = f32(QUAT_LENGTH_MIN**2)


@njit(**INLINE)
@no_type_check
def normalised(quat):
    """The unit quaternion w, x, y, z and 1 / length."""
    w, x, y, z = quat[0], quat[1], quat[2], quat[3]
    inverse = ONE / math.sqrt(max(w * w + x * x + y * y + z * z, _LENGTH2_MIN))
    return w * inverse, x * inverse, y * inverse, z * inverse, inverse


@njit(**INLINE)
@no_type_check
def rotation(w, x, y, z):
    """R(q) of a unit quaternion, row by row."""
    return (
        (ONE - TWO * (y * y + z * z), TWO * (x * y - w * z), TWO * (x * z + w * y)),
        (TWO * (x * y + w * z), ONE - TWO * (x * x + z * z), TWO * (y * z - w * x)),
        (TWO * (x * z - w * y), TWO * (y * z + w * x), ONE - TWO * (x * x + y * y)),
    )


@njit(**INLINE)
@no_type_check
def load_chunk(columns, means, quats, scales, opacities, rgb, first, end):
    """Fills the columns with the Gaussians of one scene from ``first`` up to ``end``; the last one is repeated to the chunk's end."""
    for j in range(CHUNK):
        g = min(first + j, end - 1)
        w, x, y, z, _ = normalised(quats[g])
        r0, r1, r2 = rotation(w, x, y, z)
        for k in range(3):
            columns[COL_MEAN + k, j], columns[COL_RGB + k, j] = means[g, k], rgb[g, k]
            columns[COL_AXES + k, j] = r0[k] * scales[g, k]
            columns[COL_AXES + 3 + k, j] = r1[k] * scales[g, k]
            columns[COL_AXES + 6 + k, j] = r2[k] * scales[g, k]
        columns[COL_OPACITY, j] = opacities[g]


@njit(**INLINE)
@no_type_check
def column(flat, k, j):
    """Eight entries of column ``k`` from ``j`` on."""
    return vload(flat, k * CHUNK + j)


@njit(**INLINE)
@no_type_check
def column3(flat, k, j):
    """Eight entries of three neighbouring columns."""
    return vload(flat, k * CHUNK + j), vload(flat, (k + 1) * CHUNK + j), vload(flat, (k + 2) * CHUNK + j)


@njit(**INLINE)
@no_type_check
def add_to_column(flat, k, j, x):
    """Adds eight values to column ``k`` from ``j`` on."""
    vstore(flat, k * CHUNK + j, vload(flat, k * CHUNK + j) + x)


@njit(**INLINE)
@no_type_check
def put3(flat, row, x, y, z):
    """Writes three vectors as rows ``row`` to ``row + 2`` of eight floats."""
    vstore(flat, row * LANES, x)
    vstore(flat, (row + 1) * LANES, y)
    vstore(flat, (row + 2) * LANES, z)


@njit(**INLINE)
@no_type_check
def dot(a, b):
    """Inner product of two triples."""
    return fma(a[0], b[0], fma(a[1], b[1], a[2] * b[2]))
