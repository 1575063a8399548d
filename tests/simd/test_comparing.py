"""Masks: what comparisons say of each lane, and what masks say of each other."""

import numba
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from accel.simd import (
    all_lanes,
    any_lane,
    both,
    count_lanes,
    either,
    first_lanes,
    invert,
    jit,
    load,
    select,
    store,
    vector,
    zeros,
)

FOUR = vector("float32", 4)

#: What `every_comparison` writes, in NumPy's words.
COMPARISONS = (
    lambda x, y: x < y,
    lambda x, y: x <= y,
    lambda x, y: x > y,
    lambda x, y: x >= y,
    lambda x, y: x == y,
    lambda x, y: x != y,
    lambda x, y: x < 0,
    lambda x, y: 0 < x,
    lambda x, y: (x < y) & (y < 0),
    lambda x, y: (x < y) | (y < 0),
    lambda x, y: (x < y) ^ (y < 0),
    lambda x, y: ~(x < y),
    lambda x, y: (x < y) & (y < 0),
    lambda x, y: (x < y) | (y < 0),
    lambda x, y: ~(x < y),
)


@jit
def every_comparison(V, x, y, out):
    """Write masks as ones and zeros, and return what the first of them says as a whole."""
    n, no = V.lanes, zeros(V)
    v, w = load(V, x, 0), load(V, y, 0)
    m, k = v < w, w < 0
    store(out, 0 * n, select(v < w, 1, no))
    store(out, 1 * n, select(v <= w, 1, no))
    store(out, 2 * n, select(v > w, 1, no))
    store(out, 3 * n, select(v >= w, 1, no))
    store(out, 4 * n, select(v == w, 1, no))
    store(out, 5 * n, select(v != w, 1, no))
    store(out, 6 * n, select(v < 0, 1, no))
    store(out, 7 * n, select(0 < v, 1, no))
    store(out, 8 * n, select(m & k, 1, no))
    store(out, 9 * n, select(m | k, 1, no))
    store(out, 10 * n, select(m ^ k, 1, no))
    store(out, 11 * n, select(~m, 1, no))
    store(out, 12 * n, select(both(m, k), 1, no))
    store(out, 13 * n, select(either(m, k), 1, no))
    store(out, 14 * n, select(invert(m), 1, no))
    return count_lanes(m), any_lane(m), all_lanes(m)


@jit
def first(V, count, out):
    mask = first_lanes(V, count)
    store(out, 0, select(mask, load(V, out, 0), 0))
    return count_lanes(mask)


@jit
def chosen_by_another_type(V, W, x, y, out):
    """Let numbers of one size choose among numbers of another."""
    v = load(W, y, 0)
    store(out, 0, select(load(V, x, 0) < 0, v, -v))


@jit
def masks_of_two_widths(V, W, x):
    return any_lane(both(load(V, x, 0) < 0, load(W, x, 0) < 0))


@jit
def mask_for_register(V, x, out):
    store(out, 0, load(V, x, 0) < 0)


@jit
def chosen_by_register(V, x, out):
    v = load(V, x, 0)
    store(out, 0, select(v, v, v))


@jit
def two_scalars(V, x, out):
    store(out, 0, select(load(V, x, 0) < 0, 1.0, 2.0))


@jit
def branching(V, x, out):
    if load(V, x, 0) < 0:
        out[0] = 1


@jit
def mask_for_fewer(V, W, x, out):
    store(out, 0, select(load(V, x, 0) < 0, load(W, x, 0), 0))


def compared(V, x, y):
    out = np.full((len(COMPARISONS), V.lanes), 7, V.dtype)
    return out, every_comparison(V, x, y, out.reshape(-1))


@st.composite
def two_registers(draw, V):
    """Draw registers with many equal lanes, and special numbers where there are any."""
    some = [0, 1, np.iinfo("int8").max]
    if V.dtype.kind == "f":
        some += [-0.0, -1.5, np.nan, np.inf, -np.inf, np.finfo(V.dtype).smallest_subnormal]
    elements = st.sampled_from(np.array(some, V.dtype).tolist())
    lanes = hnp.arrays(V.dtype, (2, V.lanes), elements=elements)
    return draw(lanes)


@settings(max_examples=25)
@given(data=st.data())
def test_each_lane_is_compared_as_numpy_compares(any_V, data):
    x, y = data.draw(two_registers(any_V))
    expected = np.array([compare(x, y) for compare in COMPARISONS])
    out, said = compared(any_V, x, y)
    np.testing.assert_array_equal(out, expected)
    assert said == (expected[0].sum(), expected[0].any(), expected[0].all())


def test_signed_and_unsigned_integers_are_ordered_each_in_its_way():
    x = np.full(64, 255, "uint8")
    unsigned, _ = compared(vector("uint8", 64), x, x - 254)
    signed, _ = compared(vector("int8", 64), x.view("int8"), (x - 254).view("int8"))
    np.testing.assert_array_equal(unsigned[0], 0)  # 255 < 1
    np.testing.assert_array_equal(signed[0], 1)  # -1 < 1


@pytest.mark.parametrize("count", [-1, 0, 1, 3, 4, 5, 2**32, -(2**32), 2**62])
def test_first_lanes_counts_as_far_as_there_are_lanes(count):
    out = np.ones(4, "float32")
    assert first(FOUR, count, out) == min(max(count, 0), 4)
    np.testing.assert_array_equal(out, np.arange(4) < count)


@pytest.mark.parametrize("other", ["float64", "int32", "uint8"])
def test_mask_chooses_among_lanes_of_any_type(other):
    x = np.array([-1, 1, 0, -2], "float32")
    y = np.array([1, 2, 3, 4], other)
    out = np.empty_like(y)
    chosen_by_another_type(FOUR, vector(other, 4), x, y, out)
    np.testing.assert_array_equal(out, np.where(x < 0, y, -y))


def test_misuse_of_masks_is_refused_in_words():
    x = np.zeros(8, "float32")
    eight = vector("float32", 8)
    with pytest.raises(numba.TypingError, match=r"both: mask\[4\] and mask\[8\] do not mix"):
        masks_of_two_widths(FOUR, eight, x)
    with pytest.raises(numba.TypingError, match=r"store: expected a register, got mask\[4\]"):
        mask_for_register(FOUR, x, x.copy())
    with pytest.raises(numba.TypingError, match=r"select: expected a mask, got register\[4 float"):
        chosen_by_register(FOUR, x, x.copy())
    with pytest.raises(numba.TypingError, match="select: expected registers of one type and real"):
        two_scalars(FOUR, x, x.copy())
    with pytest.raises(numba.TypingError, match="use any_lane or all_lanes of a mask"):
        branching(FOUR, x, x.copy())
    with pytest.raises(
        numba.TypingError, match=r"select: mask\[8\] does not fit register\[4 float"
    ):
        mask_for_fewer(eight, FOUR, x, x.copy())
