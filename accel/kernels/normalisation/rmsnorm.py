"""Root-mean-square normalisation: rows get root mean square 1, then a weight.

A layer normalisation that leaves the mean where it is: one walk along the row fewer.
Squares are taken in the element type: a float32 beyond 1.8e19 has an infinite square, and
its row becomes zero.

Source
------
Zhang and Sennrich, "Root Mean Square Layer Normalization", arXiv:1910.07467 (2019),
section 4.
"""

from __future__ import annotations

import math

import numpy as np
from numba import prange

from accel.kernels.activation import lists, register_for
from accel.kernels.activation.elements import past_caches
from accel.kernels.inputs import blank, normal
from accel.kernels.normalisation.rows import (
    AWKWARD,
    EDGES,
    EPSILON,
    SHARES,
    WORTH_SHARING,
    matrix,
    quarter_of,
    sizes,
    span_squares,
    sum_error,
)
from accel.kernels.registry import Operation, register, register_operation
from accel.simd import (
    apart,
    broadcast,
    elements_to_alignment,
    fence,
    first_lanes,
    fma,
    horizontal_sum,
    jit,
    load,
    load_first,
    load_masked,
    pointer,
    select,
    sqrt,
    store,
    store_first,
    store_masked,
    store_streaming,
    zeros,
)


def _dwindle(row):
    row *= 1e-3  # beside EPSILON


def _vanish(row):
    row[:] = 0


def _spoil(row):
    row[-1] = np.nan


def rmsnorm_inputs(rows: int, width: int, dtype: str = "float32", values: str = "normal") -> tuple:
    """Return ``(x, weight, out)``; "special": small numbers, zeros, a NaN."""
    x = matrix(rows, width, dtype, values, {0: _dwindle, 1: _vanish, 2: _spoil})
    return x, normal((width,), dtype, seed=2), blank((rows, width), dtype)


def rmsnorm_oracle(x: np.ndarray, weight: np.ndarray, out: np.ndarray) -> tuple:
    """Return the answer in float64, and the error that its roundings allow.

    The mean of squares has the relative error of a sum, which the root halves; root,
    reciprocal, two products and EPSILON add five units. Twice, for the oracle's own error;
    and the last subnormal digits.
    """
    about = np.finfo(x.dtype)
    z = x.astype(np.float64)
    scale = 1 / np.sqrt((z * z).mean(axis=1, keepdims=True) + EPSILON)
    expected = z * scale * weight.astype(np.float64)
    relative = sum_error(x.dtype, x.shape[1]) / 2 + 5 * float(about.eps) / 2
    return expected, 2 * (relative * np.abs(expected) + float(about.tiny) * float(about.eps))


def rmsnorm_flops(rows: int, width: int, **_) -> int:
    """Four per element, and four per row.

    Square, sum, scale, weight; per row a division by the width, an addition, a root and a
    reciprocal.
    """
    return rows * (4 * width + 4)


def rmsnorm_bytes(rows: int, width: int, dtype: str = "float32", **_) -> int:
    """Read `x` and `weight`, write `out`."""
    return (2 * rows * width + width) * np.dtype(dtype).itemsize


register_operation(
    Operation(
        "rmsnorm",
        rmsnorm_inputs,
        rmsnorm_oracle,
        rmsnorm_flops,
        rmsnorm_bytes,
        EDGES,
        sizes=sizes,
        awkward=AWKWARD,
    )
)


@register(
    "rmsnorm",
    name="loop",
    instrument="interpreter",
    story="Python loops over nested lists",
    adapt=lists,
    tags=("ladder",),
)
def rmsnorm_loop(x, weight, out):
    """Normalise rows by loops over nested lists.

    The starting point: a loop for the squares, one for the results.

    Parameters
    ----------
    x, out : list of list of float, of shape (rows, width)
        `out` is overwritten.
    weight : list of float, length width

    Cost
    ----
    4 FLOPs per number, each some dozens of instructions of the interpreter.
    """
    for row, result in zip(x, out, strict=True):
        squares = 0.0
        for value in row:
            squares += value * value
        scale = 1.0 / math.sqrt(squares / len(row) + EPSILON)
        for j, value in enumerate(row):
            result[j] = value * scale * weight[j]


