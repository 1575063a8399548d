"""Operations on each element by itself, of arrays of any shape."""

from __future__ import annotations

from numbers import Real

import numpy as np

from accel.ops.arguments import AS_IT_IS, FLOATS, array, delivered, flat, kernel_for, room

#: `gelu`'s ``approximate`` -> the operation.
_GELU = {"tanh": "gelu", "none": "gelu_erf"}


def relu(x, out: np.ndarray | None = None) -> np.ndarray:
    """Return the larger of each element and zero.

    Parameters
    ----------
    x : array-like, any shape, float32 or float64
    out : ndarray, optional
        Where to write, of the shape and dtype of `x`; may be `x`, or overlap it.

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


def gelu(x, out: np.ndarray | None = None, approximate: str = "tanh") -> np.ndarray:
    """Return the Gaussian error linear unit of each element.

    Parameters
    ----------
    x, out
        As for `relu`.
    approximate : {"tanh", "none"}
        ``"tanh"``: ``x / 2 (1 + tanh(sqrt(2 / pi) (x + 0.044715 x^3)))``, as most language
        models compute it. ``"none"``: ``x / 2 (1 + erf(x / sqrt(2)))``, the definition.

    Returns
    -------
    ndarray
        `out`, or a new array. NaN gives NaN, and so does minus infinity, in both forms and
        as in PyTorch; plus infinity gives itself. Small results far below 0 keep their
        digits, where the formulas as written lose them: with ``"none"`` the largest error
        is 4.3 units in the last place for float32 and 2.6 for float64.

    Raises
    ------
    TypeError, ValueError
        As `relu`; also ValueError for another `approximate`.

    Source
    ------
    Hendrycks and Gimpel, "Gaussian Error Linear Units (GELUs)", arXiv:1606.08415 (2016).
    """
    if approximate not in _GELU:
        raise ValueError(f'gelu: approximate must be "tanh" or "none", got {approximate!r}')
    return _each(_GELU[approximate], x, out, "gelu")


def sigmoid(x, out: np.ndarray | None = None) -> np.ndarray:
    """Return the logistic function ``1 / (1 + exp(-x))`` of each element.

    Parameters and errors as for `relu`. NaN gives NaN, the infinities 0 and 1. Small
    results are kept down to the smallest number of the type; the largest error is 2.4 units
    in the last place.
    """
    return _each("sigmoid", x, out)


def silu(x, out: np.ndarray | None = None) -> np.ndarray:
    """Return ``x / (1 + exp(-x))`` of each element, also called swish.

    Parameters and errors as for `relu`. NaN gives NaN, and so does minus infinity, as in
    PyTorch; plus infinity gives itself.
    """
    return _each("silu", x, out)


def exp(x, out: np.ndarray | None = None) -> np.ndarray:
    """Return the exponential of each element.

    Parameters and errors as for `relu`. What is too large for the type is infinite, without
    a warning; small results are kept down to the smallest number of the type. The largest
    error is 0.91 units in the last place.
    """
    return _each("exp", x, out)


def saxpy(alpha, x, y, out: np.ndarray | None = None) -> np.ndarray:
    """Return ``alpha x + y``, each element rounded once.

    Parameters
    ----------
    alpha : real number
        Rounded to the element type of `x` first.
    x, y : array-like, any one shape, float32 or float64
        Of the same element type.
    out : ndarray, optional
        Where to write, of the shape and dtype of `x`; may be `x` or `y`, or overlap them.

    Returns
    -------
    ndarray
        `out`, or a new array.

    Raises
    ------
    TypeError
        If `alpha` is no real number, or the arrays are of other element types or differ.
    ValueError
        If the shapes differ, or `out` is read-only.
    """
    if (
        type(alpha) is float
        and _plain("saxpy", x)
        and _like(y, x)
        and (out is None or _takes(out, x) and _takes(out, y))
    ):
        z = np.empty(x.shape, x.dtype) if out is None else out
        _ready["saxpy", x.dtype](alpha, flat(x), flat(y), flat(z))
        return z
    if not isinstance(alpha, Real) and not (isinstance(alpha, np.ndarray) and alpha.ndim == 0):
        raise TypeError(f"saxpy: alpha must be a real number, got {type(alpha).__name__}")
    x = array("saxpy", "x", x)
    y = array("saxpy", "y", y, like=x)
    if x.shape != y.shape:
        raise ValueError(f"saxpy: y must have the shape of x, {x.shape}, got {y.shape}")
    z = room("saxpy", out, x.shape, x.dtype, reads=(x, y), elementwise=True)
    kernel = _ready["saxpy", x.dtype] = kernel_for("saxpy", x.dtype)
    kernel(float(alpha), flat(x), flat(y), flat(z))
    return delivered(z, out)


def polynomial(coefficients, x, out: np.ndarray | None = None) -> np.ndarray:
    """Return ``c[0] + c[1] x + c[2] x^2 + ...`` of each element, by Horner's rule.

    Parameters
    ----------
    coefficients : array-like, shape (d + 1,)
        Lowest power first, at least one: an array of the element type of `x`, or a
        sequence of numbers, which take that type.
    x : array-like, any shape, float32 or float64
    out : ndarray, optional
        Where to write, of the shape and dtype of `x`; may be `x`, or overlap it.

    Returns
    -------
    ndarray
        `out`, or a new array.

    Raises
    ------
    TypeError
        If an argument has another element type.
    ValueError
        If there is no coefficient, they are no vector, or `out` has another shape or is
        read-only.
    """
    x = array("polynomial", "x", x)
    c = _coefficients(coefficients, x)
    y = room("polynomial", out, x.shape, x.dtype, reads=(x,), elementwise=True)
    if np.may_share_memory(c, y):
        c = c.copy()  # read again for every few elements
    kernel_for("polynomial", x.dtype)(c, flat(x), flat(y))
    return delivered(y, out)


def _coefficients(coefficients, x: np.ndarray) -> np.ndarray:
    """Return the coefficients as a vector of the element type of `x`."""
    if isinstance(coefficients, np.ndarray):
        c = array("polynomial", "coefficients", coefficients, ndim=1, like=x)
    else:
        numbers = (*FLOATS, "int64")
        c = array("polynomial", "coefficients", coefficients, ndim=1, dtypes=numbers)
        c = c.astype(x.dtype)
    if c.size == 0:
        raise ValueError("polynomial: coefficients must not be empty, got shape (0,)")
    return c


def _each(op: str, x, out: np.ndarray | None, name: str = "") -> np.ndarray:
    """Apply a kernel ``f(x, out)`` to the elements of an array."""
    if _plain(op, x) and (out is None or _takes(out, x)):
        y = np.empty(x.shape, x.dtype) if out is None else out
        _ready[op, x.dtype](*((x, y) if x.ndim == 1 else (flat(x), flat(y))))
        return y
    name = name or op
    x = array(name, "x", x)
    y = room(name, out, x.shape, x.dtype, reads=(x,), elementwise=True)
    kernel = _ready[op, x.dtype] = kernel_for(op, x.dtype)
    kernel(flat(x), flat(y))
    return delivered(y, out)


#: (operation, dtype) -> its kernel, once it has run; dtypes in the machine's byte order only.
_ready: dict = {}


def _plain(op: str, x) -> bool:
    """Tell whether an operation that has run before can take `x` without more ado.

    Most calls bring such an array, and many of those are short: a few questions instead of
    all that `array` and `room` ask, which take longer than a thousand elements do.
    """
    return (
        type(x) is np.ndarray
        and (op, x.dtype) in _ready
        and x.flags.num & AS_IT_IS == AS_IT_IS
    )


def _takes(out, x: np.ndarray) -> bool:
    """Tell whether the answer for such an `x` can be written to `out` at once."""
    return (
        _like(out, x)
        and out.flags.writeable
        and (out is x or not np.may_share_memory(out, x))
    )


def _like(y, x: np.ndarray) -> bool:
    """Tell whether `y` is an array as plain as `x`, of its dtype and shape."""
    return (
        type(y) is np.ndarray
        and y.dtype == x.dtype
        and y.shape == x.shape
        and y.flags.num & AS_IT_IS == AS_IT_IS
    )
