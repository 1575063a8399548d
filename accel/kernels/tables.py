"""The same table in two orders, and the same loop along and across it.

`row_sums` adds up the rows of a square matrix that lies in memory row by row (C order) or
column by column (Fortran order). `lengths` computes the length of vectors of three
numbers, which lie together (an array of structures) or apart, all first numbers, then all
second ones (a structure of arrays). Arithmetic and answers are the same throughout; only
the order of the data and of the loops differs.

Source
------
Intel, *64 and IA-32 Architectures Optimization Reference Manual*, section "Data Layout
Optimizations", on structures of arrays. Golub and Van Loan, *Matrix Computations*, 4th ed.,
section 1.1, on the order of loops.
"""

from __future__ import annotations

import math

import numpy as np

from accel.kernels.inputs import blank, normal
from accel.kernels.registry import Operation, register, register_operation
from accel.simd import jit


def row_sums_inputs(n: int, dtype: str = "float32") -> tuple:
    """Return a seeded `x` (n, n) in C order, and a blank `out` (n,)."""
    return normal((n, n), dtype, 101), blank((n,), dtype)


def row_sums_oracle(x, out) -> tuple:
    """Return the sums in float64, and what roundings in any order may make of them.

    Source
    ------
    Higham, *Accuracy and Stability of Numerical Algorithms*, 2nd ed., sections 2.8 and 4.2.
    """
    unit = np.finfo(x.dtype).eps / 2
    exact = x.astype(np.float64)
    return exact.sum(axis=1), unit * (8 + 2 * math.sqrt(x.shape[1])) * np.abs(exact).sum(axis=1)


def row_sums_flops(n: int, **_) -> int:
    """One addition for each element."""
    return n * n


def row_sums_bytes(n: int, dtype: str = "float32") -> int:
    """Read the table, write the sums."""
    return (n * n + n) * np.dtype(dtype).itemsize


register_operation(
    Operation(
        "row_sums",
        row_sums_inputs,
        row_sums_oracle,
        row_sums_flops,
        row_sums_bytes,
        tuple({"n": n} for n in (0, 1, 7, 127, 128, 129)),
    )
)


def column_by_column(x, out) -> tuple:
    """Return the arguments with `x` in Fortran order, converted off the clock."""
    return np.asfortranarray(x), out


@jit
def _rows_first(x, out):
    if x.shape[0] != out.size:
        raise ValueError("row_sums: out must have a number for each row of x")
    for i in range(x.shape[0]):
        total = x.dtype.type(0)
        for j in range(x.shape[1]):
            total += x[i, j]
        out[i] = total


@jit
def _columns_first(x, out):
    if x.shape[0] != out.size:
        raise ValueError("row_sums: out must have a number for each row of x")
    out[:] = 0
    for j in range(x.shape[1]):
        for i in range(x.shape[0]):
            out[i] += x[i, j]


_ROW_SUMS = "row_sums"


@register(_ROW_SUMS, name="numpy_c", instrument="NumPy", tags=("ladder",),
          story="np.sum along rows that lie together")  # fmt: skip
def row_sums_numpy(x, out):
    """Sum the rows of a table in either order by NumPy, which chooses its own loops.

    Parameters
    ----------
    x : ndarray, shape (n, n)
    out : ndarray, shape (n,)
        Overwritten.
    """
    np.sum(x, axis=1, out=out)


@register(_ROW_SUMS, name="numpy_f", instrument="NumPy", adapt=column_by_column, tags=("ladder",),
          story="np.sum across columns that lie together")  # fmt: skip
def row_sums_numpy_f(x, out):
    """Sum the rows of a table in Fortran order; see `row_sums_numpy`."""
    np.sum(x, axis=1, out=out)


@register(_ROW_SUMS, name="along", instrument="compiled", tags=("ladder",),
          story="rows lie together, and are walked along: one sum at a time")  # fmt: skip
def row_sums_along(x, out):
    """Walk along each row, where rows lie together.

    Each number is beside the one before. But each addition waits for the last, since all
    go to one sum.

    Parameters
    ----------
    x : ndarray, shape (n, n)
    out : ndarray, shape (n,)
        Overwritten.

    Raises
    ------
    ValueError
        If the lengths do not fit.
    """
    _rows_first(x, out)


@register(_ROW_SUMS, name="across", instrument="compiled", adapt=column_by_column,
          tags=("ladder",), story="columns lie together, rows are walked along: a line each")  # fmt: skip
