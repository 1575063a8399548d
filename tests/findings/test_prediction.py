"""Predicted crossovers beside measured ones, also where the two contradict each other."""

import copy

import pytest
import synthetic

from accel.findings import prediction
from accel.findings.crossover import Crossover, Point
from accel.timing.records import CaseView, summarise
from accel.timing.stats import Interval

RATIOS = {"faster": 2.0, "slower": 0.5, "not resolved": 1.0, "unstable": 3.0}


def sequence(*verdicts):
    """A crossover of these verdicts at sizes 1, 10, 100, ..."""
    points = [
        Point(10**place, Interval(RATIOS[v], RATIOS[v] / 1.1, RATIOS[v] * 1.1, 0.97), v)
        for place, v in enumerate(verdicts)
    ]
    return Crossover("new", "old", "n", tuple(points))


def told(found, predicted):
    sentence = prediction.prediction_sentence(found, predicted, "The count")
    return sentence.replace("\N{NO-BREAK SPACE}", " ")


def view(**times_ns):
    raw = synthetic.case(times_ns, n=8, jitter=0, flops=1_000_000)
    return CaseView(summarise(copy.deepcopy(raw), 0.0))


def test_a_kernel_is_ahead_from_where_it_needs_less_for_good():
    assert prediction.predict(lambda n: 100, lambda n: n, range(1, 500)) == 101
    assert prediction.predict(lambda n: 100, lambda n: n, range(1, 500), price=2.0) == 201
    assert prediction.predict(lambda n: n % 10, lambda n: 8, range(1, 28)) == 20
    assert prediction.predict(lambda n: 1, lambda n: n, range(5, 9)) == 5


def test_a_kernel_that_needs_more_at_the_end_is_nowhere_ahead():
    assert prediction.predict(lambda n: n, lambda n: 8, range(1, 30)) is None
    assert prediction.predict(lambda n: n, lambda n: n, range(1, 30)) is None
    assert prediction.predict(lambda n: 0, lambda n: 1, []) is None


@pytest.mark.parametrize("price", [0, -1, float("nan")])
def test_a_price_that_is_none_is_refused(price):
    with pytest.raises(ValueError, match="expected a price above 0"):
        prediction.predict(lambda n: 1, lambda n: 2, [1], price=price)


CROSSING = ("slower", "slower", "not resolved", "faster")  # after 10, not after 1000


@pytest.mark.parametrize("predicted", [11, 500, 1000])
def test_a_prediction_inside_the_interval_agrees(predicted):
    size = f"{predicted:,}"
    expected = f"The count puts the crossover at n = {size}. The measurement agrees."
    assert told(sequence(*CROSSING), predicted) == expected


@pytest.mark.parametrize(
    ("verdicts", "predicted", "expected"),
    [
        (CROSSING, 10, "Measured, it comes later: at 1.00–100× that size."),
        (CROSSING, 2, "Measured, it comes later: at 5.00–500× that size."),
        (CROSSING, 1001, "Measured, `new` is ahead at n = 1,000 already."),
        (CROSSING, None, "Measured, `new` is ahead at n = 1,000 already."),
        (("slower", "slower"), 2, "Measured, there is none up to n = 10, 5.00× that size."),
        (("slower", "slower"), 10, "Measured, there is none up to n = 10, 1.00× that size."),
        (
            ("slower", "not resolved"),
            7,
            "That is beyond n = 1, up to which it was measured to be behind.",
        ),
        (("slower", "slower"), None, "Measured, there is none either."),
        (
            ("faster", "faster"),
            1,
            "The measurement agrees as far as it goes: it is ahead at every size resolved.",
        ),
        (("faster", "faster"), 5, "Measured, `new` is ahead at n = 1 already."),
        (("faster", "faster"), None, "Measured, `new` is ahead at n = 1 already."),
        (
            ("faster", "slower"),
            5,
            "Measured, `new` falls behind as sizes grow: the contrary.",
        ),
        (
            ("slower", "faster", "slower"),
            5,
            "Measured, the order changes 2 times: no one size to compare with.",
        ),
        (
            ("not resolved", "unstable"),
            5,
            "Measured, nothing is resolved, and nothing can be compared.",
        ),
    ],
)
def test_a_prediction_is_compared_with_what_was_measured(verdicts, predicted, expected):
    where = "nowhere" if predicted is None else f"at n = {predicted:,}"
    sentence = told(sequence(*verdicts), predicted)
    assert sentence == f"The count puts the crossover {where}. {expected}"


def test_price_is_time_over_operations():
    case = view(new=5e5, old=1e6)
    each = prediction.price(case, "new", "old", {"new": 100, "old": 1000})
    assert each.value == pytest.approx(5.0)
    assert each.low <= each.value <= each.high
    free = prediction.price(case, "new", "old", {"new": 1000, "old": 1000})
    assert free.value == pytest.approx(0.5)


@pytest.mark.parametrize(
    ("times_ns", "expected"),
    [
        (
            {"new": 5e5, "old": 1e6},
            "At n=8, `new` does 0.100× the operations of `old` in 0.500× (0.500–0.500×) the "
            "time: one of its operations takes 5.00× (5.00–5.00×) as long.",
        ),
        (
            {"new": 5e4, "old": 1e6},
            "At n=8, `new` does 0.100× the operations of `old` in 0.0500× (0.0500–0.0500×) "
            "the time: one of its operations takes 0.500× (0.500–0.500×) as long.",
        ),
    ],
)
def test_price_is_told_with_what_it_follows_from(times_ns, expected):
    work = {"new": 100, "old": 1000}
    assert prediction.price_sentence(view(**times_ns), "new", "old", work) == expected


@pytest.mark.parametrize("work", [{"new": 0, "old": 5}, {"new": 5, "old": 0}])
def test_a_kernel_that_does_nothing_has_no_price(work):
    with pytest.raises(ValueError, match="does 0 operations at n=8, expected some"):
        prediction.price(view(new=1e6, old=1e6), "new", "old", work)


def test_own_and_effective_rates_are_kept_apart():
    case = view(new=1e6, old=2e6)
    table = prediction.work_table(case, {"old": 1_000_000, "new": 100_000})
    assert [row[:6] for row in table.rows] == [
        ["`old`", "compiled", "1,000,000", "2.00\N{NO-BREAK SPACE}ms", "0.500", "0.500"],
        ["`new`", "compiled", "100,000", "1.00\N{NO-BREAK SPACE}ms", "0.100", "1.00"],
    ]
    assert "Effective rate, GFLOP/s" in table.headers
    assert "the definition takes 1,000,000 operations" in table.caption
