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

from accel.timing.stats import Interval, SampleError, exponential, median, median_interval

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
    SampleError
        If the two do not have the same processes and rounds, a process has no
        samples, or a time is not positive and finite.
    """
    check(kernel)
    check(over)
    if [len(rounds) for rounds in kernel] != [len(rounds) for rounds in over]:
        raise SampleError("paired samples need the same processes and rounds on both sides")
    return [
        median([math.log(b / a) for a, b in zip(mine, theirs, strict=True)])
        for mine, theirs in zip(kernel, over, strict=True)
    ]


def check(samples: Samples) -> None:
    """Raise unless every process has samples and every sample is a time.

    Raises
    ------
    SampleError
        The message names process and sample.
    """
    if not len(samples):
        raise SampleError("no process: expected samples of at least one")
    for process, rounds in enumerate(samples):
        if not len(rounds):
            raise SampleError(f"process {process} has no samples, expected at least one")
        for number, time in enumerate(rounds):
            if not (math.isfinite(time) and time > 0):
                raise SampleError(
                    f"process {process}, sample {number} is {time} ns, expected a positive time: "
                    "too short for the clock, or not a time at all"
                )


def speedup(kernel: Samples, over: Samples) -> Interval:
    """Return how many times faster `kernel` is than `over`; above 1 means faster.

    Raises
    ------
    SampleError
        As `process_log_ratios`, or if there are too few processes for the interval.
    """
    return exponential(median_interval(process_log_ratios(kernel, over)))


def time_ns(samples: Samples) -> Interval:
    """Return the time of one call: median over processes of their medians, in ns.

    Raises
    ------
    SampleError
        If a sample is no time, or there are too few processes for the interval.
    """
    check(samples)
    return median_interval([median(rounds) for rounds in samples])
