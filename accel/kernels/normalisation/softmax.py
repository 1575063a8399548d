"""Softmax: the exponentials of a row, divided by their sum.

The largest number is subtracted first, which changes nothing but keeps every exponential
below 1. A row that is all minus infinity, or holds a plus infinity or a NaN, becomes NaN.

Source
------
Goodfellow, Bengio and Courville, *Deep Learning* (2016), section 4.1, on the softmax
that subtracts the largest number first.
"""

from __future__ import annotations

import math

import numpy as np
from numba import prange

from accel.kernels.activation import lists
from accel.kernels.inputs import blank
from accel.kernels.normalisation.rows import (
    AWKWARD,
    EDGES,
    SHARES,
    WORTH_SHARING,
    matrix,
    sizes,
    sum_error,
)
from accel.kernels.normalisation.shares import softmax_rows
from accel.kernels.registry import Operation, register, register_operation
from accel.simd import apart, jit


def lift(row):
    row += 1000  # exp overflows unless the largest number is subtracted first


def sink(row):
    row -= 1000  # and divides zero by zero, if something larger is subtracted


def mask(row):
    row[::2] = -np.inf  # as attention marks what must not be looked at


def spoil(row):
    row[-1] = np.nan


#: What "special" inputs hold instead of normal numbers.
SPECIAL_ROWS = {0: lift, 1: sink, 2: mask, 3: spoil}


def softmax_inputs(rows: int, width: int, dtype: str = "float32", values: str = "normal") -> tuple:
    """Return ``(x, out)``; "special": numbers far up and far down, masked ones, a NaN."""
    x = matrix(rows, width, dtype, values, SPECIAL_ROWS)
    return x, blank((rows, width), dtype)


def softmax_oracle(x: np.ndarray, out: np.ndarray) -> tuple:
    """Return the answer in float64, and the error that its roundings allow.

    The distance d from the largest number is rounded by u |d|, which is the relative
    error of its exponential; a library's own exponential adds four u, the sum its
    error, division and reciprocal two u. Twice, for the oracle's own error; and the last
    subnormal digits, where the relative error ends.
    """
    about = np.finfo(x.dtype)
    z = x.astype(np.float64)
    distance = z - z.max(axis=1, keepdims=True)
    weights = np.exp(distance)
    expected = weights / weights.sum(axis=1, keepdims=True)
    reach = np.where(np.isfinite(distance), np.abs(distance), 0.0)
    relative = about.eps / 2 * (reach + 6) + sum_error(x.dtype, x.shape[1])
    return expected, 2 * (relative * expected + float(about.tiny) * float(about.eps))


def softmax_flops(rows: int, width: int, **_) -> int:
    """Five per element: compare, subtract, exponential, sum, divide."""
    return 5 * rows * width


def softmax_bytes(rows: int, width: int, dtype: str = "float32", **_) -> int:
    """Read `x`, write `out`."""
    return 2 * rows * width * np.dtype(dtype).itemsize


register_operation(
    Operation(
        "softmax",
        softmax_inputs,
        softmax_oracle,
        softmax_flops,
        softmax_bytes,
        EDGES,
        sizes=sizes,
        awkward=AWKWARD,
    )
)


@register(
    "softmax",
    name="loop",
    instrument="interpreter",
    story="Python loops over nested lists, with math.exp",
    adapt=lists,
    tags=("ladder",),
)
def softmax_loop(x, out):
    """Compute the softmax of rows by loops over nested lists.

    The starting point: a loop for the largest number, one for the exponentials and
    their sum, one for the quotients.

    Parameters
    ----------
    x, out : list of list of float, of shape (rows, width)
        `out` is overwritten.

    Cost
    ----
    5 FLOPs per number, of which one is ``exp``.
    """
    for row, result in zip(x, out, strict=True):
        largest = row[0]
        for value in row:
            if value > largest:
                largest = value
        total = 0.0
        for j, value in enumerate(row):
            result[j] = math.exp(value - largest)
            total += result[j]
        for j in range(len(row)):
            result[j] /= total


