"""Planes pooled in registers: pairs of rows and columns at once, other windows by a line.

Windows of 2 x 2, 2 apart, are what most networks use. Two registers of each of two rows make
one of results: larger or sum of the rows, then even lanes against odd ones. Every number is
loaded once and nothing is stored but results.

For any other window the rows under it are combined into a line, between borders, and then the
columns of that line, which stays in the first cache.
"""

from __future__ import annotations

import numpy as np

from accel.kernels.activation import register_for
from accel.kernels.activation.elements import CACHED_BYTES
from accel.kernels.convolution.lines import aligned, spread
from accel.kernels.convolution.pooling.past_caches import (
    ROOM_BYTES,
    leave,
    leave_rest,
    line_of,
)
from accel.simd import (
    alike,
    both,
    deinterleave,
    fence,
    first_lanes,
    gather,
    invert,
    jit,
    lane_index,
    load,
    load_first,
    load_masked,
    maximum,
    pointer,
    store,
    store_first,
    store_masked,
)

#: Lines of combined rows that are under way.
LINES = 8


@jit(inline="always")
def combined(largest, x, y):
    """Return the larger of two registers, NaN where either is, or their sum."""
    return maximum(x, y) if largest else x + y


@jit(inline="always")
def halved(largest, u, v):
    """Return results of windows of two columns, from two registers of neighbouring ones."""
    even, odd = deinterleave((u, v))
    pair = combined(largest, even, odd)
    return pair if largest else pair * 0.25


@jit(inline="always")
def long_pairs(V, largest, x, at, width, out, to, across, rows):
    """Pool rows of a register of results or more; the last register moves back until it fits."""
    last = across - V.lanes
    for i in range(rows):
        above, place = at + 2 * i * width, to + i * across
        for j0 in range(0, across, V.lanes):
            j = min(j0, last)
            a = above + 2 * j
            u = combined(largest, load(V, x, a), load(V, x, a + width))
            a += V.lanes
            v = combined(largest, load(V, x, a), load(V, x, a + width))
            store(out, place + j, halved(largest, u, v))


@jit(inline="always")
def medium_pairs(V, largest, x, at, width, out, to, across, rows):
    """Pool rows of less than a register of results, more than half of one."""
    ours = first_lanes(V, across)
    right = first_lanes(V, 2 * across - V.lanes)
    for i in range(rows):
        a = at + 2 * i * width
        u = combined(largest, load(V, x, a), load(V, x, a + width))
        a += V.lanes
        v = combined(largest, load_masked(V, x, a, right), load_masked(V, x, a + width, right))
        store_masked(out, to + i * across, halved(largest, u, v), ours)


@jit(inline="always")
def short_pairs(V, largest, x, at, width, out, to, across, rows):
    """Pool rows of up to half a register of results, two at a time."""
    half = V.lanes // 2
    seen, ours = first_lanes(V, 2 * across), first_lanes(V, across)
    next_ours = both(first_lanes(V, half + across), invert(first_lanes(V, half)))
    for i in range(0, rows, 2):
        k = min(i + 1, rows - 1)  # of an odd number the last row stands in twice
        a, b = at + 2 * i * width, at + 2 * k * width
        u = combined(largest, load_masked(V, x, a, seen), load_masked(V, x, a + width, seen))
        v = combined(largest, load_masked(V, x, b, seen), load_masked(V, x, b + width, seen))
        results = halved(largest, u, v)
        store_masked(out, to + i * across, results, ours)
        store_masked(out, to + k * across - half, results, next_ours)


@jit(inline="always")
def rows_of_pairs(V, largest, x, at, width, out, to, across, rows):
    """Pool `rows` rows of 2 x 2 windows, 2 apart, of the rows of an image from `at` on."""
    if across >= V.lanes:
        long_pairs(V, largest, x, at, width, out, to, across, rows)
    elif 2 * across >= V.lanes:
        medium_pairs(V, largest, x, at, width, out, to, across, rows)
    else:
        short_pairs(V, largest, x, at, width, out, to, across, rows)


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
def apart(V, line, at, stride):
    """Return a register of numbers that lie `stride` apart."""
    if stride == 1:
        return load(V, line, at)
    if stride == 2:
        return deinterleave((load(V, line, at), load(V, line, at + V.lanes)))[0]
    return gather(V, line, lane_index(alike(V, "int64")) * stride + at)


