"""Figure of throughput against latency: each point a size of batch."""

from __future__ import annotations

from matplotlib.figure import Figure

from accel.figures.look import FigureError, Look, Picture, present
from accel.figures.parts import LABEL_SIZE, axes, compact, headline, log_scale, round_numbers
from accel.findings.batching import batches, per_second
from accel.timing import words
from accel.timing.records import Record


def throughput(record: Record, kernel: str, *, alt: str, key: str = "m") -> None:
    """Show requests per second against the time of an answer, both logarithmic.

    Parameters
    ----------
    record : Record
        One case for each size of batch.
    kernel : str
    alt : str
        What the figure shows, in a sentence; its numbers are added.
    key : str
        Parameter that is the size of the batch.

    Raises
    ------
    FigureError
        If no case has the kernel, or `alt` is empty.
    """
    cases = batches(record, kernel, key)
    if not cases:
        raise FigureError(f"{record.experiment}: no case has kernel {kernel!r} and {key}")

    def draw(figure: Figure, look: Look) -> None:
        palette = look.palette
        ax = axes(figure, left=0.75, right=0.35)
        color = palette.of(cases[0].instrument(kernel))
        marker = look.marker(cases[0].instrument(kernel))
        times = [case.time_ns(kernel) for case in cases]
        rates = [per_second(case, kernel, key) for case in cases]
        log_scale(ax, "x", _ticks([time.value / 1e3 for time in times]), look.narrow)
        log_scale(ax, "y", _ticks([rate.value for rate in rates]))
        ax.plot([t.value / 1e3 for t in times], [r.value for r in rates], color=color)
        for case, time, rate in zip(cases, times, rates, strict=True):
            x, y = time.value / 1e3, rate.value
            ax.plot([time.low / 1e3, time.high / 1e3], [y, y], color=color, linewidth=3, alpha=0.5)
            ax.plot([x], [y], color=color, marker=marker, markeredgewidth=1.5,
                    markerfacecolor=color if case.stable else palette.background)  # fmt: skip
            ax.annotate(compact(case.parameters[key]), (x, y), xytext=(0, -14), ha="center",
                        textcoords="offset points", size=LABEL_SIZE, color=palette.ink)  # fmt: skip
        ax.margins(x=0.12, y=0.18)
        headline(ax, "requests per second, more is better", palette)
        ax.set_xlabel("µs until the answer; the number at a point is its batch")

    numbers = describe_throughput(record, kernel, key=key)
    present(Picture(f"{record.experiment}-throughput", alt, numbers, draw, 3.6, 3.6))


def _ticks(values: list[float]) -> list[float]:
    """Return round numbers around these values, so that a short axis has some."""
    return round_numbers(min(values) / 2, 2 * max(values))


def describe_throughput(record: Record, kernel: str, *, key: str = "m") -> str:
    """Return the numbers of the figure in words: time and throughput of each batch."""
    parts = [
        f"{words.count(case.parameters[key])}: {words.duration(case.time_ns(kernel).value)}, "
        f"{words.count(float(f'{per_second(case, kernel, key).value:.3g}'))} per second"
        for case in batches(record, kernel, key)
    ]
    return f"Batch, time until its answer, and throughput: {'; '.join(parts)}."
