"""An explicit vector type for Numba: eight floats, or eight booleans, that live in one register.

    x = vload(array, i)
    y = fma(x, 2.0, x)
    vstore(array, i, select(y > 1.0, y, 0.0))

Arrays are indexed flat, and without bounds checks unless ``NUMBA_BOUNDSCHECK=1`` asks for them. Scalars broadcast. Nothing relies on the
auto-vectoriser or on fastmath: every machine with fused multiply-add gives the same bits. Vectors may stand in locals and tuples, not in
arrays or closures.

A function below ``intrinsic`` runs when a kernel is typed: it gives the types of result and arguments, and a function that emits
the LLVM instructions from the context, the builder, the signature and the LLVM values.
"""

from __future__ import annotations

import operator
from typing import Any

import numba
from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic, lower_builtin, models, register_model, type_callable
from numba.np.arrayobj import make_array

LANES = 8
"""Floats in a vector: one AVX register, two of NEON. Sixteen (AVX-512) lost: most rows of most splats are shorter than eight."""

_CONFIG: Any = numba.config  # type checkers don't see its settings

_I32, _I64 = ir.IntType(32), ir.IntType(64)
_FLOATS, _INTS, _BOOLS = (ir.VectorType(scalar, LANES) for scalar in (ir.FloatType(), _I32, ir.IntType(1)))


class VectorType(types.Type):
    """Numba's name for eight floats or eight booleans."""


class _RegisterModel(models.PrimitiveModel):
    def __init__(self, manager, numba_type):
        super().__init__(manager, numba_type, _FLOATS if numba_type == FLOATS else _BOOLS)


register_model(VectorType)(_RegisterModel)
FLOATS, MASK = VectorType(f"float32x{LANES}"), VectorType(f"boolx{LANES}")


# ---------------------------------------------------------------- emitting LLVM
def _constant(value: int):
    return ir.Constant(_INTS, [value] * LANES)


def _as_vector(context, builder, numba_type, value):
    if numba_type == FLOATS:
        return value
    scalar = context.cast(builder, value, numba_type, types.float32)
    first = builder.insert_element(ir.Constant(_FLOATS, ir.Undefined), scalar, _I32(0))
    return builder.shuffle_vector(first, first, _constant(0))


def _as_vectors(context, builder, signature, values):
    return [_as_vector(context, builder, t, value) for t, value in zip(signature.args, values, strict=True)]


def _same_ints(builder, value):
    first = builder.insert_element(ir.Constant(_INTS, ir.Undefined), builder.trunc(value, _I32), _I32(0))
    return builder.shuffle_vector(first, first, _constant(0))


def _first_lanes(builder, count):
    return builder.icmp_signed("<", ir.Constant(_INTS, list(range(LANES))), _same_ints(builder, count))


def _pick(builder, a, b, lanes):
    """Lanes 0 to 7 are of ``a``, 8 to 15 of ``b``."""
    return builder.shuffle_vector(a, b, ir.Constant(ir.VectorType(_I32, len(lanes)), lanes))


def _address(context, builder, signature, array_and_index, element=None, count=None, *, touched=True):
    """Address of ``array[index]``, no negative index wrapped.

    Bounds are checked under ``NUMBA_BOUNDSCHECK=1`` alone: of the element, of all lanes of a vector, or of the first ``count``.
    """
    array = make_array(signature.args[0])(context, builder, array_and_index[0])
    pointer = builder.gep(array.data, [array_and_index[1]])
    if _CONFIG.BOUNDSCHECK and touched:
        _check_bounds(context, builder, array, array_and_index[1], _I64(1 if element is None else LANES) if count is None else count)
    return builder.bitcast(pointer, element.as_pointer()) if element else pointer


def _check_bounds(context, builder, array, index, count):
    last = builder.sub(builder.add(index, count), _I64(1))
    for place in (index, last):
        outside = builder.icmp_unsigned(">=", place, array.nitems)
        with builder.if_then(builder.and_(outside, builder.icmp_signed(">", count, _I64(0))), likely=False):
            context.call_conv.return_user_exc(builder, IndexError, ("a kernel's vector lies outside of its array",))


def _llvm_call(name):
    """One of LLVM's own intrinsics, on vectors of floats."""

    def emit(context, builder, signature, values):
        function_type = ir.FunctionType(_FLOATS, [_FLOATS] * len(values))
        function = cgutils.get_or_insert_function(builder.module, function_type, f"llvm.{name}.v{LANES}f32")
        return builder.call(function, _as_vectors(context, builder, signature, values))

    return emit


def _first_if(order):
    """``x`` where it is smaller (or larger), else ``y``: one instruction, where LLVM's minnum takes three."""

    def emit(context, builder, signature, values):
        x, y = _as_vectors(context, builder, signature, values)
        return builder.select(builder.fcmp_ordered(order, x, y), x, y)

    return emit


