"""The roofline: kernels at their intensity, under roofs that were measured."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from accel.figures.look import FigureError, Look, Picture, present
from accel.figures.parts import (
    LABEL_SIZE,
    LINE_POINTS,
    axes,
    headline_inside,
    interval_bars,
    log_scale,
    readable,
    spread,
)
from accel.findings.roofline import Ceiling, ceilings, name_of, percent, ridge
from accel.timing import cost, words
from accel.timing.records import CaseView, Record

if TYPE_CHECKING:
    from accel.timing.roofs import Roofs

#: Height of the strip below the points where the operations are named, in inches.
_NAMES_IN = 1.08


def roofline(record: Record, roofs: Roofs, *, alt: str) -> None:
    """Show every kernel of a record at its intensity, below the roofs of this machine.

    A vertical line for each operation, from its slowest kernel up to its own roof, the
    bar: the lower one of peak and bandwidth of the memory that holds its operands.
    Points with an unstable measurement are hollow.

    Parameters
    ----------
    record : Record
        All its cases must declare FLOPs and bytes.
    roofs : Roofs
    alt : str
        What the figure shows, in a sentence; its numbers are added.

    Raises
    ------
    FigureError
        If a case declares no FLOPs or no bytes, or `alt` is empty.
    RoofError
        If a kernel lies above its roof.
    """
    for case in record.cases:
        if not case.flops or not case.compulsory_bytes:
            raise FigureError(
                f"{record.experiment}: {case.operation} at {case.label} declares {case.flops} "
                f"FLOPs and {case.compulsory_bytes} bytes; a roofline needs both"
            )
    numbers = describe_roofline(record, roofs)

    def draw(figure: Figure, look: Look) -> None:
        ax = axes(figure, left=0.55, right=0.2, top=0.66 if look.narrow else 0.45)
        log_scale(ax, "x")
        log_scale(ax, "y")
        _limits(ax, look, record, roofs)
        _draw_roofs(ax, look, roofs)
        for case in record.cases:
            _draw_case(ax, look, case, roofs)
        _names(ax, look, record)
        _key(ax, look, [case.instrument(k) for case in record.cases for k in case.kernels])
        ax.set_xlabel("FLOPs per compulsory byte")

    present(Picture(f"{record.experiment}-roofline", alt, numbers, draw, 5.0, 5.0))


def _limits(ax: Axes, look: Look, record: Record, roofs: Roofs) -> None:
    """Room for the names of the roofs on the left, and of the operations below."""
    xs = [cost.of(case).intensity for case in record.cases]
    rates = [case.gflops(kernel).low for case in record.cases for kernel in case.kernels]
    top = 2 * roofs.peak_gflops().high
    low = min(rates) / 2
    tall = ax.get_position().height * ax.figure.get_size_inches()[1]
    share = _NAMES_IN / tall
    ax.set_ylim(low / (top / low) ** (share / (1 - share)), top)
    ax.set_xlim(min(xs) / 5, 2 * max(*xs, _last_ridge(roofs)))
    ax.set_yticks([10.0**e for e in range(math.ceil(math.log10(low)), 1 + int(math.log10(top)))])


def _last_ridge(roofs: Roofs) -> float:
    return max(ridge(roofs, ceiling) for ceiling in ceilings(roofs))


def _draw_roofs(ax: Axes, look: Look, roofs: Roofs) -> None:
    palette, peak, levels = look.palette, roofs.peak_gflops(), ceilings(roofs)
    left, right = ax.get_xlim()
    first = min(ridge(roofs, level) for level in levels)
    ax.fill_between([first, right], peak.low, peak.high, color=palette.band, linewidth=0)
    for level in levels:
        end, speed = ridge(roofs, level), level.bandwidth
        highest = [min(x * speed.high, peak.value) for x in (left, end)]
        ax.fill_between([left, end], [left * speed.low, end * speed.low], highest,
                        color=palette.band, linewidth=0, zorder=0.5)  # fmt: skip
        ax.plot([left, end], [left * speed.value, peak.value], color=palette.ink, linewidth=1.1)
    ax.plot([first, right], [peak.value] * 2, color=palette.ink, linewidth=1.6)
    ax.annotate(
        f"peak {words.gflops(peak.value)}", (right, peak.value), xytext=(0, 4), ha="right",
        textcoords="offset points", size=LABEL_SIZE, color=palette.ink,
    )  # fmt: skip
    _name_slopes(ax, look, levels)


def _name_slopes(ax: Axes, look: Look, levels: Sequence[Ceiling]) -> None:
    """Write along each slope, above it; below it for the last; later where two are close."""
    left, (tall, wide) = ax.get_xlim()[0], _points_per_decade(ax)
    angle, before, shift = math.atan2(tall, wide), None, 0.0
    for level in levels:
        speed = level.bandwidth.value
        text = level.name if look.narrow else f"{level.name} {words.gigabytes_per_second(speed)}"
        last = level is levels[-1] and len(levels) > 1
        if before and not last:
            apart = tall * math.log10(before[0] / speed) * math.cos(angle)
            shift = shift + 5.6 * len(before[1]) if apart < LINE_POINTS else 0.0
        start = 0.0 if last else shift
        lift = -3 if last else 3
        ax.annotate(
            text, (left, left * speed), rotation=math.degrees(angle), rotation_mode="anchor",
            xytext=(4 + start * math.cos(angle) - lift * math.sin(angle),
                    start * math.sin(angle) + lift * math.cos(angle)),
            textcoords="offset points", va="top" if last else "bottom", size=LABEL_SIZE - 1,
            color=look.palette.muted, zorder=6,
        )  # fmt: skip
        before = (speed, text)


def _points_per_decade(ax: Axes) -> tuple[float, float]:
    """Height and width of a factor of ten, in points."""
    width, height = ax.figure.get_size_inches()
    box = ax.get_position()
    decades = [math.log10(high / low) for low, high in (ax.get_ylim(), ax.get_xlim())]
    return 72 * height * box.height / decades[0], 72 * width * box.width / decades[1]


def _draw_case(ax: Axes, look: Look, case: CaseView, roofs: Roofs) -> None:
    palette = look.palette
    declared = cost.of(case)
    x = declared.intensity
    roof = cost.attainable_gflops(declared, roofs, case.parameters.get("dtype", "float32"))
    rates = [case.gflops(kernel) for kernel in case.kernels]
    lowest = min(rate.value for rate in rates)
    ax.plot([x, x], [lowest, roof.value], color=palette.ghost, linewidth=0.9, zorder=2)
    ax.plot([x], [roof.value], color=palette.ink, marker="_", markersize=9, markeredgewidth=2,
            zorder=3)  # fmt: skip
    instruments = [case.instrument(kernel) for kernel in case.kernels]
    for rate, (color, marker) in zip(rates, look.styles(instruments), strict=True):
        interval_bars(ax, [x], [rate], color=color, zorder=4)
        ax.plot([x], [rate.value], color=color, marker=marker, markeredgewidth=1.3, zorder=5,
                markerfacecolor=color if case.stable else palette.background)  # fmt: skip


def _names(ax: Axes, look: Look, record: Record) -> None:
    """Name the operations upright along the bottom, kept apart, with lines to their points."""
    width, height = ax.figure.get_size_inches()
    box = ax.get_position()
    wide, tall = 72 * width * box.width, 72 * height * box.height
    left, right = (math.log(end) for end in ax.get_xlim())
    low, high = (math.log(end) for end in ax.get_ylim())
    xs = [cost.of(case).intensity for case in record.cases]
    shares = [(math.log(x) - left) / (right - left) for x in xs]
    places = spread(shares, [(LINE_POINTS + 1) / wide] * len(xs))
    top = (72 * _NAMES_IN - 18) / tall
    for case, share, place in zip(record.cases, shares, places, strict=True):
        slowest = min(case.gflops(kernel).value for kernel in case.kernels)
        point = (math.log(slowest) - low) / (high - low)
        ax.plot(
            [place, share, share], [top, top + 14 / tall, point], transform=ax.transAxes,
            color=look.palette.ghost, linewidth=0.7, zorder=1,
        )  # fmt: skip
        ax.annotate(
            readable(name_of(case, record)), (place, top), xytext=(0, -2), rotation=90,
            xycoords="axes fraction", textcoords="offset points", ha="center", va="top",
            size=LABEL_SIZE - 0.5, color=look.palette.ink,
        )  # fmt: skip


def _key(ax: Axes, look: Look, instruments: Sequence[str]) -> None:
    """Say what is shown above the figure, and what the markers mean."""
    for instrument in dict.fromkeys(instruments):
        ax.plot([], [], linestyle="none", marker=look.marker(instrument), label=instrument,
                color=look.palette.of(instrument))  # fmt: skip
    if not look.narrow:
        ax.plot([], [], linestyle="none", marker="_", markersize=9, markeredgewidth=2,
                color=look.palette.ink, label="its roof")  # fmt: skip
    ax.legend(
        loc="lower left" if look.narrow else "lower right", ncols=4, frameon=False,
        bbox_to_anchor=(-0.12, 0.985) if look.narrow else (1.02, 0.985), fontsize=LABEL_SIZE,
        labelcolor="linecolor", handletextpad=0.0, columnspacing=0.7, borderpad=0.2,
    )  # fmt: skip
    quantity = "GFLOP/s; dash: roof of the operation\n" if look.narrow else "GFLOP/s"
    headline_inside(ax, quantity, look.palette)


def describe_roofline(record: Record, roofs: Roofs) -> str:
    """Return the numbers of the roofline in words: the roofs, and each kernel's share."""
    peak = words.with_interval(roofs.peak_gflops(), words.gflops)
    slopes = words.listed(
        f"{level.name} {words.gigabytes_per_second(level.bandwidth.value)}"
        for level in ceilings(roofs)
    )
    threads = record.protocol["threads"]
    parts = []
    for case in record.cases:
        shares = words.listed(
            f"{readable(kernel)} {percent(cost.share_of_roof(case, kernel, roofs, threads).value)}"
            for kernel in case.kernels
        )
        intensity = words.number(cost.of(case).intensity)
        parts.append(f"{name_of(case, record)} at {intensity} FLOPs per byte: {shares}")
    return f"Roofs: peak {peak}; {slopes}. Shares of the own roof: {'; '.join(parts)}."
