"""The other end of `isolate`: a fresh process that checks, warms up and times.

``python -m accel.timing.worker BOARD`` reads one job from standard input and
writes one answer. What kernels print goes to standard error, so that it cannot
be mistaken for the answer. Nothing is caught here: an error ends the process,
after `sys.excepthook` has put it into the answer.
"""

from __future__ import annotations

import ctypes
import gc
import json
import os
import signal
import sys
import textwrap
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, BinaryIO

import numpy as np

from accel.agreement import difference
from accel.timing import clock, machine, memory, order, rest, sample
from accel.timing.isolate import resolve

#: Letters of an error that are passed on: compilers write pages.
LONGEST_REASON = 600

#: Time of the calls that come before a turn on several threads, in ns. A thread that wakes
#: begins where it slept; if somebody is at work there, the system puts it elsewhere at one of
#: its next ticks.
SETTLED_NS = 10_000_000


class WrongAnswer(ValueError):
    """A kernel's result leaves the tolerance around the float64 reference."""


@dataclass
class Competitor:
    """One kernel, ready to be called."""

    name: str
    function: Callable
    arguments: tuple
    pristine: list
    first_call_ns: int = 0
    loops: int = 1

    def sample(self, loops: int) -> int:
        """Return the time of `loops` calls, in ns."""
        if any(original is not None for original in self.pristine):
            return sample.sample_restored_ns(self.function, self.arguments, self.pristine, loops)
        return sample.sample_ns(self.function, self.arguments, loops)

    def restore(self) -> None:
        """Put back the arguments that the kernel changes."""
        sample.restore(self.arguments, self.pristine)

    def step_up(self, protocol: Mapping[str, Any]) -> None:
        """Make ready for a turn: with several threads, let others' sleep and wake one's own.

        A warm-up curve, which has no shortest sample, must show its calls as they come.
        """
        if protocol["threads"] > 1 and protocol["min_sample_ns"]:
            rest.wait_for_rest()
            taken = 0
            while taken < SETTLED_NS:
                taken += self.sample(1)


class Board:
    """The note that says what this process is doing; see `isolate`."""

    def __init__(self, file: BinaryIO):
        self._file = file  # unbuffered
        self._count = 0

    def note(self, **where: Any) -> None:
        # Padded and written at once: a reader sees a whole note, and no system
        # call but this one. The count makes two equal notes differ.
        self._count += 1
        line = json.dumps({**where, "note": self._count}).encode().ljust(512)
        self._file.seek(0)
        self._file.write(line)


def switches() -> int | None:
    """Return how often the scheduler took the core away so far; None if not told."""
    if resource is None:
        return None
    return resource.getrusage(resource.RUSAGE_SELF).ru_nivcsw


try:
    import resource
except ImportError:  # Windows
    resource = None


def prepare(
    case: Mapping[str, Any], index: int, board: Board
) -> tuple[list[Competitor], tuple[np.ndarray, Any]]:
    """Make inputs, call every kernel once, and refuse a wrong answer.

    Returns
    -------
    competitors : list of Competitor
    truth : tuple
        The right answer and its tolerance.
    """
    board.note(case=index, step="make inputs")
    arguments = resolve(case["inputs"])(**case["parameters"])
    expected, tolerance = resolve(case["oracle"])(*arguments)
    originals = [np.copy(a) if isinstance(a, np.ndarray) else None for a in arguments]
    competitors = []
    for name, kernel in case["kernels"].items():
        board.note(case=index, kernel=name, step="first call")
        for i in {*case["mutates"], len(arguments) - 1}:
            np.copyto(arguments[i], originals[i])
        own = resolve(kernel["adapt"])(*arguments) if kernel["adapt"] else arguments
        pristine = [originals[i] if i in case["mutates"] else None for i in range(len(own))]
        competitor = Competitor(name, resolve(kernel["target"]), own, pristine)
        competitor.first_call_ns = competitor.sample(1)
        judge(competitor, expected, tolerance)
        guard_inputs(competitor, arguments, originals, case["mutates"])
        competitors.append(competitor)
    return competitors, (expected, tolerance)


