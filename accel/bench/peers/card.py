"""What a library is, told by a process that loads it as a worker would.

``python -m accel.bench.peers.card LIBRARY`` prints one JSON object: version, operations, how
its threads are held, and how many of them worked while there was work for all. So a library
that ignores what it was told is found out, and one that breaks while it is loaded breaks
alone.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from accel.bench import peers
from accel.kernels.registry import target_of
from accel.timing import isolate

#: Share of all work that makes a thread one that worked: others wait, count or collect.
WORKED = 0.05

#: Longest that a library may take to load and do its work, in s.
LIMIT_S = 120


def of(name: str, threads: int, environ: dict[str, str]) -> dict[str, Any]:
    """Return the card of a library, from a process of its own.

    Parameters
    ----------
    name : str
        As in `accel.bench.peers.MODULES`.
    threads : int
        Threads that it is told to use, by `environ`.
    environ : dict
        Environment of the process.

    Returns
    -------
    dict
        ``name``, ``reason`` (None, or why it cannot be used), and then ``version``,
        ``threads`` (in words) and ``operations``: name -> ``{"target", "adapt"}``.
    """
    command = [sys.executable, "-m", "accel.bench.peers.card", name]
    with subprocess.Popen(
        command, env=environ, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        start_new_session=True,
    ) as process:  # fmt: skip
        try:
            answer, complaint = process.communicate(timeout=LIMIT_S)
        except subprocess.TimeoutExpired:
            return {"name": name, "reason": f"{name} did not load within {LIMIT_S} s"}
        finally:
            isolate.end(process)
    if process.returncode:
        last = (complaint.strip().splitlines() or ["it said nothing"])[-1]
        return {"name": name, "reason": f"{name} cannot be loaded: {last}"}
    card = json.loads(answer.splitlines()[-1])
    if card["reason"] is None:
        card["threads"] += used_words(card["threads_at_work"], threads)
    return card


def used_words(used: int | None, threads: int) -> str:
    """Say whether the threads that worked are as many as the library was told."""
    if used is None:
        return "; not verified: this system does not tell what each thread does"
    if used > threads:
        return f"; not held: {used} threads worked, expected at most {threads}"
    return f"; {used} worked"


def here(name: str) -> dict[str, Any]:
    """Return the card of a library that this process loads."""
    module = peers.module(name)
    reason = module.available()
    if reason:
        return {"name": name, "reason": reason}
    operations = {
        operation: {"target": target_of(adapt.target), "adapt": target_of(adapt)}
        for operation, adapt in module.RIVALS.items()
    }
    words = module.hold()
    return {
        "name": name,
        "reason": None,
        "version": module.version(),
        "threads": words,
        "operations": operations,
        "threads_at_work": _threads_at_work(module.work),
    }


def _threads_at_work(work: Callable[[], None]) -> int | None:
    """Return how many threads of this process a library works with; None where not told."""
    work()  # what is started once is started now
    before = _times_ns()
    work()
    spent = [time - before.get(task, 0) for task, time in _times_ns().items()]
    return sum(time > WORKED * sum(spent) for time in spent) if spent else None


def _times_ns() -> dict[str, int]:
    """Return the processor time of each thread of this process so far, in ns. Linux only."""
    tasks = Path("/proc/self/task").glob("*/schedstat")
    return {task.parent.name: int(task.read_text().split()[0]) for task in tasks}


if __name__ == "__main__":
    # Libraries that print while they load do not garble the answer: it is the last line.
    told = here(sys.argv[1])
    print(f"\n{json.dumps(told)}", flush=True)
    os._exit(0)  # no library's farewell is waited for
