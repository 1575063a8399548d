"""Figures of a ladder: its steps across sizes, and one row per step."""

from __future__ import annotations

from collections.abc import Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from accel.figures.look import FigureError, Look, Picture, present
from accel.figures.parts import (
    LABEL_SIZE,
    End,
    axes,
    cases_along,
    compact,
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

_DASHED = (0, (4, 2.5))


def ladder(
    record: Record,
    *,
    alt: str,
    steps: Sequence[str] | None = None,
    current: str | None = None,
    along: str = "n",
    **where,
) -> None:
    """Show GFLOP/s of each step against size; earlier steps dashed behind the current one.

    Parameters
    ----------
    record : Record
    alt : str
        What the figure shows, in a sentence; its numbers are added.
    steps : sequence of str, optional
        Steps to show, slowest first; all of them otherwise.
    current : str, optional
        The step this page is about: drawn solid, steps before it dashed and
        grey, steps after it left out. The baseline stays as a thin line. Without
        it all steps are solid.
    along : str
        Parameter of the horizontal axis.
    **where
        Parameters that the cases must have.

    Raises
    ------
    FigureError
        If there is no such case or step, or `alt` is empty.
    """
    cases = cases_along(record, along, where)
    shown = _up_to(steps_of(cases, steps), current, cases[0].baseline)

    def draw(figure: Figure, look: Look) -> None:
        palette = look.palette
        ax = axes(figure, left=0.55, right=1.05 if look.narrow else 1.5)
        measured = [where_measured(cases, step) for step in shown]
        instruments = [here[0].instrument(s) for s, here in zip(shown, measured, strict=True)]
        styles = look.styles(instruments) if current is None else [None] * len(shown)
        ends = [
            _ladder_line(
                ax, look, here, step, along, style or _behind(look, here[0], step, current)
            )
            for step, here, style in zip(shown, measured, styles, strict=True)
        ]
        log_scale(ax, "x", [case.parameters[along] for case in cases], look.narrow)
        log_scale(ax, "y")
        ax.set_ylim(bottom=min(end.y for end in ends) / 2.5)
        headline(ax, "GFLOP/s, more is better", palette)
        ax.set_xlabel(along)
        end_labels(ax, ends, palette)

    numbers = describe_ladder(record, steps=shown, along=along, **where)
    name = f"{record.experiment}-ladder{f'-{current}' if current else ''}"
    present(Picture(name, alt, numbers, draw, 4.2, 4.2))


def _up_to(steps: list[str], current: str | None, rival: str) -> list[str]:
    if current is None:
        return steps
    if current not in steps:
        raise FigureError(f"current step {current!r} is not among {', '.join(steps)}")
    kept = steps[: steps.index(current) + 1]
    return kept + [rival] if rival in steps and rival not in kept else kept


def _behind(look: Look, case: CaseView, step: str, current: str) -> tuple[str, str]:
    """Colour and marker beside a current step: itself, the rival, or a step behind."""
    palette, marker = look.palette, look.marker(case.instrument(step))
    if step == current:
        return palette.of(case.instrument(step)), marker
    return (palette.ink if step == case.baseline else palette.ghost), marker


def _ladder_line(ax: Axes, look: Look, cases, step: str, along: str, style) -> End:
    palette, (color, marker) = look.palette, style
    behind, rival = color == palette.ghost, color == palette.ink
    size = 4 if behind or rival else 6
    xs = [case.parameters[along] for case in cases]
    rates = [case.gflops(step) for case in cases]
    interval_bars(ax, xs, rates, color=color, zorder=2)
    ax.plot(
        xs, [rate.value for rate in rates], color=color, marker=marker, markersize=size,
        linestyle=_DASHED if behind else "-", linewidth=1.3 if behind or rival else 2.2,
        zorder=3 if behind else 4,
    )  # fmt: skip
    for x, rate, case in zip(xs, rates, cases, strict=True):
        if not case.stable:
            ax.plot([x], [rate.value], color=color, marker=marker, markersize=size, zorder=5,
                    markerfacecolor=palette.background)  # fmt: skip
    text = palette.muted if behind else color
    return End(xs[-1], rates[-1].value, wrapped(step, look.narrow), text)


def describe_ladder(record: Record, *, steps=None, along: str = "n", **where) -> str:
    """Return the numbers of the ladder figure in words: each step at its largest size."""
    cases = cases_along(record, along, where)
    parts = []
    for step in steps_of(cases, steps):
        case = where_measured(cases, step)[-1]
        rate = words.number(case.gflops(step).value)
        parts.append(f"{readable(step)} {rate} at {along} = {case.parameters[along]}")
    return f"GFLOP/s of each step at its largest size: {'; '.join(parts)}."


def rungs(
    record: Record,
    *,
    alt: str,
    steps: Sequence[str] | None = None,
    current: str | None = None,
    along: str = "n",
    **where,
) -> None:
    """Show one row per step: its GFLOP/s at the largest size it was measured at.

    Parameters are those of `ladder`; give a size in `where` to compare steps at
    that size only.
    """
    cases = cases_along(record, along, where)
    shown = _up_to(steps_of(cases, steps), current, cases[0].baseline)
    rows = [(step, where_measured(cases, step)[-1]) for step in shown]
    largest = max(case.parameters[along] for _, case in rows)

    def draw(figure: Figure, look: Look) -> None:
        ax = axes(figure, left=1.0 if look.narrow else 1.5, right=0.75 if look.narrow else 1.1,
                  top=0.62 if look.narrow else 0.42, bottom=0.3)  # fmt: skip
        log_scale(ax, "x")
        lowest = min(case.gflops(step).low for step, case in rows)
        ax.set_xlim(lowest / 2.5, max(case.gflops(step).high for step, case in rows) * 1.6)
        for y, (step, case) in enumerate(rows):
            size = case.parameters[along]
            elsewhere = "" if size == largest else f" at {along} = {compact(size)}"
            earlier = current is not None and step not in (current, case.baseline)
            _rung(ax, look, y, step, case, elsewhere, earlier)
        ax.set_yticks(range(len(rows)), [wrapped(step, look.narrow) for step, _ in rows])
        ax.tick_params(axis="y", length=0, labelcolor=look.palette.ink)
        ax.set_ylim(len(rows) - 0.5, -0.5)
        ax.grid(axis="y", visible=False)
        ax.spines["left"].set_visible(False)
        quantity = f"GFLOP/s at {along} = {compact(largest)}"
        _key(figure, look, quantity, [case.instrument(step) for step, case in rows])

    numbers = describe_ladder(record, steps=shown, along=along, **where)
    height = 0.85 + 0.31 * len(rows)
    picture = Picture(f"{record.experiment}-rungs", alt, numbers, draw, height, height * 1.15)
    present(picture)


def _rung(ax: Axes, look: Look, y: int, step: str, case: CaseView, size: str, earlier: bool):
    palette, rate, instrument = look.palette, case.gflops(step), case.instrument(step)
    color = palette.of(instrument)
    ax.plot(
        [ax.get_xlim()[0], rate.value], [y, y], color=palette.ghost if earlier else color,
        linestyle=_DASHED if earlier else "-", linewidth=1.1 if earlier else 1.8,
    )  # fmt: skip
    ax.plot([rate.low, rate.high], [y, y], color=color, linewidth=5, alpha=0.45)
    ax.plot([rate.value], [y], color=color, marker=look.marker(instrument), linestyle="none",
            markersize=6.5)  # fmt: skip
    ax.annotate(
        words.number(rate.value) + size, (rate.value, y), xytext=(9, 0), va="center",
        size=LABEL_SIZE, textcoords="offset points", color=palette.ink, annotation_clip=False,
    )  # fmt: skip


def _key(figure: Figure, look: Look, quantity: str, instruments: Sequence[str]) -> None:
    """Say above the figure what is shown, and what marker and colour mean."""
    width, height = figure.get_size_inches()
    line = 1 - 0.17 / height
    figure.text(0.008, line, quantity, color=look.palette.muted, size=LABEL_SIZE, va="center")
    x = 0.1 / width if look.narrow else (0.55 + 0.07 * len(quantity)) / width
    line -= 0.22 / height if look.narrow else 0
    for instrument in dict.fromkeys(instruments):
        color = look.palette.of(instrument)
        figure.lines.append(_marker(figure, x, line, look.marker(instrument), color))
        figure.text(x + 0.1 / width, line, instrument, color=color, size=LABEL_SIZE, va="center")
        x += (0.36 + 0.07 * len(instrument)) / width


def _marker(figure: Figure, x: float, y: float, marker: str, color: str) -> Line2D:
    return Line2D(
        [x], [y], marker=marker, color=color, markersize=5.5, transform=figure.transFigure,
        figure=figure, linestyle="none",
    )  # fmt: skip