# ---------------------------------------------------------------- operators
def _binary(operation, result, emit):
    def typer(x, y):
        if FLOATS in (x, y) and all(t == FLOATS or isinstance(t, types.Number) for t in (x, y)):
            return result
        return None

    def lower(context, builder, signature, values):
        return emit(builder, *_as_vectors(context, builder, signature, values))

    type_callable(operation)(lambda context: typer)
    for pair in ((FLOATS, FLOATS), (FLOATS, types.Number), (types.Number, FLOATS)):
        lower_builtin(operation, *pair)(lower)


_binary(operator.add, FLOATS, lambda builder, x, y: builder.fadd(x, y))
_binary(operator.sub, FLOATS, lambda builder, x, y: builder.fsub(x, y))
_binary(operator.mul, FLOATS, lambda builder, x, y: builder.fmul(x, y))
_binary(operator.truediv, FLOATS, lambda builder, x, y: builder.fdiv(x, y))
_binary(operator.gt, MASK, lambda builder, x, y: builder.fcmp_ordered(">", x, y))
_binary(operator.ge, MASK, lambda builder, x, y: builder.fcmp_ordered(">=", x, y))
_binary(operator.le, MASK, lambda builder, x, y: builder.fcmp_ordered("<=", x, y))
type_callable(operator.and_)(lambda context: lambda x, y: MASK if x == MASK and y == MASK else None)
lower_builtin(operator.and_, MASK, MASK)(lambda context, builder, signature, values: builder.and_(*values))

# fma(x, y, z) = x y + z with one rounding; vmin and vmax give their second operand where either is NaN
fma = intrinsic(lambda typing_context, x, y, z: (FLOATS(x, y, z), _llvm_call("fma")))
vmin = intrinsic(lambda typing_context, x, y: (FLOATS(x, y), _first_if("<")))
vmax = intrinsic(lambda typing_context, x, y: (FLOATS(x, y), _first_if(">")))
vsqrt = intrinsic(lambda typing_context, x: (FLOATS(x), _llvm_call("sqrt")))
vfloor = intrinsic(lambda typing_context, x: (FLOATS(x), _llvm_call("floor")))


# ---------------------------------------------------------------- making vectors and masks
@intrinsic
def broadcast(typing_context, x):
    """The same scalar in all lanes."""
    return FLOATS(x), lambda context, builder, signature, values: _as_vectors(context, builder, signature, values)[0]


@intrinsic
def lane_numbers(typing_context):
    """0, 1, ... 7."""
    return FLOATS(), lambda context, builder, signature, values: ir.Constant(_FLOATS, [float(i) for i in range(LANES)])


@intrinsic
def select(typing_context, mask, x, y):
    """``x`` where the mask holds, ``y`` elsewhere."""

    def emit(context, builder, signature, values):
        _, a, b = values
        a, b = (_as_vector(context, builder, t, v) for t, v in zip(signature.args[1:], (a, b), strict=True))
        return builder.select(values[0], a, b)

    return FLOATS(mask, x, y), emit


@intrinsic
def mask_bits(typing_context, mask):
    """The mask as an integer: lane i is bit i."""
    return types.uint64(mask), lambda context, builder, signature, values: builder.zext(builder.bitcast(values[0], ir.IntType(LANES)), _I64)


# ---------------------------------------------------------------- memory
@intrinsic
def at(typing_context, array, index):
    """One element."""
    return array.dtype(array, types.intp), lambda context, builder, signature, values: builder.load(
        _address(context, builder, signature, values)
    )


@intrinsic
def vload(typing_context, array, index):
    """Eight elements from ``index`` on, at any alignment."""
    return FLOATS(array, types.intp), lambda context, builder, signature, values: builder.load(
        _address(context, builder, signature, values, _FLOATS), align=4
    )


@intrinsic
def vstore(typing_context, array, index, vector):
    """Writes eight elements from ``index`` on, at any alignment."""

    def emit(context, builder, signature, values):
        builder.store(values[2], _address(context, builder, signature, values, _FLOATS), align=4)
        return context.get_dummy_value()

    return types.void(array, types.intp, FLOATS), emit


@intrinsic
def vload_first(typing_context, array, index, count):
    """The first ``count``, at most eight, elements from ``index`` on, then zeros; what lies behind them is not touched."""

    def emit(context, builder, signature, values):
        pointer = _address(context, builder, signature, values, _FLOATS, values[2])
        function_type = ir.FunctionType(_FLOATS, [pointer.type, _I32, _BOOLS, _FLOATS])
        function = cgutils.get_or_insert_function(builder.module, function_type, f"llvm.masked.load.v{LANES}f32.p0")
        return builder.call(function, [pointer, _I32(4), _first_lanes(builder, values[2]), ir.Constant(_FLOATS, [0.0] * LANES)])

    return FLOATS(array, types.intp, types.int64), emit


