"""`adam`: a step for each parameter as long as its gradient is trustworthy.

Two running means are kept, of the gradient and of its square::

    first  = first + (1 - beta1) (gradient - first)
    second = beta2 second + (1 - beta2) gradient^2
    parameters -= learning_rate / (1 - beta1^step)
                  * first / (sqrt(second) / sqrt(1 - beta2^step) + epsilon)

`step` counts from 1: the means begin at zero, and the divisions by ``1 - beta^step`` make up
for that. Thirteen FLOPs and seven trips of an element between memory and
registers: done as nine array operations, over twenty trips.

Source
------
Kingma and Ba, "Adam: A Method for Stochastic Optimization", arXiv:1412.6980 (2014),
algorithm 1. Order of operations, and epsilon outside of the root after its correction, as
documented for PyTorch's ``torch.optim.Adam``.
"""

from __future__ import annotations

import math

import numpy as np
from numba import prange
from numba.extending import register_jitable

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
from accel.simd import fma, jit, load, load_first, sqrt, store, store_first

#: Hyperparameters of the inputs: PyTorch's defaults, at the third step.
STEP, RATE, BETA1, BETA2, EPSILON = 3, 1e-3, 0.9, 0.999, 1e-8


def adam_inputs(n: int, dtype: str = "float32", values: str = "normal") -> tuple:
    """Return the arguments of `adam`; `values` are those of the gradient."""
    first, second = normal((n,), dtype, seed=14), normal((n,), dtype, seed=15) ** 2
    parameters = normal((n,), dtype, seed=12)
    numbers = STEP, RATE, BETA1, BETA2, EPSILON
    return gradient(n, dtype, values), first, second, *numbers, parameters


def adamw_step(
    gradient, first, second, step, learning_rate, beta1, beta2, epsilon, decay, parameters
) -> tuple:
    """Return both means and the parameters after a step in float64, each with its error.

    In units of half an eps. Of the first mean: one for the weight, the difference and the
    product, and one for the sum. Of the second, a sum of squares: six. The root halves that;
    with the root itself, its correction and the sum the divisor is off by seven, the
    quotient by eight and the step by ten, besides the first mean's own error, which may be
    large in relation to it. Then the decay, its product, and the difference. Twice all that,
    since the oracle errs too where the kernel is as precise.
    """
    g, m, v = (np.asarray(each).astype(np.float64) for each in (gradient, first, second))
    dtype = parameters.dtype
    with np.errstate(invalid="ignore", over="ignore"):
        change = (1 - beta1) * (g - m)
        m = m + change
        v = beta2 * v + (1 - beta2) * g * g
        divisor = np.sqrt(v) / math.sqrt(1 - beta2**step) + epsilon
        rate = learning_rate / (1 - beta1**step)
        shrunk = parameters.astype(np.float64) * (1 - learning_rate * decay)
        expected = shrunk - rate * m / divisor
        off = rounded(dtype, 3, change, m)
        allowed = rounded(dtype, 10, rate * m / divisor) + rounded(dtype, 2, shrunk, expected)
        allowed = allowed + np.nan_to_num(rate * off / divisor)
    return (m, off), (v, rounded(dtype, 6, v)), (expected, allowed)


def adam_oracle(
    gradient, first, second, step, learning_rate, beta1, beta2, epsilon, parameters
) -> tuple:
    """Return the parameters after the step, and their error; `adamw_step` has all."""
    numbers = step, learning_rate, beta1, beta2, epsilon, 0.0
    return adamw_step(gradient, first, second, *numbers, parameters)[2]


def adam_flops(n: int, **_) -> int:
    """Three for the first mean, four for the second, six for the step, per parameter."""
    return 13 * n


def adam_bytes(n: int, dtype: str = "float32", **_) -> int:
    """Read gradient, means and parameters, write means and parameters."""
    return 7 * n * np.dtype(dtype).itemsize


