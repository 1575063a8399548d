"""Operations on each element by itself, of arrays of any shape."""

from __future__ import annotations

import numpy as np

from accel.ops.arguments import array, delivered, flat, kernel_for, room


def relu(x, out: np.ndarray | None = None) -> np.ndarray:
    """Return the larger of each element and zero.

    Parameters
    ----------
    x : array-like, any shape, float32 or float64
    out : ndarray, optional
        Where to write, of the shape and dtype of `x`; may be `x`.

    Returns
    -------
    ndarray
        `out`, or a new array. NaN gives NaN, and -0.0 may come back as either zero.

    Raises
    ------
    TypeError
        If `x` or `out` are of other element types.
    ValueError
        If `out` has another shape, or is read-only.
    """
    return _each("relu", x, out)


def gelu(x, out: np.ndarray | None = None) -> np.ndarray:
    """Return the Gaussian error linear unit of each element, by its tanh form.

    Parameters, result and errors as for `relu`.

    Source
    ------
    Hendrycks and Gimpel, "Gaussian Error Linear Units (GELUs)", arXiv:1606.08415 (2016).
    """
    return _each("gelu", x, out)


def _each(op: str, x, out: np.ndarray | None) -> np.ndarray:
    """Apply a kernel ``f(x, out)`` to the elements of an array."""
    x = array(op, "x", x)
    y = room(op, out, x.shape, x.dtype, reads=(x,), elementwise=True)
    kernel_for(op, x.dtype)(flat(x), flat(y))
    return delivered(y, out)
