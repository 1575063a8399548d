"""Ranges of records taken apart or put together by networks of shuffles.

As many records as a register has lanes at a time; the last block moves back until it fits.
`apart` and `together` choose whether and how; nothing else is checked here.
"""

from __future__ import annotations

import numpy as np
from numba import get_num_threads, prange

from accel.kernels.layout.cores import ALONE_BYTES
from accel.kernels.layout.fields_registers import (
    fields_apart,
    fields_apart_first,
    fields_together,
    has_network,
    reach_of,
    tile_of,
    tile_store_streaming,
)
from accel.kernels.layout.moves import by_element
from accel.kernels.layout.registers import STREAM_FROM
from accel.simd import (
    elements_to_alignment,
    fence,
    jit,
    load,
    pointer,
    store_streaming,
    tile_load,
    tile_store,
)

#: A number for each field that a register may have lanes for; see `fields_registers.tile_of`.
ONE_EACH = (1,) * 64

#: Bytes from which on a matrix that is none of records is worth a network: one is compiled for
#: each number of fields.
NETWORK_BYTES = 1 << 16

#: Parts for each core: one that is late leaves the others something to take.
PARTS_EACH = 4

#: Records that are taken apart in a room before each field of them is written past the caches.
PANEL = 128


@jit
def take_apart(T, x, out, first, last, streams):
    """Write field f of records `first` to `last` of `x` (n, fields) to ``out[f]``."""
    n, fields = x.shape
    lanes = T.vector.lanes
    source, target = x.reshape(-1), out.reshape(-1)
    if last - first < lanes:
        by_element(source, first * fields, fields, target, first, n, last - first, fields)
        return
    begin = first
    if streams:
        room = np.empty(fields * (PANEL + lanes), x.dtype)
        begin = panels_apart(T, pointer(source), pointer(target), n, first, last, x.size, room)
    for edge in range(2 if begin > first else 1):  # the lines that streams leave at both ends
        low, high = (begin, last) if edge == 0 else (first, first + lanes)
        blocks_apart(T, pointer(source), pointer(target), n, min(low, last - lanes), high, x.size)


