"""gelu with the error function, ``x / 2 (1 + erf(x / sqrt(2)))``: x times the normal integral.

At minus infinity the formula is ``-inf * 0``: NaN, here, on every step of the ladder, and
in PyTorch. Of -0.0 the registers make 0.0.

Largest errors of the registers in units in the last place (ULP), from subnormal results to
large ones: 3.3 for float32 (4.3 without AVX-512), over a million numbers of all magnitudes,
and 2.6 for float64, over 3000. Formulas with ``erf``, such as PyTorch's, have no digit left below about -5 or -8.
Relative to ``eps |x|``: 1.2 and 0.9; the formula with SciPy's ``erf`` has 0.9 and 0.7, PyTorch
2.13 3.0 and 0.7.

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
from accel.kernels.activation.normal_tail import (
    less_normal_tail,
    times_normal_tail_numpy,
)
from accel.kernels.registry import Operation, register, register_operation
from accel.simd import absolute, jit, minimum

ROOT_HALF = math.sqrt(0.5)


def gelu_erf_inputs(n: int, dtype: str = "float32", values: str = "normal") -> tuple:
    """Return ``(x, out)`` of length `n`; ``values="special"`` repeats `SPECIAL`."""
    return one_to_one(n, dtype, values, SPECIAL)


def gelu_erf_oracle(x: np.ndarray, out: np.ndarray) -> tuple:
    """Return the answer in float64, and the error that its roundings allow.

    By ``erfc``, which loses nothing far below 0. The tolerance is that of the formula
    with ``erf``: four units in the last place for a library's own, the sum, two products,
    below 5 eps |x|. Relative to the *result* no bound holds for that formula.
    """
    z = x.astype(np.float64)
    expected = np.empty_like(z)
    _by_erfc(z, expected)
    return expected, allowed_error(x.dtype, 5, np.abs(z))


@jit
def _by_erfc(z, out):
    for i in range(z.size):
        out[i] = 0.5 * z[i] * math.erfc(-z[i] * ROOT_HALF)


def gelu_erf_flops(n: int, **_) -> int:
    """Three products, a sum and an ``erf`` per element."""
    return 5 * n


register_operation(
    Operation(
        "gelu_erf",
        gelu_erf_inputs,
        gelu_erf_oracle,
        gelu_erf_flops,
        read_and_written,
        edges=edges(),
        sizes=length_of_two,
        awkward=AWKWARD,
    )
)


@register(
    "gelu_erf",
    name="loop",
    instrument="interpreter",
    story="a Python loop over a list",
    adapt=lists,
    tags=("ladder",),
)
def gelu_erf_loop(x, out):
    """Compute GELU with the error function by a loop over a list.

    The starting point: ``math.erf`` takes one number.

    Parameters
    ----------
    x, out : list of float, length n
        `out` is overwritten.

    Cost
    ----
    ``5 n`` FLOPs, of which ``n`` are ``erf``.
    """
    for i, v in enumerate(x):
        out[i] = 0.5 * v * (1.0 + math.erf(v * ROOT_HALF))


@register(
    "gelu_erf",
    name="numpy",
    instrument="NumPy",
    story="whole-array expressions, and NumPy has no erf: removes the interpreter",
    tags=("ladder",),
)
def gelu_erf_numpy(x, out):
    """Compute GELU with the error function by whole-array expressions.

    Removes the interpreter. NumPy has no error function, so the normal integral is computed
    as `gelu_erf_vector` computes it, by a polynomial: one array operation for each of
    its steps, and a temporary.

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
    ``5 n`` FLOPs credited; about 30 passes for float32 and 60 for float64.
    """
    t = np.abs(x)
    np.subtract(0.5 * x + 0.5 * t, times_normal_tail_numpy(t), out=out)


@register(
    "gelu_erf",
    name="compiled",
    instrument="compiled",
    story="the loop again, compiled: one scalar erf at a time",
    tags=("ladder",),
)
@jit
def gelu_erf_compiled(x, out):
    """Compute GELU with the error function by a compiled loop.

    Removes all passes but one, and the polynomial: the C library's ``erf`` takes one number.

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
        raise ValueError("gelu_erf: out must be as long as x")
    number = x.dtype.type
    half, one, root = number(0.5), number(1), number(ROOT_HALF)
    for i in range(x.size):
        v = x[i]
        out[i] = half * v * (one + math.erf(v * root))


@register(
    "gelu_erf",
    name="vector",
    instrument="compiled",
    story="explicit vector registers: removes the scalar erf",
    tags=("ladder", "best"),
)
@jit
def gelu_erf_vector(x, out):
    """Compute GELU with the error function with vector registers as values.

    Removes the scalar function call, and the cancellation: far below 0 ``1 + erf`` is the
    difference of nearly equal numbers, and its digits are lost. Here the normal integral
    of ``-|x|`` is computed itself (`less_normal_tail`), times ``|x|``, and taken from 0 or from x.

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
    ``n / lanes`` times about 20 fused multiply-adds and multiplications for float32, 35 for
    float64, a division, and about a dozen cheaper instructions.
    """
    if x.size != out.size:
        raise ValueError("gelu_erf: out must be as long as x")
    each_register(gelu_erf_register, x, out, 0, x.size)


@register(
    "gelu_erf",
    name="threads",
    instrument="compiled",
    story="all cores, each with a part of the array",
    tags=("threads",),
)
@jit(parallel=True)
def gelu_erf_threads(x, out):
    """Compute GELU with the error function on all cores.

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
        raise ValueError("gelu_erf: out must be as long as x")
    if n < ALONE:
        _span(x, out, 0, n)
    else:
        for part in prange((n + PART - 1) // PART):
            _span(x, out, part * PART, min(n, (part + 1) * PART))


@register_jitable(forceinline=True)
def gelu_erf_register(v):
    """Return GELU with the error function of a register, in compiled code.

    ``max(v, 0)`` is written as a difference, which is NaN at minus infinity.
    """
    return less_normal_tail(v - minimum(0.0, v), absolute(v))


@jit
def _span(x, out, start, stop):
    each_register(gelu_erf_register, x, out, start, stop)
