"""Matrix product in compiled loops: by the definition, turned round, in blocks, packed."""

from __future__ import annotations

import functools
from collections.abc import Callable

import numba
import numpy as np
from numba import types

from accel.kernels.matmul import numpy_calls  # noqa: F401  (the steps below this one)
from accel.kernels.matmul.operation import NUMBERS, block_size, check, check_writable, require
from accel.kernels.registry import register
from accel.simd import jit


def compiled(function: Callable) -> Callable:
    """Make a kernel of loops: check the arguments, then run the loops compiled.

    They are compiled when first needed, once for arrays that are all C-contiguous and
    once for all others, per dtype: left to itself Numba would do so for each of the 27
    combinations of layouts. A multiplication and the addition of its result may be
    fused (``contract``), as C compilers do by default. The compiled function itself is
    ``kernel.machine_code(dtype, layout)``, layout "C" or "A" for any.
    """
    (default,) = function.__defaults__ or (None,)  # a block size, or nothing to choose

    @functools.cache
    def compile_for(dtype, layout):
        require(function.__name__, dtype, NUMBERS)
        element = numba.from_dtype(dtype)
        operand = types.Array(element, 2, layout, readonly=True)
        result = types.Array(element, 2, layout)
        arguments = (operand, operand, result, *([] if default is None else [types.intp]))
        return jit(signatures=[arguments], fastmath={"contract"})(function)

    def machine_code(dtype, layout="C"):
        return compile_for(np.dtype(dtype), layout)

    @functools.wraps(function)
    def kernel(a, b, out, block=default):
        check(function.__name__, a, b, out)
        check_writable(function.__name__, out)
        sizes = []
        if default is not None:
            sizes = [block_size(function.__name__, block, *a.shape, *b.shape)]
        elif block is not None:
            raise TypeError(f"matmul.{function.__name__} has no blocks, got block {block!r}")
        together = a.flags.c_contiguous and b.flags.c_contiguous and out.flags.c_contiguous
        compile_for(a.dtype, "C" if together else "A")(a, b, out, *sizes)

    kernel.machine_code = machine_code
    return kernel


@register(
    "matmul",
    instrument="compiled",
    story="the three loops of the definition, compiled: removes interpreter and calls",
    dtypes=NUMBERS,
    tags=("ladder",),
)
@compiled
def ijk(a, b, out):
    """Multiply by the definition: each element of `out` is a row times a column.

    Removes the interpreter: the three loops of `lists`, as machine code. The
    innermost walks down a column of `b`, one row's length at a time, and adds to one
    number: a new cache line for each product once `b` outgrows the cache, and no
    addition can begin before the last has ended.

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
    ``2 m n k`` FLOPs, ``2 m n k`` element reads, one after the other.

    Source
    ------
    Golub and Van Loan, *Matrix Computations*, 4th ed., section 1.1.
    """
    (m, k), n = a.shape, b.shape[1]
    for i in range(m):
        for j in range(n):
            total = out.dtype.type(0)
            for p in range(k):
                total += a[i, p] * b[p, j]
            out[i, j] = total


@register(
    "matmul",
    instrument="compiled",
    story="two loops exchanged: removes the walk down the columns of b",
    dtypes=NUMBERS,
    tags=("ladder",),
)
@compiled
def ikj(a, b, out):
    """Multiply with the innermost loop along rows of `b` and `out`.

    Removes the walk down the columns: the same products in another order. Now
    neighbours are used together: one cache line serves 16 float32, and since they are
    added to 16 different numbers the compiler can use vector instructions.

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
    ``2 m n k`` FLOPs; a row of `out` is read and written k times, `b` read m times.

    Source
    ------
    Golub and Van Loan, *Matrix Computations*, 4th ed., section 1.1.
    """
    (m, k), n = a.shape, b.shape[1]
    out[:, :] = 0
    for i in range(m):
        for p in range(k):
            factor = a[i, p]
            for j in range(n):
                out[i, j] += factor * b[p, j]


#: A block is this many times as wide as it is deep: rows are what vector instructions and
#: prefetching run along, and a short one spends its time starting.
WIDTH = 16


