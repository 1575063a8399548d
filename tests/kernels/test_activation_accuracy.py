"""Errors of the elementwise functions against float64, in units in the last place.

The bounds are the errors stated at the functions, which were measured over more numbers
than a test can try, and a tenth for numbers that were not among those.
"""

import math

import numpy as np
import pytest

from accel.kernels import activation, kernel
from accel.kernels.activation import CUBIC, SLOPE, relu_vector

erfc = np.vectorize(math.erfc, otypes=["d"])


def logistic(z):
    e = np.exp(-np.abs(z))
    return np.where(z < 0, e, 1) / (1 + e)


#: The functions in float64, without cancellation.
EXACT = {
    "exp": np.exp,
    "sigmoid": logistic,
    "silu": lambda z: z * logistic(z),
    "gelu": lambda z: z * logistic(2 * z * (SLOPE + CUBIC * z * z)),
    "gelu_erf": lambda z: 0.5 * z * erfc(-z * math.sqrt(0.5)),
}


def dense(low, high, n):
    """Numbers of all magnitudes between two, of both signs, subnormals among them."""
    bits = np.linspace(*np.array([low, high], "f4").view("i4"), n).astype("i4")
    return np.concatenate([bits.view("f4"), -bits.view("f4")])


def answer(name, x):
    out = np.empty_like(x)
    kernel(name, "vector").function(x, out)
    return out


def ulps(got, exact):
    """Return errors in units in the last place of the float32 nearest to the exact answer."""
    size = np.clip(np.abs(exact), np.finfo("f4").tiny, np.finfo("f4").max)
    return np.abs(got.astype("f8") - exact) / np.spacing(size.astype("f4"))


@pytest.mark.parametrize(
    ("name", "high", "n", "bound"),
    [
        ("exp", 104.0, 300_000, 1.0),
        ("sigmoid", 104.0, 300_000, 2.6),
        ("gelu_erf", 14.0, 40_000, 4.8),
    ],
)
def test_errors_stay_below_a_few_units_from_subnormals_to_the_ends(name, high, n, bound):
    x = dense(1e-45, high, n)
    x = np.concatenate([x, np.linspace(-high, min(high, 88.7), n, dtype="f4")])
    x = x[x < 88.7]  # from where on exp is too large
    assert ulps(answer(name, x), EXACT[name](x.astype("f8"))).max() < bound


@pytest.mark.parametrize(("name", "bound"), [("silu", 1.3), ("gelu", 1.4)])
def test_errors_relative_to_the_argument_stay_near_one_rounding(name, bound):
    x = np.concatenate([dense(1e-30, 1e30, 100_000), np.linspace(-20, 20, 300_000, dtype="f4")])
    with np.errstate(over="ignore"):
        error = np.abs(answer(name, x) - EXACT[name](x.astype("f8")))
    assert (error / np.abs(x.astype("f8"))).max() < bound * np.finfo("f4").eps


@pytest.mark.parametrize(
    ("name", "low", "bound"),
    [("silu", -87.0, 3.0), ("gelu", -9.0, 180.0), ("gelu_erf", -13.0, 4.8)],
)
def test_small_results_far_below_zero_keep_their_digits(name, low, bound):
    x = np.linspace(low, -1, 50_000, dtype="f4")
    assert ulps(answer(name, x), EXACT[name](x.astype("f8"))).max() < bound


@pytest.mark.parametrize("name", ["exp", "sigmoid"])
def test_results_pass_through_the_subnormals(name):
    x = np.linspace(-103.9, -87.4, 5000, dtype="f4")
    got = answer(name, x)
    assert (got > 0).all()
    np.testing.assert_allclose(got, np.exp(x.astype("f8")), rtol=0, atol=2.0**-149)


@pytest.mark.parametrize("n", [1, 15, 33, 5000])
def test_silu_keeps_what_an_infinite_exponential_would_lose(n):
    far = np.linspace(-104, -79.5, n, dtype="f4")
    x = np.stack([far, np.linspace(-3, 3, n, dtype="f4")]).T.ravel()  # of both kinds in turn
    got, exact = answer("silu", x), EXACT["silu"](x.astype("f8"))
    subnormal = 105 / 2 * 2.0**-149  # half a unit of the exponential, times x
    np.testing.assert_array_less(np.abs(got - exact), 3e-7 * np.abs(exact) + subnormal)
    assert (got[::2] < 0)[far > -103.5].all()


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("relu", [np.nan, np.inf, 0, 0, 0, 1e4, 0]),
        ("exp", [np.nan, np.inf, 0, 1, 1, np.inf, 0]),
        ("sigmoid", [np.nan, 1, 0, 0.5, 0.5, 1, 0]),
        ("silu", [np.nan, np.inf, np.nan, 0, 0, 1e4, 0]),
        ("gelu", [np.nan, np.inf, np.nan, 0, 0, 1e4, 0]),
        ("gelu_erf", [np.nan, np.inf, np.nan, 0, 0, 1e4, 0]),
    ],
)
@pytest.mark.parametrize("step", ["numpy", "compiled", "vector"])
def test_special_numbers_come_out_as_the_formula_says(name, expected, dtype, step):
    x = np.array([np.nan, np.inf, -np.inf, 0.0, -0.0, 1e4, -1e4], dtype)
    out = np.full_like(x, 7)
    with np.errstate(over="ignore", invalid="ignore"):
        kernel(name, step).function(x, out)
    np.testing.assert_array_equal(out, np.array(expected, dtype))


@pytest.mark.parametrize("name", ["silu", "gelu", "gelu_erf"])
def test_subnormals_come_back_as_their_half(name):
    x = np.array([0.0, -0.0, 1e-40, -1e-40], "f4")
    np.testing.assert_allclose(answer(name, x), x / 2, rtol=0, atol=2.0**-149)


@pytest.mark.parametrize("name", ["silu", "gelu"])
def test_a_negative_zero_stays_one(name):
    assert np.signbit(answer(name, np.array([-0.0], "f4"))[0])


def test_relu_keeps_subnormals():
    x = np.array([1e-45, -1e-45, 1e-40], "f4")
    out = np.empty_like(x)
    relu_vector(x, out)
    np.testing.assert_array_equal(out, np.array([1e-45, 0, 1e-40], "f4"))


@pytest.mark.parametrize(
    ("name", "low", "high", "ulp"),
    [
        ("exp", -700, 700, 2),
        ("sigmoid", -700, 40, 5),
        ("silu", -700, 40, 6),
        ("gelu_erf", -5, 40, 30),  # what the reference loses to the rounding of its argument
    ],
)
def test_float64_is_as_near_in_its_own_digits(name, low, high, ulp):
    x = np.linspace(low, high, 20_001)
    rtol = ulp * np.finfo("f8").eps
    np.testing.assert_allclose(answer(name, x), EXACT[name](x), rtol=rtol)


def test_saxpy_rounds_once():
    a = np.float32(1 + 2.0**-12)
    out = np.empty(1, "f4")
    activation.saxpy_vector(a, np.array([a]), np.array([-1 - 2.0**-11], "f4"), out)
    assert out[0] == 2.0**-24  # the product's last digits, which a second rounding loses
