"""Twins: pairs of equal functions, to find out how often a measurement tells them apart.

Whether a method raises false alarms is a question of rates, and a rate needs many
experiments. Here are 200 small ones: ten operations of NumPy, each on twenty
lengths, each entering under two names. A call takes between about 2 and 100 µs.

They compete with nobody and are no steps of a ladder, so they are not in the
registry. This module imports nothing large: what is loaded is walked by the garbage
collector before each case, and 200 of those walks would take longer than the twins.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from accel.kernels.inputs import blank, normal
from accel.kernels.registry import target_of


def add(operation, x, y, out):
    """Compute ``x + y``."""
    np.add(x, y, out=out)


def multiply(operation, x, y, out):
    """Compute ``x y``."""
    np.multiply(x, y, out=out)


def divide(operation, x, y, out):
    """Compute ``x / y``."""
    np.divide(x, y, out=out)


def larger(operation, x, y, out):
    """Take the larger of `x` and `y`, element by element."""
    np.maximum(x, y, out=out)


def root(operation, x, y, out):
    """Compute the square root of ``|x|``: two passes."""
    np.abs(x, out=out)
    np.sqrt(out, out=out)


def mean(operation, x, y, out):
    """Compute ``(x + y) / 2``, with a temporary array."""
    np.multiply(x + y, 0.5, out=out)


def running_total(operation, x, y, out):
    """Add `x` up, keeping every partial sum."""
    np.cumsum(x, out=out)


def floor(operation, x, y, out):
    """Round `x` down."""
    np.floor(x, out=out)


def ramp(operation, x, y, out):
    """Clip `x` to 0 to 1."""
    np.clip(x, 0, 1, out=out)


def backwards(operation, x, y, out):
    """Copy `x` in reverse."""
    np.copyto(out, x[::-1])


#: Each operation with its shortest and its longest array.
LENGTHS = {
    add: (4_000, 60_000),
    multiply: (4_000, 60_000),
    divide: (2_000, 60_000),
    larger: (4_000, 60_000),
    root: (1_000, 40_000),
    mean: (2_000, 40_000),
    running_total: (1_000, 30_000),
    floor: (4_000, 60_000),
    ramp: (2_000, 60_000),
    backwards: (2_000, 60_000),
}

#: Lengths of each operation.
STEPS = 20


#: What each operation computes, by other means than its own.
TRUTH = {
    "add": lambda x, y: x - (-y),
    "multiply": lambda x, y: x / (1 / y),
    "divide": lambda x, y: x * (1 / y),
    "larger": lambda x, y: np.where(x > y, x, y),
    "root": lambda x, y: np.abs(x) ** 0.5,
    "mean": lambda x, y: x / 2 + y / 2,
    "running_total": lambda x, y: np.add.accumulate(x),
    "floor": lambda x, y: np.trunc(x) - (x < np.trunc(x)),
    "ramp": lambda x, y: np.where(x < 0, 0, np.where(x > 1, 1, x)),
    "backwards": lambda x, y: np.flip(x),
}


def inputs(operation: str, length: int) -> tuple:
    """Return ``(operation, x, y, out)``; the arrays are float64, of shape (length,)."""
    shape = (length,)
    x, y = normal(shape, "float64", 1), normal(shape, "float64", 2)
    return operation, x, y, blank(shape, "float64")


def oracle(operation: str, x, y, out) -> tuple:
    """Return the answer, and what the longest sum of all may lose by rounding."""
    expected = TRUTH[operation](x, y)
    return expected, np.finfo(np.float64).eps * x.size * (1 + np.abs(x).sum() + np.abs(expected))


def cases() -> list[dict[str, Any]]:
    """Return the 200 pairs, each as the plain data that `accel.timing.Case` takes."""
    return [
        _pair(function, int(length))
        for function, (shortest, longest) in LENGTHS.items()
        for length in np.geomspace(shortest, longest, STEPS)
    ]


def _pair(function, length: int) -> dict[str, Any]:
    entry = {
        "target": target_of(function),
        "adapt": None,
        "instrument": "NumPy",
        "story": "one function under two names",
    }
    return {
        "operation": function.__name__,
        "parameters": {"operation": function.__name__, "length": length},
        "inputs": target_of(inputs),
        "oracle": target_of(oracle),
        "flops": length,
        "compulsory_bytes": 24 * length,
        "kernels": {"first": entry, "second": entry},
        "baseline": "first",
    }
