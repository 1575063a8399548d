"""Past the caches: write lines that nobody reads soon without fetching them first.

A common store to a line that is not in the cache fetches it, to overwrite it: a third of the
traffic of a copy. A streaming store of a whole line does not, but it asks for whole lines,
at their boundaries. So results are collected in a buffer that stays in the first-level
cache, and go from there to memory in long runs; what begins or ends inside a line is
written as usual.
"""

from __future__ import annotations

import numpy as np

from accel.kernels.activation import register_for
from accel.kernels.layout.slim import put_together, taken_apart
from accel.simd import (
    elements_to_alignment,
    fence,
    jit,
    load,
    load_first,
    store_first,
    store_streaming,
)

#: Bytes read and written from which on an operation writes past the caches.
STREAM_FROM = 1 << 23

#: Bytes of a buffer.
BUFFER_BYTES = 12_288


#: Elements of the longest line.
LINE = 64


@jit
def streamed(buffer, at, out, to, first, last):
    """Copy ``buffer[at + k]`` to ``out[to + k]``, past the caches, for whole lines of `out`.

    Those are written that begin in ``[first, last)``: the last may end after that, where the
    buffer must go on. What is before the first line is left. Call `fence` after the last of
    such copies.
    """
    V = register_for(out)
    begin = first + elements_to_alignment(V, out, to + first)
    for k in range(begin, last, V.lanes):
        store_streaming(out, to + k, load(V, buffer, at + k))
