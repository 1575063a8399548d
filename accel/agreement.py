"""Does an answer agree with the truth?

Ground floor: kernels are tried with it, workers refuse to time a wrong kernel
with it. It imports nothing of this package.
"""

from __future__ import annotations

import numpy as np


def difference(got: np.ndarray, expected: np.ndarray, tolerance) -> str | None:
    """Say where an answer leaves its tolerance, or None if it does not.

    Numbers agree if ``|got - expected| <= tolerance`` in float64. An infinity
    agrees with the same infinity and NaN with NaN, whatever the tolerance; so
    one that is not expected, or one that is missing, fails, and an element left
    untouched does too.

    Parameters
    ----------
    got, expected : ndarray, shape (...)
    tolerance : array-like, broadcastable to the shape of `expected`
        Absolute error allowed.

    Returns
    -------
    str or None
        The worst element, what was expected there, and how many differ.
    """
    if got.shape != expected.shape:
        if got.size == 0 and expected.size == 0:
            return None  # nested lists cannot tell (0, 5) from (0,)
        return f"shape {got.shape}, expected {expected.shape}"
    if got.size == 0:
        return None
    allowed = np.broadcast_to(np.asarray(tolerance, dtype=np.float64), expected.shape)
    with np.errstate(invalid="ignore", over="ignore"):  # inf - inf is NaN: decided by `same`
        error = np.abs(got.astype(np.float64) - expected.astype(np.float64))
    same = (got == expected) | (np.isnan(got) & np.isnan(expected))
    agrees = same | (np.isfinite(error) & (error <= allowed))
    if agrees.all():
        return None
    finite = np.where(np.isfinite(error), error, np.inf)
    worst = np.unravel_index(int(np.argmax(np.where(agrees, -1.0, finite))), error.shape)
    index = ", ".join(str(int(i)) for i in worst)
    return (
        f"element [{index}] is {got[worst]:.9g}, expected {expected[worst]:.9g} "
        f"± {allowed[worst]:.2g}; {int((~agrees).sum())} of {agrees.size} elements differ"
    )
