"""Tables in every order give the same sums, and points in every order the same lengths."""

import numpy as np
import pytest

from accel.kernels import check, kernel, ladder

STEPS = [
    pytest.param(name, step, id=f"{name}-{step.name}")
    for name in ("row_sums", "lengths")
    for step in ladder(name)
]


@pytest.mark.parametrize(("name", "step"), STEPS)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_every_step_is_right_on_every_edge_case(name, step, dtype):
    assert check(step.function, name, dtype=dtype, adapt=step.adapt) == []


@pytest.mark.parametrize("name", ["along", "turned"])
def test_an_out_of_another_length_is_refused(name):
    with pytest.raises(ValueError, match="row_sums: out must have a number for each row"):
        kernel("row_sums", name).function(np.ones((3, 3)), np.empty(4))


@pytest.mark.parametrize(
    ("name", "shape"),
    [("together", (4, 2)), ("together", (5, 3)), ("apart", (2, 4)), ("converted", (3, 4))],
)
def test_points_that_do_not_have_three_numbers_are_refused(name, shape):
    with pytest.raises(ValueError, match="lengths: points must have three"):
        kernel("lengths", name).function(np.ones(shape), np.empty(4))


def test_conversion_off_the_clock_keeps_the_numbers():
    x = np.arange(9.0).reshape(3, 3)
    own, _ = kernel("row_sums", "turned").adapt(x, np.empty(3))
    assert own.flags.f_contiguous and np.array_equal(own, x)
    moved, _ = kernel("lengths", "apart").adapt(x, np.empty(3))
    assert moved.flags.c_contiguous and np.array_equal(moved, x.T)
