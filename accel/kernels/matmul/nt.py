"""``out = a @ b.T``: both factors by rows, as weights of a layer are kept.

`a` of shape (m, k), `b` of shape (n, k), `out` of shape (m, n), of one element type. Each
element of `out` is a row times a row: what looks convenient, since both are contiguous, is
not, since a sum along a register ends in adding up its lanes. The ladder's answer is to
copy `b` so that it is contiguous the other way, once, where it is used often.

Source
------
Goto and van de Geijn, "Anatomy of High-Performance Matrix Multiplication", ACM TOMS 34
(2008), section 5, on transposing while packing.
"""

from __future__ import annotations

import numpy as np

from accel.kernels import matmul, work
from accel.kernels.inputs import blank, normal
from accel.kernels.matmul.drivers import run, threads_for
from accel.kernels.matmul.tiled import done_in_tiles
from accel.kernels.registry import Operation, register, register_operation
from accel.simd import jit

NUMBERS = matmul.NUMBERS


def inputs(n: int, m: int | None = None, k: int | None = None, dtype: str = "float32") -> tuple:
    """Return ``(a, b, out)``; `m` and `k` are `n` unless given."""
    m, k = n if m is None else m, n if k is None else k
    a, b = normal((m, k), dtype, seed=1), normal((n, k), dtype, seed=2)
    return a, b, blank((m, n), dtype)


def oracle(a: np.ndarray, b: np.ndarray, out: np.ndarray) -> tuple:
    """Return the product as `accel.kernels.matmul.oracle` does."""
    return matmul.oracle(a, b.T, out)


EDGES = tuple(edge for edge in matmul.EDGES if not any(key.startswith("order") for key in edge))

register_operation(
    Operation(
        "matmul_nt",
        inputs,
        oracle,
        matmul.flops,
        matmul.compulsory_bytes,
        EDGES,
        sizes=matmul.sizes,
        awkward=matmul.AWKWARD,
        work=work.product_nt,
        signature=(0, 1),
    )
)


def _check(kernel: str, a: np.ndarray, b: np.ndarray, out: np.ndarray) -> None:
    if not (a.ndim == b.ndim == 2 and a.shape[1] == b.shape[1]) or out.shape != (len(a), len(b)):
        raise ValueError(
            f"matmul_nt.{kernel}: expected a (m, k), b (n, k) and out (m, n), got {a.shape}, "
            f"{b.shape} and {out.shape}"
        )


@register(
    "matmul_nt",
    name="loop",
    instrument="interpreter",
    story="three Python loops over nested lists",
    dtypes=NUMBERS,
    adapt=matmul.as_lists,
    tags=("ladder",),
)
def matmul_nt_loop(a, b, out):
    """Multiply nested lists by the definition: each element is a row times a row.

    The starting point.

    Parameters
    ----------
    a, b, out : list of list of float, of shapes (m, k), (n, k) and (m, n)
        `out` is overwritten.

    Cost
    ----
    ``2 m n k`` FLOPs, each some dozens of instructions of the interpreter.
    """
    for i, left in enumerate(a):
        for j, right in enumerate(b):
            total = 0
            for p in range(len(left)):
                total += left[p] * right[p]
            out[i][j] = total


@register(
    "matmul_nt",
    name="numpy",
    instrument="NumPy",
    story="a transposed copy of b, then one product: removes the interpreter",
    dtypes=NUMBERS,
    tags=("ladder",),
)
def matmul_nt_numpy(a, b, out):
    """Copy `b` transposed, and multiply in one call.

    Removes the interpreter. The copy is a temporary as large as `b`, made anew each time.

    Parameters
    ----------
    a, b, out : ndarray of shapes (m, k), (n, k) and (m, n)
        `out` is overwritten.

    Raises
    ------
    ValueError
        If shapes do not fit.

    Cost
    ----
    ``2 m n k`` FLOPs, and a temporary of ``n k`` elements.
    """
    _check("numpy", a, b, out)
    np.matmul(a, b.T.copy(), out=out)


