"""A comparison for the terminal; and the sentences that its page shares with it."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Sequence
from itertools import chain

from accel.timing.comparison import Comparison, Row
from accel.timing.comparison.differences import Difference
from accel.timing.records import Record
from accel.timing.report import times
from accel.timing.stats import CONFIDENCE
from accel.timing.words import NO_BREAK, factor, number, printable

#: How to read the ratios: printed above them, in the terminal and on the page.
READING = (
    "Ratios are speeds, new over old: above 1 the new run is faster. Relative: the speed-up over "
    "the baseline of the case, which a machine that is slower throughout leaves as it is. "
    "Absolute: the kernel's own time; two runs at different times cannot tell slower code from a "
    "slower machine. Verdicts rest on the relative ratio. A baseline has only the absolute one, "
    "and must clear what the other kernels of its experiment drifted as well."
)

#: Narrowest that a table can be told in.
LEAST_WIDTH = 60


def text(comparison: Comparison, width: int = 80) -> str:
    """Return a comparison as text, differences of the machine first.

    Parameters
    ----------
    width : int
        Columns of the terminal; lines are broken to fit.
    """
    width = max(LEAST_WIDTH, width)
    lines = [f"old: {run_words(comparison.old)}", f"new: {run_words(comparison.new)}", ""]
    lines += _wrapped(comparison.meaning, width)
    for difference in comparison.differences:
        lines += _wrapped(difference_words(difference, comparison), width, "  ", "    ")
    lines += ["", *_wrapped(READING, width), ""]
    for experiment, cases in grouped(comparison.rows):
        lines += _wrapped(experiment_words(experiment, comparison), width)
        for case, rows in cases:
            lines += [*_case(case, rows, width), ""]
    for row in comparison.rows:
        if row.verdict in ("faster", "slower"):
            lines += _wrapped(change_words(row), width, "", "  ")
    return "\n".join([*lines, *_wrapped(summary(comparison), width), ""])


def grouped(rows: Sequence[Row]) -> list[tuple[str, list[tuple[str, list[Row]]]]]:
    """Return rows by experiment, and in it by case, each in the order they came."""
    experiments: dict[str, dict[str, list[Row]]] = {}
    for row in rows:
        experiments.setdefault(row.experiment, {}).setdefault(row.case, []).append(row)
    return [(name, list(cases.items())) for name, cases in experiments.items()]


def run_words(run: Sequence[Record]) -> str:
    """Return how many records a run has, and when they were made."""
    made = sorted(printable(record.created[:16].replace("T", " ")) for record in run)
    count = f"{len(run)} record{'' if len(run) == 1 else 's'}"
    return f"{count}, {made[0]}" + (f" to {made[-1]}" if made[-1] != made[0] else "") + " UTC"


def difference_words(difference: Difference, comparison: Comparison) -> str:
    """Return one difference: what, old → new, and where if not everywhere."""
    where = place_words(difference, comparison)
    words = f"{difference.what}: {difference.old} → {difference.new}"
    return printable(words + (f" ({where})" if where else ""))


def place_words(difference: Difference, comparison: Comparison) -> str:
    """Return the experiments that a difference concerns, "" if it concerns all."""
    common = {record.experiment for record in comparison.old} & {
        record.experiment for record in comparison.new
    }
    here = difference.experiments
    return "" if set(here) == common else f"in {', '.join(here)}"


def experiment_words(experiment: str, comparison: Comparison) -> str:
    """Return an experiment's name and how far its middle kernel moved."""
    name = printable(experiment)
    if experiment not in comparison.drift:
        return name
    return f"{name}: the middle kernel ran at {factor(comparison.drift[experiment])} its old speed"


def change_words(row: Row) -> str:
    """Say what changed: kernel, place, ratio and what it is relative to."""
    place = printable(": ".join(filter(None, (row.experiment, row.case))))
    basis = f"relative to {row.baseline}" if row.baseline else "in absolute time"
    kernel = printable(row.kernel)
    return f"{row.verdict}: {kernel}, {times(row.judged)} {printable(basis)} ({place})"


