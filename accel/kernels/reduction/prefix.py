"""Prefix sums: every sum on the way to the sum of an array.

The plainest chain there is: each result needs the one before. It breaks all the same.
Added to itself moved up by one lane, a register holds sums of two; moved up by two lanes,
sums of four, and so on until each lane holds the sum of all up to it. Neighbouring
registers do that at the same time. Only what all before come to goes from one to the next:
one addition to wait for instead of sixteen.

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
from accel.kernels.activation.elements import past_caches
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
from accel.simd import (
    apart,
    broadcast,
    elements_to_alignment,
    fence,
    jit,
    lane,
    load,
    load_first,
    scan_sum,
    store,
    store_first,
    store_streaming,
)


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
    story="sums within vector registers by doubling: removes most of the waiting",
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
@apart
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
    V, streams = register_for(x), past_caches(x, 2)
    sums, i = broadcast(V, before), first
    if streams:
        i += min(elements_to_alignment(V, out, i), last - i)
        if i > first:
            total = scan_sum(load_first(V, x, first, i - first)) + sums
            store_first(out, first, total, i - first)
            sums = broadcast(V, out[i - 1])
    while last - i >= 4 * V.lanes:
        a, b = scan_sum(load(V, x, i)), scan_sum(load(V, x, i + V.lanes))
        c = scan_sum(load(V, x, i + 2 * V.lanes))
        d = scan_sum(load(V, x, i + 3 * V.lanes))
        past_a = sums + last_everywhere(V, a)
        past_b = past_a + last_everywhere(V, b)
        past_c = past_b + last_everywhere(V, c)
        _put(out, i, a + sums, streams)
        _put(out, i + V.lanes, b + past_a, streams)
        _put(out, i + 2 * V.lanes, c + past_b, streams)
        _put(out, i + 3 * V.lanes, d + past_c, streams)
        sums = past_c + last_everywhere(V, d)
        i += 4 * V.lanes
    if streams:
        fence()
    while last - i >= V.lanes:
        a = scan_sum(load(V, x, i))
        store(out, i, a + sums)
        sums = sums + last_everywhere(V, a)
        i += V.lanes
    if last > i:
        store_first(out, i, scan_sum(load_first(V, x, i, last - i)) + sums, last - i)


@jit
def _put(out, i, v, streams):
    if streams:
        store_streaming(out, i, v)
    else:
        store(out, i, v)


@jit
def last_everywhere(V, v):
    """Return a register full of the last lane."""
    return broadcast(V, lane(v, V.lanes - 1))
