"""layernorm and softmax beyond the edge cases of the registry: any rows, any numbers."""

import inspect
from importlib import import_module

import numba
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from accel.agreement import difference
from accel.kernels import check, ladder, operation
from accel.kernels.normalisation import layernorm_compiled
from accel.timing.counting import count

LANES = 16
NAMES = ("layernorm", "softmax")
unhurried = settings(deadline=None, max_examples=40)  # the first call compiles

TRIED = [
    pytest.param(step, dtype, id=f"{step.operation}.{step.name}-{dtype}")
    for name in NAMES
    for step in ladder(name)
    for dtype in step.dtypes
]


def steps(name, *instruments):
    return [
        pytest.param(step, id=step.name)
        for step in ladder(name, tag="ladder")
        if not instruments or step.instrument in instruments
    ]


def run(step, *arguments):
    out = np.full_like(arguments[0], np.nan)
    own = step.adapt(*arguments, out) if step.adapt else (*arguments, out)
    step.function(*own)
    return np.asarray(own[-1])


def matrices(dtype):
    """Rows of equal length, of numbers that neither overflow nor are lost when squared."""
    width = st.integers(1, 3 * LANES + 1)
    number = st.floats(-1e4, 1e4, width=32).map(lambda value: round(value, 3))
    return width.flatmap(
        lambda n: st.lists(st.lists(number, min_size=n, max_size=n), min_size=1, max_size=3)
    ).map(lambda rows: np.array(rows, dtype))


@pytest.mark.parametrize(("step", "dtype"), TRIED)
def test_every_kernel_is_right_on_every_edge_case(step, dtype):
    assert check(step.function, step.operation, dtype=dtype, adapt=step.adapt) == []


@pytest.mark.parametrize(("step", "dtype"), TRIED)
def test_every_kernel_can_be_imported_by_its_target(step, dtype):
    module, _, name = step.target.partition(":")
    assert getattr(import_module(module), name) is step.function


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("step", steps("softmax", "NumPy", "compiled"))
@unhurried
@given(data=st.data())
def test_softmax_of_any_rows_stays_within_its_roundings(step, dtype, data):
    x = data.draw(matrices(dtype))
    assert difference(run(step, x), *operation("softmax").oracle(x, x)) is None


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("step", steps("layernorm", "NumPy", "compiled"))
@unhurried
@given(data=st.data())
def test_layernorm_of_any_rows_stays_within_its_roundings(step, dtype, data):
    x = data.draw(matrices(dtype))
    weight, bias = np.linspace(-2, 2, x.shape[1], dtype=dtype), np.ones(x.shape[1], dtype)
    expected = operation("layernorm").oracle(x, weight, bias, x)
    assert difference(run(step, x, weight, bias), *expected) is None


@pytest.mark.parametrize("step", steps("softmax"))
def test_softmax_of_numbers_that_overflow_is_finite_and_sums_to_one(step):
    x = np.array([[1e4, 1e4 - 1, -1e4], [-1e4, -1e4, -1e4]], "float32")
    got = run(step, x)
    np.testing.assert_allclose(got[0], [0.7310586, 0.2689414, 0], atol=1e-6)
    np.testing.assert_allclose(got[1], 1 / 3, atol=1e-6)


@pytest.mark.parametrize("step", steps("softmax"))
@pytest.mark.parametrize("place", [0, 3, 16, 20])
def test_masked_numbers_get_nothing(step, place):
    x = np.full((1, 21), -np.inf, "float32")
    x[0, place] = 7
    expected = np.zeros((1, 21))
    expected[0, place] = 1
    np.testing.assert_array_equal(run(step, x), expected)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("place", [0, 15, 16, 20])
def test_a_nan_anywhere_makes_its_row_nan_and_no_other(name, place):
    for step in ladder(name, tag="ladder"):
        x, *rest, _ = operation(name).inputs(rows=2, width=21)
        x[1, place] = np.nan
        got = run(step, x, *rest)
        assert np.isfinite(got[0]).all() and np.isnan(got[1]).all(), step.name


@pytest.mark.parametrize("step", steps("layernorm"))
def test_equal_numbers_become_the_bias(step):
    weight, bias = np.full(20, 5, "float64"), np.arange(20, dtype="float64")
    got = run(step, np.full((1, 20), 0.5), weight, bias)
    np.testing.assert_array_equal(got, [bias])


@pytest.mark.parametrize("step", steps("layernorm"))
def test_rows_get_mean_zero_and_deviation_one(step):
    x = np.random.default_rng(1).normal(50, 10, (3, 400))
    got = run(step, x, np.ones(400), np.zeros(400))
    np.testing.assert_allclose(got.mean(axis=1), 0, atol=1e-12)
    np.testing.assert_allclose(got.std(axis=1), 1, atol=1e-6)  # EPSILON under the root


