"""Roofs made of invented records, for tests of whatever stands below a roof."""

from __future__ import annotations

import synthetic

from accel.timing.records import Record
from accel.timing.roofs import Roofs

#: Capacity of each level in bytes, and GB/s of a load inside it; memory at the end.
LEVELS = ((32 * 2**10, 400.0), (2**20, 120.0), (32 * 2**20, 50.0), (2**28, 12.5))
PEAK_GFLOPS = 100.0

#: The invented machine, with its caches as a system states them.
MACHINE = {
    **synthetic.MACHINE,
    "caches": [
        {
            "level": level, "type": "unified", "size_bytes": capacity, "line_bytes": 64, "ways": 8,
            "shared_by": 1, "shared_by_cores": 1, "cpus": 2,
        }
        for level, (capacity, _) in enumerate(LEVELS[:-1], start=1)
    ],
}  # fmt: skip


def roofs(peak_gflops: float = PEAK_GFLOPS, levels=LEVELS, **changes) -> Roofs:
    """Return roofs whose every probe reads as given; copy and triad at half of load."""
    peak = [
        synthetic.case(
            {"bits_512": 1e9 / peak_gflops / scale}, operation="fma", flops=10**9, jitter=0.005,
            dtype=dtype, threads=1,
        )
        for dtype, scale in (("float32", 1.0), ("float64", 0.5))
    ]  # fmt: skip
    bandwidth = [
        _bandwidth(probe, 2**power, share * _speed(2**power, levels))
        for probe, share in (("load", 1.0), ("copy", 0.5), ("triad", 0.5))
        for power in range(12, 29)
    ]
    changes = {"machine": MACHINE, **changes}
    return Roofs(
        Record(synthetic.record("roofs.peak", peak, **changes)),
        Record(synthetic.record("roofs.bandwidth", bandwidth, **changes)),
    )


def _speed(footprint: int, levels) -> float:
    return next(speed for capacity, speed in levels if footprint <= capacity)


def _bandwidth(probe: str, footprint: int, speed: float) -> dict:
    moved = 2**28
    case = synthetic.case(
        {probe: moved / speed}, operation=probe, flops=0, jitter=0.005,
        probe=probe, footprint_bytes=footprint, threads=1, passes=moved // footprint,
    )  # fmt: skip
    return {**case, "compulsory_bytes": moved}


#: What one call of each invented kernel does: FLOPs and bytes.
WORK = {
    "relu": (16_384, 131_072),
    "gelu": (131_072, 131_072),
    "matmul": (2 * 256**3, 12 * 256**2),
}


def operations(shares=None, allocated=None, **changes) -> Record:
    """Return a record of kernels that reach given shares of the roofs above.

    Parameters
    ----------
    shares : mapping, optional
        (operation, kernel) -> share of the roof.
    allocated : mapping, optional
        (operation, kernel) -> bytes, 0 otherwise.
    """
    shares = shares or {
        ("relu", "loop"): 0.002,
        ("relu", "vector"): 0.8,
        ("gelu", "loop"): 0.0005,
        ("gelu", "numpy"): 0.07,
        ("matmul", "lists"): 0.0004,
        ("matmul", "blas"): 0.9,
    }
    cases = []
    for operation in dict.fromkeys(operation for operation, _ in shares):
        flops, nbytes = WORK[operation]
        attainable = min(PEAK_GFLOPS, flops / nbytes * _speed(nbytes, LEVELS))
        times = {k: flops / (s * attainable) for (o, k), s in shares.items() if o == operation}
        case = synthetic.case(times, operation=operation, flops=flops, n=256, dtype="float32")
        for kernel in times:
            peak = (allocated or {}).get((operation, kernel), 0)
            case["kernels"][kernel]["peak_alloc_bytes"] = peak
        cases.append({**case, "compulsory_bytes": nbytes})
    return Record(synthetic.record("count_it.operations", cases, **changes))
