"""Many small products: what it costs to ask for each of them.

``out[i] = a[i] @ b[i]`` for `a` of shape (batch, m, k), `b` of shape (batch, k, n) and `out`
of shape (batch, m, n), of one element type. The matrices of a batch have nothing to do with
one another, so that the arithmetic is that of `accel.kernels.matmul`; new is only that a
call, its checks and its preparations are small change for one large product, and most of
the cost of a thousand small ones.
"""

from __future__ import annotations

import numpy as np

from accel.kernels import matmul, work
from accel.kernels.inputs import blank, normal
from accel.kernels.matmul.drivers import attempted, run
from accel.kernels.registry import Operation, register, register_operation
from accel.simd import jit

NUMBERS = matmul.NUMBERS

EDGES = (
    {"batch": 0, "n": 3},
    {"batch": 3, "n": 0},
    {"batch": 1, "n": 1},
    {"batch": 2, "m": 3, "k": 0, "n": 2},
    {"batch": 5, "m": 1, "k": 7, "n": 9},
    {"batch": 5, "m": 9, "k": 7, "n": 1},
    {"batch": 2, "m": 3, "k": 5, "n": 4},
    {"batch": 3, "m": 17, "k": 31, "n": 13},
    {"batch": 2, "m": 127, "k": 128, "n": 129},
)

AWKWARD = (
    {"batch": 1000, "n": 3},
    {"batch": 500, "n": 17},
    {"batch": 64, "n": 100},
    {"batch": 96, "m": 50, "k": 33, "n": 50},
    {"batch": 200, "m": 1, "k": 129, "n": 65},
)


def _sizes(n: int, m: int | None = None, k: int | None = None) -> tuple[int, int, int]:
    return n if m is None else m, n if k is None else k, n


def inputs(
    batch: int, n: int, m: int | None = None, k: int | None = None, dtype: str = "float32"
) -> tuple:
    """Return ``(a, b, out)``; `m` and `k` are `n` unless given."""
    m, k, n = _sizes(n, m, k)
    a, b = normal((batch, m, k), dtype, seed=1), normal((batch, k, n), dtype, seed=2)
    return a, b, blank((batch, m, n), dtype)


def oracle(a: np.ndarray, b: np.ndarray, out: np.ndarray) -> tuple:
    """Return the products, and errors allowed as in `accel.kernels.matmul.oracle`."""
    if a.dtype.kind == "i":
        return a @ b, 0
    a, b, unit = a.astype(np.float64), b.astype(np.float64), np.finfo(a.dtype).eps / 2
    return a @ b, unit * (8 + 2 * np.sqrt(a.shape[2])) * (np.abs(a) @ np.abs(b))


def flops(batch: int, n: int, m: int | None = None, k: int | None = None, **_) -> int:
    """``2 m n k`` for each matrix."""
    m, k, n = _sizes(n, m, k)
    return 2 * batch * m * k * n


def compulsory_bytes(
    batch: int, n: int, m: int | None = None, k: int | None = None, dtype: str = "float32"
) -> int:
    """Read `a` and `b`, write `out`."""
    m, k, n = _sizes(n, m, k)
    return batch * (m * k + k * n + m * n) * np.dtype(dtype).itemsize


