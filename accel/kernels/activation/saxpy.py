"""saxpy, ``alpha x + y``: two operations for three numbers moved.

Source
------
Lawson and others, "Basic Linear Algebra Subprograms for Fortran usage", *ACM TOMS* 5
(1979), for ``axpy``.
"""

from __future__ import annotations

import numpy as np
from numba import prange

from accel.kernels.activation.elements import (
    ALONE,
    AWKWARD,
    PART,
    PEELED,
    SPECIAL,
    allowed_error,
    edges,
    length_of_three,
    lists,
    past_caches,
    register_for,
    values_of,
)
from accel.kernels.inputs import blank, normal
from accel.kernels.registry import Operation, register, register_operation
from accel.simd import (
    elements_to_alignment,
    fence,
    fma,
    jit,
    load,
    load_first,
    store,
    store_first,
    store_streaming,
)


def saxpy_inputs(n: int, dtype: str = "float32", values: str = "normal") -> tuple:
    """Return ``(alpha, x, y, out)``; ``values="special"`` repeats `SPECIAL` in `x`."""
    x = values_of(n, dtype, values, SPECIAL)
    return np.dtype(dtype).type(1.7), x, normal((n,), dtype, seed=2), blank((n,), dtype)


def saxpy_oracle(alpha, x: np.ndarray, y: np.ndarray, out: np.ndarray) -> tuple:
    """Return the answer in float64, and twice the error of two roundings.

    Product and sum are each rounded by at most eps / 2; the other half of the
    tolerance is the oracle's own error when the kernel computes in float64 too.
    """
    product = np.float64(alpha) * x.astype(np.float64)
    expected = product + y
    return expected, allowed_error(x.dtype, 1, np.abs(product) + np.abs(expected))


def saxpy_flops(n: int, **_) -> int:
    """A multiplication and an addition per element."""
    return 2 * n


def saxpy_bytes(n: int, dtype: str = "float32", **_) -> int:
    """Read `x` and `y`, write `out`."""
    return 3 * n * np.dtype(dtype).itemsize


register_operation(
    Operation(
        "saxpy",
        saxpy_inputs,
        saxpy_oracle,
        saxpy_flops,
        saxpy_bytes,
        edges=edges(),
        sizes=length_of_three,
        awkward=AWKWARD,
        signature=(1,),
    )
)


@register(
    "saxpy",
    name="loop",
    instrument="interpreter",
    story="a Python loop over two lists",
    adapt=lists,
    tags=("ladder",),
)
def saxpy_loop(alpha, x, y, out):
    """Compute ``alpha x + y`` by a loop over lists.

    The starting point, in float64 whatever the arrays held: Python knows no other.

    Parameters
    ----------
    alpha : float
    x, y, out : list of float, length n
        `out` is overwritten.

    Cost
    ----
    ``2 n`` FLOPs, each some dozens of instructions of the interpreter.
    """
    for i in range(len(x)):
        out[i] = alpha * x[i] + y[i]


@register(
    "saxpy",
    name="array_scalars",
    instrument="interpreter",
    story="the same loop over NumPy arrays: makes a Python object of every element",
    tags=("ladder",),
)
def saxpy_array_scalars(alpha, x, y, out):
    """Compute ``alpha x + y`` by a loop over the elements of arrays.

    Removes nothing: the loop is the one for lists, and every element read, every
    product and every sum becomes an object of NumPy's.

    Parameters
    ----------
    alpha : float
    x, y, out : ndarray, shape (n,), float32 or float64
        `out` is overwritten.

    Cost
    ----
    ``2 n`` FLOPs, ``5 n`` objects made or taken apart.
    """
    for i in range(len(x)):
        out[i] = alpha * x[i] + y[i]


@register(
    "saxpy",
    name="numpy",
    instrument="NumPy",
    story="whole-array expression: removes the interpreter, adds a temporary array",
    tags=("ladder",),
)
def saxpy_numpy(alpha, x, y, out):
    """Compute ``alpha * x + y`` as a whole-array expression.

    Removes the interpreter. The product is a temporary array. The sum goes to
    `out`, which stands for the new array that the expression would return: no
    copy is charged that a user would not make.

    Parameters
    ----------
    alpha : float
    x, y, out : ndarray, shape (n,), float32 or float64
        `out` is overwritten.

    Raises
    ------
    ValueError
        If the lengths do not fit.

    Cost
    ----
    ``2 n`` FLOPs in two passes; a temporary of ``n`` elements.
    """
    np.add(alpha * x, y, out=out)


