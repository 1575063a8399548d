"""Elementwise operations as a user calls them: any array, in place, and errors in words."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes

from accel.ops import exp, gelu, polynomial, relu, saxpy, sigmoid, silu

X = np.linspace(-3, 3, 24).reshape(4, 6)
erf = np.vectorize(math.erf, otypes=["d"])


def gelu_none(x, out=None):
    return gelu(x, out=out, approximate="none")


#: Function -> what it should give, in float64.
ONE_ARGUMENT = {
    relu: lambda x: np.maximum(x, 0),
    exp: np.exp,
    sigmoid: lambda x: 1 / (1 + np.exp(-x)),
    silu: lambda x: x / (1 + np.exp(-x)),
    gelu: lambda x: x / 2 * (1 + np.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3))),
    gelu_none: lambda x: x / 2 * (1 + erf(x / math.sqrt(2))),
    lambda x, out=None: polynomial([1, -2.5, 0.5], x, out=out): lambda x: 1 - 2.5 * x + x * x / 2,
    lambda x, out=None: saxpy(1.5, x, x, out=out): lambda x: 2.5 * x,
}
FUNCTIONS = list(ONE_ARGUMENT)
NAMES = ["relu", "exp", "sigmoid", "silu", "gelu", "gelu none", "polynomial", "saxpy"]
each_function = pytest.mark.parametrize("function", FUNCTIONS, ids=NAMES)


def agree(got, function, x):
    expected = ONE_ARGUMENT[function](np.asarray(x, "f8"))
    np.testing.assert_allclose(got, expected, rtol=0, atol=8 * np.finfo(got.dtype).eps * 20)


@each_function
@settings(deadline=None, max_examples=15)
@given(data=st.data())
def test_any_shape_strides_and_byte_order_give_the_same_answer(function, data):
    shape = data.draw(array_shapes(min_dims=0, max_dims=4, min_side=0, max_side=9))
    dtype = data.draw(st.sampled_from(["<f4", ">f4"]))
    steps = tuple(slice(None, None, data.draw(st.sampled_from([1, -1, 2, -3]))) for _ in shape)
    host = np.linspace(-3, 3, math.prod(2 * side + 1 for side in shape)).astype(dtype)
    x = host.reshape([2 * side + 1 for side in shape])[(..., *steps)].T
    before = x.copy()
    answer = function(x)
    assert answer.shape == x.shape and answer.dtype == np.float32
    agree(answer, function, x)
    np.testing.assert_array_equal(x, before)
    inside = (..., *[slice(1, -1)] * x.ndim)
    out = np.full([side + 2 for side in x.shape], 7, "f4")[inside]
    assert function(x, out=out) is out
    np.testing.assert_array_equal(out, answer)


@each_function
def test_in_place_gives_the_same_answer(function):
    for n in (1, 7, 129, 1000):
        x = np.linspace(-3, 3, n).astype("f4")
        expected = function(x)
        assert function(x, out=x) is x
        np.testing.assert_array_equal(x, expected)


@each_function
def test_an_out_that_overlaps_gives_the_same_answer(function):
    host = np.linspace(-3, 3, 400).astype("f4")
    expected = function(host[:-1].copy())
    function(host[:-1], out=host[1:])
    np.testing.assert_array_equal(host[1:], expected)


@pytest.mark.parametrize("function", [relu, silu])
def test_float64_stays_float64(function):
    answer = function(X)
    assert answer.dtype == np.float64
    agree(answer, function, X)


@each_function
def test_arrays_that_need_care_are_cared_for_after_plain_ones_too(function):
    plain = X.astype("f4")
    function(plain)
    for x in (plain.T, plain[::-1], plain.astype(">f4"), plain[0, 0], plain[:0], plain[:, 0]):
        agree(function(x), function, x)
    for out in (np.empty((4, 6), ">f4"), np.empty((6, 4), "f4").T, np.empty((4, 12), "f4")[:, ::2]):
        assert function(plain, out=out) is out
        agree(out, function, plain)


def test_a_read_only_input_is_read():
    x = X.astype("f4")
    x.flags.writeable = False
    agree(relu(x), relu, x)


@each_function
@pytest.mark.parametrize(
    ("out", "error", "words"),
    [
        (np.empty(24, "f4"), ValueError, r"out must have shape \(4, 6\), got \(24,\)"),
        (np.empty((4, 6)), TypeError, "out must be float32, got float64"),
        (np.broadcast_to(np.zeros(6, "f4"), (4, 6)), ValueError, "out is read-only"),
        ([[0.0] * 6] * 4, TypeError, "out must be a NumPy array, got list"),
    ],
)
def test_an_out_that_cannot_take_the_answer_is_refused(function, out, error, words):
    x = X.astype("f4")
    function(x)  # also when the kernel is at hand already
    with pytest.raises(error, match=words):
        function(x, out=out)


@each_function
def test_whole_numbers_and_complex_ones_are_refused(function):
    with pytest.raises(TypeError, match="x must be float32 or float64, got int64"):
        function(np.arange(3))
    with pytest.raises(TypeError, match="x must be float32 or float64, got complex128"):
        function(np.ones(3, "c16"))


def test_messages_name_gelu_in_both_forms():
    for approximate in ("tanh", "none"):
        with pytest.raises(TypeError, match="^gelu: x must be"):
            gelu(np.arange(3), approximate=approximate)


def test_an_unknown_approximation_is_refused():
    with pytest.raises(ValueError, match='gelu: approximate must be "tanh" or "none", got True'):
        gelu(X, approximate=True)


@pytest.mark.parametrize("alpha", [2, 2.0, np.float32(2), np.int8(2), np.array(2.0), True + True])
def test_any_real_number_may_be_alpha(alpha):
    x = X.astype("f4")
    np.testing.assert_array_equal(saxpy(alpha, x, x), 3 * x)


@pytest.mark.parametrize("alpha", [1j, "2", None, [1.0], np.ones(4)])
def test_an_alpha_that_is_no_number_is_refused(alpha):
    with pytest.raises(TypeError, match="saxpy: alpha must be a real number, got"):
        saxpy(alpha, X, X)


def test_saxpy_wants_one_shape_and_one_type():
    words = r"saxpy: y must have the shape of x, \(4, 6\), got \(6,\)"
    with pytest.raises(ValueError, match=words):
        saxpy(1.0, X, X[0])
    with pytest.raises(TypeError, match="saxpy: y must be float64 as the first argument is"):
        saxpy(1.0, X, X.astype("f4"))


def test_saxpy_may_write_to_either_input():
    x, y = X.astype("f4"), X.astype("f4") ** 2
    expected = saxpy(1.5, x, y)
    np.testing.assert_array_equal(saxpy(1.5, x.copy(), y, out=y), expected)
    y = x**2
    np.testing.assert_array_equal(saxpy(1.5, x, y, out=x), expected)


@pytest.mark.parametrize(
    ("coefficients", "error", "words"),
    [
        ([], ValueError, "coefficients must not be empty"),
        (np.ones((2, 2)), ValueError, r"coefficients must have 1 dimension, got shape \(2, 2\)"),
        (np.ones(2, "f4"), TypeError, "coefficients must be float64 as the first argument is"),
        (["a"], TypeError, "coefficients must be float32, float64 or int64, got str"),
        (3.0, ValueError, r"coefficients must have 1 dimension, got shape \(\)"),
    ],
)
def test_coefficients_that_are_none_are_refused(coefficients, error, words):
    with pytest.raises(error, match=f"polynomial: {words}"):
        polynomial(coefficients, X)


def test_coefficients_may_share_memory_with_the_answer():
    c, x = np.array([[1, 2, 3], [1, 0, 2]], "f4")
    np.testing.assert_array_equal(polynomial(c, x, out=c), [6, 1, 17])


def test_a_constant_polynomial_is_constant():
    np.testing.assert_array_equal(polynomial([2.5], X.astype("f4")), np.full((4, 6), 2.5))
