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

from accel.kernels.activation import lists, register_for
from accel.kernels.activation.elements import past_caches
from accel.kernels.inputs import blank
from accel.kernels.normalisation.rows import (
    AWKWARD,
    EDGES,
    SHARES,
    WORTH_SHARING,
    half_of,
    matrix,
    quarter_of,
    sizes,
    sum_error,
)
from accel.kernels.registry import Operation, register, register_operation
from accel.kernels.normalisation.weights import weight
from accel.simd import (
    broadcast,
    elements_to_alignment,
    fence,
    first_lanes,
    horizontal_max,
    horizontal_sum,
    jit,
    load,
    load_first,
    load_masked,
    prefetch,
    select,
    store,
    store_first,
    store_masked,
    store_streaming,
    zeros,
)

#: Bytes of a row up to which its weights are kept for the division: they stay in a cache
#: that a core has for itself. The weights of longer rows are computed twice instead.
NEAR_BYTES = 1 << 18

#: Numbers that are read twice in a row: a block in the nearest cache.
BLOCK = 2048


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


@jit
def softmax_rows(x, out, first, last):
    """Compute the softmax of rows first to last - 1 of checked arguments."""
    V = register_for(x)
    width = x.shape[1]
    if width <= V.lanes // 4:
        _short_rows(quarter_of(x), x, out, first, last)
    elif width <= V.lanes // 2:
        _short_rows(half_of(x), x, out, first, last)
    elif width <= V.lanes:
        _short_rows(V, x, out, first, last)
    elif width * x.itemsize > NEAR_BYTES:
        _long_rows(V, x, out, first, last)
    elif past_caches(x, 2):
        _streamed_rows(V, x, out, first, last)
    else:
        for i in range(first, last):
            row, result = x[i], out[i]
            total = _weights(V, row, broadcast(V, largest(V, row)), result)
            _multiply(V, result, row.dtype.type(1) / total, result)


@jit
def _short_rows(V, x, out, first, last):
    """Rows of one register, which is loaded and stored under the same mask every time."""
    width = x.shape[1]
    inside, least = first_lanes(V, width), broadcast(V, -np.inf)
    source, target = x.reshape(-1), out.reshape(-1)
    for i in range(first, last):
        row = select(inside, load_masked(V, source, i * width, inside), least)
        weights = weight(V, row - horizontal_max(row))
        store_masked(target, i * width, weights / horizontal_sum(weights), inside)


@jit
def _streamed_rows(V, x, out, first, last):
    """Rows that go past the caches: weights are kept in one row's room, next rows fetched early."""
    weights, source = np.empty(x.shape[1], x.dtype), x.reshape(-1)
    for i in range(first, last):
        row = x[i]
        top = broadcast(V, largest(V, row))
        total = _weights_fetching(V, row, top, weights, source, (i + 1) * row.size)
        _multiply_streaming(V, weights, row.dtype.type(1) / total, out[i])
    fence()


@jit
def _long_rows(V, x, out, first, last):
    """Rows that fit no near cache: read twice, their exponentials computed twice."""
    for i in range(first, last):
        top, total = top_and_total(V, x[i])
        _shares(V, x[i], broadcast(V, top), x.dtype.type(1) / total, out[i], past_caches(x, 2))
    fence()


@jit
def _weights(V, row, top, weights):
    """Write the weights of a row, and return their sum."""
    step = 4 * V.lanes
    a, b, c, d = zeros(V), zeros(V), zeros(V), zeros(V)
    j = 0
    while row.size - j >= step:
        s, t = weight(V, load(V, row, j) - top), weight(V, load(V, row, j + V.lanes) - top)
        u = weight(V, load(V, row, j + 2 * V.lanes) - top)
        v = weight(V, load(V, row, j + 3 * V.lanes) - top)
        store(weights, j, s)
        store(weights, j + V.lanes, t)
        store(weights, j + 2 * V.lanes, u)
        store(weights, j + 3 * V.lanes, v)
        a, b, c, d = a + s, b + t, c + u, d + v
        j += step
    return horizontal_sum((a + b) + (c + d) + _last_weights(V, row, top, j, weights))


@jit
def _weights_fetching(V, row, top, weights, source, ahead):
    """As `_weights`, and ask for the numbers that far ahead in `source`."""
    step = 4 * V.lanes
    a, b, c, d = zeros(V), zeros(V), zeros(V), zeros(V)
    j = 0
    while row.size - j >= step:
        prefetch(source, ahead + j)
        prefetch(source, ahead + j + V.lanes)
        prefetch(source, ahead + j + 2 * V.lanes)
        prefetch(source, ahead + j + 3 * V.lanes)
        s, t = weight(V, load(V, row, j) - top), weight(V, load(V, row, j + V.lanes) - top)
        u = weight(V, load(V, row, j + 2 * V.lanes) - top)
        v = weight(V, load(V, row, j + 3 * V.lanes) - top)
        store(weights, j, s)
        store(weights, j + V.lanes, t)
        store(weights, j + 2 * V.lanes, u)
        store(weights, j + 3 * V.lanes, v)
        a, b, c, d = a + s, b + t, c + u, d + v
        j += step
    return horizontal_sum((a + b) + (c + d) + _last_weights(V, row, top, j, weights))


