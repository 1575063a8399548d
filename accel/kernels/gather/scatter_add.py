"""Scatter-add: ``out[indices[i]] += values[i]``, the gradient of an embedding lookup.

`indices` is int64 of length n, `values` of shape (n, d), `out` (rows, d);
contiguous, of one element type, not overlapping. Equal indices add up. The compiled steps
add to each row in the order of the indices, whatever the number of threads: answers are the
same from run to run. The ladder's `loop` reads and writes lists.

An index outside raises IndexError before anything is added.

Source
------
NumPy reference, "numpy.ufunc.at" and "numpy.ufunc.reduceat".
"""

from __future__ import annotations

import numba
import numpy as np

from accel.kernels import work
from accel.kernels.activation import lists
from accel.kernels.gather.indices import all_inside, distinct, drawn, refuse_outside
from accel.kernels.gather.rows import register_of
from accel.kernels.inputs import normal
from accel.kernels.registry import Operation, register, register_operation
from accel.simd import jit, load, pointer, prefetch, store

EDGES = (
    {"n": 0, "d": 4, "rows": 3},
    {"n": 0, "d": 4, "rows": 0},
    {"n": 3, "d": 0, "rows": 2},
    {"n": 1, "d": 1, "rows": 1},
    {"n": 40, "d": 1, "rows": 3},
    {"n": 5, "d": 3, "rows": 100, "order": "sorted"},
    {"n": 30, "d": 7, "rows": 2},
    {"n": 127, "d": 15, "rows": 20},
    {"n": 100, "d": 16, "rows": 9, "order": "zipf"},
    {"n": 129, "d": 31, "rows": 7, "order": "sorted"},
    {"n": 9, "d": 127, "rows": 3},
    {"n": 4, "d": 128, "rows": 1},
    {"n": 129, "d": 33, "rows": 129},
    {"n": 3, "d": 1000, "rows": 2},
)

AWKWARD = (
    {"n": 10_007, "d": 33, "rows": 997},
    {"n": 100_003, "d": 3, "rows": 1009, "order": "zipf"},
    {"n": 100_003, "d": 1, "rows": 10_007},
)

#: How far ahead rows are asked for, in bytes of rows.
AHEAD_BYTES = 2048

#: What is no longer than this is in the second cache when its turn comes.
NEAR_BYTES = 1 << 20

#: Below so many bytes threads cost more than they gain.
WORTH_THREADS = 1 << 20


def scatter_add_inputs(
    n: int, d: int, rows: int, order: str = "random", dtype: str = "float32"
) -> tuple:
    """Return ``(indices, values, out)``; `out` holds numbers already."""
    values, out = normal((n, d), dtype, seed=1), normal((rows, d), dtype, seed=2)
    return drawn(n, rows, order), values, out


def scatter_add_oracle(indices: np.ndarray, values: np.ndarray, out: np.ndarray) -> tuple:
    """Return the sums in float64, and what their roundings allow.

    A sum of m terms and what was there, added in any order, is off by at most m roundings
    of the sum of sizes, here bounded by the longest there is.
    """
    expected, sizes = out.astype(np.float64), np.abs(out.astype(np.float64))
    np.add.at(expected, indices, values.astype(np.float64))
    np.add.at(sizes, indices, np.abs(values.astype(np.float64)))
    terms = np.bincount(indices, minlength=out.shape[0])[:, np.newaxis]
    return expected, terms * float(np.finfo(out.dtype).eps) * sizes


def scatter_add_flops(n: int, d: int, **_) -> int:
    """One addition for each value."""
    return n * d


def scatter_add_bytes(n: int, d: int, rows: int, order="random", dtype="float32") -> int:
    """Read indices and values; read and write once each row that an index names."""
    used = distinct(n, rows, order)
    return 8 * n + (n + 2 * used) * d * np.dtype(dtype).itemsize


