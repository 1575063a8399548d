"""Slim matrices: a long row or column for each of two, three or four fields.

As `accel.kernels.layout.moves`, for a number of rows or columns that the code spells out.
A loop over a number of fields that the compiler does not know moves single elements. With
the number in the code, it sees that the elements of some registers, taken together, are
those of others, and writes the network of shuffles between them itself; for three fields
too, where by hand it would take some drawing.
"""

from __future__ import annotations

from accel.simd import jit

#: Most fields that are spelled out.
SPELLED_OUT = 4


@jit
def taken_apart(x, at, fields, out, to, out_step, n):
    """Write field f of record i, ``x[at + i * fields + f]``, to ``out[to + f * out_step + i]``.

    Fields of 2 to `SPELLED_OUT`. Each is a slice: of an index that begins at zero the
    compiler knows that it does not count from the end.
    """
    x = x[at : at + fields * n]
    a, b = out[to : to + n], out[to + out_step : to + out_step + n]
    if fields == 2:
        for i in range(n):
            a[i] = x[2 * i]
            b[i] = x[2 * i + 1]
        return
    c = out[to + 2 * out_step : to + 2 * out_step + n]
    if fields == 3:
        for i in range(n):
            a[i] = x[3 * i]
            b[i] = x[3 * i + 1]
            c[i] = x[3 * i + 2]
        return
    d = out[to + 3 * out_step : to + 3 * out_step + n]
    for i in range(n):
        a[i] = x[4 * i]
        b[i] = x[4 * i + 1]
        c[i] = x[4 * i + 2]
        d[i] = x[4 * i + 3]


@jit
def put_together(x, at, step, out, to, fields, n):
    """Write ``x[at + f * step + i]`` to field f of record i, ``out[to + i * fields + f]``.

    Fields of 2 to `SPELLED_OUT`.
    """
    out = out[to : to + fields * n]
    a, b = x[at : at + n], x[at + step : at + step + n]
    if fields == 2:
        for i in range(n):
            out[2 * i] = a[i]
            out[2 * i + 1] = b[i]
        return
    c = x[at + 2 * step : at + 2 * step + n]
    if fields == 3:
        for i in range(n):
            out[3 * i] = a[i]
            out[3 * i + 1] = b[i]
            out[3 * i + 2] = c[i]
        return
    d = x[at + 3 * step : at + 3 * step + n]
    for i in range(n):
        out[4 * i] = a[i]
        out[4 * i + 1] = b[i]
        out[4 * i + 2] = c[i]
        out[4 * i + 3] = d[i]
