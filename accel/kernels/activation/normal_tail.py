"""The normal integral from far below: ``t (1 - erf(t / sqrt(2))) / 2`` for t >= 0.

``erfc(t / sqrt(2)) / 2 = exp(-t^2 / 2) Q(t)`` with a function Q that falls slowly from 1/2,
like ``1 / t`` in the end: ``Q = w P(w)`` with ``w = 1 / (t + k)`` and a polynomial P. The
exponential is the delicate part, for an error of one unit in the last place of ``t^2 / 2``
is many in the result. So ``t^2`` is never rounded: the product of t with itself and the
multiple of log(2) that range reduction takes from it meet in one fused multiply-add.

Source
------
Muller and others, *Handbook of Floating-Point Arithmetic*, 2nd ed., chapter 10 (range
reduction by Cody and Waite's method). The coefficients are minimax ones, by Remez's
exchange, fitted for this file.
"""

from __future__ import annotations

import math

import numpy as np
from numba.extending import overload

from accel.kernels.activation.powers import exp_series, power
from accel.simd import bitcast, fma, minimum, vector

#: By element size: where the result is 0, k, the middle of w, and P about it. The largest
#: relative error of P is 2^-27 for float32 and 2^-57 for float64.
_FITS = {
    4: (
        14.5,
        3.5,
        0.171875,
        (
            "0x1.bf227cp-1", "0x1.3d72c8p+2", "0x1.31a10ep+4", "0x1.5c8bfep+5", "0x1.5b2cdap+4",
            "-0x1.4811d4p+7", "-0x1.e53446p+7", "0x1.a267aap+9", "0x1.3c6938p+10",
            "-0x1.17287cp+12",
        ),
    ),
    8: (
        39.0,
        5.5,
        0.1015625,
        (
            "0x1.b95f2b119ebacp-1", "0x1.2339fb99f366bp+3", "0x1.4b4aece938870p+6",
            "0x1.434ad478f39acp+9", "0x1.0b6ef383ccdacp+12", "0x1.6e7d9f6cd7eacp+14",
            "0x1.8d46d9a9c5b4fp+16", "0x1.30bfa23415479p+18", "0x1.96512ca8207b4p+18",
            "-0x1.90ea6f8ec2c88p+20", "-0x1.39a26f3395d32p+23", "-0x1.362d4ba0a4ef8p+23",
            "0x1.994df245a7fc4p+26", "0x1.5b9888dd7f0b2p+28", "-0x1.b01c19471c8e1p+29",
            "-0x1.9004b91676c49p+32", "0x1.9fd8a8c8bdcd9p+32", "0x1.a282e0fe6cbc3p+36",
            "-0x1.a072998a8194cp+35", "-0x1.995d9d20fbaabp+40", "0x1.b453f9f7e5f59p+38",
            "0x1.15d63a2ad662bp+44",
        ),
    ),
}  # fmt: skip

#: By element size: bits of the mantissa, and log(2) in two parts, of which the first has
#: zeros enough at its end that a whole multiple of it is exact.
_TYPES = {
    4: (23, float.fromhex("0x1.62e4p-1"), float.fromhex("0x1.7f7d1cp-20")),
    8: (52, float.fromhex("0x1.62e42fefa38p-1"), float.fromhex("0x1.ef35793c7673p-45")),
}
_STEPS = 1 / math.log(2)


def times_normal_tail_numpy(t):
    """Return ``t (1 - erf(t / sqrt(2))) / 2`` of an array without negative numbers.

    As `times_normal_tail`, but ``t^2`` is rounded: relative to a small result that costs up
    to ``t^2 / 2`` units in the last place.
    """
    farthest, k, middle, series = _FITS[t.dtype.itemsize]
    t = np.minimum(t, t.dtype.type(farthest))
    w = 1.0 / (t + k)
    v = w - middle
    value = np.full_like(t, float.fromhex(series[-1]))
    for coefficient in reversed(series[:-1]):
        value *= v
        value += float.fromhex(coefficient)
    value *= w
    value *= np.exp(t * t * -0.5)
    value *= t
    return value


def polynomial(v, coefficients):
    """Return a polynomial of a register, lowest power first, in compiled code.

    The coefficients are a tuple of constants: each product is one instruction.
    """
    raise NotImplementedError("polynomial exists in compiled code only")


@overload(polynomial, jit_options={"forceinline": True})
def _polynomial(v, coefficients):
    if len(coefficients) == 2:
        return lambda v, coefficients: fma(v, coefficients[1], coefficients[0])
    return lambda v, coefficients: fma(polynomial(v, coefficients[1:]), v, coefficients[0])


def times_normal_tail(t):
    """Return ``t (1 - erf(t / sqrt(2))) / 2`` of a register without negative numbers.

    In compiled code; NaN gives NaN, infinity 0.
    """
    raise NotImplementedError("times_normal_tail exists in compiled code only")


@overload(times_normal_tail, jit_options={"forceinline": True})
def _times_normal_tail(t):
    farthest, k, middle, series = _FITS[t.token.dtype.itemsize]
    coefficients = tuple(float.fromhex(digits) for digits in series)
    mantissa, log2_high, log2_low = _TYPES[t.token.dtype.itemsize]
    shift = 1.5 * 2.0**mantissa
    word = vector(f"int{8 * t.token.dtype.itemsize}", t.token.lanes)

    def tail(t):
        t = minimum(farthest, t)
        w = 1.0 / (t + k)
        value = w * polynomial(w - middle, coefficients)
        half = -0.5 * t
        shifted = fma(half * t, _STEPS, shift)
        n = shifted - shift
        r = fma(n, -log2_low, fma(half, t, n * -log2_high))
        bits = bitcast(word, shifted)
        first = bits >> 1
        value = value * t * exp_series(r)
        return value * power(first << mantissa) * power((bits - first) << mantissa)

    return tail
