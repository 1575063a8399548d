"""Blocks of a matrix copied together, in the order in which tiles will read them.

A tile reads one group of columns, row after row: so the block is cut into groups as wide as a
tile, and each is stored by itself. (Bands of `a` are groups of columns of its transpose.) What
lies by rows is copied by registers; what lies by columns is transposed on the way, in small
squares that registers hold.
"""

from __future__ import annotations

from accel.kernels.matmul.vectors import inner, keep_apart
from accel.simd import (
    load,
    load_first,
    store,
    store_first,
    tile_load,
    tile_store,
    tile_transpose,
)


@inner
def pack(S, V, width, depth, x, start, stop, packed, at):
    """Copy columns `start` to `stop` of a block, `width` by `width`, row after row.

    A last, narrower group is filled up with zeros, so that tiles need no special case.
    Memory is read in the order in which it lies: whole rows of the block where rows are
    contiguous, squares `S` where columns are, else one element after the other.
    """
    keep_apart()
    if x.column == 1:
        for p in range(depth):
            for j in range(start, stop, width):
                source = x.at + p * x.row + j
                to = at + (j - start) * depth + p * width
                if j + width <= stop and width % V.lanes == 0:
                    for c in range(0, width, V.lanes):
                        store(packed, to + c, load(V, x.data, source + c))
                else:
                    for c in range(0, width, V.lanes):
                        v = load_first(V, x.data, source + c, stop - j - c)
                        store_first(packed, to + c, v, width - c)
        return
    side = S.rows + 0
    deep = depth // side * side if x.row == 1 and width % side == 0 else 0
    for j in range(start, stop, width):
        filled = min(width, stop - j)
        whole = filled // side * side
        source, to = x.at + j * x.column, at + (j - start) * depth
        for p in range(0, deep, side):
            for c in range(0, whole, side):
                square = tile_load(S, x.data, source + p + c * x.column, x.column)
                tile_store(tile_transpose(square), packed, to + p * width + c, width)
        _one_by_one(width, deep, whole, filled, x, source, packed, to)
        rest = source + deep * x.row
        _one_by_one(width, depth - deep, whole - whole, filled, x, rest, packed, to + deep * width)


@inner
def _one_by_one(width, depth, first, filled, x, source, packed, to):
    """Copy columns from `first` on, and zeros where there are none."""
    for p in range(depth):
        row, place = source + p * x.row, to + p * width
        for c in range(first, filled):
            packed[place + c] = x.data[row + c * x.column]
        for c in range(filled, width):
            packed[place + c] = 0
