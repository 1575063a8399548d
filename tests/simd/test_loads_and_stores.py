"""Between memory and registers: what is read, what is written, and nothing else."""

import ctypes
import faulthandler
import mmap
import subprocess
import sys
from pathlib import Path

import numba
import numpy as np
import pytest

from accel.simd import (
    jit,
    load,
    load_first,
    pointer,
    prefetch,
    store,
    store_first,
    vector,
)

FOUR = vector("float32", 4)


@jit
def copy(V, x, i, out, j):
    store(out, j, load(V, x, i))


@jit
def copy_by_pointers(V, x, i, out, j):
    store(pointer(out), j, load(V, pointer(x), i))


@jit
def copy_first(V, x, i, out, j, count):
    store(out, j, load_first(V, x, i, count))


@jit
def store_only_first(V, x, i, out, j, count):
    store_first(out, j, load(V, x, i), count)


@jit
def copy_first_by_pointers(V, x, i, out, j, count):
    store_first(pointer(out), j, load_first(V, pointer(x), i, count), count)


@jit
def copy_after_prefetch(V, x, i, out, j):
    for far in (0, i, -1, x.size, 1 << 40, -(1 << 40)):
        prefetch(x, far)
        prefetch(pointer(x), far)
    store(out, j, load(V, x, i))


@jit
def double_first(V, x, i, count):
    v = load_first(V, x, i, count)
    store_first(x, i, v + v, count)


@jit
def store_scalar(V, x, out):
    store(out, 0, x[0] * V.lanes)


@jit
def point_at_number(x):
    return pointer(x.size)


@jit
def prefetch_number(x):
    prefetch(x.size, 0)


def numbered(V, size):
    return np.arange(1, size + 1, dtype=V.dtype)


@pytest.mark.parametrize("way", [copy, copy_by_pointers, copy_after_prefetch])
def test_load_and_store_move_one_register_at_any_offset(V, way):
    x = numbered(V, 3 * V.lanes)
    for i in range(V.lanes + 1):
        out = np.zeros_like(x)
        way(V, x, i, out, V.lanes - i)
        expected = np.zeros_like(x)
        expected[V.lanes - i : 2 * V.lanes - i] = x[i : i + V.lanes]
        np.testing.assert_array_equal(out, expected)


def test_offsets_count_from_the_first_element_also_backwards(V):
    host = numbered(V, 3 * V.lanes)
    out = np.zeros(V.lanes, V.dtype)
    copy(V, host[V.lanes :], -1, out, 0)
    np.testing.assert_array_equal(out, host[V.lanes - 1 : 2 * V.lanes - 1])


def test_load_first_fills_the_other_lanes_with_zeros(V):
    x = numbered(V, 3 * V.lanes)
    for count in range(-2, V.lanes + 3):
        out = np.full(V.lanes, np.nan, V.dtype)
        copy_first(V, x, 1, out, 0, count)
        lanes = np.arange(V.lanes)
        np.testing.assert_array_equal(out, np.where(lanes < count, x[1 : V.lanes + 1], 0))


@pytest.mark.parametrize("way", [store_only_first, copy_first_by_pointers])
def test_store_first_touches_nothing_else(V, way):
    x = numbered(V, 3 * V.lanes)
    for count in range(-2, V.lanes + 3):
        out = np.zeros_like(x)
        way(V, x, 1, out, V.lanes - 1, count)
        expected = np.zeros_like(x)
        stored = min(max(count, 0), V.lanes)
        expected[V.lanes - 1 : V.lanes - 1 + stored] = x[1 : 1 + stored]
        np.testing.assert_array_equal(out, expected)


@pytest.mark.parametrize("count", [2**32, 2**32 + 1, 2**62, -(2**32), 1 - 2**32])
def test_counts_are_not_cut_to_32_bits(V, count):
    x, out = numbered(V, 2 * V.lanes), np.zeros(2 * V.lanes, V.dtype)
    copy_first_by_pointers(V, x, 0, out, 0, count)
    np.testing.assert_array_equal(out[: V.lanes], x[: V.lanes] * (count > 0))
    np.testing.assert_array_equal(out[V.lanes :], 0)


