"""Levels from a curve: synthetic staircases with noise, and everything that is no staircase."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from accel.timing.roofs import levels
from accel.timing.roofs.levels import Level, LevelError
from accel.timing.stats import Interval

KIB, MIB = 2**10, 2**20
OCTAVES = [4 * KIB * 2**step for step in range(16)]
HALVES = [round(4 * KIB * 2 ** (step / 2)) for step in range(31)]


def staircase(footprints, capacities, values, noise=()):
    """What a machine with these sharp levels would show, times ``exp(noise)``."""
    steps = []
    for place, footprint in enumerate(footprints):
        level = sum(footprint > capacity for capacity in capacities)
        wobble = noise[place % len(noise)] if noise else 0.0
        steps.append(values[level] * math.exp(wobble))
    return steps


@pytest.mark.parametrize("footprints", [OCTAVES, HALVES], ids=["octaves", "half octaves"])
def test_three_caches_and_memory_are_found_with_their_values(footprints):
    capacities = [32 * KIB, MIB, 16 * MIB]
    found = levels.find(footprints, staircase(footprints, capacities, [1.2, 4, 14, 90]))
    assert [level.value.value for level in found] == pytest.approx([1.2, 4, 14, 90])
    assert found[-1].capacity_bytes.value == math.inf
    for level, capacity in zip(found, capacities, strict=False):
        low, high = level.capacity_bytes.low, level.capacity_bytes.high
        assert low <= capacity < high
        assert low <= level.capacity_bytes.value <= high
        assert 0.5 < level.capacity_bytes.value / capacity < 2


@given(
    steps=st.lists(st.floats(2.0, 8.0), min_size=1, max_size=3),
    octaves=st.lists(st.integers(3, 4), min_size=3, max_size=3),
    noise=st.lists(st.floats(-0.05, 0.05), min_size=31, max_size=31),
    unit=st.floats(1e-3, 1e6),
)
def test_levels_are_found_in_noise_whatever_the_unit(steps, octaves, noise, unit):
    capacities = [8 * KIB * 2 ** sum(octaves[:place]) for place in range(1, len(steps) + 1)]
    values = [unit * math.prod(steps[:place]) for place in range(len(steps) + 1)]
    found = levels.find(HALVES, staircase(HALVES, capacities, values, noise))
    assert len(found) == len(values)
    for level, value in zip(found, values, strict=True):
        assert level.value.value == pytest.approx(value, rel=0.06)
        assert level.value.low <= level.value.value <= level.value.high
    for level, capacity in zip(found, capacities, strict=False):
        assert 0.5 <= level.capacity_bytes.value / capacity <= 2


@given(
    st.lists(st.floats(0.1, 1e6), min_size=2, max_size=20).map(sorted),
)
def test_any_rising_curve_gives_levels_in_order(values):
    footprints = [64 * 2**step for step in range(len(values))]
    found = levels.find(footprints, values)
    for before, after in zip(found, found[1:], strict=False):
        assert before.capacity_bytes.high <= after.capacity_bytes.low
        assert before.capacity_bytes.low <= before.capacity_bytes.value
        assert before.capacity_bytes.value <= before.capacity_bytes.high
        assert before.value.value * levels.SMALLEST_STEP < after.value.value
    assert len(found) <= len(values) // 2


def test_a_flat_curve_is_one_level_without_an_end():
    (level,) = levels.find(HALVES, [3.0] * len(HALVES))
    assert level == Level(
        Interval(math.inf, HALVES[-1], math.inf, 0.0), Interval(3.0, 3.0, 3.0, 0.0)
    )


def test_two_points_are_a_level_if_they_agree_and_none_if_they_do_not():
    assert len(levels.find([4096, 8192], [1.0, 1.1])) == 1
    assert levels.find([4096, 8192], [1.0, 2.0]) == []


def test_a_ramp_is_no_level():
    values = [1, 1, 1, 1, 1.5, 2.2, 3.5, 5.2, 8, 8, 8, 8]
    found = levels.find([4096 * 2**step for step in range(12)], values)
    assert [level.value.value for level in found] == [1, 8]
    assert found[0].capacity_bytes.low == 4096 * 2**3
    assert found[0].capacity_bytes.high == 4096 * 2**8


def test_a_cache_is_full_where_an_access_takes_twice_as_long():
    values = [1, 1, 1, 1, 1, 4, 30, 100, 100, 100]  # no level between 1 and 100
    found = levels.find([4096 * 2**step for step in range(10)], values)
    assert found[0].capacity_bytes.value == pytest.approx(4096 * 2**4.5)


def test_a_tlb_step_below_the_smallest_step_splits_no_level():
    values = [1.0] * 10 + [1.25] * 10 + [5.0] * 10
    found = levels.find(HALVES[:30], values)
    assert [round(level.value.value, 1) for level in found] == [1.1, 5.0]


def test_one_wild_point_breaks_no_level():
    values = [1.0] * 5 + [3.0] + [1.0] * 5
    (level,) = levels.find(HALVES[:11], values)
    assert level.value.high == 1.0 or level.value.value == 1.0


@pytest.mark.parametrize(
    ("footprints", "values", "complaint"),
    [
        ([], [], "at least two points, got 0"),
        ([64], [1.0], "at least two points, got 1"),
        ([64, 128], [1.0], "2 footprints and 1 values"),
        ([128, 64], [1.0, 2.0], "must rise: 64 bytes come after 128"),
        ([64, 64], [1.0, 2.0], "must rise: 64 bytes come after 64"),
        ([0, 64], [1.0, 2.0], "from 0 to 64, expected positive"),
        ([-64, 64], [1.0, 2.0], "from -64 to 64, expected positive"),
        ([64, math.inf], [1.0, 2.0], "from 64 to inf"),
        ([64, math.nan, 128], [1.0, 2.0, 3.0], "must rise: nan"),
        ([64, 128], [1.0, 0.0], "at 128 bytes is 0.0, expected a positive finite"),
        ([64, 128], [-1.0, 1.0], "at 64 bytes is -1.0"),
        ([64, 128], [1.0, math.nan], "at 128 bytes is nan"),
        ([64, 128], [math.inf, 1.0], "at 64 bytes is inf"),
    ],
)
def test_what_is_no_staircase_is_refused_by_name(footprints, values, complaint):
    with pytest.raises(LevelError, match=complaint):
        levels.find(footprints, values)


def level(capacity):
    return Level(Interval(capacity, capacity, 2 * capacity, 0.0), Interval(1.0, 1.0, 1.0, 0.0))


def caches(*entries):
    return {
        "caches": [{"level": n, "type": kind, "size_bytes": size} for n, kind, size in entries]
    }


ENDLESS = Level(Interval(math.inf, 2**27, math.inf, 0.0), Interval(90.0, 90.0, 90.0, 0.0))
STATED = caches(
    (1, "instruction", 64 * KIB), (1, "data", 32 * KIB), (2, "unified", MIB), (3, None, None)
)


def test_stated_sizes_are_those_of_caches_that_hold_data():
    assert levels.cache_sizes(STATED) == {1: 32 * KIB, 2: MIB}
    assert levels.cache_sizes({"caches": None}) == {}
    hybrid = caches((2, "unified", 2 * MIB), (2, "unified", 4 * MIB), (1, "data", 48 * KIB))
    assert levels.cache_sizes(hybrid) == {1: 48 * KIB, 2: 4 * MIB}


def test_a_found_level_answers_to_one_cache_only_the_nearest():
    found = [level(40 * KIB), level(60 * KIB), ENDLESS]
    assert levels.match(found, {1: 32 * KIB, 2: 48 * KIB}) == {1: found[0], 2: found[1]}
    assert levels.match(found[:1], {1: 32 * KIB, 2: 48 * KIB}) == {1: found[0]}
    assert levels.match(found[1:], {1: 8 * KIB, 2: 48 * KIB}) == {2: found[1]}


def plain(sentence):
    return sentence.replace("\N{NO-BREAK SPACE}", " ")


@pytest.mark.parametrize(
    ("found", "facts", "text"),
    [
        ([level(40 * KIB), level(900 * KIB), ENDLESS], STATED,
         "L1: 40 KiB by the curve, 32 KiB by the system, which is within a factor of two. "
         "L2: 900 KiB by the curve, 1 MiB by the system, which is within a factor of two."),
        ([level(40 * KIB), level(300 * KIB), ENDLESS], STATED,
         "L1: 40 KiB by the curve, 32 KiB by the system, which is within a factor of two. "
         "L2: 1 MiB by the system, but no step of the curve lies within a factor of two of it. "
         "The curve has a step at 300 KiB, where the system states no cache."),
        ([ENDLESS], caches((1, "data", 32 * KIB)),
         "L1: 32 KiB by the system, but no step of the curve lies within a factor of two of it."),
        ([level(40 * KIB), level(MIB), ENDLESS], {"caches": None},
         "The system states no cache sizes. The curve has steps at 40 KiB and 1 MiB."),
        ([level(40 * KIB)], {"caches": None},
         "The system states no cache sizes. The curve has a step at 40 KiB."),
        ([], {"caches": []}, "The system states no cache sizes. The curve has no step either."),
    ],
)  # fmt: skip
def test_the_comparison_says_what_agrees_and_what_does_not(found, facts, text):
    assert plain(levels.compare(found, facts)) == text


@pytest.mark.parametrize(
    ("size", "text"),
    [(64, "64 B"), (1536, "1.5 KiB"), (37.6 * KIB, "37.6 KiB"), (MIB, "1 MiB"),
     (1448.1 * KIB, "1.41 MiB"), (2.5 * 2**40, "2,560 GiB")],
)  # fmt: skip
def test_sizes_have_three_digits_at_most(size, text):
    assert plain(levels.size_words(size)) == text
