"""Results past the caches: whole lines, one after the other, from a little memory before them.

Rows of results are rarely whole lines long, and a line of which half is written as usual is
fetched first. So rows are computed into a room of some lines, kept in the first cache; whole
lines leave it with streaming stores, and what is left of the last waits for the next rows.
Few lines at a time: then they leave while the next rows are fetched and computed.
"""

from __future__ import annotations

from accel.simd import (
    both,
    elements_to_alignment,
    first_lanes,
    invert,
    jit,
    load,
    store,
    store_masked,
    store_streaming,
)

#: Bytes of results that are computed before whole lines of them leave the room.
ROOM_BYTES = 1 << 10


@jit(inline="always")
def line_of(V, out, begin):
    """Return where the line begins in which element `begin` lies; it may be before `out`."""
    ahead = elements_to_alignment(V, out, begin)
    return begin + ahead - V.lanes if ahead > 0 else begin


@jit
def leave(V, room, out, base, begin, filled):
    """Write whole lines past the caches; return where those that are left begin.

    Parameters
    ----------
    room, out : arrays or pointers
        ``room[i]`` is to become ``out[base + i]``. Of the room a register beyond the last
        result is read.
    base, begin, filled : int
        The line that the room begins with, the first result of all, and the end of those in
        the room. Lanes before `begin` belong to somebody else.
    """
    at = base
    if base < begin and filled - base >= V.lanes:
        store_masked(out, base, load(V, room, 0), invert(first_lanes(V, begin - base)))
        at += V.lanes
    while filled - at >= V.lanes:
        store_streaming(out, at, load(V, room, at - base))
        at += V.lanes
    store(room, 0, load(V, room, at - base))
    return at


@jit
def leave_rest(V, room, out, base, begin, filled):
    """Write what is left, less than a line, as usual."""
    if filled > max(base, begin):
        ours = both(first_lanes(V, filled - base), invert(first_lanes(V, begin - base)))
        store_masked(out, base, load(V, room, 0), ours)
