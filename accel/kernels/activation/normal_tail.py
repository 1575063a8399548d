"""The normal integral from far below: ``t (1 - erf(t / sqrt(2))) / 2`` for t >= 0.

``erfc(t / sqrt(2)) / 2 = exp(-t^2 / 2) Q(t)`` with a function Q that falls slowly from 1/2,
like ``1 / t`` in the end: ``t Q(t) = u P(u)`` with ``u = t / (t + k)`` and a polynomial P.
The exponential is the delicate part, for an error of one unit in the last place of
``t^2 / 2`` is many in the result: `accel.simd.bell` does not round it.

The coefficients are minimax ones, by Remez's exchange, fitted for this file.

Source
------
Muller, *Elementary Functions*, 3rd ed., chapter 3 (minimax polynomials, Remez' algorithm).
"""

from __future__ import annotations

import numpy as np
from numba.extending import overload

from accel.simd import bell, fma, minimum

#: By element size: where the result is 0, k, the middle of u, and P about it. The largest
#: relative error of P is 2^-27 for float32 and 2^-57 for float64.
_FITS = {
    4: (
        14.5,
        3.5,
        0.40625,
        (
            "0x1.b983b4p-1", "-0x1.649bbep+0", "0x1.891b2p+0", "-0x1.02ef48p+0",
            "0x1.40ddc6p-3", "0x1.394f14p-2", "-0x1.1ca5a4p-3", "-0x1.02eafap-3",
            "0x1.ed10cp-5", "0x1.d03ee2p-5",
        ),
    ),
    8: (
        39.0,
        5.5,
        0.4375,
        (
            "0x1.bcb3e10676d33p-1", "-0x1.ad1fb8ffaf042p+0", "0x1.6457ce0fc31d2p+1",
            "-0x1.fae42dcd41aeep+1", "0x1.31269ca058808p+2", "-0x1.2fd2c3cb1f31cp+2",
            "0x1.dd7e0ec11041ap+1", "-0x1.0854cf17a397ap+1", "0x1.efb2510042db6p-2",
            "0x1.7d6be5b68293ep-2", "-0x1.a28a8404dedbdp-2", "0x1.0f877988d3d33p-4",
            "0x1.27abb8f6528f0p-3", "-0x1.5927ef13cf17fp-4", "-0x1.59654544ce9eap-5",
            "0x1.a9ae74321dc5fp-5", "0x1.85396e9580d0dp-7", "-0x1.d9a1a421de847p-6",
            "-0x1.ebb69ae8d1dbbp-9", "0x1.eb73ce4fd2321p-7", "0x1.33c6ddbb35083p-10",
            "-0x1.62986c6a3da42p-8",
        ),
    ),
}  # fmt: skip


def times_normal_tail_numpy(t):
    """Return ``t (1 - erf(t / sqrt(2))) / 2`` of an array without negative numbers.

    As `less_normal_tail`, but ``t^2`` is rounded: relative to a small result that costs up
    to ``t^2 / 2`` units in the last place.
    """
    farthest, k, middle, series = _FITS[t.dtype.itemsize]
    t = np.minimum(t, t.dtype.type(farthest))
    u = t / (t + k)
    v = u - middle
    value = np.full_like(t, float.fromhex(series[-1]))
    for coefficient in reversed(series[:-1]):
        value *= v
        value += float.fromhex(coefficient)
    value *= u
    value *= np.exp(t * t * -0.5)
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


def less_normal_tail(value, t):
    """Return ``value - t (1 - erf(t / sqrt(2))) / 2`` of registers, in compiled code.

    `t` has no negative number; NaN gives NaN, infinity `value`.
    """
    raise NotImplementedError("less_normal_tail exists in compiled code only")


@overload(less_normal_tail, jit_options={"forceinline": True})
def _less_normal_tail(value, t):
    farthest, k, middle, series = _FITS[t.token.dtype.itemsize]
    coefficients = tuple(float.fromhex(digits) for digits in series)

    def less(value, t):
        t = minimum(farthest, t)
        u = t / (t + k)
        factor = u * polynomial(u - middle, coefficients)
        return fma(-factor, bell(t), value)

    return less
