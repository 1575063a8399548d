"""Operators and functions, lane by lane against NumPy, in every width."""

import functools
import itertools
from decimal import Context, Decimal

import numba
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from accel.simd import (
    broadcast,
    exp,
    floor,
    fma,
    horizontal_max,
    horizontal_sum,
    jit,
    load,
    load_first,
    maximum,
    minimum,
    store,
    store_first,
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
def sum_and_max(V, x):
    v = load(V, x, 0)
    return horizontal_sum(v), horizontal_max(v)


@jit
def exponentials(V, x, out):
    for i in range(0, x.size, V.lanes):
        v = load_first(V, x, i, x.size - i)
        store_first(out, i, exp(v), x.size - i)


@jit
def mixed(V, W, x, out):
    store(out, 0, load(V, x, 0) + load(W, x, 0))


@jit
def sum_of_scalar(V, x, out):
    out[0] = horizontal_sum(x[0]) + V.lanes


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


@given(data=st.data())
def test_horizontal_sum_adds_halves(V, data):
    limit = 2.0**100  # 16 of them do not overflow
    lane = st.floats(-limit, limit, width=8 * V.dtype.itemsize)
    x = np.array(data.draw(st.lists(lane, min_size=V.lanes, max_size=V.lanes)), V.dtype)
    part = x
    while part.size > 1:
        part = part[: part.size // 2] + part[part.size // 2 :]
    assert sum_and_max(V, x)[0] == part[0]


def test_horizontal_sum_counts_each_lane_once(V):
    assert [sum_and_max(V, lane)[0] for lane in np.eye(V.lanes, dtype=V.dtype)] == [1] * V.lanes


def test_horizontal_max_finds_the_largest_in_any_lane(V):
    for x in np.eye(V.lanes, dtype=V.dtype) - 2:
        assert sum_and_max(V, x)[1] == -1


def test_horizontal_max_is_nan_with_nan_in_any_lane(V):
    for lane in range(V.lanes):
        x = np.full(V.lanes, np.inf, V.dtype)
        x[lane] = np.nan
        assert np.isnan(sum_and_max(V, x)[1])


def test_horizontal_results_are_scalars_of_the_register_s_type(V):
    sum_and_max(V, np.zeros(V.lanes, V.dtype))
    returned = {signature.return_type for signature in sum_and_max.nopython_signatures}
    assert numba.types.UniTuple(numba.from_dtype(V.dtype), 2) in returned


def exponential(V, x):
    x = np.asarray(x, V.dtype)
    out = np.full_like(x, 7)
    exponentials(V, x, out)
    return out


def units_in_the_last_place(got, x):
    """Return the errors of `got` as exp(x), in distances between neighbours there."""
    exact = [Context(prec=40).exp(Decimal(float(value))) for value in x]
    about = np.abs(np.array([float(value) for value in exact]).astype(got.dtype))
    error = [float(Decimal(float(g)) - value) for g, value in zip(got, exact, strict=True)]
    below = about - np.nextafter(about, got.dtype.type(0))
    distance = np.where(about > 0, below, np.finfo(got.dtype).smallest_subnormal)
    return np.abs(error) / distance.astype("float64")


@functools.cache
def sample(dtype):
    """Numbers over the range of exp: evenly, near 0, and where its reduction changes n."""
    low, high = {"float32": (-104, 88.72), "float64": (-746, 709.78)}[dtype]
    tiny = np.geomspace(np.finfo(dtype).tiny, 1, 2000)
    turns = (np.arange(low // 0.6931, high // 0.6931) + 0.5) * np.log(2)
    turns = turns[turns < high].astype(dtype)
    beside = [np.nextafter(turns, np.array(end, dtype)) for end in (-np.inf, np.inf)]
    parts = [np.linspace(low, high, 20_001), np.linspace(-1, 1, 9_999), tiny, -tiny, turns, *beside]
    return np.concatenate(parts).astype(dtype)


def test_exp_is_within_one_unit_in_the_last_place_subnormals_included(V):
    x = sample(V.dtype.name)
    assert units_in_the_last_place(exponential(V, x), x).max() <= 1


def test_exp_of_special_numbers(V):
    x = [0.0, -0.0, np.inf, -np.inf, np.nan, -np.nan]
    np.testing.assert_array_equal(exponential(V, x), [1, 1, np.inf, 0, np.nan, np.nan])


@pytest.mark.parametrize("x", [1.0, 1.01, 2.0, 1e30])
def test_exp_overflows_to_infinity_beyond_the_logarithm_of_the_largest_number(V, x):
    beyond = {"float32": 88.72285, "float64": 709.7827130}[V.dtype.name]
    assert exponential(V, [x * beyond])[0] == np.inf


def test_exp_is_finite_up_to_the_logarithm_of_the_largest_number(V):
    last = {"float32": 88.72283, "float64": 709.7827128}[V.dtype.name]
    assert units_in_the_last_place(exponential(V, [last]), np.array([last], V.dtype))[0] <= 1


def test_exp_passes_through_the_subnormals_to_zero(V):
    least = {"float32": -103.28, "float64": -744.44}[V.dtype.name]  # of the least subnormal
    far = [least - 1, 2 * least, -np.finfo(V.dtype).max]
    assert exponential(V, [least])[0] == np.finfo(V.dtype).smallest_subnormal
    np.testing.assert_array_equal(exponential(V, far), 0)


def test_exp_does_not_depend_on_the_lane_or_the_width():
    x = sample("float32")[:20_001]
    narrow, wide = (exponential(vector("float32", lanes), x) for lanes in (4, 16))
    np.testing.assert_array_equal(narrow, wide)


@pytest.mark.parametrize("other", [vector("float32", 8), vector("float64", 4)])
def test_registers_of_different_types_do_not_mix(other):
    x = np.ones(16, other.dtype)
    with pytest.raises(numba.TypingError):
        mixed(vector("float32", 4), other, x, x.copy())


def test_horizontal_sum_refuses_a_scalar_in_words():
    x = np.ones(4, "float32")
    with pytest.raises(numba.TypingError, match="horizontal_sum: expected a register, got float32"):
        sum_of_scalar(vector("float32", 4), x, x.copy())


def test_fma_refuses_an_array_in_words():
    x = np.ones(4, "float32")
    message = "fma: expected registers of one type and real scalars, got .*array"
    with pytest.raises(numba.TypingError, match=message):
        fma_of_array(vector("float32", 4), x, x.copy())
