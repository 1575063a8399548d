"""Figures of the measurement itself: its noise, its warm-up, its drift."""

from __future__ import annotations

import math
from collections.abc import Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import NullLocator

from accel.figures.look import FigureError, Look, Picture, present
from accel.figures.parts import (
    LABEL_SIZE,
    axes,
    durations,
    headline,
    headline_inside,
    panels,
    readable,
)
from accel.timing import noise as floors
from accel.timing import paired, words
from accel.timing.records import CaseView, Record
from accel.timing.stats import median

#: More points than this are drawn as an image inside the SVG, which stays small.
_MANY_POINTS = 2000

#: A deviation this many times the noise floor would squeeze the rest of a linear axis.
_FAR = 12


def _percent(log_ratio: float) -> float:
    return 100 * (math.exp(log_ratio) - 1)


def _again_percent(case: CaseView) -> list[list[float]]:
    """Deviation of the baseline from itself in per cent: a list per process, in time order."""
    return [
        [_percent(math.log(first / second)) for first, second in zip(mine, again, strict=True)]
        for mine, again in zip(case.samples(case.baseline), case.samples_again(), strict=True)
    ]


def noise(record: Record, *, alt: str, **where) -> None:
    """Show how a kernel differs from itself: round by round, and every sample in time order.

    The shaded band is the noise floor. No sample is left out.

    Parameters
    ----------
    record : Record
        Of an A/A experiment; any experiment has one.
    alt : str
        What the figure shows, in a sentence; its numbers are added.
    **where
        Parameters of the case, if there are several.
    """
    case = record.case(**where)

    def draw(figure: Figure, look: Look) -> None:
        left, right = panels(figure, look)
        _noise_histogram(left, look, case)
        _noise_in_time(right, look, case)

    numbers = describe_noise(record, **where)
    present(Picture(f"{record.experiment}-noise", alt, numbers, draw, 3.4, 5.6))


def _noise_histogram(ax: Axes, look: Look, case: CaseView) -> None:
    palette = look.palette
    percent = [value for process in _again_percent(case) for value in process]
    edge = 100 * (floors.floor(case.resolution) - 1)
    widest = max(map(abs, percent))
    far = widest > _FAR * edge
    if far:  # linear around the floor and logarithmic beyond: nothing is cut off
        ax.set_xscale("symlog", linthresh=2 * edge)
        ax.xaxis.set_major_formatter(lambda value, _: f"{value:g}")
    scale = ax.xaxis.get_transform()
    low, high = scale.transform([min(percent), max(percent)])
    count = min(40, max(10, round(2 * len(percent) ** (1 / 2))))
    bins = scale.inverted().transform([low + (high - low) * k / count for k in range(count + 1)])
    ax.axvspan(-edge, edge, color=palette.band, linewidth=0, zorder=0)
    ax.hist(percent, bins=sorted(bins), color=palette.compiled, alpha=0.85, zorder=2)
    ax.axvline(0, color=palette.muted, linewidth=1, zorder=3)
    if far:
        ends = [value for value in (-100, -10, 0, 10, 100, 1000) if abs(value) <= 2 * widest]
        ax.xaxis.set_ticks([value for value in ends if value == 0 or abs(value) > 2 * edge])
        ax.xaxis.set_minor_locator(NullLocator())
    quantity = "difference, %" if look.narrow else "difference from itself, %"
    ax.set_xlabel(f"{quantity} (band: floor ±{words.number(edge)} %)")
    ax.grid(axis="x", visible=False)
    headline(ax, "rounds", palette)


def _noise_in_time(ax: Axes, look: Look, case: CaseView) -> None:
    palette = look.palette
    samples = case.samples(case.baseline)
    start, many = 0, sum(map(len, samples)) > _MANY_POINTS
    for process in samples:
        xs = range(start, start + len(process))
        if start:
            ax.axvline(start - 0.5, color=palette.grid, linewidth=0.8, zorder=0)
        ax.plot(xs, process, linestyle="none", marker="o", markersize=3, color=palette.compiled,
                alpha=0.7, rasterized=many)  # fmt: skip
        ax.plot([xs[0], xs[-1]], [median(process)] * 2, color=palette.ink, linewidth=1.4)
        start += len(process)
    durations(ax, [time for process in samples for time in process])
    ax.grid(axis="x", visible=False)
    ax.set_xlabel(f"sample, in time order; {len(samples)} processes")
    headline_inside(ax, "time of a call; line: median of a process", palette)


def describe_noise(record: Record, **where) -> str:
    """Return the numbers of the noise figure in words."""
    case = record.case(**where)
    rounds = [value for process in _again_percent(case) for value in process]
    medians = [
        _percent(value)
        for value in paired.process_log_ratios(case.samples(case.baseline), case.samples_again())
    ]
    edge = 100 * (floors.floor(case.resolution) - 1)
    return (
        f"{len(rounds)} rounds in {len(medians)} processes differ by {min(rounds):+.2g} % to "
        f"{max(rounds):+.2g} %; the medians of the processes by {min(medians):+.2g} % to "
        f"{max(medians):+.2g} %; the noise floor is ±{words.number(edge)} %."
    )


