"""The figure of a crossover: drawn in every look, described from the record."""


import pytest
import synthetic
from drawings import text_of

from accel import figures
from accel.figures import look
from accel.timing.records import Record

GROWTH = {"old": 10.0, "new": 0.5, "other": 40.0}
START = {"old": 0.0, "new": 2000.0, "other": 0.0}


def record(sizes=(4, 16, 64, 256, 1024), **changes):
    """`new` costs 2000 ns and little more, `old` 10 ns for each of n."""
    cases = [
        synthetic.case(
            {name: START[name] + GROWTH[name] * n for name in GROWTH if name != "other" or n < 300},
            baseline="old",
            n=n,
            **changes,
        )
        for n in sizes
    ]
    return Record(synthetic.record("page.test", cases))


def drawn(collected, data, **options):
    figures.crossover_curve(data, kernel="new", over="old", alt="Shown.", **options)
    (picture,) = collected.take()
    return picture


@pytest.mark.parametrize("one", look.LOOKS, ids=lambda one: f"{one.palette.name}-{one.narrow}")
def test_it_names_kernels_and_both_crossovers_in_every_look(collected, one):
    picture = drawn(collected, record(), others=["other"], predicted=20)
    svg = picture.svg(one)
    text = text_of(svg)
    for word in ("old", "new", "other", "measured", "counted", "time of one call"):
        assert word in text
    assert svg == picture.svg(one)


def test_without_a_crossing_nothing_is_shaded_nor_named(collected):
    text = text_of(drawn(collected, record((4, 16, 64))).svg(look.LOOKS[0]))
    assert "measured" not in text and "counted" not in text


@pytest.mark.parametrize("predicted", [3, 2000])
def test_a_prediction_outside_the_sizes_measured_is_told_but_not_drawn(collected, predicted):
    picture = drawn(collected, record(), predicted=predicted)
    assert "counted" not in text_of(picture.svg(look.LOOKS[0]))
    assert f"crossover at n =\N{NO-BREAK SPACE}{predicted:,}" in picture.words.replace(
        "n\N{NO-BREAK SPACE}=", "n ="
    )


def test_words_give_both_ends_and_the_crossover(collected):
    words = drawn(collected, record()).words.replace("\N{NO-BREAK SPACE}", " ")
    assert words.startswith("Shown. new against old: 2.0")
    assert "µs at n = 1,024" in words
    assert "new overtakes old between n = 64, where it has" in words
    assert "`" not in words


def test_contrary_data_give_contrary_words():
    words = figures.describe_crossover(record(), kernel="old", over="new")
    assert "old falls behind new between n" in words


def test_one_size_is_enough_to_draw(collected):
    picture = drawn(collected, record((64,)))
    assert picture.svg(look.LOOKS[0])
    assert "never overtakes" in picture.words


def test_kernels_and_sizes_that_are_not_there_are_refused(collected):
    with pytest.raises(figures.FigureError, match="no kernel 'newest'"):
        figures.crossover_curve(record(), kernel="newest", over="old", alt="Shown.")
    with pytest.raises(figures.FigureError, match="no case has taps"):
        figures.crossover_curve(record(), kernel="new", over="old", along="taps", alt="Shown.")
    with pytest.raises(figures.FigureError, match="two cases have n"):
        figures.crossover_curve(record((4, 4)), kernel="new", over="old", alt="Shown.")
    with pytest.raises(figures.FigureError, match="no alt text"):
        figures.crossover_curve(record(), kernel="new", over="old", alt=" ")
