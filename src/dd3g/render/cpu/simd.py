"""An explicit SIMD vector type for Numba: V (L floats) and M (L booleans) live in registers; operators, fma, loads, stores, masks.

    v = vload(arr, i); w = fma(v, 2.0, v); vstore(arr, i, sel(w > 1, w, 0.0))

Arrays are indexed flat, without bounds checks. Nothing here relies on the auto-vectoriser or on fastmath, so results are the same bits on
every machine that has FMA."""
import math
import operator
import typing
import numpy as np
from llvmlite import ir
from numba import njit, types
from numba.core import cgutils
from numba.extending import intrinsic, lower_builtin, models, register_model, type_callable
from numba.np.arrayobj import make_array

L = 8                                                   # lanes; 16 is slower for small splats, 8 serves AVX2 and AVX-512
I32, I64 = ir.IntType(32), ir.IntType(64)
FV, IV, BV = (ir.VectorType(t, L) for t in (ir.FloatType(), I32, ir.IntType(1)))

class Vec(types.Type):
    pass

class VecModel(models.PrimitiveModel):
    def __init__(self, dmm, fe):
        super().__init__(dmm, fe, FV if fe.name[0] == "f" else BV)

register_model(Vec)(VecModel)
V, M = Vec(f"f32x{L}"), Vec(f"bool{L}")

def vec(ctx, b, ty, x):                                 # scalars broadcast
    if ty == V:
        return x
    x = b.insert_element(ir.Constant(FV, ir.Undefined), ctx.cast(b, x, ty, types.float32), I32(0))
    return b.shuffle_vector(x, x, ir.Constant(IV, [0] * L))

def binary(op, ret, emit):
    def typer(x, y):
        if V in (x, y) and all(t == V or isinstance(t, types.Number) for t in (x, y)):
            return ret

    def lower(ctx, b, sig, args):
        return emit(b, *(vec(ctx, b, t, a) for t, a in zip(sig.args, args)))
    type_callable(op)(lambda context: typer)
    for pair in ((V, V), (V, types.Number), (types.Number, V)):
        lower_builtin(op, *pair)(lower)

for _op, _name in ((operator.add, "fadd"), (operator.sub, "fsub"), (operator.mul, "fmul"), (operator.truediv, "fdiv")):
    binary(_op, V, lambda b, x, y, n=_name: getattr(b, n)(x, y))
for _op, _name in ((operator.gt, ">"), (operator.ge, ">="), (operator.le, "<=")):
    binary(_op, M, lambda b, x, y, n=_name: b.fcmp_ordered(n, x, y))
type_callable(operator.and_)(lambda context: lambda x, y: M if x == M and y == M else None)
lower_builtin(operator.and_, M, M)(lambda ctx, b, sig, args: b.and_(*args))

def llvm(name):                                         # LLVM's own vector intrinsics
    def cg(ctx, b, sig, args):
        fn = cgutils.get_or_insert_function(b.module, ir.FunctionType(FV, [FV] * len(args)), f"llvm.{name}.v{L}f32")
        return b.call(fn, [vec(ctx, b, t, a) for t, a in zip(sig.args, args)])
    return cg

def gep(ctx, b, s, a, ty=None):                         # address of element a[1] of array a[0]: no bounds, no wrap-around
    p = b.gep(make_array(s.args[0])(ctx, b, a[0]).data, [a[1]])
    return b.bitcast(p, ty.as_pointer()) if ty else p

def store(ctx, b, p, v):
    b.store(v, p, align=4)
    return ctx.get_dummy_value()

fma = intrinsic(lambda tc, x, y, z: (V(x, y, z), llvm("fma")))
vmin = intrinsic(lambda tc, x, y: (V(x, y), llvm("minnum")))
vmax = intrinsic(lambda tc, x, y: (V(x, y), llvm("maxnum")))
vsqrt = intrinsic(lambda tc, x: (V(x), llvm("sqrt")))
vfloor = intrinsic(lambda tc, x: (V(x), llvm("floor")))
vset = intrinsic(lambda tc, x: (V(x), lambda ctx, b, s, a: vec(ctx, b, s.args[0], a[0])))
viota = intrinsic(lambda tc: (V(), lambda ctx, b, s, a: ir.Constant(FV, [float(i) for i in range(L)])))
sel = intrinsic(lambda tc, m, x, y: (V(m, x, y), lambda ctx, b, s, a: b.select(a[0], *(vec(ctx, b, s.args[i], a[i]) for i in (1, 2)))))
bits = intrinsic(lambda tc, m: (types.uint64(m), lambda ctx, b, s, a: b.zext(b.bitcast(a[0], ir.IntType(L)), I64)))
at = intrinsic(lambda tc, arr, i: (arr.dtype(arr, types.intp), lambda ctx, b, s, a: b.load(gep(ctx, b, s, a))))
vload = intrinsic(lambda tc, arr, i: (V(arr, types.intp), lambda ctx, b, s, a: b.load(gep(ctx, b, s, a, FV), align=4)))
vstore = intrinsic(lambda tc, arr, i, v: (types.void(arr, types.intp, V), lambda ctx, b, s, a: store(ctx, b, gep(ctx, b, s, a, FV), a[2])))
vstorei = intrinsic(lambda tc, arr, i, v: (types.void(arr, types.intp, V), lambda ctx, b, s, a: store(
    ctx, b, gep(ctx, b, s, a, IV), b.fptosi(a[2], IV))))                                        # truncated to int32