def floor_words(floor: float | None) -> str:
    """Return a noise floor: ``±1.2 %``."""
    return "–" if floor is None else f"±{number(100 * (floor - 1))}{NO_BREAK}%"


def summary(comparison: Comparison) -> str:
    """Say how the comparison ended, and how much of that chance alone would bring."""
    counts = ", ".join(f"{count} {verdict}" for verdict, count in comparison.counts.items())
    tested = comparison.judged
    if not tested:
        return f"{counts}. Nothing was compared."
    least = min(row.judged.coverage for row in tested)
    each = f"each interval covers at least {percent(least)}"
    together = 1 - comparison.false_alarms
    if together >= CONFIDENCE - 1e-9:
        each += f", all of them together at least {percent(together)}"
    return (
        f"{counts}. {len(tested)} comparison{'' if len(tested) == 1 else 's'}: {each}. If nothing "
        f"had changed, chance alone would call at most {number(comparison.false_alarms)} of them "
        "faster or slower; drift between the runs comes on top, and the noise floor stands "
        "against it."
    )


def percent(share: float) -> str:
    """Return a probability near 1, rounded down: 0.9978 is ``99.7 %``."""
    digits = 1
    while digits < 6 and share < 1 and round(100 * (1 - share), digits) == 0:
        digits += 1
    scale = 10**digits
    return f"{int(100 * share * scale) / scale:.{digits}f}{NO_BREAK}%"


def remarks(rows: Sequence[Row]) -> Iterator[str]:
    """Yield each reason once, after the kernels it holds for."""
    kernels: dict[str, list[str]] = {}
    for row in rows:
        if row.why:
            kernels.setdefault(row.why, []).append(printable(row.kernel))
    for why, named in kernels.items():
        everywhere = len(named) == len(rows)
        yield printable(why) if everywhere else f"{', '.join(named)}: {printable(why)}"


def _case(case: str, rows: Sequence[Row], width: int) -> list[str]:
    """Return the lines of one case; an experiment without partner has only a verdict."""
    floors = [row.floor for row in rows if row.floor is not None and row.baseline]
    heading = printable(case)
    if floors:
        heading += f", noise floor {floor_words(max(floors))}"
    lines = _wrapped(heading, width) if heading else []
    if any(row.judged for row in rows):
        cells = [("Kernel", "Relative", "Absolute", "Verdict"), *map(_cells, rows)]
        head, *body = [_columns(row, width) for row in cells]
        lines += [*head, "─" * width, *chain.from_iterable(body)]
    else:
        for row in rows:
            lines += _wrapped(f"{printable(row.kernel)} {row.verdict}".strip(), width, "  ", "    ")
    for remark in remarks(rows):
        lines += _wrapped(remark, width, "  ", "    ")
    return lines


def _cells(row: Row) -> tuple[str, str, str, str]:
    relative = times(row.relative) if row.relative else "–"
    absolute = times(row.absolute) if row.absolute else "–"
    return printable(row.kernel), relative, absolute, row.verdict


def _columns(cells: tuple[str, str, str, str], width: int) -> list[str]:
    """Return one row, on as many lines as its fullest cell needs."""
    ratio, verdict = (21 if width >= 80 else 13), 12  # 13 holds an interval on its own line
    widths = (width - 2 * ratio - verdict - 6, ratio, ratio, verdict)
    wrapped = [textwrap.wrap(cell, size) or [""] for cell, size in zip(cells, widths, strict=True)]
    height = max(map(len, wrapped))
    padded = [part + [""] * (height - len(part)) for part in wrapped]
    return [
        "  ".join(part.ljust(size) for part, size in zip(line, widths, strict=True)).rstrip()
        for line in zip(*padded, strict=True)
    ]


def _wrapped(words: str, width: int, first: str = "", later: str = "") -> list[str]:
    return textwrap.wrap(words, width, initial_indent=first, subsequent_indent=later) or [""]
