"""The matmul ladder: any shape, any layout, nothing outside `out`, and what it refuses."""

import itertools
import re
from importlib import import_module

import numba
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from accel.agreement import difference
from accel.kernels import check, kernel, ladder, matmul, operation
from accel.kernels.matmul import blocks
from accel.simd import Tile, vector

STEPS = [
    pytest.param(step, dtype, id=f"{step.name}-{dtype}")
    for step in ladder("matmul")
    for dtype in step.dtypes
]
ON_ARRAYS = [step for step in ladder("matmul") if step.adapt is None]
OURS = [step for step in ON_ARRAYS if step.name not in ("blas", "numpy_int64")]  # NumPy's refuse
COMPILED = [step for step in OURS if step.instrument == "compiled"]
DTYPES = ("float32", "float64")
NUMBERS = (*DTYPES, "int64")
ROWS, COLUMNS = blocks._ROWS, blocks._COLUMNS

#: A tile for each width of register; the narrower ones divide little.
TILES = [
    Tile(vector(dtype, lanes), rows, vectors)
    for dtype, lanes, rows, vectors in (
        ("float32", 4, 1, 1),
        ("float32", 8, 6, 2),
        ("float64", 2, 5, 3),
        ("float64", 8, 8, 2),
    )
]

#: Views into a framed array: slices of rows and of columns, for `placed`.
LAYOUTS = {
    "C": lambda host, m, n: host[1 : m + 1, 2 : n + 2],
    "F": lambda host, m, n: host.T[2 : m + 2, 1 : n + 1],
    "strided": lambda host, m, n: host[1 : 2 * m + 1 : 2, 2 : 2 * n + 2 : 2],
    "backwards": lambda host, m, n: host[m:0:-1, n + 1 : 1 : -1],
    "rows backwards": lambda host, m, n: host[m:0:-1, 2 : n + 2],
    "strided F": lambda host, m, n: host.T[2 : 3 * m + 2 : 3, 1 : n + 1],
}

COMBINATIONS = list(itertools.product(("C", "F", "strided"), repeat=3))


def named(steps):
    return [pytest.param(step, id=step.name) for step in steps]


def placed(values, layout):
    """Return (host, view): the values inside an array full of 77."""
    m, n = values.shape
    shape = (n + 3, 3 * m + 4) if "F" in layout else (2 * m + 3, 2 * n + 4)
    host = np.full(shape, 77, values.dtype)
    view = LAYOUTS[layout](host, m, n)
    view[...] = values
    return host, view


def depth(dtype):
    """Depth of a block, in elements."""
    return blocks._DEPTH_BYTES // np.dtype(dtype).itemsize


def whole_numbers(m, k, n, dtype):
    """Return a, b and their product, all of them whole numbers that the type holds."""
    generator = np.random.default_rng([m, k, n])
    a = generator.integers(-8, 9, (m, k)).astype("float64")
    b = generator.integers(-8, 9, (k, n)).astype("float64")
    return a.astype(dtype), b.astype(dtype), (a @ b).astype(dtype)


def multiplied(function, a, b, *more):
    out = np.full((a.shape[0], b.shape[1]), 77, a.dtype)
    function(a, b, out, *more)
    return out


# Every kernel


@pytest.mark.parametrize(("step", "dtype"), STEPS)
def test_every_kernel_is_right_on_every_edge_case(step, dtype):
    assert check(step.function, "matmul", dtype=dtype, adapt=step.adapt) == []


@pytest.mark.parametrize("step", named(ladder("matmul")))
def test_every_kernel_can_be_imported_by_its_target(step):
    module, _, name = step.target.partition(":")
    assert getattr(import_module(module), name) is step.function


@pytest.mark.parametrize("dtype", ["float32", "float64", "int64"])
def test_ladder_climbs_from_the_interpreter_to_numpy_or_compiled_code(dtype):
    instruments = [step.instrument for step in ladder("matmul", dtype=dtype, tag="ladder")]
    assert instruments[0] == "interpreter"
    assert {"NumPy", "compiled"} <= set(instruments)


