"""Claims of the source, judged by records.

A claim is a range that somebody printed. Each comparison that it can be held
against is measured at several sizes; a size speaks for the claim if its whole
interval lies inside the range, and against it if its whole interval lies
outside. Which word and which sentence is printed follows from that alone.
"""

from __future__ import annotations

import tomllib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from accel.timing import words
from accel.timing.records import Record, load
from accel.timing.stats import Interval

#: What a claim can turn out to be. "only for" and "may hold for" go on with the cases.
KINDS = (
    "confirmed", "above", "below", "only for", "may hold for", "not met", "not measurable here",
)  # fmt: skip


class ClaimError(ValueError):
    """The list of claims asks for something that is not there; the message says what."""


class Finding(NamedTuple):
    """What was measured in one case, and whether it may be used."""

    label: str
    interval: Interval
    verdict: str


@dataclass(frozen=True)
class Judgement:
    """What became of a claim.

    Parameters
    ----------
    kind : str
        One of `KINDS`.
    cases : tuple of str
        The cases that "only for" and "may hold for" go on with; empty otherwise.
    sentence : str
        The reasons, with every number they rest on.
    """

    kind: str
    cases: tuple[str, ...]
    sentence: str

    @property
    def verdict(self) -> str:
        """The kind with its cases: ``only for n = 512 and n = 1024``."""
        return f"{self.kind} {words.listed(self.cases)}" if self.cases else self.kind


def place(interval: Interval, low: float, high: float) -> str:
    """Return where an interval lies: "inside", "above", "below", or "across an end of"."""
    if interval.low > high:
        return "above"
    if interval.high < low:
        return "below"
    return "inside" if low <= interval.low and interval.high <= high else "across an end of"


def judge(low: float, high: float, measured: Sequence[tuple[str, Interval, str]]) -> Judgement:
    """Judge a claimed range by what was measured.

    Parameters
    ----------
    low, high : float
        The claimed range of speed-ups.
    measured : sequence of (label, interval, verdict)
        One entry per case; verdicts are those of `accel.timing.noise`. Cases
        that are "unstable" are named and not used.
    """
    findings = [Finding(*entry) for entry in measured]
    usable = [finding for finding in findings if finding.verdict != "unstable"]
    groups: dict[str, list[Finding]] = {}
    for finding in usable:
        groups.setdefault(place(finding.interval, low, high), []).append(finding)
    kind, cases = _kind(groups)
    claimed = words.claimed_range(low, high)
    sentences = [_OPENINGS[kind].format(claimed=claimed, cases=_labels(cases)), *_details(groups)]
    dropped = [finding for finding in findings if finding.verdict == "unstable"]
    if dropped:
        sentences.append(f"Not used, since the run was unstable: {_labels(dropped)}")
    sentence = " ".join(f"{text}." for text in sentences)
    named = tuple(finding.label for finding in cases)
    return Judgement(kind, named, sentence)


_OPENINGS = {
    "confirmed": "The range {claimed} holds in every case measured",
    "above": "Every case measured gains more than {claimed}",
    "below": "No case measured reaches {claimed}",
    "only for": "The range {claimed} holds for {cases} and not elsewhere",
    "may hold for": "The range {claimed} may hold for {cases}, and holds nowhere for certain",
    "not met": "No case measured lies in the range {claimed}: some fall short, others exceed it",
    "not measurable here": "No usable measurement of {claimed} on this machine",
}


def _kind(groups: Mapping[str, list[Finding]]) -> tuple[str, list[Finding]]:
    """The word for a claim, and the cases it has to name."""
    if not groups:
        return "not measurable here", []
    if len(groups) == 1:
        (only,) = groups
        alone = {"inside": "confirmed", "above": "above", "below": "below"}
        return (alone[only], []) if only in alone else ("may hold for", groups[only])
    if "inside" in groups:
        return "only for", groups["inside"]
    if "across an end of" in groups:
        return "may hold for", groups["across an end of"]
    return "not met", []


def _labels(findings: Sequence[Finding]) -> str:
    return words.listed(finding.label for finding in findings) if findings else ""


