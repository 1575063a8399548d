"""Records made of invented numbers, for tests of whatever reads records.

The times are given, the samples around them are drawn from a seeded generator,
so a test knows what a figure, a role or a verdict must say.
"""

from __future__ import annotations

import random
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from accel.timing import records

#: This folder, for tests that start another Python.
FOLDER = Path(__file__).parent

INSTRUMENTS = {
    "lists": "interpreter",
    "lists_blocked": "interpreter",
    "array_scalars": "interpreter",
    "loop": "interpreter",
    "row_times_matrix": "NumPy",
    "numpy": "NumPy",
    "numpy_out": "NumPy",
    "numpy_int64": "NumPy",
    "numpy_int64_blocked": "NumPy",
    "blas": "NumPy",
    "blas_blocked": "NumPy",
}

MACHINE = {
    "system": "Linux",
    "architecture": "x86_64",
    "model": "Imaginary Processor 9000",
    "logical_cores": 2,
    "physical_cores": 2,
    "vector_features": ["avx2", "avx512f"],
    "vector_bits": 512,
    "caches": [],
    "memory_bytes": 2**34,
    "virtualised": False,
    "hypervisor": "none",
    "governor": None,
    "unknown": {"governor": "nobody knows", "caches": "nobody knows"},
}


def _kernel(generator, name, time_ns, processes, rounds, jitter):
    """Samples of one kernel: `loops` calls each, about `time_ns` per call."""
    loops = max(1, round(1e6 / time_ns))

    def sample():
        return max(1, round(time_ns * loops * (1 + jitter * generator.uniform(-1, 1))))

    return {
        "target": f"accel.kernels.imaginary:{name}",
        "instrument": INSTRUMENTS.get(name, "compiled"),
        "story": f"what {name} removes",
        "peak_alloc_bytes": 0,
        "processes": [
            {
                "first_call_ns": round(50 * time_ns + 1e6),
                "loops": loops,
                "samples_ns": [sample() for _ in range(rounds)],
                "involuntary_switches": [0] * rounds,
            }
            for _ in range(processes)
        ],
    }


def case(
    times_ns: Mapping[str, float],
    *,
    baseline: str | None = None,
    operation: str = "matmul",
    processes: int = 6,
    rounds: int = 9,
    jitter: float = 0.01,
    flops: int | None = None,
    **parameters: Any,
) -> dict[str, Any]:
    """Return one case: how long one call of each kernel takes, in ns."""
    generator = random.Random(repr((sorted(times_ns.items()), sorted(parameters.items()))))
    baseline = baseline or next(reversed(times_ns))
    size = parameters.get("n", 1)
    raw = {
        "operation": operation,
        "parameters": parameters,
        "flops": flops if flops is not None else 2 * size**3,
        "compulsory_bytes": 12 * size**2,
        "baseline": baseline,
        "kernels": {
            name: _kernel(generator, name, time, processes, rounds, jitter)
            for name, time in times_ns.items()
        },
        "again": _kernel(generator, baseline, times_ns[baseline], processes, rounds, jitter),
    }
    return records.summarise(raw, steal=0.0)


def record(experiment: str, cases: list[dict[str, Any]], **changes: Any) -> dict[str, Any]:
    """Return the data of a whole record."""
    return {
        "kind": records.KIND,
        "schema": records.SCHEMA,
        "experiment": experiment,
        "question": f"What does {experiment} cost?",
        "script": "plot_08_imaginary.py",
        "profile": "quick",
        "created": "2026-11-23T01:40:00+00:00",
        "elapsed_s": 12.3,
        "budget_s": 30,
        "sources": {"accel": "0" * 64, "definition": "1" * 64},
        "machine": MACHINE,
        "fingerprint": "0123456789abcdef",
        "software": {
            "python": "3.11.7",
            "numpy": "2.4.6",
            "numba": "0.68.1",
            "llvmlite": "0.50.0",
            "blas": [
                {"name": "openblas", "version": "0.3", "kernel_family": "SkylakeX", "threads": 1}
            ],
            "removed_overrides": {},
        },
        "clock": {"resolution_ns": 1, "overhead_ns": 40, "loop_overhead_ns": 30},
        "protocol": {"processes": 6, "rounds": 9, "order": "williams", "threads": 1},
        "cases": cases,
        **changes,
    }


#: FLOP rates of an invented ladder, in GFLOP/s, and the largest size of each step.
LADDER = {
    "lists": (0.02, 128),
    "lists_blocked": (0.018, 64),
    "array_scalars": (0.004, 64),
    "row_times_matrix": (4.0, 1024),
    "ijk": (1.1, 512),
    "ikj": (14.0, 1024),
    "blocked": (21.0, 1024),
    "packed": (38.0, 1024),
    "tiled": (92.0, 1024),
    "blas": (101.0, 1024),
    "blas_blocked": (71.0, 1024),
}


def ladder(**changes: Any) -> dict[str, Any]:
    """Return a record like that of the matrix multiplication ladder."""
    cases = []
    for n in (64, 128, 256, 512, 1024):
        rates = {
            name: rate * (0.6 + 0.4 * min(1.0, n / 512)) if name in ("tiled", "blas") else rate
            for name, (rate, largest) in LADDER.items()
            if n <= largest
        }
        times = {name: 2 * n**3 / rate for name, rate in rates.items()}
        cases.append(case(times, baseline="blas", m=n, k=n, n=n, dtype="float32"))
    return record("block_it.ladder", cases, script="plot_08_block_it.py", **changes)


def speedups(experiment: str = "vectorise.relu", **changes: Any) -> dict[str, Any]:
    """Return a record in which NumPy overtakes a loop as arrays grow."""
    cases = []
    for exponent in range(7):
        n = 10**exponent
        times = {
            "loop": 60.0 + 45.0 * n,
            "array_scalars": 90.0 + 110.0 * n,
            "compiled": 140.0 + 0.2 * n,
            "vector": 160.0 + 0.1 * n,
            "numpy": 700.0 + 0.4 * n,
        }
        if n > 10**5:
            del times["loop"], times["array_scalars"]
        cases.append(case(times, baseline="numpy", operation="relu", n=n, dtype="float32", flops=n))
    return record(experiment, cases, script="plot_07_vectorise.py", **changes)


def sweep(**changes: Any) -> dict[str, Any]:
    """Return a record of one kernel at several block sizes, best in the middle."""
    times = {f"blocked_{size}": 1e8 * (1 + 0.1 * abs(size.bit_length() - 7)) for size in
             (8, 16, 32, 64, 128, 256)}  # fmt: skip
    cases = [case(times, baseline="blocked_64", m=1024, k=1024, n=1024, dtype="float32")]
    return record("block_it.sweep", cases, script="plot_08_block_it.py", **changes)


def noise(experiment: str = "time_it.noise", **changes: Any) -> dict[str, Any]:
    """Return a record of a kernel against itself."""
    cases = [case({"blas": 2.0e6}, baseline="blas", n=256, dtype="float32", rounds=40)]
    return record(experiment, cases, script="plot_02_time_it.py", **changes)
