"""Transposes that lie in one piece, past the caches: small matrices, one after another.

Rows of `out` that follow one another make one run of elements, however few there are in
each, and whatever their places in lines. So some rows at a time are made in a small buffer,
and from there written as whole lines, first to last.

What is left is to read fast. Rows of squares are short pieces of memory far apart, of which
the processor does not guess the next one; only what is read in order arrives at the full
rate. A matrix that the second cache holds is therefore read in order first, for nothing but
its lines. For one that the first cache holds it is enough to ask for the next meanwhile.

Everything as in `accel.kernels.layout.moves`: nothing is checked here.
"""

from __future__ import annotations

from numba.extending import overload

from accel.kernels.layout.few import square_of_few
from accel.kernels.layout.streams import AHEAD, square_for
from accel.simd import (
    alike,
    bitcast,
    elements_to_alignment,
    jit,
    load,
    prefetch,
    store,
    store_streaming,
    tile_load,
    tile_store,
    tile_transpose,
    vector,
)

#: Bytes of a matrix of which the next one fits in the first cache beside it.
NEXT_BYTES = 1 << 14

#: Bytes of a matrix that stays in the second cache while it is transposed.
NEAR_BYTES = 1 << 17


@jit
def in_one_piece(x, at, step, out, to, rows, columns, filled, buffer):
    """Transpose to rows of `out` that follow one another, no less than a square.

    Where `rows` are less than a register's lanes, no more than `FEW`, others are zero up to
    `filled`, which are as many as the lanes; else `filled` equals `rows`.

    Writes past the caches: `fence` is left to the caller. The buffer holds as many rows of
    `out` as a register has lanes, and before them what is left of a line not yet whole.
    """
    T = square_for(x)
    V, lanes = T.vector, T.rows
    size = rows * step * x.itemsize
    base = elements_to_alignment(V, buffer, 0) + lanes
    if NEXT_BYTES < size <= NEAR_BYTES:
        read_in_order(x, at, (rows - 1) * step + columns, buffer)
    ahead = at - to + rows * step  # from a place in `out` to as far in the next matrix
    head = elements_to_alignment(V, out, to)
    done = to + head  # everything before is written, but for the head
    for j0 in range(0, columns, lanes):
        j = min(j0, columns - lanes)
        for i0 in range(0, filled, lanes):
            i = min(i0, filled - lanes)
            start = at + i * step + j
            if size > NEAR_BYTES:
                for r in range(min(lanes, rows)):
                    prefetch(x, start + r * step + AHEAD * lanes)
            if rows < lanes:
                square = square_of_few(T, x, start, step, rows)
            else:
                square = tile_transpose(tile_load(T, x, start, step))
            tile_store(square, buffer, base + i, filled)
        if j0 == 0:
            for k in range(head):
                out[to + k] = buffer[base + k]
        away = base - (to + j * filled)  # from a place in `out` to that in the buffer
        end = to + min(j0 + lanes, columns) * filled
        whole = (end - done) // lanes * lanes
        if size <= NEXT_BYTES:
            for k in range(done, done + whole, lanes):
                prefetch(x, k + ahead)
                store_streaming(out, k, load(V, buffer, away + k))
        else:
            for k in range(done, done + whole, lanes):
                store_streaming(out, k, load(V, buffer, away + k))
        done += whole
        if j0 + lanes < columns:  # before the next rows, which end what is begun
            store(buffer, base - (end - done), load(V, buffer, away + done))
        else:
            for k in range(done, end):
                out[k] = buffer[away + k]


@jit
def read_in_order(x, at, n, buffer):
    """Read `n` elements for their lines alone; `buffer` gets what keeps the loads in the code."""
    W = words_for(x)
    V = square_for(x).vector
    last = at + n - V.lanes
    a = b = bitcast(W, load(V, x, at))
    for k in range(at, last - V.lanes, 2 * V.lanes):
        a |= bitcast(W, load(V, x, k))
        b |= bitcast(W, load(V, x, k + V.lanes))
    store(buffer, 0, bitcast(V, a | b | bitcast(W, load(V, x, last))))


def words_for(x):
    """Return the token of a register of integers as wide as the elements, in compiled code."""
    return alike(vector(x.dtype), f"uint{8 * x.dtype.itemsize}")


@overload(words_for)
def _words_for(x):
    token = alike(vector(x.dtype.name), f"uint{x.dtype.bitwidth}")
    return lambda x: token
