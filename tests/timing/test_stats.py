import math
from itertools import product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from accel.timing.stats import Interval, SampleError, exponential, fewest, median_interval

finite = st.floats(-1e9, 1e9)


@pytest.mark.parametrize(
    ("count", "coverage", "trimmed"),
    [
        (6, 0.96875, 0),
        (8, 0.9921875, 0),
        (9, 0.9609375, 1),
        (12, 1 - 2 * (1 + 12 + 66) / 4096, 2),
        (20, 1 - 2 * sum(math.comb(20, k) for k in range(6)) / 2**20, 5),
    ],
)
def test_coverage_is_exact(count, coverage, trimmed):
    interval = median_interval(range(count))
    assert interval.coverage == coverage
    assert (interval.low, interval.high) == (trimmed, count - 1 - trimmed)


@pytest.mark.parametrize("count", range(6, 13))
def test_coverage_agrees_with_counting_all_tosses_of_a_coin(count):
    """The interval holds the median unless too few draws fall on one side of it."""
    interval = median_interval(range(count))
    trimmed = int(interval.low)
    held = sum(trimmed < sum(toss) < count - trimmed for toss in product((0, 1), repeat=count))
    assert interval.coverage == held / 2**count


@pytest.mark.parametrize("count", range(6, 41))
def test_the_interval_is_the_narrowest_that_keeps_its_promise(count):
    interval = median_interval(range(count))
    inner = int(interval.low) + 1
    one_narrower = 1 - 2 * sum(math.comb(count, heads) for heads in range(inner + 1)) / 2**count
    assert one_narrower < 0.95
    assert interval.coverage >= 0.95


def skewed(generator, shape):
    """Log-normal: the right tail of timings. The median is 1."""
    return generator.lognormal(0, 1, shape)


def bimodal(generator, shape):
    """Two modes 30 % apart, as page colouring makes them."""
    return np.where(generator.random(shape) < 0.65, 1.0, 1.3) * generator.lognormal(0, 0.01, shape)


def heavy_tailed(generator, shape):
    """No mean, no variance; the median is 1."""
    return 1 + generator.standard_cauchy(shape)


@pytest.mark.parametrize("draw", [skewed, bimodal, heavy_tailed])
@pytest.mark.parametrize("count", [6, 9, 12])
def test_intervals_hold_the_true_median_as_often_as_they_say(draw, count):
    truth = np.median(draw(np.random.default_rng(1), 2_000_001))
    trials = 4000
    intervals = [
        median_interval(values)
        for values in draw(np.random.default_rng([2, count]), (trials, count)).tolist()
    ]
    coverage = intervals[0].coverage
    held = sum(not interval.excludes(truth) for interval in intervals) / trials
    chance = math.sqrt(coverage * (1 - coverage) / trials)
    assert held >= coverage - 3 * chance


def test_ties_can_only_raise_the_coverage():
    coins = np.random.default_rng(3).integers(0, 3, (4000, 6)).tolist()  # the median is 1
    held = sum(not median_interval(values).excludes(1) for values in coins) / len(coins)
    assert held >= median_interval(coins[0]).coverage


def test_equal_values_give_a_point():
    assert median_interval([3.0] * 6) == Interval(3.0, 3.0, 3.0, 0.96875)


@given(st.lists(finite, min_size=6, max_size=25), st.randoms(use_true_random=False))
def test_the_order_of_values_does_not_matter(values, random):
    shuffled = random.sample(values, len(values))
    assert median_interval(shuffled) == median_interval(values)


@given(st.lists(finite, min_size=6, max_size=25))
def test_the_interval_holds_the_sample_median_and_consists_of_draws(values):
    interval = median_interval(values)
    assert interval.low <= interval.value <= interval.high
    assert {interval.low, interval.high} <= set(values)


@given(st.lists(finite, min_size=6, max_size=6), st.floats(1e6, 1e12))
def test_one_wild_value_moves_an_end_but_not_the_median_far(values, excess):
    ordered = sorted(values)
    wild = median_interval([*ordered[:5], ordered[5] + excess])
    assert wild.value == median_interval(values).value


@given(st.lists(finite, min_size=11, max_size=25), st.floats(0.01, 0.999))
def test_asking_for_more_confidence_never_narrows(values, confidence):
    narrow, wide = median_interval(values, confidence), median_interval(values, 0.999)
    assert wide.low <= narrow.low <= narrow.high <= wide.high


@pytest.mark.parametrize(
    ("count", "complaint"),
    [
        (0, "0 processes cannot support an interval of 0.95: their whole range covers 0; "),
        (1, "1 process cannot support an interval of 0.95: their whole range covers 0; "),
        (5, "5 processes cannot support an interval of 0.95: their whole range covers 0.9375; "),
    ],
)
def test_too_few_values_are_refused_and_told_how_many_it_takes(count, complaint):
    with pytest.raises(SampleError, match=f"^{complaint}measure at least 6$"):
        median_interval([1.0] * count)


@pytest.mark.parametrize(("confidence", "values"), [(0.5, 2), (0.9, 5), (0.95, 6), (0.999, 11)])
def test_the_fewest_values_are_those_whose_range_is_enough(confidence, values):
    assert fewest(confidence) == values
    assert median_interval([1.0] * values, confidence).coverage >= confidence
    with pytest.raises(SampleError):
        median_interval([1.0] * (values - 1), confidence)


@pytest.mark.parametrize("confidence", [0, 1, -0.5, 95, math.nan])
def test_a_confidence_that_is_no_probability_is_refused(confidence):
    with pytest.raises(ValueError, match="confidence must lie between 0 and 1"):
        median_interval([1.0] * 6, confidence)


@pytest.mark.parametrize("strange", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize("place", [0, 3, 5])
def test_values_that_are_not_numbers_are_refused(strange, place):
    values = [1.0, 2.0, 3.0, 4.0, 5.0, 6.0]
    values[place] = strange
    with pytest.raises(SampleError, match="finite"):
        median_interval(values)


@pytest.mark.parametrize(
    ("number", "outside"), [(0.9, True), (1.0, False), (1.5, False), (2.1, True)]
)
def test_an_interval_excludes_what_lies_outside_it(number, outside):
    assert Interval(1.5, 1.0, 2.0, 0.97).excludes(number) is outside


def test_log_ratios_become_ratios():
    assert exponential(Interval(0.0, -math.log(2), math.log(4), 0.9)) == pytest.approx(
        (1.0, 0.5, 4.0, 0.9)
    )
