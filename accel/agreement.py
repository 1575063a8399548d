"""Does an answer agree with the truth?

Ground floor: kernels are tried with it, workers refuse to time a wrong kernel
with it. It imports nothing of this package.
"""

from __future__ import annotations

import numpy as np


def difference(got: np.ndarray, expected: np.ndarray, tolerance) -> str | None:
    """Say where an answer leaves its tolerance, or None if it does not.

    The comparison is ``|got - expected| <= tolerance`` in float64, so that a
    NaN, an infinity or an untouched element fails.
    """
    if got.shape != expected.shape:
        if got.size == 0 and expected.size == 0:
            return None  # nested lists cannot tell (0, 5) from (0,)
        return f"shape {got.shape}, expected {expected.shape}"
    if got.size == 0:
        return None
    error = np.abs(got.astype(np.float64) - expected.astype(np.float64))
    allowed = np.broadcast_to(np.asarray(tolerance, dtype=np.float64), error.shape)
    bad = ~(error <= allowed)
    if not bad.any():
        return None
    excess = np.where(bad, np.where(np.isnan(error), np.inf, error - allowed), -1.0)
    worst = np.unravel_index(int(np.argmax(excess)), error.shape)
    index = ", ".join(str(int(i)) for i in worst)
    return (
        f"element [{index}] is {got[worst]:.9g}, expected {expected[worst]:.9g} "
        f"± {allowed[worst]:.2g}; {int(bad.sum())} of {bad.size} elements differ"
    )