def scatter_add_sizes(working_set_bytes: int) -> dict:
    """Return random rows of 64 numbers, in about so many bytes: a quarter of them in `out`."""
    row = 64 * 4
    rows = max(1, working_set_bytes // (4 * row))
    return {"n": 3 * rows, "d": 64, "rows": rows}


register_operation(
    Operation(
        "scatter_add",
        scatter_add_inputs,
        scatter_add_oracle,
        scatter_add_flops,
        scatter_add_bytes,
        EDGES,
        scatter_add_sizes,
        AWKWARD,
        mutates=(2,),
        work=work.rows,
        signature=(1, 2),
    )
)


@register(
    "scatter_add",
    name="loop",
    instrument="interpreter",
    story="Python loops over nested lists, one number at a time",
    adapt=lists,
    tags=("ladder",),
)
def scatter_add_loop(indices, values, out):
    """Add rows of nested lists to the rows that indices name.

    The starting point.

    Parameters
    ----------
    indices : list of int, length n
    values : list of list of float, of shape (n, d)
    out : list of list of float, of shape (rows, d)
        Added to.

    Raises
    ------
    IndexError
        If an index is not from 0 to ``rows - 1``.

    Cost
    ----
    ``n d`` FLOPs, each some dozens of the interpreter's instructions.
    """
    if any(not 0 <= index < len(out) for index in indices):
        raise IndexError(f"scatter_add: indices must be from 0 to {len(out) - 1}")
    for index, row in zip(indices, values, strict=True):
        sums = out[index]
        for j, value in enumerate(row):
            sums[j] += value


@register(
    "scatter_add",
    name="add_at",
    instrument="NumPy",
    story="np.add.at: removes the interpreter, one element at a time",
    tags=("ladder",),
)
def scatter_add_at(indices, values, out):
    """Add rows with ``np.add.at``, which was made for it.

    Removes the interpreter. ``out[indices] += values`` would not do: it reads all rows, adds,
    and writes them, so that of equal indices only the last counts.

    Parameters
    ----------
    indices : ndarray, shape (n,), int64
    values : ndarray, shape (n, d), float32 or float64
    out : ndarray, shape (rows, d)
        Added to.

    Raises
    ------
    IndexError
        If an index is not from 0 to ``rows - 1``.
    ValueError
        If shapes do not fit.

    Cost
    ----
    ``n d`` FLOPs, each with NumPy's work of finding the element.
    """
    refuse_outside("scatter_add", indices, out.shape[0])
    np.add.at(out, indices, values)


@register(
    "scatter_add",
    name="bincount",
    instrument="NumPy",
    story="bincount with weights, a column at a time: removes the search for elements",
    tags=("ladder", "numpy"),
)
def scatter_add_bincount(indices, values, out):
    """Add one column at a time by ``np.bincount`` with the values as weights.

    Removes the general machinery: `bincount` is one loop in C, but over one column, so that
    values are read with long steps, and in float64, a column of `rows` sums at a time.

    Parameters
    ----------
    indices : ndarray, shape (n,), int64
    values : ndarray, shape (n, d), float32 or float64
    out : ndarray, shape (rows, d)
        Added to.

    Raises
    ------
    IndexError
        If an index is not from 0 to ``rows - 1``.
    ValueError
        If shapes do not fit.

    Cost
    ----
    ``n d`` FLOPs and ``rows d`` more; ``8 (n + rows)`` bytes at a time.
    """
    rows = out.shape[0]
    if values.shape != (indices.size, out.shape[1]):
        raise ValueError(
            f"scatter_add: values must be as many rows as indices and as wide as out, got shape "
            f"{values.shape} for {indices.size} indices and an out of shape {out.shape}"
        )
    refuse_outside("scatter_add", indices, rows)
    for j in range(out.shape[1]):
        out[:, j] += np.bincount(indices, weights=values[:, j], minlength=rows)


@register(
    "scatter_add",
    name="sorted",
    instrument="NumPy",
    story="sort, then reduceat: removes the scatter, adds a sort",
    tags=("ladder",),
)
def scatter_add_sorted(indices, values, out):
    """Add rows by sorting them by index, and adding up each run.

    Removes the scatter: rows of equal index come to stand together, ``np.add.reduceat`` adds
    up each run row by row, and each row of `out` is added to once. The sort is stable, so
    each run is in the order of the indices.

    Parameters
    ----------
    indices : ndarray, shape (n,), int64
    values : ndarray, shape (n, d), float32 or float64
    out : ndarray, shape (rows, d)
        Added to.

    Raises
    ------
    IndexError
        If an index is not from 0 to ``rows - 1``.
    ValueError
        If shapes do not fit.

    Cost
    ----
    A sort of n indices, ``n d`` FLOPs; ``n d`` elements allocated.
    """
    refuse_outside("scatter_add", indices, out.shape[0])
    if not indices.size:
        return
    order = np.argsort(indices, kind="stable")
    ordered = indices[order]
    starts = np.flatnonzero(np.concatenate(([True], ordered[1:] != ordered[:-1])))
    out[ordered[starts]] += np.add.reduceat(values[order], starts, axis=0)


@jit
def _check(indices, values, out):
    if values.shape[1] != out.shape[1] or indices.size != values.shape[0]:
        raise ValueError("scatter_add: values must have a row per index, as long as those of out")
    if not all_inside(indices, out.shape[0]):
        raise IndexError("scatter_add: indices must be from 0 to the last row of out")


@register(
    "scatter_add",
    name="compiled",
    instrument="compiled",
    story="the loops again, compiled: removes the sort and its copies",
    tags=("ladder",),
)
@jit
def scatter_add_compiled(indices, values, out):
    """Add rows by compiled loops.

    Removes the sort: whether rows come together no longer matters, as long as `out` stays in
    cache. The compiler vectorises the inner loop where rows are long, after a test at each
    row that they do not overlap.

    Parameters
    ----------
    indices : ndarray, shape (n,), int64
    values : ndarray, shape (n, d), float32 or float64
    out : ndarray, shape (rows, d)
        Added to.

    Raises
    ------
    IndexError
        If an index is not from 0 to ``rows - 1``.
    ValueError
        If shapes do not fit.

    Cost
    ----
    ``n d`` FLOPs in one pass, after one over the indices.
    """
    _check(indices, values, out)
    for i in range(indices.size):
        index = indices[i]
        for j in range(out.shape[1]):
            out[index, j] += values[i, j]


@register(
    "scatter_add",
    name="vector",
    instrument="compiled",
    story="rows in registers, later ones asked for early: removes the waiting",
    tags=("ladder", "best"),
)
@jit
def scatter_add_vector(indices, values, out):
    """Add rows with vector registers, and ask for later rows of `out` in time.

    Removes the waiting for rows of `out` that are not in cache: the indices say which come
    next, and they are prefetched some 2 KiB ahead. What a register does not fill is done by
    shorter ones.

    Parameters
    ----------
    indices : ndarray, shape (n,), int64, contiguous
    values : ndarray, shape (n, d), float32 or float64, contiguous
    out : ndarray, shape (rows, d), contiguous
        Added to.

    Raises
    ------
    IndexError
        If an index is not from 0 to ``rows - 1``.
    ValueError
        If shapes do not fit.

    Cost
    ----
    ``n d / lanes`` times two loads, an addition, a store and a prefetch.
    """
    _check(indices, values, out)
    add_rows(indices, values, out, 0, 0)


@jit
def add_rows(indices, values, out, part, parts):
    """Add the rows whose index falls to this part of `parts`; all of them where that is 0.

    Parts own runs of rows in turn, each run at least a cache line long, so that hardly a
    line is written by two threads.
    """
    d = out.shape[1]
    tokens = register_of(out, 8), register_of(out, 4)
    target, source = pointer(out), pointer(values)
    if parts:
        _add_owned(tokens, out.itemsize, indices, source, target, d, part, parts)
    elif d == 1:
        for i in range(indices.size):
            target[indices[i]] += source[i]
    elif out.nbytes <= NEAR_BYTES:
        for i in range(indices.size):
            _add(tokens, source, i * d, target, indices[i] * d, d)
    else:
        _add_far(tokens, out.itemsize, indices, source, target, d)


@jit
def _add_far(tokens, itemsize, indices, source, target, d):
    """Add rows to rows that are not near: ask for each some rows before its turn."""
    line = 64 // itemsize
    ahead, last = 1 + AHEAD_BYTES // (d * itemsize), indices.size - 1
    for i in range(indices.size):
        soon = indices[min(i + ahead, last)] * d
        for c in range(0, d, line):
            prefetch(target, soon + c)
        prefetch(target, soon + d - 1)
        _add(tokens, source, i * d, target, indices[i] * d, d)


@jit
def _add_owned(tokens, itemsize, indices, source, target, d, part, parts):
    """Add the rows that belong to one part."""
    run = 0
    while d * itemsize << run < 64:
        run += 1
    for i in range(indices.size):
        if (indices[i] >> run) % parts == part:
            _add(tokens, source, i * d, target, indices[i] * d, d)


@jit(inline="always")
def _add(tokens, source, at, target, to, d):
    """Add one row to another.

    In registers of 8 numbers: rows begin anywhere, and longer ones would often lie in two
    cache lines.
    """
    V, Q = tokens
    c = 0
    while c + 4 * V.lanes <= d:
        # All sums before the first store: a load waits for a store that might be to its place.
        i, j = to + c, at + c
        first = load(V, target, i) + load(V, source, j)
        second = load(V, target, i + V.lanes) + load(V, source, j + V.lanes)
        third = load(V, target, i + 2 * V.lanes) + load(V, source, j + 2 * V.lanes)
        fourth = load(V, target, i + 3 * V.lanes) + load(V, source, j + 3 * V.lanes)
        store(target, i, first)
        store(target, i + V.lanes, second)
        store(target, i + 2 * V.lanes, third)
        store(target, i + 3 * V.lanes, fourth)
        c += 4 * V.lanes
    while c + V.lanes <= d:
        store(target, to + c, load(V, target, to + c) + load(V, source, at + c))
        c += V.lanes
    if c + Q.lanes <= d:
        store(target, to + c, load(Q, target, to + c) + load(Q, source, at + c))
        c += Q.lanes
    for j in range(c, d):
        target[to + j] += source[at + j]


@jit(parallel=True)
def _add_in_parallel(indices, values, out, parts):
    for part in numba.prange(parts):
        add_rows(indices, values, out, part, parts)


@register(
    "scatter_add",
    name="threads",
    instrument="compiled",
    story="all cores: each owns some rows of out",
    tags=("threads",),
)
def scatter_add_threads(indices, values, out):
    """Add rows on all cores; parameters, errors and result as `scatter_add_vector`.

    Every core reads all indices and adds only to the rows that it owns: no row is written by
    two, and each gets its values in the order of the indices. Little work stays on one core,
    and so does a single column, where the indices are most of what there is to read.
    """
    threads = numba.get_num_threads()
    if threads == 1 or values.nbytes < WORTH_THREADS or out.shape[1] == 1:
        scatter_add_vector(indices, values, out)
        return
    _check(indices, values, out)
    _add_in_parallel(indices, values, out, threads)
