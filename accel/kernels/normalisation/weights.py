"""Exponentials of numbers that are not positive, for sums of which only the share counts.

`accel.simd.exp` takes any number. The distances from the largest number of a row are at
most 0, so nothing overflows. And a factor common to all exponentials of a row cancels when
they are divided by their sum: they are kept `2**24` times as large (`2**53` in float64), so
that none is subnormal and a power of two takes one multiplication instead of two. What is
subnormal in the end becomes so in the division, rounded once. What vanishes in the end, as
masked numbers do, is zero from the start: processors are slow with subnormal numbers.

The polynomial is ``1 + r + r**2 q(r)``, with q from a least-squares fit to the relative
error at Chebyshev nodes: six fused multiply-adds give 0.07 units of the last place in float32,
eleven give 0.12 in float64, where a Taylor series needs two more. Coefficients are rounded to
the element type.

Source
------
Muller et al., *Handbook of Floating-Point Arithmetic*, 2nd ed., chapter 10: reduction of
the range, and polynomials for what is left.
"""

from __future__ import annotations

import math

from numba.extending import overload

from accel.simd import bitcast, broadcast, fma, horizontal_max, jit, maximum, vector

#: Powers of two that weights are too large by, for each size of element.
RAISED = {"float32": 24, "float64": 53}

_PER_LOG2 = 1 / math.log(2)
_LOG2 = math.log(2)


def weight(V, distance):
    """Return ``exp(distance)`` of a register of numbers from -inf to 0, `RAISED`; NaN of NaN."""
    raise NotImplementedError("compiled code only")


@overload(weight)
def _weight(V, distance):
    return {"float32": _float32, "float64": _float64}[V.token.dtype.name](V.token.lanes)


def _float32(lanes: int):
    """Generate `weight` for float32.

    One rounding of log(2) suffices: the distance itself is rounded by more. Numbers near
    `shift` are integers; its last bits hold the exponent's bias, so that they become a power
    of two when shifted to their place. At `least` they become 0, and so does the product.
    """
    word, least, shift = vector("int32", lanes), -104.8, 1.5 * 2.0**23 + 127 + 24

    def compiled(V, distance):
        d = maximum(least, distance)  # a constant first: NaN passes
        shifted = fma(d, _PER_LOG2, shift)
        r = fma(shifted - shift, -_LOG2, d)
        return _seventh(r) * bitcast(V, bitcast(word, shifted) << 23)

    return compiled


def _float64(lanes: int):
    """Generate `weight` for float64, as `_float32` does."""
    word, least, shift = vector("int64", lanes), -746.0, 1.5 * 2.0**52 + 1023 + 53

    def compiled(V, distance):
        d = maximum(least, distance)
        shifted = fma(d, _PER_LOG2, shift)
        r = fma(shifted - shift, -_LOG2, d)
        return _twelfth(r) * bitcast(V, bitcast(word, shifted) << 52)

    return compiled


@jit
def _seventh(r):
    c = fma(fma(0.0013751407386735082, r, 0.008368915878236294), r, 0.04166953265666962)
    c = fma(fma(c, r, 0.166665181517601), r, 0.49999988079071045)
    return fma(fma(c, r, 1.0), r, 1.0)


@jit
def _twelfth(r):
    c = fma(fma(2.50246452096493e-08, r, 2.7631125446226205e-07), r, 2.755750728541229e-06)
    c = fma(fma(c, r, 2.480149034623507e-05), r, 0.00019841269597118904)
    c = fma(fma(c, r, 0.0013888888946678828), r, 0.008333333333451433)
    c = fma(fma(c, r, 0.04166666666651632), r, 0.16666666666666483)
    return fma(fma(fma(c, r, 0.5000000000000012), r, 1.0), r, 1.0)


def lowered(V, total):
    """Return a sum of weights as that of exponentials."""
    raise NotImplementedError("compiled code only")


@overload(lowered)
def _lowered(V, total):
    factor = 0.5 ** RAISED[V.token.dtype.name]
    return lambda V, total: factor * total


def broadcast_max(V, v):
    """Return the largest lane of a register in all lanes; a NaN may win, or be passed over."""
    raise NotImplementedError("compiled code only")


@overload(broadcast_max)
def _broadcast_max(V, v):
    """Generate it with integers, whose maximum is a single instruction.

    Bits of positive numbers are in the numbers' order, those of negative ones in the
    opposite order, unless all but the sign are inverted.
    """
    bits = 8 * V.token.dtype.itemsize
    word, sign, others = vector(f"int{bits}", V.token.lanes), bits - 1, 2 ** (bits - 1) - 1

    def compiled(V, v):
        key = bitcast(word, v)
        largest = broadcast(word, horizontal_max(key ^ ((key >> sign) & others)))
        return bitcast(V, largest ^ ((largest >> sign) & others))

    return compiled
