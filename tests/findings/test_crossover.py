"""Crossovers: whatever the data say, and nothing that they do not."""

import copy

import pytest
import synthetic
from hypothesis import given
from hypothesis import strategies as st

from accel.findings import crossover
from accel.findings.crossover import Crossover, Point
from accel.timing.records import Record, summarise
from accel.timing.stats import Interval

RATIOS = {"faster": 2.0, "slower": 0.5, "not resolved": 1.0, "unstable": 3.0}


def case(size, ratio, steal=0.0, along="n", **parameters):
    """One case without noise, in which the baseline is `ratio` times as slow as `new`."""
    times = {"new": 1e6 / ratio, "old": 1e6}
    raw = synthetic.case(times, jitter=0, flops=1000, **{along: size}, **parameters)
    return summarise(copy.deepcopy(raw), steal)


def record(*cases):
    return Record(synthetic.record("page.test", list(cases)))


def sequence(*verdicts):
    """A crossover of these verdicts at sizes 1, 10, 100, ..."""
    points = [
        Point(10**place, Interval(RATIOS[v], RATIOS[v] / 1.1, RATIOS[v] * 1.1, 0.97), v)
        for place, v in enumerate(verdicts)
    ]
    return Crossover("new", "old", "n", tuple(points))


def changes(found):
    return [(c.before.size, c.after.size, c.gains) for c in found.crossings]


def words(found):
    return crossover.sentence(found).replace("\N{NO-BREAK SPACE}", " ")


def test_a_crossover_lies_between_the_last_loss_and_the_first_gain():
    found = crossover.find(record(case(4, 0.25), case(16, 0.8), case(64, 2.0)), "new", "old")
    assert changes(found) == [(16, 64, True)]
    assert words(found) == (
        "`new` overtakes `old` between n = 16, where it has 0.800× (0.800–0.800×) the speed, "
        "and n = 64, where it has 2.00× (2.00–2.00×)."
    )


def test_sizes_that_are_not_resolved_widen_it_and_are_named():
    found = sequence("slower", "not resolved", "not resolved", "faster")
    assert changes(found) == [(1, 1000, True)]
    assert words(found).endswith(" Not resolved at n = 10 and 100.")


def test_unstable_sizes_widen_it_too_and_are_named():
    found = sequence("slower", "unstable", "faster", "faster")
    assert changes(found) == [(1, 100, True)]
    assert words(found).endswith(" Unstable, and not used: n = 10.")


def test_the_contrary_data_say_the_contrary():
    found = crossover.find(record(case(4, 3.0), case(64, 0.5)), "new", "old")
    assert changes(found) == [(4, 64, False)]
    assert words(found).startswith("`new` falls behind `old` between n = 4, where it has 3.00×")


def test_no_crossover_is_told_as_far_as_it_was_looked_for():
    assert words(sequence("slower", "slower", "not resolved")) == (
        "`new` never overtakes `old` where it was measured: it is slower at n = 1 and 10, with "
        "0.500× the speed. Not resolved at n = 100."
    )
    assert words(sequence("faster", "faster", "faster")) == (
        "`new` never falls behind `old` where it was measured: it is faster at n = 1, 10 and "
        "100, with 2.00× the speed."
    )


def test_the_range_of_speeds_is_told_where_they_differ():
    found = crossover.find(record(case(4, 0.25), case(16, 0.5)), "new", "old")
    assert "with 0.250–0.500× the speed" in words(found)


def test_nothing_resolved_is_nothing_said():
    assert words(sequence("not resolved", "unstable")) == (
        "`new` against `old` is resolved at no size measured, n = 1 and 10: nothing can be said "
        "about a crossover."
    )
    assert words(sequence("unstable")) == (
        "`new` against `old` is resolved at no size measured, n = 1, the runs were unstable: "
        "nothing can be said about a crossover."
    )


def test_several_crossings_are_told_one_by_one():
    found = sequence("slower", "faster", "not resolved", "slower", "faster")
    assert changes(found) == [(1, 10, True), (10, 1000, False), (1000, 10_000, True)]
    told = words(found)
    assert told.startswith("`new` and `old` change order 3 times: `new` overtakes between n = 1,")
    assert "2.00× (1.82–2.20×), falls behind between n = 10," in told
    assert "(0.455–0.550×) and overtakes" not in told.split(":")[0]
    assert told.endswith("Not resolved at n = 100.")


@given(verdicts=st.lists(st.sampled_from(list(RATIOS)), min_size=1, max_size=8))
def test_crossings_have_measured_ends_and_nothing_resolved_inside(verdicts):
    found = sequence(*verdicts)
    known = [point.size for point in found.resolved]
    for crossing in found.crossings:
        assert not any(crossing.before.size < size < crossing.after.size for size in known)
        assert {crossing.before.verdict, crossing.after.verdict} == {"faster", "slower"}
        assert crossing.gains == (crossing.after.verdict == "faster")
    flips = sum(
        a.verdict != b.verdict for a, b in zip(found.resolved, found.resolved[1:], strict=False)
    )
    assert len(found.crossings) == flips
    assert crossover.sentence(found).endswith(".")


def test_cases_in_any_order_are_sorted_by_size():
    found = crossover.find(record(case(64, 2.0), case(4, 0.5), case(16, 1.5)), "new", "old")
    assert [point.size for point in found.points] == [4, 16, 64]


def test_cases_without_one_of_the_two_are_left_out():
    alone = synthetic.case({"old": 1e6}, n=1)
    found = crossover.find(record(alone, case(4, 2.0)), "new", "old")
    assert [point.size for point in found.points] == [4]


def test_other_parameters_choose_the_cases_and_another_name_the_size():
    mixed = record(case(4, 0.5, 0.0, "taps", shape="a"), case(4, 2.0, 0.0, "taps", shape="b"))
    found = crossover.find(mixed, "new", "old", along="taps", shape="b")
    assert [point.verdict for point in found.points] == ["faster"]
    with pytest.raises(ValueError, match="two cases have taps = 4; say in where="):
        crossover.find(mixed, "new", "old", along="taps")


@pytest.mark.parametrize(
    ("kernel", "along", "where"),
    [("newest", "n", {}), ("new", "taps", {}), ("new", "n", {"shape": "round"})],
)
def test_what_was_not_measured_is_refused_with_what_was(kernel, along, where):
    with pytest.raises(ValueError, match="page.test: no case has .* its kernels are new, old"):
        crossover.find(record(case(4, 2.0)), kernel, "old", along, **where)


def test_verdicts_are_those_of_the_record_disturbed_runs_included():
    found = crossover.find(record(case(4, 0.5), case(64, 2.0, steal=0.5)), "new", "old")
    assert [point.verdict for point in found.points] == ["slower", "unstable"]
    assert found.crossings == []


def test_gains_are_sorted_by_what_the_interval_allows():
    found = crossover.find(
        record(case(1, 0.5), case(4, 1.5), case(8, 2.0), case(16, 5.0), case(32, 9.0)), "new", "old"
    )
    told = crossover.gain_sentence(found, 2).replace("\N{NO-BREAK SPACE}", " ")
    assert told == (
        "The speed of `new` over that of `old` is more than 2× at n = 16 and 32; less than 2× at "
        "n = 1 and 4; not told apart from 2× at n = 8."
    )


def test_gains_of_nothing_resolved_are_not_told():
    told = crossover.gain_sentence(sequence("unstable", "not resolved"), 2)
    assert told == "`new` over `old` is resolved at no size."
