"""One matrix into its transpose, a square of registers at a time.

As many registers as one has lanes hold a square; a network of shuffles turns it around
without a trip through memory. Each register is a whole line or half of one, so lines are
read and written whole, wherever they are. Where all is too large for the caches, results
are written past them: a common store to a line that is not there fetches it first, to
overwrite it, a third of the traffic of a copy.

Everything as in `accel.kernels.layout.moves`, and the functions for the common compiler:
nothing is checked here.

Source
------
Frigo, Leiserson, Prokop and Ramachandran, "Cache-oblivious algorithms", *FOCS* (1999),
section 3, for what a transpose costs at least. AMD, *Software Optimization Guide for the AMD
Zen4 Microarchitecture*, section on write combining, for whole lines.
"""

from __future__ import annotations

from numba.extending import overload

from accel.kernels.activation import register_for
from accel.kernels.layout.slim import SPELLED_OUT, put_together, taken_apart
from accel.kernels.layout.slim_streams import put_together_streaming, taken_apart_streaming
from accel.simd import (
    Tile,
    elements_to_alignment,
    fence,
    jit,
    prefetch,
    store_streaming,
    tile_get,
    tile_load,
    tile_load_first,
    tile_store,
    tile_store_first,
    tile_transpose,
    vector,
)

#: Bytes read and written from which on an operation writes past the caches.
STREAM_FROM = 1 << 23

#: Rows of a panel that is walked over column by column while it is written past the caches:
#: some lines of each row of `out` one after the other, from not too many rows of `x`.
PANEL = 128

#: Lines to ask for ahead in each row: too short a run for the processor to guess.
AHEAD = 8


def square_for(x):
    """Return the token of a square tile for the elements of `x`, in compiled code."""
    token = vector(x.dtype)
    return Tile(token, token.lanes, 1)


@overload(square_for)
def _square_for(x):
    token = vector(x.dtype.name)
    tile = Tile(token, token.lanes, 1)
    return lambda x: tile


@jit
def by_registers(x, at, step, out, to, out_step, rows, columns, filled, streaming):
    """Transpose a matrix in the best way there is for its shape.

    Each row of `out` gets `filled` elements: those beyond `rows` are zeros.
    """
    lanes = register_for(x).lanes
    if rows == filled and 1 < columns <= SPELLED_OUT and step == columns:
        if streaming and rows >= 2 * lanes:
            taken_apart_streaming(x, at, columns, out, to, out_step, rows)
        else:
            taken_apart(x, at, columns, out, to, out_step, rows)
    elif rows == filled and 1 < rows <= SPELLED_OUT and out_step == rows:
        if streaming and columns >= 2 * lanes:
            put_together_streaming(x, at, step, out, to, rows, columns)
        else:
            put_together(x, at, step, out, to, rows, columns)
    elif rows == filled and min(rows, columns) >= lanes:
        if streaming and out_step % lanes == 0:
            past_the_caches(x, at, step, out, to, out_step, rows, columns)
        else:
            by_squares(x, at, step, out, to, out_step, rows, columns)
    else:
        by_corners(x, at, step, out, to, out_step, rows, columns, filled)


@jit
def by_squares(x, at, step, out, to, out_step, rows, columns):
    """Transpose square by square, those at the far edges moved back until they fit."""
    T = square_for(x)
    for j0 in range(0, columns, T.rows):
        j = min(j0, columns - T.rows)
        for i0 in range(0, rows, T.rows):
            i = min(i0, rows - T.rows)
            square = tile_transpose(tile_load(T, x, at + i * step + j, step))
            tile_store(square, out, to + j * out_step + i, out_step)


@jit
def by_corners(x, at, step, out, to, out_step, rows, columns, filled):
    """Transpose squares of which only a corner may be there; zeros up to `filled`."""
    T = square_for(x)
    for j in range(0, columns, T.rows):
        for i in range(0, filled, T.rows):
            square = tile_load_first(T, x, at + i * step + j, step, rows - i, columns - j)
            place = to + j * out_step + i
            square = tile_transpose(square)
            tile_store_first(square, out, place, out_step, columns - j, filled - i)


