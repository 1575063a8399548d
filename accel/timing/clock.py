"""What the clock can see: its smallest step and what reading it costs.

A time that is not much longer than one step of the clock is mostly the step.
Every function here takes the clock as an argument, so that tests inject one.
"""

from __future__ import annotations

import time
from collections.abc import Callable

Clock = Callable[[], int]


class ClockError(RuntimeError):
    """The clock cannot be used: it stands still, runs backwards, or is too coarse."""


def forward(elapsed: int) -> int:
    """Return `elapsed`, in ns, unless it is negative.

    Raises
    ------
    ClockError
        If the clock went backwards meanwhile.
    """
    if elapsed < 0:
        raise ClockError(
            f"the clock went backwards by {-elapsed} ns while something was timed; "
            "a virtual machine that was moved or resumed does that: measure again"
        )
    return elapsed


#: Nanoseconds, monotonic, the finest clock Python offers.
perf_counter_ns: Clock = time.perf_counter_ns

#: A sample must last this many clock steps: the step is then at most 0.1 % of it.
STEPS_PER_SAMPLE = 1000


def resolution_ns(clock: Clock = perf_counter_ns, steps: int = 200, patience: int = 100_000) -> int:
    """Return the smallest step between two readings that differ, in ns.

    Parameters
    ----------
    clock : callable
        Returns ns.
    steps : int
        How many steps to look at.
    patience : int
        Readings to wait for one step.

    Raises
    ------
    ClockError
        If the clock stands still or goes backwards.
    """
    smallest = None
    for _ in range(steps):
        start, now = clock(), clock()  # nothing between the two but the second reading
        for _ in range(patience - 1):
            if now != start:
                break
            now = clock()
        step = forward(now - start)
        if not step:
            raise ClockError(f"the clock did not advance in {patience} readings")
        smallest = step if smallest is None else min(smallest, step)
    return smallest


def overhead_ns(clock: Clock = perf_counter_ns, reads: int = 1000) -> float:
    """Return what one reading costs, in ns: back-to-back reads over their number."""
    start = clock()
    for _ in range(reads):
        clock()
    return forward(clock() - start) / (reads + 1)
