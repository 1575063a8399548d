"""Matrix times vector: the product that uses each number of the matrix once.

``out = a @ x`` for `a` of shape (m, n), `x` of length n and `out` of length m, of one
element type. `a` lies by rows or by columns (`order`), vectors are contiguous. A
multiplication and an addition for each element of `a`, and `a` is nearly all there is to
read: no order of the loops can use an element twice, as blocking does in a product of
matrices. `out` must not overlap the inputs. The ladder's `loop` reads and writes lists.

Source
------
Golub and Van Loan, *Matrix Computations*, 4th ed., section 1.1. Dongarra and others, "An
Extended Set of FORTRAN Basic Linear Algebra Subprograms", *ACM TOMS* 14 (1988), for
``gemv``.
"""

from __future__ import annotations

import math

import numpy as np

from accel.kernels.activation import lists, register_for
from accel.kernels.inputs import blank, normal
from accel.kernels.matmul.blocks import matrix
from accel.kernels.matmul.drivers import run
from accel.kernels.matmul.vectors import Matrix, dots, sums, transposed
from accel.kernels.registry import Operation, register, register_operation
from accel.simd import jit, pointer

#: Elements of a matrix from which on a second thread repays its waking.
_SHARED_FROM = 400_000

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
    {"n": 37, "m": 70, "order": "F"},
    {"n": 9, "m": 129, "order": "F"},
)

AWKWARD = (
    {"n": 100},
    {"n": 1000, "order": "F"},
    {"n": 1023},
    {"n": 17, "m": 5000},
    {"n": 5000, "m": 17, "order": "F"},
    {"n": 3, "m": 20000},
)


def matvec_inputs(
    n: int, m: int | None = None, dtype: str = "float32", order: str = "C"
) -> tuple:
    """Return ``(a, x, out)``; `m` is `n` unless given. Orders as in `accel.kernels.inputs`."""
    m = n if m is None else m
    a = normal((m, n), dtype, seed=1, order=order)
    return a, normal((n,), dtype, seed=2), blank((m,), dtype)


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


def matvec_bytes(n: int, m: int | None = None, dtype: str = "float32", **_) -> int:
    """Read `a` and `x`, write `out`."""
    m = n if m is None else m
    return (m * n + n + m) * np.dtype(dtype).itemsize


def matvec_sizes(working_set_bytes: int) -> dict[str, int]:
    """Return the `n` of a square matrix of float32 that takes about so many bytes."""
    return {"n": max(1, round((working_set_bytes / 4) ** 0.5))}


register_operation(
    Operation(
        "matvec",
        matvec_inputs,
        matvec_oracle,
        matvec_flops,
        matvec_bytes,
        EDGES,
        sizes=matvec_sizes,
        awkward=AWKWARD,
    )
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


@register(
    "matvec",
    name="vector",
    instrument="compiled",
    story="several rows or columns at a time: removes the wait of a sum for the one before",
    tags=("ladder", "best"),
)
@jit(error_model="numpy")
def matvec_vector(a, x, out):
    """Multiply with several rows, or columns, under way at once.

    Removes the wait of each addition for the one before it, and the loads of `x` for each
    row: four rows share them, with two sums each. A matrix that lies by columns is not
    walked along its rows, an element per cache line, but added up column by column, eight
    at a time.

    Parameters
    ----------
    a : ndarray, shape (m, n), float32 or float64
        Rows, or columns, are contiguous.
    x, out : ndarray, shapes (n,) and (m,), contiguous
        `out` is overwritten.

    Raises
    ------
    ValueError
        If the shapes do not fit, or neither rows nor columns of `a` are contiguous.

    Cost
    ----
    ``2 m n`` FLOPs in one pass over `a`; by columns, ``n / 8`` over `out`.
    """
    m, n = a.shape
    if m != out.size or n != x.size:
        raise ValueError("matvec: expected a (m, n), x (n,) and out (m,)")
    size = a.itemsize
    if x.size > 1 and x.strides[0] != size or out.size > 1 and out.strides[0] != size:
        raise ValueError("matvec: expected contiguous x and out")
    V, left, result = register_for(a), matrix(a), pointer(out)
    if a.size == 0:  # of which strides tell nothing
        out[:] = 0
    elif left.column == 1 or n == 1:
        dots(V, m, n, left, pointer(x), 0, Matrix(result, 0, 1, 1))
    elif left.row == 1 or m == 1:
        sums(V, 1, n, m, Matrix(pointer(x), 0, n, 1), transposed(left), Matrix(result, 0, m, 1))
    else:
        raise ValueError("matvec: expected an a with contiguous rows or columns")


@register(
    "matvec",
    name="threads",
    instrument="compiled",
    story="a share of the rows for each core: removes the idle ones",
    tags=("threads",),
)
def matvec_threads(a, x, out):
    """Multiply a share of the rows on each core.

    Removes idle cores, where the matrix is large enough to repay waking them. In memory,
    cores share one bandwidth. Parameters, errors and cost as for `matvec_vector`.
    """
    if a.size < _SHARED_FROM:
        matvec_vector(a, x, out)
        return
    if a.ndim != 2 or x.shape != a.shape[1:] or out.shape != a.shape[:1]:
        raise ValueError("matvec: expected a (m, n), x (n,) and out (m,)")
    run("matvec.threads", a[None], x[None, :, None], out[None, :, None], parallel=True)
