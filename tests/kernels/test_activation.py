"""relu, saxpy and gelu beyond the edge cases of the registry: any values, any length."""

import inspect
import re

import numba
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from accel.agreement import difference
from accel.kernels import activation, ladder, operation

DTYPES = ("float32", "float64")
LANES = 16
unhurried = settings(deadline=None)  # the first call compiles, and no test asserts a time


def steps(name, *instruments):
    return [
        pytest.param(step, id=step.name)
        for step in ladder(name, tag="ladder")
        if not instruments or step.instrument in instruments
    ]


def run(step, *arguments):
    """Return what a kernel makes of arrays, as an array."""
    out = np.full_like(arguments[-1], np.nan)
    own = step.adapt(*arguments, out) if step.adapt else (*arguments, out)
    step.function(*own)
    return np.asarray(own[-1])


def numbers(dtype):
    """Arrays over the range in which no intermediate result overflows."""
    limit = {"float32": 2.0**40, "float64": 2.0**300}[dtype]
    width = 8 * np.dtype(dtype).itemsize
    element = st.floats(-limit, limit, width=width) | st.just(np.nan)
    return st.lists(element, max_size=3 * LANES + 1).map(lambda values: np.array(values, dtype))


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("step", steps("relu", "NumPy", "compiled"))
@unhurried
@given(data=st.data())
def test_relu_is_exact(step, dtype, data):
    x = data.draw(numbers(dtype))
    assert difference(run(step, x), *operation("relu").oracle(x, x)) is None


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("step", steps("gelu", "NumPy", "compiled"))
@unhurried
@given(data=st.data())
def test_gelu_stays_within_its_roundings(step, dtype, data):
    x = data.draw(numbers(dtype))
    with np.errstate(over="ignore"):  # the square of a large float32
        got = run(step, x)
    assert difference(got, *operation("gelu").oracle(x, x)) is None


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("step", steps("saxpy", "NumPy", "compiled"))
@unhurried
@given(data=st.data())
def test_saxpy_stays_within_its_roundings(step, dtype, data):
    x = data.draw(numbers(dtype))
    y = np.resize(x[::-1], x.shape)
    alpha = data.draw(st.floats(-8, 8, width=32))
    expected, tolerance = operation("saxpy").oracle(alpha, x, y, x)
    assert difference(run(step, alpha, x, y), expected, tolerance) is None


@pytest.mark.parametrize("step", steps("relu"))
def test_relu_keeps_nan_and_infinity(step):
    got = run(step, np.array([np.nan, np.inf, -np.inf, -0.0], "float32"))
    np.testing.assert_array_equal(got, [np.nan, np.inf, 0.0, 0.0])


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("step", steps("gelu"))
def test_gelu_of_a_large_number_is_that_number_or_zero(step, dtype):
    largest = np.finfo(dtype).max
    with np.errstate(over="ignore"):
        got = run(step, np.array([largest, -largest, 1e4, -1e4, 30, -30], dtype))
    np.testing.assert_array_equal(got, np.array([largest, 0, 1e4, 0, 30, 0], dtype))


@pytest.mark.parametrize("step", steps("gelu"))
def test_gelu_at_minus_infinity_is_nan_as_its_formula_says(step):
    with np.errstate(invalid="ignore"):  # -inf * 0
        got = run(step, np.array([np.inf, -np.inf, np.nan], "float32"))
    np.testing.assert_array_equal(got, [np.inf, np.nan, np.nan])


@pytest.mark.parametrize("step", steps("gelu"))
def test_gelu_has_the_values_of_its_paper_s_formula(step):
    got = run(step, np.array([0.0, 1.0, -1.0, 2.0]))
    np.testing.assert_allclose(
        got, [0.0, 0.84119199, -0.15880801, 1.95459769], rtol=0, atol=5e-9, strict=True
    )


@pytest.mark.parametrize("name", ["relu", "gelu"])
@pytest.mark.parametrize("n", [0, 1, LANES - 1, LANES, LANES + 1, 129])
@pytest.mark.parametrize("dtype", DTYPES)
def test_vector_tail_touches_nothing_beyond_its_end(name, n, dtype):
    host = np.full(n + 2 * LANES, 7.0, dtype)
    vector = next(step for step in ladder(name) if step.name == "vector")
    vector.function(np.ones(n, dtype), host[LANES : LANES + n])
    np.testing.assert_array_equal(host[:LANES], 7.0)
    np.testing.assert_array_equal(host[LANES + n :], 7.0)
    assert not (host[LANES : LANES + n] == 7.0).any()


@pytest.mark.parametrize("name", ["relu", "saxpy", "gelu"])
@pytest.mark.parametrize("kind", ["compiled", "vector"])
def test_compiled_kernels_refuse_arrays_of_different_lengths(name, kind):
    step = next(step for step in ladder(name) if step.name == kind)
    *inputs, out = operation(name).inputs(n=8)
    with pytest.raises(ValueError, match=f"^{name}: .*out must"):
        step.function(*inputs, out[:7])


@pytest.mark.parametrize("step", steps("saxpy"))
def test_python_alpha_leaves_float32_arithmetic_float32(step):
    x = np.array([1.0, 2.0], "float32")
    np.testing.assert_allclose(run(step, np.float32(0.1), x, x), [1.1, 2.2], rtol=2.0**-22)


@pytest.mark.parametrize("function", ["saxpy_compiled", "saxpy_vector", "saxpy_numpy"])
def test_alpha_may_be_a_python_number(function):
    x = np.arange(20, dtype="float32")
    got, expected = np.empty_like(x), np.empty_like(x)
    getattr(activation, function)(0.5, x, x, got)
    getattr(activation, function)(np.float32(0.5), x, x, expected)
    np.testing.assert_array_equal(got, expected)


@pytest.mark.parametrize("function", ["relu_compiled", "saxpy_compiled"])
def test_compiler_finds_vector_instructions_in_the_plain_loop(function):
    array = numba.float32[::1]
    alpha = [numba.float32] if function.startswith("saxpy") else []
    arrays = [array] * (3 if alpha else 2)
    fresh = numba.njit([(*alpha, *arrays)])(getattr(activation, function).py_func)
    assert re.search(r"store <\d+ x float>", fresh.inspect_llvm(fresh.signatures[0]))


@pytest.mark.parametrize("name", ["relu", "saxpy", "gelu"])
def test_inputs_are_the_arrays_that_the_kernels_name(name):
    op = operation(name)
    expected = [parameter for parameter in inspect.signature(op.oracle).parameters]
    for step in ladder(name, tag="ladder"):
        function = getattr(step.function, "py_func", step.function)
        assert list(inspect.signature(function).parameters) == expected


def test_special_inputs_reach_the_tail_of_every_register_width():
    x, _ = operation("relu").inputs(n=127, values="special")
    assert np.isnan(x[-LANES + 1 :]).any()
    assert np.isneginf(x[-LANES + 1 :]).any()


def test_unknown_values_are_refused():
    with pytest.raises(ValueError, match='"normal" or "special", not \'odd\''):
        operation("relu").inputs(n=3, values="odd")


def test_tolerance_follows_the_type():
    x = np.ones(1)
    _, wide = operation("gelu").oracle(x.astype("float32"), x)
    _, narrow = operation("gelu").oracle(x, x)
    assert wide[0] / narrow[0] == pytest.approx(2.0**29)
