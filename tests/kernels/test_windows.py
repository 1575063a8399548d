"""Window sums: exact on whole numbers, counted, and honest about their digits."""

from importlib import import_module

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from accel.agreement import difference
from accel.kernels import accuracy, check, kernel, ladder, operation, windows

STEPS = [pytest.param(step, id=step.name) for step in ladder("window_sum")]
LANES = 16


class Counted:
    """A number that counts the additions and subtractions done with any of its kind."""

    done = 0

    def __init__(self, value):
        self.value = value

    def __add__(self, other):
        Counted.done += 1
        return Counted(self.value + other.value)

    def __sub__(self, other):
        Counted.done += 1
        return Counted(self.value - other.value)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("step", STEPS)
def test_every_step_is_right_on_every_edge_case(step, dtype):
    assert check(step.function, "window_sum", dtype=dtype) == []


@pytest.mark.parametrize("step", STEPS)
def test_every_step_can_be_imported_by_its_target(step):
    module, _, name = step.target.partition(":")
    assert getattr(import_module(module), name) is step.function


@pytest.mark.parametrize("step", STEPS)
@given(values=st.lists(st.integers(-1000, 1000), max_size=5 * LANES), width=st.integers(1, 90))
def test_whole_numbers_are_summed_exactly(step, values, width):
    x = np.array(values, "float32")
    out = np.full(windows.windows_in(x.size, width), np.nan, "float32")
    step.function(x, width, out)
    expected = [sum(values[i : i + width]) for i in range(len(values) - width + 1)]
    np.testing.assert_array_equal(out, np.array(expected, "float32"))


@pytest.mark.parametrize("width", [1, 2, 3, 7, 8, 13, 30])
@pytest.mark.parametrize("name", ["direct", "cumulative", "running", "doubling"])
def test_work_is_what_the_step_does(name, width, monkeypatch):
    monkeypatch.setattr(Counted, "done", 0)
    function = kernel("window_sum", name).function
    x = np.array([Counted(i) for i in range(30)])
    out = np.empty(31 - width, object)
    getattr(function, "py_func", function)(x, width, out)
    assert [total.value for total in out] == [sum(range(i, i + width)) for i in range(31 - width)]
    assert Counted.done == windows.work(name, n=30, width=width)


@pytest.mark.parametrize("step", STEPS)
def test_no_window_is_no_work(step):
    assert windows.work(step.name, n=3, width=4) == 0
    assert operation("window_sum").flops(n=3, width=4) == 0
    assert operation("window_sum").compulsory_bytes(n=3, width=4) == 0


def test_work_of_an_unknown_step_is_refused():
    with pytest.raises(ValueError, match="window_sum has no step 'fft'"):
        windows.work("fft", n=8, width=2)


@pytest.mark.parametrize("wrong", [{"width": 0}, {"width": 4}, {"size": 5}, {"size": 7}])
@pytest.mark.parametrize("step", STEPS)
def test_arrays_that_do_not_fit_are_refused(step, wrong):
    out = np.empty(wrong.get("size", 6), "float32")
    with pytest.raises(ValueError, match=r"^window_sum.*(out|width)"):
        step.function(np.ones(8, "float32"), wrong.get("width", 3), out)


@pytest.mark.parametrize("name", ["sliding_view", "cumulative", "cumulative_wide", "doubling"])
def test_arrays_of_another_dimension_are_refused(name):
    with pytest.raises(ValueError, match=r"expected x to be an array of one dimension, got \(2, 4"):
        kernel("window_sum", name).function(np.ones((2, 4)), 2, np.ones(7))


@pytest.mark.parametrize("size", [1, LANES - 1, 4 * LANES, 4 * LANES + 1, 5 * LANES + 3])
def test_vector_step_writes_nothing_beyond_its_end(size):
    host = np.full(size + 2 * LANES, 7.0, "float32")
    windows.vector(np.ones(size + 2, "float32"), 3, host[LANES : LANES + size])
    np.testing.assert_array_equal(host[:LANES], 7.0)
    np.testing.assert_array_equal(host[LANES : LANES + size], 3.0)
    np.testing.assert_array_equal(host[LANES + size :], 7.0)


def test_a_nan_stays_in_its_windows_by_the_definition_and_runs_on_through_a_running_sum():
    x = np.ones(40, "float32")
    x[10] = np.nan
    lost = {}
    for name in ("direct", "vector", "doubling", "running", "cumulative"):
        out = np.empty(37, "float32")
        kernel("window_sum", name).function(x, 4, out)
        lost[name] = int(np.isnan(out).sum())
    assert lost == {"direct": 4, "vector": 4, "doubling": 4, "running": 30, "cumulative": 30}


def test_prefix_sums_lose_digits_by_cancellation_and_float64_buys_them_back():
    steps = ["vector", "cumulative", "cumulative_wide", "doubling"]
    right = accuracy.right_digits("window_sum", steps, n=20_000, width=64, offset=1.0)
    assert right["cumulative"] < right["vector"] - 1
    assert right["cumulative_wide"] > right["vector"]
    assert right["doubling"] > right["cumulative"] + 1


@pytest.mark.parametrize("offset", [0.0, 1.0, 100.0])
@pytest.mark.parametrize("step", STEPS)
def test_tolerance_covers_the_growth_of_errors_over_long_arrays(step, offset):
    x, width, out = operation("window_sum").inputs(n=20_000, width=60, offset=offset)
    step.function(x, width, out)
    assert difference(out, *operation("window_sum").oracle(x, width, out)) is None


def test_tolerance_notices_one_number_left_out():
    x, width, out = operation("window_sum").inputs(n=1000, width=63)
    windows.direct(x, width, out)
    out[500] -= x[500]
    assert difference(out, *operation("window_sum").oracle(x, width, out)) is not None
