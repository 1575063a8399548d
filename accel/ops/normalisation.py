"""Normalisations along an axis, of arrays of any shape."""

from __future__ import annotations

import math
from importlib import import_module

import numpy as np

from accel.ops.arguments import array, delivered, kernel_for, room

_EPSILON = 1e-5  # what the kernels of the ladders add, and PyTorch's default


def softmax(x, axis: int = -1, out: np.ndarray | None = None) -> np.ndarray:
    """Return the exponentials of numbers, divided by their sum along an axis.

    The largest number along the axis is subtracted first: nothing overflows.

    Parameters
    ----------
    x : array-like, at least one dimension, float32 or float64
    axis : int
        Along which results add up to 1.
    out : ndarray, optional
        Where to write, of the shape and dtype of `x`; may be `x`.

    Returns
    -------
    ndarray
        `out`, or a new array. Minus infinity gives 0, as masks need it. Where all numbers
        along the axis are minus infinity, or one is infinity or NaN, all results are NaN, as
        in NumPy and PyTorch.

    Raises
    ------
    TypeError
        If `x` or `out` are of other element types.
    ValueError
        If `x` has no such axis, or `out` has another shape or is read-only.

    Cost
    ----
    One pass over `x` and `out` where numbers along the axis fit the second cache. Along
    another axis than the last, a copy there and one back.

    Source
    ------
    Goodfellow, Bengio and Courville, *Deep Learning* (2016), section 4.1.
    """
    return _along_axis("softmax", x, axis, out)


def log_softmax(x, axis: int = -1, out: np.ndarray | None = None) -> np.ndarray:
    """Return the logarithm of the softmax, of which no digits are lost.

    Parameters, errors and cost as for `softmax`.

    Returns
    -------
    ndarray
        `out`, or a new array. Minus infinity stays so; otherwise NaN where `softmax` is.
    """
    return _along_axis("log_softmax", x, axis, out)


def layernorm(x, weight, bias, eps: float = _EPSILON, out: np.ndarray | None = None) -> np.ndarray:
    """Return numbers with mean 0 and deviation 1 along the last axis, weighted and shifted.

    ``(x - mean) / sqrt(variance + eps) * weight + bias``, with the variance of the
    population. It is found from the distances from the mean: a mean that is far from zero
    costs no more digits than the numbers themselves have lost.

    Parameters
    ----------
    x : array-like, shape (..., width), float32 or float64
    weight, bias : array-like, shape (width,), same dtype
    eps : float
        Added to the variance; at least 0.
    out : ndarray, optional
        Where to write, of the shape and dtype of `x`; may be `x`.

    Returns
    -------
    ndarray
        `out`, or a new array. A NaN or an infinity makes its whole row NaN.

    Raises
    ------
    TypeError
        If arguments are of other element types.
    ValueError
        If shapes do not fit, `eps` is negative, or `out` is read-only.

    Cost
    ----
    One pass over `x` and `out` where a row fits the second cache.

    Source
    ------
    Ba, Kiros and Hinton, "Layer Normalization", arXiv:1607.06450 (2016), section 3.
    """
    op = "layernorm"
    x = _rows(op, x)
    constants = _per_column(op, x, weight=weight, bias=bias)
    return _with_epsilon(op, x, constants, eps, out)


def rmsnorm(x, weight, eps: float = _EPSILON, out: np.ndarray | None = None) -> np.ndarray:
    """Return numbers with root mean square 1 along the last axis, weighted.

    ``x / sqrt(mean(x**2) + eps) * weight``. Squares are taken in the element type: those of
    float32 beyond 1.8e19 are infinite, and the results zero.

    Parameters
    ----------
    x : array-like, shape (..., width), float32 or float64
    weight : array-like, shape (width,), same dtype
    eps : float
        Added to the mean of squares; at least 0.
    out : ndarray, optional
        Where to write, of the shape and dtype of `x`; may be `x`.

    Returns
    -------
    ndarray
        `out`, or a new array. A NaN makes its whole row NaN; an infinity makes itself NaN
        and the others zero.

    Raises
    ------
    TypeError
        If arguments are of other element types.
    ValueError
        If shapes do not fit, `eps` is negative, or `out` is read-only.

    Cost
    ----
    One pass over `x` and `out` where a row fits the second cache.

    Source
    ------
    Zhang and Sennrich, "Root Mean Square Layer Normalization", arXiv:1910.07467 (2019).
    """
    op = "rmsnorm"
    x = _rows(op, x)
    return _with_epsilon(op, x, _per_column(op, x, weight=weight), eps, out)


