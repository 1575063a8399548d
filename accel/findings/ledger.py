"""The claims ledger on a page: what the source says, struck through, beside what was measured."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path

from accel.findings.claims import (
    Claim,
    Finding,
    Result,
    examine,
    measured_words,
    overall,
    place,
    read_claims,
)
from accel.timing.records import Record, load
from accel.timing.report import Table, marked_up

_WIDTH, _HEIGHT = 260, 22  # of the little charts, in CSS pixels


@dataclass(frozen=True)
class Ledger:
    """All claims with their results.

    Parameters
    ----------
    entries : dict
        Name of a claim to the claim and its judged comparisons.
    """

    entries: dict[str, tuple[Claim, list[Result]]]

    def __str__(self) -> str:
        return str(self.summary())

    def _repr_html_(self) -> str:
        """One line per claim, linked to the evidence further down the page."""
        rows = "".join(
            f'<tr><th scope="row"><a href="#claim-{name}">{escape(claim.title)}</a></th>'
            f'<td class="number"><s>{claim.claimed}</s></td>'
            f"<td>{escape(overall(results))}</td></tr>"
            for name, (claim, results) in self.entries.items()
        )
        head = "".join(f'<th scope="col">{text}</th>' for text in ("Claim", "Source", "Verdict"))
        body = f"<tbody>{rows}</tbody>"
        return _boxed("All claims judged so far", head, body, "ledger-summary")

    def summary(self) -> Table:
        """Return the same as a table for a terminal."""
        rows = [
            (claim.title, claim.claimed, overall(results))
            for claim, results in self.entries.values()
        ]
        return Table("All claims judged so far", ("Claim", "Source", "Verdict"), rows)

    def evidence(self, name: str) -> Evidence:
        """Return everything that was measured about one claim."""
        return Evidence(*self.entries[name])


@dataclass(frozen=True)
class Evidence:
    """One claim and the measurements that it was held against."""

    claim: Claim
    results: list[Result]

    def __str__(self) -> str:
        lines = [f"{self.claim.title}, claimed {self.claim.claimed}: {overall(self.results)}"]
        lines += [f"  {r.comparison.title}: {r.judgement.sentence}" for r in self.results]
        return "\n".join(lines)

    def _repr_html_(self) -> str:
        scale = _scale(self.claim, [f for result in self.results for f in result.findings])
        bodies = "".join(_rows(self.claim, result, scale) for result in self.results)
        quantity = self.claim.quantity
        line = f", line at {quantity.reference:g}×" if quantity.reference else ""
        headers = ("Case", f"{self.claim.claimed} shaded{line}", quantity.header)
        css = ("number", "chart", "measured-value")
        head = "".join(
            f'<th scope="col" class="{kind}">{text}</th>'
            for kind, text in zip(css, headers, strict=True)
        )
        return (
            f'<blockquote class="claim-quote"><p>{escape(self.claim.quote)}</p></blockquote>'
            f'<p class="claim-verdict"><s>{self.claim.claimed}</s> '
            f"<strong>{escape(overall(self.results))}</strong></p>"
            + _boxed(f"Evidence: {self.claim.title}", head, bodies, "ledger")
        )


def ledger(path: str | Path, find: Callable[[str], Record] = load) -> Ledger:
    """Judge every claim of a TOML file by the records.

    Raises
    ------
    ClaimError, RecordError
        If the file or a record cannot be used.
    """
    claims = read_claims(path)
    return Ledger({name: (claim, examine(claim, find)) for name, claim in claims.items()})


def _boxed(caption: str, head: str, bodies: str, kind: str) -> str:
    return (
        f'<div class="table-box" role="region" aria-label="{escape(caption)}" tabindex="0">'
        f'<table class="measured {kind}"><caption>{escape(caption)}</caption>'
        f"<thead><tr>{head}</tr></thead>{bodies}</table></div>"
    )


def _rows(claim: Claim, result: Result, scale: Callable[[float], float]) -> str:
    """The comparison with its verdict, and a row for each finding."""
    compared = result.comparison
    head = (
        f'<tr><th scope="rowgroup" colspan="3">{escape(compared.title)}: '
        f"<strong>{escape(result.judgement.verdict)}</strong>"
        f"<small>{marked_up(compared.note)}</small></th></tr>"
    )
    rows = "".join(
        f'<tr><td class="number">{escape(finding.label)}</td>'
        f'<td class="chart">{_chart(claim, finding, scale)}</td>'
        f"<td>{_measured(claim, finding)}</td></tr>"
        for finding in result.findings
    )
    if not result.findings:
        rows = f'<tr><td colspan="3">{escape(result.judgement.sentence)}</td></tr>'
    return f"<tbody>{head}{rows}</tbody>"


def _measured(claim: Claim, finding: Finding) -> str:
    """The value in its unit, whether it may be used, and below what else is known of it."""
    text = escape(measured_words(finding, claim.quantity))
    if finding.verdict in ("not resolved", "unstable"):
        text += f" {finding.verdict}"
    return text + (f"<br><small>{escape(finding.detail)}</small>" if finding.detail else "")


def _scale(claim: Claim, findings: Sequence[Finding]) -> Callable[[float], float]:
    """Logarithmic scale, in pixels, that holds the range, all intervals, and the reference."""
    reference = [claim.quantity.reference] if claim.quantity.reference else []
    low = min([claim.low, *reference, *(finding.interval.low for finding in findings)]) / 1.3
    end = claim.low if math.isinf(claim.high) else claim.high  # an open range ends nowhere
    high = max([end, *reference, *(finding.interval.high for finding in findings)]) * 1.3
    span = math.log(high / low)
    return lambda value: round(_WIDTH * min(1.0, math.log(value / low) / span), 1)


def _chart(claim: Claim, finding: Finding, scale: Callable[[float], float]) -> str:
    """Little picture of a finding; its numbers stand in the cell beside it."""
    left, right = scale(claim.low), scale(claim.high)
    start, end = scale(finding.interval.low), scale(finding.interval.high)
    where = place(finding.interval, claim.low, claim.high).split()[0]
    middle, one = _HEIGHT / 2, ""
    if claim.quantity.reference:
        x = scale(claim.quantity.reference)
        one = f'<line class="one" x1="{x}" x2="{x}" y1="0" y2="{_HEIGHT}"/>'
    return (
        f'<svg class="claim-chart {where}" width="{_WIDTH}" height="{_HEIGHT}" '
        f'viewBox="0 0 {_WIDTH} {_HEIGHT}" aria-hidden="true">'
        f'<rect x="{left}" width="{round(right - left, 1)}" y="0" height="{_HEIGHT}"/>'
        f'{one}<line x1="{start}" x2="{end}" y1="{middle}" y2="{middle}"/>'
        f'<circle cx="{scale(finding.interval.value)}" cy="{middle}" r="3.5"/></svg>'
    )
