"""Exponential functions and their relatives, a register at a time."""

from __future__ import annotations

import math
from dataclasses import dataclass

from llvmlite import ir
from numba.extending import intrinsic

from accel.simd.arithmetic import emit_fma, emit_maximum, emit_minimum
from accel.simd.emitting import REAL, itemsize, lanewise


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
    return lanewise("exp", _emit_exp, x, kinds=REAL)


def _emit_exp(builder, token, x):
    vec = x.type
    about = _EXPONENTIALS[itemsize(vec)]

    def constant(value):
        return ir.Constant(vec, [value] * vec.count)

    # Constants first: NaN passes, and each is one instruction.
    x = emit_maximum(builder, token, constant(about.low), x)
    x = emit_minimum(builder, token, constant(about.high), x)
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
