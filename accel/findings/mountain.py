"""The memory mountain in words: what chases, strides and bandwidths say about memory.

Reads the records that `accel.timing.roofs.chase`, the strided sums and the roofs make. No
sentence here is an opinion: which one is printed follows from the numbers, and the tests
feed each of them the contrary data.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from accel.timing import words
from accel.timing.records import CaseView, Record
from accel.timing.report import Sentence
from accel.timing.roofs import levels
from accel.timing.roofs.latency import (
    access_cycles,
    access_ns,
    chain_counts,
    overlap,
    quotient,
    scaled,
)
from accel.timing.roofs.levels import Level, size_words
from accel.timing.stats import Interval

if TYPE_CHECKING:
    from accel.timing.roofs import Roofs

LINE_BYTES = 64

def staircase(record: Record) -> tuple[list[int], list[Interval]]:
    """Return footprints in bytes, rising, and the time of an access in each, in ns."""
    cases = sorted(record.cases, key=lambda case: case.parameters["footprint"])
    return [case.parameters["footprint"] for case in cases], [access_ns(case) for case in cases]


def found_levels(record: Record) -> list[Level]:
    """Return the levels of memory that the latency staircase shows."""
    footprints, times = staircase(record)
    return levels.find(footprints, [time.value for time in times])


def latency_ratio(record: Record) -> Interval:
    """Return how many times longer an access takes in the largest footprint than the smallest."""
    _, times = staircase(record)
    return quotient(times[-1], times[0])


def latency_sentence(record: Record) -> Sentence:
    """Say what an access takes at both ends of the staircase."""
    ends = sorted(record.cases, key=lambda case: case.parameters["footprint"])
    said = []
    for case in (ends[0], ends[-1]):
        text = words.with_interval(access_ns(case), words.duration)
        cycles = access_cycles(case, record.machine["architecture"])
        if cycles is not None:
            text += f", or {words.with_interval(cycles, words.number)} clock cycles,"
        said.append(f"{text} within {size_words(case.parameters['footprint'])}")
    return Sentence(f"An access takes {said[0]}, and {said[1]}.")


def levels_sentence(record: Record) -> Sentence:
    """Say how the levels that the staircase shows agree with what the system states."""
    return levels.compare(found_levels(record), record.machine)


def prediction_sentence(roofs: Roofs) -> Sentence:
    """Say what bandwidth alone would make of the time of an access far away."""
    near, far, ratio = bandwidth_drop(roofs)
    return Sentence(
        f"The model: time is bytes over bandwidth. Loads of {size_words(near)} run at "
        f"{words.gigabytes_per_second(roofs.bandwidth_gbs(near, 'load').value)}, loads of "
        f"{size_words(far)} at "
        f"{words.gigabytes_per_second(roofs.bandwidth_gbs(far, 'load').value)}. So an access "
        f"far away should take {words.factor(ratio.value)} as long as one nearby."
    )


def bandwidth_drop(roofs: Roofs) -> tuple[int, int, Interval]:
    """Return the smallest and the largest footprint of loads, and the ratio of bandwidths."""
    curve = roofs.curve("load")
    near, far = min(curve), max(curve)
    return near, far, quotient(curve[near], curve[far])


def verdict_sentence(predicted: Interval, record: Record) -> Sentence:
    """Say whether latency follows from bandwidth, as a model predicted.

    Parameters
    ----------
    predicted : Interval
        Ratio of bandwidths, near over far.
    record : Record
        Latency staircase.
    """
    ratio = latency_ratio(record)
    measured, model = (words.with_interval(x, words.factor) for x in (ratio, predicted))
    if ratio.low > predicted.high:
        text = "Bandwidth does not predict latency: an access far away takes {} as long as one "
        text += "nearby, where the ratio of bandwidths is only {}."
    elif ratio.high < predicted.low:
        text = "Bandwidth does not predict latency: an access far away takes only {} as long as "
        text += "one nearby, where the ratio of bandwidths is {}."
    else:
        text = "Bandwidth may predict latency here: an access far away takes {} as long as one "
        text += "nearby, and the ratio of bandwidths is {}."
    return Sentence(text.format(measured, model))


def bandwidth_sentence(roofs: Roofs) -> Sentence:
    """Say what each probe delivers at both ends of the mountain."""
    said = []
    for probe in roofs.probes():
        curve = roofs.curve(probe)
        ends = [
            f"{words.with_interval(curve[size], words.gigabytes_per_second)} in {size_words(size)}"
            for size in (min(curve), max(curve))
        ]
        said.append(f"{probe} {words.listed(ends)}")
    return Sentence(f"One thread moves: {'; '.join(said)}.")


def best_chains(case: CaseView) -> tuple[int, list[int]]:
    """Return the number of chains with the largest gain, and those not separated from it."""
    counts = chain_counts(case)
    best = max(counts, key=lambda count: overlap(case, count).value)
    level = [
        count
        for count in counts
        if count == best
        or case.verdict(f"chains_{count}", over=f"chains_{best}") not in ("faster", "slower")
    ]
    return best, level


def overlap_sentence(record: Record) -> Sentence:
    """Say how many accesses the core keeps on their way at once."""
    case = record.cases[0]
    place = f"within {size_words(case.parameters['footprint'])}"
    if not case.stable:
        return Sentence(
            f"How many accesses overlap {place} cannot be judged, the run was unstable: "
            f"{'; '.join(case.reasons)}."
        )
    best, level = best_chains(case)
    gain = words.with_interval(overlap(case, best), words.factor)
    if 1 in level:
        return Sentence(
            f"No number of chains {place} is resolved from one: accesses do not overlap here, "
            f"or not so that it shows. The most was {gain} with {best} chains."
        )
    more = [count for count in chain_counts(case) if count > max(level)]
    text = (
        f"With {best} chains the core completes {gain} as many accesses {place} as with one: "
        "about that many are on their way at once."
    )
    if min(level) < best:
        text += f" From {min(level)} chains on, more are not resolved from that."
    if more:
        text += f" With {words.listed(map(str, more))} the gain is smaller again."
    return Sentence(text)


def lines_in_flight(bandwidth_gbs: Interval, latency_ns: Interval) -> Interval:
    """Return how many lines must be on their way at once for a bandwidth at a latency.

    Source
    ------
    J. D. C. Little, "A proof for the queuing formula L = λW", *Operations Research* 9
    (1961): what is inside is what arrives per unit of time, times the time it stays.
    """
    return Interval(
        bandwidth_gbs.value * latency_ns.value / LINE_BYTES,
        bandwidth_gbs.low * latency_ns.low / LINE_BYTES,
        bandwidth_gbs.high * latency_ns.high / LINE_BYTES,
        min(bandwidth_gbs.coverage, latency_ns.coverage),
    )


def little_sentence(roofs: Roofs, record: Record) -> Sentence:
    """Say how many lines the bandwidth of memory needs in flight, by Little's law."""
    footprints, times = staircase(record)
    curve = roofs.curve("load")
    wanted = lines_in_flight(curve[max(curve)], times[-1])
    single = LINE_BYTES / times[-1].value
    return Sentence(
        f"One line of {LINE_BYTES} bytes at a time, at the latency of "
        f"{size_words(footprints[-1])}, is {words.gigabytes_per_second(single)}. The loads of "
        f"{size_words(max(curve))} ran at {words.gigabytes_per_second(curve[max(curve)].value)}, "
        f"for which {words.with_interval(wanted, words.number)} lines must have been on their "
        "way at once."
    )


