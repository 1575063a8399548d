"""Mean and variance of an array, in two passes and in one.

The variance is the mean of the squared distances from the mean, which must be known first:
two passes. Welford's loop needs one, for it corrects mean and squares with each number, at
the price of a division each time. Chan's formula joins the mean and squares of two parts:
blocks that fit the nearest cache are walked twice, memory once.

The variance is that of the whole population, divided by n, as ``numpy.var`` has it.

Source
------
Welford, "Note on a method for calculating corrected sums of squares and products",
*Technometrics* 4 (1962). Chan, Golub and LeVeque, "Algorithms for computing the sample
variance: analysis and recommendations", *The American Statistician* 37 (1983).
"""

from __future__ import annotations

import math

import numpy as np
from numba import prange

from accel.kernels.activation import lists, register_for
from accel.kernels.inputs import blank
from accel.kernels.reduction.blocks import block_sum, sum_of_lanes, wide_sum
from accel.kernels.reduction.spans import (
    AWKWARD,
    EDGES_NOT_EMPTY,
    SHARES,
    WORTH_SHARING,
    exact_sum,
    numbers,
    one,
    sum_error,
)
from accel.kernels.registry import Operation, register, register_operation
from accel.simd import (
    alike,
    apart,
    broadcast,
    convert,
    first_lanes,
    fma,
    horizontal_sum,
    jit,
    load,
    load_first,
    select,
    zeros,
)

#: Numbers that are walked twice at a time, a multiple of eight registers: they stay in the
#: nearest cache meanwhile.
STRETCH = 2048


def mean_variance_inputs(n: int, dtype: str = "float32", values: str = "normal") -> tuple:
    """Return ``(x, out)``, `out` of length 2; "shifted": numbers far from zero."""
    if values == "shifted":
        return numbers(n, dtype, "normal") + np.dtype(dtype).type(1000), blank((2,), dtype)
    return numbers(n, dtype, values), blank((2,), dtype)


def mean_variance_oracle(x: np.ndarray, out: np.ndarray) -> tuple:
    """Return both in float64, and the errors that their roundings allow.

    With u = eps / 2: the mean has the error s of a sum, of the mean absolute value, and a
    rounding. A wrong mean adds the square of its error to the variance; each distance is
    rounded by u |x|, and the squares' sum has an error s of its own. Twice, for the
    oracle's own error.
    """
    unit, sums = float(np.finfo(x.dtype).eps) / 2, sum_error(x.dtype, x.size)
    z = x.astype(np.float64)
    mean = exact_sum(z) / x.size
    variance = exact_sum((z - mean) ** 2) / x.size
    size = float(np.abs(z).mean())
    off = sums * size
    spread = (sums + 4 * unit) * variance + off**2 + 4 * unit * size * math.sqrt(variance)
    allowed = np.array([2 * off + unit * abs(mean), 2 * spread])
    return np.array([mean, variance]), np.where(np.isfinite(allowed), allowed, 0.0)


def mean_variance_flops(n: int, **_) -> int:
    """Four per element, and two divisions: sum, subtract, square, sum again."""
    return 4 * n + 2


def mean_variance_bytes(n: int, dtype: str = "float32", **_) -> int:
    """Read `x`, write two numbers."""
    return (n + 2) * np.dtype(dtype).itemsize


register_operation(
    Operation(
        "mean_variance",
        mean_variance_inputs,
        mean_variance_oracle,
        mean_variance_flops,
        mean_variance_bytes,
        (*EDGES_NOT_EMPTY, {"n": 1000, "values": "shifted"}),
        sizes=one,
        awkward=AWKWARD,
    )
)


@register(
    "mean_variance",
    name="loop",
    instrument="interpreter",
    story="two Python loops over a list",
    adapt=lists,
    tags=("ladder",),
)
def mean_variance_loop(x, out):
    """Find mean and variance by two loops over a list.

    The starting point: the mean first, then the squared distances from it.

    Parameters
    ----------
    x : list of float, length n
    out : list of float, length 2
        Mean and variance; overwritten.

    Cost
    ----
    ``4 n`` FLOPs, each some dozens of instructions of the interpreter.
    """
    total = 0.0
    for value in x:
        total += value
    mean = total / len(x)
    squares = 0.0
    for value in x:
        squares += (value - mean) * (value - mean)
    out[:] = mean, squares / len(x)


