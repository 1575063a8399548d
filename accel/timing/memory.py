"""Allocations of one call, in a separate pass that is never timed."""

from __future__ import annotations

import sys
import tracemalloc
from collections.abc import Callable, Sequence


def peak_alloc_bytes(function: Callable, arguments: Sequence) -> int:
    """Return the most memory that one call held at once beyond its arguments, in bytes.

    Sees Python objects and NumPy buffers, which report themselves to
    `tracemalloc`. Does not see the work space of BLAS nor arrays that compiled
    code allocates for itself.
    """
    tracemalloc.start()
    try:
        before, _ = tracemalloc.get_traced_memory()
        tracemalloc.reset_peak()
        function(*arguments)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    return max(0, peak - before)


def peak_resident_bytes() -> int | None:
    """Return the high-water mark of this process's resident memory, in bytes.

    None where the operating system does not tell (Windows).
    """
    try:
        import resource
    except ImportError:
        return None
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024  # Linux counts KiB, macOS bytes
