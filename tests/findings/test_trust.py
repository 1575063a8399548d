"""Sentences about the method follow the evidence, for it and against it."""

import copy

import pytest
import synthetic

from accel.findings import trust
from accel.timing.records import Record, summarise
from accel.timing.trials import Score
from accel.timing.trials.textbook import Share

RIVAL = "mean of all samples"


def score(covered, method=trust.OURS, *, alarms=0, found=0, stated=0.96875, total=1000, **changes):
    words = {
        "faster": Share(alarms, total), "slower": Share(found, total),
        "not resolved": Share(total - alarms - found, total), "unstable": Share(0, total),
    }  # fmt: skip
    kept = {"weather": "windy", "speedup": 1.0, **changes}
    return Score(
        method=method, stated=stated, covered=Share(covered, total), words=words, **kept
    )


def case(jitter=0.0005, again=1.0, steal=0.0, **times_ns):
    """A case whose baseline, its first kernel, is slower the second time by `again`."""
    raw = synthetic.case(times_ns, baseline=next(iter(times_ns)), jitter=jitter, n=7)
    raw = copy.deepcopy(raw)
    for process in raw["again"]["processes"]:
        process["samples_ns"] = [round(again * elapsed) for elapsed in process["samples_ns"]]
    return summarise(raw, steal)


def record(*cases, elapsed_s=6.0, **changes):
    return Record(synthetic.record("trust.test", list(cases), elapsed_s=elapsed_s, **changes))


# --- simulated machines -----------------------------------------------------


def test_coverage_that_keeps_its_word_is_said_to_with_the_worst_named():
    said = trust.coverage_sentence([score(970), score(965, weather="wet")])
    assert "states 96.9 %" in said and "in none of the 2 kinds" in said
    assert "under 'wet': 965 of 1000, 96.5 %" in said


def test_coverage_that_falls_short_is_named():
    said = trust.coverage_sentence([score(970), score(900, weather="wet")])
    assert "falls short of it: 900 of 1000" in said and "under 'wet'" in said
    assert "'windy'" not in said


@pytest.mark.parametrize("stated", [0.96875, float("nan")])
def test_a_naive_method_that_fails_is_said_to_fail(stated):
    scores = [
        score(300, RIVAL, alarms=700, stated=stated),
        score(970, RIVAL, weather="wet", stated=stated),
    ]
    said = trust.naive_sentence(scores, RIVAL)
    assert said.startswith("'Mean of all samples' failed in 1 of 2 kinds of weather")
    assert "300 of 1000, 30.0 %" in said and "called equals different in 70.0 %" in said


def test_a_naive_method_that_holds_up_is_said_to():
    said = trust.naive_sentence([score(970, RIVAL)], RIVAL)
    assert "held up in all weather, with 970 of 1000" in said


@pytest.mark.parametrize(("alarms", "word"), [(0, "within"), (50, "within"), (51, "above")])
def test_the_rate_of_false_alarms_is_judged(alarms, word):
    said = trust.alarms_sentence([score(970, alarms=alarms), score(970, weather="wet")])
    assert f": {word} the 5.00 % that may be" in said


def power(ours, theirs, covered=970):
    return [
        score(970, found=ours, speedup=1 / 1.02), score(970, found=ours, speedup=1 / 1.05),
        score(covered, RIVAL, found=theirs, speedup=1 / 1.02),
        score(covered, RIVAL, found=theirs, speedup=1 / 1.05),
    ]  # fmt: skip


def test_power_is_a_table_of_planted_shares():
    table = trust.power_table(power(500, 900), RIVAL)
    assert table.headers == ["Weather", "2 %, here", "5 %, here", "2 %, rival", "5 %, rival"]
    assert table.rows == [["windy", "50 %", "50 %", "90 %", "90 %"]]
    assert "1000 trials" in table.caption


def test_a_rival_that_finds_more_and_stays_honest_is_given_its_due():
    said = trust.power_sentence(power(500, 900), RIVAL)
    assert "2 % under 'windy' (50.0 % of trials against 90.0 %) and 5 % under" in said


@pytest.mark.parametrize(("ours", "theirs", "covered"), [(900, 500, 970), (500, 900, 600)])
def test_a_rival_that_finds_less_or_is_wrong_is_not(ours, theirs, covered):
    assert "Nowhere" in trust.power_sentence(power(ours, theirs, covered), RIVAL)


# --- twins ------------------------------------------------------------------


