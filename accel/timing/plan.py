"""What an experiment will do, decided before it starts: cases, protocol, time budget.

A plan is plain data. Its digest, together with the package's own and the
machine's fingerprint, says whether a record that exists still answers it.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from accel.timing import machine
from accel.timing.order import ORDERS
from accel.timing.stats import CONFIDENCE, fewest


@dataclass(frozen=True)
class Protocol:
    """How an experiment is run.

    Parameters
    ----------
    processes : int
        Fresh processes; each contributes one number to an interval, so there are
        at least as many as its coverage takes.
    rounds, min_rounds : int
        Most and fewest samples of each kernel in one process; the time budget
        decides between them.
    min_sample_ns : int
        Shortest sample. 0 times single calls, for warm-up curves.
    warmup_s : float
        Time each kernel is called before it is timed, in s.
    order : {"williams", "sequential"}
        See `accel.timing.order`.
    cache : {"warm", "cold"}
        Same buffers again, or caches emptied before each sample.
    threads : int
        Threads that each library may use.
    time_limit_s : float
        Longest a single step of a kernel may take, in s.
    """

    processes: int
    rounds: int
    min_rounds: int
    min_sample_ns: int
    warmup_s: float
    time_limit_s: float
    order: str = "williams"
    cache: str = "warm"
    threads: int = 1

    def __post_init__(self):
        for name, choices in (("order", ORDERS), ("cache", ("warm", "cold"))):
            if getattr(self, name) not in choices:
                raise ValueError(f"{name} must be one of {choices}, not {getattr(self, name)!r}")
        if self.processes < fewest(CONFIDENCE):
            raise ValueError(
                f"{self.processes} processes cannot support intervals of {CONFIDENCE}; "
                f"measure at least {fewest(CONFIDENCE)}"
            )
        for name in ("rounds", "min_rounds", "threads"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 1, not {getattr(self, name)}")


@dataclass(frozen=True)
class Profile:
    """How much time to spend: a protocol, and a factor on every time budget."""

    name: str
    protocol: Protocol
    budget_factor: float


PROFILES = {
    profile.name: profile
    for profile in (
        Profile("quick", Protocol(6, 12, 3, 1_000_000, 0.01, 60), 1),
        Profile("standard", Protocol(6, 36, 5, 10_000_000, 0.1, 60), 5),
        Profile("publish", Protocol(12, 48, 5, 10_000_000, 0.1, 60), 15),
    )
}


@dataclass(frozen=True)
class Case:
    """Kernels that compete on one input; plain data, since it crosses a process boundary.

    Parameters
    ----------
    operation : str
        Name of what is computed.
    parameters : mapping
        Keyword arguments of `inputs`.
    inputs, oracle : str
        ``module:function`` that makes the arguments, and that returns
        ``(expected, tolerance)`` for them.
    kernels : mapping
        Name to ``{"target", "adapt", "instrument", "story"}``.
    baseline : str
        The kernel that enters twice and that speed-ups refer to.
    flops, compulsory_bytes : int
        As declared by the operation.
    mutates : tuple of int
        Arguments that kernels change and that are put back before each call.
    """

    operation: str
    parameters: Mapping[str, Any]
    inputs: str
    oracle: str
    kernels: Mapping[str, Mapping[str, Any]]
    baseline: str
    flops: int = 0
    compulsory_bytes: int = 0
    mutates: tuple[int, ...] = ()

    def __post_init__(self):
        if self.baseline not in self.kernels:
            raise ValueError(
                f"baseline {self.baseline!r} is not among the kernels {', '.join(self.kernels)}"
            )


def profile(name: str | None = None) -> Profile:
    """Return a profile: the one named, or ``$ACCEL_PROFILE``, or "standard".

    Raises
    ------
    ValueError
        If there is none of that name.
    """
    name = name or os.environ.get("ACCEL_PROFILE") or "standard"
    if name not in PROFILES:
        raise ValueError(f"no profile {name!r}; choose one of {', '.join(PROFILES)}")
    return PROFILES[name]


@dataclass(frozen=True)
class Plan:
    """Everything that decides what an experiment measures."""

    experiment: str
    question: str
    script: str
    profile: str
    protocol: Protocol
    cases: tuple[Case, ...]
    budget_s: float
    machine: Mapping[str, Any] = field(default_factory=machine.describe)

    def digest(self) -> str:
        """Return the SHA-256 of question, cases, protocol, budget, and the files they name."""
        definition = {
            "question": self.question,
            "cases": [asdict(case) for case in self.cases],
            "protocol": asdict(self.protocol),
            "budget_s": self.budget_s,
            # A file that is missing is the worker's to complain about.
            "files": [p.read_text("utf-8") if p.exists() else None for p in self.files()],
        }
        return hashlib.sha256(json.dumps(definition, sort_keys=True).encode()).hexdigest()

    def files(self) -> list[Path]:
        """Return the files outside the package that functions are taken from."""
        targets = set()
        for case in self.cases:
            targets |= {case.inputs, case.oracle}
            for kernel in case.kernels.values():
                targets |= {kernel["target"], kernel["adapt"] or ""}
        places = sorted({target.rpartition(":")[0] for target in targets})
        return [Path(place) for place in places if place.endswith(".py")]


@cache
def package_digest() -> str:
    """Return the SHA-256 of every Python file of this package."""
    root = Path(__file__).resolve().parent.parent
    digest = hashlib.sha256()
    for path in sorted(root.rglob("*.py")):
        digest.update(path.relative_to(root).as_posix().encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()


def identity() -> dict[str, str]:
    """Return what makes two records comparable as the same code on the same machine."""
    here = machine.describe()
    return {
        "accel": package_digest(),
        "fingerprint": machine.fingerprint(here, machine.software()),
    }
