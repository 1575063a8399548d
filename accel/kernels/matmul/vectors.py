"""A matrix times a vector, or a few, for matrices in either order: the roof is bandwidth.

Each element of the matrix is used once or a few times, so copying it does not pay: what
counts is that elements come in the order in which they lie, in few streams, and that no
addition waits for the one before it. Rows that are contiguous are multiplied and summed up,
several at a time (`dots`, `dots_of_few`); where columns are contiguous, they are scaled and
added, several at a time, to what becomes the answer (`sums`).

Both work on pointers and strides and check nothing: their callers do.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from llvmlite import ir
from numba import types
from numba.extending import intrinsic, overload

from accel.simd import (
    fma,
    horizontal_sum,
    jit,
    load,
    load_first,
    store,
    store_first,
    zeros,
)
from accel.simd.types import RegisterType

#: Compiles what only compiled code calls: it needs no entry from elsewhere, which takes time.
inner = jit(error_model="numpy", no_cpython_wrapper=True, no_cfunc_wrapper=True)

#: Rows up to this long are multiplied one number at a time.
_SHORT = 4

#: Bytes of a row of a piece of a matrix, of which eight rows fit the nearest cache.
_PIECE_BYTES = 2048


@intrinsic
def keep_apart(context):
    """``keep_apart()``: LLVM is not to inline the function that this is called in.

    Inlined into a large function, loops compete for registers with what surrounds them, and
    are optimised anew for each caller, which takes time.
    """

    def generate(context, builder, sig, values):
        builder.function.attributes.add("noinline")
        return context.get_dummy_value()

    return types.void(), generate


@intrinsic
def keep_rolled(context):
    """``keep_rolled()``: LLVM is not to unroll the loop that this is called in.

    Unrolled once for each caller whose code is linked with it, a loop over many registers
    ends up with most of its pointers on the stack. Nothing is emitted but an empty piece of
    inline assembly, which counts as a call, and loops with calls stay rolled.
    """

    def generate(context, builder, sig, values):
        builder.asm(ir.FunctionType(ir.VoidType(), []), "", "", [], side_effect=True)
        return context.get_dummy_value()

    return types.void(), generate


class Matrix(NamedTuple):
    """A matrix in memory: element (i, j) is ``data[at + i * row + j * column]``."""

    data: Any  # typed pointer
    at: int
    row: int
    column: int


@jit(inline="always", error_model="numpy")
def transposed(x):
    """Return `x` with rows and columns exchanged."""
    return Matrix(x.data, x.at, x.column, x.row)


@jit(inline="always", error_model="numpy")
def part(x, i, j):
    """Return `x` from element (i, j) on."""
    return Matrix(x.data, x.at + i * x.row + j * x.column, x.row, x.column)


def empty(V, size):
    """Return new elements of a register's type, in compiled code."""
    return np.empty(size, V.dtype)


@overload(empty)
def _empty(V, size):
    element = V.token.dtype.type
    return lambda V, size: np.empty(size, element)


def itemsize(V):
    """Return the bytes of an element of a register, in compiled code."""
    return V.dtype.itemsize


@overload(itemsize)
def _itemsize(V):
    size = V.token.dtype.itemsize
    return lambda V: size


def add_product(x, y, z):
    """Return ``x * y + z`` in compiled code, rounded once where numbers are real."""
    return x * y + z


@overload(add_product, inline="always")
def _add_product(x, y, z):
    if isinstance(z, RegisterType) and z.token.dtype.kind == "f":
        return lambda x, y, z: fma(x, y, z)
    return lambda x, y, z: x * y + z


