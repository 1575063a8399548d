"""Across lanes: reductions, running sums, and orders, against NumPy."""

import numba
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from accel.simd import (
    deinterleave,
    halves,
    horizontal_max,
    horizontal_min,
    horizontal_sum,
    interleave,
    jit,
    join,
    lane,
    lane_index,
    load,
    reverse,
    rotate,
    scan_sum,
    store,
    vector,
    with_lane,
)

FOUR = vector("float32", 4)


@jit
def reduced(V, x):
    v = load(V, x, 0)
    return horizontal_sum(v), horizontal_max(v), horizontal_min(v)


@jit
def reordered(V, x, out, i):
    n = V.lanes
    v = load(V, x, 0)
    store(out, 0 * n, scan_sum(v))
    store(out, 1 * n, reverse(v))
    store(out, 2 * n, rotate(v, 1))
    store(out, 3 * n, rotate(v, -3))
    store(out, 4 * n, rotate(v, 0))
    store(out, 5 * n, lane_index(V))
    store(out, 6 * n, with_lane(v, i, 9))
    return lane(v, i)


@jit
def joined_crosswise(V, x, out):
    low, high = halves(load(V, x, 0))
    store(out, 0, join(high, low))


@jit
def shuffled(V, x, out, back):
    """Take pixels of two, three, and five fields apart, and put them together again."""
    n = V.lanes
    a, b = deinterleave((load(V, x, 0), load(V, x, n)))
    store(out, 0, a)
    store(out, n, b)
    a, b = interleave((a, b))
    store(back, 0, a)
    store(back, n, b)
    a, b, c = deinterleave((load(V, x, 0), load(V, x, n), load(V, x, 2 * n)))
    store(out, 2 * n, a)
    store(out, 3 * n, b)
    store(out, 4 * n, c)
    a, b, c = interleave((a, b, c))
    store(back, 2 * n, a)
    store(back, 3 * n, b)
    store(back, 4 * n, c)
    five = (load(V, x, 0), load(V, x, n), load(V, x, 2 * n), load(V, x, 3 * n), load(V, x, 4 * n))
    a, b, c, d, e = deinterleave(five)
    store(out, 5 * n, a)
    store(out, 6 * n, b)
    store(out, 7 * n, c)
    store(out, 8 * n, d)
    store(out, 9 * n, e)
    a, b, c, d, e = interleave((a, b, c, d, e))
    store(back, 5 * n, a)
    store(back, 6 * n, b)
    store(back, 7 * n, c)
    store(back, 8 * n, d)
    store(back, 9 * n, e)


@jit
def sum_of_scalar(V, x, out):
    out[0] = horizontal_sum(x[0]) + V.lanes


@jit
def rotated_by_variable(V, x, steps, out):
    store(out, 0, rotate(load(V, x, 0), steps))


@jit
def interleaved_types(V, W, x, out):
    first, _ = interleave((load(V, x, 0), load(W, x, 0)))
    store(out, 0, first)


@jit
def joined_types(V, W, x, out):
    store(out, 0, join(load(V, x, 0), load(W, x, 0)))


