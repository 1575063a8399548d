"""SciPy, where it has a function of its own: special functions, BLAS by hand."""

from __future__ import annotations

import os
from functools import partial

import numpy as np

from accel.bench.peers.calling import Rivals, kept

NAME = "SciPy"
RIVALS = Rivals()

try:
    import scipy
    from scipy import special
    from scipy.linalg import blas
except ImportError as error:
    scipy, _MISSING = None, str(error)


def available() -> str | None:
    """Return why SciPy cannot be used here, or None if it can."""
    return None if scipy is not None else f"{NAME} is not installed here ({_MISSING})"


def version() -> str:
    """Return the version that is measured."""
    return scipy.__version__


def hold() -> str:
    """Say how many threads SciPy uses.

    Raises
    ------
    RuntimeError
        If its BLAS has more than this process was told.
    """
    from threadpoolctl import threadpool_info

    work()
    found = {one["num_threads"] for one in threadpool_info() if one["user_api"] == "blas"}
    wanted = os.environ.get("OMP_NUM_THREADS")
    if wanted and found and max(found) > int(wanted):
        raise RuntimeError(f"{NAME}'s BLAS runs {max(found)} threads, expected {wanted}")
    return f"its BLAS says {max(found)}, all else one" if found else "one, but for its BLAS"


def work() -> None:
    """Keep every thread busy for some time; for whoever counts them."""
    a = np.ones((1024, 1024), np.float32, order="F")
    for _ in range(8):
        blas.sgemm(1.0, a, a)


def _named(single: str, x: np.ndarray):
    """Return the BLAS function for elements of this type: ``sgemm`` or ``dgemm``."""
    return getattr(blas, ("s" if x.dtype == np.float32 else "d") + single)


# BLAS counts columns first: the transpose of a product is the product of transposes, reversed.


@RIVALS("matmul")
def matmul(a, b, out):
    return partial(_named("gemm", a), 1.0, b.T, a.T, 0.0, out.T, overwrite_c=1)


@RIVALS("matmul_nt")
def matmul_nt(a, b, out):
    return partial(_named("gemm", a), 1.0, b.T, a.T, 0.0, out.T, trans_a=1, overwrite_c=1)


@RIVALS("matvec")
def matvec(a, x, out):
    return partial(_named("gemv", a), 1.0, a.T, x, 0.0, out, trans=1, overwrite_y=1)


@RIVALS("saxpy")
def saxpy(alpha, x, y, out):
    copy, axpy = _named("copy", x), _named("axpy", x)

    def run():
        copy(y, out)
        axpy(x, out, a=alpha)

    return run


@RIVALS("gelu_erf")
def gelu_erf(x, out):
    def run():
        np.multiply(x, 0.5**0.5, out)
        special.erf(out, out)
        np.add(out, 1, out)
        np.multiply(out, 0.5, out)
        np.multiply(out, x, out)

    return run


@RIVALS("sigmoid")
def sigmoid(x, out):
    return partial(special.expit, x, out)


@RIVALS("silu")
def silu(x, out):
    def run():
        special.expit(x, out)
        np.multiply(out, x, out)

    return run


@RIVALS("softmax")
def softmax(x, out):
    return kept(partial(special.softmax, axis=1), x)


@RIVALS("log_softmax")
def log_softmax(x, out):
    return kept(partial(special.log_softmax, axis=1), x)
