"""Strassen's product: seven products of halves instead of eight, over BLAS.

The operation is that of `accel.kernels.matmul`, ``out = a @ b``, with another promise
about its errors. Cutting each matrix into quarters, Strassen needs 7 products of
quarters where the definition needs 8; in Winograd's form, which is used here, 15 sums of
quarters instead of 4. Level by level that makes ``O(n**2.81)`` of ``O(n**3)``; it is no
way to ``O(n**2)``, and none is known.

Here the recursion goes one or two levels deep and then calls BLAS, which is the only
form that has a chance: the library's product runs near the machine's peak, the sums run
at the speed of memory. `work` counts what each step does.

The error of an element is relative to the *norms* of whole matrices and no longer to its
own row and column: small elements beside large ones lose their digits.

Source
------
Strassen, "Gaussian elimination is not optimal", *Numerische Mathematik* 13 (1969).
Higham, *Accuracy and Stability of Numerical Algorithms*, 2nd ed. (2002), chapter 23.
Huss-Lederman and others, "Implementation of Strassen's algorithm for matrix
multiplication", Supercomputing (1996), on peeling odd sizes and on where to stop.
"""

from __future__ import annotations

import numpy as np

from accel.kernels.inputs import blank, normal
from accel.kernels.registry import Operation, register, register_operation

#: The deepest recursion among the kernels; the oracle allows for its errors.
LEVELS = 2

EDGES = (
    {"n": 0},
    {"n": 1},
    {"n": 2},
    {"n": 3},
    {"m": 0, "k": 3, "n": 2},
    {"m": 3, "k": 0, "n": 2},
    {"m": 1, "k": 129, "n": 1},
    {"m": 2, "k": 3, "n": 5},
    {"m": 17, "k": 31, "n": 13},
    {"m": 127, "k": 128, "n": 129},
    {"m": 129, "k": 127, "n": 128},
    {"n": 130},
)


def inputs(n: int, m: int | None = None, k: int | None = None, dtype: str = "float32") -> tuple:
    """Return ``(a, b, out)`` of shapes (m, k), (k, n), (m, n); `m` and `k` default to `n`."""
    m, k, n = _sizes(n, m, k)
    return normal((m, k), dtype, seed=1), normal((k, n), dtype, seed=2), blank((m, n), dtype)


def _sizes(n: int, m: int | None = None, k: int | None = None, **_) -> tuple[int, int, int]:
    return n if m is None else m, n if k is None else k, n


def oracle(a: np.ndarray, b: np.ndarray, out: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the product in float64, and the error that `LEVELS` levels may make.

    The ordinary product errs by some ``u (8 + 2 sqrt(k))`` times ``|a| |b|``, with u half
    the distance from 1 to the next number. The bound for Winograd's form grows by 18 per
    level where the ordinary one's grows by 4, and is relative to norms: so 4.5 times as
    much per level, relative to k times the root mean squares of both matrices.

    Source
    ------
    Higham (2002), chapter 23 for the bound, section 2.8 for the rule of thumb.
    """
    wide_a, wide_b = a.astype(np.float64), b.astype(np.float64)
    unit, k = np.finfo(a.dtype).eps / 2, a.shape[1]
    norms = np.linalg.norm(wide_a) * np.linalg.norm(wide_b) / max(1.0, np.sqrt(out.size))
    terms = np.abs(wide_a) @ np.abs(wide_b)
    return wide_a @ wide_b, unit * (8 + 2 * np.sqrt(k)) * (terms + 4.5**LEVELS * norms)


def flops(**parameters) -> int:
    """``2 m n k``: the definition, whoever does with fewer."""
    m, k, n = _sizes(**parameters)
    return 2 * m * k * n


def compulsory_bytes(dtype: str = "float32", **parameters) -> int:
    """Read `a` and `b`, write `out`."""
    m, k, n = _sizes(**parameters)
    return (m * k + k * n + m * n) * np.dtype(dtype).itemsize


def work(step: str, **parameters) -> int:
    """Return how many FLOPs a step does, sums of quarters included.

    Parameters
    ----------
    step : str
        Name of a kernel of ``strassen``.
    **parameters
        As for `inputs`.

    Raises
    ------
    ValueError
        If the step is unknown.
    """
    levels = {"blas": 0, "strassen_1": 1, "strassen_2": 2}
    if step not in levels:
        raise ValueError(f"strassen has no step {step!r} whose FLOPs are counted")
    return _work(*_sizes(**parameters), levels[step])


def _work(m: int, k: int, n: int, levels: int) -> int:
    if levels == 0 or min(m, k, n) < 2:
        return 2 * m * k * n
    p, q, r = m // 2, k // 2, n // 2
    inner = 7 * _work(p, q, r, levels - 1)
    sums = 4 * p * q + 4 * q * r + 7 * p * r
    # What peeling leaves over: a rank-one update, and the last row and column.
    update = 2 * (2 * p) * (2 * r) * (k % 2)
    column, row = 2 * m * k * (n % 2), 2 * (m % 2) * k * (n - n % 2)
    return inner + sums + update + column + row


register_operation(Operation("strassen", inputs, oracle, flops, compulsory_bytes, EDGES))


@register(
    "strassen",
    instrument="NumPy",
    story="one call of NumPy's BLAS: eight products of quarters, had it quarters",
    tags=("ladder",),
)
def blas(a, b, out):
    """Multiply by one call of the BLAS that NumPy brings.

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
    "strassen",
    instrument="NumPy",
    story="seven products of quarters: removes an eighth of the products, adds 15 sums",
    tags=("ladder",),
)
def strassen_1(a, b, out):
    """Multiply by one level of Strassen's recursion over BLAS.

    Removes one product of quarters in eight. Adds 15 sums of quarters, which take a
    memory's time and not a multiplier's.

    Parameters
    ----------
    a, b, out : ndarray of float32 or float64, of shapes (m, k), (k, n) and (m, n)
        `out` is overwritten; it must not overlap `a` or `b`.

    Raises
    ------
    ValueError
        If shapes or dtypes do not fit.

    Cost
    ----
    ``7/4 m n k`` FLOPs in products, ``m k + k n + 7/4 m n`` in sums; temporaries of three
    quarters.

    Source
    ------
    Strassen (1969).
    """
    _check("strassen_1", a, b, out)
    recurse(a, b, out, 1)


