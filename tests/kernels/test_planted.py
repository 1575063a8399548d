"""Planted effects are what they say they are; twins are equal, and right."""

import numpy as np
import pytest

from accel.agreement import difference
from accel.kernels import check, kernel, operation, planted, twins
from accel.timing import Case
from accel.timing.isolate import resolve

STEPS = ("whole", "two_percent_more", "three_percent_more", "planted", "imitated", "first")


@pytest.mark.parametrize("step", STEPS)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_a_planted_kernel_computes_what_the_others_do(step, dtype):
    assert check(kernel("saxpy", step).function, "saxpy", dtype=dtype) == []


@pytest.mark.parametrize(
    ("step", "share"), [("whole", 1.0), ("two_percent_more", 1.02), ("three_percent_more", 1.03)]
)
def test_the_slow_down_is_more_of_the_same_work(step, share, monkeypatch):
    calls = []
    monkeypatch.setattr(planted, "saxpy_numpy_out", lambda *arguments: calls.append(arguments))
    kernel("saxpy", step).function(*operation("saxpy").inputs(n=1))
    assert len(calls) == round(share * planted.WHOLE)


def test_there_are_two_hundred_different_pairs():
    cases = twins.cases()
    assert len(cases) >= 200
    assert len({(case["operation"], case["parameters"]["length"]) for case in cases}) == len(cases)


def test_twins_are_one_function_on_the_same_arrays():
    for described in twins.cases():
        case = Case(**described)
        assert list(case.kernels) == ["first", "second"]
        assert case.kernels["first"] == case.kernels["second"]


@pytest.mark.parametrize("function", twins.LENGTHS, ids=lambda function: function.__name__)
@pytest.mark.parametrize("length", [0, 1, 7, 127, 128, 129, 4000])
def test_what_a_twin_computes_is_right(function, length):
    arguments = twins.inputs(function.__name__, length)
    expected, tolerance = twins.oracle(*arguments)
    function(*arguments)
    assert difference(arguments[-1], expected, tolerance) is None


@pytest.mark.parametrize("function", twins.LENGTHS, ids=lambda function: function.__name__)
def test_a_twin_that_leaves_an_element_out_is_noticed(function):
    *arguments, out = twins.inputs(function.__name__, 129)
    expected, tolerance = twins.oracle(*arguments, out)
    function(*arguments, out)
    out[64] = np.nan
    assert difference(out, expected, tolerance)


def test_a_worker_finds_the_twins_by_name():
    described = twins.cases()[0]
    assert resolve(described["kernels"]["first"]["target"]) is twins.add
    assert resolve(described["inputs"]) is twins.inputs
