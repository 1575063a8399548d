"""Steps of optimizers, in place.

Formulas and defaults are those of PyTorch's ``torch.optim``, with what is no parameter here
at its default there: no dampening, no Nesterov step, no maximising. Arrays may have any
shape; those that a step changes are written where they are, whatever their layout.
"""

from __future__ import annotations

import functools
import itertools
import math
from collections.abc import Callable, Sequence

import numpy as np

from accel.ops.arguments import array, delivered, flat, kernel_for, room


def sgd(parameters: np.ndarray, gradient, *, lr: float = 1e-3) -> np.ndarray:
    """Take a step against the gradient: ``parameters -= lr * gradient``.

    Parameters
    ----------
    parameters : ndarray, any shape, float32 or float64
        Changed in place.
    gradient : array-like, same shape and dtype
        May be `parameters` itself, or overlap it: it is read as it was before the step.
    lr : float
        Learning rate, at least 0.

    Returns
    -------
    ndarray
        `parameters`.

    Raises
    ------
    TypeError
        If an array is of another element type, `parameters` is no array, or `lr` no number.
    ValueError
        If shapes differ, `parameters` is read-only, or `lr` is below 0 or not finite.

    Source
    ------
    PyTorch documentation, ``torch.optim.SGD``.
    """
    rate = _number("sgd", "lr", lr)
    g, (p,) = _arrays("sgd", gradient, parameters=parameters)
    _kernel("sgd", p.dtype)(flat(g), rate, flat(p))
    return delivered(p, parameters)


def momentum(
    parameters: np.ndarray,
    gradient,
    velocity: np.ndarray,
    *,
    lr: float = 1e-3,
    momentum: float = 0.9,
) -> np.ndarray:
    """Take a step along a running sum of gradients.

    ``velocity = momentum * velocity + gradient``, then ``parameters -= lr * velocity``.

    Parameters
    ----------
    parameters : ndarray, any shape, float32 or float64
        Changed in place.
    gradient : array-like, same shape and dtype
        May overlap the others: it is read as it was before the step.
    velocity : ndarray, same shape and dtype
        Changed in place; zeros before the first step.
    lr, momentum : float
        Learning rate and what is kept of the velocity, at least 0.

    Returns
    -------
    ndarray
        `parameters`.

    Raises
    ------
    TypeError
        If an array is of another element type, one to change is no array, or a
        hyperparameter no number.
    ValueError
        If shapes differ, an array to change is read-only or overlaps another, or a
        hyperparameter is below 0 or not finite.

    Source
    ------
    PyTorch documentation, ``torch.optim.SGD``.
    """
    rate, keep = _number("momentum", "lr", lr), _number("momentum", "momentum", momentum)
    changed = {"parameters": parameters, "velocity": velocity}
    g, (p, v) = _arrays("momentum", gradient, **changed)
    _kernel("momentum", p.dtype)(flat(g), flat(v), rate, keep, flat(p))
    delivered(v, velocity)
    return delivered(p, parameters)


def adam(
    parameters: np.ndarray,
    gradient,
    first: np.ndarray,
    second: np.ndarray,
    *,
    step: int,
    lr: float = 1e-3,
    betas: Sequence[float] = (0.9, 0.999),
    eps: float = 1e-8,
) -> np.ndarray:
    """Take a step scaled by running means of the gradient and of its square.

    Parameters
    ----------
    parameters : ndarray, any shape, float32 or float64
        Changed in place.
    gradient : array-like, same shape and dtype
        May overlap the others: it is read as it was before the step.
    first, second : ndarray, same shape and dtype
        The two means; changed in place, zeros before the first step.
    step : int
        Number of this step, 1 for the first.
    lr : float
        Learning rate, at least 0.
    betas : two floats
        What is kept of each mean, at least 0 and below 1.
    eps : float
        Added to the root of the second mean, at least 0.

    Returns
    -------
    ndarray
        `parameters`.

    Raises
    ------
    TypeError
        If an array is of another element type, one to change is no array, or a
        hyperparameter no number.
    ValueError
        If shapes differ, an array to change is read-only or overlaps another, or a
        hyperparameter is out of its range.

    Source
    ------
    Kingma and Ba, arXiv:1412.6980 (2014); PyTorch documentation, ``torch.optim.Adam``.
    """
    numbers = _adam_numbers("adam", step, lr, betas, eps)
    changed = {"parameters": parameters, "first": first, "second": second}
    g, (p, m, v) = _arrays("adam", gradient, **changed)
    _kernel("adam", p.dtype)(flat(g), flat(m), flat(v), *numbers, flat(p))
    delivered(m, first)
    delivered(v, second)
    return delivered(p, parameters)


