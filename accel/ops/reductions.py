"""Reductions of whole arrays, of any shape.

Named as in NumPy, whose functions of the same names they agree with where no axis is given:
``accel.sum(x)`` is ``np.sum(x)``, ``accel.prefix_sum(x)`` is ``np.cumsum(x)``.
"""

from __future__ import annotations

import numpy as np

from accel.ops.arguments import array, delivered, flat, kernel_for, room


def sum(x) -> np.floating:
    """Return the sum of all numbers of an array, as ``np.sum(x)`` does.

    The error is at most ``(BLOCK / (8 lanes) + log2(8 lanes) + 1) u`` times the sum of
    absolute values, however many there are, with u = 6e-8 for float32 and 1.1e-16 for
    float64, and ``BLOCK = 512``: a factor of 12 where registers hold 16 float32, 15 where
    they hold 8, and 22 where they hold 4. Errors of random sign leave about its root. The
    result is the same on any number of cores.

    Parameters
    ----------
    x : array-like, any shape, float32 or float64

    Returns
    -------
    scalar of the dtype of `x`
        0 for an empty array. NaN if a number is NaN, or two are infinities of both signs.

    Raises
    ------
    TypeError
        If `x` is of another element type.

    Cost
    ----
    One addition per number; one pass.

    Source
    ------
    Higham, *Accuracy and Stability of Numerical Algorithms*, 2nd ed. (2002), chapter 4.
    """
    return _one("sum", array("sum", "x", x))


def max(x) -> np.floating:
    """Return the largest number of an array, as ``np.max(x)`` does.

    Parameters
    ----------
    x : array-like, any shape, float32 or float64

    Returns
    -------
    scalar of the dtype of `x`
        NaN if a number is NaN. Of -0.0 and 0.0 either may come back.

    Raises
    ------
    TypeError
        If `x` is of another element type.
    ValueError
        If `x` is empty.

    Cost
    ----
    One comparison per number; one pass.
    """
    return _one("max", _not_empty("max", x))


def argmax(x) -> np.int64:
    """Return the place of the largest number of an array, as ``np.argmax(x)`` does.

    Parameters
    ----------
    x : array-like, any shape, float32 or float64

    Returns
    -------
    int64 scalar
        Counted in C order over all dimensions. The first of equal numbers; a NaN counts as
        the largest.

    Raises
    ------
    TypeError
        If `x` is of another element type.
    ValueError
        If `x` is empty.

    Cost
    ----
    One comparison per number; one pass.
    """
    return _one("argmax", _not_empty("argmax", x), "int64")


def mean_variance(x) -> tuple[np.floating, np.floating]:
    """Return mean and variance of all numbers of an array.

    As ``np.mean(x)`` and ``np.var(x)``: the variance is that of the population, divided by
    n. It is found from distances from the means of blocks, joined by Chan's formula; a mean
    far from zero costs no digits.

    Parameters
    ----------
    x : array-like, any shape, float32 or float64

    Returns
    -------
    tuple of two scalars of the dtype of `x`
        An infinity makes the variance NaN, a NaN both.

    Raises
    ------
    TypeError
        If `x` is of another element type.
    ValueError
        If `x` is empty.

    Cost
    ----
    Four FLOPs per number; one pass over memory.

    Source
    ------
    Chan, Golub and LeVeque, "Algorithms for computing the sample variance: analysis and
    recommendations", *The American Statistician* 37 (1983).
    """
    x = _not_empty("mean_variance", x)
    out = np.empty(2, x.dtype)
    kernel_for("mean_variance", x.dtype)(flat(x), out)
    return out[0], out[1]


def prefix_sum(x, out: np.ndarray | None = None) -> np.ndarray:
    """Return every sum on the way to the sum of an array, as ``np.cumsum(x)`` does.

    Parameters
    ----------
    x : array-like, any shape, float32 or float64
        Taken in C order, as one line of n numbers.
    out : ndarray, shape (n,), optional
        Where to write, of the dtype of `x`; may overlap it.

    Returns
    -------
    ndarray, shape (n,)
        `out`, or a new array. From the first NaN on all are NaN. Where all numbers so far
        are -0.0 the sum may be 0.0.

    Raises
    ------
    TypeError
        If `x` or `out` are of other element types.
    ValueError
        If `out` has another shape, or is read-only.

    Cost
    ----
    One pass; on several cores `x` is read twice.

    Source
    ------
    Blelloch, "Prefix sums and their applications", CMU-CS-90-190 (1990).
    """
    x = flat(array("prefix_sum", "x", x))
    y = room("prefix_sum", out, x.shape, x.dtype, reads=(x,))
    kernel_for("prefix_sum", x.dtype)(x, y)
    return delivered(y, out)


def _not_empty(op: str, x) -> np.ndarray:
    x = array(op, "x", x)
    if x.size == 0:
        raise ValueError(f"{op}: x must have at least one number, got shape {x.shape}")
    return x


def _one(op: str, x: np.ndarray, dtype: str | None = None):
    """Apply a kernel that writes one number."""
    out = np.empty(1, dtype or x.dtype)
    kernel_for(op, x.dtype)(flat(x), out)
    return out[0]
