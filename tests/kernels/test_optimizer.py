"""Optimizers: steps in float64 are the truth, state included; nothing beside them touched."""

from importlib import import_module

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from accel.agreement import difference
from accel.kernels import check, ladder, operation
from accel.kernels.optimizer.adam import adamw_step
from accel.kernels.optimizer.momentum import momentum_step
from accel.kernels.optimizer.values import gradient

NAMES = ("sgd", "momentum", "adam", "adamw")
few = settings(deadline=None, max_examples=25)  # the first call compiles
BORDER = 64


def steps(*names, instruments=("interpreter", "NumPy", "compiled")):
    return [
        pytest.param(step, id=f"{name}.{step.name}")
        for name in names
        for step in ladder(name)
        if step.instrument in instruments
    ]


def copies(arguments):
    return [each.copy() if isinstance(each, np.ndarray) else each for each in arguments]


def run(step, arguments):
    """Return the arguments as a kernel leaves them."""
    own = step.adapt(*arguments) if step.adapt else arguments
    with np.errstate(all="ignore"):
        step.function(*own)
    return [np.asarray(each) if isinstance(each, list) else each for each in own]


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("step", steps(*NAMES))
def test_every_kernel_is_right_on_every_edge_case(step, dtype):
    assert check(step.function, step.operation, dtype=dtype, adapt=step.adapt) == []


@pytest.mark.parametrize("step", steps(*NAMES))
def test_every_kernel_can_be_imported_by_its_target(step):
    module, _, name = step.target.partition(":")
    assert getattr(import_module(module), name) is step.function


def truth(name, arguments):
    """Return the state and the parameters after a step in float64, each with its error."""
    if name == "sgd":
        return [operation("sgd").oracle(*arguments)]
    if name == "momentum":
        return momentum_step(*arguments)
    *others, parameters = arguments
    return adamw_step(*others, *([0.0] if name == "adam" else []), parameters)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("step", steps(*NAMES))
def test_state_is_what_the_formula_makes_of_it(step, dtype):
    arguments = operation(step.operation).inputs(n=67, dtype=dtype)
    expected = truth(step.operation, arguments)
    after = run(step, copies(arguments))
    for at, (value, allowed) in zip(operation(step.operation).mutates, expected, strict=True):
        assert difference(after[at], value, allowed) is None, at


@pytest.mark.parametrize("step", steps("adam", "adamw"))
def test_ten_steps_from_zero_follow_the_reference(step):
    """A step is off by a few eps of itself and of the parameters: ten by no more than the sum."""
    _, first, second, _, *numbers, parameters = operation(step.operation).inputs(n=40)
    first[:], second[:] = 0, 0
    decay = numbers[4:] or [0.0]
    m, v, p = (each.astype(np.float64) for each in (first, second, parameters))
    walked = np.zeros(40)
    for number in range(1, 11):
        slopes = np.random.default_rng(number).standard_normal(40).astype("float32")
        (m, _), (v, _), (new, _) = adamw_step(slopes, m, v, number, *numbers[:4], *decay, p)
        walked += np.abs(new - p)
        p = new
        after = run(step, [slopes, first, second, number, *numbers, parameters])
        first, second, parameters = (np.array(after[at], "float32") for at in (1, 2, -1))
    eps = np.finfo("float32").eps
    np.testing.assert_array_less(np.abs(parameters - p), 10 * eps * (np.abs(p) + 32 * walked))


@pytest.mark.parametrize("step", steps(*NAMES, instruments=("compiled",)))
@few
@given(n=st.integers(0, 200), wide=st.booleans(), special=st.booleans())
def test_any_length_is_right_and_nothing_beside_it_touched(step, n, wide, special):
    op = operation(step.operation)
    dtype = "float64" if wide else "float32"
    arguments = op.inputs(n=n, dtype=dtype, values="special" if special else "normal")
    expected = truth(step.operation, arguments)
    hosts, inside = {}, list(arguments)
    for at, each in enumerate(arguments):
        if isinstance(each, np.ndarray):
            hosts[at] = np.full(n + 2 * BORDER, 7.5, dtype)
            inside[at] = hosts[at][BORDER : BORDER + n]
            inside[at][:] = each
    step.function(*inside)
    for at, (value, allowed) in zip(op.mutates, expected, strict=True):
        assert difference(inside[at], value, allowed) is None
    np.testing.assert_array_equal(inside[0], arguments[0])
    for host in hosts.values():
        np.testing.assert_array_equal(host[:BORDER], 7.5)
        np.testing.assert_array_equal(host[BORDER + n :], 7.5)


