"""Rows from a table to consecutive places, in registers: what `embedding_vector` is made of."""

from __future__ import annotations

from accel.kernels.gather.rows import register_of
from accel.simd import (
    elements_to_alignment,
    fence,
    first_lanes,
    invert,
    jit,
    load,
    load_first,
    load_masked,
    prefetch,
    select,
    store,
    store_first,
    store_streaming,
)

#: How far ahead rows are asked for, in bytes of rows.
AHEAD_BYTES = 2048

#: What is longer than this goes past the caches, which could not keep it.
STREAM_BYTES = 1 << 23


@jit
def copy_rows(table, indices, out, start, stop):
    """Copy rows `start` to `stop` of `out`; False at the first index outside, without it."""
    V, d = register_of(table, 16), table.shape[1]
    if out.nbytes > STREAM_BYTES and d >= V.lanes:
        return _stream(V, table.ravel(), table.shape[0], d, indices, start, stop, out.ravel())
    return _copy_any(table, indices, out, start, stop)


@jit
def _copy_any(table, indices, out, start, stop):
    """Copy rows in the widest registers that fit them."""
    rows, d = table.shape
    source, target = table.ravel(), out.ravel()
    if d >= 16:
        V = register_of(table, 16)
        return _copy(V, source, rows, d, indices, start, stop, target)
    if d >= 8:
        V = register_of(table, 8)
        return _copy(V, source, rows, d, indices, start, stop, target)
    if d >= 4:
        V = register_of(table, 4)
        return _copy(V, source, rows, d, indices, start, stop, target)
    if d >= 2:
        V = register_of(table, 2)
        return _copy(V, source, rows, d, indices, start, stop, target)
    return _copy_numbers(source, rows, d, indices, start, stop, target)


@jit
def _copy(V, source, rows, d, indices, start, stop, target):
    """Copy rows that are at least a register long; the last register may overlap another."""
    ahead = 1 + AHEAD_BYTES // (d * source.itemsize)
    last = d - V.lanes
    for i in range(start, stop):
        index = indices[i]
        if index < 0 or index >= rows:
            return False
        soon = indices[min(i + ahead, stop - 1)] * d
        at, to = index * d, i * d
        for c in range(0, last, V.lanes):
            prefetch(source, soon + c)
            store(target, to + c, load(V, source, at + c))
        prefetch(source, soon + last)
        store(target, to + last, load(V, source, at + last))
    return True


@jit
def _copy_numbers(source, rows, d, indices, start, stop, target):
    """Copy rows of one number, or of none."""
    for i in range(start, stop):
        index = indices[i]
        if index < 0 or index >= rows:
            return False
        if d:
            target[i] = source[index]
    return True


@jit
def _stream(V, source, rows, d, indices, start, stop, target):
    """Copy rows past the caches, one whole line of `out` after another.

    A line that is written half past the caches and half through them costs hundreds of
    cycles. So the numbers at the end of a row that fill no line wait for the next row, and
    the two are put together in a register.
    """
    ahead = 1 + AHEAD_BYTES // (d * source.itemsize)
    waiting, before = 0, 0  # numbers of the last row that are not written, and its place
    i = start
    while i < stop:
        index = indices[i]
        if index < 0 or index >= rows:
            break
        soon = indices[min(i + ahead, stop - 1)] * d
        at, to = index * d, i * d
        c = 0
        if i == start:
            c = elements_to_alignment(V, target, to)
            store_first(target, to, load_first(V, source, at, c), c)
        elif waiting:
            old = first_lanes(V, waiting)
            low = load_masked(V, source, before + d - waiting, old)
            high = load_masked(V, source, at - waiting, invert(old))
            store_streaming(target, to - waiting, select(old, low, high))
            c = V.lanes - waiting
        while c + V.lanes <= d:
            prefetch(source, soon + c)
            store_streaming(target, to + c, load(V, source, at + c))
            c += V.lanes
        prefetch(source, soon + d - 1)
        waiting, before = d - c, at
        i += 1
    store_first(
        target, i * d - waiting, load_first(V, source, before + d - waiting, waiting), waiting
    )
    fence()
    return i == stop