ticket = intrinsic(lambda tc, arr, i: (types.int64(arr, types.intp), lambda ctx, b, s, a: b.atomic_rmw(
    "add", gep(ctx, b, s, a), I64(1), "monotonic")))                                            # atomic arr[i]++

@intrinsic
@typing.no_type_check
def prefetch(tc, arr, i):
    def cg(ctx, b, s, a):
        p = gep(ctx, b, s, a, ir.IntType(8))
        fn = cgutils.get_or_insert_function(b.module, ir.FunctionType(ir.VoidType(), [p.type, I32, I32, I32]), "llvm.prefetch.p0")
        b.call(fn, [p, I32(0), I32(3), I32(1)])
        return ctx.get_dummy_value()
    return types.void(arr, types.intp), cg

@intrinsic
@typing.no_type_check
def exp2i(tc, x, t):                                    # x * 2**n with n in the low bits of t = n + 1.5 * 2**23
    def cg(ctx, b, s, a):
        n = b.shl(b.bitcast(a[1], IV), ir.Constant(IV, [23] * L))
        return b.bitcast(b.add(b.bitcast(a[0], IV), n), FV)
    return V(x, t), cg

@intrinsic
@typing.no_type_check
def split2(tc, x):                                      # x > 0 -> (mantissa in [1, 2), exponent)
    def cg(ctx, b, s, a):
        i, c = b.bitcast(a[0], IV), lambda v: ir.Constant(IV, [v] * L)
        m = b.bitcast(b.or_(b.and_(i, c(0x7FFFFF)), c(0x3F800000)), FV)
        return ctx.make_tuple(b, s.return_type, (m, b.sitofp(b.sub(b.lshr(i, c(23)), c(127)), FV)))
    return types.UniTuple(V, 2)(x), cg

@intrinsic
@typing.no_type_check
def vsum(tc, x):                                        # horizontal sum, fixed tree
    def cg(ctx, b, s, a):
        v, n = a[0], L
        while n > 1:
            n //= 2
            v = b.fadd(*(b.shuffle_vector(v, v, ir.Constant(ir.VectorType(I32, n), list(range(o, o + n)))) for o in (0, n)))
        return b.extract_element(v, I32(0))
    return types.float32(x), cg

@intrinsic
@typing.no_type_check
def vsum8(tc, a0, a1, a2, a3, a4, a5, a6, a7):          # eight horizontal sums at once
    def cg(ctx, b, s, a):
        for p, q in (([0, 8, 2, 10, 4, 12, 6, 14], [1, 9, 3, 11, 5, 13, 7, 15]), ([0, 1, 8, 9, 4, 5, 12, 13], [2, 3, 10, 11, 6, 7, 14, 15]),
                     ([0, 1, 2, 3, 8, 9, 10, 11], [4, 5, 6, 7, 12, 13, 14, 15])):
            a = [b.fadd(*(b.shuffle_vector(a[i], a[i + 1], ir.Constant(IV, k)) for k in (p, q))) for i in range(0, len(a), 2)]
        return a[0]
    return V(*[V] * 8), cg

f32 = np.float32
MAGIC, LOW, ONE, HALF, SQ2 = f32(12582912), f32(-64), f32(1), f32(0.5), f32(math.sqrt(2))
E0, E1, E2, E3, E4, E5 = (f32(c) for c in (1.000000072, .693146967, .2402211972, .05550713325, .00967554146, .001327646246))   # minimax
L3, L5, L7, L9, LS = f32(1 / 3), f32(1 / 5), f32(1 / 7), f32(1 / 9), f32(2 / math.log(2))

@njit(error_model="numpy")
@typing.no_type_check
def exp2(p):                                            # p <= 127, flushed to 2**-64 below -64; relative error 1.2e-7
    p = vmax(p, LOW)
    t = p + MAGIC
    f = p - (t - MAGIC)
    return exp2i(fma(fma(fma(fma(fma(f, E5, E4), f, E3), f, E2), f, E1), f, E0), t)

@njit(error_model="numpy")
@typing.no_type_check
def log2(x):                                            # positive, normal x
    m, e = split2(x)
    big = m > SQ2
    m, e = sel(big, m * HALF, m), sel(big, e + ONE, e)
    s = (m - ONE) / (m + ONE)
    q = s * s
    return fma(s * LS, fma(fma(fma(fma(q, L9, L7), q, L5), q, L3), q, ONE), e)
