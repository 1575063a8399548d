"""What the reductions share: inputs, edges, and how an array is cut for all cores."""

from __future__ import annotations

import math

import numpy as np

from accel.kernels.inputs import normal

#: Elements from which all cores are asked: below, waking them takes longer than the work.
WORTH_SHARING = 1 << 17

#: Parts that work is cut into for all cores. Always as many, so that a sum has the same
#: digits on every number of cores; most numbers of cores divide it.
SHARES = 96

#: Nothing, one, a register and its tail, four registers, beside powers of two, blocks.
LENGTHS = (0, 1, 2, 7, 127, 128, 129, 1000, 2049, 4100)

EDGES = (*({"n": n} for n in LENGTHS), {"n": 127, "values": "special"})

#: As `EDGES`, for what nothing has no answer to.
EDGES_NOT_EMPTY = EDGES[1:]

AWKWARD = ({"n": 3}, {"n": 63}, {"n": 1023}, {"n": 100_003}, {"n": 1_000_003})


def numbers(n: int, dtype: str, values: str) -> np.ndarray:
    """Return `n` numbers: standard normal, from 0 to 1 ("uniform"), or "special" ones."""
    if values == "normal":
        return normal((n,), dtype, seed=1)
    if values == "uniform":
        return np.random.default_rng([1, n]).random(n).astype(dtype)
    if values == "special":
        x = normal((n,), dtype, seed=1)
        x[n // 2], x[n // 3] = np.nan, np.inf
        return x
    raise ValueError(f'values must be "normal", "uniform" or "special", not {values!r}')


def one(working_set_bytes: int) -> dict:
    """Return the length of a float32 array that fills so many bytes."""
    return {"n": max(1, working_set_bytes // 4)}


def two(working_set_bytes: int) -> dict:
    """Return the length of float32 arrays of which two fill so many bytes."""
    return {"n": max(1, working_set_bytes // 8)}


def sum_error(dtype: np.dtype, count) -> float:
    """Return the relative error of a sum of `count` random terms, added in any order."""
    return float(np.finfo(dtype).eps) / 2 * (8 + 2 * np.sqrt(count))


def exact_sum(x: np.ndarray) -> float:
    """Return the sum of finite numbers, rounded once; of millions of them, nearly so."""
    if not np.isfinite(x).all():
        with np.errstate(invalid="ignore"):
            return float(x.sum(dtype=np.float64))
    if x.size <= 1 << 20:
        return math.fsum(x.tolist())
    return float(x.sum(dtype=np.longdouble))
