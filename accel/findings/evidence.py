"""What a claim can be held against: a speed-up, the time of an access, the size of a cache.

Each kind of evidence reads one record, and turns it into findings: a value with an
interval, what it belongs to, and whether it may be used. Judging them is left to
`accel.findings.claims`.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar, NamedTuple

from accel.findings import mountain
from accel.timing import words
from accel.timing.records import CaseView, Record
from accel.timing.roofs import latency, levels
from accel.timing.roofs.levels import size_words
from accel.timing.stats import Interval

#: A footprint lies well inside a level if it is at most this share of it, and at least
#: as many times the level before: near the ends, accesses go to both.
WELL_INSIDE = 2

#: "About" a size, in a claim: within this share of it.
ABOUT = 0.25


class ClaimError(ValueError):
    """The list of claims asks for something that is not there; the message says what."""


class Finding(NamedTuple):
    """What was measured in one case, and whether it may be used.

    `detail` is shown beside the label and decides nothing.
    """

    label: str
    interval: Interval
    verdict: str
    detail: str = ""


class Quantity(NamedTuple):
    """What a claimed range is a range of, and how one speaks of it.

    `inside`, `above` and `below` open the sentence for findings that all lie there; `at`
    leads from a value to its label; `reference` is a value that charts always show, or None.
    """

    header: str
    words: Callable[[float], str]
    claimed: Callable[[float, float], str]
    above: str
    below: str
    inside: str = "The range {claimed} holds in every case measured"
    at: str = "at "
    reference: float | None = None


def cycles(value: float) -> str:
    """Return a number of clock cycles: ``5.02 cycles``."""
    return f"{words.number(value)}{words.NO_BREAK}cycles"


SPEEDUP = Quantity(
    "Speed-up",
    words.factor,
    words.claimed_range,
    "Every case measured gains more than {claimed}",
    "No case measured reaches {claimed}",
    reference=1.0,
)
LATENCY = Quantity(
    "Time of an access",
    cycles,
    lambda low, high: f"{low:g}–{high:g}{words.NO_BREAK}cycles",
    "Every case measured takes longer than {claimed}",
    "Every case measured takes less than {claimed}",
)
SIZE = Quantity(
    "Size",
    size_words,
    lambda low, high: f"about {size_words((low + high) / 2)}",
    "It is larger than {claimed}",
    "It is smaller than {claimed}",
    inside="It is {claimed}",
    at="",
)


@dataclass(frozen=True)
class Comparison:
    """A kernel over another, case by case.

    Parameters
    ----------
    title : str
        What is compared, in words.
    experiment, kernel, over : str
        Record, the optimised kernel, and the one it is compared with.
    along : str
        The parameter that names a case.
    """

    quantity: ClassVar[Quantity] = SPEEDUP

    title: str
    experiment: str
    kernel: str
    over: str
    along: str = "n"

    @property
    def note(self) -> str:
        """What exactly is compared; backquotes mark code."""
        return f"`{self.kernel}` over `{self.over}`"

    def missing(self, record: Record) -> str:
        """Return why a record has no findings: here it always has some."""
        return ""

    def findings(self, record: Record) -> list[Finding]:
        """Return what a record has to say, a finding per case that has both kernels.

        Raises
        ------
        ClaimError
            If no case has both.
        """
        both = [
            case
            for case in record.cases
            if {self.kernel, self.over} <= set(case.kernels) and self.along in case.parameters
        ]
        if not both:
            known = sorted({kernel for case in record.cases for kernel in case.kernels})
            raise ClaimError(
                f"{self.experiment}: no case has {self.kernel!r}, {self.over!r} and "
                f"{self.along!r}; its kernels are {', '.join(known)}"
            )
        return [
            Finding(
                words.unbroken(f"{self.along} = {words.count(case.parameters[self.along])}"),
                case.speedup(self.kernel, self.over),
                case.verdict(self.kernel, self.over),
            )
            for case in both
        ]


@dataclass(frozen=True)
class Latency:
    """The time of a dependent access within a level of memory, in clock cycles.

    Only footprints well inside the level count: at most half of it, and at least twice
    the cache before. Which those are follows from the sizes that the system states; a
    cache counts only if the staircase has a step there too, since a virtual machine states
    sizes that it shares with others, and may not get.

    Parameters
    ----------
    title, experiment : str
        In words; and the record of a latency staircase.
    level : int
        Number of the cache; 0 for memory, beyond the last one.
    """

    quantity: ClassVar[Quantity] = LATENCY

    title: str
    experiment: str
    level: int

    def __post_init__(self):
        if not (isinstance(self.level, int) and self.level >= 0):
            raise ValueError(f"level {self.level!r}, expected the number of a cache or 0")

    @property
    def note(self) -> str:
        """What exactly is measured."""
        return "dependent accesses; cycles derived from a chain of shifts run beside them"

    def missing(self, record: Record) -> str:
        """Return why a record has no findings, as a sentence; empty if it has."""
        if record.machine["architecture"] not in latency.CYCLES_OF_A_COUNT:
            return (
                "The length of a clock cycle is not known on "
                f"{record.machine['architecture']}: {self._times(record)}"
            )
        stated = levels.cache_sizes(record.machine)
        if self.level not in stated and (self.level or not stated):
            return f"The system states no size for {self._name()}."
        if self._range(record) is None:
            return (
                f"The system states {size_words(stated[self.level])} for {self._name()}, and the "
                "curve has no step within a factor of two of that: what is measured below it "
                "is not this cache alone."
            )
        if not self._cases(record):
            return f"No footprint measured lies well inside {self._name()}."
        return ""

    def _times(self, record: Record) -> str:
        """The times in ns, where nothing can be said in cycles."""
        times = [
            f"{words.with_interval(latency.access_ns(case), words.duration)} within "
            f"{size_words(case.parameters['footprint'])}"
            for case in self._cases(record)
        ]
        return f"{'; '.join(times)}." if times else "and no footprint lies well inside it."

    def _name(self) -> str:
        return f"L{self.level}" if self.level else "memory"

    def _range(self, record: Record) -> tuple[float, float] | None:
        """The footprints that lie well inside; None if system or curve do not show it."""
        stated = levels.cache_sizes(record.machine)
        if stated and not self.level:
            return WELL_INSIDE * max(stated.values()), math.inf
        if self.level not in levels.match(mountain.found_levels(record), stated):
            return None
        nearer = [size for number, size in stated.items() if number < self.level]
        return WELL_INSIDE * max(nearer, default=0), stated[self.level] / WELL_INSIDE

    def _cases(self, record: Record) -> list[CaseView]:
        inside = self._range(record)
        if inside is None:
            return []
        low, high = inside
        return [case for case in record.cases if low <= case.parameters["footprint"] <= high]

    def findings(self, record: Record) -> list[Finding]:
        """Return the time of an access in each footprint well inside the level.

        Empty where that cannot be said in clock cycles; `missing` then says why.

        Raises
        ------
        ClaimError
            If the record is no latency staircase.
        """
        _require_staircase(record)
        found = []
        for case in self._cases(record):
            interval = latency.access_cycles(case, record.machine["architecture"])
            if interval is not None:
                time = words.with_interval(latency.access_ns(case), words.duration)
                label = f"footprint{words.NO_BREAK}{size_words(case.parameters['footprint'])}"
                found.append(
                    Finding(label, interval, "measured" if case.stable else "unstable", time)
                )
        return found


@dataclass(frozen=True)
class CacheSize:
    """The size of a cache: as the system states it, else as the latency staircase shows it.

    Parameters
    ----------
    title, experiment : str
        In words; and the record of a latency staircase.
    level : int
        Number of the cache.
    """

    quantity: ClassVar[Quantity] = SIZE

    title: str
    experiment: str
    level: int

    def __post_init__(self):
        if not (isinstance(self.level, int) and self.level > 0):
            raise ValueError(f"level {self.level!r}, expected the number of a cache")

    @property
    def note(self) -> str:
        """What exactly is measured."""
        return "as the system states it, beside what the latency staircase shows"

    def missing(self, record: Record) -> str:
        """Return why a record has no findings, as a sentence."""
        return f"The system states no size for L{self.level}, and the curve shows no such step."

    def findings(self, record: Record) -> list[Finding]:
        """Return the size, in bytes; nothing where neither system nor curve has it.

        Raises
        ------
        ClaimError
            If the record is no latency staircase.
        """
        _require_staircase(record)
        found = mountain.found_levels(record)
        stated = levels.cache_sizes(record.machine)
        if self.level in stated:
            size = float(stated[self.level])
            matched = levels.match(found, stated).get(self.level)
            curve = (
                f"{size_words(matched.capacity_bytes.value)} by the curve"
                if matched
                else "no such step in the curve"
            )
            return [Finding("by the system", Interval(size, size, size, 1.0), "stated", curve)]
        ends = [level.capacity_bytes for level in found[:-1]]
        if stated or len(ends) < self.level:
            return []
        return [Finding("by the curve", ends[self.level - 1], "found")]


Evidence = Comparison | Latency | CacheSize

#: What the `kind` of a claim in the list of claims makes of its comparisons.
KINDS_OF_EVIDENCE: dict[str, type[Evidence]] = {
    "speedup": Comparison,
    "latency": Latency,
    "size": CacheSize,
}


def _require_staircase(record: Record) -> None:
    for case in record.cases:
        if not {"footprint", "steps"} <= set(case.parameters) or not {
            "chase",
            "cycle_count",
        } <= set(case.kernels):
            raise ClaimError(
                f"{record.experiment}: expected a latency staircase with kernels chase and "
                f"cycle_count, got {', '.join(case.kernels)} at {case.label}"
            )
