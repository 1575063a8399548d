"""Regret is what was paid over what the fastest takes, whatever the record says of it."""

import math

import pytest
import synthetic
from hypothesis import given, settings
from hypothesis import strategies as st

from accel.findings import dispatching
from accel.timing import words
from accel.timing.records import Record

BACKENDS = ("numpy", "numba", "numba-threads")
UNSTABLE = {"stable": False, "reasons": ["stolen time"]}


def case(numpy, numba, threads, auto, operation="gelu", stable=True, **parameters):
    """One call: how long each takes, in ns."""
    times = {"numpy": numpy, "numba": numba, "numba-threads": threads, "auto": auto}
    made = synthetic.case(
        times, baseline="numpy", jitter=0.001, operation=operation, **(parameters or {"n": 64})
    )
    return made if stable else made | UNSTABLE


def record(*cases):
    return Record(synthetic.record("dispatch.regret", list(cases)))


GOOD = (
    case(4e4, 2e4, 8e4, 2.02e4, n=1000),
    case(4e6, 2e6, 1e6, 1.01e6, n=100_000),
)
BAD = (*GOOD, case(1e5, 2e5, 3e5, 2e5, operation="sum", n=7))


# ---------------------------------------------------------------------------
# Oracle and regret
# ---------------------------------------------------------------------------


def test_the_oracle_is_the_fastest_of_the_fixed_ones_only():
    only = record(case(3e4, 2e4, 4e4, 1e4)).cases[0]
    assert dispatching.oracle(only, BACKENDS) == "numba"
    assert dispatching.regret(only, "auto", BACKENDS).value == pytest.approx(0.5, rel=0.01)


def test_regret_of_the_oracle_is_one_and_of_others_their_time_over_it():
    only = record(case(3e4, 2e4, 4e4, 2.4e4)).cases[0]
    found = {
        each: dispatching.regret(only, each, BACKENDS).value for each in (*BACKENDS, "auto")
    }
    expected = {"numpy": 1.5, "numba": 1, "numba-threads": 2, "auto": 1.2}
    assert found == pytest.approx(expected, rel=0.01)


def test_winners_are_those_that_are_not_told_apart():
    close = record(case(2e4, 2e4, 9e4, 2e4)).cases[0]
    apart = record(case(4e4, 2e4, 9e4, 2e4)).cases[0]
    assert set(dispatching.winners(close, BACKENDS)) == {"numpy", "numba"}
    assert dispatching.winners(apart, BACKENDS) == ["numba"]
    assert dispatching.loses(apart, "numpy", BACKENDS)
    assert not dispatching.loses(close, "numpy", BACKENDS)
    assert not dispatching.loses(apart, "numba", BACKENDS)


@settings(max_examples=20)
@given(st.lists(st.floats(1.01, 50), min_size=1, max_size=5))
def test_the_mean_of_regrets_is_geometric(regrets):
    cases = [case(2e5, 1e5, 3e5, 1e5 * each, n=n) for n, each in enumerate(regrets)]
    found = dispatching.account(record(*cases), dispatching.always("auto"), BACKENDS)
    mean = math.exp(sum(map(math.log, regrets)) / len(regrets))
    assert found.mean.value == pytest.approx(mean, rel=0.01)
    assert found.mean.low <= found.mean.value <= found.mean.high
    assert found.worst.value == pytest.approx(max(regrets), rel=0.01)


def test_two_accounts_are_told_apart_only_where_all_processes_agree():
    def auto(time):
        whole = record(case(2e5, 1e5, 3e5, time))
        return dispatching.account(whole, dispatching.always("auto"), BACKENDS)

    assert auto(3e5).beside(auto(1e5)) == "more than"
    assert auto(1e5).beside(auto(3e5)) == "less than"
    assert auto(1e5).beside(auto(1e5)) == "not told apart from"


@pytest.mark.parametrize(
    ("time", "goals", "words"),
    [
        (1e5, (1.03, 1.25), "reached"),
        (1.1e5, (1.03, 1.25), "missed"),
        (1.3e5, (2, 1.25), "missed"),
        (1.3e5, (2, 1.3), "not told apart from what was measured"),
    ],
)
def test_goals_are_reached_only_with_the_whole_interval(time, goals, words):
    whole = record(case(2e5, 1e5, 3e5, time))
    found = dispatching.account(whole, dispatching.always("auto"), BACKENDS)
    assert found.against(*goals) == words


def test_an_account_has_mean_worst_place_and_losses():
    found = dispatching.account(record(*BAD), dispatching.always("auto"), BACKENDS)
    assert found.mean.value == pytest.approx((1.01 * 1.01 * 2) ** (1 / 3), rel=0.01)
    assert found.worst.value == pytest.approx(2, rel=0.01)
    assert found.at == f"sum at {words.unbroken('n = 7')}"
    assert (found.losses, found.cases) == (3, 3)


def test_unstable_cases_and_short_calls_are_left_out():
    shaken = record(*GOOD, case(1e5, 2e5, 3e5, 2e5, stable=False))
    assert dispatching.account(shaken, dispatching.always("auto"), BACKENDS).cases == 2
    long = dispatching.account(shaken, dispatching.always("auto"), BACKENDS, 1e5)
    assert (long.cases, long.at) == (1, dispatching.place(shaken.cases[1]))
    nothing = record(case(1e5, 2e5, 3e5, 2e5, stable=False))
    assert dispatching.account(nothing, dispatching.always("auto"), BACKENDS) is None


