"""Steps that remove one layer: what their machine code is, and shares for any number of cores."""

import json
import os
import re
import subprocess
import sys

import llvmlite.binding
import numba
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from accel.agreement import difference
from accel.kernels import kernel, ladder, matmul, operation
from accel.kernels.matmul import drivers, layers
from accel.kernels.matmul.blocks import host_tile
from accel.timing.isolate import environment, resolve

ON_X86 = llvmlite.binding.get_default_triple().startswith("x86_64")
WHOLE_REGISTERS = (
    r"\sv?(fmadd\d+|fmsub\d+|mul|add)p[sd]\s" if ON_X86 else r"fmla[\s.].*\d[sd]|fmul\s+v"
)
SINGLE = r"\sv?(fmadd\d+|mul)s[sd]\s" if ON_X86 else r"\sf(madd|mul)\s+[sd]\d"
SHAPES = [(0, 3, 2), (1, 1, 1), (1, 40, 33), (8, 5, 16), (17, 31, 13), (127, 9, 129), (129, 0, 5)]


@pytest.fixture
def threads():
    """Numba's number of threads, put back afterwards."""
    before = numba.get_num_threads()
    yield numba.set_num_threads
    numba.set_num_threads(before)


def assembly(name, dtype):
    """Compile a kernel again: code from the cache can be run but not read."""
    code = kernel("matmul", name).function.machine_code(dtype)
    options = {"fastmath": code.targetoptions["fastmath"]}
    return next(iter(numba.njit(code.signatures, **options)(code.py_func).inspect_asm().values()))


def factors(m, k, n, dtype="float32"):
    generator = np.random.default_rng([m, k, n])
    return (generator.integers(-8, 9, shape).astype(dtype) for shape in ((m, k), (k, n)))


# One thing removed, and not the next


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", ["ijk", "ijk_transposed", "ikj_scalar"])
def test_steps_before_vectors_multiply_one_number_at_a_time(name, dtype):
    code = assembly(name, dtype)
    assert re.search(SINGLE, code)
    assert not re.search(WHOLE_REGISTERS, code)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_the_step_after_the_prohibition_uses_whole_registers(dtype):
    assert re.search(WHOLE_REGISTERS, assembly("ikj", dtype))


def test_vectors_are_forbidden_to_the_kernel_alone():
    """The attribute belongs to a function, and does not leak into those compiled after it."""
    assembly("ikj_scalar", "float32")
    assert re.search(WHOLE_REGISTERS, assembly("ikj", "float32"))


def test_the_sum_of_a_map_runs_no_loop_of_bytecode_over_the_terms():
    code = layers.lists_sum.__code__
    nested = [constant for constant in code.co_consts if hasattr(constant, "co_names")]
    names = {name for each in (code, *nested) for name in each.co_names}
    assert {"sum", "map"} <= names


def test_these_steps_stay_out_of_the_ladder_of_other_pages():
    own = {step.name for step in ladder("matmul", tag="layers")}
    assert own == {"lists_sum", "ijk_transposed", "ikj_scalar", "tiled_threads"}
    assert not own & {step.name for step in ladder("matmul", tag="ladder")}


def test_lists_that_do_not_fit_are_refused():
    with pytest.raises(ValueError, match=r"^matmul\.lists_sum: expected a \(m, k\), .* lengths"):
        layers.lists_sum([[1.0, 2.0]], [[1.0]], [[0.0]])


# Shares


@given(
    st.integers(1, 9), st.integers(1, 3000), st.integers(1, 3000), st.integers(1, 64),
)  # fmt: skip
def test_shares_cover_everything_once_and_are_cut_between_tiles(batch, m, n, threads):
    tile = host_tile(np.dtype("float32"))
    shares = drivers.partition(batch, m, n, tile, threads)
    assert len(shares) <= max(threads, batch)
    covered = sum((j - i) * (s - r) * (d - c) for i, j, r, s, c, d in shares.tolist())
    assert covered == batch * m * n
    assert all(i < j and r < s and c < d for i, j, r, s, c, d in shares.tolist())
    assert all(r % tile.rows == 0 and c % tile.columns == 0 for _, _, r, _, c, _ in shares)


