"""Largest number of an array, and its place.

As in NumPy, a NaN counts as the largest of all, and of several equal numbers the first
one's place is the answer.

Source
------
NumPy reference, ``numpy.max`` and ``numpy.argmax``: NaN is passed on, the first occurrence
wins.
"""

from __future__ import annotations

import math

import numpy as np
from numba import prange

from accel.kernels.activation import lists, register_for
from accel.kernels.inputs import blank
from accel.kernels.reduction.spans import (
    AWKWARD,
    EDGES_NOT_EMPTY,
    SHARES,
    WORTH_SHARING,
    numbers,
    one,
)
from accel.kernels.registry import Operation, register, register_operation
from accel.simd import (
    any_lane,
    apart,
    broadcast,
    first_lanes,
    horizontal_max,
    isnan,
    jit,
    load,
    load_first,
    select,
)

#: Numbers whose largest one is found before it is compared with the largest so far.
BLOCK = 2048


def max_inputs(n: int, dtype: str = "float32", values: str = "normal") -> tuple:
    """Return ``(x, out)``, `out` of length 1; "special": an infinity and a NaN."""
    return numbers(n, dtype, values), blank((1,), dtype)


def max_oracle(x: np.ndarray, out: np.ndarray) -> tuple:
    """Return the exact answer: nothing is rounded."""
    return np.array([x.astype(np.float64).max()]), 0.0


def argmax_inputs(n: int, dtype: str = "float32", values: str = "normal") -> tuple:
    """Return ``(x, out)``, `out` int64 of length 1; "special": an infinity and a NaN."""
    return numbers(n, dtype, values), blank((1,), "int64")


def argmax_oracle(x: np.ndarray, out: np.ndarray) -> tuple:
    """Return the place, exactly."""
    return np.array([np.argmax(x)]), 0


def comparisons(n: int, **_) -> int:
    """One comparison per element but the first."""
    return n - 1


def max_bytes(n: int, dtype: str = "float32", **_) -> int:
    """Read `x`, write one number."""
    return (n + 1) * np.dtype(dtype).itemsize


def argmax_bytes(n: int, dtype: str = "float32", **_) -> int:
    """Read `x`, write one int64."""
    return n * np.dtype(dtype).itemsize + 8


register_operation(
    Operation(
        "max",
        max_inputs,
        max_oracle,
        comparisons,
        max_bytes,
        EDGES_NOT_EMPTY,
        sizes=one,
        awkward=AWKWARD,
    )
)
register_operation(
    Operation(
        "argmax",
        argmax_inputs,
        argmax_oracle,
        comparisons,
        argmax_bytes,
        EDGES_NOT_EMPTY,
        sizes=one,
        awkward=AWKWARD,
    )
)


@register(
    "max",
    name="loop",
    instrument="interpreter",
    story="a Python loop over a list",
    adapt=lists,
    tags=("ladder",),
)
def max_loop(x, out):
    """Find the largest number of a list by a loop.

    The starting point. ``not value <= largest`` rather than ``value > largest``: every
    comparison with NaN is false, and a NaN must win; once it has, nothing else may.

    Parameters
    ----------
    x : list of float, length n
    out : list of float, length 1
        Overwritten.

    Cost
    ----
    ``n - 1`` comparisons, each some dozens of instructions of the interpreter.
    """
    largest = x[0]
    for value in x:
        if not value <= largest:
            largest = value
            if math.isnan(value):
                break
    out[0] = largest


@register(
    "max",
    name="numpy",
    instrument="NumPy",
    story="one array operation: removes the interpreter",
    tags=("ladder",),
)
def max_numpy(x, out):
    """Find the largest number by one array operation.

    Removes the interpreter. NumPy's loop is one of vector registers already.

    Parameters
    ----------
    x : ndarray, shape (n,), float32 or float64
    out : ndarray, shape (1,)
        Overwritten.

    Raises
    ------
    ValueError
        If the shapes do not fit, or `x` is empty.

    Cost
    ----
    ``n - 1`` comparisons in one pass.
    """
    np.maximum.reduce(x, out=out, keepdims=True)


