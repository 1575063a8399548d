"""Convolution with fewer multiplications: Winograd's way for filters of 3 x 3.

Four results that lie together, 2 x 2, need 36 multiplications by the definition and 16 by
polynomial interpolation. A piece `d` of 4 x 4 numbers of the image and a filter `g` are
transformed by additions (and halves, for the filter), multiplied number by number, and the
products, added up over the channels, transformed back::

    V = B^T d B     U = G g G^T     Y = A^T (sum over channels of U * V) A

For all pieces and filters, number (i, j) of these is a product of matrices, filters x channels
times channels x pieces: sixteen such products, in register tiles. 2.25 times fewer
multiplications than by the definition are left.

Sums are formed in another order, and numbers of a piece meet results of the same piece that
the definition keeps apart: the error is relative to the largest number of a piece, not to what
one filter position sees. With infinities and NaN the differences of `B` would give NaN in all
four results; so results that are not finite are computed again, by the definition.

Source
------
Lavin and Gray, "Fast Algorithms for Convolutional Neural Networks", CVPR 2016, sections 4.1 and
5. Winograd, *Arithmetic Complexity of Computations*, SIAM (1980).
"""

from __future__ import annotations

import numpy as np

from accel.kernels.convolution.line_copies import aligned, columns_inside, spread
from accel.kernels.convolution.lines import narrow_for, wide_for
from accel.simd import (
    bitcast,
    convert,
    horizontal_sum,
    jit,
    load,
    load_first,
    load_masked,
    pointer,
    store,
    store_first,
    tile_accumulate,
    tile_outer_fma,
    tile_store,
    tile_zeros,
    vector,
    zeros,
)

#: Bytes of transformed pieces in use at a time: with as many of products, in the last cache.
CHUNK_BYTES = 1 << 20

#: Fewer pieces than this do not repay the transformation of the filters.
PIECES_PAY = 40

#: Fewer channels, or filters, than this do not repay the transformation of pieces, or results.
CHANNELS_PAY = 16

#: Channels to add up in one go.
SUMMED = 32

SINGLE = vector("float32")
DOUBLE = vector("float32", 2 * SINGLE.lanes)
PAIRS = vector("uint64", SINGLE.lanes)
HALVES = vector("uint32", SINGLE.lanes)


