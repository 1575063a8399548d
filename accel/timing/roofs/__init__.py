"""Roofs: the most that this machine can do, measured, so that a rate can be judged.

"Forty billion operations a second" is neither fast nor slow; a third of what the machine
can do is slow. Four measurements say what it can do: the peak of its arithmetic, the
bandwidth of each level of its memory, the latency of one access, and how many accesses
it keeps in flight at once. They take most of a minute, and belong to a machine, not to
an experiment: so they are kept, per machine fingerprint, and measured again on demand.

Source
------
Williams, Waterman and Patterson, "Roofline: an insightful visual performance model for
multicore architectures", *Communications of the ACM* 52 (2009).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from accel.timing import records
from accel.timing.records import CaseView, Record
from accel.timing.roofs import keeping
from accel.timing.roofs.cases import PROBES, all_threads, bandwidth_cases, peak_cases
from accel.timing.roofs.keeping import RoofError
from accel.timing.roofs.latency import access_ns
from accel.timing.stats import Interval
from accel.timing.words import listed

__all__ = [
    "PROBES",
    "LevelRoof",
    "RoofError",
    "Roofs",
    "all_threads",
    "bandwidth_cases",
    "here",
    "level_names",
    "peak_cases",
]


@dataclass(frozen=True)
class LevelRoof:
    """What one level of memory gives to one thread.

    Parameters
    ----------
    name : str
        ``L1``, ``L2 and L3``, ``memory``: see `level_names`.
    capacity_bytes : int or None
        Up to where it reaches, found from the curve; None for memory.
    footprint_bytes : int
        Where it was looked at: well inside.
    bandwidth : dict of str to Interval
        Probe -> GB/s, of those that were measured there.
    latency : Interval or None
        In ns; None where latency was not measured.
    """

    name: str
    capacity_bytes: int | None
    footprint_bytes: int
    bandwidth: Mapping[str, Interval]
    latency: Interval | None


@dataclass(frozen=True)
class Roofs:
    """The measured ceilings of a machine; see `here`.

    Parameters
    ----------
    peak, bandwidth : Record
        Of `peak_cases` and `bandwidth_cases`.
    latency, chains : Record or None
        Of `chase.latency_cases` and `chase.chain_cases`, where measured.

    Raises
    ------
    RoofError
        If a record holds no such cases, or is of another machine than the first.
    """

    peak: Record
    bandwidth: Record
    latency: Record | None = None
    chains: Record | None = None

    def __post_init__(self):
        _require(self.peak, "fma", ("dtype", "threads"))
        _require(self.bandwidth, "load", ("footprint_bytes", "threads"))
        for record in filter(None, (self.latency, self.chains)):
            _require(record, "chase", ("footprint", "steps"))
        for record in filter(None, (self.bandwidth, self.latency, self.chains)):
            if record.fingerprint != self.fingerprint:
                raise RoofError(
                    f"{record.experiment} is of machine {record.fingerprint}, "
                    f"{self.peak.experiment} of {self.fingerprint}; measure both on one"
                )

    @property
    def fingerprint(self) -> str:
        return self.peak.fingerprint

    @property
    def created(self) -> str:
        """When the oldest of the records was made, in UTC, ISO 8601."""
        present = filter(None, (self.peak, self.bandwidth, self.latency, self.chains))
        return min(record.created for record in present)

    def peak_gflops(self, dtype: str = "float32", threads: int = 1) -> Interval:
        """Return the arithmetic peak in GFLOP/s, in the widest vector registers.

        Raises
        ------
        RoofError
            If this dtype or number of threads was not measured.
        """
        case = _find(self.peak, dtype=dtype, threads=threads)
        return case.gflops(case.baseline)

    def fastest_gflops(self, dtype: str = "float32", threads: int = 1) -> float:
        """Return the arithmetic rate of the fastest sample, in GFLOP/s; see `fastest_gbs`."""
        case = _find(self.peak, dtype=dtype, threads=threads)
        return max(case.flops / case.fastest_ns(kernel) for kernel in case.kernels)

    def fastest_gbs(self, footprint_bytes: float, threads: int = 1) -> float:
        """Return the bandwidth of the fastest sample of any probe at a footprint, in GB/s.

        Whatever disturbs a probe makes it slower. A kernel that is faster than the
        median probe may only have met a quieter minute; one that is faster than the best
        that any probe ever did has been credited with work it does not do.
        """
        return max(
            _step(self._fastest(probe, threads), footprint_bytes) for probe in self.probes(threads)
        )

    def probes(self, threads: int = 1) -> list[str]:
        """Return the ways to touch memory that were measured in so many threads."""
        return [
            probe
            for probe in PROBES
            if any(_walks(case, probe, threads) for case in self.bandwidth.cases)
        ]

    def _fastest(self, probe: str, threads: int) -> dict[int, float]:
        found = {
            case.parameters["footprint_bytes"]: case.compulsory_bytes
            / case.fastest_ns(case.baseline)
            for case in self.bandwidth.cases
            if _walks(case, probe, threads)
        }
        return dict(sorted(found.items()))

    def bandwidth_gbs(
        self, footprint_bytes: float, probe: str | None = None, threads: int = 1
    ) -> Interval:
        """Return the bandwidth of the memory that holds a footprint, in GB/s.

        A step function: the value at the largest measured footprint that is not above
        the one asked for, or at the smallest measured. Bandwidth falls as footprints
        grow, so between two points the roof may be too high, and is never too low.

        Parameters
        ----------
        footprint_bytes : float
            All bytes that are touched, by all threads.
        probe : {"load", "copy", "triad", "streaming"}, optional
            By default the best of those measured.
        threads : int

        Raises
        ------
        RoofError
            If the probe or the number of threads was not measured.
        """
        if probe is None:
            measured = self.probes(threads) or [PROBES[0]]  # none: the error names what there is
            found = [self.bandwidth_gbs(footprint_bytes, each, threads) for each in measured]
            return max(found, key=lambda interval: interval.value)
        return _step(self.curve(probe, threads), footprint_bytes)

    def curve(self, probe: str, threads: int = 1) -> dict[int, Interval]:
        """Return the GB/s at each measured footprint, smallest footprint first.

        Raises
        ------
        RoofError
            If the probe or the number of threads was not measured.
        """
        found = {
            case.parameters["footprint_bytes"]: case.gigabytes_per_second(case.baseline)
            for case in self.bandwidth.cases
            if _walks(case, probe, threads)
        }
        if not found:
            raise _unknown(self.bandwidth, {"probe": probe, "threads": threads})
        return dict(sorted(found.items()))

    def latency_ns(self, footprint_bytes: float) -> Interval:
        """Return the time of one access within a footprint, in ns; steps as in `bandwidth_gbs`.

        Raises
        ------
        RoofError
            If latency was not measured.
        """
        return _step(self._latencies(), footprint_bytes)

    def _latencies(self) -> dict[int, Interval]:
        if self.latency is None:
            raise RoofError(
                "latency was not measured with these roofs; `accel machine --roofs` measures it"
            )
        found = {
            case.parameters["footprint"]: access_ns(case) for case in self.latency.cases
        }
        return dict(sorted(found.items()))

    def threads(self) -> list[int]:
        """Return the numbers of threads with a measured peak, fewest first."""
        return sorted({case.parameters["threads"] for case in self.peak.cases})

    def levels(self) -> list[LevelRoof]:
        """Return each level of memory, nearest first.

        Where one ends is found from a curve: the staircase of latency, or that of load,
        if it shows more levels or latency was not measured. What neither can tell apart is
        one level here; names come from the caches that the system states.
        """
        from accel.timing.roofs import levels

        curves = [] if self.latency is None else [self._latencies()]
        # Time per byte rises with the footprint, as a staircase should.
        load = self.curve("load")
        curves.append({size: _inverse(speed) for size, speed in load.items()})
        found = max(
            (levels.find(list(curve), [time.value for time in curve.values()]) for curve in curves),
            key=len,
        )
        ends = [round(level.capacity_bytes.value) for level in found[:-1]]
        names = level_names(ends, levels.cache_sizes(self.bandwidth.machine))
        return [self._level(*each) for each in zip(names, [*ends, None], strict=True)]

    def _level(self, name: str, capacity: int | None) -> LevelRoof:
        # Well inside: a level shares its last part with what else the machine keeps there.
        footprint = max(self.curve("load")) if capacity is None else capacity // 2
        return LevelRoof(
            name,
            capacity,
            footprint,
            {
                probe: self.bandwidth_gbs(footprint, probe)
                for probe in self.probes()
                if footprint >= min(self.curve(probe))
            },
            None if self.latency is None else self.latency_ns(footprint),
        )


def _walks(case: CaseView, probe: str, threads: int) -> bool:
    return case.operation == probe and case.parameters["threads"] == threads


def _inverse(rate: Interval) -> Interval:
    return Interval(1 / rate.value, 1 / rate.high, 1 / rate.low, rate.coverage)


def level_names(ends: Sequence[int], stated: Mapping[int, int]) -> list[str]:
    """Return what to call the levels that end at these sizes, and the one after them.

    Parameters
    ----------
    ends : sequence of int
        Capacities in bytes, as a curve shows them, rising.
    stated : mapping of int to int
        Number of a cache to its bytes, as the system states them. A cache gives its name
        to the first level that ends at half its size or later.

    Returns
    -------
    list of str
        One more than there are ends: ``["L1", "L2 and L3", "memory"]``.
    """
    members: list[list[str]] = [[] for _ in range(len(ends) + 1)]
    for number, size in sorted(stated.items()):
        place = next((i for i, end in enumerate(ends) if 2 * end >= size), len(ends))
        members[place].append(f"L{number}")
    members[-1].append("memory")
    names: list[str] = []
    for place in range(len(members)):
        # A step inside a cache is often that of a smaller one, which holds translations.
        whole = next(later[0] for later in members[place:] if later)
        inside = f"part of {whole}" if stated else f"level {place + 1}"
        names.append(listed(members[place]) if members[place] else inside)
    return names


def _step(curve: Mapping[int, Any], footprint_bytes: float) -> Any:
    """Return the value at the last key not above the footprint, or at the first."""
    below = [size for size in curve if size <= footprint_bytes]
    return curve[below[-1] if below else next(iter(curve))]


def _find(record: Record, **parameters: Any) -> CaseView:
    try:
        return record.case(**parameters)
    except KeyError:
        raise _unknown(record, parameters) from None


def _unknown(record: Record, parameters: Mapping[str, Any]) -> RoofError:
    names = list(parameters)
    known = {
        records.describe_parameters({name: case.parameters.get(name) for name in names})
        for case in record.cases
    }
    return RoofError(
        f"{record.experiment}: no roof for {records.describe_parameters(parameters)}; "
        f"there are {'; '.join(sorted(known))}"
    )


def _require(record: Record, operation: str, parameters: tuple[str, ...]) -> None:
    """Raise unless a record has a case of this operation, and these parameters in every case."""
    operations = {case.operation for case in record.cases}
    if operation not in operations or any(
        name not in case.parameters for case in record.cases for name in parameters
    ):
        raise RoofError(
            f"{record.experiment}: expected cases of {operation!r} with parameters "
            f"{', '.join(parameters)}, got {', '.join(sorted(operations))}; measure the roofs again"
        )


def here(remeasure: bool = False, complete: bool = False) -> Roofs:
    """Return the roofs of this machine; measure them if nobody has.

    Peak and bandwidth are taken from this build's results if they are there and of this
    machine, else from the cache of this user, else measured into it. Says on standard
    error what it measures, and why anything that was there is of no use.

    Parameters
    ----------
    remeasure : bool
        Measure everything again, whatever is there.
    complete : bool
        Measure latency and chains too where nobody has. By default they are only taken
        along, and measured together with the rest where that has to be measured.

    Raises
    ------
    RoofError
        If the cache cannot be written.
    MeasurementError
        If a probe fails.

    Cost
    ----
    Nothing where there are records; less than a minute otherwise.
    """
    found = keeping.find(remeasure, complete)
    return Roofs(*(found[part.name] for part in keeping.PARTS))
