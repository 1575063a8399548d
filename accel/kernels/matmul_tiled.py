"""The top of the matmul ladder: blocks around a tile of registers.

Three facts fix the shape of the code.

* A multiply-add takes a few cycles and one or two start in each, so about ten must be
  under way at once, each with an accumulator of its own. And each needs two operands: a
  tile of ``rows`` x ``vectors`` accumulators gets ``rows * vectors`` multiply-adds out of
  ``rows + vectors`` loads. Hence the innermost step, `tile_outer_fma`.
* A tile reads one band of `a` (``rows`` high) and one strip of `b` (``vectors`` registers
  wide) for each step of depth. Those must come from the nearest cache, in order, so
  blocks are packed: copied once into consecutive memory, zeros where they are ragged.
* A tile of `out` is loaded and stored once per block of depth: blocks should be deep.

::

    for columns of b and out, _COLUMNS at a time
      for depth, at most _DEPTH_BYTES of a row of a at a time
        pack depth x columns of b as strips                  (stays in the last cache)
        for rows of a and out, _ROWS at a time
          pack rows x depth of a as bands                    (stays in the second cache)
          for each strip                                     (stays near the first cache)
            for each band
              for each step of depth: outer product into a tile of registers
              add the tile to out

Where both operands are small they stay in cache anyway, and tiles read them where they
are; only ragged edges are then packed. One compiled function serves arrays of every
layout: it works on pointers and strides.

Source
------
Goto and van de Geijn, "Anatomy of High-Performance Matrix Multiplication", ACM TOMS 34
(2008). Van Zee and van de Geijn, "BLIS: A Framework for Rapidly Instantiating BLAS
Functionality", ACM TOMS 41 (2015).
"""

from __future__ import annotations

import functools
import platform
from collections.abc import Callable
from typing import Any, NamedTuple

import numba
import numpy as np
from numba import types

from accel.simd import (
    Tile,
    jit,
    load,
    load_first,
    pointer,
    prefetch,
    store,
    store_first,
    tile_accumulate,
    tile_outer_fma,
    tile_store,
    tile_zeros,
    vector,
)

#: Sizes of blocks. A packed block of `a` takes at most 384 KiB, a packed strip of `b`
#: 128 KiB: together they fit a second-level cache of 512 KiB or more. All of the packed
#: `b`, at most 4 MiB, is left to the last cache.
_DEPTH_BYTES = 4096
_ROWS = 96
_COLUMNS = 1024

#: Operands up to this size, together, are read where they are.
_SMALL_BYTES = 2 * 1024 * 1024


class Matrix(NamedTuple):
    """A matrix in memory: element (i, j) is ``data[at + i * row + j * column]``."""

    data: Any  # typed pointer
    at: int
    row: int
    column: int


class Plan(NamedTuple):
    """Sizes of blocks in elements, and which operands tiles read where they are."""

    depth: int
    rows: int
    columns: int
    a_in_place: bool
    b_in_place: bool


@functools.cache
def host_tile(dtype) -> Tile:
    """Return the register tile for this machine.

    Eight rows of two registers are 16 accumulators: enough to keep two multiply-add
    units busy, with registers left for the operands where there are 32 of them, as with
    AVX-512 and on 64-bit Arm. Where there are 16, six rows of two leave four. More rows
    would fit the 32 and load a little less per multiply-add; but eight divide the usual
    sizes, and eight rows a power of two apart still fit one set of an 8-way cache.
    """
    register = vector(dtype)
    wide = register.lanes * register.dtype.itemsize == 64
    many = wide or platform.machine() in ("aarch64", "arm64")
    return Tile(register, rows=8 if many else 6, vectors=2)


@functools.cache
def product(tile: Tile) -> Callable[[np.ndarray, np.ndarray, np.ndarray], bool]:
    """Return ``f(a, b, out)``, compiled for one register tile and arrays in any layout.

    f returns False, and has done nothing, if the shapes do not agree, an array is not
    aligned to its elements, or `out` may overlap an operand. For another dtype than the
    tile's, or an `out` that is read-only, Numba raises TypeError.
    """
    element = numba.from_dtype(tile.vector.dtype)
    operand = types.Array(element, 2, "A", readonly=True)
    result = types.Array(element, 2, "A")

    # The tile is a constant of the closure: as an argument it would cost microseconds.
    @jit(signatures=[(operand, operand, result)])
    def tiled(a, b, out):
        agree = a.shape[1] == b.shape[0] and out.shape == (a.shape[0], b.shape[1])
        aligned = _aligned(a) and _aligned(b) and _aligned(out)  # Numba does not look
        if not (agree and aligned) or _may_overlap(a, out) or _may_overlap(b, out):
            return False
        _multiply(tile, a, b, out)
        return True

    return tiled


