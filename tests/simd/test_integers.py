"""Integers in lanes, and the ways between element types, against NumPy."""

import numba
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from accel.simd import (
    absolute,
    alike,
    bitcast,
    broadcast,
    convert,
    exp,
    horizontal_max,
    horizontal_min,
    horizontal_sum,
    jit,
    load,
    maximum,
    minimum,
    store,
    vector,
)

#: What `every_operation` writes into its rows, in NumPy's words.
OPERATIONS = {
    "x + y": lambda x, y, s: x + y,
    "x - y": lambda x, y, s: x - y,
    "x * y": lambda x, y, s: x * y,
    "-x": lambda x, y, s: -x,
    "x & y": lambda x, y, s: x & y,
    "x | y": lambda x, y, s: x | y,
    "x ^ y": lambda x, y, s: x ^ y,
    "~x": lambda x, y, s: ~x,
    "x << 3": lambda x, y, s: x << 3,
    "x >> 3": lambda x, y, s: x >> 3,
    "x << bits": lambda x, y, s: x * 0,
    "x >> bits": lambda x, y, s: np.where(x < 0, -1, 0).astype(x.dtype),
    "x << y": lambda x, y, s: x << (y & 7),
    "x >> y": lambda x, y, s: x >> (y & 7),
    "s - x": lambda x, y, s: s - x,
    "s * x": lambda x, y, s: s * x,
    "s & x": lambda x, y, s: s & x,
    "minimum": lambda x, y, s: np.minimum(x, y),
    "maximum": lambda x, y, s: np.maximum(x, y),
    "absolute": lambda x, y, s: np.abs(x),
    "broadcast": lambda x, y, s: np.full_like(x, s),
}


@jit
def every_operation(V, x, y, s, bits, out):
    n = V.lanes
    v, w = load(V, x, 0), load(V, y, 0)
    store(out, 0 * n, v + w)
    store(out, 1 * n, v - w)
    store(out, 2 * n, v * w)
    store(out, 3 * n, -v)
    store(out, 4 * n, v & w)
    store(out, 5 * n, v | w)
    store(out, 6 * n, v ^ w)
    store(out, 7 * n, ~v)
    store(out, 8 * n, v << 3)
    store(out, 9 * n, v >> 3)
    store(out, 10 * n, v << bits)
    store(out, 11 * n, v >> bits)
    store(out, 12 * n, v << (w & 7))
    store(out, 13 * n, v >> (w & 7))
    store(out, 14 * n, s - v)
    store(out, 15 * n, s * v)
    store(out, 16 * n, s & v)
    store(out, 17 * n, minimum(v, w))
    store(out, 18 * n, maximum(v, w))
    store(out, 19 * n, absolute(v))
    store(out, 20 * n, broadcast(V, s))
    return horizontal_sum(v), horizontal_min(v), horizontal_max(v)


@jit
def augmented(V, x, y, out):
    v, w = load(V, x, 0), load(V, y, 0)
    v += w
    v -= 1
    v *= 3
    v &= w
    v |= 8
    v ^= 1
    v <<= 2
    v >>= 1
    store(out, 0, v)


TARGETS = ("float32", "float64", "int8", "uint8", "int16", "int32", "uint32", "int64", "uint64")


@jit
def converted(V, W, x, out):
    store(out, 0, convert(W, load(V, x, 0)))


@jit
def converted_to_all(V, x, f4, f8, i1, u1, i2, i4, u4, i8, u8):
    """Convert to every type, into one array of each."""
    v = load(V, x, 0)
    store(f4, 0, convert(alike(V, "float32"), v))
    store(f8, 0, convert(alike(V, "float64"), v))
    store(i1, 0, convert(alike(V, "int8"), v))
    store(u1, 0, convert(alike(V, "uint8"), v))
    store(i2, 0, convert(alike(V, "int16"), v))
    store(i4, 0, convert(alike(V, "int32"), v))
    store(u4, 0, convert(alike(V, "uint32"), v))
    store(i8, 0, convert(alike(V, "int64"), v))
    store(u8, 0, convert(alike(V, "uint64"), v))


@jit
def recast(V, W, x, out):
    store(out, 0, bitcast(W, load(V, x, 0)))


@jit
def widened_by_name(V, x, out):
    store(out, 0, convert(alike(V, "int64"), load(V, x, 0)))


@jit
def divided(V, x, out):
    store(out, 0, load(V, x, 0) / 2)


@jit
def added_half(V, x, out):
    store(out, 0, load(V, x, 0) + 0.5)


@jit
def added_truth(V, x, out):
    store(out, 0, load(V, x, 0) + True)


@jit
def exponential(V, x, out):
    store(out, 0, exp(load(V, x, 0)))


@jit
def masked_bits(V, x, out):
    store(out, 0, load(V, x, 0) & 1)


def operands(V):
    about = np.iinfo(V.dtype)
    some = [about.min, about.min + 1, 0, 1, 2, 5, 100, about.max - 1, about.max]
    return hnp.arrays(V.dtype, (2, V.lanes), elements=st.sampled_from(some))


@settings(max_examples=20)
@given(data=st.data())
def test_operations_give_what_numpy_gives_and_wrap_around(integer_V, data):
    V = integer_V
    x, y = data.draw(operands(V))
    scalar = V.dtype.type(7)
    out = np.full((len(OPERATIONS), V.lanes), 77, V.dtype)
    total, least, largest = every_operation(V, x, y, scalar, 8 * V.dtype.itemsize, out.reshape(-1))
    for row, (operation, expected) in zip(out, OPERATIONS.items(), strict=True):
        np.testing.assert_array_equal(row, expected(x, y, scalar), operation)
    assert total == x.sum(dtype=V.dtype)
    assert (least, largest) == (x.min(), x.max())


