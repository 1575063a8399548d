"""Reductions beyond the edge cases of the registry: errors, places, infinities, borders."""

import inspect
import math
from fractions import Fraction
from importlib import import_module

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from accel.agreement import difference
from accel.kernels import check, kernel, ladder, operation
from accel.kernels.reduction.blocks import BLOCK
from accel.simd import vector
from accel.timing.counting import count

NAMES = ("sum", "max", "argmax", "mean_variance", "prefix_sum")
unhurried = settings(deadline=None, max_examples=40)  # the first call compiles

TRIED = [
    pytest.param(step, dtype, id=f"{step.operation}.{step.name}-{dtype}")
    for name in NAMES
    for step in ladder(name)
    for dtype in step.dtypes
    if (step.name, dtype) != ("threads", "float64")  # those spans are "vector"'s
]


def steps(name, *instruments):
    return [
        pytest.param(step, id=step.name)
        for step in ladder(name)
        if not instruments or step.instrument in instruments
    ]


def run(step, x, out):
    own = step.adapt(x, out) if step.adapt else (x, out)
    step.function(*own)
    return np.asarray(own[-1])


@pytest.mark.parametrize(("step", "dtype"), TRIED)
def test_every_kernel_is_right_on_every_edge_case(step, dtype):
    assert check(step.function, step.operation, dtype=dtype, adapt=step.adapt) == []


@pytest.mark.parametrize(("step", "dtype"), TRIED)
def test_every_kernel_can_be_imported_by_its_target(step, dtype):
    module, _, name = step.target.partition(":")
    assert getattr(import_module(module), name) is step.function


def bound(step, dtype, n):
    """The factor of u and the sum of absolute values that a docstring promises."""
    lanes = vector(dtype).lanes
    unit = float(np.finfo(dtype).eps) / 2
    return {
        "loop": n,
        "numpy": 19 + max(0, math.log2(n / 128)) + 1,
        "compiled": n,
        "kahan": 2 + n * unit,
        "pairwise": 20 + max(0, math.log2(n / 128)) + 1,
    }.get(step, BLOCK / (8 * lanes) + math.log2(8 * lanes) + 1) * (1 + 1e-3)


def error(step, x):
    """The error of a sum relative to the sum of absolute values, in units of u."""
    got = run(step, x, np.empty(1, x.dtype))[0]
    unit = Fraction(float(np.finfo(x.dtype).eps)) / 2
    exact, size = math.fsum(x.tolist()), float(np.abs(x).sum(dtype=float))
    return float(abs(Fraction(float(got)) - Fraction(exact)) / unit) / size


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("step", steps("sum"))
@pytest.mark.parametrize("n", [100, 5000, 200_001])
def test_errors_of_sums_are_within_their_bounds(step, dtype, n):
    random = operation("sum").inputs(n=n, dtype=dtype, values="uniform")[0]
    same = np.full(n, 0.1, dtype)  # rounds the same way again and again
    signed = operation("sum").inputs(n=n, dtype=dtype)[0]
    for x in (random, same, signed):
        assert error(step, x) <= bound(step.name, dtype, n)


def test_the_order_of_additions_decides_the_error():
    x = np.full(1 << 20, 0.1, "float32")
    naive, kahan, pairwise, vector_ = (
        error(kernel("sum", name), x) for name in ("compiled", "kahan", "pairwise", "vector")
    )
    assert naive > 1000 * pairwise
    assert max(kahan, pairwise, vector_) < 4


@pytest.mark.parametrize("n", [1, 2, 3, 15, 16, 17, 31])  # four registers of 256 bits, less one
def test_short_sums_and_moments_of_float32_are_the_right_ones_rounded(n):
    x = operation("sum").inputs(n=n)[0]
    assert run(kernel("sum", "vector"), x, np.empty(1, "f4"))[0] == np.float32(math.fsum(x))
    z = x.astype(float)
    expected = np.array([z.mean(), z.var()], "f4")
    got = run(kernel("mean_variance", "vector"), x, np.empty(2, "f4"))
    np.testing.assert_array_equal(got, expected)


