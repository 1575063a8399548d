"""The interval between two runs that were not interleaved, against counting by hand."""

import itertools
import math
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from accel.timing.comparison.unpaired import MOST_PROCESSES, coverage, shift_interval
from accel.timing.stats import SampleError, median


def misses(old, new, trimmed):
    """Share of all orders of `old` + `new` equal draws whose trimmed range misses 0."""
    count, missed = old + new, 0
    for ranks in itertools.combinations(range(count), old):
        others = [rank for rank in range(count) if rank not in ranks]
        differences = sorted(b - a for a in ranks for b in others)
        missed += not differences[trimmed] < 0 < differences[-1 - trimmed]
    return missed / math.comb(count, old)


@pytest.mark.parametrize(
    ("old", "new", "trimmed"), [(1, 1, 0), (2, 3, 1), (4, 4, 0), (4, 4, 3), (3, 6, 2), (6, 6, 5)]
)
def test_coverage_is_what_counting_all_orders_gives(old, new, trimmed):
    assert coverage(old, new, trimmed) == pytest.approx(1 - misses(old, new, trimmed), abs=1e-12)


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [(1, 1, 0), (3, 3, 0.9), (4, 4, 1 - 2 / 70), (6, 6, 1 - 2 / 924), (12, 12, 1 - 2 / 2704156)],
)
def test_the_whole_range_misses_only_if_the_sets_do_not_overlap(old, new, expected):
    assert coverage(old, new) == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize("confidence", [0.5, 0.9, 0.95, 0.99])
@pytest.mark.parametrize(("old", "new"), [(5, 5), (6, 6), (6, 12), (12, 12), (5, 9)])
def test_the_interval_is_the_narrowest_that_is_sure_enough(old, new, confidence):
    differences = sorted(b - a * math.sqrt(2) for b in range(new) for a in range(old))
    found = shift_interval([a * math.sqrt(2) for a in range(old)], range(new), confidence)
    trimmed = differences.index(found.low)
    assert found.high == differences[-1 - trimmed]
    assert found.coverage == coverage(old, new, trimmed) >= confidence
    assert coverage(old, new, trimmed + 1) < confidence


def test_too_few_values_give_the_whole_range_and_say_how_little_it_covers():
    found = shift_interval([1.0, 2.0], [5.0, 7.0])
    assert (found.low, found.high, found.coverage) == (3.0, 6.0, pytest.approx(2 / 3))


def test_one_value_on_each_side_covers_nothing():
    assert shift_interval([1.0], [3.0]) == (2.0, 2.0, 2.0, 0.0)


finite = st.lists(st.floats(-1e3, 1e3), min_size=1, max_size=8)


@given(finite, finite)
def test_exchanging_the_runs_turns_the_interval_round(old, new):
    there, back = shift_interval(old, new), shift_interval(new, old)
    assert (there.low, there.high) == (-back.high, -back.low)
    assert there.low <= there.value <= there.high
    assert there.coverage == back.coverage


@given(finite)
def test_a_run_against_itself_is_not_told_apart(values):
    assert not shift_interval(values, values).excludes(0)


def test_equal_values_are_covered_too():
    assert shift_interval([2.0] * 6, [5.0] * 6)[:3] == (3.0, 3.0, 3.0)


def false_alarms(draw, trials=4000, confidence=0.95):
    """How often six against six equal draws exclude 0."""
    generator = random.Random(7)
    return sum(
        shift_interval(
            [draw(generator) for _ in range(6)], [draw(generator) for _ in range(6)], confidence
        ).excludes(0)
        for _ in range(trials)
    ) / trials  # fmt: skip


@pytest.mark.parametrize(
    "draw",
    [
        lambda g: g.gauss(0, 1),
        lambda g: g.expovariate(1),
        lambda g: g.gauss(0, 0.01) + (g.random() < 0.5) * 0.2,  # two modes, as of memory layouts
        lambda g: g.paretovariate(0.8),  # not even a mean
    ],
)
def test_where_nothing_changed_false_alarms_are_as_rare_as_stated_whatever_the_shape(draw):
    stated = 1 - coverage(6, 6, 5)
    spread = math.sqrt(stated * (1 - stated) / 4000)
    assert false_alarms(draw) == pytest.approx(stated, abs=4 * spread)


def long_tail(sign, generator):
    """Median 0; far out on one side, close on the other."""
    far = generator.random() < 0.5
    return sign * (1 + generator.random() if far else -1e-3 * generator.random())


@pytest.mark.parametrize(("old", "new"), [(1, 1), (1, -1), (-1, 1)])
def test_the_whole_range_holds_the_difference_of_medians_also_where_shapes_differ(old, new):
    # The worst shapes: each set is far out on one side of its median only.
    generator, trials, missed = random.Random(11), 4000, 0
    for _ in range(trials):
        before = [long_tail(old, generator) for _ in range(6)]
        after = [long_tail(new, generator) for _ in range(6)]
        missed += shift_interval(before, after, 0.999).excludes(0)
    allowed = 2 / 64
    assert missed / trials <= allowed + 4 * math.sqrt(allowed / trials)


@pytest.mark.parametrize(
    ("old", "new", "complaint"),
    [
        ([], [1.0], "old values, got 0"),
        ([1.0], [], "new values, got 0"),
        ([1.0], [1.0, math.nan], "finite new values"),
        ([math.inf], [1.0], "finite old values"),
        ([0.0] * (MOST_PROCESSES + 1), [1.0], f"1 to {MOST_PROCESSES} old values, got"),
    ],
)
def test_values_without_meaning_are_refused_by_side(old, new, complaint):
    with pytest.raises(SampleError, match=complaint):
        shift_interval(old, new)


def test_the_value_is_the_middle_of_all_differences():
    old, new = [1.0, 4.0, 9.0], [2.0, 3.0]
    assert shift_interval(old, new).value == median([b - a for b in new for a in old])