@jit(inline="always")
def _aligned(x):
    """Tell whether elements lie whole numbers of elements apart, as `Matrix` takes for given."""
    return (x.ctypes.data | x.strides[0] | x.strides[1]) % x.itemsize == 0


@jit(inline="always")
def _may_overlap(x, y):
    """Compare the ranges of addresses that two arrays span."""
    x_low, x_high = _span(x)
    y_low, y_high = _span(y)
    return x.size > 0 and y.size > 0 and x_low < y_high and y_low < x_high


@jit(inline="always")
def _span(x):
    down, across = (x.shape[0] - 1) * x.strides[0], (x.shape[1] - 1) * x.strides[1]
    low = x.ctypes.data + min(down, 0) + min(across, 0)
    return low, low + abs(down) + abs(across) + x.itemsize


@jit(inline="always")
def _multiply(T, a, b, out):
    """Plan the blocks, allocate what is packed into, and go."""
    m, k = a.shape
    n = b.shape[1]
    left, right, result = _matrix(a), _matrix(b), _matrix(out)
    if result.column != 1 and result.row == 1:  # out's columns are contiguous:
        m, n = n, m  # out.T = b.T @ a.T has contiguous rows
        left, right, result = _transposed(right), _transposed(left), _transposed(result)
    passes = max(1, -(-k * a.itemsize // _DEPTH_BYTES))
    small = (m + n) * k * a.itemsize <= _SMALL_BYTES
    plan = Plan(
        depth=-(-k // passes),  # passes of equal depth
        rows=max(1, _ROWS // T.rows) * T.rows,
        columns=max(1, _COLUMNS // T.columns) * T.columns,
        a_in_place=small,
        b_in_place=small and right.column == 1,  # registers load along rows of b
    )
    a_rows = T.rows if plan.a_in_place else min(plan.rows, m + T.rows)
    b_columns = T.columns if plan.b_in_place else min(plan.columns, n + T.columns)
    a_room = _room(plan.depth * a_rows, a)
    b_room = _room(plan.depth * b_columns, a)
    _blocks(T, m, k, n, left, right, result, plan, a_room, b_room, _room(T.rows * T.columns, a))


@jit(inline="always")
def _matrix(x):
    return Matrix(pointer(x), 0, x.strides[0] // x.itemsize, x.strides[1] // x.itemsize)


@jit(inline="always")
def _transposed(x):
    return Matrix(x.data, x.at, x.column, x.row)


@jit(inline="always")
def _part(x, i, j):
    """Return `x` from element (i, j) on."""
    return Matrix(x.data, x.at + i * x.row + j * x.column, x.row, x.column)


@jit
def _room(size, like):
    """Allocate elements that begin on a cache line, so that no register straddles two."""
    memory = np.empty(size + 64 // like.itemsize, like.dtype)
    skip = -memory.ctypes.data % 64 // like.itemsize
    return memory[skip : skip + size]


@jit
def _blocks(T, m, k, n, a, b, out, plan, a_room, b_room, spare):
    """Loop over blocks: pack what is to be packed, then multiply in tiles.

    The rooms are arguments because pointers into them do not keep them alive.
    """
    a_packed, b_packed = pointer(a_room), pointer(b_room)
    for j in range(0, n, plan.columns):
        columns = min(plan.columns, n - j)
        b_straight = columns // T.columns * T.columns if plan.b_in_place else 0
        for p in range(0, max(k, 1), max(plan.depth, 1)):  # once even for k = 0: zeros
            depth = min(plan.depth, k - p)
            b_block = _part(b, p, j)
            _pack(T.vector, T.columns, depth, b_block, b_straight, columns, b_packed)
            for i in range(0, m, plan.rows):
                rows = min(plan.rows, m - i)
                a_straight = rows // T.rows * T.rows if plan.a_in_place else 0
                a_block = _part(a, i, p)
                across = _transposed(a_block)
                _pack(T.vector, T.rows, depth, across, a_straight, rows, a_packed)
                _tiles(
                    T, rows, depth, columns, a_block, a_straight, a_packed,
                    b_block, b_straight, b_packed, _part(out, i, j), p == 0, pointer(spare),
                )  # fmt: skip


@jit(inline="always")
def _pack(V, width, depth, x, start, stop, packed):
    """Copy columns `start` to `stop` of a block, `width` by `width`, row after row.

    A last, narrower group is filled up with zeros, so that tiles need no special case.
    Memory is read in the order in which it lies: whole rows of the block where rows are
    contiguous, else one group of columns at a time, which suits contiguous columns.
    """
    if x.column == 1:
        for p in range(depth):
            for j in range(start, stop, width):
                source = x.at + p * x.row + j
                to = (j - start) * depth + p * width
                if j + width <= stop and width % V.lanes == 0:
                    for c in range(0, width, V.lanes):
                        store(packed, to + c, load(V, x.data, source + c))
                else:
                    for c in range(0, width, V.lanes):
                        v = load_first(V, x.data, source + c, stop - j - c)
                        store_first(packed, to + c, v, width - c)
        return
    for j in range(start, stop, width):
        filled = min(width, stop - j)
        eights = filled // 8 * 8
        for p in range(depth):
            source = x.at + p * x.row + j * x.column
            to = (j - start) * depth + p * width
            for c in range(0, eights, 8):
                for lane in range(8):  # a number the compiler knows: it unrolls this
                    packed[to + c + lane] = x.data[source + (c + lane) * x.column]
            for c in range(eights, filled):
                packed[to + c] = x.data[source + c * x.column]
            for c in range(filled, width):
                packed[to + c] = 0


@jit(inline="always")
def _tiles(
    T, rows, depth, columns, a, a_straight, a_packed, b, b_straight, b_packed, out, first, spare
):
    """Multiply a block of `a` by a block of `b`: every strip meets every band."""
    size = depth * T.columns  # of a packed strip
    for j in range(0, columns, T.columns):
        strip = _part(b, 0, j)
        soon, step = strip.at, 0
        if j >= b_straight:
            strip = Matrix(b_packed, (j - b_straight) * depth, T.columns, 1)
            soon, step = strip.at + size, -(-T.columns * T.rows // rows)
        for i in range(0, rows, T.rows):
            band = _part(a, i, 0)
            if i >= a_straight:
                band = Matrix(a_packed, (i - a_straight) * depth, 1, T.rows)
            place = _part(out, i, j)
            whole = i + T.rows <= rows and j + T.columns <= columns and out.column == 1
            if whole:
                _prefetch(T, place)
            tile = tile_zeros(T)
            for p in range(depth):
                # Each band asks for its share of the next packed strip, whose first band
                # would otherwise wait for the last cache at every step.
                prefetch(strip.data, soon + p * step)
                a_at, b_at = band.at + p * band.column, strip.at + p * strip.row
                tile = tile_outer_fma(tile, band.data, a_at, band.row, strip.data, b_at)
            soon += depth * step
            if whole and first:
                tile_store(tile, place.data, place.at, place.row)
            elif whole:
                tile_accumulate(tile, place.data, place.at, place.row)
            else:
                tile_store(tile, spare, 0, T.columns)
                _copy(T, spare, min(T.rows, rows - i), min(T.columns, columns - j), place, first)


@jit(inline="always")
def _prefetch(T, place):
    """Ask for a tile of `out` long before it is needed: after `depth` outer products."""
    for r in range(T.rows):
        for c in range(0, T.columns, T.vector.lanes):
            prefetch(place.data, place.at + r * place.row + c)


@jit(inline="always")
def _copy(T, spare, rows, columns, out, first):
    """Store, or add, what of a tile lies inside `out`."""
    for r in range(rows):
        to = out.at + r * out.row
        if out.column == 1:
            for c in range(0, columns, T.vector.lanes):
                v = load(T.vector, spare, r * T.columns + c)
                if not first:
                    v = v + load_first(T.vector, out.data, to + c, columns - c)
                store_first(out.data, to + c, v, columns - c)
        else:
            for c in range(columns):
                v = spare[r * T.columns + c]
                if not first:
                    v += out.data[to + c * out.column]
                out.data[to + c * out.column] = v
