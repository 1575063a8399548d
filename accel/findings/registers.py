"""Register tiles in words: what a shape asks of the machine, and what it got.

A tile of ``rows`` x ``vectors`` accumulators is limited by three things that can be
counted. A multiply-add takes some cycles, so enough of them must be under way, each with
an accumulator of its own. At each step of depth it takes ``rows + vectors`` loads. And it
needs registers for its accumulators, for a row of the second operand and for one number
of the first.

Source
------
Low, Igual, Smith and Quintana-Orti, "Analytical Modeling Is Enough for High-Performance
BLIS", ACM TOMS 43 (2016), section 4. Little, "A Proof for the Queuing Formula L = λW",
*Operations Research* 9 (1961), for how much must be under way.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from accel.timing.records import CaseView
from accel.timing.report import Sentence, Table, code, times
from accel.timing.stats import Interval
from accel.timing.words import factor, gflops, listed, number, with_interval

_NAME = re.compile(r"tile_(\d+)x(\d+)")


@dataclass(frozen=True)
class Shape:
    """A tile of registers, and what it asks for.

    Parameters
    ----------
    rows, vectors : int
        Rows, and registers per row.
    """

    rows: int
    vectors: int

    @property
    def name(self) -> str:
        return f"{self.rows} × {self.vectors}"

    @property
    def accumulators(self) -> int:
        return self.rows * self.vectors

    @property
    def registers(self) -> int:
        """Accumulators, one row of the second operand, and a number of the first."""
        return self.accumulators + self.vectors + 1

    @property
    def loads(self) -> float:
        """Loads for each multiply-add."""
        return (self.rows + self.vectors) / self.accumulators


def shape_of(kernel: str) -> Shape:
    """Return the shape that a kernel's name states: ``tile_8x2``.

    Raises
    ------
    ValueError
        If it states none.
    """
    match = _NAME.fullmatch(kernel)
    if match is None:
        raise ValueError(f"expected a kernel named like tile_8x2, got {kernel!r}")
    return Shape(int(match[1]), int(match[2]))


def tiles_of(case: CaseView) -> list[str]:
    """Return the kernels of a case that are tiles, fewest accumulators first."""
    tiles = [kernel for kernel in case.kernels if _NAME.fullmatch(kernel)]
    return sorted(tiles, key=lambda kernel: shape_of(kernel).accumulators)


def vector_registers(machine: Mapping[str, Any]) -> int | None:
    """Return how many vector registers a program may name; None for an unknown architecture."""
    architecture = machine.get("architecture")
    if architecture in ("aarch64", "arm64"):
        return 32
    if architecture in ("x86_64", "AMD64"):
        return 32 if machine.get("vector_bits") == 512 else 16
    return None


def predicted_share(shape: Shape, under_way: int) -> float:
    """Return the share of the peak that a shape allows, if so many must be under way."""
    return min(1.0, shape.accumulators / under_way)


def shapes_table(kernels: Sequence[str], under_way: int, registers: int | None) -> Table:
    """Return what each shape asks for, and the share of the peak that it allows.

    Parameters
    ----------
    kernels : sequence of str
        Named like ``tile_8x2``.
    under_way : int
        Multiply-adds that must be under way at once.
    registers : int or None
        Vector registers that there are.
    """
    rows = []
    for shape in map(shape_of, kernels):
        fits = "–" if registers is None else "yes" if shape.registers <= registers else "no"
        share = f"{number(100 * predicted_share(shape, under_way))} %"
        rows.append([
            shape.name, str(shape.accumulators), number(shape.loads), str(shape.registers), fits,
            share,
        ])  # fmt: skip
    headers = ("Tile", "Sums", "Loads each", "Registers", "Fits", "Share of the peak")
    return Table("What each tile asks of the machine, and what it allows", headers, rows)


def under_way_sentence(case: CaseView, peak: Interval, guess: int) -> Sentence:
    """Say how many multiply-adds must be under way, by the tile that has only one.

    Parameters
    ----------
    case : CaseView
        With a kernel ``tile_1x1``.
    peak : Interval
        Measured arithmetic peak, in GFLOP/s.
    guess : int
        What the reader was told to expect.
    """
    single = case.gflops("tile_1x1")
    needed = Interval(peak.value / single.value, peak.low / single.high, peak.high / single.low,
                      max(0.0, peak.coverage + single.coverage - 1))  # fmt: skip
    facts = (
        f"With a single sum each multiply-add waits for the one before: "
        f"{with_interval(single, gflops)}. The peak is {with_interval(peak, gflops)}, "
        f"{with_interval(needed, factor)} as much, so about that many must be under way at once"
    )
    if not case.stable:
        return Sentence(f"{facts}. Not judged, since unstable: {'; '.join(case.reasons)}.")
    if needed.high < guess:
        return Sentence(
            f"{facts}: fewer than the {guess} of the prediction. Either a multiply-add ends "
            "sooner or fewer can begin in each cycle; or one tile begins while another ends."
        )
    if needed.low > guess:
        return Sentence(f"{facts}: more than the {guess} of the prediction.")
    return Sentence(f"{facts}, as predicted ({guess}).")


def best_sentence(case: CaseView) -> Sentence:
    """Say which shapes are fastest, or not separated from the fastest."""
    tiles = tiles_of(case)
    top = min(tiles, key=lambda kernel: case.time_ns(kernel).value)
    if not case.stable:
        return Sentence(
            f"No shape is called best, the run was unstable: {'; '.join(case.reasons)}."
        )
    group = [
        kernel for kernel in tiles
        if kernel == top or case.verdict(kernel, top) == "not resolved"
    ]  # fmt: skip
    names = listed(shape_of(kernel).name for kernel in group)
    rate = with_interval(case.gflops(top), gflops)
    if len(group) == 1:
        return Sentence(f"The fastest shape is {names}, at {rate}.")
    return Sentence(f"The fastest shapes, not separated from each other, are {names}, at {rate}.")


def spill_sentence(case: CaseView, registers: int | None) -> Sentence:
    """Say what tiles cost that need more registers than there are.

    Parameters
    ----------
    case : CaseView
    registers : int or None
        Vector registers that there are.
    """
    if registers is None:
        return Sentence("How many vector registers this architecture has is not known here.")
    tiles = tiles_of(case)
    fitting = [kernel for kernel in tiles if shape_of(kernel).registers <= registers]
    spilling = [kernel for kernel in tiles if kernel not in fitting]
    if not spilling or not fitting:
        return Sentence(f"All shapes tried need {'at most' if fitting else 'more than'} "
                        f"{registers} registers.")  # fmt: skip
    largest = max(fitting, key=lambda kernel: shape_of(kernel).accumulators)
    parts = [
        f"{shape_of(kernel).name} ({shape_of(kernel).registers} registers) runs at "
        f"{times(case.speedup(kernel, largest))} of the speed of {shape_of(largest).name}"
        for kernel in spilling
    ]
    verdicts = {case.verdict(kernel, largest) for kernel in spilling}
    facts = f"There are {registers} vector registers. {_capital(listed(parts))}"
    if verdicts == {"slower"}:
        return Sentence(
            f"{facts}: what does not fit is stored and loaded again at every step of depth."
        )
    if "unstable" in verdicts:
        return Sentence(f"{facts}. Not judged, since unstable: {'; '.join(case.reasons)}.")
    return Sentence(f"{facts}. Not all of these lose by it in this run.")


def memory_sentence(case: CaseView, kernel: str, tile: str) -> Sentence:
    """Say what sums in memory cost against the same sums in registers."""
    ratio, word = case.speedup(tile, kernel), case.verdict(tile, kernel)
    facts = f"{code(tile)} runs {times(ratio)} as fast as {code(kernel)}"
    if word == "faster":
        return Sentence(f"{facts}: the same multiply-adds, with the sums in registers.")
    if word == "unstable":
        return Sentence(f"{facts}; not judged, since unstable: {'; '.join(case.reasons)}.")
    return Sentence(f"{facts}: registers gain nothing here ({word}).")


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]
