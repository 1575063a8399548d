"""Tiles as a whole: transposed, at the edge of a matrix, and in an epilogue."""

import numba
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from accel.simd import (
    Tile,
    exp,
    jit,
    tile_accumulate_first,
    tile_add_column,
    tile_add_row,
    tile_get,
    tile_load,
    tile_load_first,
    tile_map,
    tile_maximum,
    tile_minimum,
    tile_set,
    tile_store,
    tile_store_first,
    tile_transpose,
    vector,
)

FOUR = vector("float32", 4)
RAGGED = Tile(FOUR, rows=3, vectors=2)


@jit
def transposed(T, x, i, stride, out):
    tile_store(tile_transpose(tile_load(T, x, i, stride)), out, 0, T.columns)


@jit
def corner(T, x, out, stride, rows, columns):
    tile = tile_load_first(T, x, stride + 1, stride, rows, columns)
    tile_store(tile, out, 0, T.columns)


@jit
def corner_stored(T, x, out, stride, rows, columns):
    tile_store_first(tile_load(T, x, 0, T.columns), out, stride + 1, stride, rows, columns)


@jit
def corner_added(T, x, out, stride, rows, columns):
    tile_accumulate_first(tile_load(T, x, 0, T.columns), out, stride + 1, stride, rows, columns)


@jit
def logistic(v):
    return 1 / (1 + exp(-v))


@jit
def epilogue(T, x, row, column, out, other):
    tile = tile_load(T, x, 0, T.columns)
    biased = tile_add_row(tile, row, 1)
    tile_store(biased, out, 0, T.columns)
    tile_store(tile_add_column(tile, column, 1, 2), out, T.rows * T.columns, T.columns)
    tile_store(tile_maximum(0, tile), out, 2 * T.rows * T.columns, T.columns)
    tile_store(tile_minimum(tile, biased), out, 3 * T.rows * T.columns, T.columns)
    combined = (tile + biased) * 2 - 1 - tile * biased
    tile_store(combined, out, 4 * T.rows * T.columns, T.columns)
    swapped = tile_set(tile_set(tile, 0, 0, tile_get(tile, 1, 1)), 1, 1, tile_get(tile, 0, 0))
    tile_store(swapped, out, 5 * T.rows * T.columns, T.columns)


@jit
def mapped(T, x, out):
    tile = tile_load(T, x, 0, T.columns)
    tile_store(tile_map(logistic, tile), out, 0, T.columns)
    tile_store(1 / (tile / 4.0), out, T.rows * T.columns, T.columns)


@jit
def not_a_register(v):
    return 1.0


@jit
def mapped_to_scalars(T, x, out):
    tile_store(tile_map(not_a_register, tile_load(T, x, 0, 8)), out, 0, 8)


@jit
def register_of_variable(T, x, r):
    return tile_get(tile_load(T, x, 0, 8), r, 0)


@jit
def register_outside(T, x):
    return tile_get(tile_load(T, x, 0, 8), 3, 0)


@jit
def sum_of_tiles(T, S, x, out):
    tile_store(tile_load(T, x, 0, 8) + tile_load(S, x, 0, 8), out, 0, 8)


@jit
def integer_quotient(T, x, out):
    tile_store(tile_load(T, x, 0, 8) / 2, out, 0, 8)


def numbers(T, seed=0):
    generator = np.random.default_rng([seed, T.rows, T.columns])
    return generator.integers(1, 99, (T.rows, T.columns)).astype(T.vector.dtype)


def framed(T):
    """Return an array with room for a tile, and a frame around it."""
    return np.full((T.rows + 2, T.columns + 3), 77, T.vector.dtype)


def test_square_of_registers_is_transposed(memory_V):
    T = Tile(memory_V, rows=memory_V.lanes, vectors=1)
    x, out = framed(T), np.zeros((T.rows, T.columns), memory_V.dtype)
    x[1:-1, 1:-2] = np.arange(T.rows * T.columns).reshape(out.shape).astype(memory_V.dtype)
    transposed(T, x.reshape(-1), x.shape[1] + 1, x.shape[1], out)
    np.testing.assert_array_equal(out, x[1:-1, 1:-2].T)


