"""How long the first call takes: with nothing on disk, and with what the last left there.

Compiled code is kept in a folder (``NUMBA_CACHE_DIR``). A fresh process with an empty one
compiles, and so fills it; another with the same folder loads. In each, three parts are told
apart: loading Numba, which a process does once whatever it calls; loading the family; and
the first call.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from typing import Any

from accel.bench.planning import Task
from accel.timing import isolate
from accel.timing.stats import median

#: Warm starts of each operation, of which the middle one is told.
WARM_STARTS = {"quick": 1, "standard": 3, "publish": 5}

#: About how many bytes the first call works on: next to nothing.
WORKING_SET_BYTES = 2**14

#: Longest that a process may take to compile one operation, in s.
LIMIT_S = 300


def of(task: Task, profile: str) -> dict[str, Any]:
    """Return the times of a first call, cold and warm, each in processes of its own.

    Returns
    -------
    dict
        ``operation``, ``dtype``, ``threads``, and for ``cold_ns`` and ``warm_ns`` the time
        to load the family and make one call; ``numba_ns``: to load Numba, warm. Or
        ``reason``, why there are none.
    """
    label = {"operation": task.operation, "dtype": task.dtype, "threads": task.threads}
    with tempfile.TemporaryDirectory(prefix="accel-") as cache:
        starts = [_start(task, cache) for _ in range(1 + WARM_STARTS[profile])]
    failures = [start["reason"] for start in starts if "reason" in start]
    if failures:
        return {**label, "reason": failures[0]}
    cold, *warm = starts
    return {
        **label,
        "cold_ns": cold["start_ns"],
        "warm_ns": median([start["start_ns"] for start in warm]),
        "numba_ns": median([start["numba_ns"] for start in warm]),
    }


def _start(task: Task, cache: str) -> dict[str, Any]:
    """Start a process with this folder for compiled code, and return what it tells."""
    environ, _ = isolate.environment(task.threads, 0)
    words = [task.operation, task.dtype, str(task.threads)]
    with subprocess.Popen(
        [sys.executable, "-m", "accel.bench.first_call", *words],
        env={**environ, "NUMBA_CACHE_DIR": cache}, stdout=subprocess.PIPE,
        stderr=subprocess.PIPE, text=True, start_new_session=True,
    ) as process:  # fmt: skip
        try:
            answer, complaint = process.communicate(timeout=LIMIT_S)
        except subprocess.TimeoutExpired:
            return {"reason": f"did not return within {LIMIT_S} s"}
        finally:
            isolate.end(process)
    if process.returncode:
        return {"reason": (complaint.strip().splitlines() or ["it said nothing"])[-1]}
    return json.loads(answer.splitlines()[-1])


def take(words: Sequence[str], clock: Callable[[], int] = time.perf_counter_ns) -> dict[str, int]:
    """Load and call one operation in this process, and return how long that took."""
    name, dtype, threads = words[0], words[1], int(words[2])
    begun = clock()
    import numba  # noqa: F401 - what is timed is that it loads

    loaded = clock()
    from accel.kernels import best, operation

    function, op = best(name, dtype, threads), operation(name)
    family = clock()
    arguments = op.inputs(**{**op.sizes(WORKING_SET_BYTES), "dtype": dtype})
    ready = clock()
    function.function(*arguments)
    return {"numba_ns": loaded - begun, "start_ns": clock() - ready + family - loaded}


if __name__ == "__main__":
    print(json.dumps(take(sys.argv[1:])))
