"""One strip of queries against all its keys, in blocks that stay near: the work of `tiled`.

Scores lie with one key in each row and one query in each lane. So the largest and the sum
over keys are taken lane by lane, without a step across a register; the products read keys
and values where they are; and what the second product reads of the weights is contiguous.
"""

from __future__ import annotations

import functools
import math
from typing import NamedTuple

import numpy as np
from numba.extending import overload

from accel.kernels.attention.operation import lowest
from accel.simd import (
    Tile,
    broadcast,
    exp2,
    fma,
    horizontal_sum,
    jit,
    load,
    load_first,
    maximum,
    store,
    store_first,
    tile_accumulate,
    tile_load,
    tile_load_first,
    tile_outer_fma,
    tile_store,
    tile_transpose,
    tile_zeros,
    vector,
    zeros,
)

#: Scores are multiplied by this too, since ``exp(x) = 2**(x log2(e))`` and powers of two take
#: less time. It costs nothing where the queries are scaled anyway.
LOG2_E = math.log2(math.e)

#: Most keys in a block: its weights, one strip of queries wide, take half a first-level
#: cache of 32 KiB.
BLOCK = 128

#: Up to so many queries are multiplied by keys one at a time, along the depth: a register with
#: a query in each lane would be nearly empty.
FEW = 3


class Room(NamedTuple):
    """Work space of one strip, for blocks of at most `BLOCK` keys."""

    queries: np.ndarray  # (d rounded up to registers, strip): transposed and scaled
    weights: np.ndarray  # (block, strip): scores, then weights
    sums: np.ndarray  # (strip, width rounded up to registers)
    largest: np.ndarray  # (strip,): the largest score so far
    total: np.ndarray  # (strip,): the sum of weights so far
    shrink: np.ndarray  # (strip,): what the last block multiplied them by
    values: np.ndarray  # (block, lanes): the last columns of v, where they fill no register


@functools.cache
def host_tile(dtype: str) -> Tile:
    """Return the tile for this machine: registers of keys, or queries, by two of numbers.

    Eight rows of two where there are registers of 64 bytes, of which there are 32: 16
    accumulators keep two multiply-add units busy. Else four rows of two, out of 16. The
    rows divide the columns: a strip of queries is so many columns wide in the first
    product and that many rows high in the second.
    """
    register = vector(dtype)
    wide = register.lanes * register.dtype.itemsize == 64
    return Tile(register, rows=8 if wide else 4, vectors=2)


def tile_for(x):
    """Return the tile for the elements of an array, in compiled code."""
    return host_tile(x.dtype.name)


@overload(tile_for)
def _tile_for(x):
    token = host_tile(str(x.dtype))
    return lambda x: token


def with_vectors(tile, vectors):
    """Return a tile of as many rows and another number of registers in each."""
    return Tile(tile.vector, tile.rows, vectors)


@overload(with_vectors, prefer_literal=True)
def _with_vectors(tile, vectors):
    token = Tile(tile.token.vector, tile.token.rows, vectors.literal_value)
    return lambda tile, vectors: token


def one_row(tile):
    """Return a tile of one row."""
    return Tile(tile.vector, 1, tile.vectors)


@overload(one_row)
def _one_row(tile):
    token = Tile(tile.token.vector, 1, tile.token.vectors)
    return lambda tile: token


def square(tile):
    """Return the tile of as many rows as a register has lanes, a register each."""
    return Tile(tile.vector, tile.vector.lanes, 1)


@overload(square)
def _square(tile):
    token = Tile(tile.token.vector, tile.token.vector.lanes, 1)
    return lambda tile: token


