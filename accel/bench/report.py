"""A run of `accel bench` in tables and sentences, for a terminal and for pages.

Everything is computed from the samples in the run's file. A run without rivals says which
library is not installed; nothing is said about it otherwise.
"""

from __future__ import annotations

from collections.abc import Sequence

from accel.bench.goals import Goal, goals
from accel.bench.planning import OURS
from accel.bench.results import Bench, Entry, Measured
from accel.bench.shares import geometric_mean, ratios, share_or_reason
from accel.timing.report import Sentence, Table, times
from accel.timing.words import count, duration, factor, listed, number

#: Where cases lie, in the order of a table.
PLACES = ("L1", "L2", "L3", "L4", "memory")


def operation_table(bench: Bench, entry: Entry) -> Table:
    """Return one operation: each case, our time and share of the roof, each rival's ratio."""
    rows = []
    for measured in entry.cases:
        case = measured.case
        where = f"{measured.place}{', awkward' if measured.awkward else ''}"
        first = [_size(measured), where, duration(case.time_ns(OURS).value)]
        first.append(share_or_reason(measured, bench.roofs))
        rivals = [kernel for kernel in case.kernels if kernel != OURS]
        for rival in rivals:
            ratio = [rival, times(case.speedup(OURS, rival)), case.verdict(OURS, rival)]
            rows.append([*first, *ratio])
            first = [""] * len(first)
        if not rivals:
            rows.append([*first, "–", "–", "–"])
    threads = f"{entry.threads} thread{'s' * (entry.threads > 1)}"
    caption = f"{entry.operation}, {entry.dtype}, {threads}: kernel {entry.kernel}"
    headers = ["Case", "Fits", "Time", "Of roof", "Rival", "Speed-up over it", "Verdict"]
    return Table(caption, headers, rows)


def _size(measured: Measured) -> str:
    """Return the parameters of a case without the element type, which the caption names."""
    parameters = {k: v for k, v in measured.case.parameters.items() if k != "dtype"}
    return ", ".join(
        f"{key}={count(value) if isinstance(value, int) else value}"
        for key, value in parameters.items()
    )


def goal_table(found: Sequence[Goal]) -> Table:
    """Return the goals, with what was found and the verdict."""
    rows = [
        [goal.what, goal.wanted, goal.verdict, goal.found or "–", goal.worst or "–", goal.remark]
        for goal in found
    ]
    headers = ["What", "Goal", "Verdict", "Found", "Worst case", "Remark"]
    return Table("The goals, and what this run says", headers, rows)


def goal_lines(found: Sequence[Goal]) -> list[str]:
    """Return the goals as lines, for a terminal in which the table is too narrow to read."""
    lines = []
    for goal in found:
        details = [goal.found, f"worst {goal.worst}" if goal.worst else "", goal.remark]
        told = "; ".join(filter(None, details))
        line = f"{goal.verdict.upper()}: {goal.what}: {goal.wanted}"
        lines.append(f"{line} ({told})" if told else line)
    return lines


def goal_sentence(found: Sequence[Goal]) -> Sentence:
    """Say how many goals are met, which are not, and which were not measured."""
    met = [goal for goal in found if goal.verdict == "met"]
    missed = [goal for goal in found if goal.verdict == "not met"]
    open_ = [goal for goal in found if goal.verdict == "not measured"]
    text = f"{len(met)} of {len(found)} goals are met."
    if missed:
        named = "; ".join(f"{goal.what}: {goal.wanted}, worst {goal.worst}" for goal in missed)
        text += f" Not met: {named}."
    if open_:
        text += f" {len(open_)} were not measured."
    return Sentence(text)


def group_table(bench: Bench) -> Table:
    """Return the geometric mean and the worst of each group, in and out of cache, per rival."""
    rows = []
    for group, threads in dict.fromkeys((e.group, e.threads) for e in bench.entries):
        for in_cache in (True, False):
            cases = [
                each
                for each in bench.cases
                if (each.entry.group, each.entry.threads) == (group, threads)
                and each.in_cache == in_cache
            ]
            for rival in bench.peers:
                points = ratios(cases, rival)
                if not points:
                    continue
                worst = min(points, key=lambda point: point.value)
                rows.append([
                    group, str(threads), "in cache" if in_cache else "out of cache", rival,
                    factor(geometric_mean([point.value for point in points])), str(len(points)),
                    f"{factor(worst.value)} ({worst.label})",
                ])  # fmt: skip
    headers = ["Group", "Threads", "Where", "Rival", "Geometric mean", "Cases", "Worst case"]
    return Table("Speed-up over each rival, by group; stable cases", headers, rows)


