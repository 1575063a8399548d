"""``out = a @ b``: what is computed, at which cost, and what is refused.

`a` of shape (m, k), `b` of shape (k, n) and `out` of shape (m, n), of one element type.
Arrays may have any strides; `out` must not overlap `a` or `b`. NaN and infinity spread as in
NumPy.
"""

from __future__ import annotations

import numpy as np

from accel.kernels import work
from accel.kernels.inputs import blank, normal
from accel.kernels.registry import Operation, register_operation

FLOATS = ("float32", "float64")
NUMBERS = (*FLOATS, "int64")


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
        "matmul",
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


def check(kernel: str, a: np.ndarray, b: np.ndarray, out: np.ndarray) -> None:
    """Refuse arguments that a loop without bounds checks must never see."""
    check_shapes(kernel, a, b, out)
    if may_overlap(a, out) or may_overlap(b, out):
        raise ValueError(
            f"matmul.{kernel}: expected an out apart from a and b, got one whose memory may "
            "overlap theirs; pass a new array"
        )


def check_shapes(kernel: str, a: np.ndarray, b: np.ndarray, out: np.ndarray) -> None:
    """Refuse what are no arrays, of shapes that do not fit, or of several dtypes."""
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


def may_overlap(x: np.ndarray, out: np.ndarray) -> bool:
    """Return whether two arrays may have memory in common."""
    if x.base is None and out.base is None:  # the usual case, decided in a tenth of the time
        return x is out
    return np.may_share_memory(x, out)


def require(kernel: str, dtype: np.dtype, accepted: tuple[str, ...]) -> None:
    """Refuse a dtype that a kernel is not written for."""
    if dtype not in [np.dtype(name) for name in accepted]:
        raise ValueError(f"matmul.{kernel}: expected {' or '.join(accepted)}, got {dtype!r}")


def block_size(kernel: str, block: int, *sizes: int) -> int:
    """Return a block no larger than these sizes need, so that no index overflows."""
    if not isinstance(block, int | np.integer) or block < 1:
        raise ValueError(f"matmul.{kernel}: expected a whole block >= 1, got {block!r}")
    return min(int(block), max(1, *sizes))


def check_writable(kernel: str, out: np.ndarray) -> None:
    """Refuse a read-only result."""
    if not out.flags.writeable:
        raise ValueError(f"matmul.{kernel}: expected a writable out, got a read-only array")