def test_shares_are_equal_to_within_a_tile():
    assert drivers.cut(100, 8, 3) == [0, 32, 64, 100]
    assert drivers.cut(9, 8, 5) == [0, 8, 9]
    assert drivers.cut(0, 8, 5) == [0, 0]


def test_a_grid_of_shares_is_as_square_as_the_number_of_threads_allows():
    tile = host_tile(np.dtype("float32"))
    shares = drivers.partition(1, 4096, 4096, tile, 16)
    assert {(s - r, d - c) for _, _, r, s, c, d in shares.tolist()} == {(1024, 1024)}
    flat = drivers.partition(1, 8, 4096, tile, 2)
    assert flat.tolist() == [[0, 1, 0, 8, 0, 2048], [0, 1, 0, 8, 2048, 4096]]


@pytest.mark.parametrize("count", [1, 2])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_any_number_of_threads_gives_the_same_product(threads, shape, dtype, count):
    if count > numba.config.NUMBA_NUM_THREADS:
        count = 1  # a machine with one core has nothing else to try
    threads(count)
    a, b = factors(*shape, dtype)
    out = np.full((shape[0], shape[2]), np.nan, dtype)
    matmul.tiled_threads(a, b, out)
    np.testing.assert_array_equal(out, a @ b)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_shares_may_be_more_than_there_are_cores(dtype):
    a, b = factors(45, 6, 70, dtype)
    out = np.full((45, 70), np.nan, dtype)
    tile = host_tile(np.dtype(dtype))
    cuts = drivers.partition(1, 45, 70, tile, 7)
    bias = drivers.no_bias(out.dtype)
    assert drivers.shared(tile)(a[None], b[None], bias, out[None], 0, cuts)
    np.testing.assert_array_equal(out, a @ b)


def test_large_shares_that_pack_their_blocks_agree_with_the_oracle(threads):
    arguments = operation("matmul").inputs(n=531, m=1031, k=517)
    expected, tolerance = operation("matmul").oracle(*arguments)
    threads(min(2, numba.config.NUMBA_NUM_THREADS))
    matmul.tiled_threads(*arguments)
    assert not difference(arguments[-1], expected, tolerance)


@pytest.mark.parametrize("odd", ["a", "b", "out"])
def test_arrays_that_are_not_aligned_are_refused_by_name(odd):
    arrays = {name: np.ones((8, 8), "float32") for name in ("a", "b", "out")}
    arrays[odd] = np.zeros(257, "uint8")[1:].view("float32").reshape(8, 8)
    with pytest.raises(ValueError, match=r"^matmul\.tiled\w*: .*aligned"):
        matmul.tiled_threads(*arrays.values())


def test_a_worker_s_environment_gives_numba_the_threads_of_the_protocol():
    counting = "import numba; print(numba.get_num_threads(), numba.config.NUMBA_NUM_THREADS)"
    most = min(2, os.cpu_count() or 1)
    for count in {1, most}:
        environ, _ = environment(count, process=0)
        done = subprocess.run(
            [sys.executable, "-c", counting],
            env=environ,
            capture_output=True,
            text=True,
            check=True,
        )
        assert done.stdout.split() == [str(count)] * 2


# The same numbers as integers


def test_integers_and_floating_point_give_the_same_numbers():
    described = layers.same_numbers(31)
    assert json.loads(json.dumps(described)) == described
    arguments = resolve(described["inputs"])(**described["parameters"])
    expected, tolerance = resolve(described["oracle"])(*arguments)
    kinds = {}
    for name, entry in described["kernels"].items():
        own = resolve(entry["adapt"])(*arguments) if entry["adapt"] else arguments
        resolve(entry["target"])(*own)
        kinds[name] = {x.dtype.name for x in own}
        assert not difference(own[-1], expected, tolerance)
    assert kinds == {
        "ijk_int64": {"int64"}, "numpy_int64": {"int64"}, "ijk": {"float64"}, "blas": {"float64"},
    }  # fmt: skip


def test_the_products_of_whole_numbers_are_exact():
    a, b, out = layers.whole_numbers(64)
    matmul.blas(a, b, out)
    np.testing.assert_array_equal(out, a.astype("int64") @ b.astype("int64"))
