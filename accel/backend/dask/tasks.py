"""What workers run: kernels of this library on pieces of arrays.

Each is found by its name, so that a worker on another machine needs this library installed
and nothing else. Each takes an operation, an element type, what the piece before has left
(`carry`), and arrays.
"""

from __future__ import annotations

import os
from typing import Any, NamedTuple

import numpy as np

from accel.kernels import registry

#: Bytes in use of the call that a worker warms up with: enough for the kernel of large arrays.
WARM_UP_BYTES = 1 << 18


class Moments(NamedTuple):
    """Count, mean and variance of a piece."""

    count: int
    mean: float
    variance: float


class State(NamedTuple):
    """What a worker says of itself: bytes resident, bytes allowed (0 for any), process."""

    resident_bytes: int
    limit_bytes: int
    pid: int


def kernel(operation: str, dtype: str):
    """Return the kernel for one core: a worker has one thread."""
    return registry.best(operation, dtype).function


def warm_up(operation: str, dtype: str) -> None:
    """Compile a kernel, or load it from the cache."""
    op = registry.operation(operation)
    parameters = op.sizes(WARM_UP_BYTES) if op.sizes else op.edges[-1]
    kernel(operation, dtype)(*op.inputs(**{**parameters, "dtype": dtype}))


def prepared(operation: str, dtype: str) -> State:
    """Warm up on a worker, and say how much memory is in use then."""
    import psutil
    from distributed import get_worker

    warm_up(operation, dtype)
    limit = get_worker().memory_manager.memory_limit
    return State(psutil.Process().memory_info().rss, int(limit or 0), os.getpid())


def received(x: np.ndarray) -> np.ndarray:
    """Return an array that kernels can read: in a message it may lie at any byte."""
    return np.require(x, requirements=["A", "C", "W"])


def each(operation: str, dtype: str, carry: None, x: np.ndarray, *constants: Any) -> np.ndarray:
    """Return an array of the shape of `x`: an operation on elements, or on rows."""
    x, *constants = map(received, (x, *constants))
    out = np.empty_like(x)
    kernel(operation, dtype)(x, *constants, out)
    return out


def product(
    operation: str, dtype: str, carry: np.ndarray | None, a: np.ndarray, b: np.ndarray
) -> np.ndarray:
    """Return `carry` plus a product: the sum over one more panel of the inner dimension."""
    a, b = received(a), received(b)
    columns = b.shape[-2] if operation == "matmul_nt" else b.shape[-1]
    out = np.empty((*a.shape[:-1], columns), a.dtype)
    kernel(operation, dtype)(a, b, out)
    if carry is not None:
        out += carry
    return out


def reduced(operation: str, dtype: str, carry: None, x: np.ndarray) -> np.generic:
    """Return the sum, or the maximum, of a piece."""
    x = received(x)
    out = np.empty(1, x.dtype)
    kernel(operation, dtype)(x, out)
    return out[0]


def largest(operation: str, dtype: str, carry: None, x: np.ndarray) -> tuple[int, np.generic]:
    """Return place and value of the largest number of a piece."""
    x = received(x)
    out = np.empty(1, "int64")
    kernel(operation, dtype)(x, out)
    return int(out[0]), x[out[0]]


def moments(operation: str, dtype: str, carry: None, x: np.ndarray) -> Moments:
    """Return count, mean and variance of a piece."""
    x = received(x)
    out = np.empty(2, x.dtype)
    kernel(operation, dtype)(x, out)
    return Moments(x.size, float(out[0]), float(out[1]))
