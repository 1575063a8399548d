"""Aligned, streaming, masked and scattered access: what is touched, and nothing else."""

import ctypes
import faulthandler
import mmap
import subprocess
import sys
from pathlib import Path

import numba
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from accel.simd import (
    alike,
    elements_to_alignment,
    fence,
    gather,
    jit,
    load,
    load_aligned,
    load_masked,
    pointer,
    scatter,
    store,
    store_aligned,
    store_masked,
    store_streaming,
    vector,
)

FOUR = vector("float32", 4)


@jit
def copied(V, x, i, out, j):
    """Copy one register in three ways, each to a place two registers on."""
    store_aligned(out, j, load_aligned(V, x, i))
    store_streaming(out, j + 2 * V.lanes, load_aligned(V, x, i))
    store_streaming(pointer(out), j + 4 * V.lanes, load_aligned(V, pointer(x), i))
    fence()


@jit
def copy_aligned(V, x, out):
    store(out, 0, load_aligned(V, x, 0))


@jit
def copy_streaming(V, x, out):
    store_streaming(out, 0, load(V, x, 0))


@jit
def distance(V, x, i):
    return elements_to_alignment(V, x, i), elements_to_alignment(V, pointer(x), i)


@jit
def copy_masked(V, x, i, out, j, key):
    """Copy the lanes in which a register of keys is above 0."""
    mask = load(V, key, 0) > 0
    store_masked(out, j, load_masked(V, x, i, mask), mask)


@jit
def load_some(V, x, key, out):
    store(out, 0, load_masked(V, x, 0, load(V, key, 0) > 0))


@jit
def double_chosen(V, x, key):
    mask = load(V, key, 0) > 0
    v = load_masked(V, pointer(x), 0, mask)
    store_masked(pointer(x), 0, v + v, mask)


@jit
def gathered(V, W, x, indices, out):
    store(out, 0, gather(V, x, load(W, indices, 0)))


@jit
def scattered(V, W, x, indices, out):
    scatter(out, load(W, indices, 0), load(V, x, 0))


@jit
def masked_by_fewer(V, W, x, out):
    store_masked(out, 0, load(V, x, 0), load(W, x, 0) > 0)


def aligned(V, registers):
    """Return an array that begins at a multiple of the register's bytes."""
    size = V.lanes * V.dtype.itemsize
    host = np.zeros((registers + 1) * V.lanes, V.dtype)
    start = -host.ctypes.data % size // V.dtype.itemsize
    x = host[start : start + registers * V.lanes]
    assert x.ctypes.data % size == 0
    return x


def test_aligned_access_moves_one_register(memory_V):
    V = memory_V
    x, out, expected = (aligned(V, 7) for _ in range(3))
    x[:] = np.arange(x.size).astype(V.dtype)
    copied(V, x, V.lanes, out, V.lanes)
    for start in (1, 3, 5):
        expected[start * V.lanes : (start + 1) * V.lanes] = x[V.lanes : 2 * V.lanes]
    np.testing.assert_array_equal(out, expected)


def test_distance_to_the_next_aligned_place(V):
    x = aligned(V, 4)
    for i in range(-V.lanes, 2 * V.lanes):
        assert distance(V, x, i) == (-i % V.lanes, -i % V.lanes)
        assert distance(V, x[3:], i)[0] == -(i + 3) % V.lanes


@settings(max_examples=30)
@given(data=st.data())
def test_masked_copy_touches_the_chosen_lanes_only(memory_V, data):
    V = memory_V
    chosen = data.draw(st.lists(st.booleans(), min_size=V.lanes, max_size=V.lanes))
    key = np.array(chosen, V.dtype)
    x = np.arange(1, 2 * V.lanes + 1).astype(V.dtype)
    out, expected = np.full((2, 3 * V.lanes), 77, V.dtype)
    copy_masked(V, x, 1, out, V.lanes - 1, key)
    place = np.flatnonzero(chosen)
    expected[V.lanes - 1 + place] = x[1 + place]
    np.testing.assert_array_equal(out, expected)
    read = np.full(V.lanes, 77, V.dtype)
    load_some(V, x, key, read)
    np.testing.assert_array_equal(read, np.where(chosen, x[: V.lanes], 0))


