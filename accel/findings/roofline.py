"""A record set against the machine's roofs: ceilings, tables, sentences.

Above each point there are two roofs, and the lower one counts: the peak of the arithmetic
units, and the bandwidth of the memory that holds the operands, times the FLOPs done per
byte. The roofs are measured, not read from a data sheet; see `accel.timing.roofs`.

Source
------
Williams, Waterman and Patterson, "Roofline: an insightful visual performance model for
multicore architectures", *Communications of the ACM* 52 (2009).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple

from accel.timing import cost
from accel.timing.records import CaseView, Record
from accel.timing.report import Sentence, Table, code
from accel.timing.stats import Interval
from accel.timing.words import NO_BREAK, duration, factor, listed, number, with_interval

if TYPE_CHECKING:
    from accel.timing.counting import Counts
    from accel.timing.plan import Case
    from accel.timing.roofs import Roofs

#: What the lower roof can be; the last where their intervals overlap.
LIMITS = ("memory", "arithmetic", "cannot tell")

#: A kernel that allocates less than this share of its compulsory bytes allocates nothing
#: that matters: a few numbers for each row, and the objects of the call.
LITTLE = 0.25


class Ceiling(NamedTuple):
    """Bandwidth of one level of memory, in GB/s."""

    name: str
    bandwidth: Interval


def ceilings(roofs: Roofs, threads: int = 1) -> list[Ceiling]:
    """Return the best bandwidth of each level of memory, nearest first.

    The levels are those found from the measured curve, not those of a data sheet.
    """
    return [
        Ceiling(level.name, roofs.bandwidth_gbs(level.footprint_bytes, threads=threads))
        for level in roofs.levels()
    ]


def ridge(roofs: Roofs, ceiling: Ceiling, dtype: str = "float32", threads: int = 1) -> float:
    """Return the intensity at which both roofs are equally high, in FLOPs per byte."""
    return roofs.peak_gflops(dtype, threads).value / ceiling.bandwidth.value


def limit(
    case: CaseView, roofs: Roofs, bandwidth: Interval | None = None, threads: int = 1
) -> str:
    """Return which roof is the lower one above a case; one of `LIMITS`.

    Parameters
    ----------
    case : CaseView
    roofs : Roofs
    bandwidth : Interval, optional
        Of the memory that the operands come from, in GB/s; by default of as many bytes
        as the operation must touch.
    threads : int

    Raises
    ------
    ValueError
        If the case declares no bytes.
    """
    declared = cost.of(case)
    speed = bandwidth or roofs.bandwidth_gbs(declared.compulsory_bytes, threads=threads)
    peak = roofs.peak_gflops(case.parameters.get("dtype", "float32"), threads)
    if declared.intensity * speed.high < peak.low:
        return "memory"
    return "arithmetic" if declared.intensity * speed.low > peak.high else "cannot tell"


def name_of(case: CaseView, record: Record) -> str:
    """Return the operation, with what sets this case apart where there are several."""
    rivals = [other for other in record.cases if other.operation == case.operation]
    differing = {
        key: str(value)
        for key, value in case.parameters.items()
        if any(other.parameters.get(key) != value for other in rivals)
    }
    for key, value in differing.items():  # one parameter, if one is enough
        if sum(str(other.parameters.get(key)) == value for other in rivals) == 1:
            return f"{case.operation} {value}"
    return " ".join([case.operation, *differing.values()])


def fastest(case: CaseView) -> str:
    """Return the kernel with the shortest time; for its rate, not for a crown."""
    return min(case.kernels, key=lambda kernel: case.time_ns(kernel).value)


def percent(share: float) -> str:
    """Return a share in per cent: ``12.3 %``."""
    return f"{number(100 * share)}{NO_BREAK}%"


def size(nbytes: float) -> str:
    """Return an amount of memory with its unit."""
    steps = ((2**20, "MiB"), (2**10, "KiB"))
    for scale, unit in steps:
        if nbytes >= scale:
            return f"{number(nbytes / scale)}{NO_BREAK}{unit}"
    return f"{nbytes:.0f}{NO_BREAK}B"


def roof_table(record: Record, roofs: Roofs) -> Table:
    """Return every kernel of a record: time, allocation, and its share of the roof.

    Raises
    ------
    RoofError
        If a kernel lies above its roof: see `cost.share_of_roof`.
    """
    threads = record.protocol["threads"]
    rows = []
    for case in record.cases:
        for kernel in case.kernels:
            share = cost.share_of_roof(case, kernel, roofs, threads)
            allocated = case.peak_alloc_bytes(kernel)
            rows.append(
                [
                    name_of(case, record),
                    code(kernel),
                    case.instrument(kernel),
                    "–" if allocated is None else size(allocated),
                    duration(case.time_ns(kernel).value),
                    with_interval(share, percent),
                    limit(case, roofs, threads=threads),
                ]
            )
    headers = "Operation", "Kernel", "Instrument", "Allocates", "Time", "Of its roof", "Lower roof"
    return Table("Every kernel under its roof; allocations as tracemalloc sees them", headers, rows)


def limit_sentence(record: Record, roofs: Roofs) -> Sentence:
    """Say which roof is the lower one above each operation, where its data lie now."""
    threads = record.protocol["threads"]
    groups = _grouped(record, lambda case: limit(case, roofs, threads=threads))
    parts = [
        f"{words} {listed(groups[key])}"
        for key, words in zip(LIMITS, ("memory for", "arithmetic for", "not to be told for"),
                              strict=True)
        if groups[key]
    ]  # fmt: skip
    return Sentence(f"With data of these sizes the lower roof is {listed(parts)}.")


def claim_sentence(record: Record, roofs: Roofs) -> Sentence:
    """Judge the claim that memory access matters and computation does not, case by case.

    As favourably as possible: with every operand in main memory, where bandwidth is
    scarcest. Data in a cache can only leave fewer operations to it.
    """
    threads = record.protocol["threads"]
    far = ceilings(roofs, threads)[-1]
    groups = _grouped(record, lambda case: limit(case, roofs, far.bandwidth, threads))
    verdicts = [
        f"{words} {listed(groups[key])}"
        for key, words in zip(LIMITS, ("true of", "false of", "open for"), strict=True)
        if groups[key]
    ]
    return Sentence(
        "“Modern CPU performance is dominated by memory access patterns, not raw computation "
        "speed”: by the roofs of this machine, with all operands in main memory, that is "
        f"{listed(verdicts)}."
    )


def _grouped(record: Record, key: Callable[[CaseView], str]) -> dict[str, list[str]]:
    groups: dict[str, list[str]] = {name: [] for name in LIMITS}
    for case in record.cases:
        groups[key(case)].append(name_of(case, record))
    return groups


def reach_sentence(record: Record, roofs: Roofs) -> Sentence:
    """Say of which operations the fastest kernel reaches half of its roof, and of which not."""
    groups: dict[str, list[str]] = {"reaches": [], "does not reach": [], "may or may not reach": []}
    for case in record.cases:
        kernel = fastest(case)
        share = cost.share_of_roof(case, kernel, roofs, record.protocol["threads"])
        word = "reaches" if share.low >= 0.5 else "does not reach"
        if share.low < 0.5 <= share.high:
            word = "may or may not reach"
        entry = f"{name_of(case, record)} ({code(kernel)}, {percent(share.value)})"
        groups[word].append(entry)
    parts = [f"{word} half of the roof for {listed(who)}" for word, who in groups.items() if who]
    return Sentence(f"The fastest kernel measured {'; it '.join(parts)}.")


def instrument_sentence(record: Record, roofs: Roofs, instrument: str) -> Sentence:
    """Say between which shares of their roofs the kernels of one instrument lie.

    Raises
    ------
    ValueError
        If the record has no kernel of that instrument.
    """
    threads = record.protocol["threads"]
    shares = sorted(
        (cost.share_of_roof(case, kernel, roofs, threads).value, name_of(case, record), kernel)
        for case in record.cases
        for kernel in case.kernels
        if case.instrument(kernel) == instrument
    )
    if not shares:
        raise ValueError(f"{record.experiment}: no kernel of instrument {instrument!r}")
    ends = [shares[0], shares[-1]] if len(shares) > 1 else shares
    words = listed(f"{percent(share)} ({name}, {code(kernel)})" for share, name, kernel in ends)
    many = f"The {len(shares)} kernels" if len(shares) > 1 else "The one kernel"
    verb = "reach between" if len(shares) > 1 else "reaches"
    return Sentence(f"{many} of the instrument “{instrument}” {verb} {words} of the roof.")


def allocation_sentence(record: Record) -> Sentence:
    """Say which kernels allocate a quarter or more of the bytes that they must touch.

    Counted by tracemalloc, which sees Python objects and NumPy's buffers only.
    """
    known = [
        (case, kernel, case.peak_alloc_bytes(kernel))
        for case in record.cases
        for kernel in case.kernels
        if case.peak_alloc_bytes(kernel) is not None
    ]
    large = [
        f"{code(kernel)} of {name_of(case, record)} {size(allocated)}, "
        f"{number(allocated / case.compulsory_bytes)} times its compulsory bytes"
        for case, kernel, allocated in known
        if allocated >= LITTLE * case.compulsory_bytes
    ]
    few = f"{len(known) - len(large)} of {len(known)} kernels allocate less than "
    text = f"{few}{100 * LITTLE:.0f}{NO_BREAK}% of the bytes they must touch"
    return Sentence(f"{text}{'; ' + '; '.join(large) if large else ''}.")


def counted_sentence(case: Case, kernel: str, seen: Counts) -> Sentence:
    """Say how what a kernel did, counted in a run, compares with what is declared.

    Parameters
    ----------
    case : Case
        Its declared costs, at the size of that run.
    kernel : str
    seen : Counts
        Of that run.
    """
    declared = cost.of(case)
    flops, nbytes = seen.flops / declared.flops, seen.total_bytes / declared.compulsory_bytes
    return Sentence(
        f"{code(kernel)} of {declared.name} does {factor(flops)} the declared FLOPs, and reads and "
        f"writes {factor(nbytes)} the compulsory bytes."
    )
