"""One experiment: cases and a protocol in, a record out.

`measure` is the one function that a gallery script calls. It runs the cases in
several fresh processes, one after the other, and writes the record. If a record
of the same experiment, code, machine and profile is there already, it is
returned instead: editing prose measures nothing.
"""

from __future__ import annotations

import json
import math
import os
import re
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from accel.timing import isolate, machine, records
from accel.timing.isolate import WorkerFailed
from accel.timing.plan import Case, Plan, identity, profile
from accel.timing.records import Record, RecordError, describe_parameters
from accel.timing.stats import median


class MeasurementError(RuntimeError):
    """An experiment failed; one line names script, experiment, kernel, case and reason."""


def measure(
    experiment: str,
    question: str,
    cases: Sequence[Case],
    *,
    budget_s: float,
    folder: Path | None = None,
    **changes: Any,
) -> Record:
    """Measure an experiment, or return its record if nothing has changed since.

    Parameters
    ----------
    experiment : str
        Name such as ``"block_it.ladder"``: page, dot, experiment.
    question : str
        What it asks, in one sentence.
    cases : sequence of Case
        Each process measures all of them.
    budget_s : float
        Time to spend under the quick profile, in s; the others multiply it. Kept
        by taking fewer rounds, down to the profile's fewest.
    folder : Path, optional
        Where the record is looked for and written; the results folder by default.
    **changes
        Fields of `Protocol` that differ from the profile's.

    Raises
    ------
    MeasurementError
        If a kernel raises, answers wrongly, crashes, or does not return in time.
    RecordError
        If the record cannot be written, or the one that is there cannot be used.
    ValueError
        If the name, the cases or the changes are not as described.
    """
    if not re.fullmatch(r"[a-z0-9_]+\.[a-z0-9_]+", experiment):
        raise ValueError(f"experiment {experiment!r} must look like page.experiment, in lower case")
    if not cases:
        raise ValueError(f"experiment {experiment!r} has no cases, expected at least one")
    chosen = profile()
    plan = Plan(
        experiment=experiment,
        question=question,
        script=Path(sys.argv[0]).name if sys.argv and sys.argv[0] else "interactive",
        profile=chosen.name,
        protocol=replace(chosen.protocol, **changes),
        cases=tuple(cases),
        budget_s=budget_s * chosen.budget_factor,
    )
    try:
        current = fresh_record(plan, folder)
        if current is None:
            return run(plan, folder)
    except RecordError as error:
        announce("error", plan, message=f"{plan.script}: {error}")
        raise
    announce("fresh", plan)
    return current


def fresh_record(plan: Plan, folder: Path | None = None) -> Record | None:
    """Return the existing record if it was made by this plan, code, machine and profile."""
    remeasure = os.environ.get("ACCEL_REMEASURE") == "1"
    if remeasure or not records.path_of(plan.experiment, folder).exists():
        return None
    record = records.load(plan.experiment, folder)
    now = identity()
    same = (
        record.data["sources"] == {"accel": now["accel"], "definition": plan.digest()}
        and record.fingerprint == now["fingerprint"]
        and record.profile == plan.profile
    )
    return record if same else None


def run(plan: Plan, folder: Path | None = None) -> Record:
    """Run a plan in fresh processes and write its record."""
    begun, load_before = time.monotonic(), machine.load()
    announce("begin", plan)
    answers, removed = [], {}
    for process in range(plan.protocol.processes):
        environ, removed = isolate.environment(plan.protocol.threads, process)
        left_s = plan.budget_s - (time.monotonic() - begun)
        job = {
            "process": process,
            "protocol": asdict(plan.protocol),
            "cases": [asdict(case) for case in plan.cases],
            "budget_s": left_s / (plan.protocol.processes - process),
            "last_level_bytes": last_level_bytes(plan.machine),
        }

        def watch(where: Mapping[str, Any], process: int = process) -> None:
            done = (process + where.get("case", 0) / len(plan.cases)) / plan.protocol.processes
            announce("progress", plan, done=done)

        try:
            answers.append(isolate.run(job, environ, plan.protocol.time_limit_s, watch))
        except WorkerFailed as failure:
            raise failed(plan, failure) from None
    steal = machine.steal_fraction(load_before, machine.load())
    data = assemble(plan, answers, removed, steal, time.monotonic() - begun)
    records.write(data, folder)
    announce("end", plan, elapsed_s=data["elapsed_s"])
    return Record(data)


