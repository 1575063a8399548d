"""Dispatch: who is chosen and why, plans kept and let go, backends that fail."""

import json
import threading
import warnings

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pretended import Copies, call, flat_profile, relu

import accel
from accel.backend import choosing, dispatch
from accel.backend import profile as profiles
from accel.backend.base import BackendError
from accel.backend.dispatch import FallbackWarning, Policy, runner
from accel.kernels import registry

X = np.array([-1, 2, 0.5], "float32")
ANSWER = [0, 2, 0.5]


def names(choice):
    return [each.backend for each in choice.candidates]


@pytest.fixture
def counted(monkeypatch):
    """Each choice that dispatch makes, in order."""
    made = []

    def choose(*arguments):
        made.append(choosing.choose(*arguments))
        return made[-1]

    monkeypatch.setattr(dispatch, "choose", choose)
    return made


# Who is chosen


def test_the_fastest_by_the_profile_runs_each_size_on_its_side_of_the_crossover(backends):
    backends(Copies("quick"), Copies("wide"))
    dispatch.adopt(
        flat_profile(quick=((8, 100), (80_000, 10_000)), wide=((8, 1000), (80_000, 2000)))
    )
    small = dispatch.choose(dispatch.policy(), call(2))
    large = dispatch.choose(dispatch.policy(), call(10_000))
    assert (small.backend, large.backend) == ("quick", "wide")
    assert small.why == large.why == "it is predicted to be the fastest"
    assert small.work == 16 and [each.predicted_ns for each in large.candidates] == [10_000, 2000]


@given(
    quick=st.tuples(st.floats(1, 1e6), st.floats(1, 1e6)),
    wide=st.tuples(st.floats(1, 1e6), st.floats(1, 1e6)),
    n=st.integers(1, 20_000),
)
def test_nobody_is_predicted_to_be_faster_than_who_is_chosen_by_more_than_the_margin(
    quick, wide, n
):
    policy = Policy("auto")
    policy._members = Copies("quick"), Copies("wide")
    before = choosing._profile
    choosing.set_profile(
        flat_profile(
            quick=((8, quick[0]), (80_000, quick[1])), wide=((8, wide[0]), (80_000, wide[1]))
        )
    )
    try:
        choice = dispatch.choose(policy, call(n))
    finally:
        choosing.set_profile(before)
    times = {each.backend: each.predicted_ns for each in choice.candidates}
    assert times[choice.backend] <= dispatch.MARGIN * min(times.values())


def test_of_two_within_the_margin_the_preferred_one_runs(backends):
    backends(Copies("numpy"), Copies("numba-threads"), Copies("numba"))
    dispatch.adopt(
        flat_profile(numpy=((8, 100),), numba_threads=((8, 101),), numba=((8, 102.9),))
    )
    choice = dispatch.choose(dispatch.policy(), call(1))
    assert (choice.backend, choice.why) == (
        "numba",
        "it is preferred among those within 3% of the fastest",
    )
    dispatch.adopt(
        flat_profile(numpy=((8, 100),), numba_threads=((8, 101),), numba=((8, 103.1),))
    )
    assert dispatch.choose(dispatch.policy(), call(1)).backend == "numba-threads"


def test_without_measurements_all_cores_run_it(backends):
    backends(Copies("numpy"), Copies("numba"), Copies("numba-threads"), Copies("unheard-of"))
    choice = dispatch.choose(dispatch.policy(), call())
    assert choice.backend == "numba-threads"
    assert choice.why == "nothing was measured of this operation; run accel calibrate"


def test_who_was_not_measured_is_not_taken_before_those_who_were(backends):
    backends(Copies("numba"), Copies("numpy"))
    dispatch.adopt(flat_profile(numpy=((8, 1e9),)))
    choice = dispatch.choose(dispatch.policy(), call())
    assert choice.backend == "numpy"
    assert [each.predicted_ns for each in choice.candidates] == [None, pytest.approx(3e9)]


