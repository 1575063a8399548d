"""Batches in words: what waiting for company gains, and what it costs who waits."""

from __future__ import annotations

from accel.timing.records import CaseView, Record
from accel.timing.report import Sentence, Table, code
from accel.timing.stats import Interval
from accel.timing.words import count, duration, factor, number, with_interval

#: Of the best throughput, what counts as having reached it.
NEARLY = 0.9


def batches(record: Record, kernel: str, key: str = "m") -> list[CaseView]:
    """Return the cases of a record that have a kernel, smallest batch first."""
    return sorted(
        (case for case in record.cases if kernel in case.kernels and key in case.parameters),
        key=lambda case: case.parameters[key],
    )


def per_second(case: CaseView, kernel: str, key: str = "m") -> Interval:
    """Return the requests that are answered in a second, a batch at a time."""
    size, time = case.parameters[key], case.time_ns(kernel)
    return Interval(
        1e9 * size / time.value, 1e9 * size / time.high, 1e9 * size / time.low, time.coverage
    )


def batch_table(record: Record, kernel: str, key: str = "m") -> Table:
    """Return time, throughput and rate of each batch."""
    rows = [
        [
            count(case.parameters[key]),
            with_interval(case.time_ns(kernel), duration),
            count(float(f"{per_second(case, kernel, key).value:.3g}")),
            duration(case.time_ns(kernel).value / case.parameters[key]),
            number(case.gflops(kernel).value),
        ]
        for case in batches(record, kernel, key)
    ]
    headers = ["Batch", "Answer after", "Requests per second", "Time of each", "GFLOP/s"]
    return Table(f"Batches of requests, by {kernel.replace('_', ' ')}", headers, rows)


def batch_sentence(record: Record, kernel: str, key: str = "m") -> Sentence:
    """Say from which batch on throughput no longer grows, and what that costs in waiting.

    Parameters
    ----------
    record : Record
        One case for each size of batch, the smallest first.
    kernel : str
    key : str
        Parameter that is the size of the batch.
    """
    cases = batches(record, kernel, key)
    shaken = [case for case in cases if not case.stable]
    if shaken:
        reasons = "; ".join(dict.fromkeys(reason for case in shaken for reason in case.reasons))
        return Sentence(f"Batches of {code(kernel)} are not judged, since unstable: {reasons}.")
    rates = [per_second(case, kernel, key).value for case in cases]
    enough = next(
        case for case, rate in zip(cases, rates, strict=True) if rate >= NEARLY * max(rates)
    )
    single, size = cases[0], enough.parameters[key]
    gain = rates[cases.index(enough)] / rates[0]
    wait = enough.time_ns(kernel).value / single.time_ns(kernel).value
    if enough is single:
        return Sentence(
            f"{code(kernel)} answers as many requests in a second one by one as in any batch: "
            "waiting for company gains nothing."
        )
    last = "; no larger one was tried" if enough is cases[-1] else (
        ". Larger batches only make everybody wait longer"
    )  # fmt: skip
    return Sentence(
        f"A batch of {count(size)} answers {factor(gain)} as many requests in a second as a batch "
        f"of {count(single.parameters[key])}, and its answer comes after {factor(wait)} the time"
        f"{last}."
    )
