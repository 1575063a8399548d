"""a @ b.T, batches, and layers with their activation: every step of every ladder."""

import inspect
from importlib import import_module

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from accel.agreement import difference
from accel.kernels import check, kernel, ladder, operation
from accel.kernels.matmul import drivers
from accel.kernels.matmul.blocks import host_tile
from accel.kernels.matmul.registers import BIAS, GELU, NOTHING, RELU

NAMES = ("matmul_nt", "matmul_batched", "linear_relu", "linear_gelu")
LAYERS = ("linear_relu", "linear_gelu")
STEPS = [
    pytest.param(step, dtype, id=f"{name}.{step.name}-{dtype}")
    for name in NAMES
    for step in ladder(name)
    for dtype in step.dtypes
]
ON_ARRAYS = [
    pytest.param(step, id=f"{name}.{step.name}")
    for name in NAMES
    for step in ladder(name)
    if step.adapt is None
]
few = settings(deadline=None, max_examples=40)  # the first call compiles


@pytest.mark.parametrize(("step", "dtype"), STEPS)
def test_every_kernel_is_right_on_every_edge_case(step, dtype):
    assert check(step.function, step.operation, dtype=dtype, adapt=step.adapt) == []


@pytest.mark.parametrize(("step", "dtype"), STEPS)
def test_every_kernel_can_be_imported_by_its_target(step, dtype):
    module, _, name = step.target.partition(":")
    assert getattr(import_module(module), name) is step.function


@pytest.mark.parametrize("step", ON_ARRAYS)
def test_shapes_that_do_not_fit_are_refused_by_the_operation_s_name(step):
    *operands, out = operation(step.operation).inputs(n=5, m=3, k=4, **batch(step, 2))
    for wrong in (out[..., :-1, :], out[..., :-1], out[..., :2, :2]):
        with pytest.raises(ValueError, match=rf"^{step.operation}.*: expected .*out"):
            step.function(*operands, wrong.copy())
    for i, operand in enumerate(operands):
        others = [*operands[:i], operand[..., :-1].copy(), *operands[i + 1 :]]
        with pytest.raises(ValueError, match=rf"^{step.operation}.*: expected "):
            step.function(*others, out)


def batch(step, count):
    return (
        {"batch": count}
        if "batch" in inspect.signature(operation(step.operation).inputs).parameters
        else {}
    )


@pytest.mark.parametrize(
    "step", [p for p in ON_ARRAYS if p.values[0].name in ("vector", "threads")]
)
def test_kernels_of_registers_refuse_an_out_that_overlaps_is_read_only_or_of_another_type(step):
    *operands, out = operation(step.operation).inputs(n=4, **batch(step, 2))
    with pytest.raises(ValueError, match="out apart from"):
        step.function(*operands, operands[0])
    with pytest.raises(ValueError, match="float64"):
        step.function(*operands, out.astype("float64"))
    out.flags.writeable = False
    with pytest.raises(ValueError, match="read-only"):
        step.function(*operands, out)


# In registers: any shape, and nothing beside `out`


def framed(shape, dtype, seed=None):
    """Return an array inside a larger one full of NaN, and that one."""
    host = np.full([size + 6 for size in shape], np.nan, dtype)
    view = host[tuple(slice(3, size + 3) for size in shape)]
    if seed is not None:
        view[...] = np.random.default_rng([seed, *shape]).integers(-4, 5, shape)
    return view, host


@few
@given(
    shape=st.tuples(st.integers(0, 4), *[st.integers(0, 45)] * 3),
    dtype=st.sampled_from(["float32", "float64"]),
    kind=st.sampled_from([NOTHING, BIAS, RELU, GELU]),
    turned=st.booleans(),
)
def test_stacks_read_and_write_inside_their_arrays_only(shape, dtype, kind, turned):
    assert_right_and_inside(shape, dtype, kind, turned)


@few
@given(
    narrow=st.integers(1, 14),
    k=st.one_of(st.integers(1, 20), st.integers(250, 530)),
    wide=st.integers(500, 1100),
    by_columns=st.booleans(),
    dtype=st.sampled_from(["float32", "float64"]),
    kind=st.sampled_from([NOTHING, BIAS, RELU, GELU]),
    turned=st.booleans(),
)
def test_few_rows_or_columns_beside_a_large_matrix_are_read_and_written_inside_only(
    narrow, k, wide, by_columns, dtype, kind, turned
):
    shape = (2, wide, k, narrow) if by_columns else (2, narrow, k, wide)
    assert_right_and_inside(shape, dtype, kind, turned)


def assert_right_and_inside(shape, dtype, kind, turned):
    """Multiply a stack of framed matrices, `b` in either order; compare, and look at frames."""
    count, m, k, n = shape
    a, _ = framed((count, m, k), dtype, seed=1)
    b, _ = framed((count, n, k) if turned else (count, k, n), dtype, seed=2)
    b = b.swapaxes(1, 2) if turned else b
    bias = np.ascontiguousarray(framed((n,), dtype, seed=3)[0])
    out, host = framed((count, m, n), dtype)
    expected = a.astype("f8") @ b + (bias if kind != NOTHING else 0)
    if kind == RELU:
        expected = np.maximum(expected, 0)
    if kind == GELU:
        expected = (
            0.5 * expected * (1 + np.tanh(np.sqrt(2 / np.pi) * (expected + 0.044715 * expected**3)))
        )
    drivers.run("stack", a, b, out, bias=bias, kind=kind)
    np.testing.assert_allclose(out, expected, rtol=1e-6, atol=2e-5)  # sums are exact
    out[...] = np.nan
    assert np.isnan(host).all()