@inner
def dots(V, m, n, a, x, at, out):
    """Write the dot product of each row of `a` with ``x[at : at + n]`` to ``out[i, 0]``.

    Rows of `a` are contiguous. Four rows at a time share the loads of `x`, two registers
    of each: eight sums, so that a multiply-add never waits for the one before it. A row
    too many is dealt with alone, with four sums of its own.
    """
    keep_apart()
    if 0 < n <= _SHORT:
        _short_dots(m, n, a, x, at, out)
        return
    pair, rest = 2 * V.lanes, n % (2 * V.lanes)
    whole = n - rest
    fours = m // 4 * 4
    for i in range(0, fours, 4):
        r0, to = a.at + i * a.row, out.at + i * out.row
        r1, r2, r3 = r0 + a.row, r0 + 2 * a.row, r0 + 3 * a.row
        s0, s1, s2, s3 = zeros(V), zeros(V), zeros(V), zeros(V)
        t0, t1, t2, t3 = zeros(V), zeros(V), zeros(V), zeros(V)
        for j in range(0, whole, pair):
            v, w = load(V, x, at + j), load(V, x, at + j + V.lanes)
            s0 = add_product(load(V, a.data, r0 + j), v, s0)
            s1 = add_product(load(V, a.data, r1 + j), v, s1)
            s2 = add_product(load(V, a.data, r2 + j), v, s2)
            s3 = add_product(load(V, a.data, r3 + j), v, s3)
            t0 = add_product(load(V, a.data, r0 + j + V.lanes), w, t0)
            t1 = add_product(load(V, a.data, r1 + j + V.lanes), w, t1)
            t2 = add_product(load(V, a.data, r2 + j + V.lanes), w, t2)
            t3 = add_product(load(V, a.data, r3 + j + V.lanes), w, t3)
        for j in range(whole, n, V.lanes):  # nothing, or up to twice
            v = load_first(V, x, at + j, n - j)
            s0 = add_product(load_first(V, a.data, r0 + j, n - j), v, s0)
            s1 = add_product(load_first(V, a.data, r1 + j, n - j), v, s1)
            s2 = add_product(load_first(V, a.data, r2 + j, n - j), v, s2)
            s3 = add_product(load_first(V, a.data, r3 + j, n - j), v, s3)
        out.data[to] = horizontal_sum(s0 + t0)
        out.data[to + out.row] = horizontal_sum(s1 + t1)
        out.data[to + 2 * out.row] = horizontal_sum(s2 + t2)
        out.data[to + 3 * out.row] = horizontal_sum(s3 + t3)
    for i in range(fours, m):
        out.data[out.at + i * out.row] = _dot(V, n, a.data, a.at + i * a.row, x, at)


@inner
def _short_dots(m, n, a, x, at, out):
    """Multiply rows too short for registers: adding up lanes would take longer than this."""
    for i in range(m):
        row = a.at + i * a.row
        total = a.data[row] * x[at]
        for j in range(1, n):
            total += a.data[row + j] * x[at + j]
        out.data[out.at + i * out.row] = total


@inner
def _dot(V, n, a, a_at, x, at):
    four = 4 * V.lanes
    whole = n - n % four
    s0, s1, s2, s3 = zeros(V), zeros(V), zeros(V), zeros(V)
    for j in range(0, whole, four):
        k1, k2, k3 = j + V.lanes, j + 2 * V.lanes, j + 3 * V.lanes
        s0 = add_product(load(V, a, a_at + j), load(V, x, at + j), s0)
        s1 = add_product(load(V, a, a_at + k1), load(V, x, at + k1), s1)
        s2 = add_product(load(V, a, a_at + k2), load(V, x, at + k2), s2)
        s3 = add_product(load(V, a, a_at + k3), load(V, x, at + k3), s3)
    for j in range(whole, n, V.lanes):
        s0 = add_product(load_first(V, a, a_at + j, n - j), load_first(V, x, at + j, n - j), s0)
    return horizontal_sum((s0 + s1) + (s2 + s3))


