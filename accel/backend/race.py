"""One call, several backends: they take turns, and of each the lower quartile is kept.

That is less than `accel.timing.measure` does. To choose, it does not matter which of two
backends is faster whose times are so near that fresh processes are needed to tell them apart.
What matters are the rules that keep a large error out: first calls apart, since they compile;
turns in alternating order; samples long enough for the clock; and a rest wherever threads
that a call has left behind still keep a core busy. Whatever else a machine does only adds to
a time, and to that of several threads most: so the lower quartile, which is what a call takes
when nobody disturbs it, and not the median.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from accel.backend.base import Call, ComputeBackend, function_of
from accel.timing import sample
from accel.timing.clock import Clock, ClockError, perf_counter_ns
from accel.timing.rest import RestlessThreads, wait_for_rest

#: A backend that is this many times slower than the fastest has lost, and is timed no more.
HOPELESS = 8

#: Calls that take so long may be shared by threads, in ns, and before a sample of theirs others
#: go on for so long. A thread that wakes begins where it slept; if somebody is at work there, the
#: system puts it elsewhere at one of its next ticks.
SHARED_NS, SETTLED_NS = 20_000, 1_000_000


@dataclass(frozen=True)
class Effort:
    """How much time to spend on a call.

    Parameters
    ----------
    sample_ns : int
        Shortest sample; a call that takes longer is a sample.
    budget_ns : int
        Time after which no more rounds begin, unless there were too few.
    rounds, least_rounds : int
        Most and fewest samples of each backend.
    """

    sample_ns: int = 500_000
    budget_ns: int = 100_000_000
    rounds: int = 5
    least_rounds: int = 3


@dataclass(frozen=True)
class Result:
    """What a race found.

    Parameters
    ----------
    ns : mapping
        Backend to the time of a call, in ns; without those that failed.
    first_ns : mapping
        Backend to the time of its first call, which may compile or load.
    failures : mapping
        Backend to what it failed with.
    """

    ns: Mapping[str, float]
    first_ns: Mapping[str, int]
    failures: Mapping[str, str]


def runners(members: Iterable[ComputeBackend], call: Call) -> dict[str, Callable[..., None]]:
    """Return what `dispatch` would call for each backend that is here and takes the call."""
    return {
        each.name: function_of(each, call)
        for each in members
        if each.available() is None and each.supports(call) is None
    }


def run(
    functions: Mapping[str, Callable[..., None]],
    arguments: Sequence,
    *,
    effort: Effort = Effort(),
    clock: Clock = perf_counter_ns,
    wait: Callable[[], None] = wait_for_rest,
    failures: tuple[type[Exception], ...] = (),
) -> Result:
    """Time each function on the same arguments, in turns.

    What a call changes stays changed, as from one step of a training to the next: putting it
    back would bring it into the cache of one core, and all cores would wait for that.

    Parameters
    ----------
    functions : mapping of str to callable
    arguments : sequence
        What each is called with.
    effort : Effort, optional
    clock : callable, optional
        Time in ns.
    wait : callable, optional
        Returns when the other threads of this process are at rest. Called before a turn,
        unless the turn before was the same function's: let one whose threads spin for long
        be the last.
    failures : tuple of exception types, optional
        One that raises these takes no further part.

    Raises
    ------
    accel.timing.rest.RestlessThreads
        If threads do not come to rest.
    """
    turn = _Turns(arguments, clock, wait)
    first: dict[str, int] = {}
    failed: dict[str, str] = {}
    loops: dict[str, tuple[int, float]] = {}
    for name, function in functions.items():
        with _noted(name, failures, failed):
            first[name] = turn(function, 1)
            loops[name] = _loops(turn, function, effort)
    taken = _hopeless(loops)
    hopeful = [name for name in loops if not taken[name]]
    begun = clock()
    for number in range(effort.rounds):
        if number >= effort.least_rounds and clock() - begun > effort.budget_ns:
            break
        for name in hopeful if number % 2 == 0 else reversed(hopeful):
            if name not in failed:
                count, estimate = loops[name]
                with _noted(name, failures, failed):
                    settle_ns = SETTLED_NS if estimate >= SHARED_NS else 0
                    ns = turn(functions[name], count, settle_ns)
                    taken[name].append(ns / count)
    whole = {name: sorted(times) for name, times in taken.items() if name not in failed}
    return Result({name: times[len(times) // 4] for name, times in whole.items()}, first, failed)


@contextmanager
def _noted(name: str, failures: tuple[type[Exception], ...], failed: dict[str, str]):
    """Note what a function fails with, if it is its own failure."""
    try:
        yield
    except (ClockError, RestlessThreads):  # nobody's
        raise
    except failures as error:
        failed[name] = f"{type(error).__name__}: {error}"


def _hopeless(loops: Mapping[str, tuple[int, float]]) -> dict[str, list[float]]:
    """Return a list for the times of each function; of those that have lost it is complete."""
    fastest = min((estimate for _, estimate in loops.values()), default=0.0)
    return {
        name: [estimate] if count == 1 and estimate > HOPELESS * fastest else []
        for name, (count, estimate) in loops.items()
    }


class _Turns:
    """Times turns: so many calls of a function, which begin when others' threads are at rest."""

    def __init__(self, arguments: Sequence, clock: Clock, wait: Callable[[], None]):
        self._arguments, self.clock, self._wait = arguments, clock, wait
        self._before: Callable | None = None

    def __call__(self, function: Callable, loops: int, settle_ns: int | None = None) -> int:
        """Return the time of so many calls in ns; first may come others, for at least so long."""
        if function is not self._before:
            self._wait()
            self._before = function
        if settle_ns is not None:
            begun = self.clock()
            function(*self._arguments)
            while self.clock() - begun < settle_ns:
                function(*self._arguments)
        return sample.sample_ns(function, self._arguments, loops, self.clock)


def _loops(turn: _Turns, function: Callable, effort: Effort) -> tuple[int, float]:
    """Return how many calls make a sample, and about how long one takes, in ns."""
    once = turn(function, 1)
    if once >= effort.sample_ns:
        return 1, once
    loops = sample.calibrate(lambda count: turn(function, count), effort.sample_ns)
    return loops, effort.sample_ns / loops
