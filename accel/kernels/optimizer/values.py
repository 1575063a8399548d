"""Gradients and state to take a step with, and the errors that roundings allow."""

from __future__ import annotations

import numpy as np

from accel.kernels.inputs import normal

#: Values that a step easily loses: NaN, both zeros, a number whose square float32 rounds to
#: zero, and one whose square is near its limit. Infinities make NumPy warn; tests have them.
SPECIAL = (np.nan, 0.0, -0.0, 1e15, 1e-30, -1.5)

#: Elements that NumPy takes at a time where it works in pieces: few enough for the nearer
#: caches, enough to spread the cost of a call.
PIECE = 32_768

#: Lengths at the edges: nothing, one, a vector and its tail, and beside powers of two.
EDGES = (
    *({"n": n} for n in (0, 1, 2, 7, 127, 128, 129, 1000)),
    {"n": 131, "values": "special"},
)

#: Lengths that suit no register.
AWKWARD = ({"n": 1023}, {"n": 65_537}, {"n": 1_000_003})


def gradient(n: int, dtype: str, values: str) -> np.ndarray:
    """Return a gradient: normal, or ``values="special"``, `SPECIAL` over and over.

    Raises
    ------
    ValueError
        If `values` is neither.
    """
    if values == "normal":
        return normal((n,), dtype, seed=11)
    if values == "special":
        return np.resize(np.array(SPECIAL, dtype), n)
    raise ValueError(f'values must be "normal" or "special", not {values!r}')


def rounded(dtype: np.dtype, count: float, *magnitudes: np.ndarray) -> np.ndarray:
    """Return ``count eps`` times the sum of magnitudes, or the last subnormal digits.

    Infinities and NaN get no more than that: they must come out as they are.
    """
    about = np.finfo(dtype)
    total = sum(np.where(np.isfinite(each), np.abs(each), 0.0) for each in magnitudes)
    return count * about.eps * total + 2 * float(about.tiny) * float(about.eps)


#: Below this many elements the cores take longer to start than one takes to finish.
ALONE = 1 << 16

#: Elements that a core takes at a time: enough to forget the start, few enough to share out.
PART = 1 << 14