@register(
    "saxpy",
    name="numpy_out",
    instrument="NumPy",
    story="in place: removes the temporary array",
    tags=("ladder",),
)
def saxpy_numpy_out(alpha, x, y, out):
    """Compute ``alpha x + y`` in place in `out`.

    Removes the temporary, and with it the allocation; still two passes, the
    second of which finds its input in `out`.

    Parameters
    ----------
    alpha : float
    x, y, out : ndarray, shape (n,), float32 or float64
        `out` is overwritten before `y` is read: it must not be `y`.

    Raises
    ------
    ValueError
        If the lengths do not fit.

    Cost
    ----
    ``2 n`` FLOPs in two passes; nothing allocated.
    """
    np.multiply(x, alpha, out=out)
    np.add(out, y, out=out)


@register(
    "saxpy",
    name="compiled",
    instrument="compiled",
    story="the loop again, compiled: removes the second pass",
    tags=("ladder",),
)
@jit
def saxpy_compiled(alpha, x, y, out):
    """Compute ``alpha x + y`` by a compiled loop.

    Removes the second pass over memory: product and sum meet in a register. The
    compiler uses vector instructions, after a check that the arrays do not overlap.
    `alpha` takes the arrays' type first, as in NumPy; left a float64, it would make
    the arithmetic float64, with half as many elements per register.

    Parameters
    ----------
    alpha : float
    x, y, out : ndarray, shape (n,), float32 or float64
        `out` is overwritten.

    Raises
    ------
    ValueError
        If the lengths differ.

    Cost
    ----
    ``2 n`` FLOPs in one pass that reads `x` and `y` and writes `out`.
    """
    if not x.size == y.size == out.size:
        raise ValueError("saxpy: x, y and out must have the same length")
    a = x.dtype.type(alpha)
    for i in range(x.size):
        out[i] = a * x[i] + y[i]


@register(
    "saxpy",
    name="vector",
    instrument="compiled",
    story="explicit vector registers, multiplication and addition in one instruction",
    tags=("ladder", "best"),
)
@jit
def saxpy_vector(alpha, x, y, out):
    """Compute ``alpha x + y`` with vector registers as values.

    Removes one rounding and one instruction: a fused multiply-add, which a
    compiler must not form by itself since it changes the result. Memory sets the
    pace all the same.

    Parameters
    ----------
    alpha : float
    x, y, out : ndarray, shape (n,), float32 or float64, contiguous
        `out` is overwritten.

    Raises
    ------
    ValueError
        If the lengths differ.

    Cost
    ----
    ``n / lanes`` fused multiply-adds of registers, in one pass.
    """
    if not x.size == y.size == out.size:
        raise ValueError("saxpy: x, y and out must have the same length")
    _span(x.dtype.type(alpha), x, y, out, 0, x.size)


@register(
    "saxpy",
    name="threads",
    instrument="compiled",
    story="all cores, each with a part of the arrays",
    tags=("threads",),
)
@jit(parallel=True)
def saxpy_threads(alpha, x, y, out):
    """Compute ``alpha x + y`` on all cores.

    Removes idle cores: each takes a part, and its share of the memory bandwidth with
    it. Short arrays stay on one core.

    Parameters
    ----------
    alpha : float
    x, y, out : ndarray, shape (n,), float32 or float64, contiguous
        `out` is overwritten.

    Raises
    ------
    ValueError
        If the lengths differ.

    Cost
    ----
    As the one-core kernel, divided by the cores, and microseconds to start them.
    """
    n = x.size
    if not n == y.size == out.size:
        raise ValueError("saxpy: x, y and out must have the same length")
    a = x.dtype.type(alpha)
    if n < ALONE:
        _span(a, x, y, out, 0, n)
    else:
        for part in prange((n + PART - 1) // PART):
            _span(a, x, y, out, part * PART, min(n, (part + 1) * PART))


@jit
def _span(a, x, y, out, start, stop):
    V = register_for(x)
    first = start
    if stop - start >= PEELED:
        head = elements_to_alignment(V, out, first)
        store_first(
            out, first, fma(a, load_first(V, x, first, head), load_first(V, y, first, head)), head
        )
        first += head
    whole = first + (stop - first) // V.lanes * V.lanes
    if past_caches(x, 3) and stop - start >= PEELED:  # else `out` is not aligned here
        for i in range(first, whole, V.lanes):
            store_streaming(out, i, fma(a, load(V, x, i), load(V, y, i)))
        fence()
    else:
        for i in range(first, whole, V.lanes):
            store(out, i, fma(a, load(V, x, i), load(V, y, i)))
    rest = stop - whole
    last = fma(a, load_first(V, x, whole, rest), load_first(V, y, whole, rest))
    store_first(out, whole, last, rest)
