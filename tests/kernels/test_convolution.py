"""Convolutions: any shape of image, and what each step adds or takes away."""

from importlib import import_module

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from accel.agreement import difference
from accel.kernels import check, kernel, ladder, operation
from accel.kernels.convolution import depthwise, nchw, nchwc, nhwc
from accel.timing.counting import count
from accel.timing.memory import account

NAMES = ("conv2d", "conv2d_nhwc", "conv2d_nchwc", "depthwise_conv2d")
ALL = [pytest.param(step, id=f"{name}.{step.name}") for name in NAMES for step in ladder(name)]
FAST = [param for param in ALL if param.values[0].instrument != "interpreter"]
BEST = [param for param in ALL if "best" in param.values[0].tags]
DOUBLE = [param for param in BEST if "float64" in param.values[0].dtypes]
STEPS = [param for param in ALL if param.values[0].operation == "conv2d"]

#: What a kernel for all cores hands out, which small images do not reach.
IN_PARTS = {
    "conv2d": nchw.conv2d_in_bands,
    "conv2d_nhwc": nhwc.conv2d_nhwc_in_bands,
    "conv2d_nchwc": nchwc.conv2d_nchwc_in_bands,
    "depthwise_conv2d": depthwise.depthwise_in_parts,
}

unhurried = settings(deadline=None, max_examples=30)  # the first call compiles


def run(step, *arguments):
    own = step.adapt(*arguments) if step.adapt else arguments
    step.function(*own)
    return np.asarray(own[-1])


def of(name, **sizes):
    """Arguments of an operation; the depthwise one has as many filters as channels."""
    if name == "depthwise_conv2d":
        sizes.pop("filters", None)
    return operation(name).inputs(**sizes)


@pytest.mark.parametrize("step", ALL)
def test_every_kernel_is_right_on_every_edge_case(step):
    assert check(step.function, step.operation, adapt=step.adapt) == []


@pytest.mark.parametrize("step", DOUBLE)
def test_best_kernels_are_right_on_every_edge_case_in_float64(step):
    assert check(step.function, step.operation, dtype="float64") == []


@pytest.mark.parametrize("step", ALL)
def test_every_kernel_can_be_imported_by_its_target(step):
    module, _, name = step.target.partition(":")
    assert getattr(import_module(module), name) is step.function


def test_ladder_of_conv2d_can_be_imported_from_its_package():
    package = import_module("accel.kernels.convolution")
    for step in ladder("conv2d"):
        assert getattr(package, step.function.__name__) is step.function


@pytest.mark.parametrize("step", FAST)
@unhurried
@given(
    side=st.integers(1, 9), width=st.integers(1, 70), channels=st.integers(0, 4),
    filters=st.integers(0, 20), batch=st.integers(0, 3), kernel=st.integers(1, 4),
    stride=st.integers(1, 3), padding=st.integers(0, 3),
)  # fmt: skip
def test_any_shape_agrees_with_the_definition(step, **sizes):
    arguments = of(step.operation, **sizes)
    assert difference(run(step, *arguments), *operation(step.operation).oracle(*arguments)) is None


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("sizes", [
    {"side": 9, "channels": 3, "filters": 5, "batch": 2, "padding": 1},
    {"side": 40, "width": 45, "channels": 18, "filters": 33, "stride": 2, "padding": 1},
    {"side": 13, "channels": 18, "filters": 20, "kernel": 1, "batch": 3},
], ids=str)  # fmt: skip
@pytest.mark.parametrize("parts", [1, 2, 5])
def test_work_cut_into_parts_gives_the_same_answer(name, sizes, parts):
    *arguments, out = of(name, **sizes)
    IN_PARTS[name](*arguments, out, parts)
    assert difference(out, *operation(name).oracle(*arguments, out)) is None


@pytest.mark.parametrize("step", BEST)
def test_large_images_are_computed_in_several_bands(step):
    arguments = of(step.operation, side=70, width=90, channels=40, filters=3, padding=1)
    assert difference(run(step, *arguments), *operation(step.operation).oracle(*arguments)) is None


