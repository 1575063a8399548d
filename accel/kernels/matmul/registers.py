"""Tiles of `out` in registers: one for the body of a matrix, smaller ones for its edges.

A tile of fixed size would compute more than is asked for wherever a matrix does not end
with it: of 100 x 100 elements, tiles of 8 x 32 make 104 x 128, a third too many. So there
is a family of tiles: narrower ones of one register and of half a register, lower ones of
four, two and one rows. Rows come out even; columns are left over in the last half register
only, and in the corner, where lower tiles have their full width.

All work on pointers and strides and check nothing: `accel.kernels.matmul.blocks` does.
"""

from __future__ import annotations

import functools
import math
from typing import Any, NamedTuple

from numba.extending import overload

from accel.kernels.matmul.vectors import Matrix, part
from accel.simd import (
    Tile,
    exp,
    fma,
    jit,
    load,
    load_first,
    maximum,
    prefetch,
    store_first,
    tile_accumulate,
    tile_outer_fma,
    tile_store,
    tile_zeros,
    vector,
)

#: What is done to the sums before they are left: see `Finish`.
NOTHING, BIAS, RELU, GELU = range(4)

#: ``sqrt(2 / pi)`` and 0.044715 times it, of the tanh form of GELU.
SLOPE = math.sqrt(2 / math.pi)
CUBIC = 0.044715 * SLOPE

class Family(NamedTuple):
    """Register tiles: the whole one, lower ones, and whole ones that are narrower."""

    whole: Tile
    four: Tile
    two: Tile
    one: Tile
    narrow: Tile  # one register wide
    half: Tile  # half a register
    square: Tile  # to transpose while packing


class Finish(NamedTuple):
    """What becomes of a sum: `NOTHING`, or a `BIAS` is added, and perhaps a function applied."""

    kind: int
    bias: Any  # typed pointer
    at: int


