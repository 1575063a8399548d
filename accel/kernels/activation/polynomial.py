"""polynomial: out = c0 + c1 x + c2 x^2 + ..., by Horner's rule.

The operation with a dial: each power more is one multiplication and one addition per
number, on the same traffic. With few coefficients memory sets the pace, with many the
arithmetic does.

Source
------
Knuth, *The Art of Computer Programming*, volume 2, section 4.6.4.
"""

from __future__ import annotations

import numpy as np
from numba import prange

from accel.kernels.activation.elements import (
    ALONE,
    LENGTHS,
    PART,
    PEELED,
    SPECIAL,
    allowed_error,
    length_of_two,
    lists,
    past_caches,
    register_for,
    values_of,
)
from accel.kernels.inputs import blank, normal
from accel.kernels.registry import Operation, register, register_operation
from accel.simd import (
    broadcast,
    elements_to_alignment,
    fence,
    fma,
    jit,
    load,
    load_first,
    store,
    store_first,
    store_streaming,
)

#: The highest power unless said otherwise: as many as `exp` needs for float32, and one.
DEGREE = 7


def polynomial_inputs(
    n: int, degree: int = DEGREE, dtype: str = "float32", values: str = "normal"
) -> tuple:
    """Return ``(coefficients, x, out)``; ``values="special"`` repeats `SPECIAL` in `x`.

    Coefficients fall as those of a series do, so that no power drowns the others.
    """
    falling = normal((degree + 1,), "float64", seed=3) / 2.0 ** np.arange(degree + 1)
    return falling.astype(dtype), values_of(n, dtype, values, SPECIAL), blank((n,), dtype)


def polynomial_oracle(coefficients: np.ndarray, x: np.ndarray, out: np.ndarray) -> tuple:
    """Return the sum in float64, and the error that its roundings allow.

    With d powers each term passes through at most 2 d + 1 roundings of eps / 2, and each
    partial sum is at most the sum of the terms' magnitudes. The other half of the tolerance
    is the oracle's own error where the kernel computes in float64 too.
    """
    z = x.astype(np.float64)
    expected = np.full_like(z, coefficients[-1])
    magnitude = np.abs(expected)
    for coefficient in coefficients[-2::-1].astype(np.float64):
        expected = expected * z + coefficient
        magnitude = magnitude * np.abs(z) + abs(coefficient)
    return expected, allowed_error(x.dtype, 2 * coefficients.size, magnitude)


def polynomial_flops(n: int, degree: int = DEGREE, **_) -> int:
    """A multiplication and an addition for each power but the zeroth, per element."""
    return 2 * degree * n


def polynomial_bytes(n: int, degree: int = DEGREE, dtype: str = "float32", **_) -> int:
    """Read the coefficients and `x`, write `out`."""
    return (2 * n + degree + 1) * np.dtype(dtype).itemsize


register_operation(
    Operation(
        "polynomial",
        polynomial_inputs,
        polynomial_oracle,
        polynomial_flops,
        polynomial_bytes,
        edges=(
            *({"n": n} for n in LENGTHS),
            {"n": 127, "values": "special"},
            *({"n": 129, "degree": degree} for degree in (0, 1, 2, 40)),
        ),
        sizes=length_of_two,
        awkward=({"n": 1003}, {"n": 12_345, "degree": 3}, {"n": 1_000_003, "degree": 16}),
        signature=(0, 1),
    )
)


@register(
    "polynomial",
    name="loop",
    instrument="interpreter",
    story="a Python loop over lists",
    adapt=lists,
    tags=("ladder",),
)
def polynomial_loop(coefficients, x, out):
    """Evaluate a polynomial by loops over lists.

    The starting point: Horner's rule, one number after the other.

    Parameters
    ----------
    coefficients : list of float, length d + 1, lowest power first
    x, out : list of float, length n
        `out` is overwritten.

    Cost
    ----
    ``2 d n`` FLOPs, each some dozens of instructions of the interpreter.
    """
    falling = coefficients[::-1]
    for i, v in enumerate(x):
        value = falling[0]
        for coefficient in falling[1:]:
            value = value * v + coefficient
        out[i] = value


