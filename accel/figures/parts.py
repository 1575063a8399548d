"""Parts that figures are made of: axes with room for words, scales, labels that keep apart."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, MaxNLocator, NullLocator

from accel.figures.look import FigureError, Look, Palette
from accel.timing import words
from accel.timing.records import CaseView, Record
from accel.timing.stats import Interval

LABEL_SIZE = 9.5
LINE_POINTS = 11.5

#: A range of times with a larger factor between its ends is shown on a logarithmic axis.
_WIDE_RANGE = 3


class End(NamedTuple):
    """Where a line ends, and what to write there."""

    x: float
    y: float
    name: str
    color: str


def cases_along(record: Record, along: str, where: dict) -> list[CaseView]:
    """The cases that carry `along` and match `where`, smallest first."""
    found = [
        case
        for case in record.cases
        if along in case.parameters
        and all(case.parameters.get(key) == value for key, value in where.items())
    ]
    if not found:
        choices = "; ".join(case.label for case in record.cases)
        raise FigureError(
            f"{record.experiment}: no case has {along} and {where}; there are {choices}"
        )
    return sorted(found, key=lambda case: case.parameters[along])


def steps_of(cases: Sequence[CaseView], steps: Sequence[str] | None) -> list[str]:
    """The steps asked for, or all, in the order of the ladder."""
    known = list(dict.fromkeys(kernel for case in cases for kernel in case.kernels))
    for step in steps or ():
        if step not in known:
            raise FigureError(f"no kernel {step!r} in these cases; there are {', '.join(known)}")
    return list(steps or known)


def where_measured(cases: Sequence[CaseView], step: str) -> list[CaseView]:
    return [case for case in cases if step in case.kernels]


def readable(step: str) -> str:
    """Return the name of a step as prose writes it: ``row times matrix``."""
    return step.replace("_", " ")


def compact(value: float) -> str:
    """Return a size for an axis: ``64``, ``1 k``, ``10 M``; powers of ten only are shortened."""
    for scale, unit in ((1_000_000, "M"), (1_000, "k")):
        if value >= scale and value % scale == 0:
            return f"{value // scale:.0f}{words.NO_BREAK}{unit}"
    return f"{value:g}" if value < 1_000_000 else f"{value:,.0f}"


def wrapped(step: str, narrow: bool) -> str:
    name = readable(step)
    return name.replace(" ", "\n", 1) if narrow and len(name) > 9 else name


def axes(
    figure: Figure, *, left: float, right: float, top: float = 0.42, bottom: float = 0.5
) -> Axes:
    """Return axes with margins in inches, which leave room for labels in words."""
    width, height = figure.get_size_inches()
    return figure.add_axes(
        (left / width, bottom / height, 1 - (left + right) / width, 1 - (top + bottom) / height)
    )


def headline(ax: Axes, text: str, palette: Palette) -> None:
    """Write the quantity of the vertical axis above it, where it can be read level."""
    figure = ax.figure
    box = ax.get_position()
    figure.text(
        0.008, box.y1 + 0.14 / figure.get_size_inches()[1], text, color=palette.muted, size=9.5
    )


def panels(
    figure: Figure, look: Look, *, left: float = 0.62, between: float = 0.75
) -> tuple[Axes, Axes]:
    """Two axes: side by side on a wide page, one above the other on a narrow one."""
    width, height = figure.get_size_inches()
    right, top, bottom = 0.15, 0.42, 0.5
    if look.narrow:
        tall = (height - 2 * (top + bottom)) / 2
        box = (left / width, 1 - (left + right) / width, tall / height)
        first = (box[0], (height - top - tall) / height, box[1], box[2])
        second = (box[0], bottom / height, box[1], box[2])
    else:
        each = (width - 2 * left - right - between + left) / 2
        tall = (height - top - bottom) / height
        first = (left / width, bottom / height, each / width, tall)
        second = ((left + each + between) / width, bottom / height, each / width, tall)
    return figure.add_axes(first), figure.add_axes(second)


def headline_inside(ax: Axes, text: str, palette: Palette) -> None:
    """The quantity above the axes, set at their own left edge."""
    box = ax.get_position()
    lift = 0.14 / ax.figure.get_size_inches()[1]
    ax.figure.text(box.x0 - 0.01, box.y1 + lift, text, color=palette.muted, size=LABEL_SIZE)


def spread(
    wanted: Sequence[float], sizes: Sequence[float], low: float = 0.0, high: float = 1.0
) -> list[float]:
    """Return centres near the wanted ones, in the same order, that do not overlap.

    Parameters
    ----------
    wanted : sequence of float
        Where labels would like to be.
    sizes : sequence of float
        How much room each needs; made smaller if they would not all fit.
    low, high : float
        The range they must stay in.
    """
    squeeze = min(1.0, (high - low) / (sum(sizes) or 1.0))
    order = sorted(range(len(wanted)), key=lambda index: wanted[index])
    half = [squeeze * sizes[index] / 2 for index in order]
    placed, edge = [], low
    for index, room in zip(order, half, strict=True):
        placed.append(max(wanted[index], edge + room))
        edge = placed[-1] + room
    edge = high
    for rank in range(len(placed) - 1, -1, -1):
        placed[rank] = min(placed[rank], edge - half[rank])
        edge = placed[rank] - half[rank]
    return [placed[order.index(index)] for index in range(len(wanted))]


def log_scale(ax: Axes, direction: str, positions: Sequence[float] = (), narrow=False) -> None:
    """Logarithmic axis; its labels are the given positions, or the powers of ten."""
    axis = ax.xaxis if direction == "x" else ax.yaxis
    (ax.set_xscale if direction == "x" else ax.set_yscale)("log")
    axis.set_minor_locator(NullLocator())
    if positions:
        step = 2 if narrow and len(positions) > 5 else 1
        shown = list(positions)[::-1][::step][::-1]
        axis.set_ticks(shown, [compact(position) for position in shown])
    else:
        axis.set_major_formatter(lambda value, _: f"{value:,g}")


def round_numbers(low: float, high: float) -> list[float]:
    """Return the numbers 1, 2 and 5 times a power of ten from `low` to `high`, rising."""
    powers = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    numbers = [digit * 10.0**power for power in powers for digit in (1, 2, 5)]
    return [number for number in numbers if low <= number <= high]


def interval_bars(ax: Axes, xs, intervals: Sequence[Interval], **style) -> None:
    """Interval bars, drawn as plain lines so that they stay thin at any size."""
    for x, interval in zip(xs, intervals, strict=True):
        ax.plot([x, x], [interval.low, interval.high], **{"linewidth": 3.2, "alpha": 0.55, **style})


def end_labels(ax: Axes, ends: Sequence[End], palette: Palette) -> None:
    """Name each line at its last point; names never overlap, thin lines lead to them."""
    furthest = max(end.x for end in ends)
    _margin_labels(ax, [end for end in ends if end.x == furthest], palette)
    _inner_labels(ax, [end for end in ends if end.x != furthest])


def _height_points(ax: Axes) -> float:
    return 72 * ax.get_position().height * ax.figure.get_size_inches()[1]


def _share(ax: Axes, value: float) -> float:
    """How far up a logarithmic vertical axis a value is, 0 to 1."""
    low, high = (math.log(limit) for limit in ax.get_ylim())
    return (math.log(value) - low) / (high - low)


def _margin_labels(ax: Axes, ends: Sequence[End], palette: Palette) -> None:
    tall = _height_points(ax)
    rooms = [(LINE_POINTS * (end.name.count("\n") + 1) + 2) / tall for end in ends]
    places = spread([_share(ax, end.y) for end in ends], rooms)
    for end, place in zip(ends, places, strict=True):
        rise = (place - _share(ax, end.y)) * tall
        _label(ax, end, (16, rise), "center")
        ax.annotate(
            "", (end.x, end.y), xytext=(13, rise), textcoords="offset points",
            annotation_clip=False, arrowprops={"arrowstyle": "-", "color": palette.ghost,
                                               "linewidth": 0.7, "shrinkA": 0, "shrinkB": 4},
        )  # fmt: skip


def _inner_labels(ax: Axes, ends: Sequence[End]) -> None:
    """Below its last point, or lower where the name above takes the room."""
    tall = _height_points(ax)
    taken: list[tuple[float, float]] = []  # left end and bottom, in points
    for end in sorted(ends, key=lambda end: -end.y):
        point = _share(ax, end.y) * tall
        left = ax.transData.transform((end.x, end.y))[0] * 72 / ax.figure.dpi
        top = point - 4
        for other, bottom in taken:
            if abs(other - left) < 6 * len(end.name):
                top = min(top, bottom)
        taken.append((left, top - LINE_POINTS))
        _label(ax, end._replace(name=end.name.replace("\n", " ")), (5, top - point), "top")


def _label(ax: Axes, end: End, offset: tuple[float, float], align: str) -> None:
    ax.annotate(
        end.name, (end.x, end.y), xytext=offset, textcoords="offset points", va=align,
        color=end.color, size=LABEL_SIZE, annotation_clip=False, linespacing=1.05,
    )  # fmt: skip


def durations(ax: Axes, times_ns: Sequence[float]) -> None:
    """Vertical axis in ns with labels such as ``10 µs``; logarithmic if the range is wide."""
    low, high = min(times_ns), max(times_ns)
    if high / low > _WIDE_RANGE:
        ax.set_yscale("log")
        steps = (1.0,) if high / low > _WIDE_RANGE**4 else (1.0, 2.0, 5.0)
        ax.yaxis.set_major_locator(LogLocator(subs=steps))
        ax.yaxis.set_minor_locator(NullLocator())
    else:
        ax.yaxis.set_major_locator(MaxNLocator(6))
    ax.yaxis.set_major_formatter(lambda value, _: _tick(value))
    margin = (high / low) ** 0.05
    ax.set_ylim(low / margin, high * margin)


def _tick(time_ns: float) -> str:
    """A round time with all its digits: ``10 µs``, ``2.015 ms``."""
    _, unit = words.duration(time_ns).split(words.NO_BREAK)
    scale = {"ns": 1.0, "µs": 1e3, "ms": 1e6, "s": 1e9}[unit]
    return f"{time_ns / scale:.6g}{words.NO_BREAK}{unit}"
