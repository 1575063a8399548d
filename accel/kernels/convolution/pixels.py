"""Convolution of pixels (NHWC, NCHWc) in tiles of places times filters.

Where the channels of a pixel lie side by side, so do the results of a pixel, one for each
filter. A register then holds the results of neighbouring filters at one place. One number of
`x` at a time is broadcast and meets the weights of these filters::

    for each image
      for each band of its rows                   (stays in the second cache)
        copy the band, zeros around it
        for as many filters as a tile has columns (their weights stay in the second cache)
          for as many places as it has rows
            for each tap, each channel: outer product into a tile of registers
            store the tile

Both layouts are the same to this code: blocks of channels, of which NHWC has one. As in
`accel.kernels.convolution.lines`, rows follow each other with the zeros between them shared, so
that all places of a band are one run, and a few are thrown away. With a stride, rows that leave
the same remainder follow each other, each a whole number of strides long; and where tiles fill
the rows of results better, each is a run of its own.

Source
------
Georganas et al., "Anatomy of High-Performance Deep Learning Convolutions on SIMD
Architectures", SC'18: blocked channels, and a tile of registers of places times filters.
"""

from __future__ import annotations

import functools
from typing import Any, NamedTuple

import numpy as np
from numba.extending import overload

from accel.kernels.convolution.line_copies import aligned
from accel.kernels.convolution.lines import BAND_BYTES, SUMMED
from accel.kernels.matmul.blocks import host_tile
from accel.simd import (
    Tile,
    jit,
    load,
    load_first,
    pointer,
    store,
    store_first,
    tile_accumulate,
    tile_outer_fma,
    tile_store,
    tile_zeros,
)


class Image(NamedTuple):
    """Places in memory: number k of block b at (i, j) is ``data[at + b * plane + i * row +
    j * channels + k]``. In a copy for filters with a stride it is
    ``data[at + b * plane + i % stride * phase + i // stride * row + j * channels + k]``."""

    data: Any  # typed pointer
    at: int
    plane: int
    phase: int
    row: int
    channels: int


class Window(NamedTuple):
    """What a filter is: blocks of channels, rows, columns, and how it moves."""

    blocks: int
    rows: int
    columns: int
    stride: int


class Extent(NamedTuple):
    """How a copied band lies: pixels from row to row, rows of a phase, and how long a phase and
    a block of channels are."""

    step: int
    deep: int
    phase: int
    plane: int


class Results(NamedTuple):
    """Where results go: filter f of strip s at place (i, j) is ``data[at + s * strip +
    (i * across + j) * pixel + f]``."""

    data: Any  # typed pointer
    at: int
    strip: int
    pixel: int
    across: int
    filters: int


