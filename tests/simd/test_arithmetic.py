"""Operators and functions, lane by lane against NumPy, in every width."""

import functools
import itertools

import numba
import numpy as np
import pytest

from accel.simd import (
    absolute,
    broadcast,
    copysign,
    equal,
    floor,
    fma,
    greater,
    greater_equal,
    isnan,
    jit,
    less,
    less_equal,
    load,
    maximum,
    minimum,
    not_equal,
    round_to_even,
    select,
    sqrt,
    store,
    truncate,
    vector,
    zeros,
)

#: What `every_operation` writes into its rows, in NumPy's words.
OPERATIONS = {
    "zeros": lambda x, y, s: np.zeros_like(x),
    "broadcast": lambda x, y, s: np.full_like(x, s),
    "x + y": lambda x, y, s: x + y,
    "x - y": lambda x, y, s: x - y,
    "x * y": lambda x, y, s: x * y,
    "x / y": lambda x, y, s: x / y,
    "-x": lambda x, y, s: -x,
    "x + s": lambda x, y, s: x + s,
    "s - x": lambda x, y, s: s - x,
    "x * s": lambda x, y, s: x * s,
    "s / x": lambda x, y, s: s / x,
    "x - integer": lambda x, y, s: x - 3,
    "minimum": lambda x, y, s: np.minimum(x, y),
    "maximum": lambda x, y, s: np.maximum(x, y),
    "minimum with scalar": lambda x, y, s: np.minimum(s, x),
    "maximum with scalar": lambda x, y, s: np.maximum(x, s),
    "floor": lambda x, y, s: np.floor(x),
    "truncate": lambda x, y, s: np.trunc(x),
    "round_to_even": lambda x, y, s: np.rint(x),
    "sqrt": lambda x, y, s: np.sqrt(x),
    "absolute": lambda x, y, s: np.abs(x),
    "copysign": lambda x, y, s: np.copysign(x, y),
    "copysign of scalar": lambda x, y, s: np.copysign(s, y),
    "x < y": lambda x, y, s: np.where(x < y, x, y),
    "x <= s": lambda x, y, s: np.where(x <= s, x, y),
    "x > y": lambda x, y, s: np.where(x > y, x, y),
    "x >= y": lambda x, y, s: np.where(x >= y, x, s),
    "x == y": lambda x, y, s: np.where(x == y, s, y),
    "x != y": lambda x, y, s: np.where(x != y, x, y),
    "isnan": lambda x, y, s: np.where(np.isnan(x), y, x),
}


@jit
def every_operation(V, x, y, s, out):
    n = V.lanes
    v, w = load(V, x, 0), load(V, y, 0)
    store(out, 0 * n, zeros(V))
    store(out, 1 * n, broadcast(V, s))
    store(out, 2 * n, v + w)
    store(out, 3 * n, v - w)
    store(out, 4 * n, v * w)
    store(out, 5 * n, v / w)
    store(out, 6 * n, -v)
    store(out, 7 * n, v + s)
    store(out, 8 * n, s - v)
    store(out, 9 * n, v * s)
    store(out, 10 * n, s / v)
    store(out, 11 * n, v - 3)
    store(out, 12 * n, minimum(v, w))
    store(out, 13 * n, maximum(v, w))
    store(out, 14 * n, minimum(s, v))
    store(out, 15 * n, maximum(v, s))
    store(out, 16 * n, floor(v))
    store(out, 17 * n, truncate(v))
    store(out, 18 * n, round_to_even(v))
    store(out, 19 * n, sqrt(v))
    store(out, 20 * n, absolute(v))
    store(out, 21 * n, copysign(v, w))
    store(out, 22 * n, copysign(s, w))
    store(out, 23 * n, select(less(v, w), v, w))
    store(out, 24 * n, select(less_equal(v, s), v, w))
    store(out, 25 * n, select(greater(v, w), v, w))
    store(out, 26 * n, select(greater_equal(v, w), v, s))
    store(out, 27 * n, select(equal(v, w), s, w))
    store(out, 28 * n, select(not_equal(v, w), v, w))
    store(out, 29 * n, select(isnan(v), w, v))


@jit
def multiply_add(V, x, y, z, s, out):
    n = V.lanes
    v, w, u = load(V, x, 0), load(V, y, 0), load(V, z, 0)
    store(out, 0 * n, fma(v, w, u))
    store(out, 1 * n, v * w + u)
    store(out, 2 * n, fma(s, w, u))
    store(out, 3 * n, fma(v, w, s))
    store(out, 4 * n, fma(v, 2, -1))


@jit
def augmented(V, x, y, out):
    v, w = load(V, x, 0), load(V, y, 0)
    before = v
    v += w
    v -= 3
    v *= w
    v /= 2.0
    store(out, 0, v)
    store(out, V.lanes, before)


