"""Slim matrices past the caches: two, three or four fields, written without being fetched.

As `accel.kernels.layout.slim`, for arrays too large for the caches. Streaming stores want
whole lines, so the shuffles, which the compiler found for `taken_apart` and `put_together`,
are asked for here: `deinterleave` and `interleave` of as many registers as there are fields.
"""

from __future__ import annotations

from numba.extending import register_jitable

from accel.kernels.activation import register_for
from accel.kernels.layout.slim import put_together
from accel.simd import (
    deinterleave,
    elements_to_alignment,
    fence,
    interleave,
    jit,
    load,
    store_streaming,
)


@jit
def taken_apart_streaming(x, at, fields, out, to, out_step, n):
    """As `taken_apart`, past the caches, for 2 to 4 fields and no less than two registers.

    The lines of each field may begin at another record. So each field is taken from
    registers of its own, which begin where its line does; what is loaded again is near.
    """
    V = register_for(out)
    whole = (n - V.lanes) // V.lanes * V.lanes
    if fields == 2:
        _two_apart(x, at, out, to, out_step, whole)
    elif fields == 3:
        _three_apart(x, at, out, to, out_step, whole)
    else:
        _four_apart(x, at, out, to, out_step, whole)
    fence()
    for field in range(fields):
        place = to + field * out_step
        head = elements_to_alignment(V, out, place)
        for i in range(head):
            out[place + i] = x[at + i * fields + field]
        for i in range(head + whole, n):
            out[place + i] = x[at + i * fields + field]


@jit
def _two_apart(x, at, out, to, out_step, n):
    V = register_for(out)
    h0 = elements_to_alignment(V, out, to)
    h1 = elements_to_alignment(V, out, to + out_step)
    for i in range(0, n, V.lanes):
        k = at + 2 * (i + h0)
        first, _ = deinterleave((load(V, x, k), load(V, x, k + V.lanes)))
        store_streaming(out, to + i + h0, first)
        k = at + 2 * (i + h1)
        _, second = deinterleave((load(V, x, k), load(V, x, k + V.lanes)))
        store_streaming(out, to + out_step + i + h1, second)


@jit
def _three_apart(x, at, out, to, out_step, n):
    V = register_for(out)
    h0 = elements_to_alignment(V, out, to)
    h1 = elements_to_alignment(V, out, to + out_step)
    h2 = elements_to_alignment(V, out, to + 2 * out_step)
    for i in range(0, n, V.lanes):
        k = at + 3 * (i + h0)
        a = deinterleave((load(V, x, k), load(V, x, k + V.lanes), load(V, x, k + 2 * V.lanes)))
        store_streaming(out, to + i + h0, a[0])
        k = at + 3 * (i + h1)
        b = deinterleave((load(V, x, k), load(V, x, k + V.lanes), load(V, x, k + 2 * V.lanes)))
        store_streaming(out, to + out_step + i + h1, b[1])
        k = at + 3 * (i + h2)
        c = deinterleave((load(V, x, k), load(V, x, k + V.lanes), load(V, x, k + 2 * V.lanes)))
        store_streaming(out, to + 2 * out_step + i + h2, c[2])


@jit
def _four_apart(x, at, out, to, out_step, n):
    V = register_for(out)
    h0 = elements_to_alignment(V, out, to)
    h1 = elements_to_alignment(V, out, to + out_step)
    h2 = elements_to_alignment(V, out, to + 2 * out_step)
    h3 = elements_to_alignment(V, out, to + 3 * out_step)
    for i in range(0, n, V.lanes):
        store_streaming(out, to + i + h0, _records(V, x, at + 4 * (i + h0))[0])
        store_streaming(out, to + out_step + i + h1, _records(V, x, at + 4 * (i + h1))[1])
        store_streaming(out, to + 2 * out_step + i + h2, _records(V, x, at + 4 * (i + h2))[2])
        store_streaming(out, to + 3 * out_step + i + h3, _records(V, x, at + 4 * (i + h3))[3])


@register_jitable(forceinline=True)
def _records(V, x, k):
    """Return the fields of as many records of four as a register has lanes."""
    return deinterleave(
        (
            load(V, x, k),
            load(V, x, k + V.lanes),
            load(V, x, k + 2 * V.lanes),
            load(V, x, k + 3 * V.lanes),
        )
    )


@jit
def put_together_streaming(x, at, step, out, to, fields, n):
    """As `put_together`, past the caches, for 2 to 4 fields and no less than two registers.

    Begins at the first record with which a line of `out` begins; where there is none,
    because lines and records of 2 or 4 fields are out of step, it writes as usual.
    """
    V = register_for(out)
    first = 0
    while first < V.lanes and elements_to_alignment(V, out, to + first * fields) > 0:
        first += 1
    if first == V.lanes:
        put_together(x, at, step, out, to, fields, n)
        return
    last = first + (n - first) // V.lanes * V.lanes
    if fields == 2:
        for i in range(first, last, V.lanes):
            a, b = interleave((load(V, x, at + i), load(V, x, at + step + i)))
            store_streaming(out, to + 2 * i, a)
            store_streaming(out, to + 2 * i + V.lanes, b)
    elif fields == 3:
        for i in range(first, last, V.lanes):
            a, b, c = interleave(
                (load(V, x, at + i), load(V, x, at + step + i), load(V, x, at + 2 * step + i))
            )
            store_streaming(out, to + 3 * i, a)
            store_streaming(out, to + 3 * i + V.lanes, b)
            store_streaming(out, to + 3 * i + 2 * V.lanes, c)
    else:
        for i in range(first, last, V.lanes):
            a, b, c, d = interleave(
                (load(V, x, at + i), load(V, x, at + step + i), load(V, x, at + 2 * step + i),
                 load(V, x, at + 3 * step + i))
            )  # fmt: skip
            store_streaming(out, to + 4 * i, a)
            store_streaming(out, to + 4 * i + V.lanes, b)
            store_streaming(out, to + 4 * i + 2 * V.lanes, c)
            store_streaming(out, to + 4 * i + 3 * V.lanes, d)
    fence()
    for field in range(fields):
        for i in range(first):
            out[to + i * fields + field] = x[at + field * step + i]
        for i in range(last, n):
            out[to + i * fields + field] = x[at + field * step + i]
