"""One sample: call a function often enough for the clock, and nothing else.

A sample is the time of `loops` calls in a row. What must not be timed happens
between samples, off the clock: restoring arguments that the function changed,
walking the caches cold, counting how often the scheduler took the core away.
"""

from __future__ import annotations

import gc
import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from itertools import repeat

import numpy as np

from accel.timing import clock as clocks
from accel.timing.clock import Clock, forward, perf_counter_ns
from accel.timing.stats import median


def sample_ns(
    function: Callable, arguments: Sequence, loops: int, clock: Clock = perf_counter_ns
) -> int:
    """Return the time of `loops` calls of ``function(*arguments)``, in ns."""
    turns = repeat(None, loops)
    start = clock()
    for _ in turns:
        function(*arguments)
    return forward(clock() - start)


def restore(arguments: Sequence, pristine: Sequence[np.ndarray | None]) -> None:
    """Put back what a function changed.

    Parameters
    ----------
    pristine : sequence
        For each argument a copy of what it held at first, or None if the
        function does not change it.
    """
    for argument, original in zip(arguments, pristine, strict=True):
        if original is not None:
            np.copyto(argument, original)


def sample_restored_ns(
    function: Callable,
    arguments: Sequence,
    pristine: Sequence[np.ndarray | None],
    loops: int,
    clock: Clock = perf_counter_ns,
) -> int:
    """Like `sample_ns`, but `restore` before every call, off the clock."""
    elapsed = 0
    for _ in repeat(None, loops):
        restore(arguments, pristine)
        start = clock()
        function(*arguments)
        elapsed += forward(clock() - start)
    return elapsed


def loop_overhead_ns(clock: Clock = perf_counter_ns, samples: int = 1001) -> float:
    """Return what a sample of one call contains beside the call and the clock, in ns.

    The median sample of a function that does nothing, less what reading the clock
    costs. It holds the call of an empty function too, which every Python kernel
    pays, so it is an upper bound of what the loop adds.
    """
    readings = [sample_ns(_nothing, (), 1, clock) for _ in range(samples)]
    return max(0.0, median(readings) - clocks.overhead_ns(clock))


def _nothing() -> None:
    pass


def describe_clock(clock: Clock = perf_counter_ns) -> dict[str, float]:
    """Return what the clock sees and what using it costs, as they go into a record."""
    return {
        "resolution_ns": clocks.resolution_ns(clock),
        "overhead_ns": round(clocks.overhead_ns(clock), 1),
        "loop_overhead_ns": round(loop_overhead_ns(clock), 1),
    }


def calibrate(sample: Callable[[int], int], target_ns: float, most: int = 2**40) -> int:
    """Return how many calls one sample needs to last at least `target_ns`.

    Parameters
    ----------
    sample : callable
        ``sample(loops) -> ns``.
    target_ns : float
        Shortest acceptable sample.
    most : int
        Never more calls than this.

    Notes
    -----
    A count is accepted only when two readings in a row reach the target: a
    single reading can be long because the scheduler took the core away, and the
    search would stop at a count far too small.
    """
    loops = 1
    while loops < most:
        elapsed = sample(loops)
        if elapsed >= target_ns:
            elapsed = sample(loops)
            if elapsed >= target_ns:
                return loops
        # Aim a tenth above the target; never more than tenfold from one reading.
        wanted = math.ceil(1.1 * loops * target_ns / max(elapsed, 1))
        loops = min(most, max(loops + 1, min(wanted, 10 * loops)))
    return loops


def aligned(loops: Sequence[int], baseline: int = 0) -> list[int]:
    """Return loop counts that are equal wherever kernels are about as fast as the baseline.

    Times have a tail to the slow side. A sample of more calls averages more of it, so its
    median lies a little higher: two equal functions that were calibrated apart, in one
    process to seven calls and in another to eight, would differ by that in every process
    alike. Counts within a factor of one and a half of the baseline's become the largest
    of them. Kernels further apart keep theirs: there is more between them than a tail.

    Parameters
    ----------
    loops : sequence of int
        As `calibrate` found them.
    baseline : int
        Which of them is the baseline's.
    """
    own = loops[baseline]
    near = [2 * count <= 3 * own and 2 * own <= 3 * count for count in loops]
    shared = max(count for count, is_near in zip(loops, near, strict=True) if is_near)
    return [shared if is_near else count for count, is_near in zip(loops, near, strict=True)]


def warm_up(sample: Callable[[int], int], seconds: float, clock: Clock = perf_counter_ns) -> None:
    """Call until `seconds` have passed: by time, since a count suits no two kernels."""
    start = clock()
    while forward(clock() - start) < seconds * 1e9:
        sample(1)


@contextmanager
def garbage_collector_off() -> Iterator[None]:
    """Collect once, then keep the collector from running inside timed loops."""
    gc.collect()
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()


def eviction_buffer(last_level_bytes: int) -> np.ndarray:
    """Return an array twice as large as the last-level cache."""
    return np.zeros(max(1, 2 * last_level_bytes // 8), dtype=np.int64)


def evict(buffer: np.ndarray) -> None:
    """Write one element of every 64-byte line of `buffer`: what was cached is gone."""
    buffer[::8] += 1