def warmup(record: Record, *, alt: str, kernels: Sequence[str] | None = None, **where) -> None:
    """Show the time of the first calls of a fresh process, the very first one apart.

    Parameters
    ----------
    record : Record
        Of an experiment that times single calls.
    alt : str
        What the figure shows, in a sentence; its numbers are added.
    kernels : sequence of str, optional
        All of the case otherwise.
    **where
        Parameters of the case, if there are several.
    """
    case = record.case(**where)
    shown = list(kernels or case.kernels)

    def draw(figure: Figure, look: Look) -> None:
        palette = look.palette
        ax = axes(figure, left=0.72, right=0.98 if look.narrow else 1.25)
        styles = look.styles([case.instrument(kernel) for kernel in shown])
        for kernel, style in zip(shown, styles, strict=True):
            _warmup_lines(ax, look, case, kernel, style)
        later = [time for kernel in shown for process in case.samples(kernel) for time in process]
        durations(ax, [time for kernel in shown for time in case.first_call_ns(kernel)] + later)
        ax.set_xlim(left=0)
        ax.set_xlabel("call of a fresh process; 1 is the first")
        headline(ax, "time of a call", palette)

    numbers = describe_warmup(record, kernels=shown, **where)
    present(Picture(f"{record.experiment}-warmup", alt, numbers, draw))


def _warmup_lines(ax: Axes, look: Look, case: CaseView, kernel: str, style) -> None:
    color, marker = style
    processes = case.samples(kernel)
    calls = range(2, 2 + min(map(len, processes)))
    for first, process in zip(case.first_call_ns(kernel), processes, strict=True):
        ax.plot([1], [first], marker=marker, linestyle="none", color=color, markeredgewidth=1.4,
                markerfacecolor=look.palette.background)  # fmt: skip
        ax.plot(calls, process[: len(calls)], color=color, linewidth=0.7, alpha=0.45)
    middle = [median([process[call - 2] for process in processes]) for call in calls]
    ax.plot(calls, middle, color=color)
    ax.annotate(readable(kernel), (calls[-1], middle[-1]), xytext=(8, 0), va="center",
                size=LABEL_SIZE, textcoords="offset points", color=color,
                annotation_clip=False)  # fmt: skip


def describe_warmup(record: Record, *, kernels: Sequence[str] | None = None, **where) -> str:
    """Return the numbers of the warm-up figure in words."""
    case = record.case(**where)
    parts = []
    for kernel in kernels or case.kernels:
        later = median([median(process) for process in case.samples(kernel)])
        first = median(case.first_call_ns(kernel))
        parts.append(
            f"{readable(kernel)}: first call {words.duration(first)}, "
            f"later calls {words.duration(later)}"
        )
    return f"{'; '.join(parts)}."


def drift(sequential: Record, interleaved: Record, *, alt: str, **where) -> None:
    """Show two kernels on a machine that drifts, measured in two orders.

    Samples stand in the order they were taken; above each panel is the ratio that
    its order of measuring arrives at.

    Parameters
    ----------
    sequential, interleaved : Record
        The same two kernels: one to completion then the other, and in turns.
    alt : str
        What the figure shows, in a sentence; its numbers are added.
    **where
        Parameters of the case, if there are several.

    Raises
    ------
    FigureError
        If the case has not two kernels, or `alt` is empty.
    """
    orders = [(sequential.case(**where), True), (interleaved.case(**where), False)]
    times = [
        time
        for case, _ in orders
        for kernel in (case.baseline, _challenger(case))
        for process in case.samples(kernel)
        for time in process
    ]

    def draw(figure: Figure, look: Look) -> None:
        pair = panels(figure, look)
        for ax, (case, one_by_one) in zip(pair, orders, strict=True):
            _drift_panel(ax, look, case, one_by_one)
            durations(ax, times)

    numbers = describe_drift(sequential, interleaved, **where)
    present(Picture(f"{sequential.experiment}-drift", alt, numbers, draw, 3.4, 5.8))


def _challenger(case: CaseView) -> str:
    """The kernel that is compared with the baseline."""
    others = [kernel for kernel in case.kernels if kernel != case.baseline]
    if len(others) != 1:
        raise FigureError(f"drift compares two kernels, this case has {', '.join(case.kernels)}")
    return others[0]


def _drift_panel(ax: Axes, look: Look, case: CaseView, one_by_one: bool) -> None:
    palette = look.palette
    styles = ((case.baseline, palette.compiled, "o"), (_challenger(case), palette.interpreter, "^"))
    rounds = max(map(len, case.samples(case.baseline)))
    for place, (kernel, color, marker) in enumerate(styles):
        for process in case.samples(kernel):
            turns = range(len(process))
            xs = [place * rounds + turn if one_by_one else 2 * turn + place for turn in turns]
            ax.plot(xs, process, linestyle="none", marker=marker, markersize=3.2,
                    color=color, alpha=0.55)  # fmt: skip
        ax.plot([], [], linestyle="none", marker=marker, color=color, label=readable(kernel))
    ax.grid(axis="x", visible=False)
    ax.legend(loc="upper left", frameon=False, fontsize=LABEL_SIZE, labelcolor="linecolor",
              handletextpad=0.1, borderpad=0.1, labelspacing=0.2)  # fmt: skip
    ax.set_xlabel(f"sample, {'one after the other' if one_by_one else 'in turns'}")
    ratio = words.with_interval(case.speedup(_challenger(case)), words.factor)
    headline_inside(ax, f"time of a call; ratio {ratio}", palette)


def describe_drift(sequential: Record, interleaved: Record, **where) -> str:
    """Return the numbers of the drift figure in words."""
    said = []
    for order, record in (("one after the other", sequential), ("in turns", interleaved)):
        case = record.case(**where)
        ratio = case.speedup(_challenger(case))
        apart = "apart from 1" if ratio.excludes(1) else "which includes 1"
        said.append(f"{order} {words.with_interval(ratio, words.factor)}, {apart}")
    return f"Measured speed-up: {'; '.join(said)}."
