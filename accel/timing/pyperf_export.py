"""A record for pyperf: its JSON, so that its tools read what was measured here.

pyperf pools the values of all processes and compares means with a t-test; it
does not know which values were taken side by side. What it says of an exported
record is therefore coarser than what `accel compare` says of the record itself.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping
from typing import Any

from accel.timing.records import CaseView, Record

#: Version of pyperf's file format: https://pyperf.readthedocs.io/en/latest/api.html
VERSION = "1.0"


def to_pyperf(record: Record) -> str:
    """Return a record as pyperf JSON 1.0, which ``python -m pyperf compare_to`` reads.

    Parameters
    ----------
    record : Record

    Returns
    -------
    str
        One benchmark per kernel and case, named ``experiment/operation/parameters/
        kernel``; of equal names the second gets ``#2``. One run per process:
        ``values`` are the samples in seconds per call, ``loops`` the calls in
        each, and the first call, which compiles and touches memory for the first
        time, is the run's only warm-up. The baseline's second entry is left out:
        pyperf has no place for it.

    Notes
    -----
    Metadata are scalars, as pyperf demands, and never empty. Those of pyperf's
    own names mean what they mean there; the rest begin with ``accel_``.

    Cost
    ----
    Linear in the number of samples.
    """
    seen: Counter[str] = Counter()
    benchmarks = []
    for case in record.cases:
        for kernel in case.kernels:
            name = _name(record, case, kernel)
            seen[name] += 1
            unique = name if seen[name] == 1 else f"{name}#{seen[name]}"
            benchmarks.append(_benchmark(unique, case, kernel))
    data = {"version": VERSION, "metadata": _common(record), "benchmarks": benchmarks}
    return json.dumps(data, indent=1, allow_nan=False) + "\n"


def _name(record: Record, case: CaseView, kernel: str) -> str:
    parameters = case.label.replace(" ", "")
    parts = (record.experiment, case.operation, parameters, kernel)
    return _scalar("/".join(filter(None, parts))) or "unnamed"


def _benchmark(name: str, case: CaseView, kernel: str) -> dict[str, Any]:
    metadata = {
        "name": name,
        "accel_baseline": case.baseline,
        "accel_instrument": case.instrument(kernel),
        "accel_stable": "yes" if case.stable else "no",
    }
    processes = case.data["kernels"][kernel]["processes"]
    return {"metadata": _scalars(metadata), "runs": [_run(process) for process in processes]}


def _run(process: Mapping[str, Any]) -> dict[str, Any]:
    loops = process["loops"]
    return {
        "metadata": {"loops": loops},
        "warmups": [[1, process["first_call_ns"] / 10**9]],
        "values": [elapsed / (loops * 10**9) for elapsed in process["samples_ns"]],
    }


def _common(record: Record) -> dict[str, Any]:
    """Return what holds for every benchmark of a record."""
    machine, software = record.machine, record.software
    facts = {
        "unit": "second",
        "cpu_model_name": machine.get("model"),
        "cpu_count": machine.get("logical_cores"),
        "platform": f"{machine.get('system')}-{machine.get('architecture')}",
        "python_version": software.get("python"),
        "accel_experiment": record.experiment,
        "accel_created": record.created,
        "accel_profile": record.profile,
        "accel_fingerprint": record.fingerprint,
        "accel_source": record.data["sources"].get("accel"),
        "accel_numpy": software.get("numpy"),
        "accel_numba": software.get("numba"),
        "accel_blas": json.dumps(software.get("blas")),
        **{f"accel_protocol_{name}": value for name, value in record.protocol.items()},
    }
    return _scalars(facts)


def _scalars(facts: Mapping[str, Any]) -> dict[str, Any]:
    """Return what pyperf takes as metadata: numbers and text of one line; None is left out."""
    kept = {name: _scalar(value) for name, value in facts.items() if value is not None}
    return {name: value for name, value in kept.items() if value != ""}


def _scalar(value: Any) -> Any:
    if type(value) in (int, float):
        return value
    text = value if isinstance(value, str) else json.dumps(value)
    return " ".join(text.split())