@inner
def dots_of_few(V, few, many, k, x, y, out):
    """Write the dot products of each row of `x` with each of `y` to ``out[i, j]``.

    Rows of both, k long, are contiguous. Four rows of `y`, as many as there may be, meet two
    of the few rows of `x` in eight sums; they come back for the next two from the nearest
    cache. At the end rows are taken twice, which gives the same answers again.
    """
    keep_apart()
    whole = k - k % V.lanes
    for j in range(0, many, 4):
        j1, j2, j3 = min(j + 1, many - 1), min(j + 2, many - 1), min(j + 3, many - 1)
        r0, r1, r2, r3 = y.at + j * y.row, y.at + j1 * y.row, y.at + j2 * y.row, y.at + j3 * y.row
        for i in range(0, few, 2):
            i1 = min(i + 1, few - 1)
            p, q = x.at + i * x.row, x.at + i1 * x.row
            s0, s1, s2, s3 = zeros(V), zeros(V), zeros(V), zeros(V)
            t0, t1, t2, t3 = zeros(V), zeros(V), zeros(V), zeros(V)
            for c in range(0, whole, V.lanes):
                v, w = load(V, x.data, p + c), load(V, x.data, q + c)
                y0, y1 = load(V, y.data, r0 + c), load(V, y.data, r1 + c)
                y2, y3 = load(V, y.data, r2 + c), load(V, y.data, r3 + c)
                s0, t0 = add_product(y0, v, s0), add_product(y0, w, t0)
                s1, t1 = add_product(y1, v, s1), add_product(y1, w, t1)
                s2, t2 = add_product(y2, v, s2), add_product(y2, w, t2)
                s3, t3 = add_product(y3, v, s3), add_product(y3, w, t3)
            if whole < k:
                rest = k - whole
                v = load_first(V, x.data, p + whole, rest)
                w = load_first(V, x.data, q + whole, rest)
                y0 = load_first(V, y.data, r0 + whole, rest)
                y1 = load_first(V, y.data, r1 + whole, rest)
                y2 = load_first(V, y.data, r2 + whole, rest)
                y3 = load_first(V, y.data, r3 + whole, rest)
                s0, t0 = add_product(y0, v, s0), add_product(y0, w, t0)
                s1, t1 = add_product(y1, v, s1), add_product(y1, w, t1)
                s2, t2 = add_product(y2, v, s2), add_product(y2, w, t2)
                s3, t3 = add_product(y3, v, s3), add_product(y3, w, t3)
            to, next_to = out.at + i * out.row, out.at + i1 * out.row
            out.data[to + j * out.column] = horizontal_sum(s0)
            out.data[to + j1 * out.column] = horizontal_sum(s1)
            out.data[to + j2 * out.column] = horizontal_sum(s2)
            out.data[to + j3 * out.column] = horizontal_sum(s3)
            out.data[next_to + j * out.column] = horizontal_sum(t0)
            out.data[next_to + j1 * out.column] = horizontal_sum(t1)
            out.data[next_to + j2 * out.column] = horizontal_sum(t2)
            out.data[next_to + j3 * out.column] = horizontal_sum(t3)