def adamw(
    parameters: np.ndarray,
    gradient,
    first: np.ndarray,
    second: np.ndarray,
    *,
    step: int,
    lr: float = 1e-3,
    betas: Sequence[float] = (0.9, 0.999),
    eps: float = 1e-8,
    weight_decay: float = 1e-2,
) -> np.ndarray:
    """Take a step as `adam`, after ``parameters *= 1 - lr * weight_decay``.

    Parameters, result and errors as for `adam`; the weight decay is at least 0.

    Source
    ------
    Loshchilov and Hutter, arXiv:1711.05101 (2017); PyTorch documentation,
    ``torch.optim.AdamW``.
    """
    numbers = _adam_numbers("adamw", step, lr, betas, eps)
    decay = _number("adamw", "weight_decay", weight_decay)
    changed = {"parameters": parameters, "first": first, "second": second}
    g, (p, m, v) = _arrays("adamw", gradient, **changed)
    _kernel("adamw", p.dtype)(flat(g), flat(m), flat(v), *numbers, decay, flat(p))
    delivered(m, first)
    delivered(v, second)
    return delivered(p, parameters)


def _arrays(op: str, gradient, **changed) -> tuple[np.ndarray, list[np.ndarray]]:
    """Return the gradient and the arrays to change, as a kernel can read and write them.

    An array to change that a kernel cannot write where it is comes back as a copy with the
    same numbers, for `delivered`.
    """
    if _as_they_are(gradient, *changed.values()):
        return gradient, list(changed.values())
    for name, each in changed.items():
        if not isinstance(each, np.ndarray):
            raise TypeError(f"{op}: {name} must be a NumPy array, got {type(each).__name__}")
    names = list(changed)
    first = array(op, names[0], changed[names[0]])
    read = [array(op, name, each, like=first) for name, each in changed.items()]
    g = array(op, "gradient", gradient, like=first)
    for name, each in zip(("gradient", *names), (g, *read), strict=True):
        if each.shape != first.shape:
            raise ValueError(f"{op}: {name} must have shape {first.shape}, got {each.shape}")
    _refuse_overlap(op, changed)
    written = []
    for name, each in changed.items():
        if not each.flags.writeable:
            raise ValueError(f"{op}: {name} is read-only; give an array that may be written")
        place = room(op, each, first.shape, first.dtype, reads=(g,), elementwise=True)
        if place is not each:
            np.copyto(place, each)
        written.append(place)
    return g, written


#: Element types in the machine's byte order.
_FLOATS = (np.dtype("float32"), np.dtype("float64"))


def _as_they_are(*arrays) -> bool:
    """Tell at once whether a kernel can read and write all of these where they are."""
    first = arrays[0]
    return (
        all(type(each) is np.ndarray and each.flags.carray for each in arrays)
        and first.dtype in _FLOATS
        and all(each.shape == first.shape and each.dtype == first.dtype for each in arrays)
        and not any(itertools.starmap(np.may_share_memory, itertools.combinations(arrays, 2)))
    )


@functools.cache
def _kernel(op: str, dtype: np.dtype) -> Callable:
    return kernel_for(op, dtype)


def _refuse_overlap(op: str, changed: dict[str, np.ndarray]) -> None:
    for one, other in itertools.combinations(changed, 2):
        if np.shares_memory(changed[one], changed[other]):
            raise ValueError(f"{op}: {one} and {other} share memory; both are to be changed")


def _adam_numbers(op: str, step, lr, betas, eps) -> tuple:
    if isinstance(step, bool | np.bool) or not isinstance(step, int | np.integer):
        raise TypeError(f"{op}: step must be an integer, got {type(step).__name__}")
    if step < 1:
        raise ValueError(f"{op}: step must be at least 1, got {step}")
    if not isinstance(betas, Sequence) or len(betas) != 2:
        raise ValueError(f"{op}: betas must be two numbers, got {betas!r}")
    beta1, beta2 = (_number(op, f"betas[{k}]", each, below=1.0) for k, each in enumerate(betas))
    return int(step), _number(op, "lr", lr), beta1, beta2, _number(op, "eps", eps)


def _number(op: str, name: str, value, below: float = math.inf) -> float:
    """Return a hyperparameter as a float: finite, at least 0, and below a limit."""
    if isinstance(value, bool | np.bool) or not isinstance(value, int | float | np.number):
        raise TypeError(f"{op}: {name} must be a number, got {type(value).__name__}")
    if not 0 <= value < below:
        limit = "finite" if below == math.inf else f"below {below:g}"
        raise ValueError(f"{op}: {name} must be at least 0 and {limit}, got {value}")
    return float(value)
