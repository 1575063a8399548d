"""A whole run of `accel bench`: experiments, accuracy, first calls, roofs, in one object."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from accel.bench import accuracy, first_call, measuring, planning
from accel.bench.measuring import Outcome, Request
from accel.bench.planning import Task
from accel.bench.results import KIND, SCHEMA, Bench
from accel.timing import json_files, machine, records
from accel.timing import roofs as ceilings
from accel.timing.experiment import MeasurementError
from accel.timing.plan import PROFILES, identity
from accel.timing.records import RecordError

#: ``told(what, done)``: what begins now, and how many steps are done.
Told = Callable[[str, int], None]


def steps(request: Request) -> int:
    """Return how many steps a run takes: each task is measured, then called for the first time."""
    return 2 * len(request.tasks) + 2


def budget_s(request: Request) -> float:
    """Return about how long the experiments take at most, in s."""
    return len(request.tasks) * planning.BUDGET_S * PROFILES[request.profile].budget_factor


def run(request: Request, told: Told = lambda what, done: None) -> Bench:
    """Measure everything that is asked for, or take it from what was kept.

    Parameters
    ----------
    request : Request
    told : callable
        Called before each step.
    """
    told("the roofs of this machine", 0)
    outcome = Outcome()
    kept_roofs = _roofs(outcome)
    found = measuring.measure(request, lambda what, done: told(what, 1 + done))
    found.skipped = outcome.skipped + found.skipped
    measured = [
        Task(entry["operation"], entry["dtype"], entry["threads"]) for entry in found.entries
    ]
    here = [card for card in found.cards if card["reason"] is None]
    folder, done = measuring.folder_of(request), 1 + len(request.tasks)
    told("accuracy", done)
    with measuring.without_overrides():
        errors = _kept(
            folder / "accuracy.json", [measured, here, request.profile], request.remeasure,
            lambda: accuracy.of(measured, here, request.profile) if measured else [],
        )  # fmt: skip
        calls = []
        for number, task in enumerate(measured):
            told(f"first call of {task.operation}", done + 1 + number)
            name = f"first_call_{task.operation}_{task.dtype}_{task.threads}.json"
            make = _first_call(task, request.profile)
            calls.append(_kept(folder / name, [request.profile], request.remeasure, make))
    return Bench(_as_data(request, found, errors, calls, kept_roofs))


def _first_call(task: Task, profile: str) -> Callable[[], Any]:
    return lambda: first_call.of(task, profile)


def _roofs(outcome: Outcome) -> dict[str, Any] | None:
    """Return the records of the roofs; None where they cannot be had, and then why is kept."""
    try:
        found = ceilings.here()
    except (ceilings.RoofError, MeasurementError, RecordError) as error:
        outcome.skipped.append({"operation": "roofs", "reason": str(error)})
        return None
    return {"peak": found.peak.data, "bandwidth": found.bandwidth.data}


def _kept(path: Path, key: Sequence[Any], remeasure: bool, make: Callable[[], Any]) -> Any:
    """Return what was kept for this code, machine and key, or make and keep it."""
    whole = json.dumps([identity(), key], default=vars, sort_keys=True)
    digest = hashlib.sha256(whole.encode()).hexdigest()
    if not remeasure and path.exists():
        try:
            held = json_files.read(path)
        except (json_files.Unreadable, json_files.Damaged):
            held = {}  # made again below
        if isinstance(held, dict) and held.get("of") == digest:
            return held["found"]
    found = make()
    path.parent.mkdir(parents=True, exist_ok=True)
    records.replace_text(path, json.dumps({"of": digest, "found": found}))
    return found


def _as_data(
    request: Request,
    outcome: Outcome,
    errors: list[dict[str, Any]],
    calls: list[dict[str, Any]],
    kept_roofs: dict[str, Any] | None,
) -> dict[str, Any]:
    here, software = machine.describe(), machine.software()
    return {
        "kind": KIND,
        "schema": SCHEMA,
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
        "profile": request.profile,
        "machine": here,
        "software": software,
        "fingerprint": machine.fingerprint(here, software),
        "peers": [{k: v for k, v in c.items() if k != "operations"} for c in outcome.cards],
        "entries": outcome.entries,
        "skipped": outcome.skipped,
        "accuracy": errors,
        "first_calls": calls,
        "roofs": kept_roofs,
        "removed_overrides": outcome.removed,
    }