@pytest.mark.parametrize("name", NAMES)
def test_all_cores_together_take_the_same_step(name):
    arguments = operation(name).inputs(n=200_003)
    alone, together = copies(arguments), copies(arguments)
    one, every = (ladder(name, tag=tag)[-1] for tag in ("best", "threads"))
    one.function(*alone)
    every.function(*together)
    for at in operation(name).mutates:
        np.testing.assert_array_equal(alone[at], together[at])


@pytest.mark.parametrize("step", steps("sgd", "momentum"))
def test_an_infinite_gradient_leads_to_infinity(step):
    arguments = copies(operation(step.operation).inputs(n=20))
    arguments[0][:] = np.inf
    assert np.isneginf(run(step, arguments)[-1]).all()


@pytest.mark.parametrize("step", steps("adam", "adamw"))
def test_an_infinite_gradient_leaves_no_number(step):
    arguments = copies(operation(step.operation).inputs(n=20))
    arguments[0][:] = np.inf
    after = run(step, arguments)
    assert np.isposinf(after[1]).all() and np.isposinf(after[2]).all()
    assert np.isnan(after[-1]).all()


@pytest.mark.parametrize("step", steps("adam", "adamw", instruments=("NumPy", "compiled")))
def test_without_epsilon_and_gradient_there_is_no_direction(step):
    arguments = copies(operation(step.operation).inputs(n=20))
    arguments[0][:], arguments[1][:], arguments[2][:] = 0, 0, 0
    arguments[7] = 0.0
    assert np.isnan(run(step, arguments)[-1]).all()


@pytest.mark.parametrize("step", steps(*NAMES, instruments=("compiled",)))
@pytest.mark.parametrize("at", ["first", "last"])
def test_compiled_kernels_refuse_arrays_of_different_lengths(step, at):
    arguments = copies(operation(step.operation).inputs(n=8))
    place = 0 if at == "first" else -1
    arguments[place] = arguments[place][:7]
    with pytest.raises(ValueError, match=f"^{step.operation}: gradient, .*same length|^sgd: grad"):
        step.function(*arguments)


@pytest.mark.parametrize("step", steps("adam", "adamw", instruments=("compiled",)))
def test_steps_count_from_one(step):
    arguments = copies(operation(step.operation).inputs(n=8))
    arguments[3] = 0
    with pytest.raises(ValueError, match=f"^{step.operation}: step must be at least 1"):
        step.function(*arguments)


@pytest.mark.parametrize("name", NAMES)
def test_numpy_in_pieces_makes_the_step_of_numpy_at_once(name):
    arguments = operation(name).inputs(n=20_001)
    whole, pieces = copies(arguments), copies(arguments)
    for step, own in zip(("numpy", "numpy_out"), (whole, pieces), strict=True):
        next(each for each in ladder(name) if each.name == step).function(*own)
    expected = truth(name, arguments)
    for at, (value, allowed) in zip(operation(name).mutates, expected, strict=True):
        assert difference(whole[at], value, allowed) is None
        assert difference(pieces[at], value, allowed) is None


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("working_set_bytes", [1 << 12, 1 << 20, 1 << 28])
def test_sizes_keep_about_so_many_bytes(name, working_set_bytes):
    op = operation(name)
    n = op.sizes(working_set_bytes)["n"]
    arrays = sum(isinstance(each, np.ndarray) for each in op.inputs(n=2))
    assert 0.9 * working_set_bytes <= 4 * n * arrays <= working_set_bytes


def test_unknown_values_are_refused():
    with pytest.raises(ValueError, match="'odd'"):
        gradient(3, "float32", "odd")
