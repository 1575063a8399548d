"""Logarithm of the softmax: the numbers of a row, less the logarithm of their exponentials' sum.

Taken from the softmax itself, the logarithm of a probability too small for its type would
be minus infinity. Taken from the formula it is a subtraction. Rows that are all minus
infinity, or hold a plus infinity or a NaN, become NaN; a masked number stays minus infinity.

Source
------
Goodfellow, Bengio and Courville, *Deep Learning* (2016), section 6.2.2.3: the logarithm
of the softmax, and why it saturates less.
"""

from __future__ import annotations

import math

import numpy as np
from numba import prange

from accel.kernels.activation import lists, register_for
from accel.kernels.activation.elements import past_caches
from accel.kernels.inputs import blank
from accel.kernels.normalisation.rows import (
    AWKWARD,
    EDGES,
    SHARES,
    WORTH_SHARING,
    matrix,
    quarter_of,
    sizes,
    sum_error,
)
from accel.kernels.normalisation.shares import (
    BLOCK,
    fill_finite,
    span_largest,
    span_total,
    top_and_total,
)
from accel.kernels.normalisation.softmax import SPECIAL_ROWS
from accel.kernels.normalisation.weights import broadcast_max, lowered, weight
from accel.kernels.registry import Operation, register, register_operation
from accel.simd import (
    apart,
    broadcast,
    elements_to_alignment,
    fence,
    first_lanes,
    horizontal_sum,
    jit,
    load,
    load_first,
    load_masked,
    log,
    pointer,
    select,
    store,
    store_first,
    store_masked,
    store_streaming,
    zeros,
)


def log_softmax_inputs(
    rows: int, width: int, dtype: str = "float32", values: str = "normal"
) -> tuple:
    """Return ``(x, out)``; "special": numbers far up and far down, masked ones, a NaN."""
    x = matrix(rows, width, dtype, values, SPECIAL_ROWS)
    return x, blank((rows, width), dtype)


def log_softmax_oracle(x: np.ndarray, out: np.ndarray) -> tuple:
    """Return the answer in float64, and the error that its roundings allow.

    With u = eps / 2: the distance d from the largest number is rounded by u |d|, and so is
    each term of the sum, on average over its terms; exponentials add four u, the sum its own
    error. The logarithm turns a relative error into an absolute one and adds four u of its
    value; the subtraction rounds once more. Twice, for the oracle's own error.
    """
    unit = float(np.finfo(x.dtype).eps) / 2
    z = x.astype(np.float64)
    distance = z - z.max(axis=1, keepdims=True)
    weights = np.exp(distance)
    total = weights.sum(axis=1, keepdims=True)
    expected = distance - np.log(total)
    reach = np.where(np.isfinite(distance), np.abs(distance), 0.0)
    mean_reach = (weights * reach).sum(axis=1, keepdims=True) / total
    sums = unit * (mean_reach + 5) + sum_error(x.dtype, x.shape[1])
    finite = np.where(np.isfinite(expected), np.abs(expected), 0.0)
    return expected, 2 * (sums + unit * (reach + finite + 4 * np.log(total)))


def log_softmax_flops(rows: int, width: int, **_) -> int:
    """Six per element, and one per row.

    Compare, subtract, exponential, sum; then subtract the largest number again, and the
    logarithm of the sum, which is one per row.
    """
    return rows * (6 * width + 1)


def log_softmax_bytes(rows: int, width: int, dtype: str = "float32", **_) -> int:
    """Read `x`, write `out`."""
    return 2 * rows * width * np.dtype(dtype).itemsize


register_operation(
    Operation(
        "log_softmax",
        log_softmax_inputs,
        log_softmax_oracle,
        log_softmax_flops,
        log_softmax_bytes,
        EDGES,
        sizes=sizes,
        awkward=AWKWARD,
    )
)


@register(
    "log_softmax",
    name="loop",
    instrument="interpreter",
    story="Python loops over nested lists, with math.exp and math.log",
    adapt=lists,
    tags=("ladder",),
)
def log_softmax_loop(x, out):
    """Compute the logarithm of the softmax of rows by loops over nested lists.

    The starting point: a loop for the largest number, one for the sum of exponentials, one
    for the results.

    Parameters
    ----------
    x, out : list of list of float, of shape (rows, width)
        `out` is overwritten.

    Cost
    ----
    6 FLOPs per number, of which one is ``exp``.
    """
    for row, result in zip(x, out, strict=True):
        top = row[0]
        for value in row:
            if value > top:
                top = value
        total = 0.0
        for value in row:
            total += math.exp(value - top)
        logarithm = math.log(total)
        for j, value in enumerate(row):
            result[j] = value - top - logarithm


