"""The adjoint of projection: the sums of a Gaussian over all its rows of tiles and views, back to its five attributes."""

from __future__ import annotations

from typing import no_type_check

import numpy as np
from numba import njit

from dd3g.render.constants import BLUR_PX2, COMPENSATION_FLOOR
from dd3g.render.cpu.columns import (
    COL_AXES,
    COL_INV_LENGTH,
    COL_MEAN,
    COL_OPACITY,
    COL_QUAT,
    COL_RGB,
    COL_SCALE,
    COLUMNS,
    add_to_column,
    add_to_columns3,
    column,
    column3,
    dot,
    load_chunk,
    put_column,
    put_columns3,
    rotation,
)
from dd3g.render.cpu.kernel_cache import INLINE, kernel
from dd3g.render.cpu.layout import (
    CHUNK,
    ONE,
    REC_A,
    REC_B,
    REC_OPACITY,
    SUM_DEPTH,
    SUM_G,
    SUM_RGB,
    SUM_UY,
    SUMS,
    TWO,
    ZERO,
    f32,
)
from dd3g.render.cpu.project import CAM_BOTTOM, CAM_FX, CAM_FY, CAM_LEFT, CAM_RIGHT, CAM_TOP, splat
from dd3g.render.cpu.simd import LANES, next_ticket, select, vsqrt

# further columns beside the sums, from the records
_A, _B, _OPACITY = SUMS, SUMS + 1, SUMS + 2

_BLUR, _FLOOR = f32(BLUR_PX2), f32(COMPENSATION_FLOOR)


@kernel
@no_type_check
def gather(
    counter, tasks, chunks, n, views, antialiased, means, quats, scales, opacities, rgb, cameras, records, tile_rows, slots, offsets, sums,
    v_means, v_quats, v_scales, v_opacities, v_rgb,
):  # fmt: skip
    """Task: a chunk of Gaussians of one scene. Adds the slots of all views in a fixed order and writes the five gradients."""
    columns, total, view_sums = np.empty((COLUMNS, CHUNK), f32), np.empty((COLUMNS, CHUNK), f32), np.empty((SUMS + 3, CHUNK), f32)
    flat, flat_total, flat_sums = columns.reshape(-1), total.reshape(-1), view_sums.reshape(-1)
    while True:
        task = next_ticket(counter)
        if task >= tasks:
            return
        scene, first = task // chunks, (task % chunks) * CHUNK
        end = min(first + CHUNK, n)
        load_chunk(columns, means[scene], quats[scene], scales[scene], opacities[scene], rgb[scene], first, end)
        for i in range(flat_total.size):
            flat_total[i] = ZERO
        # total has columns as those of the Gaussians: dL/d mean, dL/d (R diag s), ...
        for image in range(scene * views, scene * views + views):
            add_slots(view_sums, first, end, tile_rows[image], slots[image], offsets[image], sums, records[image])
            for j in range(0, end - first, LANES):
                gradient_of_eight(flat, flat_sums, flat_total, j, cameras[image], antialiased)
        for j in range(0, end - first, LANES):
            shape_gradient(flat, flat_total, j)
        for g in range(first, end):
            j = g - first
            for k in range(3):
                v_means[scene, g, k], v_rgb[scene, g, k] = total[COL_MEAN + k, j], total[COL_RGB + k, j]
                v_scales[scene, g, k] = total[COL_SCALE + k, j]
            for k in range(4):
                v_quats[scene, g, k] = total[COL_QUAT + k, j]
            v_opacities[scene, g] = total[COL_OPACITY, j]


@njit(**INLINE)
@no_type_check
def add_slots(view_sums, first, end, tile_rows, slots, offset, sums, records):
    """Columns of one view: the ten sums over the rows of tiles, then the record's a, b and opacity (1 for a culled Gaussian)."""
    flat = view_sums.reshape(-1)
    for i in range(flat.size):
        flat[i] = ZERO if i < SUMS * CHUNK else ONE
    for g in range(first, end):
        count, slot = tile_rows[g, 1] - tile_rows[g, 0] + 1, offset + slots[g]
        for i in range(count):
            for k in range(SUMS):
                view_sums[k, g - first] += sums[slot + i, k]
        if count > 0:
            view_sums[_A, g - first], view_sums[_B, g - first] = records[g, REC_A], records[g, REC_B]
            view_sums[_OPACITY, g - first] = records[g, REC_OPACITY]


