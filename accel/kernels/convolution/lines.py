"""Convolution of planes (NCHW) as a product of matrices whose right factor is never built.

Lay the rows of a padded image end to end, as one line. Row (channel, tap) of the matrix that
`im2col` copies is then that same line, begun a little later: one number later for the next
tap, one row of the image later for the tap below. So the innermost step of a matrix product,
filters times places, finds its operand in the image itself::

    for each image
      for each band of its rows                     (the band's lines stay in the second cache)
        copy the band of each channel as a line, zeros around it
        for eight filters                           (their weights stay near the first cache)
          for two registers of places along the line
            for each channel, for each tap: outer product into a tile of registers
            store the tile

Places between the end of one row and the begin of the next are computed and thrown away. Few
are: the zeros to the right of a row are those to the left of the next. With a stride, the
numbers that a tap meets lie `stride` apart; the copy then puts each remainder by `stride` of
rows and columns in a line of its own, where they lie side by side. A 1 x 1 convolution
without stride or padding needs no copy: the planes are such lines already.

Source
------
Chetlur et al., "cuDNN: Efficient Primitives for Deep Learning", arXiv:1410.0759 (2014),
section 3, for the product whose factor is made as it is used. Goto and van de Geijn, "Anatomy
of High-Performance Matrix Multiplication", *ACM TOMS* 34 (2008), for its blocks.
"""

from __future__ import annotations

import functools

import numpy as np
from numba.extending import overload

from accel.kernels.convolution.line_copies import (
    aligned,
    copy_band,
    lines_of,
    spread,  # noqa: F401 - others take both from here
    taps_of,
)
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

#: Bytes of lines in use at a time: half of a second-level cache of 1 MiB, or all of a small one.
BAND_BYTES = 1 << 19

#: Products to add up in one go.
SUMMED = 128

#: Below so many multiplications and additions threads cost more than they save.
THREADS_PAY_FLOPS = 1 << 21


@functools.cache
def narrow(tile: Tile) -> Tile:
    """Return the tile for the end of a line: one register of places."""
    return Tile(tile.vector, tile.rows, 1)


def wide_for(x):
    """Return the register tile for the elements of `x`, in compiled code."""
    return host_tile(x.dtype)


def narrow_for(x):
    """Return the tile of one register of places, in compiled code."""
    return narrow(host_tile(x.dtype))


@overload(wide_for)
def _wide_for(x):
    token = host_tile(np.dtype(x.dtype.name))
    return lambda x: token


@overload(narrow_for)
def _narrow_for(x):
    token = narrow(host_tile(np.dtype(x.dtype.name)))
    return lambda x: token


