"""The waterfall: time per FLOP on a logarithmic axis, one row for each layer taken away."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from accel.figures.look import FigureError, Look, Picture, present
from accel.figures.parts import LABEL_SIZE, axes, log_scale, readable
from accel.findings.waterfall import Layer, per_flop, size_of
from accel.timing import words
from accel.timing.records import CaseView
from accel.timing.stats import Interval

if TYPE_CHECKING:
    from accel.timing.roofs import Roofs

_SMALL = 8.5
_ROW_IN = 0.42
_THICK = 0.5  # of a row


def waterfall(
    chain: Sequence[Layer],
    *,
    alt: str,
    name: str,
    beside: Sequence[tuple[CaseView, str]] = (),
    roofs: Roofs | None = None,
    threads: int = 1,
) -> None:
    """Show how the time of a FLOP falls from kernel to kernel, and which layer each fall is.

    On the logarithmic axis a bar is as long as its factor is large, wherever it hangs, so
    that bars can be compared and their lengths add up to the whole.

    Parameters
    ----------
    chain : sequence of Layer
        From `accel.findings.waterfall.layers`.
    alt : str
        What the figure shows, in a sentence; its numbers are added.
    name : str
        Name of the figure's file, such as ``"loops.matmul-waterfall"``.
    beside : sequence of (CaseView, str)
        Kernels to show below the waterfall, each with its case: they are no step of it.
    roofs : Roofs, optional
        Adds the least time of a FLOP at the measured peak of float32.
    threads : int
        Cores; with more than one, the peak of all of them is added.

    Raises
    ------
    FigureError
        If there is nothing to show, or `alt` is empty.
    """
    if not chain:
        raise FigureError(f"figure {name} has no layers to show, expected at least one")
    hanging = _hanging(chain)
    extra = [Layer(kernel, "", case) for case, kernel in beside]
    limits = _limits(roofs, threads)

    def draw(figure: Figure, look: Look) -> None:
        left, right = (1.32, 0.12) if look.narrow else (1.9, 0.25)
        ax = axes(figure, left=left, right=right, top=0.66, bottom=0.3)
        rows = [*hanging, *extra]
        log_scale(ax, "x")
        _frame(ax, look, [row.ns_per_flop for row in rows] + [least for _, least in limits])
        for y, layer in enumerate(rows):
            before = rows[y - 1] if 0 < y < len(hanging) else None
            _row(ax, look, y, layer, before)
            _row_label(ax, look, y, layer, before, y >= len(hanging))
        for y, (cores, least) in enumerate(limits, start=len(rows)):
            _roof(ax, look, y, cores, least)
        _heading(figure, look, rows)

    numbers = describe_waterfall(chain, beside=beside, roofs=roofs, threads=threads)
    height = 1.0 + _ROW_IN * (len(hanging) + len(extra) + len(limits))
    present(Picture(name, alt, numbers, draw, height, height))


def _hanging(chain: Sequence[Layer]) -> list[Layer]:
    """Leave out where a part begins at the size at which the one before it ended."""
    return [
        layer
        for place, layer in enumerate(chain)
        if place == 0 or layer.over or layer.case.parameters != chain[place - 1].case.parameters
    ]


def _limits(roofs: Roofs | None, threads: int) -> list[tuple[str, Interval]]:
    """Least time of a FLOP in ns, on one core and on all."""
    limits = []
    for used in sorted({1, threads}) if roofs is not None else ():
        peak = roofs.peak_gflops("float32", used)
        least = Interval(1 / peak.value, 1 / peak.high, 1 / peak.low, peak.coverage)
        limits.append(("one core" if used == 1 else f"{used} cores", least))
    return limits


def _frame(ax: Axes, look: Look, times: Sequence[Interval]) -> None:
    """Room for all rows, and ticks at powers of ten of a second's parts."""
    low, high = (pick(time.value for time in times) for pick in (min, max))
    ax.set_xlim(low / 1.8, high * 1.5)
    ax.set_ylim(len(times) - 0.45, -0.55)
    step = 2 if look.narrow else 1
    powers = range(math.ceil(math.log10(low / 1.8)), math.floor(math.log10(high * 1.5)) + 1)
    ax.xaxis.set_ticks([10.0**power for power in powers][::step])
    ax.xaxis.set_major_formatter(lambda value, _: _tick(value))
    ax.yaxis.set_ticks([])
    ax.grid(axis="y", visible=False)
    ax.spines["left"].set_visible(False)


def _tick(time_ns: float) -> str:
    amount, unit = (time_ns, "ns") if time_ns > 0.99 else (time_ns * 1e3, "ps")
    return f"{amount:g}{words.NO_BREAK}{unit}"


def _row(ax: Axes, look: Look, y: int, layer: Layer, before: Layer | None) -> None:
    """One bar, from the time before to the time after; a mark where nothing is compared."""
    palette, now = look.palette, layer.ns_per_flop.value
    color = palette.of(layer.case.instrument(layer.kernel))
    if before is None:
        ax.plot([now], [y], marker=look.marker(layer.case.instrument(layer.kernel)), color=color)
        size = f" at {size_of(layer.case)}" if y == 0 else ""
        _beside(ax, look, y, now, now, per_flop(now) + size)
        return
    # From its own run, so that the bar is as long as its factor.
    then = (Layer(layer.over, "", layer.case) if layer.over else before).ns_per_flop.value
    gain = layer.verdict == "faster"
    low, high = sorted((now, then))
    ax.add_patch(
        Rectangle(
            (low, y - _THICK / 2), high - low, _THICK, linewidth=1.2, zorder=3,
            facecolor=color if gain else palette.background,
            edgecolor=palette.muted if layer.over is None else color,
            linestyle="--" if layer.over is None else "-",
        )  # fmt: skip
    )
    # From the end of the bar above, where this one hangs.
    ax.plot([then, then], [y - 1 + _THICK / 2, y - _THICK / 2], color=palette.ghost, linewidth=1)
    _beside(ax, look, y, low, high, _bar_words(look, layer))


