"""Pooling: the largest number, or the mean, under a window that moves over each channel.

`max_pool2d` and `avg_pool2d` take `x` of shape (batch, channels, height, width) and write `out`
(batch, channels, places down, places across). A window of ``kernel`` x ``kernel`` numbers moves
`stride` numbers at a time over an image with `padding` numbers around it, at most half of the
kernel. Windows that would end beyond the padding are left out (PyTorch's ``ceil_mode=False``).
For the largest number padding counts as minus infinity, so that it never is one. For the mean it
counts as zeros *among* the ``kernel**2`` numbers divided by (PyTorch's
``count_include_pad=True``). NaN under a window gives NaN.

Arrays are contiguous, of one element type; `out` must not overlap `x`. FLOPs count
``kernel**2 - 1`` comparisons or additions per result, and a division.

Source
------
Goodfellow, Bengio and Courville, *Deep Learning* (2016), section 9.3. PyTorch documentation,
``torch.nn.MaxPool2d`` and ``torch.nn.AvgPool2d``, for borders.
"""

from __future__ import annotations

import math

import numpy as np
from numba import get_num_threads, prange

from accel.kernels.activation import register_for
from accel.kernels.convolution.lines import aligned
from accel.kernels.convolution.shapes import nested, places, touched
from accel.kernels.inputs import blank, normal
from accel.kernels.registry import Operation, register, register_operation
from accel.simd import jit, load, load_first, maximum, pointer, store, store_first

#: Below so many numbers threads cost more than they save.
THREADS_PAY_NUMBERS = 1 << 18

EDGES = (
    {"side": 4, "channels": 1, "batch": 0},
    {"side": 4, "channels": 0},
    {"side": 1, "channels": 2},
    {"side": 2, "channels": 1},
    {"side": 1, "channels": 2, "kernel": 1, "stride": 1},
    {"side": 4, "channels": 3, "batch": 2, "width": 6},
    {"side": 5, "channels": 2, "width": 127},
    {"side": 4, "channels": 1, "width": 128},
    {"side": 4, "channels": 1, "width": 129, "stride": 1},
    {"side": 7, "channels": 2, "kernel": 3, "stride": 1, "padding": 1, "width": 19},
    {"side": 8, "channels": 2, "kernel": 3, "padding": 1, "width": 67},
    {"side": 9, "channels": 3, "kernel": 3, "stride": 3},
    {"side": 11, "channels": 2, "kernel": 5, "stride": 3, "padding": 2},
    {"side": 9, "channels": 1, "kernel": 2, "stride": 4},
    {"side": 6, "channels": 2, "kernel": 3, "padding": 1, "values": "special"},
    {"side": 4, "channels": 3, "width": 140, "values": "special"},
)

AWKWARD = (
    {"side": 57, "channels": 65},
    {"side": 113, "channels": 33, "kernel": 3, "padding": 1},
    {"side": 55, "channels": 96, "kernel": 3, "stride": 2},
    {"side": 15, "channels": 511, "kernel": 3, "stride": 1, "padding": 1},
)

#: NaN, infinities and zeros among ordinary numbers.
SPECIAL = (np.nan, 1.0, -np.inf, -np.inf, -0.0, 0.0, 2.0, np.inf, -1e-40, 3.0, 1e-40, -3.0, 0.5)


def _shapes(side, channels, batch=1, width=None, kernel=2, stride=2, padding=0, **_) -> tuple:
    """Return the shapes of `x` and `out`."""
    width = side if width is None else width
    down, across = places(side, kernel, stride, padding), places(width, kernel, stride, padding)
    return (batch, channels, side, width), (batch, channels, down, across)


