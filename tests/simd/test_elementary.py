"""Elementary functions: their errors, and numbers beside which they could go wrong."""

import functools
import math
from decimal import Decimal, localcontext

import numpy as np
import pytest

from accel.simd import (
    absolute,
    alike,
    bell,
    bitcast,
    convert,
    count_lanes,
    erf,
    exp,
    exp2,
    isnan,
    jit,
    lane_index,
    load_first,
    log,
    maximum,
    store_first,
    tanh,
    vector,
)

#: Largest error of each function in units in the last place, as its docstring says.
BOUNDS = {
    "exp": {"float32": 1, "float64": 1},
    "exp2": {"float32": 1, "float64": 1},
    "tanh": {"float32": 1, "float64": 1.2},
    "erf": {"float32": 1, "float64": 1.2},
    "log": {"float32": 1, "float64": 1},
    "bell": {"float32": 1.4, "float64": 1.4},
}
FUNCTIONS = list(BOUNDS)


@jit
def every_function(V, x, out):
    """Write exp, exp2, tanh, erf, log and bell of `x` into the rows of `out`."""
    n = x.size
    for i in range(0, n, V.lanes):
        v = load_first(V, x, i, n - i)
        store_first(out, 0 * n + i, exp(v), n - i)
        store_first(out, 1 * n + i, exp2(v), n - i)
        store_first(out, 2 * n + i, tanh(v), n - i)
        store_first(out, 3 * n + i, erf(v), n - i)
        store_first(out, 4 * n + i, log(v), n - i)
        store_first(out, 5 * n + i, bell(v), n - i)


def computed(V, x):
    """Return the results by name."""
    x = np.asarray(x, V.dtype)
    out = np.full((len(FUNCTIONS), x.size), 7, V.dtype)
    every_function(V, x, out.reshape(-1))
    return dict(zip(FUNCTIONS, out, strict=True))


def exact_erf(x: Decimal) -> Decimal:
    """Return erf by a series of positive terms, ``2 x exp(-x**2) / sqrt(pi) * sum``."""
    if abs(x) > 8:
        return Decimal(1).copy_sign(x)
    square = x * x
    term = total = Decimal(1)
    k = 0
    while term > total * Decimal("1e-40"):
        k += 1
        term *= 2 * square / (2 * k + 1)
        total += term
    root_of_pi = Decimal("1.772453850905516027298167483341145182797549456122387")
    return 2 * x * (-square).exp() * total / root_of_pi


def exact_tanh(x: Decimal) -> Decimal:
    if abs(x) < Decimal("1e-14"):
        return x - x**3 / 3
    grown = (2 * x).exp()
    return (grown - 1) / (grown + 1)


EXACT = {
    "exp": Decimal.exp,
    "exp2": lambda x: (x * Decimal(2).ln()).exp(),
    "tanh": exact_tanh,
    "erf": exact_erf,
    "log": Decimal.ln,
    "bell": lambda x: (x * x / -2).exp(),
}

#: Between what is too small and too large for a finite result other than 0 or 1.
RANGES = {
    "float32": {"exp": (-103.9, 88.72), "exp2": (-149.9, 127.99), "tanh": (-9.5, 9.5),
                "erf": (-4.2, 4.2), "log": (1e-44, 3e38), "bell": (-14.4, 14.4)},
    "float64": {"exp": (-745.1, 709.78), "exp2": (-1074.9, 1023.99), "tanh": (-20, 20),
                "erf": (-6.2, 6.2), "log": (5e-324, 1.7e308), "bell": (-38.5, 38.5)},
}  # fmt: skip


