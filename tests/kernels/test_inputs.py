"""Inputs: the same numbers for everybody, in the memory order asked for."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from accel.kernels.inputs import ORDERS, blank, laid_out, normal

shapes = st.lists(st.integers(0, 9), min_size=1, max_size=3).map(tuple)
dtypes = st.sampled_from(("float32", "float64", "int64"))
orders = st.sampled_from(ORDERS)
unhurried = settings(deadline=None)  # no test asserts a time


@unhurried
@given(shapes, dtypes, st.integers(0, 2**32), orders)
def test_same_parameters_give_the_same_numbers(shape, dtype, seed, order):
    first = normal(shape, dtype, seed, order)
    np.testing.assert_array_equal(first, normal(shape, dtype, seed, order), strict=True)


@unhurried
@given(shapes, dtypes, st.integers(0, 2**32))
def test_order_changes_the_layout_and_not_the_numbers(shape, dtype, seed):
    plain = normal(shape, dtype, seed)
    assert plain.dtype == dtype
    assert plain.shape == shape
    for order in ORDERS:
        np.testing.assert_array_equal(normal(shape, dtype, seed, order), plain, strict=True)


def test_another_seed_or_shape_gives_other_numbers():
    numbers = normal((6,), "float64", seed=1)
    assert not np.intersect1d(numbers, normal((6,), "float64", seed=2)).size
    assert not np.intersect1d(numbers, normal((2, 3), "float64", seed=1)).size


def test_normal_values_have_mean_zero_and_deviation_one():
    numbers = normal((10_000,), "float64", seed=1)
    assert abs(numbers.mean()) < 5 / np.sqrt(10_000)
    assert abs(numbers.std() - 1) < 5 / np.sqrt(2 * 10_000)


def test_integers_lie_between_minus_8_and_8_and_take_both_ends():
    numbers = normal((10_000,), "int64", seed=1)
    assert (numbers.min(), numbers.max()) == (-8, 8)


@unhurried
@given(st.lists(st.integers(2, 9), min_size=1, max_size=3).map(tuple), dtypes)
def test_strided_is_contiguous_in_no_direction(shape, dtype):
    array = normal(shape, dtype, seed=1, order="strided")
    flags = array.flags
    assert not flags.c_contiguous
    assert not flags.f_contiguous
    assert all(abs(stride) >= 2 * array.itemsize for stride in array.strides)


@unhurried
@given(st.tuples(st.integers(2, 9), st.integers(2, 9)))
def test_c_and_f_are_contiguous_along_the_last_and_the_first_axis(shape):
    assert normal(shape, "float32", seed=1, order="C").flags.c_contiguous
    assert normal(shape, "float32", seed=1, order="F").flags.f_contiguous


def test_laying_out_strided_leaves_the_gaps_alone():
    array = laid_out(np.array([1.0, 2.0, 3.0]), "strided")
    np.testing.assert_array_equal(array.base, [0, 1, 0, 2, 0, 3, 0])


def test_unknown_order_is_refused_with_the_known_ones():
    with pytest.raises(ValueError, match="'C', 'F', 'strided'.*not 'A'"):
        laid_out(np.zeros(3), "A")


@unhurried
@given(shapes, orders)
def test_blank_holds_what_no_kernel_leaves_behind(shape, order):
    assert np.isnan(blank(shape, "float32", order)).all()
    assert (blank(shape, "int64", order) == np.iinfo("int64").max).all()


@unhurried
@given(shapes, orders)
def test_blank_can_be_written(shape, order):
    array = blank(shape, "float64", order)
    array[...] = 1.0
    assert (array == 1.0).all()
