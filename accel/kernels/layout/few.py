"""Few rows or few columns of a square: blocks of channels that are mostly missing.

Three channels in a block of sixteen are a square of which three rows are there, the others
zero. Rows that the code names need no loads that depend on a number, no buffer and no mask,
and the compiler leaves out of the network of shuffles what meets zeros only, or is not used.

Everything as in `accel.kernels.layout.moves`: nothing is checked here.
"""

from __future__ import annotations

from numba.extending import overload, register_jitable

from accel.kernels.layout.streams import square_for
from accel.simd import (
    jit,
    load,
    store,
    tile_get,
    tile_load,
    tile_set,
    tile_store,
    tile_transpose,
    tile_zeros,
    zeros,
)

#: Most rows or columns that are named.
FEW = 4


def square_of_few(T, x, start, step, rows):
    """Return the transposed square whose first rows, 1 to `FEW`, are there, in compiled code."""
    raise NotImplementedError("square_of_few: exists in compiled code only")


@overload(square_of_few, inline="always")
def _square_of_few(T, x, start, step, rows):
    return _square_of_four if T.token.rows >= FEW else _square_of_two


def _square_of_four(T, x, start, step, rows):
    none = zeros(T.vector)
    b = load(T.vector, x, start + step) if rows > 1 else none
    c = load(T.vector, x, start + 2 * step) if rows > 2 else none
    d = load(T.vector, x, start + 3 * step) if rows > 3 else none
    square = tile_set(tile_zeros(T), 0, 0, load(T.vector, x, start))
    return tile_transpose(tile_set(tile_set(tile_set(square, 1, 0, b), 2, 0, c), 3, 0, d))


def _square_of_two(T, x, start, step, rows):
    b = load(T.vector, x, start + step) if rows > 1 else zeros(T.vector)
    square = tile_set(tile_zeros(T), 0, 0, load(T.vector, x, start))
    return tile_transpose(tile_set(square, 1, 0, b))


def store_few(square, out, i, stride, rows):
    """Write the first rows of a square, 1 to `FEW`, in compiled code."""
    raise NotImplementedError("store_few: exists in compiled code only")


@overload(store_few, inline="always")
def _store_few(square, out, i, stride, rows):
    return _store_four if square.token.rows >= FEW else _store_two


def _store_four(square, out, i, stride, rows):
    _store_two(square, out, i, stride, rows)
    if rows > 2:
        store(out, i + 2 * stride, tile_get(square, 2, 0))
    if rows > 3:
        store(out, i + 3 * stride, tile_get(square, 3, 0))


@register_jitable(forceinline=True)
def _store_two(square, out, i, stride, rows):
    store(out, i, tile_get(square, 0, 0))
    if rows > 1:
        store(out, i + stride, tile_get(square, 1, 0))


@jit
def few_rows(x, at, step, out, to, out_step, rows, columns):
    """Transpose 1 to `FEW` rows to rows of `out` a register long, which ends in zeros.

    Rows are no more than the lanes, columns no less.
    """
    T = square_for(x)
    for j0 in range(0, columns, T.rows):
        j = min(j0, columns - T.rows)
        square = square_of_few(T, x, at + j, step, rows)
        tile_store(square, out, to + j * out_step, out_step)


@jit
def few_columns(x, at, step, out, to, out_step, rows, columns):
    """Transpose 1 to `FEW` columns, no more than the lanes, of no less rows than the lanes.

    Whole registers are read, of which only the first lanes are used: the last row must have
    so many elements after its first, as `reaches` tells.
    """
    T = square_for(x)
    for i0 in range(0, rows, T.rows):
        i = min(i0, rows - T.rows)
        square = tile_transpose(tile_load(T, x, at + i * step, step))
        store_few(square, out, to + i, out_step, columns)


@jit
def reaches(x, at, step, rows):
    """Return whether there are a register's rows, and a register may be read at each."""
    lanes = square_for(x).rows
    return rows >= lanes and at + (rows - 1) * step + lanes <= x.size
