"""What the records of chases say: the time of an access, and how many are under way at once."""

from __future__ import annotations

from accel.timing.records import CaseView
from accel.timing.stats import Interval

#: Clock cycles of a step of `accel.timing.roofs.chase.cycle_count`, where that is established.
CYCLES_OF_A_COUNT = {"x86_64": 6, "AMD64": 6}


def scaled(interval: Interval, factor: float) -> Interval:
    """Return an interval times a positive number."""
    value, low, high = (factor * part for part in interval[:3])
    return Interval(value, low, high, interval.coverage)


def quotient(over: Interval, under: Interval) -> Interval:
    """Return a ratio of two values that were not measured in turns.

    The worst of both: its ends are as far apart as the two intervals allow.
    """
    return Interval(
        over.value / under.value,
        over.low / under.high,
        over.high / under.low,
        min(over.coverage, under.coverage),
    )


def access_ns(case: CaseView, kernel: str = "chase") -> Interval:
    """Return the time of one access of a chase, in ns."""
    return scaled(case.time_ns(kernel), 1 / case.parameters["steps"])


def access_cycles(case: CaseView, architecture: str) -> Interval | None:
    """Return the time of one access in clock cycles, by the ruler run beside it.

    Parameters
    ----------
    case : CaseView
        Of the latency staircase.
    architecture : str
        Of the machine that measured it, as `accel.timing.machine.describe` names it.

    Returns
    -------
    Interval or None
        The ratio of neighbouring samples, times the cycles of a step of `cycle_count`;
        None where nobody has established how many those are.
    """
    cycles = CYCLES_OF_A_COUNT.get(architecture)
    return None if cycles is None else scaled(case.speedup("cycle_count", over="chase"), cycles)


def chain_counts(case: CaseView) -> list[int]:
    """Return the numbers of chains that were measured, in order."""
    names = [name for name in case.kernels if name.startswith("chains_")]
    return sorted(int(name.removeprefix("chains_")) for name in names)


def overlap(case: CaseView, chains: int) -> Interval:
    """Return how many times more accesses complete with several chains than with one.

    While latency is all that limits, this is the number of misses in flight at once:
    the memory-level parallelism that the core has used.
    """
    return case.speedup(f"chains_{chains}", over="chains_1")
