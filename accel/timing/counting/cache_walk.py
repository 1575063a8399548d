"""The loop of the cache model, compiled: millions of accesses per second.

A set is a run of places, the line used last at its front. The last place is the next to
leave. Loading this module loads Numba; `accel.timing.counting.cache_model` does so when it is asked.
"""

from __future__ import annotations

import numba


@numba.njit
def walk(lines, writes, owners, shape, state, counts):
    """Send lines through all levels.

    Parameters
    ----------
    lines : ndarray of int64, shape (n,)
        Number of each line touched.
    writes : ndarray of bool, shape (n,)
    owners : ndarray of int64, shape (n,)
        Column of the counts.
    shape : tuple of three ndarrays of int64, shape (levels,)
        Sets and ways of each level, and where its places begin.
    state : tuple of two ndarrays, shape (places,)
        The line in each place, or -1, and whether it was changed. Overwritten.
    counts : tuple of ndarrays of int64, shapes (levels, owners) twice, and (levels,)
        Accesses, misses, and write-backs. Added to.
    """
    sets, ways, starts = shape
    tags, changed = state
    accesses, misses, _ = counts
    levels = len(sets)
    for step in range(len(lines)):
        line, owner = lines[step], owners[step]
        level = 0
        while level < levels:  # inwards out, until some level has it
            accesses[level, owner] += 1
            base = starts[level] + line % sets[level] * ways[level]
            place = find(tags, base, ways[level], line)
            if place >= 0:
                move_to_front(tags, changed, base, place)
                break
            misses[level, owner] += 1
            level += 1
        for missed in range(level - 1, -1, -1):  # and back in, so that outer levels hold all
            fetch(line, missed, shape, state, counts)
        if writes[step]:
            changed[starts[0] + line % sets[0] * ways[0]] = True


@numba.njit
def find(tags, base, ways, line):
    """Return the place where a set holds a line, or -1."""
    for place in range(base, base + ways):
        if tags[place] == line:
            return place
    return -1


@numba.njit
def move_to_front(tags, changed, base, place):
    """Make the line at `place` the most recently used of its set."""
    line, was_changed = tags[place], changed[place]
    for at in range(place, base, -1):
        tags[at], changed[at] = tags[at - 1], changed[at - 1]
    tags[base], changed[base] = line, was_changed


@numba.njit
def fetch(line, level, shape, state, counts):
    """Put a line into a level, in place of the one used longest ago."""
    sets, ways, starts = shape
    tags, changed = state
    base = starts[level] + line % sets[level] * ways[level]
    last = base + ways[level] - 1
    if tags[last] >= 0:
        evict(last, level, shape, state, counts)
    tags[last], changed[last] = line, False
    move_to_front(tags, changed, base, last)


@numba.njit
def evict(place, level, shape, state, counts):
    """Take a line out of a level and of those inside it, and hand on what was changed."""
    sets, ways, starts = shape
    tags, changed = state
    line, was_changed = tags[place], changed[place]
    for inner in range(level):
        base = starts[inner] + line % sets[inner] * ways[inner]
        copy = find(tags, base, ways[inner], line)
        if copy >= 0:
            was_changed |= changed[copy]
            for at in range(copy, base + ways[inner] - 1):  # close the gap: free places are last
                tags[at], changed[at] = tags[at + 1], changed[at + 1]
            tags[base + ways[inner] - 1] = -1
    if was_changed:
        counts[2][level] += 1
        outer = level + 1
        if outer < len(sets):
            base = starts[outer] + line % sets[outer] * ways[outer]
            changed[find(tags, base, ways[outer], line)] = True