def test_oracle_refuses_the_variance_that_loses_its_digits():
    def by_squares(x, weight, bias, out):
        mean = x.mean(axis=1, keepdims=True)
        variance = (x * x).mean(axis=1, keepdims=True) - mean * mean
        with np.errstate(invalid="ignore"):
            out[...] = (x - mean) / np.sqrt(variance + 1e-5) * weight + bias

    complaints = check(by_squares, "layernorm")
    assert any("special" in line for line in complaints)


def test_oracle_refuses_a_softmax_that_overflows():
    def without_largest(x, out):
        with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
            out[...] = np.exp(x) / np.exp(x).sum(axis=1, keepdims=True)

    assert [line.partition(": ")[0] for line in check(without_largest, "softmax")] == [
        "rows=4, width=35, values=special"
    ]


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("kind", ["compiled", "vector"])
def test_compiled_kernels_refuse_shapes_that_do_not_fit(name, kind):
    for step in (step for step in ladder(name) if step.name == kind):
        *inputs, out = operation(name).inputs(rows=3, width=8)
        with pytest.raises(ValueError, match=f"^{name}: .*out must have the shape of x"):
            step.function(*inputs, out[:2])
        *inputs, out = operation(name).inputs(rows=3, width=0)
        with pytest.raises(ValueError, match=f"^{name}: .*empty"):
            step.function(*inputs, out)


def test_layernorm_refuses_weights_of_another_length():
    x, weight, bias, out = operation("layernorm").inputs(rows=3, width=8)
    with pytest.raises(ValueError, match="weight and bias must be as long as a row"):
        layernorm_compiled(x, weight[:7], bias, out)


@pytest.mark.parametrize("width", [1, 15, 16, 17, 33])
def test_vector_tail_touches_nothing_beyond_its_row(width):
    host = np.full(width + 2 * LANES, 7.0, "float32")
    out = host[LANES : LANES + width].reshape(1, width)
    vector = next(step for step in ladder("softmax") if step.name == "vector")
    vector.function(np.ones((1, width), "float32"), out)
    np.testing.assert_array_equal(host[:LANES], 7.0)
    np.testing.assert_array_equal(host[LANES + width :], 7.0)
    np.testing.assert_allclose(out, 1 / width, rtol=1e-6)


def test_compiler_adds_up_a_row_in_vector_registers():
    row, matrix = numba.float32[::1], numba.float32[:, ::1]
    fresh = numba.njit(fastmath={"reassoc", "contract"})(layernorm_compiled.py_func)
    fresh.compile((matrix, row, row, matrix))
    assert "fadd reassoc contract <" in fresh.inspect_llvm(fresh.signatures[0])


@pytest.mark.parametrize("name", NAMES)
def test_inputs_are_the_arrays_that_the_kernels_name(name):
    op = operation(name)
    for step in ladder(name):
        function = getattr(step.function, "py_func", step.function)
        expected = list(inspect.signature(op.oracle).parameters)
        assert list(inspect.signature(function).parameters) == expected


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_compulsory_bytes_are_those_of_all_arrays(name, dtype):
    op = operation(name)
    for parameters in op.edges:
        arguments = op.inputs(**parameters, dtype=dtype)
        expected = sum(array.nbytes for array in arguments)
        assert op.compulsory_bytes(**parameters, dtype=dtype) == expected


def test_flops_are_those_of_the_loops():
    assert operation("softmax").flops(rows=3, width=10) == 150
    assert operation("layernorm").flops(rows=3, width=10) == 3 * 75


@pytest.mark.parametrize("name", NAMES)
def test_unknown_values_are_refused(name):
    with pytest.raises(ValueError, match='"normal" or "special", not \'odd\''):
        operation(name).inputs(rows=3, width=3, values="odd")


def counted(name, step, **sizes):
    op = operation(name)
    function = next(each.function for each in ladder(name) if each.name == step)
    return count(function, op.inputs(**sizes)), op.flops(**sizes), op.compulsory_bytes(**sizes)


def test_softmax_run_on_counting_arrays_does_what_is_declared():
    seen, flops, nbytes = counted("softmax", "compiled", rows=3, width=7)
    assert (seen.flops, seen.unique_bytes, seen.allocated_bytes) == (flops, nbytes, 0)


def test_layernorm_run_on_counting_arrays_forms_each_distance_once_more_than_declared():
    seen, flops, nbytes = counted("layernorm", "compiled", rows=3, width=7)
    assert (seen.flops, seen.unique_bytes) == (flops + 3 * 7, nbytes)


def test_in_place_softmax_touches_as_much_and_allocates_less():
    eager, *_ = counted("softmax", "numpy", rows=3, width=7)
    in_place, *_ = counted("softmax", "numpy_out", rows=3, width=7)
    assert in_place.total_bytes == eager.total_bytes
    assert eager.allocated_bytes - in_place.allocated_bytes == 2 * 3 * 7 * 4
