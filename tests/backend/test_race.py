"""Backends take turns on one call; the clock is injected."""

import numpy as np
import pytest

from accel.backend import race
from accel.backend.race import Effort
from accel.timing.rest import RestlessThreads

EFFORT = Effort(sample_ns=1000, budget_ns=10**9, rounds=5, least_rounds=3)


class World:
    """A clock that functions move on, and a list of who was called."""

    def __init__(self):
        self.now, self.calls = 0, []

    def function(self, name, ns, *, first_ns=0, error=None):
        state = {"first": True}

        def call(*arguments):
            self.calls.append(name)
            if error is not None:
                raise error
            elapsed = next(ns) if hasattr(ns, "__next__") else ns
            elapsed += first_ns if state["first"] else 0
            state["first"] = False
            self.now += elapsed

        return call

    def rest(self):
        self.calls.append(".")

    def run(self, functions, arguments=(), **options):
        options = {"effort": EFFORT, **options}
        return race.run(
            functions, arguments,
            clock=lambda: self.now, wait=self.rest, **options,
        )  # fmt: skip


@pytest.fixture
def world():
    return World()


def test_each_is_timed_by_its_calls(world):
    found = world.run({"a": world.function("a", 10), "b": world.function("b", 30)})
    assert found.ns == {"a": 10, "b": 30}


def test_the_first_call_is_told_and_not_counted(world):
    found = world.run({"a": world.function("a", 10, first_ns=10**9)})
    assert found.first_ns == {"a": 10**9 + 10}
    assert found.ns == {"a": 10}


def test_samples_that_were_disturbed_and_one_that_was_lucky_do_not_count(world):
    samples = [90_000, 2000, 1000, 80_000, 2100, 70_000, 2000]
    times = iter([2000, 2000, *(ns for each in samples for ns in (500, each))])
    found = world.run({"a": world.function("a", times)}, effort=Effort(1000, 10**9, rounds=7))
    assert found.ns == {"a": 2000}


def test_turns_alternate_in_their_order_with_a_rest_before_anothers(world):
    functions = {name: world.function(name, 600_000) for name in "ab"}
    world.run(functions, effort=Effort(sample_ns=1000, rounds=3, budget_ns=10**12))
    before_and_timed = {"a": "aa" + "a", "b": "bb" + "b"}  # 1 ms of calls, and the sample
    a, b = before_and_timed.values()
    assert "".join(world.calls) == ".aa.bb" + f".{a}.{b}" + f"{b}.{a}" + f"{a}.{b}"


def test_long_calls_get_fewer_rounds_but_never_less_than_the_fewest(world):
    functions = {"a": world.function("a", 10**9)}
    world.run(functions, effort=Effort(sample_ns=1000, budget_ns=1, rounds=9, least_rounds=4))
    assert world.calls.count("a") == 2 + 4 * 2


def test_one_that_has_lost_by_far_takes_no_turns(world):
    functions = {"a": world.function("a", 10**6), "b": world.function("b", 10**8)}
    found = world.run(functions)
    assert world.calls.count("b") == 2
    assert found.ns == {"a": 10**6, "b": 10**8}


def test_calls_that_threads_may_share_go_on_until_those_have_found_their_cores(world):
    world.run({"a": world.function("a", 10**6)}, effort=Effort(sample_ns=1000, rounds=4))
    assert world.calls.count("a") == 2 + 4 * (race.SETTLED_NS // 10**6 + 1)


def test_short_calls_are_made_once_more_before_each_sample(world):
    world.run({"a": world.function("a", 1500)}, effort=Effort(sample_ns=1000, rounds=4))
    assert world.calls.count("a") == 2 + 4 * 2


def test_one_that_fails_is_left_out_with_the_reason(world):
    functions = {"a": world.function("a", 1, error=OSError("no device")),
                 "b": world.function("b", 50)}  # fmt: skip
    found = world.run(functions, failures=(OSError,))
    assert found.failures == {"a": "OSError: no device"}
    assert found.ns == {"b": 50}


def test_one_that_fails_later_is_left_out_too(world):
    failing = world.function("a", iter([50, 50, 50, 50]))  # then there is no more

    def call():
        try:
            failing()
        except StopIteration:
            raise OSError("lost") from None

    functions = {"a": call, "b": world.function("b", 50)}
    found = world.run(functions, effort=Effort(sample_ns=10, rounds=9), failures=(OSError,))
    assert found.failures == {"a": "OSError: lost"}
    assert found.ns == {"b": 50}


def test_an_error_that_is_no_failure_of_a_backend_is_raised(world):
    with pytest.raises(ValueError, match="bad shape"):
        world.run({"a": world.function("a", 1, error=ValueError("bad shape"))}, failures=(OSError,))


def test_restless_threads_are_nobodys_failure(world):
    def wait():
        raise RestlessThreads("a thread spins")

    world.rest = wait
    functions = {"a": world.function("a", 10**6)}
    with pytest.raises(RestlessThreads):
        world.run(functions, failures=(RuntimeError,))


def test_nobody_is_no_race(world):
    assert world.run({}).ns == {}


def test_every_call_gets_the_arguments_themselves(world):
    x, seen = np.zeros(2), []

    def call(given):
        seen.append(given)
        world.now += 5000

    world.run({"a": call}, (x,))
    assert all(given is x for given in seen)
