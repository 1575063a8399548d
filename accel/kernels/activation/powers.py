"""The exponential of a register, and its pieces, which its relatives put together otherwise.

``exp(x) = exp(r) 2**high 2**low`` with a small r and *two* powers of two: one alone would
overflow, or round to zero, before the product does. Whoever divides by ``1 + exp(-x)`` can
do so while the factors are apart, and loses no small result that way.
"""

from __future__ import annotations

import math

import numpy as np
from numba.extending import overload, register_jitable

from accel.simd import bitcast, fma, maximum, minimum, vector

#: By element size: bits of the mantissa, a number whose exponential is 0, and log(2) rounded
#: to the type, with what that leaves.
_TYPES = {
    4: (23, -104.0, float.fromhex("0x1.62e43p-1"), float.fromhex("-0x1.05c61p-29")),
    8: (
        52,
        -746.0,
        float.fromhex("0x1.62e42fefa39efp-1"),
        float.fromhex("0x1.abc9e3b39803fp-56"),
    ),
}
_STEPS = 1 / math.log(2)

#: From here on the logistic function is 1 in either type.
_NEARLY_ONE = 80.0

# exp(r) = 1 + r + r^2 q(r) for |r| <= log(2) / 2, where q makes the largest relative error
# as small as it can be (Remez): 2^-28 for float32, 2^-57 for float64.
_S2, _S3, _S4, _S5, _S6 = (
    float.fromhex(digits)
    for digits in ("0x1.fffffcp-2", "0x1.555492p-3", "0x1.5558eap-5", "0x1.12394cp-7", "0x1.6a2694p-10")
)
_D2, _D3, _D4, _D5, _D6, _D7, _D8, _D9, _D10, _D11 = (
    float.fromhex(digits)
    for digits in (
        "0x1.0000000000009p-1",
        "0x1.55555555554fcp-3",
        "0x1.5555555550b83p-5",
        "0x1.111111112789cp-7",
        "0x1.6c16c1839ecaep-10",
        "0x1.a01a012a76ac0p-13",
        "0x1.a0199b50d6b29p-16",
        "0x1.71df26a3f1696p-19",
        "0x1.28ac6a2234007p-22",
        "0x1.ad7b75385e12ap-26",
    )
)


def reduced(x, most):
    """Return ``(r, high, low)`` with ``exp(x) = exp(r) * 2**high * 2**low``, in compiled code.

    `x` is a register, and ``|r| <= log(2) / 2``. The last two are registers of integers, whose
    bits stand where an exponent does; `power` makes numbers of them. Numbers above `most`
    count as that, those whose exponential is 0 as one of them; NaN stays, in `r`.

    Source
    ------
    Muller and others, *Handbook of Floating-Point Arithmetic*, 2nd ed., chapter 10 (range
    reduction by Cody and Waite's method).
    """
    raise NotImplementedError("reduced exists in compiled code only")


@overload(reduced, jit_options={"forceinline": True})
def _reduced(x, most):
    mantissa, least, log2_high, log2_low = _TYPES[x.token.dtype.itemsize]
    # Near 1.5 * 2**mantissa neighbouring numbers differ by 1: adding that rounds to an
    # integer, which then stands in the low bits, below zeros that the shifts push out.
    shift = 1.5 * 2.0**mantissa
    word = vector(f"int{8 * x.token.dtype.itemsize}", x.token.lanes)

    def parts(x, most):
        x = minimum(most, maximum(least, x))  # the constant first: NaN passes
        shifted = fma(x, _STEPS, shift)
        n = shifted - shift
        r = fma(n, -log2_low, fma(n, -log2_high, x))
        bits = bitcast(word, shifted)
        half = bits >> 1
        return r, half << mantissa, (bits - half) << mantissa

    return parts


def power(exponent):
    """Return ``2**exponent`` of a register from `reduced`, in compiled code."""
    raise NotImplementedError("power exists in compiled code only")


@overload(power, jit_options={"forceinline": True})
def _power(exponent):
    token = vector(f"float{8 * exponent.token.dtype.itemsize}", exponent.token.lanes)
    one = int.from_bytes(np.array(1, token.dtype).tobytes(), "little")
    return lambda exponent: bitcast(token, exponent + one)


def exp_series(r):
    """Return ``exp(r)`` of a register with ``|r| <= log(2) / 2``, in compiled code."""
    raise NotImplementedError("exp_series exists in compiled code only")


@overload(exp_series, jit_options={"forceinline": True})
def _exp_series(r):
    def single(r):
        q = fma(fma(fma(fma(_S6, r, _S5), r, _S4), r, _S3), r, _S2)
        return fma(fma(q, r, 1.0), r, 1.0)

    def double(r):
        q = fma(fma(fma(fma(_D11, r, _D10), r, _D9), r, _D8), r, _D7)
        q = fma(fma(fma(fma(fma(q, r, _D6), r, _D5), r, _D4), r, _D3), r, _D2)
        return fma(fma(q, r, 1.0), r, 1.0)

    return single if r.token.dtype.itemsize == 4 else double


def _too_large(x):
    raise NotImplementedError("exists in compiled code only")


@overload(_too_large)
def _overflowing(x):
    most = 89.0 if x.token.dtype.itemsize == 4 else 710.0
    return lambda x: most


@register_jitable(forceinline=True)
def exp_register(v):
    """Return the exponential of a register, in compiled code.

    Twice a power of two: one alone would overflow, or underflow, before the product does.
    """
    r, high, low = reduced(v, _too_large(v))
    return exp_series(r) * power(high) * power(low)


@register_jitable(forceinline=True)
def logistic_parts(v):
    """Return ``(s, d)`` with ``1 / (1 + exp(-v)) = s / d``, in compiled code.

    With ``v = n log(2) + r`` that is ``2**n / (2**n + exp(-r))``: no large number, an exact
    numerator, and a quotient that passes through the subnormals to 0.
    """
    r, high, low = reduced(v, _NEARLY_ONE)
    s = power(high) * power(low)
    return s, s + exp_series(-r)
