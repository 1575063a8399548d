"""Matrix product in calls of NumPy: a row at a time, the whole at once, and in blocks."""

from __future__ import annotations

import numpy as np

from accel.kernels.matmul import interpreter  # noqa: F401  (the steps below this one)
from accel.kernels.matmul.operation import NUMBERS, block_size, check
from accel.kernels.registry import register


@register(
    "matmul",
    instrument="NumPy",
    story="one row of a times b in each call: removes the interpreter from the inner loops",
    dtypes=NUMBERS,
    tags=("ladder", "numpy"),
)
def row_times_matrix(a, b, out):
    """Multiply one row of `a` by the whole of `b` at a time.

    Removes the interpreter from the two inner loops: what remains in Python is one
    call per row. (Sums of scaled rows would leave two loops in Python, and one
    call for each element of `a`; this is the most that can be handed over short of
    everything.) What it leaves: each call reads all of `b` and uses each element once.

    Parameters
    ----------
    a, b, out : ndarray of shapes (m, k), (k, n) and (m, n)
        `out` is overwritten.

    Raises
    ------
    ValueError
        If shapes or dtypes do not fit, or `out` overlaps an operand.

    Cost
    ----
    ``2 m n k`` FLOPs, ``m`` calls; `b` is read m times.
    """
    check("row_times_matrix", a, b, out)
    for i in range(a.shape[0]):
        np.matmul(a[i], b, out=out[i])


@register(
    "matmul",
    instrument="NumPy",
    story="integers: one compiled triple loop, since BLAS has none for them",
    dtypes=("int64",),
    tags=("ladder", "numpy"),
)
def numpy_int64(a, b, out):
    """Multiply integer matrices in one call.

    Removes the calls, but brings no BLAS: that knows floating-point numbers only, and
    for integers NumPy runs a plain compiled triple loop, whose innermost walks down
    the columns of `b`. This is what a compiler alone gives.

    Parameters
    ----------
    a, b, out : ndarray of int64, of shapes (m, k), (k, n) and (m, n)
        `out` is overwritten.

    Raises
    ------
    ValueError
        By NumPy, if shapes do not fit.

    Cost
    ----
    ``2 m n k`` operations; `b` is read m times, a cache line for each element once it
    outgrows the cache.

    Source
    ------
    NumPy, ``numpy/_core/src/umath/matmul.c.src``: ``@TYPE@_matmul_inner_noblas``.
    """
    np.matmul(a, b, out=out)


def blocks_of_calls(a, b, out, block):
    """Add products of blocks, one NumPy call for each; slices end where the array ends."""
    out[...] = 0
    for i in range(0, a.shape[0], block):
        for j in range(0, b.shape[1], block):
            for p in range(0, a.shape[1], block):
                left = a[i : i + block, p : p + block]
                out[i : i + block, j : j + block] += left @ b[p : p + block, j : j + block]


@register(
    "matmul",
    instrument="NumPy",
    story="the integer loop in blocks: a block of b is used again while it is near",
    dtypes=("int64",),
    tags=("ladder",),
)
def numpy_int64_blocked(a, b, out, block=64):
    """Multiply integer matrices in blocks, one call for each.

    Removes cache misses of `numpy_int64` without touching its loop: a block of `b`
    stays in the nearest cache while its columns are walked down again and again.

    Parameters
    ----------
    a, b, out : ndarray of int64, of shapes (m, k), (k, n) and (m, n)
        `out` is overwritten.
    block : int
        Rows and columns of a block: 32 KiB of int64 by default.

    Raises
    ------
    ValueError
        If shapes or dtypes do not fit, or `out` overlaps an operand.

    Cost
    ----
    ``2 m n k`` operations, and a temporary of ``block**2`` elements for each of
    ``m n k / block**3`` calls.
    """
    check("numpy_int64_blocked", a, b, out)
    blocks_of_calls(a, b, out, block_size("numpy_int64_blocked", block, *a.shape, *b.shape))


@register(
    "matmul",
    instrument="NumPy",
    story="each block of b copied together first: removes its scatter over cache sets",
    dtypes=("int64",),
    tags=("ladder",),
)
def numpy_int64_packed(a, b, out, block=64):
    """Multiply integer matrices in blocks, with each block of `b` copied together first.

    A slice leaves the rows of a block as far apart as they were. If that distance is a
    large power of two, every element of a column falls into the same few sets of the
    cache, and a block that would fit by its size does not fit by its addresses. Removes
    that: the copy's rows follow one another.

    Parameters
    ----------
    a, b, out : ndarray of int64, of shapes (m, k), (k, n) and (m, n)
        `out` is overwritten.
    block : int
        Rows and columns of a block: 32 KiB of int64 by default.

    Raises
    ------
    ValueError
        If shapes or dtypes do not fit, or `out` overlaps an operand.

    Cost
    ----
    As `numpy_int64_blocked`, and ``k n`` elements copied once.

    Source
    ------
    Lam, Rothberg and Wolf, "The Cache Performance and Optimizations of Blocked
    Algorithms", ASPLOS (1991), on copying.
    """
    check("numpy_int64_packed", a, b, out)
    block = block_size("numpy_int64_packed", block, *a.shape, *b.shape)
    out[...] = 0
    for p in range(0, a.shape[1], block):
        for j in range(0, b.shape[1], block):
            packed = b[p : p + block, j : j + block].copy()
            for i in range(0, a.shape[0], block):
                out[i : i + block, j : j + block] += a[i : i + block, p : p + block] @ packed