def pool_inputs(
    side: int, channels: int, dtype: str = "float32", values: str = "normal", **more
) -> tuple:
    """Return ``(x, kernel, stride, padding, out)``.

    Parameters
    ----------
    side, channels : int
        Height and width of the images, and their channels.
    batch, width : int, optional
        One image, a square one, unless given.
    kernel, stride, padding : int
        Side of the window, distance between places, numbers on each side; 2, 2 and 0.
    values : {"normal", "special"}
        "special" repeats `SPECIAL`.
    """
    shape, result = _shapes(side, channels, **more)
    x = normal(shape, dtype, seed=1)
    if values == "special":
        x = np.resize(np.array(SPECIAL, dtype), shape)
    return (
        x,
        more.get("kernel", 2),
        more.get("stride", 2),
        more.get("padding", 0),
        blank(result, dtype),
    )


def _windows(x, kernel: int, stride: int, padding: int, out_shape, border: float) -> np.ndarray:
    """Return all windows in float64, as a view with two more axes."""
    around = ((0, 0), (0, 0), (padding, padding), (padding, padding))
    wide = np.pad(x.astype(np.float64), around, constant_values=border)
    if 0 in out_shape:
        return np.empty((*out_shape, kernel, kernel))
    seen = np.lib.stride_tricks.sliding_window_view(wide, (kernel, kernel), axis=(2, 3))
    return seen[:, :, ::stride, ::stride]


def max_pool2d_oracle(x, kernel, stride, padding, out) -> tuple:
    """Return the exact answer: nothing is rounded."""
    seen = _windows(x, kernel, stride, padding, out.shape, -np.inf)
    return seen.max(axis=(4, 5)), 0.0


def avg_pool2d_oracle(x, kernel, stride, padding, out) -> tuple:
    """Return the mean in float64, and the error of a sum of so many numbers and a division."""
    seen = _windows(x, kernel, stride, padding, out.shape, 0.0)
    with np.errstate(invalid="ignore"):  # inf - inf is NaN, as it should be
        expected = seen.mean(axis=(4, 5))
    size = np.where(np.isfinite(seen), np.abs(seen), 0.0).mean(axis=(4, 5))
    about = np.finfo(x.dtype)
    return expected, about.eps / 2 * (kernel**2 + 1) * size + 2 * float(about.smallest_subnormal)


def max_pool2d_flops(side: int, channels: int, dtype: str = "float32", **more) -> int:
    """Each number under a window but one is compared."""
    return math.prod(_shapes(side, channels, **more)[1]) * (more.get("kernel", 2) ** 2 - 1)


def avg_pool2d_flops(side: int, channels: int, dtype: str = "float32", **more) -> int:
    """Each number under a window but one is added, and the sum divided."""
    return math.prod(_shapes(side, channels, **more)[1]) * more.get("kernel", 2) ** 2


def pool_bytes(side: int, channels: int, dtype: str = "float32", **more) -> int:
    """Read `x` where windows see it, write `out`."""
    x, out = _shapes(side, channels, **more)
    window = (more.get("kernel", 2), more.get("stride", 2), more.get("padding", 0))
    seen = x[0] * x[1] * touched(x[2], *window) * touched(x[3], *window)
    return (seen + math.prod(out)) * np.dtype(dtype).itemsize


