"""Projection (E7, E8): every Gaussian in every picture becomes one record."""

from __future__ import annotations

from typing import no_type_check

import numpy as np
from numba import njit

from dd3g.render.constants import BLUR_PX2, FAR, FRUSTUM_MARGIN, NEAR
from dd3g.render.cpu.columns import COL_AXES, COL_MEAN, COL_OPACITY, COL_RGB, COLUMNS, column, column3, dot, load_chunk, put3
from dd3g.render.cpu.exponential import log2
from dd3g.render.cpu.kernel_cache import INLINE, INNER, kernel
from dd3g.render.cpu.layout import (
    CHUNK,
    CUTOFF,
    EDGE,
    EXPONENT_SCALE,
    FAR_AWAY,
    HALF,
    LOG2_INV_CUTOFF,
    ONE,
    REC_B,
    REC_DEPTH,
    REC_HALF_HEIGHT,
    REC_HALF_WIDTH,
    REC_INV_A,
    REC_LOG2_OPACITY,
    REC_RGB,
    REC_X,
    REC_Y,
    RECORD,
    TILE_HEIGHT,
    ZERO,
    f32,
)
from dd3g.render.cpu.simd import LANES, broadcast, fma, mask_bits, next_ticket, select, vmax, vmin, vsqrt, vstore

# A camera as a row of floats: rotation W (0 to 8), translation (9 to 11), then
CAM_T, CAM_FX, CAM_FY, CAM_CX, CAM_CY = 9, 12, 13, 14, 15
CAM_RIGHT, CAM_LEFT, CAM_BOTTOM, CAM_TOP = 16, 17, 18, 19  # where x / z and y / z are clamped for the Jacobian, both signs positive

_NEAR, _FAR, _BLUR = f32(NEAR), f32(FAR), f32(BLUR_PX2)


@no_type_check
def camera_rows(camera_from_world, intrinsics, height, width):
    """Poses (i 4 4) and lenses (i 3 3) as rows (i 20) of float32."""
    fx, fy, cx, cy = intrinsics[:, 0, 0], intrinsics[:, 1, 1], intrinsics[:, 0, 2], intrinsics[:, 1, 2]
    margin_x, margin_y = FRUSTUM_MARGIN * width / fx, FRUSTUM_MARGIN * height / fy
    right, left = (width - cx) / fx + margin_x, cx / fx + margin_x
    bottom, top = (height - cy) / fy + margin_y, cy / fy + margin_y
    lens = np.stack([fx, fy, cx, cy, right, left, bottom, top], 1)
    pose = [camera_from_world[:, :3, :3].reshape(-1, 9), camera_from_world[:, :3, 3]]
    return np.ascontiguousarray(np.concatenate([*pose, lens], 1), f32)


@njit(**INLINE)
@no_type_check
def splat(flat, j, cam):
    """Eight Gaussians in one picture, from the columns of their chunk.

    With W the camera's rotation and J the Jacobian of the perspective at the (clamped) centre, M = J W R diag(s) is 2 x 3 and the
    covariance is S = M M^T + blur: going through M rather than the 3D covariance is shorter and exact for flat splats.
    """
    p = column3(flat, COL_MEAN, j)
    x, y, z = dot(p, cam[0:3]) + cam[CAM_T], dot(p, cam[3:6]) + cam[CAM_T + 1], dot(p, cam[6:9]) + cam[CAM_T + 2]
    in_depth = (z >= _NEAR) & (z <= _FAR)
    inv_z = ONE / select(in_depth, z, ONE)
    ux = vmin(vmax(x * inv_z, -cam[CAM_LEFT]), cam[CAM_RIGHT])
    uy = vmin(vmax(y * inv_z, -cam[CAM_TOP]), cam[CAM_BOTTOM])
    j00, j02 = inv_z * cam[CAM_FX], ux * inv_z * -cam[CAM_FX]
    j11, j12 = inv_z * cam[CAM_FY], uy * inv_z * -cam[CAM_FY]
    t = (fma(j02, cam[6], j00 * cam[0]), fma(j02, cam[7], j00 * cam[1]), fma(j02, cam[8], j00 * cam[2]))  # rows of J W
    u = (fma(j12, cam[6], j11 * cam[3]), fma(j12, cam[7], j11 * cam[4]), fma(j12, cam[8], j11 * cam[5]))
    a, b, c = column3(flat, COL_AXES, j), column3(flat, COL_AXES + 3, j), column3(flat, COL_AXES + 6, j)
    m = (dot(t, (a[0], b[0], c[0])), dot(t, (a[1], b[1], c[1])), dot(t, (a[2], b[2], c[2])))  # rows of M
    n = (dot(u, (a[0], b[0], c[0])), dot(u, (a[1], b[1], c[1])), dot(u, (a[2], b[2], c[2])))
    # Cauchy-Binet: det(M M^T) is the sum of the squared minors of M. Sxx Syy - Sxy^2 would lose all digits of a thin splat.
    minors = (m[0] * n[1] - m[1] * n[0], m[0] * n[2] - m[2] * n[0], m[1] * n[2] - m[2] * n[1])
    sxx, sxy, syy, sharp_det = dot(m, m), dot(m, n), dot(n, n), dot(minors, minors)
    det = fma(sxx + syy, _BLUR, sharp_det + _BLUR * _BLUR)
    return x, y, z, inv_z, ux, uy, in_depth, t, u, m, n, sxx + _BLUR, sxy, syy + _BLUR, sharp_det, det


