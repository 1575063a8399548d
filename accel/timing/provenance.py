"""Where the numbers of the book come from: the machine, and a row per experiment."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

from accel.timing import machine, memory, noise, words
from accel.timing.records import Record, load, names
from accel.timing.report import Table


def records_of_last_build() -> list[Record]:
    """Return the records that share code and profile with the newest, by experiment.

    The record of an experiment that no script asks for any more stays in the
    results folder. It says nothing about this book.
    """
    found = [load(name) for name in names()]
    if not found:
        return []
    last = _code_and_profile(newest(found))
    return [record for record in found if _code_and_profile(record) == last]


def _code_and_profile(record: Record) -> tuple[str, str]:
    return record.data["sources"]["accel"], record.profile


def newest(records: Sequence[Record]) -> Record:
    """Return the record made last.

    Raises
    ------
    ValueError
        If there is none.
    """
    if not records:
        raise ValueError("no records yet: run `accel build`")
    return max(records, key=lambda record: record.created)


def machine_table(record: Record) -> Table:
    """Return the machine card of a record."""
    return Table(
        f"The machine of these records, as of {record.created[:10]}",
        ("Part", "What it is"),
        machine.card(record.machine, record.software),
    )


@dataclass(frozen=True)
class Remarks:
    """What about the machine of a record spoils measurements; says so if nothing does."""

    lines: tuple[str, ...]

    def __str__(self) -> str:
        return "\n".join(f"- {line}" for line in self.lines) or "Nothing to remark."

    def _repr_html_(self) -> str:
        if not self.lines:
            return "<p>Nothing to remark.</p>"
        items = "".join(f"<li>{escape(line)}</li>" for line in self.lines)
        return f'<ul class="remarks">{items}</ul>'


def remarks(record: Record) -> Remarks:
    """Return the warnings that go with a record, from what the record itself knows.

    Load is left out: it changed by the minute, and the noise floor has it.
    """
    removed = record.software.get("removed_overrides", {})
    quiet = {"load_average": None, "cpu_quota": None}
    return Remarks(tuple(machine.warnings(record.machine, record.software, removed, quiet)))


@dataclass(frozen=True)
class Provenance:
    """One row per experiment: what it asked, how it was run, how fine it sees."""

    records: tuple[Record, ...]

    HEADERS = ("Experiment", "Question", "Script", "Measured", "Effort", "Noise floor")

    def rows(self) -> list[tuple[str, ...]]:
        """Return the cells as text."""
        return [
            (
                record.experiment, record.question, record.data["script"],
                f"{record.created[:10]}, {record.profile}", _effort(record), _floors(record),
            )
            for record in self.records
        ]  # fmt: skip

    def __str__(self) -> str:
        return str(Table("Experiments", self.HEADERS, self.rows()))

    def _repr_html_(self) -> str:
        headers = ("Experiment", "Measured", "Noise floor")
        head = "".join(f'<th scope="col">{text}</th>' for text in headers)
        body = "".join(_row(*map(escape, row), mark=anchor(row[0])) for row in self.rows())
        return (
            '<div class="table-box" role="region" aria-label="Experiments" tabindex="0">'
            '<table class="measured provenance"><caption>Every experiment of this book</caption>'
            f"<thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>"
        )


def _row(
    name: str, question: str, script: str, when: str, effort: str, floor: str, mark: str
) -> str:
    return (
        f'<tr id="{mark}"><th scope="row"><code>{name}</code><small>{question}</small></th>'
        f"<td>{when}<small>{effort}; {script}</small></td><td>{floor}</td></tr>"
    )


def memory_table() -> Table:
    """Return what each number about memory sees, and what it misses."""
    rows = [(field.label, field.sees, field.misses) for field in memory.FIELDS.values()]
    return Table("Numbers about memory", ("Number", "Sees", "Does not see"), rows)


def anchor(experiment: str) -> str:
    """Return the anchor of an experiment's row, for links to it."""
    return f"record-{experiment.replace('.', '-')}"


def _effort(record: Record) -> str:
    rounds = [len(process) for case in record.cases for process in case.samples(case.baseline)]
    fewest, most = min(rounds), max(rounds)
    each = f"{fewest}" if fewest == most else f"{fewest}–{most}"
    return f"{record.protocol['processes']} processes, {each} rounds, {record.protocol['order']}"


def _floors(record: Record) -> str:
    shares = [100 * (noise.floor(case.resolution) - 1) for case in record.cases]
    text = f"±{words.number(min(shares))} %"
    if len(shares) > 1:
        text += f" to ±{words.number(max(shares))} %"
    unstable = sum(not case.stable for case in record.cases)
    return text + (f"; {unstable} of {len(shares)} cases unstable" if unstable else "")