def test_those_who_cannot_are_listed_with_their_reasons(backends):
    backends(
        Copies("numba", unavailable="there is no compiler"),
        Copies("numpy"),
        Copies("cuda", unsupported="relu is too simple"),
    )
    dispatch.adopt(flat_profile(numba=((8, 1),), numpy=((8, 50),), cuda=((8, 2),)))
    choice = dispatch.choose(dispatch.policy(), call())
    assert (choice.backend, choice.why) == ("numpy", "no other one can run it")
    assert [each.reason for each in choice.candidates] == [
        "there is no compiler",
        None,
        "relu is too simple",
    ]


def test_where_nobody_can_every_reason_is_given(backends):
    backends(Copies("numba", unavailable="no compiler"), Copies("cuda", unsupported="no GPU"))
    with pytest.raises(BackendError) as raised:
        relu(X)
    assert str(raised.value) == (
        "relu: nobody in accel.use('auto') can run it (numba: no compiler; cuda: no GPU)"
    )


def test_only_those_who_compete_take_part_unless_they_are_named(backends):
    backends(Copies("numpy"), Copies("python", competes=False))
    assert names(dispatch.choose(dispatch.policy(), call())) == ["numpy"]
    with accel.use("python"):
        choice = dispatch.choose(dispatch.policy(), call())
    assert (names(choice), choice.why) == (["python"], "it was named")


def test_a_profile_of_another_machine_is_not_trusted(backends, tmp_path, monkeypatch):
    monkeypatch.setenv("ACCEL_CACHE", str(tmp_path))
    backends(Copies("numpy"), Copies("numba"))
    foreign = flat_profile(numpy=((8, 1),), numba=((8, 1000),)).document()
    profiles.path().parent.mkdir(parents=True)
    profiles.path().write_text(json.dumps(foreign | {"fingerprint": "of another machine"}))
    dispatch.adopt(None)
    with pytest.warns(profiles.ProfileWarning, match="another machine.*is not used"):
        choice = dispatch.choose(dispatch.policy(), call())
    assert choice.origin == "shipped"


def test_the_profile_of_this_machine_is_named(backends, tmp_path, monkeypatch):
    monkeypatch.setenv("ACCEL_CACHE", str(tmp_path))
    backends(Copies("numpy"), Copies("numba"))
    curves = flat_profile(numpy=((8, 1),), numba=((8, 1000),)).curves
    profiles.save(profiles.Profile(profiles.path().stem, "today", curves))
    dispatch.adopt(None)
    choice = dispatch.choose(dispatch.policy(), call())
    assert (choice.origin, choice.backend) == (str(profiles.path()), "numpy")


# Plans


def test_a_signature_is_planned_once(backends, counted):
    (only,) = backends(Copies("numpy"))
    for _ in range(5):
        np.testing.assert_array_equal(relu(X), ANSWER)
    relu(np.append(X, X))
    assert [each.shapes for each in counted] == [((3,),), ((6,),)]
    assert only.runs == 6


def test_numbers_and_shapes_of_a_signature_make_a_plan_of_their_own(counted):
    x, weight = np.ones((1, 2, 8, 8), "float32"), np.ones((3, 2, 3, 3), "float32")
    with accel.use("numpy"):
        dispatch.policy().forget_plans()
        for stride, padding in ((1, 0), (2, 0), (1, 0), (1, 1)):
            accel.conv2d(x, weight, stride=stride, padding=padding)
    assert [each.shapes[2:] for each in counted] == [(1, 0), (2, 0), (1, 1)]


def test_operations_and_element_types_have_plans_of_their_own(counted):
    with accel.use("numpy"):
        dispatch.policy().forget_plans()
        for x in (X, X.astype("float64")):
            accel.relu(x), accel.exp(x), accel.relu(x)
    assert [(each.operation, each.dtype) for each in counted] == [
        ("relu", "float32"),
        ("exp", "float32"),
        ("relu", "float64"),
        ("exp", "float64"),
    ]


