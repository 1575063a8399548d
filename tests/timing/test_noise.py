import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from accel.timing import noise, paired
from accel.timing.stats import Interval


def interval(low, high):
    return Interval((low * high) ** 0.5, low, high, 0.96875)


QUIET = interval(0.99, 1.01)
ratios = st.floats(0.01, 100)


def experiment(generator, true_ratio=1.0, jitter=0.01, layout=0.01, rounds=7):
    """Simulate baseline, its second entry and a kernel; return both speed-ups."""
    shape = (3, 6, rounds)
    effects = generator.normal(0, layout, (3, 6, 1)) + generator.gamma(1, jitter, shape)
    base, again, kernel = (1e6 * np.exp(effects)).tolist()
    kernel = [[time / true_ratio for time in rounds] for rounds in kernel]
    return paired.speedup(kernel, base), paired.speedup(again, base)


def judged(generator, **changes):
    ratio, again = experiment(generator, **changes)
    return noise.verdict(ratio, again, stable=not noise.complaints(again, 0.0, 0.0))


@pytest.mark.parametrize(
    ("low", "high", "expected"),
    [
        (1.02, 1.05, "faster"),
        (1.011, 9.0, "faster"),
        (1.005, 1.05, "not resolved"),
        (0.95, 1.05, "not resolved"),
        (1.0, 1.0, "not resolved"),
        (0.9, 0.995, "not resolved"),
        (0.1, 0.98, "slower"),
        (0.95, 0.98, "slower"),
    ],
)
def test_only_an_interval_that_clears_the_floor_is_a_verdict(low, high, expected):
    assert noise.verdict(interval(low, high), QUIET) == expected


@pytest.mark.parametrize(("low", "high"), [(5.0, 6.0), (0.1, 0.2), (0.9, 1.1)])
def test_nothing_is_said_of_an_unstable_case(low, high):
    assert noise.verdict(interval(low, high), QUIET, stable=False) == "unstable"


@pytest.mark.parametrize(
    "again", [interval(0.94, 1.01), interval(0.99, 1.06), interval(1.04, 1.06)]
)
def test_the_floor_reaches_as_far_as_the_worse_end_of_the_baseline_against_itself(again):
    assert noise.verdict(interval(1.05, 1.055), again) == "not resolved"
    assert noise.verdict(interval(0.945, 0.95), again) == "not resolved"
    assert noise.verdict(interval(1.07, 1.08), again) == "faster"
    assert noise.verdict(interval(0.90, 0.93), again) == "slower"


@given(ratios, ratios)
def test_the_floor_is_never_below_one(a, b):
    assert noise.floor(interval(min(a, b), max(a, b))) >= 1


@given(ratios, ratios, ratios, ratios)
def test_the_verdict_mirrors_when_the_sides_are_swapped(a, b, c, d):
    ratio, again = interval(min(a, b), max(a, b)), interval(min(c, d), max(c, d))
    flipped = interval(1 / ratio.high, 1 / ratio.low)
    mirror = {"faster": "slower", "slower": "faster", "not resolved": "not resolved"}
    borders = (ratio.low, ratio.high)
    floor = noise.floor(again)
    if all(abs(end * floor - 1) > 1e-9 and abs(end / floor - 1) > 1e-9 for end in borders):
        assert noise.verdict(flipped, again) == mirror[noise.verdict(ratio, again)]


def test_verdicts_are_the_four_words_and_no_others():
    words = {
        noise.verdict(ratio, QUIET, stable)
        for ratio in (interval(2, 3), interval(0.3, 0.5), interval(0.9, 1.1))
        for stable in (True, False)
    }
    assert words == set(noise.VERDICTS)


@pytest.mark.parametrize("layout", [0.0, 0.01, 0.05])
def test_equals_are_called_different_in_at_most_one_experiment_of_twenty(layout):
    generator = np.random.default_rng([5, int(1000 * layout)])
    words = [judged(generator, layout=layout) for _ in range(600)]
    alarms = words.count("faster") + words.count("slower")
    assert alarms / len(words) <= 0.05


@pytest.mark.parametrize(("true_ratio", "word"), [(0.97, "slower"), (1.03, "faster")])
def test_a_planted_difference_of_3_percent_is_found_where_the_floor_allows(true_ratio, word):
    generator = np.random.default_rng(6)
    words = [
        judged(generator, true_ratio=true_ratio, layout=0.003, jitter=0.003) for _ in range(200)
    ]
    assert words.count(word) >= 190


def test_the_same_difference_is_not_claimed_where_the_floor_is_above_it():
    generator = np.random.default_rng(7)
    words = [judged(generator, true_ratio=0.97, layout=0.05) for _ in range(200)]
    assert words.count("slower") <= 10


@pytest.mark.parametrize(
    "again", [interval(0.97, 1.05), interval(1.001, 1.009), interval(0.992, 0.999), QUIET]
)
def test_an_interval_that_holds_one_or_nearly_is_no_complaint(again):
    assert noise.complaints(again, 0.0, 0.0) == []


@pytest.mark.parametrize("again", [interval(1.02, 1.05), interval(0.90, 0.98)])
def test_a_baseline_that_differs_from_itself_is_a_complaint(again):
    (complaint,) = noise.complaints(again, None, None)
    assert complaint.startswith("the baseline differs from itself")
    assert f"{again.low:.3f}–{again.high:.3f}" in complaint


@pytest.mark.parametrize(("steal", "count"), [(None, 0), (0.0, 0), (0.01, 0), (0.02, 1)])
def test_time_taken_by_the_hypervisor_is_a_complaint_above_one_percent(steal, count):
    assert len(noise.complaints(QUIET, steal, None)) == count


@pytest.mark.parametrize(("share", "count"), [(None, 0), (0.0, 0), (0.2, 0), (0.21, 1)])
def test_disturbed_samples_are_a_complaint_above_one_in_five(share, count):
    assert len(noise.complaints(QUIET, None, share)) == count


def test_every_complaint_is_told():
    complaints = noise.complaints(interval(1.1, 1.2), 0.034, 0.5)
    assert len(complaints) == 3
    assert "3.4%" in complaints[1]
    assert "50%" in complaints[2]


@pytest.mark.parametrize(
    ("durations_ns", "switches", "share"),
    [
        ([], [], 0.0),
        ([1e6, 1e6, 1e6, 1e6], [0, 1, 0, 2], 0.5),
        ([1e9, 1e9], [10, 11], 0.5),  # ten in a second cost nothing measurable
        ([5e9], [50], 0.0),
    ],
)
def test_a_sample_is_disturbed_by_its_rate_of_switches(durations_ns, switches, share):
    assert noise.disturbed_share(durations_ns, switches) == share


def test_each_sample_needs_its_count_of_switches():
    with pytest.raises(ValueError, match="zip"):
        noise.disturbed_share([1e6, 1e6], [0])
