"""Rows of a matrix: inputs and errors that the normalisations share, and how to walk one.

A row is walked four registers at a time. Each has an accumulator of its own, so that four
additions are under way at once; then come single registers, and under a mask the rest.
Sums of long rows are kept short: every `BLOCK` numbers the accumulators are emptied into
a float64, and the error grows with the number of blocks and not with that of elements.
"""

from __future__ import annotations

import math

import numpy as np
from numba.extending import overload

from accel.kernels.inputs import normal
from accel.simd import (
    first_lanes,
    fma,
    horizontal_sum,
    jit,
    load,
    load_first,
    load_masked,
    select,
    vector,
    zeros,
)

#: Added to the variance, so that a row of equal numbers is not divided by zero.
EPSILON = 1e-5

#: Numbers that are added up before accumulators are emptied: a multiple of all registers.
BLOCK = 4096

#: Elements from which all cores are asked: below, waking them takes longer than the work.
WORTH_SHARING = 1 << 16

#: Parts that work is cut into for all cores: a number that most numbers of cores divide.
SHARES = 96

#: No row, one number, a register and its tail, rows beside powers of two.
EDGES = (
    {"rows": 0, "width": 5},
    {"rows": 1, "width": 1},
    {"rows": 3, "width": 2},
    {"rows": 2, "width": 15},
    {"rows": 2, "width": 16},
    {"rows": 5, "width": 17},
    {"rows": 3, "width": 127},
    {"rows": 127, "width": 3},
    {"rows": 2, "width": 128},
    {"rows": 3, "width": 129},
    {"rows": 1, "width": 1000},
    {"rows": 4, "width": 35, "values": "special"},
)

#: Many short rows, one long one, rows just over a register, a cache line, a page.
AWKWARD = (
    {"rows": 4096, "width": 1},
    {"rows": 4096, "width": 7},
    {"rows": 1000, "width": 33},
    {"rows": 257, "width": 1023},
    {"rows": 1, "width": 1_000_003},
)


def sizes(working_set_bytes: int) -> dict:
    """Return at least eight rows of up to 1024 float32 that fill so many bytes twice."""
    elements = max(8, working_set_bytes // 8)
    width = min(1024, elements // 8)
    return {"rows": max(1, elements // width), "width": width}


def sum_error(dtype: np.dtype, count: int) -> float:
    """Return the relative error of a sum of `count` terms, added in any order.

    As in `accel.kernels.matmul.oracle`: errors go both ways, and grow like a root.
    """
    return float(np.finfo(dtype).eps) / 2 * (8 + 2 * math.sqrt(count))


def matrix(rows: int, width: int, dtype: str, values: str, special: dict) -> np.ndarray:
    """Return normal numbers; in "special" ones, some rows replaced or changed."""
    if values not in ("normal", "special"):
        raise ValueError(f'values must be "normal" or "special", not {values!r}')
    x = normal((rows, width), dtype, seed=1)
    if values == "special":
        for row, change in special.items():
            change(x[row])
    return x


@jit
def span_sum(V, x, at, end):
    """Return the sum of ``x[at:end]``, in float64."""
    total = 0.0
    while end - at >= 4 * V.lanes:
        a, b, c, d = zeros(V), zeros(V), zeros(V), zeros(V)
        whole = min((end - at) // (4 * V.lanes) * (4 * V.lanes), BLOCK)
        for i in range(at, at + whole, 4 * V.lanes):
            a += load(V, x, i)
            b += load(V, x, i + V.lanes)
            c += load(V, x, i + 2 * V.lanes)
            d += load(V, x, i + 3 * V.lanes)
        at += whole
        total += horizontal_sum((a + b) + (c + d))
    a = zeros(V)
    while end - at >= V.lanes:
        a += load(V, x, at)
        at += V.lanes
    if end > at:
        a += load_first(V, x, at, end - at)
    return total + horizontal_sum(a)


@jit
def span_squares(V, x, at, end, centre):
    """Return the sum of squared distances of ``x[at:end]`` from a register, in float64."""
    total = 0.0
    while end - at >= 4 * V.lanes:
        a, b, c, d = zeros(V), zeros(V), zeros(V), zeros(V)
        whole = min((end - at) // (4 * V.lanes) * (4 * V.lanes), BLOCK)
        for i in range(at, at + whole, 4 * V.lanes):
            s, t = load(V, x, i) - centre, load(V, x, i + V.lanes) - centre
            u, v = load(V, x, i + 2 * V.lanes) - centre, load(V, x, i + 3 * V.lanes) - centre
            a, b, c, d = fma(s, s, a), fma(t, t, b), fma(u, u, c), fma(v, v, d)
        at += whole
        total += horizontal_sum((a + b) + (c + d))
    a = zeros(V)
    while end - at >= V.lanes:
        s = load(V, x, at) - centre
        a = fma(s, s, a)
        at += V.lanes
    if end > at:
        inside = first_lanes(V, end - at)
        s = select(inside, load_masked(V, x, at, inside) - centre, 0.0)
        a = fma(s, s, a)
    return total + horizontal_sum(a)


def quarter_of(x):
    """Return the token of registers a quarter as wide as those for the elements of `x`."""
    raise NotImplementedError("compiled code only")


@overload(quarter_of)
def _quarter_of(x):
    token = vector(x.dtype.name)
    token = vector(x.dtype.name, max(2, token.lanes // 4))
    return lambda x: token
