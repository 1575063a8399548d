"""On which cores threads are. Known on Linux; elsewhere nothing is known, and nothing done.

Source
------
Linux manual pages, getcpu(2) and sched_setaffinity(2).
"""

from __future__ import annotations

import ctypes
import os
from collections.abc import Callable, Iterable

#: What `core` returns where it is not known.
UNKNOWN = -1


def _nowhere() -> int:
    return UNKNOWN


def _found() -> Callable[[], int]:
    """Return the C library's own function: a call before and after each call must be short."""
    try:  # with the interpreter's lock, which to give back and get would take longer
        return ctypes.PyDLL(None).sched_getcpu
    except (AttributeError, OSError, TypeError):  # no such function, or no such library
        return _nowhere


#: ``core()`` returns the number of the core that this thread is on, or `UNKNOWN`.
core: Callable[[], int] = _found() if hasattr(os, "sched_setaffinity") else _nowhere


def keep_off(there: int, threads: Iterable[int]) -> None:
    """Let threads run on all cores that the caller may use, but for one.

    Linux wakes a thread where it slept or where its waker is. On a machine of few cores that is
    often one core for both, and the parts of a call then follow one another: until the system
    moves one of them, at one of its next ticks, the call takes as long as on one core, or
    longer. Where the core of the caller is not open to the others, they are woken elsewhere.

    Parameters
    ----------
    there : int
        Where the caller is. If that is `UNKNOWN`, or the only core it may use, nothing is done.
    threads : iterable of int
        The system's numbers of them. One that has ended is passed over.
    """
    if there == UNKNOWN:
        return
    cores = os.sched_getaffinity(0) - {there}
    for thread in threads if cores else ():
        try:
            os.sched_setaffinity(thread, cores)
        except OSError:  # it has ended, or the system allows no such thing
            continue