@njit(**INLINE)
@no_type_check
def gradient_of_eight(flat, flat_sums, total, j, cam, antialiased):
    """Adds one view's gradient of eight Gaussians to their columns."""
    x, y, _, inv_z, ux, uy, _, t, u, m, n, sxx, sxy, syy, sharp_det, det = splat(flat, j, cam)
    vx, vy, h00, h01, h11, v_opacity = screen_gradient(flat, flat_sums, j, sxx, sxy, syy, sharp_det, det, antialiased)
    # dL/dM = 2 dL/dS M; then dL/d(R diag s) = (J W)^T dL/dM and dL/d(J W) = dL/dM (R diag s)^T
    vm = (h00 * m[0] + h01 * n[0], h00 * m[1] + h01 * n[1], h00 * m[2] + h01 * n[2])
    vn = (h01 * m[0] + h11 * n[0], h01 * m[1] + h11 * n[1], h01 * m[2] + h11 * n[2])
    add_to_columns3(total, COL_AXES, j, t[0] * vm[0] + u[0] * vn[0], t[0] * vm[1] + u[0] * vn[1], t[0] * vm[2] + u[0] * vn[2])
    add_to_columns3(total, COL_AXES + 3, j, t[1] * vm[0] + u[1] * vn[0], t[1] * vm[1] + u[1] * vn[1], t[1] * vm[2] + u[1] * vn[2])
    add_to_columns3(total, COL_AXES + 6, j, t[2] * vm[0] + u[2] * vn[0], t[2] * vm[1] + u[2] * vn[1], t[2] * vm[2] + u[2] * vn[2])
    r0, r1, r2 = column3(flat, COL_AXES, j), column3(flat, COL_AXES + 3, j), column3(flat, COL_AXES + 6, j)
    vt, vu = (dot(vm, r0), dot(vm, r1), dot(vm, r2)), (dot(vn, r0), dot(vn, r1), dot(vn, r2))
    v_j00, v_j02, v_j11, v_j12 = dot(vt, cam[0:3]), dot(vt, cam[6:9]), dot(vu, cam[3:6]), dot(vu, cam[6:9])
    # dL/d(centre in the camera): through mean2d and through J, whose clamped direction does not move with x
    free_x = select((x * inv_z <= cam[CAM_RIGHT]) & (x * inv_z >= -cam[CAM_LEFT]), ONE, ZERO)
    free_y = select((y * inv_z <= cam[CAM_BOTTOM]) & (y * inv_z >= -cam[CAM_TOP]), ONE, ZERO)
    inv_z2 = inv_z * inv_z
    px = (vx * inv_z - free_x * v_j02 * inv_z2) * cam[CAM_FX]
    py = (vy * inv_z - free_y * v_j12 * inv_z2) * cam[CAM_FY]
    pz = (((ONE + free_x) * ux * v_j02 - v_j00) * inv_z2 - x * vx * inv_z2) * cam[CAM_FX]
    pz = pz + (((ONE + free_y) * uy * v_j12 - v_j11) * inv_z2 - y * vy * inv_z2) * cam[CAM_FY] + column(flat_sums, SUM_DEPTH, j)
    for k in range(3):
        add_to_column(total, COL_MEAN + k, j, px * cam[k] + py * cam[3 + k] + pz * cam[6 + k])
        add_to_column(total, COL_RGB + k, j, column(flat_sums, SUM_RGB + k, j))
    add_to_column(total, COL_OPACITY, j, v_opacity)