@functools.cache
def family_of(tile: Tile) -> Family:
    """Return the tiles that go with a register tile. None is higher than it is."""
    full = tile.vector
    half = vector(full.dtype, max(2, full.lanes // 2))
    lower = (Tile(full, min(rows, tile.rows), tile.vectors) for rows in (4, 2, 1))
    narrower = (Tile(kind, tile.rows, 1) for kind in (full, half))
    side = min(8, full.lanes)
    return Family(tile, *lower, *narrower, Tile(vector(full.dtype, side), side, 1))


@jit(inline="always", error_model="numpy")
def strips(F, rows, depth, columns, a, a_step, b, b_straight, b_packed, out, first, finish, spare):
    """Multiply a block of `a` by a block of `b`, strip by strip of `b`.

    Of bands of `a`, the next begins `a_step` elements after the one before it. From column
    `b_straight` on, strips of `b` are packed, each as wide as the whole tile and filled up
    with zeros. What does not lie in `out` as it does in a tile goes to `spare` first.
    """
    T, narrow, half = F.whole, F.narrow.columns, F.half.columns
    bands = rows // T.rows
    done = bands * T.rows
    step = -(-T.columns * T.rows // max(rows, 1))
    j = 0
    while j < columns:
        left = columns - j
        strip, soon, share = part(b, 0, j), b.at, 0
        if j >= b_straight:
            number, within = (j - b_straight) // T.columns, (j - b_straight) % T.columns
            at = b_packed.at + number * depth * T.columns
            strip = Matrix(b_packed.data, at + within, T.columns + 0, 1)
            soon, share = at + depth * T.columns, step
        width = T.columns + 0
        if left <= half:
            width = half + 0
        elif left <= narrow + half:
            width = narrow + 0
        place = part(out, 0, j)
        ending = Finish(finish.kind, finish.bias, finish.at + j)
        straight = left >= width and out.column == 1
        to, begin = (place, first) if straight else (spare, True)
        if width == T.columns:
            _bands(T, bands, depth, a, a_step, strip, to, begin, soon, share)
        elif width == narrow:
            _bands(F.narrow, bands, depth, a, a_step, strip, to, begin, soon, share)
        else:
            _bands(F.half, bands, depth, a, a_step, strip, to, begin, soon, share)
        if bands > 0 and (not straight or finish.kind != NOTHING):
            finish_rows(F.half.vector, to, done, min(left, width), place, straight, first, ending)
        if done < rows:
            lower = Matrix(a.data, a.at + bands * a_step, a.row, a.column)
            place = part(place, done, 0)
            straight = straight and width == T.columns
            to, begin = (place, first) if straight else (spare, True)
            _lower(F, rows - done, depth, lower, strip, to, begin, soon)
            if not straight or finish.kind != NOTHING:
                finish_rows(
                    F.half.vector, to, rows - done, min(left, width), place, straight, first, ending
                )  # fmt: skip
        j += width


@jit(inline="always", error_model="numpy")
def _lower(F, rows, depth, a, strip, place, first, soon):
    """Compute fewer rows than a whole tile has, in lower tiles of its width."""
    if rows & 4:
        _bands(F.four, 1, depth, a, 0, strip, place, first, soon, 0)
        a, place = part(a, 4, 0), part(place, 4, 0)
    if rows & 2:
        _bands(F.two, 1, depth, a, 0, strip, place, first, soon, 0)
        a, place = part(a, 2, 0), part(place, 2, 0)
    if rows & 1:
        _bands(F.one, 1, depth, a, 0, strip, place, first, soon, 0)


@jit(error_model="numpy")
def _bands(T, bands, depth, a, a_step, strip, place, first, soon, step):
    """Multiply bands of `a`, each as high as a tile, by one strip of `b`."""
    a_at, to = a.at, place.at
    for _ in range(bands):
        for r in range(T.rows):  # asked for long before it is needed
            for c in range(0, T.columns, T.vector.lanes):
                prefetch(place.data, to + r * place.row + c)
        tile = tile_zeros(T)
        for p in range(depth):
            # Each band asks for its share of the next packed strip, whose first band would
            # otherwise wait for the last cache at every step.
            if T.vectors > 1:  # a narrow tile has loads enough
                prefetch(strip.data, soon + p * step)
            at = a_at + p * a.column
            tile = tile_outer_fma(tile, a.data, at, a.row, strip.data, strip.at + p * strip.row)
        soon += depth * step
        if first:
            tile_store(tile, place.data, to, place.row)
        else:
            tile_accumulate(tile, place.data, to, place.row)
        a_at += a_step
        to += T.rows * place.row


@jit(error_model="numpy")
def finish_rows(V, spare, rows, columns, out, straight, first, finish):
    """Move, or add, what of spare tiles lies inside `out`; apply what is to be applied."""
    for r in range(rows):
        to, source = out.at + r * out.row, spare.at + r * spare.row
        if out.column == 1:
            for c in range(0, columns, V.lanes):
                count = columns - c
                if straight:
                    v = load(V, out.data, to + c)
                else:
                    v = load(V, spare.data, source + c)
                    if not first:
                        v = v + load_first(V, out.data, to + c, count)
                if finish.kind != NOTHING:
                    v = _finished(v, load_first(V, finish.bias, finish.at + c, count), finish.kind)
                store_first(out.data, to + c, v, count)
        else:
            for c in range(columns):
                v = spare.data[source + c]
                if not first:
                    v += out.data[to + c * out.column]
                out.data[to + c * out.column] = v


def _finished(v, bias, kind):
    """Return a register of sums with the bias added and the function applied."""
    raise NotImplementedError  # in compiled code only


@overload(_finished)
def _finished_in_registers(v, bias, kind):
    if v.token.dtype.kind != "f":
        return lambda v, bias, kind: maximum(0, v + bias) if kind == RELU else v + bias

    def finished(v, bias, kind):
        v = v + bias
        if kind == RELU:
            v = maximum(0, v)
        elif kind == GELU:
            v = v / (1.0 + exp(v * fma(-2 * CUBIC, v * v, -2 * SLOPE)))
        return v

    return finished