@jit
def blocks_apart(T, x, out, n, first, last, size):
    """Take records apart, at least as many as a register has lanes; `x` has so many elements."""
    fields, lanes = T.rows, T.vector.lanes
    safe = min(last, (size - reach_of(T)) // fields + lanes)
    i = first
    while i + lanes <= safe:
        tile_store(fields_apart(T, x, i * fields), out, i, n)
        i += lanes
    while i < last:
        i = min(i, last - lanes)
        tile_store(fields_apart_first(T, x, i * fields, size - i * fields), out, i, n)
        i += lanes


@jit
def panels_apart(T, x, out, n, first, last, size, room):
    """Take panels of records apart past the caches; return where the last of them ends.

    Each field begins elsewhere in its line, so a panel goes to a room first, a register of
    records longer than what is written. Of a field are then left the records before its first
    whole line, and as many less than a line from the end on.
    """
    V, fields, pitch = T.vector, T.rows, PANEL + T.vector.lanes
    i0 = first
    while i0 + pitch <= last and (i0 + PANEL) * fields + reach_of(T) <= size:
        for i in range(0, pitch, V.lanes):
            tile_store(fields_apart(T, x, (i0 + i) * fields), room, i, pitch)
        for field in range(fields):
            place = field * n + i0
            ahead = elements_to_alignment(V, out, place)
            for k in range(ahead, ahead + PANEL, V.lanes):
                store_streaming(out, place + k, load(V, room, field * pitch + k))
        i0 += PANEL
    fence()
    return i0


@jit
def put_together(T, x, out, first, last, streams):
    """Write field f of records `first` to `last`, ``x[f]``, to them in `out` (n, fields)."""
    fields, n = x.shape
    lanes = T.vector.lanes
    source, target = x.reshape(-1), out.reshape(-1)
    if last - first < lanes:
        for i in range(first, last):
            for field in range(fields):
                target[i * fields + field] = source[field * n + i]
        return
    from_x, into = pointer(source), pointer(target)
    begin, end = first, first
    if streams:
        begin, end = blocks_past_the_caches(T, from_x, into, n, first, last)
    for edge in range(2 if end > first else 1):  # what streams leave at both ends
        i, high = (end, last) if edge == 0 else (first, begin)
        while i < high:
            i = min(i, last - lanes)
            tile_store(fields_together(tile_load(T, from_x, i, n)), into, i * fields, lanes)
            i += lanes


@jit
def blocks_past_the_caches(T, x, out, n, first, last):
    """Put records together in whole lines; return which records those are.

    They begin at the first record with which a line begins. There is none where lines and
    records are out of step: then no record is written.
    """
    V, fields = T.vector, T.rows
    begin = first
    while elements_to_alignment(V, out, begin * fields) > 0:
        begin += 1
        if begin == min(first + V.lanes, last):
            return first, first
    end = begin + (last - begin) // V.lanes * V.lanes
    for i in range(begin, end, V.lanes):
        tile_store_streaming(fields_together(tile_load(T, x, i, n)), out, i * fields)
    fence()
    return begin, end


@jit(parallel=True)
def take_apart_everywhere(fields, x, out, parts, streams):
    """Take records apart, each of so many parts on a core that is free."""
    n = x.shape[0]
    for task in prange(parts):
        part = np.int64(task)
        first, last = part * n // parts, (part + 1) * n // parts
        take_apart(tile_of(x, fields), x, out, first, last, streams)


@jit(parallel=True)
def put_together_everywhere(fields, x, out, parts, streams):
    """Put records together, each of so many parts on a core that is free."""
    n = x.shape[1]
    for task in prange(parts):
        part = np.int64(task)
        first, last = part * n // parts, (part + 1) * n // parts
        put_together(tile_of(x, fields), x, out, first, last, streams)


@jit
def take_all_apart(fields, x, out, streams):
    """Take all records apart; `fields` as for `tile_of`."""
    take_apart(tile_of(x, fields), x, out, np.int64(0), x.shape[0], streams)


@jit
def put_all_together(fields, x, out, streams):
    """Put all records together; `fields` as for `tile_of`."""
    put_together(tile_of(x, fields), x, out, np.int64(0), x.shape[1], streams)


def apart(x, out, cores: bool = False) -> bool:
    """Take records apart by a network, on all cores if asked to and it pays, if there is one.

    Parameters
    ----------
    x : ndarray, shape (n, fields), contiguous
    out : ndarray, shape (fields, n), contiguous
        Overwritten if there is one.
    cores : bool

    Returns
    -------
    bool
        Whether there is a network for so many fields, and `out` is as it should be.
    """
    n, fields = x.shape
    if not has_network(x, fields) or out.shape != (fields, n):
        return False
    streams = 2 * x.nbytes >= STREAM_FROM
    if cores and 2 * x.nbytes >= ALONE_BYTES:
        parts = PARTS_EACH * get_num_threads()
        take_apart_everywhere(ONE_EACH[:fields], x, out, parts, streams)
    else:
        take_all_apart(ONE_EACH[:fields], x, out, streams)
    return True


def together(x, out, cores: bool = False) -> bool:
    """Put records together by a network; as `apart`, with the shapes exchanged."""
    fields, n = x.shape
    if not has_network(x, fields) or out.shape != (n, fields):
        return False
    streams = 2 * x.nbytes >= STREAM_FROM
    if cores and 2 * x.nbytes >= ALONE_BYTES:
        parts = PARTS_EACH * get_num_threads()
        put_together_everywhere(ONE_EACH[:fields], x, out, parts, streams)
    else:
        put_all_together(ONE_EACH[:fields], x, out, streams)
    return True
