"""`adamw`: Adam, with parameters that shrink by themselves.

As `accel.kernels.optimizer.adam`, but first the parameters shrink by
``1 - learning_rate decay``, apart from the gradient ("decoupled"): fourteen FLOPs, and no
more traffic.

Source
------
Loshchilov and Hutter, "Decoupled Weight Decay Regularization", arXiv:1711.05101 (2017),
algorithm 2. Order of operations as documented for PyTorch's ``torch.optim.AdamW``.
"""

from __future__ import annotations

import math

from accel.kernels.optimizer.adam import (
    adam_bytes,
    adam_inputs,
    adam_numpy,
    adam_sizes,
    adamw_step,
    corrections,
    lists,
    means_in_place,
    pieces,
    step_everywhere,
    step_in_place,
    step_of,
)
from accel.kernels.optimizer.values import ALONE, AWKWARD, EDGES
from accel.kernels.registry import Operation, register, register_operation
from accel.simd import jit

#: Decay of the inputs: PyTorch's default.
DECAY = 1e-2


def adamw_inputs(n: int, dtype: str = "float32", values: str = "normal") -> tuple:
    """Return the arguments of `adamw`: those of `adam`, and the decay before the last."""
    *others, parameters = adam_inputs(n, dtype, values)
    return *others, DECAY, parameters


def adamw_oracle(
    gradient, first, second, step, learning_rate, beta1, beta2, epsilon, decay, parameters
) -> tuple:
    """Return the parameters after the step, and their error; `adamw_step` has all."""
    numbers = step, learning_rate, beta1, beta2, epsilon, decay
    return adamw_step(gradient, first, second, *numbers, parameters)[2]


def adamw_flops(n: int, **_) -> int:
    """As for `adam`, and the product with what the decay leaves."""
    return 14 * n


register_operation(
    Operation(
        "adamw",
        adamw_inputs,
        adamw_oracle,
        adamw_flops,
        adam_bytes,
        edges=EDGES,
        sizes=adam_sizes,
        awkward=AWKWARD,
        mutates=(1, 2, 9),
    )
)


@register(
    "adamw",
    name="loop",
    instrument="interpreter",
    story="a Python loop over lists",
    adapt=lists,
    tags=("ladder",),
)
def adamw_loop(
    gradient, first, second, step, learning_rate, beta1, beta2, epsilon, decay, parameters
):
    """Take a step with decay by a loop over lists, in float64 whatever the arrays held.

    The starting point.

    Parameters
    ----------
    gradient, first, second, parameters : list of float, length n
        All but `gradient` are overwritten.
    step : int
        1 for the first.
    learning_rate, beta1, beta2, epsilon, decay : float

    Cost
    ----
    ``14 n`` FLOPs, of which ``n`` are roots and ``2 n`` divisions.
    """
    rate, root = corrections(step, learning_rate, beta1, beta2)
    for i, g in enumerate(gradient):
        first[i] += (1.0 - beta1) * (g - first[i])
        second[i] = beta2 * second[i] + (1.0 - beta2) * g * g
        change = rate * (first[i] / (math.sqrt(second[i]) / root + epsilon))
        parameters[i] = parameters[i] * (1.0 - learning_rate * decay) - change


@register(
    "adamw",
    name="numpy",
    instrument="NumPy",
    story="whole-array expressions: removes the interpreter, adds temporary arrays",
    tags=("ladder",),
)
def adamw_numpy(
    gradient, first, second, step, learning_rate, beta1, beta2, epsilon, decay, parameters
):
    """Take a step with decay by whole-array expressions.

    Removes the interpreter, as `adam_numpy`.

    Parameters
    ----------
    gradient, first, second, parameters : ndarray, shape (n,), float32 or float64
        All but `gradient` are overwritten.
    step : int
    learning_rate, beta1, beta2, epsilon, decay : float

    Raises
    ------
    ValueError
        If the lengths do not fit.

    Cost
    ----
    ``14 n`` FLOPs in fourteen passes; up to two temporaries of ``n`` elements at a time.
    """
    parameters *= 1 - learning_rate * decay
    adam_numpy(gradient, first, second, step, learning_rate, beta1, beta2, epsilon, parameters)


