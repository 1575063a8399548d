"""The cache model against slow models of the same cache, and against published forms."""

import ast
from collections import OrderedDict
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from accel.kernels import kernel, operation
from accel.timing.counting import cache_model, count
from accel.timing.counting.cache_model import Cache, blocked_misses, loop_order_misses, simulate
from accel.timing.counting.log import Trace


def trace_of(addresses, writes=None, sizes=8, buffers=None, names=("x",)):
    """A trace of elements at these addresses."""
    n = len(addresses)
    return Trace(
        np.array(addresses, np.int64),
        np.broadcast_to(np.array(sizes, np.int64), n),
        np.zeros(n, bool) if writes is None else np.array(writes, bool),
        np.zeros(n, np.int64) if buffers is None else np.array(buffers, np.int64),
        names,
    )


def fully(size_bytes, line_bytes=16):
    return Cache(size_bytes, size_bytes // line_bytes, line_bytes)


def misses(trace, *caches):
    return [level.total_misses for level in simulate(trace, caches)]


# -- against slow models ------------------------------------------------------


class SlowLevel:
    """Sets of an OrderedDict each, oldest first: line -> changed."""

    def __init__(self, cache):
        self.ways = cache.ways
        self.sets = [OrderedDict() for _ in range(cache.sets)]
        self.misses = self.write_backs = self.accesses = 0

    def of(self, line):
        return self.sets[line % len(self.sets)]


def slowly(trace, caches):
    """The same hierarchy, written for being read: inclusive, write-allocate, write-back."""
    levels = [SlowLevel(cache) for cache in caches]
    size = caches[0].line_bytes

    def drop(line, outermost):
        changed = False
        for level in levels[: outermost + 1]:
            changed |= level.of(line).pop(line, False)
        if changed:
            levels[outermost].write_backs += 1
            if outermost + 1 < len(levels):
                levels[outermost + 1].of(line)[line] = True  # in place: its age is unchanged

    def touch(line, write):
        missed = []
        for at, level in enumerate(levels):
            level.accesses += 1
            if line in level.of(line):
                level.of(line).move_to_end(line)
                break
            level.misses += 1
            missed.append(at)
        for at in reversed(missed):
            lines = levels[at].of(line)
            if len(lines) == levels[at].ways:
                drop(next(iter(lines)), at)
            lines[line] = False
        if write:
            levels[0].of(line)[line] = True

    for address, nbytes, write in zip(
        trace.addresses.tolist(), trace.sizes.tolist(), trace.writes.tolist(), strict=True
    ):
        for line in range(address // size, (address + nbytes - 1) // size + 1):
            touch(line, write)
    return [(level.accesses, level.misses, level.write_backs) for level in levels]


accesses = st.lists(
    st.tuples(st.integers(0, 700), st.booleans(), st.sampled_from((1, 4, 8, 24))), max_size=200
)
shapes = st.tuples(st.integers(1, 4), st.integers(1, 4))  # sets and ways


def built(shapes, line_bytes=16):
    return [Cache(sets * ways * line_bytes, ways, line_bytes) for sets, ways in shapes]


@settings(max_examples=150)
@given(accesses, st.lists(shapes, min_size=1, max_size=3))
def test_any_trace_through_any_hierarchy_agrees_with_dictionaries(steps, shapes):
    caches = sorted(built(shapes), key=lambda cache: cache.size_bytes)
    trace = trace_of(*map(list, zip(*steps, strict=True))) if steps else trace_of([])
    found = simulate(trace, caches)
    assert [
        (level.total_accesses, level.total_misses, level.write_backs) for level in found
    ] == slowly(trace, caches)


@settings(max_examples=60)
@given(accesses, st.integers(1, 8), st.integers(1, 8))
def test_more_ways_of_a_fully_associative_cache_never_miss_more(steps, ways, more):
    """The inclusion property: Mattson and others, IBM Systems Journal 9 (1970)."""
    trace = trace_of(*map(list, zip(*steps, strict=True))) if steps else trace_of([])
    small, large = Cache(16 * ways, ways, 16), Cache(16 * (ways + more), ways + more, 16)
    assert misses(trace, large) <= misses(trace, small)


@settings(max_examples=60)
@given(accesses)
def test_a_cache_that_holds_everything_misses_each_line_once(steps):
    trace = trace_of(*map(list, zip(*steps, strict=True))) if steps else trace_of([])
    lines = {
        line
        for address, _, size in steps
        for line in range(address // 16, (address + size - 1) // 16 + 1)
    }
    (level,) = simulate(trace, [Cache(64 * 16, 64, 16)])
    assert level.total_misses == len(lines)
    assert level.write_backs == 0


# -- published forms ----------------------------------------------------------


LOOPS = """
def product(a, b, out):
    n = len(out)
    for {0} in range(n):
        for {1} in range(n):
            {2}
            for {3} in range(n):
                {4}
            {5}
"""

#: Where the factor that the innermost loop does not move is kept, as in the textbook.
BODIES = {
    "k": ("total = 0.0", "total += a[i, k] * b[k, j]", "out[i, j] = total"),
    "j": ("r = a[i, k]", "out[i, j] += r * b[k, j]", ""),
    "i": ("r = b[k, j]", "out[i, j] += a[i, k] * r", ""),
}


def product_in(order):
    """A product with its loops in this order, from a template."""
    before, body, after = BODIES[order[-1]]
    scope = {}
    exec(LOOPS.format(order[0], order[1], before, order[2], body, after), scope)
    return scope["product"]


@pytest.mark.parametrize(
    ("order", "per_step"),
    [("ijk", 1.25), ("jik", 1.25), ("jki", 2.0), ("kji", 2.0), ("kij", 0.5), ("ikj", 0.5)],
)
def test_the_six_loop_orders_miss_as_bryant_and_ohallaron_say(order, per_step):
    """Four elements per line, and a cache that holds no whole row: four lines, rows of four."""
    n, per_line = 16, 4
    arrays = (np.ones((n, n)), np.ones((n, n)), np.zeros((n, n)))
    trace = count(product_in(order), arrays).trace
    np.testing.assert_array_equal(arrays[2], n)
    (level,) = simulate(trace, [fully(4 * 32, 32)])
    form = loop_order_misses(order, per_line)
    assert sum(form.values()) == per_step
    for name, share in form.items():
        if share:
            assert level.misses[name] == share * n**3
        else:  # the one that stays is fetched once per run of the innermost loop, at most
            assert n**2 / per_line <= level.misses[name] <= n**2


def test_the_forms_follow_the_length_of_a_line():
    assert loop_order_misses("ikj", 16) == {"a": 0.0, "b": 1 / 16, "out": 1 / 16}
    assert loop_order_misses("ijk", 1) == {"a": 1.0, "b": 1.0, "out": 0.0}


def dot(x, y):
    total = 0.0
    for i in range(len(x)):
        total += x[i] * y[i]
    return total


@pytest.mark.parametrize(("room", "expected"), [(8, 16), (12, 4)])
def test_two_arrays_one_cache_size_apart_evict_each_other_and_padding_helps(room, expected):
    """The dot product of Bryant and O'Hallaron's section on direct-mapped caches.

    Vectors of 8 floats, 2 sets of 16 bytes: x[i] and y[i] always meet in one set, and
    each of 16 reads misses; with 12 floats of room for x, a quarter of them.
    """
    both = np.zeros(room + 8, "float32")
    trace = count(dot, (both[:8], both[room:])).trace
    assert misses(trace, Cache(32, 1, 16)) == [expected]


def by_square_blocks(a, b, out, block):
    n = len(out)
    for k0 in range(0, n, block):
        for j0 in range(0, n, block):
            for i in range(n):
                for k in range(k0, min(k0 + block, n)):
                    r = a[i, k]
                    for j in range(j0, min(j0 + block, n)):
                        out[i, j] += r * b[k, j]


@pytest.mark.parametrize("block", [4, 8])
def test_blocks_miss_as_lam_rothberg_and_wolf_say(block):
    """2 n³ / (b L) + n² / L, if a block, and a row of it in a and out, fit."""
    n, per_line = 24, 4
    arrays = (np.ones((n, n)), np.ones((n, n)), np.zeros((n, n)))
    trace = count(by_square_blocks, (*arrays, block)).trace
    form = blocked_misses(n, block, block, per_line)
    assert form == 2 * n**3 / (block * per_line) + n**2 / per_line
    lines = block * block // per_line + 4 * block // per_line
    (level,) = simulate(trace, [fully(32 * lines, 32)])
    assert level.misses["b"] == n**2 / per_line
    assert 0.8 * form <= level.total_misses <= form


def test_the_blocked_kernel_of_the_registry_misses_as_its_own_blocks_say():
    """Its blocks are as wide as these matrices: b once, a once, out once per row of blocks."""
    n, block, per_line = 24, 4, 4
    arguments = operation("matmul").inputs(n=n)
    trace = count(kernel("matmul", "blocked").function, (*arguments, block)).trace
    cache = fully((block * n // per_line + 2 * n // per_line + 2) * 16)
    (level,) = simulate(trace, [cache])
    cleared = n * n // per_line  # `out` is set to zero first
    assert level.total_misses <= blocked_misses(n, block, n, per_line) + cleared
    assert level.misses["b"] == level.misses["a"] == n * n // per_line


@pytest.mark.parametrize("count_of_lines", [3, 4, 5, 9])
def test_a_walk_in_circles_fits_or_misses_always(count_of_lines):
    """LRU evicts what is wanted next, as soon as the circle is one line too long."""
    circle = [16 * line for line in range(count_of_lines)] * 10
    expected = count_of_lines if count_of_lines <= 4 else len(circle)
    assert misses(trace_of(circle), fully(64)) == [expected]


@pytest.mark.parametrize(("ways", "expected"), [(1, 40), (2, 40), (4, 4), (8, 4)])
def test_a_power_of_two_stride_uses_one_set(ways, expected):
    """Four lines 1024 bytes apart: one set of a 1 KiB cache, whose ways must hold them all."""
    assert misses(trace_of([0, 1024, 2048, 3072] * 10), Cache(1024, ways, 16)) == [expected]


# -- what is counted ----------------------------------------------------------


def test_misses_are_counted_for_each_array_and_level():
    trace = trace_of([0, 64, 0, 64, 128], buffers=[0, 1, 0, 1, 1], names=("x", "y"))
    first, second = simulate(trace, [Cache(16, 1, 16), Cache(64, 4, 16)])
    assert first.accesses == {"x": 2, "y": 3}
    assert first.misses == {"x": 2, "y": 3}
    assert second.accesses == first.misses
    assert second.misses == {"x": 1, "y": 2}
    assert second.traffic_bytes == 3 * 16


def test_changed_lines_are_written_back_once_when_they_leave():
    trace = trace_of([0, 8, 16, 0], writes=[True, True, False, False])
    (level,) = simulate(trace, [Cache(16, 1, 16)])
    assert (level.total_misses, level.write_backs, level.traffic_bytes) == (3, 1, 64)


def test_an_element_across_two_lines_touches_both():
    (level,) = simulate(trace_of([12], sizes=8), [Cache(64, 4, 16)])
    assert level.total_accesses == level.total_misses == 2


def test_temporaries_are_counted_together():
    def twice(x, out):
        out[:] = (x + 1.0) + 1.0

    trace = count(twice, (np.ones(8), np.ones(8))).trace
    (level,) = simulate(trace, [fully(1024)])
    assert set(level.misses) == {"x", "out", "temporary"}
    assert level.misses["temporary"] == 8


def test_an_empty_trace_misses_nothing():
    (level,) = simulate(trace_of([]), [Cache(64, 4, 16)])
    assert level.total_accesses == level.total_misses == level.write_backs == 0


# -- bad input ----------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ((64, 0, 16), "ways of at least 1, got 0"),
        ((0, 1, 16), "size_bytes of at least 1, got 0"),
        ((64, 1.5, 16), "whole ways of at least 1, got 1.5"),
        ((64, 1, 0), "line_bytes of at least 1, got 0"),
        ((96, 2, 24), "power of two, got 24"),
        ((100, 2, 16), "multiple of ways × line_bytes, 2 × 16, got 100"),
    ],
)
def test_what_makes_no_cache_is_refused_by_name(arguments, said):
    with pytest.raises(ValueError, match=said):
        Cache(*arguments)


@pytest.mark.parametrize(
    ("caches", "said"),
    [
        ([], "at least one cache"),
        ([Cache(64, 4, 16), Cache(32, 2, 16)], "64 bytes inside it, got 32"),
        ([Cache(64, 4, 16), Cache(64, 2, 32)], "one size of line at all levels, got 16 and 32"),
    ],
)
def test_what_makes_no_hierarchy_is_refused_by_name(caches, said):
    with pytest.raises(ValueError, match=said):
        simulate(trace_of([0]), caches)


@pytest.mark.parametrize("order", ["", "ij", "ijj", "abc"])
def test_a_wrong_order_of_loops_is_refused(order):
    with pytest.raises(ValueError, match="order of the loops i, j and k"):
        loop_order_misses(order, 4)


@pytest.mark.parametrize("call", [
    lambda: loop_order_misses("ijk", 0), lambda: blocked_misses(0, 1, 1, 1),
    lambda: blocked_misses(8, 0, 1, 4),
])  # fmt: skip
def test_forms_of_nothing_are_refused(call):
    with pytest.raises(ValueError, match="at least"):
        call()


def test_numba_is_loaded_only_to_simulate():
    tree = ast.parse(Path(cache_model.__file__).read_text("utf-8"))
    top = [node for node in tree.body if isinstance(node, ast.Import | ast.ImportFrom)]
    loaded = {alias.name for node in top for alias in node.names}
    assert not loaded & {"numba", "walk"}
