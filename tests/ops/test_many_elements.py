"""Arrays of more elements than 32 bits can count.

Pages of zeros that nobody has written to take no memory, so inputs may be as long as that.
Results may not: operations that write as much as they read are held to it by their shapes.
"""

import numpy as np
import pytest

import accel

pytestmark = pytest.mark.thorough

MANY = 2**31 + 9


@pytest.fixture(scope="module")
def long():
    x = np.zeros(MANY, "float32")
    x[MANY - 1] = 3
    return x


def test_the_largest_number_is_found_where_it_is(long):
    assert accel.argmax(long) == MANY - 1
    assert accel.max(long) == 3


def test_a_sum_reaches_the_last_number(long):
    assert accel.sum(long) == 3


def test_the_mean_divides_by_all_of_them(long):
    mean, variance = accel.mean_variance(long)
    np.testing.assert_allclose([mean, variance], [3 / MANY, 9 / MANY], rtol=1e-5)


def test_the_last_row_of_a_large_table_is_looked_up(long):
    table = long[: MANY // 8 * 8].reshape(-1, 8)
    last = len(table) - 1
    table[last] = np.arange(8)
    try:
        np.testing.assert_array_equal(accel.embedding(table, np.array([last]))[0], np.arange(8))
    finally:
        table[last] = 0


def test_values_are_added_to_the_last_row_of_a_large_table():
    table = np.zeros((MANY // 8, 8), "float32")
    last = len(table) - 1
    accel.scatter_add(np.array([last, last]), np.ones((2, 8), "float32"), table)
    np.testing.assert_array_equal(table[last], np.full(8, 2))


def test_a_row_ends_beyond_32_bits():
    a = np.zeros((2, MANY // 2 + 9), "float32")
    x = np.zeros(MANY // 2 + 9, "float32")
    a[1, -1], x[-1] = 2, 3
    np.testing.assert_array_equal(accel.matvec(a, x), [0, 6])
