"""Intervals from the textbook that `accel.timing.stats` does without, to set beside it.

Two of them judge the method: how often something happened in so many trials, and
how sure one can be of that rate. One is its rival: the interval around a
difference of means that most scripts print, which is right where its
assumptions are.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import NormalDist, fmean, variance

import numpy as np

from accel.timing.stats import Interval, exponential


@dataclass(frozen=True)
class Share:
    """How often something happened: `count` of `total` times."""

    count: int
    total: int

    @property
    def interval(self) -> Interval:
        """The rate, 0 to 1, with an exact interval; see `rate_interval`."""
        return rate_interval(self.count, self.total)


def rate_interval(count: int, total: int, confidence: float = 0.95) -> Interval:
    """Return a rate with its exact interval, after Clopper and Pearson.

    Parameters
    ----------
    count, total : int
        Successes, and trials.
    confidence : float
        Smallest probability, whatever the true rate, that the interval holds it.

    Raises
    ------
    ValueError
        If there are no trials, or more successes than trials.

    Cost
    ----
    100 sums over at most `total` + 1 probabilities.

    Source
    ------
    C. J. Clopper and E. S. Pearson, "The use of confidence or fiducial limits
    illustrated in the case of the binomial", *Biometrika* 26 (1934).
    """
    if not 0 <= count <= total or total < 1:
        raise ValueError(f"a rate needs 0 <= count <= total and a trial, got {count} of {total}")
    tail = (1 - confidence) / 2
    low = 0.0 if count == 0 else _bisect(lambda p: _at_least(count, total, p) - tail)
    # As many failures or more are just as unlikely at the upper end.
    missing = total - count
    high = 1.0 if missing == 0 else 1 - _bisect(lambda p: _at_least(missing, total, p) - tail)
    return Interval(count / total, low, high, confidence)


def _at_least(count: int, total: int, p: float) -> float:
    """Probability of `count` or more successes, each of probability `p`, in `total` trials."""
    successes = np.arange(count, total + 1)
    logs = np.concatenate([[0.0], np.cumsum(np.log(np.arange(1, total + 1)))])
    ways = logs[total] - logs[successes] - logs[total - successes]
    terms = ways + successes * math.log(p) + (total - successes) * math.log1p(-p)
    return float(np.exp(terms).sum())


def _bisect(rising, steps: int = 50) -> float:
    """Return where a function that rises between 0 and 1 changes its sign."""
    low, high = 0.0, 1.0
    for _ in range(steps):
        middle = (low + high) / 2
        low, high = (middle, high) if rising(middle) < 0 else (low, middle)
    return (low + high) / 2


def student_quantile(probability: float, freedom: float) -> float:
    """Return the quantile of Student's t distribution.

    Parameters
    ----------
    probability : float
        Between 0 and 1, not at either end.
    freedom : float
        Degrees of freedom, at least 3: below that the expansion is off by more
        than 1 % at the 97.5 % point.

    Raises
    ------
    ValueError
        If `freedom` is less than 3.

    Source
    ------
    Abramowitz and Stegun, *Handbook of Mathematical Functions* (1964), 26.7.5.
    """
    if not freedom >= 3:
        raise ValueError(f"Student's t needs at least 3 degrees of freedom here, got {freedom}")
    z = NormalDist().inv_cdf(probability)
    terms = (
        (z**3 + z) / 4,
        (5 * z**5 + 16 * z**3 + 3 * z) / 96,
        (3 * z**7 + 19 * z**5 + 17 * z**3 - 15 * z) / 384,
        (79 * z**9 + 776 * z**7 + 1482 * z**5 - 1920 * z**3 - 945 * z) / 92160,
    )
    return z + sum(term / freedom**power for power, term in enumerate(terms, 1))


def welch_speedup(kernel: Sequence[float], over: Sequence[float], confidence: float) -> Interval:
    """Return how many times faster `kernel` is than `over`, by Welch's t interval on logarithms.

    Parameters
    ----------
    kernel, over : sequence of float
        Times, all positive, at least four on each side. They are taken as
        independent draws: whether they are is the caller's to know.
    confidence : float
        Stated probability that the interval holds the true ratio.

    Raises
    ------
    ValueError
        If there are too few times, or one is not positive and finite.

    Notes
    -----
    The value is a ratio of geometric means. On logarithms, since a ratio of
    times is a difference of logarithms and its interval needs no approximation.

    Source
    ------
    B. L. Welch, "The generalization of 'Student's' problem when several different
    population variances are involved", *Biometrika* 34 (1947).
    """
    sides = []
    for times in (over, kernel):
        if len(times) < 4:
            raise ValueError(f"Welch's interval needs four times on each side, got {len(times)}")
        if not all(math.isfinite(time) and time > 0 for time in times):
            raise ValueError("Welch's interval of a ratio needs positive, finite times")
        logs = [math.log(time) for time in times]
        sides.append((fmean(logs), variance(logs) / len(logs), len(logs)))
    (mine, my_share, mine_n), (theirs, their_share, their_n) = sides
    value, square = mine - theirs, my_share + their_share
    if square == 0:
        return exponential(Interval(value, value, value, confidence))
    freedom = square**2 / (my_share**2 / (mine_n - 1) + their_share**2 / (their_n - 1))
    freedom = max(freedom, min(mine_n, their_n) - 1)  # its lower bound, but for rounding
    half = student_quantile((1 + confidence) / 2, freedom) * math.sqrt(square)
    return exponential(Interval(value, value - half, value + half, confidence))
