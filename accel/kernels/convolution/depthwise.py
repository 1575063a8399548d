"""Convolution of each channel by itself, with few FLOPs per byte.

`depthwise_conv2d` gives each channel of `x` (batch, channels, height, width) one filter of its
own: `weight` has shape (channels, 1, kernel, kernel), as for a grouped convolution of as many
groups as channels, and `out` (batch, channels, places down, places across). Nothing is added up
over channels, so every number read meets ``kernel**2`` multiplications at most: a convolution at
which memory, not arithmetic, is the limit. `stride` and `padding` are as for `conv2d`.

Source
------
Howard et al., "MobileNets: Efficient Convolutional Neural Networks for Mobile Vision
Applications", arXiv:1704.04861 (2017), section 3.1.
"""

from __future__ import annotations

import numpy as np
from numba import get_num_threads, prange

from accel.kernels import work
from accel.kernels.activation import register_for
from accel.kernels.convolution import shapes
from accel.kernels.convolution.lines import aligned
from accel.kernels.convolution.pooling.past_caches import leave, leave_rest, line_of
from accel.kernels.inputs import blank, normal
from accel.kernels.registry import Operation, register, register_operation
from accel.simd import (
    both,
    broadcast,
    fence,
    first_lanes,
    fma,
    invert,
    jit,
    load_masked,
    pointer,
    prefetch,
    store,
    store_first,
    zeros,
)

#: Rows of results to compute at a time, at least.
BAND_ROWS = 16

#: Rows of results that leave for memory together.
FEW_ROWS = 4

#: Bytes of an image's rows from which results that stay are computed at a time.
BAND_BYTES = 1 << 14

#: Results of more bytes than the last cache holds are written past it.
STREAM_BYTES = 1 << 23

#: Below so many results threads cost more than they save.
THREADS_PAY_RESULTS = 1 << 17

EDGES = (
    {"side": 3, "channels": 1, "batch": 0},
    {"side": 5, "channels": 0},
    {"side": 2, "channels": 2},
    {"side": 3, "channels": 1},
    {"side": 4, "channels": 2},
    {"side": 5, "channels": 3, "batch": 2, "width": 7},
    {"side": 3, "channels": 1, "width": 127},
    {"side": 4, "channels": 1, "width": 128},
    {"side": 3, "channels": 2, "width": 129, "padding": 1},
    {"side": 40, "channels": 2, "width": 9, "padding": 1},
    {"side": 8, "channels": 3, "width": 35, "padding": 1, "stride": 2},
    {"side": 9, "channels": 2, "kernel": 1, "stride": 2},
    {"side": 11, "channels": 2, "kernel": 5, "padding": 3, "stride": 3},
    {"side": 2, "channels": 2, "kernel": 2, "padding": 2},
)

AWKWARD = (
    {"side": 57, "channels": 65, "padding": 1},
    {"side": 113, "channels": 33, "padding": 1, "stride": 2},
    {"side": 15, "channels": 511, "padding": 2, "kernel": 5},
)


def _sizes(channels: int, **more) -> dict:
    return {**more, "channels": channels, "filters": channels}


def depthwise_inputs(side: int, channels: int, dtype: str = "float32", **more) -> tuple:
    """Return ``(x, weight, stride, padding, out)``; parameters as in `shapes.of`, no filters."""
    stride, padding = more.get("stride", 1), more.get("padding", 0)
    x, weight, out = shapes.of(side=side, **_sizes(channels, **more))
    weight = (channels, 1, *weight[2:])
    return (
        normal(x, dtype, seed=1),
        normal(weight, dtype, seed=2),
        stride,
        padding,
        blank(out, dtype),
    )


def depthwise_oracle(x, weight, stride, padding, out) -> tuple:
    """Return the answer in float64, and the error each element may have."""
    channels = x.shape[1]
    expected, error = np.zeros(out.shape), np.zeros(out.shape)
    for c in range(channels):
        part = slice(c, c + 1)
        shape = (out.shape[0], 1, *out.shape[2:])
        expected[:, part], error[:, part] = shapes.answer(
            x[:, part], weight[part], stride, padding, shape
        )
    return expected, error


def depthwise_flops(side: int, channels: int, dtype: str = "float32", **more) -> int:
    """A multiplication and an addition for each filter element at each place."""
    return shapes.flops(side=side, **_sizes(channels, **more)) // max(1, channels)


