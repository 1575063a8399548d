"""A layout is recommended only where it is faster, and a conversion only where it pays."""

import math

import pytest
import synthetic

from accel.findings import layouts
from accel.timing.records import CaseView


def view(stable=True, **times):
    times = {"nchw": 10e6, "nhwc": 8e6, "nhwc_converted": 14e6, **times}
    raw = synthetic.case(times, operation="image_layouts", flops=10**6, jitter=0.002, side=8)
    if not stable:
        raw |= {"stable": False, "reasons": ["stolen time"]}
    return CaseView(raw)


def test_a_conversion_costs_what_it_adds_to_one_use():
    assert layouts.conversion_ns(view(), "nhwc") == pytest.approx(6e6, rel=0.01)


@pytest.mark.parametrize(
    ("times", "uses", "words"),
    [
        ({"nhwc_converted": 13.9e6}, 3, "pays from 3 uses in a row on"),
        ({"nhwc": 5e6, "nhwc_converted": 8e6}, 1, "pays with one use"),
        ({"nhwc": 10.001e6}, math.inf, "not resolved): there is nothing"),
        ({"nhwc": 20e6}, math.inf, "slower): there is nothing"),
    ],
)
def test_a_conversion_pays_after_as_many_uses_as_it_takes(times, uses, words):
    case = view(**times)
    assert layouts.uses_to_pay(case, "nhwc", "nchw") == uses
    assert words in layouts.pays_sentence(case, "nhwc", "nchw")


def test_an_unstable_run_recommends_nothing():
    case = view(stable=False)
    assert "Not judged" in layouts.pays_sentence(case, "nhwc", "nchw")
    assert "no layout is named" in layouts.best_sentence(case, ["nchw", "nhwc"])


def test_the_fastest_is_named_alone_only_where_it_is_separated():
    assert "the fastest is `nhwc`" in layouts.best_sentence(view(), ["nchw", "nhwc"])
    even = layouts.best_sentence(view(nhwc=10.001e6), ["nchw", "nhwc"])
    assert "none of `nchw`, `nhwc` is separated" in even