def batchnorm(
    x, mean, variance, weight, bias, eps: float = _EPSILON, out: np.ndarray | None = None
) -> np.ndarray:
    """Return images whose channels are normalised by a mean and a variance known beforehand.

    ``(x - mean) / sqrt(variance + eps) * weight + bias``, as after training.

    Parameters
    ----------
    x : array-like, shape (images, channels, height, width), float32 or float64
        Or any other number of dimensions from 2, the second of them channels.
    mean, variance, weight, bias : array-like, shape (channels,), same dtype
    eps : float
        Added to the variance; at least 0.
    out : ndarray, optional
        Where to write, of the shape and dtype of `x`; may be `x`.

    Returns
    -------
    ndarray
        `out`, or a new array.

    Raises
    ------
    TypeError
        If arguments are of other element types.
    ValueError
        If shapes do not fit, `eps` is negative, or `out` is read-only.

    Cost
    ----
    One pass that reads `x` and writes `out`.

    Source
    ------
    Ioffe and Szegedy, "Batch Normalization", arXiv:1502.03167 (2015), section 3.1.
    """
    op = "batchnorm"
    x = array(op, "x", x)
    if x.ndim < 2:
        raise ValueError(f"{op}: x must have at least 2 dimensions, got shape {x.shape}")
    mean, variance, weight, bias = constants = _vectors(
        op, x, x.shape[1], "channel", mean=mean, variance=variance, weight=weight, bias=bias
    )
    epsilon = _epsilon(op, eps)
    y = room(op, out, x.shape, x.dtype, reads=(x, *constants), elementwise=True)
    if x.size:
        shape = x.shape[0], x.shape[1], 1, math.prod(x.shape[2:])
        images, results = x.reshape(shape), y.reshape(shape)
        if epsilon == _EPSILON:
            kernel_for(op, x.dtype)(images, *constants, results)
        else:
            with np.errstate(divide="ignore", invalid="ignore"):
                scale = weight / np.sqrt(variance + x.dtype.type(epsilon))
            family = import_module("accel.kernels.normalisation.batchnorm")
            family.batchnorm_shared(images, mean, scale, bias, results)
    return delivered(y, out)


def _along_axis(op: str, x, axis: int, out: np.ndarray | None) -> np.ndarray:
    """Apply a kernel ``f(x, out)`` of rows along any axis."""
    x = array(op, "x", x, contiguous=False)
    if x.ndim == 0:
        raise ValueError(f"{op}: x must have at least 1 dimension, got shape ()")
    if not isinstance(axis, int | np.integer) or not -x.ndim <= axis < x.ndim:
        raise ValueError(
            f"{op}: axis must be an integer from {-x.ndim} to {x.ndim - 1}, got {axis!r}"
        )
    rows = np.ascontiguousarray(np.moveaxis(x, axis, -1))
    last = axis in (-1, x.ndim - 1)
    y = room(op, out, x.shape, x.dtype, reads=(x,), elementwise=rows is x or not last)
    if x.size:
        results = y if last else np.empty_like(rows)
        matrix = -1, rows.shape[-1]
        kernel_for(op, x.dtype)(rows.reshape(matrix), results.reshape(matrix))
        if not last:
            y[...] = np.moveaxis(results, -1, axis)
    return delivered(y, out)


def _rows(op: str, x) -> np.ndarray:
    x = array(op, "x", x)
    if x.ndim == 0:
        raise ValueError(f"{op}: x must have at least 1 dimension, got shape ()")
    return x


def _per_column(op: str, x: np.ndarray, **constants) -> list[np.ndarray]:
    return _vectors(op, x, x.shape[-1], "number of a row", **constants)


def _vectors(op: str, x: np.ndarray, count: int, what: str, **constants) -> list[np.ndarray]:
    """Return arguments that hold one number for each of so many."""
    found = []
    for name, value in constants.items():
        vector = array(op, name, value, like=x)
        if vector.shape != (count,):
            raise ValueError(
                f"{op}: {name} must have shape ({count},), one for each {what}, got {vector.shape}"
            )
        found.append(vector)
    return found


def _epsilon(op: str, eps) -> float:
    try:
        epsilon = float(eps)
    except (TypeError, ValueError):
        raise TypeError(f"{op}: eps must be a number, got {type(eps).__name__}") from None
    if not 0 <= epsilon < math.inf:
        raise ValueError(f"{op}: eps must be at least 0 and finite, got {epsilon}")
    return epsilon


def _with_epsilon(op: str, x: np.ndarray, constants: list, eps, out) -> np.ndarray:
    """Apply a kernel of rows: that of the ladder, or the same with another epsilon."""
    epsilon = _epsilon(op, eps)
    y = room(op, out, x.shape, x.dtype, reads=(x, *constants), elementwise=True)
    if x.size:
        matrix = -1, x.shape[-1]
        rows, results = x.reshape(matrix), y.reshape(matrix)
        if epsilon == _EPSILON:
            kernel_for(op, x.dtype)(rows, *constants, results)
        else:
            family = import_module(f"accel.kernels.normalisation.{op}")
            getattr(family, f"{op}_shared")(rows, *constants, epsilon, results)
    return delivered(y, out)