def depthwise_bytes(side: int, channels: int, dtype: str = "float32", **more) -> int:
    """Read `x` where filters see it, and `weight`; write `out`."""
    sizes = _sizes(channels, **more)
    if 0 in shapes.of(side=side, **sizes)[2]:
        return 0
    whole = shapes.compulsory_bytes(dtype, side=side, **sizes)
    taps = sizes.get("kernel", shapes.TAPS) ** 2
    return whole - taps * channels * (channels - 1) * np.dtype(dtype).itemsize


def depthwise_sized(working_set_bytes: int) -> dict:
    """Return a 3 x 3 convolution of about so many bytes: more channels, then larger images."""
    side = 14 if working_set_bytes < 2**18 else 56 if working_set_bytes < 2**24 else 112
    return {"side": side, "channels": max(1, working_set_bytes // (8 * side**2)), "padding": 1}


register_operation(
    Operation(
        "depthwise_conv2d",
        depthwise_inputs,
        depthwise_oracle,
        depthwise_flops,
        depthwise_bytes,
        EDGES,
        sizes=depthwise_sized,
        awkward=AWKWARD,
        work=work.convolution,
        signature=(0, 1, 2, 3),
    )
)


@register(
    "depthwise_conv2d",
    name="loop",
    instrument="interpreter",
    story="six Python loops over nested lists",
    adapt=shapes.nested,
    tags=("ladder",),
)
def depthwise_loop(x, weight, stride, padding, out):
    """Convolve each channel by the definition, with loops over nested lists.

    The starting point.

    Parameters
    ----------
    x, weight, out : nested lists of float, of the shapes named above
        `out` is overwritten.
    stride, padding : int
        Distance between places, zeros on each side.

    Cost
    ----
    ``2 kernel**2`` FLOPs per result, each some dozens of instructions of the interpreter.
    """
    for image, results in zip(x, out, strict=True):
        for plane, (taps,), result in zip(image, weight, results, strict=True):
            for i, row in enumerate(result):
                for j in range(len(row)):
                    total = 0.0
                    for r, line in enumerate(taps, i * stride - padding):
                        if 0 <= r < len(plane):
                            for s, tap in enumerate(line, j * stride - padding):
                                if 0 <= s < len(plane[r]):
                                    total += plane[r][s] * tap
                    row[j] = total


@register(
    "depthwise_conv2d",
    name="numpy",
    instrument="NumPy",
    story="one array product for each tap: removes the interpreter, adds passes over memory",
    tags=("ladder",),
)
def depthwise_numpy(x, weight, stride, padding, out):
    """Convolve each channel by adding up products of whole images with one tap each.

    Removes the interpreter. Each tap is a pass over all images, which a cache holds or not.

    Parameters
    ----------
    x, weight, out : ndarray of the shapes named above, float32 or float64
        `out` is overwritten.
    stride, padding : int
        Distance between places, zeros on each side.

    Raises
    ------
    ValueError
        If the shapes do not fit.

    Cost
    ----
    ``2 kernel**2`` FLOPs per result; ``kernel**2`` passes, each reading `x` and reading and
    writing `out` and a temporary as large.
    """
    if weight.shape[1] != 1:
        raise ValueError("depthwise_conv2d: weight must be of shape (channels, 1, kernel, kernel)")
    window = (weight.shape[0], x.shape[1], *weight.shape[2:])
    shapes.check("depthwise_conv2d", x.shape, window, stride, padding, out.shape)
    x = shapes.padded(x, padding)
    height, width = out.shape[2:]
    product = np.empty_like(out)
    out[...] = 0
    for i, j in np.ndindex(weight.shape[2:]):
        seen = x[:, :, i : i + stride * height : stride, j : j + stride * width : stride]
        np.multiply(seen, weight[:, :, i, j, None], out=product)
        np.add(out, product, out=out)


@jit
def check_depthwise(x, weight, stride, padding, out):
    """Refuse shapes that do not fit together."""
    batch, channels, height, width = x.shape
    rows, columns = weight.shape[2:]
    if stride < 1:
        raise ValueError("depthwise_conv2d: stride must be at least 1")
    if padding < 0:
        raise ValueError("depthwise_conv2d: padding must not be negative")
    if weight.shape[0] != channels or weight.shape[1] != 1 or rows < 1 or columns < 1:
        raise ValueError("depthwise_conv2d: weight must be of shape (channels, 1, kernel, kernel)")
    down = max(0, (height + 2 * padding - rows) // stride + 1)
    across = max(0, (width + 2 * padding - columns) // stride + 1)
    if out.shape != (batch, channels, down, across):
        raise ValueError(
            "depthwise_conv2d: out must be of shape (batch, channels, places down, places across)"
        )


@register(
    "depthwise_conv2d",
    name="compiled",
    instrument="compiled",
    story="loops over rows, compiled: removes the passes over memory",
    tags=("ladder",),
)
@jit(fastmath={"contract"})
def depthwise_compiled(x, weight, stride, padding, out):
    """Convolve each channel by compiled loops, one row of results at a time.

    Removes the passes over memory: a row is added up while it lies in the first cache.

    Parameters
    ----------
    x, weight, out : ndarray of the shapes named above, float32 or float64
        `out` is overwritten.
    stride, padding : int
        Distance between places, zeros on each side.

    Raises
    ------
    ValueError
        If the shapes do not fit.

    Cost
    ----
    ``2 kernel**2`` FLOPs per result, less where taps meet padding; nothing allocated.
    """
    check_depthwise(x, weight, stride, padding, out)
    height, width = x.shape[2:]
    rows, columns = weight.shape[2:]
    out[...] = 0
    for b in range(out.shape[0]):
        for c in range(out.shape[1]):
            for i in range(out.shape[2]):
                sums = out[b, c, i]
                for r in range(
                    max(0, padding - i * stride), min(rows, height + padding - i * stride)
                ):
                    row = x[b, c, i * stride + r - padding]
                    for s in range(columns):
                        tap, ahead = weight[c, 0, r, s], s - padding
                        low = max(0, -(ahead // stride))
                        high = min(sums.size, -((ahead - width) // stride))
                        for j in range(low, high):
                            sums[j] += tap * row[j * stride + ahead]


@jit
def row_of_sums(V, x, at, width, top, bottom, column, taps, columns, room, count):
    """Compute `count` neighbouring sums of one row of places, as if there were no stride.

    Parameters
    ----------
    x, at, width : pointer, int, int
        The image, where the row under the first tap begins, and how long rows are.
    top, bottom, column : int
        Rows of taps that meet the image, and the column under the first tap.
    taps, columns : ndarray, int
        The filter, and how many columns it has.
    """
    for j in range(0, count, V.lanes):
        total = zeros(V)
        for s in range(columns):
            mask = lanes_inside(V, column + j + s, width)
            for r in range(top, bottom):
                seen = load_masked(V, x, at + r * width + column + j + s, mask)
                total = fma(broadcast(V, taps[r * columns + s]), seen, total)
        store(room, j, total)


@jit(inline="always")
def pick(room, stride, row):
    """Copy every `stride`-th number; a loop of its own for two, which the compiler vectorises."""
    if stride == 1:
        for j in range(row.size):
            row[j] = room[j]
    elif stride == 2:
        for j in range(row.size):
            row[j] = room[2 * j]
    else:
        for j in range(row.size):
            row[j] = room[stride * j]


@jit
def rows_of_three(V, x, plane, height, width, padding, taps, out, to, first, rows):
    """Compute `rows` rows of one plane's results, for 3 x 3 taps and no stride.

    Each register goes down its column. Three results are under way at a time: the row just
    loaded is the last of one, the middle of the next and the first of one more, so it is loaded
    once for each column of taps. Masks keep loads inside the row.
    """
    across = width + 2 * padding - 2
    a0, a1, a2 = broadcast(V, taps[0]), broadcast(V, taps[1]), broadcast(V, taps[2])
    b0, b1, b2 = broadcast(V, taps[3]), broadcast(V, taps[4]), broadcast(V, taps[5])
    c0, c1, c2 = broadcast(V, taps[6]), broadcast(V, taps[7]), broadcast(V, taps[8])
    top = first - padding
    begin, end = max(top, 0), min(top + rows + 2, height)
    for j in range(0, across, V.lanes):
        column = j - padding
        left_mask = lanes_inside(V, column, width)
        middle_mask = lanes_inside(V, column + 1, width)
        right_mask = lanes_inside(V, column + 2, width)
        second, next_one = zeros(V), zeros(V)
        for row in range(begin, end):
            at = plane + row * width + column
            prefetch(x, at + rows * width)  # no machine sees through columns of a band
            left = load_masked(V, x, at, left_mask)
            middle = load_masked(V, x, at + 1, middle_mask)
            right = load_masked(V, x, at + 2, right_mask)
            done = fma(right, c2, fma(middle, c1, fma(left, c0, second)))
            second = fma(right, b2, fma(middle, b1, fma(left, b0, next_one)))
            next_one = fma(right, a2, fma(middle, a1, left * a0))
            if row >= top + 2:
                store_first(out, to + (row - top - 2) * across + j, done, across - j)
        # Rows of zeros below the image: they add nothing.
        if end < top + rows + 2:
            store_first(out, to + (end - top - 2) * across + j, second, across - j)
        if end + 1 < top + rows + 2:
            store_first(out, to + (end - top - 1) * across + j, next_one, across - j)


@jit
def few_rows_of_three(V, x, at, width, padding, taps, out, to):
    """Compute `FEW_ROWS` rows of results where all rows under their taps lie in the image.

    As `rows_of_three`, from the row at `at` on. The compiler unrolls so few rows, and leaves
    out what it need not add. Lines are asked for two such bands ahead.
    """
    across = width + 2 * padding - 2
    a0, a1, a2 = broadcast(V, taps[0]), broadcast(V, taps[1]), broadcast(V, taps[2])
    b0, b1, b2 = broadcast(V, taps[3]), broadcast(V, taps[4]), broadcast(V, taps[5])
    c0, c1, c2 = broadcast(V, taps[6]), broadcast(V, taps[7]), broadcast(V, taps[8])
    for j in range(0, across, V.lanes):
        column = j - padding
        left_mask = lanes_inside(V, column, width)
        middle_mask = lanes_inside(V, column + 1, width)
        right_mask = lanes_inside(V, column + 2, width)
        second, next_one = zeros(V), zeros(V)
        for row in range(FEW_ROWS + 2):
            place = at + row * width + column
            if row < FEW_ROWS:
                prefetch(x, place + 2 * FEW_ROWS * width)
            left = load_masked(V, x, place, left_mask)
            middle = load_masked(V, x, place + 1, middle_mask)
            right = load_masked(V, x, place + 2, right_mask)
            done = fma(right, c2, fma(middle, c1, fma(left, c0, second)))
            second = fma(right, b2, fma(middle, b1, fma(left, b0, next_one)))
            next_one = fma(right, a2, fma(middle, a1, left * a0))
            if row >= 2:
                store_first(out, to + (row - 2) * across + j, done, across - j)


@jit(inline="always")
def lanes_inside(V, column, width):
    """Return which lanes of a register that begins at this column lie in a row."""
    return both(first_lanes(V, width - column), invert(first_lanes(V, -column)))


@jit
def planes_of_three(V, x, weight, padding, out, start, stop):
    """Compute planes `start` to `stop` for 3 x 3 taps and no stride."""
    channels, height, width = x.shape[1:]
    down, across = out.shape[2:]
    source, target = pointer(x), pointer(out)
    band = max(BAND_ROWS, BAND_BYTES // (width * x.itemsize))
    for plane in range(start, stop):
        taps = weight[plane % channels].reshape(-1)
        at = plane * height * width
        for first in range(0, down, band):
            rows, to = min(band, down - first), (plane * down + first) * across
            rows_of_three(V, source, at, height, width, padding, taps, target, to, first, rows)


@jit
def planes_past_the_caches(V, x, weight, padding, out, start, stop):
    """Compute planes as `planes_of_three`, and write whole lines of results past the caches.

    Few rows at a time: then their lines leave while the next rows are fetched and computed.
    """
    channels, height, width = x.shape[1:]
    down, across = out.shape[2:]
    source, target = pointer(x), pointer(out)
    room = aligned(FEW_ROWS * across + 3 * V.lanes, x)
    into = pointer(room)  # which lives until what is left in it has left
    begin = start * down * across
    base, filled = line_of(V, target, begin), begin
    for plane in range(start, stop):
        taps = weight[plane % channels].reshape(-1)
        at = plane * height * width
        for first in range(0, down, FEW_ROWS):
            rows, to, top = min(FEW_ROWS, down - first), filled - base, first - padding
            if rows == FEW_ROWS and top >= 0 and top + FEW_ROWS + 2 <= height:
                few_rows_of_three(V, source, at + top * width, width, padding, taps, into, to)
            else:
                rows_of_three(V, source, at, height, width, padding, taps, into, to, first, rows)
            filled += rows * across
            base = leave(V, room, target, base, begin, filled)
    leave_rest(V, room, target, base, begin, filled)
    fence()


@jit
def planes_of_any(V, x, weight, stride, padding, out, start, stop):
    """Compute planes `start` to `stop` for any filter and stride, a row at a time."""
    channels, height, width = x.shape[1:]
    rows, columns = weight.shape[2:]
    down, across = out.shape[2:]
    results = out.reshape(-1)
    count = (across - 1) * stride + 1
    room = aligned(count + V.lanes, x)
    for plane in range(start, stop):
        taps = weight[plane % channels].reshape(-1)
        for i in range(down):
            first = i * stride - padding
            row_of_sums(
                V, pointer(x), (plane * height + first) * width, width, max(0, -first),
                min(rows, height - first), -padding, taps, columns, room, count,
            )  # fmt: skip
            to = (plane * down + i) * across
            pick(room, stride, results[to : to + across])


@jit
def some_planes(x, weight, stride, padding, out, start, stop):
    """Compute planes `start` to `stop` in the way that suits the filter."""
    if is_of_three(weight, stride, padding) and out.size * out.itemsize > STREAM_BYTES:
        planes_past_the_caches(register_for(x), x, weight, padding, out, start, stop)
    elif is_of_three(weight, stride, padding):
        planes_of_three(register_for(x), x, weight, padding, out, start, stop)
    else:
        planes_of_any(register_for(x), x, weight, stride, padding, out, start, stop)


@jit(inline="always")
def is_of_three(weight, stride, padding):
    """Tell whether filters are 3 x 3, go to every place, and see at least one row of an image."""
    return weight.shape[2] == 3 and weight.shape[3] == 3 and stride == 1 and padding <= 1


@register(
    "depthwise_conv2d",
    name="vector",
    instrument="compiled",
    story="explicit vector registers down a column: removes the sums' way to memory and back",
    tags=("ladder", "best"),
)
@jit
def depthwise_vector(x, weight, stride, padding, out):
    """Convolve each channel with vector registers, sums kept in registers.

    Removes the loads and stores of sums, and the special cases at the sides: masks leave out
    what is no part of a row. Filters of 3 x 3 that go to every place load each row once per
    column of taps, and write large results past the caches.

    Parameters
    ----------
    x, weight, out : ndarray of the shapes named above, float32 or float64, contiguous
        `out` is overwritten.
    stride, padding : int
        Distance between places, zeros on each side.

    Raises
    ------
    ValueError
        If the shapes do not fit.

    Cost
    ----
    ``2 kernel**2`` FLOPs per result; one pass that reads `x` and writes `out`.
    """
    check_depthwise(x, weight, stride, padding, out)
    if out.size > 0:
        some_planes(x, weight, stride, padding, out, np.int64(0), x.shape[0] * x.shape[1])


@register(
    "depthwise_conv2d",
    name="threads",
    instrument="compiled",
    story="channels spread over all cores",
    tags=("threads",),
)
def depthwise_threads(x, weight, stride, padding, out):
    """Convolve as `depthwise_vector`, channels spread over all cores.

    Removes the wait for one core. Small convolutions stay on one.

    Parameters, errors and cost as for `depthwise_vector`.
    """
    parts = min(4 * get_num_threads(), x.shape[0] * x.shape[1])
    if get_num_threads() == 1 or parts <= 1 or out.size < THREADS_PAY_RESULTS:
        depthwise_vector(x, weight, stride, padding, out)
    else:
        depthwise_in_parts(x, weight, stride, padding, out, parts)


@jit(parallel=True)
def depthwise_in_parts(x, weight, stride, padding, out, parts):
    """Convolve each of `parts` groups of planes on a core that is free."""
    check_depthwise(x, weight, stride, padding, out)
    planes = x.shape[0] * x.shape[1]
    for task in prange(parts):
        part = np.int64(task)
        first, stop = part * planes // parts, (part + 1) * planes // parts
        some_planes(x, weight, stride, padding, out, first, stop)
