"""Operators and functions on corresponding lanes, and over the lanes of one register."""

from __future__ import annotations

import itertools
import math
import operator
from dataclasses import dataclass

from llvmlite import ir
from numba import types
from numba.core.typing.templates import AbstractTemplate, infer_global
from numba.extending import intrinsic, lower_builtin

from accel.simd.emitting import (
    INT32,
    call,
    common_register,
    itemsize,
    lane_numbers,
    lanewise,
    lanewise_signature,
    require_token,
    require_value,
    splat,
    spread,
    suffix,
)
from accel.simd.types import RegisterType, Vector, llvm_vector, scalar_of


def _define_operator(symbol, operands: int, emit) -> None:
    """Give registers a Python operator; a scalar operand is broadcast."""

    class Operator(AbstractTemplate):
        def generic(self, arguments, keywords):
            common = common_register(arguments)
            return lanewise_signature(common, arguments) if common else None

    def lower(context, builder, sig, values):
        return emit(builder, *spread(builder, sig, values))

    infer_global(symbol)(Operator)
    for pattern in itertools.product((RegisterType, types.Float), repeat=operands):
        if RegisterType in pattern:
            lower_builtin(symbol, *pattern)(lower)


for _symbol in (operator.add, operator.iadd):
    _define_operator(_symbol, 2, lambda builder, x, y: builder.fadd(x, y))
for _symbol in (operator.sub, operator.isub):
    _define_operator(_symbol, 2, lambda builder, x, y: builder.fsub(x, y))
for _symbol in (operator.mul, operator.imul):
    _define_operator(_symbol, 2, lambda builder, x, y: builder.fmul(x, y))
for _symbol in (operator.truediv, operator.itruediv):
    _define_operator(_symbol, 2, lambda builder, x, y: builder.fdiv(x, y))
_define_operator(operator.neg, 1, lambda builder, x: builder.fneg(x))


@intrinsic
def zeros(context, V):
    """``zeros(V)``: a register full of zeros."""
    require_token("zeros", Vector, V)

    def generate(context, builder, sig, values):
        return ir.Constant(llvm_vector(V.token), None)

    return RegisterType(V.token)(V), generate


@intrinsic
def broadcast(context, V, scalar):
    """``broadcast(V, scalar)``: the scalar, cast to V's dtype, in every lane."""
    require_token("broadcast", Vector, V)

    def generate(context, builder, sig, values):
        return splat(builder, llvm_vector(V.token), values[1])

    return RegisterType(V.token)(V, scalar_of(V.token)), generate


def emit_fma(builder, x, y, z):
    """Emit a fused multiply-add; llvmlite's own ``builder.fma`` takes scalars only."""
    return call(builder, f"llvm.fma.{suffix(z.type)}", z.type, x, y, z)


@intrinsic
def fma(context, x, y, z):
    """``fma(x, y, z)``: ``x * y + z``, rounded once (``llvm.fma``); scalars are broadcast."""
    return lanewise("fma", emit_fma, x, y, z)


def _emit_minimum(builder, x, y):
    smaller = builder.select(builder.fcmp_ordered("<", x, y), x, y)  # y if either is NaN
    return builder.select(builder.fcmp_unordered("uno", x, x), x, smaller)


def _emit_maximum(builder, x, y):
    larger = builder.select(builder.fcmp_ordered(">", x, y), x, y)  # y if either is NaN
    return builder.select(builder.fcmp_unordered("uno", x, x), x, larger)


@intrinsic
def minimum(context, x, y):
    """``minimum(x, y)``: the smaller of each lane; NaN if either is NaN, as in NumPy.

    Of -0 and +0 either may come back. Put a constant first: that makes it a single
    instruction, since only a NaN in the first operand is lost by the machine's own.
    """
    return lanewise("minimum", _emit_minimum, x, y)


@intrinsic
def maximum(context, x, y):
    """``maximum(x, y)``: the larger of each lane; NaN if either is NaN, as in NumPy.

    Of -0 and +0 either may come back. Put a constant first, as for `minimum`.
    """
    return lanewise("maximum", _emit_maximum, x, y)


@intrinsic
def floor(context, x):
    """``floor(x)``: each lane rounded towards minus infinity (``llvm.floor``)."""

    def emit(builder, x):
        return call(builder, f"llvm.floor.{suffix(x.type)}", x.type, x)

    return lanewise("floor", emit, x)


