"""Figure of a crossover: time against size for two algorithms, and where they change order."""

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
    durations,
    end_labels,
    headline,
    interval_bars,
    log_scale,
    readable,
    steps_of,
    where_measured,
    wrapped,
)
from accel.findings import crossover, prediction
from accel.timing import words
from accel.timing.records import CaseView, Record


def crossover_curve(
    record: Record,
    *,
    alt: str,
    kernel: str,
    over: str,
    others: Sequence[str] = (),
    along: str = "n",
    predicted: int | None = None,
    **where,
) -> None:
    """Show time against size, both logarithmic, and shade where two kernels change order.

    Sizes at which the two are not resolved are hollow. The shaded range has measured
    ends; nothing is drawn inside it that was not measured.

    Parameters
    ----------
    record : Record
    alt : str
        What the figure shows, in a sentence; its numbers are added.
    kernel, over : str
        The two.
    others : sequence of str, optional
        Kernels to show behind them, dashed.
    along : str
        Parameter of the horizontal axis.
    predicted : int, optional
        A predicted crossover: a dotted line, if it lies among the sizes measured.
    **where
        Parameters that the cases must have.

    Raises
    ------
    FigureError
        If there is no such case or kernel, or `alt` is empty.
    """
    cases = cases_along(record, along, where)
    steps_of(cases, [kernel, over, *others])
    found = _found(record, kernel, over, along, where)
    sizes = [case.parameters[along] for case in cases]

    def draw(figure: Figure, look: Look) -> None:
        palette = look.palette
        ax = axes(figure, left=0.72, right=0.98 if look.narrow else 1.2)
        for crossing in found.crossings:
            ax.axvspan(
                crossing.before.size, crossing.after.size, color=palette.band, linewidth=0, zorder=0
            )
        ends = [_behind(ax, look, where_measured(cases, other), other, along) for other in others]
        shown = [where_measured(cases, each) for each in (kernel, over)]
        styles = look.styles(
            [here[0].instrument(each) for here, each in zip(shown, (kernel, over), strict=True)]
        )
        unresolved = {point.size for point in found.points} - {p.size for p in found.resolved}
        for here, each, style in zip(shown, (kernel, over), styles, strict=True):
            ends.append(_line(ax, look, here, each, along, style, unresolved))
        log_scale(ax, "x", sizes, look.narrow)
        durations(ax, [time for case in cases for time in _times(case, kernel, over, *others)])
        _notes(ax, look, found, predicted, sizes)
        headline(ax, "time of one call", palette)
        ax.set_xlabel(along)
        end_labels(ax, ends, palette)

    numbers = describe_crossover(
        record, kernel=kernel, over=over, along=along, predicted=predicted, **where
    )
    name = f"{record.experiment}-{kernel}-over-{over}"
    present(Picture(name, alt, numbers, draw, 4.1, 4.0))


def _found(record: Record, kernel: str, over: str, along: str, where) -> crossover.Crossover:
    try:
        return crossover.find(record, kernel, over, along, **where)
    except ValueError as error:
        raise FigureError(str(error)) from None


def _times(case: CaseView, *kernels: str) -> list[float]:
    intervals = [case.time_ns(kernel) for kernel in kernels if kernel in case.kernels]
    return [end for interval in intervals for end in (interval.low, interval.high)]


def _behind(ax: Axes, look: Look, cases, kernel: str, along: str) -> End:
    color = look.palette.muted
    xs = [case.parameters[along] for case in cases]
    ys = [case.time_ns(kernel).value for case in cases]
    ax.plot(xs, ys, color=look.palette.ghost, linewidth=1.3, linestyle=(0, (4, 2)), zorder=1.5)
    return End(xs[-1], ys[-1], wrapped(kernel, look.narrow), color)


def _line(ax: Axes, look: Look, cases, kernel: str, along: str, style, unresolved) -> End:
    color, marker = style
    xs = [case.parameters[along] for case in cases]
    intervals = [case.time_ns(kernel) for case in cases]
    interval_bars(ax, xs, intervals, color=color)
    ax.plot(xs, [interval.value for interval in intervals], color=color)
    for x, interval in zip(xs, intervals, strict=True):
        inside = look.palette.background if x in unresolved else color
        ax.plot([x], [interval.value], color=color, marker=marker, markeredgewidth=1.5, zorder=4,
                markerfacecolor=inside)  # fmt: skip
    return End(xs[-1], intervals[-1].value, wrapped(kernel, look.narrow), color)


def _notes(ax: Axes, look: Look, found: crossover.Crossover, predicted, sizes) -> None:
    """Name the shaded range and the predicted size, at the top, which few lines reach."""
    ink = {
        "size": LABEL_SIZE, "color": look.palette.muted, "rotation": 90, "va": "top",
        "xycoords": ("data", "axes fraction"), "textcoords": "offset points",
    }  # fmt: skip
    for crossing in found.crossings:
        ax.annotate("measured", (crossing.before.size, 1), xytext=(3, -5), ha="left", **ink)
    if predicted is not None and sizes[0] <= predicted <= sizes[-1]:
        ax.axvline(predicted, color=look.palette.muted, linewidth=1.2, linestyle=":")
        ax.annotate("counted", (predicted, 1), xytext=(-3, -5), ha="right", **ink)


def describe_crossover(
    record: Record,
    *,
    kernel: str,
    over: str,
    along: str = "n",
    predicted: int | None = None,
    **where,
) -> str:
    """Return the numbers of the crossover figure in words: both ends, and the change of order."""
    found = _found(record, kernel, over, along, where)
    cases = {case.parameters[along]: case for case in cases_along(record, along, where)}
    both = [found.points[0], found.points[-1]] if len(found.points) > 1 else found.points
    ends = words.listed(
        f"{words.duration(cases[point.size].time_ns(kernel).value)} against "
        f"{words.duration(cases[point.size].time_ns(over).value)} at {along} = "
        f"{words.count(point.size)}"
        for point in both
    )
    parts = [f"{readable(kernel)} against {readable(over)}: {ends}."]
    parts.append(crossover.sentence(found).replace("`", ""))
    if predicted is not None:
        model = "The count of operations"
        told = prediction.prediction_sentence(found, predicted, model)
        parts.append(told.replace("`", ""))
    return " ".join(parts)
