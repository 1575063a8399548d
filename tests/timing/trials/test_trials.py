"""The method on simulated machines: it holds what it states where others fail."""

import math
from itertools import cycle

import numpy as np
import pytest

from accel.timing import noise, trials
from accel.timing.trials import METHODS, PLANTED, WEATHERS, Weather, run, select, trial

COUNT = 300
OURS = METHODS[0].name

CALM = Weather(
    "calm", "nothing happens", jitter=lambda generator, calls: np.zeros(calls),
    birth=lambda generator: 1.0,
)  # fmt: skip


def generator(seed=1):
    return np.random.default_rng(seed)


@pytest.fixture(scope="module")
def equals():
    return run(COUNT)


@pytest.fixture(scope="module")
def slowed():
    """Three per cent, planted in every weather."""
    return run(100, methods=METHODS[:1], speedup=PLANTED[1])


def one(scores, weather, method=OURS):
    (score,) = select(scores, weather=weather, method=method)
    return score


@pytest.mark.parametrize("weather", [weather.name for weather in WEATHERS])
def test_the_interval_covers_what_it_states_in_any_weather(equals, weather):
    score = one(equals, weather)
    sigma = math.sqrt(score.stated * (1 - score.stated) / COUNT)
    assert score.stated == 0.96875
    assert score.covered.count / COUNT >= score.stated - 3 * sigma


@pytest.mark.parametrize("weather", [weather.name for weather in WEATHERS])
def test_a_planted_ratio_is_covered_as_well(slowed, weather):
    score = one(slowed, weather)
    assert score.covered.count / 100 >= score.stated - 3 * math.sqrt(0.96875 * 0.03125 / 100)


@pytest.mark.parametrize("weather", [weather.name for weather in WEATHERS])
def test_equals_are_called_different_in_at_most_one_of_twenty(equals, weather):
    assert one(equals, weather).alarms.count / COUNT <= 0.05


@pytest.mark.parametrize("weather", ["warming up", "swinging"])
def test_one_after_the_other_fails_under_the_same_drift(equals, weather):
    naive = one(equals, weather, "one after the other")
    assert naive.covered.count / COUNT < 0.6
    assert naive.alarms.count / COUNT > 0.4


def test_pooled_samples_fail_where_processes_differ(equals):
    naive = one(equals, "two modes", "mean of all samples")
    assert naive.covered.count / COUNT < 0.6
    assert naive.stated == one(equals, "two modes").stated


def test_the_minimum_fails_where_the_clock_drifts(equals):
    naive = one(equals, "warming up", "minimum ± 1 %")
    assert math.isnan(naive.stated)
    assert naive.covered.interval.high < 0.96875


@pytest.mark.parametrize(
    "weather", ["pre-empted", "warming up", "swinging", "wandering", "clock steps"]
)
def test_three_percent_are_found_where_drift_and_outliers_are_all_there_is(slowed, weather):
    assert one(slowed, weather).words["slower"].count >= 95


def test_what_is_slower_is_never_called_faster(slowed):
    assert [score.words["faster"].count for score in slowed] == [0] * len(WEATHERS)


@pytest.mark.parametrize("speedup", [1.0, 1.25, 0.8])
@pytest.mark.parametrize("method", METHODS, ids=lambda method: method.name)
def test_in_calm_weather_every_method_reads_off_the_truth(method, speedup):
    interval, word = method.conclude(trial(CALM, generator(), speedup, method.how))
    assert interval.value == pytest.approx(speedup, rel=1e-5)
    assert word == {1.0: "not resolved", 1.25: "faster", 0.8: "slower"}[speedup]


def test_equal_functions_on_a_calm_machine_take_equal_times():
    taken = trial(CALM, generator())
    assert {time for side in taken for rounds in side for time in rounds} == {trials.CALL_NS}


def test_a_trial_has_the_processes_and_rounds_of_a_quick_experiment():
    taken = trial(WEATHERS[0], generator())
    shapes = {np.shape(side) for side in taken}
    assert shapes == {(trials.PROCESSES, trials.ROUNDS)}


def test_a_sample_is_as_long_as_the_clock_needs():
    machine = trials.SimulatedMachine(CALM, generator(), [400_000.0])
    assert machine.sample_ns(0, 3) == 1_200_000
    assert machine.clock() == 1_200_000
    taken = trial(CALM, generator(), speedup=4.0)  # calls of 0.3 ms: four to a sample
    assert taken.kernel[0][0] == 300_000


def test_the_order_decides_who_meets_the_drift():
    warming = next(weather for weather in WEATHERS if weather.name == "warming up")
    taken = trial(warming, generator(), how="sequential")
    assert (np.median(taken.base, axis=1) < np.median(taken.kernel, axis=1)).all()
    assert (np.median(taken.kernel, axis=1) < np.median(taken.again, axis=1)).all()


def test_what_is_decided_before_the_first_process_is_seen_by_no_process():
    """The limit of the method: a layout that a linker chose is the same in all processes."""
    chosen = []

    def link(generator):
        chosen[:] = [cycle(np.exp(generator.normal(0, 0.01, 2)))]
        return lambda now_ns: 1.0

    linked = Weather("linked", "", birth=lambda generator: next(chosen[0]), drift=link)
    (score,) = run(100, weathers=[linked], methods=METHODS[:1])
    assert score.covered.interval.high < score.stated


def test_the_same_seed_gives_the_same_scores_and_another_others():
    assert run(20) == run(20)
    skewed = [score.covered for score in run(60, weathers=WEATHERS[:3], seed=3)]
    assert skewed != [score.covered for score in run(60, weathers=WEATHERS[:3], seed=4)]


def test_a_weather_has_the_same_scores_whatever_else_is_run():
    alone = run(20, weathers=WEATHERS[2:3], methods=METHODS[:1])
    assert alone[0].covered == one(run(20), WEATHERS[2].name).covered


def test_every_trial_ends_in_one_of_the_four_words(equals):
    for score in equals:
        assert set(score.words) == set(noise.VERDICTS)
        assert sum(share.count for share in score.words.values()) == COUNT


def test_no_trials_are_refused():
    with pytest.raises(ValueError, match="at least 1, got 0"):
        run(0)


def test_an_unknown_method_is_refused_with_the_known(equals):
    with pytest.raises(KeyError, match="mode of all.*mean of all samples"):
        select(equals, method="mode of all")