@pytest.mark.parametrize("dtype", ["int32", "uint8"])
def test_augmented_assignment(dtype):
    V = vector(dtype, 16)
    x, y = np.arange(32, dtype=dtype).reshape(2, -1)
    out = np.empty_like(x)
    augmented(V, x, y, out)
    np.testing.assert_array_equal(out, ((((x + y - 1) * 3 & y | 8) ^ 1) << 2) >> 1)


def in_every_type(x):
    """Return numbers, eight at a time, in every type, by the type's name."""
    made = {target: np.full(x.size, 77, target) for target in TARGETS}
    for i in range(0, x.size, 8):
        parts = [array[i : i + 8] for array in made.values()]
        converted_to_all(vector(x.dtype, 8), x[i : i + 8], *parts)
    return made


@pytest.mark.parametrize("source", TARGETS)
def test_numbers_that_all_types_have_are_converted_exactly(source):
    x = np.array([0, 1, 2, 3, 100, 127, 5, 7] * 4, source)
    for got in in_every_type(x).values():
        np.testing.assert_array_equal(got, x)


@pytest.mark.parametrize("lanes", [4, 16, 64])
def test_bytes_become_floats_at_any_width(lanes):
    x = np.arange(256 - lanes, 256).astype("uint8")
    out = np.empty(lanes, "float32")
    converted(vector("uint8", lanes), vector("float32", lanes), x, out)
    np.testing.assert_array_equal(out, x)


@pytest.mark.parametrize("source", ["float32", "float64"])
def test_real_numbers_lose_their_fraction_and_stop_at_the_ends(source):
    ends = [float(end) for kind in TARGETS[2:] for end in (np.iinfo(kind).min, np.iinfo(kind).max)]
    some = [1.9, -0.9, -0.0, np.nan, np.inf, -np.inf, 1e30, -1e30, 255.5, 65535.5, 3e9, 1e-40]
    numbers = np.array([*ends, *some], source)
    towards_0 = np.nextafter(numbers, np.zeros_like(numbers))
    for x in np.resize([numbers, towards_0], (2, 32)):
        for target, got in list(in_every_type(x).items())[2:]:
            about = np.iinfo(target)
            np.testing.assert_array_equal(got, [saturated(number, about) for number in x.tolist()])


def saturated(number, about):
    """Return the nearest integer of a type towards 0, in Python's numbers."""
    inside = np.nan_to_num(number, nan=0.0)
    return min(max(int(np.clip(inside, -1e38, 1e38)), about.min), about.max)


@pytest.mark.parametrize("source", TARGETS[2:])
def test_integers_round_to_the_nearest_float_or_keep_their_low_bits(source):
    about = np.iinfo(source)
    some = [about.min, about.max, about.max - 1, about.max // 2, 77, 1, 0, 2**24 + 1, 2**24 + 3]
    x = np.resize(np.array([n % 2**64 for n in some], "uint64").astype(source), 32)
    for target, got in in_every_type(x).items():
        np.testing.assert_array_equal(got, x.astype(target))


@pytest.mark.parametrize(("source", "target", "lanes"), [("float32", "int32", 8),
                                                         ("float64", "uint8", 64),
                                                         ("uint8", "float64", 8)])  # fmt: skip
def test_bitcast_keeps_the_bytes(source, target, lanes):
    x = np.arange(1, 65, dtype="uint8").view(source)[: lanes * np.dtype(target).itemsize]
    W = vector(target, lanes)
    size = lanes * W.dtype.itemsize
    V = vector(source, size // np.dtype(source).itemsize)
    out = np.empty(lanes, target)
    recast(V, W, x, out)
    np.testing.assert_array_equal(out.view("uint8"), x.view("uint8")[:size])


def test_alike_has_as_many_lanes_of_another_type():
    assert alike(vector("float32", 16), "uint8") == vector("uint8", 16)
    x, out = np.arange(-2, 2, dtype="float32"), np.empty(4, "int64")
    widened_by_name(vector("float32", 4), x, out)
    np.testing.assert_array_equal(out, x)


def test_misuse_of_integers_is_refused_in_words():
    V, x = vector("int32", 4), np.zeros(4, "int32")
    number = np.zeros(4, "float32")
    with pytest.raises(numba.TypingError, match="/: expected registers of float32 or float64, got"):
        divided(V, x, x.copy())
    with pytest.raises(
        numba.TypingError, match=r"\+: .* one type and integer scalars, got .*float"
    ):
        added_half(V, x, x.copy())
    with pytest.raises(numba.TypingError, match=r"\+: .* one type and integer scalars, got .*bool"):
        added_truth(V, x, x.copy())
    with pytest.raises(
        numba.TypingError, match="exp: expected registers of float32 or float64, go"
    ):
        exponential(V, x, x.copy())
    with pytest.raises(numba.TypingError, match="&: expected registers of integers, got register"):
        masked_bits(vector("float32", 4), number, number.copy())
    with pytest.raises(numba.TypingError, match=r"convert: expected a token of 4 lanes for regis"):
        converted(V, vector("float32", 8), x, number)
    with pytest.raises(numba.TypingError, match=r"bitcast: expected a token of 16 bytes for regis"):
        recast(V, vector("float64", 4), x, np.zeros(4))
