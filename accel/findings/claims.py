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

from accel.findings.evidence import (
    ABOUT,
    KINDS_OF_EVIDENCE,
    SPEEDUP,
    ClaimError,
    Comparison,
    Evidence,
    Finding,
    Quantity,
)
from accel.timing import words
from accel.timing.records import Record, load
from accel.timing.stats import Interval

__all__ = [
    "KINDS", "Claim", "ClaimError", "Comparison", "Finding", "Judgement", "Result", "examine",
    "judge", "overall", "place", "read_claims",
]  # fmt: skip

#: What a claim can turn out to be. "only for" and "may hold for" go on with the cases.
KINDS = (
    "confirmed", "above", "below", "only for", "may hold for", "not met", "not measurable here",
)  # fmt: skip


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


def judge(
    low: float,
    high: float,
    measured: Sequence[tuple],
    quantity: Quantity = SPEEDUP,
    missing: str = "",
) -> Judgement:
    """Judge a claimed range by what was measured.

    Parameters
    ----------
    low, high : float
        The claimed range.
    measured : sequence of Finding, or of (label, interval, verdict)
        One entry per case. Cases that are "unstable" are named and not used.
    quantity : Quantity
        What the range is a range of.
    missing : str
        Why nothing was measured, if nothing was.
    """
    findings = [Finding(*entry) for entry in measured]
    usable = [finding for finding in findings if finding.verdict != "unstable"]
    groups: dict[str, list[Finding]] = {}
    for finding in usable:
        groups.setdefault(place(finding.interval, low, high), []).append(finding)
    kind, cases = _kind(groups)
    own = {"confirmed": quantity.inside, "above": quantity.above, "below": quantity.below}
    claimed = quantity.claimed(low, high)
    opening = (own | _OPENINGS)[kind].format(claimed=claimed, cases=_labels(cases))
    sentences = [opening, *_details(groups, quantity)]
    dropped = [finding for finding in findings if finding.verdict == "unstable"]
    if dropped:
        sentences.append(f"Not used, since the run was unstable: {_labels(dropped)}")
    sentence = " ".join([*(f"{text}." for text in sentences), missing]).rstrip()
    named = tuple(finding.label for finding in cases)
    return Judgement(kind, named, sentence)


_OPENINGS = {
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


def _details(groups: Mapping[str, list[Finding]], quantity: Quantity) -> list[str]:
    sentences = []
    for where in ("inside", "across an end of", "below", "above"):
        if where in groups:
            numbers = "; ".join(
                f"{measured_words(finding, quantity)} {quantity.at}{finding.label}"
                for finding in groups[where]
            )
            sentences.append(f"{where.capitalize()} it: {numbers}")
    return sentences


def measured_words(finding: Finding, quantity: Quantity) -> str:
    """Return what was measured with its interval, if it has one: ``1.32× (1.30–1.35×)``."""
    value, low, high, _ = finding.interval
    if low == high:
        return quantity.words(value)
    return words.with_interval(finding.interval, quantity.words)


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
    comparisons : tuple of Comparison, Latency or CacheSize
        All of one kind.
    """

    name: str
    title: str
    quote: str
    low: float
    high: float
    comparisons: tuple[Evidence, ...]

    @property
    def quantity(self) -> Quantity:
        """What the range is a range of."""
        return self.comparisons[0].quantity

    @property
    def claimed(self) -> str:
        """The range as the source has it: ``2–5×``."""
        return self.quantity.claimed(self.low, self.high)


class Result(NamedTuple):
    """One comparison, judged."""

    comparison: Evidence
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
        record = find(comparison.experiment)
        findings = comparison.findings(record)
        missing = "" if findings else comparison.missing(record)
        judged = judge(claim.low, claim.high, findings, claim.quantity, missing)
        results.append(Result(comparison, findings, judged))
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
    fields = dict(entry)
    try:
        kind = KINDS_OF_EVIDENCE[fields.pop("kind", "speedup")]
        comparisons = tuple(kind(**comparison) for comparison in fields.pop("comparisons"))
        low, high = _range(fields)
        claim = Claim(name=name, low=low, high=high, comparisons=comparisons, **fields)
    except (KeyError, TypeError, ValueError) as error:
        raise ClaimError(f"{where}: claim {name!r} is incomplete or misspelt: {error}") from None
    if not claim.comparisons:
        raise ClaimError(f"{where}: claim {name!r} has no comparisons, expected at least one")
    if not 0 < low < high:
        raise ClaimError(
            f"{where}: claim {name!r} has the range {low} to {high}, expected low < high"
        )
    return claim


def _range(fields: dict[str, Any]) -> tuple[float, float]:
    """Take the claimed range out of the fields: two ends, or a size that it is about."""
    if "about_kib" in fields:
        size = 1024 * fields.pop("about_kib")
        return (1 - ABOUT) * size, (1 + ABOUT) * size
    low, high = fields.pop("range")
    return low, high