def accuracy_table(bench: Bench) -> Table:
    """Return the largest errors of everybody, an operation per row, in ULP."""
    names = [OURS, *bench.peers]
    by_case: dict[tuple[str, str], dict[str, str]] = {}
    for row in bench.accuracy:
        if "competitor" in row:
            cell = f"{number(row['ulp'])} ({row['relative']:.0e})" if "ulp" in row else "failed"
            by_case.setdefault((row["operation"], row["dtype"]), {})[row["competitor"]] = cell
    rows = [
        [operation, dtype, *(found.get(name, "–") for name in names)]
        for (operation, dtype), found in by_case.items()
    ]
    caption = (
        "Largest error against float64, in units in the last place (in brackets: beside the "
        "largest answer)"
    )
    return Table(caption, ["Operation", "Type", *names], rows)


def first_call_table(bench: Bench) -> Table:
    """Return how long the first call of each operation takes, cold and warm."""
    rows = [
        [row["operation"], row["dtype"], str(row["threads"]), duration(row["cold_ns"]),
         duration(row["warm_ns"]), duration(row["numba_ns"])]
        if "warm_ns" in row
        else [row["operation"], row["dtype"], str(row["threads"]), row["reason"], "–", "–"]
        for row in bench.first_calls
    ]  # fmt: skip
    headers = ["Operation", "Type", "Threads", "Compiled", "From disk", "Loading Numba"]
    return Table("The first call: loading the family, and calling it once", headers, rows)


def library_table(bench: Bench) -> Table:
    """Return the libraries: version, threads, or why they did not compete."""
    rows = [
        [card["name"], card["version"], card["threads"]]
        if card["reason"] is None
        else [card["name"], "–", card["reason"]]
        for card in bench.cards
    ]
    return Table("Who competes", ["Library", "Version", "Threads"], rows)


def absent_sentence(bench: Bench) -> Sentence:
    """Say which libraries did not compete, and why; nothing if all did."""
    reasons = [card["reason"] for card in bench.cards if card["reason"] is not None]
    return Sentence(f"Not compared: {'; '.join(reasons)}." if reasons else "")


def skipped_sentence(bench: Bench) -> Sentence:
    """Say which operations were not measured, by reason; nothing if all were."""
    by_reason: dict[str, list[str]] = {}
    for one in bench.skipped:
        by_reason.setdefault(one["reason"], []).append(one["operation"])
    parts = [
        f"{listed(dict.fromkeys(names))} ({reason})" for reason, names in by_reason.items()
    ]
    return Sentence(f"Not measured: {'; '.join(parts)}." if parts else "")


def dropped_sentences(bench: Bench) -> list[Sentence]:
    """Say which rivals were left out of which operation, and why."""
    return [
        Sentence(f"{name} was left out of {entry.operation}: {reason}.")
        for entry in bench.entries
        for name, reason in entry.dropped.items()
    ]


def overrides_sentence(bench: Bench) -> Sentence:
    """Say what was taken from the environment, since it slows a rival down."""
    if not bench.removed:
        return Sentence("No variable of the environment forced a slower rival.")
    named = listed(f"{name}={value}" for name, value in bench.removed.items())
    return Sentence(f"Removed from the environment of all competitors: {named}.")


def stability_sentence(bench: Bench) -> Sentence:
    """Say how many cases were unstable."""
    shaky = [each for each in bench.cases if not each.case.stable]
    if not shaky:
        return Sentence(f"All {len(bench.cases)} cases were stable.")
    return Sentence(
        f"{len(shaky)} of {len(bench.cases)} cases were unstable, and are not used for goals."
    )


def tables(bench: Bench) -> list[Table]:
    """Return all tables of a run but that of the goals, in the order they are read."""
    found = [library_table(bench), *(operation_table(bench, entry) for entry in bench.entries)]
    if bench.entries:
        found.append(group_table(bench))
    if bench.accuracy:
        found.append(accuracy_table(bench))
    if bench.first_calls:
        found.append(first_call_table(bench))
    return found


def sentences(bench: Bench) -> list[Sentence]:
    """Return what else there is to say, in the order it is read."""
    found = [
        goal_sentence(goals(bench)) if bench.entries else Sentence(""),
        stability_sentence(bench) if bench.entries else Sentence(""),
        absent_sentence(bench),
        skipped_sentence(bench),
        *dropped_sentences(bench),
        overrides_sentence(bench),
    ]
    return [each for each in found if each]
