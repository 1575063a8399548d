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
are; so is an operand that few tiles read. Only a ragged edge of `b` is then packed, and not
even that where registers have masks: `accel.kernels.matmul.edges`. At the edges of `out` tiles
are smaller: `accel.kernels.matmul.registers`. Matrices of a few registers go their own way,
`accel.kernels.matmul.tiny`, and so do those of a few rows or columns, which wait for memory as a
matrix times a vector does: `accel.kernels.matmul.vectors`. One compiled function serves arrays of every layout: it works on
pointers and strides.

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
from typing import NamedTuple

import numba
import numpy as np
from numba import types

from accel.kernels.matmul.edges import masked
from accel.kernels.matmul.packing import pack
from accel.kernels.matmul.registers import (
    NOTHING,
    Ahead,
    Finish,
    family_of,
    finish_rows,
    strips,
)
from accel.kernels.matmul.tiny import fits, multiply_small
from accel.kernels.matmul.vectors import (
    Matrix,
    dots,
    dots_of_few,
    empty,
    inner,
    itemsize,
    part,
    sums,
    transposed,
)
from accel.simd import Tile, jit, pointer, vector

#: Sizes of blocks. A packed block of `a` takes at most 384 KiB, a packed strip of `b`
#: 128 KiB: together they fit a second-level cache of 512 KiB or more. All of the packed
#: `b`, at most 5 MiB, is left to the last cache.
_DEPTH_BYTES = 4096
_ROWS = 96
_COLUMNS = 1024

#: Operands up to this size, together, are read where they are.
_SMALL_BYTES = 512 * 1024

#: So is an operand that no more than this many bands, or strips, meet.
_FEW = 2

#: Ways to multiply: in tiles, or, if there are few rows or columns, by adding up rows of the
#: other matrix or by multiplying rows by rows.
_TILES, _SUMS, _FEW_ROWS, _FEW_COLUMNS = range(4)

#: Rows, or columns, up to which the other ways are faster; the last if columns are copied
#: first, of which half as many pay where tiles find all operands in a near cache.
_FEW_DOTS, _FEW_SUMS, _FEW_COPIED = 12, 12, 8

#: Length from which on a sum along a register is worth adding up its lanes at the end.
_LONG = 16


class Plan(NamedTuple):
    """Sizes of blocks in elements, and which operands tiles read where they are."""

    depth: int
    rows: int
    columns: int
    a_in_place: bool
    b_in_place: bool


class Rooms(NamedTuple):
    """Where packed blocks lie, after spare tiles: offsets into one piece of memory."""

    a: int
    b: int
    size: int


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
    family = family_of(tile)

    # The tiles are constants of the closure: as arguments they would cost microseconds.
    @jit(error_model="numpy", signatures=[(operand, operand, result)])
    def tiled(a, b, out):
        agree = a.shape[1] == b.shape[0] and out.shape == (a.shape[0], b.shape[1])
        aligned = _aligned(a) and _aligned(b) and _aligned(out)  # Numba does not look
        if not (agree and aligned) or _may_overlap(a, out) or _may_overlap(b, out):
            return False
        m, k = a.shape
        n = b.shape[1]
        nothing = Finish(NOTHING, pointer(out), 0)
        one = (np.intp(0), np.intp(0), np.intp(0))
        multiply(family, np.intp(1), m, k, n, matrix(a), matrix(b), matrix(out), one, nothing)
        return True

    return tiled


@jit(inline="always", error_model="numpy")
def _aligned(x):
    """Tell whether elements lie whole numbers of elements apart, as `Matrix` takes for given."""
    return (x.ctypes.data | x.strides[0] | x.strides[1]) % x.itemsize == 0


@jit(inline="always", error_model="numpy")
def _may_overlap(x, y):
    """Compare the ranges of addresses that two arrays span."""
    x_low, x_high = _span(x)
    y_low, y_high = _span(y)
    return x.size > 0 and y.size > 0 and x_low < y_high and y_low < x_high


