"""Reductions as they are called: any array, NumPy's answers; clear errors for wrong ones."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import accel

unhurried = settings(deadline=None, max_examples=40)  # the first call compiles
X = np.random.default_rng(1).normal(size=(4, 6, 5))


@pytest.mark.parametrize(
    "x",
    [
        pytest.param(X, id="C"),
        pytest.param(X.astype("float32"), id="float32"),
        pytest.param(np.asfortranarray(X), id="F"),
        pytest.param(X[::-1, ::2, ::-2], id="strided"),
        pytest.param(X.astype(">f8"), id="big-endian"),
        pytest.param(np.frombuffer(b"\0" + X.tobytes(), "u1")[1:].view("f8"), id="misaligned"),
        pytest.param(np.float64(3), id="0-d"),
        pytest.param(X.tolist(), id="list"),
    ],
)
def test_any_array_is_understood(x):
    z = np.asarray(x)
    tolerance = 100 * float(np.finfo(z.dtype).eps)
    assert accel.sum(x) == pytest.approx(z.sum(dtype=float), abs=tolerance)
    assert accel.max(x) == z.max()
    assert accel.argmax(x) == np.argmax(z)
    assert accel.mean_variance(x) == pytest.approx((z.mean(), z.var()), abs=tolerance)
    np.testing.assert_allclose(accel.prefix_sum(x), np.cumsum(z), atol=tolerance)


def test_results_have_the_type_of_the_numbers():
    x = np.ones(3, "float32")
    assert type(accel.sum(x)) is np.float32
    assert type(accel.max(x)) is np.float32
    assert type(accel.argmax(x)) is np.int64
    assert [type(each) for each in accel.mean_variance(x)] == [np.float32] * 2
    assert accel.prefix_sum(x).dtype == np.float32


FEW = [0.0, -0.0, 1.0, 2.0, -3.0, np.inf, -np.inf, np.nan]


@unhurried
@given(
    values=st.lists(st.sampled_from(FEW), min_size=1, max_size=70),
    dtype=st.sampled_from(["float32", "float64"]),
)
def test_infinities_and_nan_are_treated_as_numpy_treats_them(values, dtype):
    x = np.array(values, dtype)
    with np.errstate(invalid="ignore"):
        expected = x.sum(), x.max(), np.argmax(x), x.mean(), x.var(), np.cumsum(x)
    got = accel.sum(x), accel.max(x), accel.argmax(x), *accel.mean_variance(x), accel.prefix_sum(x)
    for mine, theirs in zip(got, expected, strict=True):
        np.testing.assert_allclose(mine, theirs, rtol=1e-5, atol=1e-5)


def test_nothing_adds_up_to_zero_and_has_no_largest_number():
    empty = np.zeros((3, 0))
    assert accel.sum(empty) == 0
    assert accel.prefix_sum(empty).shape == (0,)
    for name in ("max", "argmax", "mean_variance"):
        with pytest.raises(ValueError, match=rf"{name}: x must have at least one .* \(3, 0\)"):
            getattr(accel, name)(empty)


@pytest.mark.parametrize("name", ["sum", "max", "argmax", "mean_variance", "prefix_sum"])
def test_other_element_types_are_refused(name):
    with pytest.raises(TypeError, match=f"{name}: x must be float32 or float64, got int64"):
        getattr(accel, name)(np.arange(3))


def test_prefix_sums_go_where_they_are_told():
    x = np.linspace(-1, 1, 200)
    expected = accel.prefix_sum(x)
    out = np.empty(400)[::2]
    assert accel.prefix_sum(x, out=out) is out
    np.testing.assert_array_equal(out, expected)
    accel.prefix_sum(x, out=x)
    np.testing.assert_array_equal(x, expected)
    with pytest.raises(ValueError, match=r"prefix_sum: out must have shape \(120,\)"):
        accel.prefix_sum(X, out=np.empty(X.shape))