def pool_sized(working_set_bytes: int) -> dict:
    """Return images for windows of 2 x 2: more channels, then larger images."""
    side = 14 if working_set_bytes < 2**18 else 56 if working_set_bytes < 2**24 else 112
    return {"side": side, "channels": max(1, working_set_bytes // (5 * side**2))}


for _name, _oracle, _flops in (
    ("max_pool2d", max_pool2d_oracle, max_pool2d_flops),
    ("avg_pool2d", avg_pool2d_oracle, avg_pool2d_flops),
):
    register_operation(
        Operation(
            _name,
            pool_inputs,
            _oracle,
            _flops,
            pool_bytes,
            EDGES,
            sizes=pool_sized,
            awkward=AWKWARD,
        )
    )


# ---------------------------------------------------------------------------
# The interpreter
# ---------------------------------------------------------------------------


def _seen(plane, top: int, left: int, kernel: int) -> list:
    """Return the numbers of a plane under a window, without padding."""
    rows = plane[max(top, 0) : top + kernel]
    return [value for row in rows for value in row[max(left, 0) : left + kernel]]


def _largest(values) -> float:
    """Return the largest number, or NaN where there is one."""
    largest = -math.inf
    for value in values:
        if not value <= largest:  # also if it is NaN
            largest = value
        if math.isnan(largest):
            break
    return largest


@register(
    "max_pool2d",
    name="loop",
    instrument="interpreter",
    story="Python loops over nested lists",
    adapt=nested,
    tags=("ladder",),
)
def max_pool2d_loop(x, kernel, stride, padding, out):
    """Take the largest number under each window, with loops over nested lists.

    The starting point.

    Parameters
    ----------
    x, out : nested lists of float, of the shapes named above
        `out` is overwritten.
    kernel, stride, padding : int
        Side of the window, distance between places, numbers on each side.

    Cost
    ----
    ``kernel**2 - 1`` comparisons per result, each some dozens of instructions of the
    interpreter.
    """
    for image, results in zip(x, out, strict=True):
        for plane, result in zip(image, results, strict=True):
            for i, row in enumerate(result):
                for j in range(len(row)):
                    top, left = i * stride - padding, j * stride - padding
                    row[j] = _largest(_seen(plane, top, left, kernel))


@register(
    "avg_pool2d",
    name="loop",
    instrument="interpreter",
    story="Python loops over nested lists",
    adapt=nested,
    tags=("ladder",),
)
def avg_pool2d_loop(x, kernel, stride, padding, out):
    """Take the mean of the numbers under each window, with loops over nested lists.

    The starting point. Parameters and cost as for `max_pool2d_loop`, with additions and a
    division for comparisons.
    """
    for image, results in zip(x, out, strict=True):
        for plane, result in zip(image, results, strict=True):
            for i, row in enumerate(result):
                for j in range(len(row)):
                    top, left = i * stride - padding, j * stride - padding
                    row[j] = sum(_seen(plane, top, left, kernel)) / kernel**2


# ---------------------------------------------------------------------------
# NumPy: all windows at once, first down, then across
# ---------------------------------------------------------------------------


def _fold(combine, x, kernel, stride, padding, out, border):
    """Combine the rows of all windows, then the columns of what that gave."""
    height, width = x.shape[2:]
    if padding:
        wide = np.full((*x.shape[:2], height + 2 * padding, width + 2 * padding), border, x.dtype)
        wide[:, :, padding:-padding, padding:-padding] = x
        x = wide
    down, across = out.shape[2:]
    rows = [x[:, :, i : i + stride * down : stride] for i in range(kernel)]
    folded = rows[0] if kernel == 1 else combine(rows[0], rows[1])
    for row in rows[2:]:
        combine(folded, row, out=folded)
    out[...] = folded[..., 0 : stride * across : stride]
    for j in range(1, kernel):
        combine(out, folded[..., j : j + stride * across : stride], out=out)


@register(
    "max_pool2d",
    name="numpy",
    instrument="NumPy",
    story="rows of all windows at once, then columns: removes the interpreter",
    tags=("ladder",),
)
def max_pool2d_numpy(x, kernel, stride, padding, out):
    """Take the larger of whole arrays: first down the windows, then across.

    Removes the interpreter. Two directions one after another take ``2 (kernel - 1)``
    comparisons instead of ``kernel**2 - 1``, at the price of a temporary.

    Parameters
    ----------
    x, out : ndarray of the shapes named above, float32 or float64
        `out` is overwritten.
    kernel, stride, padding : int
        Side of the window, distance between places, numbers on each side.

    Raises
    ------
    ValueError
        If the shapes do not fit.

    Cost
    ----
    ``2 kernel`` passes over arrays as large as `out`, up to `stride` times as wide.
    """
    _fold(np.maximum, x, kernel, stride, padding, out, -np.inf)


@register(
    "avg_pool2d",
    name="numpy",
    instrument="NumPy",
    story="rows of all windows at once, then columns: removes the interpreter",
    tags=("ladder",),
)
def avg_pool2d_numpy(x, kernel, stride, padding, out):
    """Add whole arrays: first down the windows, then across; then divide.

    Removes the interpreter. Parameters, errors and cost as for `max_pool2d_numpy`, and a pass
    for the division.
    """
    _fold(np.add, x, kernel, stride, padding, out, 0)
    np.divide(out, x.dtype.type(kernel**2), out=out)


# ---------------------------------------------------------------------------
# Compiled
# ---------------------------------------------------------------------------


@jit
def check_pool(x, kernel, stride, padding, out):
    """Refuse shapes that do not fit together."""
    batch, channels, height, width = x.shape
    if kernel < 1 or stride < 1:
        raise ValueError("pool2d: kernel and stride must be at least 1")
    if padding < 0 or 2 * padding > kernel:
        raise ValueError("pool2d: padding must be from 0 to half of kernel")
    if x.size == 0 and out.size > 0:
        raise ValueError("pool2d: x must have a height and a width")
    down = max(0, (height + 2 * padding - kernel) // stride + 1)
    across = max(0, (width + 2 * padding - kernel) // stride + 1)
    if out.shape != (batch, channels, down, across):
        raise ValueError(
            "pool2d: out must be of shape (batch, channels, places down, places across)"
        )


@register(
    "max_pool2d",
    name="compiled",
    instrument="compiled",
    story="a loop over windows, compiled: removes the temporary arrays",
    tags=("ladder",),
)
@jit
def max_pool2d_compiled(x, kernel, stride, padding, out):
    """Take the largest number under each window by compiled loops.

    Removes the temporary and the passes over memory.

    Parameters
    ----------
    x, out : ndarray of the shapes named above, float32 or float64
        `out` is overwritten.
    kernel, stride, padding : int
        Side of the window, distance between places, numbers on each side.

    Raises
    ------
    ValueError
        If the shapes do not fit.

    Cost
    ----
    ``kernel**2`` comparisons per result; one pass that reads `x` and writes `out`.
    """
    check_pool(x, kernel, stride, padding, out)
    height, width = x.shape[2:]
    for b, c, i, j in np.ndindex(out.shape):
        top, left = i * stride - padding, j * stride - padding
        largest = x.dtype.type(-np.inf)
        for r in range(max(top, 0), min(top + kernel, height)):
            for s in range(max(left, 0), min(left + kernel, width)):
                value = x[b, c, r, s]
                if not (math.isnan(largest) or value <= largest):  # a NaN stays
                    largest = value
        out[b, c, i, j] = largest


@register(
    "avg_pool2d",
    name="compiled",
    instrument="compiled",
    story="a loop over windows, compiled: removes the temporary arrays",
    tags=("ladder",),
)
@jit
def avg_pool2d_compiled(x, kernel, stride, padding, out):
    """Take the mean of the numbers under each window by compiled loops.

    Removes the temporary and the passes over memory. Parameters and errors as for
    `max_pool2d_compiled`.

    Cost
    ----
    ``kernel**2`` additions and a division per result; one pass that reads `x` and writes `out`.
    """
    check_pool(x, kernel, stride, padding, out)
    height, width = x.shape[2:]
    count = x.dtype.type(kernel * kernel)
    for b, c, i, j in np.ndindex(out.shape):
        top, left = i * stride - padding, j * stride - padding
        total = x.dtype.type(0)
        for r in range(max(top, 0), min(top + kernel, height)):
            for s in range(max(left, 0), min(left + kernel, width)):
                total += x[b, c, r, s]
        out[b, c, i, j] = total / count


# ---------------------------------------------------------------------------
# Vector registers
# ---------------------------------------------------------------------------


@jit(inline="always")
def combined(largest, x, y):
    """Return the larger of two registers, NaN where either is, or their sum."""
    return maximum(x, y) if largest else x + y


@jit(inline="always")
def combined_number(largest, x, y):
    """Return the same of two numbers, as a choice that the compiler vectorises."""
    return (x if x > y or np.isnan(x) else y) if largest else x + y


@jit(inline="always")
def fold_rows(V, largest, x, at, width, rows, line, to):
    """Combine `rows` rows of an image, `width` numbers each, into a part of a line."""
    whole = width - width % V.lanes
    for j in range(0, whole, V.lanes):
        v = load(V, x, at + j)
        for r in range(1, rows):
            v = combined(largest, v, load(V, x, at + r * width + j))
        store(line, to + j, v)
    if whole < width:
        v = load_first(V, x, at + whole, width - whole)
        for r in range(1, rows):
            v = combined(largest, v, load_first(V, x, at + r * width + whole, width - whole))
        store_first(line, to + whole, v, width - whole)


@jit(inline="always")
def fold_columns(V, largest, line, kernel, stride, scale, out):
    """Combine `kernel` numbers of a line for each place, `stride` apart; scale sums.

    The usual windows have a loop of their own, of which the compiler makes registers of
    every second number.
    """
    if stride == 1:
        for j in range(0, out.size, V.lanes):
            v = load(V, line, j)
            for s in range(1, kernel):
                v = combined(largest, v, load(V, line, j + s))
            store_first(out, j, v if largest else v * scale, out.size - j)
    elif stride == 2 and kernel == 2:
        for j in range(out.size):
            pair = combined_number(largest, line[2 * j], line[2 * j + 1])
            out[j] = pair if largest else pair * scale
    elif stride == 2 and kernel == 3:
        for j in range(out.size):
            pair = combined_number(largest, line[2 * j], line[2 * j + 1])
            three = combined_number(largest, pair, line[2 * j + 2])
            out[j] = three if largest else three * scale
    else:
        for j in range(out.size):
            total = line[j * stride]
            for s in range(1, kernel):
                total = combined_number(largest, total, line[j * stride + s])
            out[j] = total if largest else total * scale


@jit(inline="always")
def pool_planes(V, largest, border, x, kernel, stride, padding, count, out, start, stop):
    """Pool planes `start` to `stop` of all planes of all images, and divide by `count`.

    For each row of results the rows of the image are combined into a line, between borders,
    and then the columns of that line. Both stay in the first cache.
    """
    height, width = x.shape[2:]
    down, across = out.shape[2:]
    results = out.reshape(-1)
    # Registers of the last places may load beyond the line's end.
    line = aligned(width + 2 * padding + kernel + 2 * V.lanes, x)
    line[:] = border
    # Dividing by a power of two is multiplying, to the last bit.
    exact = count & (count - 1) == 0
    scale = x.dtype.type(1 / count if exact else 1)
    for plane in range(start, stop):
        for i in range(down):
            top = i * stride - padding
            first, last = max(top, 0), min(top + kernel, height)
            at = (plane * height + first) * width
            fold_rows(V, largest, pointer(x), at, width, last - first, line, padding)
            to = (plane * down + i) * across
            row = results[to : to + across]
            fold_columns(V, largest, line, kernel, stride, scale, row)
            if not exact:
                divide(V, row, count)


@jit
def divide(V, row, count):
    """Divide all numbers of a row."""
    for j in range(0, row.size, V.lanes):
        store_first(row, j, load_first(V, row, j, row.size - j) / count, row.size - j)


@jit
def max_planes(x, kernel, stride, padding, out, start, stop):
    """Take the largest numbers of planes `start` to `stop`."""
    pool_planes(register_for(x), True, -np.inf, x, kernel, stride, padding, 1, out, start, stop)


@jit
def mean_planes(x, kernel, stride, padding, out, start, stop):
    """Take the means of planes `start` to `stop`."""
    count = kernel * kernel
    pool_planes(register_for(x), False, 0.0, x, kernel, stride, padding, count, out, start, stop)


@register(
    "max_pool2d",
    name="vector",
    instrument="compiled",
    story="explicit vector registers, first down, then across: removes the loop over windows",
    tags=("ladder", "best"),
)
@jit
def max_pool2d_vector(x, kernel, stride, padding, out):
    """Take the largest number under each window, with vector registers.

    Removes the innermost loops, too short for the compiler to vectorise: a register takes as
    many columns as it holds down all rows of a window at once. Columns are combined in a second
    step, on one line that the first cache holds.

    Parameters
    ----------
    x, out : ndarray of the shapes named above, float32 or float64, contiguous
        `out` is overwritten.
    kernel, stride, padding : int
        Side of the window, distance between places, numbers on each side.

    Raises
    ------
    ValueError
        If the shapes do not fit.

    Cost
    ----
    ``stride (kernel - 1)`` comparisons per result down, ``kernel - 1`` across; one pass that
    reads `x` and writes `out`.
    """
    check_pool(x, kernel, stride, padding, out)
    if out.size > 0:
        max_planes(x, kernel, stride, padding, out, np.int64(0), x.shape[0] * x.shape[1])


@register(
    "avg_pool2d",
    name="vector",
    instrument="compiled",
    story="explicit vector registers, first down, then across: removes the loop over windows",
    tags=("ladder", "best"),
)
@jit
def avg_pool2d_vector(x, kernel, stride, padding, out):
    """Take the mean of the numbers under each window, with vector registers.

    Removes the innermost loops, too short for the compiler to vectorise. Parameters and errors
    as for `max_pool2d_vector`.

    Cost
    ----
    ``stride (kernel - 1)`` additions per result down, ``kernel - 1`` across, and a division;
    one pass that reads `x` and writes `out`.
    """
    check_pool(x, kernel, stride, padding, out)
    if out.size > 0:
        mean_planes(x, kernel, stride, padding, out, np.int64(0), x.shape[0] * x.shape[1])


# ---------------------------------------------------------------------------
# All cores
# ---------------------------------------------------------------------------


def parts_of(x) -> int:
    """Return into how many groups of planes to cut the work; one if threads do not pay."""
    threads = get_num_threads()
    if threads == 1 or x.size < THREADS_PAY_NUMBERS:
        return 1
    return min(4 * threads, x.shape[0] * x.shape[1])


@register(
    "max_pool2d",
    name="threads",
    instrument="compiled",
    story="channels spread over all cores",
    tags=("threads",),
)
def max_pool2d_threads(x, kernel, stride, padding, out):
    """Take the largest number under each window, channels spread over all cores.

    Removes the wait for one core. Small images stay on one.

    Parameters, errors and cost as for `max_pool2d_vector`.
    """
    parts = parts_of(x)
    if parts == 1:
        max_pool2d_vector(x, kernel, stride, padding, out)
    else:
        max_pool2d_in_parts(x, kernel, stride, padding, out, parts)


@register(
    "avg_pool2d",
    name="threads",
    instrument="compiled",
    story="channels spread over all cores",
    tags=("threads",),
)
def avg_pool2d_threads(x, kernel, stride, padding, out):
    """Take the mean of the numbers under each window, channels spread over all cores.

    Removes the wait for one core. Small images stay on one.

    Parameters, errors and cost as for `avg_pool2d_vector`.
    """
    parts = parts_of(x)
    if parts == 1:
        avg_pool2d_vector(x, kernel, stride, padding, out)
    else:
        avg_pool2d_in_parts(x, kernel, stride, padding, out, parts)


@jit(parallel=True)
def max_pool2d_in_parts(x, kernel, stride, padding, out, parts):
    """Pool each of `parts` groups of planes on a core that is free."""
    check_pool(x, kernel, stride, padding, out)
    planes = x.shape[0] * x.shape[1]
    for task in prange(parts):
        part = np.int64(task)
        first, stop = part * planes // parts, (part + 1) * planes // parts
        max_planes(x, kernel, stride, padding, out, first, stop)


@jit(parallel=True)
def avg_pool2d_in_parts(x, kernel, stride, padding, out, parts):
    """Pool each of `parts` groups of planes on a core that is free."""
    check_pool(x, kernel, stride, padding, out)
    planes = x.shape[0] * x.shape[1]
    for task in prange(parts):
        part = np.int64(task)
        first, stop = part * planes // parts, (part + 1) * planes // parts
        mean_planes(x, kernel, stride, padding, out, first, stop)