@jit(inline="always")
def fold_columns(V, largest, line, at, kernel, stride, scale, count, out, to, across):
    """Combine `kernel` numbers of a line for each place, `stride` apart; scale sums."""
    for j in range(0, across, V.lanes):
        v = apart(V, line, at + j * stride, stride)
        for s in range(1, kernel):
            v = combined(largest, v, apart(V, line, at + j * stride + s, stride))
        if not largest:
            v = v * scale if scale > 0 else v / count
        store_first(out, to + j, v, across - j)


@jit(inline="always")
def rows_by_lines(
    V, largest, x, at, height, width, kernel, stride, padding, lines, pitch, scale, count,
    out, to, across, start, rows,
):  # fmt: skip
    """Pool `rows` rows of results from row `start` on, some lines at a time.

    By the time that columns of a line are loaded, its registers have arrived in the cache: a
    load that takes parts of several stores would wait for them.
    """
    for i0 in range(0, rows, LINES):
        some = min(LINES, rows - i0)
        for i in range(some):
            top = (start + i0 + i) * stride - padding
            first, last = max(top, 0), min(top + kernel, height)
            place = i * pitch + padding
            fold_rows(V, largest, x, at + first * width, width, last - first, lines, place)
        for i in range(some):
            place = to + (i0 + i) * across
            fold_columns(
                V, largest, lines, i * pitch, kernel, stride, scale, count, out, place, across
            )


@jit(inline="always")
def pool_planes(V, largest, border, x, kernel, stride, padding, count, out, start, stop):
    """Pool planes `start` to `stop` of all planes of all images, and divide by `count`.

    Results of arrays too large for the caches are written past them, some rows at a time.
    """
    height, width = x.shape[2:]
    down, across = out.shape[2:]
    source, target = pointer(x), pointer(out)
    begin = start * down * across
    pairs = kernel == 2 and stride == 2 and padding == 0
    if pairs and height == 2 * down:  # without rows between them, planes are one high image
        start, stop, height, down = 0, 1, (stop - start) * height, (stop - start) * down
        source = pointer(x.reshape(-1)[2 * begin // across * width :])
    # Registers of the last places may load beyond the line's end.
    pitch = spread(width + 2 * padding, x) if not pairs else 0
    lines = aligned(LINES * pitch + kernel + (stride + 2) * V.lanes, x)
    lines[:] = border
    streams = (x.size + out.size) * x.itemsize >= CACHED_BYTES
    band = max(1, ROOM_BYTES // (across * x.itemsize)) if streams else down
    room = aligned(band * across + 3 * V.lanes if streams else 1, x)
    base, filled = line_of(V, target, begin), begin
    # Dividing by a power of two is multiplying, to the last bit.
    scale = x.dtype.type(1 / count if count & (count - 1) == 0 else 0)
    for plane in range(start, stop):
        for i0 in range(0, down, band):
            rows = min(band, down - i0)
            into, to = (pointer(room), filled - base) if streams else (target, filled)
            if pairs:
                at = (plane * height + 2 * i0) * width
                rows_of_pairs(V, largest, source, at, width, into, to, across, rows)
            else:
                at = plane * height * width
                rows_by_lines(
                    V, largest, source, at, height, width, kernel, stride, padding, lines, pitch,
                    scale, count, into, to, across, i0, rows,
                )  # fmt: skip
            filled += rows * across
            if streams:
                base = leave(V, room, target, base, begin, filled)
    if streams:
        leave_rest(V, room, target, base, begin, filled)
        fence()


@jit
def max_planes(x, kernel, stride, padding, out, start, stop):
    """Take the largest numbers of planes `start` to `stop`."""
    pool_planes(register_for(x), True, -np.inf, x, kernel, stride, padding, 1, out, start, stop)


@jit
def mean_planes(x, kernel, stride, padding, out, start, stop):
    """Take the means of planes `start` to `stop`."""
    count = kernel * kernel
    pool_planes(register_for(x), False, 0.0, x, kernel, stride, padding, count, out, start, stop)
