"""What the clock can see: its smallest step and what reading it costs.

A time that is not much longer than one step of the clock is mostly the step.
Every function here takes the clock as an argument, so that tests inject one.
"""

from __future__ import annotations

import time
from collections.abc import Callable

Clock = Callable[[], int]

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
    RuntimeError
        If the clock stands still.
    """
    smallest = None
    for _ in range(steps):
        start = clock()
        for _ in range(patience):
            step = clock() - start
            if step:
                break
        else:
            raise RuntimeError(f"the clock did not advance in {patience} readings")
        smallest = step if smallest is None else min(smallest, step)
    return smallest


def overhead_ns(clock: Clock = perf_counter_ns, reads: int = 1000) -> float:
    """Return what one reading costs, in ns: back-to-back reads over their number."""
    start = clock()
    for _ in range(reads):
        clock()
    return (clock() - start) / (reads + 1)


def describe(clock: Clock = perf_counter_ns) -> dict[str, float]:
    """Return resolution and overhead as they go into a record."""
    return {"resolution_ns": resolution_ns(clock), "overhead_ns": round(overhead_ns(clock), 1)}
