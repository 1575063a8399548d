import tracemalloc

import numpy as np
import pytest

from accel.timing import memory

MEBIBYTE = 2**20
#: What the interpreter itself may allocate beside an array.
SLACK = 4096


def test_a_temporary_array_is_seen_though_it_is_gone_when_the_call_ends():
    peak = memory.peak_alloc_bytes(lambda n: np.ones(n, dtype=np.uint8).sum(), (MEBIBYTE,))
    assert MEBIBYTE <= peak <= MEBIBYTE + SLACK + 8 * np.getbufsize()


def test_arrays_held_together_add_up_and_arrays_in_turn_do_not():
    def together(n):
        return [np.empty(n, dtype=np.uint8) for _ in range(3)]

    def in_turn(n):
        for _ in range(3):
            np.empty(n, dtype=np.uint8)

    assert memory.peak_alloc_bytes(together, (MEBIBYTE,)) == pytest.approx(3 * MEBIBYTE, abs=SLACK)
    assert memory.peak_alloc_bytes(in_turn, (MEBIBYTE,)) == pytest.approx(MEBIBYTE, abs=SLACK)


def test_work_in_place_allocates_next_to_nothing():
    x = np.ones(MEBIBYTE)
    assert memory.peak_alloc_bytes(lambda x: np.multiply(x, 2, out=x), (x,)) <= SLACK


def test_lists_count_too():
    assert memory.peak_alloc_bytes(lambda n: [None] * n, (10**6,)) >= 8 * 10**6


def test_what_was_allocated_before_does_not_count():
    arguments = (np.ones(MEBIBYTE),)
    assert memory.peak_alloc_bytes(len, arguments) <= SLACK


def test_tracing_ends_also_when_the_kernel_raises():
    def kernel():
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        memory.peak_alloc_bytes(kernel, ())
    assert not tracemalloc.is_tracing()


def test_resident_memory_is_in_bytes():
    """An interpreter with NumPy takes more than ten and less than a hundred thousand MiB."""
    assert 10 * MEBIBYTE < memory.peak_resident_bytes() < 10**5 * MEBIBYTE