@register(
    "polynomial",
    name="numpy",
    instrument="NumPy",
    story="whole-array expressions: removes the interpreter, adds temporary arrays",
    tags=("ladder",),
)
def polynomial_numpy(coefficients, x, out):
    """Evaluate a polynomial by whole-array expressions.

    Removes the interpreter from the loop over numbers. Each power makes a new array.

    Parameters
    ----------
    coefficients : ndarray, shape (d + 1,), lowest power first
    x, out : ndarray, shape (n,), float32 or float64
        All of one element type; `out` is overwritten.

    Raises
    ------
    ValueError
        If the lengths do not fit.

    Cost
    ----
    ``2 d n`` FLOPs in ``2 d`` passes, with temporaries.
    """
    value = np.full(x.shape, coefficients[-1])
    for k in range(coefficients.size - 2, -1, -1):
        value = value * x + coefficients[k]
    out[...] = value


@register(
    "polynomial",
    name="numpy_out",
    instrument="NumPy",
    story="in place: removes the temporary arrays",
    tags=("ladder",),
)
def polynomial_numpy_out(coefficients, x, out):
    """Evaluate a polynomial in place in `out`.

    Removes the temporaries: only `x` and `out` are touched, twice for each power.

    Parameters
    ----------
    coefficients : ndarray, shape (d + 1,), lowest power first
    x, out : ndarray, shape (n,), float32 or float64
        All of one element type; `out` is overwritten before `x` is read for the last
        time: it must not be `x`.

    Raises
    ------
    ValueError
        If the lengths do not fit.

    Cost
    ----
    ``2 d n`` FLOPs in ``2 d`` passes; nothing allocated.
    """
    out[...] = coefficients[-1]
    for k in range(coefficients.size - 2, -1, -1):
        out *= x
        out += coefficients[k]


@register(
    "polynomial",
    name="compiled",
    instrument="compiled",
    story="the loops again, compiled: one pass, a number's powers one after the other",
    tags=("ladder",),
)
@jit
def polynomial_compiled(coefficients, x, out):
    """Evaluate a polynomial by compiled loops.

    Removes all passes over memory but one. The value stays in a register; but each step
    waits for the one before, and the compiler vectorises neither loop.

    Parameters
    ----------
    coefficients : ndarray, shape (d + 1,), lowest power first
    x, out : ndarray, shape (n,), float32 or float64
        All of one element type; `out` is overwritten.

    Raises
    ------
    ValueError
        If the lengths of `x` and `out` differ, or there is no coefficient.

    Cost
    ----
    ``2 d n`` FLOPs in one pass.
    """
    if coefficients.size == 0:
        raise ValueError("polynomial: coefficients must not be empty")
    if x.size != out.size:
        raise ValueError("polynomial: out must be as long as x")
    for i in range(x.size):
        v = x[i]
        value = coefficients[coefficients.size - 1]
        for k in range(coefficients.size - 2, -1, -1):
            value = value * v + coefficients[k]
        out[i] = value


@register(
    "polynomial",
    name="vector",
    instrument="compiled",
    story="eight vector registers side by side: removes the waiting for the step before",
    tags=("ladder", "best"),
)
@jit
def polynomial_vector(coefficients, x, out):
    """Evaluate a polynomial with vector registers as values, eight at a time.

    Removes the waiting: a fused multiply-add takes some steps until its result can be
    used, and one or two can start in each; eight independent values keep them coming.
    Each coefficient is loaded once for all eight.

    Parameters
    ----------
    coefficients : ndarray, shape (d + 1,), lowest power first
    x, out : ndarray, shape (n,), float32 or float64, contiguous
        All of one element type; `out` is overwritten; it may be `x`.

    Raises
    ------
    ValueError
        If the lengths of `x` and `out` differ, or there is no coefficient.

    Cost
    ----
    ``d n / lanes`` fused multiply-adds of registers, in one pass.
    """
    if coefficients.size == 0:
        raise ValueError("polynomial: coefficients must not be empty")
    if x.size != out.size:
        raise ValueError("polynomial: out must be as long as x")
    _span(coefficients, x, out, 0, x.size)


