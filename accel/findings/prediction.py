"""Where a crossover ought to be: operations counted, and what an operation costs.

A count assumes that both kernels do their operations at one rate. Where that fails, the
record tells the *price*: how much longer an operation of the one takes than one of the
other. Both are models. What was measured is in `accel.findings.crossover`, and stands
beside them in every sentence.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

from accel.findings.crossover import Crossover, range_text, size_text
from accel.timing import words
from accel.timing.records import CaseView
from accel.timing.report import Sentence, Table, code, times
from accel.timing.stats import Interval


def predict(
    kernel: Callable[[int], float],
    over: Callable[[int], float],
    sizes: Iterable[int],
    price: float = 1.0,
) -> int | None:
    """Return the size from which on a kernel needs less, or None if there is none.

    Parameters
    ----------
    kernel, over : callable
        ``f(size)``: operations that each does.
    sizes : iterable of int
        Sizes to try, ascending. Beyond the last one nothing is claimed.
    price : float
        What an operation of `kernel` costs in operations of `over`.

    Raises
    ------
    ValueError
        If the price is not positive.
    """
    if not price > 0:
        raise ValueError(f"predict: expected a price above 0, got {price}")
    start = None
    for size in sizes:
        if price * kernel(size) >= over(size):
            start = None
        elif start is None:
            start = size
    return start


def price(case: CaseView, kernel: str, over: str, work: Mapping[str, int]) -> Interval:
    """Return what an operation of one kernel costs in operations of another.

    Parameters
    ----------
    case : CaseView
    kernel, over : str
    work : mapping
        Kernel to how many operations it does in this case.

    Raises
    ------
    ValueError
        If a kernel does no operation.
    """
    for name in (kernel, over):
        if work[name] <= 0:
            raise ValueError(
                f"price: {name} does {work[name]} operations at {case.label}, expected some"
            )
    share = work[kernel] / work[over]
    ratio = case.speedup(kernel, over)
    return Interval(
        1 / (ratio.value * share), 1 / (ratio.high * share), 1 / (ratio.low * share),
        ratio.coverage,
    )  # fmt: skip


def prediction_sentence(found: Crossover, predicted: int | None, model: str) -> Sentence:
    """Compare a predicted crossover with the measured one.

    Parameters
    ----------
    found : Crossover
    predicted : int or None
        The size from which on the kernel should be ahead; None for never.
    model : str
        What the prediction rests on, as the subject of a sentence: ``"The count of
        operations"``.
    """
    where = "nowhere" if predicted is None else f"at {size_text(found, predicted)}"
    return Sentence(f"{model} puts the crossover {where}. {_compared(found, predicted)}")


def _compared(found: Crossover, predicted: int | None) -> str:
    known, crossings = found.resolved, found.crossings
    if not known:
        return "Measured, nothing is resolved, and nothing can be compared."
    if len(crossings) > 1:
        return f"Measured, the order changes {len(crossings)} times: no one size to compare with."
    if crossings and not crossings[0].gains:
        return f"Measured, {code(found.kernel)} falls behind as sizes grow: the contrary."
    if known[-1].verdict == "slower":
        return _compared_with_none(found, predicted, known[-1].size)
    # It comes after `low`, where the kernel is last behind, and not after `high`.
    low = crossings[0].before.size if crossings else 0
    high = crossings[0].after.size if crossings else known[0].size
    if predicted is None or predicted > high:
        return f"Measured, {code(found.kernel)} is ahead at {size_text(found, high)} already."
    if predicted <= low:
        later = range_text((low / predicted, high / predicted))
        return f"Measured, it comes later: at {later} that size."
    if crossings:
        return "The measurement agrees."
    return "The measurement agrees as far as it goes: it is ahead at every size resolved."


def _compared_with_none(found: Crossover, predicted: int | None, last: int) -> str:
    """The kernel is behind wherever it was measured, up to `last`."""
    if predicted is None:
        return "Measured, there is none either."
    if predicted <= last:
        beyond = words.factor(last / predicted)
        return f"Measured, there is none up to {size_text(found, last)}, {beyond} that size."
    return f"That is beyond {size_text(found, last)}, up to which it was measured to be behind."


def price_sentence(case: CaseView, kernel: str, over: str, work: Mapping[str, int]) -> Sentence:
    """Say how many operations a kernel saves, how much time, and what each now costs.

    Raises
    ------
    ValueError
        If a kernel does no operation.
    """
    each = price(case, kernel, over, work)
    speed = case.speedup(kernel, over)
    time = Interval(1 / speed.value, 1 / speed.high, 1 / speed.low, speed.coverage)
    return Sentence(
        f"At {case.label}, {code(kernel)} does {words.factor(work[kernel] / work[over])} the "
        f"operations of {code(over)} in {times(time)} the time: one of its operations takes "
        f"{times(each)} as long."
    )


def work_table(case: CaseView, work: Mapping[str, int]) -> Table:
    """Return what each kernel really does in one case, and how fast; rates kept apart.

    The *own* rate is of the operations that a kernel does. The *effective* rate credits
    every kernel with the operations of the definition; a kernel that does fewer can have
    one above the machine's peak.

    Parameters
    ----------
    case : CaseView
    work : mapping
        Kernel to operations, for the kernels to show.
    """
    rows = []
    for kernel, operations in work.items():
        time = case.time_ns(kernel)
        rows.append(
            [
                code(kernel),
                case.instrument(kernel),
                words.count(operations),
                words.duration(time.value),
                words.number(operations / time.value),
                words.number(case.gflops(kernel).value),
                case.story(kernel),
            ]
        )
    headers = ["Step", "Instrument", "Operations it does", "Time", "Own rate, GFLOP/s",
               "Effective rate, GFLOP/s", "What it does"]  # fmt: skip
    caption = (
        f"{case.operation} at {case.label}: the definition takes {words.count(case.flops)} "
        "operations; the effective rate credits every step with those"
    )
    return Table(caption, headers, rows)
