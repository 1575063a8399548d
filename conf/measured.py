"""Roles that print measured values, so that no number is typed into prose.

``{measured}`` asks a record, ``{claim}`` judges a claim of the source (``NAME``: its
range struck through and the verdict; ``NAME: COMPARISON``: the sentence on one
comparison), ``{machine}`` quotes an entry of the records' machine card. In RST, as
the gallery writes, they read ``:measured:`...```. The grammar of ``{measured}``:

.. code-block:: text

    EXPERIMENT: time of KERNEL at WHERE
    EXPERIMENT: gflops of KERNEL at WHERE               also: bandwidth, first call, samples
    EXPERIMENT: speedup of KERNEL [over KERNEL] at WHERE       without "over": over the baseline
    EXPERIMENT: verdict of KERNEL [over KERNEL] at WHERE       also: sentence
    EXPERIMENT: size [of KERNEL [over KERNEL]] at WHERE        the parameter that WHERE chose by
    EXPERIMENT: resolution at WHERE
    EXPERIMENT: processes   also: profile, date, clock resolution, clock overhead, loop overhead

WHERE is one or more conditions with commas between: ``n=512``, ``largest n``,
``smallest n``, among the cases that have these kernels. It can be left out where
only one case does. What cannot be answered is a warning that lists the choices,
and so fails the build. A ratio that is not resolved is printed as that, never as
a bare number. Each page depends on the records it quotes.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.environment import BuildEnvironment
from sphinx.util import logging
from sphinx.util.docutils import SphinxRole

from accel.findings import claims
from accel.timing import machine, noise, provenance, records, report, words
from accel.timing.records import CaseView, Record, RecordError
from accel.timing.stats import Interval, median

logger = logging.getLogger(__name__)


class QueryError(ValueError):
    """What a role asks for cannot be answered; the message lists the choices."""


@dataclass(frozen=True)
class Query:
    """What ``{measured}`` was asked."""

    experiment: str
    quantity: str
    kernel: str | None = None
    over: str | None = None
    conditions: tuple[tuple[str, str], ...] = ()

    @property
    def kernels(self) -> list[str]:
        return [name for name in (self.kernel, self.over) if name]


@dataclass(frozen=True)
class Answer:
    """A value, its interval in words if it has one, and the whole story for a tooltip."""

    value: str
    interval: str = ""
    story: str = ""


_QUERY = re.compile(
    r"(?P<experiment>[\w.]+)\s*:\s*(?P<quantity>[a-z]+(?: [a-z]+)??)"
    r"(?:\s+of\s+(?P<kernel>\w+))?(?:\s+over\s+(?P<over>\w+))?(?:\s+at\s+(?P<where>.+))?"
)
_CONDITION = re.compile(
    r"(?:(?P<end>largest|smallest)\s+(?P<by>\w+))|(?:(?P<name>\w+)\s*=\s*(?P<value>\w+))"
)


def parse(text: str) -> Query:
    """Read a reference.

    Raises
    ------
    QueryError
        If it is not of the grammar above.
    """
    match = _QUERY.fullmatch(" ".join(text.split()))
    if match is None:
        raise QueryError(
            f"cannot read {text!r}; expected something like "
            "'block_it.ladder: speedup of tiled over blas at n=512'"
        )
    conditions = []
    for part in (match["where"] or "").split(","):
        if not part.strip():
            continue
        condition = _CONDITION.fullmatch(part.strip())
        if condition is None:
            raise QueryError(
                f"cannot read the condition {part.strip()!r} of {text!r}; expected 'n=512', "
                "'largest n' or 'smallest n'"
            )
        name, value = condition["by"] or condition["name"], condition["end"] or condition["value"]
        conditions.append((name, value))
    return Query(
        match["experiment"], match["quantity"], match["kernel"], match["over"], tuple(conditions)
    )


def find_case(record: Record, query: Query) -> CaseView:
    """Return the one case a query means.

    Raises
    ------
    QueryError
        If no case has its kernels, or not exactly one meets its conditions.
    """
    cases = [case for case in record.cases if set(query.kernels) <= set(case.kernels)]
    if not cases:
        known = dict.fromkeys(kernel for case in record.cases for kernel in case.kernels)
        raise QueryError(
            f"{record.experiment} has no case with {words.listed(query.kernels)}; "
            f"its kernels are {', '.join(known)}"
        )
    choices = "; ".join(case.label for case in cases)
    for name, value in query.conditions:
        cases = _narrowed(cases, name, value)
    if len(cases) != 1:
        raise QueryError(
            f"{len(cases)} cases of {record.experiment} meet the conditions, expected 1; "
            f"there are {choices}"
        )
    return cases[0]


def _narrowed(cases: Sequence[CaseView], name: str, value: str) -> list[CaseView]:
    having = [case for case in cases if name in case.parameters]
    if value in ("largest", "smallest"):
        values = [case.parameters[name] for case in having]
        end = (max if value == "largest" else min)(values, default=None)
        return [case for case in having if case.parameters[name] == end]
    return [case for case in having if str(case.parameters[name]) == value]


def _interval(interval: Interval, in_words: Callable[[float], str]) -> Answer:
    return Answer(
        in_words(interval.value),
        words.span(interval.low, interval.high, in_words),
        f"{interval.coverage:.1%} interval of the median over processes",
    )


def _speedup(case: CaseView, kernel: str, over: str | None) -> Answer:
    verdict, ratio = case.verdict(kernel, over), case.speedup(kernel, over)
    answer = _interval(ratio, words.factor)
    if verdict in ("faster", "slower"):
        return answer
    floor = words.number(100 * (noise.floor(case.resolution) - 1))
    reason = f"noise floor ±{floor} %" if verdict == "not resolved" else "; ".join(case.reasons)
    return Answer(verdict, answer.interval, f"{answer.story}; {reason}")


#: Quantities of one kernel in one case.
OF_KERNEL: dict[str, Callable[[CaseView, str, str | None], Answer]] = {
    "time": lambda case, kernel, _: _interval(case.time_ns(kernel), words.duration),
    "gflops": lambda case, kernel, _: _interval(case.gflops(kernel), words.gflops),
    "bandwidth": lambda case, kernel, _: _interval(
        case.gigabytes_per_second(kernel), words.gigabytes_per_second
    ),
    "first call": lambda case, kernel, _: Answer(
        words.duration(median(case.first_call_ns(kernel))),
        story="median over processes of the very first call",
    ),
    "samples": lambda case, kernel, _: Answer(
        words.count(sum(map(len, case.samples(kernel)))), story="samples, none left out"
    ),
    "speedup": _speedup,
    "verdict": lambda case, kernel, over: Answer(
        case.verdict(kernel, over), story=_speedup(case, kernel, over).interval
    ),
    "sentence": lambda case, kernel, over: Answer(report.speedup_sentence(case, kernel, over)),
}

#: Quantities of a whole experiment.
OF_RECORD: dict[str, Callable[[Record], str]] = {
    "processes": lambda record: str(record.protocol["processes"]),
    "profile": lambda record: record.profile,
    "date": lambda record: record.created[:10],
    "clock resolution": lambda record: words.duration(record.clock["resolution_ns"]),
    "clock overhead": lambda record: words.duration(record.clock["overhead_ns"]),
    "loop overhead": lambda record: words.duration(record.clock["loop_overhead_ns"]),
}


def answer(query: Query, record: Record) -> Answer:
    """Answer a query from its record.

    Raises
    ------
    QueryError
        If the quantity is unknown, lacks its kernel, or no case fits.
    """
    quantity = query.quantity
    if quantity in OF_RECORD and not query.kernels:
        return Answer(OF_RECORD[quantity](record), story=record.experiment)
    if quantity in OF_KERNEL and query.kernel is None:
        raise QueryError(f"{quantity!r} needs 'of KERNEL'")
    if quantity not in (*OF_KERNEL, "resolution", "size"):
        known = ", ".join([*OF_KERNEL, "resolution", "size", *OF_RECORD])
        raise QueryError(f"no quantity {quantity!r}; there are {known}")
    if query.over and quantity not in ("speedup", "verdict", "sentence", "size"):
        raise QueryError(f"{quantity!r} takes no 'over'")
    case = find_case(record, query)
    if quantity == "size":
        return Answer(_size(case, query), story=record.experiment)
    if quantity == "resolution":
        share = 100 * (noise.floor(case.resolution) - 1)
        found = Answer(f"±{words.number(share)}{words.NO_BREAK}%", story="A/A noise floor")
    else:
        found = OF_KERNEL[quantity](case, query.kernel, query.over)
    about = " over ".join(query.kernels)
    story = "; ".join(part for part in (record.experiment, about, case.label, found.story) if part)
    if (
        not case.stable
        and query.over is None
        and quantity not in ("speedup", "verdict", "sentence")
    ):
        return Answer(f"{found.value} (unstable)", found.interval, story)
    return Answer(found.value, found.interval, story)


def _size(case: CaseView, query: Query) -> str:
    if not query.conditions:
        raise QueryError("'size' needs a condition such as 'at largest n', and prints that n")
    value = case.parameters[query.conditions[0][0]]
    return words.count(value) if isinstance(value, int) else str(value)


class quoted(nodes.inline):  # named like docutils' own nodes
    """A value on a page, linked to where it comes from."""


def visit_quoted(translator, node: quoted) -> None:
    builder = translator.builder
    page, anchor = node["source"]
    uri = builder.get_relative_uri(builder.current_docname, page)
    title = f' title="{translator.attval(node["story"])}"' if node["story"] else ""
    css = " ".join(node["classes"])
    translator.body.append(f'<a class="{css}" href="{uri}#{anchor}"{title}>')


def depart_quoted(translator, node: quoted) -> None:
    translator.body.append("</a>")


class RecordRole(SphinxRole):
    """What the three roles share: errors are warnings with a place, pages depend on records.

    Parameters
    ----------
    quote : callable
        ``quote(role, text)`` returns the node that says it.
    """

    def __init__(self, quote: Callable[[RecordRole, str], nodes.Node]) -> None:
        super().__init__()
        self.quote = quote

    def run(self) -> tuple[list[nodes.Node], list[nodes.system_message]]:
        try:
            return [self.quote(self, self.text)], []
        except (QueryError, RecordError, claims.ClaimError) as error:
            logger.warning(
                "%s: %s", self.name, error, location=self.get_location(), type="measured"
            )
            return [nodes.literal(self.rawtext, self.text)], []

    def load(self, experiment: str) -> Record:
        """Load a record, and make this page depend on it."""
        self.env.note_dependency(records.path_of(experiment).resolve())
        return records.load(experiment)


def quote_measured(role: RecordRole, text: str) -> nodes.Node:
    """Return a measured value with its interval, linked to its record."""
    query = parse(text)
    found = answer(query, role.load(query.experiment))
    kind = "sentence" if query.quantity == "sentence" else "measured"
    node = quoted(
        role.rawtext, "", *with_code(found.value), classes=[kind], story=found.story,
        source=(role.config.measured_page, provenance.anchor(query.experiment)),
    )  # fmt: skip
    if found.interval:
        node += nodes.inline("", f" ({found.interval})", classes=["interval"])
    return node


def with_code(text: str) -> list[nodes.Node]:
    """Return text as nodes, what stands between backquotes as code."""
    return [
        nodes.literal("", piece) if place % 2 else nodes.Text(piece)
        for place, piece in enumerate(text.split("`"))
    ]


def quote_claim(role: RecordRole, text: str) -> nodes.Node:
    """Return a claim's range, struck through, beside the verdict on it."""
    path = Path(role.env.srcdir, role.config.measured_claims)
    role.env.note_dependency(path)
    known = claims.read_claims(path)
    name, _, title = (part.strip() for part in text.partition(":"))
    if name not in known:
        raise QueryError(f"no claim {name!r} in {path.name}; there are {', '.join(known)}")
    results = claims.examine(known[name], role.load)
    node = quoted(role.rawtext, "", classes=["sentence" if title else "claim"],
                  story=known[name].quote, source=(path.stem, f"claim-{name}"))  # fmt: skip
    if title:
        node += nodes.Text(_comparison(results, title).judgement.sentence)
        return node
    # `s` is heard by screen readers and needs no style sheet.
    node += nodes.raw("", f"<s>{known[name].claimed}</s>", format="html")
    node += nodes.Text(f" {claims.overall(results)}")
    return node


