"""Rows of exponentials: how `softmax` and `log_softmax` walk them with vector registers.

Short rows take one register, and stay in it. Rows that fit a near cache are read three
times from there: for the largest number, for the exponentials and their sum, for the
division. Longer ones are read twice from afar: block by block for the largest number and
the sum, and once more for the results.

Source
------
Milakov and Gimelshein, "Online normalizer calculation for softmax", arXiv:1805.02867
(2018): the sum that is corrected when a larger number comes.
"""

from __future__ import annotations

import math

import numpy as np

from accel.kernels.activation import register_for
from accel.kernels.activation.elements import past_caches
from accel.kernels.normalisation.rows import quarter_of
from accel.kernels.normalisation.weights import broadcast_max, lowered, weight
from accel.simd import (
    any_lane,
    broadcast,
    elements_to_alignment,
    fence,
    first_lanes,
    horizontal_max,
    horizontal_sum,
    jit,
    load,
    load_first,
    load_masked,
    pointer,
    select,
    store,
    store_first,
    store_masked,
    store_streaming,
    zeros,
)

#: Bytes of a row up to which its weights are kept for the division: they stay in a cache
#: that a core has for itself. The weights of longer rows are computed twice instead.
NEAR_BYTES = 1 << 18

#: Numbers that are read twice in a row: a block in the nearest cache.
BLOCK = 2048


@jit
def softmax_rows(x, out, first, last):
    """Compute the softmax of rows first to last - 1 of checked arguments."""
    V, width, streams = register_for(x), x.shape[1], past_caches(x, 2)
    source, target = pointer(x.reshape(-1)), pointer(out.reshape(-1))
    if width == 1:
        fill_finite(V, source, first, last, 1.0, target)
    elif width <= V.lanes // 4:
        _short_rows(quarter_of(x), source, target, width, first, last)
    elif width <= V.lanes:
        _short_rows(V, source, target, width, first, last)
    elif width * x.itemsize > NEAR_BYTES:
        _long_rows(V, source, target, width, first, last, streams)
    elif streams:
        kept = np.empty(width, x.dtype)
        _streamed_rows(V, source, target, width, first, last, pointer(kept))
    else:
        _near_rows(V, source, target, width, first, last)


@jit
def fill_finite(V, x, at, end, value, out):
    """Write a number wherever `x` is finite, and NaN elsewhere: what rows of one number give."""
    while end - at >= V.lanes:
        v = load(V, x, at)
        store(out, at, (v - v) + value)
        at += V.lanes
    v = load_first(V, x, at, end - at)
    store_first(out, at, (v - v) + value, end - at)


@jit
def _short_rows(V, x, out, width, first, last):
    """Rows of one register, which is loaded and stored under the same mask every time."""
    inside, least = first_lanes(V, width), broadcast(V, -np.inf)
    for at in range(first * width, last * width, width):
        row = select(inside, load_masked(V, x, at, inside), least)
        weights = weight(V, row - broadcast_max(V, row))
        store_masked(out, at, weights * broadcast(V, 1.0 / horizontal_sum(weights)), inside)


@jit
def _near_rows(V, x, out, width, first, last):
    """Rows whose weights are kept where the results will be."""
    for at in range(first * width, last * width, width):
        top = span_largest(V, x, at, at + width)
        total = _weights(V, x, at, width, top, out, at)
        _multiply(V, out, at, broadcast(V, 1.0 / total), out, at, width)


@jit
def _streamed_rows(V, x, out, width, first, last, kept):
    """Rows whose results go past the caches, while their weights are kept in a near one.

    They go in whole lines: what a row leaves of its last line waits for the next row, and
    both are written in one. Half a line written as usual would have to be read first.
    """
    j, carry = elements_to_alignment(V, out, first * width), zeros(V)
    for at in range(first * width, last * width, width):
        top = span_largest(V, x, at, at + width)
        share = broadcast(V, 1.0 / _weights(V, x, at, width, top, kept, 0))
        carry, j = _stream_row(V, kept, width, share, out, at, j, carry)
    if last > first:
        store_first(out, last * width + j, carry, -j)
    fence()


@jit
def _stream_row(V, kept, width, share, out, at, j, carry):
    """Start at j, below 0 where `carry` holds results of the row before; return as much."""
    if j > 0:
        store_first(out, at, share * load_first(V, kept, 0, j), j)
    elif j < 0:
        ours = ~first_lanes(V, -j)
        store_streaming(out, at + j, select(ours, share * load_masked(V, kept, j, ours), carry))
        j += V.lanes
    while width - j >= V.lanes:
        store_streaming(out, at + j, share * load(V, kept, j))
        j += V.lanes
    return share * load_first(V, kept, j, width - j), j - width


@jit
def _long_rows(V, x, out, width, first, last, streams):
    """Rows that fit no near cache: read twice, their exponentials computed twice."""
    for at in range(first * width, last * width, width):
        top, total = top_and_total(V, x, at, at + width)
        _shares(V, x, at, at + width, top, broadcast(V, 1.0 / total), out, streams)
    fence()


