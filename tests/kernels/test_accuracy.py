"""Right digits of an answer: of kernels whose errors are known."""

import math

import pytest

from accel.kernels import accuracy


def test_an_exact_kernel_has_all_digits():
    assert accuracy.right_digits("relu", ["numpy", "loop"], n=100) == {
        "numpy": math.inf,
        "loop": math.inf,
    }


@pytest.mark.parametrize(("dtype", "least", "most"), [("float32", 6, 8), ("float64", 15, 17)])
def test_a_product_has_about_the_digits_of_its_type(dtype, least, most):
    right = accuracy.right_digits("saxpy", ["numpy"], n=1000, dtype=dtype)
    # Nothing is rounded away twice in float64, whose oracle computes alike.
    assert least <= right["numpy"] <= most or math.isinf(right["numpy"])


def test_only_the_part_asked_for_is_looked_at():
    whole = accuracy.right_digits("convolve1d", ["fft"], n=5000, taps=9, loud=1000.0)
    quiet = accuracy.right_digits(
        "convolve1d", ["fft"], part=slice(0, 1000), n=5000, taps=9, loud=1000.0
    )
    assert quiet["fft"] < whole["fft"] - 1


@pytest.mark.parametrize("part", [slice(0, 0), slice(500, 600)])
def test_a_part_without_elements_is_refused(part):
    with pytest.raises(ValueError, match="relu has 0 elements in slice"):
        accuracy.right_digits("relu", ["numpy"], part=part, n=100)


def test_unknown_kernels_are_refused():
    with pytest.raises(KeyError, match="no kernel relu.cuda"):
        accuracy.right_digits("relu", ["cuda"], n=100)
