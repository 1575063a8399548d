"""A matrix times a vector, for matrices in either order: the roof is bandwidth.

Each element of the matrix is used once, so nothing can be kept for later: what counts is
that elements come in the order in which they lie, in few streams, and that no addition
waits for the one before it. Rows that are contiguous are multiplied and summed up, several
at a time (`dots`); where columns are contiguous, they are scaled and added, several at a
time, to what becomes the answer (`sums`).

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
def sums(V, k, n, x, at, step, b, out, out_at):
    """Write ``sum over p of x[at + p * step] * b[p, j]`` to ``out[out_at + j]``, n of them.

    Rows of `b` are contiguous. Eight of them at a time are added up in a register before
    that goes to `out`, which so is read and written ``k / 8`` times, from a near cache.
    """
    keep_apart()
    for j in range(0, n - n % V.lanes, V.lanes):
        store(out, out_at + j, zeros(V))
    for j in range(n - n % V.lanes, n):
        out[out_at + j] = 0
    eights = k // 8 * 8
    for p in range(0, eights, 8):
        _eight(V, n, x, at + p * step, step, b.data, b.at + p * b.row, b.row, out, out_at)
    for p in range(eights, k):
        factor, row = x[at + p * step], b.at + p * b.row
        for j in range(0, n, V.lanes):
            v = load_first(V, out, out_at + j, n - j)
            v = add_product(factor, load_first(V, b.data, row + j, n - j), v)
            store_first(out, out_at + j, v, n - j)


@inner
def _eight(V, n, x, at, step, b, r0, row, out, out_at):
    """Add eight scaled rows to `out`."""
    x0, x1, x2, x3 = x[at], x[at + step], x[at + 2 * step], x[at + 3 * step]
    at += 4 * step
    x4, x5, x6, x7 = x[at], x[at + step], x[at + 2 * step], x[at + 3 * step]
    r1, r2, r3, r4 = r0 + row, r0 + 2 * row, r0 + 3 * row, r0 + 4 * row
    r5, r6, r7 = r4 + row, r4 + 2 * row, r4 + 3 * row
    whole = n - n % V.lanes
    for j in range(0, whole, V.lanes):
        s = add_product(x0, load(V, b, r0 + j), load(V, out, out_at + j))
        t = x1 * load(V, b, r1 + j)
        s = add_product(x2, load(V, b, r2 + j), s)
        t = add_product(x3, load(V, b, r3 + j), t)
        s = add_product(x4, load(V, b, r4 + j), s)
        t = add_product(x5, load(V, b, r5 + j), t)
        s = add_product(x6, load(V, b, r6 + j), s)
        t = add_product(x7, load(V, b, r7 + j), t)
        store(out, out_at + j, s + t)
    for j in range(whole, n):
        s = x0 * b[r0 + j] + x1 * b[r1 + j] + x2 * b[r2 + j] + x3 * b[r3 + j]
        t = x4 * b[r4 + j] + x5 * b[r5 + j] + x6 * b[r6 + j] + x7 * b[r7 + j]
        out[out_at + j] += s + t