@jit
def check(x, weight, stride, padding, out):
    """Refuse shapes that do not fit together."""
    batch, channels, height, width = x.shape
    filters, _, rows, columns = weight.shape
    if stride < 1:
        raise ValueError("conv2d: stride must be at least 1")
    if padding < 0:
        raise ValueError("conv2d: padding must not be negative")
    if weight.shape[1] != channels or rows < 1 or columns < 1:
        raise ValueError("conv2d: weight must be of shape (filters, channels, kernel, kernel)")
    down = max(0, (height + 2 * padding - rows) // stride + 1)
    across = max(0, (width + 2 * padding - columns) // stride + 1)
    if out.shape != (batch, filters, down, across):
        raise ValueError(
            "conv2d: out must be of shape (batch, filters, places down, places across)"
        )


@jit(inline="always")
def sums(T, weight, w, depth, line, at, plane, channels, taps, target, to, step):
    """Add up a tile: as many filters as it has rows, at as many places as it has columns.

    A long sum is a sum of sums over about `SUMMED` products, whose errors are smaller.
    """
    block = max(1, SUMMED // taps.size)
    for first in range(0, max(1, channels), block):  # once even for no channels: zeros
        tile = tile_zeros(T)
        for _ in range(first, min(first + block, channels)):
            for t in range(taps.size):
                tile = tile_outer_fma(tile, weight, w, depth, line, at + taps[t])
                w += 1
            at += plane
        if first == 0:
            tile_store(tile, target, to, step)
        else:
            tile_accumulate(tile, target, to, step)


@jit
def filter_band(
    T, N, line, begin, plane, channels, taps,
    weight, filters, last, count, step, across, out, to, size, spare,
):  # fmt: skip
    """Apply all filters to `count` places on the lines, and keep those inside the image.

    Parameters
    ----------
    T, N
        Wide and narrow tile.
    line, begin, plane, channels, taps
        Pointer to lines, the first place, distance between channels, and where taps begin.
    weight, filters, last
        Pointers to the weights, and to copies of the last few filters' with zeros after them.
    count, step, across
        Places on the line, places from row to row, and how many of those are results.
    out, to, size
        Pointer to the results, the first one's place, distance from filter to filter.
    spare
        Room for a tile.
    """
    depth = channels * taps.size
    for f in range(0, filters, T.rows):
        own, w = weight, f * depth
        if f + T.rows > filters:
            own, w = last, 0
        rows = min(T.rows, filters - f)
        for p in range(0, count, T.columns):
            target, place, apart = pointer(spare), 0, T.columns
            whole = step == across and rows == T.rows and p + T.columns <= count
            if whole:
                target, place, apart = out, to + f * size + p, size
            at = begin + p
            if count - p > N.columns:
                sums(T, own, w, depth, line, at, plane, channels, taps, target, place, apart)
            else:
                sums(N, own, w, depth, line, at, plane, channels, taps, target, place, apart)
            if not whole:
                keep(T, spare, rows, p, count, step, across, out, to + f * size, size)


@jit
def keep(T, spare, rows, p, count, step, across, out, to, size):
    """Copy those places of a tile to `out` that are results, row by row."""
    end = min(count, p + T.columns)
    at = p
    while at < end:
        row, column = at // step, at % step
        run = min(end - at, across - column)
        for r in range(rows):
            place = to + r * size + row * across + column
            for c in range(0, run, T.vector.lanes):
                v = load(T.vector, spare, r * T.columns + at - p + c)
                store_first(out, place + c, v, run - c)
        at += min(step - column, end - at)


@jit
def copy_last(T, weight, depth, last):
    """Copy the weights of the filters that fill no tile, and zeros for those that lack."""
    filters = weight.shape[0]
    first = filters - filters % T.rows
    flat = weight.reshape(-1)
    for k in range(last.size):
        last[k] = flat[first * depth + k] if first * depth + k < flat.size else 0


@jit(inline="always")
def band_of(x, weight, stride, padding, out):
    """Return how many rows of results to compute from one copy of lines."""
    row = x.shape[1] * stride * (x.shape[3] + 2 * padding) * x.itemsize
    fitting = max(1, BAND_BYTES // max(row, 1) - weight.shape[2] // stride)
    bands = -(-out.shape[2] // fitting)
    return -(-out.shape[2] // max(bands, 1))


@jit(inline="always")
def in_place(x, weight, stride, padding):
    """Tell whether the planes are lines already, which tiles can read where they are."""
    return weight.shape[2] == 1 and weight.shape[3] == 1 and stride == 1 and padding == 0


@jit(inline="always")
def rooms(T, N, x, weight):
    """Return a copy of the last weights, and room for a tile."""
    depth = weight.shape[1] * weight.shape[2] * weight.shape[3]
    last = aligned(T.rows * depth, x)
    copy_last(T, weight, depth, last)
    return last, aligned(T.rows * T.columns + T.vector.lanes, x)


@jit
def rows_from_copy(T, N, x, weight, stride, padding, out, image, first, band, last, spare, room):
    """Compute `band` rows of an image's results from `first` on, from a copy of their lines."""
    channels = x.shape[1]
    filters, down, across = out.shape[1:]
    lines = lines_of(band, x, weight, stride, padding, out)
    taps = taps_of(lines, weight, stride)
    copy_band(T.vector, x, image, first, band, weight, stride, padding, lines, room)
    filter_band(
        T, N, pointer(room), 0, lines.plane, channels, taps,
        pointer(weight), filters, pointer(last), (band - 1) * lines.step + across, lines.step,
        across, pointer(out), (image * filters * down + first) * across, down * across, spare,
    )  # fmt: skip


@jit
def places_in_place(T, N, x, weight, out, image, first, count, last, spare, room):
    """Compute `count` places of all planes of a 1 x 1 convolution, from `first` on.

    The end of a line, where a tile would read beyond the image, is copied first.
    """
    channels, size = x.shape[1], x.shape[2] * x.shape[3]
    filters = out.shape[1]
    taps = np.zeros(1, np.int64)
    whole = count - count % T.columns
    begin, to = image * channels * size + first, image * filters * size + first
    filter_band(
        T, N, pointer(x), begin, size, channels, taps, pointer(weight), filters,
        pointer(last), whole, size, size, pointer(out), to, size, spare,
    )  # fmt: skip
    if whole == count:
        return
    for c in range(channels):
        for p in range(0, T.columns, T.vector.lanes):
            left = count - whole - p
            v = load_first(T.vector, x, begin + c * size + whole + p, left)
            store(room, c * T.columns + p, v)
    filter_band(
        T, N, pointer(room), 0, T.columns, channels, taps, pointer(weight), filters,
        pointer(last), count - whole, size, size, pointer(out), to + whole, size, spare,
    )  # fmt: skip


@jit(inline="always")
def places_of(T, x):
    """Return how many places of all planes to compute at a time where they are."""
    fitting = BAND_BYTES // max(1, x.shape[1] * x.itemsize)
    return max(T.columns, fitting - fitting % T.columns)


@jit
def convolve(T, N, x, weight, stride, padding, out, image, first, stop):
    """Compute rows `first` to `stop` of the results of one image; `check` has seen the shapes."""
    last, spare = rooms(T, N, x, weight)
    across = out.shape[3]
    if in_place(x, weight, stride, padding):
        room = aligned(x.shape[1] * T.columns, x)
        block = places_of(T, x)
        for place in range(first * across, stop * across, block):
            count = min(block, stop * across - place)
            places_in_place(T, N, x, weight, out, image, place, count, last, spare, room)
        return
    band = min(stop - first, band_of(x, weight, stride, padding, out))
    plane = lines_of(band, x, weight, stride, padding, out).plane
    # A last tile may look at places beyond the last.
    room = aligned(x.shape[1] * plane + T.columns + weight.shape[3], x)
    for row in range(first, stop, band):
        rows_from_copy(
            T, N, x, weight, stride, padding, out, image, row, min(band, stop - row), last,
            spare, room,
        )  # fmt: skip


@jit(inline="always")
def bands_of(batch, rows, flops, threads):
    """Return into how many bands of rows to cut each image, so that every core has work."""
    if threads == 1 or flops < THREADS_PAY_FLOPS:
        return 1
    return min(rows, -(-2 * threads // batch))
