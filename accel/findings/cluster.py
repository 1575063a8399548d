"""What a cluster costs: a model of three numbers, fitted to a record, and what follows from it.

A call takes rounds of messages, bytes and arithmetic. The model adds up their costs: so much
for each round, so much for each byte, and the arithmetic shared among the workers. Its
numbers are fitted to measured times; beyond them everything is the model's word, and is
called so.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations

import numpy as np

from accel.timing import words
from accel.timing.records import CaseView, Record
from accel.timing.report import Sentence, Table, times
from accel.timing.stats import Interval

#: A model that misses a measured time by more than this predicts nothing.
USELESS = 0.5

#: Of the speed of workers that need no network, what counts as having kept it.
KEPT = 0.8


@dataclass(frozen=True)
class Work:
    """What a call takes: rounds one after the other, bytes moved, FLOPs, and workers for those."""

    rounds: float
    moved_bytes: float
    flops: float
    workers: int


@dataclass(frozen=True)
class Model:
    """Cost of a round in ns, of a byte in ns, and of a FLOP on one worker in ns."""

    round_ns: float
    byte_ns: float
    flop_ns: float

    def parts_ns(self, work: Work) -> dict[str, float]:
        """Return the time of each of the three, in ns."""
        return {
            "rounds": self.round_ns * work.rounds,
            "bytes": self.byte_ns * work.moved_bytes,
            "arithmetic": self.flop_ns * work.flops / work.workers,
        }

    def time_ns(self, work: Work) -> float:
        """Return the time of a call, in ns."""
        return sum(self.parts_ns(work).values())


@dataclass(frozen=True)
class Fit:
    """A model, by what share it misses each time it was fitted to, and how many were unstable."""

    model: Model
    misses: tuple[float, ...]
    unstable: int = 0

    @property
    def worst(self) -> float:
        """The largest share by which it misses."""
        return max(abs(miss) for miss in self.misses)

    @property
    def predicts(self) -> bool:
        """Whether it is near enough to what was measured to be asked for more."""
        return self.worst <= USELESS


def fit(points: Sequence[tuple[Work, float]]) -> Fit:
    """Return the model that is nearest to measured times, in relative terms.

    Parameters
    ----------
    points : sequence of (Work, time in ns)
        At least three that differ in more than size: the same mixture of rounds, bytes and
        FLOPs again and again cannot tell their costs apart.

    Raises
    ------
    ValueError
        If there are too few, or they cannot tell the costs apart.

    Notes
    -----
    Least squares of relative errors, with no cost below zero: of all choices of costs that
    are zero, the best whose others come out positive.
    """
    rows = np.array(
        [[w.rounds / t, w.moved_bytes / t, w.flops / w.workers / t] for w, t in points]
    ).reshape(-1, 3)
    if len(rows) < 3 or np.linalg.matrix_rank(rows / rows.max(axis=0)) < 3:
        raise ValueError(
            f"fit: {len(rows)} times cannot tell latency, transfer and arithmetic apart; expected "
            "at least 3, of calls that mix them differently"
        )
    scale, best = rows.max(axis=0), None
    for count in (3, 2, 1):
        for used in map(list, combinations(range(3), count)):
            found = np.linalg.lstsq(rows[:, used] / scale[used], np.ones(len(rows)), rcond=None)[0]
            costs = np.zeros(3)
            costs[used] = found / scale[used]
            misses = rows @ costs - 1
            if (found >= 0).all() and (best is None or misses @ misses < best[0]):
                best = misses @ misses, costs, misses
    _, costs, misses = best
    return Fit(Model(*map(float, costs)), tuple(map(float, misses)))


def fitted(record: Record, kernel: str, work_of: Callable[..., Mapping[str, float]]) -> Fit:
    """Return the model of a record's cases.

    Parameters
    ----------
    work_of : callable
        Parameters of a case to the fields of `Work`.
    """
    cases = [case for case in record.cases if kernel in case.kernels]
    found = fit(
        [(Work(**work_of(**case.parameters)), case.time_ns(kernel).value) for case in cases]
    )
    return replace(found, unstable=sum(not case.stable for case in cases))


def fit_sentence(found: Fit) -> Sentence:
    """Say what the model's numbers are, how far it is off, and whether it may be believed."""
    model = found.model
    byte, flop = model.byte_ns, model.flop_ns
    costs = [
        f"{words.duration(model.round_ns)} for a round",
        f"{words.gigabytes_per_second(1 / byte)} for bytes" if byte else "no time for bytes",
        f"{words.gflops(1 / flop)} on each worker" if flop else "no time for arithmetic",
    ]
    told = f"Fitted to {len(found.misses)} times, the model has {words.listed(costs)}."
    shaken = ""
    if found.unstable:
        shaken = f" Of those times {found.unstable} are unstable, and so is what follows from them."
    off = f"{100 * found.worst:.0f}{words.NO_BREAK}%"
    if not found.predicts:
        return Sentence(
            f"{told} It misses one of them by {off}: too much to predict anything with.{shaken}"
        )
    return Sentence(f"{told} It misses none of them by more than {off}.{shaken}")


