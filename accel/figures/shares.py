"""Figure of shares of the roof: a row for each case, its distance to the roof to the right."""

from __future__ import annotations

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from accel.bench.excerpt import share_of
from accel.bench.planning import OURS
from accel.bench.shares import percent
from accel.figures.look import FigureError, Look, Picture, present
from accel.figures.parts import LABEL_SIZE, axes, headline, log_scale, readable
from accel.timing import words
from accel.timing.records import CaseView, Record
from accel.timing.roofs import Roofs


def shares(record: Record, roofs: Roofs, *, alt: str) -> None:
    """Show the share of its roof that our kernel reaches in each case; hollow if unstable.

    Parameters
    ----------
    record : Record
        Of `accel.bench.excerpt.cases`.
    roofs : Roofs
    alt : str
        What the figure shows, in a sentence; its numbers are added.

    Raises
    ------
    FigureError
        If the record holds no such cases, or `alt` is empty.
    RoofError
        If a case lies above its roof.
    """
    ours = [case for case in record.cases if OURS in case.kernels]
    found = [(case, *share) for case in ours if (share := share_of(case, roofs))]
    if not found:
        raise FigureError(
            f"{record.experiment}: no case has a kernel {OURS!r} under a roof to draw"
        )

    def draw(figure: Figure, look: Look) -> None:
        ax = axes(figure, left=1.7 if look.narrow else 1.9, right=0.65, bottom=0.3)
        log_scale(ax, "x")
        lowest = min(share.low for _, share, _ in found)
        ax.set_xlim(min(0.1, lowest / 1.3), 1.35)
        ax.axvline(1, color=look.palette.muted, linewidth=1)
        for y, (case, share, roof) in enumerate(found):
            _row(ax, look, y, case, share, roof)
        ax.set_yticks(range(len(found)), [_label(*each, look.narrow) for each in found])
        ax.tick_params(axis="y", length=0, labelcolor=look.palette.ink)
        ax.set_ylim(len(found) - 0.5, -0.7)
        ax.grid(axis="y", visible=False)
        ax.spines["left"].set_visible(False)
        ax.xaxis.set_ticks([tick for tick in (0.01, 0.03, 0.1, 0.3, 1) if tick > lowest / 2])
        ax.xaxis.set_major_formatter(lambda value, _: f"{100 * value:g}{words.NO_BREAK}%")
        headline(ax, "share of the measured roof", look.palette)

    numbers = describe_shares(record, roofs)
    height = 0.8 + 0.27 * len(found)
    present(Picture(f"{record.experiment}-shares", alt, numbers, draw, height, height * 1.1))


def _row(ax: Axes, look: Look, y: int, case: CaseView, share, roof: str) -> None:
    palette = look.palette
    # Two roofs, two of the colours and markers that instruments have elsewhere.
    nth = 0 if roof == "arithmetic" else 1
    color, marker = palette.of("compiled", nth), look.marker("compiled", nth)
    ax.plot([share.value, 1], [y, y], color=palette.ghost, linewidth=1.1, zorder=1)
    ax.plot([share.low, share.high], [y, y], color=color, linewidth=5, alpha=0.45)
    ax.plot([share.value], [y], color=color, marker=marker, linestyle="none", markersize=6.5,
            markeredgewidth=1.5, markerfacecolor=color if case.stable else palette.background)  # fmt: skip
    ax.annotate(
        percent(share.value), (max(1, share.high), y), xytext=(9, 0), va="center", size=LABEL_SIZE,
        textcoords="offset points", color=palette.ink, annotation_clip=False,
    )  # fmt: skip


def _label(case: CaseView, share, roof: str, narrow: bool) -> str:
    name = readable(case.operation)
    return f"{name}, {roof[:5]}." if narrow and roof == "arithmetic" else f"{name}, {roof}"


def describe_shares(record: Record, roofs: Roofs) -> str:
    """Return the numbers of the figure in words: each case, its share, and which roof."""
    parts = []
    for case in record.cases:
        found = share_of(case, roofs)
        if found is None:
            continue
        share, roof = found
        sizes = {key: value for key, value in case.parameters.items() if key != "dtype"}
        where = ", ".join(f"{key} {value}" for key, value in sizes.items())
        parts.append(f"{readable(case.operation)} at {where} {percent(share.value)} ({roof})")
    return f"Share of the roof: {'; '.join(parts)}."