@pytest.mark.parametrize("name", LAYERS)
@pytest.mark.parametrize("step", ["numpy_out", "unfused", "vector", "threads"])
def test_deep_layers_finish_after_the_last_block_only(name, step):
    arguments = operation(name).inputs(n=37, m=21, k=2500)
    kernel(name, step).function(*arguments)
    assert difference(arguments[-1], *operation(name).oracle(*arguments)) is None


@pytest.mark.parametrize("step", ["vector", "threads"])
@pytest.mark.parametrize("name", NAMES)
def test_large_ones_that_pack_their_blocks_and_use_all_cores_agree_with_the_oracle(name, step):
    entry = kernel(name, step)
    arguments = operation(name).inputs(n=331, m=1031, k=517, **batch(entry, 2))
    entry.function(*arguments)
    assert difference(arguments[-1], *operation(name).oracle(*arguments)) is None


@pytest.mark.parametrize("kind", [NOTHING, GELU])
def test_shares_of_a_stack_have_their_part_of_the_bias(kind):
    arrays = operation("matmul_batched").inputs(batch=3, m=70, k=9, n=150)
    a, b, out = arrays
    bias = np.linspace(-1, 1, 150, dtype="float32")
    tile = host_tile(out.dtype)
    cuts = drivers.partition(3, 70, 150, tile, 12)
    assert len(cuts) == 12
    assert drivers.shared(tile)(a, b, bias, out, kind, cuts)
    alone = np.empty_like(out)
    drivers.run("stack", a, b, alone, bias=bias, kind=kind)
    np.testing.assert_array_equal(out, alone)


def test_stacks_refuse_what_is_not_aligned_or_no_stack():
    a, b, out = operation("matmul_batched").inputs(batch=2, n=4)
    odd = np.frombuffer(b"\0" + a.tobytes(), "u1")[1:].view("f4").reshape(a.shape)
    with pytest.raises(ValueError, match="stack: expected a .* aligned to their elements"):
        drivers.run("stack", odd, b, out)
    with pytest.raises(ValueError, match="stack: expected a "):
        drivers.run("stack", a[0], b[0], out[0])
    with pytest.raises(ValueError, match="stack: expected arrays of one dtype, got b of list"):
        drivers.run("stack", a, b.tolist(), out)
    with pytest.raises(ValueError, match="float32, float64 or int64, got dtype"):
        drivers.run("stack", *(np.zeros((2, 4, 4), "int32") for _ in range(3)))


# The operations


@pytest.mark.parametrize("name", LAYERS)
def test_a_layer_s_oracle_notices_a_lost_bias(name):
    x, weight, bias, out = operation(name).inputs(n=16, m=16, k=64)
    expected, tolerance = operation(name).oracle(x, weight, bias, out)
    kernel(name, "numpy").function(x, weight, np.zeros_like(bias), out)
    assert difference(out, expected, tolerance)


@pytest.mark.parametrize("name", [*NAMES, "matmul", "matvec"])
@pytest.mark.parametrize("size", [4096, 2**20, 2**30])
def test_sizes_keep_about_so_many_bytes_in_use(name, size):
    parameters = operation(name).sizes(size)
    assert 0.6 * size < operation(name).compulsory_bytes(**parameters) < 1.5 * size


@pytest.mark.parametrize("name", [*NAMES, "matmul", "matvec"])
def test_awkward_shapes_are_parameters_of_the_inputs(name):
    op = operation(name)
    assert len(op.awkward) >= 4
    for parameters in op.awkward:
        inspect.signature(op.inputs).bind(**parameters)
        assert op.flops(**parameters) > 0


# Matrices of a few registers


@few
@given(
    shape=st.tuples(st.integers(1, 3), *[st.integers(1, 19)] * 3),
    dtype=st.sampled_from(["float32", "float64", "int64"]),
)
def test_small_matrices_are_exact_and_written_inside_their_arrays_only(shape, dtype):
    count, m, k, n = shape
    numbers = np.random.default_rng(shape)
    a = numbers.integers(-8, 9, (count, m, k)).astype(dtype)
    b = numbers.integers(-8, 9, (count, k, n)).astype(dtype)
    host = np.full((count + 2, m + 2, n + 20), 77, dtype)
    out = host[1:-1, 1:-1, 10:-10]
    drivers.run("stack", a, b, out)
    np.testing.assert_array_equal(out, a @ b)
    out[...] = 77
    assert (host == 77).all()


@pytest.mark.parametrize("dtype", ["float32", "float64", "int64"])
@pytest.mark.parametrize("n", [2, 3, 4, 5, 8, 9, 16, 17])
def test_batches_of_small_squares_end_where_their_memory_does(n, dtype):
    """Packed densely, with operands read to their last element and nothing beyond."""
    a, b, out = operation("matmul_batched").inputs(batch=37, n=n, dtype=dtype)
    kernel("matmul_batched", "vector").function(a, b, out)
    assert difference(out, *operation("matmul_batched").oracle(a, b, out)) is None


def test_small_matrices_keep_nan_and_infinity_to_their_rows_and_columns():
    a, b, out = operation("matmul_batched").inputs(batch=5, n=3)
    a[1, 2, 0], b[3, 0, 1] = np.nan, np.inf
    kernel("matmul_batched", "vector").function(a, b, out)
    with np.errstate(invalid="ignore"):
        expected = a @ b
    np.testing.assert_array_equal(np.isnan(out), np.isnan(expected))
    np.testing.assert_array_equal(np.isinf(out), np.isinf(expected))