@register(
    "rmsnorm",
    name="numpy",
    instrument="NumPy",
    story="whole-matrix expression: removes the interpreter, adds temporary matrices",
    tags=("ladder",),
)
def rmsnorm_numpy(x, weight, out):
    """Normalise rows by a whole-matrix expression.

    Removes the interpreter. Squares and quotients are temporary matrices; the last product
    goes to `out`, which stands for the array that the expression would return.

    Parameters
    ----------
    x, out : ndarray, shape (rows, width), float32 or float64
        `out` is overwritten.
    weight : ndarray, shape (width,)

    Raises
    ------
    ValueError
        If the shapes do not fit.

    Cost
    ----
    Four passes over matrices; two temporaries of the size of `x`.
    """
    scale = np.sqrt((x * x).mean(axis=1, keepdims=True) + EPSILON)
    np.multiply(x / scale, weight, out=out)


@register(
    "rmsnorm",
    name="numpy_out",
    instrument="NumPy",
    story="in place: removes the temporary matrices",
    tags=("ladder",),
)
def rmsnorm_numpy_out(x, weight, out):
    """Normalise rows in place in `out`.

    Removes the temporaries: the scalar product of each row with itself is its sum of
    squares, and both products are formed in `out`.

    Parameters
    ----------
    x, out : ndarray, shape (rows, width), float32 or float64
        `out` is overwritten.
    weight : ndarray, shape (width,)

    Raises
    ------
    ValueError
        If the shapes do not fit.

    Cost
    ----
    Three passes over matrices; two numbers per row allocated.
    """
    squares = np.vecdot(x, x)[:, np.newaxis]
    np.multiply(x, 1 / np.sqrt(squares / x.shape[1] + EPSILON), out=out)
    out *= weight


@register(
    "rmsnorm",
    name="compiled",
    instrument="compiled",
    story="the loops again, compiled: removes the passes, a row stays in the nearest cache",
    tags=("ladder",),
)
@jit(fastmath={"reassoc", "contract"})
def rmsnorm_compiled(x, weight, out):
    """Normalise rows by compiled loops, one row at a time.

    Removes the passes over memory: a row is read twice, but only the first time from afar.
    The compiler may add in another order (``reassoc``), as in `layernorm_compiled`.

    Parameters
    ----------
    x, out : ndarray, shape (rows, width), float32 or float64
        `out` is overwritten.
    weight : ndarray, shape (width,)

    Raises
    ------
    ValueError
        If the shapes do not fit, or rows are empty.

    Cost
    ----
    4 FLOPs per number; one pass that reads `x` and writes `out`.
    """
    if x.shape != out.shape:
        raise ValueError("rmsnorm: out must have the shape of x")
    rows, width = x.shape
    if width != weight.size or width == 0:
        raise ValueError("rmsnorm: weight must be as long as a row, and not empty")
    number = x.dtype.type
    count, epsilon, one = number(width), number(EPSILON), number(1)
    for i in range(rows):
        row, result = x[i], out[i]
        squares = number(0)
        for j in range(row.size):
            value = row[j]
            squares += value * value
        scale = one / math.sqrt(squares / count + epsilon)
        for j in range(row.size):
            result[j] = row[j] * scale * weight[j]


@register(
    "rmsnorm",
    name="vector",
    instrument="compiled",
    story="explicit vector registers, four sums at once: removes the wait for an addition",
    tags=("ladder", "best"),
)
@jit
def rmsnorm_vector(x, weight, out):
    """Normalise rows with vector registers as values.

    Removes the waiting: four accumulators take turns. And the licence to reorder: the order
    is written down here, and sums of long rows are kept in float64.

    Parameters
    ----------
    x, out : ndarray, shape (rows, width), float32 or float64, contiguous
        `out` is overwritten.
    weight : ndarray, shape (width,)

    Raises
    ------
    ValueError
        If the shapes do not fit, or rows are empty.

    Cost
    ----
    Two walks along each row, of which the second finds it in the nearest cache.
    """
    check_rmsnorm(x, weight, out)
    rmsnorm_rows(x, weight, EPSILON, out, 0, x.shape[0])


@register(
    "rmsnorm",
    name="threads",
    instrument="compiled",
    story="rows shared out among all cores: removes the idle ones",
    tags=("ladder", "threads"),
)
@apart
@jit
def rmsnorm_threads(x, weight, out):
    """Normalise rows on all cores.

    Removes the idle cores: each takes as many neighbouring rows as the next. A matrix too
    small to be worth waking them is left to one.

    Parameters, result and errors as for `rmsnorm_vector`.
    """
    check_rmsnorm(x, weight, out)
    rmsnorm_shared(x, weight, EPSILON, out)


