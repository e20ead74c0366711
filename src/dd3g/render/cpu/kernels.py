"""Differentiable 3D Gaussian splatting on CPUs: explicit SIMD inside Numba, run by plain Python threads. Prototype.

    python rasterizer_numba.py --gaussians 65536 --size 256 --views 8 [--scenes 1 --threads 2 --scene shell|fog --antialiased]
Every phase is a list of independent tasks; no result depends on which thread runs a task:
  project  (scene, chunk of Gaussians)  one 64-byte record per (image, Gaussian)
  order    (image)                      the Gaussians of every row of tiles; a gradient slot per (Gaussian, row of tiles)
  forward  (image, row of tiles)        depth sort, binning, then tile by tile: row segments of 8 pixels, composited in L1
  backward (image, row of tiles)        the same segments back to front; ten sums per splat into its slot
  gather   (scene, chunk of Gaussians)  slots added in a fixed order, then the gradient of the projection
"""
import math
import os
import time
import typing
from concurrent.futures import ThreadPoolExecutor
import numpy as np
import torch
from numba import njit
from dd3g.render.cpu.simd import (L, at, bits, exp2, f32, fma, log2, prefetch, sel, ticket, vfloor, viota, vload, vmax, vmin, vset, vsqrt, vstore,
                        vstorei, vsum, vsum8)

# ---------------------------------------------------------------- constants
THR, AMAX, TMIN, LOG255 = f32(1 / 255), f32(0.999), f32(1e-4), f32(math.log2(255))
HL = f32(0.5 * math.log2(math.e))                       # exp(-q/2) = 2**(-HL q)
HALF, ONE, TWO, ZERO, BIG = f32(0.5), f32(1), f32(2), f32(0), f32(1e30)
EDGE, NARROW = f32(0.998), f32(3.99)
CH, REC, NG, CAP = 256, 16, 10, 1024                    # Gaussians per chunk, floats per record and per slot, segments per batch
TW, TH = 32, 32                                         # tile
TS = TW + L                                             # padded row of one plane
RS, DEAD = 7 * TS, TH * 7 * TS                          # seven planes per pixel row; one more row that is never alive
JIT = dict(nogil=True, error_model="numpy")
ENTRY = dict(JIT, cache=True)                           # only kernels called from Python are worth a cache file

# ---------------------------------------------------------------- projection
@njit(**JIT)
@typing.no_type_check
def unit(q):
    n = ONE / math.sqrt(max(q[0] * q[0] + q[1] * q[1] + q[2] * q[2] + q[3] * q[3], f32(1e-24)))
    return q[0] * n, q[1] * n, q[2] * n, q[3] * n, n
@njit(**JIT)
@typing.no_type_check
def load_chunk(buf, means, quats, scales, opac, colors, g0, g1):   # -> columns: mean 3, R S 9, opacity, colour 3
    for j in range(CH):
        h = min(g0 + j, g1 - 1)
        w, x, y, z, _ = unit(quats[h])
        s0, s1, s2 = scales[h, 0], scales[h, 1], scales[h, 2]
        for k in range(3):
            buf[k, j], buf[13 + k, j] = means[h, k], colors[h, k]
        buf[3, j], buf[4, j], buf[5, j] = (ONE - TWO * (y * y + z * z)) * s0, TWO * (x * y - w * z) * s1, TWO * (x * z + w * y) * s2
        buf[6, j], buf[7, j], buf[8, j] = TWO * (x * y + w * z) * s0, (ONE - TWO * (x * x + z * z)) * s1, TWO * (y * z - w * x) * s2
        buf[9, j], buf[10, j], buf[11, j] = TWO * (x * z - w * y) * s0, TWO * (y * z + w * x) * s1, (ONE - TWO * (x * x + y * y)) * s2
        buf[12, j] = opac[h]
@njit(**JIT)
@typing.no_type_check
def dot(a, b):
    return fma(a[0], b[0], fma(a[1], b[1], a[2] * b[2]))
@njit(**JIT)
@typing.no_type_check
def col3(b, k, j):
    return vload(b, k * CH + j), vload(b, (k + 1) * CH + j), vload(b, (k + 2) * CH + j)
@njit(**JIT)
@typing.no_type_check
def put3(o, k, x, y, z):
    vstore(o, k * L, x)
    vstore(o, k * L + L, y)
    vstore(o, k * L + 2 * L, z)
