"""Layer normalisation: rows get mean 0 and deviation 1, then a weight and a bias.

The variance is the mean of the squared distances from the mean, found in a second walk
along the row. The shorter formula, mean of squares minus square of the mean, is the
difference of two nearly equal numbers where the mean is far from zero, and loses as many
digits as they have in common.

Source
------
Ba, Kiros and Hinton, "Layer Normalization", arXiv:1607.06450 (2016), section 3.
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
    span_sum,
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
    store,
    store_first,
    store_masked,
    store_streaming,
    zeros,
)


def _shift(row):
    row += 100  # a mean far from zero: squares minus the square of a mean would lose this


def _level(row):
    row[:] = 3  # no deviation at all


def _break(row):
    row[-1] = np.nan


def layernorm_inputs(
    rows: int, width: int, dtype: str = "float32", values: str = "normal"
) -> tuple:
    """Return ``(x, weight, bias, out)``; "special": a far mean, equal numbers, a NaN."""
    x = matrix(rows, width, dtype, values, {0: _shift, 1: _level, 2: _break})
    weight, bias = normal((width,), dtype, seed=2), normal((width,), dtype, seed=3)
    return x, weight, bias, blank((rows, width), dtype)


def layernorm_oracle(x: np.ndarray, weight: np.ndarray, bias: np.ndarray, out) -> tuple:
    """Return the answer in float64, and the error that its roundings allow.

    With u = eps / 2 and s the relative error of a sum: the mean is off by s mean|x|, and
    each distance from it by that and u |x|. A wrong mean adds its error's square to the
    variance, the sum of squares another s of it; a root halves both. Everything is then
    scaled by weight / deviation; a handful of roundings more. Twice, for the oracle's
    own error where the kernel computes in float64 too.
    """
    unit, sums = float(np.finfo(x.dtype).eps) / 2, sum_error(x.dtype, x.shape[1])
    z, w, b = (part.astype(np.float64) for part in (x, weight, bias))
    centred = z - z.mean(axis=1, keepdims=True)
    scale = 1 / np.sqrt((centred**2).mean(axis=1, keepdims=True) + EPSILON)
    normalised = centred * scale
    expected = normalised * w + b
    off = sums * np.abs(z).mean(axis=1, keepdims=True)
    distance = (off + unit * np.abs(z)) * scale
    stretched = np.abs(normalised) * (sums + (off * scale) ** 2)
    rounded = 4 * unit * (np.abs(normalised * w) + np.abs(expected))
    return expected, 2 * (np.abs(w) * (distance + stretched) + rounded)


def layernorm_flops(rows: int, width: int, **_) -> int:
    """Seven per element, and five per row.

    Sum, subtract, square, sum again, scale by the deviation, by the weight, add the
    bias; per row two divisions by the width, an addition, a root and a reciprocal.
    """
    return rows * (7 * width + 5)


def layernorm_bytes(rows: int, width: int, dtype: str = "float32", **_) -> int:
    """Read `x`, `weight` and `bias`, write `out`."""
    return (2 * rows * width + 2 * width) * np.dtype(dtype).itemsize


register_operation(
    Operation(
        "layernorm",
        layernorm_inputs,
        layernorm_oracle,
        layernorm_flops,
        layernorm_bytes,
        EDGES,
        sizes=sizes,
        awkward=AWKWARD,
    )
)


@register(
    "layernorm",
    name="loop",
    instrument="interpreter",
    story="Python loops over nested lists",
    adapt=lists,
    tags=("ladder",),
)
def layernorm_loop(x, weight, bias, out):
    """Normalise rows by loops over nested lists.

    The starting point: a loop for the mean, one for the deviation, one for the results.

    Parameters
    ----------
    x, out : list of list of float, of shape (rows, width)
        `out` is overwritten.
    weight, bias : list of float, length width

    Cost
    ----
    7 FLOPs per number, each some dozens of instructions of the interpreter.
    """
    for row, result in zip(x, out, strict=True):
        total = 0.0
        for value in row:
            total += value
        mean = total / len(row)
        squares = 0.0
        for value in row:
            squares += (value - mean) * (value - mean)
        scale = 1.0 / math.sqrt(squares / len(row) + EPSILON)
        for j, value in enumerate(row):
            result[j] = (value - mean) * scale * weight[j] + bias[j]


@register(
    "layernorm",
    name="numpy",
    instrument="NumPy",
    story="whole-matrix expression: removes the interpreter, adds temporary matrices",
    tags=("ladder",),
)
def layernorm_numpy(x, weight, bias, out):
    """Normalise rows by a whole-matrix expression.

    Removes the interpreter. This is the formula as most people write it: the variance
    finds its own mean and its own distances once more. The last addition writes `out`,
    which stands for the array that the expression would return.

    Parameters
    ----------
    x, out : ndarray, shape (rows, width), float32 or float64
        `out` is overwritten.
    weight, bias : ndarray, shape (width,)

    Raises
    ------
    ValueError
        If the shapes do not fit.

    Cost
    ----
    About nine passes over matrices; two temporaries of the size of `x` at a time.
    """
    centred = x - x.mean(axis=1, keepdims=True)
    deviation = np.sqrt(x.var(axis=1, keepdims=True) + EPSILON)
    np.add(centred / deviation * weight, bias, out=out)


@register(
    "layernorm",
    name="numpy_out",
    instrument="NumPy",
    story="in place: removes the temporary matrices",
    tags=("ladder",),
)
def layernorm_numpy_out(x, weight, bias, out):
    """Normalise rows in place in `out`.

    Removes the temporaries: the distances from the mean are kept in `out` and used
    twice, and a scalar product of each row with itself is its sum of squares.

    Parameters
    ----------
    x, out : ndarray, shape (rows, width), float32 or float64
        `out` is overwritten.
    weight, bias : ndarray, shape (width,)

    Raises
    ------
    ValueError
        If the shapes do not fit.

    Cost
    ----
    Six passes over matrices; two numbers per row allocated.
    """
    np.subtract(x, x.mean(axis=1, keepdims=True), out=out)
    squares = np.vecdot(out, out)[:, np.newaxis]
    out *= 1 / np.sqrt(squares / x.shape[1] + EPSILON)
    out *= weight
    out += bias


@register(
    "layernorm",
    name="compiled",
    instrument="compiled",
    story="the loops again, compiled: removes the passes, a row stays in the nearest cache",
    tags=("ladder",),
)
@jit(fastmath={"reassoc", "contract"})
def layernorm_compiled(x, weight, bias, out):
    """Normalise rows by compiled loops, one row at a time.

    Removes the passes over memory: a row is read three times, but only the first time
    from afar. The compiler may add in another order (``reassoc``): without that leave it
    has to add up a row one number after the other, and with it sixteen sums at once.

    Parameters
    ----------
    x, out : ndarray, shape (rows, width), float32 or float64
        `out` is overwritten.
    weight, bias : ndarray, shape (width,)

    Raises
    ------
    ValueError
        If the shapes do not fit, or rows are empty.

    Cost
    ----
    8 FLOPs per number, one more than declared: the distance from the mean is formed
    again rather than kept. One pass that reads `x` and writes `out`.
    """
    if x.shape != out.shape:
        raise ValueError("layernorm: out must have the shape of x")
    rows, width = x.shape
    if not width == weight.size == bias.size or width == 0:
        raise ValueError("layernorm: weight and bias must be as long as a row, and not empty")
    number = x.dtype.type
    count, epsilon, one = number(width), number(EPSILON), number(1)
    for i in range(rows):
        row, result = x[i], out[i]
        total = number(0)
        for j in range(row.size):
            total += row[j]
        mean = total / count
        squares = number(0)
        for j in range(row.size):
            distance = row[j] - mean
            squares += distance * distance
        scale = one / math.sqrt(squares / count + epsilon)
        for j in range(row.size):
            result[j] = (row[j] - mean) * scale * weight[j] + bias[j]


@register(
    "layernorm",
    name="vector",
    instrument="compiled",
    story="explicit vector registers, four sums at once: removes the wait for an addition",
    tags=("ladder", "best"),
)
@jit
def layernorm_vector(x, weight, bias, out):
    """Normalise rows with vector registers as values.

    Removes the waiting: four accumulators take turns, where the compiler's one makes
    every addition wait for the last. And the licence to reorder, which `layernorm_compiled`
    needs: the order is written down here, and sums of long rows are kept in float64.

    Parameters
    ----------
    x, out : ndarray, shape (rows, width), float32 or float64, contiguous
        `out` is overwritten.
    weight, bias : ndarray, shape (width,)

    Raises
    ------
    ValueError
        If the shapes do not fit, or rows are empty.

    Cost
    ----
    Three walks along each row, of which the last two find it in the nearest cache.
    """
    check_layernorm(x, weight, bias, out)
    layernorm_rows(x, weight, bias, EPSILON, out, 0, x.shape[0])


@register(
    "layernorm",
    name="threads",
    instrument="compiled",
    story="rows shared out among all cores: removes the idle ones",
    tags=("ladder", "threads"),
)
@apart
@jit
def layernorm_threads(x, weight, bias, out):
    """Normalise rows on all cores.

    Removes the idle cores: each takes as many neighbouring rows as the next. A matrix too
    small to be worth waking them is left to one.

    Parameters, result and errors as for `layernorm_vector`.
    """
    check_layernorm(x, weight, bias, out)
    layernorm_shared(x, weight, bias, EPSILON, out)


@jit
def check_layernorm(x, weight, bias, out):
    """Raise ValueError unless the shapes fit."""
    if x.shape != out.shape:
        raise ValueError("layernorm: out must have the shape of x")
    width = x.shape[1]
    if not width == weight.size == bias.size or width == 0:
        raise ValueError("layernorm: weight and bias must be as long as a row, and not empty")


@jit(parallel=True)
def layernorm_shared(x, weight, bias, epsilon, out):
    """Normalise the rows of checked arguments, on all cores if that is worth it."""
    rows = x.shape[0]
    parts = min(SHARES, rows) if x.size >= WORTH_SHARING else 1
    if parts < 2:
        layernorm_rows(x, weight, bias, epsilon, out, 0, rows)
        return
    for part in prange(parts):
        first, last = rows * part // parts, rows * (part + 1) // parts
        layernorm_rows(x, weight, bias, epsilon, out, first, last)


@jit
def layernorm_rows(x, weight, bias, epsilon, out, first, last):
    """Normalise rows first to last - 1 of checked arguments."""
    V, width, streams = register_for(x), x.shape[1], past_caches(x, 2)
    source, target = pointer(x.reshape(-1)), pointer(out.reshape(-1))
    w, b = pointer(weight.reshape(-1)), pointer(bias.reshape(-1))
    if width == 1:
        _numbers(V, source, weight[0], bias[0], target, first, last)
    elif width <= V.lanes // 4:
        _short_rows(quarter_of(x), source, width, w, b, epsilon, target, first, last)
    elif width <= V.lanes:
        _short_rows(V, source, width, w, b, epsilon, target, first, last)
    else:
        _rows(V, source, width, w, b, epsilon, target, first, last, streams)


@jit
def _numbers(V, x, weight, bias, out, at, end):
    """Rows of one number, which is its own mean: results are the bias, or NaN.

    As in longer rows: where the number is no finite one, nor the weight.
    """
    w, b = broadcast(V, weight), broadcast(V, bias)
    while at < end:
        count = min(V.lanes, end - at)
        v = load_first(V, x, at, count)
        store_first(out, at, fma(v - v, w, b), count)
        at += count


@jit
def _short_rows(V, x, width, weight, bias, epsilon, out, first, last):
    """Rows of one register, which is loaded and stored under the same mask every time."""
    inside, part = first_lanes(V, width), 1.0 / width
    w, b = load_masked(V, weight, 0, inside), load_masked(V, bias, 0, inside)
    for at in range(first * width, last * width, width):
        row = load_masked(V, x, at, inside)
        centred = select(inside, row - broadcast(V, horizontal_sum(row) * part), 0.0)
        variance = horizontal_sum(centred * centred) * part
        scale = broadcast(V, 1.0 / math.sqrt(variance + epsilon))
        store_masked(out, at, fma(centred * scale, w, b), inside)


@jit
def _rows(V, x, width, weight, bias, epsilon, out, first, last, streams):
    """Rows whose results go past the caches, in whole lines, where they do not fit.

    Then what a row leaves of its last line waits for the next row, and both are written in
    one: half a line written as usual would have to be read first.
    """
    j, carry = elements_to_alignment(V, out, first * width), zeros(V)
    for at in range(first * width, last * width, width):
        mean = broadcast(V, span_sum(V, x, at, at + width) / width)
        variance = span_squares(V, x, at, at + width, mean) / width
        scale = broadcast(V, 1.0 / math.sqrt(variance + epsilon))
        if streams:
            carry, j = _stream_row(V, x, at, width, mean, scale, weight, bias, out, j, carry)
        else:
            _scale_row(V, x, at, width, mean, scale, weight, bias, out)
    if streams and last > first:
        store_first(out, last * width + j, carry, -j)
        fence()


@jit
def _scale_row(V, x, at, width, mean, scale, weight, bias, out):
    j = 0
    while width - j >= V.lanes:
        normalised = (load(V, x, at + j) - mean) * scale
        store(out, at + j, fma(normalised, load(V, weight, j), load(V, bias, j)))
        j += V.lanes
    if width > j:
        rest = width - j
        store_first(out, at + j, _first(V, x, at, j, rest, mean, scale, weight, bias), rest)


@jit
def _stream_row(V, x, at, width, mean, scale, weight, bias, out, j, carry):
    """Start at j, below 0 where `carry` holds results of the row before; return as much."""
    if j > 0:
        store_first(out, at, _first(V, x, at, 0, j, mean, scale, weight, bias), j)
    elif j < 0:
        ours = ~first_lanes(V, -j)
        normalised = (load_masked(V, x, at + j, ours) - mean) * scale
        w, b = load_masked(V, weight, j, ours), load_masked(V, bias, j, ours)
        store_streaming(out, at + j, select(ours, fma(normalised, w, b), carry))
        j += V.lanes
    while width - j >= V.lanes:
        normalised = (load(V, x, at + j) - mean) * scale
        store_streaming(out, at + j, fma(normalised, load(V, weight, j), load(V, bias, j)))
        j += V.lanes
    return _first(V, x, at, j, width - j, mean, scale, weight, bias), j - width


@jit
def _first(V, x, at, j, count, mean, scale, weight, bias):
    """Return results from j on, fewer than a register."""
    normalised = (load_first(V, x, at + j, count) - mean) * scale
    return fma(normalised, load_first(V, weight, j, count), load_first(V, bias, j, count))
