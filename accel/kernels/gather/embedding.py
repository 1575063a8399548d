"""Embedding lookup: ``out[i] = table[indices[i]]``, the copy whose source jumps.

`table` is of shape (rows, d), `indices` int64 of length n, `out` (n, d); contiguous,
`out` not overlapping. The ladder's `loop` reads and writes lists. No arithmetic is done, so
answers are exact, NaN included.

Source
------
Goodfellow, Bengio and Courville, *Deep Learning* (2016), section 12.4.2, on embeddings of
words. NumPy reference, "Indexing on ndarrays".
"""

from __future__ import annotations

import numba
import numpy as np

from accel.kernels import work
from accel.kernels.activation import lists
from accel.kernels.gather.copying import copy_rows
from accel.kernels.gather.indices import distinct, drawn, refuse_outside
from accel.kernels.inputs import blank, normal
from accel.kernels.registry import Operation, register, register_operation
from accel.simd import jit

#: No index, no row to a row, one of each, every width of register and its tail.
EDGES = (
    {"n": 0, "d": 4},
    {"n": 0, "d": 4, "rows": 0},
    {"n": 3, "d": 0},
    {"n": 1, "d": 1},
    {"n": 7, "d": 1, "rows": 3},
    {"n": 5, "d": 3, "rows": 100, "order": "sorted"},
    {"n": 5, "d": 7},
    {"n": 127, "d": 15, "rows": 2},
    {"n": 9, "d": 16, "order": "zipf"},
    {"n": 9, "d": 31, "order": "sorted"},
    {"n": 3, "d": 127},
    {"n": 4, "d": 128, "rows": 1},
    {"n": 129, "d": 33},
    {"n": 2, "d": 1000},
)

AWKWARD = (
    {"n": 10_007, "d": 33, "rows": 997},
    {"n": 100_003, "d": 3, "rows": 1009, "order": "zipf"},
    {"n": 127, "d": 1021},
)

#: Below so many bytes threads cost more than they gain.
WORTH_THREADS = 1 << 20


def embedding_inputs(
    n: int, d: int, rows: int | None = None, order: str = "random", dtype: str = "float32"
) -> tuple:
    """Return ``(table, indices, out)``; as many rows as indices unless said otherwise."""
    rows = n if rows is None else rows
    return normal((rows, d), dtype, seed=1), drawn(n, rows, order), blank((n, d), dtype)


def embedding_oracle(table: np.ndarray, indices: np.ndarray, out: np.ndarray) -> tuple:
    """Return the rows, and no error allowed."""
    return table[indices], 0.0


def embedding_flops(**_) -> int:
    """None: it only moves."""
    return 0


def embedding_bytes(n: int, d: int, rows=None, order="random", dtype="float32") -> int:
    """Read the indices, and once each row that they name; write `out`."""
    used = distinct(n, n if rows is None else rows, order)
    return 8 * n + (used + n) * d * np.dtype(dtype).itemsize


