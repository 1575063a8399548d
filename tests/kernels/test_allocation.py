"""Three places for one answer: all right, and no two of them the same memory."""

import numpy as np
import pytest

from accel.kernels import check, kernel, ladder, operation
from accel.timing.memory import account

STEPS = [pytest.param(step, id=step.name) for step in ladder("larger")]


@pytest.mark.parametrize("step", STEPS)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_every_step_is_right_on_every_edge_case(step, dtype):
    assert check(step.function, "larger", dtype=dtype, adapt=step.adapt) == []


@pytest.mark.parametrize("step", STEPS)
def test_repeating_a_step_changes_nothing(step):
    arguments = operation("larger").inputs(n=129)
    expected, _ = operation("larger").oracle(*arguments)
    own = step.adapt(*arguments) if step.adapt else arguments
    for _ in range(3):
        step.function(*own)
        np.testing.assert_array_equal(np.asarray(own[-1]), expected)


@pytest.mark.parametrize(("name", "arrays"), [("fresh", 1), ("out", 0), ("in_place", 0)])
def test_only_the_first_step_allocates(name, arrays):
    step, arguments = kernel("larger", name), operation("larger").inputs(n=100_000)
    own = step.adapt(*arguments) if step.adapt else arguments
    step.function(*own)
    peak = account(step.function, own)["peak_alloc_bytes"]
    assert peak == pytest.approx(arrays * 400_000, abs=4096)


def test_in_place_leaves_the_inputs_of_the_others_alone():
    x, y, out = operation("larger").inputs(n=64)
    before = x.copy()
    step = kernel("larger", "in_place")
    step.function(*step.adapt(x, y, out))
    np.testing.assert_array_equal(x, before)
