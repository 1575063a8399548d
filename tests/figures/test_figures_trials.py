"""Figures of the evidence: every look, words from the data, nothing left out."""

import re
from xml.etree import ElementTree

import pytest
import synthetic
from drawings import only, text_of

from accel import figures
from accel.figures import look
from accel.timing import trials
from accel.timing.records import Record
from accel.timing.trials import METHODS, Score
from accel.timing.trials.beside_pyperf import Beside
from accel.timing.trials.textbook import Share

WEATHERS = ("calm", "windy")


def score(weather, method, covered):
    words = dict.fromkeys(("faster", "slower", "not resolved", "unstable"), Share(0, 100))
    return Score(weather, method, 1.0, 0.96875, Share(covered, 100), words)


SCORES = [
    score(weather, method.name, 97 - 20 * place * (weather == "windy"))
    for weather in WEATHERS
    for place, method in enumerate(METHODS)
]


def twins(*seconds_ns, jitter=0.005):
    cases = [
        synthetic.case({"first": 1e6, "second": time}, baseline="first", n=n, jitter=jitter)
        for n, time in enumerate(seconds_ns, 1)
    ]
    return Record(synthetic.record("trust.twins", cases))


PLANTED = Record(
    synthetic.record(
        "trust.planted",
        [synthetic.case({"whole": 1e6, "more": 1.02e6}, baseline="whole", n=7)],
        elapsed_s=6.0,
    )
)


def pyperf(time_ns=1.05e6):
    def runs(middle):
        return [{"values": [1e-9 * middle * (1 + 0.01 * n)] * 3} for n in range(6)]

    benchmarks = [
        {"metadata": {"name": "whole"}, "runs": runs(1e6)},
        {"metadata": {"name": "more"}, "runs": runs(time_ns)},
    ]
    suite = {"version": "1.0", "benchmarks": benchmarks}
    return Beside({"pyperf": "2", "options": [], "elapsed_s": 60.0, "suite": suite})


DRAWINGS = {
    "coverage": lambda **words: figures.coverage(SCORES, **words),
    "twins": lambda **words: figures.twins(twins(1e6, 1.01e6), **words),
    "twins far apart": lambda **words: figures.twins(twins(1e6, 2e6), **words),
    "beside": lambda **words: figures.beside(PLANTED, pyperf(), "more", 1 / 1.02, **words),
}


@pytest.mark.parametrize("name", DRAWINGS)
def test_every_figure_draws_in_every_look_and_the_same_each_time(collected, name):
    DRAWINGS[name](alt="Shown.")
    picture = only(collected)
    for one in look.LOOKS:
        assert ElementTree.fromstring(picture.svg(one)).tag.endswith("svg")
    assert picture.svg(look.LOOKS[0]) == picture.svg(look.LOOKS[0])


@pytest.mark.parametrize("name", DRAWINGS)
def test_a_figure_without_words_is_refused_by_name(collected, name):
    with pytest.raises(figures.FigureError, match=r"figure [\w.-]+ has no alt text"):
        DRAWINGS[name](alt=" ")


def test_coverage_names_every_weather_and_every_method(collected):
    figures.coverage(SCORES, alt="Shown.")
    picture = only(collected)
    shown = text_of(picture.svg(look.LOOKS[0]))
    assert all(name in shown for name in (*WEATHERS, *(method.name for method in METHODS)))
    assert "100 trials per weather: this book 97.0 % under calm; " in picture.words
    assert "minimum ± 1 % 37.0 % under windy." in picture.words


def test_coverage_of_one_method_alone_needs_the_books_own_for_its_line():
    with pytest.raises(KeyError, match="no score with"):
        trials.select(SCORES[1:2], method=METHODS[0].name)


def test_twins_are_counted_by_what_became_of_them():
    words = figures.describe_twins(twins(1e6, 1e6, 1.1e6, jitter=0.001))
    assert words.startswith("3 pairs differ by -9")
    assert re.search(r"[123] intervals exclude 0, 1 pairs are called different, 0 are unst", words)


def test_every_pair_is_drawn_and_claimed_differences_stand_out(collected):
    figures.twins(twins(1e6, 1e6, 1.5e6), alt="Shown.")
    svg = only(collected).svg(look.LOOKS[0])
    assert look.LIGHT.interpreter in svg and look.LIGHT.compiled in svg
    figures.twins(twins(1e6, 1e6, 1e6), alt="Shown.")
    assert look.LIGHT.interpreter not in only(collected).svg(look.LOOKS[0])


def test_beside_tells_ratio_and_time_of_both(collected):
    figures.beside(PLANTED, pyperf(), "more", 1 / 1.02, alt="Shown.")
    picture = only(collected)
    words = picture.words
    assert re.search(r"this book 0\.9[78]\d× \([^)]*\) in 6\.00 s; pyperf 0\.952× \(", words)
    assert picture.words.endswith("in 60.0 s.")
    shown = text_of(picture.svg(look.LOOKS[0]))
    assert all(name in shown for name in ("this book", "pyperf", "planted", "equal"))
