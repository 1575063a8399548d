"""Figures of what a machine can do: bars of its arithmetic peak, and of each level's bandwidth."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from accel.figures.look import FigureError, Look, Picture, present
from accel.figures.parts import LABEL_SIZE, axes, headline
from accel.findings.roof_words import width_words, widths
from accel.timing import words
from accel.timing.records import Record
from accel.timing.roofs import LevelRoof, Roofs
from accel.timing.roofs.levels import size_words
from accel.timing.stats import Interval


class Bar(NamedTuple):
    """One bar: what it is called, what was measured, and whether it may be trusted."""

    name: str
    rate: Interval
    stable: bool = True


#: Heading and bars.
Group = tuple[str, Sequence[Bar]]


def peak_bars(record: Record, *, alt: str) -> None:
    """Show GFLOP/s for each dtype, number of threads and register width.

    Parameters
    ----------
    record : Record
        Of `accel.timing.roofs.peak_cases`.
    alt : str
        What the figure shows, in a sentence; its numbers are added.

    Raises
    ------
    FigureError
        If the record holds no such cases, or `alt` is empty.
    """
    groups = _peak_groups(record)
    _present(f"{record.experiment}-bars", alt, describe_peaks(record), groups, "GFLOP/s")


def describe_peaks(record: Record) -> str:
    """Return the numbers of `peak_bars` in words: the widest registers of each group."""
    parts = [
        f"{heading} {words.with_interval(bars[-1].rate, words.gflops)} in registers of "
        f"{bars[-1].name}"
        for heading, bars in _peak_groups(record)
    ]
    return f"Peaks: {'; '.join(parts)}."


def _peak_groups(record: Record) -> list[Group]:
    cases = [case for case in record.cases if case.operation == "fma"]
    if not cases:
        operations = ", ".join(sorted({case.operation for case in record.cases}))
        raise FigureError(f"{record.experiment}: no case of 'fma' to draw; there are {operations}")
    return [
        (
            f"{case.parameters['dtype']}, {_threads(case.parameters['threads'])}",
            [Bar(width_words(kernel), case.gflops(kernel), case.stable) for kernel in widths(case)],
        )
        for case in cases
    ]


def _threads(threads: int) -> str:
    return f"{threads} thread{'' if threads == 1 else 's'}"


def level_bars(roofs: Roofs, *, alt: str) -> None:
    """Show the GB/s of load, copy and triad at each level of memory, in one thread.

    Parameters
    ----------
    roofs : Roofs
    alt : str
        What the figure shows, in a sentence; its numbers are added.

    Raises
    ------
    FigureError
        If `alt` is empty.
    """
    levels = roofs.levels()
    groups = [
        (_place(level), [Bar(probe, rate) for probe, rate in level.bandwidth.items()])
        for level in levels
    ]
    name = f"{roofs.bandwidth.experiment}-levels"
    _present(name, alt, describe_levels(roofs), groups, "GB/s")


def describe_levels(roofs: Roofs) -> str:
    """Return the numbers of `level_bars` in words: each probe at each level."""
    parts = []
    for level in roofs.levels():
        rates = [
            f"{probe} {words.with_interval(rate, words.gigabytes_per_second)}"
            for probe, rate in level.bandwidth.items()
        ]
        parts.append(f"{_place(level)}: {words.listed(rates)}")
    return f"{'. '.join(parts)}."


def _place(level: LevelRoof) -> str:
    if level.capacity_bytes is None:
        return level.name
    return f"{level.name}, up to {size_words(level.capacity_bytes)}"


def _present(name: str, alt: str, numbers: str, groups: Sequence[Group], unit: str) -> None:
    rows = sum(1 + len(bars) for _, bars in groups)

    def draw(figure: Figure, look: Look) -> None:
        ax = axes(figure, left=1.0, right=0.95 if look.narrow else 1.1, bottom=0.35)
        ax.set_xlim(0, max(bar.rate.high for _, bars in groups for bar in bars))
        _rows(ax, look, groups)
        ax.set_ylim(rows - 0.4, -0.7)
        ax.tick_params(axis="y", length=0, labelcolor=look.palette.ink)
        ax.grid(axis="y", visible=False)
        ax.spines["left"].set_visible(False)
        headline(ax, f"{unit}, more is better", look.palette)

    height = 0.9 + 0.235 * rows
    present(Picture(name, alt, numbers, draw, height, height))


def _rows(ax: Axes, look: Look, groups: Sequence[Group]) -> None:
    """Draw the groups one below the other, each under its heading."""
    y, places, names = 0, [], []
    for heading, bars in groups:
        ax.annotate(
            heading, (0, y), xytext=(0, -1), textcoords="offset points", va="center",
            size=LABEL_SIZE, color=look.palette.muted, annotation_clip=False,
        )  # fmt: skip
        for step, bar in enumerate(bars, start=1):
            _bar(ax, look, y + step, bar)
            places.append(y + step)
            names.append(bar.name)
        y += 1 + len(bars)
    ax.set_yticks(places, names)


def _bar(ax: Axes, look: Look, y: int, bar: Bar) -> None:
    """A bar, its interval across the end, its value beside it; hollow where unstable."""
    palette, rate = look.palette, bar.rate
    color = palette.of("compiled")
    ax.barh(
        y, rate.value, height=0.66, color=color if bar.stable else "none", edgecolor=color,
        linewidth=1.1, alpha=0.75, zorder=2,
    )  # fmt: skip
    ax.plot([rate.low, rate.high], [y, y], color=palette.ink, linewidth=1.6, zorder=4,
            solid_capstyle="butt")  # fmt: skip
    note = "" if bar.stable else " unstable"
    ax.annotate(
        words.number(rate.value) + note, (max(rate.value, rate.high), y), xytext=(6, 0),
        textcoords="offset points", va="center", size=LABEL_SIZE, color=palette.ink,
        annotation_clip=False,
    )  # fmt: skip
