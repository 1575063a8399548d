"""Sum of an array: the ladder of time, and beside it the ladder of error.

With u half the distance from 1 to the next number (6e-8 in float32, 1.1e-16 in float64),
and S the sum of the absolute values, the error of a sum of n numbers is at most about

============  =======================================================================
step          bound
============  =======================================================================
naive         ``(n - 1) u S``: every addition rounds all that was added before
pairwise      ``(log2(n) + 4) u S``: each number passes through few additions
kahan         ``(2 u + n u^2) S``: what an addition loses is put into the next
vector        ``(BLOCK / (8 lanes) + log2(8 lanes) + 1) u S``, whatever n
============  =======================================================================

and for numbers of random rounding errors typically a root of the factor. All but Kahan's
lose digits where the sum is small beside S; the test is a sum that cancels.

Source
------
Higham, *Accuracy and Stability of Numerical Algorithms*, 2nd ed. (2002), chapter 4:
summation methods and their bounds. Kahan, "Further remarks on reducing truncation errors",
*CACM* 8 (1965). Knuth, *The Art of Computer Programming*, volume 2, section 4.2.2: the
exact error of an addition.
"""

from __future__ import annotations

import math

import numpy as np
from numba import prange

from accel.kernels.activation import lists
from accel.kernels.inputs import blank
from accel.kernels.reduction.blocks import span_sum
from accel.kernels.reduction.spans import (
    AWKWARD,
    EDGES,
    SHARES,
    WORTH_SHARING,
    exact_sum,
    numbers,
    one,
    sum_error,
)
from accel.kernels.registry import Operation, register, register_operation
from accel.simd import apart, jit

#: Numbers that `sum_pairwise` adds up without halving them any more.
LEAF = 128


def sum_inputs(n: int, dtype: str = "float32", values: str = "normal") -> tuple:
    """Return ``(x, out)``, `out` of length 1; "special": an infinity and a NaN."""
    return numbers(n, dtype, values), blank((1,), dtype)


def sum_oracle(x: np.ndarray, out: np.ndarray) -> tuple:
    """Return the sum rounded once, and the error of a sum in any order."""
    size = np.abs(x[np.isfinite(x)]).sum(dtype=np.float64)
    return np.array([exact_sum(x)]), sum_error(x.dtype, x.size) * size


def sum_flops(n: int, **_) -> int:
    """One addition per element."""
    return n


def sum_bytes(n: int, dtype: str = "float32", **_) -> int:
    """Read `x`, write one number."""
    return (n + 1) * np.dtype(dtype).itemsize


register_operation(
    Operation(
        "sum", sum_inputs, sum_oracle, sum_flops, sum_bytes, EDGES, sizes=one, awkward=AWKWARD
    )
)


@register(
    "sum",
    name="loop",
    instrument="interpreter",
    story="a Python loop over a list",
    adapt=lists,
    tags=("ladder",),
)
def sum_loop(x, out):
    """Add up a list by a loop.

    The starting point, in float64 whatever the array held: Python knows no other.

    Parameters
    ----------
    x : list of float, length n
    out : list of float, length 1
        Overwritten.

    Cost
    ----
    ``n`` additions, each some dozens of instructions of the interpreter.
    """
    total = 0.0
    for value in x:
        total += value
    out[0] = total


@register(
    "sum",
    name="numpy",
    instrument="NumPy",
    story="one array operation: removes the interpreter; adds up in pairs of halves",
    tags=("ladder",),
)
def sum_numpy(x, out):
    """Add up an array by one array operation.

    Removes the interpreter. NumPy halves the array until 128 numbers are left, and adds
    those up eight at a time: an error that grows with the logarithm of n.

    Parameters
    ----------
    x : ndarray, shape (n,), float32 or float64
    out : ndarray, shape (1,)
        Overwritten.

    Raises
    ------
    ValueError
        If the shapes do not fit.

    Cost
    ----
    ``n`` additions in one pass.
    """
    np.add.reduce(x, out=out, keepdims=True)


@register(
    "sum",
    name="compiled",
    instrument="compiled",
    story="the loop again, compiled: removes NumPy's preparations, and waits for each addition",
    tags=("ladder",),
)
@jit
def sum_naive(x, out):
    """Add up an array by a compiled loop, one number after the other.

    Removes NumPy's preparations, and more slowly than NumPy adds up what is long: the
    compiler may not change the order, so each addition waits for the one before.

    Parameters
    ----------
    x : ndarray, shape (n,), float32 or float64
    out : ndarray, shape (1,)
        Overwritten.

    Raises
    ------
    ValueError
        If `out` has not one element.

    Cost
    ----
    ``n`` additions, one after the other. Error: at most ``(n - 1) u`` of the sum of
    absolute values.
    """
    if out.size != 1:
        raise ValueError("sum: out must have one element")
    total = x.dtype.type(0)
    for i in range(x.size):
        total += x[i]
    out[0] = total


