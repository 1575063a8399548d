"""Passes over memory in words: counted on a small run, set beside the time of a large one."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from accel.timing.counting import count
from accel.timing.records import CaseView
from accel.timing.report import Sentence, Table, code, times
from accel.timing.words import count as whole
from accel.timing.words import duration, number

#: Within this share of each other, a ratio of accesses explains a ratio of times.
CLOSE = 0.25


def accesses(function: Callable, arguments: Sequence, results: int) -> tuple[float, int]:
    """Return how many elements a call touches for each result, and the arrays it makes.

    Parameters
    ----------
    function : callable
        Takes `arguments`; run on arrays that log every access.
    arguments : sequence
        Of one element type throughout.
    results : int
        Elements of the answer.

    Raises
    ------
    CountError
        If it cannot be counted exactly.
    """
    seen = count(function, arguments)
    return seen.total_bytes / arguments[0].itemsize / results, seen.allocations


def passes_table(
    case: CaseView, counted: Mapping[str, tuple[float, int]], results: int
) -> Table:
    """Return accesses and arrays made for each step, beside its time per element.

    Parameters
    ----------
    case : CaseView
    counted : mapping
        Kernel to the answer of `accesses`; a kernel that was not counted is left blank.
    results : int
        Elements of the answer of the case.
    """
    rows = []
    for kernel in case.kernels:
        touched, made = counted.get(kernel, (None, None))
        each = case.time_ns(kernel).value / results
        rows.append([
            code(kernel),
            "–" if touched is None else number(touched),
            "–" if made is None else whole(made),
            duration(each),
            "–" if touched is None else duration(each / touched),
            times(case.speedup(kernel)),
        ])  # fmt: skip
    headers = ["Step", "Accesses each", "Arrays made", "Time each", "Time per access",
               f"Speed over `{case.baseline}`"]  # fmt: skip
    return Table(f"Passes counted, and time, for each element at {case.label}", headers, rows)


def passes_sentence(
    case: CaseView, kernel: str, over: str, counted: Mapping[str, tuple[float, int]]
) -> Sentence:
    """Say whether fewer accesses explain a speed-up.

    Parameters
    ----------
    case : CaseView
    kernel, over : str
        Two kernels that were counted.
    counted : mapping
        Kernel to the answer of `accesses`.
    """
    fewer = counted[over][0] / counted[kernel][0]
    ratio = case.speedup(kernel, over)
    facts = (
        f"At {case.label} {code(kernel)} touches {number(fewer)} times fewer elements than "
        f"{code(over)}, and runs at {times(ratio)} of its speed"
    )
    if not case.stable:
        return Sentence(f"{facts}. Not judged, since unstable: {'; '.join(case.reasons)}.")
    if ratio.low <= fewer * (1 + CLOSE) and ratio.high >= fewer * (1 - CLOSE):
        return Sentence(f"{facts}: the passes explain it.")
    if ratio.low > fewer:
        return Sentence(f"{facts}: more than the passes explain, so arithmetic got cheaper too.")
    if ratio.high < 1:
        return Sentence(f"{facts}: a loss. Its arithmetic costs more than the passes it saves.")
    return Sentence(f"{facts}: less than the passes promise, so it waits for something else.")


def chunk_sentence(case: CaseView, whole_pass: str, prefix: str = "chunked_") -> Sentence:
    """Say which chunk is best, and whether chunks pay at all.

    Parameters
    ----------
    case : CaseView
        With kernels named ``chunked_<elements>``.
    whole_pass : str
        The kernel that does not cut.
    prefix : str
    """
    chunks = [kernel for kernel in case.kernels if kernel.startswith(prefix)]
    best = min(chunks, key=lambda kernel: case.time_ns(kernel).value)
    length = whole(int(best.removeprefix(prefix)))
    ratio, word = case.speedup(best, whole_pass), case.verdict(best, whole_pass)
    facts = f"Cut into chunks of {length} elements, the best of those tried, {code(whole_pass)}"
    shortest = min(chunks, key=lambda kernel: int(kernel.removeprefix(prefix)))
    small = whole(int(shortest.removeprefix(prefix)))
    end = (
        f"Chunks of {small} run at {times(case.speedup(shortest, whole_pass))} of its speed: there "
        "the calls cost more than the passes."
        if case.verdict(shortest, whole_pass) == "slower"
        else f"Chunks of {small} are not slower in this run."
    )
    if word == "unstable":
        return Sentence(f"{facts} is not judged, since unstable: {'; '.join(case.reasons)}.")
    if word == "faster":
        return Sentence(f"{facts} runs {times(ratio)} as fast. {end}")
    return Sentence(f"{facts} gains nothing that is resolved: {times(ratio)}. {end}")
