"""What was to be reached, and whether the samples of a run say that it was.

Each goal is a row: what was wanted, what was found, the worst case, and one of three
verdicts. "Not measured" is a verdict: without PyTorch nothing is said about PyTorch. A case
that was unstable is not used, and is counted.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from accel.bench.planning import OURS
from accel.bench.results import Bench, Measured
from accel.bench.shares import (
    Point,
    does_what_is_declared,
    geometric_mean,
    label,
    peak_share,
    percent,
    ratios,
    writing_share,
)
from accel.timing.words import duration, factor, number

VERDICTS = ("met", "not met", "not measured")

#: Groups that wait for memory: their goals are bandwidth far out, and lead within caches.
MEMORY_BOUND = ("elementwise", "normalisation", "optimizer", "layout")

#: Smallest side of a product of matrices that must come near the peak.
LARGE_SIDE = 1024

#: FLOPs from which a convolution or attention is a large case.
LARGE_FLOPS = 2e8

#: Error that a rounding to the nearest number and one more of the same size make: an answer
#: within it is as good as its type, whoever came closer.
FAITHFUL_ULP = 1.0

#: Typical errors this far apart are equal: another order of additions moves them as much.
EQUAL_ERRORS = 1.05

#: Longest warm start, in ns.
WARM_START_NS = 0.5e9


@dataclass(frozen=True)
class Goal:
    """One row: what was wanted, and what the run says.

    Parameters
    ----------
    what, wanted : str
        Of which cases; which number.
    found, worst : str
        The number found, and the case furthest from the goal; empty where not measured.
    verdict : {"met", "not met", "not measured"}
    remark : str
        How many cases count, and why others do not.
    """

    what: str
    wanted: str
    found: str
    worst: str
    verdict: str
    remark: str


def goals(bench: Bench) -> list[Goal]:
    """Return every goal, in the order of the table that set them."""
    everyone = max((entry.threads for entry in bench.entries), default=1)
    return [
        *_product_goals(bench, 1, "matmul, 1 thread"),
        *_all_cores_goals(bench, everyone),
        _bandwidth_goal(bench),
        *_in_cache_goals(bench),
        *_convolution_goals(bench),
        _accuracy_goal(bench),
        _first_call_goal(bench),
    ]


# --- verdicts ------------------------------------------------------------------------------------


def judged(
    what: str,
    wanted: str,
    points: Sequence[Point],
    least: float,
    words: Callable[[float], str],
    *,
    every: bool = False,
    remark: str = "",
) -> Goal:
    """Return a goal of at least so much: of the geometric mean, or of every case.

    Parameters
    ----------
    points : sequence of Point
        Nothing measured if empty.
    least : float
        Goal for the number.
    words : callable
        Writes a number.
    every : bool
        Whether the worst case must reach it, or the mean.
    remark : str
        Why there are no more points.
    """
    if not points:
        return Goal(what, wanted, "", "", "not measured", remark)
    worst = min(points, key=lambda point: point.value)
    mean = geometric_mean([point.value for point in points])
    decisive = worst.value if every else mean
    reached = sum(point.value >= least for point in points)
    return Goal(
        what,
        wanted,
        f"{words(mean)} on average, {reached} of {len(points)} cases reach {words(least)}",
        f"{words(worst.value)} ({worst.label})",
        "met" if decisive >= least else "not met",
        remark,
    )


def _lacking(bench: Bench, cases: Sequence[Measured], rival: str | None = None) -> str:
    """Say why cases do not count: unstable, or without the rival."""
    if rival is not None and rival not in bench.peers:
        reasons = [card["reason"] for card in bench.cards if card["name"] == rival]
        return reasons[0] if reasons else f"{rival} did not compete"
    if not cases:
        return "no such case in this run"
    shaky = sum(not each.case.stable for each in cases)
    return f"{shaky} of {len(cases)} cases unstable, left out" if shaky else ""


def _stable(cases: Iterable[Measured]) -> list[Measured]:
    return [each for each in cases if each.case.stable]


# --- the goals -----------------------------------------------------------------------------------


def _of(bench: Bench, threads: int, operations: Sequence[str]) -> list[Measured]:
    return [
        each
        for each in bench.cases
        if each.entry.threads == threads and each.entry.operation in operations
    ]


def _is_large(measured: Measured) -> bool:
    """Whether every side of a product of matrices is long."""
    sides = measured.case.parameters
    n = sides["n"]
    return min(n, sides.get("m") or n, sides.get("k") or n) >= LARGE_SIDE


def _against(
    bench: Bench, cases: Sequence[Measured], rival: str, what: str, least: float
) -> Goal:
    wanted = f"at least {factor(least)} {rival}, geometric mean"
    remark = _lacking(bench, cases, rival)
    return judged(what, wanted, ratios(cases, rival), least, factor, remark=remark)


def _product_goals(bench: Bench, threads: int, what: str) -> list[Goal]:
    cases = _of(bench, threads, ("matmul",))
    large = [each for each in cases if _is_large(each)]
    return [
        _against(bench, cases, "NumPy", what, 1.0),
        judged(
            what, f"no size below {factor(0.9)} NumPy", ratios(cases, "NumPy"), 0.9, factor,
            every=True, remark=_lacking(bench, cases, "NumPy"),
        ),
        _peak_goal(bench, large, f"{what}, N of at least {LARGE_SIDE}", 0.9),
        _against(bench, cases, "PyTorch", what, 1.5),
    ]  # fmt: skip


def _peak_goal(bench: Bench, cases: Sequence[Measured], what: str, least: float) -> Goal:
    wanted = f"at least {percent(least)} of the measured FMA peak"
    roofs = bench.roofs
    if roofs is None:
        return judged(what, wanted, [], least, percent, remark="no roofs were measured")
    points = [
        Point(label(each), peak_share(each, roofs))
        for each in _stable(cases)
        if does_what_is_declared(each.entry.operation, each.entry.kernel)
    ]
    return judged(
        what, wanted, points, least, percent, every=True, remark=_lacking(bench, cases)
    )


def _all_cores_goals(bench: Bench, threads: int) -> list[Goal]:
    what = "matmul, all cores"
    if threads == 1:
        return [
            Goal(what, wanted, "", "", "not measured", "only one thread was measured")
            for wanted in ("at least 1.00× NumPy, geometric mean", "parallel efficiency of 0.90")
        ]
    cases = _of(bench, threads, ("matmul",))
    alone = {
        (each.entry.dtype, each.case.label): each for each in _of(bench, 1, ("matmul",))
    }
    points = []
    for each in _stable(cases):
        single = alone.get((each.entry.dtype, each.case.label))
        if single is not None and single.case.stable and _is_large(each):
            gain = single.case.time_ns(OURS).value / each.case.time_ns(OURS).value
            points.append(Point(label(each), gain / threads))
    large = [each for each in cases if _is_large(each)]
    efficiency = judged(
        f"{what}, N of at least {LARGE_SIDE}", "parallel efficiency of 0.90", points, 0.9, number,
        every=True, remark=_lacking(bench, large),
    )  # fmt: skip
    return [_against(bench, cases, "NumPy", what, 1.0), efficiency]


def _bandwidth_goal(bench: Bench) -> Goal:
    what, wanted = "out of cache", f"at least {percent(0.9)} of copy or triad bandwidth"
    groups = f"{', '.join(MEMORY_BOUND)}: {what}"
    cases = [e for e in bench.cases if e.entry.group in MEMORY_BOUND and not e.in_cache]
    roofs = bench.roofs
    if roofs is None:
        return judged(groups, wanted, [], 0.9, percent, remark="no roofs were measured")
    known = [e for e in _stable(cases) if e.entry.threads in roofs.threads()]
    points = [Point(label(each), writing_share(each, roofs).value) for each in known]
    remark = _lacking(bench, cases)
    return judged(groups, wanted, points, 0.9, percent, every=True, remark=remark)


def _in_cache_goals(bench: Bench) -> list[Goal]:
    what = f"{', '.join(MEMORY_BOUND)}: in cache"
    cases = [e for e in bench.cases if e.entry.group in MEMORY_BOUND and e.in_cache]
    return [
        _against(bench, cases, "PyTorch", what, 2.0),
        _against(bench, cases, "NumPy", what, 5.0),
        *(_no_loss(bench, cases, rival, what) for rival in ("PyTorch", "NumPy")),
    ]


def _no_loss(bench: Bench, cases: Sequence[Measured], rival: str, what: str) -> Goal:
    """Return the goal that no case is slower, where "slower" is what the samples resolve."""
    wanted, remark = f"no case slower than {rival}", _lacking(bench, cases, rival)
    present = [each for each in _stable(cases) if rival in each.case.kernels]
    if not present:
        return Goal(what, wanted, "", "", "not measured", remark)
    lost = [each for each in present if each.case.verdict(OURS, rival) == "slower"]
    worst = min(ratios(present, rival), key=lambda point: point.value)
    return Goal(
        what,
        wanted,
        f"{len(lost)} of {len(present)} cases slower",
        f"{factor(worst.value)} ({worst.label})",
        "not met" if lost else "met",
        remark,
    )


def _convolution_goals(bench: Bench) -> list[Goal]:
    names = ("conv2d", "conv2d_nhwc", "attention", "attention_causal")
    cases = _of(bench, 1, names)
    large = [each for each in cases if each.case.flops >= LARGE_FLOPS]
    what = "conv2d, attention"
    return [
        _against(bench, cases, "PyTorch", what, 1.3),
        _peak_goal(bench, large, f"{what}, large cases", 0.75),
    ]


def _accuracy_goal(bench: Bench) -> Goal:
    """Return whether we err no more than the library whose function it is."""
    what, wanted = "accuracy", "error against float64 no larger than the reference library's"
    by_case: dict[tuple[str, str], dict[str, Mapping]] = {}
    for row in bench.accuracy:
        if "ulp" in row:
            by_case.setdefault((row["operation"], row["dtype"]), {})[row["competitor"]] = row
    pairs = [
        (f"{operation}, {dtype}", found[OURS], found.get("PyTorch") or found["NumPy"])
        for (operation, dtype), found in by_case.items()
        if OURS in found and ("PyTorch" in found or "NumPy" in found)
    ]
    if not pairs:
        return Goal(what, wanted, "", "", "not measured", "no errors were measured")
    lost = [pair for pair in pairs if _errs_more(*pair[1:])]
    name, ours, theirs = max(lost or pairs, key=lambda pair: _error_beside(*pair[1:]))
    return Goal(
        what,
        wanted,
        f"{len(pairs) - len(lost)} of {len(pairs)} operations",
        f"{_error_words(ours, theirs)} ({name})",
        "not met" if lost else "met",
        f"typical errors, root mean squares; up to {FAITHFUL_ULP:g} ULP is as good as the type",
    )


def _error_beside(ours: Mapping, theirs: Mapping) -> float:
    """Return our typical error as a multiple of another's."""
    if ours["typical"] == 0:
        return 0.0
    return ours["typical"] / theirs["typical"] if theirs["typical"] else math.inf


def _error_words(ours: Mapping, theirs: Mapping) -> str:
    beside = _error_beside(ours, theirs)
    if math.isinf(beside):
        return f"an error where {theirs['competitor']} has none"
    return f"typically {factor(beside)} that of {theirs['competitor']}"


def _errs_more(ours: Mapping, theirs: Mapping) -> bool:
    return ours["ulp"] > FAITHFUL_ULP and _error_beside(ours, theirs) > EQUAL_ERRORS


def _first_call_goal(bench: Bench) -> Goal:
    what, wanted = "first call", f"warm start below {duration(WARM_START_NS)} per operation"
    known = [row for row in bench.first_calls if "warm_ns" in row]
    if not known:
        return Goal(what, wanted, "", "", "not measured", "no first calls were measured")
    worst = max(known, key=lambda row: row["warm_ns"])
    fast = sum(row["warm_ns"] < WARM_START_NS for row in known)
    return Goal(
        what,
        wanted,
        f"{fast} of {len(known)} operations",
        f"{duration(worst['warm_ns'])} ({worst['operation']}, {worst['dtype']})",
        "met" if fast == len(known) else "not met",
        "beside loading Numba, once per process",
    )