def elements_used(case: CaseView) -> int:
    """Return how many elements a call of a strided sum uses."""
    return case.flops


def used_ns(case: CaseView, kernel: str) -> Interval:
    """Return the time per element that a strided sum uses, in ns."""
    return scaled(case.time_ns(kernel), 1 / elements_used(case))


def stride_sentence(record: Record, kernel: str, element_bytes: int) -> Sentence:
    """Say what an element costs with its neighbours, alone in its line, and further apart.

    Parameters
    ----------
    record : Record
        Cases that differ in ``stride``.
    kernel : str
    element_bytes : int
    """
    by_stride = {case.parameters["stride"]: case for case in record.cases}
    line = LINE_BYTES // element_bytes
    shown = [stride for stride in (1, line, max(by_stride)) if stride in by_stride]
    first = used_ns(by_stride[shown[0]], kernel)
    said = [f"{words.with_interval(first, words.duration)} at stride {shown[0]}"]
    for stride in dict.fromkeys(shown[1:]):
        ratio = quotient(used_ns(by_stride[stride], kernel), first)
        said.append(f"{words.with_interval(ratio, words.factor)} that at stride {stride}")
    return Sentence(
        f"An element that is used costs {words.listed(said)}. A line holds {line} of them, "
        f"so at stride {line} each pays for a line of its own."
    )