def pays(weight_shape, out_shape, stride: int) -> bool:
    """Tell whether this way is open, and faster than the definition."""
    filters, channels, rows, columns = weight_shape
    pieces = out_shape[0] * (out_shape[2] // 2) * (out_shape[3] // 2)
    return (
        (rows, columns, stride) == (3, 3, 1)
        and min(filters, channels) >= CHANNELS_PAY
        and pieces >= PIECES_PAY
    )


@jit(inline="always")
def even(x):
    """Return every second number of a double register, from the first on."""
    return bitcast(SINGLE, convert(HALVES, bitcast(PAIRS, x)))


@jit(inline="always")
def odd(x):
    """Return every second number of a double register, from the second on."""
    return bitcast(SINGLE, convert(HALVES, bitcast(PAIRS, x) >> 32))


@jit(inline="always")
def joined(x, y):
    """Return a double register with the numbers of two in turn."""
    low = convert(PAIRS, bitcast(HALVES, x))
    high = convert(PAIRS, bitcast(HALVES, y)) << 32
    return bitcast(DOUBLE, low | high)


@jit
def filters_transformed(rows, weight):
    """Return ``G g G^T`` of all filters: [16][filters][channels], and the size of one of sixteen.

    Filters that lack to a multiple of `rows` are zeros.
    """
    filters, channels = weight.shape[:2]
    whole = -(-filters // rows) * rows
    size = spread(whole * channels, weight)
    u = aligned(16 * size, weight)
    taps = np.zeros(9 * SINGLE.lanes, np.float32)
    flat = weight.reshape(-1)
    for f in range(filters):
        for c in range(0, channels, SINGLE.lanes):
            count = min(SINGLE.lanes, channels - c)
            own = flat[9 * (f * channels + c) : 9 * (f * channels + c + count)]
            for lane in range(count):
                for t in range(9):
                    taps[t * SINGLE.lanes + lane] = own[9 * lane + t]
            filters_of_channels(taps, u, size, f * channels + c, count)
    for e in range(16):
        u[e * size + filters * channels : e * size + whole * channels] = 0
    return u, size


@jit(inline="always")
def sums_of_three(a, b, c):
    """Return the four numbers that ``G`` makes of three."""
    middle = (a + c) * np.float32(0.5)
    half = b * np.float32(0.5)
    return a, middle + half, middle - half, c


@jit(inline="always")
def three_taps(taps, column):
    """Return the taps of a column, of as many channels as a register holds."""
    step = SINGLE.lanes
    at = column * step
    return (
        load(SINGLE, taps, at),
        load(SINGLE, taps, at + 3 * step),
        load(SINGLE, taps, at + 6 * step),
    )


@jit(inline="always")
def store_four(u, at, size, numbers, count):
    """Store the numbers of one row of a transformed filter, of `count` channels."""
    for j in range(4):
        store_first(u, at + j * size, numbers[j], count)


@jit
def filters_of_channels(taps, u, size, at, count):
    """Transform a filter for `count` channels, a register: first down, then across."""
    a0, a1, a2 = three_taps(taps, 0)
    b0, b1, b2 = three_taps(taps, 1)
    c0, c1, c2 = three_taps(taps, 2)
    a, b, c = sums_of_three(a0, a1, a2), sums_of_three(b0, b1, b2), sums_of_three(c0, c1, c2)
    store_four(u, at, size, sums_of_three(a[0], b[0], c[0]), count)
    store_four(u, at + 4 * size, size, sums_of_three(a[1], b[1], c[1]), count)
    store_four(u, at + 8 * size, size, sums_of_three(a[2], b[2], c[2]), count)
    store_four(u, at + 12 * size, size, sums_of_three(a[3], b[3], c[3]), count)


@jit(inline="always")
def row_or_zeros(x, at, row, height, mask):
    """Load numbers of a row, or zeros where there is no such row."""
    return load_masked(DOUBLE, x, at, mask) if 0 <= row < height else zeros(DOUBLE)


@jit(inline="always")
def across_transformed(first, second, v, at, size):
    """Transform rows of pieces from left to right, and store their four numbers."""
    a, b, c, d = even(first), odd(first), even(second), odd(second)
    store(v, at, a - c)
    store(v, at + size, b + c)
    store(v, at + 2 * size, c - b)
    store(v, at + 3 * size, b - d)


@jit
def pieces_transformed(x, plane, height, width, top, padding, across, v, at, size):
    """Store ``B^T d B`` of one row of pieces of one channel.

    Registers hold one number of each of neighbouring pieces, which lie two columns apart. The
    last may store beyond the row: what comes next is stored later.
    """
    for j in range(0, across, SINGLE.lanes):
        column = 2 * j - padding
        near = columns_inside(DOUBLE, column, width)
        far = columns_inside(DOUBLE, column + 2, width)
        place = plane + top * width + column
        a = row_or_zeros(x, place, top, height, near)
        b = row_or_zeros(x, place + width, top + 1, height, near)
        c = row_or_zeros(x, place + 2 * width, top + 2, height, near)
        d = row_or_zeros(x, place + 3 * width, top + 3, height, near)
        a2 = row_or_zeros(x, place + 2, top, height, far)
        b2 = row_or_zeros(x, place + width + 2, top + 1, height, far)
        c2 = row_or_zeros(x, place + 2 * width + 2, top + 2, height, far)
        d2 = row_or_zeros(x, place + 3 * width + 2, top + 3, height, far)
        across_transformed(a - c, a2 - c2, v, at + j, size)
        across_transformed(b + c, b2 + c2, v, at + j + 4 * size, size)
        across_transformed(c - b, c2 - b2, v, at + j + 8 * size, size)
        across_transformed(b - d, b2 - d2, v, at + j + 12 * size, size)


@jit(inline="always")
def product_tile(T, u, a, channels, first, stop, v, b, step, m, to):
    """Multiply for channels `first` to `stop`, and store the tile, or add it to those before."""
    tile = tile_zeros(T)
    b += first * step
    for c in range(first, stop):
        tile = tile_outer_fma(tile, u, a + c, channels, v, b)
        b += step
    if first == 0:
        tile_store(tile, m, to, step)
    else:
        tile_accumulate(tile, m, to, step)


@jit
def products(T, N, u, u_size, v, v_size, m, m_size, channels, filters, count, step):
    """Multiply sixteen times: a matrix of filters x channels by one of channels x pieces.

    Sums over many channels are sums of sums over `SUMMED`, whose errors are smaller.
    """
    for e in range(16):
        for f in range(0, filters, T.rows):
            for p in range(0, count, T.columns):
                a, b = e * u_size + f * channels, e * v_size + p
                to = e * m_size + f * step + p
                for first in range(0, channels, SUMMED):
                    stop = min(first + SUMMED, channels)
                    if count - p > N.columns:
                        product_tile(T, u, a, channels, first, stop, v, b, step, m, to)
                    else:
                        product_tile(N, u, a, channels, first, stop, v, b, step, m, to)


@jit(inline="always")
def down_transformed(m, at, size):
    """Return the upper and the lower number of a column of products."""
    a, b = load(SINGLE, m, at), load(SINGLE, m, at + 4 * size)
    c, d = load(SINGLE, m, at + 8 * size), load(SINGLE, m, at + 12 * size)
    return a + b + c, b - c - d


@jit
def results_transformed(m, at, size, across, out, to, width, both_rows):
    """Store ``A^T M A`` of one row of pieces of one filter: two rows of results, or one."""
    for j in range(0, across, SINGLE.lanes):
        a, a_low = down_transformed(m, at + j, size)
        b, b_low = down_transformed(m, at + j + size, size)
        c, c_low = down_transformed(m, at + j + 2 * size, size)
        d, d_low = down_transformed(m, at + j + 3 * size, size)
        left = width - 2 * j
        store_first(out, to + 2 * j, joined(a + b + c, b - c - d), left)
        if both_rows:
            low = joined(a_low + b_low + c_low, b_low - c_low - d_low)
            store_first(out, to + width + 2 * j, low, left)


@jit
def chunk_of(x, out):
    """Return how many rows of pieces to transform at a time, of all images together."""
    across = (out.shape[3] + 1) // 2
    rows = x.shape[0] * ((out.shape[2] + 1) // 2)
    fitting = max(1, CHUNK_BYTES // max(1, 16 * x.shape[1] * x.itemsize * across))
    chunks = -(-rows // fitting)
    return -(-rows // chunks)


@jit
def rows_of_pieces(x, u, u_size, padding, out, first, stop, v, v_size, m, m_size, step):
    """Compute rows `first` to `stop` of pieces, counted over all images."""
    T, N = wide_for(x), narrow_for(x)
    channels, height, width = x.shape[1:]
    filters, down, wide = out.shape[1:]
    across, rows = (wide + 1) // 2, (down + 1) // 2
    source, to_v = pointer(x), pointer(v)
    for c in range(channels):
        for g in range(first, stop):
            plane = (g // rows * channels + c) * height * width
            at = c * step + (g - first) * across
            top = 2 * (g % rows) - padding
            pieces_transformed(source, plane, height, width, top, padding, across, to_v, at, v_size)
    count = (stop - first) * across
    products(
        T, N, pointer(u), u_size, to_v, v_size, pointer(m), m_size, channels, filters, count, step
    )
    from_m, target = pointer(m), pointer(out)
    for f in range(filters):
        for g in range(first, stop):
            row = 2 * (g % rows)
            to = ((g // rows * filters + f) * down + row) * wide
            at = f * step + (g - first) * across
            results_transformed(from_m, at, m_size, across, target, to, wide, row + 1 < down)


@jit
def two_rooms(first, second, like):
    """Allocate two rooms in one piece, the first a whole number of cache lines.

    One piece, because the C library's `malloc` may return the memory to the operating system
    when what is free exceeds twice the largest piece so far: two pieces of one size would be
    fetched anew, page by page, in every call.
    """
    room = aligned(first + second, like)
    return room[:first], room[first:]


@jit
def winograd_rows(x, u, u_size, padding, out, first, stop):
    """Compute rows `first` to `stop` of pieces, counted over all images, in chunks."""
    T = wide_for(x)
    channels, filters = x.shape[1], out.shape[1]
    across = (out.shape[3] + 1) // 2
    chunk = min(chunk_of(x, out), stop - first)
    # Rows of the matrices a whole number of tiles long, for tiles that end beyond the last.
    step = spread(-(-chunk * across // T.columns) * T.columns, x)
    bands = -(-filters // T.rows) * T.rows
    v_size, m_size = spread(channels * step, x), spread(bands * step, x)
    v, m = two_rooms(16 * v_size + T.columns, 16 * m_size + T.columns, x)
    for row in range(first, stop, max(1, chunk)):
        rows_of_pieces(
            x, u, u_size, padding, out, row, min(row + chunk, stop), v, v_size, m, m_size, step
        )


@jit
def all_finite(x):
    """Tell whether every number is finite: then the difference from itself is zero."""
    numbers = pointer(x)
    a, b = zeros(SINGLE), zeros(SINGLE)
    for i in range(0, x.size, 2 * SINGLE.lanes):
        left = load_first(SINGLE, numbers, i, x.size - i)
        right = load_first(SINGLE, numbers, i + SINGLE.lanes, x.size - i - SINGLE.lanes)
        a += left - left
        b += right - right
    return horizontal_sum(a + b) == 0