@inner
def sums(V, m, k, n, a, b, out):
    """Multiply a few rows by a matrix: ``out = a @ b``, shapes (m, k), (k, n) and (m, n).

    Rows of `b` and of `out` are contiguous. Several rows of `b` are added up in a register
    before that goes to `out`: eight of them for one row of `a`, four for two rows of it.
    `out` is so read and written ``k / 8`` or ``k / 4`` times, from a near cache. If `a` has
    several rows, `b` is cut into pieces of so few columns that what is read of one stays in
    the nearest cache until all rows of `a` have used it.
    """
    keep_apart()
    step = 8 if m == 1 else 4
    whole = k - k % step
    width = n if m == 1 else min(n, _PIECE_BYTES // itemsize(V))
    for left in range(0, n, max(width, 1)):
        columns = min(width, n - left)
        piece, to = part(b, 0, left), part(out, 0, left)
        for i in range(m):
            for j in range(0, columns, V.lanes):
                store_first(out.data, to.at + i * out.row + j, zeros(V), columns - j)
        for p in range(0, whole, step):
            if m == 1:
                _eight_rows(V, columns, part(a, 0, p), part(piece, p, 0), to)
            else:
                for i in range(0, m, 2):
                    # a last row without a partner is its own: both write the same
                    after = min(i + 1, m - 1) - i
                    row = part(to, i, 0)
                    _four_rows(V, columns, part(a, i, p), part(piece, p, 0), row, after)
        for p in range(whole, k):
            for i in range(m):
                _row(V, columns, a.data[part(a, i, p).at], part(piece, p, 0), part(to, i, 0))


@inner
def _row(V, n, factor, b, out):
    """Add a scaled row of `b` to a row of `out`."""
    for j in range(0, n, V.lanes):
        v = load_first(V, b.data, b.at + j, n - j)
        v = add_product(factor, v, load_first(V, out.data, out.at + j, n - j))
        store_first(out.data, out.at + j, v, n - j)


@inner
def _eight_rows(V, n, a, b, out):
    """Add eight rows of `b`, scaled by as many elements of a row of `a`, to a row of `out`."""
    x, at, step = a.data, a.at, a.column
    x0, x1, x2, x3 = x[at], x[at + step], x[at + 2 * step], x[at + 3 * step]
    at += 4 * step
    x4, x5, x6, x7 = x[at], x[at + step], x[at + 2 * step], x[at + 3 * step]
    r0, r1, r2, r3 = b.at, b.at + b.row, b.at + 2 * b.row, b.at + 3 * b.row
    r4, r5, r6, r7 = r0 + 4 * b.row, r1 + 4 * b.row, r2 + 4 * b.row, r3 + 4 * b.row
    y, whole = b.data, n - n % V.lanes
    for j in range(0, whole, V.lanes):
        s = add_product(x0, load(V, y, r0 + j), load(V, out.data, out.at + j))
        t = x1 * load(V, y, r1 + j)
        s = add_product(x2, load(V, y, r2 + j), s)
        t = add_product(x3, load(V, y, r3 + j), t)
        s = add_product(x4, load(V, y, r4 + j), s)
        t = add_product(x5, load(V, y, r5 + j), t)
        s = add_product(x6, load(V, y, r6 + j), s)
        t = add_product(x7, load(V, y, r7 + j), t)
        store(out.data, out.at + j, s + t)
    for j in range(whole, n):
        s = x0 * y[r0 + j] + x1 * y[r1 + j] + x2 * y[r2 + j] + x3 * y[r3 + j]
        t = x4 * y[r4 + j] + x5 * y[r5 + j] + x6 * y[r6 + j] + x7 * y[r7 + j]
        out.data[out.at + j] += s + t


@inner
def _four_rows(V, n, a, b, out, after):
    """Add four rows of `b`, scaled by elements of two rows of `a`, to two rows of `out`.

    The second row of each lies `after` rows below the first.
    """
    x, at, step = a.data, a.at, a.column
    x0, x1, x2, x3 = x[at], x[at + step], x[at + 2 * step], x[at + 3 * step]
    at += after * a.row
    z0, z1, z2, z3 = x[at], x[at + step], x[at + 2 * step], x[at + 3 * step]
    r0, r1, r2, r3 = b.at, b.at + b.row, b.at + 2 * b.row, b.at + 3 * b.row
    to, next_to = out.at, out.at + after * out.row
    y, whole = b.data, n - n % V.lanes
    for j in range(0, whole, V.lanes):
        y0, y1 = load(V, y, r0 + j), load(V, y, r1 + j)
        y2, y3 = load(V, y, r2 + j), load(V, y, r3 + j)
        s, t = load(V, out.data, to + j), load(V, out.data, next_to + j)
        s, t = add_product(x0, y0, s), add_product(z0, y0, t)
        s, t = add_product(x1, y1, s), add_product(z1, y1, t)
        s, t = add_product(x2, y2, s), add_product(z2, y2, t)
        s, t = add_product(x3, y3, s), add_product(z3, y3, t)
        store(out.data, to + j, s)
        store(out.data, next_to + j, t)
    if whole < n:
        rest = n - whole
        y0, y1 = load_first(V, y, r0 + whole, rest), load_first(V, y, r1 + whole, rest)
        y2, y3 = load_first(V, y, r2 + whole, rest), load_first(V, y, r3 + whole, rest)
        s = load_first(V, out.data, to + whole, rest)
        t = load_first(V, out.data, next_to + whole, rest)
        s, t = add_product(x0, y0, s), add_product(z0, y0, t)
        s, t = add_product(x1, y1, s), add_product(z1, y1, t)
        s, t = add_product(x2, y2, s), add_product(z2, y2, t)
        s, t = add_product(x3, y3, s), add_product(z3, y3, t)
        store_first(out.data, to + whole, s, rest)
        store_first(out.data, next_to + whole, t, rest)
