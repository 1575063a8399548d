"""One matrix into its transpose, a square of registers at a time.

As many registers as one has lanes hold a square; a network of shuffles turns it around
without a trip through memory. Each register is a whole line or half of one, so lines are
read and written whole, wherever they are. `by_registers` chooses for each shape: squares,
corners of them, `few` of their rows, the shuffles of `slim` where a matrix is slim, runs
where rows are in `collisions`, and the ways past the caches of `streams`, `pieces` and
`slim_streams` where arrays are too large for them.

Everything as in `accel.kernels.layout.moves`: nothing is checked here.

Source
------
Frigo, Leiserson, Prokop and Ramachandran, "Cache-oblivious algorithms", *FOCS* (1999),
section 3: what a transpose costs at least.
"""

from __future__ import annotations

import numpy as np

from accel.kernels.activation import register_for
from accel.kernels.layout.collisions import by_runs, collide
from accel.kernels.layout.few import FEW, few_columns, few_rows, reaches
from accel.kernels.layout.pieces import in_one_piece
from accel.kernels.layout.slim import SPELLED_OUT, put_together, taken_apart
from accel.kernels.layout.slim_streams import (
    put_together_streaming,
    taken_apart_streaming,
)
from accel.kernels.layout.streams import (
    past_the_caches,
    past_the_caches_by_buffer,
    square_for,
)
from accel.simd import (
    elements_to_alignment,
    fence,
    jit,
    load,
    load_first,
    prefetch,
    store,
    store_first,
    tile_load,
    tile_store,
    tile_transpose,
    zeros,
)

#: Bytes read and written from which on an operation writes past the caches.
STREAM_FROM = 1 << 23

#: Bytes of a small matrix, one of many: its rows are too short a run for the processor to
#: guess what comes next, and there is room in the caches for the one after it.
NEXT_BYTES = 1 << 17

#: Registers in a row of `out` from which on it is worth a way past the caches whose ends are
#: written as usual.
LONG = 32


@jit
def by_registers(x, at, step, out, to, out_step, rows, columns, filled, streaming):
    """Transpose a matrix in the best way there is for its shape.

    Each row of `out` gets `filled` elements: those beyond `rows` are zeros.
    """
    buffer = room(out) if streaming else out  # none is needed
    one_of_many(x, at, step, out, to, out_step, rows, columns, filled, streaming, buffer)
    if streaming:
        fence()


@jit
def room(x):
    """Return the buffer that `one_of_many` works in."""
    lanes = register_for(x).lanes
    return np.empty(lanes * (LONG * lanes + 4), x.dtype)