def _bar_words(look: Look, layer: Layer) -> str:
    """The factor beside a bar, and what must be said of it."""
    if layer.over is None:
        return size_of(layer.case)
    text = words.factor(layer.factor.value)
    if not look.narrow:
        text = words.with_interval(layer.factor, words.factor)
    if layer.verdict == "faster":
        return text
    separator = "\n" if look.narrow else " "
    return f"{text}{separator}{layer.verdict}"


def _beside(ax: Axes, look: Look, y: int, low: float, high: float, text: str) -> None:
    """Write where there is more room: left of what hangs in the right half, else right."""
    first, last = (math.log(limit) for limit in ax.get_xlim())
    middle = (math.log(low * high) / 2 - first) / (last - first)
    at, offset, align = (low, -6, "right") if middle > 0.5 else (high, 6, "left")
    ax.annotate(
        text, (at, y), xytext=(offset, 0), textcoords="offset points", va="center", ha=align,
        size=LABEL_SIZE, color=look.palette.ink, zorder=5, linespacing=1.0,
        bbox={"facecolor": look.palette.background, "edgecolor": "none", "pad": 1.0},
    )  # fmt: skip


def _row_label(ax: Axes, look: Look, y: int, layer: Layer, before, aside: bool) -> None:
    """What is removed, and the kernel that runs without it."""
    what = layer.removes
    if not what:
        what = "for comparison" if aside else "start" if before is None else "larger matrices"
    color = look.palette.of(layer.case.instrument(layer.kernel))
    _margin(ax, look, y, what, readable(layer.kernel), color)


def _margin(ax: Axes, look: Look, y: int, upper: str, lower: str, color: str) -> None:
    """Two lines left of a row: the upper in ink, the lower in a colour."""
    for text, rise, size, ink in (
        (upper, 5.5, LABEL_SIZE, look.palette.ink), (lower, -6, _SMALL, color),
    ):  # fmt: skip
        ax.annotate(
            text, (0, y), xycoords=("axes fraction", "data"), xytext=(-6, rise), ha="right",
            textcoords="offset points", va="center", size=size, color=ink, annotation_clip=False,
        )  # fmt: skip


def _roof(ax: Axes, look: Look, y: int, cores: str, least: Interval) -> None:
    """A row for the least time that the arithmetic units allow, and a line up from it."""
    palette = look.palette
    ax.axvspan(least.low, least.high, color=palette.band, linewidth=0, zorder=0)
    ax.plot([least.value] * 2, [-0.55, y], color=palette.muted, linewidth=1.1, linestyle=":",
            zorder=1)  # fmt: skip
    ax.plot([least.value], [y], marker="|", markersize=9, markeredgewidth=2, color=palette.ink)
    _beside(ax, look, y, least.value, least.value, per_flop(least.value))
    _margin(ax, look, y, f"roof of {cores}", "measured peak", palette.muted)


def _heading(figure: Figure, look: Look, rows: Sequence[Layer]) -> None:
    """The quantity, and below it who runs the inner loop, in its colour."""
    width, height = figure.get_size_inches()
    quantity = "time per FLOP; a bar is one layer removed"
    figure.text(0.008, 1 - 0.17 / height, quantity, color=look.palette.muted, size=LABEL_SIZE,
                va="center")  # fmt: skip
    x = 0.008
    for instrument in dict.fromkeys(row.case.instrument(row.kernel) for row in rows):
        figure.text(x, 1 - 0.4 / height, instrument, color=look.palette.of(instrument),
                    size=LABEL_SIZE, va="center", weight="bold")  # fmt: skip
        x += (0.25 + 0.078 * len(instrument)) / width


def describe_waterfall(
    chain: Sequence[Layer],
    *,
    beside: Sequence[tuple[CaseView, str]] = (),
    roofs: Roofs | None = None,
    threads: int = 1,
) -> str:
    """Return the numbers of the waterfall in words: every time, factor and verdict."""
    parts = []
    for layer in chain:
        text = f"{readable(layer.kernel)} {per_flop(layer.ns_per_flop.value)}"
        if layer.over is None:
            text += f" at {size_of(layer.case)}"
        else:
            remark = "" if layer.verdict == "faster" else f", {layer.verdict}"
            text += (
                f" without {layer.removes}, "
                f"{words.with_interval(layer.factor, words.factor)}{remark}"
            )
        parts.append(text)
    text = f"Time per FLOP: {'; '.join(parts)}."
    for case, kernel in beside:
        time = per_flop(Layer(kernel, "", case).ns_per_flop.value)
        text += f" For comparison, {readable(kernel)} {time}."
    for cores, least in _limits(roofs, threads):
        text += f" At the measured peak of {cores} {per_flop(least.value)}."
    return text
