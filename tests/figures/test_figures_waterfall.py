"""The waterfall: bars that hang where they should, words for every factor, and what is refused."""

import re

import pytest
import synthetic
from drawings import only, texts_of

from accel import figures
from accel.figures import look
from accel.findings import waterfall
from accel.timing import records
from accel.timing.records import CaseView
from accel.timing.stats import Interval

FIRST = {"lists": "", "lists_blocked": "bytecode", "ijk": "objects"}
SECOND = {"ijk": "", "ikj": "single numbers", "tiled": "idle cores"}


class Ceilings:
    """100 GFLOP/s a core."""

    def peak_gflops(self, dtype="float32", threads=1):
        return Interval(100.0 * threads, 95.0 * threads, 105.0 * threads, 1.0)


def case(n, times_ns):
    return CaseView(synthetic.case(times_ns, n=n, dtype="float32"))


SMALL = case(10, {"lists": 8.0e6, "lists_blocked": 4.0e6, "ijk": 2.0e3})
LARGE = case(20, {"ijk": 3.2e4, "ikj": 3.2e4, "tiled": 6.4e4, "blas": 4.0e2})
CHAIN = waterfall.layers((SMALL, FIRST), (LARGE, SECOND))


@pytest.fixture
def picture(collected):
    """Return a function that draws a chain and returns the picture, as in a build."""
    def draw(chain=CHAIN, alt="Shown.", **options):
        figures.waterfall(chain, name="loops.x-waterfall", alt=alt, **options)
        return only(collected)

    return draw


WHOLE = {"beside": [(LARGE, "blas")], "roofs": Ceilings(), "threads": 2}


def words_in(svg):
    return [text.replace("\N{NO-BREAK SPACE}", " ") for text in texts_of(svg)]


@pytest.mark.parametrize("one", look.LOOKS, ids=lambda one: f"{one.palette.name}{one.narrow}")
def test_every_look_names_layers_kernels_instruments_and_roofs(picture, one):
    shown = set(words_in(picture(**WHOLE).svg(one)))
    assert {"start", "bytecode", "objects", "larger matrices", "single numbers"} <= shown
    assert {"lists", "lists blocked", "ijk", "ikj", "tiled", "blas", "for comparison"} <= shown
    assert {"interpreter", "compiled", "NumPy"} <= shown
    assert {"roof of one core", "roof of 2 cores", "n=20"} <= shown


def test_the_same_chain_gives_the_same_file_again(picture):
    drawn = picture(**WHOLE)
    assert drawn.svg(look.LOOKS[0]) == drawn.svg(look.LOOKS[0])


def test_intervals_are_written_where_there_is_room(picture):
    wide, narrow = (words_in(picture().svg(one)) for one in look.LOOKS[:2])
    assert any(re.fullmatch(r"[\d.]+× \([\d.]+–[\d.]+×\)", text) for text in wide)
    assert not any("–" in text for text in narrow)
    assert any(re.fullmatch(r"[\d.]+×", text) for text in narrow)


@pytest.mark.parametrize("one", look.LOOKS[:2], ids=["wide", "narrow"])
def test_what_is_no_gain_is_called_so_and_drawn_hollow(picture, one):
    svg = picture().svg(one)
    shown = words_in(svg)
    assert any(text.endswith("not resolved") for text in shown)
    assert any(text.endswith("slower") for text in shown)
    filled, hollow = bars(svg, one)
    assert (len(filled), len(hollow)) == (2, 3)  # gains; a size, no difference, a loss


def bars(svg, one):
    """Return the styles of filled bars and of hollow ones."""
    patches = re.findall(r'<g id="patch_\d+">\s*<path [^>]*style="([^"]*)"', svg)
    styles = [style for style in patches if "stroke-width: 1.2" in style]
    hollow = [s for s in styles if s.startswith(f"fill: {one.palette.background}")]
    return [s for s in styles if s not in hollow], hollow


def test_alternative_text_gives_every_time_factor_and_verdict(picture):
    words = picture(**WHOLE).words.replace("\N{NO-BREAK SPACE}", " ")
    assert words.startswith("Shown. Time per FLOP: lists 4.0")
    assert re.search(r"lists blocked 2\.0\d µs without bytecode, [12]\.\d+× \([^)]*\);", words)
    assert re.search(r"ijk [12]\.\d+ ns at n=20;", words)
    assert re.search(r"ikj .* without single numbers, .*, not resolved;", words)
    assert re.search(r"tiled .* without idle cores, 0\.[45]\d+× .*, slower\.", words)
    assert re.search(r"For comparison, blas 2[45]\.\d ps\.", words)
    assert "measured peak of one core 10.0 ps. At the measured peak of 2 cores 5.00 ps." in words


def test_a_part_that_goes_on_at_the_same_size_needs_no_row_for_that(picture):
    again = case(20, {"tiled": 7.0e4, "tiled_threads": 3.0e4})
    more = waterfall.layers(
        (SMALL, FIRST), (LARGE, SECOND), (again, {"tiled": "", "tiled_threads": "one core"})
    )
    shown = words_in(picture(more).svg(look.LOOKS[0]))
    assert shown.count("tiled") == 1 and shown.count("tiled threads") == 1
    assert shown.count("larger matrices") == 1
    assert "one core" in shown


def test_one_core_has_one_roof_and_no_roofs_none(picture):
    assert "peak" not in picture().words
    words = picture(roofs=Ceilings()).words
    assert "peak of one core" in words and words.count("peak") == 1


def test_an_unstable_case_shows_no_gain(picture):
    raw = synthetic.case({"lists": 8.0e6, "lists_blocked": 4.0e6, "ijk": 2.0e3}, n=10)
    shaken = CaseView(records.summarise(raw, steal=0.3))
    drawn = picture(waterfall.layers((shaken, FIRST)))
    assert drawn.words.count(", unstable") == 2
    filled, hollow = bars(drawn.svg(look.LOOKS[0]), look.LOOKS[0])
    assert (len(filled), len(hollow)) == (0, 2)


def test_nothing_to_show_is_refused_by_name():
    with pytest.raises(figures.FigureError, match="loops.x-waterfall has no layers"):
        figures.waterfall([], name="loops.x-waterfall", alt="Shown.")


@pytest.mark.parametrize("alt", ["", "  \n "])
def test_a_figure_without_words_is_refused_by_name(alt):
    with pytest.raises(figures.FigureError, match="loops.x-waterfall has no alt text"):
        figures.waterfall(CHAIN, name="loops.x-waterfall", alt=alt)
