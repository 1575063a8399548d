"""What one call does to memory, in a separate pass that is never timed.

No single number tells. Each of these sees what another misses, and `FIELDS`
says for each what that is; nothing is published without that label.
"""

from __future__ import annotations

import sys
import tracemalloc
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

try:
    import resource
except ImportError:  # Windows
    resource = None

#: Writing 5 here sets the kernel's high-water mark back to what is resident now.
_CLEAR_REFS, _STATUS = Path("/proc/self/clear_refs"), Path("/proc/self/status")
_RESET_HIGH_WATER = b"5"

#: The highest mark before it was last set back, in bytes: getrusage forgets it.
_highest = 0


class Field(NamedTuple):
    """One number of an account: what it is, and what it can and cannot see."""

    label: str
    sees: str
    misses: str


FIELDS: Mapping[str, Field] = {
    "peak_alloc_bytes": Field(
        "Allocated at the peak",
        "Python objects and NumPy buffers that the call held at once, beyond its arguments",
        "work space of BLAS, arrays that compiled code allocates for itself",
    ),
    "held_bytes": Field(
        "Still allocated afterwards",
        "Python objects and NumPy buffers that outlive the call: results, caches",
        "what BLAS and compiled code keep",
    ),
    "minor_faults": Field(
        "Page faults",
        "pages that the kernel had to provide: first touches of fresh memory, by whoever",
        "memory that the allocator gives again without asking the kernel",
    ),
    "major_faults": Field(
        "Page faults from disk",
        "pages that had to be read from disk",
        "files that are in the page cache already",
    ),
    "resident_growth_bytes": Field(
        "Growth of resident memory",
        "every page, by Python, BLAS or compiled code, above what was resident before the call",
        "reuse of pages that were resident but free; parts of a page",
    ),
}


def account(
    function: Callable, arguments: Sequence, restore: Callable[[], None] = lambda: None
) -> dict[str, int | None]:
    """Return what one call does to memory.

    Parameters
    ----------
    restore : callable
        Called before each call, to put back arguments that the function changes.

    Returns
    -------
    dict
        The numbers that `FIELDS` describes, in bytes or as counts; None where the
        system does not tell.

    Cost
    ----
    Two calls: one that the kernel watches, one that `tracemalloc` watches. The
    latter is slow, and its own book-keeping would count as page faults.
    """
    restore()
    resident, faults = _high_water_reset(), _faults()
    function(*arguments)
    faults_after, high_water = _faults(), _status_bytes("VmHWM")
    restore()
    peak, held = _traced(function, arguments)
    minor, major = (b - a for a, b in zip(faults, faults_after, strict=True)) if faults else (None, None)
    grown = None if resident is None or high_water is None else max(0, high_water - resident)
    return {
        "peak_alloc_bytes": peak,
        "held_bytes": held,
        "minor_faults": minor,
        "major_faults": major,
        "resident_growth_bytes": grown,
    }


def _traced(function: Callable, arguments: Sequence) -> tuple[int, int]:
    """Return what one call held at most, and what it left behind, in bytes."""
    tracemalloc.start()
    try:
        before, _ = tracemalloc.get_traced_memory()
        tracemalloc.reset_peak()
        result = function(*arguments)  # kept until it is counted
        after, peak = tracemalloc.get_traced_memory()
        del result
    finally:
        tracemalloc.stop()
    return max(0, peak - before), max(0, after - before)


def _faults() -> tuple[int, int] | None:
    """Return the page faults of this process so far: minor, major."""
    if resource is None:
        return None
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_minflt, usage.ru_majflt


def _high_water_reset() -> int | None:
    """Set the high-water mark back, and return where it now is, in bytes; None if refused."""
    global _highest
    _highest = max(_highest, peak_resident_bytes() or 0)
    try:
        _CLEAR_REFS.write_bytes(_RESET_HIGH_WATER)
    except OSError:  # another system, or a container that forbids it
        return None
    return _status_bytes("VmHWM")


def _status_bytes(name: str) -> int | None:
    """Return a line of this process's status, in bytes; None if it is not there."""
    if not _STATUS.exists():
        return None
    for line in _STATUS.read_text("ascii", errors="replace").splitlines():
        if line.startswith(f"{name}:"):
            return int(line.split()[1]) * 1024  # the kernel writes "kB" and means KiB
    return None


def peak_resident_bytes() -> int | None:
    """Return the high-water mark of this process's resident memory, in bytes.

    Sees everything: interpreter, libraries, arguments and all kernels so far, so
    it bounds the memory that an experiment takes. None where the operating
    system does not tell (Windows).
    """
    if resource is None:
        return None
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    unit = 1 if sys.platform == "darwin" else 1024  # macOS counts bytes, Linux KiB
    return max(_highest, peak * unit)
