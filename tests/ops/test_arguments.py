"""Arguments of operations: right answers for awkward arrays, clear errors for wrong ones."""

import numpy as np
import pytest

import accel
from accel.ops import arguments
from accel.ops.arguments import array, delivered, room

X = np.linspace(-3, 3, 24).reshape(4, 6)


@pytest.mark.parametrize(
    "x",
    [
        X,
        X.astype("float32"),
        X.T,
        X[::-2, ::3],
        X.astype(">f8"),
        np.asfortranarray(X),
        X[0, 0],
        X[:0],
        X.tolist(),
        np.frombuffer(b"\0" + X.tobytes(), "u1")[1:].view("f8"),
    ],
    ids=["C", "float32", "T", "strided", "big-endian", "F", "0-d", "empty", "list", "misaligned"],
)
def test_any_array_is_understood(x):
    answer = accel.relu(x)
    np.testing.assert_array_equal(answer, np.maximum(np.asarray(x), 0))
    assert answer.shape == np.shape(x) and answer.dtype.isnative


@pytest.mark.parametrize(
    ("x", "error", "words"),
    [
        (np.arange(3), TypeError, "relu: x must be float32 or float64, got int64; convert it"),
        ("abc", TypeError, "relu: x must be float32 or float64, got str"),
        ([[1.0], [1.0, 2.0]], ValueError, "relu: x cannot be made an array"),
        (np.ma.masked_array([1.0]), TypeError, "relu: x is a masked array"),
        (None, TypeError, "relu: x must be float32 or float64, got object"),
    ],
)
def test_what_is_no_array_of_numbers_is_refused_in_words(x, error, words):
    with pytest.raises(error, match=words):
        accel.relu(x)


def test_another_number_of_dimensions_is_refused():
    with pytest.raises(ValueError, match=r"dot: a must have 1 dimension, got shape \(4, 6\)"):
        array("dot", "a", X, ndim=1)
    with pytest.raises(ValueError, match=r"dot: a must have 3 dimensions, got shape \(4, 6\)"):
        array("dot", "a", X, ndim=3)


def test_a_second_argument_of_another_dtype_is_refused():
    with pytest.raises(TypeError, match="dot: b must be float64 as the first argument is"):
        array("dot", "b", X.astype("float32"), like=X)


@pytest.mark.parametrize(
    ("out", "error", "words"),
    [
        (np.empty(24), ValueError, r"relu: out must have shape \(4, 6\), got \(24,\)"),
        (np.empty((4, 6), "f4"), TypeError, "relu: out must be float64, got float32"),
        ([0.0] * 6, TypeError, "relu: out must be a NumPy array, got list"),
        (np.broadcast_to(np.zeros(6), (4, 6)), ValueError, "relu: out is read-only"),
    ],
)
def test_an_out_that_cannot_take_the_answer_is_refused_in_words(out, error, words):
    with pytest.raises(error, match=words):
        accel.relu(X, out=out)


@pytest.mark.parametrize(
    "out",
    [
        np.empty((4, 6)),
        np.empty((6, 4)).T,
        np.empty((8, 12))[::2, ::2],
        np.empty((4, 6))[::-1],
        np.empty((4, 6), ">f8"),
    ],
    ids=["C", "F", "strided", "backwards", "big-endian"],
)
def test_any_out_takes_the_answer_and_comes_back(out):
    assert accel.relu(X, out=out) is out
    np.testing.assert_array_equal(out, np.maximum(X, 0))


def test_an_out_that_overlaps_the_input_gets_the_same_answer():
    values = np.linspace(-1, 1, 20)
    accel.relu(values[:-1], out=values[1:])
    np.testing.assert_array_equal(values[1:], np.maximum(np.linspace(-1, 1, 20)[:-1], 0))


def test_elementwise_work_in_place_needs_no_other_array():
    x = X.copy()
    assert room("relu", x, x.shape, x.dtype, reads=(x,), elementwise=True) is x
    assert room("sort", x, x.shape, x.dtype, reads=(x,)) is not x


def test_a_result_without_out_is_the_array_that_was_written():
    written = np.ones(3)
    assert delivered(written, None) is written


def test_all_names_are_there():
    assert set(accel.ops.__all__) <= set(dir(accel))
    for name in accel.ops.__all__:
        assert callable(getattr(accel, name))


def test_unknown_operation_is_named():
    with pytest.raises(AttributeError, match="no attribute 'gleu'; it has.*gelu"):
        accel.gleu  # noqa: B018
    with pytest.raises(AttributeError, match="no operation 'gleu'; it has.*gelu"):
        accel.ops.gleu  # noqa: B018


def test_element_types_are_listed():
    assert arguments._any_of(("a", "b", "c")) == "a, b or c"
