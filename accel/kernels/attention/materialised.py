"""Attention with its matrix of scores in memory: the formula as it is written."""

from __future__ import annotations

import math

import numpy as np

from accel.kernels.activation import lists
from accel.kernels.attention.operation import hidden
from accel.kernels.registry import register


def _loop(q, k, v, out, causal):
    for queries, keys, values, results in zip(q, k, v, out, strict=True):
        for i, query in enumerate(queries):
            root = math.sqrt(len(query))
            seen = keys[: i + 1] if causal else keys
            scores = [sum(a * b for a, b in zip(query, key, strict=True)) / root for key in seen]
            largest = max(scores)
            weights = [math.exp(score - largest) for score in scores]
            total = sum(weights)
            for j in range(len(results[i])):
                results[i][j] = sum(w * v[j] for w, v in zip(weights, values, strict=False)) / total


@register(
    "attention",
    name="loop",
    instrument="interpreter",
    story="Python loops over nested lists, one query at a time",
    adapt=lists,
    tags=("ladder",),
)
def attention_loop(q, k, v, out):
    """Compute attention on nested lists by the definition.

    The starting point: for each query its scores, their softmax, and a weighted mean.

    Parameters
    ----------
    q, k, v, out : nested lists of float, of shapes (heads, n, d), (heads, keys, d),
        (heads, keys, width) and (heads, n, width)
        `out` is overwritten.

    Cost
    ----
    ``2 n keys (d + width)`` FLOPs per head, each some dozens of the interpreter's
    instructions; two lists of `keys` numbers.
    """
    _loop(q, k, v, out, False)


@register(
    "attention_causal",
    name="loop",
    instrument="interpreter",
    story="Python loops over nested lists, each query over the keys before it",
    adapt=lists,
    tags=("ladder",),
)
def attention_causal_loop(q, k, v, out):
    """Compute causal attention on nested lists: as `attention_loop`, over keys 0 to i."""
    _loop(q, k, v, out, True)


@register(
    "attention",
    name="numpy",
    instrument="NumPy",
    story="whole-array expression: removes the interpreter, adds matrices of scores",
    tags=("ladder", "numpy"),
)
def attention_numpy(q, k, v, out):
    """Compute attention of all heads as whole-array expressions.

    Removes the interpreter: both products are BLAS's. The queries are scaled, being fewer
    numbers than scores.

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
    ``2 n keys (d + width)`` FLOPs per head; ``heads n keys`` scores, twice, written and
    read five times over.

    Source
    ------
    Vaswani and others (2017), section 3.2.1.
    """
    _whole(q, k, v, out, None)


@register(
    "attention_causal",
    name="numpy",
    instrument="NumPy",
    story="whole-array expression: removes the interpreter, computes the hidden half too",
    tags=("ladder", "numpy"),
)
def attention_causal_numpy(q, k, v, out):
    """Compute causal attention of all heads as whole-array expressions.

    As `attention_numpy`; the scores of hidden keys are computed and then replaced by
    ``-inf``. Keys that no query sees are left out.
    """
    seen = min(max(1, q.shape[1]), k.shape[1])
    _whole(q, k[:, :seen], v[:, :seen], out, hidden(q.shape[1], seen))


def _whole(q, k, v, out, hide):
    scores = (q / q.dtype.type(math.sqrt(q.shape[2]))) @ k.swapaxes(1, 2)
    if hide is not None:
        scores[:, hide] = -np.inf
    with np.errstate(invalid="ignore"):  # -inf - -inf, where NaN is right
        weights = np.exp(scores - scores.max(axis=2, keepdims=True))
    np.matmul(weights, v, out=out)
    out /= weights.sum(axis=2, keepdims=True)


@register(
    "attention",
    name="numpy_out",
    instrument="NumPy",
    story="one head at a time, in place: removes all but one matrix of scores",
    tags=("ladder",),
)
def attention_numpy_out(q, k, v, out):
    """Compute attention one head at a time, in place in one matrix of scores.

    Removes the temporaries: one matrix of ``n x keys`` scores serves all heads and every
    step, and may stay in cache where those of all heads together do not. The division by
    the sums is left to the end, where it meets ``n width`` numbers.

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
    As `attention_numpy`, with ``n keys`` scores at a time.
    """
    _by_head(q, k, v, out, None)


@register(
    "attention_causal",
    name="numpy_out",
    instrument="NumPy",
    story="one head at a time, in place: removes all but one matrix of scores",
    tags=("ladder",),
)
def attention_causal_numpy_out(q, k, v, out):
    """Compute causal attention as `attention_numpy_out`, hidden scores put to ``-inf``."""
    seen = min(max(1, q.shape[1]), k.shape[1])
    _by_head(q, k[:, :seen], v[:, :seen], out, hidden(q.shape[1], seen))


def _by_head(q, k, v, out, hide):
    scores = np.empty((q.shape[1], k.shape[1]), q.dtype)
    scaled = np.empty(q.shape[1:], q.dtype)
    root = q.dtype.type(math.sqrt(q.shape[2]))
    for queries, keys, values, result in zip(q, k, v, out, strict=True):
        np.divide(queries, root, out=scaled)
        np.matmul(scaled, keys.T, out=scores)
        if hide is not None:
            np.copyto(scores, -np.inf, where=hide)
        with np.errstate(invalid="ignore"):  # -inf - -inf, where NaN is right
            scores -= scores.max(axis=1, keepdims=True)
        np.exp(scores, out=scores)
        np.matmul(scores, values, out=result)
        result /= scores.sum(axis=1, keepdims=True)
