"""The same functions, timed by pyperf: a second opinion, and what it costs.

pyperf is what most of the Python world measures with. It starts fresh processes too,
but runs all of them for one function and then all for the next, so nothing is paired.
It runs here in the same build, on the same inputs, from an environment as clean as a
worker's. What it found is kept in the folder `beside` next to the records, and is
reused as long as code, machine and settings are the same.
"""

from __future__ import annotations

import hashlib
import importlib.util
import json
import math
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from statistics import fmean, median
from typing import Any

from accel.timing import isolate, records
from accel.timing.plan import Case, identity, profile
from accel.timing.records import RecordError
from accel.timing.stats import Interval, median_interval
from accel.timing.trials.textbook import welch_speedup

KIND = "accel-beside-pyperf"
SCHEMA = 1

#: Options by profile. The defaults, 20 processes of 3 values, take about a minute for
#: two functions; a draft has as many processes as an experiment of this book.
OPTIONS: Mapping[str, tuple[str, ...]] = {"quick": ("--processes=6",)}

#: Where the job is written down, for pyperf's own worker processes.
JOB_VARIABLE = "ACCEL_BESIDE_JOB"

#: Longest that pyperf may take, in s.
LIMIT_S = 900

#: Metadata that are kept: the rest names hosts and paths, or is in the record already.
KEPT = ("name", "unit", "loops", "inner_loops", "perf_version", "timer", "duration")


class PyperfFailed(RuntimeError):
    """pyperf gave no result; the message says what it said."""


def missing() -> str | None:
    """Return why pyperf cannot be set beside, in words; None if it can."""
    if importlib.util.find_spec("pyperf") is None:
        return "pyperf is not installed here, so nothing is set beside: `pip install pyperf`."
    return None


@dataclass(frozen=True)
class Beside:
    """What pyperf found."""

    data: Mapping[str, Any]

    @property
    def version(self) -> str:
        return self.data["pyperf"]

    @property
    def options(self) -> list[str]:
        """Options that it was given; none means its defaults."""
        return list(self.data["options"])

    @property
    def elapsed_s(self) -> float:
        """From its start to its end, all processes included."""
        return self.data["elapsed_s"]

    @property
    def kernels(self) -> list[str]:
        return [_name(benchmark) for benchmark in self.data["suite"]["benchmarks"]]

    def runs_ns(self, kernel: str) -> list[list[float]]:
        """Return the times of one call in ns: a list per process; calibration is left out.

        Raises
        ------
        KeyError
            If there is no such kernel.
        """
        for benchmark in self.data["suite"]["benchmarks"]:
            if _name(benchmark) == kernel:
                found = [run["values"] for run in benchmark["runs"] if "values" in run]
                return [[1e9 * value for value in values] for values in found]
        raise KeyError(f"pyperf timed no {kernel!r}; it timed {', '.join(self.kernels)}")

    def median_ns(self, kernel: str) -> float:
        """Return the median of all values, as pyperf reports it."""
        return median(value for run in self.runs_ns(kernel) for value in run)

    def time_ns(self, kernel: str) -> Interval:
        """Return the time of one call: median over processes of their means, in ns.

        Raises
        ------
        SampleError
            If there are too few processes for an interval.
        """
        return median_interval([fmean(run) for run in self.runs_ns(kernel)])

    def speedup(self, kernel: str, over: str, confidence: float) -> Interval:
        """Return how many times faster `kernel` is than `over`.

        The means of processes are the draws, and Welch's t interval of their
        logarithms the interval, since the processes of two functions share nothing.

        Source
        ------
        T. Kalibera and R. Jones, "Rigorous benchmarking in reasonable time", ISMM
        (2013), for means of runs as the unit; for the interval see `welch_speedup`.
        """
        sides = [[fmean(run) for run in self.runs_ns(name)] for name in (kernel, over)]
        return welch_speedup(*sides, confidence)


def _name(benchmark: Mapping[str, Any]) -> str:
    return benchmark["metadata"]["name"]


def run(experiment: str, case: Case, kernels: Sequence[str]) -> Beside | None:
    """Let pyperf time kernels of a case, or return what it found if nothing has changed since.

    Correctness is not checked again: `measure` has refused wrong kernels before.

    Parameters
    ----------
    experiment : str
        Name of the experiment that this is beside.
    case : Case
    kernels : sequence of str
        Some of the case's. They take the operation's own arguments and change no input.

    Returns
    -------
    Beside or None
        None if pyperf is not installed; `missing` says so in words.

    Raises
    ------
    PyperfFailed
        If it fails, or takes longer than `LIMIT_S`.
    RecordError
        If the file that is there is damaged, or none can be written.
    ValueError
        If the case has no such kernel, or one needs more than its arguments.

    Cost
    ----
    With pyperf's defaults 20 processes for each kernel, about half a minute each.
    """
    _check(case, kernels)
    if missing():
        return None
    options = OPTIONS.get(profile().name, ())
    job = {
        "inputs": case.inputs,
        "parameters": dict(case.parameters),
        "kernels": {name: case.kernels[name]["target"] for name in kernels},
    }
    sources = _sources(job, options)
    path = path_of(experiment)
    if path.exists() and os.environ.get("ACCEL_REMEASURE") != "1":
        found = read(path)
        if found.data["sources"] == sources:
            return found
    begun = time.monotonic()
    suite = _call(job, options)
    data = {
        "kind": KIND,
        "schema": SCHEMA,
        "experiment": experiment,
        "sources": sources,
        "pyperf": version("pyperf"),
        "options": list(options),
        "elapsed_s": round(time.monotonic() - begun, 2),
        "suite": _scrubbed(suite),
    }
    _write(path, data)
    return Beside(data)