@pytest.mark.parametrize("step", named([s for s in ladder("matmul") if "float32" in s.dtypes]))
def test_every_kernel_spreads_nan_and_infinity_as_numpy_does(step):
    a, b, _ = whole_numbers(7, 19, 21, "float32")
    a[1, 2], a[-1, -1], b[-1, -1], b[3, 0], b[4, 5] = np.nan, np.inf, -np.inf, np.inf, 0
    a[2, 4] = np.inf  # inf * 0 at (2, 5)
    out = np.zeros((7, 21), "float32")
    own = step.adapt(a, b, out) if step.adapt else (a, b, out)
    with np.errstate(invalid="ignore"):
        step.function(*own)
        expected = a.astype("float64") @ b.astype("float64")
    np.testing.assert_array_equal(np.asarray(own[-1], "float32"), expected)


@pytest.mark.parametrize("step", named(ON_ARRAYS))
def test_every_kernel_reads_read_only_operands_of_any_layout(step):
    dtype = step.dtypes[0]
    a, b, expected = whole_numbers(9, 21, 18, dtype)
    a, b = placed(a, "backwards")[1], placed(b, "strided")[1]
    a.flags.writeable = b.flags.writeable = False
    np.testing.assert_array_equal(multiplied(step.function, a, b), expected)


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("step", named(ON_ARRAYS))
def test_every_kernel_writes_inside_out_only(step, layout):
    a, b, expected = whole_numbers(9, 21, 35, step.dtypes[0])
    host, out = placed(np.zeros_like(expected), layout)
    should, inside = placed(expected, layout)
    step.function(a, b, out)
    np.testing.assert_array_equal(host, should)


# What is refused


@pytest.mark.parametrize("step", named(OURS))
@pytest.mark.parametrize(
    "shapes",
    [
        ((3, 4), (5, 2), (3, 2)),
        ((3, 4), (4, 2), (2, 3)),
        ((3, 4), (4, 2), (3, 3)),
        ((3, 4), (4, 2), (4, 2)),
        ((4,), (4, 2), (1, 2)),
        ((3, 4), (4,), (3,)),
        ((1, 3, 4), (4, 2), (3, 2)),
        ((0, 4), (5, 0), (0, 0)),
    ],
    ids=str,
)
def test_shapes_that_do_not_fit_are_refused_by_the_kernel_s_name(step, shapes):
    arrays = [np.zeros(shape, step.dtypes[0]) for shape in shapes]
    name = "blocked" if "sweep" in step.tags else step.name
    with pytest.raises(ValueError, match=rf"^matmul\.{name}: expected a \(m, k\), .* got \("):
        step.function(*arrays)


@pytest.mark.parametrize("name", ["lists", "lists_blocked"])
@pytest.mark.parametrize("wrong", [0, 1, 2])
def test_lists_that_do_not_fit_are_refused_by_the_kernel_s_name(name, wrong):
    lists = [[[1.0] * columns for _ in range(rows)] for rows, columns in ((3, 4), (4, 2), (3, 2))]
    lists[wrong][-1] = [1.0] * 9
    with pytest.raises(ValueError, match=rf"^matmul\.{name}: expected a \(m, k\), .* lengths"):
        kernel("matmul", name).function(*lists)


@pytest.mark.parametrize("step", named(OURS))
@pytest.mark.parametrize("odd", [0, 1, 2])
def test_mixed_dtypes_are_refused_by_the_kernel_s_name(step, odd):
    dtypes = [step.dtypes[0]] * 3
    dtypes[odd] = "float64" if dtypes[odd] != "float64" else "float32"
    arrays = [np.zeros((8, 8), dtype) for dtype in dtypes]
    with pytest.raises(ValueError, match=r"^matmul\.\w+: expected .*float64"):
        step.function(*arrays)


@pytest.mark.parametrize("step", named(COMPILED))
@pytest.mark.parametrize("dtype", ["int32", "float16", "complex64", ">f4", "object"])
def test_dtypes_without_code_are_refused_by_the_kernel_s_name(step, dtype):
    arrays = np.zeros((3, 8, 8), dtype)
    with pytest.raises(ValueError, match=r"^matmul\.\w+: expected float32 or float64.* got dtype"):
        step.function(arrays[0].copy(), arrays[1].copy(), arrays[2].copy())


@pytest.mark.parametrize("step", named(OURS))
def test_out_that_overlaps_an_operand_is_refused(step):
    host = np.zeros((20, 8), step.dtypes[0])
    other = np.zeros((8, 8), step.dtypes[0])
    x = host[:8]
    overlapping = (
        (x, other, x),
        (other, x, x),
        (x, other, host[7:15]),
        (other, x[::-1].T, host[7:15]),
        (other, other.T, other),
    )
    for arrays in overlapping:
        with pytest.raises(ValueError, match=r"^matmul\.\w+: expected an out apart from a and b"):
            step.function(*arrays)


