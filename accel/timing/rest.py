"""Waiting until the threads that a call has left behind are at rest.

A library that runs on all cores keeps its threads after a call, and lets them spin for a
while: the next call then need not wake them. OpenBLAS's turn for about a tenth of a second,
those of GNU's OpenMP for some milliseconds. Whoever has the next turn finds a core busy with
nothing, and on two cores takes twice as long. So with several threads the clock starts when
the threads of the turn before have gone to sleep, which is seen from the processor time that
the process takes while its main thread sleeps.

Source
------
OpenBLAS, ``USAGE.md``, on ``OPENBLAS_THREAD_TIMEOUT``; GNU libgomp manual, section
"GOMP_SPINCOUNT".
"""

from __future__ import annotations

import time
from collections.abc import Callable

#: Length of one look, in s, and the share of a core that a process at rest may take of it.
LOOK_S = 0.002
AT_REST = 0.1

#: Nothing spins that long, in s.
LONGEST_S = 2.0


class RestlessThreads(RuntimeError):
    """Threads of this process keep a core busy, although nothing is being called."""


def wait_for_rest(
    cpu_ns: Callable[[], int] = time.process_time_ns,
    clock_ns: Callable[[], int] = time.perf_counter_ns,
    sleep: Callable[[float], None] = time.sleep,
) -> None:
    """Return as soon as no thread of this process is running but the caller's.

    Parameters
    ----------
    cpu_ns, clock_ns, sleep : callable, optional
        Processor time of the process, in ns; time, in ns; a pause of so many seconds.

    Raises
    ------
    RestlessThreads
        If that does not happen within `LONGEST_S`.

    Cost
    ----
    `LOOK_S` if the process is at rest, else as long as its threads spin.
    """
    begun = clock_ns()
    while True:
        busy, since = cpu_ns(), clock_ns()
        sleep(LOOK_S)
        elapsed = clock_ns() - since
        if cpu_ns() - busy <= AT_REST * elapsed:
            return
        if clock_ns() - begun > LONGEST_S * 1e9:
            raise RestlessThreads(
                f"threads of this process still run {LONGEST_S:g} s after the last call, expected "
                "them to sleep; a competitor keeps its threads spinning: measure it in a process "
                "of its own"
            )
