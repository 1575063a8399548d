"""Attention with an online softmax: one pass over the keys, and no matrix of scores.

A softmax needs the largest score before the first weight, or so it seems. The online form
keeps the largest *so far*, with the sums that belong to it; where a larger score turns up,
the sums are multiplied by ``exp(old - new)`` once, and are what they would have been had
the larger one been known from the start.
"""

from __future__ import annotations

import math

from accel.kernels.attention import materialised  # noqa: F401  (the steps below this one)
from accel.kernels.attention.operation import check, lowest
from accel.kernels.registry import register
from accel.simd import jit


@register(
    "attention",
    name="online",
    instrument="compiled",
    story="online softmax: removes the scores, one number at a time",
    tags=("ladder",),
)
@jit
def attention_online(q, k, v, out):
    """Compute attention in one pass over the keys for each query.

    Removes the matrix of scores: one score at a time is formed, weighed and forgotten, and
    the row of `out` is the sum. But scalar products are summed one number after another,
    in the order in which they stand, and the exponential takes one number.

    Parameters
    ----------
    q, k, v, out : ndarray, shapes (heads, n, d), (heads, keys, d), (heads, keys, width),
        (heads, n, width), float32 or float64
        `out` is overwritten.

    Raises
    ------
    ValueError
        If shapes do not fit, or there is no key.

    Cost
    ----
    ``2 n keys (d + width)`` FLOPs and ``n keys`` exponentials per head; no work space.

    Source
    ------
    Milakov and Gimelshein (2018), algorithm 3.
    """
    check(q, k, v, out)
    for head in range(q.shape[0]):
        for i in range(q.shape[1]):
            _query(q[head, i], k[head], v[head], out[head, i])


@register(
    "attention_causal",
    name="online",
    instrument="compiled",
    story="online softmax: removes the scores and the hidden half",
    tags=("ladder",),
)
@jit
def attention_causal_online(q, k, v, out):
    """Compute causal attention as `attention_online`, query i over keys 0 to i only."""
    check(q, k, v, out)
    for head in range(q.shape[0]):
        for i in range(q.shape[1]):
            _query(q[head, i], k[head, : i + 1], v[head, : i + 1], out[head, i])


@jit(error_model="numpy")
def _query(query, keys, values, result):
    number = query.dtype.type
    scale = number(1 / math.sqrt(query.size))
    largest, total = lowest(query.dtype), number(0)
    result[:] = 0
    for j in range(keys.shape[0]):
        score = number(0)
        for p in range(query.size):
            score += query[p] * keys[j, p]
        score *= scale
        if not score <= largest:  # also where it is NaN
            shrink = math.exp(largest - score)
            total *= shrink
            for p in range(result.size):
                result[p] *= shrink
            largest = score
        weight = math.exp(score - largest)
        total += weight
        for p in range(result.size):
            result[p] += weight * values[j, p]
    for p in range(result.size):
        result[p] /= total
