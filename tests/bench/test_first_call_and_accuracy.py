"""First calls and errors, told by processes of their own."""

import numpy as np
import pytest

from accel.bench import accuracy, first_call, planning
from accel.bench.accuracy import errors, judge
from accel.bench.peers import card
from accel.bench.planning import Task

RELU = Task("relu", "float32", 1)


def test_the_first_call_is_told_cold_and_warm():
    found = first_call.of(RELU, "quick")
    assert {name: found[name] for name in ("operation", "dtype", "threads")} == {
        "operation": "relu", "dtype": "float32", "threads": 1,
    }  # fmt: skip
    assert min(found["cold_ns"], found["warm_ns"], found["numba_ns"]) > 0


def test_a_first_call_that_fails_has_a_reason():
    found = first_call.of(Task("none such", "float32", 1), "quick")
    assert "no operation" in found["reason"] and "warm_ns" not in found


def test_a_first_call_is_family_and_call_without_the_inputs():
    ticks = iter([0, 100, 107, 1000, 1011])
    found = first_call.take(["relu", "float32", "1"], clock=lambda: next(ticks))
    assert found == {"numba_ns": 100, "start_ns": 7 + 11}


def test_errors_count_units_in_the_last_place():
    right = np.array([1.0, -2.0, 1024.0])
    got = right.astype(np.float32)
    got[1] = np.nextafter(np.float32(-2), np.float32(-3))
    ulp, relative, square = errors(got, right, [0.0, 2.0**-21, 1.0], "float32")
    assert (ulp, relative) == (1.0, 2.0**-22 / 1024)
    assert square == pytest.approx(0.25 / 3)


def test_where_nothing_is_allowed_an_error_is_counted_in_units():
    got = np.array([1.0 + 2.0**-22], np.float32)
    assert errors(got, np.array([1.0]), 0.0, "float32")[2] == 4.0


@pytest.mark.parametrize(
    ("got", "right", "finite"),
    [
        ([np.nan, 1.0], [np.nan, 1.0], True),
        ([np.inf, 1.0], [np.inf, 1.0], True),
        ([-np.inf, 1.0], [np.inf, 1.0], False),
        ([1.0, 1.0], [np.nan, 1.0], False),
        ([np.nan, 1.0], [1.0, 1.0], False),
        ([np.nan], [np.nan], True),
    ],
)
def test_infinities_and_nan_must_be_where_they_belong(got, right, finite):
    found = errors(np.array(got, np.float32), np.array(right), 1.0, "float32")
    assert found == ((0.0,) * 3 if finite else (np.inf,) * 3)


def test_whole_numbers_differ_by_themselves():
    assert errors(np.array([3, 5]), np.array([3, 4]), 0, "float32") == (1.0, 0.25, 0.5)
    assert errors(np.array([0]), np.array([0]), 0, "int64") == (0.0, 0.0, 0.0)


def test_another_shape_is_no_answer():
    with pytest.raises(ValueError, match="shape"):
        errors(np.ones(2), np.ones(3), 0, "float32")


def item(operation, adapt, parameters):
    rival = {"target": "accel.bench.peers.calling:call", "adapt": adapt}
    return {
        "operation": operation,
        "dtype": "float32",
        "cases": [{"parameters": parameters, "mutates": [], "kernels": {"Fake": rival}}],
    }


def test_a_rival_is_judged_over_its_cases():
    (row,) = judge(item("relu", "fake_peer:relu", {"n": 7, "dtype": "float32"}))
    assert row == {"operation": "relu", "dtype": "float32", "competitor": "Fake", "cases": 1,
                   "ulp": 0.0, "relative": 0.0, "typical": 0.0}  # fmt: skip


def test_a_rival_that_raises_has_a_reason():
    (row,) = judge(item("relu", "fake_peer:momentum", {"n": 7, "dtype": "float32"}))
    assert row["competitor"] == "Fake" and row["reason"].startswith("raised TypeError")


def test_everybody_is_judged_on_the_same_inputs(monkeypatch):
    monkeypatch.setattr(planning, "working_sets", lambda facts: [4096])
    cards = [card.here("NumPy")]
    rows = accuracy.of([Task("gelu", "float32", 1)], cards, "quick")
    assert {row["competitor"] for row in rows} == {"accel", "NumPy"}
    assert len({row["cases"] for row in rows}) == 1
    assert all(row["ulp"] > 0 and row["relative"] < 1e-5 for row in rows)


def test_a_process_that_fails_has_a_reason(monkeypatch):
    cards = [{**card.here("NumPy"), "operations": {}}]
    monkeypatch.setattr(accuracy, "_plain", lambda *arguments: [{"parameters": {}, "kernels": {}}])
    (row,) = accuracy.of([RELU], cards, "quick")
    assert "reason" in row