@jit
def one_of_many(x, at, step, out, to, out_step, rows, columns, filled, streaming, buffer):
    """As `by_registers`, but where it is streaming the caller has to `fence` at the end.

    A fence waits until all that was written has arrived, which for each of many small
    matrices takes longer than the rest. `buffer` is a `room`, for streaming alone.
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
        _by_squares(x, at, step, out, to, out_step, rows, columns, streaming, buffer)
    elif 0 < rows <= FEW and rows < filled == lanes <= columns:
        if streaming and out_step == lanes:
            in_one_piece(x, at, step, out, to, rows, columns, filled, buffer)
        else:
            few_rows(x, at, step, out, to, out_step, rows, columns)
    elif 0 < columns <= min(FEW, lanes) and rows == filled and reaches(x, at, step, rows):
        few_columns(x, at, step, out, to, out_step, rows, columns)
    else:
        by_corners(x, at, step, out, to, out_step, rows, columns, filled)


@jit
def _by_squares(x, at, step, out, to, out_step, rows, columns, streaming, buffer):
    """Transpose square by square, past the caches if asked to; the edges as usual.

    Edges are squares too, moved back over what is done: stores under a mask would touch less,
    and each would wait for its line.
    """
    lanes = register_for(x).lanes
    first = elements_to_alignment(register_for(x), out, to)
    top, bottom, right = 0, rows, 0  # rows and columns that are still to be done
    wide = columns // lanes * lanes
    if streaming and out_step == rows and rows < LONG * lanes:
        in_one_piece(x, at, step, out, to, rows, columns, rows, buffer)
        return
    if rows >= 4 * lanes and collide(step, out_step, rows, columns, x.itemsize):
        by_runs(x, at, step, out, to, out_step, rows // lanes * lanes - lanes, wide)
        top, bottom, right = lanes, 2 * lanes, lanes if wide < columns else 0
    elif streaming and out_step % lanes == 0 and (first == 0 or rows >= LONG * lanes):
        last = first + (rows - first) // lanes * lanes
        past_the_caches(x, at, step, out, to, out_step, first, last, wide)
        top, bottom = lanes if first > 0 else 0, lanes if last < rows else 0
        right = lanes if wide < columns else 0
    elif streaming and rows >= LONG * lanes:
        count = rows // lanes * lanes - lanes
        past_the_caches_by_buffer(x, at, step, out, to, out_step, count, wide)
        top, bottom, right = lanes, 2 * lanes, lanes if wide < columns else 0
    small = streaming and rows * step * x.itemsize <= NEXT_BYTES
    next_x, next_out = (rows * step, columns * out_step) if small else (0, 0)
    for edge in range(3):  # one call for all edges: the compiler makes a copy for each
        i = rows - bottom if edge == 1 else 0
        j = columns - right if edge == 2 else 0
        high = (top, bottom, rows)[edge]
        if high > 0 and (edge < 2 or right > 0):
            start, place = at + i * step + j, to + j * out_step + i
            across = columns - j
            by_squares(x, start, step, out, place, out_step, high, across, next_x, next_out)


@jit
def by_squares(x, at, step, out, to, out_step, rows, columns, next_x, next_out):
    """Transpose square by square, those at the far edges moved back until they fit.

    `next_x` and `next_out` above zero say how far away the same place of the next matrix is,
    of `x` and of `out`, whose lines are then asked for meanwhile.
    """
    T = square_for(x)
    for j0 in range(0, columns, T.rows):
        j = min(j0, columns - T.rows)
        for i0 in range(0, rows, T.rows):
            i = min(i0, rows - T.rows)
            start, place = at + i * step + j, to + j * out_step + i
            if next_x > 0:
                for r in range(T.rows):
                    prefetch(x, start + r * step + next_x)
                    prefetch(out, place + r * out_step + next_out)
            tile_store(tile_transpose(tile_load(T, x, start, step)), out, place, out_step)


@jit
def by_corners(x, at, step, out, to, out_step, rows, columns, filled):
    """Transpose squares of which only a corner may be there; zeros up to `filled`.

    Corners go through a small buffer. Loads and stores of no lane at all, for the rows that
    are not there, would do without, but their addresses may belong to nobody, and then the
    processor takes a long time to do nothing.
    """
    T = square_for(x)
    V, lanes = T.vector, T.rows
    buffer = np.zeros(2 * lanes * lanes, x.dtype)
    for j in range(0, columns, lanes):
        wide = min(lanes, columns - j)
        for i in range(0, filled, lanes):
            there, high = min(lanes, max(rows - i, 0)), min(lanes, filled - i)
            for r in range(there):
                v = load_first(V, x, at + (i + r) * step + j, wide)
                store(buffer, r * lanes, v)
            for r in range(there, min(lanes, rows)):  # left by the square before
                store(buffer, r * lanes, zeros(V))
            square = tile_transpose(tile_load(T, buffer, 0, lanes))
            tile_store(square, buffer, lanes * lanes, lanes)
            for r in range(wide):
                v = load(V, buffer, (lanes + r) * lanes)
                place = to + (j + r) * out_step + i
                if high == lanes:  # under a mask, each store would wait for its line
                    store(out, place, v)
                else:
                    store_first(out, place, v, high)
