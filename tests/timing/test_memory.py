import mmap
import tracemalloc

import numpy as np
import pytest

from accel.timing import memory

MEBIBYTE = 2**20
#: What the interpreter itself may allocate beside an array.
SLACK = 16_384


def peak_alloc_bytes(function, arguments):
    return memory.account(function, arguments)["peak_alloc_bytes"]


def test_a_temporary_array_is_seen_though_it_is_gone_when_the_call_ends():
    peak = peak_alloc_bytes(lambda n: np.ones(n, dtype=np.uint8).sum(), (MEBIBYTE,))
    assert MEBIBYTE <= peak <= MEBIBYTE + SLACK + 8 * np.getbufsize()


def test_arrays_held_together_add_up_and_arrays_in_turn_do_not():
    def together(n):
        return [np.empty(n, dtype=np.uint8) for _ in range(3)]

    def in_turn(n):
        for _ in range(3):
            np.empty(n, dtype=np.uint8)

    assert peak_alloc_bytes(together, (MEBIBYTE,)) == pytest.approx(3 * MEBIBYTE, abs=SLACK)
    assert peak_alloc_bytes(in_turn, (MEBIBYTE,)) == pytest.approx(MEBIBYTE, abs=SLACK)


def test_work_in_place_allocates_next_to_nothing():
    x = np.ones(MEBIBYTE)
    assert peak_alloc_bytes(lambda x: np.multiply(x, 2, out=x), (x,)) <= SLACK


def test_lists_count_too():
    assert peak_alloc_bytes(lambda n: [None] * n, (10**6,)) >= 8 * 10**6


def test_what_was_allocated_before_does_not_count():
    arguments = (np.ones(MEBIBYTE),)
    assert peak_alloc_bytes(len, arguments) <= SLACK


def test_tracing_ends_also_when_the_kernel_raises():
    def kernel():
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        peak_alloc_bytes(kernel, ())
    assert not tracemalloc.is_tracing()


def account(function, *arguments):
    return memory.account(function, arguments)


def test_every_number_of_an_account_says_what_it_sees_and_what_not():
    assert account(lambda: None).keys() == memory.FIELDS.keys()
    for field in memory.FIELDS.values():
        assert field.label and field.sees and field.misses


def test_a_result_is_held_and_a_temporary_is_not():
    x = np.ones(MEBIBYTE, dtype=np.uint8)
    assert account(lambda x: x + 1, x)["held_bytes"] == pytest.approx(MEBIBYTE, abs=SLACK)
    assert account(lambda x: float((x + 1).sum()), x)["held_bytes"] <= SLACK


def touch_fresh_pages():
    """Memory straight from the kernel, which no allocator can have had before."""
    with mmap.mmap(-1, 8 * MEBIBYTE) as fresh:
        for page in range(0, 8 * MEBIBYTE, mmap.PAGESIZE):
            fresh[page] = 1


def test_fresh_pages_are_counted_though_tracemalloc_does_not_see_them():
    seen = account(touch_fresh_pages)
    assert seen["peak_alloc_bytes"] <= SLACK
    assert seen["minor_faults"] >= 8 * MEBIBYTE // (2 * MEBIBYTE)  # if pages are huge
    assert seen["resident_growth_bytes"] in (None, pytest.approx(8 * MEBIBYTE, rel=0.2))


def test_work_in_place_touches_no_fresh_page():
    x = np.ones(MEBIBYTE)
    np.multiply(x, 2, out=x)
    seen = account(lambda x: np.multiply(x, 2, out=x), x)
    assert seen["minor_faults"] < 64
    assert seen["resident_growth_bytes"] in (None, pytest.approx(0, abs=64 * mmap.PAGESIZE))


def test_arguments_are_put_back_before_each_call():
    """A kernel that fails on its own result is called twice."""
    x = np.zeros(3)

    def once(x):
        assert not x.any()
        x += 1

    memory.account(once, (x,), restore=lambda: x.fill(0))
    assert (x == 1).all()


def test_a_system_that_tells_nothing_gives_none_instead_of_zero(monkeypatch, tmp_path):
    monkeypatch.setattr(memory, "resource", None)
    monkeypatch.setattr(memory, "_CLEAR_REFS", tmp_path / "absent" / "clear_refs")
    monkeypatch.setattr(memory, "_STATUS", tmp_path / "status")
    seen = account(lambda: None)
    unknown = {name for name, value in seen.items() if value is None}
    assert unknown == {"minor_faults", "major_faults", "resident_growth_bytes"}
    assert memory.peak_resident_bytes() is None


def test_the_high_water_mark_of_the_process_survives_an_account():
    np.ones(64 * MEBIBYTE, dtype=np.uint8)
    before = memory.peak_resident_bytes()
    account(lambda: None)
    assert memory.peak_resident_bytes() >= before


def test_resident_memory_is_in_bytes():
    """An interpreter with NumPy takes more than ten and less than a hundred thousand MiB."""
    assert 10 * MEBIBYTE < memory.peak_resident_bytes() < 10**5 * MEBIBYTE
