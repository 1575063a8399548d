"""Figures of choosing: regret against size, who is fastest where, unmodified code wrapped."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Rectangle
from matplotlib.transforms import blended_transform_factory

from accel.figures.look import FigureError, Look, Palette, Picture, present
from accel.figures.parts import (
    LABEL_SIZE,
    axes,
    headline,
    log_scale,
    readable,
    round_numbers,
    steps_of,
)
from accel.findings import dispatching
from accel.findings.unmodified import GOAL_CODE
from accel.timing import words
from accel.timing.records import CaseView, Record

#: Short names for cells and legends.
_SHORT = {"numba-threads": "threads"}
_DASHES = ((0, (1, 1.5)), (0, (5, 2)), (0, (5, 2, 1, 2)), (0, (8, 2, 1, 2, 1, 2)))
_HATCHES = ("", "////", "....", "xxxx", "----")


def regret(record: Record, backends: Sequence[str], auto: str, *, alt: str) -> None:
    """Show time over the oracle's against the bytes of a call: one panel for each operation.

    Parameters
    ----------
    record : Record
    backends : sequence of str
        Those that were fixed: the oracle is the fastest of them.
    auto : str
        The kernel that chooses; drawn in front, hollow where it is unstable.
    alt : str
        What the figure shows, in a sentence; its numbers are added.

    Raises
    ------
    FigureError
        If a kernel was not measured, or `alt` is empty.
    """
    _all_there(record, [*backends, auto])
    names = dispatching.operations(record)
    rows = {name: _by_bytes(record, name) for name in names}

    def draw(figure: Figure, look: Look) -> None:
        across = 2 if look.narrow else 3
        most = max(
            dispatching.regret(case, kernel, backends).high
            for case in record.cases
            for kernel in (*backends, auto)
        )
        for nth, name in enumerate(names):
            ax = _panel(figure, look, nth, len(names), across)
            _regret_panel(ax, look, rows[name], backends, auto)
            ax.set_ylim(0.85, max(2.2, 1.3 * most))
            ax.set_yticks(_ticks(0.9, max(2.2, 1.3 * most)))
            ax.set_title(readable(name), loc="left", size=LABEL_SIZE, color=look.palette.ink, pad=3)
            if nth % across:
                ax.set_yticklabels([])
        _legend(figure, look, record.cases[0], backends, auto)

    tall, narrow_tall = (0.75 + 1.75 * -(-len(names) // across) for across in (3, 2))
    numbers = describe_regret(record, backends, auto)
    present(Picture(f"{record.experiment}-regret", alt, numbers, draw, tall, narrow_tall + 0.2))


def _all_there(record: Record, kernels: Sequence[str]) -> None:
    """Raise unless every case has every kernel."""
    for case in record.cases:
        steps_of([case], kernels)
    if not record.cases:
        raise FigureError(f"{record.experiment}: no cases to draw")


def _by_bytes(record: Record, operation: str) -> list[CaseView]:
    cases = dispatching.of_operation(record, operation).cases
    return sorted(cases, key=lambda case: case.compulsory_bytes)


def _panel(figure: Figure, look: Look, nth: int, count: int, across: int) -> Axes:
    width, height = figure.get_size_inches()
    down = -(-count // across)
    left, gap, top, bottom = 0.42, 0.16, 0.7 if look.narrow else 0.5, 0.32
    wide = (width - left - 0.12 - gap * (across - 1)) / across
    tall = (height - top) / down - bottom - 0.28
    row, column = divmod(nth, across)
    x = left + column * (wide + gap)
    y = height - top - 0.28 - tall - row * (tall + bottom + 0.28)
    return figure.add_axes((x / width, y / height, wide / width, tall / height))


def _regret_panel(ax: Axes, look: Look, cases, backends: Sequence[str], auto: str) -> None:
    palette = look.palette
    xs = [case.compulsory_bytes for case in cases]
    styles = look.styles([cases[0].instrument(each) for each in backends])
    for nth, (name, (color, marker)) in enumerate(zip(backends, styles, strict=True)):
        ys = [dispatching.regret(case, name, backends).value for case in cases]
        ax.plot(xs, ys, color=color, marker=marker, markersize=4, linewidth=1.3,
                linestyle=_DASHES[nth % len(_DASHES)], zorder=2)  # fmt: skip
    found = [dispatching.regret(case, auto, backends) for case in cases]
    ax.plot(xs, [each.value for each in found], color=palette.ink, linewidth=2.2, zorder=3)
    for x, each, case in zip(xs, found, cases, strict=True):
        ends = [each.low, each.high]
        ax.plot([x, x], ends, color=palette.ink, linewidth=3.4, alpha=0.5, zorder=3)
        ax.plot([x], [each.value], color=palette.ink, marker="*", markersize=8, zorder=4,
                markerfacecolor=palette.ink if case.stable else palette.background)  # fmt: skip
    ax.axhline(1, color=palette.muted, linewidth=0.8, zorder=1)
    log_scale(ax, "x")
    log_scale(ax, "y")
    ticks = [1e3, 1e5, 1e7] if look.narrow else [1e3, 1e4, 1e5, 1e6, 1e7, 1e8]
    ax.set_xticks([tick for tick in ticks if xs[0] / 3 < tick < 3 * xs[-1]])
    ax.xaxis.set_major_formatter(lambda value, _: _bytes(value))
    ax.margins(x=0.1)
    ax.tick_params(labelsize=8.5, pad=2)


def _ticks(low: float, high: float) -> list[float]:
    """Return round numbers between two ratios, the fewer the further these are apart."""
    shown = round_numbers(low, high)
    if high / low > 50:
        return [tick for tick in shown if f"{tick:e}".startswith("1")]
    return shown if high / low > 15 else sorted({*shown, *(t for t in (1.5, 3) if t < high)})


def _bytes(count: float) -> str:
    """Return a round number of bytes for an axis: ``100 kB``."""
    for scale, unit in ((1e9, "GB"), (1e6, "MB"), (1e3, "kB")):
        if count >= scale:
            return f"{count / scale:g}{words.NO_BREAK}{unit}"
    return f"{count:g}{words.NO_BREAK}B"


def _short(name: str) -> str:
    return _SHORT.get(name, name)


def _legend(figure: Figure, look: Look, case: CaseView, backends, auto: str) -> None:
    """Say above the panels what is shown, and what each line is."""
    width, height = figure.get_size_inches()
    palette = look.palette
    line = 1 - 0.15 / height
    quantity = "time over the fastest backend's; less is better"
    figure.text(0.008, line, quantity, color=palette.muted, size=LABEL_SIZE, va="center")
    styles = look.styles([case.instrument(each) for each in backends])
    shown = [
        (name, color, marker, _DASHES[nth % len(_DASHES)])
        for nth, (name, (color, marker)) in enumerate(zip(backends, styles, strict=True))
    ]
    in_line = 2 if look.narrow else len(shown) + 1
    for nth, (name, color, marker, dashes) in enumerate([*shown, (auto, palette.ink, "*", "-")]):
        if nth % in_line == 0:
            line, x = line - 0.22 / height, 0.1 / width
        figure.lines.append(
            Line2D([x, x + 0.18 / width, x + 0.36 / width], [line] * 3, color=color, marker=marker,
                   markevery=[1], markersize=5, linewidth=1.5, linestyle=dashes,
                   transform=figure.transFigure, figure=figure)
        )  # fmt: skip
        figure.text(x + 0.45 / width, line, _short(name), color=color, size=LABEL_SIZE, va="center")
        x += (1.5 if look.narrow else 0.75 + 0.075 * len(_short(name))) / width


def describe_regret(record: Record, backends: Sequence[str], auto: str) -> str:
    """Return the numbers of the figure in words: for each operation, the range of each line."""
    parts = []
    for name in dispatching.operations(record):
        cases = dispatching.of_operation(record, name).cases
        each = []
        for kernel in (*backends, auto):
            found = [dispatching.regret(case, kernel, backends).value for case in cases]
            each.append(f"{kernel} {words.span(min(found), max(found), words.factor)}")
        parts.append(f"{readable(name)}: {', '.join(each)}")
    return f"Time over the fastest backend's, least to most. {'; '.join(parts)}."


# ---------------------------------------------------------------------------
# Who is fastest where
# ---------------------------------------------------------------------------


def dispatch_map(
    record: Record, backends: Sequence[str], auto: str, *, sizes: Sequence[int], alt: str
) -> None:
    """Show which backend is fastest: a row for each operation, a column for each size.

    A cell has its backend's colour, pattern and name. Where it is not told apart from others
    their names follow, or how many they are. Where `auto` is resolved to be slower than the
    fastest, the cell says by how much.

    Parameters
    ----------
    record : Record
        Each operation has one case for each size, smallest first.
    backends : sequence of str
    auto : str
    sizes : sequence of int
        Bytes in use that the columns stand for.
    alt : str
        What the figure shows, in a sentence; its numbers are added.

    Raises
    ------
    FigureError
        If an operation has another number of cases, a kernel was not measured, or `alt` is
        empty.
    """
    _all_there(record, [*backends, auto])
    names = dispatching.operations(record)
    rows = {name: _by_bytes(record, name) for name in names}
    for name, cases in rows.items():
        if len(cases) != len(sizes):
            raise FigureError(
                f"{record.experiment}: {name} has {len(cases)} cases, expected one for each of "
                f"{len(sizes)} sizes"
            )

    def draw(figure: Figure, look: Look) -> None:
        palette = look.palette
        ax = axes(figure, left=0.78 if look.narrow else 1.05, right=0.08, bottom=0.5)
        styles = look.styles([record.cases[0].instrument(each) for each in backends])
        looks = {
            name: (color, _HATCHES[nth % len(_HATCHES)])
            for nth, (name, (color, _)) in enumerate(zip(backends, styles, strict=True))
        }
        for y, name in enumerate(names):
            for x, case in enumerate(rows[name]):
                _cell(ax, look, x, y, case, backends, auto, looks)
        ax.set_xlim(-0.5, len(sizes) - 0.5)
        ax.set_ylim(len(names) - 0.5, -0.5)
        ax.set_xticks(range(len(sizes)), [_binary(size, look.narrow) for size in sizes])
        labels = [readable(name) for name in names]
        if look.narrow:
            labels = [label.replace(" ", "\n", 1) for label in labels]
        ax.set_yticks(range(len(names)), labels)
        ax.tick_params(length=0, labelcolor=palette.ink, labelsize=8.5)
        ax.grid(visible=False)
        for spine in ax.spines.values():
            spine.set_visible(False)
        ax.set_xlabel("bytes in use")
        headline(ax, "who is fastest", palette)

    numbers = describe_map(record, backends, auto, sizes)
    tall, narrow_tall = 0.95 + 0.5 * len(names), 0.95 + 0.72 * len(names)
    present(Picture(f"{record.experiment}-map", alt, numbers, draw, tall, narrow_tall))


def _cell(ax: Axes, look: Look, x: int, y: int, case: CaseView, backends, auto, looks) -> None:
    palette = look.palette
    told = _told(case, backends)
    sole = len(told) == 1
    color, hatch = looks[told[0]] if sole else (palette.ghost, "")
    corner = (x - 0.47, y - 0.46)
    ax.add_patch(Rectangle(corner, 0.94, 0.92, facecolor=color, alpha=0.22, linewidth=0))
    if hatch:
        ax.add_patch(
            Rectangle(corner, 0.94, 0.92, fill=False, hatch=hatch, edgecolor=color, alpha=0.22,
                      linewidth=0)
        )  # fmt: skip
    lines = [_short(told[0]), *(f"= {_short(each)}" for each in told[1:2])]
    if len(told) > 2:
        lines = ["tie of", f"{len(told)}"]
    if not case.stable:
        lines = ["unstable"]
    elif dispatching.loses(case, auto, backends):
        lines.append(f"{auto} {words.factor(dispatching.regret(case, auto, backends).value)}")
    ax.text(x, y, "\n".join(lines), ha="center", va="center", size=8 if look.narrow else 8.5,
            color=palette.ink, rotation=90 if look.narrow else 0, linespacing=1.15)  # fmt: skip


def _told(case: CaseView, backends: Sequence[str]) -> list[str]:
    return dispatching.winners(case, backends)


def _binary(count: int, narrow: bool) -> str:
    """Return a size in use: ``12 KiB``, on two lines where there is little room."""
    amount, unit = (count / 2**20, "MiB") if count >= 2**20 else (count / 2**10, "KiB")
    return f"{amount:.3g}{chr(10) if narrow else words.NO_BREAK}{unit}"


def describe_map(
    record: Record, backends: Sequence[str], auto: str, sizes: Sequence[int]
) -> str:
    """Return the map in words: for each operation who is fastest at each size."""
    parts = []
    for name in dispatching.operations(record):
        cells = []
        for case, size in zip(_by_bytes(record, name), sizes, strict=True):
            told = "unstable" if not case.stable else words.listed(_told(case, backends))
            if case.stable and dispatching.loses(case, auto, backends):
                behind = words.factor(dispatching.regret(case, auto, backends).value)
                told += f" ({auto} takes {behind} its time)"
            cells.append(f"{_binary(size, False)} {told}")
        parts.append(f"{readable(name)}: {', '.join(cells)}")
    return f"Fastest, and what is not told apart from it. {'; '.join(parts)}."


# ---------------------------------------------------------------------------
# Unmodified code
# ---------------------------------------------------------------------------


def unmodified(
    record: Record, policies: Sequence[str], names: Mapping[str, str], *, alt: str
) -> None:
    """Show the speed-up of unmodified code through each policy: a group of rows for each.

    Parameters
    ----------
    record : Record
        One case for each piece of code; its baseline is the code on NumPy's own arrays.
    policies : sequence of str
    names : mapping
        Operation to what the code is, in words.
    alt : str
        What the figure shows, in a sentence; its numbers are added.

    Raises
    ------
    FigureError
        If a policy was not measured, or `alt` is empty.
    """
    _all_there(record, policies)
    each = len(policies) + 1  # a row for the name of the code

    def draw(figure: Figure, look: Look) -> None:
        palette = look.palette
        ax = axes(figure, left=1.0 if look.narrow else 1.3, right=0.55, bottom=0.35)
        log_scale(ax, "x")
        ax.axvline(1, color=palette.muted, linewidth=1)
        ax.axvline(GOAL_CODE, color=palette.muted, linewidth=1, linestyle=":")
        places, labels = [], []
        margin = blended_transform_factory(figure.transFigure, ax.transData)
        for nth, case in enumerate(record.cases):
            ax.text(0.008, nth * each + 0.1, names[case.operation], transform=margin, va="center",
                    color=palette.ink, size=LABEL_SIZE, weight="bold")  # fmt: skip
            styles = look.styles([case.instrument(policy) for policy in policies])
            for row, (policy, style) in enumerate(zip(policies, styles, strict=True), 1):
                _speed(ax, look, nth * each + row, case, policy, style)
                places.append(nth * each + row)
                labels.append(_short(policy))
        ax.set_yticks(places, labels)
        ax.tick_params(axis="y", length=0, labelcolor=palette.ink)
        ax.set_ylim(each * len(record.cases) - 0.4, -0.6)
        _speed_axis(ax, [case.speedup(policy) for case in record.cases for policy in policies])
        ax.grid(axis="y", visible=False)
        ax.spines["left"].set_visible(False)
        headline(ax, "speed over NumPy's; dotted: the goal", palette)

    numbers = describe_unmodified(record, policies, names)
    tall = 0.8 + 0.215 * each * len(record.cases)
    present(Picture(f"{record.experiment}-unmodified", alt, numbers, draw, tall, tall))


def _speed(ax: Axes, look: Look, y: int, case: CaseView, policy: str, style) -> None:
    palette: Palette = look.palette
    color, marker = style
    speed = case.speedup(policy)
    ax.plot([1, speed.value], [y, y], color=color, linewidth=1.6)
    ax.plot([speed.low, speed.high], [y, y], color=color, linewidth=5, alpha=0.45)
    ax.plot([speed.value], [y], color=color, marker=marker, markersize=6, linestyle="none",
            markeredgewidth=1.5, markerfacecolor=palette.background
            if case.verdict(policy) in ("not resolved", "unstable") else color)  # fmt: skip
    ax.annotate(
        words.factor(speed.value), (max(speed.high, 1), y), xytext=(8, 0), va="center",
        textcoords="offset points", size=LABEL_SIZE, color=palette.ink, annotation_clip=False,
    )  # fmt: skip


def _speed_axis(ax: Axes, speeds) -> None:
    low = min([0.8, *(speed.low / 1.15 for speed in speeds)])
    high = max([2.2, *(1.15 * speed.high for speed in speeds)])
    ax.set_xlim(low, high)
    shown = _ticks(low, high)
    ax.set_xticks(shown, [f"{tick:g}×" for tick in shown])


def describe_unmodified(
    record: Record, policies: Sequence[str], names: Mapping[str, str]
) -> str:
    """Return the numbers of the figure in words: each code, and its speed-ups."""
    parts = [
        f"{names[case.operation]} "
        + ", ".join(
            f"{policy} {words.factor(case.speedup(policy).value)}"
            + (f" ({case.verdict(policy)})" if case.verdict(policy) != "faster" else "")
            for policy in policies
        )
        for case in record.cases
    ]
    return f"Speed over NumPy's own arrays: {'; '.join(parts)}."
