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
    broadcast,
    fma,
    horizontal_sum,
    jit,
    load,
    load_first,
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
def row_sum(V, row):
    """Return the sum of a row, in float64."""
    total, i = 0.0, 0
    step = 4 * V.lanes
    while row.size - i >= step:
        a, b, c, d = zeros(V), zeros(V), zeros(V), zeros(V)
        end = min(row.size - step, i + BLOCK - step)
        while i <= end:
            a += load(V, row, i)
            b += load(V, row, i + V.lanes)
            c += load(V, row, i + 2 * V.lanes)
            d += load(V, row, i + 3 * V.lanes)
            i += step
        total += horizontal_sum((a + b) + (c + d))
    a = zeros(V)
    while i < row.size:
        a += load_first(V, row, i, row.size - i)
        i += V.lanes
    return total + horizontal_sum(a)


@jit
def row_squares(V, row, centre):
    """Return the sum of the squared distances of a row's numbers from `centre`, in float64."""
    total, i = 0.0, 0
    step = 4 * V.lanes
    away = broadcast(V, centre)
    while row.size - i >= step:
        a, b, c, d = zeros(V), zeros(V), zeros(V), zeros(V)
        end = min(row.size - step, i + BLOCK - step)
        while i <= end:
            s = load(V, row, i) - away
            t = load(V, row, i + V.lanes) - away
            u = load(V, row, i + 2 * V.lanes) - away
            v = load(V, row, i + 3 * V.lanes) - away
            a, b, c, d = fma(s, s, a), fma(t, t, b), fma(u, u, c), fma(v, v, d)
            i += step
        total += horizontal_sum((a + b) + (c + d))
    a = zeros(V)
    while row.size - i >= V.lanes:
        s = load(V, row, i) - away
        a = fma(s, s, a)
        i += V.lanes
    rest = row.size - i
    s = load_first(V, row, i, rest) - away * first_ones(V, rest)
    return total + horizontal_sum(fma(s, s, a))


def first_ones(V, count):
    """Return a register of ones in the first `count` lanes and zeros in the others."""
    raise NotImplementedError("compiled code only")


@overload(first_ones)
def _first_ones(V, count):
    ones = np.ones(V.token.lanes, V.token.dtype)
    return lambda V, count: load_first(V, ones, 0, count)


def half_of(x):
    """Return the token of registers half as wide as those for the elements of `x`."""
    raise NotImplementedError("compiled code only")


@overload(half_of)
def _half_of(x):
    token = vector(x.dtype.name)
    token = vector(x.dtype.name, max(2, token.lanes // 2))
    return lambda x: token


def quarter_of(x):
    """Return the token of registers a quarter as wide as those for the elements of `x`."""
    raise NotImplementedError("compiled code only")


@overload(quarter_of)
def _quarter_of(x):
    token = vector(x.dtype.name)
    token = vector(x.dtype.name, max(2, token.lanes // 4))
    return lambda x: token