@jit
def past_the_caches(x, at, step, out, to, out_step, rows, columns):
    """Transpose square by square, and write lines that nobody fetches first.

    For rows of `out` that are whole lines apart. Where the first line begins, squares
    begin; the rows of `x` before that, and those after the last, are transposed as usual.
    """
    T = square_for(x)
    first = elements_to_alignment(T.vector, out, to)
    last = first + (rows - first) // T.rows * T.rows
    wide = columns // T.rows * T.rows
    for i0 in range(first, last, PANEL):
        for j in range(0, wide, T.rows):
            for i in range(i0, min(last, i0 + PANEL), T.rows):
                start = at + i * step + j
                for r in range(T.rows):
                    prefetch(x, start + r * step + AHEAD * T.rows)
                square = tile_transpose(tile_load(T, x, start, step))
                stream(square, out, to + j * out_step + i, out_step)
    fence()
    if first > 0:
        by_squares(x, at, step, out, to, out_step, T.rows, columns)
    if last < rows:
        tail = rows - T.rows
        by_squares(x, at + tail * step, step, out, to + tail, out_step, T.rows, columns)
    if wide < columns and last > first:
        left = columns - T.rows
        by_squares(
            x, at + first * step + left, step,
            out, to + left * out_step + first, out_step, last - first, T.rows,
        )  # fmt: skip


def stream(square, out, i, stride):
    """Write the rows of a square tile past the caches, in compiled code."""
    raise NotImplementedError("stream: exists in compiled code only")


@overload(stream, inline="always")
def _stream(square, out, i, stride):
    return {4: _stream_4, 8: _stream_8, 16: _stream_16}[square.token.rows]


def _stream_4(square, out, i, stride):
    store_streaming(out, i, tile_get(square, 0, 0))
    store_streaming(out, i + stride, tile_get(square, 1, 0))
    store_streaming(out, i + 2 * stride, tile_get(square, 2, 0))
    store_streaming(out, i + 3 * stride, tile_get(square, 3, 0))


def _stream_8(square, out, i, stride):
    store_streaming(out, i, tile_get(square, 0, 0))
    store_streaming(out, i + stride, tile_get(square, 1, 0))
    store_streaming(out, i + 2 * stride, tile_get(square, 2, 0))
    store_streaming(out, i + 3 * stride, tile_get(square, 3, 0))
    store_streaming(out, i + 4 * stride, tile_get(square, 4, 0))
    store_streaming(out, i + 5 * stride, tile_get(square, 5, 0))
    store_streaming(out, i + 6 * stride, tile_get(square, 6, 0))
    store_streaming(out, i + 7 * stride, tile_get(square, 7, 0))


def _stream_16(square, out, i, stride):
    store_streaming(out, i, tile_get(square, 0, 0))
    store_streaming(out, i + stride, tile_get(square, 1, 0))
    store_streaming(out, i + 2 * stride, tile_get(square, 2, 0))
    store_streaming(out, i + 3 * stride, tile_get(square, 3, 0))
    store_streaming(out, i + 4 * stride, tile_get(square, 4, 0))
    store_streaming(out, i + 5 * stride, tile_get(square, 5, 0))
    store_streaming(out, i + 6 * stride, tile_get(square, 6, 0))
    store_streaming(out, i + 7 * stride, tile_get(square, 7, 0))
    store_streaming(out, i + 8 * stride, tile_get(square, 8, 0))
    store_streaming(out, i + 9 * stride, tile_get(square, 9, 0))
    store_streaming(out, i + 10 * stride, tile_get(square, 10, 0))
    store_streaming(out, i + 11 * stride, tile_get(square, 11, 0))
    store_streaming(out, i + 12 * stride, tile_get(square, 12, 0))
    store_streaming(out, i + 13 * stride, tile_get(square, 13, 0))
    store_streaming(out, i + 14 * stride, tile_get(square, 14, 0))
    store_streaming(out, i + 15 * stride, tile_get(square, 15, 0))
