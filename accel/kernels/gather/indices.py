"""Indices in the orders that make a difference, and the check that they stay inside."""

from __future__ import annotations

import numpy as np

from accel.simd import jit

#: Orders of `drawn`. "zipf": the row of rank r comes with a frequency like ``r**-1.2``, as
#: words do in text; a few rows take most of the indices, wherever they lie.
ORDERS = ("random", "sorted", "zipf")


def drawn(n: int, rows: int, order: str = "random") -> np.ndarray:
    """Return `n` indices of `rows` rows, the same for the same parameters.

    Parameters
    ----------
    n, rows : int
        How many, and of what. No rows, no indices.
    order : {"random", "sorted", "zipf"}
        See `ORDERS`.

    Returns
    -------
    ndarray of int64, shape (n,)

    Raises
    ------
    ValueError
        If there is no such order, or indices of no rows are asked for.
    """
    if order not in ORDERS:
        raise ValueError(f"order must be one of {ORDERS}, not {order!r}")
    if n and not rows:
        raise ValueError(f"indices: expected at least one row for {n} indices, got none")
    generator = np.random.default_rng([5, n, rows])
    if not n:
        return np.empty(0, np.int64)
    if order == "zipf":
        ranks = (generator.zipf(1.2, n) - 1) % rows
        return generator.permutation(rows)[ranks]
    indices = generator.integers(0, rows, n)
    return np.sort(indices) if order == "sorted" else indices


def distinct(n: int, rows: int, order: str = "random") -> int:
    """Return how many rows the indices of `drawn` name."""
    return np.unique(drawn(n, rows, order)).size


def refuse_outside(operation: str, indices: np.ndarray, rows: int) -> None:
    """Raise IndexError, naming the first culprit, if an index is not from 0 to ``rows - 1``."""
    if indices.size and (indices.min() < 0 or indices.max() >= rows):
        outside = np.flatnonzero((indices < 0) | (indices >= rows))[0]
        raise IndexError(
            f"{operation}: indices must be from 0 to {rows - 1}, got {indices[outside]} "
            f"at place {outside}"
        )


@jit
def all_inside(indices, rows):
    """Tell whether every index is from 0 to ``rows - 1``: one pass in vector registers."""
    outside = 0
    for i in range(indices.size):
        outside += (indices[i] < 0) | (indices[i] >= rows)
    return outside == 0
