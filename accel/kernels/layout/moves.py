"""One matrix into its transpose: the loops that all layout operations share.

Every function here does ``out[to + j * out_step + i] = x[at + i * step + j]`` for
``rows`` values of i and ``columns`` of j. `x` and `out` are contiguous arrays of one
dimension, so that a matrix may be a part of a larger array: `at` and `to` say where it
begins, the steps how far its rows are apart. Nothing is checked: the operations check
shapes before they come here.
"""

from __future__ import annotations

import numpy as np

from accel.simd import jit

#: Rows and columns of a block. 32 x 32 elements of 8 bytes and their transpose take 16 KiB,
#: half of a small first-level cache; a row of it is two or four lines.
BLOCK = 32


@jit
def by_element(x, at, step, out, to, out_step, rows, columns):
    """Walk along the rows of `x`: reads are consecutive, writes jump by `out_step`."""
    for i in range(rows):
        for j in range(columns):
            out[to + j * out_step + i] = x[at + i * step + j]


@jit
def by_blocks(x, at, step, out, to, out_step, rows, columns):
    """Walk over square blocks, so small that the lines read and written stay in the cache."""
    for i0 in range(0, rows, BLOCK):
        i1 = min(i0 + BLOCK, rows)
        for j0 in range(0, columns, BLOCK):
            j1 = min(j0 + BLOCK, columns)
            for j in range(j0, j1):
                for i in range(i0, i1):
                    out[to + j * out_step + i] = x[at + i * step + j]


@jit
def by_buffer(x, at, step, out, to, out_step, rows, columns):
    """Copy each block to a buffer row by row, and write it from there column by column.

    Rows whose distance is a power of two compete for the same few sets of the cache, and a
    block of them does not stay there. Here each line of `x` is used up at once, and so is
    each line of `out`; only the buffer has to stay, whose rows are close together.
    """
    buffer = np.empty(BLOCK * (BLOCK + 1), x.dtype)
    for i0 in range(0, rows, BLOCK):
        high = min(BLOCK, rows - i0)
        for j0 in range(0, columns, BLOCK):
            wide = min(BLOCK, columns - j0)
            for i in range(high):
                start = at + (i0 + i) * step + j0
                for j in range(wide):
                    buffer[i * (BLOCK + 1) + j] = x[start + j]
            for j in range(wide):
                start = to + (j0 + j) * out_step + i0
                for i in range(high):
                    out[start + i] = buffer[i * (BLOCK + 1) + j]
