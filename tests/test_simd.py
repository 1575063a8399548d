"""Vector registers in Numba functions: every width on every host, lane by lane."""

import json
import os
import platform
import re
import shutil
import subprocess
import sys
from decimal import Decimal, localcontext
from fractions import Fraction
from pathlib import Path

import accel
import llvmlite.binding
import numpy as np
import pytest
from accel import simd
from accel.simd import Tile, jit, vector
from numba import typeof, types
from numba.core.caching import IndexDataCacheFile
from numba.core.errors import TypingError

WIDTHS = [vector("float32", lanes) for lanes in (4, 8, 16)] + [
    vector("float64", lanes) for lanes in (2, 4, 8)
]
every_width = pytest.mark.parametrize("V", WIDTHS, ids=lambda V: f"{V.lanes}-{V.dtype}")
DTYPES = (np.float32, np.float64)
SPECIAL = [np.nan, np.inf, -np.inf, 0.0, -0.0, 1.0, -2.5, 1e30]


def numbers(V, count, seed=0):
    return np.random.default_rng(seed).standard_normal(count).astype(V.dtype)


# Tokens


@pytest.mark.parametrize("dtype", DTYPES)
def test_default_width_is_that_of_the_host(dtype):
    features = llvmlite.binding.get_host_cpu_features()
    register_bytes = 64 if features.get("avx512f") else 32 if features.get("avx") else 16
    assert vector(dtype).lanes * np.dtype(dtype).itemsize == register_bytes


@pytest.mark.parametrize("arguments", [("int32",), ("float16", 8), ("float32", 3), ("float32", 1)])
def test_a_register_that_does_not_exist_is_refused(arguments):
    with pytest.raises(ValueError, match="vector: (dtype|lanes) must be"):
        vector(*arguments)


def test_an_empty_tile_is_refused():
    with pytest.raises(ValueError, match="at least 1, not 0 and 2"):
        Tile(vector("float32", 4), 0, 2)


def test_tokens_are_values():
    assert vector("float32", 8) == vector(np.float32, 8)
    assert len({Tile(vector("float64", 4), 6, 2), Tile(vector("float64", 4), 6, 2)}) == 1
    with pytest.raises(AttributeError):
        vector("float32", 8).lanes = 4


@jit
def attributes(T):
    return T.vector.lanes, T.rows, T.vectors, T.columns


def test_attributes_of_tokens_are_known_in_compiled_code():
    assert attributes(Tile(vector("float32", 8), 6, 2)) == (8, 6, 2, 16)


GLOBAL = vector("float64", 4)


@jit
def sum_with_global(x):
    return simd.horizontal_sum(simd.load(GLOBAL, x, 0))


def test_a_token_may_be_global_or_in_a_closure():
    token = vector("float32", 8)

    @jit
    def sum_with_closure(x):
        return simd.horizontal_sum(simd.load(token, x, 0))

    assert sum_with_global(np.arange(9.0)) == 6
    assert sum_with_closure(np.arange(9, dtype=np.float32)) == 28


# Arithmetic


@jit
def arithmetic(V, x, y, z, out):
    for i in range(0, x.size, V.lanes):
        a, b, c = simd.load(V, x, i), simd.load(V, y, i), simd.load(V, z, i)
        simd.store(out[0], i, a + b)
        simd.store(out[1], i, a - b)
        simd.store(out[2], i, a * b)
        simd.store(out[3], i, a / b)
        simd.store(out[4], i, -a)
        simd.store(out[5], i, simd.floor(a))
        simd.store(out[6], i, simd.minimum(a, b))
        simd.store(out[7], i, simd.maximum(a, b))
        simd.store(out[8], i, simd.zeros(V) + simd.broadcast(V, 3) * 2 - 0.5 / a)
        simd.store(out[9], i, simd.maximum(0, a))
        simd.store(out[10], i, simd.fma(a, b, c))
        a += b
        a *= b
        a -= c
        a /= c
        simd.store(out[11], i, a)


