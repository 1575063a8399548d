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

import os
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import platformdirs

from accel.timing import experiment, machine, records
from accel.timing.plan import PROFILES, Case, Plan, identity
from accel.timing.records import CaseView, Record, RecordError
from accel.timing.stats import Interval
from accel.timing.words import listed

#: Ways to touch memory: see `accel.timing.probes`.
PROBES = ("load", "copy", "triad")

#: Chains of multiply-adds. Eight hide four cycles on two ports, as every x86-64 processor
#: since 2013 has at most; with the two operands, twelve still fit its sixteen registers.
#: Elsewhere there are thirty-two, and up to four ports.
CHAINS = {"x86_64": 12, "AMD64": 12}
CHAINS_ELSEWHERE = 16

#: Steps of a call: 1 ms or so in one thread; longer where threads have to be started, which
#: takes up to some 50 µs.
STEPS_ALONE, STEPS_TOGETHER = 2**18, 2**20

#: Bytes that each thread touches in a call, by far the most of its time in either case:
#: where the caches of a core may hold its share, and where they cannot.
NEAR_BYTES = 2 * 2**20
WORK_ALONE = 64 * 2**20
WORK_NEAR, WORK_FAR = 128 * 2**20, 32 * 2**20

#: Smallest footprint, and largest: beyond any cache that we know, on any machine we want
#: to be guests on.
SMALLEST, LARGEST = 8 * 2**10, 384 * 2**20


class RoofError(ValueError):
    """A roof is unknown, cannot be kept, or lies below a point; the message says which."""


def thread_counts(logical_cores: int | None) -> list[int]:
    """Return the numbers of threads to measure: powers of two, and all that there are."""
    most = logical_cores or 1
    powers = [2**k for k in range(most.bit_length()) if 2**k < most]
    return [*powers, most]


def peak_cases(facts: Mapping[str, Any] | None = None) -> list[Case]:
    """Return the cases of the arithmetic peak: each dtype, each number of threads.

    Their parameters are ``dtype``, ``threads``, ``steps``, ``widest`` (bits) and
    ``chains``; their kernels do the same work in registers of different widths, and the
    widest of this machine is the baseline. Run them with all threads allowed.

    Parameters
    ----------
    facts : mapping, optional
        Answer of `machine.describe`; that of this machine by default.
    """
    facts = facts or machine.describe()
    widest = facts["vector_bits"] or 128  # every 64-bit processor has as much
    chains = CHAINS.get(facts["architecture"], CHAINS_ELSEWHERE)
    counts = thread_counts(facts["logical_cores"])
    return [
        _peak_case(dtype, threads, widest, chains, ends=(counts[0], counts[-1]))
        for dtype in ("float32", "float64")
        for threads in counts
    ]


def _peak_case(dtype: str, threads: int, widest: int, chains: int, ends: tuple) -> Case:
    # Between one thread and all of them only the widest; numbers one by one in one thread.
    widths = [b for b in (512, 256, 128) if b == widest or (b < widest and threads in ends)]
    names = {f"bits_{bits}": (f"fma_{bits}", f"registers of {bits} bits") for bits in widths}
    if threads == 1:
        names["scalar"] = ("fma_scalar", "one number per instruction")
    steps = STEPS_ALONE if threads == 1 else STEPS_TOGETHER
    lanes = widest // (8 * _itemsize(dtype))
    return Case(
        operation="fma",
        parameters={
            "dtype": dtype, "threads": threads, "steps": steps, "widest": widest, "chains": chains,
        },
        inputs="accel.timing.probes:fma_inputs",
        oracle="accel.timing.probes:fma_oracle",
        kernels={name: _kernel(*entry) for name, entry in names.items()},
        baseline=f"bits_{widest}",
        flops=2 * lanes * chains * steps * threads,
    )  # fmt: skip


def _itemsize(dtype: str) -> int:
    return {"float32": 4, "float64": 8}[dtype]


def _kernel(function: str, story: str) -> dict[str, Any]:
    target = f"accel.timing.probes:{function}"
    return {"target": target, "adapt": None, "instrument": "compiled", "story": story}