def not_measured(reason: str) -> Sentence:
    """Say that this part of a page was not measured, and why."""
    return Sentence(f"Not measured on this build: {reason}.")


# ---------------------------------------------------------------------------
# Weak scaling: as much work for each worker, and more workers
# ---------------------------------------------------------------------------


def series(record: Record, kernel: str) -> dict[tuple[int, int], list[CaseView]]:
    """Return cases that differ in workers and rows only, by ``(k, n)``, fewest workers first."""
    found: dict[tuple[int, int], list[CaseView]] = {}
    for case in sorted(record.cases, key=lambda case: case.parameters["workers"]):
        if kernel in case.kernels:
            where = case.parameters["k"], case.parameters["n"]
            found.setdefault(where, []).append(case)
    return found


def efficiency(one: CaseView, several: CaseView, kernel: str) -> Interval:
    """Return the time of one worker over that of several with as much work each; 1 is ideal.

    The two were not interleaved: the interval has room for both being at their ends, and
    holds the truth if both intervals do.
    """
    a, b = one.time_ns(kernel), several.time_ns(kernel)
    coverage = max(0.0, a.coverage + b.coverage - 1)
    return Interval(a.value / b.value, a.low / b.high, a.high / b.low, coverage)


def scaling_sentence(one: CaseView, several: CaseView, kernel: str) -> Sentence:
    """Say whether more workers did more work in the same time."""
    workers = several.parameters["workers"]
    shape = f"{_rows(one)} rows for each worker, times {_matrix(one)}"
    shaken = [case for case in (one, several) if not case.stable]
    if shaken:
        reasons = words.listed(dict.fromkeys(r for case in shaken for r in case.reasons))
        return Sentence(f"With {shape}, scaling is not judged, since unstable: {reasons}.")
    kept = efficiency(one, several, kernel)
    done = Interval(*(workers * share for share in kept[:3]), kept.coverage)
    gain = f"{workers} workers do {times(done)} as much in the same time as one"
    alone = 1 / workers
    if kept.low >= KEPT:
        verdict = "it scales"
    elif kept.low > alone and kept.high < KEPT:
        verdict = "it gains, but does not scale"
    elif kept.high <= alone:
        verdict = "one worker alone would have done as well"
    else:
        verdict = "whether that scales is not resolved"
    return Sentence(f"With {shape}, {gain}: {verdict}.")


def _rows(case: CaseView) -> str:
    return words.count(case.parameters["m"] / case.parameters["workers"])


def _matrix(case: CaseView) -> str:
    sizes = (words.count(case.parameters[key]) for key in ("k", "n"))
    return words.unbroken(" × ".join(sizes))


def scaling_table(record: Record, kernel: str) -> Table:
    """Return the time of each case, on the cluster and by its baseline without one."""
    rows = [
        [
            f"{_rows(case)} × {_matrix(case)}",
            words.count(case.parameters["workers"]),
            words.with_interval(case.time_ns(kernel), words.duration),
            words.duration(case.time_ns(case.baseline).value),
            words.number(case.gflops(kernel).value),
        ]
        for cases in series(record, kernel).values()
        for case in cases
    ]
    headers = ["Rows for each worker × matrix", "Workers", "On the cluster", "Without", "GFLOP/s"]
    return Table("Products on a cluster, and on the same cores without one", headers, rows)


def scaling_sentences(record: Record, kernel: str) -> list[Sentence]:
    """Say of each shape whether the most workers did more than the fewest."""
    return [
        scaling_sentence(cases[0], cases[-1], kernel) for cases in series(record, kernel).values()
    ]


def parts_table(works: Sequence[Work], found: Fit) -> Table:
    """Return what the model says of calls on more and more workers, part by part."""
    model = found.model
    rows = []
    for work in works:
        kept = model.time_ns(works[0]) / model.time_ns(work)
        rows.append(
            [
                words.count(work.workers),
                *(words.duration(part) for part in model.parts_ns(work).values()),
                words.duration(model.time_ns(work)),
                f"{100 * kept:.0f}{words.NO_BREAK}%",
            ]
        )
    headers = ["Workers", "Rounds", "Bytes", "Arithmetic", "Time of the call", "Speed kept"]
    doubt = "" if found.predicts else ", and it is too far off to be believed"
    return Table(f"Weak scaling by the model: nothing here was measured{doubt}", headers, rows)