@register(
    "mean_variance",
    name="numpy",
    instrument="NumPy",
    story="mean and var of the array: removes the interpreter",
    tags=("ladder",),
)
def mean_variance_numpy(x, out):
    """Find mean and variance by two functions of NumPy.

    Removes the interpreter. The variance finds its own mean once more, and makes an array
    of the distances.

    Parameters
    ----------
    x : ndarray, shape (n,), float32 or float64
    out : ndarray, shape (2,)
        Mean and variance; overwritten.

    Raises
    ------
    ValueError
        If the shapes do not fit.

    Cost
    ----
    Five passes; a temporary of ``n`` elements.
    """
    out[:] = x.mean(), x.var()


@register(
    "mean_variance",
    name="numpy_mean",
    instrument="NumPy",
    story="the mean handed on to var: removes a pass",
    tags=("ladder",),
)
def mean_variance_numpy_mean(x, out):
    """Find the mean by NumPy, and hand it on to the variance.

    Removes the pass that found the mean again.

    Parameters
    ----------
    x : ndarray, shape (n,), float32 or float64
    out : ndarray, shape (2,)
        Mean and variance; overwritten.

    Raises
    ------
    ValueError
        If the shapes do not fit.

    Cost
    ----
    Four passes; a temporary of ``n`` elements.
    """
    mean = x.mean(keepdims=True)
    out[:] = mean[0], x.var(mean=mean)


@register(
    "mean_variance",
    name="compiled",
    instrument="compiled",
    story="two loops again, compiled: removes the temporary array",
    tags=("ladder",),
)
@jit
def mean_variance_compiled(x, out):
    """Find mean and variance by two compiled loops.

    Removes the temporary. Both sums are chains, in which each addition waits for the one
    before.

    Parameters
    ----------
    x : ndarray, shape (n,), float32 or float64
    out : ndarray, shape (2,)
        Mean and variance; overwritten.

    Raises
    ------
    ValueError
        If `x` is empty, or `out` has not two elements.

    Cost
    ----
    ``4 n`` FLOPs in two passes.
    """
    if x.size == 0 or out.size != 2:
        raise ValueError("mean_variance: x must not be empty, and out must have two elements")
    count = x.dtype.type(x.size)
    total = x.dtype.type(0)
    for i in range(x.size):
        total += x[i]
    mean = total / count
    squares = x.dtype.type(0)
    for i in range(x.size):
        distance = x[i] - mean
        squares += distance * distance
    out[0], out[1] = mean, squares / count


@register(
    "mean_variance",
    name="welford",
    instrument="compiled",
    story="Welford's loop: one pass, with a division for every number",
)
@jit
def mean_variance_welford(x, out):
    """Find mean and variance in one pass.

    Removes the second pass: each number corrects the mean, and the squares by its distances
    from the old and the new one. For numbers that come once and are not kept.

    Parameters
    ----------
    x : ndarray, shape (n,), float32 or float64
    out : ndarray, shape (2,)
        Mean and variance; overwritten.

    Raises
    ------
    ValueError
        If `x` is empty, or `out` has not two elements.

    Cost
    ----
    ``n`` times: four additions, a multiplication and a division, one after the other.

    Source
    ------
    Welford (1962).
    """
    if x.size == 0 or out.size != 2:
        raise ValueError("mean_variance: x must not be empty, and out must have two elements")
    mean = squares = count = x.dtype.type(0)
    one = x.dtype.type(1)
    for i in range(x.size):
        count += one
        distance = x[i] - mean
        mean += distance / count
        squares += distance * (x[i] - mean)
    out[0], out[1] = mean, squares / count


@register(
    "mean_variance",
    name="vector",
    instrument="compiled",
    story="blocks in vector registers, joined by Chan's formula: removes a pass over memory",
    tags=("ladder", "best"),
)
@jit
def mean_variance_vector(x, out):
    """Find mean and variance block by block, and join them.

    Removes a pass over memory: a block is walked twice, the second time in the nearest
    cache. Removes the waiting too, by eight registers that take turns.

    Parameters
    ----------
    x : ndarray, shape (n,), float32 or float64, contiguous
    out : ndarray, shape (2,)
        Mean and variance; overwritten.

    Raises
    ------
    ValueError
        If `x` is empty, or `out` has not two elements.

    Cost
    ----
    ``4 n / lanes`` FLOPs of registers; one pass, and for each block two divisions.

    Source
    ------
    Chan, Golub and LeVeque (1983), equations 2.1.
    """
    if x.size == 0 or out.size != 2:
        raise ValueError("mean_variance: x must not be empty, and out must have two elements")
    out[0], out[1] = _finished(*span_moments(x, 0, x.size))