def adam_sizes(working_set_bytes: int) -> dict:
    """Return the length of four arrays of float32."""
    return {"n": max(1, working_set_bytes // 16)}


register_operation(
    Operation(
        "adam",
        adam_inputs,
        adam_oracle,
        adam_flops,
        adam_bytes,
        edges=EDGES,
        sizes=adam_sizes,
        awkward=AWKWARD,
        mutates=(1, 2, 8),
    )
)


@register_jitable
def corrections(step, learning_rate, beta1, beta2):
    """Return ``learning_rate / (1 - beta1^step)`` and ``sqrt(1 - beta2^step)``."""
    return learning_rate / (1.0 - beta1**step), math.sqrt(1.0 - beta2**step)


def lists(*arguments) -> tuple:
    """Turn the arrays into lists and leave the numbers, for the plain loops."""
    return tuple(
        each.tolist() if isinstance(each, np.ndarray) else each for each in arguments
    )


@register(
    "adam",
    name="loop",
    instrument="interpreter",
    story="a Python loop over lists",
    adapt=lists,
    tags=("ladder",),
)
def adam_loop(gradient, first, second, step, learning_rate, beta1, beta2, epsilon, parameters):
    """Take a step by a loop over lists, in float64 whatever the arrays held.

    The starting point.

    Parameters
    ----------
    gradient, first, second, parameters : list of float, length n
        All but `gradient` are overwritten.
    step : int
        1 for the first.
    learning_rate, beta1, beta2, epsilon : float

    Cost
    ----
    ``13 n`` FLOPs, of which ``n`` are roots and ``2 n`` divisions.
    """
    rate, root = corrections(step, learning_rate, beta1, beta2)
    for i, g in enumerate(gradient):
        first[i] += (1.0 - beta1) * (g - first[i])
        second[i] = beta2 * second[i] + (1.0 - beta2) * g * g
        parameters[i] -= rate * (first[i] / (math.sqrt(second[i]) / root + epsilon))


@register(
    "adam",
    name="numpy",
    instrument="NumPy",
    story="whole-array expressions: removes the interpreter, adds temporary arrays",
    tags=("ladder",),
)
def adam_numpy(gradient, first, second, step, learning_rate, beta1, beta2, epsilon, parameters):
    """Take a step by whole-array expressions, a line for each line of the paper.

    Removes the interpreter. Each operation makes an array as long as the model; results go
    to the arrays that stand for those the expressions would return.

    Parameters
    ----------
    gradient, first, second, parameters : ndarray, shape (n,), float32 or float64
        All but `gradient` are overwritten.
    step : int
    learning_rate, beta1, beta2, epsilon : float

    Raises
    ------
    ValueError
        If the lengths do not fit.

    Cost
    ----
    ``13 n`` FLOPs in thirteen passes; up to two temporaries of ``n`` elements at a time.
    """
    rate, root = corrections(step, learning_rate, beta1, beta2)
    first += (1 - beta1) * (gradient - first)
    np.add(beta2 * second, (1 - beta2) * gradient * gradient, out=second)
    parameters -= rate * (first / (np.sqrt(second) / root + epsilon))


@register(
    "adam",
    name="numpy_out",
    instrument="NumPy",
    story="in place, in pieces through a small buffer: removes the temporary arrays",
    tags=("ladder",),
)
def adam_numpy_out(
    gradient, first, second, step, learning_rate, beta1, beta2, epsilon, parameters
):
    """Take a step in place, in pieces that stay in the caches.

    Removes the temporaries: one small buffer takes every intermediate result in turn, and
    memory is walked over once.

    Parameters
    ----------
    gradient, first, second, parameters : ndarray, shape (n,), float32 or float64
        All but `gradient` are overwritten.
    step : int
    learning_rate, beta1, beta2, epsilon : float

    Raises
    ------
    ValueError
        If the lengths do not fit.

    Cost
    ----
    ``13 n`` FLOPs in one pass over memory and thirteen over the caches; as many calls of
    NumPy for every 32768 elements.
    """
    rate, root = corrections(step, learning_rate, beta1, beta2)
    for g, m, v, p, d in pieces(gradient, first, second, parameters):
        means_in_place(g, m, v, beta1, beta2, d)
        step_in_place(m, v, rate, root, epsilon, p, d)


def pieces(gradient, first, second, parameters):
    """Yield short pieces of the arrays, and a buffer as long as each piece."""
    if not gradient.shape == first.shape == second.shape == parameters.shape:
        raise ValueError("adam: gradient, first, second and parameters must have the same length")
    buffer = np.empty(min(PIECE, gradient.size), gradient.dtype)
    for begin in range(0, gradient.size, PIECE):
        piece = slice(begin, begin + PIECE)
        g = gradient[piece]
        yield g, first[piece], second[piece], parameters[piece], buffer[: g.size]


def means_in_place(g, m, v, beta1, beta2, buffer):
    """Move both running means towards a gradient and its square."""
    np.subtract(g, m, out=buffer)
    buffer *= 1 - beta1
    m += buffer
    np.multiply(g, 1 - beta2, out=buffer)
    buffer *= g
    v *= beta2
    v += buffer


def step_in_place(m, v, rate, root, epsilon, p, buffer):
    """Move parameters along the first mean, over the root of the second."""
    np.sqrt(v, out=buffer)
    buffer /= root
    buffer += epsilon
    np.divide(m, buffer, out=buffer)
    buffer *= rate
    p -= buffer


@register(
    "adam",
    name="compiled",
    instrument="compiled",
    story="one compiled loop: removes the other passes and the calls",
    tags=("ladder",),
)
@jit(error_model="numpy")
def adam_compiled(gradient, first, second, step, learning_rate, beta1, beta2, epsilon, parameters):
    """Take a step by a compiled loop.

    Removes the other passes: whatever is computed of an element stays in registers. Division
    by zero gives infinity or NaN, as in NumPy: Numba's own rule, to raise an error, would
    forbid vector instructions.

    Parameters
    ----------
    gradient, first, second, parameters : ndarray, shape (n,), float32 or float64
        All but `gradient` are overwritten.
    step : int
    learning_rate, beta1, beta2, epsilon : float

    Raises
    ------
    ValueError
        If the lengths differ or `step` is below 1.

    Cost
    ----
    ``13 n`` FLOPs in one pass that reads four arrays and writes three.
    """
    if not gradient.size == first.size == second.size == parameters.size:
        raise ValueError("adam: gradient, first, second and parameters must have the same length")
    if step < 1:
        raise ValueError("adam: step must be at least 1")
    wide_rate, wide_root = corrections(step, learning_rate, beta1, beta2)
    number = parameters.dtype.type
    rate, root, small = number(wide_rate), number(wide_root), number(epsilon)
    weight1, keep2, weight2 = number(1.0 - beta1), number(beta2), number(1.0 - beta2)
    for i in range(gradient.size):
        g = gradient[i]
        m = first[i] + weight1 * (g - first[i])
        v = keep2 * second[i] + weight2 * g * g
        first[i] = m
        second[i] = v
        parameters[i] -= rate * (m / (math.sqrt(v) / root + small))

@register(
    "adam",
    name="vector",
    instrument="compiled",
    story="explicit vector registers: removes a division",
    tags=("ladder", "best"),
)
@jit
def adam_vector(
    gradient, first, second, step, learning_rate, beta1, beta2, epsilon, parameters
):
    """Take a step with vector registers as values.

    Removes one of the two divisions: the root is multiplied by what its correction would
    divide it by. Root and division are the slowest instructions here; in the nearest
    caches they set the pace, farther away memory does.

    Parameters
    ----------
    gradient, first, second, parameters : ndarray, shape (n,), float32 or float64, contiguous
        All but `gradient` are overwritten.
    step : int
    learning_rate, beta1, beta2, epsilon : float

    Raises
    ------
    ValueError
        If the lengths differ or `step` is below 1.

    Cost
    ----
    ``n / lanes`` roots, as many divisions, and four times as many fused multiply-adds and
    products of registers, in one pass.
    """
    if not gradient.size == first.size == second.size == parameters.size:
        raise ValueError("adam: gradient, first, second and parameters must have the same length")
    if step < 1:
        raise ValueError("adam: step must be at least 1")
    numbers = step, learning_rate, beta1, beta2, epsilon, 0.0
    step_of(gradient, first, second, numbers, parameters, 0, gradient.size)


@register(
    "adam",
    name="threads",
    instrument="compiled",
    story="all cores, each with a part of the arrays",
    tags=("threads",),
)
def adam_threads(
    gradient, first, second, step, learning_rate, beta1, beta2, epsilon, parameters
):
    """Take a step on all cores.

    Removes idle cores: each takes a part, and its caches and its share of the memory
    bandwidth with it. Short arrays stay on one core, before anything is compiled for more.

    Parameters
    ----------
    gradient, first, second, parameters : ndarray, shape (n,), float32 or float64, contiguous
        All but `gradient` are overwritten.
    step : int
    learning_rate, beta1, beta2, epsilon : float

    Raises
    ------
    ValueError
        If the lengths differ or `step` is below 1.

    Cost
    ----
    As the one-core kernel, divided by the cores, and microseconds to start them.
    """
    n = gradient.size
    if n < ALONE or not n == first.size == second.size == parameters.size or step < 1:
        adam_vector(
            gradient, first, second, step, learning_rate, beta1, beta2, epsilon, parameters
        )
    else:
        numbers = step, learning_rate, beta1, beta2, epsilon, 0.0
        step_everywhere(gradient, first, second, numbers, parameters)


@jit
def step_of(gradient, first, second, numbers, parameters, start, stop):
    """Take the step for ``parameters[start:stop]``."""
    step, learning_rate, beta1, beta2, epsilon, decay = numbers
    wide_rate, wide_root = corrections(step, learning_rate, beta1, beta2)
    number = parameters.dtype.type
    rate, over_root, small = number(-wide_rate), number(1.0 / wide_root), number(epsilon)
    weight1, keep2, weight2 = number(1.0 - beta1), number(beta2), number(1.0 - beta2)
    left = number(1.0 - learning_rate * decay)
    V = register_for(parameters)
    whole = start + (stop - start) // V.lanes * V.lanes
    for i in range(start, whole, V.lanes):
        g, m, v = load(V, gradient, i), load(V, first, i), load(V, second, i)
        m = fma(weight1, g - m, m)
        v = fma(weight2 * g, g, keep2 * v)
        store(first, i, m)
        store(second, i, v)
        change = rate * (m / fma(sqrt(v), over_root, small))
        store(parameters, i, fma(left, load(V, parameters, i), change))
    rest = stop - whole
    if rest > 0:
        g = load_first(V, gradient, whole, rest)
        m, v = load_first(V, first, whole, rest), load_first(V, second, whole, rest)
        m = fma(weight1, g - m, m)
        v = fma(weight2 * g, g, keep2 * v)
        store_first(first, whole, m, rest)
        store_first(second, whole, v, rest)
        change = rate * (m / fma(sqrt(v), over_root, small))
        p = load_first(V, parameters, whole, rest)
        store_first(parameters, whole, fma(left, p, change), rest)


@jit(parallel=True)
def step_everywhere(gradient, first, second, numbers, parameters):
    """Take the step for all parameters, on all cores."""
    n = min(gradient.size, first.size, second.size, parameters.size)
    for part in prange(-(-n // PART)):
        start, stop = part * PART, min(n, (part + 1) * PART)
        step_of(gradient, first, second, numbers, parameters, start, stop)