@functools.cache
def sample(name, dtype, count):
    """Return numbers over a function's range: evenly, near 0 and 1, where reductions turn."""
    low, high = RANGES[dtype][name]
    tiny = np.geomspace(np.finfo(dtype).smallest_subnormal * 4, 1, count // 4)
    parts = [np.linspace(low, high, count) if name != "log" else np.geomspace(low, high, count)]
    parts += [np.linspace(0.4, 1.6, count), tiny]
    if name != "log":
        octave = math.log(2) if name == "exp" else math.log(2) / 2 if name == "tanh" else 1.0
        turns = ((np.arange(low // octave, high // octave) + 0.5) * octave).astype(dtype)
        beside = [np.nextafter(turns, np.array(end, dtype)) for end in (-np.inf, np.inf)]
        parts += [-tiny, -np.linspace(0, 1.6, count), turns, *beside]
    x = np.concatenate([part.astype(dtype) for part in parts])
    return x[(x >= low) & (x <= high)]


def units_in_the_last_place(got, x, exact):
    """Return the errors of `got`, in distances between neighbours at the exact result."""
    kind = np.finfo(got.dtype)
    least, digits = int(math.log2(kind.smallest_subnormal)), kind.nmant + 1
    errors = []
    with localcontext() as context:
        context.prec = 45
        for result, number in zip(got.tolist(), x.tolist(), strict=True):
            value = exact(Decimal(number))
            exponent = max(math.frexp(float(value))[1] - digits, least)
            errors.append(abs(Decimal(result) - value) / Decimal(2) ** exponent)
    return float(max(errors))


#: A register of the machine, and one that no machine has: special instructions do not take it.
WIDTHS = [pytest.param(None, id="own"), pytest.param(32, id="32 lanes")]


@pytest.mark.parametrize("lanes", WIDTHS)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", FUNCTIONS)
def test_error_is_within_the_stated_bound_subnormals_included(name, dtype, lanes):
    x = sample(name, dtype, 1200)
    got = computed(vector(dtype, lanes), x)[name]
    assert units_in_the_last_place(got, x, EXACT[name]) <= BOUNDS[name][dtype]


DOUBLE = {
    "exp": np.exp,
    "exp2": np.exp2,
    "tanh": np.tanh,
    "erf": np.vectorize(math.erf),
    "log": np.log,
    "bell": lambda x: np.exp(x * x / -2),
}


@pytest.mark.parametrize("lanes", WIDTHS)
@pytest.mark.parametrize("name", FUNCTIONS)
def test_error_in_float32_is_within_the_bound_on_a_dense_sample(name, lanes):
    x = sample(name, "float32", 100_000)
    got = computed(vector("float32", lanes), x)[name].astype("float64")
    exact = DOUBLE[name](x.astype("float64"))
    exponent = np.maximum(np.frexp(exact)[1] - 24, -149)
    assert (np.abs(got - exact) / np.ldexp(1.0, exponent)).max() <= BOUNDS[name]["float32"]


def test_results_depend_neither_on_the_lane_nor_on_the_width(V):
    x = np.concatenate([sample(name, V.dtype.name, 500) for name in FUNCTIONS])
    wide = computed(vector(V.dtype, 64 // V.dtype.itemsize), x[::-1].copy())
    narrow = computed(V, x)
    for name in FUNCTIONS:
        np.testing.assert_array_equal(narrow[name], wide[name][::-1], name)


SPECIAL = [0.0, -0.0, np.inf, -np.inf, np.nan, -np.nan, 1.0]


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("exp", [1, 1, np.inf, 0, np.nan, np.nan, math.e]),
        ("exp2", [1, 1, np.inf, 0, np.nan, np.nan, 2]),
        ("tanh", [0, -0.0, 1, -1, np.nan, np.nan, math.tanh(1)]),
        ("erf", [0, -0.0, 1, -1, np.nan, np.nan, math.erf(1)]),
        ("log", [-np.inf, -np.inf, np.inf, np.nan, np.nan, np.nan, 0]),
        ("bell", [1, 1, 0, 0, np.nan, np.nan, math.exp(-0.5)]),
    ],
)
@pytest.mark.parametrize("lanes", [None, 32])
def test_special_numbers(V, name, expected, lanes):
    got = computed(vector(V.dtype, lanes) if lanes else V, SPECIAL)[name]
    np.testing.assert_allclose(got, expected, rtol=2 * np.finfo(V.dtype).eps, atol=0)
    signs = np.signbit(np.array(expected))
    np.testing.assert_array_equal(
        np.signbit(got)[:4][~np.isnan(got[:4])], signs[:4][~np.isnan(got[:4])]
    )


def test_nan_of_any_payload_stays_nan(V):
    word = {4: "uint32", 8: "uint64"}[V.dtype.itemsize]
    infinite = np.array([np.inf, -np.inf], V.dtype).view(word)
    payloads = np.array([1, 2, 3, 255, 2**9, 2**22 - 1, 2**22 + 1, 2**23 - 1], word)
    x = (infinite[:, None] | payloads).reshape(-1).view(V.dtype)
    for name, got in computed(V, x).items():
        assert np.isnan(got).all(), name


def test_exp_overflows_beyond_the_logarithm_of_the_largest_number(V):
    last, beyond = {"float32": (88.72283, 88.72285), "float64": (709.7827128, 709.7827130)}[
        V.dtype.name
    ]
    got = computed(V, [last, beyond, 1.01 * beyond, 1e30, np.finfo(V.dtype).max])["exp"]
    assert units_in_the_last_place(got[:1], np.array([last], V.dtype), EXACT["exp"]) <= 1
    np.testing.assert_array_equal(got[1:], np.inf)


def test_exp2_of_whole_numbers_is_exact_from_the_least_subnormal_on(V):
    about = np.finfo(V.dtype)
    powers = np.arange(about.minexp - about.nmant, about.maxexp)
    got = computed(V, powers)["exp2"]
    np.testing.assert_array_equal(got, np.ldexp(V.dtype.type(1), powers))
    np.testing.assert_array_equal(computed(V, [powers[0] - 2, powers[-1] + 1])["exp2"], [0, np.inf])


def test_powers_of_large_numbers_are_infinite_or_nothing(V):
    last = np.finfo(V.dtype).max
    x = np.append(np.geomspace(2000, last / 2, 997), last).astype(V.dtype)
    for name in ("exp", "exp2"):
        np.testing.assert_array_equal(computed(V, x)[name], np.inf, name)
        np.testing.assert_array_equal(computed(V, -x)[name], 0, name)
    np.testing.assert_array_equal(computed(V, np.concatenate([x, -x]))["bell"], 0)


def test_exp_passes_through_the_subnormals_to_zero(V):
    least = {"float32": -103.28, "float64": -744.44}[V.dtype.name]  # of the least subnormal
    got = computed(V, [least, least - 1, 2 * least, -np.finfo(V.dtype).max])["exp"]
    np.testing.assert_array_equal(got, [np.finfo(V.dtype).smallest_subnormal, 0, 0, 0])


def test_tanh_of_tiny_numbers_is_the_number_itself(V):
    about = np.finfo(V.dtype)
    tiny = np.array([about.smallest_subnormal, about.tiny / 4, about.tiny, about.eps / 4])
    x = np.concatenate([tiny, -tiny]).astype(V.dtype)
    np.testing.assert_array_equal(computed(V, x)["tanh"], x)


@pytest.mark.parametrize("name", ["tanh", "erf"])
def test_result_is_one_for_large_numbers_and_never_beyond(V, name):
    x = np.array([6.5, 8, 9.02, 10, 19.1, 25, 1e5, 1e30, np.finfo(V.dtype).max], V.dtype)
    got = computed(V, np.concatenate([x, -x]))[name]
    assert np.abs(got).max() == 1
    np.testing.assert_array_equal(np.abs(got[5:9]), 1)
    np.testing.assert_array_equal(got[x.size :], -got[: x.size])


def test_log_of_negative_numbers_is_nan(V):
    about = np.finfo(V.dtype)
    assert np.isnan(computed(V, [-about.smallest_subnormal, -1, -about.max])["log"]).all()


@jit
def _far(V, W, got, exact, tolerance):
    """Count the lanes where a result is not near that in float64."""
    power = bitcast(W, bitcast(alike(W, "int64"), exact) & (0x7FF << 52))
    unit = maximum(2.0**-149, power * 2.0**-23)
    wide = convert(W, got)
    near = (absolute(wide - exact) <= tolerance * unit) | (isnan(wide) & isnan(exact))
    return count_lanes(~near & (wide != convert(W, convert(V, exact))))  # infinities are equal


@jit
def far_from_exact(V, tolerances, first, last):
    """Count, for each function, the float32 with bits from first to last that are far off.

    What is right comes from the same functions in float64, which other tests hold to exact
    sums.
    """
    W, words = alike(V, "float64"), alike(V, "int32")
    a, b, c, d, e, f = 0, 0, 0, 0, 0, 0
    for bits in range(first, last, V.lanes):
        x = bitcast(V, lane_index(words) + bits)
        z = convert(W, x)
        a += _far(V, W, exp(x), exp(z), tolerances[0])
        b += _far(V, W, exp2(x), exp2(z), tolerances[1])
        c += _far(V, W, tanh(x), tanh(z), tolerances[2])
        d += _far(V, W, erf(x), erf(z), tolerances[3])
        e += _far(V, W, log(x), log(z), tolerances[4])
        f += _far(V, W, bell(x), bell(z), tolerances[5])
    return a, b, c, d, e, f


@pytest.mark.thorough
def test_every_finite_float32_is_within_the_bounds():
    infinite = np.array(np.inf, "float32").view("int32").item()
    tolerances = np.array([BOUNDS[name]["float32"] for name in FUNCTIONS])
    for sign in (0, -(2**31)):
        wrong = far_from_exact(vector("float32"), tolerances, sign, sign + infinite)
        assert dict(zip(FUNCTIONS, wrong, strict=True)) == dict.fromkeys(FUNCTIONS, 0)
