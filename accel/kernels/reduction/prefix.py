"""Prefix sums: every sum on the way to the sum of an array.

The plainest chain there is: each result needs the one before. It breaks all the same.
The sums of the last two numbers at each place need no chain; added in pairs two places
apart they are the sums of the last four, then of the last eight, of as many as a register
has lanes. A register of those, plus the register of results before it, is the next
register of results: one addition to wait for instead of sixteen.

Source
------
Hillis and Steele, "Data parallel algorithms", *CACM* 29 (1986): partial sums by doubling
distances. Blelloch, "Prefix sums and their applications", CMU-CS-90-190 (1990): sums of
parts first, then each part from where the ones before it end.
"""

from __future__ import annotations

import numpy as np
from numba import prange

from accel.kernels.activation import lists, register_for
from accel.kernels.inputs import blank
from accel.kernels.reduction.spans import (
    AWKWARD,
    EDGES,
    SHARES,
    WORTH_SHARING,
    numbers,
    sum_error,
    two,
)
from accel.kernels.reduction.sums import span_sum
from accel.kernels.registry import Operation, register, register_operation
from accel.simd import broadcast, jit, load, store

#: Numbers whose short sums are formed at a time, in a buffer that stays in the nearest cache.
STRETCH = 1024


def prefix_sum_inputs(n: int, dtype: str = "float32", values: str = "normal") -> tuple:
    """Return ``(x, out)`` of length `n`; "special": an infinity and a NaN."""
    return numbers(n, dtype, values), blank((n,), dtype)


def prefix_sum_oracle(x: np.ndarray, out: np.ndarray) -> tuple:
    """Return the sums in the widest type there is, and the errors of sums in any order."""
    finite = np.where(np.isfinite(x), np.abs(x), 0).astype(np.float64)
    expected = np.cumsum(x, dtype=np.longdouble).astype(np.float64)
    return expected, 2 * sum_error(x.dtype, np.arange(1, x.size + 1)) * np.cumsum(finite)


def prefix_sum_flops(n: int, **_) -> int:
    """One addition per element."""
    return n


def prefix_sum_bytes(n: int, dtype: str = "float32", **_) -> int:
    """Read `x`, write `out`."""
    return 2 * n * np.dtype(dtype).itemsize


register_operation(
    Operation(
        "prefix_sum",
        prefix_sum_inputs,
        prefix_sum_oracle,
        prefix_sum_flops,
        prefix_sum_bytes,
        EDGES,
        sizes=two,
        awkward=AWKWARD,
    )
)


@register(
    "prefix_sum",
    name="loop",
    instrument="interpreter",
    story="a Python loop over a list",
    adapt=lists,
    tags=("ladder",),
)
def prefix_sum_loop(x, out):
    """Keep every sum of a loop over a list.

    The starting point, in float64 whatever the array held.

    Parameters
    ----------
    x, out : list of float, length n
        `out` is overwritten.

    Cost
    ----
    ``n`` additions, each some dozens of instructions of the interpreter.
    """
    total = 0.0
    for i, value in enumerate(x):
        total += value
        out[i] = total


@register(
    "prefix_sum",
    name="numpy",
    instrument="NumPy",
    story="cumsum: removes the interpreter",
    tags=("ladder",),
)
def prefix_sum_numpy(x, out):
    """Find all sums by one array operation.

    Removes the interpreter; the additions still wait for each other.

    Parameters
    ----------
    x, out : ndarray, shape (n,), float32 or float64
        `out` is overwritten.

    Raises
    ------
    ValueError
        If the lengths differ.

    Cost
    ----
    ``n`` additions, one after the other, in one pass.
    """
    np.add.accumulate(x, out=out)