def limit_sentence(works: Sequence[Work], found: Fit) -> Sentence:
    """Say from how many workers on the model has more time spent on the way than at work."""
    if not found.predicts:
        return Sentence("The model is too far off to say how far this scales.")
    for work in works:
        parts = found.model.parts_ns(work)
        if parts["arithmetic"] < parts["rounds"] + parts["bytes"]:
            start = f"From {words.count(work.workers)} workers on"
            if work.workers == 1:
                start = "Even with one worker"
            more = max(("bytes", "rounds"), key=parts.__getitem__)
            return Sentence(
                f"{start}, the model has more time spent on the way than at work, most of it on "
                f"{more}."
            )
    last = words.count(works[-1].workers)
    return Sentence(
        f"Up to {last} workers, the model has more time spent at work than on the way."
    )


# ---------------------------------------------------------------------------
# All-reduce: everybody ends up with the sum of what all had
# ---------------------------------------------------------------------------


@dataclass(frozen=True)
class Link:
    """What a message costs: so much to send any, and so much for each byte, in ns."""

    message_ns: float
    byte_ns: float


def links(found: Fit | None, guessed: Mapping[str, Link]) -> dict[str, Link]:
    """Return networks by name: that of a fitted model first, if it has one, then the guessed.

    A fit that predicts nothing, or leaves a message or a byte for free, has none.
    """
    if found is None or not found.predicts or not found.model.round_ns * found.model.byte_ns:
        return dict(guessed)
    fitted_link = Link(found.model.round_ns, found.model.byte_ns)
    return {"the cluster of this page, fitted": fitted_link, **guessed}


def ring_ns(workers: int, size_bytes: float, link: Link) -> float:
    """Return the time of an all-reduce in which each sends to its neighbour only.

    Data are cut into as many parts as there are workers. In ``p - 1`` steps each part goes
    round and is added up, in ``p - 1`` more the sums go round.

    Source
    ------
    Patarasuk and Yuan, "Bandwidth optimal all-reduce algorithms for clusters of workstations",
    *Journal of Parallel and Distributed Computing* 69 (2009).
    """
    steps = 2 * (workers - 1)
    return steps * (link.message_ns + size_bytes / workers * link.byte_ns)


def tree_ns(workers: int, size_bytes: float, link: Link) -> float:
    """Return the time of an all-reduce up a binomial tree, and down again.

    In each of ``ceil(log2 p)`` steps up half of those that are left hand over all they have.

    Source
    ------
    Thakur, Rabenseifner and Gropp, "Optimization of collective communication operations in
    MPICH", *International Journal of High Performance Computing Applications* 19 (2005).
    """
    steps = 2 * math.ceil(math.log2(workers))
    return steps * (link.message_ns + size_bytes * link.byte_ns)


def crossover_bytes(workers: int, link: Link) -> float:
    """Return the size from which on the ring is faster, in bytes; 0 if it always is."""
    up, around = math.ceil(math.log2(workers)), workers - 1
    if around <= up:
        return 0.0
    return link.message_ns / link.byte_ns * (around - up) / (up - around / workers)


def crossover_table(workers: Iterable[int], links: Mapping[str, Link]) -> Table:
    """Return from which size on the ring is faster, for networks and numbers of workers."""

    def cell(count: int, link: Link) -> str:
        size = crossover_bytes(count, link)
        return size_text(size) if size else "always"

    rows = [
        [words.count(count), *(cell(count, link) for link in links.values())] for count in workers
    ]
    return Table(
        "Size from which on a ring is faster than a tree, by the model",
        ["Workers", *links],
        rows,
    )


def size_text(size_bytes: float) -> str:
    """Return an amount of data in words: ``1.30 MB``."""
    for scale, unit in ((1e9, "GB"), (1e6, "MB"), (1e3, "kB")):
        if size_bytes >= scale:
            return f"{words.number(size_bytes / scale)}{words.NO_BREAK}{unit}"
    return f"{words.number(size_bytes)}{words.NO_BREAK}bytes"


def allreduce_sentence(workers: int, size_bytes: float, name: str, link: Link) -> Sentence:
    """Say which of the two is faster for so much data, and why."""
    ring, tree = ring_ns(workers, size_bytes, link), tree_ns(workers, size_bytes, link)
    both = f"a ring takes {words.duration(ring)}, a tree {words.duration(tree)}"
    if ring < tree:
        why = "the ring moves each byte about twice, the tree again at each of its levels"
    elif tree < ring:
        why = "the ring needs many messages, the tree few, and messages are what costs"
    else:
        why = "they do the same"
    return Sentence(
        f"By the model, with {size_text(size_bytes)} on {words.count(workers)} workers, over "
        f"{name}, {both}: {why}."
    )
