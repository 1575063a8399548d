"""What it costs that code need not change, and what it gains: overhead, and code as it was.

A call through dispatch or through NumPy's protocol for arrays takes longer than the call it
wraps, by the same time whatever is computed. Code that was not changed pays that for each of
its calls, and has to gain more.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from statistics import median

from accel.timing import words
from accel.timing.records import CaseView, Record
from accel.timing.report import Sentence, Table, code, times
from accel.timing.stats import Interval, median_interval

#: What looking a plan up may cost, and NumPy's protocol, in ns per call.
GOAL_PLAN_NS, GOAL_PROTOCOL_NS = 500, 1500

#: How much faster unmodified code should be.
GOAL_CODE = 1.5



def overhead_ns(case: CaseView, kernel: str, over: str) -> Interval:
    """Return how much longer a call of `kernel` takes than one of `over`, in ns.

    Each process contributes the median of the differences of its rounds.
    """
    pairs = zip(case.samples(kernel), case.samples(over), strict=True)
    differences = [
        median([a - b for a, b in zip(mine, theirs, strict=True)]) for mine, theirs in pairs
    ]
    return median_interval(differences)


def _nanoseconds(interval: Interval) -> str:
    def ns(value: float) -> str:
        return f"{value:,.0f}"

    return f"{ns(interval.value)} ({ns(interval.low)} to {ns(interval.high)}){words.NO_BREAK}ns"


def overhead_table(steps: Sequence[tuple[str, CaseView, str, str | None]], caption: str) -> Table:
    """Return what each way to make a call takes, and what it adds to a shorter one.

    Parameters
    ----------
    steps : sequence of tuple
        Words, case, kernel, and the kernel that it adds to, or None.
    caption : str
    """
    rows = [
        [
            text,
            words.with_interval(case.time_ns(kernel), words.duration),
            "–" if over is None else _nanoseconds(overhead_ns(case, kernel, over)),
        ]
        for text, case, kernel, over in steps
    ]
    return Table(caption, ["Call", "Time", "More than the call it wraps"], rows)


def overhead_sentence(
    case: CaseView, kernel: str, over: str, goal_ns: float, subject: str
) -> Sentence:
    """Say whether what a way to call adds is within its goal."""
    if not case.stable:
        reasons = "; ".join(case.reasons)
        return Sentence(f"{subject} is not judged, the run was unstable: {reasons}.")
    added = overhead_ns(case, kernel, over)
    if added.high <= goal_ns:
        verdict = "within"
    elif added.low > goal_ns:
        verdict = "above"
    else:
        verdict = "not told apart from"
    return Sentence(
        f"{subject} costs {_nanoseconds(added)} a call: {verdict} the goal of "
        f"{words.duration(goal_ns)}."
    )


# ---------------------------------------------------------------------------
# Unmodified code
# ---------------------------------------------------------------------------


def code_table(record: Record, policies: Sequence[str], names: Mapping[str, str]) -> Table:
    """Return the time of unmodified code, and its speed-up through each policy.

    Parameters
    ----------
    record : Record
        One case for each piece of code; its baseline is the code on NumPy's own arrays.
    policies : sequence of str
    names : mapping
        Operation to what the code is, in words.
    """
    rows = [
        [
            names[case.operation],
            words.with_interval(case.time_ns(case.baseline), words.duration),
            *(f"{times(case.speedup(each))} {_mark(case, each)}".rstrip() for each in policies),
        ]
        for case in record.cases
    ]
    headers = ["Code", "NumPy", *(f"`{each}`" for each in policies)]
    return Table("Unmodified code: time on NumPy's arrays, and speed-up wrapped", headers, rows)


def _mark(case: CaseView, kernel: str) -> str:
    word = case.verdict(kernel)
    return "" if word == "faster" else word


def code_sentence(record: Record, policy: str, names: Mapping[str, str]) -> Sentence:
    """Say how much faster unmodified code is, and where it misses the goal, losses included."""
    groups: dict[str, list[str]] = {}
    for case in record.cases:
        speed, word = case.speedup(policy), case.verdict(policy)
        if word == "faster":
            word = f"faster, {'as' if speed.value >= GOAL_CODE else 'less than'} the goal is"
        groups.setdefault(word, []).append(f"{names[case.operation]} {times(speed)}")
    order = (
        "faster, as the goal is", "faster, less than the goal is", "not resolved", "slower",
        "unstable",
    )  # fmt: skip
    parts = [f"{word}: {words.listed(groups[word])}" for word in order if word in groups]
    return Sentence(
        f"Through {code(policy)}, with a goal of {words.factor(GOAL_CODE)}, unmodified code is "
        f"{'. It is '.join(parts)}."
    )