@functools.cache
def host_tile_of_pixels(dtype, vectors: int) -> Tile:
    """Return the tile for this machine: as many accumulators as registers allow.

    Of 32 registers 28, of 16 12: what is left holds weights and the number broadcast.
    """
    about = host_tile(dtype)
    return Tile(about.vector, (28 if about.rows == 8 else 12) // vectors, vectors)


def wide_tile_for(x):
    """Return the tile of two registers of filters, in compiled code."""
    return host_tile_of_pixels(x.dtype, 2)


def block_tile_for(x):
    """Return the tile of one register of filters, in compiled code."""
    return host_tile_of_pixels(x.dtype, 1)


@overload(wide_tile_for)
def _wide_tile_for(x):
    token = host_tile_of_pixels(np.dtype(x.dtype.name), 2)
    return lambda x: token


@overload(block_tile_for)
def _block_tile_for(x):
    token = host_tile_of_pixels(np.dtype(x.dtype.name), 1)
    return lambda x: token


@jit(inline="always")
def places_sum(T, image, at, window, weight, w, target, to, pixel):
    """Add up a tile: places one stride apart from `at` on, by a strip of filters.

    A long sum is a sum of sums over about `SUMMED` products, whose errors are smaller.
    """
    step = image.channels * window.stride
    # Taps of a row lie side by side, and so do their channels.
    row = window.columns * image.channels
    rows = window.blocks * window.rows
    group = max(1, SUMMED // max(1, row))
    for first in range(0, max(1, rows), group):  # once even for no channels: zeros
        for part in range(0, max(1, row), SUMMED):
            tile = tile_zeros(T)
            for r in range(first, min(first + group, rows)):
                below, stride = r % window.rows, window.stride
                begin = at + r // window.rows * image.plane
                begin += below % stride * image.phase + below // stride * image.row
                a = w + (r * row + part) * T.columns
                for k in range(begin + part, begin + min(part + SUMMED, row)):
                    tile = tile_outer_fma(tile, image.data, k, step, weight, a)
                    a += T.columns
            if first + part == 0:
                tile_store(tile, target, to, pixel)
            else:
                tile_accumulate(tile, target, to, pixel)


@jit
def run_of_places(T, image, at, count, step, window, weight, w, results, to, filters, spare):
    """Compute `count` places that follow each other, of which rows are `step` apart."""
    straight = step == results.across and filters == T.columns
    for p in range(0, count, T.rows):
        whole = straight and p + T.rows <= count
        target, place, pixel = spare, 0, T.columns
        if whole:
            target, place, pixel = results.data, to + p * results.pixel, results.pixel
        begin = at + p * window.stride * image.channels
        places_sum(T, image, begin, window, weight, w, target, place, pixel)
        if not whole:
            keep_pixels(T, spare, p, min(T.rows, count - p), step, results, to, filters)


@jit
def keep_pixels(T, spare, p, count, step, results, to, filters):
    """Copy those places of a tile to the results that are some."""
    for r in range(count):
        row, column = (p + r) // step, (p + r) % step
        if column < results.across:
            place = to + (row * results.across + column) * results.pixel
            for c in range(0, T.columns, T.vector.lanes):
                v = load(T.vector, spare, r * T.columns + c)
                store_first(results.data, place + c, v, filters - c)


@jit
def apply_strip(T, image, step, band, window, weight, w, results, to, filters, spare):
    """Apply a strip of filters to `band` rows of places, `step` from row to row, in runs."""
    across = results.across
    # One run, with places between the rows, or a run for each row, whose last tile is not full.
    if step < -(-across // T.rows) * T.rows:
        count = (band - 1) * step + across
        run_of_places(
            T, image, image.at, count, step, window, weight, w, results, to, filters, spare
        )
        return
    for i in range(band):
        run_of_places(
            T, image, image.at + i * image.row, across, across, window, weight, w, results,
            to + i * across * results.pixel, filters, spare,
        )  # fmt: skip


@jit
def apply_strips(T, N, image, step, band, window, weight, results, spare):
    """Apply all filters, strip by strip; the last in the narrow tile if that holds them."""
    depth = window.blocks * window.rows * window.columns * image.channels
    for f in range(0, results.filters, T.columns):
        w, to = f * depth, results.at + f // T.columns * results.strip
        left = results.filters - f
        if left > N.columns:
            own = min(T.columns, left)
            apply_strip(T, image, step, band, window, weight, w, results, to, own, spare)
        else:
            apply_strip(N, image, step, band, window, weight, w, results, to, left, spare)


@jit
def copy_pixels(V, image, height, width, window, first, padding, size, room):
    """Copy what rows of results from `first` on see of the padded image; see `extent`."""
    channels = image.channels
    phases = min(window.stride, window.rows)
    for b in range(window.blocks):
        for i in range(phases):
            to = b * size.plane + i * size.phase
            for q in range(size.deep):
                row = (first + q) * window.stride + i - padding
                end = to + size.step * channels
                if 0 <= row < height:
                    left = to + padding * channels
                    right = min(left + width * channels, end)
                    zero(V, room, to, min(left, end))
                    source = image.at + b * image.plane + row * image.row
                    for c in range(0, right - left, V.lanes):
                        v = load_first(V, image.data, source + c, right - left - c)
                        store_first(room, left + c, v, right - left - c)
                    to = max(right, to)
                zero(V, room, to, end)
                to = end
            zero(V, room, to, b * size.plane + (i + 1) * size.phase)


@jit
def zero(V, room, start, stop):
    """Fill a part of a room with zeros."""
    for c in range(start, stop):
        room[c] = 0


@jit
def extent(width, channels, window, padding, across, band):
    """Return how the copy of what `band` rows of results see lies.

    Zeros to the right of a row are those to the left of the next, as many as there are of both.
    """
    seen = (across - 1) * window.stride + window.columns
    step = max(padding + width, seen - padding, across * window.stride)
    step = -(-step // window.stride) * window.stride
    deep = band + (window.rows - 1) // window.stride
    phase = (deep * step + max(0, seen - step)) * channels
    return Extent(step, deep, phase, min(window.stride, window.rows) * phase)


@jit
def convolve_band(
    T, N, image, height, width, window, padding, weight, results, first, band, spare, room
):
    """Compute `band` rows of results from `first` on, from a copy with zeros around it."""
    channels = image.channels
    size = extent(width, channels, window, padding, results.across, band)
    copy_pixels(T.vector, image, height, width, window, first, padding, size, pointer(room))
    lines = Image(pointer(room), 0, size.plane, size.phase, size.step * channels, channels)
    to = results.at + first * results.across * results.pixel
    there = Results(results.data, to, results.strip, results.pixel, results.across, results.filters)
    step = size.step // window.stride
    apply_strips(T, N, lines, step, band, window, weight, there, pointer(spare))


@jit
def convolve_pointwise(T, N, image, first, count, window, weight, results, spare, room):
    """Compute `count` places of a 1 x 1 convolution, all but the last few where they are."""
    channels = image.channels
    whole = count - count % N.rows
    begin = image.at + first * channels
    to = results.at + first * results.pixel
    if whole:
        here = Image(image.data, begin, image.plane, 0, 0, channels)
        there = Results(results.data, to, results.strip, results.pixel, whole, results.filters)
        apply_strips(T, N, here, whole, 1, window, weight, there, pointer(spare))
    if whole == count:
        return
    left = (count - whole) * channels
    for b in range(window.blocks):
        source, at = begin + b * image.plane + whole * channels, b * N.rows * channels
        for c in range(left):
            room[at + c] = image.data[source + c]
        for c in range(left, N.rows * channels):
            room[at + c] = 0
    here = Image(pointer(room), 0, N.rows * channels, 0, 0, channels)
    to += whole * results.pixel
    there = Results(results.data, to, results.strip, results.pixel, count - whole, results.filters)
    apply_strips(T, N, here, count - whole, 1, window, weight, there, pointer(spare))


@jit
def convolve_image(
    T, N, image, height, width, window, padding, weight, results, first, stop, like
):
    """Compute rows `first` to `stop` of an image's results, in bands that fit the cache.

    `weight` is a pointer, `like` an array of the element type. `N` is the tile for a last strip
    of few filters, of as many accumulators as `T` and no more columns.
    """
    spare = aligned(T.rows * T.columns + T.vector.lanes, like)
    pixel = max(1, window.blocks * image.channels)
    fitting = max(1, BAND_BYTES // (pixel * like.itemsize))
    if window.rows * window.columns == 1 and window.stride == 1 and padding == 0:
        room = aligned(pixel * N.rows, like)
        fitting = max(1, fitting // N.rows) * N.rows
        for place in range(first * width, stop * width, fitting):
            count = min(fitting, stop * width - place)
            convolve_pointwise(T, N, image, place, count, window, weight, results, spare, room)
        return
    rows = fitting // ((width + 2 * padding) * window.stride) - window.rows // window.stride
    band = min(max(1, rows), stop - first)
    plane = extent(width, image.channels, window, padding, results.across, band).plane
    # A last tile may look at places beyond the last.
    beyond = (N.rows * window.stride + window.columns) * image.channels
    room = aligned(window.blocks * plane + beyond, like)
    for i in range(first, stop, band):
        convolve_band(
            T, N, image, height, width, window, padding, weight, results, i,
            min(band, stop - i), spare, room,
        )  # fmt: skip


@jit
def strips_of(T, N, weight):
    """Copy weights (rows, columns, channels, filters) as strips of a tile's columns.

    A strip holds, one after another, what each outer product needs. The last is that of the
    narrow tile if that holds its filters; zeros fill it.
    """
    rows, columns, channels, filters = weight.shape
    depth = rows * columns * channels
    rest = filters % T.columns
    last = 0 if rest == 0 else N.columns if rest <= N.columns else T.columns
    packed = aligned((filters - rest + last) * depth, weight)
    source, to = pointer(weight), pointer(packed)
    for k in range(depth):
        for f in range(0, filters - rest + last, T.vector.lanes):
            strip = f - f % T.columns
            wide = T.columns if strip + T.columns <= filters else last
            v = load_first(T.vector, source, k * filters + f, filters - f)
            store(to, strip * depth + k * wide + f - strip, v)
    return packed