@jit
def _last_weights(V, row, top, j, weights):
    """Write the weights from j on, fewer than four registers, and return a register of sums."""
    sums = zeros(V)
    while row.size - j >= V.lanes:
        s = weight(V, load(V, row, j) - top)
        store(weights, j, s)
        sums += s
        j += V.lanes
    rest = row.size - j
    if rest:
        inside = first_lanes(V, rest)
        s = weight(V, load_masked(V, row, j, inside) - top)
        store_masked(weights, j, s, inside)
        sums += select(inside, s, 0.0)
    return sums


@jit
def _multiply(V, weights, share, result):
    rest = result.size % V.lanes
    whole = result.size - rest
    for j in range(0, whole, V.lanes):
        store(result, j, share * load(V, weights, j))
    if rest:
        store_first(result, whole, share * load_first(V, weights, whole, rest), rest)


@jit
def _multiply_streaming(V, weights, share, result):
    """Aligned to registers of `result`, which go past the caches."""
    j = min(elements_to_alignment(V, result, 0), result.size)
    if j:
        store_first(result, 0, share * load_first(V, weights, 0, j), j)
    while result.size - j >= V.lanes:
        store_streaming(result, j, share * load(V, weights, j))
        j += V.lanes
    rest = result.size - j
    if rest:
        store_first(result, j, share * load_first(V, weights, j, rest), rest)


@jit
def _shares(V, row, top, share, result, streams):
    j = min(elements_to_alignment(V, result, 0), result.size)
    store_first(result, 0, share * weight(V, load_first(V, row, 0, j) - top), j)
    whole = j + (row.size - j) // V.lanes * V.lanes
    if streams:
        for k in range(j, whole, V.lanes):
            store_streaming(result, k, share * weight(V, load(V, row, k) - top))
    else:
        for k in range(j, whole, V.lanes):
            store(result, k, share * weight(V, load(V, row, k) - top))
    rest = row.size - whole
    store_first(result, whole, share * weight(V, load_first(V, row, whole, rest) - top), rest)


@jit
def largest(V, row):
    """Return the largest number of a row, of those that are none: a NaN shows in the weights."""
    return span_largest(V, row, 0, row.size)


@jit
def span_largest(V, row, j, end):
    """Return the largest of ``row[j:end]`` that is no NaN."""
    a = b = c = d = broadcast(V, -np.inf)
    while end - j >= 4 * V.lanes:
        a, b = _larger(load(V, row, j), a), _larger(load(V, row, j + V.lanes), b)
        c = _larger(load(V, row, j + 2 * V.lanes), c)
        d = _larger(load(V, row, j + 3 * V.lanes), d)
        j += 4 * V.lanes
    while end - j >= V.lanes:
        a = _larger(load(V, row, j), a)
        j += V.lanes
    if end > j:
        inside = first_lanes(V, end - j)
        b = _larger(select(inside, load_masked(V, row, j, inside), b), b)
    return horizontal_max(_larger(_larger(a, b), _larger(c, d)))


@jit
def _larger(v, most):
    """One instruction, since a NaN in `v` is passed over."""
    return select(v > most, v, most)


@jit
def top_and_total(V, row):
    """Return the largest number of a row and the sum of its weights, read once from afar.

    Block by block: where one has a number larger than all before, what was summed so far
    shrinks. All masked, or a NaN: the sum is NaN.
    """
    top, most, total = np.finfo(row.dtype).min, row.dtype.type(-np.inf), 0.0
    for j in range(0, row.size, BLOCK):
        end = min(j + BLOCK, row.size)
        most = max(most, span_largest(V, row, j, end))
        if most > top:
            total *= math.exp(float(top - most))
            top = most
        total += span_total(V, row, j, end, broadcast(V, top))
    return top, row.dtype.type(total if most >= top else np.nan)


@jit
def span_total(V, row, j, end, top):
    """Return the sum of the weights of ``row[j:end]``."""
    a, b, c, d = zeros(V), zeros(V), zeros(V), zeros(V)
    while end - j >= 4 * V.lanes:
        a += weight(V, load(V, row, j) - top)
        b += weight(V, load(V, row, j + V.lanes) - top)
        c += weight(V, load(V, row, j + 2 * V.lanes) - top)
        d += weight(V, load(V, row, j + 3 * V.lanes) - top)
        j += 4 * V.lanes
    while end - j >= V.lanes:
        a += weight(V, load(V, row, j) - top)
        j += V.lanes
    if end > j:
        inside = first_lanes(V, end - j)
        b += select(inside, weight(V, load_masked(V, row, j, inside) - top), 0.0)
    return horizontal_sum((a + b) + (c + d))
