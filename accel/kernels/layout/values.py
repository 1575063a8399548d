"""What layout operations move: numbers that tell where they came from."""

from __future__ import annotations

import numpy as np

#: Element types that the plain kernels move; those in registers know the first two.
TYPES = ("float32", "float64", "uint8")

#: Values that only a move bit by bit leaves as they are.
SPECIAL = (np.nan, np.inf, -np.inf, 0.0, -0.0, 1e-40, -1.5)


def numbers(shape: tuple[int, ...], dtype: str, values: str = "counted") -> np.ndarray:
    """Return an array to rearrange.

    Parameters
    ----------
    shape : tuple of int
    dtype : str
    values : {"counted", "special"}
        Elements counted in order, modulo a number that their type holds exactly and that
        shares no factor with usual sizes; or `SPECIAL` over and over (integers: counted).

    Raises
    ------
    ValueError
        If `values` is neither.
    """
    if values not in ("counted", "special"):
        raise ValueError(f'values must be "counted" or "special", not {values!r}')
    size = int(np.prod(shape))
    floating = np.issubdtype(np.dtype(dtype), np.floating)
    if values == "special" and floating:
        return np.resize(np.array(SPECIAL, dtype), shape)
    limit = 8_388_593 if floating else 251  # primes
    return (np.arange(size) % limit).astype(dtype).reshape(shape)