def _check(case: Case, kernels: Sequence[str]) -> None:
    for name in kernels:
        if name not in case.kernels:
            known = ", ".join(case.kernels)
            raise ValueError(f"no kernel {name!r} in this case; there are {known}")
        if case.kernels[name]["adapt"] or case.mutates:
            raise ValueError(
                f"kernel {name!r} needs its arguments adapted or put back before each call, "
                "which pyperf cannot do; choose one that takes the operation's own"
            )


def _sources(job: Mapping[str, Any], options: Sequence[str]) -> dict[str, str]:
    """Return what must be equal for a file to be reused."""
    question = json.dumps([job, list(options), version("pyperf")], sort_keys=True)
    return {**identity(), "definition": hashlib.sha256(question.encode()).hexdigest()}


def path_of(experiment: str) -> Path:
    """Return the file of what pyperf found, in a folder of its own beside the records."""
    return records.results_folder() / "beside" / f"{experiment}.json"


def _call(job: Mapping[str, Any], options: Sequence[str]) -> dict[str, Any]:
    """Run pyperf in a process group of its own and return its suite as JSON."""
    environ, _ = isolate.environment(threads=1, process=0)
    with tempfile.TemporaryDirectory(prefix="accel-") as folder:
        question, answer = Path(folder, "job.json"), Path(folder, "suite.json")
        question.write_text(json.dumps(job), "utf-8")
        command = [
            sys.executable, "-m", "accel.timing.trials.beside_pyperf", "--quiet", "--copy-env",
            *options, "--output", str(answer),
        ]  # fmt: skip
        with subprocess.Popen(
            command, env={**environ, JOB_VARIABLE: str(question)}, stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, start_new_session=True,
        ) as process:  # fmt: skip
            try:
                _, complaint = process.communicate(timeout=LIMIT_S)
            except subprocess.TimeoutExpired:
                raise PyperfFailed(f"pyperf did not return within {LIMIT_S} s") from None
            finally:
                isolate.end(process)
        if process.returncode or not answer.exists():
            lines = complaint.decode(errors="replace").strip().splitlines() or ["it said nothing"]
            raise PyperfFailed(f"pyperf ended with status {process.returncode}: {lines[-1]}")
        return json.loads(answer.read_text("utf-8"))


def _scrubbed(suite: Mapping[str, Any]) -> dict[str, Any]:
    """Return a suite with the metadata that are `KEPT`; pyperf still reads it."""

    def kept(part: Mapping[str, Any]) -> dict[str, Any]:
        return {key: value for key, value in part.get("metadata", {}).items() if key in KEPT}

    common = kept(suite)
    return {
        "version": suite["version"],
        "metadata": common,
        "benchmarks": [
            {
                "metadata": {**common, **kept(benchmark)},
                "runs": [{**run, "metadata": kept(run)} for run in benchmark["runs"]],
            }
            for benchmark in suite["benchmarks"]
        ],
    }


def _write(path: Path, data: Mapping[str, Any]) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        records.replace_text(path, json.dumps(data, indent=1, allow_nan=False) + "\n")
    except OSError as error:
        raise RecordError(f"cannot write beside/{path.name}: {error.strerror}") from error


def read(path: Path) -> Beside:
    """Read what pyperf found.

    Raises
    ------
    RecordError
        If the file cannot be read, or is not what `run` writes.
    """
    try:
        found = Beside(json.loads(path.read_text("utf-8")))
        if (found.data["kind"], found.data["schema"]) != (KIND, SCHEMA):
            raise RecordError(
                f"beside/{path.name}: kind {found.data['kind']!r} of schema "
                f"{found.data['schema']!r}, expected {KIND!r} of {SCHEMA}; delete it"
            )
        for kernel in found.kernels:
            if not all(0 < value < math.inf for run in found.runs_ns(kernel) for value in run):
                raise ValueError(f"a time of {kernel} is not positive and finite")
        return Beside({**found.data, "elapsed_s": float(found.data["elapsed_s"])})
    except OSError as error:
        raise RecordError(f"beside/{path.name}: cannot be read: {error.strerror}") from None
    except RecordError:
        raise
    except (ValueError, TypeError, LookupError, AttributeError, RecursionError) as error:
        raise RecordError(f"beside/{path.name}: damaged ({error}); delete it") from None


def main() -> None:
    """Be the program that pyperf runs, in its main process and in each of its workers."""
    import pyperf

    job = json.loads(Path(os.environ[JOB_VARIABLE]).read_text("utf-8"))
    runner = pyperf.Runner(program_args=("-m", "accel.timing.trials.beside_pyperf"))
    arguments = isolate.resolve(job["inputs"])(**job["parameters"])
    for name, target in job["kernels"].items():
        runner.bench_func(name, isolate.resolve(target), *arguments)


if __name__ == "__main__":
    main()