@njit(**INNER)
@no_type_check
def clip(low, high, count):
    """First and last of the integers 0 to ``count`` - 1 within [low, high]; may err outwards by one. No call into a library."""
    first = np.int64(np.int32(max(min(low + EDGE, f32(count - 1)), ZERO)))
    last = np.int64(np.int32(max(min(high + ONE, f32(count)), ONE))) - 1
    return first, last


@kernel
@no_type_check
def project(
    counter, tasks, chunks, n, views, width, height, antialiased, means, quats, scales, opacities, rgb, cameras, records, depths, tile_rows
):
    """Task: a chunk of Gaussians of one scene, in all views. Writes records, depths (i n) and first and last row of tiles (i n 2).

    A culled Gaussian has the rows 1 to 0; its record is not written.
    """
    columns, out = np.empty((COLUMNS, CHUNK), f32), np.empty((RECORD, LANES), f32)
    flat, lanes = columns.reshape(-1), out.reshape(-1)
    while True:
        task = next_ticket(counter)
        if task >= tasks:
            return
        scene, first = task // chunks, (task % chunks) * CHUNK
        end = min(first + CHUNK, n)
        load_chunk(columns, means[scene], quats[scene], scales[scene], opacities[scene], rgb[scene], first, end)
        for image in range(scene * views, scene * views + views):
            for j in range(0, end - first, LANES):
                good = project_eight(flat, j, cameras[image], antialiased, lanes)
                for lane in range(min(LANES, end - first - j)):
                    g, seen = first + j + lane, (good >> np.uint64(lane)) & np.uint64(1)
                    top, bottom = 1, 0
                    if seen and touches(out, lane, width, height):
                        cy, half = out[REC_Y, lane] - HALF, out[REC_HALF_HEIGHT, lane]
                        top, bottom = clip(cy - half, cy + half, height)
                        top, bottom = top // TILE_HEIGHT, bottom // TILE_HEIGHT
                        depths[image, g] = out[REC_DEPTH, lane]
                        for k in range(RECORD):
                            records[image, g, k] = out[k, lane]
                    tile_rows[image, g, 0], tile_rows[image, g, 1] = top, bottom


@njit(**INLINE)
@no_type_check
def project_eight(flat, j, cam, antialiased, lanes):
    """The first ten columns of eight records, as rows of eight; returns which of them can be seen at all, as bits."""
    x, y, z, inv_z, _, _, in_depth, _, _, _, _, sxx, sxy, syy, sharp_det, det = splat(flat, j, cam)
    opacity = column(flat, COL_OPACITY, j) * (vsqrt(sharp_det / det) if antialiased else broadcast(ONE))
    log2_opacity, a = log2(vmax(opacity, CUTOFF)), vsqrt(syy / det * EXPONENT_SCALE)
    # alpha >= cutoff  <=>  d^T S^-1 d <= tau = 2 ln(opacity / cutoff): the box of that ellipse loses no pixel
    tau = vmax(log2_opacity + LOG2_INV_CUTOFF, ZERO)
    inv_a, b = ONE / a, sxy / (det * a) * -EXPONENT_SCALE
    put3(lanes, REC_X, fma(x * inv_z, cam[CAM_FX], cam[CAM_CX]), fma(y * inv_z, cam[CAM_FY], cam[CAM_CY]), a)
    put3(lanes, REC_INV_A, inv_a, b * inv_a, vsqrt(EXPONENT_SCALE / syy))
    put3(lanes, REC_LOG2_OPACITY, log2_opacity, z, column(flat, COL_RGB, j))
    put3(lanes, REC_RGB + 1, column(flat, COL_RGB + 1, j), column(flat, COL_RGB + 2, j), vsqrt(tau * (ONE / EXPONENT_SCALE) * syy))
    put3(lanes, REC_HALF_WIDTH, vsqrt(tau * (ONE / EXPONENT_SCALE) * sxx), vsqrt(tau) * inv_a, opacity)
    vstore(lanes, REC_B * LANES, b)
    # a covariance that leaves float32 (a splat of 1e9 pixels) is culled like one behind the camera
    return mask_bits(in_depth & (opacity >= CUTOFF) & (det <= FAR_AWAY))


@njit(**INLINE)
@no_type_check
def touches(out, lane, width, height):
    """Whether the box of a record reaches the centre of any pixel."""
    cx, cy, half_height, half_width = out[REC_X, lane], out[REC_Y, lane], out[REC_HALF_HEIGHT, lane], out[REC_HALF_WIDTH, lane]
    inside_y = cy + half_height >= HALF and cy - half_height <= f32(height) - HALF
    return inside_y and cx + half_width >= HALF and cx - half_width <= f32(width) - HALF
