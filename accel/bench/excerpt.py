"""A few operations of a run as one experiment of the book, and what its record says.

A whole run of `accel bench` takes many minutes, a page has seconds. So a page takes
some operations, each at a size in the second cache and at one in memory (or, with much
arithmetic, as large as it affords), with the rivals that are installed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from accel.bench import peers, planning
from accel.bench.peers import card
from accel.bench.planning import OURS, Task
from accel.bench.shares import does_what_is_declared, geometric_mean, percent
from accel.kernels import operation
from accel.timing import isolate, machine
from accel.timing.cost import bound, of, share_of_roof
from accel.timing.plan import Case
from accel.timing.records import CaseView, Record, describe_parameters
from accel.timing.report import Sentence, Table, code, times
from accel.timing.roofs import Roofs
from accel.timing.stats import Interval
from accel.timing.words import duration, factor, listed, with_interval

#: Most FLOPs of a case of a page.
MOST_FLOPS = 1e9


def rivals(threads: int = 1) -> list[dict[str, Any]]:
    """Return the card of each library that could compete, absent ones with the reason."""
    environ, _ = isolate.environment(threads, 0)
    return [card.of(name, threads, environ) for name in peers.MODULES]


def cases(
    names: Sequence[str],
    cards: Sequence[Mapping[str, Any]],
    *,
    dtype: str = "float32",
    facts: Mapping[str, Any] | None = None,
) -> list[Case]:
    """Return the cases of some operations: near and far, with the rivals that are here.

    Parameters
    ----------
    names : sequence of str
        Operations that say which sizes to measure, and have a kernel to call.
    cards : sequence of mapping
        Answer of `rivals`.
    dtype : str
    facts : mapping, optional
        Answer of `machine.describe`; that of this machine by default.

    Raises
    ------
    ValueError
        If an operation cannot be measured; the message says why.
    """
    facts = facts or machine.describe()
    found: list[Case] = []
    for name in names:
        task = Task(name, dtype, 1)
        reason = planning.reason_to_skip(task)
        if reason:
            raise ValueError(f"{name} cannot be measured: {reason}")
        here = {
            one["name"]: planning.rival(one, name)
            for one in cards
            if one["reason"] is None and name in one["operations"]
        }
        sizes = planning.working_sets(facts)
        for size in (sizes[min(1, len(sizes) - 1)], sizes[-1]):
            parameters = planning.affordable(operation(name), size, MOST_FLOPS)
            shape = planning.Shape({**parameters, "dtype": dtype}, awkward=False)
            case = planning.case_of(task, shape, here)
            if case not in found:
                found.append(case)
    return found


def limit_table(record: Record, roofs: Roofs) -> Table:
    """Return each case: our time, its share of the roof, and the speed-up over each rival."""
    names = list(dict.fromkeys(rival for case in record.cases for rival in rivals_of(case)))
    rows = []
    for case in record.cases:
        found = share_of(case, roofs)
        row = [code(case.operation), _size(case), duration(case.time_ns(OURS).value)]
        row += [with_interval(found[0], percent), found[1]] if found else ["–", "fewer FLOPs"]
        row += [
            f"{times(case.speedup(OURS, name))}, {case.verdict(OURS, name)}"
            if name in case.kernels
            else "–"
            for name in names
        ]
        rows.append(row)
    headers = ["Operation", "Size", "Time", "Of the roof", "Which roof", *names]
    return Table("Our best kernels: share of the roof, and speed over each rival", headers, rows)


def rivals_of(case: CaseView) -> list[str]:
    """Return the libraries that competed in a case."""
    return [name for name in case.kernels if name != OURS]


def share_of(case: CaseView, roofs: Roofs) -> tuple[Interval, str] | None:
    """Return the share of the roof that our kernel reached, and which roof that is.

    None for a kernel that does less arithmetic than is declared: no roof is above its rate.

    Raises
    ------
    RoofError
        If it lies above the roof by more than the clock explains.
    """
    dtype = case.parameters.get("dtype", "float32")
    if not does_what_is_declared(case.operation, case.story(OURS).partition(":")[0]):
        return None
    if case.flops:
        return share_of_roof(case, OURS, roofs), bound(of(case), roofs, dtype)
    roof, reached = roofs.bandwidth_gbs(case.compulsory_bytes), case.gigabytes_per_second(OURS)
    coverage = max(0.0, roof.coverage + reached.coverage - 1)
    share = Interval(
        reached.value / roof.value, reached.low / roof.high, reached.high / roof.low, coverage
    )
    return share, "memory"


def _size(case: CaseView) -> str:
    return describe_parameters({k: v for k, v in case.parameters.items() if k != "dtype"})


def rival_sentence(record: Record, rival: str) -> Sentence:
    """Say how our kernels stand against one library over all cases: mean, losses, worst.

    Unstable cases are left out, and counted.
    """
    both = [case for case in record.cases if rival in case.kernels]
    if not both:
        return Sentence(f"{rival} did not compete in this run.")
    judged = [case for case in both if case.stable]
    shaky = f" {len(both) - len(judged)} unstable and left out." if len(judged) < len(both) else ""
    if not judged:
        return Sentence(f"Against {rival} nothing is judged: all cases were unstable.")
    ratios = [case.speedup(OURS, rival).value for case in judged]
    lost = [case for case in judged if case.verdict(OURS, rival) == "slower"]
    lowest, worst = min(zip(ratios, judged, strict=True), key=lambda pair: pair[0])
    losses = (
        f"no case is slower; the closest is {worst.operation} at {_size(worst)}, "
        f"{factor(lowest)}"
        if not lost
        else f"{len(lost)} slower, the worst {worst.operation} at {_size(worst)}, "
        f"{factor(lowest)}"
    )
    return Sentence(
        f"Against {rival}, in {len(judged)} cases: {factor(geometric_mean(ratios))} as "
        f"a geometric mean; {losses}.{shaky}"
    )


def furthest_sentence(record: Record, roofs: Roofs) -> Sentence:
    """Say which case is nearest its roof, and which is furthest from it."""
    judged = [case for case in record.cases if case.stable]
    if not judged:
        return Sentence("All cases were unstable: nothing is said about their roofs.")
    shares = [(*share, case) for case in judged if (share := share_of(case, roofs))]
    if not shares:
        return Sentence("No case has a roof above it.")
    high, roof, near = max(shares, key=lambda one: one[0].value)
    low, _, far = min(shares, key=lambda one: one[0].value)
    return Sentence(
        f"Nearest its roof is {near.operation} at {_size(near)}, with "
        f"{with_interval(high, percent)} of what {roof} allows; furthest from it {far.operation} "
        f"at {_size(far)}, with {with_interval(low, percent)}."
    )


def absent_sentence(cards: Sequence[Mapping[str, Any]]) -> Sentence:
    """Say which libraries competed and which did not, with the reasons."""
    here = [f"{one['name']} {one['version']}" for one in cards if one["reason"] is None]
    absent = [one["reason"] for one in cards if one["reason"] is not None]
    text = f"Compared with {listed(here)}." if here else "No library to compare with is here."
    return Sentence(f"{text} Not compared: {'; '.join(absent)}." if absent else text)