@given(data=st.data())
@settings(max_examples=40)
def test_horizontal_sum_adds_halves(V, data):
    limit = 2.0**100  # 16 of them do not overflow
    each = st.floats(-limit, limit, width=8 * V.dtype.itemsize)
    x = np.array(data.draw(st.lists(each, min_size=V.lanes, max_size=V.lanes)), V.dtype)
    part = x
    while part.size > 1:
        part = part[: part.size // 2] + part[part.size // 2 :]
    assert reduced(V, x)[0] == part[0]


def test_horizontal_sum_counts_each_lane_once(V):
    assert [reduced(V, each)[0] for each in np.eye(V.lanes, dtype=V.dtype)] == [1] * V.lanes


def test_horizontal_max_and_min_find_their_number_in_any_lane(V):
    for x in np.eye(V.lanes, dtype=V.dtype) - 2:
        assert reduced(V, x)[1] == -1
        assert reduced(V, -x)[2] == 1


@pytest.mark.parametrize("rest", [np.inf, -np.inf, 0])
def test_horizontal_max_and_min_are_nan_with_nan_in_any_lane(V, rest):
    for number in range(V.lanes):
        x = np.full(V.lanes, rest, V.dtype)
        x[number] = np.nan
        assert np.isnan(reduced(V, x)[1:]).all()


def test_horizontal_results_are_scalars_of_the_register_s_type(V):
    reduced(V, np.zeros(V.lanes, V.dtype))
    returned = {signature.return_type for signature in reduced.nopython_signatures}
    assert numba.types.UniTuple(numba.from_dtype(V.dtype), 3) in returned


def scanned(x):
    """Return the running sum, adding in the order that `scan_sum` does."""
    total, step = x.copy(), 1
    while step < x.size:
        total[step:] = total[step:] + total[:-step]
        step *= 2
    return total


@pytest.mark.parametrize("i", [0, 1, -1])
def test_orders_of_lanes(any_V, i):
    V = any_V
    x = np.random.default_rng(V.lanes).integers(0, 100, V.lanes).astype(V.dtype)
    out = np.full((7, V.lanes), 7, V.dtype)
    assert reordered(V, x, out.reshape(-1), i) == x[i]
    replaced = x.copy()
    replaced[i] = 9
    turned = [np.roll(x, -1), np.roll(x, 3), x]
    expected = [scanned(x), x[::-1], *turned, np.arange(V.lanes), replaced]
    np.testing.assert_array_equal(out, expected)


@pytest.mark.parametrize("V", [FOUR, vector("uint8", 64)], ids=str)
def test_halves_are_joined_in_the_order_given(V):
    x = np.arange(V.lanes).astype(V.dtype)
    out = np.empty_like(x)
    joined_crosswise(V, x, out)
    np.testing.assert_array_equal(out, np.roll(x, V.lanes // 2))


@given(data=st.data())
@settings(max_examples=20)
def test_running_sum_is_near_numpy_s_and_ends_with_the_sum(V, data):
    each = st.floats(-1000, 1000, width=8 * V.dtype.itemsize)
    x = np.array(data.draw(st.lists(each, min_size=V.lanes, max_size=V.lanes)), V.dtype)
    out = np.empty((7, V.lanes), V.dtype)
    reordered(V, x, out.reshape(-1), 0)
    np.testing.assert_array_equal(out[0], scanned(x))
    allowed = V.lanes * np.finfo(V.dtype).eps * np.abs(x).sum()
    np.testing.assert_allclose(out[0], x.cumsum(dtype="float64"), rtol=0, atol=allowed)


def test_running_sum_carries_nan_upwards_only(V):
    x = np.ones(V.lanes, V.dtype)
    x[1] = np.nan
    out = np.empty((7, V.lanes), V.dtype)
    reordered(V, x, out.reshape(-1), 0)
    np.testing.assert_array_equal(np.isnan(out[0]), np.arange(V.lanes) > 0)


@pytest.mark.parametrize("dtype", ["float32", "float64", "uint8"])
@pytest.mark.parametrize("lanes", [4, 8, 16])
def test_fields_are_taken_apart_and_put_together(dtype, lanes):
    x = np.random.default_rng(lanes).integers(0, 255, 5 * lanes).astype(dtype)
    out, back = np.zeros((2, 10 * lanes), dtype)
    shuffled(vector(dtype, lanes), x, out, back)
    planes = [x[: count * lanes].reshape(lanes, count).T.reshape(-1) for count in (2, 3, 5)]
    np.testing.assert_array_equal(out, np.concatenate(planes))
    np.testing.assert_array_equal(back, np.concatenate([x[: 2 * lanes], x[: 3 * lanes], x]))


def test_misuse_of_orders_is_refused_in_words():
    x, eight = np.ones(8, "float32"), vector("float32", 8)
    with pytest.raises(numba.TypingError, match="horizontal_sum: expected a register, got float32"):
        sum_of_scalar(FOUR, x, x.copy())
    with pytest.raises(numba.TypingError, match="rotate: expected a constant number of steps, got"):
        rotated_by_variable(FOUR, x, 1, x.copy())
    with pytest.raises(numba.TypingError, match="interleave: expected a tuple of 2 to 8 registers"):
        interleaved_types(FOUR, eight, x, x.copy())
    with pytest.raises(numba.TypingError, match="join: expected two registers of one type, up to"):
        joined_types(FOUR, eight, x, x.copy())