@register(
    "max",
    name="compiled",
    instrument="compiled",
    story="the loop again, compiled: removes NumPy's preparations, and waits for comparisons",
    tags=("ladder",),
)
@jit
def max_compiled(x, out):
    """Find the largest number by a compiled loop.

    Removes NumPy's preparations. Each comparison waits for the one before, and the rule
    for NaN keeps the compiler from breaking that chain.

    Parameters
    ----------
    x : ndarray, shape (n,), float32 or float64
    out : ndarray, shape (1,)
        Overwritten.

    Raises
    ------
    ValueError
        If `x` is empty, or `out` has not one element.

    Cost
    ----
    ``n - 1`` comparisons, one after the other.
    """
    if x.size == 0 or out.size != 1:
        raise ValueError("max: x must not be empty, and out must have one element")
    largest = x[0]
    for i in range(1, x.size):
        if math.isnan(largest):
            break
        if not x[i] <= largest:
            largest = x[i]
    out[0] = largest


@register(
    "max",
    name="vector",
    instrument="compiled",
    story="explicit vector registers, several at once: removes the wait for each comparison",
    tags=("ladder", "best"),
)
@jit
def max_vector(x, out):
    """Find the largest number with vector registers as values.

    Removes the waiting: eight registers take turns. NaN are looked for in two registers at a
    time, and what is found is asked about once, at the end.

    Parameters
    ----------
    x : ndarray, shape (n,), float32 or float64, contiguous
    out : ndarray, shape (1,)
        Overwritten.

    Raises
    ------
    ValueError
        If `x` is empty, or `out` has not one element.

    Cost
    ----
    ``n / lanes`` comparisons of registers; one pass.
    """
    if x.size == 0 or out.size != 1:
        raise ValueError("max: x must not be empty, and out must have one element")
    out[0] = span_max(x, 0, x.size)


@register(
    "max",
    name="threads",
    instrument="compiled",
    story="parts of the array shared out among all cores: removes the idle ones",
    tags=("ladder", "threads"),
)
@apart
@jit
def max_threads(x, out):
    """Find the largest number on all cores.

    Removes the idle cores; a short array is left to one.

    Parameters, result and errors as for `max_vector`.
    """
    if x.size == 0 or out.size != 1:
        raise ValueError("max: x must not be empty, and out must have one element")
    out[0] = _shared_max(x) if x.size >= WORTH_SHARING else span_max(x, 0, x.size)


