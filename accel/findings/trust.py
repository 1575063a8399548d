"""What the evidence for the method says, in words that follow from it.

Each function takes scores, a record or pyperf's findings, and says what they say,
for the method or against it; the tests feed each of them the contrary data.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from accel.timing import trials
from accel.timing.records import CaseView, Record
from accel.timing.report import Sentence, Table, code, floor_text, times
from accel.timing.stats import CONFIDENCE
from accel.timing.trials import Score
from accel.timing.trials.textbook import Share, rate_interval
from accel.timing.words import duration, listed, number

#: Largest share of equals that may be called different.
LARGEST_ALARM_RATE = 0.05

#: A comparison of two functions of 1 ms is to resolve 2 % within this time, in s.
COMPARISON_S = 15.0

#: What the timing loop may add to a sample beyond the clock's own reading, in ns.
LARGEST_LOOP_NS = 100.0

OURS = trials.METHODS[0].name

#: Coverage of the range of as many processes as trials have: what a rule of thumb,
#: which states nothing, is held to.
RANGE_COVERAGE = 1 - 2 * 0.5**trials.PROCESSES


def percent(share: float) -> str:
    """Return a share of 0 to 1 as ``3.1 %``."""
    return f"{number(100 * share)} %"


def rate(share: Share) -> str:
    """Return a count with its exact 95 % interval: ``6 of 200, 3.00 % (1.11–6.42 %)``."""
    interval = share.interval
    ends = f"{number(100 * interval.low)}–{number(100 * interval.high)} %"
    return f"{share.count} of {share.total}, {percent(interval.value)} ({ends})"


# ---------------------------------------------------------------------------
# Simulated machines
# ---------------------------------------------------------------------------


def coverage_sentence(scores: Sequence[Score]) -> Sentence:
    """Say whether the book's interval holds the truth as often as it states.

    Several kinds of weather are several chances to look bad by luck, so each rate is
    judged at the level that makes 95 % for all of them together (Bonferroni).
    """
    ours = trials.select(scores, method=OURS)
    level = 1 - (1 - CONFIDENCE) / len(ours)
    short = [
        score
        for score in ours
        if rate_interval(score.covered.count, score.covered.total, level).high < score.stated
    ]
    stated = percent(ours[0].stated)
    if short:
        where = listed(f"{rate(score.covered)} under {score.weather!r}" for score in short)
        return Sentence(f"The interval states {stated} and falls short of it: {where}.")
    worst = min(ours, key=lambda score: score.covered.interval.value)
    return Sentence(
        f"The interval states {stated}, and in none of the {len(ours)} kinds of weather does it "
        f"fall short of that by more than chance explains. Least often it held the truth under "
        f"{worst.weather!r}: {rate(worst.covered)}."
    )


def naive_sentence(scores: Sequence[Score], method: str) -> Sentence:
    """Say how another method did in its worst weather, or that it held up in all."""
    of_it = trials.select(scores, method=method)
    worst = min(of_it, key=lambda score: score.covered.interval.value)
    least = RANGE_COVERAGE if math.isnan(worst.stated) else worst.stated
    held = f"{rate(worst.covered)} under {worst.weather!r}"
    if worst.covered.interval.high >= least:
        return Sentence(f"{method.capitalize()!r} held up in all weather, with {held} at least.")
    failed = [s for s in of_it if s.covered.interval.high < least]
    return Sentence(
        f"{method.capitalize()!r} failed in {len(failed)} of {len(of_it)} kinds of weather. At "
        f"worst it held the truth in {held}, and called equals different in "
        f"{percent(worst.alarms.interval.value)}."
    )


def alarms_sentence(scores: Sequence[Score]) -> Sentence:
    """Say how often the book's verdict called simulated equals different."""
    worst = max(trials.select(scores, method=OURS), key=lambda s: s.alarms.interval.value)
    kept = worst.alarms.interval.value <= LARGEST_ALARM_RATE
    return Sentence(
        f"The verdict called equals different most often under {worst.weather!r}, in "
        f"{rate(worst.alarms)}: {'within' if kept else 'above'} the "
        f"{percent(LARGEST_ALARM_RATE)} that may be."
    )