@register(
    "matmul_nt",
    name="blas",
    instrument="NumPy",
    story="the transposed view in one call: removes the copy, BLAS reads either order",
    dtypes=NUMBERS,
    tags=("ladder",),
)
def matmul_nt_blas(a, b, out):
    """Multiply by a transposed view of `b`.

    Removes the temporary: BLAS takes a flag that says in which order a matrix lies, and
    transposes block by block while it packs. Integers, for which there is no BLAS, go
    through NumPy's own loops.

    Parameters
    ----------
    a, b, out : ndarray of shapes (m, k), (n, k) and (m, n)
        `out` is overwritten.

    Raises
    ------
    ValueError
        If shapes do not fit.

    Cost
    ----
    ``2 m n k`` FLOPs.
    """
    _check("blas", a, b, out)
    np.matmul(a, b.T, out=out)


@register(
    "matmul_nt",
    name="compiled",
    instrument="compiled",
    story="the three loops, compiled: one sum at a time, each waits for the one before",
    dtypes=NUMBERS,
    tags=("ladder",),
)
@jit
def matmul_nt_compiled(a, b, out):
    """Multiply by compiled loops.

    Removes the interpreter as `numpy` does, and nothing else: BLAS before it had more to
    offer. Both factors come from consecutive memory, but each addition waits for the last.

    Parameters
    ----------
    a, b, out : ndarray of shapes (m, k), (n, k) and (m, n)
        `out` is overwritten.

    Raises
    ------
    ValueError
        If shapes do not fit.

    Cost
    ----
    ``2 m n k`` FLOPs, one after the other.
    """
    if a.shape[1] != b.shape[1] or out.shape != (a.shape[0], b.shape[0]):
        raise ValueError("matmul_nt: expected a (m, k), b (n, k) and out (m, n)")
    for i in range(a.shape[0]):
        for j in range(b.shape[0]):
            total = a.dtype.type(0)
            for p in range(a.shape[1]):
                total += a[i, p] * b[j, p]
            out[i, j] = total


@register(
    "matmul_nt",
    name="vector",
    instrument="compiled",
    story="register tiles, b transposed while it is packed: removes the wait of each sum",
    dtypes=NUMBERS,
    tags=("ladder", "best"),
)
def matmul_nt_vector(a, b, out):
    """Multiply in tiles of vector registers, with `b` transposed block by block.

    Removes the wait of each addition for the one before it: a register holds sums of
    neighbouring columns, and several such are under way. For that, `b` is packed the other
    way round, strip by strip, which is used again by all rows of `a`.

    Parameters
    ----------
    a, b, out : ndarray of float32, float64 or int64, of shapes (m, k), (n, k) and (m, n)
        Of any strides. `out` is overwritten.

    Raises
    ------
    ValueError
        If shapes or dtypes do not fit, arrays are not aligned to their elements, or `out`
        overlaps an operand.

    Cost
    ----
    ``2 m n k`` FLOPs, and ``n k`` elements copied.
    """
    try:
        done = done_in_tiles("tiled", a, b.T, out)
    except (AttributeError, ValueError):
        done = False
    if not done:
        _check("vector", a, b, out)
        matmul.tiled(a, b.T, out)  # says what is wrong


@register(
    "matmul_nt",
    name="threads",
    instrument="compiled",
    story="a rectangle of out for each core: removes the idle ones",
    dtypes=NUMBERS,
    tags=("threads",),
)
def matmul_nt_threads(a, b, out):
    """Multiply one rectangle of `out` on each core.

    Removes idle cores. Parameters, errors and cost as for `matmul_nt_vector`.
    """
    _check("threads", a, b, out)
    if threads_for(2 * a.size * len(b), thin=len(a) == 1 or len(b) == 1) == 1:
        matmul_nt_vector(a, b, out)
    else:
        run("matmul_nt.threads", a[None], b.T[None], out[None], parallel=True)