def arithmetic_of_numpy(x, y):
    number = x.dtype.type
    with np.errstate(all="ignore"):
        return np.stack(
            [x + y, x - y, x * y, x / y, -x, np.floor(x), np.minimum(x, y), np.maximum(x, y),
             number(6) - number(0.5) / x, np.maximum(x, 0)]
        )  # fmt: skip


@every_width
def test_arithmetic_is_that_of_numpy_in_every_lane(V):
    x, y, z = (numbers(V, 4 * V.lanes, seed) for seed in range(3))
    out = np.empty((12, x.size), V.dtype)
    arithmetic(V, x, y, z, out)
    np.testing.assert_array_equal(out[:10], arithmetic_of_numpy(x, y))
    np.testing.assert_array_equal(out[11], ((x + y) * y - z) / z)


@every_width
def test_infinity_and_nan_spread_as_in_numpy(V):
    x, y = (np.array(grid, V.dtype).ravel() for grid in np.meshgrid(SPECIAL, SPECIAL))
    out = np.empty((12, x.size), V.dtype)
    arithmetic(V, x, y, y, out)
    np.testing.assert_array_equal(out[:10], arithmetic_of_numpy(x, y))


@every_width
def test_fma_rounds_once(V):
    x, y, z = (numbers(V, 2 * V.lanes, seed) for seed in range(3))
    x[0], y[0], z[0] = 1 + np.finfo(V.dtype).eps, 1 - np.finfo(V.dtype).eps, -1
    out = np.empty((12, x.size), V.dtype)
    arithmetic(V, x, y, z, out)
    for a, b, c, got in zip(*(v.tolist() for v in (x, y, z, out[10])), strict=True):
        exact = Fraction(a) * Fraction(b) + Fraction(c)
        half_a_place = Fraction(float(np.spacing(V.dtype.type(abs(got))))) / 2
        assert abs(Fraction(got) - exact) <= half_a_place
    assert out[10][0] == -(np.finfo(V.dtype).eps ** 2)


@jit
def horizontal(V, x):
    v = simd.load(V, x, 0)
    return simd.horizontal_sum(v), simd.horizontal_max(v)


