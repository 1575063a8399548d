"""Matrix product: from nested lists to a register tile, one removal at a time.

``out = a @ b`` for `a` of shape (m, k), `b` of shape (k, n) and `out` of shape (m, n),
of one element type. All kernels compute the same ``2 m n k`` FLOPs in one thread; they
differ in who runs the loops, in which order, and where operands lie meanwhile. Arrays
may have any strides; `out` must not overlap `a` or `b`. NaN and infinity spread as in
NumPy.

The order of this file is the order of the ladder. Each step changes one thing, and
says which. A few change a thing that does *not* help, for showing that: blocks in the
interpreter, elements of arrays, blocks over BLAS calls.
"""

from __future__ import annotations

import functools
from collections.abc import Callable

import numba
import numpy as np
from numba import types

from accel.kernels.inputs import blank, normal
from accel.kernels.matmul_tiled import host_tile, product
from accel.kernels.registry import Operation, register, register_operation
from accel.simd import Tile, jit

FLOATS = ("float32", "float64")
NUMBERS = (*FLOATS, "int64")


# ---------------------------------------------------------------------------
# The operation
# ---------------------------------------------------------------------------


def inputs(
    n: int,
    m: int | None = None,
    k: int | None = None,
    dtype: str = "float32",
    order_a: str = "C",
    order_b: str = "C",
    order_out: str = "C",
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return ``(a, b, out)``; `m` and `k` are `n` unless given. Orders as in `inputs`."""
    m, k, n = _sizes(n, m, k)
    a = normal((m, k), dtype, seed=1, order=order_a)
    b = normal((k, n), dtype, seed=2, order=order_b)
    return a, b, blank((m, n), dtype, order_out)


def _sizes(n: int, m: int | None = None, k: int | None = None, **_) -> tuple[int, int, int]:
    return n if m is None else m, n if k is None else k, n


def oracle(a: np.ndarray, b: np.ndarray, out: np.ndarray) -> tuple[np.ndarray, np.ndarray | int]:
    """Return the product in float64 (int64: exactly) and the error each element may have.

    A sum of k rounded products errs by at most about ``k u (|a| |b|)``, with u half the
    distance from 1 to the next number. That needs every rounding to go the same way; as
    they do not, the error grows like the root of k, and ``u (8 + 2 sqrt(k)) (|a| |b|)``
    leaves room for any order of the additions, but not for a lost or doubled product.

    Source
    ------
    Higham, *Accuracy and Stability of Numerical Algorithms*, 2nd ed., section 3.1 for
    the bound, section 2.8 for the rule of thumb.
    """
    if a.dtype.kind == "i":
        return a @ b, 0
    a, b, unit = a.astype(np.float64), b.astype(np.float64), np.finfo(a.dtype).eps / 2
    return a @ b, unit * (8 + 2 * np.sqrt(a.shape[1])) * (np.abs(a) @ np.abs(b))


def flops(**parameters) -> int:
    """``2 m n k``: a multiplication and an addition for each term of each element."""
    m, k, n = _sizes(**parameters)
    return 2 * m * k * n


def compulsory_bytes(dtype: str = "float32", **parameters) -> int:
    """Read `a` and `b`, write `out`."""
    m, k, n = _sizes(**parameters)
    return (m * k + k * n + m * n) * np.dtype(dtype).itemsize


EDGES = (
    {"n": 0},
    {"m": 0, "k": 3, "n": 2},
    {"m": 3, "k": 0, "n": 2},
    {"m": 3, "k": 2, "n": 0},
    {"n": 1},
    {"m": 1, "k": 129, "n": 1},
    {"m": 129, "k": 1, "n": 127},
    {"m": 2, "k": 3, "n": 5},
    {"m": 17, "k": 31, "n": 13},
    {"m": 127, "k": 128, "n": 129},
    {"m": 129, "k": 127, "n": 128},
    {"m": 257, "k": 9, "n": 3},
    {"m": 3, "k": 11, "n": 521},
    {"m": 5, "k": 1031, "n": 7},
    {"m": 33, "k": 34, "n": 35, "order_a": "F"},
    {"m": 33, "k": 34, "n": 35, "order_b": "F"},
    {"m": 33, "k": 34, "n": 35, "order_out": "F"},
    {"m": 33, "k": 34, "n": 35, "order_a": "F", "order_b": "F", "order_out": "F"},
    {"m": 33, "k": 34, "n": 35, "order_a": "strided", "order_b": "strided",
     "order_out": "strided"},
)  # fmt: skip

#: Shapes that end amid a tile, are thin in one direction, or shallow.
AWKWARD = (
    {"n": 100},
    {"n": 127},
    {"n": 129},
    {"n": 257},
    {"n": 1000},
    {"n": 1023},
    {"m": 1823, "k": 781, "n": 333},
    {"m": 2000, "k": 500, "n": 7},
    {"m": 7, "k": 500, "n": 2000},
    {"m": 2000, "k": 64, "n": 16},
    {"m": 500, "k": 3, "n": 500},
    {"m": 500, "k": 1, "n": 500},
)


def sizes(working_set_bytes: int) -> dict[str, int]:
    """Return the `n` of square matrices of float32 that take about so many bytes, all three."""
    return {"n": max(1, round((working_set_bytes / 12) ** 0.5))}


register_operation(
    Operation(
        "matmul", inputs, oracle, flops, compulsory_bytes, EDGES, sizes=sizes, awkward=AWKWARD
    )
)


def _check(kernel: str, a: np.ndarray, b: np.ndarray, out: np.ndarray) -> None:
    """Refuse arguments that a loop without bounds checks must never see."""
    _check_shapes(kernel, a, b, out)
    if _may_overlap(a, out) or _may_overlap(b, out):
        raise ValueError(
            f"matmul.{kernel}: expected an out apart from a and b, got one whose memory may "
            "overlap theirs; pass a new array"
        )


def _check_shapes(kernel: str, a: np.ndarray, b: np.ndarray, out: np.ndarray) -> None:
    for name, x in (("a", a), ("b", b), ("out", out)):
        if not isinstance(x, np.ndarray):
            raise ValueError(
                f"matmul.{kernel}: expected arrays, got {name} of type {type(x).__name__}; "
                "convert with np.asarray"
            )
    rows, columns = a.shape, b.shape
    if not (
        len(rows) == len(columns) == 2
        and rows[1] == columns[0]
        and out.shape == (rows[0], columns[1])
    ):
        raise ValueError(
            f"matmul.{kernel}: expected a (m, k), b (k, n) and out (m, n), "
            f"got {rows}, {columns} and {out.shape}"
        )
    if not a.dtype == b.dtype == out.dtype:
        raise ValueError(
            f"matmul.{kernel}: expected one dtype for all, got a {a.dtype}, b {b.dtype} and "
            f"out {out.dtype}; convert with astype"
        )


def _may_overlap(x: np.ndarray, out: np.ndarray) -> bool:
    if x.base is None and out.base is None:  # the usual case, decided in a tenth of the time
        return x is out
    return np.may_share_memory(x, out)


def _require(kernel: str, dtype: np.dtype, accepted: tuple[str, ...]) -> None:
    if dtype not in [np.dtype(name) for name in accepted]:
        raise ValueError(f"matmul.{kernel}: expected {' or '.join(accepted)}, got {dtype!r}")


def _block_size(kernel: str, block: int, *sizes: int) -> int:
    """Return a block no larger than these sizes need, so that no index overflows."""
    if not isinstance(block, int | np.integer) or block < 1:
        raise ValueError(f"matmul.{kernel}: expected a whole block >= 1, got {block!r}")
    return min(int(block), max(1, *sizes))


def _check_writable(kernel: str, out: np.ndarray) -> None:
    if not out.flags.writeable:
        raise ValueError(f"matmul.{kernel}: expected a writable out, got a read-only array")


# ---------------------------------------------------------------------------
# The interpreter
# ---------------------------------------------------------------------------


def as_lists(a: np.ndarray, b: np.ndarray, out: np.ndarray) -> tuple[list, list, list]:
    """Turn the arrays into nested lists of Python numbers, for the kernels on lists."""
    return a.tolist(), b.tolist(), out.tolist()


def _check_lists(kernel: str, a: list, b: list, out: list) -> None:
    k, n = len(b), len(out[0]) if out else len(b[0]) if b else 0
    if not (
        len(a) == len(out)
        and all(len(row) == k for row in a)
        and all(len(row) == n for row in (*b, *out))
    ):
        widths = [sorted({len(row) for row in rows}) for rows in (a, b, out)]
        raise ValueError(
            f"matmul.{kernel}: expected a (m, k), b (k, n) and out (m, n), got "
            f"{len(a)}, {len(b)} and {len(out)} rows of lengths {widths[0]}, {widths[1]} and "
            f"{widths[2]}"
        )


@register(
    "matmul",
    instrument="interpreter",
    story="three Python loops over nested lists",
    dtypes=NUMBERS,
    adapt=as_lists,
    tags=("ladder",),
)
def lists(a, b, out):
    """Multiply nested lists by the definition.

    The starting point. Every number is a Python object, every addition a search for
    what adding means, and the loop itself is data to the interpreter.

    Parameters
    ----------
    a, b, out : list of list of float, of shapes (m, k), (k, n) and (m, n)
        `out` is overwritten.

    Raises
    ------
    ValueError
        If the shapes do not fit.

    Cost
    ----
    ``2 m n k`` FLOPs, each some dozens of instructions.
    """
    _check_lists("lists", a, b, out)
    depth = range(len(b))
    for i in range(len(out)):
        for j in range(len(out[i])):
            total = 0
            for p in depth:
                total += a[i][p] * b[p][j]
            out[i][j] = total


@register(
    "matmul",
    instrument="interpreter",
    story="the same loops in blocks: the interpreter does not notice where numbers lie",
    dtypes=NUMBERS,
    adapt=as_lists,
    tags=("ladder",),
)
def lists_blocked(a, b, out, block=32):
    """Multiply nested lists block by block.

    Removes nothing that is felt: blocks bring numbers nearer, while the time goes into
    interpreting. Besides, lists hold references; blocks of them are not blocks of
    memory.

    Parameters
    ----------
    a, b, out : list of list of float, of shapes (m, k), (k, n) and (m, n)
        `out` is overwritten.
    block : int
        Rows and columns of a block.

    Raises
    ------
    ValueError
        If the shapes do not fit.

    Cost
    ----
    ``2 m n k`` FLOPs, and ``k / block`` times more visits to elements of `out`.
    """
    _check_lists("lists_blocked", a, b, out)
    m, k, n = len(out), len(b), len(out[0]) if out else 0
    block = _block_size("lists_blocked", block, m, k, n)
    for i in range(m):
        out[i][:] = [0] * n
    for i0 in range(0, m, block):
        for j0 in range(0, n, block):
            for p0 in range(0, k, block):
                depth = range(p0, min(p0 + block, k))
                for i in range(i0, min(i0 + block, m)):
                    for j in range(j0, min(j0 + block, n)):
                        total = out[i][j]
                        for p in depth:
                            total += a[i][p] * b[p][j]
                        out[i][j] = total


@register(
    "matmul",
    instrument="interpreter",
    story="the same loops over NumPy arrays: makes a Python object of every element it reads",
    dtypes=NUMBERS,
    tags=("ladder",),
)
def array_scalars(a, b, out):
    """Multiply arrays element by element from Python.

    Removes nothing, and adds work: a list holds finished objects, an array bare
    numbers, and each ``a[i, p]`` looks up a pair of indices and wraps one number in a
    new object. Arrays are for whole-array operations.

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
    ``2 m n k`` FLOPs and as many new objects.
    """
    _check("array_scalars", a, b, out)
    (m, k), n = a.shape, b.shape[1]
    for i in range(m):
        for j in range(n):
            total = out.dtype.type(0)
            for p in range(k):
                total += a[i, p] * b[p, j]
            out[i, j] = total


# ---------------------------------------------------------------------------
# NumPy
# ---------------------------------------------------------------------------


@register(
    "matmul",
    instrument="NumPy",
    story="one row of a times b in each call: removes the interpreter from the inner loops",
    dtypes=NUMBERS,
    tags=("ladder",),
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
    _check("row_times_matrix", a, b, out)
    for i in range(a.shape[0]):
        np.matmul(a[i], b, out=out[i])


@register(
    "matmul",
    instrument="NumPy",
    story="integers: one compiled triple loop, since BLAS has none for them",
    dtypes=("int64",),
    tags=("ladder",),
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


def _blocks_of_calls(a, b, out, block):
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
    _check("numpy_int64_blocked", a, b, out)
    _blocks_of_calls(a, b, out, _block_size("numpy_int64_blocked", block, *a.shape, *b.shape))


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
    _check("numpy_int64_packed", a, b, out)
    block = _block_size("numpy_int64_packed", block, *a.shape, *b.shape)
    out[...] = 0
    for p in range(0, a.shape[1], block):
        for j in range(0, b.shape[1], block):
            packed = b[p : p + block, j : j + block].copy()
            for i in range(0, a.shape[0], block):
                out[i : i + block, j : j + block] += a[i : i + block, p : p + block] @ packed


# ---------------------------------------------------------------------------
# Compiled loops
# ---------------------------------------------------------------------------


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
        _require(function.__name__, dtype, NUMBERS)
        element = numba.from_dtype(dtype)
        operand = types.Array(element, 2, layout, readonly=True)
        result = types.Array(element, 2, layout)
        arguments = (operand, operand, result, *([] if default is None else [types.intp]))
        return jit(signatures=[arguments], fastmath={"contract"})(function)

    def machine_code(dtype, layout="C"):
        return compile_for(np.dtype(dtype), layout)

    @functools.wraps(function)
    def kernel(a, b, out, block=default):
        _check(function.__name__, a, b, out)
        _check_writable(function.__name__, out)
        sizes = []
        if default is not None:
            sizes = [_block_size(function.__name__, block, *a.shape, *b.shape)]
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


# ---------------------------------------------------------------------------
# Vector registers, and the library
# ---------------------------------------------------------------------------


@register(
    "matmul",
    instrument="compiled",
    story="sums kept in a tile of vector registers: removes loads and stores of out",
    dtypes=NUMBERS,
    tags=("ladder", "best"),
)
def tiled(a, b, out, tile: Tile | None = None):
    """Multiply in tiles of `out` that stay in vector registers.

    Removes the loads and stores of `out`: a tile of it is held in registers through
    hundreds of products, so that the inner loop is multiply-adds and little else. How
    blocks and packing feed it is the story of `accel.kernels.matmul_tiled`.

    Parameters
    ----------
    a, b, out : ndarray of float32, float64 or int64, of shapes (m, k), (k, n) and (m, n)
        `out` is overwritten. Integers wrap around, as in NumPy.
    tile : Tile, optional
        Register tile; by default the one for this machine, `host_tile`.

    Raises
    ------
    ValueError
        If shapes or dtypes do not fit, arrays are not aligned to their elements, or
        `out` overlaps an operand.

    Cost
    ----
    ``2 m n k`` FLOPs, with columns rounded up to half a register; each operand copied at
    most once per block of the other; buffers of at most 4.4 MiB.

    Source
    ------
    Goto and van de Geijn, "Anatomy of High-Performance Matrix Multiplication", ACM
    TOMS 34 (2008).
    """
    if not done_in_tiles("tiled", a, b, out, tile):
        _check("tiled", a, b, out)
        _check_writable("tiled", out)
        states = ", ".join(
            f"{name} {type(x).__name__} {'aligned' if x.flags.aligned else 'not aligned'}"
            for name, x in (("a", a), ("b", b), ("out", out))
        )
        raise ValueError(
            f"matmul.tiled: expected plain arrays, aligned to their elements, got {states}; "
            "pass copies"
        )


def done_in_tiles(kernel: str, a, b, out, tile: Tile | None = None) -> bool:
    """Multiply in register tiles. False, and nothing is done, if arguments do not fit.

    Compiled code refuses what it must not see, sooner than Python could ask, which is felt on
    small matrices. The caller finds out why.
    """
    if not isinstance(a, np.ndarray):
        _check_shapes(kernel, a, b, out)
    multiply = _tiled(kernel, a.dtype, tile)
    try:
        return multiply(a, b, out)
    except TypeError:  # Numba: no code for arrays of these types
        return False


@functools.cache
def _tiled(kernel: str, dtype: np.dtype, tile: Tile | None) -> Callable:
    _require(kernel, dtype, NUMBERS)
    tile = host_tile(dtype) if tile is None else tile
    if not isinstance(tile, Tile):
        raise ValueError(f"matmul.tiled: expected a Tile, got {tile!r}")
    if dtype != tile.vector.dtype:
        raise ValueError(f"matmul.tiled: expected {tile.vector.dtype} like the tile, got {dtype}")
    return product(tile)


@register(
    "matmul",
    instrument="NumPy",
    story="one call of NumPy's BLAS: what others have tuned for years",
    dtypes=FLOATS,
    tags=("ladder",),
)
def blas(a, b, out):
    """Multiply by one call of the BLAS that NumPy brings.

    The standard to be measured against: blocks, packing and register tiles as in
    `tiled`, in assembly, chosen for the processor it finds. Called as directly as
    Python can.

    Parameters
    ----------
    a, b, out : ndarray of float32 or float64, of shapes (m, k), (k, n) and (m, n)
        `out` is overwritten.

    Raises
    ------
    ValueError
        By NumPy, if shapes do not fit.

    Cost
    ----
    ``2 m n k`` FLOPs.
    """
    np.matmul(a, b, out=out)


@register(
    "matmul",
    instrument="NumPy",
    story="blocks over BLAS calls: takes away the library's freedom, and adds temporaries",
    dtypes=FLOATS,
    tags=("ladder",),
)
def blas_blocked(a, b, out, block=128):
    """Multiply in blocks, one BLAS call for each.

    Removes nothing: the library blocks already, and better. It adds calls, temporary
    blocks and their additions, and packs every block again.

    Parameters
    ----------
    a, b, out : ndarray of float32 or float64, of shapes (m, k), (k, n) and (m, n)
        `out` is overwritten.
    block : int
        Rows and columns of a block.

    Raises
    ------
    ValueError
        If shapes or dtypes do not fit, or `out` overlaps an operand.

    Cost
    ----
    ``2 m n k`` FLOPs, and a temporary of ``block**2`` elements for each of
    ``m n k / block**3`` calls.
    """
    _check("blas_blocked", a, b, out)
    _blocks_of_calls(a, b, out, _block_size("blas_blocked", block, *a.shape, *b.shape))
