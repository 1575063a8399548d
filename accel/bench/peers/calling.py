"""How a rival is called: prepared off the clock, answering without a copy on it.

A worker calls ``adapt(*arguments)`` once, and then times ``function(*own)``. A rival's
`adapt` does all that its users would do once: arrays become the library's tensors (which
share memory where the library can), functions are compiled, scratch arrays made. It returns
a call without arguments, and says where the answer lies: in the last argument, which the
library wrote, or in an `Answer`, which holds the library's own result until somebody looks.
"""

from __future__ import annotations

import ctypes
import functools
import os
import time
from collections.abc import Callable
from typing import Any

import numpy as np

#: Calls, and ns, that are spent on each way of calling a library before one is chosen.
TRIES, TRIAL_NS = 9, 20_000_000

#: Parameters of `mallopt`, as malloc.h has them.
_M_TRIM_THRESHOLD, _M_MMAP_MAX = -1, -4


def keep_freed_memory() -> None:
    """Tell the C library to keep memory that is given back, where it can be told (glibc).

    A large result is otherwise mapped anew in each call, and the system clears every page of
    it: most of the time of a call that reads and writes once. The performance guides of
    libraries that allocate their results say so, and name allocators that keep memory.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None) if os.name == "posix" else None
    if mallopt is not None:
        mallopt(_M_MMAP_MAX, 0)
        mallopt(_M_TRIM_THRESHOLD, 2**31 - 1)


class Answer:
    """Where a call leaves a result of its library; an array to whoever reads it.

    Parameters
    ----------
    read : callable
        Makes an array of the result, off the clock, when somebody looks.
    """

    __slots__ = ("_read", "value")

    def __init__(self, read: Callable[[Any], Any] = np.asarray):
        self.value: Any = None
        self._read = read

    def __array__(self, dtype=None, copy=None) -> np.ndarray:
        return np.asarray(self._read(self.value), dtype=dtype)


def call(run: Callable[[], Any], answer: Any) -> None:
    """Run a prepared call: what the clock sees of every rival."""
    run()


def call_in_place(run: Callable[[], Any], *arguments: Any) -> None:
    """Run a prepared call that changes arguments, which stay where the worker restores them."""
    run()


class Rivals(dict):
    """Operation -> the function that prepares a library's call of it.

    Used as a decorator. The function takes the operation's arguments; it returns the call, or
    the call and the `Answer` that it fills. A call that needs no answer box wrote `out`.
    """

    def __call__(self, operation: str, *, in_place: bool = False) -> Callable:
        def add(prepare: Callable) -> Callable:
            @functools.wraps(prepare)
            def adapt(*arguments: Any) -> tuple:
                prepared = prepare(*arguments)
                run, *box = prepared if isinstance(prepared, tuple) else (prepared,)
                # What the worker puts back before each call stays in its place, a box behind it.
                rest = arguments[1:] if in_place else () if box else arguments[-1:]
                return (run, *rest, *box)

            adapt.target = call_in_place if in_place else call
            self[operation] = adapt
            return adapt

        return add


def kept(
    function: Callable[..., Any], *arguments: Any, read: Callable[[Any], Any] = np.asarray
) -> tuple[Callable[[], None], Answer]:
    """Return a call of ``function(*arguments)``, and the box in which its result is kept."""
    answer = Answer(read)

    def run() -> None:
        answer.value = None  # its memory is free for the next result
        answer.value = function(*arguments)

    return run, answer


def reshaped(shape: tuple[int, ...]) -> Callable[[Any], np.ndarray]:
    """Return a reader that shows a result in another shape."""
    return lambda value: np.asarray(value).reshape(shape)


def fastest(*candidates: Any, clock: Callable[[], int] = time.perf_counter_ns) -> Any:
    """Return the fastest of several ways to call a library, tried off the clock.

    Each is a call, or a call and its answer. The first call of each does not count.
    """
    return min(candidates, key=lambda each: _least_ns(each, clock))


def _least_ns(candidate: Any, clock: Callable[[], int]) -> int:
    run = candidate[0] if isinstance(candidate, tuple) else candidate
    run()
    taken: list[int] = []
    while len(taken) < TRIES and sum(taken) < TRIAL_NS:
        begun = clock()
        run()
        taken.append(clock() - begun)
    return min(taken)
