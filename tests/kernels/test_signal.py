"""Convolution: by the definition and by spectra, the same within their roundings."""

from importlib import import_module

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from accel.agreement import difference
from accel.kernels import accuracy, check, kernel, ladder, operation, signal

STEPS = [pytest.param(step, id=step.name) for step in ladder("convolve1d")]
EXACT = [pytest.param(step, id=step.name) for step in ladder("convolve1d")[:3]]
LANES = 16


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("step", STEPS)
def test_every_step_is_right_on_every_edge_case(step, dtype):
    assert check(step.function, "convolve1d", dtype=dtype) == []


@pytest.mark.parametrize("step", STEPS)
def test_every_step_can_be_imported_by_its_target(step):
    module, _, name = step.target.partition(":")
    assert getattr(import_module(module), name) is step.function


def by_definition(x, h):
    last = len(h) - 1
    return [
        sum(h[j] * x[i + last - j] for j in range(len(h))) for i in range(len(x) - len(h) + 1)
    ]


@pytest.mark.parametrize("step", STEPS)
@given(
    x=st.lists(st.integers(-100, 100), max_size=5 * LANES),
    h=st.lists(st.integers(-100, 100), min_size=1, max_size=40),
)
def test_whole_numbers_are_convolved_as_the_definition_says(step, x, h):
    out = np.full(max(len(x) - len(h) + 1, 0), np.nan)
    step.function(np.array(x, "float64"), np.array(h, "float64"), out)
    np.testing.assert_array_equal(np.rint(out), by_definition(x, h))


@pytest.mark.parametrize("step", EXACT)
def test_the_definition_is_exact_on_whole_numbers(step):
    x, h = np.arange(-40.0, 60.0), np.arange(5.0)
    out = np.empty(96)
    step.function(x, h, out)
    np.testing.assert_array_equal(out, by_definition(x, h))


@pytest.mark.parametrize("step", STEPS)
def test_a_filter_of_one_tap_at_its_end_delays(step):
    x, h = np.arange(30, dtype="float32"), np.array([0, 0, 1], "float32")
    out = np.empty(28, "float32")
    step.function(x, h, out)
    np.testing.assert_allclose(out, x[:28], atol=30 * np.finfo("float32").eps * 5)


@pytest.mark.parametrize("taps", [200, 1000])
@pytest.mark.parametrize("step", STEPS)
def test_many_blocks_of_spectra_join_without_a_seam(step, taps):
    x, h, out = operation("convolve1d").inputs(n=9001, taps=taps)
    step.function(x, h, out)
    assert difference(out, *operation("convolve1d").oracle(x, h, out)) is None


def test_tolerance_notices_one_product_left_out():
    x, h, out = operation("convolve1d").inputs(n=1000, taps=127)
    signal.direct(x, h, out)
    out[500] -= h[3] * x[500 + 123]
    assert difference(out, *operation("convolve1d").oracle(x, h, out)) is not None


@pytest.mark.parametrize("wrong", [{"taps": 0, "size": 9}, {"size": 5}, {"size": 7}])
@pytest.mark.parametrize("step", STEPS)
def test_arrays_that_do_not_fit_are_refused(step, wrong):
    out = np.empty(wrong["size"], "float32")
    with pytest.raises(ValueError, match=r"^convolve1d.*out"):
        step.function(np.ones(8, "float32"), np.ones(wrong.get("taps", 3), "float32"), out)


@pytest.mark.parametrize("name", ["convolve", "fft", "overlap_save"])
def test_arrays_of_another_dimension_are_refused(name):
    with pytest.raises(ValueError, match=r"expected h to be an array of one dimension, got \(1, 2"):
        kernel("convolve1d", name).function(np.ones(8), np.ones((1, 2)), np.ones(7))


@pytest.mark.parametrize("size", [1, LANES - 1, 4 * LANES, 4 * LANES + 1, 5 * LANES + 3])
def test_vector_step_writes_nothing_beyond_its_end(size):
    host = np.full(size + 2 * LANES, 7.0, "float32")
    taps = np.ones(3, "float32")
    signal.vector(np.ones(size + 2, "float32"), taps, host[LANES : LANES + size])
    np.testing.assert_array_equal(host[:LANES], 7.0)
    np.testing.assert_array_equal(host[LANES : LANES + size], 3.0)
    np.testing.assert_array_equal(host[LANES + size :], 7.0)


def is_smooth(n):
    for prime in (2, 3, 5):
        while n % prime == 0:
            n //= prime
    return n == 1


@given(n=st.integers(1, 20_000))
def test_fast_length_is_the_next_one_without_large_factors(n):
    length = signal.fast_length(n)
    assert length >= n and is_smooth(length)
    assert not any(is_smooth(other) for other in range(n, length))


def test_fast_length_of_nothing_is_refused():
    with pytest.raises(ValueError, match="at least 1, got 0"):
        signal.fast_length(0)


def test_blocks_are_longer_than_the_filter_and_no_longer_than_needed():
    for n, taps in [(5, 5), (129, 128), (20_000, 3), (20_000, 1000), (20_000, 19_999)]:
        assert taps <= signal.block_length(n, taps) <= signal.fast_length(n)


def test_work_of_the_definition_is_its_flops_and_of_spectra_does_not_grow_with_the_taps():
    sizes = {"n": 20_000, "taps": 100}
    assert signal.work("vector", **sizes) == operation("convolve1d").flops(**sizes)
    assert signal.work("fft", **sizes) == signal.work("fft", n=20_000, taps=1000)
    assert signal.work("fft", n=4, taps=2) == round(3 * 2.5 * 4 * 2 + 6 * 3)


@pytest.mark.parametrize("step", STEPS)
def test_no_place_is_no_work(step):
    assert signal.work(step.name, n=3, taps=4) == 0
    assert operation("convolve1d").compulsory_bytes(n=3, taps=4) == 0


def test_work_of_an_unknown_step_is_refused():
    with pytest.raises(ValueError, match="convolve1d has no step 'running'"):
        signal.work("running", n=8, taps=2)


def test_a_long_transform_spreads_the_errors_of_a_loud_passage_and_short_ones_do_not():
    steps, quiet = ["vector", "fft", "overlap_save"], slice(0, 5000)
    right = accuracy.right_digits(
        "convolve1d", steps, part=quiet, n=20_000, taps=64, loud=1000.0
    )
    assert right["fft"] < right["vector"] - 1
    assert right["overlap_save"] > right["fft"] + 1