@register(
    "log_softmax",
    name="numpy",
    instrument="NumPy",
    story="whole-matrix expression: removes the interpreter, adds temporary matrices",
    tags=("ladder", "numpy"),
)
def log_softmax_numpy(x, out):
    """Compute the logarithm of the softmax by a whole-matrix expression.

    Removes the interpreter. Distances and exponentials are temporary matrices; the results
    go to `out`, which stands for the array that the expression would return.

    Parameters
    ----------
    x, out : ndarray, shape (rows, width), float32 or float64
        `out` is overwritten.

    Raises
    ------
    ValueError
        If the shapes do not fit, or rows are empty.

    Cost
    ----
    Five passes over matrices; two temporaries of the size of `x`.
    """
    distance = x - x.max(axis=1, keepdims=True)
    np.subtract(distance, np.log(np.exp(distance).sum(axis=1, keepdims=True)), out=out)


@register(
    "log_softmax",
    name="numpy_out",
    instrument="NumPy",
    story="in place: removes the temporary matrices",
    tags=("ladder",),
)
def log_softmax_numpy_out(x, out):
    """Compute the logarithm of the softmax in place in `out`.

    Removes the temporaries: `out` holds the distances, then their exponentials, then the
    distances again, which costs a subtraction more than keeping both.

    Parameters
    ----------
    x, out : ndarray, shape (rows, width), float32 or float64
        `out` is overwritten before `x` is read for the last time: it must not be `x`.

    Raises
    ------
    ValueError
        If the shapes do not fit, or rows are empty.

    Cost
    ----
    Six passes over matrices; three numbers per row allocated.
    """
    top = x.max(axis=1, keepdims=True)
    np.subtract(x, top, out=out)
    np.exp(out, out=out)
    logarithm = np.log(out.sum(axis=1, keepdims=True))
    np.subtract(x, top, out=out)
    out -= logarithm


@register(
    "log_softmax",
    name="compiled",
    instrument="compiled",
    story="the loops again, compiled: removes the passes, one scalar exp at a time",
    tags=("ladder",),
)
@jit
def log_softmax_compiled(x, out):
    """Compute the logarithm of the softmax by compiled loops, one row at a time.

    Removes the passes over memory: a row stays in the nearest cache. But the C library's
    ``exp`` takes one number, where NumPy has one for whole registers.

    Parameters
    ----------
    x, out : ndarray, shape (rows, width), float32 or float64
        `out` is overwritten.

    Raises
    ------
    ValueError
        If the shapes differ, or rows are empty.

    Cost
    ----
    6 FLOPs and a function call per number; one pass that reads `x` and writes `out`.
    """
    if x.shape != out.shape or x.shape[1] == 0:
        raise ValueError("log_softmax: out must have the shape of x, and rows must not be empty")
    for i in range(x.shape[0]):
        row, result = x[i], out[i]
        top = row[0]
        for j in range(row.size):
            if row[j] > top:
                top = row[j]
        total = x.dtype.type(0)
        for j in range(row.size):
            total += math.exp(row[j] - top)
        logarithm = math.log(total)
        for j in range(row.size):
            result[j] = row[j] - top - logarithm


@register(
    "log_softmax",
    name="vector",
    instrument="compiled",
    story="explicit vector registers: removes the scalar exp",
    tags=("ladder", "best"),
)
@jit
def log_softmax_vector(x, out):
    """Compute the logarithm of the softmax of rows with vector registers as values.

    Removes the scalar function call, as in `softmax_vector`. The exponentials are only
    added up, never stored.

    Parameters
    ----------
    x, out : ndarray, shape (rows, width), float32 or float64, contiguous
        `out` is overwritten.

    Raises
    ------
    ValueError
        If the shapes differ, or rows are empty.

    Cost
    ----
    ``width / lanes`` exponentials of registers per row; one pass over memory.
    """
    if x.shape != out.shape or x.shape[1] == 0:
        raise ValueError("log_softmax: out must have the shape of x, and rows must not be empty")
    log_softmax_rows(x, out, 0, x.shape[0])


