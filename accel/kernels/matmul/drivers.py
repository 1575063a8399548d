"""Many products in one call, on one core or on all, and what is done to sums on the way out.

Two entries to the blocks of `accel.kernels.matmul.blocks`. `many` multiplies a stack of
matrices and applies an epilogue. `shared` does the same with each core at a rectangle of
`out` of its own, which `partition` cuts.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from itertools import pairwise

import numba
import numpy as np
from numba import types

from accel.kernels.matmul.blocks import host_tile, multiply
from accel.kernels.matmul.registers import NOTHING, Finish, family_of
from accel.kernels.matmul.vectors import Matrix, inner
from accel.simd import Tile, jit, pointer

#: Element types there is code for.
TYPES = ("float32", "float64", "int64")

#: FLOPs that a thread must have before it is worth waking; of a matrix times a vector, which
#: waits for memory, fewer take as long.
_ENOUGH = 2_000_000
_ENOUGH_THIN = 400_000


@inner
def _span(x):
    """Return the addresses between which a stack lies; of an empty one, none."""
    low = high = np.intp(0)
    if x.size > 0:
        low = np.intp(x.ctypes.data)
        high = low + x.itemsize
        for axis in range(3):
            way = (x.shape[axis] - 1) * x.strides[axis]
            low, high = low + min(way, 0), high + max(way, 0)
    return low, high


@jit(inline="always")
def _meet(x, y):
    return x[0] < y[1] and y[0] < x[1]


@jit(inline="always", error_model="numpy")
def _stack(F, a, b, bias, out, kind):
    """Multiply each matrix of a stack by its partner. False if arguments do not fit."""
    size = out.itemsize
    agree = a.shape[0] == b.shape[0] == out.shape[0] and a.shape[2] == b.shape[1]
    agree = agree and out.shape[1] == a.shape[1] and out.shape[2] == b.shape[2]
    whole = (a.strides[0] | a.strides[1] | a.strides[2] | b.strides[0] | b.strides[1]
             | b.strides[2] | out.strides[0] | out.strides[1] | out.strides[2])  # fmt: skip
    whole |= a.ctypes.data | b.ctypes.data | bias.ctypes.data | out.ctypes.data
    if kind > 0:
        in_rows = out.strides[2] == size or out.shape[2] < 2 or out.size == 0
        agree = agree and bias.size == out.shape[2] and in_rows
    span, start = _span(out), np.intp(bias.ctypes.data)
    overlap = _meet(span, _span(a)) or _meet(span, _span(b))
    if overlap or _meet(span, (start, start + bias.size * size)):
        return False
    if not agree or whole % size != 0:
        return False
    m, k, n = a.shape[1], a.shape[2], b.shape[2]
    finish = Finish(kind, pointer(bias), np.intp(0))
    a_row, a_column = a.strides[1] // size, a.strides[2] // size
    b_row, b_column = b.strides[1] // size, b.strides[2] // size
    row, column = out.strides[1] // size, out.strides[2] // size
    if n == 1:
        column = 1  # a lone column has no neighbour: its stride means nothing
    steps = (a.strides[0] // size, b.strides[0] // size, out.strides[0] // size)
    multiply(
        F, out.shape[0], m, k, n,
        Matrix(pointer(a), np.intp(0), a_row, a_column),
        Matrix(pointer(b), np.intp(0), b_row, b_column),
        Matrix(pointer(out), np.intp(0), row, column),
        steps, finish,
    )  # fmt: skip
    return True


def _arguments(tile: Tile) -> tuple:
    element = numba.from_dtype(tile.vector.dtype)
    operand = types.Array(element, 3, "A", readonly=True)
    bias = types.Array(element, 1, "C", readonly=True)
    return operand, operand, bias, types.Array(element, 3, "A"), types.intp


@functools.cache
def many(tile: Tile) -> Callable[..., bool]:
    """Return ``f(a, b, bias, out, kind)`` for stacks of matrices, on one core.

    f returns False, and has done nothing, if shapes do not agree or an array is not aligned.
    So it does if `out` may overlap another array. `kind` is one of
    `accel.kernels.matmul.registers`; `bias` is read unless that is `NOTHING`.
    """
    family = family_of(tile)

    @jit(error_model="numpy", signatures=[_arguments(tile)])
    def stack(a, b, bias, out, kind):
        return _stack(family, a, b, bias, out, kind)

    return stack


@functools.cache
def shared(tile: Tile) -> Callable[..., bool]:
    """Return ``f(a, b, bias, out, kind, cuts)``: as `many`, in parallel.

    `cuts` are rows of (matrix, end, row, end, column, end), each the share of one thread.
    """
    family = family_of(tile)
    cuts = types.Array(types.int64, 2, "C")

    @jit(error_model="numpy", signatures=[(*_arguments(tile), cuts)], parallel=True)
    def stack_in_shares(a, b, bias, out, kind, cuts):
        done = 0
        for share in numba.prange(cuts.shape[0]):
            i, i_end, r, r_end, c, c_end = cuts[share]
            done += _stack(
                family, a[i:i_end, r:r_end], b[i:i_end, :, c:c_end],
                bias[c : min(c_end, bias.size)], out[i:i_end, r:r_end, c:c_end], kind,
            )  # fmt: skip
        return done == cuts.shape[0]

    return stack_in_shares


@functools.cache
def no_bias(dtype: np.dtype) -> np.ndarray:
    """Return an array to pass where no bias is read."""
    return np.empty(0, dtype)


def threads_for(flops: int, thin: bool = False) -> int:
    """Return how many of Numba's threads are worth their waking; `thin`: for a vector."""
    worth = flops // (_ENOUGH_THIN if thin else _ENOUGH)
    return min(numba.get_num_threads(), worth) if worth > 1 else 1  # asking takes its time


