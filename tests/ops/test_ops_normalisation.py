"""Normalisations as they are called: any axis, any array; clear errors for wrong ones."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import accel

unhurried = settings(deadline=None, max_examples=25)  # the first call compiles
RNG = np.random.default_rng(1)
X = RNG.normal(size=(4, 6, 5))
W, B = np.linspace(-1, 2, 5), np.linspace(3, 4, 5)


def softmax(x, axis=-1):
    with np.errstate(invalid="ignore"):
        weights = np.exp(x - x.max(axis=axis, keepdims=True))
    return weights / weights.sum(axis=axis, keepdims=True)


def layernorm(x, weight, bias, eps=1e-5):
    centred = x - x.mean(axis=-1, keepdims=True)
    return centred / np.sqrt(x.var(axis=-1, keepdims=True) + eps) * weight + bias


def rmsnorm(x, weight, eps=1e-5):
    return x / np.sqrt((x * x).mean(axis=-1, keepdims=True) + eps) * weight


AWKWARD = [
    pytest.param(X, id="C"),
    pytest.param(np.asfortranarray(X), id="F"),
    pytest.param(X[::-1, ::2], id="strided"),
    pytest.param(X[:, :, ::-1], id="backwards"),
    pytest.param(X.astype(">f8"), id="big-endian"),
    pytest.param(X[0, 0], id="1-d"),
    pytest.param(X[:0], id="no rows"),
    pytest.param(np.frombuffer(b"\0" + X.tobytes(), "u1")[1:].view("f8").reshape(24, 5), id="odd"),
    pytest.param(X.tolist(), id="list"),
]


@pytest.mark.parametrize("x", AWKWARD)
def test_any_array_is_understood(x):
    z = np.asarray(x, float)
    np.testing.assert_allclose(accel.softmax(x), softmax(z), rtol=1e-14)
    np.testing.assert_allclose(accel.log_softmax(x), np.log(softmax(z)), rtol=1e-13, atol=1e-15)
    np.testing.assert_allclose(accel.layernorm(x, W, B), layernorm(z, W, B), atol=1e-14)
    np.testing.assert_allclose(accel.rmsnorm(x, W), rmsnorm(z, W), atol=1e-14)


@pytest.mark.parametrize("axis", [0, 1, 2, -1, -2, -3])
def test_any_axis_is_one_to_sum_over(axis):
    got = accel.softmax(X, axis=axis)
    np.testing.assert_allclose(got, softmax(X, axis), rtol=1e-14)
    np.testing.assert_allclose(accel.log_softmax(X, axis), np.log(got), rtol=1e-12, atol=1e-15)
    out = X.copy()
    assert accel.softmax(out, axis, out=out) is out
    np.testing.assert_array_equal(out, got)


@pytest.mark.parametrize("shape", [(0,), (3, 0), (0, 3), (2, 0, 4)])
def test_nothing_gives_nothing(shape):
    x, width = np.zeros(shape), np.zeros(shape[-1])
    for got in (
        accel.softmax(x),
        accel.softmax(x, axis=0),
        accel.log_softmax(x),
        accel.layernorm(x, width, width),
        accel.rmsnorm(x, width),
    ):
        assert got.shape == shape


@unhurried
@given(data=st.data())
def test_softmax_of_any_shape_and_strides_agrees_with_numpy(data):
    shape = data.draw(st.lists(st.integers(1, 20), min_size=1, max_size=3))
    dtype = data.draw(st.sampled_from(["float32", "float64"]))
    host = RNG.normal(size=[2 * each for each in shape]).astype(dtype)
    step = data.draw(st.sampled_from([1, 2, -1, -2]))
    x = host[tuple(slice(None, None, step) for _ in shape)]
    axis = data.draw(st.integers(0, x.ndim - 1))
    tolerance = 40 * np.finfo(dtype).eps
    np.testing.assert_allclose(accel.softmax(x, axis), softmax(x.astype(float), axis), tolerance)


def test_rows_without_a_finite_largest_number_become_nan_and_masks_zero():
    x = np.array([[-np.inf, 0], [-np.inf, -np.inf], [np.inf, 0], [np.nan, 0]], "float32")
    np.testing.assert_array_equal(accel.softmax(x), [[0, 1], *[[np.nan] * 2] * 3])
    np.testing.assert_array_equal(accel.log_softmax(x), [[-np.inf, 0], *[[np.nan] * 2] * 3])


@pytest.mark.parametrize("eps", [0, 1e-12, 1e-3, 1])
def test_epsilon_is_the_callers(eps):
    small = X * 1e-3
    np.testing.assert_allclose(
        accel.layernorm(small, W, B, eps=eps), layernorm(small, W, B, eps), atol=1e-12
    )
    np.testing.assert_allclose(accel.rmsnorm(small, W, eps=eps), rmsnorm(small, W, eps), rtol=1e-12)
    channels = [np.linspace(0.5, 2, 6) * each for each in (1, 1e-6, -1, 3)]
    mean, variance, weight, bias = (each[:, np.newaxis] for each in channels)
    expected = (X - mean) / np.sqrt(variance + eps) * weight + bias
    np.testing.assert_allclose(accel.batchnorm(X, *channels, eps=eps), expected, rtol=1e-12)


@pytest.mark.parametrize("shape", [(3, 4), (3, 4, 5), (2, 4, 3, 5), (2, 4, 3, 1, 2), (0, 4, 2)])
def test_batchnorm_takes_channels_of_any_number_of_dimensions(shape):
    x = RNG.normal(size=shape)
    channels = [np.array([1.0, 2, 3, 4]) * each for each in (1, 2, 3, 4)]
    mean, variance, weight, bias = (each.reshape(4, *[1] * (x.ndim - 2)) for each in channels)
    expected = (x - mean) / np.sqrt(variance + 1e-5) * weight + bias
    np.testing.assert_allclose(accel.batchnorm(x, *channels), expected, rtol=1e-12, atol=1e-12)
    out = np.empty_like(np.moveaxis(x, 0, -1)).transpose(-1, *range(x.ndim - 1))
    assert accel.batchnorm(x, *channels, out=out) is out
    np.testing.assert_array_equal(out, accel.batchnorm(x, *channels))


def test_work_in_place_and_on_overlapping_arrays_gives_the_same_answer():
    for function in (
        accel.softmax,
        accel.log_softmax,
        lambda x, out: accel.layernorm(x, W, B, out=out),
        lambda x, out: accel.rmsnorm(x, W, out=out),
    ):
        expected = function(X, out=None)
        x = X.copy()
        assert function(x, out=x) is x
        np.testing.assert_array_equal(x, expected)
        host = np.zeros((5, 6, 5))
        host[:4] = X
        function(host[:4], out=host[1:])
        np.testing.assert_array_equal(host[1:], expected)


@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (lambda: accel.softmax(1.0), ValueError, r"softmax: x must have at least 1 dim.* \(\)"),
        (lambda: accel.softmax(X, axis=3), ValueError, "softmax: axis .* from -3 to 2, got 3"),
        (lambda: accel.softmax(X, axis=None), ValueError, "softmax: axis must be an integer"),
        (lambda: accel.softmax([1, 2]), TypeError, "softmax: x must be .* got int64"),
        (lambda: accel.log_softmax(X, out=X[0]), ValueError, r"log_softmax: out must have shape"),
        (lambda: accel.layernorm(2.0, 1.0, 1.0), ValueError, "layernorm: x must have at least 1"),
        (
            lambda: accel.layernorm(X, W[:4], B),
            ValueError,
            r"layernorm: weight must have shape \(5,\), one for each number of a row, got \(4,\)",
        ),
        (
            lambda: accel.layernorm(X, W, B.astype("f4")),
            TypeError,
            "layernorm: bias must be float64 as the first argument is, got float32",
        ),
        (lambda: accel.layernorm(X, W, B, eps=-1), ValueError, "eps must be at least 0 and finite"),
        (lambda: accel.layernorm(X, W, B, eps="a"), TypeError, "eps must be a number, got str"),
        (lambda: accel.rmsnorm(X, W, eps=np.nan), ValueError, "rmsnorm: eps .* got nan"),
        (lambda: accel.rmsnorm(X, W[:, None]), ValueError, r"rmsnorm: weight .* got \(5, 1\)"),
        (lambda: accel.batchnorm(W, W, W, W, W), ValueError, "batchnorm: x must have at least 2"),
        (
            lambda: accel.batchnorm(X, *[np.ones(6)] * 2, np.ones(5), np.ones(6)),
            ValueError,
            r"batchnorm: weight must have shape \(6,\), one for each channel, got \(5,\)",
        ),
    ],
)
def test_what_does_not_fit_is_refused_in_words(call, error, words):
    with pytest.raises(error, match=words):
        call()


def test_an_out_that_is_read_only_is_refused():
    out = np.empty_like(X)
    out.flags.writeable = False
    with pytest.raises(ValueError, match="rmsnorm: out is read-only"):
        accel.rmsnorm(X, W, out=out)
