"""Fresh processes: start a worker, give it a job, wait no longer than the limit.

A worker starts from an environment in which no variable forces a slower rival,
with the number of threads fixed before anything is imported. The job goes in as
JSON on its standard input, the answer comes back as JSON on a private copy of its
standard output. While it works it notes on a *board*, a small file, what it is
doing; the parent reads the board now and then, so a kernel that hangs or crashes
can be named without a message having to be sent between two samples.
"""

from __future__ import annotations

import importlib
import importlib.util
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import IO, Any

import accel
from accel.timing import machine

#: Every library that counts threads reads one of these when it is imported.
THREAD_VARIABLES = (
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
    "BLIS_NUM_THREADS",
    "VECLIB_MAXIMUM_THREADS",
    "NUMBA_NUM_THREADS",
)

#: How often the parent looks at the board, in s: seldom enough to disturb nothing.
POLL_S = 0.25

#: Time for a worker to start and import, in s, on a cold disk.
START_LIMIT_S = 120


class WorkerFailed(RuntimeError):
    """A worker gave no result; `where` says what it was doing, `reason` what happened."""

    def __init__(self, where: Mapping[str, Any], reason: str):
        super().__init__(reason)
        self.where = dict(where)
        self.reason = reason


def resolve(target: str) -> Callable:
    """Import the function called ``module:function`` or ``file.py:function``.

    Raises
    ------
    ValueError
        If the name has another form, or names `__main__`, which a fresh process
        cannot import.
    AttributeError, ImportError
        If there is no such function or module.
    """
    place, colon, name = target.rpartition(":")
    if not colon or not place or not name.isidentifier():
        raise ValueError(
            f"{target!r} is not a kernel name; write module:function or file.py:function"
        )
    if place == "__main__":
        raise ValueError(
            f"{target!r} is defined in the script that is running, which a fresh process cannot "
            "import; put it into a file of its own and name it file.py:function"
        )
    module = _load_file(Path(place)) if place.endswith(".py") else importlib.import_module(place)
    if not hasattr(module, name):
        raise AttributeError(f"{Path(place).name} has no function {name!r}")
    return getattr(module, name)


def _load_file(path: Path):
    """Import a file once per process, under a name that depends on its whole path."""
    name = f"accel_file_{abs(hash(path.resolve())):x}_{path.stem}"
    if name not in sys.modules:
        spec = importlib.util.spec_from_file_location(name, path)
        if spec is None or not path.exists():
            raise ImportError(f"no file {path.name} to import a kernel from")
        module = importlib.util.module_from_spec(spec)
        sys.modules[name] = module  # before it runs: pickles and dataclasses look it up
        try:
            spec.loader.exec_module(module)
        except BaseException:
            del sys.modules[name]  # half a module must not be found the next time
            raise
    return sys.modules[name]


def environment(threads: int, process: int) -> tuple[dict[str, str], dict[str, str]]:
    """Return a worker's environment and the overrides that were removed from it.

    Parameters
    ----------
    threads : int
        Threads that every library may use.
    process : int
        Number of the process. The environment gets a block whose length depends
        on it: the environment lies above the stack, so its length moves every
        stack frame, and an accident of alignment is not repeated in all processes
        (Mytkowicz et al., "Producing wrong data without doing anything obviously
        wrong!", ASPLOS 2009).
    """
    environ, removed = machine.clean(os.environ)
    environ.update({variable: str(threads) for variable in THREAD_VARIABLES})
    environ["ACCEL_STACK_SHIFT"] = "x" * (process * 691 % 4096)
    package = str(Path(accel.__file__).resolve().parent.parent)
    environ["PYTHONPATH"] = os.pathsep.join(filter(None, [package, environ.get("PYTHONPATH")]))
    return environ, removed


def run(
    job: Mapping[str, Any],
    environ: Mapping[str, str],
    time_limit_s: float,
    watch: Callable[[Mapping[str, Any]], None] = lambda where: None,
) -> dict[str, Any]:
    """Run one job in a fresh process and return its answer.

    Parameters
    ----------
    job : mapping
        What `accel.timing.worker` reads.
    environ : mapping
        The worker's whole environment.
    time_limit_s : float
        Longest time between two notes on the board, in s.
    watch : callable
        Called with the board's contents whenever they have changed.

    Raises
    ------
    WorkerFailed
        If the worker raised, crashed, or stayed silent beyond the limit. It is
        dead by then.
    """
    with tempfile.TemporaryDirectory(prefix="accel-") as folder:
        board, question = Path(folder, "board"), Path(folder, "job")
        board.write_bytes(b"")
        # A file, since a pipe that is written and read by turns can block both ends.
        question.write_text(json.dumps(job), "utf-8")
        with question.open("rb") as stdin, Path(folder, "stderr").open("w+b") as stderr:
            with subprocess.Popen(
                [sys.executable, "-m", "accel.timing.worker", str(board)],
                stdin=stdin, stdout=subprocess.PIPE, stderr=stderr, env=dict(environ),
                start_new_session=True,  # so that what a kernel starts can be ended with it
            ) as process:  # fmt: skip
                try:
                    answer = _wait(process, board, time_limit_s, watch)
                finally:
                    end(process)
            complaint = _end_of(stderr)
        where = _read_board(board) or {"step": "start"}
    if process.returncode == 0 and answer:
        return json.loads(answer)
    raise WorkerFailed(where, _cause(process.returncode, answer, complaint))


def end(process: subprocess.Popen) -> None:
    """End a process that leads a group of its own, and every process that it started."""
    if os.name == "posix":
        # Nobody is left in the group; macOS refuses where only the dead are.
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL)
    process.kill()
    process.wait()


def _wait(process, board: Path, time_limit_s: float, watch) -> bytes:
    """Wait for the answer, as long as the board keeps changing."""
    seen: dict[str, Any] | None = None
    deadline = time.monotonic() + START_LIMIT_S
    while True:
        with suppress(subprocess.TimeoutExpired):  # still at work: look at the board
            answer, _ = process.communicate(timeout=POLL_S)
            return answer
        where = _read_board(board)
        if where and where != seen:
            seen = where
            deadline = time.monotonic() + time_limit_s
            watch(where)
        if time.monotonic() > deadline:
            limit = time_limit_s if seen else START_LIMIT_S
            raise WorkerFailed(seen or {"step": "start"}, f"did not return within {limit:g} s")


def _read_board(board: Path) -> dict[str, Any] | None:
    """Return what the worker noted last; None before its first note or amid one."""
    try:
        return json.loads(board.read_bytes())
    except json.JSONDecodeError:
        return None


def _end_of(file: IO[bytes], most: int = 4096) -> str:
    """Return the last of what a worker said; a kernel that prints may have said gigabytes."""
    file.seek(max(0, file.seek(0, os.SEEK_END) - most))
    return file.read().decode(errors="replace").strip()


def _cause(returncode: int, answer: bytes, complaint: str) -> str:
    """Say in one line why a worker gave no result."""
    if returncode == 1 and answer:
        return json.loads(answer)["failed"]
    last_line = complaint.splitlines()[-1] if complaint else "it said nothing"
    if returncode < 0:
        return f"crashed: {signal.Signals(-returncode).name} ({last_line})"
    return f"the process exited early with status {returncode} ({last_line})"
