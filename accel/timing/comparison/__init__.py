"""Two runs compared: what differs around them first, then every kernel's speed, new over old.

The two runs were not interleaved. Their processes are independent samples (see
`accel.timing.comparison.unpaired`), and nothing inside either run can tell slower code from
a machine that had become slower in between. So each ratio is taken twice:

* *absolute*: the kernel's own time;
* *relative*: its speed-up over the baseline of its case, which was interleaved
  with it. A machine that is slower throughout cancels.

The verdict rests on the relative ratio where there is one. A baseline has only
the absolute one; it must clear, besides the noise floor, the drift: how far the
other kernels of its experiment moved in absolute time. If everything became
slower by a tenth, a baseline that did too tells nothing about its code.

The noise floor is the product of the two runs' A/A floors: either of them may be
off by its own, in opposite directions.

Many ratios are compared at once. Each interval is made wide enough that all
together hold with 95 %, if there are enough processes for that; where there are
not, it is the widest there is. In any case the number of false alarms to expect
is stated.
"""

from __future__ import annotations

import math
import os
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from accel.timing import noise, records
from accel.timing.comparison import differences, pairing
from accel.timing.comparison.differences import Difference
from accel.timing.comparison.pairing import Pair
from accel.timing.comparison.unpaired import shift_interval
from accel.timing.records import Record, RecordError
from accel.timing.stats import CONFIDENCE, Interval, exponential, median

#: What may be said of a row; the first four as of a speed-up inside one run.
VERDICTS = (*noise.VERDICTS, "only in old", "only in new", "not comparable")

#: What `compare` takes: a folder, a file, a record, or several records.
Source = str | Path | Record | Iterable[Record]


@dataclass(frozen=True)
class Row:
    """One kernel of one case in both runs; or what there is no partner for.

    Parameters
    ----------
    experiment, operation, kernel : str
        ``operation`` and ``kernel`` are "" where a whole experiment or case has
        no partner.
    parameters : mapping
        Those of the case.
    verdict : str
        One of `VERDICTS`.
    why : str
        What the verdict alone does not tell, "" if nothing.
    old_ns, new_ns : Interval or None
        Time of one call, in ns.
    relative, absolute : Interval or None
        Speed, new over old: above 1 the new run is faster.
    baseline : str
        What `relative` refers to; "" if the verdict rests on `absolute`.
    floor : float or None
        The factor that the interval has to clear, drift included.
    """

    experiment: str
    verdict: str
    why: str = ""
    operation: str = ""
    parameters: Mapping[str, Any] = field(default_factory=dict)
    kernel: str = ""
    old_ns: Interval | None = None
    new_ns: Interval | None = None
    relative: Interval | None = None
    absolute: Interval | None = None
    baseline: str = ""
    floor: float | None = None

    @property
    def case(self) -> str:
        """The case in words: ``matmul at n=64``."""
        label = records.describe_parameters(self.parameters)
        return f"{self.operation} at {label}" if label else self.operation

    @property
    def judged(self) -> Interval | None:
        """The ratio that the verdict rests on."""
        return self.relative or self.absolute


@dataclass(frozen=True)
class Comparison:
    """Two runs side by side.

    Parameters
    ----------
    old, new : tuple of Record
        By experiment.
    differences : tuple of Difference
        Of machine, software, protocol and code, most telling first.
    meaning : str
        What ratios compare, given these.
    rows : tuple of Row
        By experiment and case, kernels in the order of the new record.
    drift : mapping of str to float
        Experiment to how much faster, new over old, its kernels became in
        absolute time: the middle one of them.
    """

    old: tuple[Record, ...]
    new: tuple[Record, ...]
    differences: tuple[Difference, ...]
    meaning: str
    rows: tuple[Row, ...]
    drift: Mapping[str, float]

    @property
    def judged(self) -> list[Row]:
        """The rows that were tested: each could have been a false alarm."""
        tested = ("faster", "slower", "not resolved")
        return [row for row in self.rows if row.verdict in tested and row.judged is not None]

    @property
    def false_alarms(self) -> float:
        """Rows expected at most to be called faster or slower if nothing had changed."""
        return sum(1 - row.judged.coverage for row in self.judged)

    @property
    def counts(self) -> dict[str, int]:
        """How many rows have each verdict, in the order of `VERDICTS`."""
        found = Counter(row.verdict for row in self.rows)
        return {verdict: found[verdict] for verdict in VERDICTS if found[verdict]}

    @property
    def slower(self) -> list[Row]:
        """The resolved regressions."""
        return [row for row in self.rows if row.verdict == "slower"]

    def to_table(self, width: int = 80) -> str:
        """Return the comparison as text for a terminal of `width` columns."""
        from accel.timing.comparison.text import text

        return text(self, width)

    def to_html(self) -> str:
        """Return the comparison as one HTML page that loads nothing from elsewhere."""
        from accel.timing.comparison.page import page

        return page(self)

    def to_json(self) -> str:
        """Return the comparison as JSON text; see `accel.timing.comparison.as_json`."""
        from accel.timing.comparison.as_json import text

        return text(self)


