"""`sgd`: a step against the gradient.

``parameters -= learning_rate * gradient`` is the shortest of all steps.

Source
------
Formula as documented for PyTorch's ``torch.optim.SGD`` with momentum 0 and no weight decay.
"""

from __future__ import annotations

import numpy as np
from numba import prange

from accel.kernels.activation import register_for
from accel.kernels.inputs import normal
from accel.kernels.optimizer.values import (
    ALONE,
    AWKWARD,
    EDGES,
    PART,
    PIECE,
    gradient,
    rounded,
)
from accel.kernels.registry import Operation, register, register_operation
from accel.simd import fma, jit, load, load_first, store, store_first

#: Learning rate of the inputs.
RATE = 0.01


def sgd_inputs(n: int, dtype: str = "float32", values: str = "normal") -> tuple:
    """Return ``(gradient, learning_rate, parameters)``; `values` are those of the gradient."""
    return gradient(n, dtype, values), RATE, normal((n,), dtype, seed=12)


def sgd_oracle(gradient, learning_rate, parameters) -> tuple:
    """Return the answer in float64, and the error that its roundings allow.

    The rate is rounded, then the product, then the difference, each by half an eps. Twice
    that, since the oracle errs too where the kernel is as precise.
    """
    step = learning_rate * gradient.astype(np.float64)
    expected = parameters - step
    return expected, rounded(parameters.dtype, 2, step, expected)


def sgd_flops(n: int, **_) -> int:
    """A multiplication and a subtraction per parameter."""
    return 2 * n


def sgd_bytes(n: int, dtype: str = "float32", **_) -> int:
    """Read gradient and parameters, write parameters."""
    return 3 * n * np.dtype(dtype).itemsize


