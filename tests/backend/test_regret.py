"""Regret: the arithmetic on invented times, and sizes that no calibration has seen."""

import math

import pytest

from accel.backend import calibrate, dispatch, race
from accel.backend.profile import Curve, Profile
from accel.backend.regret import Row, regret, summary, unseen
from accel.kernels import registry


@pytest.fixture
def numpy_is_said_to_be_fastest():
    """A profile by which NumPy wins below 4 KiB, and one core above."""
    numpy = Curve((1.0, 4096.0, 4e6), (100.0, 1000.0, 1e7))
    numba = Curve((1.0, 4096.0, 4e6), (500.0, 1000.0, 1e6))
    curves = {("relu", "float32"): {"numpy": numpy, "numba": numba}}
    dispatch.adopt(Profile("here", "", curves))
    yield
    dispatch.adopt()


def timed(times):
    def run(functions, arguments):
        found = times(arguments[0].nbytes)
        return race.Result({name: found[name] for name in functions if name in found}, {}, {})

    return run


def row(ns, chosen="numba"):
    return Row("relu", "float32", {"n": 8}, 64.0, ns, chosen)


def test_who_is_chosen_is_compared_with_the_fastest(numpy_is_said_to_be_fastest):
    times = timed(lambda nbytes: {"numpy": 200.0, "numba": 250.0, "numba-threads": 300.0})
    small, large = regret("relu", "float32", [{"n": 16}, {"n": 100_000}], timed=times)
    assert (small.chosen, small.regret, small.beside_numpy) == ("numpy", 1.0, 1.0)
    assert (large.chosen, large.regret, large.beside_numpy) == ("numba", 1.25, 1.25)
    assert small.work == 2 * 16 * 4
    assert large.parameters == {"n": 100_000}


@pytest.mark.parametrize(
    ("later", "regret_then", "rounds"),
    [
        ({"numpy": 230.0, "numba": 240.0}, 230 / 200, 2),
        ({"numpy": 900.0, "numba": 180.0}, 300 / 180, 3),
    ],
)
def test_a_call_with_much_regret_is_timed_again_and_the_least_times_count(
    numpy_is_said_to_be_fastest, later, regret_then, rounds
):
    """A disturbance passes; a bad choice stays one, whatever disturbs the others."""
    given = [{"numpy": 300.0, "numba": 200.0}, later, later, later]

    def times(runners, arguments):
        times.rounds += 1
        return race.Result(given[times.rounds - 1], {}, {})

    times.rounds = 0
    (found,) = regret("relu", "float32", [{"n": 16}], backends=("numpy", "numba"), timed=times)
    assert found.regret == pytest.approx(regret_then)
    assert times.rounds == rounds


def test_only_the_backends_asked_for_are_timed(numpy_is_said_to_be_fastest):
    times = timed(lambda nbytes: {"numpy": 200.0, "numba": 100.0})
    (found,) = regret("relu", "float32", [{"n": 16}], backends=("numpy",), timed=times)
    assert found.ns == {"numpy": 200.0}
    assert found.regret == 1.0


def test_calls_without_work_are_left_out(numpy_is_said_to_be_fastest):
    times = timed(lambda nbytes: {"numpy": 1.0})
    assert regret("relu", "float32", [{"n": 0}], timed=times) == []


def test_what_is_timed_is_the_call_itself(numpy_is_said_to_be_fastest):
    """Real kernels, one sample each."""
    effort = race.Effort(sample_ns=1000, budget_ns=1, rounds=1, least_rounds=1)
    (found,) = regret(
        "relu", "float32", [{"n": 1000}], timed=lambda *given: race.run(*given, effort=effort)
    )
    assert set(found.ns) == {"numpy", "numba", "numba-threads"}
    assert found.regret >= 1


def test_progress_is_told(numpy_is_said_to_be_fastest):
    told = []
    times = timed(lambda nbytes: {"numpy": 1.0})
    regret("relu", "float32", [{"n": 0}, {"n": 9}], timed=times, told=told.append)
    assert told == [1, 2]


def test_no_sizes_are_refused():
    with pytest.raises(ValueError, match="needs sizes"):
        regret("relu", "float32", [])


def test_an_unknown_operation_is_refused_with_those_there_are():
    with pytest.raises(KeyError, match="no operation 'matmull'; there are .*matmul"):
        regret("matmull", "float32", [{"n": 1}])


def test_an_operation_without_sizes_is_refused():
    with pytest.raises(ValueError, match="window_sum does not say"):
        unseen("window_sum")


@pytest.mark.parametrize("operation", calibrate.calibrated_operations())
def test_forty_sizes_of_each_operation_were_not_calibrated(operation):
    op = registry.operation(operation)
    seen = [op.sizes(size) for size in calibrate.WORKING_SETS]
    sizes = unseen(operation)
    assert len([each for each in sizes if each not in seen]) >= 40


def test_a_summary_is_of_all_but_short_calls():
    rows = [row({"numpy": 1000.0, "numba": 4000.0}), row({"numpy": 50_000.0, "numba": 55_000.0})]
    found = summary(rows)
    assert found.geometric_mean == pytest.approx(math.sqrt(4 * 1.1))
    assert found.worst == pytest.approx(1.1)
    assert found.beside_numpy == pytest.approx(4)


def test_where_numpy_computes_nothing_it_is_not_compared():
    found = summary([row({"numba": 50_000.0})])
    assert math.isnan(found.beside_numpy)
    assert found.worst == 1.0


def test_a_summary_of_nothing_is_refused():
    with pytest.raises(ValueError, match="needs rows"):
        summary([])
