"""`momentum`: a step along the running sum of gradients.

A velocity is kept, ``velocity = momentum * velocity + gradient``, and the step goes along it:
``parameters -= learning_rate * velocity``.

Source
------
Polyak, "Some methods of speeding up the convergence of iteration methods", *USSR
Computational Mathematics and Mathematical Physics* 4 (1964). Formulas as documented for
PyTorch's ``torch.optim.SGD`` with dampening 0, no weight decay and no Nesterov step.
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

#: Hyperparameters of the inputs.
RATE, MOMENTUM = 0.01, 0.9


def momentum_inputs(n: int, dtype: str = "float32", values: str = "normal") -> tuple:
    """Return ``(gradient, velocity, learning_rate, momentum, parameters)``."""
    slopes, velocity = gradient(n, dtype, values), normal((n,), dtype, seed=13)
    return slopes, velocity, RATE, MOMENTUM, normal((n,), dtype, seed=12)


def momentum_step(gradient, velocity, learning_rate, momentum, parameters) -> tuple:
    """Return velocity and parameters after a step in float64, each with the error allowed.

    Of the velocity: the momentum, the product and the sum are rounded, each by half an eps.
    Of the parameters: as for `sgd`, and what the velocity was off by.
    """
    kept = momentum * velocity.astype(np.float64)
    new = kept + gradient
    step = learning_rate * new
    expected = parameters - step
    allowed = rounded(parameters.dtype, 2, kept, new)
    return (
        (new, allowed),
        (expected, rounded(parameters.dtype, 2, step, expected) + learning_rate * allowed),
    )


def momentum_oracle(gradient, velocity, learning_rate, momentum, parameters) -> tuple:
    """Return the parameters after the step, and their error; `momentum_step` has both."""
    return momentum_step(gradient, velocity, learning_rate, momentum, parameters)[1]


def momentum_flops(n: int, **_) -> int:
    """Two multiplications, an addition and a subtraction per parameter."""
    return 4 * n


def momentum_bytes(n: int, dtype: str = "float32", **_) -> int:
    """Read gradient, velocity and parameters, write velocity and parameters."""
    return 5 * n * np.dtype(dtype).itemsize


def momentum_sizes(working_set_bytes: int) -> dict:
    """Return the length of three arrays of float32."""
    return {"n": max(1, working_set_bytes // 12)}


register_operation(
    Operation(
        "momentum",
        momentum_inputs,
        momentum_oracle,
        momentum_flops,
        momentum_bytes,
        edges=EDGES,
        sizes=momentum_sizes,
        awkward=AWKWARD,
        mutates=(1, 4),
    )
)


def momentum_lists(gradient, velocity, learning_rate, momentum, parameters) -> tuple:
    """Turn the arrays into lists, for the plain loop."""
    return gradient.tolist(), velocity.tolist(), learning_rate, momentum, parameters.tolist()


@register(
    "momentum",
    name="loop",
    instrument="interpreter",
    story="a Python loop over lists",
    adapt=momentum_lists,
    tags=("ladder",),
)
def momentum_loop(gradient, velocity, learning_rate, momentum, parameters):
    """Take a step by a loop over lists, in float64 whatever the arrays held.

    The starting point.

    Parameters
    ----------
    gradient, velocity, parameters : list of float, length n
        `velocity` and `parameters` are overwritten.
    learning_rate, momentum : float

    Cost
    ----
    ``4 n`` FLOPs, each some dozens of instructions of the interpreter.
    """
    for i, slope in enumerate(gradient):
        velocity[i] = momentum * velocity[i] + slope
        parameters[i] -= learning_rate * velocity[i]


@register(
    "momentum",
    name="numpy",
    instrument="NumPy",
    story="whole-array expressions: removes the interpreter, adds temporary arrays",
    tags=("ladder",),
)
def momentum_numpy(gradient, velocity, learning_rate, momentum, parameters):
    """Take a step by two whole-array expressions.

    Removes the interpreter. The new velocity goes to the array of the old one, which stands
    for the array that the expression would return.

    Parameters
    ----------
    gradient, velocity, parameters : ndarray, shape (n,), float32 or float64
        `velocity` and `parameters` are overwritten.
    learning_rate, momentum : float

    Raises
    ------
    ValueError
        If the lengths do not fit.

    Cost
    ----
    ``4 n`` FLOPs in four passes; two temporaries of ``n`` elements, one at a time.
    """
    np.add(momentum * velocity, gradient, out=velocity)
    parameters -= learning_rate * velocity


@register(
    "momentum",
    name="numpy_out",
    instrument="NumPy",
    story="in place, in pieces through a small buffer: removes the temporary arrays",
    tags=("ladder",),
)
def momentum_numpy_out(gradient, velocity, learning_rate, momentum, parameters):
    """Take a step in place, in pieces that stay in the caches.

    Removes the temporaries: the velocity is scaled where it is, and the product with the
    learning rate takes a small buffer.

    Parameters
    ----------
    gradient, velocity, parameters : ndarray, shape (n,), float32 or float64
        `velocity` and `parameters` are overwritten.
    learning_rate, momentum : float

    Raises
    ------
    ValueError
        If the lengths do not fit.

    Cost
    ----
    ``4 n`` FLOPs in one pass over memory and four over the caches; four calls of NumPy for
    every 32768 elements.
    """
    if not gradient.shape == velocity.shape == parameters.shape:
        raise ValueError("momentum: gradient, velocity and parameters must have the same length")
    buffer = np.empty(min(PIECE, gradient.size), gradient.dtype)
    for begin in range(0, gradient.size, PIECE):
        piece = slice(begin, begin + PIECE)
        speed = velocity[piece]
        speed *= momentum
        speed += gradient[piece]
        part = buffer[: speed.size]
        np.multiply(speed, learning_rate, out=part)
        parameters[piece] -= part


@register(
    "momentum",
    name="compiled",
    instrument="compiled",
    story="one compiled loop: removes the other passes and the calls",
    tags=("ladder",),
)
@jit
def momentum_compiled(gradient, velocity, learning_rate, momentum, parameters):
    """Take a step by a compiled loop.

    Removes the other passes: the new velocity is used while it is in a register.

    Parameters
    ----------
    gradient, velocity, parameters : ndarray, shape (n,), float32 or float64
        `velocity` and `parameters` are overwritten.
    learning_rate, momentum : float

    Raises
    ------
    ValueError
        If the lengths differ.

    Cost
    ----
    ``4 n`` FLOPs in one pass that reads three arrays and writes two.
    """
    if not gradient.size == velocity.size == parameters.size:
        raise ValueError("momentum: gradient, velocity and parameters must have the same length")
    number = parameters.dtype.type
    rate, keep = number(learning_rate), number(momentum)
    for i in range(gradient.size):
        speed = keep * velocity[i] + gradient[i]
        velocity[i] = speed
        parameters[i] -= rate * speed


@register(
    "momentum",
    name="vector",
    instrument="compiled",
    story="explicit vector registers, products and sums in one instruction",
    tags=("ladder", "best"),
)
@jit
def momentum_vector(gradient, velocity, learning_rate, momentum, parameters):
    """Take a step with vector registers as values.

    Removes two roundings and two instructions for each register. Memory sets the pace.

    Parameters
    ----------
    gradient, velocity, parameters : ndarray, shape (n,), float32 or float64, contiguous
        `velocity` and `parameters` are overwritten.
    learning_rate, momentum : float

    Raises
    ------
    ValueError
        If the lengths differ.

    Cost
    ----
    ``2 n / lanes`` fused multiply-adds of registers, in one pass.
    """
    if not gradient.size == velocity.size == parameters.size:
        raise ValueError("momentum: gradient, velocity and parameters must have the same length")
    _momentum_span(gradient, velocity, learning_rate, momentum, parameters, 0, gradient.size)


@jit
def _momentum_span(gradient, velocity, learning_rate, momentum, parameters, start, stop):
    """Take the step for ``parameters[start:stop]``, four registers a turn."""
    V = register_for(parameters)
    number = parameters.dtype.type
    rate, keep = number(-learning_rate), number(momentum)
    whole = start + (stop - start) // (4 * V.lanes) * (4 * V.lanes)
    for i in range(start, whole, 4 * V.lanes):
        for j in range(i, i + 4 * V.lanes, V.lanes):  # the compiler unrolls this
            speed = fma(keep, load(V, velocity, j), load(V, gradient, j))
            store(velocity, j, speed)
            store(parameters, j, fma(rate, speed, load(V, parameters, j)))
    for i in range(whole, stop, V.lanes):
        g = load_first(V, gradient, i, stop - i)
        speed = fma(keep, load_first(V, velocity, i, stop - i), g)
        store_first(velocity, i, speed, stop - i)
        p = load_first(V, parameters, i, stop - i)
        store_first(parameters, i, fma(rate, speed, p), stop - i)


@register(
    "momentum",
    name="threads",
    instrument="compiled",
    story="all cores, each with a part of the arrays",
    tags=("threads",),
)
def momentum_threads(gradient, velocity, learning_rate, momentum, parameters):
    """Take a step on all cores, as `sgd_threads`.

    Parameters
    ----------
    gradient, velocity, parameters : ndarray, shape (n,), float32 or float64, contiguous
        `velocity` and `parameters` are overwritten.
    learning_rate, momentum : float

    Raises
    ------
    ValueError
        If the lengths differ.

    Cost
    ----
    As the one-core kernel, divided by the cores, and microseconds to start them.
    """
    n = gradient.size
    if n < ALONE or not n == velocity.size == parameters.size:
        momentum_vector(gradient, velocity, learning_rate, momentum, parameters)
    else:
        _momentum_everywhere(gradient, velocity, learning_rate, momentum, parameters)


@jit(parallel=True)
def _momentum_everywhere(gradient, velocity, learning_rate, momentum, parameters):
    n = min(gradient.size, velocity.size, parameters.size)
    for part in prange(-(-n // PART)):
        start, stop = part * PART, min(n, (part + 1) * PART)
        _momentum_span(gradient, velocity, learning_rate, momentum, parameters, start, stop)
