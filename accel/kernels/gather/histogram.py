"""Histogram: how many numbers fall into each of equally wide bins.

Bin j of `bins` counts x with ``edge[j] <= x < edge[j + 1]``, the last one also ``x = high``;
the edges are those of ``np.linspace(low, high, bins + 1)``, rounded to the type of `x`. So
does ``np.histogram(x, bins, (low, high))``, and every step gives exactly its counts. Numbers
outside, infinities and NaN are counted nowhere.

`x` is of length n, contiguous, `low` and `high` are finite numbers with ``low < high``, and
`out` is int64 of length `bins`, at least 1; overwritten. The ladder's `loop` reads and writes
lists.

The place of a number takes a subtraction and a multiplication, ``(x - low) bins / (high -
low)``; but rounding may put a number that lies at an edge on its wrong side. So what comes
close to an edge is compared with it, and only that.

Source
------
NumPy reference, "numpy.histogram". Gómez-Luna and others, "An optimized approach to histogram
computation on GPU", *Machine Vision and Applications* 24 (2013), on private histograms.
"""

from __future__ import annotations

import math
from bisect import bisect_right

import numba
import numpy as np

from accel.kernels.activation import register_for
from accel.kernels.inputs import normal
from accel.kernels.registry import Operation, register, register_operation
from accel.simd import (
    alike,
    any_lane,
    both,
    convert,
    either,
    floor,
    jit,
    load,
    load_first,
    pointer,
    select,
    store,
)

#: What the cases count: within three deviations, and three numbers of a thousand beyond.
LOW, HIGH = -3.0, 3.0

EDGES = (
    {"n": 0, "bins": 3},
    {"n": 1, "bins": 1},
    {"n": 7, "bins": 2},
    {"n": 15, "bins": 10},
    {"n": 127, "bins": 7},
    {"n": 128, "bins": 128, "values": "edges"},
    {"n": 129, "bins": 6, "values": "edges"},
    {"n": 1000, "bins": 1},
    {"n": 1000, "bins": 30, "values": "equal"},
    {"n": 33, "bins": 5, "values": "special"},
    {"n": 700, "bins": 60, "values": "special"},
    {"n": 300, "bins": 1000},
    {"n": 5000, "bins": 64},
)

AWKWARD = (
    {"n": 100_003, "bins": 7},
    {"n": 100_003, "bins": 10_007},
    {"n": 100_003, "bins": 100, "values": "equal"},
    {"n": 100_003, "bins": 60, "values": "edges"},
)

#: Numbers at the ends, beside them, and in no bin.
SPECIAL = (
    LOW, HIGH, np.nan, np.inf, -np.inf, -0.0, 0.0, 1e-40, np.nextafter(HIGH, 9), 3.5, -3.5, 1e30,
    np.nextafter(np.float32(HIGH), np.float32(9)), np.nextafter(np.float32(LOW), np.float32(-9)),
)  # fmt: skip

#: Numbers whose places are computed before they are counted: they stay in the nearest cache.
BLOCK = 1024

#: Histograms side by side, where so many of them fit in `PRIVATE_BYTES`.
COPIES, PRIVATE_BYTES = 4, 1 << 16

#: Most numbers counted in 32 bits before they are added to 64.
SEGMENT = 1 << 30

#: Below so many numbers threads cost more than they gain.
WORTH_THREADS = 1 << 17


def histogram_inputs(n: int, bins: int, dtype: str = "float32", values: str = "normal") -> tuple:
    """Return ``(x, low, high, out)`` with numbers about zero and bins from -3 to 3.

    `values` is "normal"; "equal", all the same number; "edges", the edges of the bins and
    their neighbours; or "special", normal with `SPECIAL` among them.
    """
    x = normal((n,), dtype, seed=1)
    if values == "equal":
        x[:] = 0.7
    elif values == "edges":
        edges = np.linspace(LOW, HIGH, bins + 1, dtype=dtype)
        beside = [np.nextafter(edges, x.dtype.type(way)) for way in (-9, 9)]
        x = np.resize(np.concatenate([edges, *beside]), n)
    elif values == "special":
        x[::3] = np.resize(np.array(SPECIAL, dtype), x[::3].size)
    elif values != "normal":
        raise ValueError(f'values: "normal", "equal", "edges" or "special", not {values!r}')
    return x, LOW, HIGH, np.full(bins, np.iinfo(np.int64).max)