@register(
    "strassen",
    instrument="NumPy",
    story="two levels: removes another eighth, adds sums of smaller quarters",
    tags=("ladder",),
)
def strassen_2(a, b, out):
    """Multiply by two levels of Strassen's recursion over BLAS.

    Removes an eighth of what was left. The products are now of matrices a quarter as
    wide, for which the library itself may be slower.

    Parameters
    ----------
    a, b, out : ndarray of float32 or float64, of shapes (m, k), (k, n) and (m, n)
        `out` is overwritten; it must not overlap `a` or `b`.

    Raises
    ------
    ValueError
        If shapes or dtypes do not fit.

    Cost
    ----
    ``49/32 m n k`` FLOPs in products; 15 sums of quarters, and 7 times 15 of sixteenths.

    Source
    ------
    Strassen (1969).
    """
    _check("strassen_2", a, b, out)
    recurse(a, b, out, 2)


def _check(kernel: str, a, b, out) -> None:
    shapes = [np.shape(x) for x in (a, b, out)]
    rows, columns, result = shapes
    fits = len(rows) == len(columns) == 2 and rows[1] == columns[0]
    if not fits or result != (rows[0], columns[1]):
        raise ValueError(
            f"strassen.{kernel}: expected a (m, k), b (k, n) and out (m, n), got "
            f"{', '.join(map(str, shapes))}"
        )
    if not a.dtype == b.dtype == out.dtype:
        raise ValueError(
            f"strassen.{kernel}: expected one dtype for all, got {a.dtype}, {b.dtype} and "
            f"{out.dtype}; convert with astype"
        )


def recurse(a, b, out, levels: int) -> None:
    """Multiply with so many levels of recursion; odd sizes are peeled.

    An odd last row or column is cut off before the halving and multiplied apart, in
    ``O(n**2)``: padding would copy whole matrices.

    Parameters
    ----------
    a, b, out : ndarray of shapes (m, k), (k, n) and (m, n)
    levels : int
        0 is BLAS; it stops earlier where a side is too short to halve.

    Cost
    ----
    As `work` counts.
    """
    (m, k), n = a.shape, b.shape[1]
    if levels == 0 or min(m, k, n) < 2:
        np.matmul(a, b, out=out)
        return
    rows, depth, columns = m - m % 2, k - k % 2, n - n % 2
    core = out[:rows, :columns]
    _seven(a[:rows, :depth], b[:depth, :columns], core, levels - 1)
    if k % 2:
        core += a[:rows, depth:] * b[depth:, :columns]
    if n % 2:
        np.matmul(a, b[:, columns:], out=out[:, columns:])
    if m % 2:
        np.matmul(a[rows:], b[:, :columns], out=out[rows:, :columns])


def _quarters(x):
    p, q = x.shape[0] // 2, x.shape[1] // 2
    return x[:p, :q], x[:p, q:], x[p:, :q], x[p:, q:]


def _seven(a, b, out, levels: int) -> None:
    """Strassen's seven products in Winograd's form.

    In an order in which the quarters of `out` hold what is needed next, so that three
    temporaries are enough and nothing is copied.
    """
    a11, a12, a21, a22 = _quarters(a)
    b11, b12, b21, b22 = _quarters(b)
    c11, c12, c21, c22 = _quarters(out)
    s, t = np.empty(a11.shape, a.dtype), np.empty(b11.shape, b.dtype)
    first = np.empty(c11.shape, out.dtype)

    recurse(np.subtract(a11, a21, out=s), np.subtract(b22, b12, out=t), c21, levels)
    recurse(np.add(a21, a22, out=s), np.subtract(b12, b11, out=t), c22, levels)
    recurse(np.subtract(s, a11, out=s), np.subtract(b22, t, out=t), c12, levels)
    recurse(np.subtract(a12, s, out=s), b22, c11, levels)
    recurse(a11, b11, first, levels)
    c12 += first
    c21 += c12
    c12 += c22
    c22 += c21
    c12 += c11
    recurse(a22, np.subtract(t, b21, out=t), c11, levels)
    c21 -= c11
    recurse(a12, b21, c11, levels)
    c11 += first