@njit(**JIT)
@typing.no_type_check
def ewa(b, j, cam):                                     # L Gaussians; cam: R 9, t 3, fx fy cx cy, clamps x+ x- y+ y-, near far eps
    p = col3(b, 0, j)
    x, y, z = dot(p, cam[0:3]) + cam[9], dot(p, cam[3:6]) + cam[10], dot(p, cam[6:9]) + cam[11]
    near = (z >= cam[20]) & (z <= cam[21])
    rz = ONE / sel(near, z, ONE)
    ux, uy = vmin(vmax(x * rz, -cam[17]), cam[16]), vmin(vmax(y * rz, -cam[19]), cam[18])
    j0, j2, k1, k2 = rz * cam[12], ux * rz * -cam[12], rz * cam[13], uy * rz * -cam[13]
    t = (fma(j2, cam[6], j0 * cam[0]), fma(j2, cam[7], j0 * cam[1]), fma(j2, cam[8], j0 * cam[2]))      # rows of J W
    u = (fma(k2, cam[6], k1 * cam[3]), fma(k2, cam[7], k1 * cam[4]), fma(k2, cam[8], k1 * cam[5]))
    a, c, d = col3(b, 3, j), col3(b, 6, j), col3(b, 9, j)
    m = (dot(t, (a[0], c[0], d[0])), dot(t, (a[1], c[1], d[1])), dot(t, (a[2], c[2], d[2])))            # rows of J W R S
    n = (dot(u, (a[0], c[0], d[0])), dot(u, (a[1], c[1], d[1])), dot(u, (a[2], c[2], d[2])))
    q = (m[0] * n[1] - m[1] * n[0], m[0] * n[2] - m[2] * n[0], m[1] * n[2] - m[2] * n[1])
    sxx, sxy, syy, det0, eps = dot(m, m), dot(m, n), dot(n, n), dot(q, q), cam[22]      # Cauchy-Binet: no cancellation in det
    return x, y, z, rz, ux, uy, near, t, u, m, n, sxx + eps, sxy, syy + eps, det0, fma(sxx + syy, eps, det0 + eps * eps)
@njit(**ENTRY)
@typing.no_type_check
def project(count, total, nch, N, NV, W, H, aa, means, quats, scales, opac, colors, cams, rec, depth, rows):
    # records: cx cy, a b c with sigma log2(e) = (a dx + b dy)^2 + (c dy)^2, log2 opacity, half extents y x, depth, opacity, colour
    buf, out = np.empty((16, CH), f32), np.empty((10, L), f32)
    b, o = buf.reshape(-1), out.reshape(-1)
    while True:
        task = ticket(count, 0)
        if task >= total:
            return
        s, g0 = task // nch, (task % nch) * CH
        g1 = min(g0 + CH, N)
        load_chunk(buf, means[s], quats[s], scales[s], opac[s], colors[s], g0, g1)
        for im in range(s * NV, s * NV + NV):
            cam = cams[im]
            for j in range(0, g1 - g0, L):
                x, y, z, rz, ux, uy, near, t, u, m, n, sxx, sxy, syy, det0, det = ewa(b, j, cam)
                op = vload(b, 12 * CH + j) * (vsqrt(det0 / det) if aa else vset(ONE))
                lo, a = log2(vmax(op, THR)), vsqrt(syy / det * HL)
                tau = vmax(lo + LOG255, ZERO) * (ONE / HL)
                put3(o, 0, fma(x * rz, cam[12], cam[14]), fma(y * rz, cam[13], cam[15]), a)
                put3(o, 3, sxy / (det * a) * -HL, vsqrt(HL / syy), lo)
                put3(o, 6, vsqrt(tau * syy), vsqrt(tau * sxx), z)
                vstore(o, 9 * L, op)
                good = bits(near & (op >= THR))
                for q in range(min(L, g1 - g0 - j)):
                    g, r0, r1, cx, cy, hy, hx = g0 + j + q, 1, 0, out[0, q], out[1, q], out[6, q], out[7, q]
                    if ((good >> np.uint64(q)) & np.uint64(1) and cy + hy >= HALF and cy - hy <= H - HALF and cx + hx >= HALF
                            and cx - hx <= W - HALF):
                        y0, y1 = clip(cy - HALF - hy, cy - HALF + hy, H)
                        r0, r1, depth[im, g] = y0 // TH, y1 // TH, out[8, q]
                        for k in range(10):
                            rec[im, g, k] = out[k, q]
                        for k in range(3):
                            rec[im, g, 10 + k] = buf[13 + k, j + q]
                    rows[im, g, 0], rows[im, g, 1] = r0, r1