def embedding_sizes(working_set_bytes: int) -> dict:
    """Return rows of 256 numbers, looked up in order, in about so many bytes."""
    n = max(1, working_set_bytes // (2 * 256 * 4))
    return {"n": n, "d": 256, "rows": n, "order": "sorted"}


register_operation(
    Operation(
        "embedding",
        embedding_inputs,
        embedding_oracle,
        embedding_flops,
        embedding_bytes,
        EDGES,
        embedding_sizes,
        AWKWARD,
        work=work.rows,
        signature=(0, 1),
    )
)


@register(
    "embedding",
    name="loop",
    instrument="interpreter",
    story="Python loops over nested lists, one number at a time",
    adapt=lists,
    tags=("ladder",),
)
def embedding_loop(table, indices, out):
    """Copy rows between nested lists, one number at a time.

    The starting point.

    Parameters
    ----------
    table : list of list of float, of shape (rows, d)
    indices : list of int, length n
    out : list of list of float, of shape (n, d)
        Overwritten.

    Raises
    ------
    IndexError
        If an index is not from 0 to ``rows - 1``.

    Cost
    ----
    ``n d`` copies of references.
    """
    for i, index in enumerate(indices):
        if not 0 <= index < len(table):
            raise IndexError(f"embedding: indices must be from 0 to {len(table) - 1}, got {index}")
        for j, value in enumerate(table[index]):
            out[i][j] = value


@register(
    "embedding",
    name="numpy",
    instrument="NumPy",
    story="table[indices]: removes the interpreter, adds an array of the rows",
    tags=("ladder",),
)
def embedding_numpy(table, indices, out):
    """Copy rows by indexing with an array.

    Removes the interpreter. The rows go to a new array first, and from there to `out`.
    NumPy would count negative indices from the end; they are refused before.

    Parameters
    ----------
    table : ndarray, shape (rows, d), float32 or float64
    indices : ndarray, shape (n,), int64
    out : ndarray, shape (n, d)
        Overwritten.

    Raises
    ------
    IndexError
        If an index is not from 0 to ``rows - 1``.
    ValueError
        If shapes do not fit.

    Cost
    ----
    ``2 n d`` copies; ``n d`` elements allocated.
    """
    refuse_outside("embedding", indices, table.shape[0])
    out[...] = table[indices]


@register(
    "embedding",
    name="numpy_out",
    instrument="NumPy",
    story="take into out: removes the array of the rows",
    tags=("ladder",),
)
def embedding_numpy_out(table, indices, out):
    """Copy rows by ``take``, straight into `out`.

    Removes the second copy. With ``mode="raise"``, the default, ``take`` would fill an array
    of its own first, so that an index outside leaves `out` as it was; the indices being
    checked already, ``mode="clip"`` changes none of them.

    Parameters
    ----------
    table : ndarray, shape (rows, d), float32 or float64
    indices : ndarray, shape (n,), int64
    out : ndarray, shape (n, d)
        Overwritten.

    Raises
    ------
    IndexError
        If an index is not from 0 to ``rows - 1``.
    ValueError
        If shapes do not fit.

    Cost
    ----
    ``n d`` copies; nothing allocated.
    """
    refuse_outside("embedding", indices, table.shape[0])
    if indices.size:  # take refuses a table without rows, even for nothing
        np.take(table, indices, axis=0, out=out, mode="clip")


@jit
def _check(table, indices, out):
    if table.shape[1] != out.shape[1] or indices.size != out.shape[0]:
        raise ValueError("embedding: out must have a row per index, as long as those of table")


@register(
    "embedding",
    name="compiled",
    instrument="compiled",
    story="the loops again, compiled: removes the passes over the indices",
    tags=("ladder",),
)
@jit
def embedding_compiled(table, indices, out):
    """Copy rows by compiled loops.

    Removes the passes that check: an index is looked at when its row's turn comes, which
    costs a comparison that the processor predicts.

    Parameters
    ----------
    table : ndarray, shape (rows, d), float32 or float64
    indices : ndarray, shape (n,), int64
    out : ndarray, shape (n, d)
        Overwritten, up to the first index outside.

    Raises
    ------
    IndexError
        If an index is not from 0 to ``rows - 1``.
    ValueError
        If shapes do not fit.

    Cost
    ----
    ``n d`` copies in one pass.
    """
    _check(table, indices, out)
    for i in range(indices.size):
        index = indices[i]
        if index < 0 or index >= table.shape[0]:
            raise IndexError("embedding: indices must be from 0 to the last row of table")
        for j in range(table.shape[1]):
            out[i, j] = table[index, j]


@register(
    "embedding",
    name="vector",
    instrument="compiled",
    story="rows in registers, later ones asked for early: removes the waiting",
    tags=("ladder", "best"),
)
@jit
def embedding_vector(table, indices, out):
    """Copy rows with vector registers, and ask for later rows in time.

    Removes the waiting for memory: hardware foresees a walk along a row, but not which row
    comes next. The indices say it, so rows are prefetched some 2 KiB ahead. Each row is
    copied in the widest registers that fit it, the last of which may overlap the one before.
    An `out` longer than 8 MiB is written past the caches: see `copying`.

    Parameters
    ----------
    table : ndarray, shape (rows, d), float32 or float64, contiguous
    indices : ndarray, shape (n,), int64, contiguous
    out : ndarray, shape (n, d), contiguous
        Overwritten, up to the first index outside.

    Raises
    ------
    IndexError
        If an index is not from 0 to ``rows - 1``.
    ValueError
        If shapes do not fit.

    Cost
    ----
    ``n d / lanes`` loads, stores and prefetches.
    """
    _check(table, indices, out)
    if not copy_rows(table, indices, out, 0, indices.size):
        raise IndexError("embedding: indices must be from 0 to the last row of table")


@jit(parallel=True)
def _copy_in_parallel(table, indices, out, parts, done):
    for part in numba.prange(parts):
        start = indices.size * part // parts
        stop = indices.size * (part + 1) // parts
        done[part] = copy_rows(table, indices, out, start, stop)


@register(
    "embedding",
    name="threads",
    instrument="compiled",
    story="all cores: each copies a run of the indices",
    tags=("threads",),
)
def embedding_threads(table, indices, out):
    """Copy rows on all cores, each a run of the indices; few rows on one.

    Parameters, errors and cost as `embedding_vector`.
    """
    threads = numba.get_num_threads()
    if threads == 1 or out.nbytes < WORTH_THREADS:
        embedding_vector(table, indices, out)
        return
    _check(table, indices, out)
    done = np.zeros(threads, np.bool_)  # an error inside a parallel loop would be lost
    _copy_in_parallel(table, indices, out, threads, done)
    if not done.all():
        raise IndexError("embedding: indices must be from 0 to the last row of table")