#: Several bands with a stride; filters for a wide and a narrow strip; rows of whole tiles or not.
STRIDDEN = (
    {"side": 70, "width": 90, "channels": 40, "filters": 50, "stride": 2, "padding": 1},
    {"side": 61, "width": 112, "channels": 33, "filters": 35, "kernel": 5, "stride": 3},
    {"side": 57, "channels": 65, "filters": 34, "kernel": 1, "stride": 2},
    {"side": 30, "channels": 5, "filters": 67, "kernel": 7, "stride": 2, "padding": 3, "batch": 2},
)


@pytest.mark.parametrize("name", NAMES[:3])
@pytest.mark.parametrize("sizes", STRIDDEN, ids=str)
def test_strides_in_several_bands_and_strips(name, sizes):
    x, weight, stride, padding, out = of(name, **sizes)
    (_, x), (_, weight), (host, into) = inside(x, np.nan), inside(weight, np.nan), inside(out, 7)
    kernel(name, "tiled").function(x, weight, stride, padding, into)
    assert difference(into, *operation(name).oracle(x, weight, stride, padding, out)) is None
    np.testing.assert_array_equal(host[:128], 7)
    np.testing.assert_array_equal(host[128 + out.size :], 7)


def inside(x, fence):
    """A contiguous copy of an array with a fence of numbers before and after it."""
    host = np.full(x.size + 256, fence, x.dtype)
    host[128 : 128 + x.size] = x.ravel()
    return host, host[128 : 128 + x.size].reshape(x.shape)


@pytest.mark.parametrize("step", BEST)
@unhurried
@given(
    side=st.integers(1, 9), width=st.integers(1, 40), channels=st.integers(1, 3),
    filters=st.integers(1, 20), kernel=st.integers(1, 3), stride=st.integers(1, 3),
    padding=st.integers(0, 2),
)  # fmt: skip
def test_nothing_beyond_the_arrays_is_read_into_results_or_written(step, **sizes):
    x, weight, stride, padding, out = of(step.operation, **sizes)
    (_, x), (_, weight), (host, into) = inside(x, np.nan), inside(weight, np.nan), inside(out, 7)
    step.function(x, weight, stride, padding, into)
    assert (
        difference(into, *operation(step.operation).oracle(x, weight, stride, padding, out)) is None
    )
    np.testing.assert_array_equal(host[:128], 7)
    np.testing.assert_array_equal(host[128 + out.size :], 7)