@jit
def mixed(V, W, x, out):
    store(out, 0, load(V, x, 0) + load(W, x, 0))


@jit
def fma_of_array(V, x, out):
    store(out, 0, fma(load(V, x, 0), x, load(V, x, 0)))


def special(V):
    """Two registers' worth of each awkward number meeting each other."""
    tiny = np.finfo(V.dtype).smallest_subnormal
    large = np.finfo(V.dtype).max
    values = [0.0, -0.0, 1.5, -1.5, tiny, -tiny, large, -large, np.inf, -np.inf, np.nan, 1e7 + 0.5]
    x, y = (np.array(side, V.dtype) for side in zip(*itertools.product(values, values)))
    return x.reshape(-1, V.lanes), y.reshape(-1, V.lanes)


@functools.cache
def operated(V):
    """Operands, scalar and results of `every_operation`: (operations, registers, lanes)."""
    generator = np.random.default_rng(V.lanes)
    random = generator.uniform(-100, 100, (2, 64, V.lanes)).astype(V.dtype)
    x, y = (np.vstack(pair) for pair in zip(special(V), random))
    scalar = V.dtype.type(0.7)
    out = np.full((len(x), len(OPERATIONS), V.lanes), 7, V.dtype)
    for i in range(len(x)):
        every_operation(V, x[i], y[i], scalar, out[i].reshape(-1))
    return x, y, scalar, dict(zip(OPERATIONS, out.swapaxes(0, 1), strict=True))


@pytest.mark.parametrize("operation", OPERATIONS)
def test_operation_gives_what_numpy_gives_in_each_lane(V, operation):
    x, y, scalar, got = operated(V)
    with np.errstate(all="ignore"):
        expected = OPERATIONS[operation](x, y, scalar)
    np.testing.assert_array_equal(got[operation], expected)


@pytest.mark.parametrize("operation", [o for o in OPERATIONS if "imum" not in o])
def test_operation_gives_zeros_their_sign(V, operation):
    x, y, scalar, got = operated(V)
    with np.errstate(all="ignore"):
        expected = OPERATIONS[operation](x, y, scalar)
    zero = expected == 0
    np.testing.assert_array_equal(np.signbit(got[operation])[zero], np.signbit(expected)[zero])


def test_fma_rounds_once_where_a_product_and_a_sum_round_twice(V):
    unit = np.finfo(V.dtype).eps
    x, y = np.full((2, V.lanes), 1 + unit, V.dtype)
    y -= 2 * unit  # x y = 1 - unit**2, which rounds to 1
    out = np.empty((5, V.lanes), V.dtype)
    multiply_add(V, x, y, np.full_like(x, -1), V.dtype.type(1), out.reshape(-1))
    np.testing.assert_array_equal(out[0], -(unit**2))
    np.testing.assert_array_equal(out[1], 0)


def test_fma_broadcasts_scalars(V):
    x, y, z = np.arange(3 * V.lanes, dtype=V.dtype).reshape(3, -1)
    out = np.empty((5, V.lanes), V.dtype)
    multiply_add(V, x, y, z, V.dtype.type(3), out.reshape(-1))
    np.testing.assert_array_equal(out, [x * y + z, x * y + z, 3 * y + z, x * y + 3, 2 * x - 1])


def test_scalar_is_rounded_to_the_register_s_type():
    V = vector("float32", 4)
    out = np.empty((len(OPERATIONS), 4), "float32")
    x = np.ones(4, "float32")
    every_operation(V, x, x, 0.1, out.reshape(-1))
    np.testing.assert_array_equal(out[1], np.float32(0.1))
    np.testing.assert_array_equal(out[7], 1 + np.float32(0.1))


def test_augmented_assignment_makes_a_new_register(V):
    x, y = np.arange(2 * V.lanes, dtype=V.dtype).reshape(2, -1)
    out = np.empty((2, V.lanes), V.dtype)
    augmented(V, x, y, out.reshape(-1))
    np.testing.assert_array_equal(out, [(x + y - 3) * y / 2, x])


@pytest.mark.parametrize("other", [vector("float32", 8), vector("float64", 4)])
def test_registers_of_different_types_do_not_mix(other):
    x = np.ones(16, other.dtype)
    with pytest.raises(numba.TypingError):
        mixed(vector("float32", 4), other, x, x.copy())


def test_fma_refuses_an_array_in_words():
    x = np.ones(4, "float32")
    message = "fma: expected registers of one type and real scalars, got .*array"
    with pytest.raises(numba.TypingError, match=message):
        fma_of_array(vector("float32", 4), x, x.copy())