def test_plans_are_bounded_and_the_oldest_goes_first(backends, counted, monkeypatch):
    monkeypatch.setattr(dispatch, "MOST_PLANS", 3)
    backends(Copies("numpy"))
    for n in (1, 2, 3, 4):
        relu(np.ones(n))
    policy = dispatch.policy()
    assert [plan.choice.shapes for plan in policy.plans.values()] == [((2,),), ((3,),), ((4,),)]
    relu(np.ones(3))
    assert len(counted) == 4
    relu(np.ones(1))
    assert len(counted) == 5 and len(policy.plans) == 3


def test_another_profile_makes_plans_anew(backends):
    quick, wide = backends(Copies("quick"), Copies("wide"))
    dispatch.adopt(flat_profile(quick=((8, 1),), wide=((8, 2),)))
    relu(X)
    dispatch.adopt(flat_profile(quick=((8, 2),), wide=((8, 1),)))
    relu(X)
    assert (quick.runs, wide.runs) == (1, 1)


def test_a_choice_that_is_out_of_date_before_it_is_kept_is_made_again(backends, monkeypatch):
    quick, wide = backends(Copies("quick"), Copies("wide"))
    dispatch.adopt(flat_profile(quick=((8, 1),), wide=((8, 2),)))

    def supports(call):
        wide.supports = lambda call: None
        dispatch.adopt(flat_profile(quick=((8, 2),), wide=((8, 1),)))  # another thread does

    wide.supports = supports
    relu(X)
    assert (quick.runs, wide.runs) == (0, 1)


def test_an_unknown_operation_has_no_runner():
    with pytest.raises(KeyError, match="no operation 'sinh'"):
        runner("sinh", "float32")


