"""Experiments, one after the other: measured, or taken from what was kept.

A rival that raises or answers wrongly ends an experiment. It is then left out, by name and
with the reason, and the experiment begins again without it. Our own kernel is not excused.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import platformdirs

from accel.bench import peers, planning
from accel.bench.groups import group_of
from accel.bench.planning import OURS, Task
from accel.timing import experiment, isolate, machine
from accel.timing.experiment import MeasurementError
from accel.timing.records import Record


@dataclass(frozen=True)
class Request:
    """What is asked of `accel bench`.

    Parameters
    ----------
    tasks : sequence of Task
    profile : str
    peers : bool
        Whether all libraries compete, or NumPy alone.
    remeasure : bool
        Whether to measure what is there already.
    """

    tasks: Sequence[Task]
    profile: str = "standard"
    peers: bool = False
    remeasure: bool = False


@dataclass
class Outcome:
    """What came of a request, as it grows."""

    cards: list[dict[str, Any]] = field(default_factory=list)
    entries: list[dict[str, Any]] = field(default_factory=list)
    skipped: list[dict[str, str]] = field(default_factory=list)
    removed: dict[str, str] = field(default_factory=dict)


def folder_of(request: Request) -> Path:
    """Return where records of a request are kept.

    In ``$ACCEL_RESULTS``, or else the user's cache folder; apart by profile, and by whether
    all libraries competed: one run does not replace another's records.
    """
    base = os.environ.get("ACCEL_RESULTS") or platformdirs.user_cache_dir("accel")
    return Path(base) / "bench" / (request.profile + ("-peers" if request.peers else ""))


def measure(
    request: Request, told: Callable[[str, int], None] = lambda what, done: None
) -> Outcome:
    """Measure every task of a request.

    Parameters
    ----------
    told : callable
        ``told(what, done)`` before each task: what begins, and how many are done.
    """
    outcome, folder = Outcome(), folder_of(request)
    with without_overrides() as outcome.removed:
        told("the libraries that are here", 0)
        outcome.cards = cards(request)
        for done, task in enumerate(request.tasks):
            reason = planning.reason_to_skip(task)
            if reason:
                outcome.skipped.append({"operation": task.operation, "reason": reason})
                continue
            told(words(task), done)
            _measure_one(request, task, outcome, folder)
    return outcome


def words(task: Task) -> str:
    """Return a task in words: ``matmul, float32, 2 threads``."""
    threads = f"{task.threads} thread{'s' * (task.threads > 1)}"
    return f"{task.operation}, {task.dtype}, {threads}"


def cards(request: Request) -> list[dict[str, Any]]:
    """Return the card of each library that could compete, for the most threads asked for."""
    threads = max((task.threads for task in request.tasks), default=1)
    environ, _ = isolate.environment(threads, 0)
    names = peers.MODULES if request.peers else ("NumPy",)
    from accel.bench.peers import card

    return [card.of(name, threads, environ) for name in names]


def _measure_one(request: Request, task: Task, outcome: Outcome, folder: Path) -> None:
    """Measure a task without those rivals that fail, and add it to the outcome."""
    here = [card for card in outcome.cards if card["reason"] is None]
    dropped: dict[str, str] = {}
    while True:
        plan = planning.plan(task, request.profile, [c for c in here if c["name"] not in dropped])
        try:
            record = None if request.remeasure else experiment.fresh_record(plan, folder)
            record = record or experiment.run(plan, folder)
        except MeasurementError as error:
            rival = failing(str(error), [card["name"] for card in here])
            if rival is None or rival in dropped:
                outcome.skipped.append({"operation": task.operation, "reason": str(error)})
                return
            dropped[rival] = str(error)
            continue
        outcome.entries.append(entry(request.profile, task, record, dropped))
        return


def failing(message: str, names: Sequence[str]) -> str | None:
    """Return the library that an experiment's failure names; None if it is not one of these."""
    found = re.search(r": kernel ([^\s:]+)", message)
    return found[1] if found and found[1] in names else None


def entry(
    profile: str, task: Task, record: Record, dropped: Mapping[str, str]
) -> dict[str, Any]:
    """Return what is kept of one experiment, as plain data."""
    shapes = planning.shapes(task, profile, record.machine)
    places = [
        planning.place_of(case.compulsory_bytes, record.machine) for case in record.cases
    ]
    return {
        "operation": task.operation,
        "group": group_of(task.operation),
        "dtype": task.dtype,
        "threads": task.threads,
        "kernel": record.cases[0].story(OURS).partition(":")[0],
        "awkward": [shape.awkward for shape in shapes],
        "places": places,
        "dropped": dict(dropped),
        "record": record.data,
    }


@contextmanager
def without_overrides() -> Iterator[dict[str, str]]:
    """Take variables that slow a rival down from this process's environment meanwhile.

    Yields
    ------
    removed : dict
        Those that were set, also those that workers drop anyway.
    """
    extra = {name: os.environ[name] for name in peers.OVERRIDES if os.environ.get(name)}
    for name in extra:
        del os.environ[name]
    try:
        yield {**machine.overrides(os.environ), **extra}
    finally:
        os.environ.update(extra)
