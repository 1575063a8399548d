"""Matrix product: the steps that take away one layer, and only that.

The ladder of `accel.kernels.matmul` climbs as a programmer would, and some of its steps
remove several things at once: turning the loops round brings consecutive memory, sums
that do not wait for each other, and vector instructions. To tell what each of them is
worth there must be a version that has one and not the next. Those are here.
"""

from __future__ import annotations

from operator import mul
from typing import Any

import numpy as np
from numba import types
from numba.extending import intrinsic

from accel.kernels.inputs import blank
from accel.kernels.matmul import blas  # noqa: F401  (the steps below this one)
from accel.kernels.matmul.interpreter import as_lists, check_lists
from accel.kernels.matmul.loops import compiled
from accel.kernels.matmul.operation import NUMBERS, inputs
from accel.kernels.registry import case, register, target_of

# ---------------------------------------------------------------------------
# The interpreter
# ---------------------------------------------------------------------------


@register(
    "matmul",
    instrument="interpreter",
    story="the inner loop given to sum and map: removes its bytecode, keeps the objects",
    dtypes=NUMBERS,
    adapt=as_lists,
    tags=("layers",),
)
def lists_sum(a, b, out):
    """Multiply nested lists with the inner loop inside `sum` and `map`.

    Removes the bytecode of the inner loop: fetching instructions, finding out what they
    mean, counting. The loop now runs in C. What it leaves is what Python's numbers are:
    each factor is an object elsewhere in memory, each product a new one.

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
    ``2 m n k`` FLOPs, ``m n k`` new objects, and ``k n`` references copied to make
    columns.
    """
    check_lists("lists_sum", a, b, out)
    columns = list(zip(*b, strict=True)) or [()] * (len(out[0]) if out else 0)
    for row, sums in zip(a, out, strict=True):
        sums[:] = [sum(map(mul, row, column)) for column in columns]


# ---------------------------------------------------------------------------
# Compiled loops
# ---------------------------------------------------------------------------


@intrinsic
def scalar_only(typing_context):
    """Forbid vector instructions in the function that calls this.

    LLVM's attribute ``noimplicitfloat`` tells it to use no floating-point or vector
    registers of its own accord: both its vectorisers then leave the function alone, and
    the arithmetic that is written there stays scalar. Numba has no option for that, only
    switches for the whole process.

    Source
    ------
    LLVM Language Reference, function attributes, ``noimplicitfloat``.
    """

    def emit(context, builder, signature, arguments):
        builder.function.attributes.add("noimplicitfloat")
        return context.get_dummy_value()

    return types.none(), emit


@register(
    "matmul",
    instrument="compiled",
    story="b transposed first: removes the walk down its columns, keeps one sum at a time",
    dtypes=NUMBERS,
    tags=("layers",),
)
@compiled
def ijk_transposed(a, b, out):
    """Multiply by the definition, with the columns of `b` copied to rows first.

    Removes the walk down the columns, and nothing else: both factors of the inner loop
    now come from consecutive memory. What it leaves: each addition waits for the one
    before it. No compiler may change that, since in floating point another order gives
    another sum.

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
    ``2 m n k`` FLOPs, ``2 m n k`` consecutive element reads, and a copy of `b`.
    """
    (m, k), n = a.shape, b.shape[1]
    columns = np.empty((n, k), b.dtype)
    for p in range(k):
        for j in range(n):
            columns[j, p] = b[p, j]
    for i in range(m):
        for j in range(n):
            total = out.dtype.type(0)
            for p in range(k):
                total += a[i, p] * columns[j, p]
            out[i, j] = total


@register(
    "matmul",
    instrument="compiled",
    story="loops exchanged, vectors forbidden: removes the wait of each sum for the one before",
    dtypes=NUMBERS,
    tags=("layers",),
)
@compiled
def ikj_scalar(a, b, out):
    """Multiply in the order of `ikj`, one number at a time.

    Removes the chain of additions: the inner loop adds to n different sums, none of
    which waits for its neighbour. What it leaves: vector registers unused, although
    nothing but a prohibition stands in their way any more.

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
    ``2 m n k`` FLOPs, one at a time; a row of `out` is read and written k times.
    """
    scalar_only()
    (m, k), n = a.shape, b.shape[1]
    out[:, :] = 0
    for i in range(m):
        for p in range(k):
            factor = a[i, p]
            for j in range(n):
                out[i, j] += factor * b[p, j]


# ---------------------------------------------------------------------------
# The same numbers as integers
# ---------------------------------------------------------------------------


def whole_numbers(n: int, dtype: str = "float64") -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return ``(a, b, out)`` whose elements are whole numbers from -8 to 8, in `dtype`.

    Their products are the same numbers in every type that the kernels take, so that
    integers and floating point can compete on one problem.
    """
    a, b, _ = inputs(n, dtype="int64")
    return a.astype(dtype), b.astype(dtype), blank((n, n), dtype)


def same_numbers(n: int) -> dict[str, Any]:
    """Return the case of one product as int64 and as float64, ready for `accel.timing.Case`.

    ``numpy_int64`` and ``ijk_int64`` multiply integers, ``ijk`` and ``blas`` the same
    numbers in float64: 64 bits each, and equal answers.
    """
    described = case("matmul", ["ijk", "blas"], n=n, dtype="float64")
    integers = case("matmul", ["numpy_int64", "ijk"], n=n, dtype="int64")["kernels"]
    adapt = target_of(as_integers)
    return {
        **described,
        "inputs": target_of(whole_numbers),
        "kernels": {
            "ijk_int64": {**integers["ijk"], "adapt": adapt},
            "numpy_int64": {**integers["numpy_int64"], "adapt": adapt},
            **described["kernels"],
        },
    }


def as_integers(a: np.ndarray, b: np.ndarray, out: np.ndarray) -> tuple[np.ndarray, ...]:
    """Turn whole numbers into int64; `out` becomes a new array."""
    return a.astype(np.int64), b.astype(np.int64), blank(out.shape, "int64")
