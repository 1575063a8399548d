"""One run of `accel bench`, kept whole in one file, so that pages follow from it.

The file holds the records of all experiments with every sample, the roofs, the accuracy
and the times of first calls: tables and sentences are computed from it when asked for. It
names no host, no user and no path.
"""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from accel.timing import json_files, records, schema
from accel.timing.records import CaseView, Record
from accel.timing.roofs import Roofs

KIND = "accel-bench"
SCHEMA = 1


class BenchError(ValueError):
    """The file of a run cannot be used; the message names it and says why."""


@dataclass(frozen=True)
class Measured:
    """One case of a run: its samples, and why it was measured."""

    entry: Entry
    case: CaseView
    place: str
    awkward: bool

    @property
    def in_cache(self) -> bool:
        """Whether some cache holds all that is touched."""
        return self.place != "memory"


@dataclass(frozen=True)
class Entry:
    """One experiment of a run: an operation, an element type, a number of threads."""

    data: Mapping[str, Any]

    @property
    def operation(self) -> str:
        return self.data["operation"]

    @property
    def group(self) -> str:
        return self.data["group"]

    @property
    def dtype(self) -> str:
        return self.data["dtype"]

    @property
    def threads(self) -> int:
        return self.data["threads"]

    @property
    def kernel(self) -> str:
        """Name of the kernel that was measured as ours."""
        return self.data["kernel"]

    @property
    def dropped(self) -> Mapping[str, str]:
        """Library -> why it was left out."""
        return self.data["dropped"]

    @property
    def record(self) -> Record:
        return Record(self.data["record"])

    @property
    def cases(self) -> list[Measured]:
        return [
            Measured(self, case, place, awkward)
            for case, place, awkward in zip(
                self.record.cases, self.data["places"], self.data["awkward"], strict=True
            )
        ]


@dataclass(frozen=True)
class Bench:
    """A whole run, read back."""

    data: Mapping[str, Any]

    @property
    def created(self) -> str:
        """When, in UTC, ISO 8601."""
        return self.data["created"]

    @property
    def profile(self) -> str:
        return self.data["profile"]

    @property
    def cards(self) -> list[Mapping[str, Any]]:
        """The libraries that could compete, absent ones with the reason."""
        return self.data["peers"]

    @property
    def peers(self) -> list[str]:
        """Names of the libraries that did compete."""
        return [card["name"] for card in self.cards if card["reason"] is None]

    @property
    def entries(self) -> list[Entry]:
        return [Entry(entry) for entry in self.data["entries"]]

    @property
    def cases(self) -> list[Measured]:
        return [case for entry in self.entries for case in entry.cases]

    @property
    def skipped(self) -> list[Mapping[str, str]]:
        return self.data["skipped"]

    @property
    def accuracy(self) -> list[Mapping[str, Any]]:
        """What `accel.bench.accuracy` found: a mapping per operation, type and competitor."""
        return self.data["accuracy"]

    @property
    def first_calls(self) -> list[Mapping[str, Any]]:
        """What `accel.bench.first_call` found: a mapping per operation."""
        return self.data["first_calls"]

    @property
    def roofs(self) -> Roofs | None:
        """The measured ceilings of the machine; None where they were not measured."""
        kept = self.data["roofs"]
        return Roofs(Record(kept["peak"]), Record(kept["bandwidth"])) if kept else None

    @property
    def removed(self) -> Mapping[str, str]:
        """Variables taken out of the environment, since they slow a rival down."""
        return self.data["removed_overrides"]


_LISTS = ("peers", "entries", "skipped", "accuracy", "first_calls")
_TEXTS = ("created", "profile")


def read(path: str | Path) -> Bench:
    """Read a run that ``accel bench --json`` wrote.

    Raises
    ------
    BenchError
        If the file cannot be read, is not of this kind or schema, or is damaged.
    """
    name = Path(path).name or str(path)
    try:
        data = json_files.read(Path(path))
    except json_files.Unreadable as error:
        raise BenchError(f"{name}: cannot be read: {error}") from None
    except json_files.Damaged as error:
        raise BenchError(f"{name}: damaged JSON ({error}); measure again") from None
    if not isinstance(data, dict) or data.get("kind") != KIND:
        raise BenchError(f"{name}: not a run of accel bench (no kind {KIND!r})")
    if data.get("schema") != SCHEMA:
        raise BenchError(
            f"{name}: schema {schema.shown(data.get('schema'))}, this version reads {SCHEMA}; "
            "measure again, or read it with the accel that wrote it"
        )
    _check(name, data)
    return Bench(data)


def _check(name: str, data: Mapping[str, Any]) -> None:
    """Raise unless all parts of a run are there, and its records are records."""
    lacking = [key for key in _LISTS if not isinstance(data.get(key), list)]
    lacking += [key for key in _TEXTS if not isinstance(data.get(key), str)]
    if lacking or "roofs" not in data or not isinstance(data.get("removed_overrides"), dict):
        raise BenchError(f"{name}: damaged: missing {', '.join(lacking) or 'roofs or overrides'}")
    wanted = ("operation", "group", "dtype", "threads", "kernel", "places", "awkward", "dropped",
              "record")  # fmt: skip
    parts = {}
    for number, entry in enumerate(data["entries"]):
        if not isinstance(entry, dict) or not set(wanted) <= set(entry):
            raise BenchError(f"{name}: damaged: entry {number} lacks one of {', '.join(wanted)}")
        parts[f"entry {number}"] = entry["record"]
    parts |= {f"roofs: {key}": record for key, record in (data["roofs"] or {}).items()}
    for place, record in parts.items():
        try:
            schema.check(record)
        except schema.Fault as fault:
            raise BenchError(f"{name}: damaged: {place}: {fault}") from None


def write(path: Path, data: Mapping[str, Any]) -> None:
    """Write a run, whole or not at all.

    Raises
    ------
    RecordError
        If the file cannot be written, or a record is there.
    """
    records.write_text(path, json.dumps(data, allow_nan=False) + "\n")


def check_writable(path: Path) -> None:
    """Raise if a file could not be written: before the measurement, not after it.

    Raises
    ------
    BenchError
    """
    if path.is_dir():
        raise BenchError(f"cannot write {path}: it is a folder, expected a file's name")
    try:
        handle, trial = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise BenchError(f"cannot write {path}: {reason}") from None
    os.close(handle)
    os.unlink(trial)
