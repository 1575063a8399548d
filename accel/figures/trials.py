"""Figures of the evidence for the method: coverage by weather, twins, and pyperf beside it."""

from __future__ import annotations

from collections.abc import Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator, NullLocator

from accel.figures.look import Look, Palette, Picture, present
from accel.figures.parts import LABEL_SIZE, axes, headline, interval_bars
from accel.findings import trust
from accel.timing import trials, words
from accel.timing.records import Record
from accel.timing.stats import Interval
from accel.timing.trials import Score
from accel.timing.trials.beside_pyperf import Beside

#: An interval this many per cent long would squeeze all others on a linear axis.
_FAR_PERCENT = 20


def coverage(scores: Sequence[Score], *, alt: str) -> None:
    """Show how often each method's interval held the truth, by weather.

    Parameters
    ----------
    scores : sequence of Score
        Of one true ratio: every method under every weather.
    alt : str
        What the figure shows, in a sentence; its numbers are added.
    """
    weathers = list(dict.fromkeys(score.weather for score in scores))
    methods = list(dict.fromkeys(score.method for score in scores))

    def draw(figure: Figure, look: Look) -> None:
        # The key stands above the panel, in as many columns as there is room for.
        ax = axes(figure, left=0.98, right=0.2, top=1.02 if look.narrow else 0.72)
        styles = _method_styles(look)
        for place, method in enumerate(methods):
            color, marker = styles[place % len(styles)]
            of_it = trials.select(scores, method=method)
            lift = 0.17 * (place - (len(methods) - 1) / 2)  # methods that agree stay apart
            _coverage_dots(ax, of_it, weathers, lift, (color, marker))
        stated = trials.select(scores, method=trust.OURS)[0].stated
        ax.axvline(100 * stated, color=look.palette.ink, linewidth=1, zorder=1)
        ax.set_yticks(range(len(weathers)), weathers)
        ax.set_ylim(len(weathers) - 0.5, -0.5)
        ax.set_xlim(-2, 102)
        what = "hold the truth, %" if look.narrow else "intervals that hold the truth, %"
        ax.set_xlabel(f"{what}; line: stated, {100 * stated:.3g} %")
        ax.grid(axis="y", visible=False)
        ax.legend(
            loc="lower left", bbox_to_anchor=(-0.02, 1.0), ncols=1 if look.narrow else 2,
            frameon=False, fontsize=LABEL_SIZE, labelcolor="linecolor", handletextpad=0.3,
            borderpad=0.1, labelspacing=0.2, columnspacing=1.4,
        )  # fmt: skip

    numbers = describe_coverage(scores)
    present(Picture("trust.trials-coverage", alt, numbers, draw, 4.9, 5.6))


def _method_styles(look: Look) -> list[tuple[str, str]]:
    palette = look.palette
    return [
        (palette.compiled, "o"), (palette.interpreter, "s"),
        (palette.numpy, "^"), (palette.muted, "D"),
    ]  # fmt: skip


def _coverage_dots(ax: Axes, scores: Sequence[Score], weathers: list[str], lift: float, style):
    color, marker = style
    rows = [weathers.index(score.weather) + lift for score in scores]
    intervals = [score.covered.interval for score in scores]
    for row, interval in zip(rows, intervals, strict=True):
        ends = [100 * interval.low, 100 * interval.high]
        ax.plot(ends, [row, row], color=color, linewidth=2.4, alpha=0.5, zorder=3)
    values = [100 * interval.value for interval in intervals]
    ax.plot(values, rows, linestyle="none", marker=marker, color=color, markersize=4.5, zorder=4,
            label=scores[0].method)  # fmt: skip


def describe_coverage(scores: Sequence[Score]) -> str:
    """Return the numbers of the coverage figure in words: each method at its worst."""
    parts = []
    for method in dict.fromkeys(score.method for score in scores):
        of_it = trials.select(scores, method=method)
        worst = min(of_it, key=lambda score: score.covered.interval.value)
        share = trust.percent(worst.covered.interval.value)
        parts.append(f"{method} {share} under {worst.weather}")
    total = scores[0].covered.total
    return f"Least coverage of each method, of {total} trials per weather: {'; '.join(parts)}."