def bandwidth_cases(facts: Mapping[str, Any] | None = None) -> list[Case]:
    """Return the cases of bandwidth: each probe over growing footprints.

    Their parameters are ``probe``, ``footprint_bytes``, ``threads`` and ``passes``; their
    operation and only kernel is the probe. In one thread half octaves of load, which the
    levels are found from, and octaves of copy and triad; in all threads every eighth
    size. They end at four times the last-level caches, an eighth of the memory,
    or `LARGEST`, whichever comes first. Run them with all threads allowed.

    Parameters
    ----------
    facts : mapping, optional
        Answer of `machine.describe`; that of this machine by default.
    """
    facts = facts or machine.describe()
    largest = min(4 * last_level_bytes(facts), (facts["memory_bytes"] or 2**32) // 8, LARGEST)
    everyone = thread_counts(facts["logical_cores"])[-1]
    grids = {(probe, 1): 2.0 for probe in PROBES} | {("load", 1): 2**0.5}
    if everyone > 1:
        grids |= {(probe, everyone): 8.0 for probe in PROBES}
    return [
        _bandwidth_case(probe, footprint, threads)
        for (probe, threads), factor in grids.items()
        for footprint in _grid(SMALLEST * threads, largest, factor)
    ]


def last_level_bytes(facts: Mapping[str, Any]) -> int:
    """Return the size of all last-level caches together; 32 MiB where it is unknown."""
    known = [cache for cache in facts["caches"] or [] if cache["size_bytes"] and cache["level"]]
    last = max((cache["level"] for cache in known), default=0)
    sizes = [
        # Several groups of cores have one each.
        cache["size_bytes"] * -(-(cache["cpus"] or 1) // (cache["shared_by"] or 1))
        for cache in known
        if cache["level"] == last
    ]
    return sum(sizes) or 32 * 2**20


def _grid(smallest: int, largest: int, factor: float) -> list[int]:
    """Return sizes down from the largest, each a factor below the last; smallest first."""
    sizes, size = [], float(largest)
    while size >= 0.999 * smallest or not sizes:  # powers of the factor are not exact
        sizes.insert(0, round(size))
        size /= factor
    return sizes


def _bandwidth_case(probe: str, wanted_bytes: int, threads: int) -> Case:
    # As `probes.elements`, which cannot be imported here without loading a compiler.
    arrays = PROBES.index(probe) + 1
    footprint = max(32, round(wanted_bytes / (8 * arrays * 32)) * 32) * 8 * arrays
    if threads == 1:
        work = WORK_ALONE
    else:
        work = threads * (WORK_NEAR if footprint <= threads * NEAR_BYTES else WORK_FAR)
    passes = max(1, work // footprint)
    stories = {"load": "sum an array", "copy": "copy an array", "triad": "z = 3 x + y"}
    return Case(
        operation=probe,
        parameters={
            "probe": probe, "footprint_bytes": footprint, "threads": threads, "passes": passes,
        },
        inputs="accel.timing.probes:traffic_inputs",
        oracle=f"accel.timing.probes:{probe}_oracle",
        kernels={probe: _kernel(probe, stories[probe])},
        baseline=probe,
        compulsory_bytes=passes * footprint,
    )  # fmt: skip


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
        Probe -> GB/s.
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
            _require(record, "chase", ("footprint",))
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
        probe : {"load", "copy", "triad"}, optional
            By default the best of them.
        threads : int

        Raises
        ------
        RoofError
            If the probe or the number of threads was not measured.
        """
        if probe is None:
            found = [self.bandwidth_gbs(footprint_bytes, each, threads) for each in PROBES]
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
            if case.operation == probe and case.parameters["threads"] == threads
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
        from accel.timing import chase

        if self.latency is None:
            raise RoofError(
                "latency was not measured with these roofs; `accel machine --roofs` measures it"
            )
        found = {c.parameters["footprint"]: chase.access_ns(c) for c in self.latency.cases}
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
        from accel.timing import levels

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
        footprint = max(self.curve("load")) if capacity is None else round(0.75 * capacity)
        return LevelRoof(
            name,
            capacity,
            footprint,
            {probe: self.bandwidth_gbs(footprint, probe) for probe in PROBES},
            None if self.latency is None else self.latency_ns(footprint),
        )


def _inverse(rate: Interval) -> Interval:
    return Interval(1 / rate.value, 1 / rate.high, 1 / rate.low, rate.coverage)


def level_names(ends: Sequence[int], stated: Mapping[int, int]) -> list[str]:
    """Return what to call the levels that end at these sizes, and the one after them.

    Parameters
    ----------
    ends : sequence of int
        Capacities in bytes, as a curve shows them, rising.
    stated : mapping of int to int
        Number of a cache to its bytes, as the system states them. A cache has the name of
        the first level that ends at half its size or later.

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
    return [
        listed(names) if names else f"level {place}" for place, names in enumerate(members, start=1)
    ]


def _step(curve: Mapping[int, Interval], footprint_bytes: float) -> Interval:
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


# Measured once, and kept


@dataclass(frozen=True)
class _Part:
    """One of the four measurements: what it is called here and in the book's results."""

    name: str
    in_results: str
    question: str
    cases: Callable[[], list[Case]]
    budget_s: float
    threads: bool = False  # all of them, not one

    def plan(self) -> Plan:
        """Return the plan of the standalone measurement: always the quick profile."""
        facts, quick = machine.describe(), PROFILES["quick"]
        most = thread_counts(facts["logical_cores"])[-1] if self.threads else 1
        changes = {"threads": most, "warmup_s": 0.002}
        return Plan(
            experiment=self.name,
            question=self.question,
            script="roofs",
            profile=quick.name,
            protocol=experiment.replace(quick.protocol, **changes),
            cases=tuple(self.cases()),
            budget_s=self.budget_s,
            machine=facts,
        )


def _latency_cases() -> list[Case]:
    from accel.timing import chase

    return chase.latency_cases(per_octave=1)


def _chain_cases() -> list[Case]:
    from accel.timing import chase

    return chase.chain_cases()


_PEAK = _Part(
    "roofs.peak", "roofs.peak", "How much arithmetic can it do?", peak_cases, 6, threads=True
)
_BANDWIDTH = _Part(
    "roofs.bandwidth", "roofs.bandwidth", "How many bytes can it bring?", bandwidth_cases, 12,
    threads=True,
)  # fmt: skip
_LATENCY = _Part(
    "roofs.latency", "mountain.latency", "How long is the way to memory?", _latency_cases, 8
)
_CHAINS = _Part(
    "roofs.chains", "mountain.chains", "How many accesses are under way at once?", _chain_cases, 4
)
_PARTS = (_PEAK, _BANDWIDTH, _LATENCY, _CHAINS)


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
    found: dict[str, Record | None] = {
        part.name: None if remeasure else _in_results(part) or _in_cache(part) for part in _PARTS
    }
    needed = _PARTS if complete or not (found[_PEAK.name] and found[_BANDWIDTH.name]) else ()
    missing = [part for part in needed if found[part.name] is None]
    if missing:
        found |= _measure(missing)
    return Roofs(*(found[part.name] for part in _PARTS))


def cache_folder() -> Path:
    """Return where the roofs of this machine are kept.

    Below ``$ACCEL_CACHE`` or else the user's cache folder, named after the fingerprint.
    """
    base = os.environ.get("ACCEL_CACHE") or platformdirs.user_cache_dir("accel")
    return Path(base) / "roofs" / identity()["fingerprint"]


def _in_results(part: _Part) -> Record | None:
    """Return the record of the last build if it can be used here."""
    if not records.path_of(part.in_results).exists():
        return None
    try:
        record = records.load(part.in_results)
    except RecordError as error:
        _say(f"the record of the last build is of no use: {error}")
        return None
    if record.fingerprint != identity()["fingerprint"]:
        _say(f"the last build's {part.in_results} is of another machine, or other libraries")
        return None
    return record


def _in_cache(part: _Part) -> Record | None:
    """Return what is kept if it is what would be measured now; say why if it is not."""
    folder = cache_folder()
    if not records.path_of(part.name, folder).exists():
        return None
    try:
        record = records.load(part.name, folder)
    except RecordError as error:
        _say(f"what was kept is of no use: {error}")
        return None
    if record.fingerprint != identity()["fingerprint"]:
        _say(f"what was kept as {part.name} is of another machine, or other libraries")
        return None
    if record.data["sources"].get("definition") != part.plan().digest():
        _say(f"what was kept as {part.name} was measured with other probes or on other CPUs")
        return None
    return record


def _measure(parts: list[_Part]) -> dict[str, Record]:
    """Measure into the cache, after making sure that it can be written."""
    folder = cache_folder()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        records.replace_text(folder / "writable", "")
        (folder / "writable").unlink()
    except OSError as error:
        raise RoofError(
            f"the roofs cannot be kept in {folder}: {error.strerror}; set ACCEL_CACHE to a folder "
            "that can be written"
        ) from None
    _say("measuring the roofs of this machine, once; it takes most of a minute ...")
    begun = time.monotonic()
    measured = {part.name: experiment.run(part.plan(), folder) for part in parts}
    _say(f"measured in {time.monotonic() - begun:.0f} s, and kept in {folder}")
    return measured


def _say(line: str) -> None:
    print(f"roofs: {line}", file=sys.stderr)