@njit(**JIT)
@typing.no_type_check
def clip(lo, hi, n):                                    # integers of [lo, hi] within [0, n), may err outwards; no call of libm
    return np.int64(np.int32(max(min(lo + EDGE, f32(n - 1)), ZERO))), np.int64(np.int32(max(min(hi + ONE, f32(n)), ONE))) - 1

# ---------------------------------------------------------------- ordering and binning
@njit(**ENTRY)
@typing.no_type_check
def order(count, total, N, NR, fill, rows, slot, offs, base, ids):
    while True:
        im = ticket(count, 0)
        if im >= total:
            return
        n, cur = 0, offs[im].copy() if fill else np.zeros_like(offs[im])
        for g in range(N):
            slot[im, g] = n
            for r in range(rows[im, g, 0], rows[im, g, 1] + 1):
                if fill:
                    ids[base[im] + cur[r]] = g
                cur[r] += 1
                n += 1
        if not fill:
            offs[im, 0], offs[im, 1:] = 0, np.cumsum(cur[:NR])
@njit(**JIT)
@typing.no_type_check
def sort_row(ids, depth, key, idx, key2, idx2):         # stable radix sort by the bits of depth that vary: ties stay in index order
    n, lo, hi = ids.size, np.uint32(0xFFFFFFFF), np.uint32(0)
    for i in range(n):
        k = depth[ids[i]]
        key[i], idx[i], lo, hi = k, ids[i], min(lo, k), max(hi, k)
    nb, span = 0, np.int64(hi) - np.int64(lo)
    while n > 1 and (span >> nb):
        nb += 1
    passes, hist = (nb + 10) // 11, np.empty(2048, np.int64)
    for p in range(passes):
        d = (nb + passes - 1) // passes
        sh, mask, c = np.uint32(p * d), np.uint32((1 << d) - 1), 0
        hist[:1 << d] = 0
        for i in range(n):
            hist[((key[i] - lo) >> sh) & mask] += 1
        for k in range(1 << d):
            hist[k], c = c, c + hist[k]
        for i in range(n):
            k = ((key[i] - lo) >> sh) & mask
            q = hist[k]
            hist[k] = q + 1
            key2[q], idx2[q] = key[i], idx[i]
        key, idx, key2, idx2 = key2, idx2, key, idx
    for i in range(n):
        ids[i] = idx[i]
