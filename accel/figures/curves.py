"""Figures of one choice against a number: speed-up over size, time over block size."""

from __future__ import annotations

from collections.abc import Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from accel.figures.look import FigureError, Look, Picture, present
from accel.figures.parts import (
    LABEL_SIZE,
    End,
    axes,
    cases_along,
    end_labels,
    headline,
    interval_bars,
    log_scale,
    readable,
    steps_of,
    where_measured,
    wrapped,
)
from accel.timing import words
from accel.timing.records import CaseView, Record
from accel.timing.stats import Interval


def speedup_curve(
    record: Record,
    *,
    alt: str,
    over: str,
    kernels: Sequence[str],
    band: tuple[float, float] | None = None,
    along: str = "n",
    **where,
) -> None:
    """Show speed-up over one kernel against size, with intervals; unresolved points hollow.

    Parameters
    ----------
    record : Record
    alt : str
        What the figure shows, in a sentence; its numbers are added.
    over : str
        The kernel that all are compared with.
    kernels : sequence of str
    band : (float, float), optional
        A claimed range, shaded.
    along : str
        Parameter of the horizontal axis.
    **where
        Parameters that the cases must have.

    Raises
    ------
    FigureError
        If there is no such case or kernel, or `alt` is empty.
    """
    cases = [case for case in cases_along(record, along, where) if over in case.kernels]
    steps_of(cases, [over, *kernels])

    def draw(figure: Figure, look: Look) -> None:
        palette = look.palette
        ax = axes(figure, left=0.55, right=0.98 if look.narrow else 1.25)
        if band:
            ax.axhspan(*band, color=palette.band, linewidth=0, zorder=0)
        ax.axhline(1, color=palette.muted, linewidth=1)
        measured = [where_measured(cases, kernel) for kernel in kernels]
        instruments = [here[0].instrument(k) for k, here in zip(kernels, measured, strict=True)]
        ends = [
            _speedup_line(ax, look, here, (kernel, over), along, style)
            for kernel, here, style in zip(kernels, measured, look.styles(instruments), strict=True)
        ]
        log_scale(ax, "x", [case.parameters[along] for case in cases], look.narrow)
        log_scale(ax, "y")
        if band:
            ax.annotate(
                f"claimed {words.claimed_range(*band)}", (0, band[1]),
                xycoords=("axes fraction", "data"), xytext=(5, -4), textcoords="offset points",
                va="top", size=LABEL_SIZE, color=palette.muted,
            )  # fmt: skip
        headline(ax, f"times faster than {readable(over)}", palette)
        ax.set_xlabel(along)
        end_labels(ax, ends, palette)

    numbers = describe_speedups(record, over=over, kernels=kernels, along=along, **where)
    present(Picture(f"{record.experiment}-speedup", alt, numbers, draw))


def _speedup_line(ax: Axes, look: Look, cases, pair, along: str, style) -> End:
    (kernel, over), (color, marker) = pair, style
    xs = [case.parameters[along] for case in cases]
    ratios = [case.speedup(kernel, over=over) for case in cases]
    interval_bars(ax, xs, ratios, color=color)
    ax.plot(xs, [ratio.value for ratio in ratios], color=color)
    for x, ratio, case in zip(xs, ratios, cases, strict=True):
        resolved = _resolved(case, kernel, over)
        ax.plot(
            [x], [ratio.value], color=color, marker=marker, markeredgewidth=1.5, zorder=4,
            markerfacecolor=color if resolved else look.palette.background,
        )  # fmt: skip
    return End(xs[-1], ratios[-1].value, wrapped(kernel, look.narrow), color)


def _resolved(case: CaseView, kernel: str, over: str) -> bool:
    return case.verdict(kernel, over=over) in ("faster", "slower")


