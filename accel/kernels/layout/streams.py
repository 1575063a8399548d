"""Squares of registers past the caches: lines that nobody fetches before they are written.

A common store to a line that is not in the cache fetches it first, to overwrite it, a third
of the traffic of a copy. A streaming store does not, but wants whole lines where they begin.
Rows of `out` that are whole lines apart offer that to every square. Where they are not, the
lines of neighbouring rows begin at different rows of `x`, and squares go to a buffer first.

Everything as in `accel.kernels.layout.moves`: nothing is checked here.

Source
------
AMD, *Software Optimization Guide for the AMD Zen4 Microarchitecture*, section on write
combining: streaming stores of whole lines.
"""

from __future__ import annotations

import numpy as np
from numba.extending import overload

from accel.simd import (
    Tile,
    elements_to_alignment,
    fence,
    jit,
    load,
    prefetch,
    store_streaming,
    tile_get,
    tile_load,
    tile_store,
    tile_transpose,
    vector,
)

#: Rows of a panel that is walked over column by column while it is written past the caches:
#: some lines of each row of `out` one after the other, from not too many rows of `x`.
PANEL = 128

#: The same through a buffer, where the ends of a panel are read twice.
LONG_PANEL = 256

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
def past_the_caches(x, at, step, out, to, out_step, first, last, wide):
    """Transpose rows from `first` to `last`, `wide` columns, into lines nobody fetches."""
    T = square_for(x)
    for i0 in range(first, last, PANEL):
        for j in range(0, wide, T.rows):
            for i in range(i0, min(last, i0 + PANEL), T.rows):
                start = at + i * step + j
                for r in range(T.rows):
                    prefetch(x, start + r * step + AHEAD * T.rows)
                square = tile_transpose(tile_load(T, x, start, step))
                stream(square, out, to + j * out_step + i, out_step)
    fence()


@jit
def past_the_caches_by_buffer(x, at, step, out, to, out_step, count, wide):
    """Transpose `wide` columns, in each `count` rows from the first line of `out` on.

    A line of `out` that begins at row h of `x` ends before row ``h + lanes``: of each panel
    a square more is turned than is written. ``count + lanes`` rows must be there.
    """
    T = square_for(x)
    V, lanes = T.vector, T.rows
    pitch = LONG_PANEL + 2 * lanes  # no power of two, so that rows do not collide
    buffer = np.empty(lanes * (pitch + 1), x.dtype)
    begin = elements_to_alignment(V, buffer, 0)
    for i0 in range(0, count, LONG_PANEL):
        high = min(LONG_PANEL, count - i0)
        for j in range(0, wide, lanes):
            for i in range(0, high + lanes, lanes):
                start = at + (i0 + i) * step + j
                for r in range(lanes):
                    prefetch(x, start + r * step + AHEAD * lanes)
                square = tile_transpose(tile_load(T, x, start, step))
                tile_store(square, buffer, begin + i, pitch)
            for r in range(lanes):
                place = to + (j + r) * out_step + i0
                first = elements_to_alignment(V, out, place)
                for k in range(first, first + high, lanes):
                    store_streaming(out, place + k, load(V, buffer, begin + r * pitch + k))
    fence()


def stream(square, out, i, stride):
    """Write the rows of a square tile past the caches, in compiled code."""
    raise NotImplementedError("stream: exists in compiled code only")


@overload(stream, inline="always")
def _stream(square, out, i, stride):
    return {2: _stream_2, 4: _stream_4, 8: _stream_8, 16: _stream_16}[square.token.rows]


def _stream_2(square, out, i, stride):
    store_streaming(out, i, tile_get(square, 0, 0))
    store_streaming(out, i + stride, tile_get(square, 1, 0))


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
