"""Misses per step by the model of a cache: a bar for each kernel and level, and the forms.

Cells of a notebook page run in a process of their own, so this figure is handed back and
brings its four pictures with it, instead of waiting to be collected.
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from accel.figures.look import CSS_PIXELS_PER_INCH, LOOKS, FigureError, Look, Picture
from accel.figures.parts import LABEL_SIZE, axes, headline
from accel.findings.misses import Run, size
from accel.timing.words import listed, number

_THICK = 0.56  # of a row
_ROW_IN = 0.34
_WIDEST_NARROW = 640  # of the window, in CSS pixels, as for the book's other pictures


@dataclass(frozen=True)
class Inline:
    """A picture that shows itself in the output of a cell."""

    picture: Picture

    def __str__(self) -> str:
        return self.picture.words

    def _repr_html_(self) -> str:
        palettes = [LOOKS[:2], LOOKS[2:]]  # wide and narrow of each
        pictures = "".join(
            f'<picture class="only-{wide.palette.name}">'
            f'<source media="(max-width: {_WIDEST_NARROW}px)" srcset="{self._address(narrow)}" '
            f"{self._size(narrow)}>"
            f'<img class="only-{wide.palette.name}" src="{self._address(wide)}" '
            f'{self._size(wide)} alt="{escape(self.picture.words)}"></picture>'
            for wide, narrow in palettes
        )
        return f'<div class="measured-figure">{pictures}</div>'

    def _address(self, look: Look) -> str:
        return "data:image/svg+xml;base64," + b64encode(self.picture.svg(look).encode()).decode()

    def _size(self, look: Look) -> str:
        wide, high = (round(CSS_PIXELS_PER_INCH * each) for each in self.picture.size_in(look))
        return f'width="{wide}" height="{high}"'


def misses(runs: Sequence[Run], *, alt: str) -> Inline:
    """Show the misses of each kernel in each level, made up of those of its arrays.

    Parameters
    ----------
    runs : sequence of Run
        From `accel.findings.misses.run`, through the same caches.
    alt : str
        What the figure shows, in a sentence; its numbers are added.

    Raises
    ------
    FigureError
        If there are no runs, their caches differ, or `alt` is empty.
    """
    if not runs:
        raise FigureError("figure misses has no runs to show, expected at least one")
    caches = [[level.cache for level in each.levels] for each in runs]
    if any(each != caches[0] for each in caches):
        raise FigureError("figure misses: expected runs through the same caches, got others")
    levels = len(caches[0])

    def draw(figure: Figure, look: Look) -> None:
        ax = axes(figure, left=0.85, right=0.62)
        most = max(each.misses(level) for each in runs for level in range(levels))
        ax.set_xlim(0, 1.02 * most)
        for level in range(levels):
            top = level * (len(runs) + 1)
            title = f"{size(caches[0][level].size_bytes)}, level {level + 1}"
            ax.text(0, top, title, color=look.palette.muted, size=LABEL_SIZE, va="center")
            for row, each in enumerate(runs, start=top + 1):
                _bar(ax, look, row, each, level, most)
        ax.set_ylim(levels * (len(runs) + 1) - 0.4, -0.6)
        ax.yaxis.set_ticks([])
        ax.grid(axis="y", visible=False)
        ax.spines["left"].set_visible(False)
        headline(ax, "misses per step; upright line: published form", look.palette)

    height = 1.0 + _ROW_IN * levels * (len(runs) + 1)
    return Inline(Picture("misses", alt, describe_misses(runs), draw, height, height))


def _bar(ax: Axes, look: Look, row: int, each: Run, level: int, most: float) -> None:
    """One kernel in one level: a part for each array, the sum, and what was published."""
    palette, left = look.palette, 0.0
    names = list(each.levels[level].misses)
    for at, name in enumerate(names):
        share = each.misses(level, name)
        color = palette.of("compiled", at)
        ax.barh(row, share, _THICK, left=left, color=color, edgecolor=palette.background)
        if share > 0.07 * most * (2 if look.narrow else 1):
            ax.text(left + share / 2, row, name, color=palette.background, size=8.5,
                    ha="center", va="center")  # fmt: skip
        left += share
    ax.annotate(each.kernel, (0, row), xytext=(-6, 0), textcoords="offset points", ha="right",
                va="center", size=LABEL_SIZE, color=palette.ink, annotation_clip=False)  # fmt: skip
    form = each.forms[level]
    if form is not None:
        for color, width in ((palette.background, 5), (palette.ink, 1.8)):
            ax.plot([form] * 2, [row - 0.44, row + 0.44], color=color, linewidth=width, zorder=4,
                    clip_on=False)  # fmt: skip
    ax.annotate(number(left), (max(left, form or 0), row), xytext=(6, 0), va="center",
                textcoords="offset points", size=LABEL_SIZE, color=palette.ink,
                annotation_clip=False)  # fmt: skip


def describe_misses(runs: Sequence[Run]) -> str:
    """Return the bars in words: misses per step of each kernel, level by level."""
    parts = []
    for level, seen in enumerate(runs[0].levels):
        bars = [f"{each.kernel} {number(each.misses(level))}{_published(each.forms[level])}"
                for each in runs]  # fmt: skip
        parts.append(f"In {size(seen.cache.size_bytes)}: {listed(bars)} misses per step.")
    return " ".join(parts)


def _published(form: float | None) -> str:
    return "" if form is None else f" (published: {number(form)})"