def power_table(scores: Sequence[Score], rival: str) -> Table:
    """Return how often planted slow-downs were found, by weather, and by a rival method."""
    truths = sorted({score.speedup for score in scores}, reverse=True)
    weathers = list(dict.fromkeys(score.weather for score in scores))
    rows = [[weather] for weather in weathers]
    for method in (OURS, rival):
        for truth in truths:
            for row, weather in zip(rows, weathers, strict=True):
                (score,) = trials.select(scores, weather=weather, method=method, speedup=truth)
                row.append(f"{100 * score.words['slower'].interval.value:.0f} %")
    found = [f"{_planted(truth)}, {who}" for who in ("here", "rival") for truth in truths]
    total = scores[0].covered.total
    caption = f"Share of {total} trials in which a slow-down was found; rival: {rival}"
    return Table(caption, ["Weather", *found], rows)


def _planted(speedup: float) -> str:
    return f"{100 * (1 / speedup - 1):.0f} %"


def power_sentence(scores: Sequence[Score], rival: str) -> Sentence:
    """Say where the book's method misses what a rival with honest intervals finds.

    A rival's find counts only in weather in which its intervals hold the truth as
    often as they state.
    """
    lost = []
    for score in trials.select(scores, method=rival):
        keys = {"weather": score.weather, "speedup": score.speedup}
        (mine,) = trials.select(scores, method=OURS, **keys)
        honest = score.covered.interval.high >= score.stated
        if honest and score.words["slower"].interval.low > mine.words["slower"].interval.high:
            lost.append(
                f"{_planted(score.speedup)} under {score.weather!r} "
                f"({percent(mine.words['slower'].interval.value)} of trials against "
                f"{percent(score.words['slower'].interval.value)})"
            )
    if not lost:
        return Sentence(f"Nowhere does {rival!r} find more and stay honest.")
    return Sentence(
        f"The price of caution: {rival!r} finds more where it is right: {listed(lost)}."
    )


# ---------------------------------------------------------------------------
# The twins
# ---------------------------------------------------------------------------


@dataclass(frozen=True)
class TwinCounts:
    """What became of pairs of equal functions.

    Parameters
    ----------
    alarms : Share
        Pairs that the verdict called faster or slower.
    unguarded : Share
        Pairs whose interval alone, without the noise floor, excludes 1.
    biased : Share
        Baselines whose second entry has an interval that excludes 1.
    unstable : int
    chance : float
        Share of intervals that exclude 1 by chance, as they state.
    """

    alarms: Share
    unguarded: Share
    biased: Share
    unstable: int
    chance: float


def twin(case: CaseView) -> str:
    """Return the name that the baseline goes by a second time.

    Raises
    ------
    ValueError
        If the case does not have two kernels.
    """
    others = [name for name in case.kernels if name != case.baseline]
    if len(others) != 1:
        raise ValueError(f"twins are two kernels, this case has {', '.join(case.kernels)}")
    return others[0]


def twin_counts(record: Record) -> TwinCounts:
    """Count what became of the twins of a record."""
    cases = record.cases
    words = [case.verdict(twin(case)) for case in cases]
    pairs = [case.speedup(twin(case)) for case in cases]
    again = [case.resolution for case in cases]
    return TwinCounts(
        alarms=Share(words.count("faster") + words.count("slower"), len(cases)),
        unguarded=Share(sum(pair.excludes(1) for pair in pairs), len(cases)),
        biased=Share(sum(interval.excludes(1) for interval in again), len(cases)),
        unstable=words.count("unstable"),
        chance=1 - again[0].coverage,
    )


