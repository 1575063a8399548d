"""A against B when they were not interleaved: two runs, hours or versions apart.

Samples of two runs share no weather, so nothing cancels by pairing them; what
is left are two independent sets of processes. Every process of one against every
process of the other gives a table of differences, and two of its order
statistics bracket the shift between the sets. With how much confidence is
counted, not assumed: if the sets differ by a shift only, each order in which
their values can interleave is equally likely.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import cache
from itertools import accumulate

from accel.timing.stats import CONFIDENCE, Interval, SampleError, median

#: More would ask for millions of differences, and no experiment runs so many processes.
MOST_PROCESSES = 100


def shift_interval(
    old: Sequence[float], new: Sequence[float], confidence: float = CONFIDENCE
) -> Interval:
    """Return how far `new` lies above `old`, with an exact interval.

    The value is the median of all differences between a new and an old value
    (Hodges and Lehmann); the interval inverts the test of Mann and Whitney.

    Parameters
    ----------
    old, new : sequence of float
        Independent draws: one number per process, logarithms if ratios are meant.
    confidence : float
        Wanted probability that the interval holds the shift.

    Returns
    -------
    Interval
        The narrowest with at least `confidence`, or, with too few values for
        that, the range of all differences; `coverage` says how much it has.
        Six against six reach 0.9978, three against three 0.9.

    Raises
    ------
    SampleError
        If one side is empty, has more than `MOST_PROCESSES` values, or holds one
        that is not finite.

    Notes
    -----
    What `coverage` promises depends on what changed:

    * Nothing changed: an interval excludes 0 with probability ``1 - coverage``,
      whatever the distribution, several modes included. That is the rate of
      false alarms.
    * All values moved by the same amount: it holds that amount with `coverage`.
    * The shape changed as well: the range of all differences still holds the
      difference of the two medians at least as often as the range of the smaller
      set holds its own median (0.96875 for six), whatever the shapes. It misses
      from above only if all of `new` lie above their median or all of `old` below
      theirs; and new values above their median cannot both tend to exceed old
      ones above theirs and be exceeded by them, so the two ways to miss do not
      add up. A narrower interval promises nothing then.

    With ties, and with rounding, `coverage` is a lower bound.

    Cost
    ----
    ``m n log(m n)`` for sorting, and once per pair of sizes ``2 m² n`` additions.

    Source
    ------
    H. B. Mann and D. R. Whitney, "On a test of whether one of two random variables
    is stochastically larger than the other", Annals of Mathematical Statistics 18
    (1947), 50–60. J. L. Hodges and E. L. Lehmann, "Estimates of location based on
    rank tests", Annals of Mathematical Statistics 34 (1963), 598–611. The interval:
    M. Hollander and D. A. Wolfe, *Nonparametric Statistical Methods*, 2nd ed. (1999),
    section 4.3.
    """
    for side, values in (("old", old), ("new", new)):
        if not 1 <= len(values) <= MOST_PROCESSES:
            raise SampleError(
                f"shift_interval needs 1 to {MOST_PROCESSES} {side} values, got {len(values)}"
            )
        if not all(math.isfinite(value) for value in values):
            raise SampleError(f"shift_interval needs finite {side} values, got {list(values)}")
    differences = sorted(after - before for after in new for before in old)
    count = len(differences)
    trimmed = _trimmed(len(old), len(new), confidence)
    return Interval(
        median(differences),
        differences[trimmed],
        differences[count - 1 - trimmed],
        coverage(len(old), len(new), trimmed),
    )


def coverage(old: int, new: int, trimmed: int = 0) -> float:
    """Return how sure the differences left after trimming both ends are to hold the shift.

    Parameters
    ----------
    old, new : int
        Numbers of values.
    trimmed : int
        Differences left out at each end, fewer than half.
    """
    tail = sum(_orders(old, new)[: trimmed + 1])
    return 1 - 2 * tail / math.comb(old + new, old)


def _trimmed(old: int, new: int, confidence: float) -> int:
    """Return how many differences may be left out at each end, 0 if none."""
    most = (old * new - 1) // 2
    tails = accumulate(_orders(old, new)[1 : most + 1], initial=_orders(old, new)[0])
    allowed = (1 - confidence) / 2 * math.comb(old + new, old)
    return max(0, sum(tail <= allowed for tail in tails) - 1)


@cache
def _orders(old: int, new: int) -> tuple[int, ...]:
    """Count the orders of `old` + `new` values by how many pairs have the new one first.

    Element u of the answer counts those with u such pairs; they are the
    coefficients of the Gaussian binomial, the product of ``(1 - q^(new + i)) /
    (1 - q^i)`` for i from 1 to `old`.
    """
    counts = [1] + [0] * (old * new)
    for i in range(1, old + 1):
        for power in range(old * new, new + i - 1, -1):
            counts[power] -= counts[power - new - i]
        for power in range(i, old * new + 1):
            counts[power] += counts[power - i]
    return tuple(counts)
