"""Figure of register tiles: rate against the number of sums under way."""

from __future__ import annotations

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from accel.figures.look import FigureError, Look, Picture, present
from accel.figures.parts import LABEL_SIZE, axes, compact, headline, interval_bars, log_scale
from accel.findings.registers import shape_of, tiles_of
from accel.timing import words
from accel.timing.records import CaseView, Record
from accel.timing.stats import Interval


def tiles(record: Record, *, alt: str, peak: Interval, registers: int | None, **where) -> None:
    """Show GFLOP/s of each tile against its accumulators; hollow where registers do not suffice.

    Parameters
    ----------
    record : Record
        With kernels named like ``tile_8x2``.
    alt : str
        What the figure shows, in a sentence; its numbers are added.
    peak : Interval
        Measured arithmetic peak, in GFLOP/s, drawn as the roof.
    registers : int or None
        Vector registers that there are.
    **where
        Parameters of the case.

    Raises
    ------
    FigureError
        If the case has no tiles, or `alt` is empty.
    """
    case = record.case(**where)
    shown = tiles_of(case)
    if "tile_1x1" not in shown:
        raise FigureError(f"no kernel tile_1x1 in this case; there are {', '.join(case.kernels)}")

    def draw(figure: Figure, look: Look) -> None:
        palette = look.palette
        ax = axes(figure, left=0.5, right=0.35)
        counts = sorted({shape_of(kernel).accumulators for kernel in shown})
        log_scale(ax, "x")
        ticks = [count for count in counts if count in (1, 2, 4, 8, 16, 24, 32, 48)]
        ax.xaxis.set_ticks(ticks, [compact(tick) for tick in ticks])
        ax.set_ylim(0, 1.18 * max(peak.high, *(case.gflops(kernel).high for kernel in shown)))
        _model(ax, look, case, peak, counts[-1])
        for kernel in shown:
            _point(ax, look, case, kernel, registers)
        for count in counts:
            same = [kernel for kernel in shown if shape_of(kernel).accumulators == count]
            _names(ax, look, case, count, same)
        headline(ax, "GFLOP/s, more is better", palette)
        ax.set_xlabel(
            "sums under way" if look.narrow else "sums under way (rows × registers per row)"
        )

    numbers = describe_tiles(record, peak=peak, registers=registers, **where)
    present(Picture(f"{record.experiment}-tiles", alt, numbers, draw, 3.8, 4.0))


def _model(ax: Axes, look: Look, case: CaseView, peak: Interval, last: int) -> None:
    """Draw what waiting allows: so many times a single sum, up to the peak."""
    palette, single = look.palette, case.gflops("tile_1x1").value
    bend = max(1.0, peak.value / single)
    ax.axhspan(peak.low, peak.high, color=palette.band, linewidth=0, zorder=0)
    xs = [1 + (bend - 1) * step / 40 for step in range(41)]  # a straight line on a bent scale
    ax.plot([*xs, last], [*(single * x for x in xs), peak.value], color=palette.muted,
            linewidth=1.1, linestyle=(0, (4, 2.5)))  # fmt: skip
    ax.annotate("measured peak", (last, peak.value), xytext=(0, 5), textcoords="offset points",
                ha="right", size=LABEL_SIZE, color=palette.muted)  # fmt: skip


def _point(ax: Axes, look: Look, case: CaseView, kernel: str, registers) -> None:
    palette, shape, rate = look.palette, shape_of(kernel), case.gflops(kernel)
    color = palette.of(case.instrument(kernel))
    fits = registers is None or shape.registers <= registers
    interval_bars(ax, [shape.accumulators], [rate], color=color)
    ax.plot([shape.accumulators], [rate.value], marker=look.marker(case.instrument(kernel)),
            color=color, linestyle="none", markeredgewidth=1.5, zorder=4,
            markerfacecolor=color if fits else palette.background)  # fmt: skip


def _names(ax: Axes, look: Look, case: CaseView, count: int, tiles: list[str]) -> None:
    """Name the tiles of as many sums, fastest first, below the lowest of them."""
    ordered = sorted(tiles, key=lambda kernel: -case.gflops(kernel).value)
    lowest = case.gflops(ordered[-1]).low
    ax.annotate("\n".join(shape_of(kernel).name for kernel in ordered), (count, lowest),
                xytext=(0, -4), ha="center", va="top", textcoords="offset points",
                size=LABEL_SIZE - 1, color=look.palette.ink, linespacing=1.05)  # fmt: skip


def describe_tiles(record: Record, *, peak: Interval, registers: int | None, **where) -> str:
    """Return the numbers of the figure in words: each tile's rate, and the peak."""
    case = record.case(**where)
    parts = []
    for kernel in tiles_of(case):
        shape = shape_of(kernel)
        note = "" if registers is None or shape.registers <= registers else ", too many registers"
        parts.append(f"{shape.name} {words.number(case.gflops(kernel).value)}{note}")
    return f"GFLOP/s: {'; '.join(parts)}. Measured peak {words.number(peak.value)}."
