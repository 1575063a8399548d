"""Winograd's convolution of pixels (NHWC, NCHWc): registers of channels, then of filters.

The transformation is that of `accel.kernels.convolution.winograd`. Here the channels of a pixel
lie side by side, so that registers hold one number of a piece for neighbouring channels, and
``B^T d B`` is additions of registers; so is ``A^T M A``, of neighbouring filters. Numbers (i, j)
of all pieces are a matrix of pieces x channels, of all filters one of channels x filters: sixteen
products of matrices, in register tiles of pieces times filters.

Pieces are counted through rows and images, and taken in chunks that fit the cache::

    for each chunk of pieces
      transform the pieces
      for each of sixteen products
        for as many filters as a tile has columns
          for as many pieces as it has rows
            for each channel: outer product into a tile of registers
      transform the products

Both layouts are the same to this code: registers of channels, a fixed distance from one to the
next.

Source
------
Lavin and Gray, "Fast Algorithms for Convolutional Neural Networks", CVPR 2016, section 4.1.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from accel.kernels.convolution.line_copies import aligned, spread
from accel.kernels.convolution.pixels import block_tile_for, wide_tile_for
from accel.kernels.convolution.winograd import SINGLE, SUMMED, sums_of_three, two_rooms
from accel.simd import (
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
    zeros,
)

#: Bytes of transformed pieces and of their products in use at a time.
CHUNK_BYTES = 1 << 20

#: Numbers of a row of a matrix whose rows share too few sets of the first cache.
CROWDED = 256


#: Fewer pieces than this do not repay the transformation of the filters.
PIECES_PAY = 25

#: Fewer channels, or filters, than this do not repay the transformation of pieces, or results.
CHANNELS_PAY = 8


class Images(NamedTuple):
    """Numbers in memory: number k of register g of channels at (i, j) of image b is
    ``data[b * image + g * group + i * row + j * pixel + k]``."""

    data: Any  # typed pointer
    image: int
    group: int
    row: int
    pixel: int
    channels: int
    height: int
    width: int


class Taps(NamedTuple):
    """Weights in memory: that of tap t, channel k of block b and filter f of register g of them
    is ``data[g * group + b * block + t * tap + k * channel + f]``."""

    data: Any  # typed pointer
    group: int
    block: int
    tap: int
    channel: int
    deep: int  # channels of a block
    channels: int
    filters: int


class Matrices(NamedTuple):
    """Sixteen matrices: number (i, j) of matrix e is ``data[e * size + i * step + j]``."""

    data: Any  # typed pointer
    size: int
    step: int


def pays(filters: int, channels: int, pieces: int) -> bool:
    """Tell whether this way is faster than the definition, of filters of 3 x 3 without a stride."""
    return pieces >= PIECES_PAY and channels >= CHANNELS_PAY and filters >= CHANNELS_PAY


@jit(inline="always")
def registers_for(numbers):
    """Return how many registers hold so many numbers."""
    return -(-numbers // SINGLE.lanes)


@jit
def row_of(numbers):
    """Return the length of a matrix's rows: whole registers, not crowded in a cache's sets."""
    whole = registers_for(numbers) * SINGLE.lanes
    return whole + SINGLE.lanes if whole % CROWDED == 0 else whole


@jit
def taps_transformed(taps, columns, like):
    """Return ``G g G^T`` of all filters, and the size of one of sixteen matrices.

    Each is strips of `columns` filters, which hold one row for each channel one after another;
    the last strip has one register less if that is enough. Filters that lack are zeros.
    """
    groups = registers_for(taps.filters)
    size = spread(groups * SINGLE.lanes * taps.channels, like)
    u = aligned(16 * size, like)
    for g in range(groups):
        first = g * SINGLE.lanes
        strip = first // columns * columns
        wide = min(columns, groups * SINGLE.lanes - strip)
        for k in range(taps.channels):
            source = g * taps.group + k // taps.deep * taps.block + k % taps.deep * taps.channel
            to = strip * taps.channels + k * wide + first - strip
            filters_transformed(taps, source, taps.filters - first, pointer(u), to, size)
    return u, size


@jit(inline="always")
def column_of_taps(taps, at, count):
    """Return the four numbers that ``G`` makes of a column of taps, of a register of filters."""
    a = load_first(SINGLE, taps.data, at, count)
    b = load_first(SINGLE, taps.data, at + 3 * taps.tap, count)
    c = load_first(SINGLE, taps.data, at + 6 * taps.tap, count)
    return sums_of_three(a, b, c)


@jit(inline="always")
def store_row_of_taps(u, at, size, numbers):
    """Store the numbers of one row of a transformed filter, of a register of filters."""
    store(u, at, numbers[0])
    store(u, at + size, numbers[1])
    store(u, at + 2 * size, numbers[2])
    store(u, at + 3 * size, numbers[3])


@jit
def filters_transformed(taps, at, count, u, to, size):
    """Transform the weights of one channel for `count` filters, or a register of them."""
    a = column_of_taps(taps, at, count)
    b = column_of_taps(taps, at + taps.tap, count)
    c = column_of_taps(taps, at + 2 * taps.tap, count)
    store_row_of_taps(u, to, size, sums_of_three(a[0], b[0], c[0]))
    store_row_of_taps(u, to + 4 * size, size, sums_of_three(a[1], b[1], c[1]))
    store_row_of_taps(u, to + 8 * size, size, sums_of_three(a[2], b[2], c[2]))
    store_row_of_taps(u, to + 12 * size, size, sums_of_three(a[3], b[3], c[3]))


@jit(inline="always")
def down_transformed(x, at):
    """Return what ``B^T`` makes of a column of a piece that lies within the image."""
    a, b = load(SINGLE, x.data, at), load(SINGLE, x.data, at + x.row)
    c, d = load(SINGLE, x.data, at + 2 * x.row), load(SINGLE, x.data, at + 3 * x.row)
    return a - c, b + c, c - b, b - d


@jit(inline="always")
def number_or_zeros(x, at, row, count):
    """Load `count` channels of a pixel, or zeros where there is no such row."""
    return load_first(SINGLE, x.data, at, count) if 0 <= row < x.height else zeros(SINGLE)


@jit
def down_transformed_at_edge(x, at, top, column, count):
    """Return what ``B^T`` makes of a column of a piece, with zeros beyond the image."""
    own = count if 0 <= column < x.width else 0
    a = number_or_zeros(x, at, top, own)
    b = number_or_zeros(x, at + x.row, top + 1, own)
    c = number_or_zeros(x, at + 2 * x.row, top + 2, own)
    d = number_or_zeros(x, at + 3 * x.row, top + 3, own)
    return a - c, b + c, c - b, b - d


@jit(inline="always")
def store_across(v, to, a, b, c, d):
    """Transform a row of a piece from left to right, and store its four numbers."""
    store(v.data, to, a - c)
    store(v.data, to + v.size, b + c)
    store(v.data, to + 2 * v.size, c - b)
    store(v.data, to + 3 * v.size, b - d)


@jit(inline="always")
def store_piece(v, to, a, b, c, d):
    """Store ``B^T d B`` of a piece, given the columns of ``B^T d``."""
    store_across(v, to, a[0], b[0], c[0], d[0])
    store_across(v, to + 4 * v.size, a[1], b[1], c[1], d[1])
    store_across(v, to + 8 * v.size, a[2], b[2], c[2], d[2])
    store_across(v, to + 12 * v.size, a[3], b[3], c[3], d[3])


@jit
def pieces_transformed(x, padding, down, across, first, stop, v):
    """Store ``B^T d B`` of pieces `first` to `stop`, one row of the matrices for each piece.

    Pieces are counted through images, of which each has `down` x `across`.
    """
    lanes, step = SINGLE.lanes, x.pixel
    whole = x.channels - x.channels % lanes
    for p in range(first, stop):
        image, row, column = p // (down * across), p // across % down, p % across
        top, left = 2 * row - padding, 2 * column - padding
        begin = image * x.image + top * x.row + left * step
        to = (p - first) * v.step
        done = 0
        if top >= 0 and left >= 0 and top + 4 <= x.height and left + 4 <= x.width:
            done = whole
            for c in range(0, whole, lanes):
                at = begin + c // lanes * x.group
                store_piece(
                    v, to + c, down_transformed(x, at), down_transformed(x, at + step),
                    down_transformed(x, at + 2 * step), down_transformed(x, at + 3 * step),
                )  # fmt: skip
        for c in range(done, x.channels, lanes):
            at, count = begin + c // lanes * x.group, min(lanes, x.channels - c)
            store_piece(
                v, to + c, down_transformed_at_edge(x, at, top, left, count),
                down_transformed_at_edge(x, at + step, top, left + 1, count),
                down_transformed_at_edge(x, at + 2 * step, top, left + 2, count),
                down_transformed_at_edge(x, at + 3 * step, top, left + 3, count),
            )  # fmt: skip


@jit
def strip_of_products(T, v, a, count, channels, u, b, m, to):
    """Multiply `count` pieces by a strip of filters, for one of sixteen products.

    Sums over many channels are sums of sums over `SUMMED`, whose errors are smaller.
    """
    for p in range(0, count, T.rows):
        for first in range(0, channels, SUMMED):
            tile = tile_zeros(T)
            w = b + first * T.columns
            for k in range(first, min(first + SUMMED, channels)):
                tile = tile_outer_fma(tile, v.data, a + p * v.step + k, v.step, u, w)
                w += T.columns
            if first == 0:
                tile_store(tile, m.data, to + p * m.step, m.step)
            else:
                tile_accumulate(tile, m.data, to + p * m.step, m.step)


@jit
def products(T, N, v, count, channels, u, size, filters, m):
    """Multiply sixteen times: a matrix of pieces x channels by one of channels x filters."""
    whole = registers_for(filters) * N.columns
    for e in range(16):
        for f in range(0, whole, T.columns):
            a, b, to = e * v.size, e * size + f * channels, e * m.size + f
            if whole - f > N.columns:
                strip_of_products(T, v, a, count, channels, u, b, m, to)
            else:
                strip_of_products(N, v, a, count, channels, u, b, m, to)


@jit(inline="always")
def upper_and_lower(m, at):
    """Return the upper and the lower number of a column of products."""
    a, b = load(SINGLE, m.data, at), load(SINGLE, m.data, at + 4 * m.size)
    c, d = load(SINGLE, m.data, at + 8 * m.size), load(SINGLE, m.data, at + 12 * m.size)
    return a + b + c, b - c - d


@jit(inline="always")
def store_pair(out, at, first, second, both_columns, count):
    """Store two neighbouring results of a register of filters, or the first."""
    store_first(out.data, at, first, count)
    if both_columns:
        store_first(out.data, at + out.pixel, second, count)


@jit
def results_transformed(m, down, across, first, stop, out):
    """Store ``A^T M A`` of pieces `first` to `stop`: up to 2 x 2 results of each."""
    lanes = SINGLE.lanes
    for p in range(first, stop):
        image, i, j = p // (down * across), 2 * (p // across % down), 2 * (p % across)
        begin = image * out.image + i * out.row + j * out.pixel
        both_rows, both_columns = i + 1 < out.height, j + 1 < out.width
        for f in range(0, out.channels, lanes):
            at = (p - first) * m.step + f
            a, a_low = upper_and_lower(m, at)
            b, b_low = upper_and_lower(m, at + m.size)
            c, c_low = upper_and_lower(m, at + 2 * m.size)
            d, d_low = upper_and_lower(m, at + 3 * m.size)
            to, count = begin + f // lanes * out.group, out.channels - f
            store_pair(out, to, a + b + c, b - c - d, both_columns, count)
            if both_rows:
                low, next_low = a_low + b_low + c_low, b_low - c_low - d_low
                store_pair(out, to + out.row, low, next_low, both_columns, count)


@jit
def chunk_of(T, x, out, pieces, itemsize):
    """Return how many pieces to transform at a time: whole tiles, as many in each chunk."""
    fitting = CHUNK_BYTES // (16 * itemsize * (x.channels + out.channels))
    fitting = max(1, fitting // T.rows) * T.rows
    chunks = max(1, -(-pieces // fitting))
    return -(-pieces // (chunks * T.rows)) * T.rows


@jit
def pieces_of(out):
    """Return how many pieces an image has from top to bottom, and from left to right."""
    return (out.height + 1) // 2, (out.width + 1) // 2


@jit
def chunk_of_pieces(x, u, size, padding, out, first, stop, v, m):
    """Compute the results of pieces `first` to `stop`; `u`, `v` and `m` are arrays."""
    down, across = pieces_of(out)
    v_step, m_step = row_of(x.channels), row_of(out.channels)
    pieces = Matrices(pointer(v), v.size // 16, v_step)
    sums = Matrices(pointer(m), m.size // 16, m_step)
    T, N = wide_tile_for(v), block_tile_for(v)
    pieces_transformed(x, padding, down, across, first, stop, pieces)
    products(T, N, pieces, stop - first, x.channels, pointer(u), size, out.channels, sums)
    results_transformed(sums, down, across, first, stop, out)


@jit
def winograd_band(x, u, size, padding, out, batch, band, bands):
    """Compute one of `bands` bands of the pieces of `batch` images, in chunks.

    `x` and `out` are `Images`; `u` and `size` come from `taps_transformed`, with the columns of
    `wide_tile_for`.
    """
    T, N = wide_tile_for(u), block_tile_for(u)
    down, across = pieces_of(out)
    pieces = batch * down * across
    tiles = -(-pieces // T.rows)  # bands of whole tiles, but for the last
    first = band * tiles // bands * T.rows
    stop = min((band + 1) * tiles // bands * T.rows, pieces)
    chunk = chunk_of(T, x, out, stop - first, u.itemsize)
    # A last tile multiplies rows beyond the last, and keeps the products there.
    rows = -(-chunk // N.rows) * N.rows
    v_size, m_size = spread(rows * row_of(x.channels), u), spread(rows * row_of(out.channels), u)
    v, m = two_rooms(16 * v_size, 16 * m_size, u)
    for p in range(first, stop, max(1, chunk)):
        chunk_of_pieces(x, u, size, padding, out, p, min(p + chunk, stop), v, m)
