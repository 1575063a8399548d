"""exp, the exponential: a polynomial, and an exponent put in its place.

Largest errors in units in the last place (ULP), found over 18 million float32 of all
magnitudes and 6 million float64, subnormal results among them: 0.77 and 0.77 for the
registers, 0.57 and 0.61 without those; 0.88 and 0.91 on machines without AVX-512. NumPy 2.4
on a processor with AVX-512 has 2.36 and 0.71, PyTorch 2.13 0.56 and 0.52.

Source
------
Muller and others, *Handbook of Floating-Point Arithmetic*, 2nd ed., chapter 10.
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
from accel.simd import exp, jit

#: What an exponential easily loses, and numbers at the ends of what it can give.
HARD = (np.nan, np.inf, -np.inf, 0.0, -0.0, -1e4, 1e-40, -1e-40, 88.0, -88.0, -100.0)


def exp_inputs(n: int, dtype: str = "float32", values: str = "normal") -> tuple:
    """Return ``(x, out)`` of length `n`; ``values="special"`` repeats `HARD`."""
    return one_to_one(n, dtype, values, HARD)


def exp_oracle(x: np.ndarray, out: np.ndarray) -> tuple:
    """Return the exponential in float64, and four units in the last place.

    A good library needs one to three; what exceeds the type is infinite, as it should be.
    """
    with np.errstate(over="ignore", under="ignore"):
        expected = np.exp(x.astype(np.float64)).astype(x.dtype).astype(np.float64)
    return expected, allowed_error(x.dtype, 4, expected)


def exp_flops(n: int, **_) -> int:
    """One call of ``exp`` per element."""
    return 1 * n


register_operation(
    Operation(
        "exp",
        exp_inputs,
        exp_oracle,
        exp_flops,
        read_and_written,
        edges=edges(),
        sizes=length_of_two,
        awkward=AWKWARD,
    )
)


@register(
    "exp",
    name="loop",
    instrument="interpreter",
    story="a Python loop over a list",
    adapt=lists,
    tags=("ladder",),
)
def exp_loop(x, out):
    """Compute the exponential by a loop over a list.

    The starting point. Python refuses what is too large: the loop says what it is.

    Parameters
    ----------
    x, out : list of float, length n
        `out` is overwritten.

    Cost
    ----
    ``n`` calls of ``math.exp``, each some dozens of instructions of the interpreter.
    """
    for i, v in enumerate(x):
        try:
            out[i] = math.exp(v)
        except OverflowError:
            out[i] = math.inf


@register(
    "exp",
    name="numpy",
    instrument="NumPy",
    story="one array operation: removes the interpreter",
    tags=("ladder",),
)
def exp_numpy(x, out):
    """Compute the exponential by one array operation.

    Removes the interpreter. NumPy's own loop uses vector registers where the machine has
    AVX-512 or, for float32, AVX2. It writes to `out`: there is no temporary to remove.

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
    ``n`` exponentials in one pass.
    """
    np.exp(x, out=out)


@register(
    "exp",
    name="compiled",
    instrument="compiled",
    story="the loop again, compiled: removes NumPy's preparations, and its vector registers",
    tags=("ladder",),
)
@jit
def exp_compiled(x, out):
    """Compute the exponential by a compiled loop.

    Removes NumPy's preparations, and pays for it: the C library's ``exp`` takes one
    number (unless Intel's vector library is installed, which Numba then calls).

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
        raise ValueError("exp: out must be as long as x")
    for i in range(x.size):
        out[i] = math.exp(x[i])


@register(
    "exp",
    name="vector",
    instrument="compiled",
    story="explicit vector registers: removes the scalar exp",
    tags=("ladder", "best"),
)
@jit
def exp_vector(x, out):
    """Compute the exponential with vector registers as values.

    Removes the scalar function call: `accel.simd.exp` computes a whole register at once. One
    pass, no branch; infinities, NaN and subnormal results come out as they should.

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
    ``n / lanes`` times `accel.simd.exp`: 7 multiplications and fused multiply-adds and 6
    cheaper instructions for float32, 10 and 6 for float64, where the machine has AVX-512.
    """
    if x.size != out.size:
        raise ValueError("exp: out must be as long as x")
    each_register(exp_register, x, out, 0, x.size)


@register(
    "exp",
    name="threads",
    instrument="compiled",
    story="all cores, each with a part of the array",
    tags=("threads",),
)
@jit(parallel=True)
def exp_threads(x, out):
    """Compute the exponential on all cores.

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
        raise ValueError("exp: out must be as long as x")
    if n < ALONE:
        _span(x, out, 0, n)
    else:
        for part in prange((n + PART - 1) // PART):
            _span(x, out, part * PART, min(n, (part + 1) * PART))


@register_jitable(forceinline=True)
def exp_register(v):
    """Return the exponential of a register, in compiled code."""
    return exp(v)


@jit
def _span(x, out, start, stop):
    each_register(exp_register, x, out, start, stop)
