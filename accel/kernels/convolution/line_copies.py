"""Copies of planes (NCHW) as lines of places, for `accel.kernels.convolution.lines`.

The rows of a channel, or of a band of it, follow each other with zeros between them. With a
stride there is a line for each remainder by it, of rows and of columns, where the numbers that a
tap meets lie side by side. A stride of two is frequent: there each register that is read gives
one of even columns and one of odd columns.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from accel.simd import (
    both,
    deinterleave,
    first_lanes,
    invert,
    jit,
    load,
    load_first,
    load_masked,
    pointer,
    store,
    store_first,
    zeros,
)


class Lines(NamedTuple):
    """How the channels of an image, or of a band of it, lie as lines of places."""

    step: int  # places from one row to the next
    phases: int  # lines per channel and direction: remainders by the stride that taps meet
    phase: int  # elements of one such line
    plane: int  # elements from one channel to the next


@jit
def aligned(size, like):
    """Allocate elements that begin on a cache line, so that no register straddles two."""
    memory = np.empty(size + 64 // like.itemsize, like.dtype)
    skip = -memory.ctypes.data % 64 // like.itemsize
    return memory[skip : skip + size]


@jit(inline="always")
def spread(size, like):
    """Return a distance of at least `size`, of an odd number of cache lines.

    Lines a power of two apart would share a few sets of the cache, and evict each other.
    """
    line = 64 // like.itemsize
    return (-(-size // line) | 1) * line


@jit
def lines_of(band, x, weight, stride, padding, out):
    """Return how `band` rows of results find their numbers in lines."""
    rows, columns = weight.shape[2:]
    shared = min(padding, columns - 1) if stride == 1 else 0
    step = out.shape[3] + (columns - 1) // stride - shared
    phases = min(stride, columns)
    phase = (band + (rows - 1) // stride) * step + shared
    return Lines(step, phases, phase, spread(min(stride, rows) * phases * phase, x))


@jit
def taps_of(lines, weight, stride):
    """Return where, on the lines of a channel, each tap meets its first number."""
    rows, columns = weight.shape[2:]
    taps = np.empty(rows * columns, np.int64)
    for i in range(rows):
        for j in range(columns):
            phase = i % stride * lines.phases + j % stride
            inside = i // stride * lines.step + j // stride
            taps[i * columns + j] = phase * lines.phase + inside
    return taps


@jit
def copy_band(V, x, image, first, band, weight, stride, padding, lines, room):
    """Copy what `band` rows of results from `first` on see of an image, channel by channel."""
    channels, height, width = x.shape[1:]
    rows = weight.shape[2]
    deep = band + (rows - 1) // stride
    source, to = pointer(x), pointer(room)
    pairs = stride == 2 and lines.phases == 2
    for j in range(1 if pairs else lines.phases):
        low, high = places_inside(j - padding, width, stride, lines.step)
        for c in range(channels):
            plane = (image * channels + c) * height
            for i in range(min(stride, rows)):
                at = c * lines.plane + (i * lines.phases + j) * lines.phase
                end = at + lines.phase
                for q in range(deep):
                    row = (first + q) * stride + i - padding
                    begin = (plane + row) * width + j - padding
                    seen = width if 0 <= row < height else 0
                    if pairs:
                        copy_pairs(
                            V, source, begin, -padding, seen, to, at, lines.phase, lines.step
                        )
                    elif seen:
                        copy_row(V, source, begin, stride, low, high, to, at, lines.step)
                    else:
                        clear(V, to, at, lines.step)
                    at += lines.step
                clear(V, to, at, end - at)
                if pairs:
                    clear(V, to, at + lines.phase, end - at)


@jit(inline="always")
def copy_pairs(V, x, begin, column, width, room, at, phase, length):
    """Write `length` places of two lines, `phase` apart: every second number, and the others.

    Number `begin` of `x` would be in this column of a row, of `width` columns or none; beyond
    it are zeros.
    """
    for m in range(0, length, V.lanes):
        here, left = begin + 2 * m, column + 2 * m
        if left >= 0 and left + 2 * V.lanes <= width:
            near, far = load(V, x, here), load(V, x, here + V.lanes)
        else:
            near = load_masked(V, x, here, columns_inside(V, left, width))
            far = load_masked(V, x, here + V.lanes, columns_inside(V, left + V.lanes, width))
        even, odd = deinterleave((near, far))
        store_first(room, at + m, even, length - m)
        store_first(room, at + phase + m, odd, length - m)


@jit(inline="always")
def columns_inside(V, column, width):
    """Return which lanes of a register that begins at this column lie in a row."""
    return both(first_lanes(V, width - column), invert(first_lanes(V, -column)))


@jit
def places_inside(column, width, stride, length):
    """Return from which to which of `length` places, of which `column` is the first, lie in a row.

    Places are `stride` columns apart.
    """
    low = min(length, max(0, -(column // stride)))
    return low, min(length, max(low, -((column - width) // stride)))


@jit(inline="always")
def clear(V, room, at, length):
    """Write zeros, a few in most cases: no loop over single numbers, nor a call to fill memory."""
    for m in range(0, length, V.lanes):
        store_first(room, at + m, zeros(V), length - m)


@jit(inline="always")
def copy_row(V, x, begin, stride, low, high, room, at, length):
    """Write `length` places, those from `low` to `high` from every `stride`-th number of `x`.

    The others are zeros; place 0 would be number `begin`.
    """
    clear(V, room, at, low)
    if stride == 1:
        whole = high - (high - low) % V.lanes
        for m in range(low, whole, V.lanes):
            store(room, at + m, load(V, x, begin + m))
        rest = load_first(V, x, begin + whole, high - whole)
        store_first(room, at + whole, rest, high - whole)
    elif stride == 2:
        copy_every_second(V, x, begin + 2 * low, room, at + low, high - low)
    else:
        for m in range(low, high):
            room[at + m] = x[begin + m * stride]
    clear(V, room, at + high, length - high)


@jit(inline="always")
def copy_every_second(V, x, begin, room, at, length):
    """Write `length` places: every second number from `begin` on, the last one among them."""
    # A register that is filled has a number after it, so that the pair of its last lane is whole.
    whole = max(0, length - 1) // V.lanes * V.lanes
    for m in range(0, whole, V.lanes):
        near, far = load(V, x, begin + 2 * m), load(V, x, begin + 2 * m + V.lanes)
        store(room, at + m, deinterleave((near, far))[0])
    left = 2 * (length - whole) - 1
    near = load_first(V, x, begin + 2 * whole, left)
    far = load_first(V, x, begin + 2 * whole + V.lanes, left - V.lanes)
    store_first(room, at + whole, deinterleave((near, far))[0], length - whole)
