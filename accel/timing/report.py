"""Records in words: numbers with units, tables, sentences that follow from the data.

No sentence here is an opinion. Which one is printed is decided by the verdict,
and the tests feed each of them the contrary data.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from html import escape

from accel.timing import noise
from accel.timing.records import CaseView, Record, describe_parameters
from accel.timing.stats import Interval
from accel.timing.words import count, duration, factor, listed, number, with_interval


def times(interval: Interval) -> str:
    """Return a ratio with its interval: ``1.32× (1.30–1.35×)``."""
    return with_interval(interval, factor)


def floor_text(case: CaseView) -> str:
    """Return the noise floor of a case: ``±1.2 %``."""
    return _floor_words(case.resolution)


def _floor_words(again: Interval) -> str:
    return f"±{number(100 * (noise.floor(again) - 1))} %"


def code(name: str) -> str:
    """Mark a kernel name; `Sentence` turns the marks into code."""
    return f"`{name}`"


def marked_up(text: str) -> str:
    """Return text as HTML: escaped, and code where backquotes mark it."""
    pieces = enumerate(escape(text).split("`"))
    return "".join(f"<code>{piece}</code>" if place % 2 else piece for place, piece in pieces)


class Sentence(str):
    """Prose chosen by data. Prints as text, shows as a paragraph on a page."""

    def _repr_html_(self) -> str:
        return f'<p class="measured-sentence">{marked_up(self)}</p>'


def paragraph(*sentences: str) -> Sentence:
    """Join sentences."""
    return Sentence(" ".join(sentences))


@dataclass(frozen=True)
class Table:
    """A table that prints aligned in a terminal and shows as HTML on a page.

    Parameters
    ----------
    caption : str
    headers : sequence of str
    rows : sequence of sequences of str
        Backquotes mark code. Columns whose cells begin with a digit in every row
        are set flush right.
    """

    caption: str
    headers: Sequence[str]
    rows: Sequence[Sequence[str]]

    def _numeric(self, column: int) -> bool:
        cells = [row[column] for row in self.rows if row[column] != "–"]
        return bool(cells) and all(cell[:1].isdigit() or cell[:1] in "±-" for cell in cells)

    def __str__(self) -> str:
        grid = [[cell.replace("`", "") for cell in row] for row in (self.headers, *self.rows)]
        widths = [max(len(cell) for cell in column) for column in zip(*grid, strict=True)]
        lines = []
        for row in grid:
            cells = [
                cell.rjust(width) if self._numeric(column) else cell.ljust(width)
                for column, (cell, width) in enumerate(zip(row, widths, strict=True))
            ]
            lines.append("  ".join(cells).rstrip())
        lines.insert(1, "  ".join("─" * width for width in widths))
        return "\n".join([self.caption, *lines])

    def _repr_html_(self) -> str:
        numeric = [self._numeric(column) for column in range(len(self.headers))]

        def cell(tag: str, text: str, column: int) -> str:
            scope = ' scope="col"' if tag == "th" else ""
            css = ' class="number"' if numeric[column] else ""
            return f"<{tag}{scope}{css}>{marked_up(text)}</{tag}>"

        head = "".join(cell("th", text, column) for column, text in enumerate(self.headers))
        body = "".join(
            "<tr>" + "".join(cell("td", text, column) for column, text in enumerate(row)) + "</tr>"
            for row in self.rows
        )
        # The box scrolls sideways on a narrow screen; tabindex lets a keyboard scroll it.
        return (
            f'<div class="table-box" role="region" aria-label="{escape(self.caption)}" '
            'tabindex="0">'
            f'<table class="measured"><caption>{escape(self.caption)}</caption>'
            f"<thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>"
        )


def ladder_table(case: CaseView, over: str | None = None) -> Table:
    """Return the steps of one case: time, rate, speed-up with interval, verdict, story."""
    over = over or case.baseline
    rate_name, rate = rate_of(case)
    rows = []
    for kernel in case.kernels:
        rows.append(
            [
                code(kernel),
                case.instrument(kernel),
                duration(case.time_ns(kernel).value),
                number(rate(kernel).value),
                "1" if kernel == over else times(case.speedup(kernel, over)),
                "baseline" if kernel == over else case.verdict(kernel, over),
                case.story(kernel),
            ]
        )
    caption = f"{case.operation} at {case.label}; noise floor {floor_text(case)}"
    speedup = f"Speed-up over `{over}`"
    headers = ["Step", "Instrument", "Time", rate_name, speedup, "Verdict", "What it does"]
    return Table(caption, headers, rows)


def rate_of(case: CaseView) -> tuple[str, Callable[[str], Interval]]:
    """Return name and function of the rate that limits a case: arithmetic or memory.

    Below one FLOP per byte every machine of the last twenty years waits for
    memory, so bytes per second is the honest unit there.
    """
    if case.flops >= case.compulsory_bytes:
        return "GFLOP/s", case.gflops
    return "GB/s", case.gigabytes_per_second


def speedup_sentence(case: CaseView, kernel: str, over: str | None = None) -> Sentence:
    """Say what may be said about one kernel against another."""
    over = over or case.baseline
    ratio, word = case.speedup(kernel, over), case.verdict(kernel, over)
    place = f"at {case.label}"
    if word == "faster":
        text = f"{code(kernel)} is faster than {code(over)}: {times(ratio)} {place}."
    elif word == "slower":
        text = f"{code(kernel)} is slower than {code(over)}: {times(ratio)} of its speed {place}."
    elif word == "not resolved":
        text = (
            f"{code(kernel)} against {code(over)} is not resolved {place}: "
            f"{times(ratio)} does not clear the noise floor of {floor_text(case)}."
        )
    else:
        text = (
            f"{code(kernel)} against {code(over)} cannot be judged {place}, the run was unstable: "
            f"{'; '.join(case.reasons)}."
        )
    return Sentence(text)


def range_sentence(
    record: Record, kernel: str, over: str, key: str = "n", **where
) -> Sentence:
    """Say over which sizes one kernel beats another, case by case, losses included.

    Parameters
    ----------
    record : Record
        Cases that lack one of the two kernels are left out.
    key : str
        The parameter that names a case.
    **where
        Parameters that the cases must have.

    Raises
    ------
    ValueError
        If no such case has both kernels.
    """
    both = [
        case
        for case in record.cases
        if {kernel, over} <= set(case.kernels) and where.items() <= case.parameters.items()
    ]
    if not both:
        place = f" at {describe_parameters(where)}" if where else ""
        raise ValueError(f"{record.experiment}: no case{place} has both {kernel!r} and {over!r}")
    groups: dict[str, list[str]] = {}
    for case in both:
        word = case.verdict(kernel, over)
        entry = f"{times(case.speedup(kernel, over))} at {key} = {_plain(case.parameters[key])}"
        groups.setdefault(word, []).append(entry)
    parts = [
        f"{word} in {len(groups[word])} of {len(both)} sizes: {'; '.join(groups[word])}"
        for word in noise.VERDICTS
        if word in groups
    ]
    return Sentence(f"{code(kernel)} over {code(over)} is {'. It is '.join(parts)}.")


def _plain(value) -> str:
    return count(value) if isinstance(value, int) else str(value)


def stamp(record: Record) -> Sentence:
    """Say where a record comes from: machine, date, profile, processes, noise floor."""
    floors = sorted((case.resolution for case in record.cases), key=noise.floor)
    ends = dict.fromkeys((_floor_words(floors[0]), _floor_words(floors[-1])))
    threads = record.protocol["threads"]
    machine = record.machine.get("model") or "an unnamed processor"
    draft = " This is a draft: publish with a longer profile." if record.profile == "quick" else ""
    unstable = [case.label for case in record.cases if not case.stable]
    trouble = f" Unstable, and not judged: {'; '.join(unstable)}." if unstable else ""
    removed = [*record.software.get("removed_overrides", {})]
    fair = f" Removed from the environment: {listed(removed)}." if removed else ""
    return Sentence(
        f"Measured on {machine}, {record.created[:10]}, {record.profile} profile: "
        f"{record.protocol['processes']} fresh processes, {record.protocol['order']} order, "
        f"{threads} thread{'' if threads == 1 else 's'}. "
        f"Noise floor {' to '.join(ends)}.{trouble}{fair}{draft}"
    )
