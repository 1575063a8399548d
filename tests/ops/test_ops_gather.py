"""accel.embedding, scatter_add and histogram: any layout, clear errors."""

import numpy as np
import pytest

import accel

TABLE = np.random.default_rng(1).standard_normal((9, 20))
INDICES = np.array([[3, 8, 0], [8, 8, 1]])
VALUES = np.random.default_rng(2).standard_normal((2, 3, 20))
LAYOUTS = {
    "C": lambda x: x,
    "float32": lambda x: x.astype("float32"),
    "backwards": lambda x: x[..., ::-1],
    "every third": lambda x: x[..., ::3],
    "big-endian": lambda x: x.astype(">f8"),
    "F": np.asfortranarray,
    "one number": lambda x: x[..., :1],
}


def added(indices, values, out):
    """The sums, by the definition."""
    sums = out.copy()
    np.add.at(sums, indices, values)
    return sums


@pytest.mark.parametrize("change", LAYOUTS.values(), ids=LAYOUTS)
def test_tables_of_any_layout_are_looked_up(change):
    table = change(TABLE)
    np.testing.assert_array_equal(accel.embedding(table, INDICES), table[INDICES])
    assert accel.embedding(table, INDICES).dtype.isnative


@pytest.mark.parametrize("change", LAYOUTS.values(), ids=LAYOUTS)
def test_values_of_any_layout_are_added(change):
    values = change(VALUES)
    out = np.ones((9, values.shape[-1]), values.dtype)
    expected = added(INDICES, values, out)
    assert accel.scatter_add(INDICES, values, out) is out
    np.testing.assert_allclose(out, expected, rtol=1e-5)


@pytest.mark.parametrize("dtype", ["i1", "u1", "i2", "u2", "i4", "u4", "i8", "u8", ">i8", ">i4"])
def test_indices_of_any_integer_type_are_understood(dtype):
    np.testing.assert_array_equal(accel.embedding(TABLE, INDICES.astype(dtype)), TABLE[INDICES])


@pytest.mark.parametrize("indices", [7, [], [7], np.int32(2), INDICES[:, ::-2], INDICES[:0]])
def test_indices_of_any_shape_are_understood(indices):
    right = np.asarray(indices, int)
    np.testing.assert_array_equal(accel.embedding(TABLE, indices), TABLE[right])
    values = np.ones((*right.shape, 20))
    out = np.zeros((9, 20))
    np.testing.assert_array_equal(
        accel.scatter_add(indices, values, out), added(right, values, np.zeros((9, 20)))
    )


@pytest.mark.parametrize(
    "out",
    [
        np.ones((9, 40))[:, ::2],
        np.ones((20, 9)).T,
        np.ones((9, 20), ">f8"),
        np.ones((18, 20))[::-2],
    ],
    ids=["strided", "T", "big-endian", "backwards"],
)
def test_any_out_is_added_to_and_comes_back(out):
    expected = added(INDICES, VALUES, np.ones((9, 20)))
    assert accel.scatter_add(INDICES, VALUES, out) is out
    np.testing.assert_allclose(out, expected, rtol=1e-12)


def test_out_may_overlap_what_is_read():
    x = np.arange(12.0).reshape(6, 2)
    expected = x[[5, 4, 3]]
    accel.embedding(x, [5, 4, 3], out=x[3:])
    np.testing.assert_array_equal(x[3:], expected)
    x = np.arange(12.0).reshape(6, 2)
    expected = added([0, 1, 1], x[:3], x)
    np.testing.assert_array_equal(accel.scatter_add([0, 1, 1], x[:3], x), expected)


def test_read_only_inputs_are_read():
    table, indices = TABLE.copy(), INDICES.copy()
    table.flags.writeable = indices.flags.writeable = False
    np.testing.assert_array_equal(accel.embedding(table, indices), TABLE[INDICES])


@pytest.mark.parametrize("indices", [[-1], [9], [0, 3, 10**12], np.array([2**64 - 1], "u8")])
def test_an_index_outside_is_named(indices):
    with pytest.raises(IndexError, match=r"^embedding: indices must be from 0 to 8, got -?\d+"):
        accel.embedding(TABLE, indices)
    out = np.zeros((9, 20))
    with pytest.raises(IndexError, match=r"^scatter_add: indices must be from 0 to 8, got -?\d+"):
        accel.scatter_add(indices, np.ones((len(indices), 20)), out)
    assert not out.any()


@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (lambda: accel.embedding(TABLE[0], [1]), ValueError, "embedding: table must have 2 dim"),
        (lambda: accel.embedding(TABLE, [1.0]), TypeError, "embedding: indices must be int64, "),
        (lambda: accel.embedding(TABLE, [True]), TypeError, "embedding: indices must be int64, "),
        (
            lambda: accel.embedding(TABLE.astype(int), [1]),
            TypeError,
            "embedding: table must be float32",
        ),
        (
            lambda: accel.embedding(TABLE, [1], out=TABLE),
            ValueError,
            r"out must have shape \(1, 20\)",
        ),
        (
            lambda: accel.scatter_add([1], TABLE[:2], TABLE),
            ValueError,
            "values must have the shape of",
        ),
        (lambda: accel.scatter_add(1, 2.0, TABLE), ValueError, "values must have the shape of"),
        (
            lambda: accel.scatter_add([1], TABLE[:1, :3], TABLE),
            ValueError,
            r"out must have shape \(9, 3\)",
        ),
        (
            lambda: accel.scatter_add([1], TABLE[:1], TABLE[0]),
            ValueError,
            "out must have 2 dimensions",
        ),
        (
            lambda: accel.scatter_add([1], TABLE[:1], [[0.0]]),
            TypeError,
            "out must be a NumPy array",
        ),
        (
            lambda: accel.scatter_add([1], TABLE[:1].astype("f4"), TABLE),
            TypeError,
            "out must be float32",
        ),
        (lambda: accel.histogram([1.0], 0, 1, bins=0), ValueError, "bins must be from 1 to"),
        (lambda: accel.histogram([1.0], 0, 1, bins=2.0), TypeError, "bins must be an integer"),
        (
            lambda: accel.histogram([1.0], 1, 1),
            ValueError,
            "low must be below high and both finite",
        ),
        (lambda: accel.histogram([1.0], 0, np.nan), ValueError, "low must be below high"),
        (lambda: accel.histogram([1.0], "0", 1), TypeError, "low must be a number, got str"),
        (lambda: accel.histogram([1], 0, 1), TypeError, "x must be float32 or float64, got int64"),
        (lambda: accel.histogram([1.0], 0, 1, out=np.zeros(10)), TypeError, "out must be int64"),
    ],
)
def test_what_does_not_fit_is_refused_in_words(call, error, words):
    with pytest.raises(error, match=words):
        call()


@pytest.mark.parametrize("change", LAYOUTS.values(), ids=LAYOUTS)
def test_numbers_of_any_layout_are_counted(change):
    x = change(VALUES)
    out = np.zeros(14, np.int64)[::2]
    assert accel.histogram(x, -2, 2, bins=7, out=out) is out
    np.testing.assert_array_equal(out, np.histogram(x, 7, (-2, 2))[0])


def test_nothing_is_counted_where_there_is_nothing():
    np.testing.assert_array_equal(accel.histogram(np.empty((0, 3)), 0, 1, bins=2), [0, 0])
