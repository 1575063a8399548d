"""The top of the attention ladder: blocks of queries by keys around tiles of registers.

::

    for each head, and for each strip of queries                       (dealt to threads)
      pack the strip: transposed and scaled                            (nearest cache)
      for each block of keys                   (causal: up to the strip's last query)
        for each group of keys: outer products, keys by queries, into a tile of registers
        the largest score of each query; weights = exp(score - largest)
        sums of the strip *= exp(largest before - largest now)
        for each group of queries: outer products, weights by values, added to the sums
      divide by the sums of weights

Scores lie with one key in each row and one query in each lane. So the largest and the sum
over keys are taken lane by lane, without a step across a register; the products read keys
and values where they are; and what the second product reads of the weights is contiguous.
Work space is one block: it depends on d, not on the number of queries or keys.

Source
------
Dao and others (2022), algorithm 1, with queries in the outer loop. Goto and van de Geijn,
"Anatomy of High-Performance Matrix Multiplication", ACM TOMS 34 (2008), for the tiles.
"""

from __future__ import annotations

import functools
import math
from typing import NamedTuple

import numba
import numpy as np
from numba.extending import overload

from accel.kernels.attention import online  # noqa: F401  (the steps below this one)
from accel.kernels.attention.operation import check, lowest
from accel.kernels.registry import register
from accel.simd import (
    Tile,
    broadcast,
    exp2,
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
)

#: Scores are multiplied by this too, since ``exp(x) = 2**(x log2(e))`` and powers of two take
#: less time. It costs nothing where the queries are scaled anyway.
LOG2_E = math.log2(math.e)

#: Most keys in a block: its weights, one strip of queries wide, take half a first-level
#: cache of 32 KiB.
BLOCK = 128

