import ctypes
import gc
import os
import threading

import numpy as np
import pytest

from accel.arrays.loops import Borrowed
from accel.arrays.memory import Store

FLOAT = np.dtype("float32")


def array(store, n=1000):
    return store.empty(Borrowed, (n,), FLOAT, 4 * n).view(np.ndarray)


def address(x):
    return x.__array_interface__["data"][0]


def test_the_memory_of_an_array_that_is_gone_is_used_again():
    store = Store()
    x = array(store)
    where = address(x)
    del x
    assert address(array(store)) == where


VIEWS = {
    "a view": lambda x: x[10:20],
    "a view of a view": lambda x: x[10:20].reshape(2, 5).T,
    "a view of another class": lambda x: x.view(np.ndarray).view(Borrowed)[3:],
    "a view of another type": lambda x: x.view("uint8"),
    "the array's base": lambda x: x.base,
    "what is below its base": lambda x: np.asarray(x.base.base),
    "a memoryview": lambda x: memoryview(x),
    "a memoryview's array": lambda x: np.asarray(memoryview(x)),
    "a pointer": lambda x: x.ctypes.data_as(ctypes.c_void_p),
    "a window": lambda x: np.lib.stride_tricks.sliding_window_view(x, 5),
    "an iterator": lambda x: x.flat,
    "what DLPack makes of it": lambda x: np.from_dlpack(x),
}


@pytest.mark.parametrize("look", VIEWS.values(), ids=VIEWS)
def test_memory_that_something_can_see_is_not_used_again(look):
    store = Store()
    x = array(store)
    where = address(x)
    seen = look(x)
    del x
    gc.collect()
    assert store.kept_bytes == 0
    other = array(store)
    assert address(other) != where
    del seen
    gc.collect()
    assert address(array(store)) == where


def test_memory_is_not_kept_beyond_the_bound():
    store = Store(most_kept_bytes=100_000)
    arrays = [array(store, n) for n in (1000, 2000, 4000, 8000, 16_000) * 3]
    arrays.append(array(store, 1_000_000))
    del arrays
    gc.collect()
    assert 0 < store.kept_bytes <= 100_000


def test_what_was_longest_unused_goes_first():
    store = Store(most_kept_bytes=3 * 4096)
    small = array(store, 1000)
    large = array(store, 2000)
    where = address(large)
    del small, large  # in this order
    again = array(store, 500)  # a page, as small was
    del again
    third = array(store, 1000)
    assert address(array(store, 2000)) == where
    del third


def test_clearing_returns_all():
    store = Store()
    x = array(store)
    del x
    assert store.kept_bytes > 0
    store.clear()
    assert store.kept_bytes == 0


def test_an_array_that_dies_while_the_store_is_busy_harms_nothing():
    store = Store()
    x = array(store)
    with store._lock:
        del x
    assert store.kept_bytes == 0
    assert array(store).size == 1000


def test_many_threads_get_memory_of_their_own():
    store, failures = Store(), []

    def use(number):
        for _ in range(300):
            x = array(store)
            x.fill(number)
            if not (x == number).all():
                failures.append(number)

    threads = [threading.Thread(target=use, args=(number,)) for number in range(4)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    assert failures == []


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork here")
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_a_forked_process_writes_to_memory_of_its_own():
    x = array(Store())
    x.fill(1)
    child = os.fork()
    if child == 0:
        x.fill(2)
        os._exit(0)
    os.waitpid(child, 0)
    assert (x == 1).all()


def test_memory_that_there_is_not_is_an_error_of_memory():
    with pytest.raises(MemoryError, match="bytes"):
        Store().empty(Borrowed, (1 << 60,), np.dtype("u1"), 1 << 60)