@register(
    "sum",
    name="kahan",
    instrument="compiled",
    story="Kahan's: puts what an addition lost into the next; four times the arithmetic",
)
@jit
def sum_kahan(x, out):
    """Add up an array, and carry along what each addition loses.

    Removes nearly all of the error, at four additions per number, one after the other. In
    exact arithmetic what is carried is zero: a compiler allowed to reorder (``fastmath``)
    would remove the carrying.

    Parameters
    ----------
    x : ndarray, shape (n,), float32 or float64
    out : ndarray, shape (1,)
        Overwritten.

    Raises
    ------
    ValueError
        If `out` has not one element.

    Cost
    ----
    ``4 n`` additions. Error: at most ``2 u + n u^2`` of the sum of absolute values.

    Source
    ------
    Kahan, "Further remarks on reducing truncation errors", *CACM* 8 (1965).
    """
    if out.size != 1:
        raise ValueError("sum: out must have one element")
    total = lost = x.dtype.type(0)
    for i in range(x.size):
        term = x[i] - lost
        larger = total + term
        lost = (larger - total) - term
        total = larger
    out[0] = total if math.isnan(lost) else total - lost  # infinities leave inf - inf


@register(
    "sum",
    name="pairwise",
    instrument="compiled",
    story="pairs of pairs: short sums, so small errors, for as many additions",
)
@jit
def sum_pairwise(x, out):
    """Add up an array by pairs of `LEAF` numbers, pairs of pairs, and so on.

    Removes most of the error for no additional arithmetic: a number passes through
    ``log2(n / LEAF)`` additions of pairs, and few within its leaf, which eight sums share.
    Sums wait for their partner as the digits of a binary counter wait for a carry.

    Parameters
    ----------
    x : ndarray, shape (n,), float32 or float64
    out : ndarray, shape (1,)
        Overwritten.

    Raises
    ------
    ValueError
        If `out` has not one element.

    Cost
    ----
    ``n`` additions. Error: at most ``log2(n / 128) + 20`` times u of the sum of absolute
    values.

    Source
    ------
    Higham (2002), section 4.1.
    """
    if out.size != 1:
        raise ValueError("sum: out must have one element")
    waiting = np.zeros(64, x.dtype)  # at place p: the sum of 2**p leaves, or nothing yet
    leaves = x.size // LEAF
    for leaf in range(leaves):
        carry, place = _leaf(x, leaf * LEAF, (leaf + 1) * LEAF), 0
        while leaf >> place & 1:
            carry += waiting[place]
            place += 1
        waiting[place] = carry
    total = _leaf(x, leaves * LEAF, x.size)
    for place in range(64):
        if leaves >> place & 1:
            total += waiting[place]
    out[0] = total


@jit
def _leaf(x, first, last):
    a = b = c = d = e = f = g = h = x.dtype.type(0)
    i = first
    while last - i >= 8:
        a, b, c, d = a + x[i], b + x[i + 1], c + x[i + 2], d + x[i + 3]
        e, f, g, h = e + x[i + 4], f + x[i + 5], g + x[i + 6], h + x[i + 7]
        i += 8
    while i < last:
        a += x[i]
        i += 1
    return ((a + b) + (c + d)) + ((e + f) + (g + h))


@register(
    "sum",
    name="vector",
    instrument="compiled",
    story="eight vector registers of sums: removes the wait for each addition",
    tags=("ladder", "best"),
)
@jit
def sum_vector(x, out):
    """Add up an array in eight vector registers.

    Removes the waiting: the additions of eight registers do not depend on each other, and
    the next load has always somewhere to go. After `BLOCK` numbers the registers are added
    up and emptied into float64, which also keeps the error from growing. Less than eight
    registers are added in float64 alone: a short sum of float32 is exact but for its rounding.

    Parameters
    ----------
    x : ndarray, shape (n,), float32 or float64, contiguous
    out : ndarray, shape (1,)
        Overwritten.

    Raises
    ------
    ValueError
        If `out` has not one element.

    Cost
    ----
    ``n / lanes`` additions of registers. Error: at most ``BLOCK / (8 lanes) + log2(8 lanes)
    + 1`` times u of the sum of absolute values, however many there are.
    """
    if out.size != 1:
        raise ValueError("sum: out must have one element")
    out[0] = span_sum(x, 0, x.size)


@register(
    "sum",
    name="threads",
    instrument="compiled",
    story="parts of the array shared out among all cores: removes the idle ones",
    tags=("ladder", "threads"),
)
@apart
@jit
def sum_threads(x, out):
    """Add up an array on all cores.

    Removes the idle cores. The array is cut into as many parts on every machine, so that
    the result does not depend on how many cores there are. A short one is left to one core.

    Parameters, result and errors as for `sum_vector`.
    """
    if out.size != 1:
        raise ValueError("sum: out must have one element")
    out[0] = _shared_sum(x) if x.size >= WORTH_SHARING else span_sum(x, 0, x.size)


@jit(parallel=True)
def _shared_sum(x):
    sums = np.empty(SHARES)
    for part in prange(SHARES):
        sums[part] = span_sum(x, x.size * part // SHARES, x.size * (part + 1) // SHARES)
    return span_sum(sums, 0, SHARES)