def judge(competitor: Competitor, expected: np.ndarray, tolerance) -> None:
    """Raise if the result in the last argument is wrong.

    Raises
    ------
    WrongAnswer
    """
    complaint = difference(np.asarray(competitor.arguments[-1]), expected, tolerance)
    if complaint:
        raise WrongAnswer(f"wrong answer: {complaint}")


def guard_inputs(competitor, arguments, originals, mutates) -> None:
    """Raise if a kernel changed an input that it was to read.

    Raises
    ------
    WrongAnswer
    """
    for i, (argument, original) in enumerate(zip(arguments[:-1], originals[:-1], strict=True)):
        if original is None or i in mutates:
            continue
        if not np.array_equal(argument, original, equal_nan=argument.dtype.kind == "f"):
            raise WrongAnswer(f"changed argument {i}, which it may only read")


def settle(
    competitor: Competitor, index: int, protocol: Mapping[str, Any], tools: Mapping[str, Any]
) -> int:
    """Warm a kernel up, choose its loop count, and return how long a turn takes, in ns.

    A turn is a sample and what happens off the clock for it: it spends the budget too.

    Raises
    ------
    ValueError
        If a cold sample, which is one call, is too short for the clock.
    """

    def noted_sample(loops: int) -> int:  # the time limit holds for each sample, not for all
        tools["board"].note(case=index, kernel=competitor.name, step="warm-up")
        return competitor.sample(loops)

    competitor.step_up(protocol)
    sample.warm_up(noted_sample, protocol["warmup_s"])
    shortest = clock.STEPS_PER_SAMPLE * tools["clock"]["resolution_ns"]
    cold = protocol["cache"] == "cold"
    if not cold:
        if not protocol["min_sample_ns"]:  # a warm-up curve: the second call is its first point
            return competitor.first_call_ns
        target = max(protocol["min_sample_ns"], shortest)
        competitor.loops = sample.calibrate(noted_sample, target)
    begun = clock.perf_counter_ns()
    competitor.step_up(protocol)
    if cold:
        sample.evict(tools["eviction"])
    elapsed = noted_sample(competitor.loops)
    if cold and elapsed < shortest:
        raise ValueError(
            f"one cold call takes {elapsed} ns, the clock needs {shortest} ns; use a larger case"
        )
    return clock.perf_counter_ns() - begun


def align(competitors: list[Competitor], baseline: str) -> None:
    """Give competitors about as fast as the baseline its loop count; see `sample.aligned`."""
    names = [competitor.name for competitor in competitors]
    counts = sample.aligned([c.loops for c in competitors], names.index(baseline))
    for competitor, loops in zip(competitors, counts, strict=True):
        competitor.loops = loops


def race(
    entries: list[Competitor],
    turns: list[int],
    index: int,
    protocol: Mapping[str, Any],
    board: Board,
    eviction: np.ndarray | None,
) -> list[dict[str, Any]]:
    """Take every entry's samples in the given order of turns."""
    taken: list[dict[str, Any]] = [
        {
            "first_call_ns": entry.first_call_ns,
            "loops": entry.loops,
            "samples_ns": [],
            "involuntary_switches": [] if resource else None,
        }
        for entry in entries
    ]
    with sample.garbage_collector_off():
        # A compiler leaves some hundred thousand objects that never become garbage. Walking
        # through them takes longer than many cases do: later collections pass them over.
        gc.freeze()
        for turn in turns:
            entry = entries[turn]
            board.note(case=index, kernel=entry.name, step="timing")
            entry.step_up(protocol)
            if eviction is not None:
                sample.evict(eviction)
            before = switches()
            elapsed = entry.sample(entry.loops)
            after = switches()
            if elapsed == 0:
                raise clock.ClockError(
                    "a sample took no time by this clock; raise min_sample_ns, or the size"
                )
            taken[turn]["samples_ns"].append(elapsed)
            if before is not None:
                taken[turn]["involuntary_switches"].append(after - before)
    return taken


