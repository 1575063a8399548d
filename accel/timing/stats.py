"""Medians and exact intervals, without assuming any distribution.

Timings are skewed, drift and have several modes, so a mean with a normal
interval describes nothing. The sample median needs one assumption only: that
the values are independent draws. Each draw is above the true median with
probability one half, so the number of draws below it is a coin-tossing
experiment, and two order statistics bracket the median with a probability that
can be computed exactly.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from statistics import median
from typing import NamedTuple

__all__ = [
    "CONFIDENCE", "Interval", "SampleError", "exponential", "fewest", "median", "median_interval",
]  # fmt: skip


#: Least probability with which an interval of this book holds the truth.
CONFIDENCE = 0.95


class SampleError(ValueError):
    """Samples from which nothing may be concluded; the message says which and why."""


class Interval(NamedTuple):
    """A value with the interval that holds the truth with probability `coverage`."""

    value: float
    low: float
    high: float
    coverage: float

    def excludes(self, number: float) -> bool:
        """Return whether `number` lies outside the interval."""
        return not self.low <= number <= self.high


def median_interval(values: Sequence[float], confidence: float = CONFIDENCE) -> Interval:
    """Return the median with the narrowest exact interval of at least `confidence`.

    Parameters
    ----------
    values : sequence of float
        Independent draws: one number per process.
    confidence : float
        Wanted probability that the interval holds the true median.

    Returns
    -------
    Interval
        Its `coverage` is exact for continuous distributions and a lower bound
        where values tie. The range of six values covers 0.96875.

    Raises
    ------
    SampleError
        If a value is not finite, or there are too few: the whole range of five
        values covers 0.9375, so no interval of theirs supports 0.95.
    ValueError
        If `confidence` is not a probability below 1.

    Source
    ------
    H. A. David and H. N. Nagaraja, *Order Statistics*, 3rd ed. (2003), section 7.1.
    """
    ordered = sorted(values)
    count = len(ordered)
    if not all(math.isfinite(value) for value in ordered):
        raise SampleError(f"an interval needs finite values, got {ordered}")
    if count < fewest(confidence):
        raise SampleError(
            f"{count} {'process' if count == 1 else 'processes'} cannot support an interval of "
            f"{confidence:.4g}: their whole range covers {_coverage(count, 0):.4g}; "
            f"measure at least {fewest(confidence)}"
        )
    trimmed, coverage = 0, _coverage(count, 0)
    while trimmed + 1 <= (count - 1) // 2 and _coverage(count, trimmed + 1) >= confidence:
        trimmed += 1
        coverage = _coverage(count, trimmed)
    return Interval(median(ordered), ordered[trimmed], ordered[count - 1 - trimmed], coverage)


def fewest(confidence: float) -> int:
    """Return how many values an interval of this confidence takes at least: 6 for 0.95.

    Raises
    ------
    ValueError
        If `confidence` is not a probability below 1.
    """
    if not 0 < confidence < 1:
        raise ValueError(f"confidence must lie between 0 and 1, not {confidence}")
    count = 1
    while _coverage(count, 0) < confidence:
        count += 1
    return count


def _coverage(count: int, trimmed: int) -> float:
    """Probability that the median lies between the values left after trimming both ends.

    It lies below the `trimmed`-th smallest value only if at most `trimmed` of
    `count` coins come up heads, and above by symmetry.
    """
    if count == 0:
        return 0.0
    tail = sum(math.comb(count, heads) for heads in range(trimmed + 1)) / 2**count
    return 1 - 2 * tail


def exponential(interval: Interval) -> Interval:
    """Return the interval of ratios that belongs to an interval of log-ratios."""
    return Interval(
        math.exp(interval.value),
        math.exp(interval.low),
        math.exp(interval.high),
        interval.coverage,
    )
