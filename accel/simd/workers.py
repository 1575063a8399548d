"""The threads of parallel kernels: how long they wait for work, and on which cores.

A parallel kernel is as fast as its slowest thread, and on an idle machine that one is slow for
two reasons that no kernel shows: it must be woken, or it was woken on the core where its caller
is. Numba's usual threads are those of GNU's OpenMP, and both are mended from outside:
`spin_briefly` and `apart`.

Source
------
GNU libgomp manual, sections "GOMP_SPINCOUNT", "OMP_WAIT_POLICY" and "OMP_PROC_BIND". Linux
manual page gettid(2).
"""

from __future__ import annotations

import functools
import importlib
import os
import threading

import numba
import numpy as np
from numba import types
from numba.core.dispatcher import Dispatcher

from accel import places
from accel.simd.keeping import kept

#: Turns that a thread of a parallel kernel spins before it sleeps: about a tenth of a millisecond.
#: Ten times as many make calls with pauses of that length faster, and leave the threads of
#: `accel.arrays`, which take turns with these, waiting for a core.
SPINS = 3_000

#: What a user may have said about these threads; what is said is left alone.
WAITING = frozenset({"GOMP_SPINCOUNT", "OMP_WAIT_POLICY"})
PLACING = frozenset({"GOMP_CPU_AFFINITY", "OMP_PLACES", "OMP_PROC_BIND"})


@functools.cache
def spin_briefly() -> None:
    """Have the threads of parallel kernels spin for less than a millisecond after a call.

    Who waits in GNU's OpenMP spins first, by default for some milliseconds, and keeps a core
    from whoever has work for it. Who does not spin at all must be woken for each call, which
    takes a virtual machine tenths of a millisecond. In between, calls that follow each other
    closely find the threads awake, and others soon have the cores.

    The library reads the number of turns when it is loaded. So it is loaded here, with a number
    that no other one sees. A user's own setting is left alone.
    """
    if WAITING & os.environ.keys():
        return
    os.environ["GOMP_SPINCOUNT"] = str(SPINS)
    try:
        importlib.import_module("numba.np.ufunc.omppool")
    except ImportError:
        return  # Numba has other threads here, or none
    finally:
        del os.environ["GOMP_SPINCOUNT"]


def apart(dispatcher: Dispatcher) -> Dispatcher:
    """``apart(dispatcher)``: keep the threads that a compiled function wakes off its caller's core.

    Why is told at `accel.places.keep_off`. Where the caller is is looked up before each call
    from Python, and said to the system when it has changed, which is seldom.

    Threads of other libraries are not touched. Nor is anything if the environment already says
    where OpenMP's threads are to run, or Numba's are not OpenMP's, or the system is not Linux.

    Calls in a process whose threads were `left_behind` raise a RuntimeError.

    Parameters
    ----------
    dispatcher : numba dispatcher
        What Python calls: a parallel function, or one that calls such.

    Returns
    -------
    dispatcher
        The same.
    """
    if not PLACING & os.environ.keys() and places.core() != places.UNKNOWN:
        dispatcher.__class__ = _callable_apart(type(dispatcher))
    return dispatcher


@functools.cache
def _callable_apart(kind: type[Dispatcher]) -> type[Dispatcher]:
    """Return a class of dispatchers that look where they are called, and else are as `kind`."""
    call = kind.__call__

    class Apart(kind):
        def __call__(self, *arguments):
            if places.core() != _here.core:
                _here.arrive()
            return call(self, *arguments)

    return Apart


class _Here(threading.local):
    """Where a thread was when it last called a parallel kernel. Each has workers of its own."""

    core = places.UNKNOWN
    workers: frozenset[int] = frozenset()

    def arrive(self) -> None:
        """Note where this thread is, and keep its workers elsewhere."""
        reason = left_behind()
        if reason:
            raise RuntimeError(f"a kernel for all cores was called, but {reason}")
        if not self._they_are_there():
            self.workers = frozenset(_workers())
        self.core = places.core()
        places.keep_off(self.core, self.workers)

    def _they_are_there(self) -> bool:
        """Tell whether the known workers are all there are: to ask them is to wake them."""
        known = [f"/proc/self/task/{worker}" for worker in self.workers]
        return len(known) == numba.get_num_threads() - 1 and all(map(os.path.exists, known))


_here = _Here()

_left_behind = False


def left_behind() -> str | None:
    """``left_behind()``: why parallel kernels cannot run in this process, or None if they can.

    A forked process has none of its parent's threads, and GNU's OpenMP ends a process that asks
    for them. So nobody may ask.
    """
    if not _left_behind:
        return None
    return (
        "this process was forked from one that had run such kernels, and OpenMP's threads do not "
        "survive that; begin processes by the method 'spawn' or 'forkserver', or name a backend "
        "of one core"
    )


def _forked() -> None:
    """Note in a forked process that the threads are gone, if there were any."""
    global _here, _left_behind  # noqa: PLW0603
    try:
        _left_behind = numba.threading_layer() == "omp"
    except ValueError:  # none had begun
        return
    _here = _Here()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forked)


def _workers() -> set[int]:
    """Return the system's numbers of the threads that work for this one."""
    numbers = np.zeros(numba.get_num_threads(), np.int32)
    _naming()(numbers)
    if numba.threading_layer() != "omp":
        return set()
    return set(numbers.tolist()) - {threading.get_native_id()}


@functools.cache
def _naming() -> Dispatcher:
    return kept(_name_threads, parallel=True)


def _name_threads(numbers):
    """Have each thread write the system's number of itself."""
    for i in numba.prange(numbers.size):
        numbers[i] = _gettid()


_gettid = types.ExternalFunction("gettid", types.intc())
