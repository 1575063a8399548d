"""Chains of products: any order gives the answer, the cheapest is found, and checked."""

from importlib import import_module
from math import comb

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from accel.agreement import difference
from accel.kernels import check, kernel, ladder, operation
from accel.kernels.matmul import chain, orders

STEPS = [pytest.param(step, id=step.name) for step in ladder("chain")]
SIDES = st.lists(st.integers(1, 40), min_size=2, max_size=7)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("step", STEPS)
def test_every_step_is_right_on_every_edge_case(step, dtype):
    assert check(step.function, "chain", dtype=dtype) == []


@pytest.mark.parametrize("step", STEPS)
def test_every_step_can_be_imported_by_its_target(step):
    module, _, name = step.target.partition(":")
    assert getattr(import_module(module), name) is step.function


@given(sides=SIDES)
def test_best_order_is_as_cheap_as_the_cheapest_of_all(sides):
    costs = [orders.cost_of(order, sides) for order in orders.all_orders(0, len(sides) - 2)]
    assert orders.cost_of(orders.best_order(sides), sides) == min(costs)


@given(sides=st.lists(st.integers(1, 6), min_size=3, max_size=6), seed=st.integers(0, 99))
def test_every_order_gives_the_same_product_of_whole_numbers(sides, seed):
    generator = np.random.default_rng(seed)
    matrices = [
        generator.integers(-5, 6, pair) for pair in zip(sides[:-1], sides[1:], strict=True)
    ]
    expected = chain.multiply(matrices, orders.left_order(len(matrices)))
    for order in orders.all_orders(0, len(matrices) - 1):
        np.testing.assert_array_equal(chain.multiply(matrices, order), expected)


@pytest.mark.parametrize("count", range(1, 7))
def test_there_are_catalan_many_orders_and_none_twice(count):
    every = list(orders.all_orders(0, count - 1))
    catalan = comb(2 * (count - 1), count - 1) // count
    assert len(every) == len(set(every)) == catalan


def test_cost_is_that_of_the_textbook_example():
    # Cormen and others, section 15.2: 15,125 multiplications, so twice as many FLOPs.
    sides = (30, 35, 15, 5, 10, 20, 25)
    assert orders.best_order(sides) == ((0, (1, 2)), ((3, 4), 5))
    assert orders.cost_of(orders.best_order(sides), sides) == 2 * 15_125


def test_a_vector_is_multiplied_first():
    sides = chain.sides_of(100, "vector")
    assert orders.best_order(sides) == (0, (1, (2, 3)))
    assert chain.work("best", n=100) == 6 * 100**2
    assert chain.work("left_to_right", n=100) == 4 * 100**3 + 2 * 100**2
    assert operation("chain").flops(n=100) == chain.work("left_to_right", n=100)
    assert chain.work("multi_dot", n=100) == chain.work("best", n=100)


def test_sides_of_numpy_do_not_overflow():
    sides = np.array([2**22, 2**22, 2**22, 2**22])
    assert orders.cost_of(orders.best_order(sides), [int(side) for side in sides]) == 2**68


@pytest.mark.parametrize(
    ("order", "reason"),
    [
        ((0, 1), "each once"),
        (((0, 2), 1), "each once"),
        (((0, 1), 1), "each once"),
        ([(0, 1), 2], "a pair of orders"),
        ((0, 1, 2), "a pair of orders"),
        (None, "a pair of orders"),
    ],
)
def test_an_order_that_is_none_is_refused(order, reason):
    with pytest.raises(ValueError, match=reason):
        orders.cost_of(order, (2, 3, 4, 5))


def test_impossible_chains_are_refused():
    with pytest.raises(ValueError, match="two or more sides"):
        orders.best_order([3])
    with pytest.raises(ValueError, match="none negative"):
        orders.best_order([3, -1, 2])
    with pytest.raises(ValueError, match="at least one matrix"):
        orders.left_order(0)
    with pytest.raises(ValueError, match="vector, narrow, square, got 'round'"):
        chain.sides_of(3, "round")
    with pytest.raises(ValueError, match="chain has no step 'lucky'"):
        chain.work("lucky", n=3)


def test_check_accepts_the_best_order():
    assert orders.check_order(orders.best_order) == []


def test_check_names_the_chains_on_which_left_to_right_is_dear():
    complaints = orders.check_order(lambda sides: orders.left_order(len(sides) - 1))
    dear = "sides (64, 64, 64, 1): order ((0, 1), 2) takes 532,480 FLOPs, the cheapest 16,384"
    assert dear in complaints
    assert not any(line.startswith("sides (1, 64, 64, 64)") for line in complaints)


def test_check_reports_what_is_no_order_and_what_raises():
    assert "expected an order" in orders.check_order(lambda sides: "left")[0]
    complaints = orders.check_order(lambda sides: sides[99])
    assert complaints[0] == "sides (5, 7): raised IndexError: tuple index out of range"
    assert len(complaints) == len(orders.TRIED)


@pytest.mark.parametrize("step", STEPS)
def test_matrices_that_do_not_fit_are_refused(step):
    a, b = np.ones((3, 4)), np.ones((4, 5))
    for arguments in [(b, a, np.ones((4, 4))), (a, b, np.ones((3, 4))), (a, b[0], np.ones(3))]:
        with pytest.raises(ValueError, match=f"^chain.{step.name}: expected matrices that can be"):
            step.function(*arguments)
    with pytest.raises(ValueError, match="^chain"):
        step.function(np.ones((3, 3)))


def test_tolerance_notices_one_product_left_out():
    *matrices, out = operation("chain").inputs(n=129)
    kernel("chain", "best").function(*matrices, out)
    out[5] -= matrices[0][5, 3] * (matrices[1] @ matrices[2] @ matrices[3])[3]
    assert difference(out, *operation("chain").oracle(*matrices, out)) is not None


@pytest.mark.parametrize("shape", chain.SHAPES)
def test_compulsory_bytes_are_those_of_the_arrays(shape):
    arrays = operation("chain").inputs(n=33, shape=shape)
    assert operation("chain").compulsory_bytes(n=33, shape=shape) == sum(a.nbytes for a in arrays)
