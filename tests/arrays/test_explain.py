import numpy as np
import pytest

import accel
from accel.backend import dispatch


def test_a_product_is_explained_with_all_candidates(numbers):
    a = numbers(256, 256)
    found = accel.explain(np.matmul, a, a)
    (choice,) = found.choices
    assert (choice.operation, choice.dtype) == ("matmul", "float32")
    assert choice.shapes == ((256, 256), (256, 256))
    text = str(found)
    assert text.splitlines()[0] == "numpy.matmul, with accel.use('auto')"
    assert choice.backend in text and choice.why in text and choice.origin in text
    for candidate in choice.candidates:
        assert candidate.backend in text


def test_explaining_a_call_of_numpy_computes_nothing(numbers):
    a, out = numbers(256, 256), np.full((256, 256), 7, "float32")
    accel.explain(np.matmul, a, a, out=out)
    assert (out == 7).all()


def test_an_operation_of_this_library_is_explained(numbers):
    x, out = numbers(10_000), np.full(10_000, 7, "float32")
    found = accel.explain(accel.gelu, x, out=out)
    assert [each.operation for each in found.choices] == ["gelu"]
    assert (out == 7).all()
    assert str(found).startswith("accel.gelu")


def test_a_users_function_is_run_and_all_its_calls_told(numbers):
    ran = []

    def layer(x, w):
        ran.append(type(x))
        return np.sort(np.maximum(x @ w, 0))

    found = accel.explain(layer, numbers(300, 200), numbers(200, 300))
    assert ran == [accel.Array]
    assert [each.operation for each in found.choices] == ["matmul", "relu"]
    assert found.fallbacks == {("sort", "there is no kernel of it"): 1}
    assert "sort" in str(found) and str(found).startswith("layer")


def test_equal_calls_are_told_once_with_their_number(numbers):
    def twice(a):
        return a @ a + a @ a

    assert ", 2 times" in str(accel.explain(twice, numbers(256, 256)))


def test_a_loop_of_numpy_is_explained(numbers, in_parts):
    (plan,) = accel.explain(np.tanh, numbers(1000)).loops
    assert (plan.name, plan.dtype, plan.shape, plan.threads) == ("tanh", "float32", (1000,), 2)
    assert "2 threads" in str(accel.explain(np.tanh, numbers(1000)))


def test_a_reduction_of_rows_is_explained(numbers, in_parts):
    (plan,) = accel.explain(np.add.reduce, numbers(100, 100), axis=1).loops
    assert plan.threads == 2


def test_a_short_call_is_said_to_be_numpys(numbers):
    assert "short" in str(accel.explain(np.add, numbers(4, 4), numbers(4, 4)))


def test_the_policy_of_the_context_is_explained(numbers):
    with accel.use("numpy"):
        found = accel.explain(accel.relu, numbers(10_000))
    assert found.policy == "numpy" and found.choices[0].backend == "numpy"


def test_without_a_function_plans_and_fallbacks_are_told(numbers):
    x = accel.asarray(numbers(300, 300))
    with accel.use("numba"):
        x @ x
        np.sort(x)
        found = accel.explain()
    assert "matmul" in {each.operation for each in found.choices}
    assert found.fallbacks["sort", "there is no kernel of it"] >= 1
    assert "sort" in str(found)


def test_what_was_explained_is_not_planned(numbers):
    accel.explain(np.matmul, numbers(211, 223), numbers(223, 227))
    planned = [plan.choice.shapes for plan in dispatch.policy().plans.values()]
    assert ((211, 223), (223, 227)) not in planned


def test_errors_of_the_call_are_raised(numbers):
    with pytest.raises(ValueError, match="matmul"):
        accel.explain(np.matmul, numbers(3, 4), numbers(3, 4))
