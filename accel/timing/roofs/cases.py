"""What is measured to find the roofs: cases for `accel.timing.roofs.probes`, sized for a machine.

Nothing here loads a compiler: a case is plain data, and the worker imports the probes.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from accel.timing import machine
from accel.timing.plan import Case

#: Ways to touch memory: see `accel.timing.roofs.probes`.
PROBES = ("load", "copy", "triad", "streaming")

#: Arrays that each walks over; as `probes.ARRAYS`, which needs a compiler to be imported.
_ARRAYS = {"load": 1, "copy": 2, "triad": 3, "streaming": 2}

#: Smallest footprint of streaming stores, per thread: in a near cache they only lose.
STREAMING_BYTES = 2**20

#: Chains of multiply-adds. Eight hide four cycles on two ports, as every x86-64 processor
#: since 2013 has at most; with the two operands, twelve still fit its sixteen registers.
#: Elsewhere there are thirty-two, and up to four ports.
CHAINS = {"x86_64": 12, "AMD64": 12}
CHAINS_ELSEWHERE = 16

#: Steps of a call: 1 ms or so in one thread; longer where threads have to be started, which
#: takes up to some 50 µs.
STEPS_ALONE, STEPS_TOGETHER = 2**18, 2**20

#: Bytes that each thread touches in a call, by far the most of its time in either case:
#: where the caches of a core may hold its share, and where they cannot.
NEAR_BYTES = 2 * 2**20
WORK_ALONE = 64 * 2**20
WORK_NEAR, WORK_FAR = 128 * 2**20, 32 * 2**20

#: Smallest footprint, and largest: beyond any cache that we know, on any machine we want
#: to be guests on.
SMALLEST, LARGEST = 8 * 2**10, 384 * 2**20


def thread_counts(logical_cores: int | None) -> list[int]:
    """Return the numbers of threads to measure: powers of two, and all that there are."""
    most = logical_cores or 1
    powers = [2**k for k in range(most.bit_length()) if 2**k < most]
    return [*powers, most]


def all_threads() -> int:
    """Return how many threads the cases need: as many as there are logical CPUs."""
    return thread_counts(machine.describe()["logical_cores"])[-1]


def peak_cases(facts: Mapping[str, Any] | None = None) -> list[Case]:
    """Return the cases of the arithmetic peak: each dtype, each number of threads.

    Their parameters are ``dtype``, ``threads``, ``steps``, ``widest`` (bits) and
    ``chains``; their kernels do the same work in registers of different widths, and the
    widest of this machine is the baseline. Run them with all threads allowed.

    Parameters
    ----------
    facts : mapping, optional
        Answer of `machine.describe`; that of this machine by default.
    """
    facts = facts or machine.describe()
    widest = facts["vector_bits"] or 128  # every 64-bit processor has as much
    chains = CHAINS.get(facts["architecture"], CHAINS_ELSEWHERE)
    counts = thread_counts(facts["logical_cores"])
    return [
        _peak_case(dtype, threads, widest, chains, ends=(counts[0], counts[-1]))
        for dtype in ("float32", "float64")
        for threads in counts
    ]


def _peak_case(dtype: str, threads: int, widest: int, chains: int, ends: tuple) -> Case:
    # Between one thread and all of them only the widest; numbers one by one in one thread.
    widths = [b for b in (512, 256, 128) if b == widest or (b < widest and threads in ends)]
    names = {f"bits_{bits}": (f"fma_{bits}", f"registers of {bits} bits") for bits in widths}
    if threads == 1:
        names["scalar"] = ("fma_scalar", "one number per instruction")
    steps = STEPS_ALONE if threads == 1 else STEPS_TOGETHER
    lanes = widest // (8 * _itemsize(dtype))
    return Case(
        operation="fma",
        parameters={
            "dtype": dtype, "threads": threads, "steps": steps, "widest": widest, "chains": chains,
        },
        inputs="accel.timing.roofs.probes:fma_inputs",
        oracle="accel.timing.roofs.probes:fma_oracle",
        kernels={name: _kernel(*entry) for name, entry in names.items()},
        baseline=f"bits_{widest}",
        flops=2 * lanes * chains * steps * threads,
    )  # fmt: skip


def _itemsize(dtype: str) -> int:
    return {"float32": 4, "float64": 8}[dtype]


def _kernel(function: str, story: str) -> dict[str, Any]:
    target = f"accel.timing.roofs.probes:{function}"
    return {"target": target, "adapt": None, "instrument": "compiled", "story": story}


def bandwidth_cases(facts: Mapping[str, Any] | None = None) -> list[Case]:
    """Return the cases of bandwidth: each probe over growing footprints.

    Their parameters are ``probe``, ``footprint_bytes``, ``threads`` and ``passes``; their
    operation and only kernel is the probe. In one thread half octaves of load, which the
    levels are found from, and octaves of copy and triad; in all threads every eighth
    size; of streaming every fourth beyond the near caches. They end at four times the last-level caches, an eighth of the memory,
    or `LARGEST`, whichever comes first. Run them with all threads allowed.

    Parameters
    ----------
    facts : mapping, optional
        Answer of `machine.describe`; that of this machine by default.
    """
    facts = facts or machine.describe()
    largest = min(4 * all_last_level_bytes(facts), (facts["memory_bytes"] or 2**32) // 8, LARGEST)
    everyone = thread_counts(facts["logical_cores"])[-1]
    steps = {"load": 2**0.5, "copy": 2.0, "triad": 2.0, "streaming": 4.0}
    grids = {(probe, 1): steps[probe] for probe in PROBES}
    if everyone > 1:
        grids |= {(probe, everyone): 8.0 for probe in PROBES}
    smallest = dict.fromkeys(PROBES, SMALLEST) | {"streaming": STREAMING_BYTES}
    return [
        _bandwidth_case(probe, footprint, threads)
        for (probe, threads), factor in grids.items()
        for footprint in _grid(smallest[probe] * threads, largest, factor)
    ]


def all_last_level_bytes(facts: Mapping[str, Any]) -> int:
    """Return the size of all last-level caches together; 32 MiB where it is unknown."""
    known = [cache for cache in facts["caches"] or [] if cache["size_bytes"] and cache["level"]]
    last = max((cache["level"] for cache in known), default=0)
    sizes = [
        # Several groups of cores have one each.
        cache["size_bytes"] * -(-(cache["cpus"] or 1) // (cache["shared_by"] or 1))
        for cache in known
        if cache["level"] == last
    ]
    return sum(sizes) or 32 * 2**20


def _grid(smallest: int, largest: int, factor: float) -> list[int]:
    """Return sizes down from the largest, each a factor below the last; smallest first."""
    sizes, size = [], float(largest)
    while size >= 0.999 * smallest or not sizes:  # powers of the factor are not exact
        sizes.insert(0, round(size))
        size /= factor
    return sizes


def _bandwidth_case(probe: str, wanted_bytes: int, threads: int) -> Case:
    # As `probes.elements`, which cannot be imported here without loading a compiler.
    arrays = _ARRAYS[probe]
    footprint = max(32, round(wanted_bytes / (8 * arrays * 32)) * 32) * 8 * arrays
    if threads == 1:
        work = WORK_ALONE
    else:
        work = threads * (WORK_NEAR if footprint <= threads * NEAR_BYTES else WORK_FAR)
    passes = max(1, work // footprint)
    stories = {
        "load": "sum an array", "copy": "copy an array", "triad": "z = 3 x + y",
        "streaming": "copy an array past the caches",
    }  # fmt: skip
    return Case(
        operation=probe,
        parameters={
            "probe": probe, "footprint_bytes": footprint, "threads": threads, "passes": passes,
        },
        inputs="accel.timing.roofs.probes:traffic_inputs",
        oracle=f"accel.timing.roofs.probes:{probe}_oracle",
        kernels={probe: _kernel(probe, stories[probe])},
        baseline=probe,
        compulsory_bytes=passes * footprint,
    )  # fmt: skip
