"""Winograd's transformation, in each layout of images that has it."""

import numpy as np
import pytest

from accel.agreement import difference
from accel.kernels import best, kernel, operation
from accel.kernels.convolution import nchw, nchwc, nhwc, winograd, winograd_pixels

NAMES = ("conv2d", "conv2d_nhwc", "conv2d_nchwc")

#: What does the work, and tells whether all results are finite; and the same in bands.
TRANSFORMED = {
    "conv2d": nchw.conv2d_transformed,
    "conv2d_nhwc": nhwc.nhwc_transformed,
    "conv2d_nchwc": nchwc.nchwc_transformed,
}
IN_BANDS = {
    "conv2d": nchw.conv2d_transformed_in_bands,
    "conv2d_nhwc": nhwc.nhwc_transformed_in_bands,
    "conv2d_nchwc": nchwc.nchwc_transformed_in_bands,
}

#: Shapes that fill no register or tile; several chunks; pieces that hang over each side.
SIZES = (
    {"side": 15, "channels": 17, "filters": 19, "padding": 1, "batch": 2},
    {"side": 12, "width": 35, "channels": 40, "filters": 16},
    {"side": 21, "channels": 16, "filters": 33, "padding": 2},
    {"side": 3, "width": 90, "channels": 16, "filters": 50, "padding": 4},
    {"side": 40, "width": 41, "channels": 64, "filters": 67, "padding": 1},
    {"side": 9, "channels": 256, "filters": 8, "padding": 3},
)

#: Small shapes that a caller would hand to another step: none, one, few of each.
SMALL = (
    {"side": 3, "channels": 1, "filters": 1},
    {"side": 4, "channels": 3, "filters": 2, "padding": 2, "batch": 3},
    {"side": 1, "width": 2, "channels": 5, "filters": 9, "padding": 1},
)


def fenced(x, fence):
    """A contiguous copy of an array with a fence of numbers before and after it."""
    host = np.full(x.size + 256, fence, x.dtype)
    host[128 : 128 + x.size] = x.ravel()
    return host, host[128 : 128 + x.size].reshape(x.shape)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("sizes", [*SIZES, *SMALL], ids=str)
def test_transformation_is_right_and_touches_nothing_beyond(name, sizes):
    op = operation(name)
    x, weight, stride, padding, out = op.inputs(**sizes)
    (_, x), (_, weight), (host, into) = fenced(x, np.nan), fenced(weight, np.nan), fenced(out, 7)
    assert TRANSFORMED[name](x, weight, stride, padding, into)
    assert difference(into, *op.oracle(x, weight, stride, padding, out)) is None
    np.testing.assert_array_equal(host[:128], 7)
    np.testing.assert_array_equal(host[128 + out.size :], 7)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("sizes", [*SIZES[:3], SMALL[1]], ids=str)
@pytest.mark.parametrize("bands", [1, 3, 40])
def test_transformation_may_be_cut_into_bands(name, sizes, bands):
    *arguments, out = operation(name).inputs(**sizes)
    assert IN_BANDS[name](*arguments, out, bands)
    assert difference(out, *operation(name).oracle(*arguments, out)) is None


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("bad", [np.nan, np.inf, -3e38])
def test_numbers_that_are_not_finite_are_not_spread(name, bad):
    x, weight, stride, padding, out = operation(name).inputs(side=15, channels=17, padding=1)
    x.reshape(-1)[x.size // 2] = bad
    expected = out.copy()
    kernel(name, "tiled").function(x, weight, stride, padding, expected)
    kernel(name, "winograd").function(x, weight, stride, padding, out)
    assert not np.isfinite(out).all()
    np.testing.assert_array_equal(out, expected)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("sizes", [{"kernel": 5}, {"stride": 2}, {"channels": 0}], ids=str)
def test_transformation_refuses_what_it_is_not_for(name, sizes):
    arguments = operation(name).inputs(**{"side": 9, "channels": 2, "filters": 2, **sizes})
    assert not TRANSFORMED[name](*arguments)
    assert not IN_BANDS[name](*arguments, 2)


def test_transformation_of_blocks_refuses_blocks_that_are_no_register():
    arguments = operation("conv2d_nchwc").inputs(side=20, channels=16, padding=1, block=2)
    assert not nchwc.nchwc_transformed(*arguments)
    best("conv2d_nchwc", "float32").function(*arguments)
    assert difference(arguments[-1], *operation("conv2d_nchwc").oracle(*arguments)) is None


def test_few_pieces_or_channels_or_another_filter_do_not_pay():
    weight, out = (64, 64, 3, 3), (1, 64, 28, 28)
    assert winograd.pays(weight, out, 1)
    assert not winograd.pays(weight, out, 2)
    assert not winograd.pays((64, 64, 5, 5), out, 1)
    assert not winograd.pays((64, 3, 3, 3), out, 1)
    assert not winograd.pays((3, 64, 3, 3), (1, 3, 28, 28), 1)
    assert not winograd.pays(weight, (1, 64, 4, 4), 1)


def test_few_pieces_or_channels_do_not_pay_for_pixels_either():
    assert winograd_pixels.pays(64, 64, 196)
    assert not winograd_pixels.pays(64, 64, 4)
    assert not winograd_pixels.pays(64, 3, 196)
    assert not winograd_pixels.pays(3, 64, 196)


@pytest.mark.parametrize("name", NAMES[1:])
@pytest.mark.parametrize("sizes", [{}, {"kernel": 5}, {"stride": 2}, {"filters": 3}], ids=str)
def test_every_step_to_call_is_right_whichever_way_it_goes(name, sizes):
    for tag in ("best", "threads"):
        arguments = operation(name).inputs(**{"side": 24, "channels": 20, "padding": 2, **sizes})
        best(name, "float32", 1 + (tag == "threads")).function(*arguments)
        assert difference(arguments[-1], *operation(name).oracle(*arguments)) is None


@pytest.mark.parametrize("name", NAMES)
def test_it_is_the_step_to_call_for_single_precision_only(name):
    assert best(name, "float32").name == "winograd"
    assert best(name, "float64").name == "tiled"


@pytest.mark.parametrize("name", NAMES)
def test_it_is_as_accurate_as_the_definition_added_up_in_turn(name):
    *arguments, out = operation(name).inputs(side=14, channels=64, padding=1)
    expected, _ = operation(name).oracle(*arguments, out)
    errors = {}
    for step in ("direct", "winograd"):
        kernel(name, step).function(*arguments, out)
        errors[step] = np.sqrt(np.mean((out - expected) ** 2))
    assert errors["winograd"] <= errors["direct"]