@register(
    "adamw",
    name="numpy_out",
    instrument="NumPy",
    story="in place, in pieces through a small buffer: removes the temporary arrays",
    tags=("ladder",),
)
def adamw_numpy_out(
    gradient, first, second, step, learning_rate, beta1, beta2, epsilon, decay, parameters
):
    """Take a step with decay in place, in pieces that stay in the caches.

    Removes the temporaries, as `adam_numpy_out`.

    Parameters
    ----------
    gradient, first, second, parameters : ndarray, shape (n,), float32 or float64
        All but `gradient` are overwritten.
    step : int
    learning_rate, beta1, beta2, epsilon, decay : float

    Raises
    ------
    ValueError
        If the lengths do not fit.

    Cost
    ----
    ``14 n`` FLOPs in one pass over memory and fourteen over the caches; as many calls of
    NumPy for every 32768 elements.
    """
    rate, root = corrections(step, learning_rate, beta1, beta2)
    for g, m, v, p, d in pieces(gradient, first, second, parameters):
        means_in_place(g, m, v, beta1, beta2, d)
        p *= 1 - learning_rate * decay
        step_in_place(m, v, rate, root, epsilon, p, d)


@register(
    "adamw",
    name="compiled",
    instrument="compiled",
    story="one compiled loop: removes the other passes and the calls",
    tags=("ladder",),
)
@jit(error_model="numpy")
def adamw_compiled(
    gradient, first, second, step, learning_rate, beta1, beta2, epsilon, decay, parameters
):
    """Take a step with decay by a compiled loop.

    Removes the other passes, as `adam_compiled`.

    Parameters
    ----------
    gradient, first, second, parameters : ndarray, shape (n,), float32 or float64
        All but `gradient` are overwritten.
    step : int
    learning_rate, beta1, beta2, epsilon, decay : float

    Raises
    ------
    ValueError
        If the lengths differ or `step` is below 1.

    Cost
    ----
    ``14 n`` FLOPs in one pass that reads four arrays and writes three.
    """
    if not gradient.size == first.size == second.size == parameters.size:
        raise ValueError("adamw: gradient, first, second and parameters must have the same length")
    if step < 1:
        raise ValueError("adamw: step must be at least 1")
    wide_rate, wide_root = corrections(step, learning_rate, beta1, beta2)
    number = parameters.dtype.type
    rate, root, small = number(wide_rate), number(wide_root), number(epsilon)
    weight1, keep2, weight2 = number(1.0 - beta1), number(beta2), number(1.0 - beta2)
    left = number(1.0 - learning_rate * decay)
    for i in range(gradient.size):
        g = gradient[i]
        m = first[i] + weight1 * (g - first[i])
        v = keep2 * second[i] + weight2 * g * g
        first[i] = m
        second[i] = v
        parameters[i] = left * parameters[i] - rate * (m / (math.sqrt(v) / root + small))


@register(
    "adamw",
    name="vector",
    instrument="compiled",
    story="explicit vector registers: removes a division",
    tags=("ladder", "best"),
)
@jit
def adamw_vector(
    gradient, first, second, step, learning_rate, beta1, beta2, epsilon, decay, parameters
):
    """Take a step, with decay with vector registers as values.

    Removes one of the two divisions, as `adam_vector`, with which it shares its code: the
    decay is one more factor.

    Parameters
    ----------
    gradient, first, second, parameters : ndarray, shape (n,), float32 or float64, contiguous
        All but `gradient` are overwritten.
    step : int
    learning_rate, beta1, beta2, epsilon, decay : float

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
        raise ValueError("adamw: gradient, first, second and parameters must have the same length")
    if step < 1:
        raise ValueError("adamw: step must be at least 1")
    numbers = step, learning_rate, beta1, beta2, epsilon, decay
    step_of(gradient, first, second, numbers, parameters, 0, gradient.size)


@register(
    "adamw",
    name="threads",
    instrument="compiled",
    story="all cores, each with a part of the arrays",
    tags=("threads",),
)
def adamw_threads(
    gradient, first, second, step, learning_rate, beta1, beta2, epsilon, decay, parameters
):
    """Take a step, with decay on all cores.

    Removes idle cores: each takes a part, and its caches and its share of the memory
    bandwidth with it. Short arrays stay on one core, before anything is compiled for more.

    Parameters
    ----------
    gradient, first, second, parameters : ndarray, shape (n,), float32 or float64, contiguous
        All but `gradient` are overwritten.
    step : int
    learning_rate, beta1, beta2, epsilon, decay : float

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
        adamw_vector(
            gradient, first, second, step, learning_rate, beta1, beta2, epsilon, decay, parameters
        )
    else:
        numbers = step, learning_rate, beta1, beta2, epsilon, decay
        step_everywhere(gradient, first, second, numbers, parameters)
