"""A product on one local worker or several, as `accel.timing` measures it.

The cluster starts while inputs are made, off the clock, and serves all cases of a process. A
case of one worker leaves the others idle.
"""

from __future__ import annotations

import functools
import os
from typing import Any

import numpy as np

from accel.backend.base import Call
from accel.backend.dask import cluster, partition, stream
from accel.kernels import registry

#: Workers of the cases.
WORKERS = (1, 2)


@functools.cache
def _cluster() -> cluster.Cluster:
    return cluster.start(max(WORKERS), None)


def inputs(m: int, k: int, n: int, workers: int, dtype: str = "float32") -> tuple:
    """Return ``(a, b, workers, out)``, with a cluster of `WORKERS` there to take them."""
    a, b, out = registry.operation("matmul").inputs(m=m, k=k, n=n, dtype=dtype)
    _cluster()
    return a, b, workers, out


def oracle(a: np.ndarray, b: np.ndarray, workers: int, out: np.ndarray) -> tuple:
    """Return the product in float64, and the error each element may have."""
    return registry.operation("matmul").oracle(a, b, out)


def on_cluster(a: np.ndarray, b: np.ndarray, workers: int, out: np.ndarray) -> None:
    """Multiply on so many workers."""
    stream.run(_cluster(), Call("matmul", a.dtype.name, (a, b, out)), workers)


def here(a: np.ndarray, b: np.ndarray, workers: int, out: np.ndarray) -> tuple:
    """Return the arguments of a kernel that runs in this process."""
    return a, b, out


def case(m: int, k: int, n: int, workers: int, dtype: str = "float32") -> dict[str, Any]:
    """Describe a product on so many workers, and on all cores without a cluster."""
    sizes = {"m": m, "k": k, "n": n}
    op, local = registry.operation("matmul"), registry.best("matmul", dtype, os.cpu_count() or 1)
    ours = f"{__name__}:"
    return {
        "operation": "matmul",
        "parameters": {**sizes, "workers": workers, "dtype": dtype},
        "inputs": f"{ours}inputs",
        "oracle": f"{ours}oracle",
        "flops": int(op.flops(**sizes)),
        "compulsory_bytes": int(op.compulsory_bytes(dtype=dtype, **sizes)),
        "mutates": [],
        "baseline": local.name,
        "kernels": {
            "cluster": {
                "target": f"{ours}on_cluster",
                "adapt": None,
                "instrument": "compiled",
                "story": "blocks sent to workers, multiplied there, and fetched",
            },
            local.name: {
                "target": local.target,
                "adapt": f"{ours}here",
                "instrument": local.instrument,
                "story": local.story,
            },
        },
    }


def counts(m: int, k: int, n: int, workers: int, dtype: str = "float32") -> dict[str, float]:
    """Return what a product takes, from the plan by which it is cut.

    Returns
    -------
    dict
        ``rounds`` that a lane goes through, one after the other; ``moved_bytes`` between this
        process and workers; ``flops``; ``workers``. Workers are taken to have memory enough.
    """
    itemsize, lanes = np.dtype(dtype).itemsize, stream.LANES * workers
    blocks = partition.blocks((m, k, n), itemsize, stream.MOST_ROOM, lanes)
    down, panels, across = (
        len(list(partition.spans(size, most)))
        for size, most in ((m, blocks.rows), (k, blocks.inner), (n, blocks.columns))
    )
    return {
        "rounds": -(-down * across // lanes) * panels,
        "moved_bytes": (across * m * k + down * k * n + m * n) * itemsize,
        "flops": 2 * m * k * n,
        "workers": workers,
    }
