"""Tokens: what they refuse, what they know, and how compiled code sees them."""

import pickle

import numba
import numpy as np
import pytest

from accel.simd import (
    Tile,
    broadcast,
    jit,
    store,
    tile_store,
    tile_zeros,
    vector,
    zeros,
)

FOUR = vector("float32", 4)
SIX_BY_EIGHT = Tile(FOUR, rows=6, vectors=2)


@jit
def lanes_of_global():
    return FOUR.lanes


@jit
def sizes_of_global():
    return SIX_BY_EIGHT.rows, SIX_BY_EIGHT.vectors, SIX_BY_EIGHT.columns, SIX_BY_EIGHT.vector.lanes


@jit
def sizes_of_argument(T):
    return T.rows, T.vectors, T.columns, T.vector.lanes


@jit
def lanes_of_argument(V):
    return V.lanes


@jit
def rows_of_argument(V):
    return V.rows


@jit
def ones(V, out):
    store(out, 0, broadcast(V, 1))


@pytest.mark.parametrize("dtype", ["float16", "bool", "complex64", ">f4", ">i8"])
def test_vector_refuses_a_dtype_without_registers(dtype):
    with pytest.raises(ValueError, match="^vector: dtype must be one of float32, .*, not "):
        vector(dtype)


@pytest.mark.parametrize("lanes", [-4, 0, 1, 3, 12, 128, 2.5, 4.0, "4", True])
def test_vector_refuses_other_than_powers_of_two(lanes):
    with pytest.raises(ValueError, match="^vector: lanes must be a power of two from 2 to 64, not"):
        vector("float32", lanes)


@pytest.mark.parametrize(
    ("rows", "vectors"), [(0, 1), (1, 0), (-1, 2), (1.5, 1), (1, 2.0), (True, 1)]
)
def test_tile_refuses_to_be_empty(rows, vectors):
    with pytest.raises(ValueError, match=f"^Tile: .* not {rows} and {vectors}$"):
        Tile(FOUR, rows, vectors)


def test_tile_is_made_of_vectors():
    with pytest.raises(TypeError, match="^Tile: vector must be a Vector token, not 'float32'$"):
        Tile("float32", 4, 2)


def test_vector_fills_this_machine_s_registers_by_default():
    assert vector("float32").lanes == 2 * vector("float64").lanes
    assert vector("float32").lanes in (4, 8, 16)


@pytest.mark.parametrize("dtype", ["float32", np.float32, np.dtype("float32")])
def test_vector_takes_any_name_of_a_dtype(dtype):
    assert vector(dtype, 4) == FOUR


@pytest.mark.parametrize("token", [FOUR, SIX_BY_EIGHT])
def test_token_survives_pickling_and_serves_as_a_key(token):
    copy = pickle.loads(pickle.dumps(token))
    assert copy == token
    assert {token: "found"}[copy] == "found"
    assert numba.typeof(copy) == numba.typeof(token)


def test_tokens_of_another_width_have_another_type(V):
    others = [vector(V.dtype, 2 * V.lanes), vector("float32" if V.lanes == 2 else "float64", 2)]
    assert numba.typeof(V) not in map(numba.typeof, others)
    assert numba.typeof(Tile(V, 2, 3)) != numba.typeof(Tile(V, 3, 2))


def test_argument_tells_compiled_code_its_lanes(V):
    assert lanes_of_argument(V) == V.lanes


def test_tile_tells_compiled_code_its_sizes():
    assert sizes_of_argument(SIX_BY_EIGHT) == (6, 2, 8, 4)


def test_global_token_tells_compiled_code_the_same():
    assert lanes_of_global() == 4
    assert sizes_of_global() == sizes_of_argument(SIX_BY_EIGHT)


def test_closure_chooses_the_width_as_an_argument_does():
    eight = vector("float64", 8)

    @jit
    def from_closure(out):
        store(out, 0, broadcast(eight, 1))

    by_closure, by_argument = np.zeros((2, 9))
    from_closure(by_closure)
    ones(eight, by_argument)
    np.testing.assert_array_equal(by_closure, [1] * 8 + [0])
    np.testing.assert_array_equal(by_argument, by_closure)


def test_one_function_serves_every_width_with_an_entry_for_each():
    def both(V, out):
        store(out, 0, zeros(V))

    both = jit(both)
    for lanes in (4, 8, 4, 8):
        both(vector("float32", lanes), np.empty(8, "float32"))
    assert len(both.signatures) == 2


def test_attribute_that_a_token_lacks_is_a_typing_error():
    with pytest.raises(numba.TypingError, match="typing of get attribute"):
        rows_of_argument(FOUR)


def test_token_of_the_wrong_kind_is_refused_by_name():
    def vector_for_tile(out):
        tile_store(tile_zeros(FOUR), out, 0, 4)

    def tile_for_vector(out):
        store(out, 0, zeros(SIX_BY_EIGHT))

    def number_for_vector(out):
        store(out, 0, broadcast(4, 1.0))

    out = np.empty(64, "float32")
    with pytest.raises(numba.TypingError, match=r"tile_zeros: expected a Tile token, got token\["):
        jit(vector_for_tile)(out)
    with pytest.raises(numba.TypingError, match=r"zeros: expected a Vector token, got token\[6 x"):
        jit(tile_for_vector)(out)
    with pytest.raises(numba.TypingError, match=r"broadcast: expected a Vector token, got .*int"):
        jit(number_for_vector)(out)
