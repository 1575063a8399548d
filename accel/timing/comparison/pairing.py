"""Which kernel of one run belongs to which of another, and which has no partner."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from types import MappingProxyType
from typing import Any, NamedTuple

from accel.timing import paired
from accel.timing.comparison import differences
from accel.timing.comparison.unpaired import MOST_PROCESSES
from accel.timing.records import CaseView, Record
from accel.timing.stats import CONFIDENCE, fewest, median


class Unmatched(NamedTuple):
    """What cannot be compared: a whole experiment, a case, or a kernel of it."""

    experiment: str
    verdict: str
    why: str = ""
    operation: str = ""
    parameters: Mapping[str, Any] = MappingProxyType({})
    kernel: str = ""


@dataclass(frozen=True)
class Pair:
    """One kernel of one case, in both runs."""

    experiment: str
    kernel: str
    old: CaseView
    new: CaseView

    @property
    def stable(self) -> bool:
        return self.old.stable and self.new.stable

    @property
    def reasons(self) -> list[str]:
        """Why it is not stable."""
        sides = (("old", self.old), ("new", self.new))
        return [f"{side}: {reason}" for side, case in sides for reason in case.reasons]

    @property
    def baseline(self) -> str:
        """The baseline of both runs; "" if they have different ones."""
        return self.new.baseline if self.new.baseline == self.old.baseline else ""

    @property
    def remarks(self) -> list[str]:
        """What else is not the same in the two cases."""
        found = []
        if not self.baseline:
            both = f"{self.old.baseline} and {self.new.baseline}"
            found.append(f"the baselines differ, {both}: absolute time only")
        if self.old.flops != self.new.flops:
            found.append(f"declared FLOPs differ: {self.old.flops} and {self.new.flops}")
        if self.old.compulsory_bytes != self.new.compulsory_bytes:
            both = f"{self.old.compulsory_bytes} and {self.new.compulsory_bytes}"
            found.append(f"declared bytes differ: {both}")
        return found

    @cached_property
    def absolute(self) -> tuple[list[float], list[float]]:
        """Logarithm of the speed, a number per process, of old and new."""
        return _log_speeds(self.old, self.kernel), _log_speeds(self.new, self.kernel)

    @cached_property
    def relative(self) -> tuple[list[float], list[float]] | None:
        """Logarithm of the speed-up over the baseline, a number per process, of old and new.

        None for the baseline itself, and where the runs have different ones.
        """
        if self.kernel == self.baseline or not self.baseline:
            return None
        old, new = (
            paired.process_log_ratios(case.samples(self.kernel), case.samples(self.baseline))
            for case in (self.old, self.new)
        )
        return old, new

    @cached_property
    def shift(self) -> float:
        """How far the logarithm of the speed moved."""
        old, new = self.absolute
        return median([after - before for after in new for before in old])


def _log_speeds(case: CaseView, kernel: str) -> list[float]:
    return [-math.log(median(rounds)) for rounds in case.samples(kernel)]


def matched(experiment: str, old: Record | None, new: Record | None) -> Iterator[Pair | Unmatched]:
    """Yield every kernel of one experiment with its partner, or what has none."""
    if old is None or new is None:
        yield Unmatched(experiment, "only in new" if old is None else "only in old")
        return
    conflict = differences.conflict(old, new)
    if conflict:
        yield Unmatched(experiment, "not comparable", conflict)
        return
    before, after = _by(_input, old.cases), _by(_input, new.cases)
    for key in dict.fromkeys((*after, *before)):
        olds, news = before.get(key, []), after.get(key, [])
        if len(olds) > 1 or len(news) > 1:  # one input, several fields of competitors
            olds_by, news_by = _by(_baseline, olds), _by(_baseline, news)
            for baseline in dict.fromkeys((*news_by, *olds_by)):
                yield from _kernels(
                    experiment, olds_by.get(baseline, []), news_by.get(baseline, [])
                )
        else:
            yield from _kernels(experiment, olds, news)


def _by(
    key: Callable[[CaseView], tuple[str, ...]], cases: list[CaseView]
) -> dict[tuple[str, ...], list[CaseView]]:
    """Return cases in groups, each in the order they came."""
    found: dict[tuple[str, ...], list[CaseView]] = {}
    for case in cases:
        found.setdefault(key(case), []).append(case)
    return found


def _input(case: CaseView) -> tuple[str, ...]:
    return case.operation, json.dumps(case.parameters, sort_keys=True)


def _baseline(case: CaseView) -> tuple[str, ...]:
    return (case.baseline,)


def _kernels(
    experiment: str, old: list[CaseView], new: list[CaseView]
) -> Iterator[Pair | Unmatched]:
    """Yield the kernels of one case, or the case if it is not in both."""
    some = (new or old)[0]

    def unmatched(verdict: str, why: str = "", kernel: str = "") -> Unmatched:
        return Unmatched(experiment, verdict, why, some.operation, some.parameters, kernel)

    if not old or not new:
        other = "old" if new else "new"
        verdict = f"only in {'new' if new else 'old'}"
        yield unmatched(verdict, f"the {other} record has no such case")
    elif len(old) > 1 or len(new) > 1:
        counts = f"{len(old)} in old, {len(new)} in new"
        why = f"several cases have the same parameters and baseline: {counts}"
        yield unmatched("not comparable", why)
    elif _unfit(old[0]) or _unfit(new[0]):
        fits = (("old", _unfit(old[0])), ("new", _unfit(new[0])))
        why = "; ".join(f"{side}: {reason}" for side, reason in fits if reason)
        yield unmatched("not comparable", why)
    else:
        for kernel in dict.fromkeys((*new[0].kernels, *old[0].kernels)):
            if kernel not in old[0].kernels:
                yield unmatched("only in new", kernel=kernel)
            elif kernel not in new[0].kernels:
                yield unmatched("only in old", kernel=kernel)
            else:
                yield Pair(experiment, kernel, old[0], new[0])


def _unfit(case: CaseView) -> str:
    """Return why no interval can be taken from a case, "" if it can."""
    count, least = len(case.samples(case.baseline)), fewest(CONFIDENCE)
    if count < least:
        return f"{count} processes, and an interval of {CONFIDENCE:.0%} takes at least {least}"
    if count > MOST_PROCESSES:
        return f"{count} processes, and exact intervals are counted for at most {MOST_PROCESSES}"
    return ""
