"""Rows that compete for the same places of the cache: squares between two copies.

Rows about a multiple of 4096 bytes apart lie, all of a square's, in the same set of a first
cache, or in two. There are more of them than it has ways, so that each line is gone before
the square beside it asks for its other half, of `x` and of `out`. Some rows are copied to a
buffer first, a run of each, which uses every line up at once. Squares of the buffer go to a
second one, and from there to `out`, again a run at a time, past the caches: matrices whose
rows collide are large ones, and a line that is not fetched first collides with nothing.

Everything as in `accel.kernels.layout.moves`: nothing is checked here.
"""

from __future__ import annotations

import numpy as np

from accel.kernels.layout.streams import square_for
from accel.simd import (
    elements_to_alignment,
    fence,
    jit,
    load,
    prefetch,
    store,
    store_streaming,
    tile_load,
    tile_store,
    tile_transpose,
)

#: Bytes in which a first cache begins anew to count its sets.
PERIOD = 4096

#: Bytes from a multiple of that, within which the rows of a square are in too few sets.
NEAR = 16

#: Bytes of a matrix that may still be in the last cache: from memory, rows are read faster
#: where squares are taken from them one after the other.
CACHED_BYTES = 1 << 23

#: Rows and columns of a block, which with what is beside it stays in the second cache.
SIDE = 128


@jit
def collide(step, out_step, rows, columns, itemsize):
    """Return whether rows of both matrices lie in too few sets, and two copies are less."""
    beyond, out_beyond = step * itemsize % PERIOD, out_step * itemsize % PERIOD
    if rows * columns * itemsize > CACHED_BYTES:
        return False
    return min(beyond, PERIOD - beyond) < NEAR and min(out_beyond, PERIOD - out_beyond) < NEAR


@jit
def by_runs(x, at, step, out, to, out_step, count, wide):
    """Transpose `wide` columns, in each `count` rows from the first line of `out` on.

    A line of `out` that begins at row h of `x` ends before row ``h + lanes``: ``count +
    lanes`` rows must be there. Both numbers are multiples of the lanes.
    """
    T = square_for(x)
    V, lanes = T.vector, T.rows
    pitch = SIDE + 2 * lanes  # no power of two, so that rows of the buffers do not collide
    block = np.empty((SIDE + lanes) * pitch + lanes, x.dtype)
    turned = np.empty(lanes * (pitch + 1), x.dtype)
    a, b = elements_to_alignment(V, block, 0), elements_to_alignment(V, turned, 0)
    for i0 in range(0, count, SIDE):
        high = min(SIDE, count - i0)
        for j0 in range(0, wide, SIDE):
            across = min(SIDE, wide - j0)
            for r in range(high + lanes):
                start = at + (i0 + r) * step + j0
                for c in range(0, across, lanes):
                    prefetch(x, start + 2 * step + c)
                    store(block, a + r * pitch + c, load(V, x, start + c))
            for c in range(0, across, lanes):
                for i in range(0, high + lanes, lanes):
                    square = tile_transpose(tile_load(T, block, a + i * pitch + c, pitch))
                    tile_store(square, turned, b + i, pitch)
                for r in range(lanes):
                    place = to + (j0 + c + r) * out_step + i0
                    first = elements_to_alignment(V, out, place)
                    for k in range(first, first + high, lanes):
                        store_streaming(out, place + k, load(V, turned, b + r * pitch + k))
    fence()
