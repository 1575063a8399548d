"""silu, ``x / (1 + exp(-x))``: the number times its logistic function; also called swish.

At minus infinity the formula is ``-inf * 0``: NaN, here, on every step of the ladder, and
in PyTorch.

Largest errors in units in the last place (ULP), found over 18 million float32 of all
magnitudes and 6 million float64: 1.5 for the registers where x is positive, 2.2 down to
x = -87 or -708, from where on ``exp(x)`` is subnormal and has fewer digits: 52, and 372.
NumPy's formula and PyTorch 2.13 give 0 from about -89 or -710 on, where the answer still
has all its digits; before, the formula has 3.3 and 2.2.

Source
------
Elfwing, Uchibe and Doya, "Sigmoid-weighted linear units for neural network function
approximation in reinforcement learning", arXiv:1702.03118 (2017).
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
from accel.simd import any_lane, exp, jit, select

#: Below this ``1 + exp(x)`` is 1 in either type, and not far below ``exp(-x)`` is infinite.
FAR = -80.0

#: What the function easily loses; ``exp(-x)`` of each is a number.
HARD = (np.nan, np.inf, 0.0, -0.0, 1e4, 1e-40, -1e-40, 100.0, 88.0, -87.0)


def silu_inputs(n: int, dtype: str = "float32", values: str = "normal") -> tuple:
    """Return ``(x, out)`` of length `n`; ``values="special"`` repeats `HARD`."""
    return one_to_one(n, dtype, values, HARD)


def silu_oracle(x: np.ndarray, out: np.ndarray) -> tuple:
    """Return the function in float64, and the error that its roundings allow.

    One rounding more than `sigmoid`: below 5 eps.
    """
    z = x.astype(np.float64)
    small = np.exp(-np.abs(z))
    with np.errstate(invalid="ignore"):
        expected = np.where(z < 0, z * small, z) / (1.0 + small)
    return expected, allowed_error(x.dtype, 5, np.abs(expected))


def silu_flops(n: int, **_) -> int:
    """Exponential, sum and quotient; a change of sign is free."""
    return 3 * n


register_operation(
    Operation(
        "silu",
        silu_inputs,
        silu_oracle,
        silu_flops,
        read_and_written,
        edges=edges(),
        sizes=length_of_two,
        awkward=AWKWARD,
    )
)


@register(
    "silu",
    name="loop",
    instrument="interpreter",
    story="a Python loop over a list",
    adapt=lists,
    tags=("ladder",),
)
def silu_loop(x, out):
    """Compute ``x / (1 + exp(-x))`` by a loop over a list.

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
            out[i] = v * small / (1.0 + small)
        else:
            out[i] = v / (1.0 + math.exp(-v))


@register(
    "silu",
    name="numpy",
    instrument="NumPy",
    story="whole-array expression: removes the interpreter, adds temporary arrays",
    tags=("ladder",),
)
def silu_numpy(x, out):
    """Compute ``x / (1 + exp(-x))`` as a whole-array expression.

    Removes the interpreter. Infinity is a number here, so one form will do.

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
    np.divide(x, 1.0 + np.exp(-x), out=out)


@register(
    "silu",
    name="numpy_out",
    instrument="NumPy",
    story="in place: removes the temporary arrays",
    tags=("ladder",),
)
def silu_numpy_out(x, out):
    """Compute ``x / (1 + exp(-x))`` in place in `out`.

    Removes the temporaries: only `x` and `out` are touched, four times over.

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
    ``3 n`` FLOPs in four passes; nothing allocated.
    """
    np.negative(x, out=out)
    np.exp(out, out=out)
    out += 1.0
    np.divide(x, out, out=out)


@register(
    "silu",
    name="compiled",
    instrument="compiled",
    story="the loop again, compiled: removes three passes, one scalar exp at a time",
    tags=("ladder",),
)
@jit
def silu_compiled(x, out):
    """Compute ``x / (1 + exp(-x))`` by a compiled loop.

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
        raise ValueError("silu: out must be as long as x")
    one = x.dtype.type(1)
    for i in range(x.size):
        out[i] = x[i] / (one + math.exp(-x[i]))


@register(
    "silu",
    name="vector",
    instrument="compiled",
    story="explicit vector registers: removes the scalar exp",
    tags=("ladder", "best"),
)
@jit
def silu_vector(x, out):
    """Compute ``x / (1 + exp(-x))`` with vector registers as values.

    Removes the scalar function call, and the overflow: where the exponential is too large
    another form is taken, whose exponential is small. One pass.

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
    As `sigmoid`; one more exponential for a register with numbers far below 0.
    """
    if x.size != out.size:
        raise ValueError("silu: out must be as long as x")
    each_register(silu_register, x, out, 0, x.size)


@register(
    "silu",
    name="threads",
    instrument="compiled",
    story="all cores, each with a part of the array",
    tags=("threads",),
)
@jit(parallel=True)
def silu_threads(x, out):
    """Compute ``x / (1 + exp(-x))`` on all cores.

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
        raise ValueError("silu: out must be as long as x")
    if n < ALONE:
        _span(x, out, 0, n)
    else:
        for part in prange((n + PART - 1) // PART):
            _span(x, out, part * PART, min(n, (part + 1) * PART))


@register_jitable(forceinline=True)
def silu_register(v):
    """Return ``v / (1 + exp(-v))`` of a register, in compiled code.

    Far below 0, where that exponential overflows, ``v exp(v)``: a branch hardly ever taken.
    """
    value = v / (1.0 + exp(-v))
    if any_lane(v < FAR):
        value = select(v < FAR, v * exp(v), value)
    return value


@jit
def _span(x, out, start, stop):
    each_register(silu_register, x, out, start, stop)