@pytest.mark.parametrize("step", named(OURS))
def test_neighbours_in_one_array_do_not_overlap(step):
    host = np.ones((24, 8), step.dtypes[0])
    step.function(host[:8], host[16:], host[8:16])
    np.testing.assert_array_equal(host[8:16], 8)
    np.testing.assert_array_equal(host[:8], 1)
    np.testing.assert_array_equal(host[16:], 1)


@pytest.mark.parametrize("step", named(ON_ARRAYS))
def test_read_only_out_is_refused(step):
    a, b, out = np.zeros((3, 8, 8), step.dtypes[0])
    out = out.copy()
    out.flags.writeable = False
    with pytest.raises(ValueError, match="read-only"):
        step.function(a.copy(), b.copy(), out)


def unaligned(values):
    """Return two copies, neither aligned: by their address, and by their row's length."""
    room = np.zeros(values.nbytes + 1, "uint8")
    shifted = room[1:].view(values.dtype).reshape(values.shape)
    rows = np.zeros((len(values), values.dtype.itemsize * values.shape[1] + 1), "uint8")
    uneven = rows[:, :-1].view(values.dtype)
    shifted[...] = uneven[...] = values
    assert not (shifted.flags.aligned or uneven.flags.aligned)
    return shifted, uneven


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("odd", [0, 1, 2])
def test_tiled_refuses_arrays_that_are_not_aligned_to_their_elements(dtype, odd):
    arrays = [np.ones((8, 8), dtype) for _ in range(3)]
    for each in unaligned(arrays[odd]):
        arrays[odd] = each
        with pytest.raises(ValueError, match=r"^matmul\.tiled: expected .*aligned"):
            matmul.tiled(*arrays)


@pytest.mark.parametrize("step", named([s for s in ON_ARRAYS if s.instrument != "compiled"]))
def test_kernels_that_numpy_runs_compute_on_any_address(step):
    a, b, expected = whole_numbers(17, 21, 18, step.dtypes[0])
    for left, right, out in zip(*map(unaligned, (a, b, np.zeros_like(expected))), strict=True):
        step.function(left, right, out)
        np.testing.assert_array_equal(out, expected)


# Blocks


BLOCKED = named([step for step in OURS if re.search("blocked$|packed$", step.name)])


@pytest.mark.parametrize("block", [0, -1, -64, 2.5])
@pytest.mark.parametrize("step", BLOCKED)
def test_kernels_refuse_a_block_that_is_no_whole_number_above_zero(step, block):
    a, b, out = np.zeros((3, 8, 8), step.dtypes[0])
    expected = rf"^matmul\.{step.name}: expected a whole block >= 1, got {block}$"
    with pytest.raises(ValueError, match=expected):
        step.function(a.copy(), b.copy(), out.copy(), block)


def test_a_kernel_without_blocks_refuses_one():
    a, b, out = np.zeros((3, 8, 8), "float32")
    with pytest.raises(TypeError, match=r"^matmul\.ijk has no blocks, got block 8$"):
        matmul.ijk(a.copy(), b.copy(), out.copy(), 8)


@pytest.mark.parametrize("step", named([s for s in OURS if s.instrument != "interpreter"]))
def test_kernels_on_arrays_refuse_lists(step):
    a, b, out = np.zeros((3, 2, 2), step.dtypes[0])
    with pytest.raises(ValueError, match=r"expected arrays, got a of type list"):
        step.function(a.tolist(), b.copy(), out.copy())


@pytest.mark.parametrize("tile", [3, "8x2", vector("float32")])
def test_tiled_refuses_what_is_no_tile(tile):
    a, b, out = np.zeros((3, 2, 2), "float32")
    with pytest.raises(ValueError, match=r"^matmul\.tiled: expected a Tile, got "):
        matmul.tiled(a.copy(), b.copy(), out.copy(), tile=tile)


@pytest.mark.parametrize("block", [1, 3, 16, 17, 40, 1000, 2**61])
@pytest.mark.parametrize("step", BLOCKED)
def test_any_block_gives_the_same_product(step, block):
    a, b, expected = whole_numbers(17, 40, 33, step.dtypes[0])
    np.testing.assert_array_equal(multiplied(step.function, a, b, block), expected)


