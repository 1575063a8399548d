"""Layouts in words: which is fastest, and after how many uses a conversion has paid."""

from __future__ import annotations

import math

from accel.timing.records import CaseView
from accel.timing.report import Sentence, code, times
from accel.timing.words import count, duration


def conversion_ns(case: CaseView, layout: str) -> float:
    """Return what the way to a layout and back takes, in ns, by what it adds to one use.

    Parameters
    ----------
    case : CaseView
        With a kernel, and one of that name with ``_converted`` at its end.
    layout : str
    """
    return case.time_ns(f"{layout}_converted").value - case.time_ns(layout).value


def uses_to_pay(case: CaseView, layout: str, home: str) -> float:
    """Return after how many uses a conversion has paid; infinite if it never does.

    A conversion is done once on the way there and once back, however often the data is
    used in between.

    Parameters
    ----------
    case : CaseView
    layout, home : str
        Kernel in the other layout, and in the one that the data has.
    """
    gain = case.time_ns(home).value - case.time_ns(layout).value
    if case.verdict(layout, home) != "faster":
        return math.inf
    return max(1, math.ceil(conversion_ns(case, layout) / gain))


def pays_sentence(case: CaseView, layout: str, home: str) -> Sentence:
    """Say whether a layout is faster, and how often its data must be used for it to pay."""
    ratio, word = case.speedup(layout, home), case.verdict(layout, home)
    facts = f"At {case.label} {code(layout)} runs at {times(ratio)} of the speed of {code(home)}"
    if word == "unstable":
        return Sentence(f"{facts}. Not judged, since unstable: {'; '.join(case.reasons)}.")
    if word != "faster":
        return Sentence(f"{facts} ({word}): there is nothing to convert for.")
    way = duration(max(0.0, conversion_ns(case, layout)))
    uses = uses_to_pay(case, layout, home)
    if uses <= 1:
        return Sentence(f"{facts}. The way there and back takes {way}, and pays with one use.")
    return Sentence(
        f"{facts}. The way there and back takes {way}: it pays from {count(uses)} uses in a row on."
    )


def best_sentence(case: CaseView, layouts: list[str]) -> Sentence:
    """Name the fastest of several layouts, or those that are not separated."""
    if not case.stable:
        return Sentence(f"At {case.label} no layout is named, the run was unstable: "
                        f"{'; '.join(case.reasons)}.")  # fmt: skip
    top = min(layouts, key=lambda kernel: case.time_ns(kernel).value)
    group = [k for k in layouts if k == top or case.verdict(k, top) == "not resolved"]
    if len(group) == 1:
        return Sentence(f"At {case.label} the fastest is {code(top)}.")
    names = ", ".join(code(name) for name in group)
    return Sentence(f"At {case.label} none of {names} is separated from the fastest.")
