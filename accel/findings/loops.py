"""Loops in words: their share of the roof, what a first call costs, why a size matters."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from accel.findings.waterfall import Layer, per_flop
from accel.timing import cost
from accel.timing.records import CaseView
from accel.timing.report import Sentence, code, times
from accel.timing.stats import median
from accel.timing.words import NO_BREAK, count, duration, listed, number, span, with_interval

if TYPE_CHECKING:
    from accel.timing.roofs import Roofs


def share_sentence(
    case: CaseView, kernels: Sequence[str], roofs: Roofs, threads: int = 1
) -> Sentence:
    """Say at which share of the measured roof kernels run.

    Parameters
    ----------
    case : CaseView
    kernels : sequence of str
    roofs : Roofs
    threads : int
        Cores that these kernels use; the roof is that of as many.

    Raises
    ------
    RoofError
        If a kernel lies above it; see `cost.share_of_roof`.
    """
    shares = [
        f"{code(kernel)} reaches "
        f"{with_interval(cost.share_of_roof(case, kernel, roofs, threads), percent)}"
        for kernel in kernels
    ]
    roof = "one core's roof" if threads == 1 else f"the roof of {threads} cores"
    return Sentence(f"At {case.label}, {listed(shares)} of {roof}.")


def sums_sentence(
    short: CaseView, long: CaseView, large: CaseView, kernel: str = "ijk"
) -> Sentence:
    """Say why a kernel takes another time per FLOP on larger matrices: data, or longer sums.

    Parameters
    ----------
    short, large : CaseView
        Small matrices and large ones.
    long : CaseView
        No more data than `short`, but sums as long as those of `large`.
    kernel : str

    Raises
    ------
    ValueError
        If `long` has more data than `short`.
    """
    if long.compulsory_bytes > short.compulsory_bytes:
        raise ValueError(
            f"expected no more data at {long.label} than at {short.label}, got "
            f"{long.compulsory_bytes} and {short.compulsory_bytes} bytes; make it narrower"
        )
    first, middle, last = (Layer(kernel, "", case).ns_per_flop for case in (short, long, large))
    facts = (
        f"A FLOP of {code(kernel)} takes {with_interval(first, per_flop)} at {short.label}, and "
        f"{with_interval(last, per_flop)} at {large.label}. With no more data than the first, "
        f"but sums as long as in the second, it takes {with_interval(middle, per_flop)}"
    )
    shaken = [f"{case.label} ({'; '.join(case.reasons)})" for case in (short, long, large)
              if not case.stable]  # fmt: skip
    if shaken:
        return Sentence(f"{facts}. Not judged, since unstable: {listed(shaken)}.")
    if last.low <= first.high:
        return Sentence(f"{facts}. Larger matrices do not set themselves apart in this run.")
    if middle.high < last.low and middle.low <= first.high:
        return Sentence(f"{facts}: so it is the data that makes the difference.")
    if middle.low > first.high and middle.high >= last.low:
        return Sentence(
            f"{facts}: so it is the sums that make the difference. A short one ends soon, and the "
            "processor begins the next while it waits; in a long one there is nothing else to do."
        )
    if first.high < middle.low:
        return Sentence(f"{facts}: longer sums make part of the difference, the data the rest.")
    return Sentence(f"{facts}, which does not tell which of the two makes the difference.")


def percent(share: float) -> str:
    """Return a share: ``0.0123 %``."""
    return f"{number(100 * share)}{NO_BREAK}%"


def first_call_sentence(case: CaseView, kernel: str, over: str) -> Sentence:
    """Say what the first call of a compiled kernel costs, and when that is paid back.

    Parameters
    ----------
    case : CaseView
    kernel : str
        The compiled one.
    over : str
        What would be run instead.
    """
    first = case.first_call_ns(kernel)
    later, other = case.time_ns(kernel).value, case.time_ns(over).value
    dearest = max(first)
    text = (
        f"The first call of {code(kernel)} took {span(min(first), dearest, duration)} in these "
        f"processes, median {duration(median(first))}, a later one {duration(later)}: the first "
        "compiles the function, or loads what an earlier process compiled."
    )
    word = case.verdict(kernel, over)
    if word != "faster":
        end = "is never paid back" if word == "slower" else f"cannot be set off: {word}"
        return Sentence(f"{text} Against {code(over)} that {end} at {case.label}.")
    # The n-th call in all breaks even: first + (n - 1) later = n other.
    calls = max(1, -(-(dearest - later) // (other - later)))
    return Sentence(
        f"{text} The dearest of them is paid back against {code(over)} after {count(calls)} "
        f"call{'' if calls == 1 else 's'} at {case.label}."
    )


def integer_sentence(case: CaseView) -> Sentence:
    """Say whether NumPy is fast because it is compiled, by its product without BLAS.

    Parameters
    ----------
    case : CaseView
        With ``ijk_int64`` and ``numpy_int64``, loops over integers compiled by two
        compilers, and ``ijk`` and ``blas``, the same numbers as float64.
    """
    loops = case.speedup("numpy_int64", "ijk_int64")
    gap = case.speedup("blas", "numpy_int64")
    same_type = case.speedup("blas", "ijk")
    facts = (
        f"Over the same int64, NumPy's loop runs at {times(loops)} of the speed of ours; BLAS "
        f"over the same numbers as float64 at {times(gap)} that of NumPy's loop, and at "
        f"{times(same_type)} that of our loop over float64"
    )
    if not case.stable:
        return Sentence(f"{facts}. The run was unstable: {'; '.join(case.reasons)}.")
    if gap.low > max(loops.high, 1 / loops.low) and case.verdict("blas", "numpy_int64") == "faster":
        return Sentence(
            f"{facts}. Both types have 64 bits, both calls are NumPy's, and both run compiled "
            "code. So being compiled is not what makes NumPy fast: without BLAS it is "
            "a loop like any other."
        )
    return Sentence(
        f"{facts}. Here BLAS is not set apart from the compiled loops by more than these differ "
        "from each other, so this run does not tell what makes NumPy fast."
    )
