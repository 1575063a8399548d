"""Roofs are measured once per machine, and kept: where, for how long, and when anew.

Four measurements, each an experiment with a record of its own. A record of the last
build serves as well as one that was measured for the cache.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import platformdirs

from accel.timing import experiment, machine, records
from accel.timing.plan import PROFILES, Case, Plan, identity
from accel.timing.records import Record, RecordError
from accel.timing.roofs.cases import all_threads, bandwidth_cases, peak_cases


class RoofError(ValueError):
    """A roof is unknown, cannot be kept, or lies below a point; the message says which."""


@dataclass(frozen=True)
class Part:
    """One of the four measurements: what it is called here and in the book's results."""

    name: str
    in_results: str
    question: str
    cases: Callable[[], list[Case]]
    budget_s: float
    threads: bool = False  # all of them, not one
    warmup_s: float = 0.002  # enough where a call passes over its data many times

    def plan(self) -> Plan:
        """Return the plan of the standalone measurement: always the quick profile."""
        facts, quick = machine.describe(), PROFILES["quick"]
        threads = all_threads() if self.threads else 1
        return Plan(
            experiment=self.name,
            question=self.question,
            script="roofs",
            profile=quick.name,
            protocol=replace(quick.protocol, threads=threads, warmup_s=self.warmup_s),
            cases=tuple(self.cases()),
            budget_s=self.budget_s,
            machine=facts,
        )


def _latency_cases() -> list[Case]:
    from accel.timing.roofs import chase

    # The ruler of clock cycles beside each chase is for who wants cycles; here it is time.
    return [
        replace(case, kernels={case.baseline: case.kernels[case.baseline]})
        for case in chase.latency_cases(per_octave=1)
    ]


def _chain_cases() -> list[Case]:
    from accel.timing.roofs import chase

    return chase.chain_cases()


PEAK = Part(
    "roofs.peak", "roofs.peak", "How much arithmetic can it do?", peak_cases, 6, threads=True
)
BANDWIDTH = Part(
    "roofs.bandwidth", "roofs.bandwidth", "How many bytes can it bring?", bandwidth_cases, 12,
    threads=True,
)  # fmt: skip
LATENCY = Part(
    "roofs.latency", "mountain.latency", "How long is the way to memory?", _latency_cases, 8,
    warmup_s=0.03,  # a random walk takes long to come round
)  # fmt: skip
CHAINS = Part(
    "roofs.chains", "mountain.chains", "How many accesses are under way at once?", _chain_cases, 4
)
PARTS = (PEAK, BANDWIDTH, LATENCY, CHAINS)


def find(remeasure: bool = False, complete: bool = False) -> dict[str, Record | None]:
    """Return the record of each part by name; see `accel.timing.roofs.here`."""
    found: dict[str, Record | None] = {
        part.name: None if remeasure else _in_results(part) or _in_cache(part) for part in PARTS
    }
    needed = PARTS if complete or not (found[PEAK.name] and found[BANDWIDTH.name]) else ()
    missing = [part for part in needed if found[part.name] is None]
    return found | _measure(missing) if missing else found


def cache_folder() -> Path:
    """Return where the roofs of this machine are kept.

    Below ``$ACCEL_CACHE`` or else the user's cache folder, named after the fingerprint.
    """
    base = os.environ.get("ACCEL_CACHE") or platformdirs.user_cache_dir("accel")
    return Path(base) / "roofs" / identity()["fingerprint"]


def _in_results(part: Part) -> Record | None:
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


def _in_cache(part: Part) -> Record | None:
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


def _measure(parts: Sequence[Part]) -> dict[str, Record]:
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
