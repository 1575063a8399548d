"""How much work a call is, told by its arguments: what its time is proportional to.

For most operations that is the bytes of their arrays, `accel.kernels.registry.bytes_of`. For
those that compute on each element many times it is their FLOPs, and the bytes besides: of a
matrix times a vector it is the bytes that take the time. A FLOP counts as much as a byte. By
peak speed and bandwidth of memory it should be several FLOPs to the byte; but where that
matters, operands come from a cache.
"""

from __future__ import annotations

import math

import numpy as np


def _moved(*arrays: np.ndarray) -> int:
    return sum(each.nbytes for each in arrays)


def product(a: np.ndarray, b: np.ndarray, *others) -> int:
    """Work of ``a @ b``, shapes (..., m, k) and (..., k, n)."""
    return 2 * a.size * b.shape[-1] + _moved(a, b, *others)


def product_nt(a: np.ndarray, b: np.ndarray, *others) -> int:
    """Work of ``a @ b.T``, shapes (m, k) and (n, k)."""
    return 2 * a.size * b.shape[0] + _moved(a, b, *others)


def convolution(x: np.ndarray, weight: np.ndarray, *others) -> int:
    """Work of a convolution by filters of shape (K, C / groups, height, width).

    The result, the last argument, has one sum for each element, over as many products as a
    filter has weights.
    """
    return _convolution(x, weight, others[-1], filters=weight.shape[0])


def convolution_nhwc(x: np.ndarray, weight: np.ndarray, *others) -> int:
    """Work of a convolution by weights of shape (height, width, C, K)."""
    return _convolution(x, weight, others[-1], filters=weight.shape[-1])


def convolution_nchwc(x: np.ndarray, weight: np.ndarray, *others) -> int:
    """Work of a convolution by weights of shape (K / c, C / c, height, width, c, c)."""
    return _convolution(x, weight, others[-1], filters=weight.shape[0] * weight.shape[-1])


def _convolution(x: np.ndarray, weight: np.ndarray, out: np.ndarray, filters: int) -> int:
    return 2 * out.size * (weight.size // max(1, filters)) + _moved(x, weight, out)


def rows(first: np.ndarray, second: np.ndarray, out: np.ndarray) -> int:
    """Bytes of a call that reads or writes rows of a table, not all of it.

    Shapes (rows, d), (n,), (n, d) of a gather, or (n,), (n, d), (rows, d) of a scatter: the
    indices and twice the rows that they name.
    """
    indices, named = (first, second) if first.ndim == 1 else (second, out)
    return indices.nbytes + 2 * named.nbytes


def heads(q: np.ndarray, k: np.ndarray, v: np.ndarray, *others) -> int:
    """Work of attention: scores, and sums of values by them; shapes (heads, n, d)."""
    flops = 2 * math.prod(q.shape[:-1]) * k.shape[-2] * (q.shape[-1] + v.shape[-1])
    return flops + _moved(q, k, v)
