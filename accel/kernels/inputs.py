"""Seeded inputs: shape, dtype, memory layout.

The same parameters always give the same numbers, so that every process of an
experiment, and every reader, computes on the same data.
"""

from __future__ import annotations

import numpy as np

#: Memory orders an input can have. "strided" is every second element of a
#: larger array in both directions: contiguous in no direction.
ORDERS = ("C", "F", "strided")


def laid_out(values: np.ndarray, order: str) -> np.ndarray:
    """Return an array with the values of `values` in memory order `order`.

    Raises
    ------
    ValueError
        If the order is not one of `ORDERS`.
    """
    if order == "C":
        return np.ascontiguousarray(values)
    if order == "F":
        return np.asfortranarray(values)
    if order == "strided":
        host = np.zeros([2 * size + 1 for size in values.shape], dtype=values.dtype)
        view = host[tuple(slice(1, 2 * size + 1, 2) for size in values.shape)]
        view[...] = values
        return view
    raise ValueError(f"order must be one of {ORDERS}, not {order!r}")


def normal(shape: tuple[int, ...], dtype: str, seed: int, order: str = "C") -> np.ndarray:
    """Return standard normal values, or for integer dtypes values in -8..8."""
    generator = np.random.default_rng([seed, *shape])
    if np.issubdtype(np.dtype(dtype), np.integer):
        values = generator.integers(-8, 9, size=shape)
    else:
        values = generator.standard_normal(shape)
    return laid_out(values.astype(dtype), order)


def blank(shape: tuple[int, ...], dtype: str, order: str = "C") -> np.ndarray:
    """Return an output array full of a value that no correct kernel leaves behind.

    NaN for floating point, the largest value for integers: an element that a
    kernel forgets to write is then an error, not a lucky zero.
    """
    dtype = np.dtype(dtype)
    value = np.nan if np.issubdtype(dtype, np.floating) else np.iinfo(dtype).max
    return laid_out(np.full(shape, value, dtype=dtype), order)
