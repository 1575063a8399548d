"""Waiting until the threads that a call has left behind are at rest.

A library that runs on all cores keeps its threads after a call, and lets them spin for a
while: the next call then need not wake them. OpenBLAS's turn for about a tenth of a second,
those of GNU's OpenMP for some milliseconds. Whoever has the next turn finds a core busy with
nothing, and on two cores takes twice as long. So with several threads the clock starts when
the threads of the turn before have gone to sleep.

Linux says of each thread whether it runs. Elsewhere they are seen by the processor time that
the process takes while its main thread sleeps. Some systems count that of threads on other
cores by their tick, every 1 to 10 ms, so that a look must be longer than a tick to see anything.

Source
------
OpenBLAS, ``USAGE.md``, on ``OPENBLAS_THREAD_TIMEOUT``; GNU libgomp manual, section
"GOMP_SPINCOUNT"; Linux manual, proc_pid_stat(5), field ``state``.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from pathlib import Path

#: Where Linux has a folder for each thread of this process.
TASKS = Path("/proc/self/task")

#: Between two questions for the states of threads, in s.
PAUSE_S = 0.001

#: Length of one look at processor time, in s, and the share of a core that a process at rest
#: may take of it.
LOOK_S = 0.012
AT_REST = 0.1

#: Nothing spins that long, in s; but on a machine that is busy a thread that wants to sleep
#: must first have its turn.
LONGEST_S = 10.0


class RestlessThreads(RuntimeError):
    """Threads of this process keep a core busy, although nothing is being called."""


def wait_for_rest(
    tasks: Path = TASKS,
    cpu_ns: Callable[[], int] = time.process_time_ns,
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> None:
    """Return as soon as no thread of this process is running but the caller's.

    Parameters
    ----------
    tasks : Path
        Folder with a folder for each thread, named by its number.
    cpu_ns : callable, optional
        Processor time of the process, in ns; asked where there is no such folder.
    clock, sleep : callable, optional
        Time, and a pause of so many, in s.

    Raises
    ------
    RestlessThreads
        If that does not happen within `LONGEST_S`.

    Cost
    ----
    About 10 µs per thread if the process is at rest and threads have states, `LOOK_S` if
    they have none; else as long as they spin.
    """
    begun = clock()
    while _busy(tasks, cpu_ns, clock, sleep):
        if clock() - begun > LONGEST_S:
            raise RestlessThreads(
                f"threads of this process still run {LONGEST_S:g} s after the last call, expected "
                "them to sleep; stop what else computes in this process, or measure a competitor "
                "that keeps its threads spinning in a process of its own"
            )


def _busy(tasks: Path, cpu_ns, clock, sleep) -> bool:
    """Tell whether another thread is running, and pass a little time if so."""
    if tasks.exists():
        running = bool(others_running(tasks))
        if running:
            sleep(PAUSE_S)
        return running
    taken, since = cpu_ns(), clock()
    sleep(LOOK_S)
    return cpu_ns() - taken > AT_REST * 1e9 * (clock() - since)


def others_running(tasks: Path = TASKS) -> list[str]:
    """Return the numbers of the threads that run or want to, but for the caller's."""
    own = str(threading.get_native_id())
    return [each.name for each in tasks.iterdir() if each.name != own and _state(each) == "R"]


def _state(task: Path) -> str:
    """Return the letter for a thread's state; that of one that has ended meanwhile is X."""
    try:
        stat = (task / "stat").read_text("ascii", errors="replace")
    except (FileNotFoundError, ProcessLookupError):
        return "X"
    return stat.rpartition(")")[2].split()[0]