def sizes(working_set_bytes: int) -> dict[str, int]:
    """Return a batch of 64 x 64 matrices, or smaller ones if not even one would fit."""
    n = min(64, max(1, round((working_set_bytes / 12) ** 0.5)))
    return {"batch": max(1, working_set_bytes // (12 * n * n)), "n": n}


register_operation(
    Operation(
        "matmul_batched",
        inputs,
        oracle,
        flops,
        compulsory_bytes,
        EDGES,
        sizes=sizes,
        awkward=AWKWARD,
        work=work.product,
        signature=(0, 1),
    )
)


def _check(kernel: str, a: np.ndarray, b: np.ndarray, out: np.ndarray) -> None:
    fits = a.ndim == b.ndim == 3 and len(a) == len(b) and a.shape[2] == b.shape[1]
    if not fits or out.shape != (*a.shape[:2], b.shape[2]):
        raise ValueError(
            f"matmul_batched.{kernel}: expected a (batch, m, k), b (batch, k, n) and out "
            f"(batch, m, n), got {a.shape}, {b.shape} and {out.shape}"
        )


@register(
    "matmul_batched",
    name="loop",
    instrument="interpreter",
    story="four Python loops over nested lists",
    dtypes=NUMBERS,
    adapt=matmul.as_lists,
    tags=("ladder",),
)
def matmul_batched_loop(a, b, out):
    """Multiply nested lists by the definition, matrix by matrix.

    The starting point.

    Parameters
    ----------
    a, b, out : list of list of list of float
        Of shapes (batch, m, k), (batch, k, n) and (batch, m, n). `out` is overwritten.

    Cost
    ----
    ``2 m n k`` FLOPs per matrix, each some dozens of instructions of the interpreter.
    """
    for left, right, product in zip(a, b, out, strict=True):
        matmul.lists(left, right, product)


@register(
    "matmul_batched",
    name="numpy",
    instrument="NumPy",
    story="one call for each matrix: removes the interpreter from all but the batch",
    dtypes=NUMBERS,
    tags=("ladder",),
)
def matmul_batched_numpy(a, b, out):
    """Multiply by one call of NumPy for each matrix.

    Removes the interpreter from the products. What it leaves: slices, checks and a call for
    each, about a microsecond that a small matrix takes less than.

    Parameters
    ----------
    a, b, out : ndarray of shapes (batch, m, k), (batch, k, n) and (batch, m, n)
        `out` is overwritten.

    Raises
    ------
    ValueError
        If shapes do not fit.

    Cost
    ----
    ``2 m n k`` FLOPs and a call per matrix.
    """
    _check("numpy", a, b, out)
    for i in range(len(a)):
        np.matmul(a[i], b[i], out=out[i])


@register(
    "matmul_batched",
    name="blas",
    instrument="NumPy",
    story="one call for the batch: removes the calls, BLAS is still asked for each matrix",
    dtypes=NUMBERS,
    tags=("ladder",),
)
def matmul_batched_blas(a, b, out):
    """Multiply by one call of NumPy for the whole batch.

    Removes the calls from Python. Inside, BLAS is called once for each matrix, and chooses,
    packs and prepares as if each were the only one.

    Parameters
    ----------
    a, b, out : ndarray of shapes (batch, m, k), (batch, k, n) and (batch, m, n)
        `out` is overwritten.

    Raises
    ------
    ValueError
        If shapes do not fit.

    Cost
    ----
    ``2 m n k`` FLOPs per matrix.
    """
    _check("blas", a, b, out)
    np.matmul(a, b, out=out)


@register(
    "matmul_batched",
    name="compiled",
    instrument="compiled",
    story="four compiled loops, the innermost along rows: removes the calls altogether",
    dtypes=NUMBERS,
    tags=("ladder",),
)
@jit
def matmul_batched_compiled(a, b, out):
    """Multiply by compiled loops, the innermost along rows of `b` and `out`.

    Removes BLAS and its preparations, which pays for the smallest matrices; for all others
    it gives away tiles and packing.

    Parameters
    ----------
    a, b, out : ndarray of shapes (batch, m, k), (batch, k, n) and (batch, m, n)
        `out` is overwritten.

    Raises
    ------
    ValueError
        If shapes do not fit.

    Cost
    ----
    ``2 m n k`` FLOPs per matrix; each row of `out` is read and written k times.
    """
    batch, m, k = a.shape
    if b.shape[:2] != (batch, k) or out.shape != (batch, m, b.shape[2]):
        raise ValueError("matmul_batched: expected a (batch, m, k), b (batch, k, n) and out")
    for i in range(batch):
        for r in range(m):
            for c in range(b.shape[2]):
                out[i, r, c] = 0
            for p in range(k):
                factor = a[i, r, p]
                for c in range(b.shape[2]):
                    out[i, r, c] += factor * b[i, p, c]


@register(
    "matmul_batched",
    name="vector",
    instrument="compiled",
    story="register tiles where matrices lie, one call: removes BLAS's preparations",
    dtypes=NUMBERS,
    tags=("ladder", "best"),
)
def matmul_batched_vector(a, b, out):
    """Multiply the batch in register tiles, in one call.

    Removes the preparations: matrices that are small are not packed but read where they are,
    and edges are met by smaller tiles.

    Parameters
    ----------
    a, b, out : ndarray of float32, float64 or int64
        Of shapes (batch, m, k), (batch, k, n) and (batch, m, n), any strides. `out` is
        overwritten.

    Raises
    ------
    ValueError
        If shapes or dtypes do not fit, arrays are not aligned to their elements, or `out`
        overlaps an operand.

    Cost
    ----
    ``2 m n k`` FLOPs per matrix.
    """
    if not attempted(a, b, out):
        _check("vector", a, b, out)
        run("matmul_batched.vector", a, b, out)  # says what is wrong


@register(
    "matmul_batched",
    name="threads",
    instrument="compiled",
    story="a part of the batch for each core: removes the idle ones",
    dtypes=NUMBERS,
    tags=("threads",),
)
def matmul_batched_threads(a, b, out):
    """Multiply a part of the batch on each core.

    Removes idle cores. Parameters, errors and cost as for `matmul_batched_vector`.
    """
    if not attempted(a, b, out, parallel=True):
        _check("threads", a, b, out)
        run("matmul_batched.threads", a, b, out, parallel=True)  # says what is wrong
