"""gelu in its tanh form, ``x / 2 (1 + tanh(sqrt(2 / pi) (x + 0.044715 x^3)))``.

At minus infinity the formula is ``-inf * 0``: NaN, here, on every step of the ladder, and
in PyTorch. Everywhere else the answer is finite for finite x.

Largest errors of the registers, found over a million numbers of all magnitudes of either
type: 1.0 of ``eps |x|``, as the formula's in NumPy and PyTorch 2.13. In units in the last
place (ULP) of the result: 1.8 where x is positive; 14 down to x = -3, where the formula has
320; 160 for float32 and 1500 for float64 in the far end, where it has no digit. What remains
is the rounding of the argument of the exponential, about 90 or 700 there. From where that
overflows on, below about -10.06 or -21.1, the answer is 0.

Source
------
Hendrycks and Gimpel, "Gaussian Error Linear Units (GELUs)", arXiv:1606.08415 (2016),
section 2.
"""

from __future__ import annotations

import math

import numpy as np
from numba import prange
from numba.extending import register_jitable

from accel.kernels.activation.elements import (
    ALONE,
    AWKWARD,
    PART,
    SPECIAL,
    allowed_error,
    each_register,
    edges,
    length_of_two,
    lists,
    one_to_one,
    read_and_written,
)
from accel.kernels.registry import Operation, register, register_operation
from accel.simd import exp2, fma, jit

#: ``sqrt(2 / pi)`` and 0.044715 times it: multiplied out in advance.
SLOPE = math.sqrt(2 / math.pi)
CUBIC = 0.044715 * SLOPE

#: Powers of two for a power of e: ``exp(x) = 2**(OCTAVES x)``.
OCTAVES = math.log2(math.e)


def gelu_inputs(n: int, dtype: str = "float32", values: str = "normal") -> tuple:
    """Return ``(x, out)`` of length `n`; ``values="special"`` repeats `SPECIAL`."""
    return one_to_one(n, dtype, values, SPECIAL)


def gelu_oracle(x: np.ndarray, out: np.ndarray) -> tuple:
    """Return the tanh form in float64, and the error that its roundings allow.

    With u = eps / 2: the argument w of tanh is off by 5 u |w|, which tanh shrinks to
    at most 2.3 u; four units in the last place for a library's own tanh make it 11 u,
    rounding the sum 13 u; times |x| / 2, and two roundings: below 5 eps |x|. The
    oracle's own float64 error needs the same again only where the kernel is as
    precise. The logistic form of `gelu_vector` loses less. Relative to the *result*
    no bound holds: far below 0 it is the difference of nearly equal numbers.
    """
    z = x.astype(np.float64)
    with np.errstate(invalid="ignore", over="ignore"):
        expected = 0.5 * z * (1 + np.tanh(SLOPE * z + CUBIC * z * z * z))
    return expected, allowed_error(x.dtype, 8, np.abs(z))


def gelu_flops(n: int, **_) -> int:
    """Seven multiplications and additions and a ``tanh`` per element."""
    return 8 * n


register_operation(
    Operation(
        "gelu",
        gelu_inputs,
        gelu_oracle,
        gelu_flops,
        read_and_written,
        edges=edges(),
        sizes=length_of_two,
        awkward=AWKWARD,
    )
)


@register(
    "gelu",
    name="loop",
    instrument="interpreter",
    story="a Python loop over a list, with math.tanh",
    adapt=lists,
    tags=("ladder",),
)
def gelu_loop(x, out):
    """Compute GELU by a loop over a list.

    The starting point, with the constants multiplied out: ``w = x (s + c x^2)``.
    At minus infinity the formula is ``-inf * 0``: NaN, here and on every step.

    Parameters
    ----------
    x, out : list of float, length n
        `out` is overwritten.

    Cost
    ----
    ``8 n`` FLOPs, of which ``n`` are ``tanh``.
    """
    for i, v in enumerate(x):
        out[i] = 0.5 * v * (1.0 + math.tanh(v * (SLOPE + CUBIC * v * v)))


@register(
    "gelu",
    name="array_scalars",
    instrument="interpreter",
    story="the same loop over a NumPy array: makes a Python object of every element",
    tags=("ladder",),
)
def gelu_array_scalars(x, out):
    """Compute GELU by a loop over the elements of arrays.

    Removes nothing. Each element is taken out once and used five times; all
    arithmetic but ``tanh`` is then done on NumPy's number objects.

    Parameters
    ----------
    x, out : ndarray, shape (n,), float32 or float64
        `out` is overwritten.

    Cost
    ----
    ``8 n`` FLOPs, as many objects made.
    """
    for i, v in enumerate(x):
        out[i] = 0.5 * v * (1.0 + math.tanh(v * (SLOPE + CUBIC * v * v)))


