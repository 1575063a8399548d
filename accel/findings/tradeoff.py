"""Two goods at once in words: time and right digits, memory and length."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from accel.timing.records import CaseView
from accel.timing.report import Sentence, Table, code
from accel.timing.words import count, duration, factor, listed, number

#: Digits that are as good as equal: a quarter of one more or less is chance.
ALIKE = 0.25


def rounding_table(n: int, dtype: str) -> Table:
    """Return how many digits of a sum of positive numbers are right, by three models.

    Parameters
    ----------
    n : int
        Numbers in the sum, at least 2.
    dtype : {"float32", "float64"}

    Source
    ------
    Higham, *Accuracy and Stability of Numerical Algorithms*, 2nd ed., sections 4.2 and 4.3
    for the bounds; section 2.8 for the rule of thumb about their roots.
    """
    unit = {"float32": 2.0**-24, "float64": 2.0**-53}[dtype]
    depth = math.log2(n)
    rows = [
        (order, *(f"{-math.log10(growth * unit):.1f}" for growth in (bound, typical)))
        for order, bound, typical in (
            ("one after another", n, math.sqrt(n)),
            ("pairs of pairs", depth, math.sqrt(depth)),
            ("with the loss put into the next", 2.0, 1.0),
        )
    ]
    headers = ("Order of the additions", "Digits at worst", "If roundings are random")
    return Table(f"Right digits of a sum of {count(n)} {dtype}, by model", headers, rows)


def front(case: CaseView, digits: Mapping[str, float]) -> list[str]:
    """Return the kernels that no other beats in time and digits at once.

    One beats another if it is not slower and has more digits, or is faster and has as
    many. Times that are not resolved from each other count as equal, and so do digits
    closer than `ALIKE`.

    Parameters
    ----------
    case : CaseView
    digits : mapping of str to float
        Kernel to right decimal digits.

    Returns
    -------
    list of str
        Fastest first.
    """

    def beats(one: str, other: str) -> bool:
        word, more = case.verdict(one, other), digits[one] - digits[other]
        return (word == "faster" and more >= -ALIKE) or (word == "not resolved" and more > ALIKE)

    names = sorted(digits, key=lambda kernel: case.time_ns(kernel).value)
    return [
        name for name in names if not any(beats(other, name) for other in names if other != name)
    ]


def front_sentence(case: CaseView, digits: Mapping[str, float]) -> Sentence:
    """Say which kernels are worth choosing between, and what beats the others."""
    if not case.stable:
        return Sentence(f"Nothing is chosen, the run was unstable: {'; '.join(case.reasons)}.")
    best = front(case, digits)
    parts = [
        f"{code(name)} ({duration(case.time_ns(name).value)}, {digits_words(digits[name])})"
        for name in best
    ]
    beaten = [code(name) for name in digits if name not in best]
    if len(best) == 1:
        return Sentence(f"{parts[0]} is at once the fastest and the most exact: nothing else need "
                        "be chosen.")  # fmt: skip
    rest = f"; {listed(beaten)} lose in both to one of these" if beaten else ""
    if len(beaten) == 1:
        rest = f"; {beaten[0]} loses in both to one of these"
    return Sentence(f"Worth choosing between are {listed(parts)}{rest}.")


def digits_words(digits: float) -> str:
    """Return digits in words: ``5.2 digits``, ``exact``."""
    return "exact" if math.isinf(digits) else f"{digits:.1f} digits"


def digits_table(case: CaseView, digits: Mapping[str, float]) -> Table:
    """Return time and right digits of each kernel."""
    best = front(case, digits)
    rows = [
        [
            code(name), duration(case.time_ns(name).value), digits_words(digits[name]),
            "yes" if name in best else "no", case.story(name),
        ]
        for name in digits
    ]  # fmt: skip
    headers = ["Step", "Time", "Right digits", "Worth choosing", "What it does"]
    return Table(f"{case.operation} at {case.label}: time and error", headers, rows)


def growth(sizes: Sequence[int], values: Sequence[float]) -> float:
    """Return the power with which values grow between the first size and the last."""
    return math.log(values[-1] / values[0]) / math.log(sizes[-1] / sizes[0])


def memory_sentence(
    kernel: str, sizes: Sequence[int], peaks: Sequence[int], answer_bytes: Sequence[int]
) -> Sentence:
    """Say how the working memory of a kernel grows with the length of its input.

    Parameters
    ----------
    kernel : str
    sizes : sequence of int
        Lengths, rising.
    peaks : sequence of int
        Bytes that the kernel held at once beside its arguments.
    answer_bytes : sequence of int
        Bytes of the answer at these lengths.
    """
    first, last = sizes[0], sizes[-1]
    if peaks[-1] < answer_bytes[-1] / 100:
        return Sentence(
            f"{code(kernel)} needs no more than {count(max(peaks))} bytes beside its arguments at "
            f"any of these lengths, less than a hundredth of its answer at n = {count(last)}."
        )
    facts = (
        f"{code(kernel)} holds {count(peaks[0])} bytes at n = {count(first)} and "
        f"{count(peaks[-1])} at n = {count(last)}"
    )
    if not peaks[0]:
        return Sentence(f"{facts}.")
    power, times = growth(sizes, peaks), factor(peaks[-1] / peaks[0])
    kind = "with the square of the length" if power > 1.75 else (
        "in proportion to the length" if 0.75 < power < 1.25 else f"with its power {number(power)}"
    )  # fmt: skip
    if power <= 0.25:
        return Sentence(f"{facts}: hardly more.")
    return Sentence(f"{facts}, {times} as much for {factor(last / first)} the length: {kind}.")