def _fold(name: str, emit, x):
    """Return signature and code generator of a reduction: halves upon halves."""
    require_value(name, RegisterType, x)

    def generate(context, builder, sig, values):
        part = values[0]
        while part.type.count > 1:
            half = part.type.count // 2
            low = builder.shuffle_vector(part, part, lane_numbers(list(range(half))))
            high = builder.shuffle_vector(part, part, lane_numbers(list(range(half, 2 * half))))
            part = emit(builder, low, high)
        return builder.extract_element(part, INT32(0))

    return scalar_of(x.token)(x), generate


@intrinsic
def horizontal_sum(context, x):
    """``horizontal_sum(x)``: the sum of all lanes, a scalar.

    Adds the upper half to the lower until one lane is left: log2(lanes) additions, in
    the same order on every machine, which ``llvm.vector.reduce.fadd`` does not promise.
    """
    return _fold("horizontal_sum", lambda builder, low, high: builder.fadd(low, high), x)


@intrinsic
def horizontal_max(context, x):
    """``horizontal_max(x)``: the largest of all lanes, a scalar; NaN if any is NaN.

    ``llvm.vector.reduce.fmax`` would ignore a NaN, and a softmax built on it hide one.
    """
    return _fold("horizontal_max", _emit_maximum, x)


@dataclass(frozen=True)
class _Exponential:
    """What `exp` knows about an element type."""

    mantissa: int  # stored bits
    bias: int  # of the exponent
    low: float  # exp rounds to 0 below this,
    high: float  # and overflows above this
    log2_high: float  # log(2) rounded to the type,
    log2_low: float  # and what that leaves
    degree: int  # of the series; its next term is below 1/20 of the last place


_EXPONENTIALS = {
    4: _Exponential(
        mantissa=23,
        bias=127,
        low=-104.0,
        high=89.0,
        log2_high=float.fromhex("0x1.62e43p-1"),
        log2_low=float.fromhex("-0x1.05c61p-29"),
        degree=7,
    ),
    8: _Exponential(
        mantissa=52,
        bias=1023,
        low=-746.0,
        high=710.0,
        log2_high=float.fromhex("0x1.62e42fefa39efp-1"),
        log2_low=float.fromhex("0x1.abc9e3b39803fp-56"),
        degree=13,
    ),
}


@intrinsic
def exp(context, x):
    """``exp(x)``: the exponential of each lane, within 1 unit in the last place.

    ``x = n log(2) + r`` with an integer n and ``|r| <= log(2) / 2``; then ``exp(x) =
    2**n exp(r)``, and exp(r) is a short Taylor series. Infinities and NaN give what they
    should, large x overflow to inf, very negative x pass through the subnormals to 0.

    Cost
    ----
    A register of float32 takes 10 fused multiply-adds and a dozen cheaper instructions,
    one of float64 16 fused multiply-adds.

    Source
    ------
    Muller et al., *Handbook of Floating-Point Arithmetic*, 2nd ed., chapter 10 (range
    reduction by Cody and Waite's method, polynomial evaluation).
    """
    return lanewise("exp", _emit_exp, x)


def _emit_exp(builder, x):
    vec = x.type
    about = _EXPONENTIALS[itemsize(vec)]

    def constant(value):
        return ir.Constant(vec, [value] * vec.count)

    # Constants first: NaN passes, and each is one instruction.
    x = _emit_maximum(builder, constant(about.low), x)
    x = _emit_minimum(builder, constant(about.high), x)
    # Near 1.5 * 2**mantissa neighbouring numbers differ by 1: adding that rounds to an
    # integer, which then stands in the low bits. No conversion, so no trouble with NaN.
    shift = constant(1.5 * 2.0**about.mantissa)
    shifted = emit_fma(builder, x, constant(1.0 / math.log(2.0)), shift)
    n = builder.fsub(shifted, shift)
    r = emit_fma(builder, n, constant(-about.log2_high), x)
    r = emit_fma(builder, n, constant(-about.log2_low), r)
    series = constant(1.0 / math.factorial(about.degree))
    for power in reversed(range(about.degree)):
        series = emit_fma(builder, series, r, constant(1.0 / math.factorial(power)))
    return _emit_times_power_of_two(builder, series, shifted, shift, about)


def _emit_times_power_of_two(builder, x, shifted, shift, about: _Exponential):
    """Multiply by 2**n in two steps, since 2**n itself may overflow or underflow."""
    word = ir.VectorType(ir.IntType(8 * itemsize(x.type)), x.type.count)

    def constant(value):
        return ir.Constant(word, [value] * word.count)

    n = builder.sub(builder.bitcast(shifted, word), builder.bitcast(shift, word))
    half = builder.ashr(n, constant(1))
    for part in (half, builder.sub(n, half)):
        exponent = builder.shl(builder.add(part, constant(about.bias)), constant(about.mantissa))
        x = builder.fmul(x, builder.bitcast(exponent, x.type))
    return x