@njit(**JIT)
@typing.no_type_check
def bin_row(rec, ids, Y0, W, H, NT, pk, tx, start, lst):   # depth-ordered ids -> packed records, per-tile lists of positions
    n, start[:] = ids.size, 0
    for i in range(n):
        prefetch(rec, np.int64(ids[min(i + 12, n - 1)]) * REC)
        r, q = np.int64(ids[i]) * REC, i * REC
        cx, cy, a, lo = at(rec, r) - HALF, at(rec, r + 1) - HALF - f32(Y0), at(rec, r + 2), at(rec, r + 5)
        y0, y1 = clip(cy - at(rec, r + 6), cy + at(rec, r + 6), min(H - Y0, TH))
        x0, x1 = clip(cx - at(rec, r + 7), cx + at(rec, r + 7), W)
        ia = ONE / a
        pk[q], pk[q + 1], pk[q + 2], pk[q + 3], pk[q + 4], pk[q + 5] = cx, cy, a, ia, at(rec, r + 3) * ia, at(rec, r + 4)
        pk[q + 6], pk[q + 7], pk[q + 8], pk[q + 9], pk[q + 10] = lo, at(rec, r + 8), at(rec, r + 10), at(rec, r + 11), at(rec, r + 12)
        pk[q + 11], pk[q + 12], pk[q + 13] = f32(y0), f32(y1), math.sqrt(max(lo + LOG255, ZERO)) * ia
        tx[i, 0], tx[i, 1] = x0 // TW, x1 // TW
        for t in range(tx[i, 0], tx[i, 1] + 1):
            start[t + 1] += 1
    for t in range(NT):
        start[t + 1] += start[t]
    if start[NT] > lst.size:
        lst = np.empty(start[NT] * 5 // 4, np.int32)
    for i in range(n):
        for t in range(tx[i, 0], tx[i, 1] + 1):
            lst[start[t]] = i
            start[t] += 1
    for t in range(NT, 0, -1):
        start[t] = start[t - 1]
    start[0] = 0
    return lst
@njit(**JIT)
@typing.no_type_check
def segments(pk, p, i, fx0, n1, ji, jf, n):
    """Appends the segments (8 pixels of a row) of one splat in a tile: offset, list position, k, u at the first pixel, dy; alpha =
    2**(k - u*u). Eight rows at a time; what is written past the last row is overwritten by the next splat."""
    iota, cx, cy, a, ia, bia = viota(), at(pk, p) - fx0, at(pk, p + 1), at(pk, p + 2), at(pk, p + 3), at(pk, p + 4)
    y, y1, hm = np.int64(np.int32(at(pk, p + 11))), np.int64(np.int32(at(pk, p + 12))), at(pk, p + 13)
    while y <= y1:
        dy = iota + (f32(y) - cy)
        e = dy * at(pk, p + 5)
        k, m, o, d = fma(e * -ONE, e, at(pk, p + 6)), fma(dy, -bia, cx), iota * f32(RS) + f32(y * RS), min(y1 - y + 1, L)
        y += L
        if hm < NARROW:                                 # one segment holds any row of the splat
            x, xb = vfloor(vmax(vmin(m - (hm - EDGE), n1), ZERO)), vset(BIG)
        else:
            h = vsqrt(vmax(k + LOG255, ZERO)) * ia
            x, xb = vfloor(vmax(vmin(m - h + EDGE, n1), ZERO)), vmin(m + h, n1)
        on = x <= xb
        while bits(on):
            vstorei(ji, n, sel(on, x + o, f32(DEAD)))
            vstorei(ji, CAP + n, vset(f32(i)))
            vstore(jf, n, k)
            vstore(jf, CAP + n, (x - m) * a)
            vstore(jf, 2 * CAP + n, dy)
            n += d
            if hm < NARROW:
                break
            x = x + f32(L)
            on = x <= xb
    return n

# ---------------------------------------------------------------- compositing
@njit(**JIT)
@typing.no_type_check
def tile_fwd(pk, lst, X0, w_, live, st, ji, jf):        # planes of st: T R G B D, T where a pixel stopped, position where it stopped
    iota, fx0, n1, i = viota(), f32(X0), f32(w_ - 1), 0
    while i < lst.size and live > 0:
        n = 0
        while i < lst.size and n < CAP - 200:
            n = segments(pk, np.int64(at(lst, i)) * REC, i, fx0, n1, ji, jf, n)
            i += 1
        for q in range(n):
            j = np.int64(at(ji, q))
            t = vload(st, j)
            lv = bits(t > ZERO)
            if lv:
                r = np.int64(at(ji, CAP + q))
                p = np.int64(at(lst, r)) * REC
                u = fma(iota, at(pk, p + 2), at(jf, CAP + q))
                e = vmin(exp2(fma(u * -ONE, u, at(jf, q))), AMAX)
                e = sel(e >= THR, e, ZERO)
                w = e * t
                t2 = t - w
                s = bits(t2 <= TMIN) & lv
                if s:                                   # rare: a pixel stops here and does not take this splat
                    for b in range(L):
                        if (s >> np.uint64(b)) & np.uint64(1):
                            st[j + 5 * TS + b], st[j + 6 * TS + b], st[j + b] = st[j + b], f32(r), ZERO
                            live -= 1
                    t = vload(st, j)
                    w = e * t
                    t2 = t - w
                vstore(st, j, t2)
                vstore(st, j + TS, fma(w, at(pk, p + 8), vload(st, j + TS)))
                vstore(st, j + 2 * TS, fma(w, at(pk, p + 9), vload(st, j + 2 * TS)))
                vstore(st, j + 3 * TS, fma(w, at(pk, p + 10), vload(st, j + 3 * TS)))
                vstore(st, j + 4 * TS, fma(w, at(pk, p + 7), vload(st, j + 4 * TS)))
    return i
@njit(**JIT)
@typing.no_type_check
def scratch(N, NT):
    return (np.empty(2 * N, np.int32), np.empty(NT + 1, np.int64), np.empty((N, 2), np.int32), np.empty(N * REC, f32),
            np.zeros((TH + 1, 7, TS), f32), np.empty(2 * CAP, np.int32), np.empty(3 * CAP, f32))
@njit(**ENTRY)
@typing.no_type_check
def forward(count, total, N, W, H, NR, NT, rec, depth, offs, ids_all, base, bg, img, stops, used):
    key, key2, idx, idx2 = np.empty(N, np.uint32), np.empty(N, np.uint32), np.empty(N, np.int32), np.empty(N, np.int32)
    lst, start, tx, pk, st, ji, jf = scratch(N, NT)
    while True:
        task = ticket(count, 0)
        if task >= total:
            return
        im, r, Y0, h = task // NR, task % NR, (task % NR) * TH, min(TH, H - (task % NR) * TH)
        ids = ids_all[base[im] + offs[im, r]:base[im] + offs[im, r + 1]]
        sort_row(ids, depth[im].view(np.uint32), key, idx, key2, idx2)
        lst = bin_row(rec[im].reshape(-1), ids, Y0, W, H, NT, pk, tx, start, lst)
        for t in range(NT):
            X0, w = t * TW, min(TW, W - t * TW)
            st[:TH] = ZERO
            st[:h, 0, :w] = ONE
            st[:h, 6, :w] = BIG
            used[im, r, t] = tile_fwd(pk, lst[start[t]:start[t + 1]], X0, w, w * h, st.reshape(-1), ji, jf)
            for y in range(h):
                for x in range(w):
                    T = st[y, 5, x] if st[y, 6, x] < BIG else st[y, 0, x]
                    img[im, 4, Y0 + y, X0 + x], img[im, 3, Y0 + y, X0 + x], stops[im, Y0 + y, X0 + x] = T, st[y, 4, x], st[y, 6, x]
                    for k in range(3):
                        img[im, k, Y0 + y, X0 + x] = st[y, 1 + k, x] + T * bg[im, k]
@njit(**JIT)
@typing.no_type_check
def tile_bwd(pk, lst, X0, w_, st, ji, jf, js, grad):    # planes of st: T, S (what lies behind), dL/d(R G B D), stop position
    iota, fx0, n1, i = viota(), f32(X0), f32(w_ - 1), lst.size - 1
    while i >= 0:
        n, m = 0, 0
        while i - m >= 0 and n < CAP - 200:
            js[m] = n
            n = segments(pk, np.int64(at(lst, i - m)) * REC, i - m, fx0, n1, ji, jf, n)
            m += 1
        js[m] = n
        for o in range(m):
            r, rank = np.int64(at(lst, i - o)), f32(i - o)
            p = r * REC
            a, z, cr, cg, cb = at(pk, p + 2), at(pk, p + 7), at(pk, p + 8), at(pk, p + 9), at(pk, p + 10)
            s0 = su = suu = suy = sy = syy = sr = sg = sb = sd = vset(ZERO)
            for q in range(at(js, o), at(js, o + 1)):
                j, dy = np.int64(at(ji, q)), at(jf, 2 * CAP + q)
                lv = vload(st, j + 6 * TS) > rank
                if bits(lv):
                    u = fma(iota, a, at(jf, CAP + q))
                    e = exp2(fma(u * -ONE, u, at(jf, q)))
                    al = vmin(e, AMAX)
                    al = sel((al >= THR) & lv, al, ZERO)
                    ra = ONE / (ONE - al)
                    t, s = vload(st, j) * ra, vload(st, j + TS)
                    vr, vg, vb, vd, w = vload(st, j + 2 * TS), vload(st, j + 3 * TS), vload(st, j + 4 * TS), vload(st, j + 5 * TS), al * t
                    cv = fma(vr, cr, fma(vg, cg, fma(vb, cb, vd * z)))
                    g = sel(e <= AMAX, al * (t * cv - ra * s), ZERO)        # alpha dL/dalpha
                    vstore(st, j, t)
                    vstore(st, j + TS, fma(w, cv, s))
                    gu, gy = g * u, g * dy
                    sr, sg, sb, sd = fma(w, vr, sr), fma(w, vg, sg), fma(w, vb, sb), fma(w, vd, sd)
                    s0, su, suu, suy, sy, syy = s0 + g, su + gu, fma(gu, u, suu), fma(gu, dy, suy), sy + gy, fma(gy, dy, syy)
            r *= NG
            vstore(grad, r, vload(grad, r) + vsum8(s0, su, suu, suy, sy, syy, sr, sg))
            grad[r + 8] += vsum(sb)
            grad[r + 9] += vsum(sd)
        i -= m
@njit(**ENTRY)
@typing.no_type_check
def backward(count, total, N, W, H, NR, NT, rec, rows, offs, slot, ids_all, base, bg, img, stops, used, v_rgb, v_a, v_d, grads):
    acc, js = np.empty(N * NG, f32), np.empty(CAP, np.int64)
    lst, start, tx, pk, st, ji, jf = scratch(N, NT)
    while True:
        task = ticket(count, 0)
        if task >= total:
            return
        im, r, Y0, h = task // NR, task % NR, (task % NR) * TH, min(TH, H - (task % NR) * TH)
        ids = ids_all[base[im] + offs[im, r]:base[im] + offs[im, r + 1]]
        lst = bin_row(rec[im].reshape(-1), ids, Y0, W, H, NT, pk, tx, start, lst)
        acc[:ids.size * NG] = ZERO
        for t in range(NT):
            X0, w = t * TW, min(TW, W - t * TW)
            st[:] = ZERO
            for y in range(h):
                for x in range(w):
                    T, d = img[im, 4, Y0 + y, X0 + x], -v_a[im, Y0 + y, X0 + x]
                    for k in range(3):
                        st[y, 2 + k, x] = v_rgb[im, k, Y0 + y, X0 + x]
                        d += bg[im, k] * st[y, 2 + k, x]
                    st[y, 0, x], st[y, 1, x], st[y, 5, x], st[y, 6, x] = T, T * d, v_d[im, Y0 + y, X0 + x], stops[im, Y0 + y, X0 + x]
            tile_bwd(pk, lst[start[t]:start[t] + used[im, r, t]], X0, w, st.reshape(-1), ji, jf, js, acc)
        for i in range(ids.size):
            p = base[im] + slot[im, ids[i]] + r - rows[im, ids[i], 0]
            for k in range(NG):
                grads[p, k] = acc[i * NG + k]
@njit(**JIT)
@typing.no_type_check
def add(A, k, j, v):
    vstore(A, k * CH + j, vload(A, k * CH + j) + v)
@njit(**ENTRY)
@typing.no_type_check
def gather(count, total, nch, N, NV, aa, means, quats, scales, opac, colors, cams, rec, rows, slot, base, grads,
           g_means, g_quats, g_scales, g_opac, g_colors):
    buf, acc, sums = np.empty((16, CH), f32), np.empty((16, CH), f32), np.empty((NG + 3, CH), f32)   # sums; record's a, b, opacity
    b, A, P = buf.reshape(-1), acc.reshape(-1), sums.reshape(-1)
    while True:
        task = ticket(count, 0)
        if task >= total:
            return
        s, g0 = task // nch, (task % nch) * CH
        g1 = min(g0 + CH, N)
        load_chunk(buf, means[s], quats[s], scales[s], opac[s], colors[s], g0, g1)
        acc[:] = ZERO
        for im in range(s * NV, s * NV + NV):
            cam = cams[im]
            sums[:NG], sums[NG:] = ZERO, ONE
            for g in range(g0, g1):
                n, p = rows[im, g, 1] - rows[im, g, 0] + 1, base[im] + slot[im, g]
                for i in range(n):
                    for k in range(NG):
                        sums[k, g - g0] += grads[p + i, k]
                for k in range(3 if n > 0 else 0):
                    sums[NG + k, g - g0] = rec[im, g, (2, 3, 9)[k]]
            for j in range(0, g1 - g0, L):
                x, y, z, rz, ux, uy, near, t, u, m, n, sxx, sxy, syy, det0, det = ewa(b, j, cam)
                (s0, su, suu), (suy, sy, s22) = col3(P, 0, j), col3(P, 3, j)
                ia, cb, idet = ONE / vload(P, NG * CH + j), vload(P, (NG + 1) * CH + j), ONE / det
                s1, s12, s11 = (su - cb * sy) * ia, (suy - cb * s22) * ia, (suu - cb * (suy + suy - cb * s22)) * (ia * ia)
                q0, q1, q2 = syy * idet, sxy * idet * -ONE, sxx * idet                              # conic
                vx, vy = q0 * s1 + q1 * sy, q1 * s1 + q2 * sy                                       # d/d mean2d
                e0, e1, e2, e3 = q0 * s11 + q1 * s12, q0 * s12 + q1 * s22, q1 * s11 + q2 * s12, q1 * s12 + q2 * s22
                h0, h1, h2 = e0 * q0 + e1 * q1, e0 * q1 + e1 * q2, e2 * q1 + e3 * q2                # 2 d/d cov2d
                vo = s0 / vload(P, (NG + 2) * CH + j)
                if aa:
                    rho = vsqrt(det0 * idet)
                    vr = vo * vload(b, 12 * CH + j) / (rho + f32(1e-6))
                    w = (ONE - rho * rho) * vr
                    h0, h1, h2, vo = h0 + w * q0 - vr * idet * cam[22], h1 + w * q1, h2 + w * q2 - vr * idet * cam[22], vo * rho
                vm = (h0 * m[0] + h1 * n[0], h0 * m[1] + h1 * n[1], h0 * m[2] + h1 * n[2])          # d/d rows of J W R S
                vn = (h1 * m[0] + h2 * n[0], h1 * m[1] + h2 * n[1], h1 * m[2] + h2 * n[2])
                r0, r1, r2 = col3(b, 3, j), col3(b, 6, j), col3(b, 9, j)
                vt, vu = (dot(vm, r0), dot(vm, r1), dot(vm, r2)), (dot(vn, r0), dot(vn, r1), dot(vn, r2))
                for k in range(3):                                                                  # d/d (R S)
                    for i in range(3):
                        add(A, 3 + 3 * k + i, j, t[k] * vm[i] + u[k] * vn[i])
                j00, j02, j11, j12 = dot(vt, cam[0:3]), dot(vt, cam[6:9]), dot(vu, cam[3:6]), dot(vu, cam[6:9])
                inx = sel((x * rz <= cam[16]) & (x * rz >= -cam[17]), ONE, ZERO)
                iny = sel((y * rz <= cam[18]) & (y * rz >= -cam[19]), ONE, ZERO)
                px, py = (vx * rz - inx * j02 * (rz * rz)) * cam[12], (vy * rz - iny * j12 * (rz * rz)) * cam[13]
                pz = (((ONE + inx) * ux * j02 - j00) * (rz * rz) - x * vx * (rz * rz)) * cam[12]
                pz = pz + (((ONE + iny) * uy * j12 - j11) * (rz * rz) - y * vy * (rz * rz)) * cam[13] + vload(P, 9 * CH + j)
                for k in range(3):
                    add(A, k, j, px * cam[k] + py * cam[3 + k] + pz * cam[6 + k])
                    add(A, 13 + k, j, vload(P, (6 + k) * CH + j))
                add(A, 12, j, vo)
        for g in range(g0, g1):
            j = g - g0
            w, x, y, z, n = unit(quats[s, g])
            s0, s1, s2, G = scales[s, g, 0], scales[s, g, 1], scales[s, g, 2], acc[3:12, j]
            for k in range(3):
                g_scales[s, g, k] = (G[k] * buf[3 + k, j] + G[3 + k] * buf[6 + k, j] + G[6 + k] * buf[9 + k, j]) / scales[s, g, k]
                g_means[s, g, k], g_colors[s, g, k] = acc[k, j], acc[13 + k, j]
            a, b01, b02, b10, d, b12, b20, b21, f = G[0] * s0, G[1] * s1, G[2] * s2, G[3] * s0, G[4] * s1, G[5] * s2, G[6] * s0, G[7] * s1, G[8] * s2
            vw = TWO * (x * (b21 - b12) + y * (b02 - b20) + z * (b10 - b01))
            vx = TWO * (y * (b01 + b10) + z * (b02 + b20) + w * (b21 - b12) - TWO * x * (d + f))
            vy = TWO * (x * (b01 + b10) + z * (b12 + b21) + w * (b02 - b20) - TWO * y * (a + f))
            vz = TWO * (x * (b02 + b20) + y * (b12 + b21) + w * (b10 - b01) - TWO * z * (a + d))
            c, g_opac[s, g] = w * vw + x * vx + y * vy + z * vz, acc[12, j]
            g_quats[s, g, 0], g_quats[s, g, 1] = (vw - w * c) * n, (vx - x * c) * n
            g_quats[s, g, 2], g_quats[s, g, 3] = (vy - y * c) * n, (vz - z * c) * n

# ---------------------------------------------------------------- driver and autograd
POOLS, STATS = {}, {}

def run(kernel, total, *args):                          # kernels release the GIL and draw task numbers from a counter
    t0, count, n = time.perf_counter(), np.zeros(1, np.int64), min(torch.get_num_threads(), total)
    pool = POOLS.setdefault((os.getpid(), n), ThreadPoolExecutor(max(n - 1, 1)))        # a forked child must not use its parent's
    futures = [pool.submit(kernel, count, total, *args) for _ in range(n - 1)]
    kernel(count, total, *args)
    [f.result() for f in futures]
    STATS[kernel.__name__] = STATS.get(kernel.__name__, 0) + time.perf_counter() - t0

def camera_rows(w2c, K, W, H, near, far, eps):
    w2c, K = w2c.reshape(-1, 4, 4), K.reshape(-1, 3, 3)
    fx, fy, cx, cy = K[:, 0, 0], K[:, 1, 1], K[:, 0, 2], K[:, 1, 2]
    mx, my, o = 0.15 * W / fx, 0.15 * H / fy, np.ones_like(fx)
    return np.ascontiguousarray(np.concatenate([w2c[:, :3, :3].reshape(-1, 9), w2c[:, :3, 3], np.stack([
        fx, fy, cx, cy, (W - cx) / fx + mx, cx / fx + mx, (H - cy) / fy + my, cy / fy + my, near * o, far * o, eps * o], 1)], 1), f32)

class Rasterize(torch.autograd.Function):
    @staticmethod
    def forward(ctx, means, quats, scales, opac, colors, w2c, K, bg, W, H, aa, near, far, eps):
        (S, N, _), NV = means.shape, w2c.shape[1]
        I, NR, NT, nch = S * NV, -(-H // TH), -(-W // TW), -(-N // CH)
        p = [np.ascontiguousarray(t.detach().numpy(), f32) for t in (means, quats, scales, opac, colors)]
        cams, bgn = camera_rows(w2c.numpy(), K.numpy(), W, H, near, far, eps), np.ascontiguousarray(bg.numpy().reshape(I, 3), f32)
        rec, depth, rows = np.empty((I, N, REC), f32), np.empty((I, N), f32), np.empty((I, N, 2), np.int16)
        run(project, S * nch, nch, N, NV, W, H, aa, *p, cams, rec, depth, rows)
        slot, offs, base = np.empty((I, N), np.int32), np.empty((I, NR + 1), np.int64), np.zeros(I + 1, np.int64)
        run(order, I, N, NR, False, rows, slot, offs, base, np.empty(0, np.int32))
        base[1:] = np.cumsum(offs[:, -1])
        ids, img = np.empty(base[-1], np.int32), np.empty((I, 5, H, W), f32)
        run(order, I, N, NR, True, rows, slot, offs, base, ids)
        stops, used = np.empty((I, H, W), f32), np.empty((I, NR, NT), np.int32)
        run(forward, I * NR, N, W, H, NR, NT, rec, depth, offs, ids, base, bgn, img, stops, used)
        ctx.state = p, cams, bgn, rec, rows, slot, offs, base, ids, img, stops, used, (S, N, NV, W, H, NR, NT, nch, aa)
        out = torch.from_numpy(img).view(S, NV, 5, H, W)
        return out[:, :, :3].clone(), 1 - out[:, :, 4], out[:, :, 3].clone()

    @staticmethod
    def backward(ctx, *v):
        p, cams, bgn, rec, rows, slot, offs, base, ids, img, stops, used, (S, N, NV, W, H, NR, NT, nch, aa) = ctx.state
        v = [np.ascontiguousarray(t.numpy(), f32).reshape(S * NV, *t.shape[2:]) for t in v]
        grads, g = np.empty((base[-1], NG), f32), [np.empty_like(a) for a in p]
        run(backward, S * NV * NR, N, W, H, NR, NT, rec, rows, offs, slot, ids, base, bgn, img, stops, used, *v, grads)
        run(gather, S * nch, nch, N, NV, aa, *p, cams, rec, rows, slot, base, grads, *g)
        return (*map(torch.from_numpy, g), *[None] * 9)

def rasterize(means, quats, scales, opac, colors, w2c, K, bg, W, H, antialiased=False, near=0.01, far=1e10, eps2d=0.3):
    """[S,N,3] [S,N,4] wxyz [S,N,3] [S,N] [S,N,3] [S,V,4,4] [S,V,3,3] [S,V,3] -> rgb [S,V,3,H,W], alpha and depth [S,V,H,W]"""
    rgb, alpha, acc = Rasterize.apply(means, quats, scales, opac, colors, w2c, K, bg, W, H, antialiased, near, far, eps2d)
    return rgb, alpha, acc / alpha.clamp_min(1e-10)