#: Below so many multiply-adds threads cost more than they gain.
WORTH_THREADS = 1 << 21


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
def attend(q, k, v, out, scale, causal, first, step):
    """Compute every `step`-th strip of queries, from strip `first` on.

    Parameters
    ----------
    q, k, v, out : ndarray, shapes (heads, n, d), (heads, keys, d), (heads, keys, width),
        (heads, n, width), contiguous, float32 or float64
        The strips of `out` are overwritten.
    scale : float
        What scores are multiplied by.
    causal : bool
        Whether query i sees only keys 0 to i.
    first, step : int
        All strips for ``0, 1``; strips are counted through all heads.

    Raises
    ------
    ValueError
        If shapes do not fit, or there is no key.
    """
    check(q, k, v, out)
    T = tile_for(q)
    heads, queries, depth = q.shape
    strips = -(-queries // T.columns)
    if heads * strips <= first:
        return
    room = _room(T, q, v)
    line_q, line_k, line_v, line_out = q.ravel(), k.ravel(), v.ravel(), out.ravel()
    for unit in range(first, heads * strips, step):
        head, top = unit // strips, unit % strips * T.columns
        rows = min(T.columns, queries - top)
        seen = min(v.shape[1], top + rows) if causal else v.shape[1]
        _pack(T, line_q, (head * queries + top) * depth, rows, depth, scale, room.queries)
        _strip(
            T, line_k, head * k.shape[1] * depth, depth, line_v, head * v.size // heads,
            v.shape[2], seen, top if causal else seen, rows, room,
        )  # fmt: skip
        to = (head * queries + top) * v.shape[2]
        _finish(T.vector, rows, v.shape[2], room, line_out, to)


@jit
def _room(T, q, v):
    padded = -(-v.shape[2] // T.vector.lanes) * T.vector.lanes
    deep = -(-q.shape[2] // T.vector.lanes) * T.vector.lanes
    block = min(BLOCK, -(-v.shape[1] // T.rows) * T.rows)
    return Room(
        np.empty(deep * T.columns, q.dtype),
        np.empty(block * T.columns, q.dtype),
        np.empty(T.columns * padded, q.dtype),
        np.empty(T.columns, q.dtype),
        np.empty(T.columns, q.dtype),
        np.empty(T.columns, q.dtype),
        np.empty(block * T.vector.lanes, q.dtype),
    )


@jit
def _pack(T, q, at, rows, depth, scale, packed):
    """Transpose a strip of queries and scale it; lanes without a query are zeros."""
    V = T.vector
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
def _strip(T, k, k_at, depth, v, v_at, width, seen, top, rows, room):
    """Let a packed strip of queries see the keys before `seen`, one block at a time.

    Lane i does not see keys after ``top + i``.
    """
    for r in range(T.columns):
        room.largest[r], room.total[r] = lowest(k.dtype), 0
    blocks = -(-seen // BLOCK)
    size = -(-seen // blocks)  # blocks of about equal length
    size += -size % T.rows  # and whole tiles
    for start in range(0, seen, size):
        count = min(size, seen - start)
        _scores(T, k, k_at + start * depth, depth, count, room)
        _hide(T, start, count, top, room.weights)
        _weigh(T, count, room)
        if start:
            _shrink(T.vector, rows, width, room)
        _mean(T, v, v_at + start * width, width, count, top - start, rows, start == 0, room)


@jit
def _scores(T, k, at, depth, count, room):
    """Write the scores of `count` keys by the strip's queries."""
    strip = T.columns
    for j in range(0, count - count % T.rows if count < T.rows else count, T.rows):
        j = min(j, count - T.rows)  # the last group takes some keys a second time
        tile = tile_zeros(T)
        for p in range(depth):
            tile = tile_outer_fma(tile, k, at + j * depth + p, depth, room.queries, p * strip)
        tile_store(tile, room.weights, j * strip, strip)
    if count < T.rows:
        for j in range(count):
            tile = tile_zeros(one_row(T))
            for p in range(depth):
                tile = tile_outer_fma(tile, k, at + j * depth + p, depth, room.queries, p * strip)
            tile_store(tile, room.weights, j * strip, strip)


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
def _weigh(T, count, room):
    """Turn scores into weights relative to the largest so far, and add up each query's."""
    V = T.vector
    for c in range(0, T.columns, V.lanes):
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
def _finish(V, rows, width, room, out, to):
    """Divide the sums by the sums of weights."""
    padded = -(-width // V.lanes) * V.lanes
    for r in range(rows):
        share = 1 / broadcast(V, room.total[r])
        for c in range(0, width, V.lanes):
            mean = share * load(V, room.sums, r * padded + c)
            store_first(out, to + r * width + c, mean, width - c)


@register(
    "attention",
    name="tiled",
    instrument="compiled",
    story="tiles of registers, a block at a time: removes loads and scalar exponentials",
    tags=("ladder", "best"),
)
@jit
def attention_tiled(q, k, v, out):
    """Compute attention in blocks of queries by keys, with tiles of registers.

    Removes most loads and all scalar steps: each register of queries or values that is
    loaded meets several keys or weights, sums stay in registers, and the exponential takes
    a whole register. The online softmax works on a block of keys at a time.

    Parameters
    ----------
    q, k, v, out : ndarray, shapes (heads, n, d), (heads, keys, d), (heads, keys, width),
        (heads, n, width), float32 or float64, contiguous
        `out` is overwritten.

    Raises
    ------
    ValueError
        If shapes do not fit, or there is no key.

    Cost
    ----
    ``2 n keys (d + width)`` FLOPs and ``n keys`` exponentials per head; work space of one
    block.

    Source
    ------
    Dao and others (2022), algorithm 1.
    """
    attend(q, k, v, out, 1 / math.sqrt(max(1, q.shape[2])), False, 0, 1)


@register(
    "attention_causal",
    name="tiled",
    instrument="compiled",
    story="tiles of registers, a block at a time: blocks above the diagonal are left out",
    tags=("ladder", "best"),
)
@jit
def attention_causal_tiled(q, k, v, out):
    """Compute causal attention as `attention_tiled`, skipping blocks that nobody sees.

    Only blocks that the diagonal cuts compute scores that are then hidden.
    """
    attend(q, k, v, out, 1 / math.sqrt(max(1, q.shape[2])), True, 0, 1)


@jit(parallel=True)
def attend_in_parallel(q, k, v, out, scale, causal, threads):
    """Compute attention with strips of queries dealt to threads in turn; as `attend`."""
    for thread in numba.prange(threads):
        attend(q, k, v, out, scale, causal, thread, threads)


def attend_with_threads(q, k, v, out, scale, causal):
    """Compute attention on as many threads as Numba has, or on one where that is little."""
    threads = numba.get_num_threads()
    work = q.shape[0] * q.shape[1] * v.shape[1] * (q.shape[2] + v.shape[2])
    if threads == 1 or work < WORTH_THREADS:
        attend(q, k, v, out, scale, causal, 0, 1)
    else:
        check(q, k, v, out)  # an error inside a parallel loop ends the process badly
        attend_in_parallel(q, k, v, out, scale, causal, threads)


@register(
    "attention",
    name="threads",
    instrument="compiled",
    story="all cores: strips of queries are dealt to them in turn",
    tags=("threads",),
)
def attention_threads(q, k, v, out):
    """Compute attention on all cores; parameters, errors and cost as `attention_tiled`.

    Removes nothing but waiting: strips of queries, through all heads, are dealt to threads
    in turn, each with its own work space. Small problems stay on one core.
    """
    attend_with_threads(q, k, v, out, 1 / math.sqrt(max(1, q.shape[2])), False)


@register(
    "attention_causal",
    name="threads",
    instrument="compiled",
    story="all cores: strips of queries are dealt to them in turn, long ones with short",
    tags=("threads",),
)
def attention_causal_threads(q, k, v, out):
    """Compute causal attention on all cores, as `attention_threads`."""
    attend_with_threads(q, k, v, out, 1 / math.sqrt(max(1, q.shape[2])), True)