def test_many_threads_plan_at_once_and_all_get_the_answer(backends, monkeypatch):
    monkeypatch.setattr(dispatch, "MOST_PLANS", 16)  # so that plans come and go
    backends(Copies("numpy"), Copies("numba"))
    shared, begin, wrong = dispatch.policy(), threading.Barrier(8), []

    def work(seed):
        dispatch._policy.set(shared)
        begin.wait()
        for n in np.random.default_rng(seed).integers(1, 40, 200):
            x = np.linspace(-1, 1, n, dtype="float32")
            if not np.array_equal(relu(x), np.maximum(x, 0)):
                wrong.append(n)

    threads = [threading.Thread(target=work, args=[seed]) for seed in range(8)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    assert wrong == [] and 1 <= len(shared.plans) <= 16


# Backends that fail

FAILURES = [
    BackendError("out of device memory"),
    RuntimeError("the driver is gone"),
    OSError("no scheduler"),
    FloatingPointError("divided"),
]


def first_fails(backends, failing, operation="relu"):
    first, second = backends(Copies("first", failing=failing), Copies("second"))
    curves = {name: profiles.Curve((8,), (ns,)) for name, ns in (("first", 1), ("second", 2))}
    dispatch.adopt(profiles.Profile("here", "today", {(operation, "float32"): curves}))
    return first, second


@pytest.mark.parametrize("failing", FAILURES, ids=lambda error: type(error).__name__)
def test_a_backend_that_fails_is_replaced_once_warned_of_once_and_not_asked_again(
    backends, failing
):
    first, second = first_fails(backends, failing)
    with pytest.warns(FallbackWarning) as said:
        np.testing.assert_array_equal(relu(X), ANSWER)
    assert [str(each.message) for each in said] == [
        f"relu failed in first ({type(failing).__name__}: {failing}); second runs it from now on"
    ]
    relu(X), relu(np.ones(7))
    assert (first.runs, second.runs) == (1, 3)
    refused = dispatch.choose(dispatch.policy(), call()).candidates[0].reason
    assert refused == f"it failed before ({type(failing).__name__}: {failing})"


def test_a_compiler_that_fails_counts_as_a_failing_backend(backends):
    from numba.core.errors import TypingError

    _, second = first_fails(backends, TypingError("cannot unify"))
    with pytest.warns(FallbackWarning, match="TypingError"):
        relu(X)
    assert second.runs == 1


def test_a_backend_that_cannot_make_its_kernel_is_replaced(backends):
    first, second = first_fails(backends, None)

    def kernel(operation, dtype):
        raise BackendError("no threads to be had")

    first.kernel = kernel
    with pytest.warns(FallbackWarning, match="first .*no threads to be had.*; second runs it"):
        np.testing.assert_array_equal(relu(X), ANSWER)
    assert (first.runs, second.runs) == (0, 1)


@pytest.mark.parametrize("error", [ValueError, IndexError, TypeError])
def test_an_error_of_the_arguments_is_the_callers(backends, error):
    first, second = first_fails(backends, error("mine"))
    for _ in range(2):
        with pytest.raises(error, match="mine"):
            relu(X)
    assert (first.runs, second.runs) == (2, 0)


def test_where_nobody_else_can_run_it_the_error_itself_comes_and_it_may_try_again(backends):
    failing = RuntimeError("the driver is gone")
    (only,) = backends(Copies("only", failing=failing))
    with pytest.raises(RuntimeError) as raised:
        relu(X)
    assert raised.value is failing
    only.failing = None
    np.testing.assert_array_equal(relu(X), ANSWER)


def test_a_named_backend_that_fails_is_not_replaced(backends):
    failing = RuntimeError("the driver is gone")
    backends(Copies("first", failing=failing), Copies("second"))
    with accel.use("first"), pytest.raises(RuntimeError) as raised:
        relu(X)
    assert raised.value is failing


def test_an_operation_that_updates_its_arguments_is_not_run_twice(backends):
    _, second = first_fails(backends, RuntimeError("midway"), "sgd")
    with pytest.raises(BackendError, match="sgd failed in first while it updated its arguments"):
        accel.sgd(X.copy(), X)
    assert second.runs == 0


def test_a_call_in_place_is_not_run_twice(backends):
    _, second = first_fails(backends, RuntimeError("midway"))
    x = X.copy()
    with pytest.raises(BackendError, match="which are not to be used now .*midway"):
        relu(x, out=x)
    assert second.runs == 0


def test_when_several_threads_meet_the_same_failure_one_warns(backends):
    first, second = first_fails(backends, RuntimeError("gone"))
    meet, shared = threading.Barrier(4), dispatch.policy()
    first.run = lambda call: (meet.wait(), Copies.run(first, call))

    def work():
        dispatch._policy.set(shared)
        relu(X)

    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        threads = [threading.Thread(target=work) for _ in range(4)]
        for each in threads:
            each.start()
        for each in threads:
            each.join()
    assert [each.category for each in said] == [FallbackWarning]
    assert (first.runs, second.runs) == (4, 4)


def test_a_failure_that_comes_while_another_thread_plans_is_not_forgotten(backends):
    first, second = first_fails(backends, None)
    policy = dispatch.policy()

    def kernel(operation, dtype):  # called once it is chosen; meanwhile another thread fails
        first.kernel = lambda operation, dtype: None
        policy.pass_over(dispatch.choose(policy, call()), call(), RuntimeError("gone"))

    first.kernel = kernel
    with pytest.warns(FallbackWarning):
        relu(X)
    assert (first.runs, second.runs) == (0, 1)


@pytest.mark.parametrize("name", [name for name in registry.FAMILIES])
def test_signatures_name_arguments_that_there_are(name):
    op = registry.operation(name)
    arguments = op.inputs(**op.edges[-1])
    assert all(place < len(arguments) for place in op.signature)
    key = dispatch._key(name, "float32")(arguments)
    assert key == dispatch._key(name, "float32")(op.inputs(**op.edges[-1]))
    assert hash(key) and len(key) == 1 + len(op.signature)