@register(
    "polynomial",
    name="threads",
    instrument="compiled",
    story="all cores, each with a part of the array",
    tags=("threads",),
)
@jit(parallel=True)
def polynomial_threads(coefficients, x, out):
    """Evaluate a polynomial on all cores.

    Removes idle cores: each takes a part. Short arrays stay on one core.

    Parameters
    ----------
    coefficients : ndarray, shape (d + 1,), lowest power first
    x, out : ndarray, shape (n,), float32 or float64, contiguous
        All of one element type; `out` is overwritten; it may be `x`.

    Raises
    ------
    ValueError
        If the lengths of `x` and `out` differ, or there is no coefficient.

    Cost
    ----
    As the one-core kernel, divided by the cores, and microseconds to start them.
    """
    n = x.size
    if coefficients.size == 0:
        raise ValueError("polynomial: coefficients must not be empty")
    if n != out.size:
        raise ValueError("polynomial: out must be as long as x")
    if n < ALONE:
        _span(coefficients, x, out, 0, n)
    else:
        for part in prange((n + PART - 1) // PART):
            _span(coefficients, x, out, part * PART, min(n, (part + 1) * PART))


@jit
def _span(c, x, out, start, stop):
    V = register_for(x)
    first = start
    if stop - start >= PEELED:
        head = elements_to_alignment(V, out, first)
        store_first(out, first, _one(c, load_first(V, x, first, head)), head)
        first += head
    streams = past_caches(x, 2)
    block = 8 * V.lanes
    aligned = first + (stop - first) // block * block if stop - start >= PEELED else first
    for i in range(first, aligned, block):
        _eight(V, c, x, out, i, streams)
    if streams:
        fence()
    whole = aligned + (stop - aligned) // V.lanes * V.lanes
    for i in range(aligned, whole, V.lanes):
        store(out, i, _one(c, load(V, x, i)))
    rest = stop - whole
    store_first(out, whole, _one(c, load_first(V, x, whole, rest)), rest)


@jit
def _one(c, v):
    last = c.size - 1
    value = fma(0.0, v, c[last]) if last == 0 else fma(c[last], v, c[last - 1])
    for k in range(last - 2, -1, -1):
        value = fma(value, v, c[k])
    return value


@jit(forceinline=True)
def _eight(V, c, x, out, i, streams):
    """Evaluate eight registers from `i` on; `out` is aligned there."""
    x0, x1 = load(V, x, i), load(V, x, i + V.lanes)
    x2, x3 = load(V, x, i + 2 * V.lanes), load(V, x, i + 3 * V.lanes)
    x4, x5 = load(V, x, i + 4 * V.lanes), load(V, x, i + 5 * V.lanes)
    x6, x7 = load(V, x, i + 6 * V.lanes), load(V, x, i + 7 * V.lanes)
    y0 = broadcast(V, c[c.size - 1])
    y1 = y2 = y3 = y4 = y5 = y6 = y7 = y0
    for k in range(c.size - 2, -1, -1):
        y0, y1, y2, y3 = fma(y0, x0, c[k]), fma(y1, x1, c[k]), fma(y2, x2, c[k]), fma(y3, x3, c[k])
        y4, y5, y6, y7 = fma(y4, x4, c[k]), fma(y5, x5, c[k]), fma(y6, x6, c[k]), fma(y7, x7, c[k])
    if streams:
        store_streaming(out, i, y0)
        store_streaming(out, i + V.lanes, y1)
        store_streaming(out, i + 2 * V.lanes, y2)
        store_streaming(out, i + 3 * V.lanes, y3)
        store_streaming(out, i + 4 * V.lanes, y4)
        store_streaming(out, i + 5 * V.lanes, y5)
        store_streaming(out, i + 6 * V.lanes, y6)
        store_streaming(out, i + 7 * V.lanes, y7)
    else:
        store(out, i, y0)
        store(out, i + V.lanes, y1)
        store(out, i + 2 * V.lanes, y2)
        store(out, i + 3 * V.lanes, y3)
        store(out, i + 4 * V.lanes, y4)
        store(out, i + 5 * V.lanes, y5)
        store(out, i + 6 * V.lanes, y6)
        store(out, i + 7 * V.lanes, y7)
