"""Sums of parts of an array: registers in turn, blocks of them, and what their addition loses.

A block is added up in the element type, by eight registers that take turns. Blocks, and what
does not fill one, are added in float64.

Source
------
Knuth, *The Art of Computer Programming*, volume 2, section 4.2.2: the exact error of an
addition.
"""

from __future__ import annotations

import math

from numba.extending import overload, register_jitable

from accel.kernels.activation import register_for
from accel.simd import alike, convert, halves, jit, lane, load, load_first, zeros

#: Numbers that registers add up before they are emptied: a multiple of eight registers. Few
#: digits are lost in so few additions, and emptying costs less than fetching from a cache.
BLOCK = 512


@jit
def span_sum(x, first, last):
    """Return the sum of ``x[first:last]``, in float64."""
    V = register_for(x)
    return sum_of_lanes(*wide_sum(V, alike(V, "float64"), x, first, last))


@jit
def wide_sum(V, W, x, first, last):
    """Return two registers of float64 whose lanes add up to ``x[first:last]``.

    Sums of blocks, and what does not fill a block, are kept in float64 lanes, and what their
    addition loses beside them: for float64 numbers the order of blocks would otherwise be
    naive again. Of float32 numbers nothing is lost there that would be seen.
    """
    total, lost = zeros(W), zeros(W)
    i = first
    while last - i >= BLOCK:
        total, lost = emptied(block_sum(V, x, i, i + BLOCK), total, lost)
        i += BLOCK
    while last - i >= 8 * V.lanes:
        total, lost = emptied(block_sum(V, x, i, i + 8 * V.lanes), total, lost)
        i += 8 * V.lanes
    while last - i >= V.lanes:
        total, lost = emptied(load(V, x, i), total, lost)
        i += V.lanes
    return emptied(load_first(V, x, i, last - i), total, lost)


def emptied(register, total, lost):
    """Return total and lost with a register added to them, in compiled code."""
    raise NotImplementedError("emptied exists in compiled code only")


@overload(emptied, jit_options={"forceinline": True})
def _emptied(register, total, lost):
    W = total.token
    if register.token != W:
        return lambda register, total, lost: (total + convert(W, register), lost)

    def exactly(register, total, lost):
        total, rounded = added(total, register)
        return total, lost + rounded

    return exactly


@register_jitable(forceinline=True)
def added(a, b):
    """Return a sum, of registers or scalars of whichever sizes, and what rounding it lost."""
    total = a + b
    part = total - a
    return total, (a - (total - part)) + (b - part)


def sum_of_lanes(total, lost):
    """Return the sum of the lanes of two registers, in compiled code.

    What the additions of the first lose goes to the second: half upon half.
    """
    raise NotImplementedError("sum_of_lanes exists in compiled code only")


@overload(sum_of_lanes)
def _sum_of_lanes(total, lost):
    if total.token.lanes == 2:

        def last_two(total, lost):
            both, rounded = added(lane(total, 0), lane(total, 1))
            carried = lane(lost, 0) + lane(lost, 1) + rounded
            # infinities among the numbers leave inf - inf
            return both + carried if math.isfinite(carried) else both

        return last_two

    def halved(total, lost):
        low, high = halves(total)
        low_lost, high_lost = halves(lost)
        both, rounded = added(low, high)
        return sum_of_lanes(both, (low_lost + high_lost) + rounded)

    return halved


@jit
def block_sum(V, x, first, last):
    """Return a register whose lanes add up to ``x[first:last]``: whole registers, by eights."""
    a, b, c, d = zeros(V), zeros(V), zeros(V), zeros(V)
    e, f, g, h = zeros(V), zeros(V), zeros(V), zeros(V)
    i = first
    while last - i >= 8 * V.lanes:
        a += load(V, x, i)
        b += load(V, x, i + V.lanes)
        c += load(V, x, i + 2 * V.lanes)
        d += load(V, x, i + 3 * V.lanes)
        e += load(V, x, i + 4 * V.lanes)
        f += load(V, x, i + 5 * V.lanes)
        g += load(V, x, i + 6 * V.lanes)
        h += load(V, x, i + 7 * V.lanes)
        i += 8 * V.lanes
    return ((a + b) + (c + d)) + ((e + f) + (g + h))