def _comparison(results: Sequence[claims.Result], title: str) -> claims.Result:
    found = {result.comparison.title: result for result in results}
    if title not in found:
        raise QueryError(f"no comparison {title!r}; there are {'; '.join(found)}")
    return found[title]


def quote_machine(role: RecordRole, text: str) -> nodes.Node:
    """Return an entry of the machine card: of the newest record, not of this computer."""
    found = provenance.records_of_last_build()
    if not found:
        raise QueryError("there are no records yet")
    record = provenance.newest(found)
    role.load(record.experiment)
    card = dict(machine.card(record.machine, record.software))
    entries = {label.casefold(): value for label, value in card.items()}
    if text.casefold() not in entries:
        raise QueryError(f"no entry {text!r} on the machine card; there are {', '.join(card)}")
    return quoted(role.rawtext, entries[text.casefold()], classes=["machine"], story="",
                  source=(role.config.measured_page, "machine-card"))  # fmt: skip


def reread_record_pages(app: Sphinx, env: BuildEnvironment, *_) -> list[str]:
    """Read pages again whose cells read records, if any record is new, gone or different.

    Such a page says ``reads_records: true`` in its head; Sphinx cannot know what
    its cells open.
    """
    state = {name: records.path_of(name).stat().st_mtime_ns for name in records.names()}
    if getattr(env, "accel_records", None) == state:
        return []
    env.accel_records = state
    return [page for page, head in env.metadata.items() if "reads_records" in head]


def setup(app: Sphinx) -> dict:
    app.add_config_value("measured_page", "machine", "env")
    app.add_config_value("measured_claims", "claims.toml", "env")
    app.add_node(quoted, html=(visit_quoted, depart_quoted))
    app.add_role("measured", RecordRole(quote_measured))
    app.add_role("claim", RecordRole(quote_claim))
    app.add_role("machine", RecordRole(quote_machine))
    app.connect("env-get-outdated", reread_record_pages)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