@settings(max_examples=20)
@given(data=st.data())
def test_gather_reads_what_the_indices_name(memory_V, data):
    V, dtype = memory_V, "int64" if memory_V.dtype.itemsize == 8 else "int32"
    x = np.arange(100).astype(V.dtype)
    index = st.integers(-50, 49)
    indices = np.array(data.draw(st.lists(index, min_size=V.lanes, max_size=V.lanes)), dtype)
    out = np.zeros(V.lanes, V.dtype)
    gathered(V, alike(V, dtype), x[50:], indices, out)
    np.testing.assert_array_equal(out, x[50 + indices])


@pytest.mark.parametrize("dtype", ["int32", "int64"])
@pytest.mark.parametrize("V", [FOUR, vector("float64"), vector("uint8", 16)], ids=str)
def test_scatter_writes_where_the_indices_say_and_the_last_lane_wins(V, dtype):
    x = np.arange(1, V.lanes + 1).astype(V.dtype)
    indices = (np.arange(V.lanes) * 3).astype(dtype)
    indices[0] = indices[-1]
    out, expected = np.zeros((2, 3 * V.lanes), V.dtype)
    scattered(V, alike(V, dtype), x, indices, out)
    expected[indices] = x
    np.testing.assert_array_equal(out, expected)


def at_page_end(V, size):
    """Return an array that ends where a page begins that may be neither read nor written."""
    room = mmap.mmap(-1, 2 * mmap.PAGESIZE)
    page = np.frombuffer(room, V.dtype, mmap.PAGESIZE // V.dtype.itemsize)
    page[...] = 1
    libc = ctypes.CDLL(None, use_errno=True)
    forbidden = ctypes.c_void_p(page.ctypes.data + mmap.PAGESIZE)
    assert libc.mprotect(forbidden, mmap.PAGESIZE, 0) == 0  # PROT_NONE
    return page[page.size - size :]


def chosen_at_page_end():
    """Load and store under masks that end where memory does; in a child process."""
    faulthandler.enable()
    for V in (FOUR, vector("float64", 8), vector("uint8", 64), vector("int32", 8)):
        for count in range(1, V.lanes + 1, max(1, V.lanes // 8)):
            x = at_page_end(V, count)
            key = (np.arange(V.lanes) < count).astype(V.dtype)
            double_chosen(V, x, key)
            np.testing.assert_array_equal(x, 2)


def test_lanes_that_are_not_chosen_are_not_touched_even_where_there_is_no_memory():
    code = f"import {Path(__file__).stem} as tests; tests.chosen_at_page_end()"
    folder = Path(__file__).parent
    done = subprocess.run([sys.executable, "-c", code], cwd=folder, check=False, timeout=120)
    assert done.returncode == 0


def test_misuse_is_refused_in_words():
    x = np.zeros(16, "float32")
    frozen = x.copy()
    frozen.flags.writeable = False
    indices = np.zeros(16, "int32")
    with pytest.raises(
        numba.TypingError, match="load_aligned: expected a contiguous array or a po"
    ):
        copy_aligned(FOUR, x[::2], x)
    with pytest.raises(numba.TypingError, match="store_streaming: expected a writable array, got"):
        copy_streaming(FOUR, x, frozen)
    with pytest.raises(
        numba.TypingError, match=r"store_masked: mask\[8\] does not fit register\[4"
    ):
        masked_by_fewer(FOUR, vector("float32", 8), x, x.copy())
    with pytest.raises(
        numba.TypingError, match="gather: expected indices of 4 int32 or int64, got"
    ):
        gathered(FOUR, vector("int32", 8), x, indices, x.copy())
    with pytest.raises(
        numba.TypingError, match="gather: expected indices of 4 int32 or int64, got"
    ):
        gathered(FOUR, FOUR, x, x, x.copy())
    with pytest.raises(numba.TypingError, match="scatter: expected a writable array, got"):
        scattered(FOUR, vector("int32", 4), x, indices, frozen)