@jit
def room_for(T, dtype, depth, keys, width):
    """Return the work space for strips of queries of one problem."""
    lanes = T.vector.lanes
    deep = -(-depth // lanes) * lanes
    padded = -(-width // lanes) * lanes
    block = min(BLOCK, -(-keys // T.rows) * T.rows)
    return Room(
        np.empty(deep * T.columns, dtype),
        np.empty(block * T.columns, dtype),
        np.empty(T.columns * padded, dtype),
        np.empty(T.columns, dtype),
        np.empty(T.columns, dtype),
        np.empty(T.columns, dtype),
        np.empty(block * lanes, dtype),
    )


@jit
def pack(T, q, at, rows, depth, scale, packed):
    """Transpose a strip of queries and scale it; lanes without a query are zeros."""
    V = T.vector
    if rows <= FEW:
        _pack_rows(V, q, at, rows, depth, scale * LOG2_E, packed)
        return
    S = square(T)
    scale = broadcast(V, scale * LOG2_E)
    for c in range(0, T.columns, V.lanes):
        for p in range(0, depth, V.lanes):
            corner = at + c * depth + p
            if rows >= c + V.lanes and depth >= p + V.lanes:
                tile = tile_load(S, q, corner, depth)
            else:
                tile = tile_load_first(S, q, corner, depth, rows - c, depth - p)
            tile_store(tile_transpose(tile), packed, p * T.columns + c, T.columns)
    for i in range(0, depth * T.columns, V.lanes):
        store(packed, i, scale * load(V, packed, i))


@jit
def _pack_rows(V, q, at, rows, depth, scale, packed):
    """Copy a few queries and scale them, filled up with zeros to whole registers."""
    deep = -(-depth // V.lanes) * V.lanes
    for r in range(rows):
        for p in range(0, depth, V.lanes):
            part = load_first(V, q, at + r * depth + p, depth - p)
            store(packed, r * deep + p, scale * part)


@jit
def strip(T, k, k_at, depth, v, v_at, width, seen, top, rows, room):
    """Let a packed strip of queries see the keys before `seen`, one block at a time.

    Lane i does not see keys after ``top + i``.
    """
    for r in range(T.columns):
        room.largest[r], room.total[r] = lowest(room.largest.dtype), 0
    blocks = -(-seen // BLOCK)
    size = -(-seen // blocks)  # blocks of about equal length
    size += -size % T.rows  # and whole tiles
    for start in range(0, seen, size):
        count = min(size, seen - start)
        at = k_at + start * depth
        if rows <= FEW:
            _scores_of_few(T, k, at, depth, count, rows, room)
        elif rows <= T.vector.lanes:
            _scores(with_vectors(T, 1), T.columns, k, at, depth, count, room)
        else:
            _scores(T, T.columns, k, at, depth, count, room)
        _hide(T, start, count, top, room.weights)
        _weigh(T, count, rows, room)
        if start:
            _shrink(T.vector, rows, width, room)
        to = v_at + start * width
        if rows <= FEW:
            _mean(one_row(T), v, to, width, count, top - start, rows, start == 0, room)
        else:
            _mean(T, v, to, width, count, top - start, rows, start == 0, room)


@jit
def _scores(T, row, k, at, depth, count, room):
    """Write the scores of `count` keys by the strip's queries, as many as `T` has columns."""
    for j in range(0, count if count >= T.rows else 0, T.rows):
        j = min(j, count - T.rows)  # the last group takes some keys a second time
        tile = tile_zeros(T)
        for p in range(depth):
            tile = tile_outer_fma(tile, k, at + j * depth + p, depth, room.queries, p * row)
        tile_store(tile, room.weights, j * row, row)
    for j in range(count if count < T.rows else 0):
        tile = tile_zeros(one_row(T))
        for p in range(depth):
            tile = tile_outer_fma(tile, k, at + j * depth + p, depth, room.queries, p * row)
        tile_store(tile, room.weights, j * row, row)


@jit
def _scores_of_few(T, k, at, depth, count, rows, room):
    """Write the scores of `count` keys by a few queries, a scalar product at a time.

    The other lanes of `weights` hold anything: whatever becomes of it, nobody reads it.
    """
    V = T.vector
    whole = depth // V.lanes * V.lanes
    deep = -(-depth // V.lanes) * V.lanes
    for j in range(count):
        for r in range(rows):
            key, query = at + j * depth, r * deep
            total = zeros(V)
            for p in range(0, whole, V.lanes):
                total = fma(load(V, k, key + p), load(V, room.queries, query + p), total)
            if whole < depth:
                last = load_first(V, k, key + whole, depth - whole)
                total = fma(last, load(V, room.queries, query + whole), total)
            room.weights[j * T.columns + r] = horizontal_sum(total)


@jit
def _hide(T, start, count, top, weights):
    """Put to -inf the scores of keys that come after the query of their lane."""
    V = T.vector
    nothing = broadcast(V, -math.inf)
    for j in range(max(0, top + 1 - start), count):
        lanes = start + j - top
        for c in range(0, T.columns, V.lanes):
            store_first(weights, j * T.columns + c, nothing, lanes - c)


@jit
def _weigh(T, count, rows, room):
    """Turn scores into weights relative to the largest so far, and add up each query's."""
    V = T.vector
    for c in range(0, rows, V.lanes):
        before = load(V, room.largest, c)
        largest, other = before, before
        for j in range(0, count - 1, 2):  # two chains: a maximum waits for the one before
            largest = maximum(largest, load(V, room.weights, j * T.columns + c))
            other = maximum(other, load(V, room.weights, (j + 1) * T.columns + c))
        largest = maximum(
            largest, maximum(other, load(V, room.weights, (count - 1) * T.columns + c))
        )
        total = broadcast(V, 0.0)
        for j in range(count):
            at = j * T.columns + c
            weight = exp2(load(V, room.weights, at) - largest)
            store(room.weights, at, weight)
            total = total + weight
        # The second difference is 0, or NaN where the largest is infinite.
        shrink = exp2(before - largest) + (largest - largest)
        store(room.largest, c, largest)
        store(room.shrink, c, shrink)
        store(room.total, c, load(V, room.total, c) * shrink + total)


@jit
def _shrink(V, rows, width, room):
    """Multiply the sums so far by what a larger score has made of their weights."""
    padded = -(-width // V.lanes) * V.lanes
    for r in range(rows):
        shrink = broadcast(V, room.shrink[r])
        for c in range(0, padded, V.lanes):
            at = r * padded + c
            store(room.sums, at, shrink * load(V, room.sums, at))


@jit
def _mean(T, v, at, width, count, top, rows, first, room):
    """Add the weighted values of a block to the sums, or begin them.

    Row r sees the values up to ``top + r``; the weights of others are zeros.
    """
    V = T.vector
    narrow = with_vectors(T, 1)
    padded = -(-width // V.lanes) * V.lanes
    wide = width - width % T.columns
    straight = width - width % V.lanes
    for j in range(count if straight < width else 0):
        values = load_first(V, v, at + j * width + straight, width - straight)
        store(room.values, j * V.lanes, values)
    for g in range(0, rows, T.rows):
        deep = min(count, max(0, top + g + T.rows))
        for c in range(0, wide, T.columns):
            tile = _product(T, room.weights, g, T.columns, v, at + c, width, deep)
            _put(tile, room.sums, g * padded + c, padded, first)
        if wide < straight:
            tile = _product(narrow, room.weights, g, T.columns, v, at + wide, width, deep)
            _put(tile, room.sums, g * padded + wide, padded, first)
        if straight < width:
            tile = _product(narrow, room.weights, g, T.columns, room.values, 0, V.lanes, deep)
            _put(tile, room.sums, g * padded + straight, padded, first)


@jit(inline="always")
def _product(T, weights, a, strip, values, b, row, deep):
    tile = tile_zeros(T)
    for p in range(deep):
        tile = tile_outer_fma(tile, weights, a + p * strip, 1, values, b + p * row)
    return tile


@jit(inline="always")
def _put(tile, sums, at, row, first):
    if first:
        tile_store(tile, sums, at, row)
    else:
        tile_accumulate(tile, sums, at, row)


@jit(error_model="numpy")
def finish(V, rows, width, room, out, to):
    """Divide the sums by the sums of weights."""
    padded = -(-width // V.lanes) * V.lanes
    for r in range(rows):
        share = 1 / broadcast(V, room.total[r])
        for c in range(0, width, V.lanes):
            mean = share * load(V, room.sums, r * padded + c)
            store_first(out, to + r * width + c, mean, width - c)