@jit(inline="always", error_model="numpy")
def _span(x):
    down, across = (x.shape[0] - 1) * x.strides[0], (x.shape[1] - 1) * x.strides[1]
    low = x.ctypes.data + min(down, 0) + min(across, 0)
    return low, low + abs(down) + abs(across) + x.itemsize


@jit(inline="always", error_model="numpy")
def matrix(x):
    """Return where a matrix lies; the pointer does not keep it alive."""
    return Matrix(pointer(x), 0, x.strides[0] // x.itemsize, x.strides[1] // x.itemsize)


@inner
def multiply(F, count, m, k, n, a, b, out, steps, finish):
    """Multiply `count` matrices of any layout: choose a way, allocate what is packed into, go.

    Of each operand and of `out`, the next matrix begins ``steps`` elements after the one
    before it. With a `finish`, rows of `out` are contiguous.
    """
    a_step, b_step, out_step = steps
    turned = n == 1 and m > 1 or out.column != 1 and out.row == 1
    if turned and finish.kind == NOTHING:
        # out's columns are contiguous, or it is one: out.T = b.T @ a.T has contiguous rows
        m, n = n, m
        a, b, out = transposed(b), transposed(a), transposed(out)
        a_step, b_step = b_step, a_step
    in_rows = b.column == 1 and out.column == 1 and finish.kind == NOTHING
    if in_rows and fits(F, m, k, n):
        multiply_small(F.small, count, m, k, n, a, b, out, (a_step, b_step, out_step))
        return
    way = _way(m, k, n, a, b, out, itemsize(F.whole.vector))
    plan = _plan(F.whole, m, k, n, b.column == 1, itemsize(F.whole.vector))
    rooms = _rooms(F.whole, m, n, plan, out.column == 1)
    copied = way == _FEW_COLUMNS and b.row != 1
    wanted = rooms.size if way == _TILES else n * k if copied else 0
    room = _room(F.whole.vector, wanted)
    for i in range(count):
        left = Matrix(a.data, a.at + i * a_step, a.row, a.column)
        right = Matrix(b.data, b.at + i * b_step, b.row, b.column)
        result = Matrix(out.data, out.at + i * out_step, out.row, out.column)
        if way == _TILES:
            more = i + 1 < count and plan.a_in_place and plan.b_in_place
            ahead = Ahead(more, left.at + a_step, right.at + b_step)
            _blocks(F, m, k, n, left, right, result, plan, finish, room, rooms, ahead)
        else:
            _few(F.whole.vector, way, m, k, n, left, right, result, room)
            if finish.kind != NOTHING:
                finish_rows(F.half.vector, result, m, n, result, True, True, finish)


@jit(inline="always", error_model="numpy")
def _way(m, k, n, a, b, out, size):
    """Choose how to multiply: where one side is a few rows or columns, the others fetch."""
    if k == 0 or m == 0 or n == 0:
        return _TILES
    few = min(m, n)
    if b.row == 1 and a.column == 1 and (few == 1 or few <= _FEW_DOTS and k >= _LONG):
        return _FEW_ROWS if m <= n else _FEW_COLUMNS
    near = (m + n) * k * size <= _SMALL_BYTES  # tiles read it where it is
    if b.column == 1 and out.column == 1 and n > m and (m == 1 or m <= _FEW_SUMS and not near):
        return _SUMS
    if a.column == 1 and m > n and n <= (_FEW_COPIED // 2 if near else _FEW_COPIED):
        return _FEW_COLUMNS
    return _TILES


@jit(inline="always", error_model="numpy")
def _few(V, way, m, k, n, a, b, out, room):
    """Multiply matrices of which one has a few rows, or a few columns."""
    if way == _SUMS:
        sums(V, m, k, n, a, b, out)
        return
    columns = transposed(b)
    if way == _FEW_ROWS:
        if m == 1:
            dots(V, n, k, columns, a.data, a.at, transposed(out))
        else:
            dots_of_few(V, m, n, k, a, columns, out)
        return
    if b.row != 1:
        columns = Matrix(pointer(room), np.intp(0), k, np.intp(1))
        for p in range(k):
            for j in range(n):
                columns.data[j * k + p] = b.data[b.at + p * b.row + j * b.column]
    if n == 1:
        dots(V, m, k, a, columns.data, columns.at, out)
    else:
        dots_of_few(V, n, m, k, columns, a, transposed(out))


@jit(inline="always", error_model="numpy")
def _plan(T, m, k, n, b_in_rows, size):
    passes = max(1, -(-k * size // _DEPTH_BYTES))
    small = (m + n) * k * size <= _SMALL_BYTES
    # Each packs all of a: rather a quarter more columns than one more block for a few.
    blocks = max(1, -(-n // (_COLUMNS + _COLUMNS // 4)))
    return Plan(
        depth=-(-k // passes),  # passes of equal depth
        rows=max(1, _ROWS // T.rows) * T.rows,
        columns=max(1, -(-n // (blocks * T.columns))) * T.columns,
        a_in_place=small or n <= _FEW * T.columns,
        b_in_place=(small or m <= _FEW * T.rows) and b_in_rows,  # registers load along rows
    )


@jit(inline="always", error_model="numpy")
def _rooms(T, m, n, plan, straight):
    """Lay out what is packed, and a spare column of tiles in front of it."""
    a_rows = 0 if plan.a_in_place else min(plan.rows, m + T.rows)
    b_columns = min(plan.columns, n + T.columns)
    ends = n % T.columns != 0 and not masked(T)
    if plan.b_in_place:
        b_columns = T.columns if ends else 0
    ragged = ends or not straight
    a = min(plan.rows, m + T.rows) * T.columns if ragged else 0
    b = a + plan.depth * a_rows
    return Rooms(a, b, b + plan.depth * b_columns)


@inner
def _room(V, size):
    """Allocate elements that begin on a cache line, so that no register straddles two."""
    memory = empty(V, size + 64 // itemsize(V))
    skip = -memory.ctypes.data % 64 // itemsize(V)
    return memory[skip : skip + size]


@jit(inline="always", error_model="numpy")
def _blocks(F, m, k, n, a, b, out, plan, finish, room, rooms, ahead):
    """Loop over blocks: pack what is to be packed, then multiply in tiles.

    The room is an argument because pointers into it do not keep it alive.
    """
    T = F.whole
    memory = pointer(room)
    across, down = T.columns + 0, T.rows + 0  # numbers, not constants: code for both is one
    spare = Matrix(memory, 0, T.columns + 0, 1)
    b_packed = Matrix(memory, rooms.b, T.columns + 0, 1)
    for j in range(0, n, plan.columns):
        columns = min(plan.columns, n - j)
        straight = columns if masked(T) else columns // T.columns * T.columns
        straight = straight if plan.b_in_place else 0
        for p in range(0, max(k, 1), max(plan.depth, 1)):  # once even for k = 0: zeros
            depth = min(plan.depth, k - p)
            kind = finish.kind if p + depth == k else NOTHING
            b_block = part(b, p, j)
            pack(F.square, T.vector, across, depth, b_block, straight, columns, memory, rooms.b)
            for i in range(0, m, plan.rows):
                rows = min(plan.rows, m - i)
                bands, step = part(a, i, p), T.rows * a.row
                if not plan.a_in_place:
                    bands = transposed(bands)
                    pack(F.square, T.vector, down, depth, bands, i - i, rows, memory, rooms.a)
                    bands, step = Matrix(memory, rooms.a, 1, T.rows + 0), T.rows * depth
                strips(
                    F, rows, depth, columns, bands, step, b_block, straight, b_packed,
                    part(out, i, j), p == 0, Finish(kind, finish.bias, finish.at + j), spare,
                    ahead,
                )  # fmt: skip
