"""What this computer is: processor, caches, memory, libraries, and what disturbs it.

Facts come from the kernel's own files, or on macOS from sysctl; a fact that is
not there is None, with the reason in words, never a guess. Nothing here names
the host, the user or a path, so every answer may be published.
"""

from __future__ import annotations

import hashlib
import json
import os
import platform
from collections.abc import Callable, Collection, Mapping
from importlib import metadata
from pathlib import Path
from typing import Any

from accel.timing.machine import linux, macos
from accel.timing.machine.card import card, counted, weather
from accel.timing.machine.overrides import OVERRIDES, clean, overrides

__all__ = [
    "OVERRIDES", "card", "clean", "describe", "fingerprint", "load", "overrides", "software",
    "steal_fraction", "warnings", "weather",
]  # fmt: skip

#: Load average per logical CPU above which somebody else's work is measured too.
BUSY = 0.5

#: Kernel families of OpenBLAS and BLIS, in small letters, that use no 512-bit vectors.
NARROW_FAMILIES = frozenset(
    ("prescott", "core2", "penryn", "nehalem", "barcelona", "bulldozer", "piledriver",
     "steamroller", "excavator", "sandybridge", "haswell", "zen", "zen2", "zen3", "generic")
)  # fmt: skip


def describe(
    *,
    system: str | None = None,
    architecture: str | None = None,
    root: Path = Path("/"),
    cpus: Collection[int] | None = None,
    sysctl: Callable[[], Mapping[str, str]] = macos.read_sysctl,
) -> dict[str, Any]:
    """Return what this computer is, as far as its system says.

    Parameters
    ----------
    system, architecture : str, optional
        Such as "Linux" and "x86_64"; those of this computer by default.
    root : Path
        Where the file system begins. Linux only.
    cpus : collection of int, optional
        Logical CPUs to describe; those that this process may use by default.
    sysctl : callable
        Returns sysctl's answers. macOS only.

    Returns
    -------
    dict
        Ready for JSON: ``system``, ``architecture``, ``model``,
        ``logical_cores``, ``physical_cores``, ``vector_features``,
        ``vector_bits``, ``caches`` (see `accel.timing.machine.linux.caches`),
        ``memory_bytes``, ``virtualised``, ``hypervisor``, ``governor``; None
        where unknown, and then ``unknown`` has the reason under the same name.

    Cost
    ----
    Milliseconds: about six small files per cache; one process on macOS.
    """
    system = system or platform.system()
    if system == "Linux":
        facts = linux.describe(root, usable_cpus() if cpus is None else cpus)
        reasons = linux.REASONS
    elif system == "Darwin":
        facts, reasons = macos.describe(sysctl()), macos.REASONS
    else:
        facts = dict.fromkeys(linux.REASONS)
        facts["logical_cores"] = os.cpu_count()
        reasons = dict.fromkeys(facts, f"this book asks Linux and macOS only, not {system}")
    return {
        "system": system,
        "architecture": architecture or platform.machine(),
        **facts,
        "unknown": {name: reasons[name] for name, value in facts.items() if value is None},
    }