@pytest.mark.parametrize("step", [*STEPS, *BEST])
@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_a_number_that_is_not_finite_reaches_the_places_that_see_it_and_no_others(step, bad):
    x, weight, stride, padding, out = of(step.operation, side=9, channels=2, filters=3, padding=1)
    x.reshape(-1)[x.size // 2] = bad
    got = run(step, x, weight, stride, padding, out)
    expected, error = operation(step.operation).oracle(x, weight, stride, padding, out)
    assert difference(got, expected, np.where(np.isfinite(error), error, 0)) is None


@pytest.mark.parametrize("step", STEPS)
def test_filter_is_not_flipped(step):
    x = np.zeros((1, 1, 5, 6), "f4")
    x[0, 0, 2, 3] = 1
    weight = np.arange(9, dtype="f4").reshape(1, 1, 3, 3)
    got = run(step, x, weight, 1, 0, np.full((1, 1, 3, 4), np.nan, "f4"))
    np.testing.assert_array_equal(got[0, 0], np.pad(weight[0, 0, ::-1, ::-1], ((0, 0), (1, 0))))


@pytest.mark.parametrize("step", STEPS)
def test_channels_are_added_and_filters_and_images_kept_apart(step):
    x = np.ones((2, 2, 3, 3), "f4") * np.array([1, 10], "f4")[:, None, None, None]
    weight = np.ones((2, 2, 3, 3), "f4") * np.array([1, -1], "f4")[:, None, None, None]
    got = run(step, x, weight, 1, 0, np.full((2, 2, 1, 1), np.nan, "f4"))
    np.testing.assert_array_equal(got[..., 0, 0], [[18, -18], [180, -180]])


@pytest.mark.parametrize("step", FAST)
def test_shapes_that_do_not_fit_are_refused(step):
    x, weight, stride, padding, out = of(step.operation, side=6, channels=2, filters=3)
    more = np.concatenate([weight, weight], axis=2 if step.operation == "conv2d_nhwc" else 1)
    for wrong in [(x, more, out), (x, weight, out[:, :, :3]), (x[:, :, :3], weight, out)]:
        x_, weight_, out_ = map(np.ascontiguousarray, wrong)
        with pytest.raises(ValueError):
            step.function(x_, weight_, stride, padding, out_)


@pytest.mark.parametrize("step", BEST)
@pytest.mark.parametrize(("stride", "padding"), [(0, 0), (-1, 0), (1, -1)])
def test_strides_and_paddings_that_mean_nothing_are_refused(step, stride, padding):
    x, weight, _, _, out = of(step.operation, side=6, channels=2, filters=3)
    with pytest.raises(ValueError, match=f"^{step.operation}: (stride must be|padding must not)"):
        step.function(x, weight, stride, padding, out)


@pytest.mark.parametrize("name", ["conv2d", "conv2d_nhwc"])
def test_im2col_refuses_an_out_that_it_could_not_fill(name):
    *arguments, out = of(name, side=6, channels=2, filters=3)
    with pytest.raises(ValueError, match=f"{name}: out must be contiguous"):
        ladder(name)[1].function(*arguments, out.transpose(0, 1, 3, 2))


def test_im2col_allocates_nine_images_and_direct_none():
    arguments = of("conv2d", side=34, channels=16)
    accounts = {step.name: account(step.function, arguments) for step in ladder("conv2d")[1:3]}
    assert accounts["im2col"]["peak_alloc_bytes"] >= 9 * 16 * 32 * 32 * 4
    assert accounts["direct"]["peak_alloc_bytes"] < 4096


def test_im2col_of_a_single_tap_copies_nothing():
    arguments = of("conv2d", side=34, channels=16, kernel=1)
    seen = account(ladder("conv2d")[1].function, arguments)
    assert seen["peak_alloc_bytes"] < 16 * 34 * 34 * 4


@pytest.mark.parametrize("name", NAMES)
def test_compulsory_bytes_are_those_of_all_arrays_where_filters_go_to_every_place(name):
    op = operation(name)
    for sizes in ({"side": 5, "channels": 3, "batch": 2}, {"side": 6, "channels": 2, "padding": 1}):
        arguments = op.inputs(**sizes)
        expected = sum(array.nbytes for array in arguments if isinstance(array, np.ndarray))
        assert op.compulsory_bytes(**sizes) == expected


def test_bytes_that_no_filter_sees_are_not_compulsory():
    sizes = {"side": 7, "channels": 2, "kernel": 1, "stride": 3, "filters": 1}
    assert operation("conv2d").compulsory_bytes(**sizes) == 4 * (2 * 3 * 3 + 2 + 3 * 3)


def test_flops_are_two_for_each_tap_at_each_place():
    flops = operation("conv2d").flops
    assert flops(side=5, channels=3, filters=4, batch=2, width=6) == 2 * 9 * 3 * 4 * 2 * (3 * 4)
    assert operation("depthwise_conv2d").flops(side=5, channels=3, width=6) == 2 * 9 * 3 * (3 * 4)


@pytest.mark.parametrize("name", NAMES)
def test_sizes_are_about_what_was_asked_for(name):
    op = operation(name)
    for asked in (2**16, 2**20, 2**26):
        assert 0.6 * asked < op.compulsory_bytes(**op.sizes(asked)) < 1.6 * asked


@pytest.mark.parametrize("step", [p for p in STEPS if p.values[0].name in ("im2col", "direct")])
def test_run_on_counting_arrays_it_does_what_is_declared(step):
    op, sizes = operation("conv2d"), {"side": 6, "channels": 3, "filters": 2}
    seen = count(step.function, op.inputs(**sizes))
    assert (seen.flops, seen.unique_bytes) == (op.flops(**sizes), op.compulsory_bytes(**sizes))
