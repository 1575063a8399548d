"""conv2d: any shape of image, and what each step adds or takes away."""

from importlib import import_module

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from accel.agreement import difference
from accel.kernels import check, ladder, operation
from accel.timing.counting import count
from accel.timing.memory import account

STEPS = [pytest.param(step, id=step.name) for step in ladder("conv2d", tag="ladder")]
FAST = [param for param in STEPS if param.values[0].instrument != "interpreter"]
unhurried = settings(deadline=None, max_examples=40)  # the first call compiles


def run(step, x, weight, out):
    own = step.adapt(x, weight, out) if step.adapt else (x, weight, out)
    step.function(*own)
    return np.asarray(own[-1])


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("step", STEPS)
def test_every_kernel_is_right_on_every_edge_case(step, dtype):
    assert check(step.function, "conv2d", dtype=dtype, adapt=step.adapt) == []


@pytest.mark.parametrize("step", STEPS)
def test_every_kernel_can_be_imported_by_its_target(step):
    module, _, name = step.target.partition(":")
    assert getattr(import_module(module), name) is step.function


@pytest.mark.parametrize("step", FAST)
@unhurried
@given(
    side=st.integers(2, 9), width=st.integers(2, 70), channels=st.integers(0, 4),
    filters=st.integers(0, 4), batch=st.integers(0, 3),
)  # fmt: skip
def test_any_shape_agrees_with_the_definition(step, side, width, channels, filters, batch):
    arguments = operation("conv2d").inputs(
        side=side, channels=channels, filters=filters, batch=batch, width=width
    )
    assert difference(run(step, *arguments), *operation("conv2d").oracle(*arguments)) is None


@pytest.mark.parametrize("step", STEPS)
def test_filter_is_not_flipped(step):
    x = np.zeros((1, 1, 5, 6))
    x[0, 0, 2, 3] = 1
    weight = np.arange(9.0).reshape(1, 1, 3, 3)
    got = run(step, x, weight, np.full((1, 1, 3, 4), np.nan))
    np.testing.assert_array_equal(got[0, 0], np.pad(weight[0, 0, ::-1, ::-1], ((0, 0), (1, 0))))


@pytest.mark.parametrize("step", STEPS)
def test_channels_are_added_and_filters_and_images_kept_apart(step):
    x = np.ones((2, 2, 3, 3)) * np.array([1, 10])[:, None, None, None]
    weight = np.ones((2, 2, 3, 3)) * np.array([1, -1])[:, None, None, None]
    got = run(step, x, weight, np.full((2, 2, 1, 1), np.nan))
    np.testing.assert_array_equal(got[..., 0, 0], [[18, -18], [180, -180]])


@pytest.mark.parametrize("step", FAST)
def test_shapes_that_do_not_fit_are_refused(step):
    x, weight, out = operation("conv2d").inputs(side=6, channels=2, filters=3)
    for wrong in [(x, weight[:, :1], out), (x, weight, out[:, :, :3]), (x[:, :, :3], weight, out)]:
        with pytest.raises(ValueError):
            step.function(*wrong)


def test_im2col_refuses_an_out_that_it_could_not_fill():
    x, weight, out = operation("conv2d").inputs(side=6, channels=2, filters=3)
    with pytest.raises(ValueError, match="conv2d: out must be contiguous"):
        ladder("conv2d")[1].function(x, weight, out.transpose(0, 1, 3, 2))


def test_im2col_allocates_nine_images_and_direct_none():
    arguments = operation("conv2d").inputs(side=34, channels=16)
    accounts = {step.name: account(step.function, arguments) for step in ladder("conv2d")[1:]}
    assert accounts["im2col"]["peak_alloc_bytes"] >= 9 * 16 * 32 * 32 * 4
    assert accounts["direct"]["peak_alloc_bytes"] < 4096


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_compulsory_bytes_are_those_of_all_arrays(dtype):
    op = operation("conv2d")
    for parameters in op.edges:
        arguments = op.inputs(**parameters, dtype=dtype)
        expected = sum(array.nbytes for array in arguments)
        assert op.compulsory_bytes(**parameters, dtype=dtype) == expected


def test_flops_are_two_for_each_tap_at_each_place():
    flops = operation("conv2d").flops
    assert flops(side=5, channels=3, filters=4, batch=2, width=6) == 2 * 9 * 3 * 4 * 2 * (3 * 4)


@pytest.mark.parametrize("step", FAST)
def test_run_on_counting_arrays_it_does_what_is_declared(step):
    op, sizes = operation("conv2d"), {"side": 6, "channels": 3, "filters": 2}
    seen = count(step.function, op.inputs(**sizes))
    assert (seen.flops, seen.unique_bytes) == (op.flops(**sizes), op.compulsory_bytes(**sizes))