def partition(batch: int, m: int, n: int, tile: Tile, threads: int) -> np.ndarray:
    """Cut a stack of results into shares, equal to within a tile.

    Whole matrices are dealt out while there is one for every thread. Else each is cut into
    a grid of rectangles, as near to squares as the number of threads allows: a thread then
    reads least of the operands. Cuts lie between tiles.

    Parameters
    ----------
    batch, m, n : int
        Matrices, and the rows and columns of each.
    tile : Tile
        Register tile.
    threads : int
        Shares to make; there are fewer if there are fewer tiles.

    Returns
    -------
    ndarray of int64, shape (shares, 6)
        For each, where matrices, rows and columns begin and end.
    """
    if batch >= threads:
        cuts = [batch * part // threads for part in range(threads + 1)]
        return np.array([(i, end, 0, m, 0, n) for i, end in pairwise(cuts)])
    each = max(1, threads // batch)
    grids = [(down, each // down) for down in range(1, each + 1) if each % down == 0]
    down, across = min(grids, key=lambda grid: (m / grid[0] + n / grid[1], grid[1]))
    rows, columns = cut(m, tile.rows, down), cut(n, tile.columns, across)
    return np.array(
        [
            (i, i + 1, r, r_end, c, c_end)
            for i in range(batch)
            for r, r_end in pairwise(rows)
            for c, c_end in pairwise(columns)
        ]
    )


#: `partition`, remembered: worth it where a product takes no longer than the cutting.
shares = functools.lru_cache(64)(partition)


def cut(size: int, step: int, parts: int) -> list[int]:
    """Return where a length is cut into parts of whole steps, equal to within one."""
    steps = -(-size // step)
    parts = max(1, min(parts, steps))
    return [min(size, steps * part // parts * step) for part in range(parts + 1)]


def run(kernel: str, a, b, out, *, bias=None, kind: int = NOTHING, parallel: bool = False) -> None:
    """Multiply stacks of matrices in registers, or refuse them in words.

    Parameters
    ----------
    kernel : str
        Operation and kernel, for the message.
    a, b, out : ndarray, shapes (batch, m, k), (batch, k, n) and (batch, m, n)
        Of one dtype that `host_tile` has a tile for, any strides. `out` is overwritten.
    bias : ndarray, shape (n,), optional
        Contiguous. Read if there is a `kind`.
    kind : int
        `NOTHING`, `BIAS`, `RELU` or `GELU` of `accel.kernels.matmul.registers`.
    parallel : bool
        Whether to use all of Numba's threads, where that pays.

    Raises
    ------
    ValueError
        If shapes or dtypes do not fit, an array is not aligned to its elements, or `out`
        overlaps an operand.
    """
    if not attempted(a, b, out, bias=bias, kind=kind, parallel=parallel):
        _refuse(kernel, {"a": a, "b": b, "out": out} | ({} if bias is None else {"bias": bias}))


def attempted(a, b, out, *, bias=None, kind: int = NOTHING, parallel: bool = False) -> bool:
    """Do as `run`, but return False instead of refusing; nothing is then done.

    Compiled code refuses sooner than Python could ask, which is felt on small matrices.
    """
    try:
        one_core, all_cores = _entries(a.dtype)
        bias = no_bias(a.dtype) if bias is None else bias
        if parallel:
            thin = a.shape[1] == 1 or b.shape[2] == 1
            threads = threads_for(2 * a.size * b.shape[2], thin)
            agree = a.shape[0] == b.shape[0] and a.shape[2] == b.shape[1]
            if threads > 1 and agree and out.shape == (*a.shape[:2], b.shape[2]):
                if any(np.may_share_memory(x, out) for x in (a, b, bias)):
                    return False  # each share would look at itself only
                cuts = shares(*out.shape, host_tile(a.dtype), threads)
                return all_cores()(a, b, bias, out, kind, cuts)
        return one_core(a, b, bias, out, kind)
    except (AttributeError, IndexError, TypeError, ValueError):
        return False  # no arrays, of too few dimensions, or of types without code


@functools.cache
def _entries(dtype: np.dtype) -> tuple[Callable, Callable]:
    """Return `many`, and what returns `shared`, which takes longer to compile."""
    if dtype not in [np.dtype(name) for name in TYPES]:
        raise ValueError(f"expected {' or '.join(TYPES)}, got {dtype!r}")
    tile = host_tile(dtype)
    return many(tile), functools.partial(shared, tile)


def _refuse(kernel: str, arrays: dict) -> None:
    """Say what `attempted` did not like."""
    a, out = arrays["a"], arrays["out"]
    for name, x in arrays.items():
        if not isinstance(x, np.ndarray) or x.dtype != a.dtype:
            got = x.dtype if isinstance(x, np.ndarray) else type(x).__name__
            raise ValueError(f"{kernel}: expected arrays of one dtype, got {name} of {got}")
    if any(np.may_share_memory(x, out) for name, x in arrays.items() if name != "out"):
        raise ValueError(f"{kernel}: expected an out apart from the inputs; pass a new array")
    if not out.flags.writeable or a.dtype not in [np.dtype(name) for name in TYPES]:
        raise ValueError(
            f"{kernel}: expected a writable out of float32, float64 or int64, got {a.dtype!r}, "
            f"{'writable' if out.flags.writeable else 'read-only'}"
        )
    shapes = ", ".join(f"{name} {x.shape}" for name, x in arrays.items())
    raise ValueError(
        f"{kernel}: expected a (batch, m, k), b (batch, k, n), out (batch, m, n) and a bias "
        f"(n,), aligned to their elements, got {shapes}"
    )
