"""Figures of roofs: every bar drawn and told, in every look."""


import pytest
import synthetic
import synthetic_roofs
from drawings import only, text_of

from accel import figures
from accel.figures import look
from accel.timing.records import Record

ROOFS = synthetic_roofs.roofs()
DRAWINGS = {
    "peak_bars": lambda **words: figures.peak_bars(ROOFS.peak, **words),
    "level_bars": lambda **words: figures.level_bars(ROOFS, **words),
}


@pytest.fixture
def drawn(collected):
    """Draw one figure and return it as a picture."""
    def draw(function, *arguments, **words):
        function(*arguments, **words)
        return only(collected)

    return draw


@pytest.mark.parametrize("name", DRAWINGS)
def test_a_figure_of_roofs_needs_words_and_draws_in_every_look(drawn, name):
    with pytest.raises(figures.FigureError, match="no alt text"):
        DRAWINGS[name](alt=" ")
    picture = drawn(DRAWINGS[name], alt="Shown.")
    assert picture.words.startswith("Shown. ")
    assert all("more is better" in text_of(picture.svg(one)) for one in look.LOOKS)


def test_every_width_has_its_bar_and_every_group_its_heading(drawn):
    shown = text_of(drawn(figures.peak_bars, ROOFS.peak, alt="Shown.").svg(look.LOOKS[0]))
    for words in ("float32, 1 thread", "float64, 2 threads", "one number", "224", "448"):
        assert words in shown
    assert shown.count("512\N{NO-BREAK SPACE}bits") == 4
    assert "unstable" not in shown


def test_a_bar_that_cannot_be_trusted_says_so(drawn):
    first, *rest = ROOFS.peak.data["cases"]
    data = {**ROOFS.peak.data, "cases": [{**first, "stable": False, "reasons": ["x"]}, *rest]}
    shown = text_of(drawn(figures.peak_bars, Record(data), alt="Shown.").svg(look.LOOKS[0]))
    assert shown.count("unstable") == len(first["kernels"])


def test_every_level_is_drawn_with_its_end_and_told_in_numbers(drawn):
    picture = drawn(figures.level_bars, ROOFS, alt="Shown.")
    shown = text_of(picture.svg(look.LOOKS[1]))
    for words in ("L1, up to 45.3", "L2, up to", "L3, up to", "memory", "load", "copy", "triad"):
        assert words in shown
        assert words in picture.words


def test_the_description_of_peaks_follows_from_the_record():
    assert "float32, 1 thread 224" in figures.describe_peaks(ROOFS.peak)
    weaker = Record(synthetic_roofs.peak({"scalar": 1.0, "bits_128": 3.5}))
    assert "float32, 1 thread 3.50" in figures.describe_peaks(weaker)


def test_a_record_without_a_peak_is_refused_by_name():
    with pytest.raises(figures.FigureError, match="block_it.ladder: no case of 'fma'"):
        figures.peak_bars(Record(synthetic.ladder()), alt="Shown.")