def histogram_oracle(x: np.ndarray, low: float, high: float, out: np.ndarray) -> tuple:
    """Return the counts by binary search among the edges, and no error allowed."""
    edges = np.linspace(low, high, out.size + 1, dtype=x.dtype)
    kept = x[(x >= edges[0]) & (x <= edges[-1])]
    places = np.searchsorted(edges, kept, side="right") - 1
    return np.bincount(np.minimum(places, out.size - 1), minlength=out.size), 0


def histogram_flops(n: int, **_) -> int:
    """Two comparisons, a subtraction and a multiplication for each number."""
    return 4 * n


def histogram_bytes(n: int, bins: int, dtype: str = "float32", **_) -> int:
    """Read `x`, write `out`."""
    return n * np.dtype(dtype).itemsize + 8 * bins


def histogram_sizes(working_set_bytes: int) -> dict:
    """Return 256 bins, and numbers in about so many bytes."""
    return {"n": max(1, (working_set_bytes - 2048) // 4), "bins": 256}


register_operation(
    Operation(
        "histogram",
        histogram_inputs,
        histogram_oracle,
        histogram_flops,
        histogram_bytes,
        EDGES,
        histogram_sizes,
        AWKWARD,
        signature=(0, 3),
    )
)


def with_edges(x: np.ndarray, low: float, high: float, out: np.ndarray) -> tuple:
    """Return ``(x, edges, out)`` as lists, for the plain loop."""
    edges = np.linspace(low, high, out.size + 1, dtype=x.dtype)
    return x.tolist(), edges.tolist(), out.tolist()


@register(
    "histogram",
    name="loop",
    instrument="interpreter",
    story="a Python loop over a list, with a binary search among the edges",
    dtypes=("float32", "float64"),
    adapt=with_edges,
    tags=("ladder",),
)
def histogram_loop(x, edges, out):
    """Count the numbers of a list, finding each one's bin by bisection.

    The starting point, which serves bins of any widths.

    Parameters
    ----------
    x : list of float, length n
    edges : list of float, length ``bins + 1``, ascending
    out : list of int, length bins
        Overwritten.

    Cost
    ----
    ``n log2(bins)`` comparisons.
    """
    bins = len(out)
    out[:] = [0] * bins
    for value in x:
        if edges[0] <= value <= edges[-1]:
            out[min(bisect_right(edges, value), bins) - 1] += 1


@register(
    "histogram",
    name="numpy",
    instrument="NumPy",
    story="np.histogram: removes the interpreter",
    tags=("ladder", "numpy"),
)
def histogram_numpy(x, low, high, out):
    """Count with ``np.histogram``.

    Removes the interpreter, and the search: it computes places as the steps below do, in
    blocks of 65536 numbers, and compares every number with both edges of its bin.

    Parameters
    ----------
    x : ndarray, shape (n,), float32 or float64
    low, high : float
    out : ndarray, shape (bins,), int64
        Overwritten.

    Raises
    ------
    ValueError
        If ``low > high``, or one is not finite.

    Cost
    ----
    A dozen passes over each block.
    """
    out[...] = np.histogram(x, out.size, (low, high))[0]


@register(
    "histogram",
    name="bincount",
    instrument="NumPy",
    story="places by whole-array arithmetic, then bincount",
    tags=("ladder",),
)
def histogram_bincount(x, low, high, out):
    """Compute all places by whole-array arithmetic and count them with ``np.bincount``.

    What ``np.histogram`` does, without its blocks: removes a little work per call, and adds
    temporaries as long as `x`.

    Parameters
    ----------
    x : ndarray, shape (n,), float32 or float64
    low, high : float
    out : ndarray, shape (bins,), int64
        Overwritten.

    Cost
    ----
    A dozen passes over `x`; ``24 n`` bytes and more at a time.
    """
    number, bins = x.dtype.type, out.size
    kept = x[(x >= number(low)) & (x <= number(high))]
    edges = np.linspace(low, high, bins + 1, dtype=x.dtype)
    places = ((kept - edges[0]) * number(bins / (high - low))).astype(np.intp)
    np.minimum(places, bins - 1, out=places)
    places -= kept < edges[places]
    places += (kept >= edges[places + 1]) & (places < bins - 1)
    out[...] = np.bincount(places, minlength=bins)


@jit
def _check(low, high, out):
    if not (low < high and high - low < math.inf):
        raise ValueError("histogram: low and high must be finite, and low below high")
    if out.size == 0 or out.size >= 1 << 31:
        raise ValueError("histogram: out must have a bin, and fewer than 2**31")


@jit
def _place(number, v, low, high, lowest, scale, bins):
    """Return the bin of a number between the ends, to the last digit.

    The multiplication is off by a bin at most unless bins are as narrow as the numbers are
    apart; the edges decide. Edge j is formed as ``np.linspace`` forms it, in float64.
    """
    step = (high - low) / bins
    place = min(bins - 1, int((v - lowest) * scale))
    while place > 0 and v < number(low + place * step):
        place -= 1
    while place < bins - 1 and v >= number(low + (place + 1) * step):
        place += 1
    return place


@register(
    "histogram",
    name="compiled",
    instrument="compiled",
    story="the loop again, compiled: removes the passes",
    tags=("ladder",),
)
@jit
def histogram_compiled(x, low, high, out):
    """Count in one compiled pass.

    Removes the passes and their temporaries. But a number that falls into the same bin as
    the one before must wait until that count is stored.

    Parameters
    ----------
    x : ndarray, shape (n,), float32 or float64
    low, high : float
    out : ndarray, shape (bins,), int64
        Overwritten.

    Raises
    ------
    ValueError
        If not ``low < high``, one is not finite, or there is no bin.

    Cost
    ----
    4 FLOPs and two edges per number; nothing allocated.
    """
    _check(low, high, out)
    number, bins = x.dtype.type, out.size
    lowest, highest, scale = number(low), number(high), number(bins / (high - low))
    out[:] = 0
    for i in range(x.size):
        v = x[i]
        if lowest <= v <= highest:
            out[_place(number, v, low, high, lowest, scale, bins)] += 1


@register(
    "histogram",
    name="private",
    instrument="compiled",
    story="four histograms in turn: removes the waiting for the count before",
    tags=("ladder",),
)
@jit
def histogram_private(x, low, high, out):
    """Count in four histograms in turn, and add them up.

    Removes most of the waiting: equal neighbours go to different histograms, and so to
    different addresses.

    Parameters and errors as for `histogram_compiled`.

    Cost
    ----
    4 FLOPs and two edges per number; ``32 bins`` bytes.
    """
    _check(low, high, out)
    number, bins = x.dtype.type, out.size
    lowest, highest, scale = number(low), number(high), number(bins / (high - low))
    counts = np.zeros((4, bins), np.int64)
    for i in range(x.size):
        v = x[i]
        if lowest <= v <= highest:
            counts[i & 3, _place(number, v, low, high, lowest, scale, bins)] += 1
    for j in range(bins):
        out[j] = counts[0, j] + counts[1, j] + counts[2, j] + counts[3, j]


@register(
    "histogram",
    name="vector",
    instrument="compiled",
    story="places a register at a time: removes the edges and the branches",
    tags=("ladder", "best"),
)
@jit
def histogram_vector(x, low, high, out):
    """Compute places with vector registers, then count them in several histograms.

    Removes the comparisons with edges, but for numbers so close to one that rounding may
    have put them on the wrong side, and the branch for numbers outside: they count in a bin
    of their own beyond the last, which is then left out.

    Parameters and errors as for `histogram_compiled`.

    Cost
    ----
    A dozen operations of registers for as many numbers as a register holds; then a load, an
    addition and a store for each. Counts in 32 bits, four times where they fit in cache.
    """
    _check(low, high, out)
    out[:] = 0
    for start in range(0, x.size, SEGMENT):
        _count(x[start : start + SEGMENT], low, high, out)


@jit
def _count(x, low, high, out):
    """Add the counts of at most `SEGMENT` numbers to `out`."""
    bins = out.size
    row = bins + 1  # the last is for numbers outside
    copies = COPIES if COPIES * row * 4 <= PRIVATE_BYTES and x.size > bins else 1
    counts = np.zeros((copies, row), np.int32)
    places = np.empty(BLOCK + 64, np.int32)
    for start in range(0, x.size, BLOCK):
        block = x[start : start + BLOCK]
        _places(block, low, high, bins, places)
        _count_places(pointer(places), block.size, pointer(counts), copies, row)
    for copy in range(copies):
        for j in range(bins):
            out[j] += counts[copy, j]


@jit
def _count_places(places, n, counts, copies, row):
    """Count places, neighbours in different copies. Through pointers: no place is negative."""
    whole = n - n % COPIES if copies == COPIES else 0
    for i in range(0, whole, COPIES):
        for copy in range(COPIES):  # a number the compiler knows: it unrolls this
            counts[copy * row + places[i + copy]] += 1
    for i in range(whole, n):
        counts[places[i]] += 1


@jit
def _places(x, low, high, bins, places):
    """Write the bin of each number of a block, or `bins` for those outside.

    Up to a register more is written: `places` must have room.
    """
    V = register_for(x)
    I = alike(V, "int32")
    number = x.dtype.type
    lowest, highest, scale = number(low), number(high), number(bins / (high - low))
    largest = max(abs(low), abs(high)) * bins / (high - low)
    doubt = number(4 * np.finfo(x.dtype).eps * (bins + largest))
    for i in range(0, x.size, V.lanes):
        v = load(V, x, i) if i + V.lanes <= x.size else load_first(V, x, i, x.size - i)
        inside = both(v >= lowest, v <= highest)
        exact = (v - lowest) * scale
        whole = floor(exact)
        rest = exact - whole
        store(places, i, convert(I, select(inside, whole, number(bins))))
        unsure = both(inside, either(rest < doubt, rest > number(1) - doubt))
        if any_lane(unsure):
            for j in range(i, min(i + V.lanes, x.size)):
                if lowest <= x[j] <= highest:
                    places[j] = _place(number, x[j], low, high, lowest, scale, bins)


@jit(parallel=True)
def _count_in_parallel(x, low, high, counts):
    parts = counts.shape[0]
    for part in numba.prange(parts):
        start, stop = x.size * part // parts, x.size * (part + 1) // parts
        histogram_vector(x[start:stop], low, high, counts[part])


@register(
    "histogram",
    name="threads",
    instrument="compiled",
    story="all cores: each counts a run of the numbers",
    tags=("threads",),
)
def histogram_threads(x, low, high, out):
    """Count on all cores, each a run of the numbers; parameters as `histogram_vector`.

    Each core has histograms of its own, which are added up at the end. Few numbers, or
    fewer than there are bins, stay on one core.
    """
    threads = numba.get_num_threads()
    if threads == 1 or x.size < max(WORTH_THREADS, 4 * out.size):
        histogram_vector(x, low, high, out)
        return
    _check(low, high, out)
    counts = np.empty((threads, out.size), np.int64)
    _count_in_parallel(x, low, high, counts)
    counts.sum(axis=0, out=out)