@pytest.mark.parametrize("block", [1, 3, 5, 1000])
def test_any_block_of_lists_gives_the_same_product(block):
    a, b, expected = whole_numbers(4, 5, 6, "float64")
    out = np.full((4, 6), 77.0).tolist()
    matmul.lists_blocked(a.tolist(), b.tolist(), out, block)
    np.testing.assert_array_equal(out, expected)


def test_sweep_offers_blocks_by_names_that_a_worker_imports():
    steps = ladder("matmul", tag="sweep")
    blocks = [int(step.name.removeprefix("blocked_")) for step in steps]
    assert blocks == sorted(blocks)
    assert [step.target for step in steps] == [f"accel.kernels.matmul.loops:{s.name}" for s in steps]


@pytest.mark.parametrize(("dtype", "packed"), [("float32", "ps"), ("float64", "pd")])
@pytest.mark.parametrize("name", ["blocked", "packed"])
def test_inner_loop_is_multiply_adds_on_vector_registers(name, dtype, packed):
    code = kernel("matmul", name).function.machine_code(np.dtype(dtype))
    options = {"fastmath": code.targetoptions["fastmath"]}
    fresh = numba.njit(code.signatures, **options)(code.py_func)  # cached code shows no assembly
    (assembly,) = fresh.inspect_asm().values()
    lanes = {"ps": "4s", "pd": "2d"}[packed]  # x86 with and without fused ones, and Arm
    assert re.search(rf"vfmadd\d+{packed}\s.*[xyz]mm|\tmul{packed}\s|fmla[.\s].*{lanes}", assembly)


# Tiles of registers