CORNERS = st.integers(-1, 4), st.integers(-1, 10)


@settings(max_examples=40)
@given(*CORNERS)
def test_ragged_load_reads_a_corner_and_zeros(rows, columns):
    T = RAGGED
    x, out = framed(T), np.full((T.rows, T.columns), 7, "float32")
    x[1:-1, 1:-2] = numbers(T)
    corner(T, x.reshape(-1), out.reshape(-1), x.shape[1], rows, columns)
    expected = np.zeros_like(out)
    inside = slice(0, max(rows, 0)), slice(0, max(columns, 0))
    expected[inside] = x[1:-1, 1:-2][inside]
    np.testing.assert_array_equal(out, expected)


@settings(max_examples=40)
@given(*CORNERS)
@pytest.mark.parametrize("way", [corner_stored, corner_added])
def test_ragged_store_touches_its_corner_only(way, rows, columns):
    T = RAGGED
    x, out, expected = numbers(T), framed(T), framed(T)
    way(T, x, out.reshape(-1), out.shape[1], rows, columns)
    inside = slice(0, max(rows, 0)), slice(0, max(columns, 0))
    before = 77 if way is corner_added else 0
    expected[1:-1, 1:-2][inside] = x[inside] + before
    np.testing.assert_array_equal(out, expected)


@pytest.mark.parametrize("V", [vector("float32"), vector("int64", 4)], ids=str)
def test_epilogue_of_a_tile(V):
    T = Tile(V, rows=3, vectors=2)
    x, other = numbers(T), numbers(T, seed=1)
    row, column = other[0], other[1, :6]
    row = np.concatenate([[99], row]).astype(V.dtype)
    out = np.zeros((6, T.rows, T.columns), V.dtype)
    x[0, 0] = 0
    x -= 50
    epilogue(T, x, row, column, out.reshape(-1), other)
    swapped = x.copy()
    swapped[0, : V.lanes], swapped[1, V.lanes :] = x[1, V.lanes :], x[0, : V.lanes]
    biased = x + row[1:]
    np.testing.assert_array_equal(out[0], biased)
    np.testing.assert_array_equal(out[1], x + column[1::2, None])
    np.testing.assert_array_equal(out[2], np.maximum(0, x))
    np.testing.assert_array_equal(out[3], np.minimum(x, biased))
    np.testing.assert_array_equal(out[4], (x + biased) * 2 - 1 - x * biased)
    np.testing.assert_array_equal(out[5], swapped)


def test_compiled_function_is_applied_to_each_register():
    x = np.linspace(-9, 9, 24, dtype="float32").reshape(3, 8)
    out = np.zeros((2, 3, 8), "float32")
    mapped(RAGGED, x, out.reshape(-1))
    np.testing.assert_allclose(out[0], 1 / (1 + np.exp(-x.astype("float64"))), rtol=1e-6)
    np.testing.assert_array_equal(out[1], 1 / (x / 4))


def test_misuse_of_tiles_is_refused_in_words():
    x = np.ones(64, "float32")
    with pytest.raises(numba.TypingError, match="tile_map: expected a function from register"):
        mapped_to_scalars(RAGGED, x, x.copy())
    with pytest.raises(numba.TypingError, match="tile_get: expected constant numbers of row and r"):
        register_of_variable(RAGGED, x, 0)
    with pytest.raises(numba.TypingError, match="tile_get: no register 3, 0 in registers"):
        register_outside(RAGGED, x)
    with pytest.raises(
        numba.TypingError, match=r"\+: expected tiles of one type, or one and a rea"
    ):
        sum_of_tiles(RAGGED, Tile(FOUR, 2, 2), x, x.copy())
    with pytest.raises(numba.TypingError, match="tile_transpose: expected a square tile of one re"):
        transposed(RAGGED, x, 0, 8, x.copy())
    whole = Tile(vector("int32", 4), 3, 2)
    with pytest.raises(numba.TypingError, match="/: expected tiles of float32 or float64, got"):
        integer_quotient(whole, x.astype("int32"), x.astype("int32"))