def test_twins_that_are_told_apart_are_false_alarms():
    equal, apart = case(first=1e6, second=1e6), case(first=1e6, second=1.1e6)
    said = trust.twins_sentence(record(*[equal] * 19, apart))
    assert "1 of 20, 5.00 %" in said and "within the 5.00 %" in said
    said = trust.twins_sentence(record(equal, apart))
    assert "1 of 2, 50.0 %" in said and "above the 5.00 %" in said


def test_unstable_twins_are_counted_apart_and_not_as_successes():
    equal, shaken = case(first=1e6, second=1e6), case(again=1.1, first=1e6, second=1e6)
    said = trust.twins_sentence(record(equal, equal, shaken))
    assert "0 of 2, 0 %" in said and "because unstable: 1 of 3" in said


def test_nothing_is_said_of_a_run_in_which_no_pair_was_stable():
    said = trust.twins_sentence(record(case(first=1e6, second=1e6, steal=0.5)))
    assert "All 1 pairs were unstable" in said and "says nothing" in said


@pytest.mark.parametrize(
    ("apart", "again", "phrases"),
    [
        (1.1, 1.005, ("20 of 20, 100 %", "more often than the 3.12 %")),
        (1.0, 1.0, ("agrees with the 3.12 %",)),
    ],
)
def test_intervals_between_equals_are_held_to_what_they_state(apart, again, phrases):
    made = case(again=again, first=1e6, second=apart * 1e6, jitter=0.002)
    said = trust.floor_sentence(record(*[made] * 20))
    assert all(phrase in said for phrase in phrases)


def test_intervals_that_never_exclude_one_agree_only_if_there_are_few():
    made = record(*[case(first=1e6, second=1e6, jitter=0)] * 200)
    assert "less often than the 3.12 %" in trust.floor_sentence(made)
    assert "Without the noise floor no more would have been" in trust.floor_sentence(made)


def test_twins_are_two():
    with pytest.raises(ValueError, match="twins are two kernels, this case has a, b, c"):
        trust.twin_counts(record(case(a=1e6, b=1e6, c=1e6)))


# --- a planted slow-down ----------------------------------------------------


def planted(truth=1 / 1.02, **description):
    return trust.planted_sentence(record(case(**description)).cases[0], "more", truth)


def test_a_planted_slow_down_that_was_found_is_said_to_be():
    said = planted(whole=1e6, more=1.02e6)
    assert said.startswith("The planted 2 % was found.")
    assert "holds the truth, 0.980×" in said


def test_a_ratio_that_misses_the_truth_is_said_to():
    assert "misses the truth" in planted(whole=1e6, more=1.1e6)


def test_a_slow_down_below_the_floor_is_said_not_to_be_found():
    said = planted(whole=1e6, more=1.02e6, jitter=0.2)
    assert "was not found" in said and "floor of ±" in said


def test_a_slow_down_taken_for_a_speed_up_is_said_to_be():
    assert "was taken for a speed-up" in planted(whole=1e6, more=0.9e6)


def test_an_unstable_run_does_not_look_for_it():
    said = planted(whole=1e6, more=1.02e6, steal=0.5)
    assert "could not be looked for: the hypervisor took" in said


@pytest.mark.parametrize(
    ("more", "elapsed_s", "phrase"),
    [
        (1.02e6, 6.0, "was resolved, and within the 15 s"),
        (1.02e6, 16.0, "was resolved, but not within 15 s"),
        (1.0e6, 6.0, "was not resolved, though within 15 s"),
        (1.0e6, 16.0, "was not resolved, and not within 15 s"),
    ],
)
def test_the_time_of_a_comparison_is_judged(more, elapsed_s, phrase):
    made = record(case(whole=1e6, more=more), elapsed_s=elapsed_s)
    assert phrase in trust.time_sentence(made, "more")


@pytest.mark.parametrize(("loop", "phrase"), [
    (99.9, "adds 99.9\N{NO-BREAK SPACE}ns to a sample, below the 100 ns"),
    (100.0, "adds 100\N{NO-BREAK SPACE}ns to a sample, not below the 100 ns"),
    (0.0, "adds nothing to a sample, below"),
])  # fmt: skip
def test_the_cost_of_the_loop_is_judged(loop, phrase):
    clock = {"resolution_ns": 1, "overhead_ns": 40, "loop_overhead_ns": loop}
    assert phrase in trust.overhead_sentence(record(case(whole=1e6), clock=clock))
