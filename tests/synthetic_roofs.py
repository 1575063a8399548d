"""Records of an invented machine's roofs: what it can do is given, so tests know every answer."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import synthetic

from accel.timing.records import Record
from accel.timing.roofs import Roofs

#: GFLOP/s of one thread by register width: 512-bit units in this machine are real.
PEAKS = {"scalar": 14.0, "bits_128": 56.0, "bits_256": 112.0, "bits_512": 224.0}

#: Level capacities in bytes, and GB/s of load within; copy and triad follow from it.
LEVELS = ((32 * 2**10, 200.0), (2**20, 100.0), (32 * 2**20, 50.0), (2**40, 20.0))

#: ns of an access within the same levels.
LATENCIES = (1.2, 4.0, 16.0, 90.0)

CACHES = [
    {"level": 1, "type": "data", "size_bytes": 32 * 2**10, "line_bytes": 64, "ways": 8,
     "shared_by": 1, "shared_by_cores": 1, "cpus": 2},
    {"level": 2, "type": "unified", "size_bytes": 2**20, "line_bytes": 64, "ways": 8,
     "shared_by": 1, "shared_by_cores": 1, "cpus": 2},
    {"level": 3, "type": "unified", "size_bytes": 32 * 2**20, "line_bytes": 64, "ways": 16,
     "shared_by": 2, "shared_by_cores": 2, "cpus": 2},
]  # fmt: skip
MACHINE = {**synthetic.MACHINE, "caches": CACHES}

STEPS = 1000


def _case(operation: str, times_ns: Mapping[str, float], amount: Mapping[str, int], **parameters):
    made = synthetic.case(times_ns, operation=operation, jitter=0.002, **parameters)
    return {**made, **amount}


def peak(
    peaks: Mapping[str, float] = PEAKS, all_threads: float = 2.0, **changes: Any
) -> dict[str, Any]:
    """Return the data of the arithmetic peak; float64 does half of float32."""
    cases = []
    for dtype, share in (("float32", 1.0), ("float64", 0.5)):
        for threads, gain in ((1, 1.0), (2, all_threads)):
            rates = {
                name: rate * gain * (1 if name == "scalar" else share)
                for name, rate in peaks.items()
                if threads == 1 or name != "scalar"
            }
            flops = 10**9
            times = {name: flops / rate for name, rate in rates.items()}
            widest = next(reversed(peaks))
            parameters = {"dtype": dtype, "threads": threads, "widest": 512, "chains": 12}
            cases.append(
                _case("fma", times, {"flops": flops}, baseline=widest, **parameters)
            )
    return synthetic.record("roofs.peak", cases, machine=MACHINE, **changes)


def level_of(footprint: int) -> int:
    """Return the number of the level that holds a footprint."""
    return next(place for place, (end, _) in enumerate(LEVELS) if footprint <= end)


def bandwidth(**changes: Any) -> dict[str, Any]:
    """Return the data of the bandwidth of all probes, in octaves; two threads do twice as much.

    Streaming stores are tried from 1 MiB on, and best in memory.
    """
    cases = []
    for threads in (1, 2):
        for probe, share in (("load", 1.0), ("copy", 0.9), ("triad", 1.1), ("streaming", 0.5)):
            for power in range(20 if probe == "streaming" else 13, 28):
                footprint = 2**power
                if probe == "streaming" and level_of(footprint) == len(LEVELS) - 1:
                    share = 1.5
                rate = LEVELS[level_of(footprint)][1] * share * threads
                amount = 64 * 2**20
                cases.append(
                    _case(
                        probe, {probe: amount / rate}, {"compulsory_bytes": amount}, probe=probe,
                        footprint_bytes=footprint, threads=threads, passes=amount // footprint,
                    )
                )  # fmt: skip
    return synthetic.record("roofs.bandwidth", cases, machine=MACHINE, **changes)


def latency(**changes: Any) -> dict[str, Any]:
    """Return the data of the latency staircase, in octaves."""
    cases = []
    for power in range(12, 28):
        time = STEPS * LATENCIES[level_of(2**power)]
        times = {"cycle_count": STEPS * 1.5, "chase": time}
        cases.append(
            synthetic.case(times, operation="chase", jitter=0.002, footprint=2**power, steps=STEPS)
        )
    return synthetic.record("roofs.latency", cases, machine=MACHINE, **changes)


def chains(**changes: Any) -> dict[str, Any]:
    """Return the data of interleaved chains: up to eight misses at once."""
    times = {f"chains_{count}": STEPS * 90 / min(count, 8) for count in (1, 2, 4, 8, 16)}
    times["chains_16"] *= 1.05
    case = synthetic.case(
        times, baseline="chains_1", operation="chase", jitter=0.002, footprint=2**27, steps=STEPS
    )
    return synthetic.record("roofs.chains", [case], machine=MACHINE, **changes)


def roofs(complete: bool = True, **changes: Any) -> Roofs:
    """Return the roofs of the invented machine."""
    parts = (peak, bandwidth, latency, chains) if complete else (peak, bandwidth)
    return Roofs(*(Record(part(**changes)) for part in parts))