def failed(plan: Plan, failure: WorkerFailed) -> MeasurementError:
    """Return the error that names script, experiment, kernel, case and reason in one line."""
    where = failure.where
    place = f"{plan.script}: {plan.experiment}: "
    if "kernel" in where:
        place += f"kernel {where['kernel']}"
    else:
        place += where["step"]
    if "case" in where:
        place += f" at {describe_parameters(plan.cases[where['case']].parameters)}"
    line = f"{place}: {failure.reason}"
    announce("error", plan, message=line)
    return MeasurementError(line)


def assemble(
    plan: Plan,
    answers: list[Mapping],
    removed: Mapping[str, str],
    steal: float | None,
    elapsed_s: float,
) -> dict[str, Any]:
    """Return the record of a plan from the answers of its processes."""
    here = identity()  # as `fresh_record` will ask for it: by the libraries of this process
    spare_core = plan.protocol.threads < (plan.machine.get("logical_cores") or math.inf)
    cases = []
    for index, case in enumerate(plan.cases):
        shares = [answer["cases"][index] for answer in answers]
        kernels = {
            name: {
                "target": Path(kernel["target"]).name,
                "instrument": kernel["instrument"],
                "story": kernel["story"],
                "memory": shares[0]["memory"][name],
                "peak_alloc_bytes": shares[0]["memory"][name]["peak_alloc_bytes"],
                "processes": [share["kernels"][name] for share in shares],
            }
            for name, kernel in case.kernels.items()
        }
        raw = {
            "operation": case.operation,
            "parameters": dict(case.parameters),
            "flops": case.flops,
            "compulsory_bytes": case.compulsory_bytes,
            "baseline": case.baseline,
            "kernels": kernels,
            "again": {"processes": [share["again"] for share in shares]},
        }
        cases.append(records.summarise(raw, steal, spare_core))
    return {
        "kind": records.KIND,
        "schema": records.SCHEMA,
        "experiment": plan.experiment,
        "question": plan.question,
        "script": plan.script,
        "profile": plan.profile,
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
        "elapsed_s": round(elapsed_s, 2),
        "budget_s": plan.budget_s,
        "sources": {"accel": here["accel"], "definition": plan.digest()},
        "machine": plan.machine,
        "fingerprint": here["fingerprint"],
        "software": {**answers[0]["software"], "removed_overrides": dict(removed)},
        "clock": {
            key: median([answer["clock"][key] for answer in answers]) for key in answers[0]["clock"]
        },
        "protocol": {**asdict(plan.protocol), "garbage_collector": "off while timing"},
        "steal": steal,
        "peak_resident_bytes": max((a["peak_resident_bytes"] or 0 for a in answers)) or None,
        "cases": cases,
    }


def last_level_bytes(facts: Mapping[str, Any]) -> int:
    """Return the size of the last-level cache, or 64 MiB where it is unknown."""
    sizes = [entry["size_bytes"] for entry in facts.get("caches") or [] if entry["size_bytes"]]
    return max(sizes, default=64 * 2**20)


def announce(event: str, plan: Plan, **facts: Any) -> None:
    """Tell whoever watches what is going on.

    With ``$ACCEL_PROGRESS`` set, append one JSON line to that file, for the
    progress bar of ``accel build``; otherwise keep a line on a terminal.
    """
    path = os.environ.get("ACCEL_PROGRESS")
    if path:
        line = {"event": event, "experiment": plan.experiment, "script": plan.script, **facts}
        with open(path, "a", encoding="utf-8") as file:
            file.write(json.dumps({**line, "budget_s": plan.budget_s}) + "\n")
    elif sys.stderr.isatty():
        share = f"{facts['done']:4.0%}" if "done" in facts else event
        end = "\n" if event in ("end", "fresh", "error") else ""
        print(f"\r{plan.experiment}: {share:<8}", end=end, file=sys.stderr, flush=True)