@register(
    "prefix_sum",
    name="compiled",
    instrument="compiled",
    story="the loop again, compiled: removes NumPy's preparations",
    tags=("ladder",),
)
@jit
def prefix_sum_compiled(x, out):
    """Keep every sum of a compiled loop.

    Removes NumPy's preparations. The additions wait for each other as before.

    Parameters
    ----------
    x, out : ndarray, shape (n,), float32 or float64
        `out` is overwritten.

    Raises
    ------
    ValueError
        If the lengths differ.

    Cost
    ----
    ``n`` additions, one after the other. Error: at most ``(i - 1) u`` of the sum of
    absolute values up to element i.
    """
    if x.size != out.size:
        raise ValueError("prefix_sum: out must be as long as x")
    total = x.dtype.type(0)
    for i in range(x.size):
        total += x[i]
        out[i] = total


@register(
    "prefix_sum",
    name="vector",
    instrument="compiled",
    story="short sums by doubling in vector registers: removes most of the waiting",
    tags=("ladder", "best"),
)
@jit
def prefix_sum_vector(x, out):
    """Find all sums a register at a time.

    Removes most of the waiting: one addition per register depends on the one before. The
    price is more of them, one for each doubling.

    Parameters
    ----------
    x, out : ndarray, shape (n,), float32 or float64, contiguous
        `out` is overwritten. A sum of -0.0 alone comes back as 0.0.

    Raises
    ------
    ValueError
        If the lengths differ.

    Cost
    ----
    ``n / lanes`` times ``log2(lanes) + 1`` additions of registers; one pass.
    """
    if x.size != out.size:
        raise ValueError("prefix_sum: out must be as long as x")
    span_prefix(x, 0, x.size, 0.0, out)


@register(
    "prefix_sum",
    name="threads",
    instrument="compiled",
    story="sums of parts first, then all parts at once: removes the idle cores",
    tags=("ladder", "threads"),
)
@jit
def prefix_sum_threads(x, out):
    """Find all sums on all cores.

    Removes the idle cores, at the price of reading twice: first each part's sum, then from
    where each part begins its prefix sums. A short array is left to one core.

    Parameters, result and errors as for `prefix_sum_vector`.
    """
    if x.size != out.size:
        raise ValueError("prefix_sum: out must be as long as x")
    if x.size >= WORTH_SHARING:
        _shared_prefix(x, out)
    else:
        span_prefix(x, 0, x.size, 0.0, out)


@jit(parallel=True)
def _shared_prefix(x, out):
    begins = np.empty(SHARES)
    for part in prange(SHARES):
        begins[part] = span_sum(x, x.size * part // SHARES, x.size * (part + 1) // SHARES)
    before = 0.0
    for part in range(SHARES):
        before, begins[part] = before + begins[part], before
    for part in prange(SHARES):
        first, last = x.size * part // SHARES, x.size * (part + 1) // SHARES
        span_prefix(x, first, last, begins[part], out)


@jit
def span_prefix(x, first, last, before, out):
    """Write `before` plus the sums of ``x[first:]`` to ``out[first:last]``."""
    V = register_for(x)
    total = x.dtype.type(before)
    if last - first >= 4 * V.lanes:
        end = last - (last - first) % V.lanes
        _registers(V, x, first, end, total, out)
        first, total = end, out[end - 1]
    for i in range(first, last):
        total += x[i]
        out[i] = total


@jit
def _registers(V, x, first, last, before, out):
    fours = np.zeros(V.lanes + STRETCH, x.dtype)  # sums of four, after zeros or the last ones
    sums = broadcast(V, before)
    for begin in range(first, last, STRETCH):
        end = min(begin + STRETCH, last)
        i = begin
        if begin == first:
            i += V.lanes
            for k in range(V.lanes):
                for back in range(min(k + 1, 4)):
                    fours[V.lanes + k] += x[first + k - back]
        while i < end:
            pair = load(V, x, i) + load(V, x, i - 1)
            store(fours, V.lanes + i - begin, pair + (load(V, x, i - 2) + load(V, x, i - 3)))
            i += V.lanes
        for k in range(V.lanes, V.lanes + end - begin, V.lanes):
            window = load(V, fours, k)
            for back in range(4, V.lanes, 4):
                window += load(V, fours, k - back)
            sums += window
            store(out, begin + k - V.lanes, sums)
        store(fours, 0, load(V, fours, end - begin))