@pytest.mark.parametrize("kind", ["sum", "mean_variance"])
@pytest.mark.parametrize("n", [5, 40, 600, 5000])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_an_infinity_among_the_numbers_is_the_sum_and_two_of_them_may_be_nan(kind, n, dtype):
    x = np.ones(n, dtype)
    x[n // 2] = np.inf
    out = np.empty(1 if kind == "sum" else 2, dtype)
    assert run(kernel(kind, "vector"), x, out)[0] == np.inf
    x[1] = -np.inf
    assert np.isnan(run(kernel(kind, "vector"), x, out)[0])


def test_kahan_keeps_what_a_compiler_free_to_reorder_would_lose():
    x = np.ones(1 << 12, "float32")
    x[0] = 2.0**24  # from here on, adding 1 changes nothing
    got = run(kernel("sum", "kahan"), x, np.empty(1, "float32"))
    assert got[0] == 2**24 + (1 << 12)
    assert run(kernel("sum", "compiled"), x, np.empty(1, "float32"))[0] == 2**24


def test_sums_on_all_cores_have_the_same_digits_whoever_adds():
    x = operation("sum").inputs(n=1 << 18)[0]
    once, again = (run(kernel("sum", "threads"), x, np.empty(1, "f4"))[0] for _ in range(2))
    assert once == again


FEW = [0.0, -0.0, 1.0, 2.0, 3.0, -np.inf, np.inf, np.nan]


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", ["max", "argmax"])
@unhurried
@given(values=st.lists(st.sampled_from(FEW), min_size=1, max_size=100))
def test_ties_infinities_and_nan_are_decided_as_by_numpy(name, dtype, values):
    x = np.array(values, dtype)
    expected = getattr(np, name)(x)
    for step in ladder(name, tag="ladder"):
        got = run(step, x, np.zeros(1, "int64" if name == "argmax" else dtype))[0]
        assert got == expected or np.isnan([got, expected]).all(), step.name


@pytest.mark.parametrize("kind", ["vector", "threads"])
@pytest.mark.parametrize("n", [5000, 200_000])
@pytest.mark.parametrize("place", [0, 2047, 2048, 4321, 4999])
def test_the_first_of_equal_numbers_is_the_place_across_blocks(kind, n, place):
    x = np.zeros(n, "float32")
    x[[place, n - 1, n // 2 + 2490]] = 7
    assert run(kernel("argmax", kind), x, np.zeros(1, "int64"))[0] == np.argmax(x)
    x[[min(place + 1, n - 1), n - 1]] = np.nan
    assert run(kernel("argmax", kind), x, np.zeros(1, "int64"))[0] == np.argmax(x)
    assert np.isnan(run(kernel("max", kind), x, np.zeros(1, "float32"))[0])


@pytest.mark.parametrize("step", steps("mean_variance"))
def test_a_mean_far_from_zero_costs_no_digits_of_the_variance(step):
    x = (1e4 + np.random.default_rng(1).integers(-2, 3, 4000)).astype("float32")  # exact
    mean, variance = run(step, x, np.empty(2, "float32"))
    assert mean == pytest.approx(x.mean(dtype=float), rel=1e-5)
    assert variance == pytest.approx(x.var(dtype=float), rel=2e-3)


@pytest.mark.parametrize("kind", ["vector", "threads"])
def test_blocks_joined_have_the_variance_of_the_whole(kind):
    x = np.concatenate([np.full(70_000, level, "float32") for level in (1, -3, 500)])
    mean, variance = run(kernel("mean_variance", kind), x, np.empty(2, "float32"))
    assert mean == pytest.approx(x.mean(dtype=float), rel=1e-6)
    assert variance == pytest.approx(x.var(dtype=float), rel=1e-6)


@pytest.mark.parametrize("kind", ["vector", "threads"])
def test_an_infinite_mean_is_infinite(kind):
    x = np.zeros(200_000)
    x[777] = -np.inf
    mean, variance = run(kernel("mean_variance", kind), x, np.empty(2))
    assert mean == -np.inf and np.isnan(variance)


#: Both sides of a register, of eight, of a stretch, of a block; long enough for all cores.
SIZES = [1, 3, 15, 16, 17, 63, 64, 65, 127, 129, 1025, 511, 513, 2047, 2049, 2111, 4097, 131_073]


@pytest.mark.parametrize(
    ("kind", "dtype"), [("vector", "float32"), ("vector", "float64"), ("threads", "float32")]
)
@pytest.mark.parametrize("name", NAMES)
def test_vector_kernels_read_and_write_nothing_beyond_their_arrays(name, kind, dtype):
    op, step = operation(name), kernel(name, kind)
    for n in SIZES:
        x, out = op.inputs(n=n, dtype=dtype)
        source = np.full(n + 131, np.nan, dtype)  # a NaN read beyond would spoil the answer
        source[67 : 67 + n] = x
        target = np.full(out.size + 131, 99, out.dtype)
        step.function(source[67 : 67 + n], target[67 : 67 + out.size])
        assert difference(target[67 : 67 + out.size], *op.oracle(x, out)) is None, n
        target[67 : 67 + out.size] = 99
        np.testing.assert_array_equal(target, 99)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("kind", ["compiled", "vector", "threads"])
def test_compiled_kernels_refuse_an_out_that_does_not_fit(name, kind):
    x, out = operation(name).inputs(n=8)
    with pytest.raises(ValueError, match=f"^{name}: .*out must"):
        kernel(name, kind).function(x, np.empty(out.size + 1, out.dtype))


@pytest.mark.parametrize("step", steps("max", "compiled") + steps("argmax", "compiled"))
def test_compiled_kernels_refuse_an_empty_array(step):
    out = np.empty(1, "int64" if step.operation == "argmax" else "float32")
    with pytest.raises(ValueError, match="x must not be empty"):
        step.function(np.empty(0, "float32"), out)


@pytest.mark.parametrize("step", steps("mean_variance", "compiled"))
def test_nothing_has_no_mean(step):
    with pytest.raises(ValueError, match="mean_variance: x must not be empty"):
        step.function(np.empty(0, "float32"), np.empty(2, "float32"))


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
        expected = sum(array.nbytes for array in op.inputs(**parameters, dtype=dtype))
        assert op.compulsory_bytes(**parameters, dtype=dtype) == expected


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("nbytes", [1 << 12, 1 << 20, 1 << 28])
def test_sizes_are_about_the_bytes_asked_for(name, nbytes):
    op = operation(name)
    assert 0.9 <= op.compulsory_bytes(**op.sizes(nbytes)) / nbytes <= 1.1


@pytest.mark.parametrize(
    ("name", "step", "extra"),
    [
        ("sum", "compiled", 0),
        ("max", "compiled", 0),
        ("argmax", "compiled", 0),
        ("mean_variance", "compiled", 0),
        ("prefix_sum", "compiled", 0),
        ("sum", "kahan", 3 * 129 + 1),
    ],
)
def test_declared_flops_are_those_of_the_loops(name, step, extra):
    op = operation(name)
    seen = count(kernel(name, step).function, op.inputs(n=129))
    assert seen.flops == op.flops(n=129) + extra
    assert seen.unique_bytes == op.compulsory_bytes(n=129)


def test_unknown_values_are_refused():
    with pytest.raises(ValueError, match='"normal", "uniform" or "special", not \'odd\''):
        operation("sum").inputs(n=3, values="odd")
