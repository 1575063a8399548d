"""matvec: any shape, and the temporary that one of its steps makes."""

from importlib import import_module

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from accel.agreement import difference
from accel.kernels import check, ladder, operation
from accel.kernels.matmul.matvec import matvec_compiled, matvec_vector
from accel.timing.counting import count
from accel.timing.memory import account

STEPS = [pytest.param(step, id=step.name) for step in ladder("matvec")]
unhurried = settings(deadline=None, max_examples=40)  # the first call compiles


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("step", STEPS)
def test_every_kernel_is_right_on_every_edge_case(step, dtype):
    assert check(step.function, "matvec", dtype=dtype, adapt=step.adapt) == []


@pytest.mark.parametrize("step", STEPS)
def test_every_kernel_can_be_imported_by_its_target(step):
    module, _, name = step.target.partition(":")
    assert getattr(import_module(module), name) is step.function


@pytest.mark.parametrize("step", STEPS)
@unhurried
@given(m=st.integers(0, 40), n=st.integers(0, 70))
def test_any_shape_agrees_with_the_definition(step, m, n):
    arguments = operation("matvec").inputs(n=n, m=m)
    own = step.adapt(*arguments) if step.adapt else arguments
    step.function(*own)
    got = np.asarray(own[-1])
    assert difference(got, *operation("matvec").oracle(*arguments)) is None


@pytest.mark.parametrize("function", [matvec_compiled, matvec_vector])
@pytest.mark.parametrize("cut", [np.s_[:2], np.s_[:, :4]])
def test_compiled_loops_refuse_shapes_that_do_not_fit(cut, function):
    a, x, out = operation("matvec").inputs(n=5, m=3)
    with pytest.raises(ValueError, match=r"matvec: expected a \(m, n\)"):
        function(np.ascontiguousarray(a[cut]), x, out)


def test_registers_refuse_a_matrix_whose_elements_all_lie_apart():
    a, x, out = operation("matvec").inputs(n=5, m=3, order="strided")
    with pytest.raises(ValueError, match="matvec: expected an a with contiguous rows or columns"):
        matvec_vector(a, x, out)


@unhurried
@given(m=st.integers(0, 40), n=st.integers(0, 70), by_columns=st.booleans())
def test_registers_read_and_write_inside_their_arrays_only(m, n, by_columns):
    """Whatever lies around a matrix and its vectors is NaN, and stays so."""
    numbers = np.random.default_rng([m, n])
    host = np.full((n + 6, m + 6) if by_columns else (m + 6, n + 6), np.nan, "float32")
    a = (host.T if by_columns else host)[3 : m + 3, 3 : n + 3]
    a[...] = numbers.integers(-8, 9, a.shape)
    around, result = np.full(n + 40, np.nan, "float32"), np.full(m + 40, np.nan, "float32")
    x, out = around[20 : n + 20], result[20 : m + 20]
    x[...] = numbers.integers(-8, 9, n)
    matvec_vector(a, x, out)
    np.testing.assert_array_equal(out, a @ x)
    out[...] = np.nan
    assert np.isnan(result).all()


@pytest.mark.parametrize("order", ["C", "F"])
def test_a_matrix_large_enough_for_threads_agrees_with_the_oracle(order):
    arguments = operation("matvec").inputs(n=1031, m=1517, order=order)
    next(step for step in ladder("matvec") if step.name == "threads").function(*arguments)
    assert difference(arguments[-1], *operation("matvec").oracle(*arguments)) is None


def test_the_whole_array_expression_allocates_a_matrix_and_blas_none():
    arguments = operation("matvec").inputs(n=128)
    accounts = {step.name: account(step.function, arguments) for step in ladder("matvec")[1:]}
    assert accounts["numpy"]["peak_alloc_bytes"] >= 128 * 128 * 4
    assert accounts["blas"]["peak_alloc_bytes"] < 4096
    assert accounts["compiled"]["peak_alloc_bytes"] < 4096


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_compulsory_bytes_are_those_of_all_arrays(dtype):
    op = operation("matvec")
    for parameters in op.edges:
        arguments = op.inputs(**parameters, dtype=dtype)
        expected = sum(array.nbytes for array in arguments)
        assert op.compulsory_bytes(**parameters, dtype=dtype) == expected


def test_flops_are_two_for_each_element():
    assert operation("matvec").flops(n=7, m=5) == 70


@pytest.mark.parametrize("step", ["blas", "compiled"])
def test_run_on_counting_arrays_it_does_what_is_declared(step):
    op, sizes = operation("matvec"), {"n": 7, "m": 5}
    function = next(each.function for each in ladder("matvec") if each.name == step)
    seen = count(function, op.inputs(**sizes))
    assert (seen.flops, seen.unique_bytes) == (op.flops(**sizes), op.compulsory_bytes(**sizes))