def shapes(dtype):
    """Return shapes on both sides of each border that blocks and tiles draw."""
    deep = depth(dtype)
    in_place = blocks._SMALL_BYTES // np.dtype(dtype).itemsize
    k = deep // 2 + 1
    return [
        *itertools.product((0, 1, 31), repeat=3),
        *itertools.product((127, 128, 129), repeat=3),
        (1031, 3, 2), (2, 3, 1031), (1, 1, 517), (517, 1, 1), (3, 2 * deep + 5, 3),
        (ROWS, 20, 40), (ROWS + 1, 20, 40), (2 * ROWS + 3, 20, 40),
        (20, deep, 40), (20, deep + 1, 40), (20, 2 * deep + 1, 40),
        (20, 30, COLUMNS), (20, 30, COLUMNS + 1), (20, 30, 2 * COLUMNS + 33),
        (250, k, in_place // k - 250), (250, k, in_place // k - 249),
        (ROWS + 5, deep + 3, COLUMNS + 7), (COLUMNS + 7, deep + 3, ROWS + 5),
    ]  # fmt: skip


@pytest.mark.parametrize("dtype", DTYPES)
def test_shapes_lie_on_both_sides_of_the_limit_of_what_is_read_in_place(dtype):
    sizes = [(m + n) * k * np.dtype(dtype).itemsize for m, k, n in shapes(dtype)]
    small = [size for size in sizes if size <= blocks._SMALL_BYTES]
    assert max(small) > 0.99 * blocks._SMALL_BYTES
    assert min(set(sizes) - set(small)) < 1.01 * blocks._SMALL_BYTES


@pytest.mark.parametrize("dtype", NUMBERS)
def test_tiled_is_exact_on_whole_numbers_of_every_shape(dtype):
    for m, k, n in shapes(dtype):
        a, b, expected = whole_numbers(m, k, n, dtype)
        got = multiplied(matmul.tiled, a, b)
        assert difference(got, expected, 0) is None, (m, k, n)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("orders", COMBINATIONS, ids=" ".join)
def test_tiled_takes_every_combination_of_layouts_packed_or_not(orders, dtype):
    for m, k, n in ((33, 34, 35), (ROWS + 5, depth(dtype) // 2 + 9, COLUMNS + 7)):
        a, b, expected = whole_numbers(m, k, n, dtype)
        a, b = placed(a, orders[0])[1], placed(b, orders[1])[1]
        host, out = placed(np.zeros_like(expected), orders[2])
        matmul.tiled(a, b, out)
        np.testing.assert_array_equal(out, expected)
        out[...] = 77
        assert (host == 77).all()


@settings(max_examples=200)
@given(
    shape=st.tuples(*[st.integers(0, 70)] * 3),
    layouts=st.tuples(*[st.sampled_from(list(LAYOUTS))] * 3),
    dtype=st.sampled_from(NUMBERS),
)
def test_tiled_takes_any_shape_in_any_layout_and_writes_inside_out_only(shape, layouts, dtype):
    a, b, expected = whole_numbers(*shape, dtype)
    host, out = placed(np.zeros_like(expected), layouts[2])
    should, _ = placed(expected, layouts[2])
    matmul.tiled(placed(a, layouts[0])[1], placed(b, layouts[1])[1], out)
    np.testing.assert_array_equal(host, should)


@pytest.mark.thorough
@pytest.mark.parametrize("T", TILES, ids=lambda T: f"{T.rows}x{T.columns}-{T.vector.dtype}")
def test_tiled_serves_every_width_of_register(T):
    dtype = T.vector.dtype
    deep, rows, columns = depth(dtype) // 2 + 9, 2 * ROWS + 5, COLUMNS + 7
    for m, k, n in ((0, 3, 2), (3, 0, 2), (1, 1, 1), (61, 62, 63), (rows, deep, columns)):
        a, b, expected = whole_numbers(m, k, n, dtype)
        for orders in (("C", "C", "C"), ("F", "C", "strided"), ("C", "F", "F")):
            left, right = placed(a, orders[0])[1], placed(b, orders[1])[1]
            host, out = placed(np.zeros_like(expected), orders[2])
            matmul.tiled(left, right, out, T)
            assert difference(out, expected, 0) is None, (m, k, n, orders)
            out[...] = 77
            assert (host == 77).all()


@pytest.mark.thorough
def test_two_lanes_leave_rows_at_the_foot_of_a_last_whole_tile_where_they_belong():
    """Half a register of two lanes has two: a whole tile is then no wider than a narrow one."""
    T = Tile(vector("float64", 2), 6, 2)
    for m, n in itertools.product((1, 3, 4, 9, 13), (4, 12, 15)):
        a, b, expected = whole_numbers(m, 5, n, "float64")
        host, out = placed(np.zeros_like(expected), "C")
        matmul.tiled(a, b, out, T)
        np.testing.assert_array_equal(out, expected)
        out[...] = 77
        assert (host == 77).all()


def test_tiled_takes_operands_that_repeat_one_row_or_number():
    a = np.broadcast_to(np.float32(2), (40, 50))
    b = np.broadcast_to(np.arange(60, dtype="float32"), (50, 60))
    np.testing.assert_array_equal(multiplied(matmul.tiled, a, b), a @ b)


@pytest.mark.parametrize("shape", [(130, 150, 170), (ROWS + 5, 600, COLUMNS + 7)], ids=str)
def test_tiled_keeps_nan_and_infinity_to_their_rows_and_columns(shape):
    m, k, n = shape
    a, b, expected = whole_numbers(m, k, n, "float32")
    a[-1, -1], b[0, -1] = np.nan, np.inf  # next to what is filled up with zeros
    got = multiplied(matmul.tiled, a, b)
    np.testing.assert_array_equal(got[:-1, :-1], expected[:-1, :-1])
    assert np.isnan(got[-1]).all()
    with np.errstate(invalid="ignore"):  # inf * 0
        np.testing.assert_array_equal(got[:-1, -1], np.inf * a[:-1, 0])


def test_tiled_refuses_a_tile_of_another_dtype():
    a, b, out = (np.zeros((4, 4)) for _ in range(3))
    message = "^matmul.tiled: expected float32 like the tile, got float64$"
    with pytest.raises(ValueError, match=message):
        matmul.tiled(a, b, out, TILES[0])


# The operation


def test_oracle_allows_less_than_a_lost_product():
    a, b, out = operation("matmul").inputs(m=64, k=512, n=64)
    expected, tolerance = operation("matmul").oracle(a, b, out)
    assert difference(a @ b, expected, tolerance) is None
    assert difference(a[:, 1:] @ b[1:], expected, tolerance)


def test_oracle_is_exact_for_integers():
    a, b, out = operation("matmul").inputs(m=3, k=4, n=5, dtype="int64")
    expected, tolerance = operation("matmul").oracle(a, b, out)
    np.testing.assert_array_equal(expected, (a[:, :, None] * b).sum(axis=1))
    assert tolerance == 0


def test_flops_and_bytes_are_counted_for_the_shape():
    op = operation("matmul")
    assert op.flops(n=5, m=2, k=3, dtype="float64", order_a="F") == 2 * 2 * 3 * 5
    assert op.flops(n=4) == 128
    arrays = op.inputs(n=5, m=2, k=3, dtype="float64")
    assert op.compulsory_bytes(n=5, m=2, k=3, dtype="float64") == sum(x.nbytes for x in arrays)
