"""E7 and E8 in Triton: every Gaussian in every picture becomes a record and a box of tiles; and the way of the gradients back.

With W the camera's rotation and J the Jacobian of the perspective at the (clamped) centre, M = J W R diag(s) is 2 x 3 and the covariance
is S = M M^T + blur. Going through M and never through the 3D covariance is short, and exact for flat splats.

Nothing of forward is kept: backward projects again, one lane a Gaussian, and adds up the views in their order. So no atomics, and the
same bits every time.
"""

from __future__ import annotations

from typing import no_type_check

import triton
import triton.language as tl

RECORD = 10  # x, y, conic xx xy yy, opacity, r, g, b, depth
BOX = 3  # first column, first row, and number of columns of the tiles that a splat touches
_EDGE_PX = tl.constexpr(2e-3)  # a box errs outwards by more than rounding does: it must never change a picture
_FLOAT_MAX = tl.constexpr(3e38)


@triton.jit
@no_type_check
def _dot(a, b):
    return a[0] * b[0] + a[1] * b[1] + a[2] * b[2]


@triton.jit
@no_type_check
def _load3(base, at, mask):
    return (
        tl.load(base + at, mask=mask, other=0.0),
        tl.load(base + at + 1, mask=mask, other=0.0),
        tl.load(base + at + 2, mask=mask, other=0.0),
    )


@triton.jit
@no_type_check
def _store3(base, at, x, y, z, mask):
    tl.store(base + at, x, mask=mask)
    tl.store(base + at + 1, y, mask=mask)
    tl.store(base + at + 2, z, mask=mask)


@triton.jit
@no_type_check
def _unit_quaternion(quats, g, mask, LENGTH_MIN: tl.constexpr):
    """(w, x, y, z) of length 1, and the inverse of the length given."""
    w = tl.load(quats + 4 * g, mask=mask, other=0.0)
    x, y, z = _load3(quats, 4 * g + 1, mask)
    inverse = 1.0 / tl.maximum(tl.sqrt(w * w + x * x + y * y + z * z), LENGTH_MIN)
    return w * inverse, x * inverse, y * inverse, z * inverse, inverse


@triton.jit
@no_type_check
def _rotation(w, x, y, z):
    """R(q) of unit quaternions, row by row."""
    return (
        (1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y)),
        (2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x)),
        (2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)),
    )


@triton.jit
@no_type_check
def _camera(pose, lens, image):
    """Rows of W, the translation, and (fx, fy, cx, cy) of one picture's camera; from (i 4 4) and (i 3 3)."""
    p, k = pose + image * 16, lens + image * 9
    w = (
        (tl.load(p), tl.load(p + 1), tl.load(p + 2)),
        (tl.load(p + 4), tl.load(p + 5), tl.load(p + 6)),
        (tl.load(p + 8), tl.load(p + 9), tl.load(p + 10)),
    )
    return w, (tl.load(p + 3), tl.load(p + 7), tl.load(p + 11)), (tl.load(k), tl.load(k + 4), tl.load(k + 2), tl.load(k + 5))


@triton.jit
@no_type_check
def _splat(
    mean, axes, w, translation, lens, width, height,
    NEAR: tl.constexpr, FAR: tl.constexpr, BLUR: tl.constexpr, MARGIN: tl.constexpr,
):  # fmt: skip
    """Gaussians in one picture. mean: world; axes: rows of R diag(s).

    Gives the centre over z and clamped (both x, y, then 1 / z), rows of J W, rows of M, (Sxx, Sxy, Syy), det(M M^T), det S, and
    which have a centre within near and far.
    """
    x, y, z = _dot(w[0], mean) + translation[0], _dot(w[1], mean) + translation[1], _dot(w[2], mean) + translation[2]
    seen = (z >= NEAR) & (z <= FAR)
    inv_z = 1.0 / tl.where(seen, z, 1.0)  # those behind get harmless numbers, and are never drawn
    x_over_z, y_over_z = x * inv_z, y * inv_z
    fx, fy, cx, cy = lens
    ux = tl.minimum(tl.maximum(x_over_z, -(cx / fx + MARGIN * width / fx)), (width - cx) / fx + MARGIN * width / fx)
    uy = tl.minimum(tl.maximum(y_over_z, -(cy / fy + MARGIN * height / fy)), (height - cy) / fy + MARGIN * height / fy)
    jx, jy = fx * inv_z, fy * inv_z
    t = (jx * (w[0][0] - ux * w[2][0]), jx * (w[0][1] - ux * w[2][1]), jx * (w[0][2] - ux * w[2][2]))
    u = (jy * (w[1][0] - uy * w[2][0]), jy * (w[1][1] - uy * w[2][1]), jy * (w[1][2] - uy * w[2][2]))
    a, b, c = axes
    m = (
        t[0] * a[0] + t[1] * b[0] + t[2] * c[0],
        t[0] * a[1] + t[1] * b[1] + t[2] * c[1],
        t[0] * a[2] + t[1] * b[2] + t[2] * c[2],
    )
    n = (
        u[0] * a[0] + u[1] * b[0] + u[2] * c[0],
        u[0] * a[1] + u[1] * b[1] + u[2] * c[1],
        u[0] * a[2] + u[1] * b[2] + u[2] * c[2],
    )
    # Cauchy-Binet: det(M M^T) is the sum of the squared minors of M. Sxx Syy - Sxy^2 would lose all digits of a thin splat.
    minors = (m[1] * n[2] - m[2] * n[1], m[2] * n[0] - m[0] * n[2], m[0] * n[1] - m[1] * n[0])
    sxx, syy, sharp_det = _dot(m, m), _dot(n, n), _dot(minors, minors)
    det = sharp_det + BLUR * (sxx + syy) + BLUR * BLUR
    return (x_over_z, y_over_z, ux, uy, inv_z), t, u, m, n, (sxx + BLUR, _dot(m, n), syy + BLUR), sharp_det, det, seen


