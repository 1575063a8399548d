"""Parts of one call on several cores.

NumPy's loops let go of the interpreter while they run, so that two threads can run two of
them at once. What is asked for here is always such a loop, over one part of the arrays each.

Threads are begun when they are first needed, wait asleep, and end with the process. They are
kept off the core of whoever calls: see `accel.places`. The caller works too, on what nobody has
begun; so a call ends even where all threads are busy with the parts of another one, or are gone.
"""

from __future__ import annotations

import contextvars
import os
import sys
import threading
from collections import deque
from collections.abc import Callable, Iterable
from queue import SimpleQueue
from typing import Any

from accel import places

#: Backends by whose name one core is asked for.
ON_ONE_CORE = frozenset({"python", "numpy", "numba"})

#: Set in threads that run parts: what they call stays on their core.
_part_of_something = threading.local()


def cores(policy: str) -> int:
    """Return on how many threads a policy's calls may run.

    Parameters
    ----------
    policy : str
        "auto", or the name of a backend.

    Returns
    -------
    int
        1 for a backend of one core and within a part; else as many as Numba would use, by
        ``NUMBA_NUM_THREADS`` or ``numba.set_num_threads``.
    """
    if policy in ON_ONE_CORE or getattr(_part_of_something, "here", False):
        return 1
    numba = sys.modules.get("numba")
    if numba is not None and hasattr(numba, "get_num_threads"):
        return numba.get_num_threads()
    return _cores_without_numba()


def _cores_without_numba() -> int:
    """Return what Numba would use, without half a second to import it."""
    named = os.environ.get("NUMBA_NUM_THREADS", "")
    if named.isdecimal() and int(named) > 0:
        return int(named)
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def together(function: Callable[[Any], None], parts: Iterable[Any], threads: int) -> None:
    """Call a function with each of some parts, on several cores, and return when all are done.

    Each thread runs in a copy of the caller's context, so that ``np.errstate`` holds there.

    Parameters
    ----------
    function : callable
    parts : iterable
        What it is called with. All are run, even after one failed.
    threads : int
        How many take part, the caller among them.

    Raises
    ------
    BaseException
        What the function raised for the first of the parts at which it did.
    """
    work = _Work(function, parts)
    helpers = min(threads, len(work.left)) - 1
    if helpers > 0:
        _crew().ask(work, helpers)
    work.help()
    work.wait()


class _Work:
    """Parts that are to be done, and what came of those that are."""

    def __init__(self, function: Callable[[Any], None], parts: Iterable[Any]):
        self.function = function
        self.left = deque(enumerate(parts))
        self._number = len(self.left)
        self._done: SimpleQueue[_Outcome] = SimpleQueue()

    def help(self) -> None:
        """Do parts until none is left."""
        while True:
            try:
                number, part = self.left.popleft()
            except IndexError:
                return
            with _Outcome(number, self._done):
                self.function(part)

    def wait(self) -> None:
        """Return when all parts are done, or raise what the first failing one did."""
        outcomes = [self._done.get() for _ in range(self._number)]
        failed = [each for each in outcomes if each.error is not None]
        if failed:
            raise min(failed, key=lambda each: each.number).error


class _Outcome:
    """How a part ended, told to whoever waits: an error is raised there, not here."""

    def __init__(self, number: int, told: SimpleQueue):
        self.number, self.error, self._told = number, None, told

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind, error, traceback) -> bool:
        self.error = error
        self._told.put(self)
        return True


class _Crew:
    """Threads that wait for work."""

    def __init__(self):
        self._asked: SimpleQueue[tuple[contextvars.Context, _Work]] = SimpleQueue()
        self._members: list[threading.Thread] = []
        self._core = places.UNKNOWN
        self._lock = threading.Lock()

    def ask(self, work: _Work, helpers: int) -> None:
        """Have some threads help with work; they may come late, and find it done."""
        if helpers > len(self._members):
            self._grow(helpers)
        core = places.core()
        if core != self._core:
            self._core = core
            places.keep_off(core, [each.native_id for each in self._members])
        for _ in range(helpers):
            self._asked.put((contextvars.copy_context(), work))

    def _grow(self, members: int) -> None:
        with self._lock:
            while len(self._members) < members:
                name = f"accel part {len(self._members) + 1}"
                member = threading.Thread(target=self._serve, name=name, daemon=True)
                member.start()
                self._members.append(member)
            self._core = places.UNKNOWN  # the new ones may be anywhere

    def _serve(self) -> None:
        _part_of_something.here = True
        while True:
            context, work = self._asked.get()
            context.run(work.help)
            del context, work  # while it waits, a thread holds nobody's arrays


_the_crew: _Crew | None = None


def _crew() -> _Crew:
    global _the_crew  # noqa: PLW0603
    if _the_crew is None:
        _the_crew = _Crew()
    return _the_crew


def _forget_the_crew() -> None:
    """Begin anew in a forked process, which has none of the threads."""
    global _the_crew  # noqa: PLW0603
    _the_crew = None
    _part_of_something.here = False


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget_the_crew)