def twins_sentence(record: Record) -> Sentence:
    """Say how often equal functions were called different, and what became of the others."""
    counts = twin_counts(record)
    kept = counts.alarms.interval.value <= LARGEST_ALARM_RATE
    goal = f"{'within' if kept else 'above'} the {percent(LARGEST_ALARM_RATE)} that may be"
    total = counts.alarms.total
    judged = total - counts.unstable
    if not judged:
        return Sentence(
            f"All {total} pairs were unstable, so none was judged, and this run says nothing "
            "about false alarms: measure again on a quieter machine."
        )
    aside = (
        f" Not judged, because unstable: {counts.unstable} of {total}." if counts.unstable else ""
    )
    return Sentence(
        f"Called different although equal: {rate(Share(counts.alarms.count, judged))}, {goal}."
        f"{aside}"
    )


def floor_sentence(record: Record) -> Sentence:
    """Say how often intervals between equals exclude 1, against what they state."""
    counts = twin_counts(record)
    more = "more" if counts.unguarded.count > counts.alarms.count else "no more"
    return Sentence(
        f"Without the noise floor {more} would have been: the interval of a pair excludes 1 in "
        f"{rate(counts.unguarded)}, {_against(counts.unguarded, counts.chance)}, and that of "
        f"the baseline's second entry in {rate(counts.biased)}, "
        f"{_against(counts.biased, counts.chance)}."
    )


def _against(share: Share, chance: float) -> str:
    interval = share.interval
    if interval.low > chance:
        return f"more often than the {percent(chance)} that it states"
    if interval.high < chance:
        return f"less often than the {percent(chance)} that it states"
    return f"which agrees with the {percent(chance)} that it states"


# ---------------------------------------------------------------------------
# A planted slow-down, and the price
# ---------------------------------------------------------------------------


def planted_sentence(case: CaseView, kernel: str, truth: float) -> Sentence:
    """Say whether a slow-down that was planted was found.

    Parameters
    ----------
    case : CaseView
    kernel : str
    truth : float
        Speed-up over the baseline that was planted, below 1.
    """
    ratio, word = case.speedup(kernel), case.verdict(kernel)
    planted = f"The planted {_planted(truth)}"
    if word == "unstable":
        return Sentence(f"{planted} could not be looked for: {'; '.join(case.reasons)}.")
    held = "holds" if not ratio.excludes(truth) else "misses"
    interval = f"{times(ratio)} {held} the truth, {number(truth)}×"
    if word == "slower":
        return Sentence(f"{planted} was found. The ratio {interval}; floor {floor_text(case)}.")
    if word == "faster":
        return Sentence(f"{planted} was taken for a speed-up. The ratio {interval}.")
    return Sentence(
        f"{planted} was not found: the ratio {times(ratio)} does not clear the floor of "
        f"{floor_text(case)}, and nothing is claimed. It {held} the truth, {number(truth)}×."
    )


def time_sentence(record: Record, kernel: str) -> Sentence:
    """Say whether a comparison resolved its planted difference in time."""
    case = record.cases[0]
    spent = record.data["elapsed_s"]
    call = duration(case.time_ns(case.baseline).value)
    resolved = case.verdict(kernel) in ("faster", "slower")
    within = spent <= COMPARISON_S
    if resolved and within:
        goal = f"resolved, and within the {COMPARISON_S:g} s that it may take"
    elif resolved:
        goal = f"resolved, but not within {COMPARISON_S:g} s"
    else:
        goal = f"not resolved, {'though' if within else 'and not'} within {COMPARISON_S:g} s"
    return Sentence(
        f"The experiment with functions of {call} took {number(spent)} s, the start of "
        f"{record.protocol['processes']} processes included: {code(kernel)} was {goal}."
    )


def overhead_sentence(record: Record) -> Sentence:
    """Say what the timing loop itself costs."""
    clock = record.clock
    loop = clock["loop_overhead_ns"]
    small = loop < LARGEST_LOOP_NS
    return Sentence(
        f"Reading the clock costs {duration(clock['overhead_ns'])} here. The loop around the "
        f"calls adds {duration(loop) if loop else 'nothing'} to a sample, "
        f"{'below' if small else 'not below'} the {LARGEST_LOOP_NS:g} ns allowed."
    )
