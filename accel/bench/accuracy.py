"""How far answers are from the truth: ours and every rival's, on the same inputs.

The truth is the operation's reference in float64 (for float64 itself, that is as good as the
reference is, which errs too). An error is counted in units in the last place of the right
answer (ULP), and beside the largest answer: near a zero of the result, where terms cancel, a
tiny error is a great many units. So the largest error says little about who is more exact:
which element lies nearest to zero is chance. For that there is the typical one, the root
mean square of each error beside what the operation's roundings allow there.
"""

from __future__ import annotations

import json
import math
import subprocess
import sys
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from accel.bench import planning
from accel.bench.planning import Task
from accel.kernels import operation
from accel.timing import isolate
from accel.timing.plan import Case

#: Most FLOPs, and bytes, of a case that is judged: enough for many values, and soon done.
MOST_FLOPS, MOST_BYTES = 2e8, 2**22

#: Longest that all operations may take, in s.
LIMIT_S = 1200

#: What a library may raise where an operation is not for it.
FAILURES = (ArithmeticError, AttributeError, LookupError, NotImplementedError, RuntimeError,
            TypeError, ValueError)  # fmt: skip


def of(
    tasks: Sequence[Task], cards: Sequence[Mapping[str, Any]], profile: str
) -> list[dict[str, Any]]:
    """Return the errors of every competitor in every task, from one process of their own.

    Returns
    -------
    list of dict
        ``operation``, ``dtype``, ``competitor``, ``cases``, ``ulp`` and ``relative``, the
        largest errors, and ``typical``; or ``reason``, why there are none.
    """
    single = [task for task in tasks if task.threads == min(t.threads for t in tasks)]
    job = [
        {"operation": task.operation, "dtype": task.dtype, "cases": _plain(task, cards, profile)}
        for task in single
    ]
    environ, _ = isolate.environment(1, 0)
    with subprocess.Popen(
        [sys.executable, "-m", "accel.bench.accuracy"], env=environ, text=True,
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        start_new_session=True,
    ) as process:  # fmt: skip
        try:
            answer, complaint = process.communicate(json.dumps(job), timeout=LIMIT_S)
        except subprocess.TimeoutExpired:
            return [{"operation": "all", "reason": f"did not return within {LIMIT_S} s"}]
        finally:
            isolate.end(process)
    if process.returncode:
        last = (complaint.strip().splitlines() or ["it said nothing"])[-1]
        return [{"operation": "all", "reason": last}]
    return json.loads(answer.splitlines()[-1])


def _plain(task: Task, cards: Sequence[Mapping[str, Any]], profile: str) -> list[dict[str, Any]]:
    """Return the cases of a task that are small enough, as plain data."""
    cases = planning.plan(task, profile, cards).cases
    small = [c for c in cases if c.flops <= MOST_FLOPS and c.compulsory_bytes <= MOST_BYTES]
    return [_as_data(case) for case in small]


def _as_data(case: Case) -> dict[str, Any]:
    return {"parameters": dict(case.parameters), "mutates": list(case.mutates),
            "kernels": {name: dict(kernel) for name, kernel in case.kernels.items()}}  # fmt: skip


def judge(item: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the largest errors of every competitor over the cases of one operation."""
    op, worst, failed = operation(item["operation"]), {}, {}
    for case in item["cases"]:
        arguments = op.inputs(**case["parameters"])
        expected, tolerance = op.oracle(*arguments)
        originals = [np.copy(a) if isinstance(a, np.ndarray) else None for a in arguments]
        for name, kernel in case["kernels"].items():
            try:
                got = _answer(kernel, arguments, originals, case["mutates"])
                found = errors(got, np.asarray(expected), tolerance, item["dtype"])
            except FAILURES as error:
                failed[name] = f"raised {type(error).__name__}: {error}"
                continue
            if not np.isfinite(found).all():
                failed[name] = "an infinity or NaN is missing, or too many"
            worst.setdefault(name, []).append(found)
    label = {"operation": item["operation"], "dtype": item["dtype"]}
    rows = [
        {
            **label,
            "competitor": name,
            "cases": len(found),
            "ulp": max(each[0] for each in found),
            "relative": max(each[1] for each in found),
            "typical": math.sqrt(sum(each[2] for each in found) / len(found)),
        }
        for name, found in worst.items()
        if name not in failed
    ]
    return rows + [{**label, "competitor": name, "reason": why} for name, why in failed.items()]


def _answer(kernel, arguments, originals, mutates) -> np.ndarray:
    """Return what a competitor makes of the arguments, which it finds as they were made."""

    def restore() -> None:
        for i in {*mutates, len(arguments) - 1}:
            np.copyto(arguments[i], originals[i])

    restore()
    own = isolate.resolve(kernel["adapt"])(*arguments) if kernel["adapt"] else arguments
    restore()  # choosing the fastest way may have made calls
    isolate.resolve(kernel["target"])(*own)
    return np.copy(np.asarray(own[-1]))


def errors(
    got: np.ndarray, expected: np.ndarray, tolerance, dtype: str
) -> tuple[float, float, float]:
    """Return how far an answer is from the truth, in three ways.

    Returns
    -------
    ulp, relative : float
        The largest error, in ULP of the right answer and beside the largest answer. Numbers
        that are not floating point have no last place: the difference itself is counted.
    square : float
        Mean square of each error beside its tolerance, in ULP where none is allowed.

    All are infinite where an infinity or NaN is missing or too many.

    Raises
    ------
    ValueError
        If the shapes differ.
    """
    if got.shape != expected.shape:
        raise ValueError(f"shape {got.shape}, expected {expected.shape}")
    right, found = expected.astype(np.float64), got.astype(np.float64)
    finite = np.isfinite(right)
    same = (found == right) | (np.isnan(found) & np.isnan(right))
    if not np.isfinite(found[finite]).all() or not same[~finite].all():
        return math.inf, math.inf, math.inf
    if not finite.any():
        return 0.0, 0.0, 0.0
    error = np.abs(found[finite] - right[finite])
    unit = _unit(expected, right[finite], dtype)
    allowed = np.broadcast_to(np.asarray(tolerance, np.float64), right.shape)[finite]
    square = np.square(error / np.where(allowed > 0, allowed, unit)).mean()
    return float((error / unit).max()), _beside(error, right[finite]), float(square)


def _unit(expected: np.ndarray, right: np.ndarray, dtype: str) -> np.ndarray:
    if expected.dtype.kind != "f" or np.dtype(dtype).kind != "f":
        return np.ones_like(right)
    return np.spacing(np.abs(right).astype(dtype)).astype(np.float64)


def _beside(error: np.ndarray, right: np.ndarray) -> float:
    largest = float(np.abs(right).max())
    return float(error.max()) / largest if largest else float(error.max())


if __name__ == "__main__":
    jobs = json.load(sys.stdin)
    print(json.dumps([row for item in jobs for row in judge(item)]))