def compare(old: Source, new: Source) -> Comparison:
    """Compare two runs: what differs around them, and each kernel's speed, new over old.

    Parameters
    ----------
    old, new : path, Record or iterable of Record
        A folder of records, one record's file, or records.

    Returns
    -------
    Comparison

    Raises
    ------
    RecordError
        If a file cannot be used, or a side has no record or two of one
        experiment. The message says which side.

    Examples
    --------
    >>> from accel.timing import compare                               # doctest: +SKIP
    >>> comparison = compare("results-of-yesterday", "build/results")  # doctest: +SKIP
    >>> print(comparison.meaning)                                      # doctest: +SKIP
    Same machine, same software: ratios compare code, and two moments of the machine.
    >>> [row.kernel for row in comparison.slower]                      # doctest: +SKIP
    ['tiled']
    >>> page, data = comparison.to_html(), comparison.to_json()        # doctest: +SKIP

    Cost
    ----
    Milliseconds per case; all of both runs is held in memory.
    """
    before, after = _collected("old", old), _collected("new", new)
    parts = [
        part
        for name in sorted({*before, *after})
        for part in pairing.matched(name, before.get(name), after.get(name))
    ]
    pairs = [part for part in parts if isinstance(part, Pair)]
    tested = sum(pair.stable for pair in pairs)
    confidence = 1 - (1 - CONFIDENCE) / max(1, tested)
    rows = [
        _row(part, confidence, pairs) if isinstance(part, Pair) else Row(*part) for part in parts
    ]
    common = [(before[name], after[name]) for name in after if name in before]
    found = [each for both in common for each in differences.between(*both)]
    agree = all(one.fingerprint == other.fingerprint for one, other in common)
    return Comparison(
        old=tuple(before[name] for name in sorted(before)),
        new=tuple(after[name] for name in sorted(after)),
        differences=tuple(differences.merged(found)),
        meaning=differences.meaning(found, agree) if common else "No experiment is in both.",
        rows=tuple(_with_remarks(rows)),
        drift=_drifts(pairs),
    )


def _collected(side: str, source: Source) -> dict[str, Record]:
    """Return the records of one side by experiment."""
    try:
        if isinstance(source, str | Path):
            folder = os.path.isdir(source)  # False, not an error, where nobody may look
            found = [*records.read_folder(source).values()] if folder else [records.read(source)]
        else:
            found = [source] if isinstance(source, Record) else list(source)
    except RecordError as error:
        raise RecordError(f"{side}: {error}") from None
    by_experiment = {record.experiment: record for record in found}
    if len(by_experiment) < len(found) or not found:
        names = ", ".join(record.experiment for record in found) or "none"
        raise RecordError(f"{side}: expected records of different experiments, got {names}")
    return by_experiment


def _row(pair: Pair, confidence: float, pairs: Sequence[Pair]) -> Row:
    """Return the row of one kernel, judged."""
    absolute = exponential(shift_interval(*pair.absolute, confidence))
    relative = exponential(shift_interval(*pair.relative, confidence)) if pair.relative else None
    floor = noise.floor(pair.old.resolution) * noise.floor(pair.new.resolution)
    why = list(pair.remarks)
    if relative is None:
        others = [each.shift for each in pairs if _shows_drift(each, pair)]
        floor *= math.exp(abs(median(others))) if others else 1.0
        if not others:
            why.append("no other kernel shows how far the machine drifted")
    if not pair.stable:
        why += pair.reasons
    resolution = Interval(1.0, 1 / floor, floor, CONFIDENCE)
    return Row(
        experiment=pair.experiment,
        verdict=noise.verdict(relative or absolute, resolution, pair.stable),
        why="; ".join(why),
        operation=pair.new.operation,
        parameters=pair.new.parameters,
        kernel=pair.kernel,
        old_ns=pair.old.time_ns(pair.kernel),
        new_ns=pair.new.time_ns(pair.kernel),
        relative=relative,
        absolute=absolute,
        baseline=pair.baseline if relative else "",
        floor=floor,
    )


def _shows_drift(other: Pair, pair: Pair) -> bool:
    """Return whether the time of `other` tells of the machine while `pair` was measured.

    It was measured with it, and is not the same code.
    """
    return other.experiment == pair.experiment and other.kernel != pair.kernel and other.stable


def _drifts(pairs: Sequence[Pair]) -> dict[str, float]:
    """Return by experiment how much faster, new over old, its middle kernel became."""
    shifts: dict[str, list[float]] = {}
    for pair in pairs:
        if pair.stable:
            shifts.setdefault(pair.experiment, []).append(pair.shift)
    return {experiment: math.exp(median(found)) for experiment, found in shifts.items()}


def _with_remarks(rows: Sequence[Row]) -> list[Row]:
    """Say beside each change relative to a baseline whether that changed itself."""
    changed = {
        (row.experiment, row.case, row.kernel): row.verdict
        for row in rows
        if row.verdict in ("faster", "slower") and not row.baseline
    }
    said = []
    for row in rows:
        baseline = changed.get((row.experiment, row.case, row.baseline))
        if baseline and row.verdict in ("faster", "slower"):
            remark = f"relative to {row.baseline}, which is {baseline} itself"
            row = replace(row, why="; ".join(filter(None, (row.why, remark))))
        said.append(row)
    return said