def test_load_reads_read_only_arrays_and_columns(V):
    x = np.asfortranarray(numbered(V, 4 * V.lanes).reshape(4, -1))
    x.flags.writeable = False
    out = np.zeros(V.lanes, V.dtype)
    copy(V, x, 1, out, 0)
    np.testing.assert_array_equal(out, x.ravel("K")[1 : V.lanes + 1])


def at_page_end(V, size):
    """Return an array that ends where a page begins that may be neither read nor written."""
    room = mmap.mmap(-1, 2 * mmap.PAGESIZE)
    page = np.frombuffer(room, V.dtype, mmap.PAGESIZE // V.dtype.itemsize)
    page[...] = 1
    libc = ctypes.CDLL(None, use_errno=True)
    forbidden = ctypes.c_void_p(page.ctypes.data + mmap.PAGESIZE)
    assert libc.mprotect(forbidden, mmap.PAGESIZE, 0) == 0  # PROT_NONE
    return page[page.size - size :]


def masked_at_page_end():
    """Load and store every count of every width at the end of a page; in a child process."""
    faulthandler.enable()
    for V in (vector(dtype, lanes) for lanes in (4, 8, 16) for dtype in ("float32", "float64")):
        for count in range(V.lanes + 1):
            x = at_page_end(V, count)
            double_first(V, x, 0, count)
            np.testing.assert_array_equal(x, 2)
            assert x.size == count


def whole_at_page_end():
    """Step over the edge, to see that there is one; in a child process."""
    x = at_page_end(FOUR, 3)
    copy(FOUR, x, 0, np.zeros(4, "float32"), 0)


def ends_in_child(function):
    code = f"import {Path(__file__).stem} as tests; tests.{function}()"
    folder = Path(__file__).parent
    return subprocess.run([sys.executable, "-c", code], cwd=folder, check=False, timeout=120)


def test_load_first_and_store_first_end_at_the_end_of_memory():
    assert ends_in_child("masked_at_page_end").returncode == 0


def test_load_reads_all_lanes_even_beyond_the_end_of_memory():
    assert ends_in_child("whole_at_page_end").returncode < 0  # ended by a signal


@pytest.mark.parametrize("way", [copy, copy_after_prefetch])
def test_strided_array_is_refused_in_words(way):
    x = np.zeros(16, "float32")
    message = r"load: expected a contiguous array or a pointer of float32, got array\(.*1d, A"
    with pytest.raises(numba.TypingError, match=message):
        way(FOUR, x[::2], 0, x.copy(), 0)


@pytest.mark.parametrize("way", [copy, copy_by_pointers])
def test_array_of_another_type_is_refused_in_words(way):
    x = np.zeros(16, "float32")
    with pytest.raises(numba.TypingError, match=r"load: expected .* of float32, got .*float64"):
        way(FOUR, x.astype("float64"), 0, x.copy(), 0)
    with pytest.raises(numba.TypingError, match=r"store: expected .* of float32, got .*float64"):
        way(FOUR, x, 0, x.astype("float64"), 0)


@pytest.mark.parametrize("way", [copy, store_only_first])
def test_read_only_array_is_not_written(way):
    out = np.zeros(16, "float32")
    out.flags.writeable = False
    count = () if way is copy else (3,)
    with pytest.raises(numba.TypingError, match=r"store.*: expected a writable array, got .*"):
        way(FOUR, np.ones(16, "float32"), 0, out, 0, *count)


def test_store_of_a_scalar_is_refused_in_words():
    x = np.zeros(4, "float32")
    with pytest.raises(numba.TypingError, match="store: expected a register, got float"):
        store_scalar(FOUR, x, x.copy())


def test_index_is_a_whole_number():
    x = np.zeros(8, "float32")
    with pytest.raises(numba.TypingError, match="load: expected whole numbers of elements, got fl"):
        copy(FOUR, x, 0.5, x.copy(), 0)


def test_pointer_and_prefetch_refuse_numbers_in_words():
    x = np.zeros(4, "float32")
    with pytest.raises(numba.TypingError, match="pointer: expected an array, got int64"):
        point_at_number(x)
    with pytest.raises(numba.TypingError, match="prefetch: expected an array or a pointer, got in"):
        prefetch_number(x)
