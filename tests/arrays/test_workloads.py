"""Code that knows nothing of backends is right through each of them, and can be measured."""

import json
import os
import subprocess
import sys

import numpy as np
import pytest

from accel.agreement import difference
from accel.arrays import workloads
from accel.backend import BackendError, dispatch
from accel.kernels import case, ladder, operation
from accel.kernels.registry import check
from accel.timing import Case
from accel.timing.isolate import resolve

CODE = ("mlp", "cnn_block", "plain_attention", "plain_adam")
STEPS = [(name, step) for name in CODE for step in ("plain", *workloads.POLICIES)]


@pytest.mark.parametrize(
    ("name", "step", "dtype"),
    [
        *((name, step, "float32") for name, step in STEPS),
        *((name, "plain", "float64") for name in CODE),
        *(
            pytest.param(name, step, "float64", marks=pytest.mark.thorough)
            for name, step in STEPS
            if step != "plain"
        ),
    ],
)
def test_code_is_right_at_the_edges_through_each_policy(name, step, dtype):
    (entry,) = [each for each in ladder(name) if each.name == step]
    assert check(entry.function, name, dtype=dtype, adapt=entry.adapt) == []


@pytest.mark.parametrize("name", CODE)
def test_every_piece_of_code_has_a_step_for_plain_arrays_and_one_for_each_policy(name):
    assert [each.name for each in ladder(name)] == ["plain", *workloads.POLICIES]
    assert [bool(each.adapt) for each in ladder(name)] == [False] + [True] * 4


SPOILT = {
    "mlp": lambda x, w1, b1, w2, b2, out: (x, w1, b1, w2 * 1.001, b2, out),
    "cnn_block": lambda x, weight, bias, out: (x, weight * 1.001, bias, out),
}


@pytest.mark.parametrize("name", SPOILT)
def test_an_answer_that_is_off_by_a_thousandth_is_noticed(name):
    parameters = operation(name).edges[-1]
    arguments = operation(name).inputs(**parameters)
    expected, tolerance = operation(name).oracle(*arguments)
    (plain, *_) = ladder(name)
    plain.function(*arguments)
    assert difference(arguments[-1], expected, tolerance) is None
    wrong = SPOILT[name](*arguments)
    plain.function(*wrong)
    assert difference(wrong[-1], expected, tolerance) is not None


def test_a_step_of_adam_moves_its_means_too():
    arguments = operation("plain_adam").inputs(n=33)
    before = [arguments[place].copy() for place in (1, 2, 8)]
    ladder("plain_adam")[0].function(*arguments)
    assert all((arguments[at] != old).any() for at, old in zip((1, 2, 8), before, strict=True))
    beta1, gradient = arguments[5], arguments[0]
    moved = beta1 * before[0] + (1 - beta1) * gradient
    np.testing.assert_allclose(arguments[1], moved, rtol=1e-5, atol=1e-6)


def test_the_least_call_is_right_with_plain_and_with_wrapped_arrays():
    for adapt in (None, workloads.wrapped):
        assert check(workloads.maximum, "larger", adapt=adapt) == []


def test_wrapping_leaves_numbers_alone_and_keeps_the_memory_of_arrays():
    x = np.arange(4.0)
    wrapped, number = workloads.wrapped(x, 3)
    assert number == 3 and np.shares_memory(wrapped, x)


@pytest.mark.parametrize("name", CODE)
def test_targets_are_found_again_by_a_fresh_process(name):
    described = case(name, ["plain", *workloads.POLICIES], **operation(name).edges[0])
    for kernel in described["kernels"].values():
        assert callable(resolve(kernel["target"]))
    Case(**json.loads(json.dumps(described)), baseline="plain")


def test_a_policy_is_in_force_while_the_code_runs_and_not_afterwards(monkeypatch):
    seen = []
    kernel = workloads._under("numpy", lambda *a: seen.append(dispatch.policy().name))
    kernel()
    assert seen == ["numpy"] and dispatch.policy().name != "numpy"


# ---------------------------------------------------------------------------
# One operation, run by each backend
# ---------------------------------------------------------------------------


@pytest.mark.parametrize(("name", "sizes"), [("gelu", {"n": 33}), ("matmul", {"n": 17})])
def test_every_competitor_of_a_contest_answers_right(name, sizes):
    described = workloads.contest(name, dtype="float32", **sizes)
    assert list(described["kernels"]) == list(workloads.POLICIES)
    for kernel in described["kernels"].values():
        arguments = operation(name).inputs(dtype="float32", **sizes)
        expected, tolerance = operation(name).oracle(*arguments)
        resolve(kernel["target"])(*arguments)
        assert difference(arguments[-1], expected, tolerance) is None
    Case(**described, baseline="numpy")


def test_who_was_chosen_and_by_which_profile_is_in_the_story():
    story = workloads.contest("gelu", n=33, dtype="float32")["kernels"]["auto"]["story"]
    chosen = workloads.chosen("gelu", n=33, dtype="float32")
    assert story == f"chooses {chosen} by {workloads.profile_words()}"
    assert os.sep not in story


def test_another_choice_makes_another_story(monkeypatch):
    first = workloads.contest("gelu", n=33, dtype="float32")["kernels"]["auto"]["story"]
    with dispatch.use("numpy"):
        other = workloads.contest("gelu", n=33, dtype="float32")["kernels"]["auto"]["story"]
    assert other.startswith("chooses numpy") and (first == other) == ("chooses numpy" in first)


def test_a_backend_that_cannot_run_a_call_is_refused_with_its_reason():
    with pytest.raises(BackendError, match="cannot be run by numba: "):
        workloads.contest("matmul", ("numba",), n=8, dtype="float16")


@pytest.mark.parametrize(
    "name", ["gelu", "numba__gelu", "cuda_of_nobody__gelu__float32", "__path__", "a__b__c"]
)
def test_other_names_are_no_attributes(name):
    assert not hasattr(workloads, name)


def test_work_grows_with_size():
    assert workloads.work("matmul", n=8) < workloads.work("matmul", n=16)


def test_importing_the_code_loads_nothing_that_draws():
    program = "import sys, accel.arrays.workloads; print('matplotlib' in sys.modules)"
    told = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert told.stdout.strip() == "False"
