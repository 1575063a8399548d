"""Runs of `accel bench` made of invented times, for tests of whatever reads runs."""

import synthetic
import synthetic_roofs

from accel.bench.results import Bench

#: Times of everybody in ns; ours first.
LEADING = {"accel": 1e5, "NumPy": 6e5, "PyTorch": 3e5}

CARDS = [
    {"name": "NumPy", "reason": None, "version": "2.4.6", "threads": "one"},
    {"name": "PyTorch", "reason": None, "version": "2.13.0", "threads": "one"},
    {"name": "JAX", "reason": "JAX is not installed here (No module named 'jax')"},
]


def case(times_ns=LEADING, *, flops=0, compulsory_bytes=10**6, stable=True, **parameters):
    """Return the data of one case."""
    made = synthetic.case(
        times_ns, baseline="accel", flops=flops, jitter=0.002, **{"dtype": "float32", **parameters}
    )
    reasons = [] if stable else ["the hypervisor took 9.0% of the time"]
    return {**made, "compulsory_bytes": compulsory_bytes, "stable": stable, "reasons": reasons}


def entry(operation, cases, *, group="elementwise", places=None, threads=1, dropped=None):
    """Return the data of one experiment."""
    name = f"bench.{operation}_float32" + (f"_threads_{threads}" if threads > 1 else "")
    dtype = cases[0]["parameters"]["dtype"]
    return {
        "operation": operation,
        "group": group,
        "dtype": dtype,
        "threads": threads,
        "kernel": "vector",
        "places": places or ["L2"] * len(cases),
        "awkward": [False] * len(cases),
        "dropped": dropped or {},
        "record": synthetic.record(name, [{**case, "operation": operation} for case in cases]),
    }


def bench(*entries, roofs=True, **changes):
    """Return a run of these experiments."""
    ceilings = synthetic_roofs.roofs(complete=False)
    data = {
        "kind": "accel-bench",
        "schema": 1,
        "created": "2026-11-23T08:00:00+00:00",
        "profile": "quick",
        "machine": synthetic_roofs.MACHINE,
        "software": {},
        "fingerprint": "0123456789abcdef",
        "peers": CARDS,
        "entries": list(entries),
        "skipped": [{"operation": "chain", "reason": "it does not say which sizes to measure"}],
        "accuracy": [],
        "first_calls": [],
        "roofs": None,
        "removed_overrides": {},
    }
    if roofs:
        data["roofs"] = {"peak": ceilings.peak.data, "bandwidth": ceilings.bandwidth.data}
    return Bench({**data, **changes})
