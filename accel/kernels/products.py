"""Matrix times vector: the product that uses each number of the matrix once.

``out = a @ x`` for `a` of shape (m, n), `x` of length n and `out` of length m, of one
element type, contiguous. A multiplication and an addition for each element of `a`, and
`a` is nearly all there is to read: no order of the loops can use an element twice, as
blocking does in a product of matrices. `out` must not overlap the inputs. The ladder's
`loop` reads and writes lists.

Source
------
Golub and Van Loan, *Matrix Computations*, 4th ed., section 1.1. Dongarra and others, "An
Extended Set of FORTRAN Basic Linear Algebra Subprograms", *ACM TOMS* 14 (1988), for
``gemv``.
"""

from __future__ import annotations

import math

import numpy as np

from accel.kernels.activation import lists
from accel.kernels.inputs import blank, normal
from accel.kernels.registry import Operation, register, register_operation
from accel.simd import jit

EDGES = (
    {"n": 0},
    {"n": 0, "m": 3},
    {"n": 3, "m": 0},
    {"n": 1},
    {"n": 129, "m": 1},
    {"n": 1, "m": 129},
    {"n": 7, "m": 5},
    {"n": 127, "m": 128},
    {"n": 128, "m": 129},
    {"n": 1000, "m": 3},
)


def matvec_inputs(n: int, m: int | None = None, dtype: str = "float32") -> tuple:
    """Return ``(a, x, out)``; `m` is `n` unless given."""
    m = n if m is None else m
    return normal((m, n), dtype, seed=1), normal((n,), dtype, seed=2), blank((m,), dtype)


def matvec_oracle(a: np.ndarray, x: np.ndarray, out: np.ndarray) -> tuple:
    """Return the product in float64, and the error each element may have.

    As for the product of matrices: see `accel.kernels.matmul.oracle`.
    """
    unit = np.finfo(a.dtype).eps / 2
    a, x = a.astype(np.float64), x.astype(np.float64)
    return a @ x, unit * (8 + 2 * math.sqrt(a.shape[1])) * (np.abs(a) @ np.abs(x))


def matvec_flops(n: int, m: int | None = None, **_) -> int:
    """A multiplication and an addition for each element of `a`."""
    return 2 * n * (n if m is None else m)


def matvec_bytes(n: int, m: int | None = None, dtype: str = "float32") -> int:
    """Read `a` and `x`, write `out`."""
    m = n if m is None else m
    return (m * n + n + m) * np.dtype(dtype).itemsize


register_operation(
    Operation("matvec", matvec_inputs, matvec_oracle, matvec_flops, matvec_bytes, EDGES)
)


@register(
    "matvec",
    name="loop",
    instrument="interpreter",
    story="two Python loops over nested lists",
    adapt=lists,
    tags=("ladder",),
)
def matvec_loop(a, x, out):
    """Multiply nested lists with a list by the definition.

    The starting point: a scalar product for each row.

    Parameters
    ----------
    a : list of list of float, of shape (m, n)
    x, out : list of float, lengths n and m
        `out` is overwritten.

    Cost
    ----
    ``2 m n`` FLOPs, each some dozens of instructions of the interpreter.
    """
    for i, row in enumerate(a):
        total = 0.0
        for j in range(len(x)):
            total += row[j] * x[j]
        out[i] = total


@register(
    "matvec",
    name="numpy",
    instrument="NumPy",
    story="whole-array expression: removes the interpreter, adds a matrix of products",
    tags=("ladder",),
)
def matvec_numpy(a, x, out):
    """Multiply all elements first, then add up the rows.

    Removes the interpreter. All ``m n`` products exist at once, in a temporary matrix
    as large as `a`.

    Parameters
    ----------
    a : ndarray, shape (m, n), float32 or float64
    x, out : ndarray, shapes (n,) and (m,)
        `out` is overwritten.

    Raises
    ------
    ValueError
        If the shapes do not fit.

    Cost
    ----
    ``2 m n`` FLOPs in two passes; a temporary of ``m n`` elements.
    """
    np.sum(a * x, axis=1, out=out)


@register(
    "matvec",
    name="blas",
    instrument="NumPy",
    story="one call of NumPy's BLAS: removes the matrix of products",
    tags=("ladder",),
)
def matvec_blas(a, x, out):
    """Multiply by one call of the BLAS that NumPy brings.

    Removes the temporary: products are added where they are made.

    Parameters
    ----------
    a : ndarray, shape (m, n), float32 or float64
    x, out : ndarray, shapes (n,) and (m,)
        `out` is overwritten.

    Raises
    ------
    ValueError
        If the shapes do not fit.

    Cost
    ----
    ``2 m n`` FLOPs in one pass over `a`.
    """
    np.matmul(a, x, out=out)


@register(
    "matvec",
    name="compiled",
    instrument="compiled",
    story="the two loops again, compiled: removes NumPy's preparations",
    tags=("ladder",),
)
@jit(fastmath={"reassoc", "contract"})
def matvec_compiled(a, x, out):
    """Multiply by compiled loops, a scalar product for each row.

    Removes the preparations of a call, which a small matrix feels. The compiler may add
    in another order (``reassoc``), which lets it keep several sums in vector registers.

    Parameters
    ----------
    a : ndarray, shape (m, n), float32 or float64
    x, out : ndarray, shapes (n,) and (m,)
        `out` is overwritten.

    Raises
    ------
    ValueError
        If the shapes do not fit.

    Cost
    ----
    ``2 m n`` FLOPs in one pass over `a`.
    """
    if a.shape[0] != out.size or a.shape[1] != x.size:
        raise ValueError("matvec: expected a (m, n), x (n,) and out (m,)")
    for i in range(out.size):
        row = a[i]
        total = a.dtype.type(0)
        for j in range(row.size):
            total += row[j] * x[j]
        out[i] = total