@register(
    "mean_variance",
    name="threads",
    instrument="compiled",
    story="parts of the array shared out among all cores: removes the idle ones",
    tags=("ladder", "threads"),
)
@apart
@jit
def mean_variance_threads(x, out):
    """Find mean and variance on all cores.

    Removes the idle cores: parts are joined as blocks are, always as many, so that the
    digits do not depend on how many cores there are. A short array is left to one.

    Parameters, result and errors as for `mean_variance_vector`.
    """
    if x.size == 0 or out.size != 2:
        raise ValueError("mean_variance: x must not be empty, and out must have two elements")
    if x.size >= WORTH_SHARING:
        out[0], out[1] = _finished(*_shared_moments(x))
    else:
        out[0], out[1] = _finished(*span_moments(x, 0, x.size))


@jit(parallel=True)
def _shared_moments(x):
    parts = np.empty((SHARES, 4))
    for part in prange(SHARES):
        first, last = x.size * part // SHARES, x.size * (part + 1) // SHARES
        count, mean, squares, total = span_moments(x, first, last)
        parts[part, 0], parts[part, 1], parts[part, 2], parts[part, 3] = count, mean, squares, total
    count, mean, squares, total = 0.0, 0.0, 0.0, 0.0
    for part in range(SHARES):
        more = parts[part, 0], parts[part, 1], parts[part, 2]
        count, mean, squares = _joined(count, mean, squares, *more)
        total += parts[part, 3]
    return count, mean, squares, total


@jit
def _finished(count, mean, squares, total):
    """Return mean and variance; joining two infinite means gives NaN, but the sum knows."""
    return mean if math.isfinite(mean) else total / count, squares / count


@jit
def _joined(count, mean, squares, count_2, mean_2, squares_2):
    both = count + count_2
    distance = mean_2 - mean
    return (
        both,
        mean + distance * (count_2 / both),
        squares + squares_2 + distance * distance * (count * count_2 / both),
    )


@jit
def span_moments(x, first, last):
    """Return count, mean, squared distances and sum of ``x[first:last]``, in float64."""
    V = register_for(x)
    W = alike(V, "float64")
    count, mean, squares, total = 0.0, 0.0, 0.0, 0.0
    for i in range(first, last, STRETCH):
        end = min(last, i + STRETCH)
        number = float(end - i)
        stretch = _stretch_sum(V, W, x, i, end)
        centre = x.dtype.type(stretch / number)
        missed = stretch / number - centre  # the rest of a mean that the element type rounds off
        spread = horizontal_sum(_wide_squares(V, W, x, i, end, centre))
        spread = spread - number * missed * missed
        count, mean, squares = _joined(count, mean, squares, number, stretch / number, spread)
        total += stretch
    return count, mean, squares, total


@jit
def _stretch_sum(V, W, x, first, last):
    """Return the sum of a stretch, in float64; of a last, shorter one with all care."""
    if last - first < STRETCH:
        return sum_of_lanes(*wide_sum(V, W, x, first, last))
    return horizontal_sum(convert(W, block_sum(V, x, first, last)))


@jit
def _wide_squares(V, W, x, first, last, centre):
    """Return a register of float64 whose lanes add up to the squared distances of a stretch.

    A whole one is added up in the element type: squares have one sign, and lose few digits.
    What fills no four registers is in float64 altogether, so that a short array has no other
    error than that of its result.
    """
    if last - first == STRETCH:
        return convert(W, _squares(V, x, first, last, centre))
    total, away = zeros(W), broadcast(W, centre)
    i = first
    while last - i >= 4 * V.lanes:
        total += convert(W, _squares(V, x, i, i + 4 * V.lanes, centre))
        i += 4 * V.lanes
    while last - i >= V.lanes:
        s = convert(W, load(V, x, i)) - away
        total = fma(s, s, total)
        i += V.lanes
    s = select(first_lanes(W, last - i), convert(W, load_first(V, x, i, last - i)) - away, zeros(W))
    return fma(s, s, total)


@jit
def _squares(V, x, first, last, centre):
    """Return a register whose lanes add up to the squared distances from `centre`.

    Of whole registers by fours.
    """
    a, b, c, d = zeros(V), zeros(V), zeros(V), zeros(V)
    away = broadcast(V, centre)
    i = first
    while last - i >= 4 * V.lanes:
        s, t = load(V, x, i) - away, load(V, x, i + V.lanes) - away
        u, v = load(V, x, i + 2 * V.lanes) - away, load(V, x, i + 3 * V.lanes) - away
        a, b, c, d = fma(s, s, a), fma(t, t, b), fma(u, u, c), fma(v, v, d)
        i += 4 * V.lanes
    return (a + b) + (c + d)
