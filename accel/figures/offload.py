"""Figure of breaking even: modelled gain of a device against bytes moved, per operation."""

from __future__ import annotations

import math
from collections.abc import Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from accel.figures.look import FigureError, Look, Picture, present
from accel.figures.parts import (
    LABEL_SIZE,
    End,
    axes,
    end_labels,
    headline,
    interval_bars,
    log_scale,
    readable,
    round_numbers,
)
from accel.findings.offload import Device, Offload, offloads, operations, size_of
from accel.timing import words
from accel.timing.records import Record

#: Marks on the vertical axis, at most.
_MOST_MARKS = 8


def break_even(record: Record, device: Device, *, alt: str) -> None:
    """Show what offloading would gain, operation by operation; below 1 it loses.

    A solid line with arrays moved there and back, a dashed one where they stay on the
    device. Points that are unstable, or whose interval holds 1, are hollow. The CPU's times
    are measured, and the device's modelled, which the figure says.

    Parameters
    ----------
    record : Record
        Several sizes of each operation.
    device : Device
        As its data sheet has it.
    alt : str
        What the figure shows, in a sentence; its numbers are added.

    Raises
    ------
    FigureError
        If there is no case, or `alt` is empty.
    """
    lines = _lines(record, device)

    def draw(figure: Figure, look: Look) -> None:
        palette = look.palette
        ax = axes(figure, left=0.6, right=0.85 if look.narrow else 1.0)
        log_scale(ax, "x", _powers([one.case.compulsory_bytes for each in lines for one in each]))
        _gains(ax, lines, device)
        ax.axhspan(ax.get_ylim()[0], 1, color=palette.band, linewidth=0, zorder=0)
        ax.annotate("loses", (1, 0), xycoords="axes fraction", xytext=(-5, 4), ha="right",
                    textcoords="offset points", size=LABEL_SIZE, color=palette.muted)  # fmt: skip
        instruments = [each[-1].case.instrument(each[-1].kernel) for each in lines]
        ends = [
            _line(ax, look, each, device, style)
            for each, style in zip(lines, look.styles(instruments), strict=True)
        ]
        quantity = "modelled gain" if look.narrow else "times as fast as this CPU, modelled"
        headline(ax, f"{quantity}; dashed: data stay there", palette)
        ax.set_xlabel("bytes moved there and back by a call")
        end_labels(ax, ends, palette)

    numbers = describe_break_even(record, device)
    present(Picture(f"{record.experiment}-break-even", alt, numbers, draw, 4.1, 4.0))


def _lines(record: Record, device: Device) -> list[list[Offload]]:
    if not record.cases:
        raise FigureError(f"{record.experiment}: there is no case to show")
    return [offloads(record, device, each, shaken=True) for each in operations(record)]


def _powers(sizes: Sequence[int]) -> list[float]:
    """Return the powers of ten from the one below all sizes to the one above."""
    low, high = math.floor(math.log10(min(sizes))), math.ceil(math.log10(max(sizes)))
    return [10**power for power in range(low, high + 1)]


def _gains(ax: Axes, lines: Sequence[Sequence[Offload]], device: Device) -> None:
    """Vertical axis of factors, with room around them and the 1 on it."""
    found = [
        gain
        for each in lines
        for one in each
        for gain in (one.gain.low, one.gain.high, one.gain_staying(device.latency_ns).value)
    ]
    low, high = min(*found, 1) / 1.5, max(*found, 1) * 1.5
    ax.set_ylim(low, high)
    log_scale(ax, "y")
    marks = round_numbers(low, high)
    if len(marks) > _MOST_MARKS:
        marks = [10.0**p for p in range(math.ceil(math.log10(low)), 1 + int(math.log10(high)))]
    ax.set_yticks(marks, [f"{mark:g}×" for mark in marks])


def _line(ax: Axes, look: Look, each: Sequence[Offload], device: Device, style) -> End:
    color, marker = style
    xs = [one.case.compulsory_bytes for one in each]
    gains = [one.gain for one in each]
    staying = [one.gain_staying(device.latency_ns).value for one in each]
    ax.plot(xs, staying, color=color, linewidth=1.3, linestyle=(0, (4, 2)), alpha=0.7)
    ax.plot(xs, [gain.value for gain in gains], color=color)
    interval_bars(ax, xs, gains, color=color)
    for x, one, gain in zip(xs, each, gains, strict=True):
        sure = one.case.stable and (gain.low > 1 or gain.high < 1)
        ax.plot([x], [gain.value], color=color, marker=marker, markeredgewidth=1.5, zorder=4,
                markerfacecolor=color if sure else look.palette.background)  # fmt: skip
    return End(xs[-1], gains[-1].value, readable(each[-1].case.operation), color)


def describe_break_even(record: Record, device: Device) -> str:
    """Return the numbers of the figure in words: each operation at both ends."""
    parts = []
    for each in _lines(record, device):
        ends = [each[0], each[-1]] if len(each) > 1 else each
        told = words.listed(
            f"{words.with_interval(one.gain, words.factor)}"
            f"{'' if one.case.stable else ', unstable,'} at {size_of(one.case)}, "
            f"{words.factor(one.gain_staying(device.latency_ns).value)} if data stay there"
            for one in ends
        )
        parts.append(f"{readable(each[0].case.operation)} {told}")
    return f"Gain of a modelled {device.name} over this CPU: {'; '.join(parts)}."
