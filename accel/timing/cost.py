"""What an operation costs, and how near the machine's roof a kernel comes.

An operation declares two numbers: the arithmetic it does, in FLOPs, and the bytes that
must cross the memory interface once even with an infinite cache. Their ratio, the
arithmetic intensity, decides which roof is above it: the peak of the arithmetic units, or
the bandwidth of the memory level that holds its data. Whether the declared numbers are
true is not believed but counted, by `accel.timing.counting`.

Source
------
Williams, Waterman and Patterson, "Roofline: an insightful visual performance model for
multicore architectures", *Communications of the ACM* 52 (2009).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from accel.timing.plan import Case
from accel.timing.records import CaseView, describe_parameters
from accel.timing.report import Table, code
from accel.timing.roofs import RoofError, Roofs
from accel.timing.stats import Interval
from accel.timing.words import count, gflops, number, with_interval

#: How far above the fastest sample of any probe a kernel may lie before count or roof is
#: called wrong. The clock of a shared machine moves by a few per cent between two
#: experiments. Shares are never clipped by it.
CLOCK_MARGIN = 0.05


@dataclass(frozen=True)
class Cost:
    """Arithmetic and compulsory traffic of one call.

    Parameters
    ----------
    flops : int
        Arithmetic operations.
    compulsory_bytes : int
        Bytes of all inputs read once and all outputs written once.
    name : str
        What it is the cost of, for messages.

    Raises
    ------
    ValueError
        If a number is negative.
    """

    flops: int
    compulsory_bytes: int
    name: str = field(default="this cost", compare=False)

    def __post_init__(self):
        for key in ("flops", "compulsory_bytes"):
            if getattr(self, key) < 0:
                raise ValueError(
                    f"{self.name}: expected {key} of at least 0, got {getattr(self, key)}; "
                    "correct what the operation declares"
                )

    @property
    def intensity(self) -> float:
        """FLOPs per compulsory byte.

        Raises
        ------
        ValueError
            If there are no bytes: there is then no traffic to divide by.
        """
        if self.compulsory_bytes == 0:
            raise ValueError(
                f"{self.name}: expected compulsory bytes to divide {self.flops} FLOPs by, got 0; "
                "declare them, or ask at a size that is not empty"
            )
        return self.flops / self.compulsory_bytes


def of(case: CaseView | Case) -> Cost:
    """Return the declared cost of a case, measured or planned."""
    label = describe_parameters(case.parameters)
    return Cost(case.flops, case.compulsory_bytes, f"{case.operation} at {label}")


def attainable_gflops(
    cost: Cost, roofs: Roofs, dtype: str = "float32", threads: int = 1
) -> Interval:
    """Return the most that this machine can reach at this intensity, in GFLOP/s.

    ``min(peak, intensity × bandwidth)``, with the bandwidth of the level of memory that
    holds as many bytes as the operation must touch.

    Parameters
    ----------
    cost : Cost
    roofs : Roofs
        Measured ceilings; see `accel.timing.roofs`.
    dtype : str
        Element type, which sets the peak.
    threads : int

    Returns
    -------
    Interval
        It holds the truth if both roofs lie in theirs; its coverage is what can be said
        of both at once, without assuming them independent.

    Raises
    ------
    ValueError
        If the cost has no bytes.
    """
    peak, slope = _both_roofs(cost, roofs, dtype, threads)
    return Interval(
        min(peak.value, slope.value),
        min(peak.low, slope.low),
        min(peak.high, slope.high),
        _both(peak.coverage, slope.coverage),
    )


def bound(cost: Cost, roofs: Roofs, dtype: str = "float32", threads: int = 1) -> str:
    """Return which roof is the lower one at this intensity: "arithmetic" or "memory"."""
    peak, slope = _both_roofs(cost, roofs, dtype, threads)
    return "arithmetic" if peak.value <= slope.value else "memory"


def _both_roofs(cost: Cost, roofs: Roofs, dtype: str, threads: int) -> tuple[Interval, Interval]:
    """Return the flat roof and the slanted one at this intensity, in GFLOP/s."""
    intensity = cost.intensity
    bandwidth = roofs.bandwidth_gbs(cost.compulsory_bytes, threads=threads)
    slope = Interval(*(intensity * speed for speed in bandwidth[:3]), bandwidth.coverage)
    return roofs.peak_gflops(dtype, threads), slope


def _both(first: float, second: float) -> float:
    """Probability, at least, that two intervals both hold (Bonferroni)."""
    return max(0.0, first + second - 1)


def share_of_roof(case: CaseView, kernel: str, roofs: Roofs, threads: int = 1) -> Interval:
    """Return what a kernel reached of what is attainable; 1 is the roof.

    Never clipped: a share above 1 stands as it was measured.

    Parameters
    ----------
    case : CaseView
        Its parameter ``dtype`` sets the peak; float32 where it names none, as in every
        operation's `inputs`.
    kernel : str
    roofs : Roofs
    threads : int

    Raises
    ------
    RoofError
        If the whole interval of the kernel's rate lies more than `CLOCK_MARGIN` above what the
        fastest sample of any probe reached: then the declared count or the roof is wrong.
        A kernel above the median probe, but not above its best, met a quieter minute.
    ValueError
        If the case declares no bytes, or no FLOPs.
    """
    cost = of(case)
    if cost.flops == 0:
        raise ValueError(
            f"{cost.name}: expected FLOPs to compare with a roof, got 0; declare them, or "
            "compare gigabytes_per_second with a bandwidth"
        )
    dtype = case.parameters.get("dtype", "float32")
    roof = attainable_gflops(cost, roofs, dtype, threads)
    reached = case.gflops(kernel)
    share = Interval(
        reached.value / roof.value,
        reached.low / roof.high,
        reached.high / roof.low,
        _both(reached.coverage, roof.coverage),
    )
    ceiling = min(
        roofs.fastest_gflops(dtype, threads),
        cost.intensity * roofs.fastest_gbs(cost.compulsory_bytes, threads),
    )
    if reached.low > ceiling * (1 + CLOCK_MARGIN):
        raise _above(cost, kernel, share, reached, ceiling)
    return share


def _above(
    cost: Cost, kernel: str, share: Interval, reached: Interval, ceiling: float
) -> RoofError:
    return RoofError(
        f"{cost.name}: kernel {kernel} runs at {with_interval(share, number)} of its roof, "
        f"{with_interval(reached, gflops)} where no probe ever passed {gflops(ceiling)}; "
        f"the clock explains {CLOCK_MARGIN:.0%}, so the declared count ({count(cost.flops)} FLOPs, "
        f"{count(cost.compulsory_bytes)} bytes) or the roof is wrong: count with "
        "accel.timing.counting, or measure the roofs again"
    )


def cost_table(
    cases: Sequence[CaseView | Case], roofs: Roofs | None = None, threads: int = 1
) -> Table:
    """Return FLOPs, bytes and intensity of several cases, and their roofs if given.

    Parameters
    ----------
    cases : sequence of CaseView or Case
    roofs : Roofs, optional
        Adds what is attainable and which roof it is.
    threads : int

    Raises
    ------
    ValueError
        If there are no cases, or one declares no bytes.
    """
    if not cases:
        raise ValueError("a cost table needs at least one case, got none")
    headers = ["Operation", "Size", "FLOPs", "Compulsory bytes", "FLOPs per byte"]
    headers += ["Attainable", "Bound by"] if roofs is not None else []
    rows = []
    for case in cases:
        cost, dtype = of(case), case.parameters.get("dtype", "float32")
        row = [code(case.operation), describe_parameters(case.parameters), count(cost.flops)]
        row += [count(cost.compulsory_bytes), number(cost.intensity)]
        if roofs is not None:
            roof = attainable_gflops(cost, roofs, dtype, threads)
            row += [with_interval(roof, gflops), bound(cost, roofs, dtype, threads)]
        rows.append(row)
    return Table("What each operation costs, as declared", headers, rows)
