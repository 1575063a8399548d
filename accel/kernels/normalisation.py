"""Layer normalisation and softmax: what it costs when each result needs its whole row.

Both work on the rows of a matrix: `layernorm` subtracts the mean of a row and divides
by its deviation, `softmax` makes the numbers of a row positive with sum 1. A row has to
be read to its end before its first result is known, and whoever goes through the whole
matrix for every step of the formula reads it again and again. Each step of the ladders
removes one thing: the interpreter, the temporary matrices, the passes over memory, the
scalar exponential.

Arrays are of shape (rows, width), contiguous, of one element type, with at least one
number in a row; `out` has that shape and must not overlap the inputs. A NaN makes its
whole row NaN. The ladders' `loop` reads and writes nested lists.

FLOPs count one for each addition, multiplication, comparison, division, square root and
exponential, so that all steps of a ladder are credited with the same work, however they
do it. Compulsory bytes: each input is read once, each result written once.

Source
------
Ba, Kiros and Hinton, "Layer Normalization", arXiv:1607.06450 (2016), section 3.
Goodfellow, Bengio and Courville, *Deep Learning* (2016), section 4.1, on the softmax
that subtracts the largest number first.
"""

from __future__ import annotations

import math

import numpy as np

from accel.kernels.activation import lists, register_for
from accel.kernels.inputs import blank, normal
from accel.kernels.registry import Operation, register, register_operation
from accel.simd import (
    broadcast,
    exp,
    horizontal_max,
    horizontal_sum,
    jit,
    load,
    load_first,
    maximum,
    store,
    store_first,
)

#: Added to the variance, so that a row of equal numbers is not divided by zero.
EPSILON = 1e-5

#: No row, one number, a register and its tail, rows beside powers of two.
EDGES = (
    {"rows": 0, "width": 5},
    {"rows": 1, "width": 1},
    {"rows": 3, "width": 2},
    {"rows": 2, "width": 15},
    {"rows": 2, "width": 16},
    {"rows": 5, "width": 17},
    {"rows": 3, "width": 127},
    {"rows": 127, "width": 3},
    {"rows": 2, "width": 128},
    {"rows": 3, "width": 129},
    {"rows": 1, "width": 1000},
    {"rows": 4, "width": 35, "values": "special"},
)


def _sum_error(dtype: np.dtype, count: int) -> float:
    """Return the relative error of a sum of `count` terms, added in any order.

    As in `accel.kernels.matmul.oracle`: errors go both ways, and grow like a root.
    """
    return float(np.finfo(dtype).eps) / 2 * (8 + 2 * math.sqrt(count))


def _matrix(rows: int, width: int, dtype: str, values: str, special: dict) -> np.ndarray:
    """Return normal numbers; in "special" ones, some rows replaced or changed."""
    if values not in ("normal", "special"):
        raise ValueError(f'values must be "normal" or "special", not {values!r}')
    x = normal((rows, width), dtype, seed=1)
    if values == "special":
        for row, change in special.items():
            change(x[row])
    return x


# ---------------------------------------------------------------------------
# layernorm: out = (x - mean) / sqrt(variance + EPSILON) * weight + bias
# ---------------------------------------------------------------------------


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
    x = _matrix(rows, width, dtype, values, {0: _shift, 1: _level, 2: _break})
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
    unit, sums = float(np.finfo(x.dtype).eps) / 2, _sum_error(x.dtype, x.shape[1])
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
        "layernorm", layernorm_inputs, layernorm_oracle, layernorm_flops, layernorm_bytes, EDGES
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


# ---------------------------------------------------------------------------
# softmax: out = exp(x - max) / sum(exp(x - max))
# ---------------------------------------------------------------------------


def _lift(row):
    row += 1000  # exp overflows unless the largest number is subtracted first


def _sink(row):
    row -= 1000  # and divides zero by zero, if something larger is subtracted


def _mask(row):
    row[::2] = -np.inf  # as attention marks what must not be looked at


def softmax_inputs(rows: int, width: int, dtype: str = "float32", values: str = "normal") -> tuple:
    """Return ``(x, out)``; "special": numbers far up and far down, masked ones, a NaN."""
    x = _matrix(rows, width, dtype, values, {0: _lift, 1: _sink, 2: _mask, 3: _break})
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
    relative = about.eps / 2 * (reach + 6) + _sum_error(x.dtype, x.shape[1])
    return expected, 2 * (relative * expected + float(about.tiny) * float(about.eps))


def softmax_flops(rows: int, width: int, **_) -> int:
    """Five per element: compare, subtract, exponential, sum, divide."""
    return 5 * rows * width


def softmax_bytes(rows: int, width: int, dtype: str = "float32", **_) -> int:
    """Read `x`, write `out`."""
    return 2 * rows * width * np.dtype(dtype).itemsize


register_operation(
    Operation("softmax", softmax_inputs, softmax_oracle, softmax_flops, softmax_bytes, EDGES)
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
    tags=("ladder",),
)
@jit
def softmax_vector(x, out):
    """Compute the softmax of rows with vector registers as values.

    Removes the scalar function call: `accel.simd.exp` computes a whole register at once.
    The last numbers of a row are loaded and stored under a mask.

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
    V = register_for(x)
    for i in range(x.shape[0]):
        _softmax_row(V, x[i], out[i])


@jit
def _softmax_row(V, row, result):
    rest = row.size % V.lanes
    whole = row.size - rest
    largest = _largest(V, row, whole)
    totals = broadcast(V, 0.0)
    for j in range(0, whole, V.lanes):
        weights = exp(load(V, row, j) - largest)
        store(result, j, weights)
        totals += weights
    store_first(result, whole, exp(load_first(V, row, whole, rest) - largest), rest)
    total = horizontal_sum(totals)
    for j in range(whole, row.size):  # the lanes beyond the mask hold anything: not added
        total += result[j]
    share = row.dtype.type(1) / total
    for j in range(0, whole, V.lanes):
        store(result, j, share * load(V, result, j))
    store_first(result, whole, share * load_first(V, result, whole, rest), rest)


@jit
def _largest(V, row, whole):
    """The largest number of a row; whether a NaN is passed on does not matter here."""
    most = broadcast(V, row[0])
    for j in range(0, whole, V.lanes):
        most = maximum(most, load(V, row, j))
    largest = horizontal_max(most)
    for j in range(whole, row.size):
        if row[j] > largest:
            largest = row[j]
    return largest