@every_width
def test_horizontal_steps_go_by_halves(V):
    x = numbers(V, V.lanes)
    expected = x
    while expected.size > 1:
        expected = expected[: expected.size // 2] + expected[expected.size // 2 :]
    assert horizontal(V, x) == (expected[0], x.max())


@every_width
def test_horizontal_max_hides_no_nan(V):
    for lane in range(V.lanes):
        x = numbers(V, V.lanes)
        x[lane] = np.nan
        assert np.isnan(horizontal(V, x)).all()


# The exponential


@jit
def exponential(V, x, out):
    for i in range(0, x.size, V.lanes):
        v = simd.load_first(V, x, i, x.size - i)
        simd.store_first(out, i, simd.exp(v), x.size - i)


def exp_of(V, values):
    x = np.asarray(values, V.dtype)
    out = np.empty_like(x)
    exponential(V, x, out)
    return x, out


def exact_exp(x):
    """Return exp of each number: float64 for float32, 40 digits for float64."""
    if x.dtype == np.float32:
        return np.exp(x.astype(np.float64)), lambda got, exact: np.abs(got - exact)
    with localcontext() as context:
        context.prec = 40
        exact = [Decimal(value).exp() for value in x.tolist()]

    def distance(got, rounded):
        pairs = zip(got.tolist(), exact, strict=True)
        return np.array([float(abs(Decimal(value) - true)) for value, true in pairs])

    return np.array([float(value) for value in exact]), distance


#: Where exp is subnormal, normal, and about to overflow.
RANGES = {"float32": (-103.9, -87.0, 88.72), "float64": (-745.1, -708.0, 709.78)}


@pytest.mark.parametrize("V", [vector(dtype) for dtype in DTYPES], ids=lambda V: V.dtype.name)
def test_exp_is_within_one_unit_in_the_last_place(V):
    lowest, normal, highest = RANGES[V.dtype.name]
    count = 200_001 if V.dtype == np.float32 else 3_001
    edges = np.arange(-200, 200) * np.log(2) / 2  # where the integer part changes
    near = np.concatenate([edges - 1e-7, edges + 1e-7])
    values = np.concatenate(
        [np.linspace(lowest, normal, count // 10), np.linspace(normal, highest, count),
         np.linspace(-1, 1, count), near[(near > lowest) & (near < highest)]]
    )  # fmt: skip
    x, got = exp_of(V, values)
    exact, distance = exact_exp(x)
    last_place = np.spacing(exact.astype(V.dtype)).astype(np.float64)
    assert np.max(distance(got.astype(np.float64), exact) / last_place) <= 1


@every_width
def test_exp_of_what_is_not_an_ordinary_number(V):
    lowest, _, highest = RANGES[V.dtype.name]
    tiny = float(np.finfo(V.dtype).smallest_subnormal)
    values = [np.nan, np.inf, -np.inf, 0, -0.0, 2 * highest, 1e30, 2 * lowest, -1e30, tiny]
    _, got = exp_of(V, values)
    np.testing.assert_array_equal(got, [np.nan, np.inf, 0, 1, 1, np.inf, np.inf, 0, 0, 1])
    _, edges = exp_of(V, [highest, lowest])
    assert np.isfinite(edges).all() and (edges > 0).all()


@pytest.mark.parametrize("dtype", DTYPES)
def test_exp_is_the_same_in_every_width(dtype):
    values = np.linspace(-20, 20, 1001)
    first, *others = [exp_of(V, values)[1] for V in WIDTHS if V.dtype == dtype]
    for other in others:
        np.testing.assert_array_equal(other, first)


# Memory


@jit
def copy_first(V, x, i, out, o, count):
    simd.store_first(out, o, simd.load_first(V, x, i, count), count)


@jit
def copy_padded(V, x, i, out, o, count):
    simd.store(out, o, simd.load_first(V, x, i, count))


@every_width
def test_a_masked_copy_touches_the_first_lanes_only(V):
    x = numbers(V, 5 + V.lanes)
    for count in range(-1, V.lanes + 3):
        first = min(max(count, 0), V.lanes)
        out, padded = np.full((2, 4 + V.lanes), 7, V.dtype)
        expected, with_zeros = out.copy(), padded.copy()
        expected[3 : 3 + first] = with_zeros[3 : 3 + first] = x[5 : 5 + first]
        with_zeros[3 + first : 3 + V.lanes] = 0
        copy_first(V, x, 5, out, 3, count)
        copy_padded(V, x, 5, padded, 3, count)
        np.testing.assert_array_equal(out, expected)
        np.testing.assert_array_equal(padded, with_zeros)


def test_a_count_beyond_32_bits_means_all_lanes():
    V = vector("float32", 4)
    out = np.zeros(4, np.float32)
    copy_first(V, np.ones(4, np.float32), 0, out, 0, 2**32)
    np.testing.assert_array_equal(out, 1)


@jit
def copy_by_pointer(V, x, out):
    source, target = simd.pointer(x), simd.pointer(out)
    simd.prefetch(source, 10**6)  # far outside: only a hint
    simd.prefetch(x, -1)
    simd.store(target, 1, simd.load(V, source, 2))


@every_width
def test_pointers_stand_for_their_arrays(V):
    x, out = numbers(V, V.lanes + 2), np.zeros(V.lanes + 2, V.dtype)
    copy_by_pointer(V, x[::1], out)
    np.testing.assert_array_equal(out[1:-1], x[2:])
    assert out[0] == out[-1] == 0


def test_read_only_arrays_can_be_read():
    x = np.arange(4, dtype=np.float32)
    x.flags.writeable = False
    assert horizontal(vector("float32", 4), x) == (6, 3)


@jit
def load_only(V, x):
    return simd.horizontal_sum(simd.load(V, x, 0))


@jit
def store_zeros(V, x):
    simd.store(x, 0, simd.zeros(V))


@jit
def mix(V, W, x, y):
    return simd.horizontal_sum(simd.fma(simd.load(V, x, 0), simd.load(W, y, 0), 0))


@pytest.mark.parametrize(
    ("use", "message"),
    [
        (lambda V, x: load_only(V, x.astype("f8")), "load: expected a contiguous array or a"),
        (lambda V, x: load_only(V, x[::2]), "load: expected a contiguous array or a pointer"),
        (lambda V, x: load_only(3, x), "load: expected a Vector token, got int64"),
        (lambda V, x: load_only(Tile(V, 1, 1), x), "load: expected a Vector token, got token"),
        (lambda V, x: store_zeros(V, np.broadcast_to(x[:1], 8).copy(order="C")[::2]), "store: ex"),
        (lambda V, x: mix(V, vector("f4", 8), x, x), "fma: expected registers of one type"),
    ],
)
def test_misuse_is_explained_while_compiling(use, message):
    with pytest.raises(TypingError, match=message):
        use(vector("float32", 4), np.zeros(16, np.float32))


def test_storing_into_a_read_only_array_is_refused_while_compiling():
    x = np.zeros(4, np.float32)
    x.flags.writeable = False
    with pytest.raises(TypingError, match="store: expected a writable array"):
        store_zeros(vector("float32", 4), x)


# Tiles


@jit
def outer_products(T, depth, a, row, column, b, out, i, stride, again):
    tile = simd.tile_zeros(T)
    for p in range(depth):
        tile = simd.tile_outer_fma(tile, a, p * column, row, b, p * T.columns)
    if again:
        simd.tile_accumulate(tile, out, i, stride)
    else:
        simd.tile_store(tile, out, i, stride)


SHAPES = [(1, 1), (6, 2), (5, 3)]


@every_width
@pytest.mark.parametrize(("rows", "vectors"), SHAPES)
def test_a_tile_sums_outer_products(V, rows, vectors):
    T, depth = Tile(V, rows, vectors), 9
    a, b = numbers(V, rows * depth, 1), numbers(V, depth * T.columns, 2)
    stride = T.columns + 3
    for a_matrix, row, column in (
        (a.reshape(rows, depth), depth, 1),
        (a.reshape(depth, rows).T, 1, rows),
    ):
        expected = a_matrix.astype("f8") @ b.reshape(depth, -1).astype("f8")
        tolerance = depth * np.finfo(V.dtype).eps * np.abs(expected).max()
        out = np.full(2 + rows * stride, 5, V.dtype)
        place = out[2:].reshape(rows, stride)
        outer_products(T, depth, a, row, column, b, out, 2, stride, False)
        np.testing.assert_allclose(place[:, : T.columns], expected, atol=tolerance)
        outer_products(T, depth, a, row, column, b, out, 2, stride, True)
        np.testing.assert_allclose(place[:, : T.columns], 2 * expected, atol=3 * tolerance)
        assert (place[:, T.columns :] == 5).all() and (out[:2] == 5).all()


def packed_multiply_add(dtype):
    """Return what a multiply-add of whole registers looks like in this host's assembly."""
    letter = {"float32": "s", "float64": "d"}[np.dtype(dtype).name]
    if platform.machine() in ("aarch64", "arm64"):
        return rf"fmla\s+v\d+\.\d{letter}"
    if llvmlite.binding.get_host_cpu_features().get("fma"):
        return rf"vfmadd\d+p{letter}\s.*%[xyz]mm"
    return rf"mulp{letter}\s.*%xmm"


@pytest.mark.parametrize("dtype", DTYPES)
def test_accumulators_stay_in_registers(dtype):
    T = Tile(vector(dtype), 6, 2)
    x = np.zeros(200, dtype)
    outer_products(T, 2, x, 1, 6, x, x.copy(), 0, T.columns, False)
    signature = next(s for s in outer_products.signatures if str(s[0]) == str(typeof(T)))
    blocks = re.split(r"\n\.?L\w*:", outer_products.inspect_asm(signature))
    per_block = [len(re.findall(packed_multiply_add(dtype), block)) for block in blocks]
    busiest = blocks[int(np.argmax(per_block))]
    assert max(per_block) == T.rows * T.vectors, "the loop is unrolled, or not there"
    assert "rsp)" not in busiest and "[sp" not in busiest, "spilled to the stack"


# Compiling once, and remembering

SCRIPT = """
import json, sys
import numpy as np
from accel.simd import cache_problem, vector
import scaling
for dtype, lanes in (("float32", 4), ("float32", 16)):
    x = np.ones(lanes, dtype)
    scaling.scale(vector(dtype, lanes), x)
    assert (x == 3).all()
stats = [each.stats for each in (scaling.scale, scaling.tripled)]
print(json.dumps({
    "hits": sum(sum(each.cache_hits.values()) for each in stats),
    "misses": sum(sum(each.cache_misses.values()) for each in stats),
    "problem": cache_problem(),
}))
"""

SCALING = """
from accel.simd import jit, load, store

@jit
def tripled(v):
    return v * 3

@jit
def scale(V, x):
    store(x, 0, tripled(load(V, x, 0)))
"""


@pytest.fixture
def child(tmp_path):
    """Run `SCRIPT` in a new process that uses a copy of this package and an own cache."""
    copy = tmp_path / "accel"
    copy.mkdir()
    (copy / "__init__.py").touch()
    shutil.copytree(Path(accel.__file__).parent / "simd", copy / "simd")
    (tmp_path / "scaling.py").write_text(SCALING)

    def run(**environment):
        answer = subprocess.run(
            [sys.executable, "-c", SCRIPT],
            env={**os.environ, "NUMBA_CACHE_DIR": str(tmp_path / "cache"), **environment},
            cwd=tmp_path,
            capture_output=True,
            text=True,
        )
        assert answer.returncode == 0, answer.stderr
        return json.loads(answer.stdout)

    run.folder = tmp_path
    return run


def test_a_second_process_compiles_nothing(child):
    assert child() == {"hits": 0, "misses": 4, "problem": None}
    assert child() == {"hits": 2, "misses": 0, "problem": None}  # what is called inside is inlined


def test_code_compiled_with_another_version_of_this_package_is_not_used(child):
    child()
    with open(child.folder / "accel" / "simd" / "memory.py", "a") as file:
        file.write("# changed\n")
    assert child()["misses"] == 4


def test_a_damaged_cache_costs_time_only(child):
    child()
    for index in (child.folder / "cache").rglob("*.nbi"):
        index.write_bytes(index.read_bytes()[:40])
    again = child()
    assert again["misses"] == 4
    assert str(child.folder / "cache") in again["problem"]


def test_without_a_cache_folder_functions_compile_all_the_same(child):
    """No folder where the environment says, nor beside the module, nor in the home."""
    nowhere = child.folder / "__pycache__" / "below" / "a file"  # impossible even for root
    (child.folder / "__pycache__").touch()
    places = dict.fromkeys(("NUMBA_CACHE_DIR", "HOME", "XDG_CACHE_HOME"), str(nowhere))
    answer = child(**places)
    assert answer["misses"] == 4
    assert "no locator available" in answer["problem"]


def test_a_full_disk_costs_time_only(monkeypatch, tmp_path):
    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(IndexDataCacheFile, "save", full)
    monkeypatch.setattr("accel.simd.compiling._problems", [])

    @jit
    def one(x):
        return x + 1

    assert one(1) == 2
    assert "No space left on device" in simd.cache_problem()


def test_given_signatures_are_compiled_at_once_and_no_others():
    anything = types.Array(types.float32, 1, "A", readonly=True)

    @jit(signatures=[(anything,)])
    def first(x):
        return x[0]

    assert first.signatures == [(anything,)]
    assert first(np.arange(3, 9, dtype=np.float32)[::2]) == 3
    with pytest.raises(TypeError, match="No matching definition"):
        first(np.zeros(3))
    assert first.signatures == [(anything,)]
