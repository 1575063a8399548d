"""sigmoid, the logistic function ``1 / (1 + exp(-x))``.

Where ``exp(-x)`` is too large for the type, the formula as written gives 0 although the
answer is a small number that the type has. The steps that use registers give that number.

Largest errors in units in the last place (ULP), found over 18 million float32 of all
magnitudes and 6 million float64: 2.33 and 2.27 for the registers, wherever the result is.
Where it is not subnormal NumPy's formula has 3.19 and 2.53, PyTorch 2.13 2.24 and 2.33;
below about -88, or -709, both give 0.
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
    allowed_error,
    each_register,
    edges,
    length_of_two,
    lists,
    one_to_one,
    read_and_written,
)
from accel.kernels.registry import Operation, register, register_operation
from accel.simd import exp, jit, minimum

#: From far below this on the logistic function is 1 in either type; its exponential is finite.
BEYOND_ONE = 80.0

#: What the function easily loses; ``exp(-x)`` of each is a number or infinite.
HARD = (np.nan, np.inf, -np.inf, 0.0, -0.0, 1e4, 1e-40, -1e-40, 100.0, 88.0, -87.0)


def sigmoid_inputs(n: int, dtype: str = "float32", values: str = "normal") -> tuple:
    """Return ``(x, out)`` of length `n`; ``values="special"`` repeats `HARD`."""
    return one_to_one(n, dtype, values, HARD)


def sigmoid_oracle(x: np.ndarray, out: np.ndarray) -> tuple:
    """Return the logistic function in float64, and the error that its roundings allow.

    An exponential of two units in the last place, a sum and a quotient: below 4 eps.
    """
    z = x.astype(np.float64)
    small = np.exp(-np.abs(z))
    expected = np.where(z < 0, small, 1.0) / (1.0 + small)
    return expected, allowed_error(x.dtype, 4, expected)


def sigmoid_flops(n: int, **_) -> int:
    """Exponential, sum and quotient; a change of sign is free."""
    return 3 * n


register_operation(
    Operation(
        "sigmoid",
        sigmoid_inputs,
        sigmoid_oracle,
        sigmoid_flops,
        read_and_written,
        edges=edges(),
        sizes=length_of_two,
        awkward=AWKWARD,
    )
)


@register(
    "sigmoid",
    name="loop",
    instrument="interpreter",
    story="a Python loop over a list",
    adapt=lists,
    tags=("ladder",),
)
def sigmoid_loop(x, out):
    """Compute the logistic function by a loop over a list.

    The starting point. Python refuses an exponential that is too large, so the sign
    chooses between two forms of which one is never.

    Parameters
    ----------
    x, out : list of float, length n
        `out` is overwritten.

    Cost
    ----
    ``3 n`` FLOPs, of which ``n`` are ``exp``.
    """
    for i, v in enumerate(x):
        if v < 0.0:
            small = math.exp(v)
            out[i] = small / (1.0 + small)
        else:
            out[i] = 1.0 / (1.0 + math.exp(-v))


@register(
    "sigmoid",
    name="numpy",
    instrument="NumPy",
    story="whole-array expression: removes the interpreter, adds temporary arrays",
    tags=("ladder",),
)
def sigmoid_numpy(x, out):
    """Compute the logistic function as a whole-array expression.

    Removes the interpreter. Infinity is a number here, and its reciprocal 0, so one form
    will do. NumPy reuses large temporaries that nobody else refers to.

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
    ``3 n`` FLOPs in four passes, with temporaries.
    """
    np.divide(1.0, 1.0 + np.exp(-x), out=out)


@register(
    "sigmoid",
    name="numpy_out",
    instrument="NumPy",
    story="in place: removes the temporary arrays",
    tags=("ladder",),
)
def sigmoid_numpy_out(x, out):
    """Compute the logistic function in place in `out`.

    Removes the temporaries: only `x` and `out` are touched, four times over.

    Parameters
    ----------
    x, out : ndarray, shape (n,), float32 or float64
        `out` is overwritten; it may be `x`.

    Raises
    ------
    ValueError
        If the lengths do not fit.

    Cost
    ----
    ``3 n`` FLOPs in four passes; nothing allocated.
    """
    np.negative(x, out=out)
    np.exp(out, out=out)
    out += 1.0
    np.divide(1.0, out, out=out)


@register(
    "sigmoid",
    name="compiled",
    instrument="compiled",
    story="the loop again, compiled: removes three passes, one scalar exp at a time",
    tags=("ladder",),
)
@jit
def sigmoid_compiled(x, out):
    """Compute the logistic function by a compiled loop.

    Removes three of four passes over memory. The C library's ``exp`` takes one number:
    registers are taken apart for it (unless Intel's vector library is installed).

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
    ``n`` calls of a library's function, in one pass.
    """
    if x.size != out.size:
        raise ValueError("sigmoid: out must be as long as x")
    one = x.dtype.type(1)
    for i in range(x.size):
        out[i] = one / (one + math.exp(-x[i]))


@register(
    "sigmoid",
    name="vector",
    instrument="compiled",
    story="explicit vector registers: removes the scalar exp",
    tags=("ladder", "best"),
)
@jit
def sigmoid_vector(x, out):
    """Compute the logistic function with vector registers as values.

    Removes the scalar function call, and the overflow: ``e / (1 + e)`` with ``e = exp(x)``
    loses no small result. One pass, no branch.

    Parameters
    ----------
    x, out : ndarray, shape (n,), float32 or float64, contiguous
        `out` is overwritten; it may be `x`.

    Raises
    ------
    ValueError
        If the lengths differ.

    Cost
    ----
    ``n / lanes`` times an exponential, a division, a comparison and a sum of registers.
    """
    if x.size != out.size:
        raise ValueError("sigmoid: out must be as long as x")
    each_register(sigmoid_register, x, out, 0, x.size)


@register(
    "sigmoid",
    name="threads",
    instrument="compiled",
    story="all cores, each with a part of the array",
    tags=("threads",),
)
@jit(parallel=True)
def sigmoid_threads(x, out):
    """Compute the logistic function on all cores.

    Removes idle cores: each takes a part. Short arrays stay on one core.

    Parameters
    ----------
    x, out : ndarray, shape (n,), float32 or float64, contiguous
        `out` is overwritten; it may be `x`.

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
        raise ValueError("sigmoid: out must be as long as x")
    if n < ALONE:
        _span(x, out, 0, n)
    else:
        for part in prange((n + PART - 1) // PART):
            _span(x, out, part * PART, min(n, (part + 1) * PART))


@register_jitable(forceinline=True)
def sigmoid_register(v):
    """Return the logistic function of a register, in compiled code."""
    e = exp(minimum(BEYOND_ONE, v))
    return e / (1.0 + e)


@jit
def _span(x, out, start, stop):
    each_register(sigmoid_register, x, out, start, stop)
