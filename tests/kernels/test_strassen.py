"""Strassen's product: exact on whole numbers, peeled at odd sizes, counted."""

from importlib import import_module

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from accel.agreement import difference
from accel.kernels import accuracy, check, ladder, operation
from accel.kernels.matmul import strassen

STEPS = [pytest.param(step, id=step.name) for step in ladder("strassen")]
OURS = STEPS[1:]


class Counted:
    """A number that counts what is done with any of its kind."""

    products = sums = 0

    def __init__(self, value):
        self.value = value

    def __mul__(self, other):
        Counted.products += 1
        return Counted(self.value * other.value)

    def __add__(self, other):
        Counted.sums += 1
        return Counted(self.value + other.value)

    def __sub__(self, other):
        Counted.sums += 1
        return Counted(self.value - other.value)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("step", STEPS)
def test_every_step_is_right_on_every_edge_case(step, dtype):
    assert check(step.function, "strassen", dtype=dtype) == []


@pytest.mark.parametrize("step", STEPS)
def test_every_step_can_be_imported_by_its_target(step):
    module, _, name = step.target.partition(":")
    assert getattr(import_module(module), name) is step.function


@pytest.mark.parametrize("levels", [0, 1, 2, 3])
@given(m=st.integers(0, 17), k=st.integers(0, 17), n=st.integers(0, 17), seed=st.integers(0, 99))
def test_whole_numbers_are_multiplied_exactly_at_any_size(levels, m, k, n, seed):
    generator = np.random.default_rng(seed)
    a, b = generator.integers(-9, 10, (m, k)), generator.integers(-9, 10, (k, n))
    out = np.full((m, n), np.nan, "float32")
    strassen.recurse(a.astype("float32"), b.astype("float32"), out, levels)
    np.testing.assert_array_equal(out, a @ b)


def test_inputs_in_any_layout_are_read_and_left_alone():
    a, b, out = operation("strassen").inputs(m=9, k=7, n=8)
    before = a.copy(), b.copy()
    strassen.strassen_2(np.asfortranarray(a), b[:, ::-1], out[:, ::-1])
    assert difference(out, *operation("strassen").oracle(a, b, out)) is None
    np.testing.assert_array_equal(a, before[0])
    np.testing.assert_array_equal(b, before[1])


@pytest.mark.parametrize(("step", "products", "sums"), [("strassen_2", 49, 7 * 15 + 4 * 15)])
def test_two_levels_on_four_rows_take_49_products(step, products, sums, monkeypatch):
    monkeypatch.setattr(Counted, "products", 0)
    monkeypatch.setattr(Counted, "sums", 0)
    a = np.array([[Counted(4 * i + j) for j in range(4)] for i in range(4)])
    out = np.empty((4, 4), object)
    getattr(strassen, step)(a, a, out)
    assert Counted.products == products
    assert Counted.sums == sums
    # A product by BLAS counts as a multiplication and an addition.
    assert strassen.work(step, n=4) == 2 * products + sums


def test_work_saves_an_eighth_of_the_products_per_level():
    full = strassen.work("blas", n=4096)
    assert full == operation("strassen").flops(n=4096) == 2 * 4096**3
    assert strassen.work("strassen_1", n=4096) / full == pytest.approx(7 / 8, rel=1e-2)
    assert strassen.work("strassen_2", n=4096) / full == pytest.approx(49 / 64, rel=1e-2)


@pytest.mark.parametrize(("m", "k", "n"), [(5, 4, 4), (4, 5, 4), (4, 4, 5), (5, 5, 5)])
def test_peeling_costs_the_products_that_the_even_part_leaves_over(m, k, n):
    peeled = strassen.work("strassen_1", m=m, k=k, n=n)
    core = strassen.work("strassen_1", n=4)
    assert peeled - core == 2 * m * k * n - 2 * 4**3


def test_work_of_an_unknown_step_is_refused():
    with pytest.raises(ValueError, match="strassen has no step 'winograd'"):
        strassen.work("winograd", n=8)


@pytest.mark.parametrize("step", OURS)
def test_arrays_that_do_not_fit_are_refused(step):
    x = np.ones((4, 4), "float32")
    with pytest.raises(ValueError, match=r"expected a \(m, k\), b \(k, n\) and out \(m, n\)"):
        step.function(x, x[:3], x.copy())
    with pytest.raises(ValueError, match=r"out \(m, n\), got \(4, 4\), \(4, 4\), \(4, 3\)"):
        step.function(x, x, x[:, :3].copy())
    with pytest.raises(ValueError, match="one dtype for all, got float32, float32 and float64"):
        step.function(x, x, np.empty((4, 4)))


def test_small_elements_beside_large_ones_lose_their_digits():
    large = np.diag([1e4, 1e4, 1.0, 1.0]).astype("float32") + np.float32(0.001)
    expected = large.astype("float64") @ large
    ours, library = np.empty_like(large), np.empty_like(large)
    strassen.strassen_1(large, large, ours)
    strassen.blas(large, large, library)
    corner = slice(2, 4), slice(2, 4)
    assert np.abs(library - expected)[corner].max() < 1e-5
    assert np.abs(ours - expected)[corner].max() > 1e-3


def test_tolerance_notices_one_product_left_out():
    a, b, out = operation("strassen").inputs(n=130)
    strassen.strassen_2(a, b, out)
    out[5, 7] -= a[5, 3] * b[3, 7]
    assert difference(out, *operation("strassen").oracle(a, b, out)) is not None


def test_each_level_costs_digits_but_few():
    right = accuracy.right_digits("strassen", ["blas", "strassen_2"], n=256)
    assert 0 < right["blas"] - right["strassen_2"] < 1.5
