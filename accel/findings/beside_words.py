"""This book's findings beside pyperf's, in words: who agrees, who is surer, who is sooner."""

from __future__ import annotations

from accel.findings.trust import percent
from accel.timing.records import Record
from accel.timing.report import Sentence, code, times
from accel.timing.stats import Interval
from accel.timing.trials.beside_pyperf import Beside, missing
from accel.timing.words import number


def relative_width(ratio: Interval) -> float:
    """Return by what share the upper end of an interval of ratios exceeds the lower."""
    return ratio.high / ratio.low - 1


def settings_sentence(theirs: Beside | None) -> Sentence:
    """Say which pyperf ran, and how."""
    if theirs is None:
        return Sentence(missing() or "pyperf was not asked.")
    how = f"options {' '.join(theirs.options)}" if theirs.options else "its defaults"
    counted = theirs.runs_ns(theirs.kernels[0])
    return Sentence(
        f"pyperf {theirs.version} with {how}: {len(counted)} processes of "
        f"{len(counted[0])} values for each function, {number(theirs.elapsed_s)} s in all."
    )


def medians_sentence(record: Record, theirs: Beside | None) -> Sentence:
    """Say whether the two agree about the time of each function."""
    if theirs is None:
        return Sentence("There are no medians to compare.")
    case, parts = record.cases[0], []
    for kernel in theirs.kernels:
        ours, other = case.time_ns(kernel), theirs.time_ns(kernel)
        overlap = ours.low <= other.high and other.low <= ours.high
        ratio = theirs.median_ns(kernel) / ours.value
        parts.append(
            f"{code(kernel)}: pyperf's median is {number(ratio)} times ours, and the intervals "
            f"{'overlap' if overlap else 'do not overlap'}"
        )
    return Sentence(f"{'; '.join(parts)}.")


def beside_sentence(record: Record, theirs: Beside | None, kernel: str) -> Sentence:
    """Say whose interval of a ratio is narrower, and who took how long."""
    if theirs is None:
        return Sentence("Width and time have nothing to be compared with.")
    case = record.cases[0]
    ours = case.speedup(kernel)
    other = theirs.speedup(kernel, case.baseline, ours.coverage)
    widths, spent = (relative_width(ours), relative_width(other)), record.data["elapsed_s"]
    narrower = widths[0] < widths[1]
    third = spent <= theirs.elapsed_s / 3
    reached = "reached" if narrower and third else "missed"
    why = [] if narrower else ["our interval is not narrower"]
    why += [] if third else ["we took more than a third of the time"]
    because = f", because {' and '.join(why)}" if why else ""
    return Sentence(
        f"For {code(kernel)} our ratio is {times(ours)} after {number(spent)} s, an interval "
        f"{percent(widths[0])} wide; pyperf's is {times(other)} after "
        f"{number(theirs.elapsed_s)} s, {percent(widths[1])} wide. The goal of a narrower "
        f"interval in a third of the time is {reached}{because}."
    )