@jit
def _weights(V, x, at, width, top, kept, to):
    """Write the weights of a row to ``kept[to:]``, and return their sum."""
    a, b, c, d = zeros(V), zeros(V), zeros(V), zeros(V)
    j = 0
    while width - j >= 4 * V.lanes:
        i, k = at + j, to + j
        s, t = weight(V, load(V, x, i) - top), weight(V, load(V, x, i + V.lanes) - top)
        u = weight(V, load(V, x, i + 2 * V.lanes) - top)
        v = weight(V, load(V, x, i + 3 * V.lanes) - top)
        store(kept, k, s)
        store(kept, k + V.lanes, t)
        store(kept, k + 2 * V.lanes, u)
        store(kept, k + 3 * V.lanes, v)
        a, b, c, d = a + s, b + t, c + u, d + v
        j += 4 * V.lanes
    while width - j >= V.lanes:
        s = weight(V, load(V, x, at + j) - top)
        store(kept, to + j, s)
        a += s
        j += V.lanes
    if width > j:
        inside = first_lanes(V, width - j)
        s = weight(V, load_masked(V, x, at + j, inside) - top)
        store_masked(kept, to + j, s, inside)
        b += select(inside, s, 0.0)
    return horizontal_sum((a + b) + (c + d))


@jit
def _multiply(V, kept, at, share, out, to, count):
    j = 0
    while count - j >= V.lanes:
        store(out, to + j, share * load(V, kept, at + j))
        j += V.lanes
    if count > j:
        store_first(out, to + j, share * load_first(V, kept, at + j, count - j), count - j)


@jit
def _shares(V, x, at, end, top, share, out, streams):
    head = min(elements_to_alignment(V, out, at), end - at)
    store_first(out, at, share * weight(V, load_first(V, x, at, head) - top), head)
    whole = at + head + (end - at - head) // V.lanes * V.lanes
    if streams:
        for i in range(at + head, whole, V.lanes):
            store_streaming(out, i, share * weight(V, load(V, x, i) - top))
    else:
        for i in range(at + head, whole, V.lanes):
            store(out, i, share * weight(V, load(V, x, i) - top))
    rest = end - whole
    store_first(out, whole, share * weight(V, load_first(V, x, whole, rest) - top), rest)


@jit
def span_largest(V, x, at, end):
    """Return a register full of the largest of ``x[at:end]``.

    A NaN may win or be passed over: it shows in the weights.
    """
    a = b = c = d = broadcast(V, -np.inf)
    while end - at >= 4 * V.lanes:
        a, b = _larger(load(V, x, at), a), _larger(load(V, x, at + V.lanes), b)
        c = _larger(load(V, x, at + 2 * V.lanes), c)
        d = _larger(load(V, x, at + 3 * V.lanes), d)
        at += 4 * V.lanes
    while end - at >= V.lanes:
        a = _larger(load(V, x, at), a)
        at += V.lanes
    if end > at:
        inside = first_lanes(V, end - at)
        b = _larger(select(inside, load_masked(V, x, at, inside), b), b)
    return broadcast_max(V, _larger(_larger(a, b), _larger(c, d)))


@jit
def _larger(v, most):
    """One instruction, since a NaN in `v` is passed over."""
    return select(v > most, v, most)


@jit
def top_and_total(V, x, at, end):
    """Return a register full of the largest of ``x[at:end]``, and the sum of weights.

    Read once from afar, block by block: where one has a number larger than all before, what
    was summed so far shrinks. The sum is NaN where there is one, or nothing but -inf.
    """
    top, total = broadcast(V, -np.inf), 0.0
    for i in range(at, end, BLOCK):
        most = _larger(span_largest(V, x, i, min(i + BLOCK, end)), top)
        if any_lane(most > top):
            total *= lowered(V, horizontal_max(weight(V, top - most)))
            top = most
        if any_lane(top > -np.inf):
            total += span_total(V, x, i, min(i + BLOCK, end), top)
        else:  # masked so far, or NaN
            total += _nan_or_zero(V, x, i, min(i + BLOCK, end))
    return top, total if any_lane(top > -np.inf) else np.nan


@jit
def _nan_or_zero(V, x, at, end):
    for i in range(at, end):
        if math.isnan(x[i]):
            return np.nan
    return 0.0


@jit
def span_total(V, x, at, end, top):
    """Return the sum of the weights of ``x[at:end]``."""
    a, b, c, d = zeros(V), zeros(V), zeros(V), zeros(V)
    while end - at >= 4 * V.lanes:
        a += weight(V, load(V, x, at) - top)
        b += weight(V, load(V, x, at + V.lanes) - top)
        c += weight(V, load(V, x, at + 2 * V.lanes) - top)
        d += weight(V, load(V, x, at + 3 * V.lanes) - top)
        at += 4 * V.lanes
    while end - at >= V.lanes:
        a += weight(V, load(V, x, at) - top)
        at += V.lanes
    if end > at:
        inside = first_lanes(V, end - at)
        b += select(inside, weight(V, load_masked(V, x, at, inside) - top), 0.0)
    return horizontal_sum((a + b) + (c + d))
