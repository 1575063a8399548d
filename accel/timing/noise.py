"""The noise floor: what this machine, today, calls a difference between equals.

The baseline enters every comparison twice. Its speed-up over itself is 1 by
construction; whatever is measured instead is the resolution of the experiment.
No claim finer than that is made.
"""

from __future__ import annotations

from collections.abc import Sequence

from accel.timing.stats import Interval

VERDICTS = ("faster", "slower", "not resolved", "unstable")

#: An A/A interval that misses 1 by less than this costs resolution, not the case:
#: six coins miss in 1 of 32 experiments by chance alone, and the floor already
#: absorbs the miss. Beyond it something favours a position, and nothing is trusted.
LARGEST_BIAS = 0.01

#: Share of time that a hypervisor may give to others.
LARGEST_STEAL = 0.01

#: Share of samples in which the scheduler may take the core away ...
LARGEST_DISTURBED = 0.20

#: ... where a sample counts as disturbed above this rate. A long sample always
#: meets a few switches, and one switch in 100 ms costs it nothing measurable.
SWITCHES_PER_SECOND = 10


def floor(again: Interval) -> float:
    """Return the largest factor, at least 1, that separates the A/A interval from 1.

    Parameters
    ----------
    again : Interval
        Speed-up of the baseline over itself.
    """
    return max(again.high, 1 / again.low, 1.0)


def verdict(speedup: Interval, again: Interval, stable: bool = True) -> str:
    """Return what may be said about a speed-up.

    Returns
    -------
    str
        "faster" or "slower" if the whole interval clears the noise floor,
        "not resolved" if it does not, "unstable" if the case must not be used.
    """
    if not stable:
        return "unstable"
    if speedup.low > floor(again):
        return "faster"
    if speedup.high < 1 / floor(again):
        return "slower"
    return "not resolved"


def disturbed_share(durations_ns: Sequence[float], switches: Sequence[int]) -> float:
    """Return the share of samples in which the core was taken away noticeably.

    Parameters
    ----------
    durations_ns : sequence of float
        Length of each sample.
    switches : sequence of int
        Involuntary context switches during each sample.
    """
    if not durations_ns:
        return 0.0
    disturbed = sum(
        count > duration * 1e-9 * SWITCHES_PER_SECOND
        for duration, count in zip(durations_ns, switches, strict=True)
    )
    return disturbed / len(durations_ns)


def complaints(again: Interval, steal: float | None, disturbed: float | None) -> list[str]:
    """Return, in words, why a case is not stable; empty if it is.

    Parameters
    ----------
    again : Interval
        Speed-up of the baseline over itself.
    steal : float or None
        Share of time that the hypervisor gave to others; None if unknown.
    disturbed : float or None
        Share of disturbed samples; None if unknown, or if no core was left for others.
    """
    found = []
    if again.low > 1 + LARGEST_BIAS or again.high < 1 / (1 + LARGEST_BIAS):
        found.append(
            f"the baseline differs from itself: {again.value:.3f} "
            f"({again.low:.3f}–{again.high:.3f})"
        )
    if steal is not None and steal > LARGEST_STEAL:
        found.append(f"the hypervisor took {steal:.1%} of the time")
    if disturbed is not None and disturbed > LARGEST_DISTURBED:
        found.append(f"the scheduler interrupted {disturbed:.0%} of the samples")
    return found
