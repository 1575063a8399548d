"""Records: what was measured, kept whole, so that everything printed follows from it.

One experiment is one JSON file. It holds every raw sample, what was run, on
which machine, with which libraries and by which protocol; figures, tables and
sentences are functions of it. A record is never changed, only replaced by a new
run. It names no host, no user and no path.
"""

from __future__ import annotations

import contextlib
import json
import os
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from accel.timing import json_files, noise, schema
from accel.timing.views import CaseView, Record, describe_parameters

__all__ = [
    "KIND", "SCHEMA", "CaseView", "Record", "RecordError", "describe_parameters", "load", "names",
    "path_of", "read", "read_folder", "replace_text", "results_folder", "summarise", "write",
    "write_text",
]  # fmt: skip

KIND = "accel-record"
SCHEMA = 1


class RecordError(ValueError):
    """A record cannot be used; the message names the file and says why."""


def summarise(
    case: Mapping[str, Any], steal: float | None, spare_core: bool = True
) -> dict[str, Any]:
    """Return a case with its derived values added: times, speed-ups, verdicts, stability.

    Parameters
    ----------
    case : mapping
        Raw case: description and samples.
    steal : float or None
        Share of time the hypervisor gave to others meanwhile.
    spare_core : bool
        Whether a core was left for everybody else. Where the kernels had them all, the
        system's own work interrupts them whenever there is any, both sides of a ratio
        alike: interruptions are recorded, and only the A/A interval judges.
    """
    view = CaseView(case)
    again = view.resolution
    disturbed = _disturbed(case)
    reasons = noise.complaints(again, steal, disturbed if spare_core else None)
    judged = CaseView({**case, "stable": not reasons, "reasons": reasons})
    kernels = {
        name: {
            **case["kernels"][name],
            "time_ns": judged.time_ns(name)._asdict(),
            "speedup": judged.speedup(name)._asdict(),
            "verdict": judged.verdict(name),
        }
        for name in judged.kernels
    }
    return {
        **judged.data,
        "kernels": kernels,
        "resolution": again._asdict(),
        "disturbed": disturbed,
    }


def _disturbed(case: Mapping[str, Any]) -> float | None:
    durations, switches = [], []
    for kernel in (*case["kernels"].values(), case["again"]):
        for process in kernel["processes"]:
            if process["involuntary_switches"] is None:
                return None
            durations += process["samples_ns"]
            switches += process["involuntary_switches"]
    return noise.disturbed_share(durations, switches)


def results_folder() -> Path:
    """Return where records live: ``$ACCEL_RESULTS``, or ``build/results`` here."""
    return Path(os.environ.get("ACCEL_RESULTS") or Path("build", "results"))


def path_of(experiment: str, folder: Path | None = None) -> Path:
    """Return the file of an experiment's record."""
    return (folder or results_folder()) / f"{experiment}.json"


def names(folder: Path | None = None) -> list[str]:
    """Return the experiments that have a record, sorted."""
    return sorted(path.stem for path in _files(folder or results_folder()))


def _files(folder: Path) -> list[Path]:
    """Return the JSON files of a folder by name; hidden ones are half-written or a system's."""
    return sorted(path for path in folder.glob("*.json") if not path.name.startswith("."))


def load(experiment: str, folder: Path | None = None) -> Record:
    """Return the record of an experiment from the results folder.

    Raises
    ------
    RecordError
        If there is none, it cannot be used, or it holds another experiment than
        its name says.
    """
    path = path_of(experiment, folder)
    if not path.exists():
        known = ", ".join(names(folder)) or "none yet: run `accel build`"
        raise RecordError(f"no record of experiment {experiment!r}; there are: {known}")
    record = read(path)
    if record.experiment != experiment:
        raise RecordError(_misnamed(path, record))
    return record


def _misnamed(path: Path, record: Record) -> str:
    return (
        f"{path.name}: holds experiment {record.experiment!r}, not what its name says; "
        "rename or delete it"
    )


