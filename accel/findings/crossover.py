"""Where one algorithm overtakes another, as far as a record can tell.

Two kernels are measured at several sizes, and each size has a verdict. A crossover lies
between the last size at which one is resolved to be ahead and the first at which the
other is: an interval with measured ends. Nothing is interpolated inside it, nothing
claimed outside the sizes measured, and if the order changes more than once, all changes
are told. Where the crossover ought to be is the subject of `accel.findings.prediction`.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from accel.timing import words
from accel.timing.records import Record
from accel.timing.report import Sentence, code, times
from accel.timing.stats import Interval


@dataclass(frozen=True)
class Point:
    """One size: how many times faster the kernel is there, and what may be said of it."""

    size: int
    ratio: Interval
    verdict: str


@dataclass(frozen=True)
class Crossing:
    """A change of order.

    Parameters
    ----------
    before, after : Point
        The last size of the old order and the first of the new one. Sizes between them
        are not resolved.
    """

    before: Point
    after: Point

    @property
    def gains(self) -> bool:
        """Whether the kernel overtakes; if not, it falls behind."""
        return self.after.verdict == "faster"


@dataclass(frozen=True)
class Crossover:
    """The order of two kernels along a size.

    Parameters
    ----------
    kernel, over, along : str
        Who is compared with whom, and the parameter that is varied.
    points : tuple of Point
        Ascending sizes.
    """

    kernel: str
    over: str
    along: str
    points: tuple[Point, ...]

    @property
    def resolved(self) -> list[Point]:
        """The sizes at which one of the two is ahead."""
        return self.at("faster", "slower")

    @property
    def crossings(self) -> list[Crossing]:
        """Every change of order, smallest size first."""
        known = self.resolved
        return [
            Crossing(before, after)
            for before, after in zip(known[:-1], known[1:], strict=True)
            if before.verdict != after.verdict
        ]

    def at(self, *verdicts: str) -> list[Point]:
        """Return the points with one of these verdicts."""
        return [point for point in self.points if point.verdict in verdicts]


def find(record: Record, kernel: str, over: str, along: str = "n", **where) -> Crossover:
    """Return the order of two kernels along a size.

    Parameters
    ----------
    record : Record
        Cases that lack one of the two kernels are left out.
    kernel, over : str
        The two.
    along : str
        The parameter that is varied.
    **where
        Parameters that the cases must have.

    Raises
    ------
    ValueError
        If no case has both, or a size occurs twice.
    """
    cases = [
        case
        for case in record.cases
        if {kernel, over} <= set(case.kernels)
        and along in case.parameters
        and all(case.parameters.get(key) == value for key, value in where.items())
    ]
    if not cases:
        known = sorted({name for case in record.cases for name in case.kernels})
        raise ValueError(
            f"{record.experiment}: no case has {kernel!r}, {over!r} and {along!r}"
            f"{f' where {where}' if where else ''}; its kernels are {', '.join(known)}"
        )
    points = [
        Point(case.parameters[along], case.speedup(kernel, over), case.verdict(kernel, over))
        for case in cases
    ]
    points.sort(key=lambda point: point.size)
    for one, other in zip(points[:-1], points[1:], strict=True):
        if one.size == other.size:
            raise ValueError(
                f"{record.experiment}: two cases have {along} = {one.size}; say in where= "
                "which is meant"
            )
    return Crossover(kernel, over, along, tuple(points))


# ---------------------------------------------------------------------------
# In words
# ---------------------------------------------------------------------------


def sentence(found: Crossover) -> Sentence:
    """Say where a kernel overtakes another, or that it does not where it was measured."""
    parts = [_order(found)]
    for verdict, text in (
        ("not resolved", "Not resolved at {}."),
        ("unstable", "Unstable, and not used: {}."),
    ):
        points = found.at(verdict)
        if points and found.resolved:
            parts.append(text.format(_at(found, points)))
    return Sentence(" ".join(parts))


def _order(found: Crossover) -> str:
    kernel, over = code(found.kernel), code(found.over)
    known, crossings = found.resolved, found.crossings
    if not known:
        runs = "" if found.at("not resolved") else ", the runs were unstable"
        return (
            f"{kernel} against {over} is resolved at no size measured, "
            f"{_at(found, found.points)}{runs}: nothing can be said about a crossover."
        )
    if not crossings:
        verb = "overtakes" if known[0].verdict == "slower" else "falls behind"
        speeds = range_text(point.ratio.value for point in known)
        return (
            f"{kernel} never {verb} {over} where it was measured: it is {known[0].verdict} at "
            f"{_at(found, known)}, with {speeds} the speed."
        )
    changes = [_change(found, crossing) for crossing in crossings]
    if len(changes) == 1:
        return f"{kernel} {changes[0].format(over=f' {over}')}."
    listed = words.listed(change.format(over="") for change in changes)
    return f"{kernel} and {over} change order {len(changes)} times: {kernel} {listed}."


def _change(found: Crossover, crossing: Crossing) -> str:
    verb = "overtakes" if crossing.gains else "falls behind"
    return (
        f"{verb}{{over}} between {size_text(found, crossing.before.size)}, where it has "
        f"{times(crossing.before.ratio)} the speed, and {size_text(found, crossing.after.size)}, "
        f"where it has {times(crossing.after.ratio)}"
    )


def size_text(found: Crossover, size: int) -> str:
    """Return a size in words: ``taps = 1,024``."""
    return words.unbroken(f"{found.along} = {words.count(size)}")


def _at(found: Crossover, points: Iterable[Point]) -> str:
    sizes = words.listed(words.count(point.size) for point in points)
    return f"{words.unbroken(f'{found.along} =')}{words.NO_BREAK}{sizes}"


def range_text(values: Iterable[float]) -> str:
    """Return the ends of some ratios: ``1.30–1.35×``."""
    ends = sorted(values)
    first, last = words.factor(ends[0]), words.factor(ends[-1])
    return first if first == last else words.span(ends[0], ends[-1], words.factor)


def gain_sentence(found: Crossover, factor: float) -> Sentence:
    """Say at which sizes a kernel is more than so many times faster, and at which it is not."""
    groups: dict[str, list[Point]] = {"more than": [], "less than": [], "not told apart from": []}
    for point in found.resolved:
        more, less = point.ratio.low > factor, point.ratio.high < factor
        word = "more than" if more else "less than" if less else "not told apart from"
        groups[word].append(point)
    parts = [f"{word} {factor:g}× at {_at(found, some)}" for word, some in groups.items() if some]
    if not parts:
        return Sentence(f"{code(found.kernel)} over {code(found.over)} is resolved at no size.")
    subject = f"The speed of {code(found.kernel)} over that of {code(found.over)} is"
    return Sentence(f"{subject} {'; '.join(parts)}.")