@triton.jit
@no_type_check
def _tiles_along(centre, half, pixels, TILE: tl.constexpr):
    """First tile and number of tiles that hold a pixel centre within ``half`` of ``centre``, along one side of the picture."""
    first = tl.minimum(tl.maximum(tl.ceil(centre - half - 0.5), 0.0), pixels * 1.0)
    last = tl.minimum(tl.maximum(tl.floor(centre + half - 0.5), -1.0), pixels - 1.0)
    first_tile = first.to(tl.int32) // TILE
    return first_tile, tl.where(first <= last, last.to(tl.int32) // TILE - first_tile + 1, 0)


@triton.jit
@no_type_check
def project_forward(
    means, quats, scales, opacities, rgb, pose, lens, records, boxes, counts, n, views, width, height, ANTIALIASED: tl.constexpr,
    NEAR: tl.constexpr, FAR: tl.constexpr, BLUR: tl.constexpr, MARGIN: tl.constexpr, CUTOFF: tl.constexpr, LENGTH_MIN: tl.constexpr,
    TILE: tl.constexpr, RECORD: tl.constexpr, BOX: tl.constexpr, BLOCK: tl.constexpr,
):  # fmt: skip
    """Programs (block, image). records (image, n, 10), boxes (image, n, 3), counts (image, n): tiles touched, 0 for what is culled."""
    image = tl.program_id(1).to(tl.int64)
    i = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    inside = i < n
    g = (image // views) * n + i
    qw, qx, qy, qz, _ = _unit_quaternion(quats, g, inside, LENGTH_MIN)
    r0, r1, r2 = _rotation(qw, qx, qy, qz)
    s0, s1, s2 = _load3(scales, 3 * g, inside)
    axes = ((r0[0] * s0, r0[1] * s1, r0[2] * s2), (r1[0] * s0, r1[1] * s1, r1[2] * s2), (r2[0] * s0, r2[1] * s1, r2[2] * s2))
    w, translation, k = _camera(pose, lens, image)
    mean = _load3(means, 3 * g, inside)
    centre, _, _, _, _, spread, sharp_det, det, seen = _splat(mean, axes, w, translation, k, width, height, NEAR, FAR, BLUR, MARGIN)
    sxx, sxy, syy = spread
    opacity = tl.load(opacities + g, mask=inside, other=0.0)
    if ANTIALIASED:
        opacity = opacity * tl.sqrt(sharp_det / det)
    drawn = seen & (opacity >= CUTOFF) & (det < _FLOAT_MAX)
    x, y = k[0] * centre[0] + k[2], k[1] * centre[1] + k[3]
    # alpha >= cutoff exactly where d^T S^-1 d <= reach
    reach = 2 * tl.log(tl.where(drawn, opacity / CUTOFF, 1.0))
    column, columns = _tiles_along(x, tl.sqrt(reach * sxx) + _EDGE_PX, width, TILE)
    row, rows = _tiles_along(y, tl.sqrt(reach * syy) + _EDGE_PX, height, TILE)
    m = image * n + i
    tl.store(counts + m, tl.where(drawn, columns * rows, 0), mask=inside)
    _store3(boxes, m * BOX, column, row, columns, inside)
    inv_det = 1.0 / det
    at = m * RECORD
    tl.store(records + at, x, mask=inside)
    tl.store(records + at + 1, y, mask=inside)
    _store3(records, at + 2, syy * inv_det, -sxy * inv_det, sxx * inv_det, inside)
    tl.store(records + at + 5, opacity, mask=inside)
    red, green, blue = _load3(rgb, 3 * g, inside)
    _store3(records, at + 6, red, green, blue, inside)
    tl.store(records + at + 9, _dot(w[2], mean) + translation[2], mask=inside)


@triton.jit
@no_type_check
def project_backward(
    means, quats, scales, opacities, pose, lens, v_records, v_means, v_quats, v_scales, v_opacities, v_rgb, n, views, width, height,
    ANTIALIASED: tl.constexpr, NEAR: tl.constexpr, FAR: tl.constexpr, BLUR: tl.constexpr, MARGIN: tl.constexpr,
    FLOOR: tl.constexpr, LENGTH_MIN: tl.constexpr, RECORD: tl.constexpr, BLOCK: tl.constexpr,
):  # fmt: skip
    """Programs (block, scene). v_records (image, n, 10), 0 for what is culled."""
    scene = tl.program_id(1).to(tl.int64)
    i = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    inside = i < n
    g = scene * n + i
    qw, qx, qy, qz, inv_length = _unit_quaternion(quats, g, inside, LENGTH_MIN)
    r0, r1, r2 = _rotation(qw, qx, qy, qz)
    s0, s1, s2 = _load3(scales, 3 * g, inside)
    a = (r0[0] * s0, r0[1] * s1, r0[2] * s2)
    b = (r1[0] * s0, r1[1] * s1, r1[2] * s2)
    c = (r2[0] * s0, r2[1] * s1, r2[2] * s2)
    mean = _load3(means, 3 * g, inside)
    opacity = tl.load(opacities + g, mask=inside, other=0.0)
    nothing = tl.zeros((BLOCK,), tl.float32)
    v_x, v_y, v_z, v_opacity, v_red, v_green, v_blue = nothing, nothing, nothing, nothing, nothing, nothing, nothing
    # dL/d(R diag s)
    v_a0, v_a1, v_a2, v_b0, v_b1, v_b2, v_c0, v_c1, v_c2 = nothing, nothing, nothing, nothing, nothing, nothing, nothing, nothing, nothing
    for view in range(0, views):
        image = scene * views + view
        w, translation, lens4 = _camera(pose, lens, image)
        fx, fy, _, _ = lens4
        centre, t, u, m, o, spread, sharp_det, det, seen = _splat(
            mean, (a, b, c), w, translation, lens4, width, height, NEAR, FAR, BLUR, MARGIN
        )
        x_over_z, y_over_z, ux, uy, inv_z = centre
        sxx, sxy, syy = spread
        at = (image * n + i) * RECORD
        # what is culled has no gradient; its own numbers may be infinite, and 0 times those is none
        drawn = inside & seen & (det < _FLOAT_MAX)
        px, py, n00 = _load3(v_records, at, inside)
        n01, n11, v_dimmed = _load3(v_records, at + 3, inside)
        red, green, blue = _load3(v_records, at + 6, inside)
        v_red += red
        v_green += green
        v_blue += blue
        v_depth = tl.load(v_records + at + 9, mask=inside, other=0.0)
        # 2 dL/dS = C N C with the conic C = S^-1; the records' gradients are -N / 2 on the diagonal, -N beside it
        n00, n01, n11 = -2 * n00, -n01, -2 * n11
        inv_det = 1.0 / det
        c00, c01, c11 = syy * inv_det, -sxy * inv_det, sxx * inv_det
        e00, e01 = c00 * n00 + c01 * n01, c00 * n01 + c01 * n11
        e10, e11 = c01 * n00 + c11 * n01, c01 * n01 + c11 * n11
        h00, h01, h11 = e00 * c00 + e01 * c01, e00 * c01 + e01 * c11, e10 * c01 + e11 * c11
        if ANTIALIASED:  # opacity' = opacity rho with rho = sqrt(det S0 / det S)
            rho = tl.sqrt(sharp_det * inv_det)
            v_rho = v_dimmed * opacity / (rho + FLOOR)
            slope = (1 - rho * rho) * v_rho
            h00 += slope * c00 - v_rho * inv_det * BLUR
            h01 += slope * c01
            h11 += slope * c11 - v_rho * inv_det * BLUR
            v_dimmed = v_dimmed * rho
        v_opacity += tl.where(drawn, v_dimmed, 0.0)
        # dL/dM = 2 dL/dS M; then dL/d(R diag s) = (J W)^T dL/dM and dL/d(J W) = dL/dM (R diag s)^T
        vm = (
            tl.where(drawn, h00 * m[0] + h01 * o[0], 0.0),
            tl.where(drawn, h00 * m[1] + h01 * o[1], 0.0),
            tl.where(drawn, h00 * m[2] + h01 * o[2], 0.0),
        )
        vo = (
            tl.where(drawn, h01 * m[0] + h11 * o[0], 0.0),
            tl.where(drawn, h01 * m[1] + h11 * o[1], 0.0),
            tl.where(drawn, h01 * m[2] + h11 * o[2], 0.0),
        )
        v_a0 += t[0] * vm[0] + u[0] * vo[0]
        v_a1 += t[0] * vm[1] + u[0] * vo[1]
        v_a2 += t[0] * vm[2] + u[0] * vo[2]
        v_b0 += t[1] * vm[0] + u[1] * vo[0]
        v_b1 += t[1] * vm[1] + u[1] * vo[1]
        v_b2 += t[1] * vm[2] + u[1] * vo[2]
        v_c0 += t[2] * vm[0] + u[2] * vo[0]
        v_c1 += t[2] * vm[1] + u[2] * vo[1]
        v_c2 += t[2] * vm[2] + u[2] * vo[2]
        vt, vu = (_dot(vm, a), _dot(vm, b), _dot(vm, c)), (_dot(vo, a), _dot(vo, b), _dot(vo, c))
        v_j00, v_j02, v_j11, v_j12 = _dot(vt, w[0]), _dot(vt, w[2]), _dot(vu, w[1]), _dot(vu, w[2])
        # dL/d(centre in the camera): through the mean, and through J, whose clamped direction does not move with the centre
        free_x, free_y = tl.where(ux == x_over_z, 1.0, 0.0), tl.where(uy == y_over_z, 1.0, 0.0)
        inv_z2 = inv_z * inv_z
        d_x = fx * (px * inv_z - free_x * v_j02 * inv_z2)
        d_y = fy * (py * inv_z - free_y * v_j12 * inv_z2)
        d_z = fx * (((1 + free_x) * ux * v_j02 - v_j00) * inv_z2 - x_over_z * px * inv_z)
        d_z += fy * (((1 + free_y) * uy * v_j12 - v_j11) * inv_z2 - y_over_z * py * inv_z) + v_depth
        d_x, d_y, d_z = tl.where(drawn, d_x, 0.0), tl.where(drawn, d_y, 0.0), tl.where(drawn, d_z, 0.0)
        v_x += w[0][0] * d_x + w[1][0] * d_y + w[2][0] * d_z
        v_y += w[0][1] * d_x + w[1][1] * d_y + w[2][1] * d_z
        v_z += w[0][2] * d_x + w[1][2] * d_y + w[2][2] * d_z
    _store3(v_means, 3 * g, v_x, v_y, v_z, inside)
    _store3(v_rgb, 3 * g, v_red, v_green, v_blue, inside)
    tl.store(v_opacities + g, v_opacity, mask=inside)
    v_s0 = r0[0] * v_a0 + r1[0] * v_b0 + r2[0] * v_c0
    v_s1 = r0[1] * v_a1 + r1[1] * v_b1 + r2[1] * v_c1
    v_s2 = r0[2] * v_a2 + r1[2] * v_b2 + r2[2] * v_c2
    _store3(v_scales, 3 * g, v_s0, v_s1, v_s2, inside)
    _store_quaternions(
        v_quats, g, inside, (qw, qx, qy, qz), inv_length,
        (v_a0 * s0, v_a1 * s1, v_a2 * s2), (v_b0 * s0, v_b1 * s1, v_b2 * s2), (v_c0 * s0, v_c1 * s1, v_c2 * s2),
    )  # fmt: skip


@triton.jit
@no_type_check
def _store_quaternions(v_quats, g, inside, quat, inv_length, a, b, c):
    """dL/d(quaternion as given) from the rows a, b, c of dL/dR; the length is divided out."""
    w, x, y, z = quat
    v_w = 2 * (x * (c[1] - b[2]) + y * (a[2] - c[0]) + z * (b[0] - a[1]))
    v_x = 2 * (y * (a[1] + b[0]) + z * (a[2] + c[0]) + w * (c[1] - b[2]) - 2 * x * (b[1] + c[2]))
    v_y = 2 * (x * (a[1] + b[0]) + z * (b[2] + c[1]) + w * (a[2] - c[0]) - 2 * y * (a[0] + c[2]))
    v_z = 2 * (x * (a[2] + c[0]) + y * (b[2] + c[1]) + w * (b[0] - a[1]) - 2 * z * (a[0] + b[1]))
    along = w * v_w + x * v_x + y * v_y + z * v_z
    tl.store(v_quats + 4 * g, (v_w - w * along) * inv_length, mask=inside)
    _store3(v_quats, 4 * g + 1, (v_x - x * along) * inv_length, (v_y - y * along) * inv_length, (v_z - z * along) * inv_length, inside)
