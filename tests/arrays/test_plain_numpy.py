"""Whole pieces of NumPy code that know nothing of this library."""

import numpy as np
import plain_numpy
import pytest

import accel
from accel.backend import dispatch

SMALL = {
    "mlp": {"batch": 24, "width": 40, "hidden": 130},
    "attention": {"heads": 3, "n": 70, "d": 33},
    "adam": {"n": 5_000},
    "cnn": {"n": 2, "channels": 5, "filters": 7, "side": 18},
}


@pytest.mark.parametrize("policy", ["auto", "numpy", "numba", "numba-threads"])
@pytest.mark.parametrize(
    "dtype", ["float32", pytest.param("float64", marks=pytest.mark.thorough)]
)
@pytest.mark.parametrize("name", SMALL)
def test_the_result_is_numpys(name, dtype, policy, request):
    if policy != "numpy":
        request.getfixturevalue("in_parts")
    function = getattr(plain_numpy, name)
    args = getattr(plain_numpy, f"{name}_inputs")(**SMALL[name], dtype=dtype)
    own = [accel.asarray(x.copy()) for x in args]
    expected = function(*[x.astype("float64") for x in args])
    with accel.use(policy):
        got = function(*own)
    assert type(got) is accel.Array and got.dtype == dtype
    # Each element has passed sums of up to 130 terms and a dozen functions.
    allowed = 300 * np.finfo(dtype).eps * np.maximum(1, np.abs(expected))
    assert (np.abs(np.asarray(got, "float64") - expected) <= allowed).all()


EXPECTED = {
    "mlp": ["matmul", "exp"],
    "attention": ["matmul_batched", "exp"],
    "cnn": ["conv2d", "relu", "max_pool2d"],
}


@pytest.mark.parametrize("name, operations", EXPECTED.items())
def test_kernels_are_asked_in_the_right_places(name, operations):
    sizes = {"mlp": {"batch": 64}, "attention": {"n": 256}, "cnn": {"side": 56}}[name]
    args = getattr(plain_numpy, f"{name}_inputs")(**sizes)
    with dispatch.watching(compute=True) as seen:
        getattr(plain_numpy, name)(*map(accel.asarray, args))
    assert set(operations) <= {choice.operation for choice in seen.choices}
    assert set(seen.fallbacks) <= {("pad", "there is no kernel of it")}