def usable_cpus() -> frozenset[int]:
    """Return the logical CPUs that this process may use; empty where they have no numbers."""
    return frozenset(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else frozenset()


def software() -> dict[str, Any]:
    """Return the versions of what computes, and the BLAS actually running.

    Returns
    -------
    dict
        ``python``, ``numpy``, ``numba``, ``llvmlite``: versions, None where not
        installed. ``blas``: one dict per library loaded, with ``name``,
        ``version``, ``kernel_family`` (the processor its kernels are written
        for) and ``threads``, None where the library does not say.
    """
    import numpy as np  # loads its BLAS, so that there is one to ask
    from threadpoolctl import threadpool_info

    libraries = [
        {
            "name": library["internal_api"],
            "version": library["version"],
            "kernel_family": library.get("architecture"),
            "threads": library["num_threads"],
        }
        for library in threadpool_info()
        if library["user_api"] == "blas"
    ]
    if not libraries:  # Apple's Accelerate, for one: only NumPy's build knows of it
        built = np.show_config(mode="dicts")["Build Dependencies"]["blas"]
        unsaid = {"kernel_family": None, "threads": None}
        libraries = [{"name": built["name"], "version": built.get("version"), **unsaid}]
    versions = {name: version(name) for name in ("numpy", "numba", "llvmlite")}
    return {"python": platform.python_version(), **versions, "blas": libraries}


def version(distribution: str) -> str | None:
    """Return an installed distribution's version, without importing it."""
    try:
        return metadata.version(distribution)
    except metadata.PackageNotFoundError:
        return None


def load(*, root: Path = Path("/"), cpus: Collection[int] | None = None) -> dict[str, Any]:
    """Return facts that change while one looks: recorded, never in the fingerprint.

    Returns
    -------
    dict
        ``load_average``: runnable threads over 1, 5 and 15 minutes. ``ticks``:
        clock ticks that the CPUs ran, and that a hypervisor withheld from them.
        ``mhz``: their present clock, the middle one. ``cpu_quota``: CPUs' worth
        of time that the control group may use. None where unknown or unlimited.
    """
    averages = list(os.getloadavg()) if hasattr(os, "getloadavg") else None
    facts = linux.load(root, usable_cpus() if cpus is None else cpus)
    return {"load_average": averages, **facts}


def steal_fraction(before: Mapping[str, Any], after: Mapping[str, Any]) -> float | None:
    """Return the share of wanted CPU time that a hypervisor gave to others.

    Idle time counts neither way: one busy core of sixty-four that loses a tenth
    of its time has lost a tenth.

    Parameters
    ----------
    before, after : mapping
        Two answers of `load`, in the order they were taken.

    Returns
    -------
    float or None
        0 to 1; None where the system does not count it.
    """
    if before["ticks"] is None or after["ticks"] is None:
        return None
    stolen = after["ticks"]["stolen"] - before["ticks"]["stolen"]
    busy = after["ticks"]["busy"] - before["ticks"]["busy"]
    return stolen / (stolen + busy) if stolen > 0 else 0.0


def fingerprint(machine: Mapping[str, Any], software: Mapping[str, Any]) -> str:
    """Return 16 hexadecimal digits that change when measurements may.

    They cover model, cache sizes, vector features and library versions: neither
    clock, load and threads, which change by the minute, nor memory.
    """
    cache_sizes = {(c["level"], c["type"], c["size_bytes"]) for c in machine["caches"] or []}
    identity = {
        "model": machine["model"],
        "caches": sorted(cache_sizes, key=repr),
        "vector_features": machine["vector_features"],
        "versions": {name: software[name] for name in ("python", "numpy", "numba", "llvmlite")},
        "blas": sorted({(b["name"], b["version"]) for b in software["blas"]}, key=repr),
    }
    text = json.dumps(identity, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def warnings(
    machine: Mapping[str, Any],
    software: Mapping[str, Any],
    environ: Mapping[str, str],
    load: Mapping[str, Any],
) -> list[str]:
    """Return what makes measurements here slow, unfair or unsteady, and what to do.

    Parameters
    ----------
    machine, software, load : mapping
        Answers of `describe`, `software` and `load`.
    environ : mapping of str to str
        The surrounding shell's environment, such as ``os.environ``.

    Returns
    -------
    list of str
        One line each; empty if nothing is wrong.
    """
    found = [
        f"{name}={value} is set: {OVERRIDES[name]}. The book's measurements run without it; "
        f"for your own, `unset {name}`."
        for name, value in overrides(environ).items()
    ]
    found += [
        f"NumPy's BLAS runs its {library['kernel_family']} kernels, which leave the 512-bit "
        "vectors of this processor unused. Remove what forces them, or upgrade NumPy."
        for library in software["blas"]
        if machine["vector_bits"] == 512
        and (library["kernel_family"] or "").lower() in NARROW_FAMILIES
    ]
    if "powersave" in (machine["governor"] or ""):
        found.append(
            "The clock governor is 'powersave': the clock rises late or not at all. "
            "Before measuring, `sudo cpupower frequency-set -g performance`."
        )
    if machine["virtualised"]:
        found.append(
            "This is a virtual machine: its host can take the processor away and may report "
            "caches that are not there. Trust intervals, not single runs."
        )
    return found + _crowding(machine["logical_cores"], load)


def _crowding(cores: int | None, load: Mapping[str, Any]) -> list[str]:
    found = []
    average = load["load_average"][0] if load["load_average"] else 0
    if cores and average > BUSY * cores:
        found.append(
            f"Load average {average:.1f} on {counted(cores, 'CPU')}: other programs are running. "
            "Close them, or wait a minute if they were yours."
        )
    quota = load["cpu_quota"]
    if cores and quota and quota < cores:
        found.append(
            f"This container may use {quota:g} of {counted(cores, 'CPU')}' time and stands still "
            "when that is spent. Start it without a CPU limit to measure."
        )
    return found