def test_somebody_who_predicts_pays_what_was_measured():
    wrong = dispatching.predicting(lambda case: {"numpy": 1, "numba": 2, "numba-threads": 3})
    right = dispatching.predicting(
        lambda case: {name: case.time_ns(name).value for name in BACKENDS}
    )
    whole = record(*GOOD)
    assert dispatching.account(whole, right, BACKENDS).mean.value == 1
    paid = dispatching.account(whole, wrong, BACKENDS)
    assert paid.mean.value == pytest.approx(math.sqrt(2 * 4), rel=0.01)


# ---------------------------------------------------------------------------
# In words
# ---------------------------------------------------------------------------


def test_a_place_names_the_operation_and_its_sizes():
    only = record(case(1e4, 1e4, 1e4, 1e4, operation="max_pool2d", side=1024, dtype="f4")).cases[0]
    assert dispatching.place(only).replace(words.NO_BREAK, " ") == "max pool2d at side = 1,024"


def test_the_word_optimal_is_used_only_where_nothing_faster_is_resolved():
    good = record(case(4e4, 2e4, 8e4, 2e4), case(4e6, 2e6, 1e6, 1e6, n=9))
    told = dispatching.regret_sentence(good, "auto", BACKENDS)
    assert told.startswith("In none of 2 calls") and "as near to optimal" in told
    told = dispatching.regret_sentence(record(*BAD), "auto", BACKENDS)
    assert told.startswith("`auto` is not optimal: in 3 of 3 calls")


@pytest.mark.parametrize(
    ("auto", "words"),
    [(2.02e4, "1.25 is reached"), (2.2e4, "1.25 is missed"), (3e4, "1.25 is missed")],
)
def test_the_goal_is_held_against_long_calls(auto, words):
    told = dispatching.regret_sentence(record(case(4e4, 2e4, 8e4, auto)), "auto", BACKENDS)
    assert words in told
    short = dispatching.regret_sentence(record(case(400, 200, 800, auto)), "auto", BACKENDS)
    assert "No call that can be judged takes 10.0" in short


def test_nothing_is_judged_where_all_is_unstable():
    shaken = record(case(4e4, 2e4, 8e4, 2e4, stable=False))
    for told in (
        dispatching.regret_sentence(shaken, "auto", BACKENDS),
        dispatching.fixed_sentence(shaken, "auto", BACKENDS),
        dispatching.numpy_sentence(shaken, "auto"),
        dispatching.map_sentence(shaken, BACKENDS),
        dispatching.elsewhere_sentence(shaken, dispatching.always("numba"), {}, BACKENDS),
    ):
        assert "stolen time" in told and "judged" in told
    rows = dispatching.regret_table(shaken, {"a": dispatching.always("numpy")}, BACKENDS, "c").rows
    assert rows == [["a", "–", "–", "–", "–"]]


@pytest.mark.parametrize(
    ("auto", "words"),
    [(1e6, "more than the"), (2e6, "not told apart from the"), (9e6, "less than the")],
)
def test_the_best_fixed_backend_is_weighed_against_choosing(auto, words):
    two = record(case(4e4, 2e4, 8e4, 2e4), case(4e6, 2e6, 1e6, auto, n=9))
    told = dispatching.fixed_sentence(two, "auto", BACKENDS)
    assert "does best with `numba`" in told and f"in the mean, {words} " in told
    assert told.endswith("n\N{NO-BREAK SPACE}=\N{NO-BREAK SPACE}9.")


def test_losses_to_numpy_are_told_one_by_one():
    fine = dispatching.numpy_sentence(record(*GOOD), "auto")
    assert "in none of 2 calls" in fine
    lost = dispatching.numpy_sentence(record(*BAD), "auto")
    assert "in 1 of 3 calls, 1 of them more than 1.05" in lost and "2.00×" in lost
    slight = record(case(1e5, 2e5, 3e5, 1.03e5))
    assert "all within 1.05" in dispatching.numpy_sentence(slight, "auto")


def test_one_backend_for_all_sizes_is_told_from_none():
    mixed = dispatching.map_sentence(record(*GOOD), BACKENDS)
    assert mixed == "No backend is among the fastest at every size of `gelu`."
    same = dispatching.map_sentence(record(GOOD[0]), BACKENDS)
    assert same == "One would do at every size measured: `numba` for `gelu`."
    both = dispatching.map_sentence(record(*BAD), BACKENDS)
    assert "of `gelu`. One would" in both and both.endswith("`numpy` for `sum`.")


def test_another_machines_times_are_told_where_they_cost_more():
    whole = record(*GOOD)
    oracle = dispatching.predicting(
        lambda case: {name: case.time_ns(name).value for name in BACKENDS}
    )
    others = {"narrow": dispatching.always("numpy"), "same": oracle}
    told = dispatching.elsewhere_sentence(whole, oracle, others, BACKENDS)
    assert "cost 1.00× (1.00–1.00×) the oracle's time" in told
    assert "narrow: 2.83× and 4" in told
    assert told.endswith("By 1 of 2 they are not resolved to have cost more.")
    told = dispatching.elsewhere_sentence(whole, oracle, {"same": oracle}, BACKENDS)
    assert told.endswith("By none of the other machines' are they resolved to have cost more.")


def test_the_table_has_a_row_for_each_way_to_choose():
    choosers = {name: dispatching.always(name) for name in (*BACKENDS, "auto")}
    rows = dispatching.regret_table(record(*GOOD), choosers, BACKENDS, "caption").rows
    assert [row[0] for row in rows] == list(choosers)
    assert rows[0][1].startswith("2.83× (") and rows[0][4] == "2 of 2" and rows[1][4] == "1 of 2"
