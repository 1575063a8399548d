"""The figure of digits against time names every kernel and says which are worth choosing."""

import itertools
import math

import pytest
import synthetic
from drawings import only, text_of
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from accel import figures
from accel.figures import FigureError
from accel.figures.look import LIGHT, Look
from accel.timing.records import Record

DIGITS = {"naive": 3.1, "pairwise": 6.8, "kahan": math.inf, "beaten": 3.0}


def record():
    times = {"naive": 1e6, "pairwise": 1.2e6, "kahan": 4e6, "beaten": 9e6}
    case = synthetic.case(times, operation="sum", flops=10**6, n=10**6)
    return Record(synthetic.record("reduce.sum", [case]))


@pytest.mark.parametrize("narrow", [False, True])
def test_every_kernel_is_named(collected, narrow):
    figures.pareto(record(), DIGITS, alt="Sums.")
    text = text_of(only(collected).svg(Look(LIGHT, narrow)))
    assert all(name in text for name in DIGITS) and "right decimal digits" in text


def test_names_of_neighbours_do_not_meet(collected):
    times = {"vector": 43e3, "numpy": 156e3, "pairwise": 359e3, "compiled": 834e3}
    case = synthetic.case(times, operation="sum", flops=10**6, n=10**6)
    figures.pareto(
        Record(synthetic.record("reduce.sum", [case])), dict.fromkeys(times, 7.7), alt="Sums."
    )
    picture, look = only(collected), Look(LIGHT, narrow=True)
    figure = Figure(picture.size_in(look))
    picture.draw(figure, look)
    canvas = FigureCanvasAgg(figure).get_renderer()
    named = [
        text.get_window_extent(canvas)
        for text in figure.axes[0].texts
        if text.get_text() in times
    ]
    assert len(named) == 4
    assert not any(one.overlaps(other) for one, other in itertools.combinations(named, 2))


def test_words_give_both_numbers_and_the_front():
    words = figures.describe_pareto(record(), DIGITS)
    assert "kahan 3.99\xa0ms, exact" in words
    assert words.endswith("Filled: naive, pairwise and kahan.")


def test_without_kernels_there_is_no_figure():
    with pytest.raises(FigureError, match="at least one kernel"):
        figures.pareto(record(), {}, alt="Sums.")
