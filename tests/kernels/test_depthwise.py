"""Depthwise convolution: bands of rows, and results past the caches."""

import numba
import numpy as np
import pytest

from accel.agreement import difference
from accel.kernels import operation
from accel.kernels.convolution import depthwise
from accel.simd import vector

BORDER = 64


@numba.njit
def stay(V, x, weight, padding, out, start, stop):
    depthwise.planes_of_three(V, x, weight, padding, out, start, stop)


@numba.njit
def leave(V, x, weight, padding, out, start, stop):
    depthwise.planes_past_the_caches(V, x, weight, padding, out, start, stop)


def bordered(array, value, shift=0):
    """Return a copy inside a larger array full of a value, and the larger one."""
    host = np.full(array.size + 2 * BORDER + shift, value, array.dtype)
    inside = host[BORDER + shift : BORDER + shift + array.size].reshape(array.shape)
    inside[...] = array
    return inside, host


@pytest.mark.parametrize("way", [stay, leave])
@pytest.mark.parametrize(("dtype", "lanes"), [("float32", 16), ("float32", 4), ("float64", 8)])
def test_any_image_is_convolved_and_nothing_beside_it_touched(way, dtype, lanes):
    """Heights around one band and several, widths around registers, `out` anywhere in a line."""
    op = operation("depthwise_conv2d")
    for number, height in enumerate((1, 2, 3, 5, 6, 7, 10, 13, 18, 19, 35)):
        width, padding, shift = 3 + 7 * number % 40, number % 2 if height > 2 else 1, number
        given = {"side": height, "width": width, "channels": 3, "batch": 2, "padding": padding}
        x, weight, _, _, out = op.inputs(**given, dtype=dtype)
        expected = op.oracle(x, weight, 1, padding, out)
        seen, _ = bordered(x, np.nan)
        out, host = bordered(np.full_like(out, np.nan), 7.0, shift)
        way(vector(dtype, lanes), seen, weight, padding, out, 0, 6)
        assert difference(out, *expected) is None, given
        np.testing.assert_array_equal(host[: BORDER + shift], 7)
        np.testing.assert_array_equal(host[BORDER + shift + out.size :], 7)


@pytest.mark.parametrize("shift", [0, 3])
def test_planes_of_one_core_leave_those_of_others_alone(shift):
    op = operation("depthwise_conv2d")
    x, weight, _, _, out = op.inputs(side=9, width=11, channels=5, padding=1)
    expected, error = op.oracle(x, weight, 1, 1, out)
    out, _ = bordered(np.full_like(out, 7.0), 7.0, shift)
    leave(vector("float32"), x, weight, 1, out, 2, 4)
    assert difference(out[:, 2:4], expected[:, 2:4], error[:, 2:4]) is None
    np.testing.assert_array_equal(out[:, :2], 7)
    np.testing.assert_array_equal(out[:, 4:], 7)


@pytest.mark.parametrize("sizes", [{"padding": 1}, {"padding": 0}])
def test_results_larger_than_the_caches_are_right_in_one_part_and_in_several(sizes):
    op = operation("depthwise_conv2d")
    x, weight, stride, padding, out = op.inputs(side=113, width=111, channels=180, **sizes)
    assert out.nbytes > depthwise.STREAM_BYTES
    expected = op.oracle(x, weight, stride, padding, out)
    out[...] = np.nan
    depthwise.depthwise_vector(x, weight, stride, padding, out)
    assert difference(out, *expected) is None
    out[...] = np.nan
    depthwise.depthwise_in_parts(x, weight, stride, padding, out, 7)
    assert difference(out, *expected) is None


def test_numbers_that_are_none_spread_as_far_as_the_taps_reach():
    op = operation("depthwise_conv2d")
    x, weight, _, padding, out = op.inputs(side=12, width=37, channels=2, padding=1)
    x[0, 0, 5, 20], x[0, 1, 0, 0] = np.nan, np.inf
    expected = np.zeros(out.shape, bool)
    expected[0, 0, 4:7, 19:22] = expected[0, 1, :2, :2] = True
    for way in (stay, leave):
        way(vector("float32"), x, weight, padding, out, 0, 2)
        np.testing.assert_array_equal(~np.isfinite(out), expected)
