"""Numbers of a run's cases: ratios to rivals, shares of roofs."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from accel.bench.planning import OURS
from accel.bench.results import Measured
from accel.kernels import ladder
from accel.kernels.registry import FAMILIES
from accel.timing.cost import bound, of, share_of_roof
from accel.timing.roofs import RoofError, Roofs
from accel.timing.stats import Interval
from accel.timing.words import NO_BREAK, number

#: Probes that write as well as read, as these operations do.
WRITING = ("copy", "triad", "streaming")


@dataclass(frozen=True)
class Point:
    """One number of one case."""

    label: str
    value: float


def geometric_mean(values: Sequence[float]) -> float:
    """Return the geometric mean, the mean of ratios that no choice of numerator changes.

    Raises
    ------
    ValueError
        If there are no values.
    """
    if not values:
        raise ValueError("a geometric mean needs at least one value, got none")
    return math.exp(sum(map(math.log, values)) / len(values))


def label(measured: Measured) -> str:
    """Return a case in words: ``relu, n=4096, dtype=float32``."""
    entry = measured.entry
    many = f", {entry.threads} threads" if entry.threads > 1 else ""
    return f"{entry.operation}, {measured.case.label}{many}"


def ratios(cases: Iterable[Measured], rival: str) -> list[Point]:
    """Return the speed-up over a rival in each case that has it and was stable."""
    return [
        Point(label(each), each.case.speedup(OURS, rival).value)
        for each in cases
        if rival in each.case.kernels and each.case.stable
    ]


def does_what_is_declared(operation: str, name: str) -> bool:
    """Tell whether a kernel does the arithmetic that its operation declares.

    One that does less, such as Winograd's convolution, is credited with work that it has
    found a way around: its rate may pass every roof, and says nothing about the machine.
    """
    if operation not in FAMILIES:  # of another version, kept in a file
        return True
    return all("fewer_flops" not in step.tags for step in ladder(operation) if step.name == name)


def roof_share(measured: Measured, roofs: Roofs | None) -> Interval | None:
    """Return what our kernel reached of the roof above a case; None where there is none.

    Below the slanted part of the roof, or without FLOPs, it is a share of bandwidth.

    Raises
    ------
    RoofError
        If it lies above: then a declared count, or the roof, is wrong.
    """
    case, threads = measured.case, measured.entry.threads
    if roofs is None or case.compulsory_bytes == 0 or threads not in roofs.threads():
        return None
    if not does_what_is_declared(case.operation, measured.entry.kernel):
        return None
    if case.flops and measured.entry.dtype not in ("float32", "float64"):
        return None
    if case.flops and bound(of(case), roofs, measured.entry.dtype, threads) == "arithmetic":
        return share_of_roof(case, OURS, roofs, threads)
    bandwidth = roofs.bandwidth_gbs(case.compulsory_bytes, threads=threads)
    return _over(case.gigabytes_per_second(OURS), bandwidth)


def writing_share(measured: Measured, roofs: Roofs) -> Interval:
    """Return the share of the best bandwidth of a probe that reads and writes."""
    case, threads = measured.case, measured.entry.threads
    found = [
        roofs.bandwidth_gbs(case.compulsory_bytes, probe, threads)
        for probe in roofs.probes(threads)
        if probe in WRITING
    ]
    best = max(found, key=lambda interval: interval.value)
    return _over(case.gigabytes_per_second(OURS), best)


def _over(reached: Interval, roof: Interval) -> Interval:
    coverage = max(0.0, reached.coverage + roof.coverage - 1)
    return Interval(
        reached.value / roof.value, reached.low / roof.high, reached.high / roof.low, coverage
    )


def peak_share(measured: Measured, roofs: Roofs) -> float:
    """Return the share of the arithmetic peak, whichever roof is the lower one."""
    entry = measured.entry
    peak = roofs.peak_gflops(entry.dtype, entry.threads).value
    return measured.case.gflops(OURS).value / peak


def percent(share: float) -> str:
    """Return a share as ``91.2 %``."""
    return f"{number(100 * share)}{NO_BREAK}%"


def share_or_reason(measured: Measured, roofs: Roofs | None) -> str:
    """Return the share of the roof in words, or that it cannot be right."""
    try:
        share = roof_share(measured, roofs)
    except RoofError:
        return "above it"
    return "–" if share is None else percent(share.value)