@intrinsic
def vstore_first(typing_context, array, index, vector, count):
    """Writes the first ``count``, at most eight, elements from ``index`` on."""

    def emit(context, builder, signature, values):
        pointer = _address(context, builder, signature, values, _FLOATS, values[3])
        function_type = ir.FunctionType(ir.VoidType(), [_FLOATS, pointer.type, _I32, _BOOLS])
        function = cgutils.get_or_insert_function(builder.module, function_type, f"llvm.masked.store.v{LANES}f32.p0")
        builder.call(function, [values[2], pointer, _I32(4), _first_lanes(builder, values[3])])
        return context.get_dummy_value()

    return types.void(array, types.intp, FLOATS, types.int64), emit


@intrinsic
def vstore_int(typing_context, array, index, vector):
    """Writes eight floats as int32, truncated."""

    def emit(context, builder, signature, values):
        builder.store(builder.fptosi(values[2], _INTS), _address(context, builder, signature, values, _INTS), align=4)
        return context.get_dummy_value()

    return types.void(array, types.intp, FLOATS), emit


@intrinsic
def vstore_same_int(typing_context, array, index, value):
    """Writes an integer eight times, as int32."""

    def emit(context, builder, signature, values):
        vector = _same_ints(builder, values[2])
        builder.store(vector, _address(context, builder, signature, values, _INTS), align=4)
        return context.get_dummy_value()

    return types.void(array, types.intp, types.int64), emit


@intrinsic
def prefetch(typing_context, array, index):
    """Asks for the cache line of an element that will be read soon."""

    def emit(context, builder, signature, values):
        pointer = _address(context, builder, signature, values, ir.IntType(8), touched=False)
        function_type = ir.FunctionType(ir.VoidType(), [pointer.type, _I32, _I32, _I32])
        function = cgutils.get_or_insert_function(builder.module, function_type, "llvm.prefetch.p0")
        builder.call(function, [pointer, _I32(0), _I32(3), _I32(1)])  # read, keep in all caches, data
        return context.get_dummy_value()

    return types.void(array, types.intp), emit


@intrinsic
def next_ticket(typing_context, counter):
    """Counts ``counter[0]`` up and returns what it was, in one atomic step."""

    def emit(context, builder, signature, values):
        pointer = make_array(signature.args[0])(context, builder, values[0]).data
        return builder.atomic_rmw("add", pointer, _I64(1), "monotonic")

    return types.int64(counter), emit


# ---------------------------------------------------------------- bits of floats
@intrinsic
def scale_by_power(typing_context, x, biased):
    """x * 2**n, where ``biased`` = n + 1.5 * 2**23 holds n in its low bits: one addition to the exponent."""

    def emit(context, builder, signature, values):
        exponent = builder.shl(builder.bitcast(values[1], _INTS), _constant(23))
        return builder.bitcast(builder.add(builder.bitcast(values[0], _INTS), exponent), _FLOATS)

    return FLOATS(x, biased), emit


@intrinsic
def mantissa_exponent(typing_context, x):
    """x > 0 as (m, e) with x = m * 2**e and m in [1, 2)."""

    def emit(context, builder, signature, values):
        pattern = builder.bitcast(values[0], _INTS)
        mantissa = builder.or_(builder.and_(pattern, _constant(0x7FFFFF)), _constant(0x3F800000))
        exponent = builder.sub(builder.lshr(pattern, _constant(23)), _constant(127))
        pair = builder.bitcast(mantissa, _FLOATS), builder.sitofp(exponent, _FLOATS)
        return context.make_tuple(builder, signature.return_type, pair)

    return types.UniTuple(FLOATS, 2)(x), emit


# ---------------------------------------------------------------- sums over lanes, always in the same order
@intrinsic
def lane_sum(typing_context, x):
    """The sum of the eight lanes."""

    def emit(context, builder, signature, values):
        vector, width = values[0], LANES
        while width > 1:
            width //= 2
            low, high = (_pick(builder, vector, vector, list(range(start, start + width))) for start in (0, width))
            vector = builder.fadd(low, high)
        return builder.extract_element(vector, _I32(0))

    return types.float32(x), emit


@intrinsic
def lane_sums(typing_context, a, b, c, d, e, f, g, h):
    """Eight sums of eight lanes at once, as one vector: three rounds of pairwise additions."""
    rounds = (
        ([0, 8, 2, 10, 4, 12, 6, 14], [1, 9, 3, 11, 5, 13, 7, 15]),
        ([0, 1, 8, 9, 4, 5, 12, 13], [2, 3, 10, 11, 6, 7, 14, 15]),
        ([0, 1, 2, 3, 8, 9, 10, 11], [4, 5, 6, 7, 12, 13, 14, 15]),
    )

    def emit(context, builder, signature, values):
        vectors = list(values)
        for left, right in rounds:
            pairs = zip(vectors[::2], vectors[1::2], strict=True)
            vectors = [builder.fadd(_pick(builder, x, y, left), _pick(builder, x, y, right)) for x, y in pairs]
        return vectors[0]

    return FLOATS(*[FLOATS] * LANES), emit