def _details(groups: Mapping[str, list[Finding]]) -> list[str]:
    sentences = []
    for where in ("inside", "across an end of", "below", "above"):
        if where in groups:
            numbers = "; ".join(
                f"{words.with_interval(finding.interval, words.factor)} at {finding.label}"
                for finding in groups[where]
            )
            sentences.append(f"{where.capitalize()} it: {numbers}")
    return sentences


@dataclass(frozen=True)
class Comparison:
    """One way to hold a claim against a record: a kernel over another, case by case.

    Parameters
    ----------
    title : str
        What is compared, in words.
    experiment, kernel, over : str
        Record, the optimised kernel, and the one it is compared with.
    along : str
        The parameter that names a case.
    """

    title: str
    experiment: str
    kernel: str
    over: str
    along: str = "n"

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
class Claim:
    """A numeric claim of the source.

    Parameters
    ----------
    name : str
        By which roles and pages refer to it.
    title, quote : str
        What it is about, and its words.
    low, high : float
        The range.
    comparisons : tuple of Comparison
    """

    name: str
    title: str
    quote: str
    low: float
    high: float
    comparisons: tuple[Comparison, ...]

    @property
    def claimed(self) -> str:
        return words.claimed_range(self.low, self.high)


class Result(NamedTuple):
    """One comparison, judged."""

    comparison: Comparison
    findings: list[Finding]
    judgement: Judgement


def examine(claim: Claim, find: Callable[[str], Record] = load) -> list[Result]:
    """Judge each comparison of a claim.

    Parameters
    ----------
    claim : Claim
    find : callable
        Returns the record of an experiment.

    Raises
    ------
    ClaimError
        If a record lacks the kernels.
    RecordError
        If there is no usable record.
    """
    results = []
    for comparison in claim.comparisons:
        findings = comparison.findings(find(comparison.experiment))
        results.append(Result(comparison, findings, judge(claim.low, claim.high, findings)))
    return results


def overall(results: Sequence[Result]) -> str:
    """Return the verdict on a claim in one phrase, over all its comparisons."""
    by_kind: dict[str, list[str]] = {}
    for result in results:
        by_kind.setdefault(result.judgement.kind, []).append(result.comparison.title)
    if len(by_kind) == 1:
        (kind,) = by_kind
        return f"{kind} some sizes" if kind in ("only for", "may hold for") else kind
    holding = []
    if "confirmed" in by_kind:
        holding.append(words.listed(by_kind["confirmed"]))
    if "only for" in by_kind:
        holding.append(f"some sizes of {words.listed(by_kind['only for'])}")
    if holding:
        return f"only for {', and for '.join(holding)}"
    if "may hold for" in by_kind:
        return f"may hold for some sizes of {words.listed(by_kind['may hold for'])}"
    counts = ", ".join(f"{kind} in {len(titles)}" for kind, titles in by_kind.items())
    return f"not met: {counts} of {len(results)} comparisons"


def read_claims(path: str | Path) -> dict[str, Claim]:
    """Read the list of claims, a TOML file.

    Returns
    -------
    dict
        Name to claim, in the order of the file.

    Raises
    ------
    ClaimError
        If an entry lacks a field, has an unknown one, or its range is upside down.
    """
    path = Path(path)
    try:
        entries = tomllib.loads(path.read_text(encoding="utf-8"))
    except tomllib.TOMLDecodeError as error:
        raise ClaimError(f"{path.name}: {error}") from None
    return {name: _claim(name, entry, path.name) for name, entry in entries.items()}


def _claim(name: str, entry: Mapping[str, Any], where: str) -> Claim:
    try:
        comparisons = tuple(Comparison(**fields) for fields in entry["comparisons"])
        low, high = entry["range"]
        others = {key: entry[key] for key in entry if key not in ("comparisons", "range")}
        claim = Claim(name=name, low=low, high=high, comparisons=comparisons, **others)
    except (KeyError, TypeError, ValueError) as error:
        raise ClaimError(f"{where}: claim {name!r} is incomplete or misspelt: {error}") from None
    if not 0 < low < high:
        raise ClaimError(
            f"{where}: claim {name!r} has the range {low} to {high}, expected low < high"
        )
    return claim
