"""Pooling: any window, any border, NaN and infinities."""

import numba
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from accel.agreement import difference
from accel.kernels import check, ladder, operation
from accel.kernels.convolution import pooling
from accel.kernels.convolution.pooling import registers
from accel.simd import vector

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


@numba.njit
def mean_in_registers(V, x, kernel, stride, padding, out):
    planes, count = x.shape[0] * x.shape[1], kernel * kernel
    start = np.int64(0)
    registers.pool_planes(V, False, 0.0, x, kernel, stride, padding, count, out, start, planes)


@pytest.mark.parametrize("lanes", [4, 8])
def test_narrower_registers_give_the_same_answer(lanes):
    op = operation("avg_pool2d")
    for sizes in (*op.edges[3:], *({"side": 7, "channels": 2, "width": w} for w in range(2, 40))):
        *arguments, out = op.inputs(**sizes)
        mean_in_registers(vector("float32", lanes), *arguments, out)
        assert difference(out, *op.oracle(*arguments, out)) is None, sizes


@pytest.mark.parametrize("step", BEST)
def test_rows_of_pairs_of_every_length_are_right_at_both_ends_of_memory(step):
    """Up to half a register, up to a whole one, and more; heights even and odd."""
    for width in range(2, 84):
        for side in (2, 5, 6):
            x, *window, out = operation(step.operation).inputs(side=side, channels=3, width=width)
            around, host = (
                np.full(x.size + 256, np.nan, x.dtype),
                np.full(out.size + 256, 7.0, "f4"),
            )
            around[128 : 128 + x.size] = x.ravel()
            into = host[128 : 128 + out.size].reshape(out.shape)
            step.function(around[128 : 128 + x.size].reshape(x.shape), *window, into)
            assert difference(into, *operation(step.operation).oracle(x, *window, out)) is None
            np.testing.assert_array_equal(host[:128], 7)
            np.testing.assert_array_equal(host[128 + out.size :], 7)


@pytest.mark.parametrize("step", BEST)
@pytest.mark.parametrize("window", [(2, 2, 0), (3, 2, 1), (1, 3, 0)])
@pytest.mark.parametrize("shift", [0, 5])
def test_results_past_the_caches_go_where_they_belong(step, window, shift):
    """Whatever the place of `out` in its lines, in one part or in several."""
    kernel, stride, padding = window
    x, *_, out = operation(step.operation).inputs(
        side=127, width=131, channels=260, kernel=kernel, stride=stride, padding=padding
    )
    host = np.full(out.size + 128 + shift, 7.0, x.dtype)
    into = host[64 + shift : 64 + shift + out.size].reshape(out.shape)
    expected = operation(step.operation).oracle(x, *window, out)
    assert x.nbytes + out.nbytes >= registers.CACHED_BYTES
    step.function(x, *window, into)
    assert difference(into, *expected) is None
    IN_PARTS[step.operation](x, *window, into, 7)
    assert difference(into, *expected) is None
    np.testing.assert_array_equal(host[: 64 + shift], 7)
    np.testing.assert_array_equal(host[64 + shift + out.size :], 7)
