"""Pooling: any window, any border, NaN and infinities."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from accel.agreement import difference
from accel.kernels import check, ladder, operation
from accel.kernels.convolution import pooling

NAMES = ("max_pool2d", "avg_pool2d")
ALL = [pytest.param(step, id=f"{name}.{step.name}") for name in NAMES for step in ladder(name)]
FAST = [param for param in ALL if param.values[0].instrument != "interpreter"]
BEST = [param for param in ALL if "best" in param.values[0].tags]
IN_PARTS = {"max_pool2d": pooling.max_pool2d_in_parts, "avg_pool2d": pooling.avg_pool2d_in_parts}

unhurried = settings(deadline=None, max_examples=40)  # the first call compiles


@st.composite
def sizes(draw, least=0):
    kernel = draw(st.integers(1, 5))
    return {
        "side": draw(st.integers(1, 12)), "width": draw(st.integers(1, 80)),
        "channels": draw(st.integers(least, 3)), "batch": draw(st.integers(least, 2)),
        "kernel": kernel, "stride": draw(st.integers(1, 4)),
        "padding": draw(st.integers(0, kernel // 2)),
        "values": draw(st.sampled_from(["normal", "special"])),
    }  # fmt: skip


@pytest.mark.parametrize("step", ALL)
def test_every_kernel_is_right_on_every_edge_case(step):
    with np.errstate(invalid="ignore"):  # inf - inf
        assert check(step.function, step.operation, adapt=step.adapt) == []


@pytest.mark.parametrize("step", BEST)
def test_best_kernels_are_right_on_every_edge_case_in_float64(step):
    assert check(step.function, step.operation, dtype="float64") == []


@pytest.mark.parametrize("step", FAST)
@unhurried
@given(sizes=sizes())
def test_any_window_agrees_with_the_definition(step, sizes):
    arguments = operation(step.operation).inputs(**sizes)
    with np.errstate(invalid="ignore"):
        step.function(*arguments)
    assert difference(arguments[-1], *operation(step.operation).oracle(*arguments)) is None


@pytest.mark.parametrize("step", BEST)
@unhurried
@given(sizes=sizes(least=1))
def test_nothing_beyond_the_arrays_is_read_into_results_or_written(step, sizes):
    x, *window, out = operation(step.operation).inputs(**{**sizes, "values": "normal"})
    around, host = np.full(x.size + 256, np.nan, x.dtype), np.full(out.size + 256, 7, x.dtype)
    around[128 : 128 + x.size] = x.ravel()
    into = host[128 : 128 + out.size].reshape(out.shape)
    step.function(around[128 : 128 + x.size].reshape(x.shape), *window, into)
    assert difference(into, *operation(step.operation).oracle(x, *window, out)) is None
    np.testing.assert_array_equal(host[:128], 7)
    np.testing.assert_array_equal(host[128 + out.size :], 7)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("parts", [1, 3])
def test_work_cut_into_parts_gives_the_same_answer(name, parts):
    *arguments, out = operation(name).inputs(side=9, channels=5, kernel=3, padding=1, batch=2)
    IN_PARTS[name](*arguments, out, parts)
    assert difference(out, *operation(name).oracle(*arguments, out)) is None


@pytest.mark.parametrize("step", BEST)
@pytest.mark.parametrize(
    ("window", "words"),
    [
        ((0, 1, 0), "kernel and stride must be at least 1"),
        ((2, 0, 0), "kernel and stride must be at least 1"),
        ((2, 2, 2), "padding must be from 0 to half of kernel"),
        ((2, 2, -1), "padding must be from 0 to half of kernel"),
        ((3, 2, 0), "out must be of shape"),
    ],
)
def test_windows_that_mean_nothing_are_refused(step, window, words):
    x, *_, out = operation(step.operation).inputs(side=6, channels=2)
    with pytest.raises(ValueError, match=f"pool2d: {words}"):
        step.function(x, *window, out)


def test_images_without_numbers_are_refused():
    x, out = np.empty((1, 1, 0, 4), "f4"), np.empty((1, 1, 1, 3), "f4")
    with pytest.raises(ValueError, match="x must have a height and a width"):
        pooling.max_pool2d_vector(x, 2, 2, 1, out)


@pytest.mark.parametrize("name", NAMES)
def test_flops_and_bytes_are_those_of_the_definition(name):
    op = operation(name)
    per_result = 3 if name == "max_pool2d" else 4
    assert op.flops(side=6, channels=2) == 2 * 9 * per_result
    assert op.compulsory_bytes(side=6, channels=2) == 4 * 2 * (36 + 9)
    assert op.compulsory_bytes(side=7, channels=2) == 4 * 2 * (36 + 9)
    assert 0.6 * 2**20 < op.compulsory_bytes(**op.sizes(2**20)) < 1.6 * 2**20
