"""A against B: ratios inside a process, intervals across processes.

Samples of one round are neighbours in time and share its weather, so the
weather cancels in their ratio. What does not cancel is what a process is born
with: where its memory lies, how its code is aligned. No statistic inside the
process can see that, so the process is the unit of replication. Each process
contributes one number, its median log-ratio, and the interval is taken over
processes.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from accel.timing.stats import Interval, exponential, median, median_interval

#: Per-call times in ns: one list per process, in the order they were taken.
Samples = Sequence[Sequence[float]]


def process_log_ratios(kernel: Samples, over: Samples) -> list[float]:
    """Return each process's median of ``log(time of over / time of kernel)``.

    Parameters
    ----------
    kernel, over : sequence of sequences of float
        Per-call times, aligned round by round.

    Raises
    ------
    ValueError
        If the two do not have the same processes and rounds, or a time is not
        positive.
    """
    if [len(rounds) for rounds in kernel] != [len(rounds) for rounds in over]:
        raise ValueError("paired samples need the same processes and rounds on both sides")
    if any(time <= 0 for rounds in (*kernel, *over) for time in rounds):
        raise ValueError("a time is zero or negative: samples are too short for the clock")
    return [
        median([math.log(b / a) for a, b in zip(mine, theirs, strict=True)])
        for mine, theirs in zip(kernel, over, strict=True)
    ]


def speedup(kernel: Samples, over: Samples) -> Interval:
    """Return how many times faster `kernel` is than `over`; above 1 means faster."""
    return exponential(median_interval(process_log_ratios(kernel, over)))


def time_ns(samples: Samples) -> Interval:
    """Return the time of one call: median over processes of their medians, in ns."""
    return median_interval([median(rounds) for rounds in samples])
