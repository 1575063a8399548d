"""A comparison as JSON, for programs."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from accel.timing.comparison import Comparison, Row
from accel.timing.records import Record
from accel.timing.stats import Interval

KIND = "accel-comparison"
SCHEMA = 1


def text(comparison: Comparison) -> str:
    """Return a comparison as JSON text.

    Notes
    -----
    One object:

    ``kind``, ``schema``
        ``"accel-comparison"`` and 1.
    ``old``, ``new``
        Lists of ``{"experiment", "created", "profile", "fingerprint"}``.
    ``meaning``
        What ratios compare, in one sentence.
    ``differences``
        Most telling first: ``{"part", "what", "old", "new", "experiments"}``,
        where part is "machine", "set-up", "software", "run" or "code".
    ``drift``
        Experiment to the absolute speed of its middle kernel, new over old.
    ``counts``
        Verdict to number of rows.
    ``comparisons``, ``false_alarms``
        How many rows were tested, and how many of them at most chance alone
        would call faster or slower if nothing had changed.
    ``rows``
        ``experiment``, ``operation``, ``parameters``, ``kernel``: what it is;
        the latter three are "", {} and "" where a whole experiment or case has
        no partner. ``verdict``: "faster", "slower", "not resolved", "unstable",
        "only in old", "only in new" or "not comparable"; ``why``: the reason,
        or "". ``basis``: "relative", "absolute" or null, the ratio that the
        verdict rests on; ``baseline``: what a relative one refers to, or "".
        ``relative``, ``absolute``: speed, new over old; ``old_ns``, ``new_ns``:
        time of one call; each is null or ``{"value", "low", "high",
        "coverage"}``. ``floor``: the factor that the interval has to clear, or
        null.
    """
    data = {
        "kind": KIND,
        "schema": SCHEMA,
        "old": _run(comparison.old),
        "new": _run(comparison.new),
        "meaning": comparison.meaning,
        "differences": [asdict(difference) for difference in comparison.differences],
        "drift": dict(comparison.drift),
        "counts": comparison.counts,
        "comparisons": len(comparison.judged),
        "false_alarms": comparison.false_alarms,
        "rows": [_row(row) for row in comparison.rows],
    }
    return json.dumps(data, indent=1, allow_nan=False, ensure_ascii=False) + "\n"


def _run(run: Sequence[Record]) -> list[dict[str, str]]:
    keys = ("experiment", "created", "profile", "fingerprint")
    return [{key: record.data[key] for key in keys} for record in run]


def _row(row: Row) -> dict[str, Any]:
    basis = ("relative" if row.relative else "absolute") if row.judged else None
    return {
        "experiment": row.experiment,
        "operation": row.operation,
        "parameters": dict(row.parameters),
        "kernel": row.kernel,
        "verdict": row.verdict,
        "why": row.why,
        "basis": basis,
        "baseline": row.baseline,
        "relative": _interval(row.relative),
        "absolute": _interval(row.absolute),
        "old_ns": _interval(row.old_ns),
        "new_ns": _interval(row.new_ns),
        "floor": row.floor,
    }


def _interval(interval: Interval | None) -> dict[str, float] | None:
    return None if interval is None else interval._asdict()
