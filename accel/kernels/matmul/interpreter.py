"""Matrix product in the interpreter: lists, blocks of lists, elements of arrays."""

from __future__ import annotations

import numpy as np

from accel.kernels.matmul.operation import NUMBERS, block_size, check
from accel.kernels.registry import register


def as_lists(a: np.ndarray, b: np.ndarray, out: np.ndarray) -> tuple[list, list, list]:
    """Turn the arrays into nested lists of Python numbers, for the kernels on lists."""
    return a.tolist(), b.tolist(), out.tolist()


def check_lists(kernel: str, a: list, b: list, out: list) -> None:
    """Refuse nested lists whose shapes do not fit, before anything is written."""
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
    check_lists("lists", a, b, out)
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
    check_lists("lists_blocked", a, b, out)
    m, k, n = len(out), len(b), len(out[0]) if out else 0
    block = block_size("lists_blocked", block, m, k, n)
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
    check("array_scalars", a, b, out)
    (m, k), n = a.shape, b.shape[1]
    for i in range(m):
        for j in range(n):
            total = out.dtype.type(0)
            for p in range(k):
                total += a[i, p] * b[p, j]
            out[i, j] = total
