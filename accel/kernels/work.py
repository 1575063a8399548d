"""How much work a call is, told by its arguments: what its time is proportional to.

For most operations that is the bytes of their arrays, `accel.kernels.registry.bytes_of`. For
those that compute on each element many times it is their FLOPs.
"""

from __future__ import annotations

import math

import numpy as np


def product(a: np.ndarray, b: np.ndarray, *_) -> int:
    """FLOPs of ``a @ b``, shapes (..., m, k) and (..., k, n)."""
    return 2 * a.size * b.shape[-1]


def product_nt(a: np.ndarray, b: np.ndarray, *_) -> int:
    """FLOPs of ``a @ b.T``, shapes (m, k) and (n, k)."""
    return 2 * a.size * b.shape[0]


def convolution(x: np.ndarray, weight: np.ndarray, *others) -> int:
    """FLOPs of a convolution by filters of shape (K, C / groups, height, width).

    The result, the last argument, has one sum for each element, over as many products as a
    filter has weights.
    """
    return 2 * others[-1].size * (weight.size // max(1, weight.shape[0]))


def convolution_nhwc(x: np.ndarray, weight: np.ndarray, *others) -> int:
    """FLOPs of a convolution by weights of shape (height, width, C, K)."""
    return 2 * others[-1].size * (weight.size // max(1, weight.shape[-1]))


def convolution_nchwc(x: np.ndarray, weight: np.ndarray, *others) -> int:
    """FLOPs of a convolution by weights of shape (K / c, C / c, height, width, c, c)."""
    return 2 * others[-1].size * (weight.size // max(1, weight.shape[0] * weight.shape[-1]))


def rows(first: np.ndarray, second: np.ndarray, out: np.ndarray) -> int:
    """Bytes of a call that reads or writes rows of a table, not all of it.

    Shapes (rows, d), (n,), (n, d) of a gather, or (n,), (n, d), (rows, d) of a scatter: the
    indices and twice the rows that they name.
    """
    indices, named = (first, second) if first.ndim == 1 else (second, out)
    return indices.nbytes + 2 * named.nbytes


def heads(q: np.ndarray, k: np.ndarray, v: np.ndarray, *_) -> int:
    """FLOPs of attention: scores, and sums of values by them; shapes (heads, n, d)."""
    return 2 * math.prod(q.shape[:-1]) * k.shape[-2] * (q.shape[-1] + v.shape[-1])
