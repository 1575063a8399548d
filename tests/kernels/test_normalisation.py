"""Normalisations beyond the edge cases of the registry: any rows, any numbers."""

import inspect
from importlib import import_module

import numba
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from accel.agreement import difference
from accel.kernels import check, kernel, ladder, operation
from accel.kernels.activation.elements import CACHED_BYTES
from accel.kernels.normalisation import EPSILON, layernorm_compiled
from accel.timing.counting import count

LANES = 16
NAMES = ("layernorm", "rmsnorm", "softmax", "log_softmax")
SOFT = ("softmax", "log_softmax")
unhurried = settings(deadline=None, max_examples=25)  # the first call compiles

TRIED = [
    pytest.param(step, dtype, id=f"{step.operation}.{step.name}-{dtype}")
    for name in (*NAMES, "batchnorm")
    for step in ladder(name)
    for dtype in step.dtypes
    if (step.name, dtype) != ("threads", "float64")  # those rows are "vector"'s
]


def steps(name, *instruments):
    return [
        pytest.param(step, id=step.name)
        for step in ladder(name, tag="ladder")
        if not instruments or (step.instrument in instruments and step.name != "threads")
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
@pytest.mark.parametrize("step", steps("softmax", "compiled") + steps("log_softmax", "compiled"))
@unhurried
@given(data=st.data())
def test_softmax_of_any_rows_stays_within_its_roundings(step, dtype, data):
    x = data.draw(matrices(dtype))
    assert difference(run(step, x), *operation(step.operation).oracle(x, x)) is None


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("step", steps("layernorm", "compiled"))
@unhurried
@given(data=st.data())
def test_layernorm_of_any_rows_stays_within_its_roundings(step, dtype, data):
    x = data.draw(matrices(dtype))
    weight, bias = np.linspace(-2, 2, x.shape[1], dtype=dtype), np.ones(x.shape[1], dtype)
    expected = operation("layernorm").oracle(x, weight, bias, x)
    assert difference(run(step, x, weight, bias), *expected) is None


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("step", steps("rmsnorm", "compiled"))
@unhurried
@given(data=st.data())
def test_rmsnorm_of_any_rows_stays_within_its_roundings(step, dtype, data):
    x = data.draw(matrices(dtype))
    weight = np.linspace(-2, 2, x.shape[1], dtype=dtype)
    assert difference(run(step, x, weight), *operation("rmsnorm").oracle(x, weight, x)) is None


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("step", steps("batchnorm", "compiled"))
@unhurried
@given(shape=st.tuples(*[st.integers(1, 20)] * 2, *[st.integers(1, 9)] * 2))
def test_batchnorm_of_any_shape_stays_within_its_roundings(step, dtype, shape):
    op = operation("batchnorm")
    arguments = op.inputs(**dict(zip("nchw", shape, strict=True)), dtype=dtype)
    step.function(*arguments)
    assert difference(arguments[-1], *op.oracle(*arguments)) is None


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
@pytest.mark.parametrize("kind", ["compiled", "vector", "threads"])
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


#: Both sides of every register, of four, and of blocks; one long row.
WIDTHS = [1, 2, 15, 16, 17, 31, 33, 63, 64, 65, 100, 129, 4095, 4097, 70_001]


def fenced(values):
    """Return a copy of an array inside a larger one whose other elements are NaN."""
    host = np.full(values.size + 4 * LANES, np.nan, values.dtype)
    inside = host[2 * LANES + 3 : 2 * LANES + 3 + values.size]
    inside[...] = values.ravel()
    return host, inside.reshape(values.shape)


@pytest.mark.parametrize(
    ("kind", "dtype"), [("vector", "float32"), ("vector", "float64"), ("threads", "float32")]
)
@pytest.mark.parametrize("name", NAMES)
def test_vector_kernels_read_and_write_nothing_beyond_their_arrays(name, kind, dtype):
    op, step = operation(name), next(each for each in ladder(name) if each.name == kind)
    for width in WIDTHS:
        *inputs, out = op.inputs(rows=3, width=width, dtype=dtype)
        expected, tolerance = op.oracle(*inputs, out)
        host, inside = fenced(np.zeros_like(out))
        around = np.isnan(host)
        step.function(*(fenced(each)[1] for each in inputs), inside)
        assert difference(inside, expected, tolerance) is None, width
        np.testing.assert_array_equal(np.isnan(host), around)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("step", steps("layernorm", "NumPy", "compiled"))
def test_rows_of_one_number_become_the_bias_unless_it_is_no_number(step, dtype):
    x = np.linspace(-9, 9, 3 * LANES + 1, dtype=dtype)[:, np.newaxis]
    x[[1, LANES, -1], 0] = np.nan, np.inf, -np.inf
    one = np.ones(1, dtype)
    with np.errstate(invalid="ignore"):  # inf - inf
        got = run(step, x, 2 * one, 0.25 * one)
        broken = run(step, x, np.inf * one, one)
    np.testing.assert_array_equal(got, np.where(np.isfinite(x), 0.25, np.nan))
    assert np.isnan(broken).all()


@pytest.mark.parametrize("shape", [(2100, 1013), (64, 32_800), (2, 1_100_003)])
@pytest.mark.parametrize("name", NAMES)
def test_results_larger_than_the_caches_are_written_whole(name, shape):
    op = operation(name)
    *inputs, out = op.inputs(rows=shape[0], width=shape[1])
    assert 2 * out.nbytes > CACHED_BYTES
    host, inside = fenced(np.zeros_like(out))
    around = np.isnan(host)
    kernel(name, "vector").function(*inputs, inside)
    assert difference(inside, *op.oracle(*inputs, out)) is None
    np.testing.assert_array_equal(np.isnan(host), around)


@pytest.mark.parametrize("kind", ["vector", "threads"])
def test_images_larger_than_the_caches_are_written_whole(kind):
    op = operation("batchnorm")
    for h, w in [(7, 7), (223, 227)]:
        *inputs, out = op.inputs(n=43 * 1024 // (h * w) + 1, c=50, h=h, w=w)
        assert 2 * out.nbytes > CACHED_BYTES
        host, inside = fenced(np.zeros_like(out))
        around = np.isnan(host)
        kernel("batchnorm", kind).function(*inputs, inside)
        assert difference(inside, *op.oracle(*inputs, out)) is None
        np.testing.assert_array_equal(np.isnan(host), around)


@pytest.mark.parametrize("kind", ["vector", "threads"])
def test_batchnorm_reads_and_writes_nothing_beyond_its_arrays(kind):
    op = operation("batchnorm")
    step = next(each for each in ladder("batchnorm") if each.name == kind)
    for h, w in [(1, 1), (1, 15), (4, 4), (1, 17), (7, 7), (9, 15), (97, 101)]:
        *inputs, out = op.inputs(n=3, c=19, h=h, w=w)
        host, inside = fenced(np.zeros_like(out))
        around = np.isnan(host)
        step.function(*(fenced(each)[1] for each in inputs), inside)
        assert difference(inside, *op.oracle(*inputs, out)) is None, (h, w)
        np.testing.assert_array_equal(np.isnan(host), around)


@pytest.mark.parametrize("kind", ["compiled", "vector", "threads"])
@pytest.mark.parametrize("name", SOFT)
@pytest.mark.parametrize("width", [1, 5, 16, 21, 64, 200])
def test_rows_without_a_finite_largest_number_become_nan(name, kind, width):
    """As in NumPy and PyTorch: all masked, an infinity, a NaN of any payload."""
    step = next(each for each in ladder(name) if each.name == kind)
    x = np.zeros((5, width), "float32")
    x[0] = -np.inf
    x[1, width // 2] = np.inf
    x[2, -1] = np.nan
    x[3, 0] = np.uint32(0x7FC12345).view("float32")
    got = run(step, x)
    assert np.isnan(got[:4]).all()
    expected = 1 / width if name == "softmax" else -np.log(width)
    np.testing.assert_allclose(got[4], expected, rtol=1e-6)


@pytest.mark.parametrize("step", steps("log_softmax"))
def test_the_logarithm_of_a_vanishing_softmax_is_kept(step):
    got = run(step, np.array([[0, -300, -np.inf]], "float32"))
    np.testing.assert_array_equal(got, [[0, -300, -np.inf]])


@pytest.mark.parametrize("step", steps("softmax", "compiled"))
def test_subnormal_results_are_kept(step):
    x = np.array([[0, -90, -100, -103.5, -110] + [-np.inf] * 16], "float32")
    got = run(step, x)
    np.testing.assert_allclose(got, np.exp(x.astype(float)), atol=1.5e-45)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("step", steps("layernorm", "compiled"))
def test_a_mean_far_from_zero_costs_no_digits_of_the_deviation(step, dtype):
    x = (1e4 + np.random.default_rng(1).integers(-2, 3, (3, 999))).astype(dtype)  # exact
    got = run(step, x, np.ones(999, dtype), np.zeros(999, dtype))
    z = x.astype(float)
    expected = (z - z.mean(axis=1, keepdims=True)) / np.sqrt(z.var(axis=1, keepdims=True) + EPSILON)
    np.testing.assert_allclose(got, expected, atol=1e4 * np.finfo(dtype).eps)


@pytest.mark.parametrize("kind", ["compiled", "vector", "threads"])
def test_batchnorm_refuses_shapes_that_do_not_fit(kind):
    step = next(each for each in ladder("batchnorm") if each.name == kind)
    x, *channels, out = operation("batchnorm").inputs(n=2, c=3, h=2, w=2)
    with pytest.raises(ValueError, match="batchnorm: out must have the shape of x"):
        step.function(x, *channels, out[:1])
    for short in range(4):
        wrong = [each[: 2 if at == short else 3] for at, each in enumerate(channels)]
        with pytest.raises(ValueError, match="batchnorm: .* must be one per channel"):
            step.function(x, *wrong, out)


@pytest.mark.parametrize("kind", ["compiled", "vector", "threads"])
def test_rmsnorm_refuses_weights_of_another_length(kind):
    step = next(each for each in ladder("rmsnorm") if each.name == kind)
    x, weight, out = operation("rmsnorm").inputs(rows=3, width=8)
    with pytest.raises(ValueError, match="rmsnorm: weight must be as long as a row"):
        step.function(x, weight[:7], out)


@pytest.mark.parametrize("name", (*NAMES, "batchnorm"))
@pytest.mark.parametrize("nbytes", [1 << 12, 1 << 20, 1 << 28])
def test_sizes_are_about_the_bytes_asked_for(name, nbytes):
    op = operation(name)
    assert 0.5 <= op.compulsory_bytes(**op.sizes(nbytes)) / nbytes <= 1.5


def test_compiler_adds_up_a_row_in_vector_registers():
    row, matrix = numba.float32[::1], numba.float32[:, ::1]
    fresh = numba.njit(fastmath={"reassoc", "contract"})(layernorm_compiled.py_func)
    fresh.compile((matrix, row, row, matrix))
    assert "fadd reassoc contract <" in fresh.inspect_llvm(fresh.signatures[0])


@pytest.mark.parametrize("name", (*NAMES, "batchnorm"))
def test_inputs_are_the_arrays_that_the_kernels_name(name):
    op = operation(name)
    for step in ladder(name):
        function = getattr(step.function, "py_func", step.function)
        expected = list(inspect.signature(op.oracle).parameters)
        assert list(inspect.signature(function).parameters) == expected


@pytest.mark.parametrize("name", (*NAMES, "batchnorm"))
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
    assert operation("log_softmax").flops(rows=3, width=10) == 3 * 61
    assert operation("rmsnorm").flops(rows=3, width=10) == 3 * 44
    assert operation("batchnorm").flops(n=2, c=3, h=4, w=5) == 3 * 120 + 9


@pytest.mark.parametrize("name", (*NAMES, "batchnorm"))
def test_unknown_values_are_refused(name):
    op = operation(name)
    with pytest.raises(ValueError, match='"normal" or "special", not \'odd\''):
        op.inputs(**op.edges[1], values="odd")


def counted(name, step, **sizes):
    op = operation(name)
    function = next(each.function for each in ladder(name) if each.name == step)
    return count(function, op.inputs(**sizes)), op.flops(**sizes), op.compulsory_bytes(**sizes)


def test_softmax_run_on_counting_arrays_does_what_is_declared():
    seen, flops, nbytes = counted("softmax", "compiled", rows=3, width=7)
    assert (seen.flops, seen.unique_bytes, seen.allocated_bytes) == (flops, nbytes, 0)


def test_log_softmax_run_on_counting_arrays_does_what_is_declared():
    seen, flops, nbytes = counted("log_softmax", "compiled", rows=3, width=7)
    assert (seen.flops, seen.unique_bytes, seen.allocated_bytes) == (flops, nbytes, 0)


def test_rmsnorm_run_on_counting_arrays_does_what_is_declared():
    seen, flops, nbytes = counted("rmsnorm", "compiled", rows=3, width=7)
    assert (seen.flops, seen.unique_bytes, seen.allocated_bytes) == (flops, nbytes, 0)


def test_batchnorm_run_on_counting_arrays_does_what_is_declared():
    seen, flops, nbytes = counted("batchnorm", "compiled", n=2, c=3, h=2, w=4)
    assert (seen.flops, seen.unique_bytes, seen.allocated_bytes) == (flops, nbytes, 0)


def test_layernorm_run_on_counting_arrays_forms_each_distance_once_more_than_declared():
    seen, flops, nbytes = counted("layernorm", "compiled", rows=3, width=7)
    assert (seen.flops, seen.unique_bytes) == (flops + 3 * 7, nbytes)


def test_in_place_softmax_touches_as_much_and_allocates_less():
    eager, *_ = counted("softmax", "numpy", rows=3, width=7)
    in_place, *_ = counted("softmax", "numpy_out", rows=3, width=7)
    assert in_place.total_bytes == eager.total_bytes
    assert eager.allocated_bytes - in_place.allocated_bytes == 2 * 3 * 7 * 4