@register(
    "softmax",
    name="numpy",
    instrument="NumPy",
    story="whole-matrix expression: removes the interpreter, adds temporary matrices",
    tags=("ladder",),
)
def softmax_numpy(x, out):
    """Compute the softmax of rows by a whole-matrix expression.

    Removes the interpreter. The distances and their exponentials are temporary
    matrices; the quotients go to `out`, which stands for the array that the expression
    would return.

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
    weights = np.exp(x - x.max(axis=1, keepdims=True))
    np.divide(weights, weights.sum(axis=1, keepdims=True), out=out)


@register(
    "softmax",
    name="numpy_out",
    instrument="NumPy",
    story="in place: removes the temporary matrices",
    tags=("ladder",),
)
def softmax_numpy_out(x, out):
    """Compute the softmax of rows in place in `out`.

    Removes the temporaries: distances, exponentials and quotients follow one another in
    `out`.

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
    Five passes over matrices; two numbers per row allocated.
    """
    np.subtract(x, x.max(axis=1, keepdims=True), out=out)
    np.exp(out, out=out)
    out /= out.sum(axis=1, keepdims=True)


@register(
    "softmax",
    name="compiled",
    instrument="compiled",
    story="the loops again, compiled: removes the passes, one scalar exp at a time",
    tags=("ladder",),
)
@jit
def softmax_compiled(x, out):
    """Compute the softmax of rows by compiled loops, one row at a time.

    Removes the passes over memory: a row stays in the nearest cache. But the C library's
    ``exp`` takes one number (unless Intel's vector library is installed, which Numba
    then calls), where NumPy has one for whole registers.

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
    5 FLOPs and a function call per number; one pass that reads `x` and writes `out`.
    """
    if x.shape != out.shape or x.shape[1] == 0:
        raise ValueError("softmax: out must have the shape of x, and rows must not be empty")
    for i in range(x.shape[0]):
        row, result = x[i], out[i]
        largest = row[0]
        for j in range(row.size):
            if row[j] > largest:
                largest = row[j]
        total = x.dtype.type(0)
        for j in range(row.size):
            weight = math.exp(row[j] - largest)
            result[j] = weight
            total += weight
        for j in range(row.size):
            result[j] /= total


@register(
    "softmax",
    name="vector",
    instrument="compiled",
    story="explicit vector registers: removes the scalar exp",
    tags=("ladder", "best"),
)
@jit
def softmax_vector(x, out):
    """Compute the softmax of rows with vector registers as values.

    Removes the scalar function call: `accel.simd.exp` computes a whole register at once.
    Four registers are under way at a time. The last numbers of a row are loaded and stored
    under a mask.

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
        raise ValueError("softmax: out must have the shape of x, and rows must not be empty")
    softmax_rows(x, out, 0, x.shape[0])


@register(
    "softmax",
    name="threads",
    instrument="compiled",
    story="rows shared out among all cores: removes the idle ones",
    tags=("ladder", "threads"),
)
@apart
@jit
def softmax_threads(x, out):
    """Compute the softmax of rows on all cores.

    Removes the idle cores: each takes as many neighbouring rows as the next. A matrix too
    small to be worth waking them is left to one.

    Parameters, result and errors as for `softmax_vector`.
    """
    if x.shape != out.shape or x.shape[1] == 0:
        raise ValueError("softmax: out must have the shape of x, and rows must not be empty")
    _share(x, out)


@jit(parallel=True)
def _share(x, out):
    rows = x.shape[0]
    parts = min(SHARES, rows) if x.size >= WORTH_SHARING else 1
    if parts < 2:
        softmax_rows(x, out, 0, rows)
        return
    for part in prange(parts):
        softmax_rows(x, out, rows * part // parts, rows * (part + 1) // parts)