def sgd_sizes(working_set_bytes: int) -> dict:
    """Return the length of two arrays of float32."""
    return {"n": max(1, working_set_bytes // 8)}


register_operation(
    Operation(
        "sgd",
        sgd_inputs,
        sgd_oracle,
        sgd_flops,
        sgd_bytes,
        edges=EDGES,
        sizes=sgd_sizes,
        awkward=AWKWARD,
        mutates=(2,),
    )
)


def sgd_lists(gradient, learning_rate, parameters) -> tuple:
    """Turn the arrays into lists, for the plain loop."""
    return gradient.tolist(), learning_rate, parameters.tolist()


@register(
    "sgd",
    name="loop",
    instrument="interpreter",
    story="a Python loop over lists",
    adapt=sgd_lists,
    tags=("ladder",),
)
def sgd_loop(gradient, learning_rate, parameters):
    """Take a step by a loop over lists, in float64 whatever the arrays held.

    The starting point.

    Parameters
    ----------
    gradient, parameters : list of float, length n
        `parameters` are overwritten.
    learning_rate : float

    Cost
    ----
    ``2 n`` FLOPs, each some dozens of instructions of the interpreter.
    """
    for i, slope in enumerate(gradient):
        parameters[i] -= learning_rate * slope


@register(
    "sgd",
    name="numpy",
    instrument="NumPy",
    story="whole-array expression: removes the interpreter, adds a temporary array",
    tags=("ladder",),
)
def sgd_numpy(gradient, learning_rate, parameters):
    """Take a step by a whole-array expression, in the shape everybody writes it.

    Removes the interpreter. The product is a temporary array; the difference is written in
    place already.

    Parameters
    ----------
    gradient, parameters : ndarray, shape (n,), float32 or float64
        `parameters` are overwritten.
    learning_rate : float

    Raises
    ------
    ValueError
        If the lengths do not fit.

    Cost
    ----
    ``2 n`` FLOPs in two passes over five arrays; a temporary of ``n`` elements.
    """
    parameters -= learning_rate * gradient


@register(
    "sgd",
    name="numpy_out",
    instrument="NumPy",
    story="pieces through a small buffer: removes the temporary array",
    tags=("ladder",),
)
def sgd_numpy_out(gradient, learning_rate, parameters):
    """Take a step in pieces, the product of each in one small buffer.

    Removes the temporary, which would be as long as the model, and its way through memory.
    The gradient is kept as it is, so the product needs some place.

    Parameters
    ----------
    gradient, parameters : ndarray, shape (n,), float32 or float64
        `parameters` are overwritten.
    learning_rate : float

    Raises
    ------
    ValueError
        If the lengths do not fit.

    Cost
    ----
    ``2 n`` FLOPs in one pass over memory and two over the caches; two calls of NumPy for
    every 32768 elements.
    """
    if gradient.shape != parameters.shape:
        raise ValueError("sgd: gradient and parameters must have the same length")
    buffer = np.empty(min(PIECE, gradient.size), gradient.dtype)
    for begin in range(0, gradient.size, PIECE):
        piece = slice(begin, begin + PIECE)
        part = buffer[: parameters[piece].size]
        np.multiply(gradient[piece], learning_rate, out=part)
        parameters[piece] -= part


@register(
    "sgd",
    name="compiled",
    instrument="compiled",
    story="one compiled loop: removes the second pass and the calls",
    tags=("ladder",),
)
@jit
def sgd_compiled(gradient, learning_rate, parameters):
    """Take a step by a compiled loop.

    Removes the second pass: product and difference meet in a register.

    Parameters
    ----------
    gradient, parameters : ndarray, shape (n,), float32 or float64
        `parameters` are overwritten.
    learning_rate : float

    Raises
    ------
    ValueError
        If the lengths differ.

    Cost
    ----
    ``2 n`` FLOPs in one pass that reads both arrays and writes `parameters`.
    """
    if gradient.size != parameters.size:
        raise ValueError("sgd: gradient and parameters must have the same length")
    rate = parameters.dtype.type(learning_rate)
    for i in range(gradient.size):
        parameters[i] -= rate * gradient[i]


@register(
    "sgd",
    name="vector",
    instrument="compiled",
    story="explicit vector registers, product and difference in one instruction",
    tags=("ladder", "best"),
)
@jit
def sgd_vector(gradient, learning_rate, parameters):
    """Take a step with vector registers as values.

    Removes one rounding and one instruction for each register. Memory sets the pace.

    Parameters
    ----------
    gradient, parameters : ndarray, shape (n,), float32 or float64, contiguous
        `parameters` are overwritten.
    learning_rate : float

    Raises
    ------
    ValueError
        If the lengths differ.

    Cost
    ----
    ``n / lanes`` fused multiply-adds of registers, in one pass.
    """
    if gradient.size != parameters.size:
        raise ValueError("sgd: gradient and parameters must have the same length")
    _sgd_span(gradient, learning_rate, parameters, 0, gradient.size)


@jit
def _sgd_span(gradient, learning_rate, parameters, start, stop):
    """Take the step for ``parameters[start:stop]``, four registers a turn."""
    V = register_for(parameters)
    rate = parameters.dtype.type(-learning_rate)
    whole = start + (stop - start) // (4 * V.lanes) * (4 * V.lanes)
    for i in range(start, whole, 4 * V.lanes):
        for j in range(i, i + 4 * V.lanes, V.lanes):  # the compiler unrolls this
            store(parameters, j, fma(rate, load(V, gradient, j), load(V, parameters, j)))
    for i in range(whole, stop, V.lanes):
        p = load_first(V, parameters, i, stop - i)
        store_first(parameters, i, fma(rate, load_first(V, gradient, i, stop - i), p), stop - i)


@register(
    "sgd",
    name="threads",
    instrument="compiled",
    story="all cores, each with a part of the arrays",
    tags=("threads",),
)
def sgd_threads(gradient, learning_rate, parameters):
    """Take a step on all cores.

    Removes idle cores: each takes a part, and its caches and its share of the memory
    bandwidth with it. Short arrays stay on one core, before anything is compiled for more.

    Parameters
    ----------
    gradient, parameters : ndarray, shape (n,), float32 or float64, contiguous
        `parameters` are overwritten.
    learning_rate : float

    Raises
    ------
    ValueError
        If the lengths differ.

    Cost
    ----
    As the one-core kernel, divided by the cores, and microseconds to start them.
    """
    if gradient.size < ALONE or gradient.size != parameters.size:
        sgd_vector(gradient, learning_rate, parameters)
    else:
        _sgd_everywhere(gradient, learning_rate, parameters)


@jit(parallel=True)
def _sgd_everywhere(gradient, learning_rate, parameters):
    n = min(gradient.size, parameters.size)
    for part in prange(-(-n // PART)):
        start = part * PART
        _sgd_span(gradient, learning_rate, parameters, start, min(n, start + PART))
