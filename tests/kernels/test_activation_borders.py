"""Elementwise kernels at the borders of their arrays: of registers, of parts, of the caches."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from accel.kernels import check, kernel, ladder, operation
from accel.kernels.activation import elements

OPERATIONS = ("relu", "saxpy", "polynomial", "exp", "sigmoid", "silu", "gelu", "gelu_erf")
DTYPES = ("float32", "float64")
NEW = ("polynomial", "exp", "sigmoid", "silu", "gelu_erf")
each_operation = pytest.mark.parametrize("name", OPERATIONS)


def inputs_of(name, n, dtype="float32"):
    return operation(name).inputs(n=n, dtype=dtype)


def inside(values, offset, fill):
    """Return a copy of `values` in the middle of a larger array, and that array."""
    host = np.full(values.size + 80, fill, values.dtype)
    window = host[offset : offset + values.size]
    window[...] = values
    return window, host


def run_inside(name, step, n, offset, dtype):
    """Run a kernel on arrays that lie among NaN; return the answer and what lies around it."""
    *arguments, out = inputs_of(name, n, dtype)
    arrays = [
        inside(each, offset, np.nan)[0] if np.shape(each) == (n,) else each for each in arguments
    ]
    window, host = inside(out, offset, 7.0)
    window[...] = np.nan
    kernel(name, step).function(*arrays, window)
    around = np.delete(host, np.s_[offset : offset + n])
    return window, around, operation(name).oracle(*arguments, out)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(
    "step",
    [
        pytest.param(step, id=f"{name}.{step.name}")
        for name in NEW
        for step in ladder(name, tag="ladder")
    ],
)
def test_every_kernel_is_right_on_every_edge_case(step, dtype):
    assert check(step.function, step.operation, dtype=dtype, adapt=step.adapt) == []


@each_operation
@pytest.mark.parametrize("dtype", DTYPES)
@settings(deadline=None, max_examples=25)
@given(n=st.integers(0, 300), offset=st.integers(0, 40))
def test_registers_touch_nothing_around_their_array(name, dtype, n, offset):
    got, around, (expected, tolerance) = run_inside(name, "vector", n, offset, dtype)
    assert (around == 7.0).all()
    assert (np.abs(got - expected) <= tolerance).all()


@each_operation
@pytest.mark.parametrize("n", [elements.ALONE - 1, elements.ALONE, 5 * elements.PART + 3])
def test_all_cores_do_what_one_does(name, n):
    *arguments, out = inputs_of(name, n)
    kernel(name, "vector").function(*arguments, out)
    window, host = inside(np.full_like(out, np.nan), 5, 7.0)
    kernel(name, "threads").function(*arguments, window)
    np.testing.assert_array_equal(window, out)
    assert (np.delete(host, np.s_[5 : 5 + n]) == 7.0).all()


@pytest.mark.parametrize("name", ["relu", "saxpy", "polynomial"])
@pytest.mark.parametrize("step", ["vector", "threads"])
def test_answers_written_past_the_caches_are_the_same(name, step):
    n = elements.CACHED_BYTES // 8 + 1001
    few = inputs_of(name, n)
    x = few[-2]
    out, host = inside(np.full_like(x, np.nan), 3, 7.0)
    kernel(name, step).function(*few[:-1], out)
    expected, tolerance = operation(name).oracle(*few)
    assert (np.abs(out - expected) <= tolerance).all()
    assert (np.delete(host, np.s_[3 : 3 + n]) == 7.0).all()


@each_operation
@pytest.mark.parametrize("length", [17, elements.PEELED - 1])
def test_a_short_last_part_of_a_large_array_is_written_where_it_lies(name, length):
    """Its beginning is on no boundary of a register, where nothing can be written past caches."""
    n = (elements.CACHED_BYTES // 8 // elements.PART + 1) * elements.PART + length
    few = inputs_of(name, n)
    out, host = inside(np.full_like(few[-1], np.nan), 3, 7.0)
    kernel(name, "threads").function(*few[:-1], out)
    whole = few[-1]
    kernel(name, "vector").function(*few[:-1], whole)
    np.testing.assert_array_equal(out, whole)
    assert (np.delete(host, np.s_[3 : 3 + n]) == 7.0).all()


@each_operation
@pytest.mark.parametrize("n", [1, 17, 300, 1000])
def test_registers_may_write_to_the_array_that_they_read(name, n):
    *arguments, out = inputs_of(name, n)
    kernel(name, "vector").function(*arguments, out)
    for position, each in enumerate(arguments):
        if np.shape(each) == (n,):
            own = [a.copy() if a is each else a for a in arguments]
            kernel(name, "vector").function(*own, own[position])
            np.testing.assert_array_equal(own[position], out)


@each_operation
@pytest.mark.parametrize("step", ["compiled", "vector", "threads"])
def test_arrays_of_different_lengths_are_refused(name, step):
    *arguments, out = inputs_of(name, 8)
    with pytest.raises(ValueError, match=f"^{name}: .*out must"):
        kernel(name, step).function(*arguments, out[:7])


@pytest.mark.parametrize("step", ["compiled", "vector", "threads"])
def test_a_polynomial_without_coefficients_is_refused(step):
    x = np.ones(3, "float32")
    with pytest.raises(ValueError, match="polynomial: coefficients must not be empty"):
        kernel("polynomial", step).function(x[:0], x, x.copy())


@each_operation
def test_sizes_are_about_those_asked_for(name):
    op = operation(name)
    for asked in (1 << 12, 1 << 20, 1 << 27):
        used = op.compulsory_bytes(**op.sizes(asked))
        assert 0.9 * asked <= used <= 1.1 * asked
    assert op.awkward


def test_only_known_values_can_be_asked_for():
    with pytest.raises(ValueError, match="values must be .normal. or .special., not 'odd'"):
        operation("exp").inputs(n=3, values="odd")