@register(
    "matmul",
    instrument="compiled",
    story="a block of b at a time: removes fetching b again for each row of a",
    dtypes=NUMBERS,
    tags=("ladder",),
)
@compiled
def blocked(a, b, out, block=64):
    """Multiply by one block of `b` at a time.

    Removes most visits to memory far away: a block of `b`, small enough to stay in the
    second-level cache, meets all rows of `a` before the next one is fetched.

    Parameters
    ----------
    a, b, out : ndarray of shapes (m, k), (k, n) and (m, n)
        `out` is overwritten.
    block : int
        Rows of a block of `b`; it has `WIDTH` times as many columns, 256 KiB of float32
        by default.

    Raises
    ------
    ValueError
        If shapes or dtypes do not fit, or `out` overlaps an operand.

    Cost
    ----
    ``2 m n k`` FLOPs; `b` is fetched once, `out` ``k / block`` times, `a`
    ``n / (WIDTH * block)`` times. Each product still loads and stores an element of `out`.

    Source
    ------
    Lam, Rothberg and Wolf, "The Cache Performance and Optimizations of Blocked
    Algorithms", ASPLOS (1991).
    """
    (m, k), n = a.shape, b.shape[1]
    width = WIDTH * block
    out[:, :] = 0
    for j0 in range(0, n, width):
        for p0 in range(0, k, block):
            for i in range(m):
                # `for j in range(j0, min(j0 + width, n)): out[i, j] += a[i, p] * b[p, j]`
                # compiles to scalar code. The minimum is not at fault (a loop from 0 to a
                # minimum becomes vectors), the start is: Numba lets negative indices count
                # from the end, LLVM cannot tell that j0 is none, and a test on every
                # element is left. Rows cut out by slices are indexed from 0, and slices
                # end where the array ends, so that ragged blocks need no minimum.
                sums = out[i, j0 : j0 + width]
                for p in range(p0, min(p0 + block, k)):
                    factor, row = a[i, p], b[p, j0 : j0 + width]
                    for j in range(sums.size):
                        sums[j] += factor * row[j]


@register(
    "matmul",
    instrument="compiled",
    story="each block of b copied together first: removes its scatter over pages and cache sets",
    dtypes=NUMBERS,
    tags=("ladder",),
)
@compiled
def packed(a, b, out, block=64):
    """Multiply by one block of `b` at a time, copied into consecutive memory.

    Removes the distance between rows of a block. In `b` they lie a whole row apart: each
    on another page of memory, and at power-of-two sizes all in the same few sets of the
    cache, where they evict one another. Copied together once, the block is read m times.

    Parameters
    ----------
    a, b, out : ndarray of shapes (m, k), (k, n) and (m, n)
        `out` is overwritten.
    block : int
        Rows of a block of `b`, as for `blocked`.

    Raises
    ------
    ValueError
        If shapes or dtypes do not fit, or `out` overlaps an operand.

    Cost
    ----
    As `blocked`, and every element of `b` copied once; a buffer of one block.

    Source
    ------
    Lam, Rothberg and Wolf, "The Cache Performance and Optimizations of Blocked
    Algorithms", ASPLOS (1991), on copying.
    """
    (m, k), n = a.shape, b.shape[1]
    width = WIDTH * block
    panel = np.empty((min(block, k), min(width, n)), b.dtype)
    out[:, :] = 0
    for j0 in range(0, n, width):
        for p0 in range(0, k, block):
            depth = min(block, k - p0)
            for p in range(depth):
                copy, row = panel[p], b[p0 + p, j0 : j0 + width]
                for j in range(row.size):
                    copy[j] = row[j]
            for i in range(m):
                sums = out[i, j0 : j0 + width]
                for p in range(depth):
                    factor, copy = a[i, p0 + p], panel[p]
                    for j in range(sums.size):
                        sums[j] += factor * copy[j]


def _sweep_step(block: int) -> Callable:
    """Register `blocked` with one block size, under a name that a worker can import."""

    def step(a, b, out):
        blocked(a, b, out, block)

    step.__name__ = step.__qualname__ = f"blocked_{block}"
    step.__doc__ = f"Multiply by one block of {block} rows of `b` at a time; see `blocked`."
    return register(
        "matmul",
        instrument="compiled",
        story=f"blocks of {block} rows of b",
        dtypes=NUMBERS,
        tags=("sweep",),
    )(step)


blocked_8 = _sweep_step(8)
blocked_16 = _sweep_step(16)
blocked_32 = _sweep_step(32)
blocked_64 = _sweep_step(64)
blocked_128 = _sweep_step(128)
blocked_256 = _sweep_step(256)
blocked_512 = _sweep_step(512)
