"""Few rows or few columns of a square: blocks of channels that are mostly missing.

Three channels in a block of sixteen are a square of which three rows are there, the others
zero. Rows that the code names need no loads that depend on a number, no buffer and no mask,
and the compiler leaves out of the network of shuffles what meets zeros only, or is not used.

Everything as in `accel.kernels.layout.moves`: nothing is checked here.
"""

from __future__ import annotations

from numba.extending import register_jitable

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


@register_jitable(forceinline=True)
def square_of_few(T, x, start, step, rows):
    """Return the transposed square whose first rows, 1 to `FEW` of them, are there."""
    V = T.vector
    none = zeros(V)
    b = load(V, x, start + step) if rows > 1 else none
    c = load(V, x, start + 2 * step) if rows > 2 else none
    d = load(V, x, start + 3 * step) if rows > 3 else none
    square = tile_set(tile_zeros(T), 0, 0, load(V, x, start))
    return tile_transpose(tile_set(tile_set(tile_set(square, 1, 0, b), 2, 0, c), 3, 0, d))


@jit
def few_rows(x, at, step, out, to, out_step, rows, columns):
    """Transpose 1 to `FEW` rows of no less than a register to rows of `out` a register long."""
    T = square_for(x)
    for j0 in range(0, columns, T.rows):
        j = min(j0, columns - T.rows)
        square = square_of_few(T, x, at + j, step, rows)
        tile_store(square, out, to + j * out_step, out_step)


@jit
def few_columns(x, at, step, out, to, out_step, rows, columns):
    """Transpose 1 to `FEW` columns of no less than a register's rows.

    Whole registers are read, of which only the first lanes are used: the last row must have
    so many elements after its first, as `reaches_a_register` tells.
    """
    T = square_for(x)
    for i0 in range(0, rows, T.rows):
        i = min(i0, rows - T.rows)
        square = tile_transpose(tile_load(T, x, at + i * step, step))
        store(out, to + i, tile_get(square, 0, 0))
        if columns > 1:
            store(out, to + out_step + i, tile_get(square, 1, 0))
        if columns > 2:
            store(out, to + 2 * out_step + i, tile_get(square, 2, 0))
        if columns > 3:
            store(out, to + 3 * out_step + i, tile_get(square, 3, 0))


@jit
def reaches_a_register(x, at, step, rows):
    """Return whether a whole register may be read at the beginning of each row."""
    return at + (rows - 1) * step + square_for(x).rows <= x.size
