"""What it costs where an answer is put, in words: traffic, pages, and what a record shows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from accel.timing.records import CaseView, Record
from accel.timing.report import Sentence, Table, code, times
from accel.timing.words import NO_BREAK, count, listed, number

#: Arrays that travel between memory and a core for one answer from two inputs. A new page
#: is written with zeros before the answer is; a line that is overwritten is read first.
TRAVELS: Mapping[str, int] = {"fresh": 5, "out": 4, "in_place": 3}


def predicted_ratio(kernel: str, over: str = "fresh") -> float:
    """Return how many times less a kernel moves than another, out of the caches."""
    return TRAVELS[over] / TRAVELS[kernel]


def prediction_sentence() -> Sentence:
    """Say what the count of travelling arrays predicts."""
    return Sentence(
        f"Counting what travels, out of the caches: {TRAVELS['fresh']} arrays for a new answer, "
        f"{TRAVELS['out']} into an array that is there, {TRAVELS['in_place']} over an input. So "
        f"{code('out')} should run at {number(predicted_ratio('out'))} times the speed of "
        f"{code('fresh')}, and {code('in_place')} at {number(predicted_ratio('in_place'))} times. "
        "Inside the caches nothing travels, and all three should take the same time."
    )


def fault_table(record: Record, kernels: Sequence[str]) -> Table:
    """Return new pages per call of each kernel, and the speed over the first of them.

    Parameters
    ----------
    record : Record
        Cases with a parameter ``n``.
    kernels : sequence of str
        The first is what the others are compared with.
    """
    first, *others = kernels
    headers = ["Elements", "Bytes in use"]
    headers += [f"New pages, `{kernel}`" for kernel in kernels]
    headers += [f"Speed of `{kernel}`" for kernel in others]
    rows = []
    for case in record.cases:
        row = [count(case.parameters["n"]), count(case.compulsory_bytes)]
        row += [_faults(case, kernel) for kernel in kernels]
        row += [f"{times(case.speedup(kernel, first))}, {case.verdict(kernel, first)}"
                for kernel in others]  # fmt: skip
        rows.append(row)
    return Table(f"New pages in one call, and speed over {first.replace('_', ' ')}", headers, rows)


def _faults(case: CaseView, kernel: str) -> str:
    seen = case.memory(kernel)["minor_faults"]
    return "–" if seen is None else count(seen)


def faults_sentence(record: Record, kernel: str = "fresh") -> Sentence:
    """Say at which sizes an answer in new memory met new pages.

    Parameters
    ----------
    record : Record
        Cases with a parameter ``n``, smallest first.
    kernel : str
    """
    seen = [(case, case.memory(kernel)["minor_faults"]) for case in record.cases]
    if any(faults is None for _, faults in seen):
        return Sentence("This system does not tell how many pages a call had made.")
    # A handful of pages is the interpreter's own, whatever the array.
    met = [case for case, faults in seen if faults * 4096 > case.compulsory_bytes / 100]
    if not met:
        return Sentence(
            f"No call of {code(kernel)} had more than a few pages made: the allocator handed out "
            "memory that had been used before."
        )
    sizes = listed(count(case.parameters["n"]) for case in met)
    rest = "" if len(met) == len(seen) else (
        ". At the other sizes the allocator handed out memory that had been used before"
    )  # fmt: skip
    return Sentence(f"New pages were made at n = {sizes}{rest}.")


def prediction_verdict(case: CaseView, kernel: str, over: str = "fresh") -> Sentence:
    """Say whether counting travelling arrays predicted a ratio, at a size out of the caches."""
    ratio, expected = case.speedup(kernel, over), predicted_ratio(kernel, over)
    share = f"{number(100 * abs(ratio.value / expected - 1))}{NO_BREAK}%"
    facts = (
        f"At {case.label} {code(kernel)} runs at {times(ratio)} of the speed of {code(over)}; "
        f"the count said {number(expected)}"
    )
    if not case.stable:
        return Sentence(f"{facts}. Not judged, since unstable: {'; '.join(case.reasons)}.")
    if ratio.low > 1.1 * expected:
        return Sentence(
            f"{facts}: too low by {share}. What it leaves out is the work of the operating system, which "
            "enters a page into its tables before anybody can write it."
        )
    if ratio.high < 0.9 * expected:
        return Sentence(
            f"{facts}: too high by {share}. Some of what it counts did not travel, or did not cost."
        )
    return Sentence(f"{facts}: within {share} of it.")