@register(
    "log_softmax",
    name="threads",
    instrument="compiled",
    story="rows shared out among all cores: removes the idle ones",
    tags=("ladder", "threads"),
)
@apart
@jit
def log_softmax_threads(x, out):
    """Compute the logarithm of the softmax of rows on all cores.

    Removes the idle cores: each takes as many neighbouring rows as the next. A matrix too
    small to be worth waking them is left to one.

    Parameters, result and errors as for `log_softmax_vector`.
    """
    if x.shape != out.shape or x.shape[1] == 0:
        raise ValueError("log_softmax: out must have the shape of x, and rows must not be empty")
    _share(x, out)


@jit(parallel=True)
def _share(x, out):
    rows = x.shape[0]
    parts = min(SHARES, rows) if x.size >= WORTH_SHARING else 1
    if parts < 2:
        log_softmax_rows(x, out, 0, rows)
        return
    for part in prange(parts):
        log_softmax_rows(x, out, rows * part // parts, rows * (part + 1) // parts)


@jit
def log_softmax_rows(x, out, first, last):
    """Compute the logarithm of the softmax of rows first to last - 1 of checked arguments."""
    V, width, streams = register_for(x), x.shape[1], past_caches(x, 2)
    source, target = pointer(x.reshape(-1)), pointer(out.reshape(-1))
    if width == 1:
        fill_finite(V, source, first, last, 0.0, target)
    elif width <= V.lanes // 4:
        _short_rows(quarter_of(x), source, target, width, first, last)
    elif width <= V.lanes:
        _short_rows(V, source, target, width, first, last)
    else:
        _rows(V, source, target, width, first, last, streams)


@jit
def _short_rows(V, x, out, width, first, last):
    """Rows of one register, which is loaded and stored under the same mask every time."""
    inside, least = first_lanes(V, width), broadcast(V, -np.inf)
    for at in range(first * width, last * width, width):
        row = select(inside, load_masked(V, x, at, inside), least)
        distance = row - broadcast_max(V, row)
        total = lowered(V, horizontal_sum(weight(V, distance)))
        store_masked(out, at, distance - log(broadcast(V, total)), inside)


@jit
def _rows(V, x, out, width, first, last, streams):
    """Rows whose results go past the caches, in whole lines, where they do not fit.

    Then what a row leaves of its last line waits for the next row, as in `softmax`.
    """
    j, carry = elements_to_alignment(V, out, first * width), zeros(V)
    for at in range(first * width, last * width, width):
        if width <= BLOCK:
            top = span_largest(V, x, at, at + width)
            total = span_total(V, x, at, at + width, top)
        else:
            top, total = top_and_total(V, x, at, at + width)
        logarithm = log(broadcast(V, lowered(V, total)))
        if streams:
            carry, j = _stream_row(V, x, at, width, top, logarithm, out, j, carry)
        else:
            _subtract(V, x, at, at + width, top, logarithm, out)
    if streams and last > first:
        store_first(out, last * width + j, carry, -j)
        fence()


@jit
def _subtract(V, x, at, end, top, logarithm, out):
    """Twice: the sum of both would be rounded to the larger one's last place."""
    while end - at >= V.lanes:
        store(out, at, (load(V, x, at) - top) - logarithm)
        at += V.lanes
    if end > at:
        rest = end - at
        store_first(out, at, (load_first(V, x, at, rest) - top) - logarithm, rest)


@jit
def _stream_row(V, x, at, width, top, logarithm, out, j, carry):
    """Start at j, below 0 where `carry` holds results of the row before; return as much."""
    if j > 0:
        store_first(out, at, (load_first(V, x, at, j) - top) - logarithm, j)
    elif j < 0:
        ours = ~first_lanes(V, -j)
        result = (load_masked(V, x, at + j, ours) - top) - logarithm
        store_streaming(out, at + j, select(ours, result, carry))
        j += V.lanes
    while width - j >= V.lanes:
        store_streaming(out, at + j, (load(V, x, at + j) - top) - logarithm)
        j += V.lanes
    return (load_first(V, x, at + j, width - j) - top) - logarithm, j - width
