"""Attention of queries to keys, for any leading dimensions."""

from __future__ import annotations

import math
from numbers import Real

import numpy as np

from accel.ops.arguments import array, delivered, room


def attention(
    q,
    k,
    v,
    causal: bool = False,
    scale: float | None = None,
    out: np.ndarray | None = None,
) -> np.ndarray:
    """Return ``softmax(scale q k^T) v``: for each query the mean of the values it attends to.

    Parameters
    ----------
    q : array-like, shape (..., n, d), float32 or float64
        Queries. Leading dimensions, such as batch and heads, are independent problems.
    k : array-like, shape (..., keys, d)
        Keys, of the dtype and leading dimensions of `q`; at least one.
    v : array-like, shape (..., keys, width)
        Values, one for each key, of the same dtype and leading dimensions.
    causal : bool
        Whether query i sees only keys 0 to i, counted from the first of each.
    scale : float, optional
        What scores are multiplied by; ``1 / sqrt(d)`` by default.
    out : ndarray, optional
        Where to write, of shape (..., n, width); may overlap the inputs.

    Returns
    -------
    ndarray, shape (..., n, width)
        `out`, or a new array. A query with a score that is NaN or ``+inf``, or with
        nothing but ``-inf``, gets NaN; a score of ``-inf`` has weight 0. Large scores do not
        overflow. Values of hidden keys should be finite: 0 times infinity is NaN.

    Raises
    ------
    TypeError
        If an array is of another element type, or `scale` is no number.
    ValueError
        If shapes do not fit one another, there is no key, d is 0, or `out` is read-only or of
        another shape.

    Cost
    ----
    ``2 n keys (d + width)`` FLOPs and ``n keys`` exponentials per problem, half with
    `causal`. No matrix of scores: work space does not grow with `n` or `keys`.

    Source
    ------
    Vaswani and others, "Attention Is All You Need", arXiv:1706.03762 (2017). Dao and others,
    "FlashAttention", arXiv:2205.14135 (2022).

    Examples
    --------
    >>> import numpy as np
    >>> import accel
    >>> q, k, v = np.zeros((3, 2, 8, 5, 4), "float32")
    >>> accel.attention(q, k, v, causal=True).shape
    (2, 8, 5, 4)
    """
    q = array("attention", "q", q)
    k = array("attention", "k", k, like=q)
    v = array("attention", "v", v, like=q)
    _check_shapes(q, k, v)
    if scale is None:
        scale = 1 / math.sqrt(q.shape[-1])
    elif not isinstance(scale, Real):
        raise TypeError(f"attention: scale must be a number, got {type(scale).__name__}")
    y = room("attention", out, (*q.shape[:-1], v.shape[-1]), q.dtype, reads=(q, k, v))
    from accel.kernels.attention.tiled import attend_with_threads

    attend_with_threads(_heads(q), _heads(k), _heads(v), _heads(y), float(scale), bool(causal))
    return delivered(y, out)


def _check_shapes(q: np.ndarray, k: np.ndarray, v: np.ndarray) -> None:
    for name, x in (("q", q), ("k", k), ("v", v)):
        if x.ndim < 2:
            raise ValueError(
                f"attention: {name} must have 2 or more dimensions, got shape {x.shape}"
            )
        if x.shape[:-2] != q.shape[:-2]:
            raise ValueError(
                f"attention: {name} must have the leading dimensions of q, {q.shape[:-2]}, "
                f"got shape {x.shape}"
            )
    if q.shape[-1] == 0:
        raise ValueError(f"attention: q must have a depth of at least 1, got shape {q.shape}")
    if k.shape[-1] != q.shape[-1]:
        raise ValueError(
            f"attention: k must have the depth of q, {q.shape[-1]}, got shape {k.shape}"
        )
    if k.shape[-2] == 0:
        raise ValueError(f"attention: k must have at least one key, got shape {k.shape}")
    if v.shape[-2] != k.shape[-2]:
        raise ValueError(
            f"attention: v must have a row for each of {k.shape[-2]} keys, got shape {v.shape}"
        )


def _heads(x: np.ndarray) -> np.ndarray:
    """Return a contiguous array with one leading dimension, without a copy."""
    return x.reshape(math.prod(x.shape[:-2]), *x.shape[-2:])
