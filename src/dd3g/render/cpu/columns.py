"""A chunk of Gaussians as columns, so that eight of them fill a vector; and the rotation of a quaternion (E7)."""

from __future__ import annotations

from typing import no_type_check

from numba import njit

from dd3g.render.constants import QUAT_LENGTH_MIN
from dd3g.render.cpu.kernel_cache import INNER
from dd3g.render.cpu.layout import CHUNK, ONE, TWO, f32
from dd3g.render.cpu.simd import LANES, fma, vload, vmax, vsqrt, vstore

COL_MEAN = 0  # 0 to 2
COL_AXES = 3  # 3 to 11: R diag(s), row-major
COL_OPACITY = 12
COL_RGB = 13  # 13 to 15
COL_QUAT = 16  # 16 to 19: unit
COL_INV_LENGTH = 20  # of the quaternion as given
COL_SCALE = 21  # 21 to 23
COLUMNS = 24

_LENGTH2_MIN = f32(QUAT_LENGTH_MIN**2)


@njit(**INNER)
@no_type_check
def rotation(w, x, y, z):
    """R(q) of eight unit quaternions, row by row."""
    return (
        (ONE - TWO * (y * y + z * z), TWO * (x * y - w * z), TWO * (x * z + w * y)),
        (TWO * (x * y + w * z), ONE - TWO * (x * x + z * z), TWO * (y * z - w * x)),
        (TWO * (x * z - w * y), TWO * (y * z + w * x), ONE - TWO * (x * x + y * y)),
    )


@njit(**INNER)
@no_type_check
def load_chunk(columns, means, quats, scales, opacities, rgb, first, end):
    """Fills the columns with the Gaussians of one scene from ``first`` up to ``end``; the last one is repeated to the chunk's end."""
    for j in range(CHUNK):
        g = min(first + j, end - 1)
        for k in range(3):
            columns[COL_MEAN + k, j], columns[COL_RGB + k, j], columns[COL_SCALE + k, j] = means[g, k], rgb[g, k], scales[g, k]
        for k in range(4):
            columns[COL_QUAT + k, j] = quats[g, k]
        columns[COL_OPACITY, j] = opacities[g]
    flat = columns.reshape(-1)
    for j in range(0, end - first, LANES):
        w, (x, y, z) = column(flat, COL_QUAT, j), column3(flat, COL_QUAT + 1, j)
        inverse = ONE / vsqrt(vmax(fma(w, w, dot((x, y, z), (x, y, z))), _LENGTH2_MIN))
        w, x, y, z = w * inverse, x * inverse, y * inverse, z * inverse
        put_column(flat, COL_QUAT, j, w)
        put_columns3(flat, COL_QUAT + 1, j, x, y, z)
        put_column(flat, COL_INV_LENGTH, j, inverse)
        r0, r1, r2 = rotation(w, x, y, z)
        s0, s1, s2 = column3(flat, COL_SCALE, j)
        put_columns3(flat, COL_AXES, j, r0[0] * s0, r0[1] * s1, r0[2] * s2)
        put_columns3(flat, COL_AXES + 3, j, r1[0] * s0, r1[1] * s1, r1[2] * s2)
        put_columns3(flat, COL_AXES + 6, j, r2[0] * s0, r2[1] * s1, r2[2] * s2)


@njit(**INNER)
@no_type_check
def column(flat, k, j):
    """Eight entries of column ``k`` from ``j`` on."""
    return vload(flat, k * CHUNK + j)


@njit(**INNER)
@no_type_check
def column3(flat, k, j):
    """Eight entries of three neighbouring columns."""
    return vload(flat, k * CHUNK + j), vload(flat, (k + 1) * CHUNK + j), vload(flat, (k + 2) * CHUNK + j)


@njit(**INNER)
@no_type_check
def put_column(flat, k, j, x):
    """Writes eight entries of column ``k`` from ``j`` on."""
    vstore(flat, k * CHUNK + j, x)


@njit(**INNER)
@no_type_check
def put_columns3(flat, k, j, x, y, z):
    """Writes eight entries of three neighbouring columns."""
    put_column(flat, k, j, x)
    put_column(flat, k + 1, j, y)
    put_column(flat, k + 2, j, z)


@njit(**INNER)
@no_type_check
def add_to_column(flat, k, j, x):
    """Adds eight values to column ``k`` from ``j`` on."""
    put_column(flat, k, j, column(flat, k, j) + x)


@njit(**INNER)
@no_type_check
def add_to_columns3(flat, k, j, x, y, z):
    """Adds eight values to each of three neighbouring columns."""
    add_to_column(flat, k, j, x)
    add_to_column(flat, k + 1, j, y)
    add_to_column(flat, k + 2, j, z)


@njit(**INNER)
@no_type_check
def put3(flat, row, x, y, z):
    """Writes three vectors as rows ``row`` to ``row + 2`` of eight floats."""
    vstore(flat, row * LANES, x)
    vstore(flat, (row + 1) * LANES, y)
    vstore(flat, (row + 2) * LANES, z)


@njit(**INNER)
@no_type_check
def dot(a, b):
    """Inner product of two triples."""
    return fma(a[0], b[0], fma(a[1], b[1], a[2] * b[2]))