@register(
    "gelu",
    name="numpy",
    instrument="NumPy",
    story="whole-array expression: removes the interpreter, adds temporary arrays",
    tags=("ladder",),
)
def gelu_numpy(x, out):
    """Compute GELU as a whole-array expression.

    Removes the interpreter. ``x * x`` and not ``x**2 * x`` or ``x**3``: a general
    power takes longer than all the rest. NumPy reuses large temporaries that
    nobody else refers to.

    Parameters
    ----------
    x, out : ndarray, shape (n,), float32 or float64
        `out` is overwritten.

    Raises
    ------
    ValueError
        If the lengths do not fit.

    Cost
    ----
    ``8 n`` FLOPs in eight passes, with temporaries.
    """
    np.multiply(0.5 * x, 1.0 + np.tanh(x * (SLOPE + CUBIC * x * x)), out=out)


@register(
    "gelu",
    name="numpy_out",
    instrument="NumPy",
    story="in place: removes the temporary arrays",
    tags=("ladder",),
)
def gelu_numpy_out(x, out):
    """Compute GELU in place in `out`.

    Removes the temporaries: only `x` and `out` are touched, eight times over.

    Parameters
    ----------
    x, out : ndarray, shape (n,), float32 or float64
        `out` is overwritten before `x` is read for the last time: it must not be `x`.

    Raises
    ------
    ValueError
        If the lengths do not fit.

    Cost
    ----
    ``8 n`` FLOPs in eight passes; nothing allocated.
    """
    np.multiply(x, x, out=out)
    out *= CUBIC
    out += SLOPE
    out *= x
    np.tanh(out, out=out)
    out += 1.0
    out *= 0.5  # before x, which may be the largest number there is
    out *= x


@register(
    "gelu",
    name="compiled",
    instrument="compiled",
    story="the loop again, compiled: removes seven passes, one scalar tanh at a time",
    tags=("ladder",),
)
@jit
def gelu_compiled(x, out):
    """Compute GELU by a compiled loop.

    Removes seven of eight passes over memory. The compiler uses vector registers
    for the multiplications, but the C library's ``tanh`` takes one number: each
    register is taken apart into as many calls as it has elements, and put together
    again (unless Intel's vector library is installed, which Numba then calls).
    The constants take the arrays' type first: left float64, they would make
    everything float64.

    Parameters
    ----------
    x, out : ndarray, shape (n,), float32 or float64
        `out` is overwritten.

    Raises
    ------
    ValueError
        If the lengths differ.

    Cost
    ----
    ``8 n`` FLOPs and ``n`` function calls, in one pass.
    """
    if x.size != out.size:
        raise ValueError("gelu: out must be as long as x")
    number = x.dtype.type
    half, one, slope, cubic = number(0.5), number(1), number(SLOPE), number(CUBIC)
    for i in range(x.size):
        v = x[i]
        out[i] = half * v * (one + math.tanh(v * (slope + cubic * v * v)))


@register(
    "gelu",
    name="vector",
    instrument="compiled",
    story="explicit vector registers: removes the scalar tanh",
    tags=("ladder", "best"),
)
@jit
def gelu_vector(x, out):
    """Compute GELU with vector registers as values.

    Removes the scalar function call: ``(1 + tanh w) / 2 = 1 / (1 + exp(-2 w))``, the
    logistic function, whose exponential is computed a register at a time. One pass, no
    branch. Far below 0, where ``1 + tanh w`` is the difference of nearly equal numbers,
    this form keeps its digits. Where the exponential overflows the quotient is 0, and so
    is the answer but for the last numbers before the subnormals.

    Parameters
    ----------
    x, out : ndarray, shape (n,), float32 or float64, contiguous
        `out` is overwritten.

    Raises
    ------
    ValueError
        If the lengths differ.

    Cost
    ----
    ``n / lanes`` times: an exponential, a division, four multiplications and
    additions of registers.

    Source
    ------
    Hendrycks and Gimpel (2016), section 2, notes the kinship with the logistic function.
    """
    if x.size != out.size:
        raise ValueError("gelu: out must be as long as x")
    each_register(gelu_register, x, out, 0, x.size)


@register(
    "gelu",
    name="threads",
    instrument="compiled",
    story="all cores, each with a part of the array",
    tags=("threads",),
)
@jit(parallel=True)
def gelu_threads(x, out):
    """Compute GELU on all cores.

    Removes idle cores: each takes a part. Short arrays stay on one core.

    Parameters
    ----------
    x, out : ndarray, shape (n,), float32 or float64, contiguous
        `out` is overwritten.

    Raises
    ------
    ValueError
        If the lengths differ.

    Cost
    ----
    As the one-core kernel, divided by the cores, and microseconds to start them.
    """
    n = x.size
    if n != out.size:
        raise ValueError("gelu: out must be as long as x")
    if n < ALONE:
        _span(x, out, 0, n)
    else:
        for part in prange((n + PART - 1) // PART):
            _span(x, out, part * PART, min(n, (part + 1) * PART))


@register_jitable(forceinline=True)
def gelu_register(v):
    """Return GELU (tanh form) of a register, in compiled code; other kernels call it too.

    A power of two is cheaper than one of e, and its factor is in the constants already.
    """
    return v / (1.0 + exp2(v * fma(-2 * CUBIC * OCTAVES, v * v, -2 * SLOPE * OCTAVES)))


@jit
def _span(x, out, start, stop):
    each_register(gelu_register, x, out, start, stop)