@jit(parallel=True)
def _shared_max(x):
    found = np.empty(SHARES, x.dtype)
    for part in prange(SHARES):
        found[part] = span_max(x, x.size * part // SHARES, x.size * (part + 1) // SHARES)
    return span_max(found, 0, SHARES)


@jit
def span_max(x, first, last):
    """Return the largest of ``x[first:last]``, which is not empty; NaN if one is."""
    V = register_for(x)
    a = b = c = d = e = f = g = h = broadcast(V, x[first])
    i = first
    nan = isnan(a)
    while last - i >= 8 * V.lanes:
        p, q = load(V, x, i), load(V, x, i + V.lanes)
        r, s = load(V, x, i + 2 * V.lanes), load(V, x, i + 3 * V.lanes)
        t, u = load(V, x, i + 4 * V.lanes), load(V, x, i + 5 * V.lanes)
        v, w = load(V, x, i + 6 * V.lanes), load(V, x, i + 7 * V.lanes)
        nan |= (isnan(p) | isnan(q)) | (isnan(r) | isnan(s))  # one instruction looks at two
        nan |= (isnan(t) | isnan(u)) | (isnan(v) | isnan(w))
        a, b, c, d = _larger(p, a), _larger(q, b), _larger(r, c), _larger(s, d)
        e, f, g, h = _larger(t, e), _larger(u, f), _larger(v, g), _larger(w, h)
        i += 8 * V.lanes
    while last - i >= V.lanes:
        p = load(V, x, i)
        nan |= isnan(p)
        a = _larger(p, a)
        i += V.lanes
    if i < last:
        p = select(first_lanes(V, last - i), load_first(V, x, i, last - i), a)
        nan |= isnan(p)
        b = _larger(p, b)
    a, b, c, d = _larger(a, e), _larger(b, f), _larger(c, g), _larger(d, h)
    largest = horizontal_max(_larger(_larger(a, b), _larger(c, d)))
    return x.dtype.type(np.nan) if any_lane(nan) else largest


@jit
def _larger(v, most):
    """One instruction, since a NaN in `v` is passed over; `most` is none, or nothing counts."""
    return select(v > most, v, most)


@register(
    "argmax",
    name="loop",
    instrument="interpreter",
    story="a Python loop over a list",
    adapt=lists,
    tags=("ladder",),
)
def argmax_loop(x, out):
    """Find the place of the largest number of a list by a loop.

    The starting point; the first NaN ends it.

    Parameters
    ----------
    x : list of float, length n
    out : list of int, length 1
        Overwritten.

    Cost
    ----
    ``n - 1`` comparisons, each some dozens of instructions of the interpreter.
    """
    place, largest = 0, x[0]
    for i, value in enumerate(x):
        if not value <= largest:
            place, largest = i, value
            if math.isnan(value):
                break
    out[0] = place


@register(
    "argmax",
    name="numpy",
    instrument="NumPy",
    story="one array operation: removes the interpreter",
    tags=("ladder",),
)
def argmax_numpy(x, out):
    """Find the place of the largest number by one array operation.

    Removes the interpreter.

    Parameters
    ----------
    x : ndarray, shape (n,), float32 or float64
    out : ndarray, shape (1,), int64
        Overwritten.

    Raises
    ------
    ValueError
        If the shapes do not fit, or `x` is empty.

    Cost
    ----
    ``n - 1`` comparisons in one pass.
    """
    np.argmax(x, out=out, keepdims=True)


@register(
    "argmax",
    name="compiled",
    instrument="compiled",
    story="the loop again, compiled: removes NumPy's preparations, and waits for comparisons",
    tags=("ladder",),
)
@jit
def argmax_compiled(x, out):
    """Find the place of the largest number by a compiled loop.

    Removes NumPy's preparations. Each comparison waits for the one before.

    Parameters
    ----------
    x : ndarray, shape (n,), float32 or float64
    out : ndarray, shape (1,), int64
        Overwritten.

    Raises
    ------
    ValueError
        If `x` is empty, or `out` has not one element.

    Cost
    ----
    ``n - 1`` comparisons, one after the other.
    """
    if x.size == 0 or out.size != 1:
        raise ValueError("argmax: x must not be empty, and out must have one element")
    place, largest = 0, x[0]
    for i in range(1, x.size):
        if math.isnan(largest):
            break
        if not x[i] <= largest:
            place, largest = i, x[i]
    out[0] = place


@register(
    "argmax",
    name="vector",
    instrument="compiled",
    story="largest of each block in vector registers: the place is looked for in one block only",
    tags=("ladder", "best"),
)
@jit
def argmax_vector(x, out):
    """Find the place of the largest number, block by block.

    Removes the place from the loop: of each block only the largest number is found, as in
    `max_vector`, and the place is looked for once, in the first block that has it.

    Parameters
    ----------
    x : ndarray, shape (n,), float32 or float64, contiguous
    out : ndarray, shape (1,), int64
        Overwritten.

    Raises
    ------
    ValueError
        If `x` is empty, or `out` has not one element.

    Cost
    ----
    ``n / lanes`` comparisons of registers and those of one block more; one pass.
    """
    if x.size == 0 or out.size != 1:
        raise ValueError("argmax: x must not be empty, and out must have one element")
    out[0] = span_argmax(x, 0, x.size)


@register(
    "argmax",
    name="threads",
    instrument="compiled",
    story="parts of the array shared out among all cores: removes the idle ones",
    tags=("ladder", "threads"),
)
@apart
@jit
def argmax_threads(x, out):
    """Find the place of the largest number on all cores.

    Removes the idle cores; a short array is left to one.

    Parameters, result and errors as for `argmax_vector`.
    """
    if x.size == 0 or out.size != 1:
        raise ValueError("argmax: x must not be empty, and out must have one element")
    out[0] = _shared_argmax(x) if x.size >= WORTH_SHARING else span_argmax(x, 0, x.size)


@jit(parallel=True)
def _shared_argmax(x):
    places = np.empty(SHARES, np.int64)
    for part in prange(SHARES):
        places[part] = span_argmax(x, x.size * part // SHARES, x.size * (part + 1) // SHARES)
    place = places[0]
    for i in places[1:]:
        if not x[i] <= x[place] and not math.isnan(x[place]):
            place = i
    return place


@jit
def span_argmax(x, first, last):
    """Return the place of the largest of ``x[first:last]``, which is not empty."""
    block, largest = first, span_max(x, first, min(first + BLOCK, last))
    for i in range(first + BLOCK, last, BLOCK):
        if math.isnan(largest):
            break
        most = span_max(x, i, min(i + BLOCK, last))
        if not most <= largest:
            block, largest = i, most
    return _place(x, block, last, largest)


@jit
def _place(x, i, last, value):
    """Return the first place from i of a number that is there, or of a NaN if it is one."""
    V = register_for(x)
    while last - i >= V.lanes:
        v = load(V, x, i)
        if any_lane(isnan(v) if math.isnan(value) else v == value):
            break
        i += V.lanes
    while not (x[i] == value or (math.isnan(value) and math.isnan(x[i]))):
        i += 1
    return i
