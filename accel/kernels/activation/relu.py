"""relu, ``max(x, 0)``: a comparison, and otherwise the price of moving numbers.

-0.0 may come back as either zero; NaN stays NaN.
"""

from __future__ import annotations

import numpy as np
from numba import prange
from numba.extending import register_jitable

from accel.kernels.activation.elements import (
    ALONE,
    AWKWARD,
    PART,
    SPECIAL,
    each_register,
    edges,
    length_of_two,
    lists,
    one_to_one,
    read_and_written,
)
from accel.kernels.registry import Operation, register, register_operation
from accel.simd import jit, maximum


def relu_inputs(n: int, dtype: str = "float32", values: str = "normal") -> tuple:
    """Return ``(x, out)`` of length `n`; ``values="special"`` repeats `SPECIAL` and -inf."""
    return one_to_one(n, dtype, values, (*SPECIAL, -np.inf))


def relu_oracle(x: np.ndarray, out: np.ndarray) -> tuple:
    """Return the exact answer: nothing is rounded."""
    return np.maximum(x.astype(np.float64), 0.0), 0.0


def relu_flops(n: int, **_) -> int:
    """One comparison per element."""
    return n


register_operation(
    Operation(
        "relu",
        relu_inputs,
        relu_oracle,
        relu_flops,
        read_and_written,
        edges=edges(),
        sizes=length_of_two,
        awkward=AWKWARD,
    )
)


@register(
    "relu",
    name="loop",
    instrument="interpreter",
    story="a Python loop over a list",
    adapt=lists,
    tags=("ladder",),
)
def relu_loop(x, out):
    """Compute ``max(x, 0)`` by a loop over a list.

    The starting point. Written as ``x > 0`` with the branches exchanged, it
    would turn NaN into 0, for every comparison with NaN is false.

    Parameters
    ----------
    x, out : list of float, length n
        `out` is overwritten.

    Cost
    ----
    ``n`` comparisons, each some dozens of instructions of the interpreter.
    """
    for i, value in enumerate(x):
        out[i] = max(value, 0.0)


@register(
    "relu",
    name="array_scalars",
    instrument="interpreter",
    story="the same loop over a NumPy array: makes a Python object of every element",
    tags=("ladder",),
)
def relu_array_scalars(x, out):
    """Compute ``max(x, 0)`` by a loop over the elements of arrays.

    Removes nothing: a list holds finished Python objects, an array holds bare
    numbers, and each ``x[i]`` wraps one in a new object to compare it once.

    Parameters
    ----------
    x, out : ndarray, shape (n,), float32 or float64
        `out` is overwritten.

    Cost
    ----
    ``n`` comparisons, ``2 n`` objects made or taken apart.
    """
    for i in range(len(x)):
        out[i] = max(x[i], 0.0)


@register(
    "relu",
    name="numpy",
    instrument="NumPy",
    story="one array operation: removes the interpreter from the loop",
    tags=("ladder",),
)
def relu_numpy(x, out):
    """Compute ``max(x, 0)`` by one array operation.

    Removes the interpreter: NumPy looks at types and shapes once, then a
    compiled loop runs to the end. It takes the number 0 for an array whose elements
    all lie in one place, and gathers them: its maximum of two arrays is faster, but
    then somebody has to keep an array of zeros.

    Parameters
    ----------
    x, out : ndarray, shape (n,), float32 or float64
        `out` is overwritten.

    Raises
    ------
    ValueError
        If the lengths do not fit.

    Cost
    ----
    ``n`` comparisons; one pass that reads `x` and writes `out`.

    Source
    ------
    NumPy 2.4, ``numpy/_core/src/umath/loops_minmax.dispatch.c.src``: contiguous and
    strided operands.
    """
    np.maximum(x, 0, out=out)


@register(
    "relu",
    name="compiled",
    instrument="compiled",
    story="the loop again, compiled: removes NumPy's preparations and its gathered zeros",
    tags=("ladder",),
)
@jit
def relu_compiled(x, out):
    """Compute ``max(x, 0)`` by a compiled loop.

    Removes NumPy's preparations, which a short array has no time to repay, and its
    gathering of zeros, which a long one feels. The compiler turns the condition
    into a masked move and uses vector instructions.

    Parameters
    ----------
    x, out : ndarray, shape (n,), float32 or float64
        `out` is overwritten.

    Raises
    ------
    ValueError
        If the lengths differ.

    Cost
    ----
    ``n`` comparisons; one pass that reads `x` and writes `out`.
    """
    if x.size != out.size:
        raise ValueError("relu: out must be as long as x")
    zero = x.dtype.type(0)
    for i in range(x.size):
        out[i] = max(x[i], zero)


@register(
    "relu",
    name="vector",
    instrument="compiled",
    story="explicit vector registers: says what the compiler had to find out",
    tags=("ladder", "best"),
)
@jit
def relu_vector(x, out):
    """Compute ``max(x, 0)`` with vector registers as values.

    Removes nothing that costs much: the compiler finds this loop by itself. It is
    here as the simplest example of what `gelu_vector` needs. The last, incomplete
    register is loaded and stored under a mask.

    Parameters
    ----------
    x, out : ndarray, shape (n,), float32 or float64, contiguous
        `out` is overwritten.

    Raises
    ------
    ValueError
        If the lengths differ.

    Cost
    ----
    ``n / lanes`` comparisons of registers; one pass that reads `x` and writes `out`.
    """
    if x.size != out.size:
        raise ValueError("relu: out must be as long as x")
    each_register(relu_register, x, out, 0, x.size)


@register(
    "relu",
    name="threads",
    instrument="compiled",
    story="all cores, each with a part of the array",
    tags=("threads",),
)
@jit(parallel=True)
def relu_threads(x, out):
    """Compute ``max(x, 0)`` on all cores.

    Removes idle cores: each takes a part, and its caches and its share of the memory
    bandwidth with it. Short arrays stay on one core.

    Parameters
    ----------
    x, out : ndarray, shape (n,), float32 or float64, contiguous
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
    if n != out.size:
        raise ValueError("relu: out must be as long as x")
    if n < ALONE:
        _span(x, out, 0, n)
    else:
        for part in prange((n + PART - 1) // PART):
            _span(x, out, part * PART, min(n, (part + 1) * PART))


@register_jitable(forceinline=True)
def relu_register(v):
    """Return ``max(v, 0)`` of a register, in compiled code."""
    return maximum(0, v)


@jit
def _span(x, out, start, stop):
    each_register(relu_register, x, out, start, stop)