def row_sums_across(x, out):
    """Walk along each row, where columns lie together: from line to line of the cache.

    Parameters and errors as for `row_sums_along`.
    """
    _rows_first(x, out)


@register(_ROW_SUMS, name="turned", instrument="compiled", adapt=column_by_column,
          tags=("ladder",), story="columns lie together, and are walked down: all sums in turn")  # fmt: skip
def row_sums_turned(x, out):
    """Walk down each column, where columns lie together, adding to all sums in turn.

    Each number is beside the one before, and no addition waits for another: a column is
    added to the sums as one vector to another.

    Parameters and errors as for `row_sums_along`.
    """
    _columns_first(x, out)


def lengths_inputs(n: int, dtype: str = "float32") -> tuple:
    """Return seeded `points` (n, 3), and a blank `out` (n,)."""
    return normal((n, 3), dtype, 102), blank((n,), dtype)


def lengths_oracle(points, out) -> tuple:
    """Return the lengths in float64, and the error of three squares, a sum and a root."""
    expected = np.sqrt((points.astype(np.float64) ** 2).sum(axis=1))
    return expected, 4 * np.finfo(points.dtype).eps * expected


def lengths_flops(n: int, **_) -> int:
    """Three multiplications, two additions and a root for each point."""
    return 6 * n


def lengths_bytes(n: int, dtype: str = "float32") -> int:
    """Read three numbers, write one."""
    return 4 * n * np.dtype(dtype).itemsize


register_operation(
    Operation(
        "lengths",
        lengths_inputs,
        lengths_oracle,
        lengths_flops,
        lengths_bytes,
        tuple({"n": n} for n in (0, 1, 7, 127, 128, 129)),
        sizes=lambda working_set: {"n": max(1, working_set // 16)},
    )
)


def apart(points, out) -> tuple:
    """Return the arguments with first, second and third numbers apart, converted off the clock."""
    return np.ascontiguousarray(points.T), out


@jit
def _lengths(x, y, z, out):
    for i in range(out.size):
        out[i] = math.sqrt(x[i] * x[i] + y[i] * y[i] + z[i] * z[i])


@register("lengths", name="together", instrument="compiled", tags=("ladder",),
          story="the three numbers of a point lie together")  # fmt: skip
@jit
def lengths_together(points, out):
    """Compute lengths of points whose three numbers lie together.

    A point is what a program thinks of, and three numbers of one point are what a register
    of eight or sixteen lanes cannot use: it needs first numbers of many points.

    Parameters
    ----------
    points : ndarray, shape (n, 3)
    out : ndarray, shape (n,)
        Overwritten.

    Raises
    ------
    ValueError
        If the shapes do not fit.
    """
    if points.shape[0] != out.size or points.shape[1] != 3:
        raise ValueError("lengths: points must have three numbers for each number of out")
    for i in range(out.size):
        x, y, z = points[i, 0], points[i, 1], points[i, 2]
        out[i] = math.sqrt(x * x + y * y + z * z)


@register("lengths", name="apart", instrument="compiled", adapt=apart, tags=("ladder",),
          story="first, second and third numbers lie apart: a register of each")  # fmt: skip
@jit
def lengths_apart(points, out):
    """Compute lengths of points whose first, second and third numbers lie apart.

    Removes the gathering: three loads fill three registers, and the compiler's loop works
    on as many points as they have lanes.

    Parameters
    ----------
    points : ndarray, shape (3, n)
    out : ndarray, shape (n,)
        Overwritten.

    Raises
    ------
    ValueError
        If the shapes do not fit.
    """
    if points.shape[1] != out.size or points.shape[0] != 3:
        raise ValueError("lengths: points must have three rows as long as out")
    _lengths(points[0], points[1], points[2], out)


@register("lengths", name="converted", instrument="compiled", tags=("ladder",),
          story="moved apart first, on the clock")  # fmt: skip
@jit
def lengths_converted(points, out):
    """Move the numbers apart, and then compute: what `lengths_apart` costs if done once.

    Parameters and errors as for `lengths_together`.
    """
    if points.shape[0] != out.size or points.shape[1] != 3:
        raise ValueError("lengths: points must have three numbers for each number of out")
    moved = np.empty((3, points.shape[0]), points.dtype)
    for i in range(points.shape[0]):
        for field in range(3):
            moved[field, i] = points[i, field]
    _lengths(moved[0], moved[1], moved[2], out)