def describe_speedups(record: Record, *, over: str, kernels, along: str = "n", **where) -> str:
    """Return the numbers of the speed-up figure in words: each kernel at both ends."""
    cases = [case for case in cases_along(record, along, where) if over in case.kernels]
    parts = []
    for kernel in kernels:
        measured = where_measured(cases, kernel)
        ends = [measured[0], measured[-1]] if len(measured) > 1 else measured
        values = words.listed(
            f"{words.with_interval(case.speedup(kernel, over=over), words.factor)}"
            f"{'' if _resolved(case, kernel, over) else ', not resolved,'}"
            f" at {along} = {words.count(case.parameters[along])}"
            for case in ends
        )
        parts.append(f"{readable(kernel)} {values}")
    return f"Compared with {readable(over)}: {'; '.join(parts)}."


def sweep(record: Record, *, alt: str, prefix: str, xlabel: str = "block size", **where) -> None:
    """Show time against the number at the end of kernel names; the fastest filled.

    A kernel that is not separated from the fastest is filled too: a winner that
    is not separated from the runner-up is never crowned.

    Parameters
    ----------
    record : Record
    alt : str
        What the figure shows, in a sentence; its numbers are added.
    prefix : str
        Kernels to show: ``"blocked_"`` for blocked_8, blocked_16, ...
    xlabel : str
        What that number is.
    **where
        Parameters of the case.
    """
    case = record.case(**where)
    sizes = _swept(case, prefix)
    best = fastest(case, [f"{prefix}{size}" for size in sizes])

    def draw(figure: Figure, look: Look) -> None:
        palette = look.palette
        ax = axes(figure, left=0.6, right=0.25)
        color = palette.of(case.instrument(f"{prefix}{sizes[0]}"))
        times = [case.time_ns(f"{prefix}{size}") for size in sizes]
        scale = [Interval(*(part / 1e6 for part in time[:3]), time.coverage) for time in times]
        interval_bars(ax, sizes, scale, color=color)
        ax.plot(sizes, [time.value for time in scale], color=color)
        for size, time in zip(sizes, scale, strict=True):
            chosen = f"{prefix}{size}" in best
            ax.plot([size], [time.value], marker="o", color=color, markeredgewidth=1.5, zorder=4,
                    markerfacecolor=color if chosen else palette.background)  # fmt: skip
        log_scale(ax, "x", sizes)
        ax.set_ylim(0, max(time.high for time in scale) * 1.08)
        filled = "filled: fastest or not separated"
        headline(ax, "ms, less is better" + ("" if look.narrow else f"; {filled}"), palette)
        ax.set_xlabel(f"{xlabel}; {filled}" if look.narrow else xlabel)

    numbers = describe_sweep(record, prefix=prefix, xlabel=xlabel, **where)
    present(Picture(f"{record.experiment}-sweep", alt, numbers, draw, 3.4, 3.2))


def _swept(case: CaseView, prefix: str) -> list[int]:
    endings = [name.removeprefix(prefix) for name in case.kernels if name.startswith(prefix)]
    sizes = sorted(int(ending) for ending in endings if ending.isdigit())
    if not sizes:
        raise FigureError(f"no kernel {prefix}<number>; there are {', '.join(case.kernels)}")
    return sizes


def fastest(case: CaseView, kernels: Sequence[str]) -> list[str]:
    """Return the fastest kernel and all that are not resolved from it, in the given order."""
    best = min(kernels, key=lambda kernel: case.time_ns(kernel).value)
    return [kernel for kernel in kernels if kernel == best or not _resolved(case, kernel, best)]


def describe_sweep(record: Record, *, prefix: str, xlabel: str = "block size", **where) -> str:
    """Return the numbers of the sweep in words: the fastest group, and both ends."""
    case = record.case(**where)
    sizes = _swept(case, prefix)
    best = fastest(case, [f"{prefix}{size}" for size in sizes])
    group = words.listed(name.removeprefix(prefix) for name in best)
    parts = [f"{words.duration(case.time_ns(f'{prefix}{size}').value)} at {size}" for size in sizes]
    return f"Fastest {xlabel}, or not separated from it: {group}. Time: {'; '.join(parts)}."
