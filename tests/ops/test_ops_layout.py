"""Layout operations to call: any array is understood, its bits are kept, errors are in words."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import accel
from accel.kernels.layout.values import numbers

X = np.arange(4 * 6, dtype="float32").reshape(4, 6)
IMAGES = np.arange(2 * 5 * 3 * 4, dtype="float32").reshape(2, 5, 3, 4)

TYPES = ["f4", "f8", "i4", "u4", "i8", "u8", "c8", "u1", "i1", "?", ">f4", ">i8"]


@pytest.mark.parametrize("name", ["transpose", "aos_to_soa", "soa_to_aos"])
@pytest.mark.parametrize("dtype", TYPES)
def test_elements_of_many_types_are_moved(name, dtype):
    x = (np.arange(21 * 17) % 100).astype(dtype).reshape(21, 17)
    got = getattr(accel, name)(x)
    np.testing.assert_array_equal(got, x.T)
    assert got.flags.c_contiguous and got.dtype == x.dtype.newbyteorder("=")


@pytest.mark.parametrize(
    "x",
    [X.T, X[::-2, ::3], X[:0], X[:, :0], X[1:, 1:], np.asfortranarray(X), X.tolist()],
    ids=["T", "strided", "no rows", "no columns", "part", "F", "list"],
)
def test_any_matrix_is_understood(x):
    np.testing.assert_array_equal(accel.transpose(x), np.asarray(x).T)


@settings(deadline=None, max_examples=20)
@given(
    rows=st.integers(0, 40), columns=st.integers(0, 40),
    down=st.sampled_from([1, 2, -1]), across=st.sampled_from([1, 3, -2]),
    into=st.sampled_from(["nothing", "C", "strided", "F"]),
)  # fmt: skip
def test_any_strides_in_and_out(rows, columns, down, across, into):
    x = numbers((3 * rows, 3 * columns), "float32")[::down, ::across][:rows, :columns]
    shape = x.shape[::-1]
    out = {
        "nothing": None, "C": np.empty(shape, "f4"), "F": np.empty(shape[::-1], "f4").T,
        "strided": np.empty((2 * shape[0], 2 * shape[1]), "f4")[::2, ::2],
    }[into]  # fmt: skip
    got = accel.transpose(x, out=out)
    assert out is None or got is out
    np.testing.assert_array_equal(got, x.T)


def test_a_matrix_may_be_turned_into_its_own_memory():
    x = np.arange(36.0).reshape(6, 6)
    assert accel.transpose(x, out=x) is x
    np.testing.assert_array_equal(x, np.arange(36.0).reshape(6, 6).T)


def test_channels_go_last_and_come_back():
    last = accel.nchw_to_nhwc(IMAGES)
    np.testing.assert_array_equal(last, IMAGES.transpose(0, 2, 3, 1))
    np.testing.assert_array_equal(accel.nhwc_to_nchw(last), IMAGES)


@pytest.mark.parametrize("block", [1, 2, 4, 8, 16])
def test_channels_go_into_blocks_and_come_back(block):
    inside = accel.nchw_to_nchwc(IMAGES, block)
    assert inside.shape == (2, -(-5 // block), 3, 4, block)
    np.testing.assert_array_equal(inside[1, 0, 2, 3, 0], IMAGES[1, 0, 2, 3])
    np.testing.assert_array_equal(accel.nchwc_to_nchw(inside, 5), IMAGES)
    assert accel.nchwc_to_nchw(inside).shape == (2, inside.shape[1] * block, 3, 4)


@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (lambda: accel.transpose(IMAGES), ValueError, "transpose: x must have 2 dimensions"),
        (lambda: accel.transpose(X.astype("f2")), TypeError, "transpose: x must be .*got float16"),
        (lambda: accel.transpose(X, out=X.copy()), ValueError, r"out must have shape \(6, 4\)"),
        (lambda: accel.transpose(X, out=np.empty((6, 4))), TypeError, "out must be float32"),
        (lambda: accel.aos_to_soa(X[0]), ValueError, "aos_to_soa: x must have 2 dimensions"),
        (lambda: accel.soa_to_aos("abc"), TypeError, "soa_to_aos: x must be"),
        (lambda: accel.nchw_to_nhwc(X), ValueError, "nchw_to_nhwc: x must have 4 dimensions"),
        (lambda: accel.nhwc_to_nchw(X), ValueError, "nhwc_to_nchw: x must have 4 dimensions"),
        (lambda: accel.nchw_to_nchwc(IMAGES, 0), ValueError, "block must be at least 1, got 0"),
        (lambda: accel.nchw_to_nchwc(IMAGES, 2.0), TypeError, "block must be an integer"),
        (lambda: accel.nchw_to_nchwc(X), ValueError, "nchw_to_nchwc: x must have 4 dimensions"),
        (lambda: accel.nchwc_to_nchw(IMAGES), ValueError, "must have 5 dimensions"),
        (lambda: accel.nchwc_to_nchw(IMAGES[None], 9), ValueError, "must fill 2 blocks of 4, got 9"),
        (lambda: accel.nchwc_to_nchw(IMAGES[None], True), TypeError, "channels must be an integer"),
    ],
)  # fmt: skip
def test_what_cannot_be_moved_is_refused_in_words(call, error, words):
    with pytest.raises(error, match=words):
        call()


def test_read_only_out_is_refused():
    out = np.empty((6, 4), "f4")
    out.flags.writeable = False
    with pytest.raises(ValueError, match="transpose: out is read-only"):
        accel.transpose(X, out=out)
