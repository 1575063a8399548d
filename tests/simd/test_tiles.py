"""Register tiles against NumPy's outer products, in every width and several shapes."""

import numba
import numpy as np
import pytest

from accel.simd import (
    Tile,
    jit,
    pointer,
    tile_accumulate,
    tile_outer_fma,
    tile_store,
    tile_zeros,
    vector,
    zeros,
)

EIGHT = vector("float32", 8)


@pytest.fixture(params=[(1, 1), (3, 2)], ids=lambda shape: f"{shape[0]} rows x {shape[1]}")
def T(request, V):
    return Tile(V, *request.param)


@jit
def store_zeros(T, out, at, stride):
    tile_store(tile_zeros(T), out, at, stride)


@jit
def store_product(T, a, ia, down, along, b, ib, depth, out, at, stride):
    tile = tile_zeros(T)
    for p in range(depth):
        tile = tile_outer_fma(tile, a, ia + p * along, down, b, ib + p * T.columns)
    tile_store(tile, out, at, stride)


@jit
def accumulate_product(T, a, b, depth, out, at, stride):
    tile = tile_zeros(T)
    for p in range(depth):
        tile = tile_outer_fma(tile, pointer(a), p * T.rows, 1, pointer(b), p * T.columns)
    tile_accumulate(tile, pointer(out), at, stride)


@jit
def branching(T, a, b, take, out):
    tile = tile_zeros(T)
    if take:
        tile = tile_outer_fma(tile, a, 0, 1, b, 0)
    kept = tile
    tile = tile_outer_fma(tile, a, 0, 1, b, 0)
    tile_store(tile, out, 0, T.columns)
    tile_store(kept, out, T.rows * T.columns, T.columns)


@jit
def register_for_tile(T, a, out):
    tile_store(zeros(T.vector), out, 0, T.columns)


def factors(T, depth):
    """Return whole numbers, whose products and sums are exact in any order."""
    generator = np.random.default_rng([T.rows, T.columns])
    a = generator.integers(-9, 10, (depth, T.rows))
    b = generator.integers(-9, 10, (depth, T.columns))
    return a.astype(T.vector.dtype), b.astype(T.vector.dtype)


def framed(T):
    """Return an array with room for a tile and a frame around it: (host, inside)."""
    host = np.full((T.rows + 2, T.columns + 3), 7, T.vector.dtype)
    return host, (slice(1, 1 + T.rows), slice(1, 1 + T.columns))


def test_zeros_are_stored_inside_the_tile_only(T):
    host, inside = framed(T)
    store_zeros(T, host, host.shape[1] + 1, host.shape[1])
    expected, _ = framed(T)
    expected[inside] = 0
    np.testing.assert_array_equal(host, expected)


@pytest.mark.parametrize("depth", [0, 1, 5])
def test_outer_products_add_up_to_a_matrix_product(T, depth):
    a, b = factors(T, depth)
    host, inside = framed(T)
    at, stride = host.shape[1] + 1, host.shape[1]
    store_product(T, a.reshape(-1), 0, 1, T.rows, b.reshape(-1), 0, depth, host, at, stride)
    expected, _ = framed(T)
    expected[inside] = a.T @ b
    np.testing.assert_array_equal(host, expected)


def test_outer_product_walks_a_with_any_stride(T):
    a, b = factors(T, 4)
    column_by_column = np.zeros((T.rows, 9), a.dtype)
    column_by_column[:, 5:1:-1] = a.T  # backwards from column 5
    flat = np.concatenate([[-1], b.reshape(-1)]).astype(b.dtype)
    host, inside = framed(T)
    at, stride = host.shape[1] + 1, host.shape[1]
    store_product(T, column_by_column, 5, 9, -1, flat, 1, 4, host, at, stride)
    np.testing.assert_array_equal(host[inside], a.T @ b)


def test_accumulate_adds_to_what_is_there_and_touches_nothing_else(T):
    a, b = factors(T, 3)
    host, inside = framed(T)
    host[inside] = np.arange(T.rows * T.columns).reshape(T.rows, -1)
    expected = host.copy()
    expected[inside] += a.T @ b
    accumulate_product(T, a, b, 3, host, host.shape[1] + 1, host.shape[1])
    np.testing.assert_array_equal(host, expected)


def test_rows_may_be_stored_backwards(T):
    a, b = factors(T, 2)
    host, inside = framed(T)
    last = T.rows * host.shape[1] + 1
    store_product(T, a, 0, 1, T.rows, b, 0, 2, host, last, -host.shape[1])
    np.testing.assert_array_equal(host[inside], (a.T @ b)[::-1])


def test_products_are_added_with_one_rounding(V):
    T = Tile(V, rows=1, vectors=1)
    unit = np.finfo(V.dtype).eps
    a = np.array([-1, 1 + unit], V.dtype)  # first -1, then (1 + unit)(1 - unit)
    b = np.array([[1], [1 - unit]], V.dtype).repeat(V.lanes, axis=1)
    out = np.empty(V.lanes, V.dtype)
    store_product(T, a, 0, 1, 1, b, 0, 2, out, 0, V.lanes)
    np.testing.assert_array_equal(out, -(unit**2))


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_tile_of_sixteen_registers(dtype):
    T = Tile(vector(dtype), rows=8, vectors=2)
    a, b = factors(T, 7)
    out = np.empty((T.rows, T.columns), dtype)
    store_product(T, a, 0, 1, T.rows, b, 0, 7, out, 0, T.columns)
    np.testing.assert_array_equal(out, a.T @ b)


@pytest.mark.parametrize("take", [False, True])
def test_tile_is_a_value_that_later_updates_leave_alone(take):
    T = Tile(EIGHT, rows=3, vectors=2)
    a, b = factors(T, 1)
    out = np.empty((2, T.rows, T.columns), "float32")
    branching(T, a, b, take, out.reshape(-1))
    np.testing.assert_array_equal(out, [(take + 1) * (a.T @ b), take * (a.T @ b)])


def test_register_in_place_of_a_tile_is_refused_in_words():
    x = np.zeros(64, "float32")
    message = r"tile_store: expected a register tile, got register\[8 float32\]"
    with pytest.raises(numba.TypingError, match=message):
        register_for_tile(Tile(EIGHT, 2, 2), x, x.copy())


def test_memory_that_does_not_fit_is_refused_in_words():
    T = Tile(EIGHT, 2, 2)
    x, read_only = np.zeros((2, 64), "float32")
    read_only.flags.writeable = False
    expected = r"expected a contiguous array or a pointer of float32"
    with pytest.raises(numba.TypingError, match=f"tile_store: {expected}, got .*float64"):
        store_zeros(T, x.astype("float64"), 0, 16)
    with pytest.raises(numba.TypingError, match="tile_store: expected a writable array, got .*"):
        store_zeros(T, read_only, 0, 16)
    with pytest.raises(numba.TypingError, match=rf"tile_outer_fma: {expected}, got .*1d, A"):
        store_product(T, x[::2], 0, 1, 2, x, 0, 1, x, 0, 16)