@njit(**INLINE)
@no_type_check
def screen_gradient(flat, flat_sums, j, sxx, sxy, syy, sharp_det, det, antialiased):
    """From the ten sums: dL/d mean2d, 2 dL/dS (three numbers) and dL/d opacity of eight splats."""
    s_g, s_u, s_uu = column3(flat_sums, SUM_G, j)
    s_uy, s_y, s_yy = column3(flat_sums, SUM_UY, j)
    inv_a, b, inv_det = ONE / column(flat_sums, _A, j), column(flat_sums, _B, j), ONE / det
    # back from u to dx = (u - b dy) / a
    s_x, s_xy = (s_u - b * s_y) * inv_a, (s_uy - b * s_yy) * inv_a
    s_xx = (s_uu - b * (s_uy + s_uy - b * s_yy)) * (inv_a * inv_a)
    c00, c01, c11 = syy * inv_det, sxy * inv_det * -ONE, sxx * inv_det  # conic C = S^-1
    vx, vy = c00 * s_x + c01 * s_y, c01 * s_x + c11 * s_y  # d alpha / d mean2d = alpha C d
    # dL/dS = C N C / 2 with N = sum g d d^T
    e00, e01, e10, e11 = c00 * s_xx + c01 * s_xy, c00 * s_xy + c01 * s_yy, c01 * s_xx + c11 * s_xy, c01 * s_xy + c11 * s_yy
    h00, h01, h11 = e00 * c00 + e01 * c01, e00 * c01 + e01 * c11, e10 * c01 + e11 * c11
    v_opacity = s_g / column(flat_sums, _OPACITY, j)
    if antialiased:  # opacity' = opacity rho with rho = sqrt(det S0 / det S)
        rho = vsqrt(sharp_det * inv_det)
        v_rho = v_opacity * column(flat, COL_OPACITY, j) / (rho + _FLOOR)
        w = (ONE - rho * rho) * v_rho
        h00, h01, h11 = h00 + w * c00 - v_rho * inv_det * _BLUR, h01 + w * c01, h11 + w * c11 - v_rho * inv_det * _BLUR
        v_opacity = v_opacity * rho
    return vx, vy, h00, h01, h11, v_opacity


@njit(**INLINE)
@no_type_check
def shape_gradient(flat, total, j):
    """From dL/d(R diag s) of eight Gaussians to their quaternions and scales."""
    w, (x, y, z) = column(flat, COL_QUAT, j), column3(flat, COL_QUAT + 1, j)
    r0, r1, r2 = rotation(w, x, y, z)
    g0, g1, g2 = column3(total, COL_AXES, j), column3(total, COL_AXES + 3, j), column3(total, COL_AXES + 6, j)
    v_s0 = r0[0] * g0[0] + r1[0] * g1[0] + r2[0] * g2[0]
    v_s1 = r0[1] * g0[1] + r1[1] * g1[1] + r2[1] * g2[1]
    v_s2 = r0[2] * g0[2] + r1[2] * g1[2] + r2[2] * g2[2]
    put_columns3(total, COL_SCALE, j, v_s0, v_s1, v_s2)
    s0, s1, s2 = column3(flat, COL_SCALE, j)
    a00, a01, a02 = g0[0] * s0, g0[1] * s1, g0[2] * s2  # dL/dR
    a10, a11, a12 = g1[0] * s0, g1[1] * s1, g1[2] * s2
    a20, a21, a22 = g2[0] * s0, g2[1] * s1, g2[2] * s2
    vw = (x * (a21 - a12) + y * (a02 - a20) + z * (a10 - a01)) * TWO
    vx = (y * (a01 + a10) + z * (a02 + a20) + w * (a21 - a12) - x * (a11 + a22) * TWO) * TWO
    vy = (x * (a01 + a10) + z * (a12 + a21) + w * (a02 - a20) - y * (a00 + a22) * TWO) * TWO
    vz = (x * (a02 + a20) + y * (a12 + a21) + w * (a10 - a01) - z * (a00 + a11) * TWO) * TWO
    along = w * vw + x * vx + y * vy + z * vz  # the length of the quaternion is divided out
    inverse = column(flat, COL_INV_LENGTH, j)
    put_column(total, COL_QUAT, j, (vw - w * along) * inverse)
    put_columns3(total, COL_QUAT + 1, j, (vx - x * along) * inverse, (vy - y * along) * inverse, (vz - z * along) * inverse)
