"""Matrices that fit a few registers: many of them, with nothing to set up for each.

Of a product of 3 x 3 matrices the arithmetic takes a few cycles, which any preparation
outweighs: a plan, a buffer, a tile that is mostly empty. So nothing is prepared. A row of
`b`, and of `out`, is at most one register, of which the first lanes are read and written; a
band of four, two or one rows of `out` is summed up in registers. A last band that would stick
out begins sooner instead, and writes some rows twice, the same numbers. The smallest square
matrices have code of their own, with no loop inside.

All work on pointers and strides and check nothing: `accel.kernels.matmul.blocks` does.
"""

from __future__ import annotations

import functools
from typing import NamedTuple

from accel.kernels.matmul.edges import outer_first, store_first_columns
from accel.kernels.matmul.vectors import inner, keep_apart, keep_rolled
from accel.simd import Tile, Vector, jit, tile_zeros, vector

#: Rows and columns of `a` up to which matrices are dealt with here.
_MOST_ROWS = 16
_MOST_DEPTH = 32


class Small(NamedTuple):
    """Tiles one register, or half of one, wide."""

    eight: Tile
    four: Tile
    two: Tile
    one: Tile
    half_eight: Tile
    half_four: Tile
    half_three: Tile
    half_two: Tile
    half_one: Tile


@functools.cache
def small_of(full: Vector) -> Small:
    """Return the tiles of small matrices for the registers of a machine."""
    half = vector(full.dtype, max(2, full.lanes // 2))
    whole, part = (
        {rows: Tile(kind, rows, 1) for rows in (1, 2, 3, 4, 8)} for kind in (full, half)
    )
    return Small(
        whole[8], whole[4], whole[2], whole[1], part[8], part[4], part[3], part[2], part[1]
    )


@jit(inline="always", error_model="numpy")
def fits(F, m, k, n):
    """Tell whether a product is one for this module."""
    return n <= F.narrow.columns and m <= _MOST_ROWS and k <= _MOST_DEPTH


@jit(inline="always", error_model="numpy")
def multiply_small(S, count, m, k, n, a, b, out, steps):
    """Multiply `count` small matrices: rows of `b` and `out` are contiguous."""
    if n > S.half_one.columns:
        if m > 7:
            _bands(S.eight, count, m, k, n, a, b, out, steps)
        elif m > 3:
            _bands(S.four, count, m, k, n, a, b, out, steps)
        elif m > 1:
            _bands(S.two, count, m, k, n, a, b, out, steps)
        else:
            _bands(S.one, count, m, k, n, a, b, out, steps)
    elif m == k == 4:
        _square(S.half_four, count, n, a, b, out, steps)
    elif m == k == 3:
        _square(S.half_three, count, n, a, b, out, steps)
    elif m == k == 2:
        _square(S.half_two, count, n, a, b, out, steps)
    elif m > 7:
        _bands(S.half_eight, count, m, k, n, a, b, out, steps)
    elif m > 3:
        _bands(S.half_four, count, m, k, n, a, b, out, steps)
    elif m > 1:
        _bands(S.half_two, count, m, k, n, a, b, out, steps)
    else:
        _bands(S.half_one, count, m, k, n, a, b, out, steps)


@inner
def _bands(T, count, m, k, n, a, b, out, steps):
    """Multiply matrices of at least as many rows as a tile."""
    keep_apart()
    a_at, b_at, to = a.at, b.at, out.at
    last = m - T.rows
    for _ in range(count):
        row = 0
        while row < m:
            first = min(row, last)
            tile = tile_zeros(T)
            for p in range(k):
                keep_rolled()
                at = a_at + first * a.row + p * a.column
                tile = outer_first(tile, a.data, at, a.row, b.data, b_at + p * b.row, n)
            store_first_columns(tile, out.data, to + first * out.row, out.row, n)
            row += T.rows
        a_at, b_at, to = a_at + steps[0], b_at + steps[1], to + steps[2]


@inner
def _square(T, count, n, a, b, out, steps):
    """Multiply matrices of as many rows, and as deep, as a tile has rows."""
    keep_apart()
    a_at, b_at, to = a.at, b.at, out.at
    for _ in range(count):
        tile = tile_zeros(T)
        for p in range(T.rows):
            at = a_at + p * a.column
            tile = outer_first(tile, a.data, at, a.row, b.data, b_at + p * b.row, n)
        store_first_columns(tile, out.data, to, out.row, n)
        a_at, b_at, to = a_at + steps[0], b_at + steps[1], to + steps[2]
