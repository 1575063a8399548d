"""The look of every figure: two palettes, two widths, one set of line weights.

A figure is a function that draws into a matplotlib figure with the colours it
is handed. It is called four times: for a light and a dark page, each wide and
narrow, because a wide figure scaled to a telephone has text that nobody can
read. Colours mean the same on all pages: who runs the inner loop.

Text in the SVG stays text, in the reader's own system font: sharp, small, and
found by a search in the page.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from matplotlib import style
from matplotlib.figure import Figure

from accel.timing import records

#: As wide as the text column of the book, and as a telephone, in inches.
WIDE_IN, NARROW_IN = 7.0, 3.55
CSS_PIXELS_PER_INCH = 96

_SYSTEM_FONT = "system-ui, -apple-system, 'Segoe UI', Roboto, 'Helvetica Neue', Arial, sans-serif"
#: Marker of each instrument: for its first line in a figure, its second, and so on.
_MARKERS = {"interpreter": "sPp", "NumPy": "^v<", "compiled": "oDh"}


class FigureError(ValueError):
    """A figure cannot be drawn or published; the message names it and says why."""


@dataclass(frozen=True)
class Palette:
    """Colours for one background. Text colours have a contrast of at least 4.5 : 1.

    Source
    ------
    Hues after Okabe and Ito, *Color Universal Design* (2008), told apart under
    the common colour vision deficiencies; darkened or lightened for contrast.
    """

    name: str
    background: str
    ink: str
    muted: str
    ghost: str
    grid: str
    band: str
    interpreter: str
    numpy: str
    compiled: str

    def of(self, instrument: str, nth: int = 0) -> str:
        """Return the colour of an instrument; of its second line a tone nearer to the ink."""
        share = min(0.5 * nth, 1.0)
        return _blend(getattr(self, instrument.lower()), self.ink, share)


def _blend(color: str, other: str, share: float) -> str:
    pairs = ((int(color[i : i + 2], 16), int(other[i : i + 2], 16)) for i in (1, 3, 5))
    return "#" + "".join(f"{round(a + (b - a) * share):02x}" for a, b in pairs)


LIGHT = Palette(
    name="light", background="#ffffff", ink="#1d2430", muted="#57606e", ghost="#a3abb8",
    grid="#e4e7ec", band="#e9e3d3", interpreter="#b54708", numpy="#7a4a9e", compiled="#00639b",
)  # fmt: skip
DARK = Palette(
    name="dark", background="#14181e", ink="#e8ebf0", muted="#a8b1bf", ghost="#6d7787",
    grid="#2b323d", band="#3a3527", interpreter="#f29b52", numpy="#cfa3ea", compiled="#5fb8ee",
)  # fmt: skip


@dataclass(frozen=True)
class Look:
    """What a drawing function is told: colours, and whether the page is narrow."""

    palette: Palette
    narrow: bool = False

    @property
    def width_in(self) -> float:
        return NARROW_IN if self.narrow else WIDE_IN

    def marker(self, instrument: str, nth: int = 0) -> str:
        """Return the marker of an instrument: colour is never the only sign."""
        return _MARKERS[instrument][nth % 3]

    def styles(self, instruments: Sequence[str]) -> list[tuple[str, str]]:
        """Return colour and marker for lines of these instruments, no two alike."""
        return [
            (self.palette.of(name, nth), self.marker(name, nth))
            for place, name in enumerate(instruments)
            for nth in [instruments[:place].count(name)]
        ]


LOOKS = tuple(Look(palette, narrow) for palette in (LIGHT, DARK) for narrow in (False, True))

Draw = Callable[[Figure, Look], None]


@dataclass(frozen=True)
class Picture:
    """A figure that waits to be drawn.

    Parameters
    ----------
    name : str
        Experiment and kind, such as ``"block_it.ladder-rungs"``.
    alt : str
        What it shows, in a sentence, for readers who do not see it. Compulsory.
    numbers : str
        What it shows, in numbers from the record.
    draw : callable
        ``draw(figure, look)``.
    height_in, narrow_height_in : float
        Height in inches on a wide and on a narrow page.
    """

    name: str
    alt: str
    numbers: str
    draw: Draw
    height_in: float = 3.9
    narrow_height_in: float = 3.7

    def __post_init__(self):
        if not self.alt.strip():
            raise FigureError(
                f"figure {self.name} has no alt text; say in alt= what it shows, "
                "for readers who do not see it"
            )

    @property
    def words(self) -> str:
        """The whole alternative text."""
        return f"{self.alt.strip()} {self.numbers}"

    def size_in(self, look: Look) -> tuple[float, float]:
        """Return width and height in inches."""
        return look.width_in, self.narrow_height_in if look.narrow else self.height_in

    def svg(self, look: Look) -> str:
        """Draw it. The same picture and look always give the same text."""
        with style.context(["default", _settings(look.palette)]):
            figure = Figure(figsize=self.size_in(look))
            self.draw(figure, look)
            page = io.StringIO()
            figure.savefig(page, format="svg", metadata={"Date": None, "Creator": None})
        return page.getvalue().replace("'DejaVu Sans'", _SYSTEM_FONT)


def _settings(palette: Palette) -> dict:
    return {
        "svg.fonttype": "none", "svg.hashsalt": "accel", "savefig.transparent": True,
        "font.family": ["DejaVu Sans"], "font.size": 10, "text.color": palette.ink,
        "axes.facecolor": "none", "axes.edgecolor": palette.ghost, "axes.linewidth": 0.8,
        "axes.spines.top": False, "axes.spines.right": False, "axes.axisbelow": True,
        "axes.grid": True, "grid.color": palette.grid, "grid.linewidth": 0.8,
        "axes.labelcolor": palette.muted,
        "xtick.color": palette.ghost, "ytick.color": palette.ghost,
        "xtick.labelcolor": palette.muted, "ytick.labelcolor": palette.muted,
        "xtick.labelsize": 9.5, "ytick.labelsize": 9.5, "axes.labelsize": 9.5,
        "xtick.minor.visible": False, "ytick.minor.visible": False,
        "lines.linewidth": 2.0, "lines.markersize": 5.5, "lines.solid_capstyle": "round",
    }  # fmt: skip


_waiting: list[Picture] = []
_collecting = False


def collect() -> None:
    """From now on keep pictures for the book instead of writing them as files."""
    global _collecting
    _collecting = True


def take() -> list[Picture]:
    """Return the pictures that wait, and forget them."""
    taken = list(_waiting)
    _waiting.clear()
    return taken


def present(picture: Picture) -> None:
    """Show a picture: in the book, or as a file when a script runs by itself."""
    if _collecting:
        _waiting.append(picture)
        return
    folder = records.results_folder()
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{picture.name}.svg"
    path.write_text(picture.svg(Look(LIGHT)), encoding="utf-8")
    print(f"figure: {path}\n  {picture.words}")


@dataclass(frozen=True)
class Variant:
    """One file of a published picture; sizes in CSS pixels."""

    path: Path
    look: Look
    width: int
    height: int


def write_variants(picture: Picture, stem: Path) -> list[Variant]:
    """Write a picture in all four looks: ``stem.svg``, ``stem_dark_narrow.svg``, ..."""
    variants = []
    for look in LOOKS:
        suffix = ("_dark" if look.palette is DARK else "") + ("_narrow" if look.narrow else "")
        path = stem.with_name(f"{stem.name}{suffix}.svg")
        path.write_text(picture.svg(look), encoding="utf-8")
        width, height = (round(inches * CSS_PIXELS_PER_INCH) for inches in picture.size_in(look))
        variants.append(Variant(path, look, width, height))
    return variants
