"""Figure of two goods at once: time to the right, error upwards, names beside the points."""

from __future__ import annotations

import math
from collections.abc import Mapping

from matplotlib.figure import Figure

from accel.figures.look import FigureError, Look, Picture, present
from accel.figures.parts import LABEL_SIZE, axes, headline, log_scale, readable
from accel.findings.tradeoff import digits_words, front
from accel.timing import words
from accel.timing.records import Record


def pareto(record: Record, digits: Mapping[str, float], *, alt: str, **where) -> None:
    """Show right digits against time; filled where no other kernel is better in both.

    Parameters
    ----------
    record : Record
    digits : mapping of str to float
        Kernel to right decimal digits; infinite ones are drawn at the top.
    alt : str
        What the figure shows, in a sentence; its numbers are added.
    **where
        Parameters of the case.

    Raises
    ------
    FigureError
        If there are no digits, or `alt` is empty.
    """
    if not digits:
        raise FigureError("a figure of digits and time needs at least one kernel, got none")
    case = record.case(**where)
    best = front(case, digits)
    finite = [value for value in digits.values() if not math.isinf(value)]
    top = max(finite, default=0.0) + 1

    def draw(figure: Figure, look: Look) -> None:
        palette = look.palette
        ax = axes(figure, left=0.45, right=0.3)
        log_scale(ax, "x")
        ax.set_ylim(min(finite, default=0.0) - 1, top + 0.8)
        in_time = sorted(digits, key=lambda name: case.time_ns(name).value)
        for place, name in enumerate(in_time):
            value = digits[name]
            color, marker = palette.of(case.instrument(name)), look.marker(case.instrument(name))
            time, y = case.time_ns(name), min(value, top)
            ax.plot([time.low / 1e3, time.high / 1e3], [y, y], color=color, linewidth=3, alpha=0.5)
            ax.plot([time.value / 1e3], [y], color=color, marker=marker, linestyle="none",
                    markeredgewidth=1.5,
                    markerfacecolor=color if name in best else palette.background)  # fmt: skip
            above = place % 2 == 0  # neighbours in time stay out of each other's way
            ax.annotate(readable(name), (time.value / 1e3, y), xytext=(0, 8 if above else -8),
                        ha="center", va="bottom" if above else "top", textcoords="offset points",
                        size=LABEL_SIZE, color=palette.ink, annotation_clip=False)  # fmt: skip
        ax.margins(x=0.15)
        headline(ax, "right decimal digits", palette)
        ax.set_xlabel("µs, less is better")

    numbers = describe_pareto(record, digits, **where)
    present(Picture(f"{record.experiment}-pareto", alt, numbers, draw, 3.4, 3.6))


def describe_pareto(record: Record, digits: Mapping[str, float], **where) -> str:
    """Return the numbers of the figure in words: time and digits of each kernel."""
    case = record.case(**where)
    parts = [
        f"{readable(name)} {words.duration(case.time_ns(name).value)}, {digits_words(value)}"
        for name, value in digits.items()
    ]
    names = words.listed(readable(name) for name in front(case, digits))
    return f"Time and right digits: {'; '.join(parts)}. Filled: {names}."
