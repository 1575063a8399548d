"""Lookup, scatter-add and histogram, for indices of any shape and arrays of any layout."""

from __future__ import annotations

import math
from numbers import Integral, Real

import numpy as np

from accel.ops.arguments import array, delivered, flat, kernel_for, room

#: Element types of indices: what NumPy calls integers, but not bool.
INTEGERS = ("int64", "int32", "int16", "int8", "uint64", "uint32", "uint16", "uint8")


def embedding(table, indices, out: np.ndarray | None = None) -> np.ndarray:
    """Return the rows of a table that indices name: ``table[indices]``.

    Parameters
    ----------
    table : array-like, shape (rows, d), float32 or float64
    indices : array-like of integers, any shape
        From 0 to ``rows - 1``. Negative ones do not count from the end.
    out : ndarray, optional
        Where to write, of the shape of `indices` followed by d; may overlap the inputs.

    Returns
    -------
    ndarray
        `out`, or a new array.

    Raises
    ------
    TypeError
        If `table` or `out` are of other element types, or indices are no integers.
    ValueError
        If `table` is no matrix, or `out` is read-only or of another shape.
    IndexError
        If an index is negative or beyond the last row; `out` may be written in part.

    Cost
    ----
    One pass over the rows that are named; nothing is computed.

    Examples
    --------
    >>> import accel
    >>> accel.embedding([[0.0, 1.0], [2.0, 3.0]], [1, 1, 0])
    array([[2., 3.],
           [2., 3.],
           [0., 1.]])
    """
    table = array("embedding", "table", table, ndim=2)
    indices = _indices("embedding", indices, table.shape[0])
    shape = (*indices.shape, table.shape[1])
    y = room("embedding", out, shape, table.dtype, reads=(table, indices))
    rows = y.reshape(indices.size, table.shape[1])
    _inside("embedding", kernel_for("embedding", table.dtype), table, flat(indices), rows)
    return delivered(y, out)


def scatter_add(indices, values, out: np.ndarray) -> np.ndarray:
    """Add rows to the rows of `out` that indices name: ``out[indices[i]] += values[i]``.

    Where several indices are equal, all their rows are added, in the order in which they
    stand: the result is the same from run to run, on any number of threads.

    Parameters
    ----------
    indices : array-like of integers, any shape
        From 0 to ``rows - 1``. Negative ones do not count from the end.
    values : array-like, shape of `indices` followed by d, float32 or float64
    out : ndarray, shape (rows, d)
        Added to; of the dtype of `values`. May overlap the inputs.

    Returns
    -------
    ndarray
        `out`.

    Raises
    ------
    TypeError
        If arrays are of other element types, or indices are no integers.
    ValueError
        If shapes do not fit, or `out` is read-only.
    IndexError
        If an index is negative or beyond the last row; nothing has been added then.

    Cost
    ----
    One addition for each value, in one pass over `values`, after one over `indices`.
    """
    values = array("scatter_add", "values", values)
    indices = _indices("scatter_add", indices, _rows_of(out))
    if values.shape[:-1] != indices.shape or values.ndim == 0:
        raise ValueError(
            f"scatter_add: values must have the shape of indices, {indices.shape}, followed by "
            f"the length of a row, got {values.shape}"
        )
    d = values.shape[-1]
    y = room("scatter_add", out, (_rows_of(out), d), values.dtype, reads=(indices, values))
    if y is not out:
        y[...] = out
    rows = values.reshape(indices.size, d)
    _inside("scatter_add", kernel_for("scatter_add", values.dtype), flat(indices), rows, y)
    return delivered(y, out)


def histogram(x, low: float, high: float, bins: int = 10, out: np.ndarray | None = None):
    """Count how many numbers fall into each of equally wide bins.

    The counts of ``np.histogram(x, bins, (low, high))``, exactly: a bin holds its lower edge
    and not its upper one, but for the last bin, which holds both.

    Parameters
    ----------
    x : array-like, any shape, float32 or float64
        Numbers outside, infinities and NaN are counted nowhere.
    low, high : float
        Outer edges, finite, ``low < high``; rounded to the type of `x`, as all edges are.
    bins : int
        At least 1, fewer than 2**31.
    out : ndarray of int64, shape (bins,), optional
        Where to write.

    Returns
    -------
    ndarray of int64, shape (bins,)
        `out`, or a new array.

    Raises
    ------
    TypeError
        If `x` or `out` are of other element types, ends are no numbers or `bins` no integer.
    ValueError
        If not ``low < high``, they are infinite or NaN, there is no bin, or `out` is read-only
        or of another shape.

    Cost
    ----
    One pass over `x`.

    Examples
    --------
    >>> import accel
    >>> accel.histogram([0.0, 0.5, 0.9, 2.0, 7.0], 0, 2, bins=2)
    array([3, 1])
    """
    x = array("histogram", "x", x)
    for name, end in (("low", low), ("high", high)):
        if not isinstance(end, Real):
            raise TypeError(f"histogram: {name} must be a number, got {type(end).__name__}")
    if not isinstance(bins, Integral) or isinstance(bins, bool):
        raise TypeError(f"histogram: bins must be an integer, got {type(bins).__name__}")
    if not 1 <= bins < 2**31:
        raise ValueError(f"histogram: bins must be from 1 to 2**31 - 1, got {bins}")
    low, high = float(low), float(high)
    if not (low < high and high - low < math.inf):
        raise ValueError(f"histogram: low must be below high and both finite, got {low} and {high}")
    y = room("histogram", out, (int(bins),), np.dtype(np.int64), reads=(x,))
    kernel_for("histogram", x.dtype)(flat(x), low, high, y)
    return delivered(y, out)


def _rows_of(out) -> int:
    """Return the rows of `out`, which must be an array that is there already."""
    if not isinstance(out, np.ndarray):
        raise TypeError(f"scatter_add: out must be a NumPy array, got {type(out).__name__}")
    if out.ndim != 2:
        raise ValueError(f"scatter_add: out must have 2 dimensions, got shape {out.shape}")
    return out.shape[0]


def _indices(op: str, value, rows: int) -> np.ndarray:
    """Return indices as int64, side by side in memory."""
    if isinstance(value, (list, tuple)) and not value:
        value = np.asarray(value, np.int64)  # an empty list has no type of its own
    indices = array(op, "indices", value, dtypes=INTEGERS)
    if indices.dtype == np.uint64 and indices.size and indices.max() >= 2**63:
        raise IndexError(f"{op}: indices must be from 0 to {rows - 1}, got {indices.max()}")
    return indices.astype(np.int64, copy=False)


def _inside(op: str, kernel, *arguments) -> None:
    """Call a kernel; where it meets an index outside, say which."""
    try:
        kernel(*arguments)
    except IndexError:
        from accel.kernels.gather.indices import refuse_outside

        if op == "embedding":
            refuse_outside(op, arguments[1], arguments[0].shape[0])
        else:
            refuse_outside(op, arguments[0], arguments[2].shape[0])
        raise
