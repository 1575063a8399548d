import math

import numpy as np
import pytest

from accel.timing.trials.textbook import Share, rate_interval, student_quantile, welch_speedup

#: Published points of Student's t distribution, 97.5 % and 99.5 %.
STUDENT = [
    (0.975, 3, 3.182), (0.975, 5, 2.571), (0.975, 10, 2.228), (0.975, 30, 2.042),
    (0.995, 10, 3.169), (0.995, 120, 2.617), (0.025, 10, -2.228),
]  # fmt: skip


@pytest.mark.parametrize(("probability", "freedom", "expected"), STUDENT)
def test_quantiles_of_student_agree_with_the_tables(probability, freedom, expected):
    assert student_quantile(probability, freedom) == pytest.approx(expected, rel=2e-3)


@pytest.mark.parametrize("freedom", [2.9, 0, -1, math.nan])
def test_too_few_degrees_of_freedom_are_refused(freedom):
    with pytest.raises(ValueError, match="at least 3 degrees of freedom"):
        student_quantile(0.975, freedom)


def at_most(count, total, p):
    """Probability of at most `count` successes, summed one by one."""
    return sum(math.comb(total, k) * p**k * (1 - p) ** (total - k) for k in range(count + 1))


@pytest.mark.parametrize(
    ("count", "total"), [(1, 2), (3, 10), (5, 200), (18, 200), (127, 128), (64, 129)]
)
def test_both_ends_of_a_rate_leave_half_the_doubt_outside(count, total):
    interval = rate_interval(count, total)
    assert interval.value == count / total
    assert at_most(count, total, interval.high) == pytest.approx(0.025, abs=1e-9)
    assert 1 - at_most(count - 1, total, interval.low) == pytest.approx(0.025, abs=1e-9)


@pytest.mark.parametrize("total", [1, 7, 200])
def test_nothing_in_n_trials_bounds_the_rate_from_above_only(total):
    interval = rate_interval(0, total)
    assert (interval.value, interval.low) == (0, 0)
    assert interval.high == pytest.approx(1 - 0.025 ** (1 / total))
    assert rate_interval(total, total).high == 1
    assert rate_interval(total, total).low == pytest.approx(0.025 ** (1 / total))


@pytest.mark.parametrize(("count", "total"), [(0, 0), (3, 2), (-1, 5)])
def test_a_rate_of_nothing_is_refused(count, total):
    with pytest.raises(ValueError, match=f"got {count} of {total}"):
        rate_interval(count, total)


def test_a_share_knows_its_interval():
    assert Share(3, 10).interval == rate_interval(3, 10)


def test_welch_gives_the_ratio_of_geometric_means():
    ratio = welch_speedup([1, 2, 4, 8], [3, 6, 12, 24], 0.95)
    assert ratio.value == pytest.approx(3)
    assert ratio.low * ratio.high == pytest.approx(9)


def test_welch_of_equal_spreads_is_students_interval():
    logs = np.array([-0.03, -0.01, 0.01, 0.03])
    ratio = welch_speedup(list(np.exp(logs)), list(np.exp(logs + 0.5)), 0.95)
    half = student_quantile(0.975, 6) * math.sqrt(2 * logs.var(ddof=1) / 4)
    assert math.log(ratio.high) == pytest.approx(0.5 + half)


def test_welch_covers_what_it_states_where_its_assumptions_hold():
    generator = np.random.default_rng(3)
    held = 0
    for _ in range(1000):
        kernel, over = np.exp(generator.normal(0, [[0.01], [0.03]], (2, 6)))
        held += not welch_speedup(list(kernel), list(over), 0.95).excludes(1)
    assert held / 1000 >= 0.95 - 3 * math.sqrt(0.95 * 0.05 / 1000)


def test_times_without_spread_have_an_interval_without_width():
    ratio = welch_speedup([2.0] * 4, [4.0] * 5, 0.95)
    assert (ratio.low, ratio.high) == (ratio.value, ratio.value) == (2, 2)


@pytest.mark.parametrize(
    ("kernel", "match"),
    [([1, 2, 3], "four times"), ([], "four times"), ([1, 2, 0, 3], "positive"),
     ([1, 2, math.nan, 3], "positive"), ([1, 2, math.inf, 3], "positive")],
)  # fmt: skip
def test_times_that_allow_no_interval_are_refused(kernel, match):
    with pytest.raises(ValueError, match=match):
        welch_speedup(kernel, [1, 2, 3, 4], 0.95)
