"""Figures of memory: bandwidth and latency against footprint, chains, strides."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import NullLocator

from accel.figures.look import FigureError, Look, Picture, present
from accel.figures.parts import (
    LABEL_SIZE,
    End,
    axes,
    end_labels,
    headline,
    interval_bars,
    log_scale,
    round_numbers,
)
from accel.findings import mountain
from accel.timing import words
from accel.timing.records import CaseView, Record
from accel.timing.roofs import latency, levels
from accel.timing.roofs.levels import size_words

if TYPE_CHECKING:
    from accel.timing.roofs import Roofs

_DOTTED = (0, (1, 2))


def bandwidth(roofs: Roofs, *, alt: str) -> None:
    """Show GB/s of each probe against footprint, and the caches that the system states.

    Parameters
    ----------
    roofs : Roofs
        Its record of bandwidths, of one thread.
    alt : str
        What the figure shows, in a sentence; its numbers are added.
    """
    curves = {probe: roofs.curve(probe) for probe in roofs.probes()}

    def draw(figure: Figure, look: Look) -> None:
        ax = axes(figure, left=0.55, right=0.75, top=0.62)
        speeds = [rate for curve in curves.values() for rate in curve.values()]
        slowest, fastest = min(rate.low for rate in speeds), max(rate.high for rate in speeds)
        log_scale(ax, "y", round_numbers(slowest, fastest))
        ends, furthest = [], max(max(curve) for curve in curves.values())
        styles = look.styles(["compiled"] * len(curves))
        for (probe, curve), (color, marker) in zip(curves.items(), styles, strict=True):
            sizes, rates = list(curve), [rate.value for rate in curve.values()]
            interval_bars(ax, sizes, list(curve.values()), color=color)
            ax.plot(sizes, rates, color=color, marker=marker, markersize=4.5)
            ends.append(End(furthest, rates[-1], probe, color))
        _footprint_axis(ax, look, [size for curve in curves.values() for size in curve])
        _mark_caches(ax, look, roofs.bandwidth.machine)
        headline_above(ax, "GB/s of one thread, more is better", look)
        end_labels(ax, ends, look.palette)

    numbers = describe_bandwidth(roofs)
    present(Picture(f"{roofs.bandwidth.experiment}-mountain", alt, numbers, draw))


def describe_bandwidth(roofs: Roofs) -> str:
    """Return the numbers of the bandwidth figure in words."""
    return str(mountain.bandwidth_sentence(roofs))


def staircase(record: Record, *, alt: str) -> None:
    """Show the time of an access against footprint, with the levels that were found.

    Levels are drawn as bars across the footprints that belong to them; the sizes that
    the system states as dotted lines. Unstable points are hollow.

    Parameters
    ----------
    record : Record
        Of the latency staircase.
    alt : str
        What the figure shows, in a sentence; its numbers are added.
    """
    footprints, times = mountain.staircase(record)
    found = mountain.found_levels(record)

    def draw(figure: Figure, look: Look) -> None:
        ax = axes(figure, left=0.6, right=0.2, top=0.62)
        palette = look.palette
        log_scale(ax, "y")
        for level, (first, last) in zip(found, _spans(found, footprints), strict=True):
            time = level.value.value
            ax.plot([first, last], [time] * 2, color=palette.band, linewidth=11, zorder=1)
            end = last == footprints[-1]  # else to its right and below: the curve rises there
            ax.annotate(
                words.duration(time), (last, time), xytext=(2 if end else 9, -8 if end else -2),
                textcoords="offset points", ha="right" if end else "left", va="top",
                size=LABEL_SIZE, color=palette.ink,  # readable where it crosses a dotted line
                bbox={"facecolor": palette.background, "edgecolor": "none", "pad": 0.8},
            )  # fmt: skip
        interval_bars(ax, footprints, times, color=palette.compiled)
        ax.plot(footprints, [time.value for time in times], color=palette.compiled, linewidth=1.2)
        for footprint, time in zip(footprints, times, strict=True):
            stable = record.case(footprint=footprint).stable
            ax.plot([footprint], [time.value], marker="o", color=palette.compiled, markersize=4.5,
                    markerfacecolor=palette.compiled if stable else palette.background,
                    zorder=4)  # fmt: skip
        ax.set_ylim(min(time.low for time in times) / 2, max(time.high for time in times) * 1.5)
        _footprint_axis(ax, look, footprints)
        _mark_caches(ax, look, record.machine)
        headline_above(ax, "ns per dependent access; bars: levels found", look)

    present(Picture(f"{record.experiment}-staircase", alt, describe_staircase(record), draw))


def _spans(found: Sequence[levels.Level], footprints: Sequence[int]) -> list[tuple[float, float]]:
    """The first and the last footprint of each level."""
    firsts = [footprints[0], *(level.capacity_bytes.high for level in found)]
    return [
        (first, level.capacity_bytes.low) for first, level in zip(firsts, found, strict=False)
    ]


def describe_staircase(record: Record) -> str:
    """Return the levels that were found in words: where each ends, and what an access takes."""
    said = []
    for level in mountain.found_levels(record):
        time = words.duration(level.value.value)
        size = level.capacity_bytes.value
        said.append(time + (f" up to {size_words(size)}" if math.isfinite(size) else " beyond"))
    stated = [
        f"L{number} {size_words(size)}"
        for number, size in levels.cache_sizes(record.machine).items()
    ]
    system = f" The system states {words.listed(stated)}." if stated else ""
    if not said:
        return f"No two points of the curve agree well enough to be a level.{system}"
    return f"Levels found: {'; '.join(said)}.{system}"


def chains(record: Record, *, alt: str) -> None:
    """Show how many times more accesses complete with several chains than with one.

    The thin line is what it would be if all chains overlapped completely. Points that
    are not resolved from the best are filled, the others hollow.

    Parameters
    ----------
    record : Record
        Of chains at one footprint.
    alt : str
        What the figure shows, in a sentence; its numbers are added.
    """
    case = record.cases[0]
    counts = latency.chain_counts(case)
    if len(counts) < 2:
        raise FigureError(f"{record.experiment}: chains {counts}, expected several numbers")
    gains = [latency.overlap(case, count) for count in counts]
    _, level = mountain.best_chains(case)

    def draw(figure: Figure, look: Look) -> None:
        ax = axes(figure, left=0.5, right=0.2)
        palette = look.palette
        ax.plot([0, counts[-1]], [0, counts[-1]], color=palette.ghost, linewidth=1)
        ax.annotate("all overlap", (0.8 * counts[-1], 0.8 * counts[-1]), xytext=(-8, 3), ha="right",
                    textcoords="offset points", size=LABEL_SIZE, color=palette.muted)  # fmt: skip
        interval_bars(ax, counts, gains, color=palette.compiled)
        ax.plot(counts, [gain.value for gain in gains], color=palette.compiled)
        for count, gain in zip(counts, gains, strict=True):
            face = palette.compiled if count in level else palette.background
            ax.plot([count], [gain.value], marker="o", color=palette.compiled, zorder=4,
                    markerfacecolor=face, markeredgewidth=1.5)  # fmt: skip
        ax.set_ylim(0, 1.08 * max(counts[-1], *(gain.high for gain in gains)))
        ax.set_xlim(0, counts[-1] * 1.04)
        ax.set_xticks(counts[2:] if look.narrow else counts)
        ax.set_xlabel("chains; filled: best or not separated" if look.narrow else
                      "chains walked side by side; filled: best or not separated")  # fmt: skip
        headline(ax, "accesses in the time of one", palette)

    present(Picture(f"{record.experiment}-chains", alt, describe_chains(record), draw))


def describe_chains(record: Record) -> str:
    """Return the gains of all numbers of chains in words."""
    case = record.cases[0]
    gains = [
        f"{words.factor(latency.overlap(case, count).value)} with {count}"
        for count in latency.chain_counts(case)
    ]
    size = size_words(case.parameters["footprint"])
    return f"Accesses completed within {size}, against one chain: {'; '.join(gains)}."


def strides(record: Record, *, alt: str, kernel: str, line: int) -> None:
    """Show the time per element that is used against the stride.

    Parameters
    ----------
    record : Record
        Cases that differ in ``stride``.
    alt : str
        What the figure shows, in a sentence; its numbers are added.
    kernel : str
    line : int
        Elements in a cache line, marked.
    """
    cases = sorted(record.cases, key=lambda case: case.parameters["stride"])
    steps = [case.parameters["stride"] for case in cases]
    times = [mountain.used_ns(case, kernel) for case in cases]

    def draw(figure: Figure, look: Look) -> None:
        ax = axes(figure, left=0.6, right=0.2, top=0.62)
        palette = look.palette
        ax.axvline(line, color=palette.muted, linewidth=1.2, linestyle=_DOTTED)
        ax.annotate("one line", (line, 1), xycoords=("data", "axes fraction"), ha="center",
                    xytext=(0, 4), textcoords="offset points", size=LABEL_SIZE,
                    color=palette.muted)  # fmt: skip
        _time_line(ax, look, cases, steps, times)
        ax.set_ylim(0, 1.1 * max(time.high for time in times))
        ax.set_xscale("log", base=2)
        ax.set_xticks(steps, [str(step) for step in steps])
        ax.xaxis.set_minor_locator(NullLocator())
        ax.set_xlabel("stride, in elements")
        headline_above(ax, "ns per element used, less is better", look)

    numbers = describe_strides(record, kernel=kernel)
    present(Picture(f"{record.experiment}-strides", alt, numbers, draw, 3.4, 3.2))


def _time_line(ax: Axes, look: Look, cases: Sequence[CaseView], xs, times) -> None:
    color = look.palette.compiled
    interval_bars(ax, xs, times, color=color)
    ax.plot(xs, [time.value for time in times], color=color)
    for x, time, case in zip(xs, times, cases, strict=True):
        ax.plot([x], [time.value], marker="o", color=color, zorder=4, markeredgewidth=1.5,
                markerfacecolor=color if case.stable else look.palette.background)  # fmt: skip


def describe_strides(record: Record, *, kernel: str) -> str:
    """Return the time per element used at every stride in words."""
    cases = sorted(record.cases, key=lambda case: case.parameters["stride"])
    said = [
        f"{words.duration(mountain.used_ns(case, kernel).value)} at {case.parameters['stride']}"
        for case in cases
    ]
    return f"Time per element used, by stride: {'; '.join(said)}."


def headline_above(ax: Axes, text: str, look: Look) -> None:
    """The quantity of the vertical axis, above the names of the caches."""
    box, height = ax.get_position(), ax.figure.get_size_inches()[1]
    ax.figure.text(0.008, box.y1 + 0.36 / height, text, color=look.palette.muted, size=LABEL_SIZE)


def _footprint_axis(ax: Axes, look: Look, footprints: Sequence[int]) -> None:
    """Logarithmic, with labels such as ``32 KiB`` at every eighth power of two."""
    ax.set_xscale("log", base=2)
    low, high = math.log2(min(footprints)), math.log2(max(footprints))
    step = 5 if look.narrow else 3
    ticks = [2.0**power for power in range(math.ceil(low), math.floor(high) + 1, step)]
    ax.set_xticks(ticks, [size_words(tick) for tick in ticks])
    ax.xaxis.set_minor_locator(NullLocator())
    ax.set_xlabel("footprint")


def _mark_caches(ax: Axes, look: Look, facts: Mapping[str, Any]) -> None:
    """A dotted line at each size that the system states, named above the axes."""
    low, high = ax.get_xlim()
    for number, size in levels.cache_sizes(facts).items():
        if low < size < high:
            ax.axvline(size, color=look.palette.muted, linewidth=1.2, linestyle=_DOTTED, zorder=0)
            name = f"L{number}" if look.narrow else f"L{number} {size_words(size)}"
            ax.annotate(name, (size, 1), xycoords=("data", "axes fraction"), ha="center",
                        xytext=(0, 4), textcoords="offset points", size=LABEL_SIZE,
                        color=look.palette.muted)  # fmt: skip