def twins(record: Record, *, alt: str) -> None:
    """Show the interval of every pair of equal functions, sorted; claimed differences marked.

    Parameters
    ----------
    record : Record
        Each case with two kernels, which are one function.
    alt : str
        What the figure shows, in a sentence; its numbers are added.
    """
    pairs = sorted(
        ((case.speedup(trust.twin(case)), case.verdict(trust.twin(case))) for case in record.cases),
        key=lambda pair: pair[0].value,
    )

    def draw(figure: Figure, look: Look) -> None:
        palette = look.palette
        ax = axes(figure, left=0.62, right=0.2)
        colors = _verdict_colors(palette)
        for rank, (ratio, word) in enumerate(pairs):
            percent = _in_percent(ratio)
            color = colors[word]
            ax.plot([rank, rank], percent[1:], color=color, linewidth=1, alpha=0.6)
            ax.plot([rank], percent[:1], color=color, marker="o" if word in _QUIET else "D",
                    markersize=2.2 if word in _QUIET else 5, zorder=4)  # fmt: skip
        ends = [abs(end) for ratio, _ in pairs for end in _in_percent(ratio)]
        if max(ends) > _FAR_PERCENT:  # linear around 0, logarithmic beyond: nothing is cut off
            ax.set_yscale("symlog", linthresh=2)
            ax.yaxis.set_major_formatter(lambda value, _: f"{value:g}")
            marks = (-100, -10, -2, 0, 2, 10, 100)
            ax.set_yticks([mark for mark in marks if abs(mark) <= 1.2 * max(ends)])
            ax.yaxis.set_minor_locator(NullLocator())
        else:
            ax.yaxis.set_major_locator(MaxNLocator(6))
        ax.axhline(0, color=palette.ink, linewidth=1, zorder=5)
        ax.grid(axis="x", visible=False)
        ax.set_xlabel("pairs of equal functions, sorted")
        headline(ax, "measured difference and its interval, %", palette)

    numbers = describe_twins(record)
    present(Picture(f"{record.experiment}-twins", alt, numbers, draw, 3.4, 3.4))


_QUIET = ("not resolved", "unstable")


def _verdict_colors(palette: Palette) -> dict[str, str]:
    return {
        "not resolved": palette.compiled, "unstable": palette.ghost,
        "faster": palette.interpreter, "slower": palette.interpreter,
    }  # fmt: skip


def _in_percent(ratio: Interval) -> list[float]:
    return [100 * (end - 1) for end in (ratio.value, ratio.low, ratio.high)]


def describe_twins(record: Record) -> str:
    """Return the numbers of the twins' figure in words."""
    counts = trust.twin_counts(record)
    ratios = [case.speedup(trust.twin(case)) for case in record.cases]
    low, high = min(r.value for r in ratios) - 1, max(r.value for r in ratios) - 1
    return (
        f"{len(ratios)} pairs differ by {100 * low:+.2g} % to {100 * high:+.2g} %; "
        f"{counts.unguarded.count} intervals exclude 0, {counts.alarms.count} pairs are called "
        f"different, {counts.unstable} are unstable."
    )


def beside(record: Record, theirs: Beside, kernel: str, truth: float, *, alt: str) -> None:
    """Show two intervals of one ratio, this book's and pyperf's, against the time each took.

    Parameters
    ----------
    record : Record
        Its first case has `kernel`.
    theirs : Beside
        Of the same kernel and baseline.
    kernel : str
    truth : float
        The planted ratio.
    alt : str
        What the figure shows, in a sentence; its numbers are added.
    """
    found = _side_by_side(record, theirs, kernel)

    def draw(figure: Figure, look: Look) -> None:
        palette = look.palette
        ax = axes(figure, left=0.62, right=0.98 if look.narrow else 1.25)
        longest = max(spent for _, spent, _ in found)
        ax.axhline(1, color=palette.muted, linewidth=1, linestyle=(0, (4, 3)))
        ax.axhline(truth, color=palette.ink, linewidth=1)
        styles = ((palette.compiled, "o"), (palette.interpreter, "s"))
        for (name, spent, ratio), (color, marker) in zip(found, styles, strict=True):
            interval_bars(ax, [spent], [ratio], color=color)
            ax.plot([spent], [ratio.value], color=color, marker=marker, zorder=4)
            ax.annotate(name, (spent, ratio.value), xytext=(7, -5), color=color, size=LABEL_SIZE,
                        va="top", textcoords="offset points", annotation_clip=False)  # fmt: skip
        for height, name, up in ((1, "equal", True), (truth, "planted", False)):
            ax.annotate(name, (0, height), xytext=(3, 3 if up else -3), color=palette.muted,
                        textcoords="offset points", size=LABEL_SIZE,
                        va="bottom" if up else "top")  # fmt: skip
        ax.set_xlim(0, 1.08 * longest)
        ax.set_xlabel("time spent, s")
        headline(ax, "measured speed-up and its interval", palette)

    numbers = describe_beside(record, theirs, kernel)
    present(Picture(f"{record.experiment}-beside", alt, numbers, draw, 3.4, 3.4))


def _side_by_side(record: Record, theirs: Beside, kernel: str) -> list[tuple]:
    """Name, seconds and interval of both."""
    case = record.cases[0]
    ours = case.speedup(kernel)
    other = theirs.speedup(kernel, case.baseline, ours.coverage)
    return [
        ("this book", record.data["elapsed_s"], ours),
        ("pyperf", theirs.elapsed_s, other),
    ]


def describe_beside(record: Record, theirs: Beside, kernel: str) -> str:
    """Return the numbers of the figure beside pyperf in words."""
    parts = [
        f"{name} {words.with_interval(ratio, words.factor)} in {words.number(spent)} s"
        for name, spent, ratio in _side_by_side(record, theirs, kernel)
    ]
    return f"{'; '.join(parts)}."
