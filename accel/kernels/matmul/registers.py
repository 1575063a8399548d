"""Tiles of `out` in registers: one for the body of a matrix, smaller ones for its edges.

A tile of fixed size would compute more than is asked for wherever a matrix does not end
with it: of 100 x 100 elements, tiles of 8 x 32 make 104 x 128, a third too many. So there
is a family of tiles: narrower ones of one register and of half a register, lower ones of
four, two and one rows. Rows come out even; columns are left over in the last half register
only, and in the corner, where lower tiles have their full width. What is left over is masked,
or else computed on the side: `accel.kernels.matmul.edges`.

All work on pointers and strides and check nothing: `accel.kernels.matmul.blocks` does.
"""

from __future__ import annotations

import functools
import math
from typing import Any, NamedTuple

from numba.extending import overload

from accel.kernels.matmul.edges import add_columns, masked, outer_columns, store_columns
from accel.kernels.matmul.tiny import Small, small_of
from accel.kernels.matmul.vectors import Matrix, inner, keep_apart, keep_rolled, part
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
    small: Small  # for matrices that fit a few registers


class Ahead(NamedTuple):
    """Where the operands begin that the next product will read; asked for if `wanted`."""

    wanted: bool
    a: int
    b: int


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
    return Family(tile, *lower, *narrower, Tile(vector(full.dtype, side), side, 1), small_of(full))


@jit(inline="always", error_model="numpy")
def strips(
    F, rows, depth, columns, a, a_step, b, b_straight, b_packed, out, first, finish, spare, ahead
):
    """Multiply a block of `a` by a block of `b`, strip by strip of `b`.

    Of bands of `a`, the next begins `a_step` elements after the one before it. From column
    `b_straight` on, strips of `b` are packed, each as wide as the whole tile and filled up
    with zeros. What does not lie in `out` as it does in a tile goes to `spare` first.
    """
    T, narrow, half = F.whole, F.narrow.columns, F.half.columns
    masks = masked(T)
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
        elif ahead.wanted and j == 0:
            soon, share = ahead.b, -(-columns // max(bands, 1))
        near = strip.data
        if ahead.wanted and j == T.columns:
            near, soon, share = a.data, ahead.a, T.rows + 0
        width = T.columns + 0
        if left <= half:
            width = half + 0
        elif left < width and (masks or left <= narrow + half):
            width = narrow + 0
        inside = min(left, width)
        place = part(out, 0, j)
        ending = Finish(finish.kind, finish.bias, finish.at + j)
        straight = (masks or left >= width) and out.column == 1
        to, begin = (place, first) if straight else (spare, True)
        if width == T.columns:
            _bands(T, bands, depth, a, a_step, strip, to, begin, near, soon, share)
        elif width == narrow:
            _edge(T, F.narrow, bands, depth, a, a_step, strip, inside, to, begin)
        else:
            _edge(T, F.half, bands, depth, a, a_step, strip, inside, to, begin)
        if bands > 0 and (not straight or finish.kind != NOTHING):
            finish_rows(F.half.vector, to, done, inside, place, straight, first, ending)
        if done < rows:
            lower = Matrix(a.data, a.at + bands * a_step, a.row, a.column)
            place = part(place, done, 0)
            straight = straight and (masks or width == T.columns)
            to, begin = (place, first) if straight else (spare, True)
            _lower(F, rows - done, depth, lower, strip, inside, to, begin)
            if not straight or finish.kind != NOTHING:
                left = rows - done
                finish_rows(F.half.vector, to, left, inside, place, straight, first, ending)
        j += width


@jit(inline="always", error_model="numpy")
def _lower(F, rows, depth, a, strip, columns, place, first):
    """Compute fewer rows than a whole tile has, in lower tiles of its width."""
    T = F.whole
    if rows & 4:
        _edge(T, F.four, 1, depth, a, 0, strip, columns, place, first)
        a, place = part(a, 4, 0), part(place, 4, 0)
    if rows & 2:
        _edge(T, F.two, 1, depth, a, 0, strip, columns, place, first)
        a, place = part(a, 2, 0), part(place, 2, 0)
    if rows & 1:
        _edge(T, F.one, 1, depth, a, 0, strip, columns, place, first)


@inner
def _bands(T, bands, depth, a, a_step, strip, place, first, near, soon, step):
    """Multiply bands of `a`, each as high as a tile, by one strip of `b`."""
    keep_apart()
    a_at, to = a.at, place.at
    for _ in range(bands):
        for r in range(T.rows):  # asked for long before it is needed
            for c in range(0, T.columns, T.vector.lanes):
                prefetch(place.data, to + r * place.row + c)
        tile = tile_zeros(T)
        for p in range(depth):
            # Each band asks for its share of what is read next, a packed strip or operands of
            # the next product: its first band would otherwise wait for them at every step.
            prefetch(near, soon + p * step)
            at = a_at + p * a.column
            tile = tile_outer_fma(tile, a.data, at, a.row, strip.data, strip.at + p * strip.row)
        soon += depth * step
        if first:
            tile_store(tile, place.data, to, place.row)
        else:
            tile_accumulate(tile, place.data, to, place.row)
        a_at += a_step
        to += T.rows * place.row


@inner
def _edge(W, T, bands, depth, a, a_step, strip, columns, place, first):
    """Do as `_bands` in tiles at an edge; of `W`, the whole one, they have masks or not."""
    keep_apart()
    a_at, to = a.at, place.at
    for _ in range(bands):
        tile = tile_zeros(T)
        for p in range(depth):
            keep_rolled()
            at, row = a_at + p * a.column, strip.at + p * strip.row
            tile = outer_columns(W, tile, a.data, at, a.row, strip.data, row, columns)
        if first:
            store_columns(W, tile, place.data, to, place.row, columns)
        else:
            add_columns(W, tile, place.data, to, place.row, columns)
        a_at += a_step
        to += T.rows * place.row


@inner
def finish_rows(V, spare, rows, columns, out, straight, first, finish):
    """Move, or add, what of spare tiles lies inside `out`; apply what is to be applied."""
    keep_apart()
    for r in range(rows):
        to, source = out.at + r * out.row, spare.at + r * spare.row
        if out.column == 1:
            for c in range(0, columns, V.lanes):
                count = columns - c
                if straight:
                    v = load_first(V, out.data, to + c, count)
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