def run_case(job: Mapping[str, Any], index: int, share_ns: float, tools: Mapping) -> dict[str, Any]:
    """Measure one case in about `share_ns`, and return its samples."""
    case, protocol, board = job["cases"][index], job["protocol"], tools["board"]
    begun = clock.perf_counter_ns()
    competitors, truth = prepare(case, index, board)
    round_ns = 0
    for competitor in competitors:
        lasts = settle(competitor, index, protocol, tools)
        round_ns += lasts * (2 if competitor.name == case["baseline"] else 1)
    align(competitors, case["baseline"])
    left_ns = share_ns - (clock.perf_counter_ns() - begun)
    rounds = max(protocol["min_rounds"], min(protocol["rounds"], int(left_ns / max(round_ns, 1))))
    # The baseline enters twice: what separates it from itself is the noise floor.
    again = next(c for c in competitors if c.name == case["baseline"])
    entries = [*competitors, again]
    first = order.first_row(len(entries), rounds, job["process"])
    turns = order.schedule(protocol["order"], len(entries), rounds, first)
    taken = race(entries, turns, index, protocol, board, tools["eviction"])
    accounts = {}
    if job["process"] == 0:  # tracing slows the interpreter down, so one process does it
        for competitor in competitors:
            board.note(case=index, kernel=competitor.name, step="memory pass")
            accounts[competitor.name] = memory.account(
                competitor.function, competitor.arguments, competitor.restore
            )
            judge(competitor, *truth)  # right the first time is not enough
    return {
        "kernels": {c.name: result for c, result in zip(competitors, taken, strict=False)},
        "again": taken[-1],
        "memory": accounts,
    }


def verify_threads(software: Mapping[str, Any], threads: int) -> None:
    """Raise if a library uses more threads than it was told.

    Raises
    ------
    RuntimeError
    """
    for library in software["blas"]:
        if library["threads"] is not None and library["threads"] > threads:
            raise RuntimeError(
                f"{library['name']} runs {library['threads']} threads, expected {threads}"
            )


def run_job(job: Mapping[str, Any], board: Board) -> dict[str, Any]:
    """Measure all cases of a job, sharing its time among them."""
    begun = clock.perf_counter_ns()
    protocol = job["protocol"]
    tools = {"board": board, "clock": sample.describe_clock(), "eviction": None}
    if protocol["cache"] == "cold":
        tools["eviction"] = sample.eviction_buffer(job["last_level_bytes"])
    cases = []
    for index in range(len(job["cases"])):
        left_ns = job["budget_s"] * 1e9 - (clock.perf_counter_ns() - begun)
        cases.append(run_case(job, index, left_ns / (len(job["cases"]) - index), tools))
    software = machine.software()
    verify_threads(software, protocol["threads"])
    return {
        "cases": cases,
        "clock": tools["clock"],
        "software": software,
        "peak_resident_bytes": memory.peak_resident_bytes(),
    }


def die_with_parent() -> None:
    """Ask the kernel to end this process with its parent, however that ends. Linux only."""
    if sys.platform == "linux":
        PR_SET_PDEATHSIG = 1
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


def main() -> None:
    die_with_parent()
    answer = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)

    def report(kind, error, trace) -> None:
        reason = str(error) if kind is WrongAnswer else f"raised {kind.__name__}: {error}"
        answer.write(json.dumps({"failed": textwrap.shorten(reason, LONGEST_REASON)}))
        answer.flush()

    sys.excepthook = report
    job = json.load(sys.stdin)
    with open(sys.argv[1], "r+b", buffering=0) as file:
        board = Board(file)
        board.note(step="start")
        answer.write(json.dumps(run_job(job, board)))
    answer.flush()


if __name__ == "__main__":
    main()