@jit
def check_rmsnorm(x, weight, out):
    """Raise ValueError unless the shapes fit."""
    if x.shape != out.shape:
        raise ValueError("rmsnorm: out must have the shape of x")
    if x.shape[1] != weight.size or weight.size == 0:
        raise ValueError("rmsnorm: weight must be as long as a row, and not empty")


@jit(parallel=True)
def rmsnorm_shared(x, weight, epsilon, out):
    """Normalise the rows of checked arguments, on all cores if that is worth it."""
    rows = x.shape[0]
    parts = min(SHARES, rows) if x.size >= WORTH_SHARING else 1
    if parts < 2:
        rmsnorm_rows(x, weight, epsilon, out, 0, rows)
        return
    for part in prange(parts):
        first, last = rows * part // parts, rows * (part + 1) // parts
        rmsnorm_rows(x, weight, epsilon, out, first, last)


@jit
def rmsnorm_rows(x, weight, epsilon, out, first, last):
    """Normalise rows first to last - 1 of checked arguments."""
    V, width, streams = register_for(x), x.shape[1], past_caches(x, 2)
    source, target = pointer(x.reshape(-1)), pointer(out.reshape(-1))
    w = pointer(weight.reshape(-1))
    if width == 1:
        _numbers(V, source, weight[0], epsilon, target, first, last)
    elif width <= V.lanes // 4:
        _short_rows(quarter_of(x), source, width, w, epsilon, target, first, last)
    elif width <= V.lanes:
        _short_rows(V, source, width, w, epsilon, target, first, last)
    else:
        _rows(V, source, width, w, epsilon, target, first, last, streams)


@jit
def _numbers(V, x, weight, epsilon, out, at, end):
    """Rows of one number."""
    while at < end:
        count = min(V.lanes, end - at)
        v = load_first(V, x, at, count)
        store_first(out, at, v / sqrt(fma(v, v, epsilon)) * weight, count)
        at += count


@jit
def _short_rows(V, x, width, weight, epsilon, out, first, last):
    """Rows of one register, which is loaded and stored under the same mask every time."""
    inside, part = first_lanes(V, width), 1.0 / width
    w = load_masked(V, weight, 0, inside)
    for at in range(first * width, last * width, width):
        row = load_masked(V, x, at, inside)
        scale = 1.0 / math.sqrt(horizontal_sum(row * row) * part + epsilon)
        store_masked(out, at, row * broadcast(V, scale) * w, inside)


@jit
def _rows(V, x, width, weight, epsilon, out, first, last, streams):
    """Rows whose results go past the caches, in whole lines, where they do not fit.

    Then what a row leaves of its last line waits for the next row, as in `layernorm`.
    """
    j, carry = elements_to_alignment(V, out, first * width), zeros(V)
    for at in range(first * width, last * width, width):
        squares = span_squares(V, x, at, at + width, zeros(V))
        scale = broadcast(V, 1.0 / math.sqrt(squares / width + epsilon))
        if streams:
            carry, j = _stream_row(V, x, at, width, scale, weight, out, j, carry)
        else:
            _scale_row(V, x, at, width, scale, weight, out)
    if streams and last > first:
        store_first(out, last * width + j, carry, -j)
        fence()


@jit
def _scale_row(V, x, at, width, scale, weight, out):
    j = 0
    while width - j >= V.lanes:
        store(out, at + j, load(V, x, at + j) * scale * load(V, weight, j))
        j += V.lanes
    if width > j:
        store_first(out, at + j, _first(V, x, at, j, width - j, scale, weight), width - j)


@jit
def _stream_row(V, x, at, width, scale, weight, out, j, carry):
    """Start at j, below 0 where `carry` holds results of the row before; return as much."""
    if j > 0:
        store_first(out, at, _first(V, x, at, 0, j, scale, weight), j)
    elif j < 0:
        ours = ~first_lanes(V, -j)
        result = load_masked(V, x, at + j, ours) * scale * load_masked(V, weight, j, ours)
        store_streaming(out, at + j, select(ours, result, carry))
        j += V.lanes
    while width - j >= V.lanes:
        store_streaming(out, at + j, load(V, x, at + j) * scale * load(V, weight, j))
        j += V.lanes
    return _first(V, x, at, j, width - j, scale, weight), j - width


@jit
def _first(V, x, at, j, count, scale, weight):
    """Return results from j on, fewer than a register."""
    return load_first(V, x, at + j, count) * scale * load_first(V, weight, j, count)