def read_folder(folder: str | Path) -> dict[str, Record]:
    """Return every record of a folder, by file name, in the order of the names.

    A file whose name does not end in ``.json``, or is hidden, claims to be no
    record and is left alone. One that does must be a record: a comparison that
    skips a damaged one would call a change unseen that it has not looked at.

    Raises
    ------
    RecordError
        If the folder cannot be read, has no records, has a file that is none or
        has another's name, or two of the same experiment. All of them are named.
    """
    folder, found, faults = Path(folder), {}, []
    for path in _listed(folder):
        try:
            record = found[path.name] = read(path)
        except RecordError as error:
            faults.append(str(error))
            continue
        if record.experiment != path.stem:
            faults.append(_misnamed(path, record))
    by_experiment: dict[str, list[str]] = {}
    for name, record in found.items():
        by_experiment.setdefault(record.experiment, []).append(name)
    faults += [
        f"{' and '.join(files)} hold the same experiment {experiment!r}: keep one of them"
        for experiment, files in by_experiment.items()
        if len(files) > 1
    ]
    if faults:
        raise RecordError("; ".join(faults))
    return found


def _listed(folder: Path) -> list[Path]:
    try:
        files = _files(folder) if any(folder.iterdir()) else []
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise RecordError(f"{folder}: cannot be read: {reason}") from None
    if not files:
        raise RecordError(f"{folder}: no records here, expected files named experiment.json")
    return files


def read(path: str | Path) -> Record:
    """Read a record.

    Raises
    ------
    RecordError
        If the file cannot be read, is not JSON, not a record, of another schema,
        or damaged (see `accel.timing.json_files` and `accel.timing.schema`).
    """
    name = Path(path).name or str(path)
    try:
        data = json_files.read(Path(path))
    except json_files.Unreadable as error:
        raise RecordError(f"{name}: cannot be read: {error}") from None
    except json_files.Damaged as error:
        raise RecordError(f"{name}: not a record but damaged JSON ({error}); delete it") from None
    if not isinstance(data, dict) or data.get("kind") != KIND:
        raise RecordError(f"{name}: not a record (no kind {KIND!r})")
    if type(data.get("schema")) is not int or data["schema"] != SCHEMA:
        raise RecordError(f"{name}: {_other_schema(data)}")
    try:
        schema.check(data)
    except schema.Fault as fault:
        raise RecordError(f"{name}: damaged record: {fault}; delete it") from None
    return Record(data)


def _other_schema(data: Mapping[str, Any]) -> str:
    """Return what to do about a record that this version does not read."""
    if "schema" not in data:
        return f"record schema missing, this version reads {SCHEMA}; measure again"
    found = data["schema"]
    known = f"record schema {schema.shown(found)}, this version reads {SCHEMA}"
    if type(found) is not int:
        return f"{known}: not a schema at all; measure again"
    if found < SCHEMA:
        return f"{known}: it is older; measure again, or read it with the accel that wrote it"
    return f"{known}: it is newer; upgrade accel, or measure again"


def write(data: Mapping[str, Any], folder: Path | None = None) -> Path:
    """Write a record whole or not at all, and return its path.

    Raises
    ------
    RecordError
        If the folder cannot be written, or a value is no JSON; the message names it.
    """
    path = path_of(data["experiment"], folder)
    try:
        text = json.dumps(data, indent=1, allow_nan=False)
    except (TypeError, ValueError) as error:
        raise RecordError(f"cannot write record {path.name}: {error}") from error
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        replace_text(path, text + "\n")
    except OSError as error:
        raise RecordError(f"cannot write record {path}: {error.strerror}") from error
    return path


def write_text(path: Path, text: str) -> None:
    """Write what was made of records, whole or not at all, over a file or where none is.

    Raises
    ------
    RecordError
        If the path names a record, a folder, a pipe or a device, or the system refuses.
    """
    if os.path.exists(path):
        try:
            begin = json_files.read_bytes(path)[:1000]
        except json_files.Unreadable as error:
            raise RecordError(f"cannot write over {path}: {error}") from None
        if KIND.encode() in begin:
            raise RecordError(f"cannot write {path}: a record is there; choose another name")
    try:
        replace_text(path, text)
    except (OSError, ValueError) as error:  # ValueError: a null character in the path
        reason = getattr(error, "strerror", None) or error
        raise RecordError(f"cannot write {path}: {reason}") from None


def replace_text(path: Path, text: str) -> None:
    """Write a file beside its place, then move it there: never half a file."""
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        os.chmod(temporary, 0o644)
        os.replace(temporary, path)
    except BaseException:
        with contextlib.suppress(FileNotFoundError):  # interrupted after it was moved
            os.unlink(temporary)
        raise
